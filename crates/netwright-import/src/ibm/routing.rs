//! Routing tables. A route of the provider holds in one zone only; a table whose routes differ by zone becomes one table for
//! each zone of its subnets.
//!
//! Routes name their next hop by address. `deliver` sends to it, `drop` drops, `delegate` leaves the packet to the implicit
//! router. Tables for packets that come from outside the VPC (from a transit gateway, a direct link, the Internet,
//! another zone) cannot be represented and are gaps.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::language::reference::Destination;
use netwright_model::language::{Route, RouteTarget, Vpc};
use netwright_model::scalar::Prefix;
use netwright_model::source::{Span, Spanned};

use super::Import;
use super::catalog::{Catalog, KnownSubnet};
use super::read::{Export, Object};
use super::topology::service_ranges;

/// A table to make: a routing table of the export, for all zones or for one.
#[derive(Debug, Clone)]
pub(super) struct TablePlan<'a> {
    pub(super) name: String,
    pub(super) id: Option<Spanned<String>>,
    pub(super) at: Span,
    /// Subnets that name no table use it.
    pub(super) main: bool,
    /// Routes that hold in it.
    pub(super) routes: Vec<Object<'a>>,
}

/// A routing table of the export.
#[derive(Debug)]
struct Known<'a> {
    ids: Vec<String>,
    /// Its VPC's key.
    vpc: String,
    key: String,
    object: Object<'a>,
    /// Zones it is split by; none where one table serves all.
    zones: Vec<String>,
    /// Identities of the subnets that it lists.
    subnets: BTreeSet<String>,
    main: bool,
}

/// The routing tables of an export.
#[derive(Debug, Default)]
pub(super) struct Tables<'a> {
    known: Vec<Known<'a>>,
}

impl<'a> Tables<'a> {
    pub(super) fn of(export: &Export<'a>, catalog: &Catalog) -> Self {
        let listed = export.all("routing_tables");
        let mut tables = Self::default();
        for vpc in export.all("vpcs") {
            let Some(key) = catalog.vpc(vpc) else { continue };
            let main = vpc.object("default_routing_table");
            let own: Vec<Object<'a>> = listed
                .iter()
                .copied()
                .filter(|table| owner(*table, export, catalog).as_deref() == Some(key))
                .collect();
            let names: Vec<_> = own.iter().map(|table| (None, table.name())).collect();
            for (object, name) in own.into_iter().zip(super::catalog::unique(&names)) {
                tables.known.push(Known::of(object, key, name, main, catalog));
            }
            let has_main = tables.known.iter().any(|table| table.vpc == key && table.main);
            if let Some(main) = main.filter(|_| !has_main) {
                let mut table = Known::of(main, key, main.name(), Some(main), catalog);
                table.main = true;
                tables.known.push(table);
            }
        }
        tables
    }

    /// Name of the table that serves a subnet.
    pub(super) fn of_subnet(
        &self,
        vpc: Object<'_>,
        subnet: Object<'_>,
        known: &KnownSubnet,
    ) -> Option<Spanned<String>> {
        let named = subnet.object("routing_table").or_else(|| vpc.object("default_routing_table"));
        let table = self.known.iter().filter(|table| table.vpc == known.vpc).find(|table| {
            table.subnets.iter().any(|id| subnet.identities().any(|own| own == id))
                || named.is_some_and(|named| {
                    named.identities().any(|id| table.ids.iter().any(|own| own == id))
                })
        })?;
        let zone = known.zone.as_deref().filter(|zone| table.zones.iter().any(|own| own == zone));
        let at = named.map_or_else(|| subnet.span(), Object::span);
        Some(Spanned::new(table.name_in(zone), at))
    }

