//! What a description expects, as probes: each intent of `expect` without being written twice, and each of `probes`.
//!
//! An intent that something must not work becomes a probe that nothing may answer. What cannot be asked as a probe (a datagram that nobody
//! need answer, a source without a place in a lab) is told with the reason, so that it does not pass by being left out.

pub mod carried;
mod written;

use std::net::IpAddr;

use netwright_model::language::{EndpointKind, Intent, Outcome};
use netwright_model::network::{EndpointId, InterfaceId, Network};
use netwright_model::scalar::Service;
use netwright_model::source::Span;
use netwright_verify::ask::Point;
use netwright_verify::names::asked;
use netwright_verify::prover::path::Origin;
use netwright_verify::question::Questions;

use crate::probe::target::{Address, Host, Icmp, Spec, Target};

/// Most probes that one intent makes: of larger groups the first are asked, and it is told how many are not.
const MOST: usize = 256;

/// TCP's number.
const TCP: u8 = 6;

/// A probe with its place.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The intent or probe that it comes from.
    pub name: String,
    /// Where that was written.
    pub span: Span,
    /// It is an intent of `expect`.
    pub intent: bool,
    /// Where it is asked from.
    pub from: Place,
    /// Who asks whom, for people.
    pub label: String,
    /// What is asked.
    pub spec: Spec,
    /// From one beginning to the next, where that was said.
    pub every: Option<std::time::Duration>,
}

/// Where a probe is asked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The machine of whoever asks.
    Here,
    /// An interface.
    Interface(InterfaceId),
    /// A service, a site, an outside service.
    Endpoint(EndpointId),
    /// The Internet.
    Internet,
}

/// What a description's intents and probes make.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    /// The probes, in the order written.
    pub all: Vec<Placed>,
    /// What is not asked: a name, and why not.
    pub left: Vec<(String, String)>,
}

/// Makes probes of all that a network's description expects.
///
/// # Errors
///
/// A probe of the description that cannot be one: its place, and what is wrong.
pub fn probes(network: &Network) -> Result<Probes, Vec<(Span, String)>> {
    let questions = Questions::of(network);
    let mut made = Probes::default();
    for (name, intent) in network.description.expect.iter() {
        let before = made.all.len();
        of_intent(network, &questions, (&name.value, name.span), intent, &mut made);
        let count = made.all.len() - before;
        if count > MOST {
            made.all.truncate(before + MOST);
            made.left.push((
                name.value.clone(),
                format!("{} of its {count} probes are not asked", count - MOST),
            ));
        }
    }
    written::add(network, &questions, &mut made)?;
    Ok(made)
}

/// Who asks whom: a place, both for people, and the host that is asked.
type Pair = (Place, String, Host);

/// Every source of an intent asks every destination for every service.
fn of_intent(
    network: &Network,
    questions: &Questions,
    (name, span): (&str, Span),
    intent: &Intent,
    made: &mut Probes,
) {
    let must_fail =
        intent.outcome.as_ref().is_some_and(|outcome| outcome.value == Outcome::Blocked);
    let mut services: Vec<Service> = intent.service.iter().map(|service| service.value).collect();
    if services.is_empty() {
        services.push(Service::Any);
    }
    let found = pairs(network, questions, name, intent, made);
    let placed = |(from, label, _): &Pair, target: Target, must_fail: bool| Placed {
        name: name.to_owned(),
        span,
        intent: true,
        from: *from,
        label: label.clone(),
        spec: spec(intent, target, must_fail),
        every: None,
    };
    for service in services {
        for pair in &found {
            match target(service, &pair.2) {
                Ok(target) => made.all.push(placed(pair, target, must_fail)),
                Err(why) => made.left.push((name.to_owned(), why)),
            }
        }
    }
    if let Some(size) = intent.mtu.as_ref().filter(|_| !must_fail) {
        for pair in &found {
            let target = Target::Icmp(Icmp { host: pair.2.clone(), size: Some(size.value) });
            made.all.push(placed(pair, target, false));
        }
    }
}

