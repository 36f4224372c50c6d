//! A flow to a load balancer, followed to its backends.
//!
//! Arriving at a balancer proves little: what was asked for works when a backend can answer. So behind the flow to the balancer stand, for
//! each backend of the listener, the packets that the balancer sends it and the health checks that decide whether it is sent any.
//!
//! - A balancer that **proxies** opens a connection of its own, from the node that was asked or from where the provider's front end
//!   stands, from any client port.
//! - One that **passes packets on** hands the client's packet over: with the client's address as source where that is kept.
//! - A **health check** comes from the nodes or from the provider's probes. A backend that it does not reach is out of service.
//!
//! Read [`legs`] for the packets, [`weigh`](weigh::works) for what follows from them.

mod legs;
pub mod nodes;
mod sources;
mod weigh;
mod words;

use std::net::IpAddr;

use netwright_model::language::{EndpointKind, LoadBalancerKind, ServiceIngress};
use netwright_model::network::{
    BackendTarget, EndpointId, InterfaceId, LoadBalancer, LoadBalancerId, Network,
};
use netwright_model::scalar::{PortRange, Service};
use netwright_model::source::Span;

use crate::ask::{all_of, set_of};
use crate::prover::Prover;
use crate::prover::path::{Arrival, End};
use crate::trace::{Flow, Trace, Verdict};

pub use words::Count;

/// After so many balancers behind each other nobody looks further.
const MOST_BALANCERS: usize = 4;

/// What stands behind a flow that arrives at a balancer.
#[derive(Debug, Clone)]
pub struct Beyond {
    /// The balancer.
    pub balancer: LoadBalancerId,
    /// The node that was asked; none where it has none.
    pub node: Option<InterfaceId>,
    /// The listeners that were asked.
    pub doors: Vec<Door>,
    /// What can be said of the whole: the flow to the balancer, and what it sends to its backends.
    pub verdict: Verdict,
    /// Why it does not work, in words.
    pub why: Option<String>,
}

/// A listener and what stands behind it.
#[derive(Debug, Clone)]
pub struct Door {
    /// The listener's name; none where nothing listens on what was asked.
    pub listener: Option<String>,
    /// Where the listener was written.
    pub span: Span,
    /// The part of what was asked that it listens on.
    pub on: Service,
    /// Its backends.
    pub backends: Vec<Behind>,
    /// What is not known of its backends.
    pub missing: Vec<String>,
    /// It answers by itself.
    pub answers: bool,
    /// No backend is in service, and requests go to all of them all the same.
    pub fails_open: bool,
    /// What can be said of a request that has arrived at the balancer.
    pub verdict: Verdict,
    /// Why it does not work, in words.
    pub why: Option<String>,
}

/// A backend as seen from one listener.
#[derive(Debug, Clone)]
pub struct Behind {
    /// Its name, or its address.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Where it was written.
    pub span: Span,
    /// The address that is used.
    pub address: Option<IpAddr>,
    /// Protocol and port that it is asked on.
    pub port: Service,
    /// Whether it is sent requests: surely, surely not, or unknown.
    pub in_service: Option<bool>,
    /// Why it is out of service, or why that is unknown.
    pub health: Option<String>,
    /// Its health checks, each as a flow; of several sources the one that decides.
    pub probes: Vec<Trace>,
    /// What can be said of a request that is sent to it.
    pub verdict: Verdict,
    /// Why it cannot answer, in words.
    pub why: Option<String>,
    /// The request as a flow; of several sources the one that decides. None where the provider carries it.
    pub flow: Option<Trace>,
    /// What stands behind it, where it is a balancer.
    pub beyond: Option<Box<Beyond>>,
}

/// One balancer as it was asked.
struct Asked<'t> {
    /// The flow to it.
    client: &'t Trace,
    node: Option<InterfaceId>,
    depth: usize,
}

/// What stands behind a flow, where it arrives at a balancer: for one packet, or for the listeners that let anything pass.
pub fn beyond(prover: &mut Prover<'_>, trace: &Trace) -> Option<Beyond> {
    let (id, asked) = arrival(prover.network, trace, 0)?;
    let (services, all): (Vec<Service>, bool) = match trace.flow.packet {
        Some(packet) => (vec![legs::service_of(packet)], true),
        None => (open_listeners(prover, id, trace), false),
    };
    Some(look(prover, id, &asked, &services, all))
}

