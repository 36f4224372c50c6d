//! Routes that an export does not hold, and that may exist all the same: what routers learn by BGP, what peerings exchange, and
//! what policies send elsewhere. They are written as routes of which it is not known whether they apply, so that the verdicts that
//! they could decide are unknown.

use netwright_model::language::reference::Destination;
use netwright_model::language::{Route, RouteOrigin, RouteTarget};
use netwright_model::scalar::Prefix;
use netwright_model::source::{Span, Spanned};

use super::Import;
use super::export::{Object, last, segment};
use super::routes::Own;
use crate::access::Access;

/// Names of destinations that are told in a gap before the rest is counted.
const SHOWN: usize = 4;

/// A route that may exist.
pub(super) fn possible(to: Prefix, why: &str, origin: RouteOrigin, at: Span) -> Route {
    Route {
        to: Spanned::new(Destination::Prefix(to), at),
        via: Spanned::new(RouteTarget::Unknown(why.to_owned()), at),
        origin: Some(Spanned::new(origin, at)),
        span: at.into(),
        ..Route::default()
    }
}

impl<'e> Import<'e> {
    /// Everything outside a network: all of IPv4, and of IPv6 where the network has some.
    fn everything(&self, network: &str) -> Vec<Prefix> {
        let v6 = self.description.vpcs.get(network).is_some_and(|vpc| {
            let mut cidrs = vpc.subnets.iter().flat_map(|(_, subnet)| &subnet.cidrs);
            cidrs.any(|cidr| !cidr.value.is_v4())
        });
        let all = |address: std::net::IpAddr| Prefix::of(address, 0);
        let mut found = vec![all(std::net::Ipv4Addr::UNSPECIFIED.into())];
        found.extend(v6.then(|| all(std::net::Ipv6Addr::UNSPECIFIED.into())));
        found
    }

    /// Routes that routers of a network may have learned, by region.
    pub(super) fn untold_routes(&mut self, network: &str) -> Vec<(Option<String>, Route)> {
        let mut found = Vec::new();
        for (router, region) in self.untold_routers(network) {
            let name = self.names.key(router);
            let what = "what its BGP sessions have learned (`get-status`) is not in the export: packets to any address outside the subnets of its network may take such a route";
            self.gap(&format!("router:{name}"), what, router.span(), true);
            let why = format!("whatever BGP sessions of router {name} lead to");
            self.doubt(network, region.as_deref(), &why, router.span(), &mut found);
        }
        let links = ["vpnTunnel", "interconnectAttachment"];
        let links = links.iter().flat_map(|kind| self.export.all(kind)).copied();
        for link in links.collect::<Vec<_>>() {
            if let Some(why) = self.open_link(network, link) {
                let path = link.link().unwrap_or_default();
                let region = segment(&path, "regions");
                self.doubt(network, region, &why, link.span(), &mut found);
            }
        }
        found
    }

    fn doubt(
        &self,
        network: &str,
        region: Option<&str>,
        why: &str,
        at: Span,
        found: &mut Vec<(Option<String>, Route)>,
    ) {
        for to in self.everything(network) {
            let route = possible(to, why, RouteOrigin::Possible, at);
            found.push((region.map(str::to_owned), route));
        }
    }

    /// What a link may lead to where nothing in the export says what lies behind it.
    fn open_link(&self, network: &str, link: Object<'e>) -> Option<String> {
        let down = |word: &str| !["ESTABLISHED", "OS_ACTIVE"].contains(&word);
        let state = ["status", "operationalStatus"];
        if state.iter().find_map(|field| link.node.word(field)).is_some_and(down) {
            return None;
        }
        let project = |link: &str| segment(link, "projects").map(str::to_owned);
        let Some(own) = self.network_of(link.node) else {
            // Its network is one of the project's.
            let theirs = project(&link.link()?);
            let ours = self.names.networks().find(|(_, key)| *key == network);
            let same = ours.is_some_and(|(link, _)| project(link) == theirs);
            return same.then(|| format!("whatever lies behind {}", link.name()));
        };
        if own != network || self.description.vpns.get(&self.names.key(link)).is_some() {
            return None;
        }
        match link.node.word("router") {
            // A router that is in the export speaks for its links.
            Some(router) if self.export.find(router).is_some() => None,
            _ => Some(format!("whatever lies behind {}", link.name())),
        }
    }

