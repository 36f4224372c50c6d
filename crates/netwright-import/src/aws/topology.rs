//! VPCs, subnets, gateways, routes, peerings.

use netwright_model::language::{
    Destination, InternetGateway, NatAllocation, NatGateway, Peering, PeeringState, PrefixList,
    Route, RouteOrigin, RouteTable, RouteTarget, Subnet, Vpc,
};
use netwright_model::scalar::Prefix;
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use crate::access::{Access, prefix_of};

use super::Import;
use super::export::key;

impl Import<'_> {
    pub(super) fn prefix_lists(&mut self) {
        for list in self.export.all("PrefixLists") {
            let Some(id) = list.text("PrefixListId") else { continue };
            if list.get("Cidrs").is_none() && list.get("Entries").is_none() {
                self.gap(
                    &format!("prefix_list:{}", id.value),
                    "its prefixes are not in the export",
                    list.span,
                    true,
                );
                continue;
            }
            let cidrs: Vec<_> = list
                .list("Cidrs")
                .iter()
                .filter_map(prefix_of)
                .chain(list.list("Entries").iter().filter_map(|entry| entry.prefix("Cidr")))
                .collect();
            let row = PrefixList { id: Some(id.clone()), cidrs, span: list.span.into() };
            self.description.prefix_lists.push((key(&id.value, list), row));
        }
    }

    pub(super) fn vpcs(&mut self) {
        for vpc in self.export.all("Vpcs") {
            let Some(id) = vpc.text("VpcId") else {
                self.gap("vpc:?", "a VPC without VpcId was left out", vpc.span, true);
                continue;
            };
            let name = self.names.or_id("Vpcs", &id.value).to_owned();
            let row = Vpc {
                cidrs: vpc_ranges(vpc),
                account: vpc.text("OwnerId"),
                region: vpc.text("Region"),
                id: Some(id),
                span: vpc.span.into(),
                ..Vpc::default()
            };
            self.description.vpcs.push((key(&name, vpc), row));
        }
        self.subnets();
    }

    fn subnets(&mut self) {
        for subnet in self.export.bare_subnets() {
            let id = subnet.word("SubnetId").unwrap_or("?").to_owned();
            let what = "its range was not understood; it was left out";
            self.gap(&format!("subnet:{id}"), what, subnet.span, true);
        }
        for subnet in self.export.all("Subnets") {
            let (Some(id), Some(vpc)) = (subnet.text("SubnetId"), subnet.word("VpcId")) else {
                self.gap(
                    "subnet:?",
                    "a subnet without SubnetId or VpcId was left out",
                    subnet.span,
                    true,
                );
                continue;
            };
            let name = self.names.or_id("Subnets", &id.value).to_owned();
            let owner = self.names.of_section("Vpcs", vpc).map(str::to_owned);
            let mut cidrs: Vec<_> = subnet.prefix("CidrBlock").into_iter().collect();
            cidrs.extend(
                subnet
                    .list("Ipv6CidrBlockAssociationSet")
                    .iter()
                    .filter_map(|entry| entry.prefix("Ipv6CidrBlock")),
            );
            let row = Subnet {
                id: Some(id.clone()),
                cidrs,
                zone: subnet.text("AvailabilityZone"),
                span: subnet.span.into(),
                ..Subnet::default()
            };
            match owner.and_then(|owner| self.description.vpcs.get_mut(&owner)) {
                Some(vpc) => vpc.subnets.push((key(&name, subnet), row)),
                None => self.gap(
                    &format!("subnet:{}", id.value),
                    format!("its VPC {vpc} is not in the export"),
                    subnet.span,
                    true,
                ),
            }
        }
    }

    pub(super) fn gateways(&mut self) {
        for (section, id_key, egress_only) in [
            ("InternetGateways", "InternetGatewayId", false),
            ("EgressOnlyInternetGateways", "EgressOnlyInternetGatewayId", true),
        ] {
            for gateway in self.export.all(section) {
                let Some(id) = gateway.text(id_key) else { continue };
                let attached = gateway
                    .list("Attachments")
                    .iter()
                    .filter(|a| {
                        a.word("State").is_none_or(|s| matches!(s, "available" | "attached"))
                    })
                    .find_map(|attachment| attachment.text("VpcId"));
                let vpc = attached.and_then(|vpc| {
                    let name = self.names.of_section("Vpcs", &vpc.value)?.to_owned();
                    Some(Spanned::new(name, vpc.span))
                });
                let name = self.names.or_id(section, &id.value).to_owned();
                let row = InternetGateway {
                    id: Some(id),
                    vpc,
                    egress_only: egress_only.then(|| Spanned::bare(true)),
                    span: gateway.span.into(),
                };
                self.description.internet_gateways.push((key(&name, gateway), row));
            }
        }
        for gateway in self.export.all("NatGateways") {
            self.nat(gateway);
        }
    }

    fn nat(&mut self, gateway: &Node) {
        let Some(id) = gateway.text("NatGatewayId") else { return };
        if gateway.word("State").is_some_and(|state| state != "available") {
            self.notes.push(format!("NAT gateway {} is not available and was left out", id.value));
            return;
        }
        let subnet = gateway.word("SubnetId").and_then(|subnet| self.names.subnet(subnet));
        let addresses = gateway.list("NatGatewayAddresses");
        let name = self.names.or_id("NatGateways", &id.value).to_owned();
        for address in addresses {
            self.taken.extend(address.word("NetworkInterfaceId").map(str::to_owned));
        }
        let private = gateway.word("ConnectivityType") == Some("private");
        let row = NatGateway {
            id: Some(id),
            subnet: subnet.map(|subnet| Spanned::new(subnet, gateway.span)),
            private_address: addresses.iter().find_map(|entry| entry.address("PrivateIp")),
            addresses: addresses.iter().filter_map(|entry| entry.address("PublicIp")).collect(),
            address_allocation: Some(Spanned::bare(NatAllocation::Static)),
            private: private.then(|| Spanned::bare(true)),
            span: gateway.span.into(),
            ..NatGateway::default()
        };
        self.description.nat_gateways.push((key(&name, gateway), row));
    }

    pub(super) fn peerings(&mut self) {
        for peering in self.export.all("VpcPeeringConnections") {
            let Some(id) = peering.text("VpcPeeringConnectionId") else { continue };
            let side = |which: &str| {
                let info = peering.get(which)?;
                Some((info.text("VpcId")?, info.word("Region").map(str::to_owned)))
            };
            let (Some(requester), Some(accepter)) =
                (side("RequesterVpcInfo"), side("AccepterVpcInfo"))
            else {
                self.gap(
                    &format!("peering:{}", id.value),
                    "a side of the peering is missing",
                    peering.span,
                    true,
                );
                continue;
            };
            let code = peering.get("Status").and_then(|status| status.word("Code"));
            let state = match code {
                Some("active") | None => PeeringState::Active,
                Some("deleted" | "deleting" | "rejected" | "expired" | "failed") => {
                    PeeringState::Deleted
                }
                Some(_) => PeeringState::Pending,
            };
            let vpc = |id: &Spanned<String>| {
                let name = self.names.of_section("Vpcs", &id.value).unwrap_or("unknown").to_owned();
                Spanned::new(name, id.span)
            };
            let vpcs = vec![vpc(&requester.0), vpc(&accepter.0)];
            for side in [&requester.0, &accepter.0] {
                if self.names.of_section("Vpcs", &side.value).is_none() {
                    let what = format!("VPC {} is not in the export", side.value);
                    self.gap(&format!("peering:{}", id.value), what, side.span, true);
                }
            }
            let inter_region = matches!((&requester.1, &accepter.1), (Some(a), Some(b)) if a != b);
            let name = self.names.or_id("VpcPeeringConnections", &id.value).to_owned();
            let row = Peering {
                id: Some(id),
                vpcs,
                state: Some(Spanned::bare(state)),
                inter_region: inter_region.then(|| Spanned::bare(true)),
                span: peering.span.into(),
                ..Peering::default()
            };
            self.description.peerings.push((key(&name, peering), row));
        }
    }

    pub(super) fn routes(&mut self) {
        for table in self.export.all("RouteTables") {
            self.table(table);
        }
        if !self.export.has("RouteTables") {
            self.assume_routes();
            return;
        }
        self.missing_tables();
    }

    fn table(&mut self, table: &Node) {
        let (Some(id), Some(vpc)) = (table.text("RouteTableId"), table.word("VpcId")) else {
            self.gap(
                "route_table:?",
                "a route table without RouteTableId or VpcId was left out",
                table.span,
                true,
            );
            return;
        };
        let Some(vpc_name) = self.names.of_section("Vpcs", vpc).map(str::to_owned) else {
            self.gap(
                &format!("route_table:{}", id.value),
                format!("its VPC {vpc} is not in the export"),
                table.span,
                true,
            );
            return;
        };
        let name = self.names.or_id("RouteTables", &id.value).to_owned();
        let mut routes: Vec<Route> = Vec::new();
        let listed = table.get("Routes").map(|routes| &routes.kind);
        if !matches!(listed, Some(netwright_model::tree::Kind::Sequence(_))) {
            let what = "its routes are not in the export";
            self.gap(&format!("route_table:{}", id.value), what, table.span, true);
            routes = routes_to_unknown("a route that is not in the export", table);
        }
        for route in table.list("Routes") {
            routes.extend(self.route(route, &id.value, &vpc_name));
            if route.prefix("DestinationCidrBlock").is_none()
                && route.prefix("DestinationIpv6CidrBlock").is_none()
                && !self.is_held_list(route)
                && !route.word("GatewayId").is_some_and(|id| id.starts_with("vpce-"))
            {
                routes.extend(routes_to_unknown("a route whose destination is not known", route));
            }
        }
        let mut edges = Vec::new();
        let Some(owner) = self.description.vpcs.get_mut(&vpc_name) else { return };
        for association in table.list("Associations") {
            if association.flag("Main") == Some(true) {
                owner.main_route_table = Some(key(&name, association));
            }
            let subnet =
                association.word("SubnetId").and_then(|id| self.names.of_section("Subnets", id));
            if let Some(subnet) = subnet.and_then(|subnet| owner.subnets.get_mut(subnet)) {
                subnet.route_table = Some(key(&name, association));
            } else if association.word("GatewayId").is_some()
                && routes.iter().any(|route| route.via.value != RouteTarget::Local)
            {
                edges.push(association.span);
            }
        }
        let object = format!("route_table:{}", id.value);
        let row = RouteTable { id: Some(id), routes, span: table.span.into() };
        owner.route_tables.push((key(&name, table), row));
        for span in edges {
            self.gap(&object, "it is also the table of a gateway, whose incoming packets it routes; that use is not represented", span, true);
        }
    }

    fn route(&mut self, route: &Node, table: &str, vpc: &str) -> Option<Route> {
        let to = route
            .prefix("DestinationCidrBlock")
            .or_else(|| route.prefix("DestinationIpv6CidrBlock"))
            .map(|prefix| prefix.map(Destination::Prefix))
            .or_else(|| {
                let list = route.text("DestinationPrefixListId")?;
                self.description.prefix_list(&list.value)?;
                Some(list.map(Destination::PrefixList))
            });
        let object = format!("route_table:{table}");
        let Some(to) = to else {
            self.gap(
                &object,
                "a route whose destination is not in the export was left out",
                route.span,
                true,
            );
            return None;
        };
        let via = self.target(route, vpc);
        if via == RouteTarget::Local && self.is_own_range(vpc, &to.value) {
            return None;
        }
        if let RouteTarget::Unknown(what) = &via {
            self.gap(
                &object,
                format!("the route to {} leads to {what}, which was not represented", to.value),
                route.span,
                true,
            );
        }
        let propagated = route.word("Origin") == Some("EnableVgwRoutePropagation");
        Some(Route {
            to,
            via: Spanned::new(via, route.span),
            origin: propagated.then(|| Spanned::bare(RouteOrigin::Propagated)),
            span: route.span.into(),
            ..Route::default()
        })
    }

    /// Whether a route's destination is a prefix list whose prefixes are known.
    fn is_held_list(&self, route: &Node) -> bool {
        let list = route.word("DestinationPrefixListId");
        list.is_some_and(|list| self.description.prefix_list(list).is_some())
    }

    /// Every subnet has a table. Where the export does not hold it, it is not known where packets go.
    fn missing_tables(&mut self) {
        let mut missing = Vec::new();
        for (name, vpc) in self.description.vpcs.iter_mut() {
            let bare = vpc.subnets.iter().any(|(_, subnet)| subnet.route_table.is_none());
            if vpc.main_route_table.is_some() || !bare {
                continue;
            }
            let table = RouteTable {
                routes: routes_to_unknown(
                    "a route table that is not in the export",
                    &Node::default(),
                ),
                ..RouteTable::default()
            };
            vpc.route_tables.push((Spanned::new("not-in-export".to_owned(), *vpc.span), table));
            vpc.main_route_table = Some(Spanned::new("not-in-export".to_owned(), *vpc.span));
            missing.push((name.value.clone(), *vpc.span));
        }
        for (name, span) in missing {
            let what = "its main route table is not in the export";
            self.gap(&format!("vpc:{name}"), what, span, true);
        }
    }

    fn is_own_range(&self, vpc: &str, to: &Destination) -> bool {
        let Destination::Prefix(prefix) = to else { return false };
        let ranges = self.description.vpcs.get(vpc).map(|vpc| &vpc.cidrs);
        ranges.is_some_and(|ranges| ranges.iter().any(|range| range.value == *prefix))
    }

    fn target(&self, route: &Node, vpc: &str) -> RouteTarget {
        if route.word("State") == Some("blackhole") {
            return RouteTarget::Blackhole;
        }
        let named = |section: &str, id: &str| self.names.of_section(section, id).map(str::to_owned);
        let unknown = |id: &str| RouteTarget::Unknown(id.to_owned());
        if let Some(id) = route.word("GatewayId") {
            return match id {
                "local" => RouteTarget::Local,
                _ if id.starts_with("vgw-") => {
                    match self.description.vpns.iter().any(|(_, vpn)| {
                        vpn.gateway.as_ref().is_some_and(|gateway| gateway.value == id)
                    }) {
                        true => RouteTarget::Vpn(id.to_owned()),
                        false => unknown(id),
                    }
                }
                // Packets to a balancer of appliances go on behind it, and not to it.
                _ if id.starts_with("vpce-") => match named("VpcEndpoints", id) {
                    Some(_) if self.leads_to_appliances(id) => unknown(id),
                    Some(name) => RouteTarget::PrivateEndpoint(name),
                    None => unknown(id),
                },
                _ => match named("InternetGateways", id) {
                    Some(name) => RouteTarget::InternetGateway(name),
                    None => unknown(id),
                },
            };
        }
        if let Some(id) = route.word("NatGatewayId") {
            let known = named("NatGateways", id)
                .filter(|name| self.description.nat_gateways.get(name).is_some());
            return known.map_or_else(|| unknown(id), RouteTarget::Nat);
        }
        if let Some(id) = route.word("VpcPeeringConnectionId") {
            return named("VpcPeeringConnections", id)
                .map_or_else(|| unknown(id), RouteTarget::Peering);
        }
        if let Some(id) = route.word("TransitGatewayId") {
            let known = named("TransitGateways", id)
                .filter(|name| self.description.transits.get(name).is_some());
            return known.map_or_else(|| unknown(id), RouteTarget::Transit);
        }
        if let Some(id) = route.word("EgressOnlyInternetGatewayId") {
            return named("EgressOnlyInternetGateways", id)
                .map_or_else(|| unknown(id), RouteTarget::InternetGateway);
        }
        if let Some(id) = route.word("NetworkInterfaceId") {
            return self.interface_named(id).map_or_else(|| unknown(id), RouteTarget::Instance);
        }
        if let Some(id) = route.word("InstanceId") {
            return self.next_hop_named(id).map_or_else(|| unknown(id), RouteTarget::Instance);
        }
        let other = ["LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn"];
        let what =
            other.iter().find_map(|key| route.word(key)).unwrap_or("a target of unknown kind");
        let _ = vpc;
        unknown(what)
    }

    fn leads_to_appliances(&self, endpoint: &str) -> bool {
        let node = self.export.find("VpcEndpoints", "VpcEndpointId", endpoint);
        node.and_then(|node| node.word("VpcEndpointType")) == Some("GatewayLoadBalancer")
    }

    /// An export without route tables: everything else goes to the attached internet gateway.
    fn assume_routes(&mut self) {
        let attached: Vec<(String, String)> = self
            .description
            .internet_gateways
            .iter()
            .filter_map(|(name, gateway)| {
                Some((gateway.vpc.as_ref()?.value.clone(), name.value.clone()))
            })
            .collect();
        for (vpc, gateway) in attached {
            let Some(owner) = self.description.vpcs.get_mut(&vpc) else { continue };
            let everything = Prefix::of(std::net::Ipv4Addr::UNSPECIFIED.into(), 0);
            let route = Route {
                to: Spanned::bare(Destination::Prefix(everything)),
                via: Spanned::bare(RouteTarget::InternetGateway(gateway)),
                ..Route::default()
            };
            let span = *owner.span;
            owner.route_tables.insert(
                "assumed".to_owned(),
                RouteTable { routes: vec![route], ..RouteTable::default() },
            );
            owner.main_route_table = Some(Spanned::bare("assumed".to_owned()));
            self.gap(&format!("vpc:{vpc}"), "its route tables are not in the export; a default route to its internet gateway is assumed", span, false);
        }
    }
}

