//! Which route of a table a packet takes.
//!
//! Sources: AWS VPC user guide, "Route priority" (longest prefix; then local, static, prefix list, propagated; overlapping prefix lists with
//! different targets: undefined); Google Cloud VPC documentation, "Routing order" (subnet routes cannot be overridden at equal length, then
//! the lowest priority number).

use std::net::IpAddr;

use netwright_model::network::{Origin, Route};

/// What a table says about a destination.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lookup<'a> {
    /// This route.
    Route(&'a Route),
    /// Several routes with different targets, and nothing to choose by.
    Ambiguous(&'a Route),
    /// This route may apply or not.
    Uncertain(&'a Route),
    /// No route.
    None,
}

/// The route for a destination: only routes without tags or with one of the sender's; the longest prefix; at equal length the VPC's own
/// before all others; then the lowest priority number; then static, prefix list, propagated. A route of a policy comes before all, one that
/// may exist before all that are not implied, and it is not known whether either applies.
pub(super) fn lookup<'a>(routes: &'a [Route], tags: &[String], dst: IpAddr) -> Lookup<'a> {
    let usable = |route: &&Route| {
        route.to.contains(dst)
            && (route.tags.is_empty() || route.tags.iter().any(|tag| tags.contains(tag)))
    };
    let rank = |route: &Route| {
        let shortness = 128 - route.to.length();
        (shortness, route.origin != Origin::Local, route.priority, route.origin)
    };
    if let Some(policy) = policy(routes, tags, dst) {
        return Lookup::Uncertain(policy);
    }
    let certain = || routes.iter().filter(usable).filter(|route| !route.origin.is_uncertain());
    let best = certain().min_by_key(|route| rank(route));
    let possible = routes.iter().filter(usable).find(|route| route.origin == Origin::Possible);
    if let Some(possible) = possible
        && best.is_none_or(|best| best.origin != Origin::Local)
    {
        return Lookup::Uncertain(possible);
    }
    let Some(best) = best else { return Lookup::None };
    let rivals = certain().filter(|route| rank(route) == rank(best));
    if rivals.into_iter().any(|route| route.via != best.via) {
        return Lookup::Ambiguous(best);
    }
    Lookup::Route(best)
}

/// The first route of a policy that may apply to packets for a destination.
pub(super) fn policy<'a>(routes: &'a [Route], tags: &[String], dst: IpAddr) -> Option<&'a Route> {
    routes.iter().find(|route| {
        route.origin == Origin::Policy
            && route.to.contains(dst)
            && (route.tags.is_empty() || route.tags.iter().any(|tag| tags.contains(tag)))
    })
}