    /// Routes that a peering may bring into a network.
    pub(super) fn exchanged_routes(&mut self, network: &str, own: &[(String, Own)]) -> Vec<Route> {
        let of = |key: &str| own.iter().find(|(name, _)| name == key).map(|(_, own)| own);
        let Some(here) = of(network) else { return Vec::new() };
        let sides = self.sides();
        let mut found: Vec<Route> = Vec::new();
        for side in sides.iter().filter(|side| side.own == network && side.active) {
            let back = sides.iter().find(|row| {
                Some(&row.own) == side.other.as_ref() && row.other.as_ref() == Some(&side.own)
            });
            if back.is_some_and(|back| !back.active) {
                continue;
            }
            let custom = side.imports && back.is_none_or(|back| back.exports);
            let far = side.other.as_deref().and_then(of);
            let hidden = far.is_none() && !here.listed && side.exchange;
            let prefixes = match far {
                Some(far) if custom && far.listed => custom_destinations(far),
                _ if custom || hidden => self.everything(network),
                _ => continue,
            };
            let known = |to: &Prefix| here.peered.contains(to);
            let prefixes: Vec<Prefix> = prefixes.into_iter().filter(|to| !known(to)).collect();
            if prefixes.is_empty() {
                continue;
            }
            let what = if custom { "custom routes" } else { "subnets of the other network" };
            let gap = format!(
                "which {what} it brings is not in the export: packets to {} may take it",
                destinations(&prefixes)
            );
            let name = super::names::clean(&side.name);
            self.gap(&format!("peering:{name}"), gap, side.at, true);
            let why = format!("{what} of {} over peering {name}", last(&side.far));
            let made =
                prefixes.iter().map(|to| possible(*to, &why, RouteOrigin::Possible, side.at));
            found.extend(made);
        }
        found
    }

    /// Routes of policies. They ask for more than the destination, and their next hop is a balancer: whether one applies is not known.
    pub(super) fn policy_routes(&mut self, network: &str) -> Vec<Route> {
        let mut found = Vec::new();
        for policy in self.export.all("policyBasedRoute") {
            let (node, at) = (policy.node, policy.span());
            let own = node.word("network").and_then(|link| self.names.network(link));
            if own != Some(network) {
                continue;
            }
            let object = format!("policy_based_route:{}", policy.name());
            if node.get("interconnectAttachment").is_some() {
                let what =
                    "it is for what comes from interconnect attachments, and is not asked there";
                self.gap(&object, what, at, true);
                continue;
            }
            let filter = node.get("filter");
            let to = filter.and_then(|filter| filter.prefix("destRange"));
            let prefixes = match to {
                Some(to) => vec![to.value],
                None => self.everything(network),
            };
            let what = format!(
                "policies are not asked: packets to {} may take it, whatever the routes say",
                destinations(&prefixes)
            );
            self.gap(&object, what, at, true);
            let why = format!("what policy-based route {} names", policy.name());
            let tags = node.get("virtualMachine").map_or(&[][..], |machines| machines.list("tags"));
            for to in prefixes {
                let mut route = possible(to, &why, RouteOrigin::Policy, at);
                route.name = Some(Spanned::new(policy.name().to_owned(), at));
                route.tags = tags
                    .iter()
                    .filter_map(|tag| Some(Spanned::new(tag.as_text()?.to_owned(), tag.span)))
                    .collect();
                found.push(route);
            }
        }
        found
    }
}

impl Import<'_> {
    /// Says that policy-based routes are taken not to exist. No list of routes holds them, and few projects have any.
    pub(super) fn no_policies(&mut self) {
        if self.export.all("policyBasedRoute").is_empty() && self.names.networks().next().is_some()
        {
            let what = "the export holds no list of them: networks are taken to have none";
            self.gap("policy_based_routes", what, Span::NONE, false);
        }
    }
}

/// Destinations of the custom routes that a network hands on: all but those to the Internet and those for instances with a tag.
fn custom_destinations(far: &Own) -> Vec<Prefix> {
    let handed_on = |route: &&Route| {
        let away =
            matches!(route.via.value, RouteTarget::InternetGateway(_) | RouteTarget::Peering(_));
        !away && route.tags.is_empty()
    };
    let dynamic = far.regional.iter().map(|(_, route)| route);
    let mut found: Vec<Prefix> = far
        .routes
        .iter()
        .filter(handed_on)
        .chain(dynamic)
        .filter_map(|route| match route.to.value {
            Destination::Prefix(to) => Some(to),
            Destination::PrefixList(_) => None,
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Destinations in words.
fn destinations(prefixes: &[Prefix]) -> String {
    if prefixes.iter().any(|prefix| prefix.length() == 0) {
        return "any address outside the subnets of the network".to_owned();
    }
    let shown: Vec<String> = prefixes.iter().take(SHOWN).map(ToString::to_string).collect();
    match prefixes.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
