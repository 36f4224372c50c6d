//! A balancer as its nodes see it: to which backends each listener of a node sends, whoever asks.

use std::net::IpAddr;

use netwright_model::network::{BackendTarget, InterfaceId, LoadBalancerId, Network};
use netwright_model::scalar::Service;

use super::{legs, zone};
use crate::flow::Flows;
use crate::prover::Prover;
use crate::prover::policy::Layer4;

/// A backend that a node may send to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its position among the listener's backends.
    pub position: usize,
    /// The address that is used; none where it is not described.
    pub address: Option<IpAddr>,
    /// Whether it is in service: surely, surely not, or unknown.
    pub in_service: Option<bool>,
}

/// The backends to which a listener of a node may send: those of its zone, with their health.
pub fn candidates(
    prover: &mut Prover<'_>,
    id: LoadBalancerId,
    node: InterfaceId,
    listener: usize,
) -> Vec<Candidate> {
    let network = prover.network;
    let arrived = network[node].addresses.first().copied();
    let Some(listener) = network[id].listeners.get(listener) else { return Vec::new() };
    let mut found = Vec::new();
    for (position, backend) in listener.backends.iter().enumerate() {
        let there = zone(network, id, Some(node), backend);
        if there == Some(false) {
            continue;
        }
        let pair = legs::Pair { id, node: Some(node), backend };
        let health = legs::health(prover, pair, arrived).in_service;
        let in_service = if there.is_none() { health.filter(|up| !up) } else { health };
        found.push(Candidate { position, address: legs::address_of(network, backend), in_service });
    }
    found
}

/// Those of some backends that are sent requests: the ones in service; where none may be, all, if the balancer does so.
///
/// Each is marked with whether it surely is.
#[must_use]
pub fn chosen(
    network: &Network,
    id: LoadBalancerId,
    health: &[Option<bool>],
) -> Vec<(usize, bool)> {
    let possibly = health.iter().any(Option::is_none);
    if !health.contains(&Some(true)) && network[id].fails_open {
        return (0..health.len()).map(|at| (at, !possibly)).collect();
    }
    let up = health.iter().enumerate().filter(|(_, up)| **up != Some(false));
    up.map(|(at, up)| (at, up.is_some())).collect()
}

/// Protocol and port on which a backend is asked for what a listener takes.
#[must_use]
pub fn asked_on(
    network: &Network,
    id: LoadBalancerId,
    backend: &BackendTarget,
    on: Service,
) -> Service {
    legs::port_of(&network[id], backend, on)
}

/// The listener that takes a packet: the first that listens on it.
#[must_use]
pub fn taker(network: &Network, id: LoadBalancerId, packet: Layer4) -> Option<usize> {
    let parts = super::parts(&network[id], legs::service_of(packet));
    parts.into_iter().find_map(|(listener, _)| listener)
}

/// The address that stands for a provider's proxies where one is needed: the first host of the first of their ranges of a family.
#[must_use]
pub fn proxy_address(network: &Network, id: LoadBalancerId, v6: bool) -> Option<IpAddr> {
    let range = network[id].proxies.iter().find(|range| range.is_v4() != v6)?;
    Some(range.host_at(1).unwrap_or_else(|| range.first()))
}

/// What gets through to a backend from one address of a provider's proxies, by the provider's own way; none where the backend is no
/// interface of the network.
pub fn from_proxy(prover: &mut Prover<'_>, backend: &BackendTarget, src: IpAddr) -> Option<Flows> {
    let (address, interface) = place(prover.network, backend);
    let leg = legs::handed_over(prover.network, interface?, (src, address?), None);
    Some(prover.evaluate(&leg.connection))
}

/// The address by which a backend is known, and the interface that holds it.
#[must_use]
pub fn place(network: &Network, backend: &BackendTarget) -> (Option<IpAddr>, Option<InterfaceId>) {
    (legs::address_of(network, backend), legs::interface_of(network, backend))
}
