//! What is said of balancers and backends.

use std::net::IpAddr;

use netwright_model::network::{LoadBalancerId, Network};
use netwright_model::scalar::Service;

use super::{Behind, Door};
use crate::trace::{Trace, Verdict, obstacle_reason};

/// How many backends can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Backends that surely can.
    pub answer: usize,
    /// Backends of which that is unknown.
    pub unknown: usize,
    /// Backends that are out of service.
    pub out_of_service: usize,
    /// All backends.
    pub of: usize,
}

impl Count {
    /// In words: `2 of 3 backends can answer`.
    #[must_use]
    pub fn sentence(self) -> String {
        let Self { answer, unknown, out_of_service, of } = self;
        let backends = if of == 1 { "backend" } else { "backends" };
        let mut text = format!("{answer} of {of} {backends} can answer");
        if unknown > 0 {
            text += &format!(", {unknown} unknown");
        }
        if out_of_service > 0 {
            text += &format!(", {out_of_service} out of service");
        }
        text
    }
}

pub(super) fn count(doors: &[Door]) -> Count {
    let mut count = Count::default();
    for behind in doors.iter().flat_map(|door| &door.backends) {
        count.of += 1;
        match (behind.answers(), behind.in_service) {
            (Some(true), _) => count.answer += 1,
            (_, Some(false)) => count.out_of_service += 1,
            (None, _) => count.unknown += 1,
            (Some(false), _) => {}
        }
    }
    count
}

fn name(network: &Network, id: LoadBalancerId) -> &str {
    &network[network[id].endpoint].name
}

pub(super) fn no_listeners(network: &Network, id: LoadBalancerId) -> String {
    if network[id].listeners.is_empty() {
        format!("what load balancer {} listens on is not described", name(network, id))
    } else {
        format!("nothing passes to a listener of load balancer {}", name(network, id))
    }
}

pub(super) fn not_listening(network: &Network, id: LoadBalancerId, on: Service) -> String {
    format!("load balancer {} does not listen on {on}", name(network, id))
}

/// Why a listener's requests find no answer.
pub(super) fn why(network: &Network, id: LoadBalancerId, door: &Door) -> String {
    let balancer = name(network, id);
    if door.verdict == Verdict::Unknown {
        let unknown = door.backends.iter().find(|behind| behind.answers().is_none());
        let because = match (unknown, door.missing.first()) {
            (Some(behind), _) => backend(behind),
            (None, Some(missing)) => missing.clone(),
            (None, None) => "requests may go to all backends or to those in service".to_owned(),
        };
        return format!(
            "whether a backend of load balancer {balancer} can answer is unknown: {because}"
        );
    }
    if door.backends.is_empty() {
        return format!("load balancer {balancer} has no backend for {}", door.on);
    }
    // A backend in service tells more than one that nobody asks.
    let first = door
        .backends
        .iter()
        .find(|behind| behind.in_service != Some(false))
        .or_else(|| door.backends.first());
    let more = match door.backends.len() {
        0 | 1 => String::new(),
        all => format!(" (and {} more)", all - 1),
    };
    let because = first.map_or_else(String::new, backend);
    format!("no backend of load balancer {balancer} can answer: {because}{more}")
}

fn backend(behind: &Behind) -> String {
    let Behind { name, port, in_service, health, why, verdict, .. } = behind;
    match (in_service, health, why) {
        (Some(false), Some(health), _) => format!("{name} is out of service: {health}"),
        (_, _, Some(why)) => {
            format!("{name} on {port} is {}: {why}", verdict.word().replace('_', " "))
        }
        (None, Some(health), _) => format!("{name}: {health}"),
        _ => name.clone(),
    }
}

/// Why what a balancer sends does not work.
pub(super) fn blocked_leg(network: &Network, trace: &Trace, verdict: Verdict) -> String {
    if let Some(first) = trace.blockers(network).first() {
        return first.text.clone();
    }
    match &trace.forward.path.end {
        crate::prover::path::End::Blocked(obstacle) => obstacle_reason(network, obstacle).text,
        _ => format!("it is {}", verdict.word().replace('_', " ")),
    }
}

/// Why a backend is not known to be in service.
pub(super) fn unhealthy(probe: Service, source: Option<IpAddr>, why: Option<&str>) -> String {
    let from = source.map_or_else(String::new, |source| format!(" from {source}"));
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    format!("health checks of {probe}{from} do not surely reach it{why}")
}
