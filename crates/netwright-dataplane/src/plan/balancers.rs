//! Load balancers: what each node does with what its listeners take.
//!
//! A node is a machine of its own. What it **passes on** is translated in its namespace: a number is drawn for a connection, a map of numbers
//! says which backend it means, and connection tracking holds the rest of the connection to it. The source stays the client's; where the
//! description says otherwise, or the backend would not answer there, it becomes the node's. A **proxy** is a process in the node's namespace
//! that takes the connection and opens another from the node's own address, or from one of the provider's over a link of the provider's to
//! the backend's VPC, where only the backend's own filters are asked.
//!
//! Which backends there are to choose from is the prover's answer for this node: those in its zone whose health checks are answered and that
//! the description does not show as unhealthy; where none is, all of them if the balancer does so. A change of backends is a change of elements.

mod built;
mod checks;
mod passing;
mod provider;
mod proxying;

use netwright_model::language::LoadBalancerKind;
use netwright_model::network::{BackendTarget, InterfaceId, LoadBalancerId, Network};
use netwright_verify::balancer::nodes::{Candidate, candidates, chosen};
use netwright_verify::prover::Prover;

use super::build::Build;

pub use built::why_not;
pub use checks::{Check, checks};
pub(super) use provider::Returning;
pub use proxying::{Choice, Door, Forwarder};

/// A node with the balancer that it is of.
#[derive(Clone, Copy)]
struct Node {
    id: LoadBalancerId,
    interface: InterfaceId,
}

/// All nodes of all balancers.
pub(super) fn balancers(build: &mut Build<'_>) {
    let network = build.network;
    let mut prover = Prover::new(network);
    for index in 0..network.load_balancers.len() {
        let id = LoadBalancerId::at(index);
        let balancer = &network[id];
        let name = &network[balancer.endpoint].name;
        let nodes = &network[balancer.endpoint].interfaces;
        if nodes.is_empty() && !balancer.listeners.is_empty() {
            build.leave_out(format!("load balancer {name}: it has no nodes in the network"));
        }
        for (position, interface) in nodes.iter().enumerate() {
            for (number, listener) in balancer.listeners.iter().enumerate() {
                if position == 0
                    && let Some(why) = why_not(network, id, *interface, number)
                {
                    build.leave_out(format!("listener {} of {name}: {why}", listener.name));
                }
            }
            let node = Node { id, interface: *interface };
            match balancer.kind {
                LoadBalancerKind::PassThrough if network[*interface].provider_side => {}
                LoadBalancerKind::PassThrough => passing::node(build, &mut prover, node),
                LoadBalancerKind::Proxy => proxying::node(build, &mut prover, node),
            }
        }
    }
}

/// The backends among which a listener of a node chooses, with the addresses that are used.
fn choices<'n>(
    prover: &mut Prover<'n>,
    node: Node,
    listener: usize,
) -> Vec<(&'n BackendTarget, std::net::IpAddr)> {
    let network: &'n Network = prover.network;
    let all: Vec<Candidate> = candidates(prover, node.id, node.interface, listener);
    // What the description shows as unhealthy is sent nothing, unless everything is.
    let health: Vec<Option<bool>> = all.iter().map(|one| one.in_service).collect();
    let sure: Vec<Option<bool>> = health.iter().map(|up| Some(*up == Some(true))).collect();
    let own = chosen(network, node.id, &sure);
    let backends = &network[node.id].listeners[listener].backends;
    let found = own.into_iter().filter_map(|(at, _)| {
        let candidate = all.get(at)?;
        Some((backends.get(candidate.position)?, candidate.address?))
    });
    found.collect()
}

/// A backend's name for people: its listener's and its own.
fn label(network: &Network, node: Node, listener: usize, backend: &BackendTarget) -> String {
    let balancer = &network[node.id];
    let name = backend.endpoint.map_or_else(String::new, |id| format!("{} ", network[id].name));
    format!("{} {}: {name}", network[balancer.endpoint].name, balancer.listeners[listener].name)
}