    /// The tables of a VPC.
    pub(super) fn of_vpc(&self, key: &str) -> Vec<TablePlan<'a>> {
        self.known.iter().filter(|table| table.vpc == key).flat_map(Known::plans).collect()
    }

    /// Destinations that the tables of a VPC advertise to transit gateways.
    pub(super) fn advertised(&self, key: &str) -> Vec<Spanned<Prefix>> {
        let mut seen = BTreeSet::new();
        self.known
            .iter()
            .filter(|table| {
                table.vpc == key && table.object.lists("advertise_routes_to", "transit_gateway")
            })
            .flat_map(|table| table.object.objects("routes"))
            .filter(|route| route.flag("advertise").is_some_and(|flag| flag.value))
            .filter_map(|route| route.prefix("destination"))
            .filter(|to| seen.insert(to.value))
            .collect()
    }

    /// Tables for packets from outside the VPC, with what they are for.
    pub(super) fn ingress(&self) -> Vec<(String, &'static str, Span)> {
        const KINDS: [(&str, &str); 4] = [
            ("route_transit_gateway_ingress", "from transit gateways"),
            ("route_direct_link_ingress", "from direct links"),
            ("route_internet_ingress", "from the Internet"),
            ("route_vpc_zone_ingress", "from other zones"),
        ];
        let mut found = Vec::new();
        for table in &self.known {
            for (field, what) in KINDS {
                if let Some(flag) = table.object.flag(field).filter(|flag| flag.value) {
                    found.push((
                        format!("route_table:{}/{}", table.vpc, table.key),
                        what,
                        flag.span,
                    ));
                }
            }
        }
        found
    }
}

impl<'a> Known<'a> {
    fn of(
        object: Object<'a>,
        vpc: &str,
        key: String,
        main: Option<Object<'_>>,
        catalog: &Catalog,
    ) -> Self {
        let ids: Vec<String> = object.identities().map(str::to_owned).collect();
        let listed = object.objects("subnets");
        let used: BTreeSet<String> =
            listed.iter().filter_map(|subnet| catalog.subnet(*subnet)?.zone.clone()).collect();
        let routed: BTreeSet<String> = object
            .objects("routes")
            .iter()
            .filter_map(|route| Some(route.object("zone")?.name()))
            .collect();
        // Routes of one zone serve a table whose subnets all lie in it; nothing has to be split then.
        let split = !routed.is_empty() && used.len() > 1;
        let by_default =
            main.is_some_and(|main| main.identities().any(|id| ids.iter().any(|own| own == id)));
        Self {
            vpc: vpc.to_owned(),
            key,
            zones: if split { used.into_iter().collect() } else { Vec::new() },
            subnets: listed.iter().flat_map(|s| s.identities()).map(str::to_owned).collect(),
            main: by_default || object.flag("is_default").is_some_and(|flag| flag.value),
            ids,
            object,
        }
    }

    fn name_in(&self, zone: Option<&str>) -> String {
        zone.map_or_else(|| self.key.clone(), |zone| format!("{}@{zone}", self.key))
    }

    fn plans(&self) -> Vec<TablePlan<'a>> {
        let plan = |zone: Option<&str>| {
            let holds = |route: &Object<'a>| match (zone, route.object("zone")) {
                (Some(zone), Some(own)) => own.name() == zone,
                _ => true,
            };
            TablePlan {
                name: self.name_in(zone),
                id: self.object.identity().filter(|_| zone.is_none()),
                at: self.object.span(),
                main: self.main && zone.is_none(),
                routes: self.object.objects("routes").into_iter().filter(holds).collect(),
            }
        };
        if self.zones.is_empty() {
            return vec![plan(None)];
        }
        self.zones.iter().map(|zone| plan(Some(zone))).collect()
    }
}

