//! What hosts are to do for a fault that somebody asked for: worked out by the server for all of them, done by the agent of each.
//!
//! The rules are those of game days ([`netwright_gameday::cut`]): they lie in the routers next to the endpoints, in a table of the fault's own, and meet
//! what their maps name. Each element of these ends with the lease, in the kernel. What is done to processes, links and name servers is done on
//! their hosts, by their agents ([`processes`], [`slow`], [`names`]).

mod names;
mod processes;
mod slow;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use netwright_control::agents::Registration;
use netwright_control::faults::{Effect, NewFault, Pair, Way, Worked};
use netwright_dataplane::kernel::FAULTS;
use netwright_dataplane::plan::HostPlan;
use netwright_dns::settings::Trouble;
use netwright_gameday::cut::{Cut, elements, rules_in};
use netwright_gameday::language::FaultKind;
use netwright_gameday::parties::Parties;
use netwright_gameday::plan::MOST_PAIRS;
use netwright_lab::faults::{Holds, Rules, Strike};
use netwright_lab::link::aside::Leaving;
use netwright_model::network::Network;
use netwright_model::scalar::{Scalar, Service};
use netwright_model::suggest::nearest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a host is to do for a fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// The rules, by namespace: a table with maps that hold nothing.
    pub(crate) rules: Vec<Rules>,
    /// What the maps hold while the fault lasts.
    pub(crate) maps: Vec<Holds>,
    /// What is done to processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) processes: Option<Struck>,
    /// Interfaces that packets leave slowly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) slow: Vec<Leaving>,
    /// Name servers that do wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) misled: Vec<Misled>,
}

/// A name server that does wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Misled {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Where it tells its counters, in its namespace.
    pub(crate) metrics: SocketAddr,
    /// What it does.
    pub(crate) trouble: Trouble,
}

/// Processes that are struck: those that the agent runs in some namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Struck {
    /// The namespaces.
    pub(crate) namespaces: Vec<String>,
    /// How.
    pub(crate) how: Strike,
    /// Only those whose command holds this text.
    pub(crate) holds: Option<String>,
}

/// The table of a fault.
pub(crate) fn table(id: &str) -> String {
    format!("{FAULTS}{id}")
}

fn kind(effect: Effect) -> FaultKind {
    match effect {
        Effect::Drop => FaultKind::Drop,
        Effect::Reject => FaultKind::Reject,
        Effect::Reset => FaultKind::Reset,
        Effect::Hold => FaultKind::Hold,
        Effect::Kill => FaultKind::Kill,
        Effect::Loss => FaultKind::Loss,
        Effect::Rate => FaultKind::Rate,
        Effect::Pause => FaultKind::Pause,
        Effect::Stop => FaultKind::Stop,
        Effect::Slow => FaultKind::Slow,
        Effect::Dns => FaultKind::Dns,
    }
}

/// Works a fault out on a network that is spread over hosts.
pub(crate) fn worked(
    (id, asked): (&str, &NewFault),
    network: &Network,
    whole: &HostPlan,
    hosts: &[Registration],
) -> Result<Worked, Vec<String>> {
    let parties = Parties::of(network, whole);
    let mut wrong = Vec::new();
    let (concerned, pairs) = if asked.effect.is_of_endpoints() {
        let concerned = endpoints(&asked.endpoints, &parties, &mut wrong);
        let (own, all) = (concerned.len(), parties.0.len());
        let count = own * all.saturating_sub(1) - own * own.saturating_sub(1) / 2;
        if count > MOST_PAIRS {
            return Err(vec![format!(
                "these endpoints have {count} pairs, more than the {MOST_PAIRS} that a fault may concern"
            )]);
        }
        let with = |own: usize| (0..parties.0.len()).map(move |far| (own, far));
        let pairs = concerned.iter().flat_map(|own| with(*own)).filter(|(own, far)| own != far);
        let pairs: BTreeSet<(usize, usize)> =
            pairs.map(|(own, far)| (own.min(far), own.max(far))).collect();
        (concerned, pairs)
    } else {
        let pairs = pairs(&asked.pairs, &parties, &mut wrong);
        (pairs.iter().flat_map(|(from, to)| [*from, *to]).collect(), pairs)
    };
    let met = services(&asked.services, &mut wrong);
    let spared = services(&asked.protect_services, &mut wrong);
    let protected = protected(asked, (&parties, &concerned), &mut wrong);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let homes: Homes<'_> = whole
        .namespaces
        .iter()
        .filter_map(|space| Some((space.name.as_str(), short(space.host.as_deref()?))))
        .collect();
    let orders = match asked.effect {
        Effect::Pause | Effect::Stop => {
            processes::orders(asked, (&parties, &concerned), whole, &homes)?
        }
        Effect::Slow => slow::orders(asked, (&parties, &concerned), whole, &homes)?,
        Effect::Dns => names::orders(asked, (&parties, &concerned), whole, &homes)?,
        _ => of_cut(id, &cut_of(asked, &pairs, met), (&parties, &spared), &homes),
    };
    if orders.is_empty() {
        return Err(vec!["no host has anything between these endpoints".to_owned()]);
    }
    let known: BTreeSet<&str> = hosts.iter().map(|one| one.host.as_str()).collect();
    let own = concerned.iter().filter_map(|place| parties.0.get(*place));
    let spaces = own.clone().flat_map(|party| &party.namespaces);
    let of_endpoints = spaces.filter_map(|space| homes.get(space.as_str()).copied());
    let all = u64::try_from(parties.0.len()).unwrap_or(u64::MAX);
    let ordered = |(from, to): &(usize, usize)| {
        let (one, other) = (parties.name(*from).to_owned(), parties.name(*to).to_owned());
        if one <= other { (one, other) } else { (other, one) }
    };
    let written = |(host, own): (&str, Orders)| -> Result<(String, Value), Vec<String>> {
        let json = serde_json::to_value(&own).map_err(|error| vec![error.to_string()])?;
        Ok((host.to_owned(), json))
    };
    Ok(Worked {
        hosts: of_endpoints
            .chain(orders.keys().copied())
            .filter(|host| known.contains(host))
            .map(str::to_owned)
            .collect(),
        endpoints: own.clone().map(|party| party.name.clone()).collect(),
        protected,
        addresses: own.flat_map(|party| party.addresses.iter().copied()).collect(),
        pairs: pairs.iter().map(ordered).collect(),
        all_pairs: all.saturating_mul(all.saturating_sub(1)) / 2,
        orders: orders.into_iter().map(written).collect::<Result<_, _>>()?,
    })
}

