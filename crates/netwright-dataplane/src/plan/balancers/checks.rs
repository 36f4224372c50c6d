//! Health checks of balancers as what they are on the wire: a connection from a node, or from where its provider's proxies stand, to a backend.
//!
//! Each backend of a balancer is asked once, however many listeners and nodes send to it: what is found out holds for all of them. Backends on which
//! no process runs are not asked; what is known of them is the prover's answer.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use netwright_model::language::{EndpointKind, HealthCheck};
use netwright_model::network::{BackendTarget, LoadBalancerId, Network};
use netwright_verify::balancer::nodes::{place, proxy_address};

use super::super::machine;

/// A backend that is asked.
#[derive(Debug, Clone)]
pub struct Check {
    /// The balancer's name and the backend's, for people; unlike those of all other checks.
    pub name: String,
    /// The balancer.
    pub balancer: LoadBalancerId,
    /// Where the backend stands: a listener, and a place among its backends.
    pub places: Vec<(usize, usize)>,
    /// The namespace that asks.
    pub node: String,
    /// The address that it asks from.
    pub source: IpAddr,
    /// What is asked.
    pub target: SocketAddr,
    /// How, and what the answers mean.
    pub settings: HealthCheck,
}

/// All backends that are asked, sorted by name.
#[must_use]
pub fn checks(network: &Network) -> Vec<Check> {
    let mut found: BTreeMap<String, Check> = BTreeMap::new();
    for index in 0..network.load_balancers.len() {
        let id = LoadBalancerId::at(index);
        for (listener, row) in network[id].listeners.iter().enumerate() {
            for (position, backend) in row.backends.iter().enumerate() {
                let Some(check) = check(network, id, backend) else { continue };
                let entry = found.entry(check.name.clone()).or_insert(check);
                entry.places.push((listener, position));
            }
        }
    }
    found.into_values().collect()
}

fn check(network: &Network, id: LoadBalancerId, backend: &BackendTarget) -> Option<Check> {
    let balancer = &network[id];
    // The provider's probes stand nowhere in the network.
    if !balancer.probes.is_empty() && balancer.proxies.is_empty() {
        return None;
    }
    let endpoint = &network[backend.endpoint?];
    let written = network.description.instances.get(&endpoint.name);
    let runs = written.is_some_and(|instance| !instance.exec.is_empty());
    if endpoint.kind != EndpointKind::Instance || !runs {
        return None;
    }
    let (address, _) = place(network, backend);
    let (address, port) = (address?, backend.probe?.first_port()?);
    let name = &network[balancer.endpoint].name;
    let described = network.description.load_balancers.get(name)?;
    let group = described.backends.iter().find(|(key, _)| key.value == backend.group);
    let settings = group?.1.health_check.clone()?;
    let (node, source) = asker(network, id, address)?;
    Some(Check {
        name: format!("{name}/{} {address} port {port}", endpoint.name),
        balancer: id,
        places: Vec::new(),
        node,
        source,
        target: SocketAddr::new(address, port),
        settings,
    })
}

/// The first node that can ask an address, and what it asks from.
fn asker(network: &Network, id: LoadBalancerId, address: IpAddr) -> Option<(String, IpAddr)> {
    let balancer = &network[id];
    let nodes = network[balancer.endpoint].interfaces.iter();
    nodes.filter(|node| !network[**node].provider_side).find_map(|node| {
        let source = if balancer.proxies.is_empty() {
            let mut own = network[*node].addresses.iter().copied();
            own.find(|own| own.is_ipv4() == address.is_ipv4())
        } else {
            proxy_address(network, id, address.is_ipv6())
        };
        Some((machine(network, *node), source?))
    })
}