/// The same for all packets of a service: it works when all of them do.
pub fn beyond_for(prover: &mut Prover<'_>, trace: &Trace, service: Service) -> Option<Beyond> {
    let (id, asked) = arrival(prover.network, trace, 0)?;
    let services = match service {
        Service::Any => open_listeners(prover, id, trace),
        service => vec![service],
    };
    Some(look(prover, id, &asked, &services, service != Service::Any))
}

/// The balancer that a flow arrives at. A flow that surely does not arrive, or whose answer is lost there already, goes no further.
fn arrival<'t>(
    network: &Network,
    trace: &'t Trace,
    depth: usize,
) -> Option<(LoadBalancerId, Asked<'t>)> {
    if !matches!(trace.verdict, Verdict::Reachable | Verdict::Unknown) {
        return None;
    }
    let (endpoint, node) = match trace.forward.path.end {
        End::Delivered(Arrival::Interface(id)) => (network[id].owner, Some(id)),
        End::Delivered(Arrival::Endpoint(id)) => (id, None),
        _ => return None,
    };
    Some((balancer_of(network, endpoint)?, Asked { client: trace, node, depth }))
}

/// The balancer that an endpoint is.
#[must_use]
pub fn balancer_of(network: &Network, endpoint: EndpointId) -> Option<LoadBalancerId> {
    if network[endpoint].kind != EndpointKind::LoadBalancer {
        return None;
    }
    let found = network.load_balancers.iter().position(|row| row.endpoint == endpoint)?;
    Some(LoadBalancerId::at(found))
}

/// The listeners of a balancer to which anything passes.
fn open_listeners(prover: &mut Prover<'_>, id: LoadBalancerId, trace: &Trace) -> Vec<Service> {
    let network = prover.network;
    let flow = trace.flow;
    let flows = match trace.flows {
        Some(flows) => flows,
        None => prover.flows_of(&flow),
    };
    let mut open = Vec::new();
    for listener in &network[id].listeners {
        let asked = set_of(&mut prover.space, listener.on);
        if prover.space.intersects(asked, flows.answered.may) && !open.contains(&listener.on) {
            open.push(listener.on);
        }
    }
    open
}

fn look(
    prover: &mut Prover<'_>,
    id: LoadBalancerId,
    asked: &Asked<'_>,
    services: &[Service],
    all: bool,
) -> Beyond {
    let network = prover.network;
    let mut doors: Vec<Door> = Vec::new();
    for service in services {
        for (listener, on) in parts(&network[id], *service) {
            doors.push(door(prover, id, asked, listener, on));
        }
    }
    let mut verdict = weigh::doors(&doors, all);
    if network[id].listeners.is_empty() {
        verdict = Verdict::Unknown;
    }
    let deciding = doors.iter().find(|door| door.verdict == verdict);
    let why = match (verdict, deciding) {
        (Verdict::Reachable, _) => None,
        (_, Some(door)) => door.why.clone(),
        (_, None) => Some(words::no_listeners(network, id)),
    };
    // What may not arrive at all is not known to work; what no backend can answer does not work either way.
    if verdict == Verdict::Reachable && asked.client.verdict == Verdict::Unknown {
        verdict = Verdict::Unknown;
    }
    Beyond { balancer: id, node: asked.node, doors, verdict, why }
}

/// A service cut by the listeners of a balancer: each part with the listener that takes it, or with none.
fn parts(balancer: &LoadBalancer, service: Service) -> Vec<(Option<usize>, Service)> {
    let mut found = Vec::new();
    let mut rest = vec![service];
    for (position, listener) in balancer.listeners.iter().enumerate() {
        let mut left = Vec::new();
        for service in rest {
            let (taken, others) = cut(service, listener.on);
            found.extend(taken.map(|taken| (Some(position), taken)));
            left.extend(others);
        }
        rest = left;
    }
    found.extend(rest.into_iter().map(|service| (None, service)));
    found
}