/// Endpoints that a fault concerns and was asked to leave alone.
fn protected(
    asked: &NewFault,
    (parties, concerned): (&Parties, &BTreeSet<usize>),
    wrong: &mut Vec<String>,
) -> BTreeSet<String> {
    let mut protected = BTreeSet::new();
    for name in &asked.protect {
        match parties.select(name) {
            Ok(found) => {
                let own = found.into_iter().filter(|place| concerned.contains(place));
                protected.extend(own.map(|place| parties.name(place).to_owned()));
            }
            Err(near) => wrong.push(nothing(name, near)),
        }
    }
    protected
}

/// The host of each namespace.
type Homes<'a> = BTreeMap<&'a str, &'a str>;

/// What each host does for a cut.
fn of_cut<'h>(
    id: &str,
    cut: &Cut,
    (parties, spared): (&Parties, &[Service]),
    homes: &Homes<'h>,
) -> BTreeMap<&'h str, Orders> {
    let cuts = [(FAULT, cut.clone())];
    let mut orders: BTreeMap<&str, Orders> = BTreeMap::new();
    for rules in rules_in(&table(id), &cuts, parties, spared) {
        let Some(host) = homes.get(rules.namespace.as_str()) else { continue };
        orders.entry(*host).or_default().rules.push(rules);
    }
    for maps in elements(FAULT, cut, parties) {
        let Some(host) = homes.get(maps.namespace.as_str()) else { continue };
        orders.entry(*host).or_default().maps.push(maps);
    }
    orders
}

fn cut_of(asked: &NewFault, pairs: &BTreeSet<(usize, usize)>, services: Vec<Service>) -> Cut {
    let turned = || pairs.iter().map(|(from, to)| (*to, *from)).collect();
    Cut {
        kind: kind(asked.effect),
        there: if asked.direction == Way::Back { BTreeSet::new() } else { pairs.clone() },
        back: if asked.direction == Way::There { BTreeSet::new() } else { turned() },
        initiation: asked.initiation,
        services,
        share: asked.share.filter(|_| asked.effect == Effect::Loss).unwrap_or(100_000),
        octets: asked.rate.unwrap_or_default(),
    }
}

/// The number of the only fault of a table.
const FAULT: usize = 0;

fn short(host: &str) -> &str {
    host.rsplit('/').next().unwrap_or(host)
}

fn nothing(name: &str, near: Option<String>) -> String {
    let near = near.map_or_else(String::new, |near| format!(": is `{near}` meant?"));
    format!("`{name}` names nothing of this network{near}")
}

/// The place of an endpoint.
fn place(name: &str, parties: &Parties, wrong: &mut Vec<String>) -> Option<usize> {
    let Some(party) = parties.named(name) else {
        let known = parties.0.iter().map(|party| party.name.as_str());
        wrong.push(nothing(name, nearest(name, known).map(str::to_owned)));
        return None;
    };
    parties.0.iter().position(|own| own.full == party.full)
}

/// Endpoints by their place.
fn endpoints(asked: &[String], parties: &Parties, wrong: &mut Vec<String>) -> BTreeSet<usize> {
    asked.iter().filter_map(|name| place(name, parties, wrong)).collect()
}

/// Both ends of each pair, by their place.
fn pairs(asked: &[Pair], parties: &Parties, wrong: &mut Vec<String>) -> BTreeSet<(usize, usize)> {
    let place = |name: &str, wrong: &mut Vec<String>| {
        let found = place(name, parties, wrong)?;
        if parties.0.get(found).is_some_and(|party| party.vague) {
            wrong
                .push(format!("{name} is a range of more than 256 addresses, which cannot be cut"));
        }
        Some(found)
    };
    let mut all = BTreeSet::new();
    for Pair { from, to } in asked {
        let (Some(one), Some(other)) = (place(from, wrong), place(to, wrong)) else { continue };
        if one == other {
            wrong.push(format!("{from} and {to} are one endpoint"));
        }
        all.insert((one, other));
    }
    wrong.dedup();
    all
}

fn services(asked: &[String], wrong: &mut Vec<String>) -> Vec<Service> {
    let mut all = Vec::new();
    for text in asked {
        match Service::parse_scalar(text) {
            Ok(service) => all.push(service),
            Err(error) => wrong.push(format!("`{text}` is no service: {error}")),
        }
    }
    all
}

#[cfg(test)]
mod tests;
