//! From a description to a resolved network.
//!
//! Every name must refer to something; a reference to nothing is an error with its place and the nearest name. All errors are
//! found, not the first only. What is merely a bad idea (an overlap, a black hole) is no error here: `check` finds it.

mod allocate;
mod balancers;
mod context;
mod filters;
mod links;
mod routes;
mod topology;
mod transit;
mod workload;

use crate::diagnostic::Diagnostic;
use crate::language::Description;

use super::Network;
use context::Resolver;

/// Resolves a description.
///
/// # Errors
///
/// All references that lead nowhere and all objects that contradict themselves, each with its place.
pub fn resolve(description: Description) -> Result<Network, Vec<Diagnostic>> {
    let mut resolver = Resolver::new(&description);
    // The order matters: each step refers only to what earlier steps have made.
    resolver.vpcs();
    resolver.subnets();
    resolver.filters();
    resolver.gateways();
    resolver.peerings();
    resolver.sites();
    resolver.externals();
    resolver.vpns();
    resolver.instances();
    resolver.private_endpoints();
    resolver.databases();
    resolver.connectors();
    resolver.services();
    // After connectors, whose ranges are subnets that a gateway may serve.
    resolver.nats();
    resolver.load_balancers();
    resolver.transits();
    resolver.routes();
    resolver.rules();
    resolver.transit_routes();
    resolver.links();
    let (mut network, errors) = resolver.finish();
    if !errors.is_empty() {
        return Err(errors);
    }
    network.written = super::written::Written::of(&description);
    network.description = description;
    network.lookup = super::lookup::Lookup::of(&network);
    Ok(network)
}