/// Routes of both families for everything else, to what is not known.
pub(super) fn routes_to_unknown(what: &str, node: &Node) -> Vec<Route> {
    let everything: [std::net::IpAddr; 2] =
        [std::net::Ipv4Addr::UNSPECIFIED.into(), std::net::Ipv6Addr::UNSPECIFIED.into()];
    let route = |address| Route {
        to: Spanned::new(Destination::Prefix(Prefix::of(address, 0)), node.span),
        via: Spanned::new(RouteTarget::Unknown(what.to_owned()), node.span),
        span: node.span.into(),
        ..Route::default()
    };
    everything.into_iter().map(route).collect()
}

/// All ranges of a VPC that are associated with it.
fn vpc_ranges(vpc: &Node) -> Vec<Spanned<Prefix>> {
    let mut ranges: Vec<Spanned<Prefix>> = vpc.prefix("CidrBlock").into_iter().collect();
    let associated = |entry: &&Node, state: &str| {
        let state = entry.get(state).and_then(|state| state.word("State"));
        state.is_none_or(|state| state == "associated")
    };
    let v4 = vpc
        .list("CidrBlockAssociationSet")
        .iter()
        .filter(|entry| associated(entry, "CidrBlockState"));
    let v6 = vpc
        .list("Ipv6CidrBlockAssociationSet")
        .iter()
        .filter(|entry| associated(entry, "Ipv6CidrBlockState"));
    let more = v4.filter_map(|entry| entry.prefix("CidrBlock"));
    for range in more.chain(v6.filter_map(|entry| entry.prefix("Ipv6CidrBlock"))) {
        if !ranges.contains(&range) {
            ranges.push(range);
        }
    }
    ranges
}