/// The part of a service that a listener takes, and what is left of it.
fn cut(service: Service, on: Service) -> (Option<Service>, Vec<Service>) {
    match (service, on) {
        (_, Service::Any) => (Some(service), Vec::new()),
        (
            Service::Ports { protocol: one, ports: asked },
            Service::Ports { protocol: other, ports: own },
        ) if one == other => {
            let (first, last) = (asked.first.max(own.first), asked.last.min(own.last));
            if first > last {
                return (None, vec![service]);
            }
            let part = |first: u16, last: u16| {
                PortRange::new(first, last).map(|ports| Service::Ports { protocol: one, ports })
            };
            let below =
                (asked.first < own.first).then(|| part(asked.first, own.first - 1)).flatten();
            let above = (asked.last > own.last).then(|| part(own.last + 1, asked.last)).flatten();
            (part(first, last), below.into_iter().chain(above).collect())
        }
        (Service::Ports { protocol: one, .. }, Service::Protocol(other))
        | (Service::Icmp { protocol: one, .. }, Service::Protocol(other))
            if one == other =>
        {
            (Some(service), Vec::new())
        }
        (
            Service::Icmp { protocol: one, kind, code },
            Service::Icmp { protocol: other, kind: own_kind, code: own_code },
        ) if one == other
            && (own_kind.is_none() || own_kind == kind)
            && (own_code.is_none() || own_code == code) =>
        {
            (Some(service), Vec::new())
        }
        (one, other) if one == other => (Some(service), Vec::new()),
        _ => (None, vec![service]),
    }
}

fn door(
    prover: &mut Prover<'_>,
    id: LoadBalancerId,
    asked: &Asked<'_>,
    listener: Option<usize>,
    on: Service,
) -> Door {
    let network = prover.network;
    let Some(listener) = listener.map(|at| &network[id].listeners[at]) else {
        return Door {
            listener: None,
            span: network[network[id].endpoint].span,
            on,
            backends: Vec::new(),
            missing: Vec::new(),
            answers: false,
            fails_open: false,
            verdict: Verdict::Blocked,
            why: Some(words::not_listening(network, id, on)),
        };
    };
    let mut made = Door {
        listener: Some(listener.name.clone()),
        span: listener.span,
        on,
        backends: Vec::new(),
        missing: listener.incomplete.clone(),
        answers: listener.answers,
        fails_open: false,
        verdict: Verdict::Reachable,
        why: None,
    };
    if listener.answers {
        return made;
    }
    if !listener.has_groups {
        made.missing.push(format!("listener {} names no backends", listener.name));
    }
    for backend in &listener.backends {
        let there = zone(network, id, asked.node, backend);
        if there == Some(false) {
            continue;
        }
        let mut behind = behind(prover, id, asked, backend, on);
        if there.is_none() && behind.in_service == Some(true) {
            behind.in_service = None;
            behind.health = Some("whether it stands in the node's zone is not described".into());
        }
        made.backends.push(behind);
    }
    weigh::door(network, id, &mut made);
    made
}

/// Whether a backend stands where a node sends requests: anywhere, or in the node's own zone.
fn zone(
    network: &Network,
    id: LoadBalancerId,
    node: Option<InterfaceId>,
    backend: &BackendTarget,
) -> Option<bool> {
    let Some(node) = node.filter(|_| !network[id].cross_zone) else { return Some(true) };
    let own = network[network[node].subnet].zone.as_ref();
    let Some(interface) = legs::interface_of(network, backend) else { return Some(true) };
    let its = network[network[interface].subnet].zone.as_ref();
    Some(own? == its?)
}

fn behind(
    prover: &mut Prover<'_>,
    id: LoadBalancerId,
    asked: &Asked<'_>,
    backend: &BackendTarget,
    on: Service,
) -> Behind {
    let network = prover.network;
    let address = legs::address_of(network, backend);
    let name = match (backend.endpoint, address) {
        (Some(endpoint), _) => network[endpoint].name.clone(),
        (None, Some(address)) => address.to_string(),
        (None, None) => "a backend without an address".to_owned(),
    };
    let mut made = Behind {
        name,
        group: backend.group.clone(),
        span: backend.span,
        address,
        port: legs::port_of(&network[id], backend, on),
        in_service: Some(true),
        health: None,
        probes: Vec::new(),
        verdict: Verdict::Unknown,
        why: None,
        flow: None,
        beyond: None,
    };
    if let Some(service) = serverless(network, backend) {
        (made.verdict, made.why) = called(network, &network[id], service);
        return made;
    }
    let pair = legs::Pair { id, node: asked.node, backend };
    let way = legs::Way { pair, client: asked.client };
    let sent = legs::request(prover, &way, made.port);
    made.verdict = sent.verdict;
    made.why = sent.why;
    made.flow = sent.trace;
    if let Some(trace) = made.flow.as_ref().filter(|_| made.verdict == Verdict::Reachable) {
        let inner = (asked.depth < MOST_BALANCERS)
            .then(|| arrival(network, trace, asked.depth + 1))
            .flatten();
        if let Some((inner, asked)) = inner {
            let found = look(prover, inner, &asked, &[made.port], true);
            made.verdict = found.verdict;
            made.why.clone_from(&found.why);
            made.beyond = Some(Box::new(found));
        }
    }
    let health = legs::health(prover, pair, Some(asked.client.forward.path.dst));
    (made.in_service, made.health) = (health.in_service, health.why);
    made.probes.extend(health.probe);
    made
}

