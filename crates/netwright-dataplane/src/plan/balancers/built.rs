//! Which listeners a lab builds, and why it does not build the others.

use netwright_model::language::LoadBalancerKind;
use netwright_model::network::{BackendTarget, InterfaceId, LoadBalancer, LoadBalancerId, Network};
use netwright_model::scalar::Service;
use netwright_verify::balancer::nodes::{asked_on, place, proxy_address};
use netwright_verify::space::protocol;

/// Most ports of a listener that a proxy listens on.
const PORTS: usize = 32;

/// Why a lab does not build a listener at a node; none where it does.
#[must_use]
pub fn why_not(
    network: &Network,
    id: LoadBalancerId,
    node: InterfaceId,
    listener: usize,
) -> Option<String> {
    let balancer = &network[id];
    let listener = balancer.listeners.get(listener)?;
    let passes = balancer.kind == LoadBalancerKind::PassThrough;
    if network[node].provider_side && (passes || balancer.proxies.is_empty()) {
        return Some("the provider carries its packets beside the network".to_owned());
    }
    let backends = &listener.backends;
    let serverless = |backend: &&BackendTarget| {
        network.serverless.iter().any(|row| Some(row.endpoint) == backend.endpoint)
    };
    if let Some(backend) = backends.iter().find(serverless) {
        let name = backend.endpoint.map_or("", |id| &network[id].name);
        return Some(format!("the platform of {name} calls it beside the network"));
    }
    match balancer.kind {
        LoadBalancerKind::Proxy => not_proxied(network, id, balancer, listener.on, backends),
        LoadBalancerKind::PassThrough if listener.answers => {
            Some("what is passed on has nobody to answer by itself".to_owned())
        }
        LoadBalancerKind::PassThrough => {
            backends.iter().find_map(|backend| not_passed_on(network, node, listener.on, backend))
        }
    }
}

fn not_proxied(
    network: &Network,
    id: LoadBalancerId,
    balancer: &LoadBalancer,
    on: Service,
    backends: &[BackendTarget],
) -> Option<String> {
    if !balancer.proxies.is_empty() && backends.iter().any(|own| !is_led_to(network, id, own)) {
        return Some("the provider's way to a backend is not described".to_owned());
    }
    let ports = tcp_ports(on);
    if ports.is_empty() || ports.len() > PORTS {
        return Some(format!("a proxy in a lab takes TCP, on at most {PORTS} ports"));
    }
    let speaks = |backend: &&BackendTarget| {
        let asked = |port: &u16| asked_on(network, id, backend, Service::tcp(*port));
        ports.iter().all(|port| tcp_ports(asked(port)).len() == 1)
    };
    backends
        .iter()
        .find(|backend| !speaks(backend))
        .map(|backend| format!("a proxy in a lab speaks TCP to its backends, not {}", backend.port))
}

/// Whether a provider's proxies reach a backend by a way that a lab has: to its VPC's router, where it meets all of the backend's filters.
fn is_led_to(network: &Network, id: LoadBalancerId, backend: &BackendTarget) -> bool {
    let (Some(to), Some(interface)) = place(network, backend) else { return false };
    let Some(from) = proxy_address(network, id, to.is_ipv6()) else { return true };
    let subnet = &network[network[interface].subnet];
    // Inside a subnet its filters are not asked.
    subnet.filters.is_empty() || !subnet.cidrs.iter().any(|cidr| cidr.contains(from))
}

fn not_passed_on(
    network: &Network,
    node: InterfaceId,
    on: Service,
    backend: &BackendTarget,
) -> Option<String> {
    let vpc = |id: InterfaceId| network[network[id].subnet].vpc;
    let own = backend.endpoint.and_then(|id| network[id].interfaces.first().copied());
    if backend.preserves_client && own.is_none_or(|own| vpc(own) != vpc(node)) {
        return Some(format!(
            "the client's address is kept on a way that leaves the VPC (group {})",
            backend.group
        ));
    }
    match (on, backend.port) {
        (_, Service::Any) => None,
        (Service::Ports { protocol: protocol::TCP | protocol::UDP, .. }, Service::Ports { .. }) => {
            None
        }
        (on, own) if on == own => None,
        _ => Some(format!("{on} cannot be passed on to {}", backend.port)),
    }
}

/// The TCP ports of a service; none where it is something else.
pub(super) fn tcp_ports(service: Service) -> Vec<u16> {
    match service {
        Service::Ports { protocol: protocol::TCP, ports } => (ports.first..=ports.last).collect(),
        _ => Vec::new(),
    }
}
