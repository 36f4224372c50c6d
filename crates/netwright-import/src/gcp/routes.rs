//! Routes of networks. All subnets of a network share one table; routes may be for instances with a tag only.
//!
//! Routes to subnets (`nextHopNetwork`, `nextHopPeering` that a peering implies) are the model's own; the rest are written down.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::language::reference::Destination;
use netwright_model::language::{Route, RouteOrigin, RouteTable, RouteTarget};
use netwright_model::scalar::{Prefix, Scalar};
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::Node;

use super::Import;
use super::export::last;
use crate::access::Access;

/// Name of a network's table.
const TABLE: &str = "routes";

/// Priority of the default route that a new network has.
const DEFAULT_PRIORITY: u32 = 1000;

/// The routes of one network.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// The export holds the network's list of routes.
    pub(super) listed: bool,
    /// Routes of all its subnets.
    pub(super) routes: Vec<Route>,
    /// Routes that hold in one region, or everywhere if the network spreads them: what routers learn.
    pub(super) regional: Vec<(Option<String>, Route)>,
    /// Destinations that the list says lie behind a peering.
    pub(super) peered: BTreeSet<Prefix>,
}

impl<'e> Import<'e> {
    pub(super) fn routes(&mut self) {
        let keys: Vec<String> = self.names.networks().map(|(_, key)| key.to_owned()).collect();
        let mut own: Vec<(String, Own)> = Vec::new();
        for key in keys {
            let routes = self.own_routes(&key);
            own.push((key, routes));
        }
        let brought: Vec<Vec<Route>> =
            own.iter().map(|(key, _)| self.exchanged_routes(key, &own)).collect();
        for ((key, mut routes), brought) in own.into_iter().zip(brought) {
            routes.routes.extend(brought);
            routes.routes.extend(self.policy_routes(&key));
            self.tables(&key, routes);
        }
    }

    /// The routes of a network that its project's export holds, or must be taken to exist.
    fn own_routes(&mut self, key: &str) -> Own {
        let mut own = Own::default();
        for node in self.routes_of(key) {
            own.listed = true;
            let to = node.prefix("destRange").filter(|_| node.word("nextHopPeering").is_some());
            own.peered.extend(to.map(|to| to.value));
            own.routes.extend(self.route(node, key));
        }
        for (region, learned) in self.learned_of(key) {
            let routes = &own.routes;
            let same = |known: &Route| {
                known.to.value == learned.to.value && known.via.value == learned.via.value
            };
            if !routes.iter().any(same) {
                own.regional.push((region, learned));
            }
        }
        own.regional.extend(self.untold_routes(key));
        if !own.listed {
            let at = self.description.vpcs.get(key).map_or(Span::NONE, |vpc| *vpc.span);
            own.routes.extend(default_route(key, at));
            let what = "the export holds no routes of the network: it is taken to have the default route to the Internet and no other";
            self.gap(&format!("vpc:{key}"), what, at, false);
        }
        own
    }

    /// Writes a network's table: one for all subnets, or one for each region where routers teach their own region only. Machines
    /// whose region is not known may have the routes of any.
    fn tables(&mut self, key: &str, own: Own) {
        let global = self.routes_are_global(key);
        let (of_regions, of_all): (Vec<_>, Vec<_>) =
            own.regional.into_iter().partition(|(region, _)| region.is_some() && !global);
        let mut all = own.routes;
        all.extend(of_all.into_iter().map(|(_, route)| route));
        let Some(vpc) = self.description.vpcs.get_mut(key) else { return };
        let at = *vpc.span;
        let table = |routes| RouteTable { routes, span: at.into(), ..RouteTable::default() };
        if !of_regions.is_empty() {
            let mut made: BTreeSet<String> = BTreeSet::new();
            for (_, subnet) in vpc.subnets.iter_mut() {
                let Some(region) = subnet.region.as_ref() else { continue };
                let name = format!("{TABLE}.{}", region.value);
                if made.insert(region.value.clone()) {
                    let here =
                        of_regions.iter().filter(|(own, _)| own.as_ref() == Some(&region.value));
                    let routes = all.iter().chain(here.map(|(_, route)| route)).cloned();
                    vpc.route_tables
                        .insert(Spanned::new(name.clone(), at), table(routes.collect()));
                }
                subnet.route_table = Some(Spanned::new(name, region.span));
            }
        }
        all.extend(of_regions.into_iter().map(|(_, mut route)| {
            route.origin = Some(Spanned::new(RouteOrigin::Possible, *route.span));
            route
        }));
        vpc.route_tables.insert(Spanned::new(TABLE.to_owned(), at), table(all));
        vpc.main_route_table = Some(Spanned::new(TABLE.to_owned(), at));
    }