/// Whether a node of a balancer has any backend to send to. Names do not lead to one without (AWS, "Network Load Balancers": a zone without
/// targets is taken out of DNS).
#[must_use]
pub fn serves(network: &Network, node: InterfaceId) -> bool {
    let Some(id) = balancer_of(network, network[node].owner) else { return true };
    let mut backends = network[id].listeners.iter().flat_map(|listener| &listener.backends);
    network[id].cross_zone
        || backends.any(|backend| zone(network, id, Some(node), backend) != Some(false))
}

fn serverless(network: &Network, backend: &BackendTarget) -> Option<usize> {
    let endpoint = backend.endpoint?;
    network.serverless.iter().position(|row| row.endpoint == endpoint)
}

/// A serverless service is called through its platform's front end: only its own setting stands against that (Google Cloud, "Restrict
/// network ingress for Cloud Run").
fn called(network: &Network, balancer: &LoadBalancer, service: usize) -> (Verdict, Option<String>) {
    let row = &network.serverless[service];
    let written = network.description.services.0.get(row.index);
    let ingress = written.and_then(|(_, service)| service.ingress.as_ref());
    let internal = ingress.is_some_and(|ingress| ingress.value == ServiceIngress::Internal);
    if internal && balancer.external {
        let name = &network[row.endpoint].name;
        let why = format!("{name} takes calls from inside only (ingress: internal)");
        return (Verdict::Blocked, Some(why));
    }
    (Verdict::Reachable, None)
}

impl Prover<'_> {
    /// The best trace among several flows that stand for one question, with what stands behind it: the first of which the whole works,
    /// otherwise the one that gets farthest.
    pub fn best_whole(&mut self, flows: &[Flow]) -> Option<(Trace, Option<Beyond>)> {
        let mut best: Option<((usize, usize), Trace, Option<Beyond>)> = None;
        for flow in flows {
            let trace = self.trace(*flow);
            let found = beyond(self, &trace);
            let verdict = found.as_ref().map_or(trace.verdict, |found| found.verdict);
            let rank = match verdict {
                Verdict::Reachable => return Some((trace, found)),
                Verdict::Unknown => 1,
                Verdict::NoReturn => 2,
                Verdict::Blocked | Verdict::Unresolved => 3,
            };
            // Arriving at a balancer is farther than not arriving.
            let steps = trace.forward.path.steps.len() + if found.is_some() { 1000 } else { 0 };
            let key = (rank, usize::MAX - steps);
            if best.as_ref().is_none_or(|(known, ..)| key < *known) {
                best = Some((key, trace, found));
            }
        }
        best.map(|(_, trace, found)| (trace, found))
    }
}

impl Beyond {
    /// How many backends can answer, of how many: over all listeners that were asked.
    #[must_use]
    pub fn count(&self) -> Count {
        words::count(&self.doors)
    }
}

impl Behind {
    /// Whether it answers a request: it is in service, and the request and its answer arrive.
    #[must_use]
    pub fn answers(&self) -> Option<bool> {
        match (self.in_service, weigh::certainty(self.verdict)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}

/// The packets of a trace about everything that also find an answer behind the balancer, in words; none where nothing does.
pub fn passes(prover: &mut Prover<'_>, trace: &Trace, beyond: &Beyond) -> Option<String> {
    let flows = trace.flows?;
    let mut all = crate::space::Set::EMPTY;
    for door in beyond.doors.iter().filter(|door| door.verdict == Verdict::Reachable) {
        let asked = all_of(&mut prover.space, door.on);
        all = prover.space.or(all, asked);
    }
    let all = prover.space.and(all, flows.reachable());
    Some(crate::space::show::layer4(&mut prover.space, all))
}

/// Whether a balancer ends connections.
fn proxies(balancer: &LoadBalancer) -> bool {
    balancer.kind == LoadBalancerKind::Proxy
}

#[cfg(test)]
mod tests;