/// The pairs that an intent names; what has no place or address is told.
fn pairs(
    network: &Network,
    questions: &Questions,
    name: &str,
    intent: &Intent,
    made: &mut Probes,
) -> Vec<Pair> {
    let mut left = |why: String| made.left.push((name.to_owned(), why));
    let mut found = Vec::new();
    for from in &intent.from {
        let sources = match asked::source(network, &questions.names, &from.value) {
            Ok(sources) => sources.points,
            Err(error) => {
                left(error.message);
                continue;
            }
        };
        for source in sources {
            let Some(place) = place(network, &source) else {
                left(format!("{} has no place to ask from", source.name));
                continue;
            };
            let asker = asked::asker(network, &source);
            for to in &intent.to {
                let to = match asked::destination(network, &questions.names, asker, &to.value) {
                    Ok(to) => to,
                    Err(error) => {
                        left(error.message);
                        continue;
                    }
                };
                let by_name = to.resolution.map(|resolution| resolution.name);
                // A name stands for all of its addresses.
                let asked = if by_name.is_some() { 1 } else { to.points.len() };
                for point in to.points.iter().take(asked) {
                    let label = || format!("{} → {}", source.name, point.name);
                    match host(network, &source, point, by_name.as_deref()) {
                        Some(host) => found.push((place, label(), host)),
                        None => left(format!("{} has no address that can be asked", point.name)),
                    }
                }
            }
        }
    }
    found
}

fn spec(intent: &Intent, target: Target, must_fail: bool) -> Spec {
    // An echo tells nothing of the source that the far end sees.
    let tells = matches!(target, Target::Tcp(_));
    let sources = intent
        .source_address
        .iter()
        .filter(|_| tells && !must_fail)
        .map(|address| address.value)
        .collect();
    let within = intent.latency.as_ref().filter(|_| !must_fail);
    Spec {
        must_fail,
        sources,
        within: within.map(|within| std::time::Duration::from_millis(within.value.as_millis())),
        ..Spec::of(target)
    }
}

/// What is asked of a service.
fn target(service: Service, host: &Host) -> Result<Target, String> {
    match service {
        Service::Any | Service::Icmp { kind: None | Some(8 | 128), .. } => {
            Ok(Target::Icmp(Icmp { host: host.clone(), size: None }))
        }
        Service::Ports { protocol: TCP, ports } => {
            Ok(Target::Tcp(Address { host: host.clone(), port: ports.first.max(1) }))
        }
        Service::Ports { .. } => {
            Err("no probe for it: whoever gets a datagram need not answer".to_owned())
        }
        Service::Icmp { .. } | Service::Protocol(_) => Err("no probe for this protocol".to_owned()),
    }
}

fn place(network: &Network, point: &Point) -> Option<Place> {
    match point.origin? {
        Origin::Interface(id) => Some(Place::Interface(id)),
        Origin::Internet => Some(Place::Internet),
        Origin::Site(id) => Some(Place::Endpoint(network[id].endpoint)),
        Origin::External(id) => Some(Place::Endpoint(network[id].endpoint)),
        Origin::Serverless(id) => Some(Place::Endpoint(network[id].endpoint)),
        Origin::PrivateEndpoint(..) => None,
    }
}

/// How a destination is asked: by the name that was written, else by its address as the source knows it.
fn host(
    network: &Network,
    source: &Point,
    destination: &Point,
    by_name: Option<&str>,
) -> Option<Host> {
    if let Some(name) = by_name {
        return Some(Host::Name(name.to_owned()));
    }
    let outside = matches!(source.origin, Some(Origin::Internet | Origin::External(_)));
    let machine = matches!(destination.origin, Some(Origin::Interface(id)) if network[network[id].owner].kind != EndpointKind::External);
    let addresses = if outside && machine { &destination.public } else { &destination.addresses };
    let usable = |address: &&IpAddr| !address.is_unspecified();
    let v4 = addresses.iter().filter(usable).find(|address| address.is_ipv4());
    v4.or_else(|| addresses.iter().find(usable)).map(|address| Host::Address(*address))
}

#[cfg(test)]
mod tests;