    /// Whether what a router learns holds in all regions. A network that the export does not hold may be either.
    fn routes_are_global(&self, key: &str) -> bool {
        let link = self.names.networks().find(|(_, own)| *own == key).map(|(link, _)| link);
        let network = link.and_then(|link| self.export.find(link));
        network.is_none_or(|network| {
            let config = network.node.get("routingConfig");
            config.and_then(|config| config.word("routingMode")) == Some("GLOBAL")
        })
    }

    fn routes_of(&self, key: &str) -> Vec<&'e Node> {
        let own = |node: &&Node| {
            node.word("network").is_some_and(|link| self.names.network(link) == Some(key))
        };
        self.export.all("route").iter().map(|object| object.node).filter(own).collect()
    }

    fn route(&mut self, node: &'e Node, key: &str) -> Option<Route> {
        let name = node.word("name").unwrap_or("unnamed");
        let object = format!("route:{key}/{name}");
        // A route whose next hop is away, or that another one replaces, is not used.
        if node.word("routeStatus").is_some_and(|status| status != "ACTIVE") {
            return None;
        }
        let to = self.range(node, "destRange", &object)?;
        let via = self.next_hop(node, key, to.value, &object)?;
        let dynamic = matches!(node.word("routeType"), Some("BGP" | "TRANSIT"));
        Some(Route {
            to: Spanned::new(Destination::Prefix(to.value), to.span),
            via: Spanned::new(via, node.span),
            priority: super::networks::number(node, "priority"),
            origin: dynamic.then(|| Spanned::new(RouteOrigin::Propagated, node.span)),
            tags: node
                .list("tags")
                .iter()
                .filter_map(|tag| Some(Spanned::new(tag.as_text()?.to_owned(), tag.span)))
                .collect(),
            name: node.text("name"),
            span: node.span.into(),
        })
    }

    /// Where a route leads; nothing for routes that the model implies itself.
    fn next_hop(
        &mut self,
        node: &Node,
        key: &str,
        to: Prefix,
        object: &str,
    ) -> Option<RouteTarget> {
        if node.word("nextHopNetwork").is_some() {
            return None;
        }
        if let Some(gateway) = node.word("nextHopGateway") {
            if last(gateway) == "default-internet-gateway" {
                return Some(RouteTarget::InternetGateway(key.to_owned()));
            }
            return Some(self.unknown_hop(
                object,
                &format!("gateway {}", last(gateway)),
                node.span,
            ));
        }
        if let Some(name) = node.word("nextHopPeering") {
            return Some(self.peering_hop(name, key, to, object, node.span));
        }
        if let Some(link) = node.word("nextHopInstance") {
            return Some(match self.export.find(link).map(|instance| self.names.key(instance)) {
                Some(instance) if self.description.instances.get(&instance).is_some() => {
                    RouteTarget::Instance(instance)
                }
                _ => self.unknown_hop(object, &format!("instance {}", last(link)), node.span),
            });
        }
        if let Some(link) = node.word("nextHopVpnTunnel") {
            return Some(self.link_hop(link, to, object, node.span));
        }
        for field in ["nextHopInterconnectAttachment", "nextHopHub", "nextHopIlb"] {
            if let Some(link) = node.word(field) {
                return Some(match field {
                    "nextHopInterconnectAttachment" => self.link_hop(link, to, object, node.span),
                    "nextHopHub" => {
                        self.unknown_hop(object, &format!("hub {}", last(link)), node.span)
                    }
                    _ => self.balancer_hop(link, object, node.span),
                });
            }
        }
        if let Some(address) = node.address("nextHopIp") {
            if let Some(link) = self.link_behind(key, address.value) {
                return Some(self.link_hop(&link, to, object, node.span));
            }
            return Some(match self.holder(key, address.value) {
                Some(instance) => RouteTarget::Instance(instance),
                None => self.unknown_hop(object, &format!("address {}", address.value), node.span),
            });
        }
        Some(self.unknown_hop(object, "nothing that is named", node.span))
    }

    fn unknown_hop(&mut self, object: &str, hop: &str, at: Span) -> RouteTarget {
        let what = format!("its next hop is {hop}, which the export does not hold");
        self.gap(object, what.clone(), at, true);
        RouteTarget::Unknown(what)
    }

    /// An internal load balancer as next hop hands packets to one of its backends: which, and what that does, is not described.
    fn balancer_hop(&mut self, link: &str, object: &str, at: Span) -> RouteTarget {
        let what = format!("its next hop is the internal load balancer {}", last(link));
        self.gap(object, what.clone(), at, true);
        RouteTarget::Unknown(what)
    }

    fn peering_hop(
        &mut self,
        name: &str,
        key: &str,
        to: Prefix,
        object: &str,
        at: Span,
    ) -> RouteTarget {
        // Both sides name the peering; one peering of the description stands for the two.
        let joins = |peering: &netwright_model::language::Peering| {
            peering.vpcs.iter().any(|vpc| vpc.value == key)
        };
        let own = [super::names::clean(name), format!("{}.{key}", super::names::clean(name))];
        for name in own {
            if self.description.peerings.get(&name).is_some_and(joins) {
                return self.over_peering(name, key, to, object, at);
            }
        }
        let far = self.export.all("network").iter().find_map(|network| {
            let link = network.link()?;
            (self.names.network(&link)? == key).then_some(())?;
            let mut peerings = network.node.list("peerings").iter();
            let side = peerings.find(|peering| peering.word("name") == Some(name))?;
            self.names.network(side.word("network")?).map(str::to_owned)
        });
        let joint = far.and_then(|far| {
            let both = |peering: &netwright_model::language::Peering| {
                joins(peering) && peering.vpcs.iter().any(|vpc| vpc.value == far)
            };
            let mut all = self.description.peerings.iter();
            all.find(|(_, peering)| both(peering)).map(|(name, _)| name.value.clone())
        });
        match joint {
            Some(peering) => self.over_peering(peering, key, to, object, at),
            None => self.unknown_hop(object, &format!("peering {name}"), at),
        }
    }

    /// A peering leads to the other network's subnets; a custom route that it brings leads on from there, to what the model does
    /// not follow.
    fn over_peering(
        &mut self,
        peering: String,
        key: &str,
        to: Prefix,
        object: &str,
        at: Span,
    ) -> RouteTarget {
        let row = self.description.peerings.get(&peering);
        let far = row.and_then(|row| row.vpcs.iter().find(|vpc| vpc.value != key));
        let far = far.and_then(|vpc| self.description.vpcs.get(&vpc.value));
        let beyond = far.is_some_and(|vpc| {
            let mut cidrs = vpc.subnets.iter().flat_map(|(_, subnet)| &subnet.cidrs);
            !cidrs.any(|cidr| cidr.value.contains_prefix(&to) || to.contains_prefix(&cidr.value))
        });
        if beyond {
            return self.unknown_hop(object, &format!("what lies behind peering {peering}"), at);
        }
        RouteTarget::Peering(peering)
    }

    fn link_hop(&mut self, link: &str, to: Prefix, object: &str, at: Span) -> RouteTarget {
        let tunnel = self.export.find(link).map(|tunnel| self.names.key(tunnel));
        match tunnel.filter(|key| self.description.vpns.get(key).is_some()) {
            Some(_) if to.length() == 0 => {
                self.unknown_hop(object, &format!("whatever lies behind {}", last(link)), at)
            }
            Some(key) => RouteTarget::Vpn(key),
            None => self.unknown_hop(object, &format!("link {}", last(link)), at),
        }
    }

    /// The instance of a network that holds an address.
    fn holder(&self, vpc: &str, address: IpAddr) -> Option<String> {
        let prefix = format!("{vpc}/");
        let inside = |subnet: Option<&Spanned<String>>| {
            subnet.is_some_and(|subnet| subnet.value.starts_with(&prefix))
        };
        self.description.instances.iter().find_map(|(name, instance)| {
            if inside(instance.subnet.as_ref())
                && instance.addresses.iter().any(|a| a.value == address)
            {
                return Some(name.value.clone());
            }
            let mut others = instance.interfaces.iter();
            let (interface, _) = others.find(|(_, row)| {
                inside(row.subnet.as_ref()) && row.addresses.iter().any(|a| a.value == address)
            })?;
            Some(format!("{}/{}", name.value, interface.value))
        })
    }

    /// Routes that routers of the network have learned, by region.
    fn learned_of(&mut self, key: &str) -> Vec<(Option<String>, Route)> {
        let mut found: Vec<(Option<String>, Route)> = Vec::new();
        for result in self.statuses_of(key) {
            let region = self.region_of_status(key, result);
            for node in result.list("bestRoutes").iter().chain(result.list("bestRoutesForRouter")) {
                let dynamic = ["nextHopVpnTunnel", "nextHopInterconnectAttachment", "nextHopIp"];
                if !dynamic.iter().any(|field| node.word(field).is_some()) {
                    continue;
                }
                if let Some(mut route) = self.route(node, key) {
                    route.origin = Some(Spanned::new(RouteOrigin::Propagated, node.span));
                    let same = |known: &(Option<String>, Route)| {
                        known.0 == region
                            && known.1.to.value == route.to.value
                            && known.1.via.value == route.via.value
                    };
                    if !found.iter().any(same) {
                        found.push((region.clone(), route));
                    }
                }
            }
        }
        found
    }
}

fn default_route(key: &str, at: Span) -> Option<Route> {
    let to = Prefix::parse_scalar("0.0.0.0/0").ok()?;
    Some(Route {
        to: Spanned::new(Destination::Prefix(to), at),
        via: Spanned::new(RouteTarget::InternetGateway(key.to_owned()), at),
        priority: Some(Spanned::new(DEFAULT_PRIORITY, at)),
        name: Some(Spanned::new("default route, assumed".to_owned(), at)),
        span: at.into(),
        ..Route::default()
    })
}