/// The VPC of a routing table: named, or that of a subnet it lists, or the one whose default table it is.
fn owner(table: Object<'_>, export: &Export<'_>, catalog: &Catalog) -> Option<String> {
    if let Some(vpc) = catalog.vpc_of(table) {
        return Some(vpc.to_owned());
    }
    let listed = table.objects("subnets");
    if let Some(subnet) = listed.iter().find_map(|subnet| catalog.subnet(*subnet)) {
        return Some(subnet.vpc.clone());
    }
    let same =
        |other: Object<'_>| other.identities().any(|id| table.identities().any(|own| own == id));
    let vpc = export
        .all("vpcs")
        .into_iter()
        .find(|vpc| vpc.object("default_routing_table").is_some_and(same))?;
    catalog.vpc(vpc).map(str::to_owned)
}

impl Import<'_> {
    /// A written route. `None` where the implicit router decides as it would without it.
    pub(super) fn route(
        &mut self,
        key: &str,
        made: &Vpc,
        all: &[Object<'_>],
        route: Object<'_>,
    ) -> Option<Route> {
        let at = route.span();
        let object = format!("route_table:{key}");
        let to = self.prefix(route, "destination", &object)?;
        let action = route.text("action").map_or_else(|| "deliver".to_owned(), |word| word.value);
        let via = match action.as_str() {
            "deliver" => self.next_hop(key, route),
            "drop" => RouteTarget::Blackhole,
            "delegate" | "delegate_vpc" => delegated(key, made, all, &to.value)?,
            other => RouteTarget::Unknown(format!("route action `{other}`")),
        };
        Some(Route {
            via: Spanned::new(via, route.object("next_hop").map_or(at, Object::span)),
            priority: rank(all, route),
            to: Spanned::new(Destination::Prefix(to.value), to.span),
            name: route.text("name"),
            span: at.into(),
            ..Route::default()
        })
    }

    fn next_hop(&mut self, vpc: &str, route: Object<'_>) -> RouteTarget {
        let hop = route.object("next_hop");
        let Some(text) = hop.and_then(|hop| hop.text("address")) else {
            let name = hop.map_or_else(String::new, Object::name);
            return RouteTarget::Unknown(format!("next hop {name} without an address"));
        };
        let known =
            text.value.parse::<IpAddr>().ok().and_then(|address| self.machine_at(vpc, address));
        known.map_or_else(
            || RouteTarget::Unknown(format!("next hop {} is not in the export", text.value)),
            RouteTarget::Instance,
        )
    }
}

/// Where the implicit router sends packets of a delegated destination. `None` where its own route does so anyway.
fn delegated(vpc: &str, made: &Vpc, all: &[Object<'_>], to: &Prefix) -> Option<RouteTarget> {
    let wider = all.iter().any(|other| {
        let prefix = other.prefix("destination").map(|prefix| prefix.value);
        prefix.is_some_and(|prefix| prefix != *to && prefix.contains_prefix(to))
    });
    if to.length() == 0 || !wider {
        return None;
    }
    let local = made.cidrs.iter().any(|own| own.value.contains_prefix(to))
        || made
            .subnets
            .iter()
            .any(|(_, s)| s.cidrs.iter().any(|own| own.value.contains_prefix(to)));
    if local {
        return Some(RouteTarget::Local);
    }
    if service_ranges().any(|range| range.contains_prefix(to)) {
        return Some(RouteTarget::External(super::topology::SERVICE_NETWORK.to_owned()));
    }
    Some(RouteTarget::Unknown(format!("{to} is left to the implicit router of {vpc}")))
}

/// Place of a route among those of the same destination and zone: 0 for the provider's lowest number.
fn rank(all: &[Object<'_>], route: Object<'_>) -> Option<Spanned<u32>> {
    let own = route.number("priority")?;
    let to = route.text("destination")?;
    let lower: BTreeSet<u64> = all
        .iter()
        .filter(|other| other.text("destination").is_some_and(|text| text.value == to.value))
        .filter_map(|other| other.number("priority"))
        .map(|priority| priority.value)
        .filter(|priority| *priority < own.value)
        .collect();
    u32::try_from(lower.len()).ok().map(|place| Spanned::new(place, own.span))
}
