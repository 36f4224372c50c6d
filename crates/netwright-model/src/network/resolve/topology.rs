//! VPCs, subnets, gateways, peerings, VPNs, sites, NAT gateways.

use crate::language::{EndpointKind, NatAllocation};
use crate::network::{
    Endpoint, EndpointId, Gateway, GatewayId, Interface, InterfaceId, Nat, NatId, Peering,
    PeeringId, RouteTable, RouteTableId, Site, SiteId, Subnet, SubnetId, Vpc, VpcId, Vpn, VpnId,
};
use crate::source::Spanned;

use super::context::{Resolver, find, flag, text, values};

impl Resolver<'_> {
    pub(super) fn vpcs(&mut self) {
        for (name, vpc) in self.description.vpcs.iter() {
            let id = VpcId::at(self.network.vpcs.len());
            let provider = self.provider(vpc.provider.as_ref());
            let facts = self.facts(provider);
            let mut row = Vpc {
                name: name.value.clone(),
                id: text(vpc.id.as_ref()),
                span: name.span,
                provider,
                region: text(vpc.region.as_ref()),
                cidrs: values(&vpc.cidrs),
                mtu: vpc.mtu.as_ref().map_or(facts.vpc_mtu, |mtu| mtu.value),
                facts,
                ..Vpc::default()
            };
            if row.cidrs.is_empty() {
                row.cidrs =
                    vpc.subnets.iter().flat_map(|(_, subnet)| values(&subnet.cidrs)).collect();
            }
            for (table_name, table) in vpc.route_tables.iter() {
                let full = format!("{}/{}", name.value, table_name.value);
                row.route_tables.push(self.add_table(&full, table_name, table.id.as_ref(), id));
            }
            row.main_table = match &vpc.main_route_table {
                Some(main) => {
                    let full = Spanned::new(format!("{}/{}", name.value, main.value), main.span);
                    let known = self.table_names.get(&full.value).is_some();
                    let reference = if known { full } else { main.clone() };
                    find!(self, table_names, &reference).unwrap_or_default()
                }
                None => match row.route_tables.as_slice() {
                    [only] => *only,
                    // Subnets that name no table then have the implied local routes and nothing else.
                    _ => {
                        let full = format!("{}/main", name.value);
                        let table = self.table_names.get(&full);
                        let table = table.unwrap_or_else(|| self.add_table(&full, name, None, id));
                        if !row.route_tables.contains(&table) {
                            row.route_tables.push(table);
                        }
                        table
                    }
                },
            };
            self.vpc_names.add(&name.value, vpc.id.as_ref(), id);
            self.network.vpcs.push(row);
        }
    }

    fn add_table(
        &mut self,
        full: &str,
        name: &Spanned<String>,
        id: Option<&Spanned<String>>,
        vpc: VpcId,
    ) -> RouteTableId {
        let table = RouteTableId::at(self.network.route_tables.len());
        self.network.route_tables.push(RouteTable {
            name: full.to_owned(),
            id: text(id),
            span: name.span,
            vpc,
            routes: Vec::new(),
        });
        self.table_names.add(full, id, table);
        table
    }

    pub(super) fn subnets(&mut self) {
        for (index, (vpc_name, vpc)) in self.description.vpcs.iter().enumerate() {
            let vpc_id = VpcId::at(index);
            for (name, subnet) in vpc.subnets.iter() {
                let full = format!("{}/{}", vpc_name.value, name.value);
                let table = match &subnet.route_table {
                    Some(reference) => {
                        let own = format!("{}/{}", vpc_name.value, reference.value);
                        match self.table_names.get(&own) {
                            Some(table) => Some(table),
                            None => find!(self, table_names, reference),
                        }
                    }
                    None => Some(self.network[vpc_id].main_table),
                };
                let id = SubnetId::at(self.network.subnets.len());
                self.subnet_names.add(&full, subnet.id.as_ref(), id);
                self.network.vpcs[index].subnets.push(id);
                self.network.subnets.push(Subnet {
                    name: full,
                    id: text(subnet.id.as_ref()),
                    span: name.span,
                    vpc: vpc_id,
                    cidrs: values(&subnet.cidrs),
                    zone: text(subnet.zone.as_ref()),
                    region: text(subnet.region.as_ref()),
                    table: table.unwrap_or_default(),
                    filters: Vec::new(),
                    nat: None,
                    incomplete: subnet.incomplete.is_some(),
                });
            }
        }
    }

    /// A subnet that something of the provider implies. It stands in the VPC's tables but belongs to no user.
    pub(super) fn implied_subnet(
        &mut self,
        vpc: VpcId,
        name: &str,
        cidr: crate::scalar::Prefix,
        span: crate::source::Span,
    ) -> SubnetId {
        let id = SubnetId::at(self.network.subnets.len());
        let full = format!("{}/{name}", self.network[vpc].name);
        self.network.vpcs[vpc.index()].subnets.push(id);
        if !self.network[vpc].cidrs.iter().any(|own| own.contains_prefix(&cidr)) {
            self.network.vpcs[vpc.index()].cidrs.push(cidr);
        }
        let table = self.network[vpc].main_table;
        self.network.subnets.push(Subnet {
            name: full,
            span,
            vpc,
            cidrs: vec![cidr],
            table,
            ..Subnet::default()
        });
        id
    }

    pub(super) fn add_endpoint(
        &mut self,
        kind: EndpointKind,
        name: &Spanned<String>,
        id: Option<&Spanned<String>>,
    ) -> EndpointId {
        let endpoint = EndpointId::at(self.network.endpoints.len());
        self.network.endpoints.push(Endpoint {
            name: name.value.clone(),
            id: text(id),
            span: name.span,
            kind,
            interfaces: Vec::new(),
            public: Vec::new(),
            prefixes: Vec::new(),
            listens: None,
        });
        endpoint
    }

    /// Adds an interface to its owner. The row's `owner` must be set.
    pub(super) fn add_interface(&mut self, row: Interface) -> InterfaceId {
        let id = InterfaceId::at(self.network.interfaces.len());
        self.network.endpoints[row.owner.index()].interfaces.push(id);
        for filter in &row.filters {
            self.network.filters[filter.index()].members.push(id);
        }
        self.interface_names.add(&row.name, None, id);
        if let Some(cloud) = &row.id {
            self.interface_names.add(&cloud.clone(), None, id);
        }
        self.network.interfaces.push(row);
        id
    }

    pub(super) fn gateways(&mut self) {
        for (name, gateway) in self.description.internet_gateways.iter() {
            let vpc = gateway.vpc.as_ref().and_then(|vpc| find!(self, vpc_names, vpc));
            let id = GatewayId::at(self.network.gateways.len());
            self.gateway_names.add(&name.value, gateway.id.as_ref(), id);
            self.network.gateways.push(Gateway {
                name: name.value.clone(),
                id: text(gateway.id.as_ref()),
                span: name.span,
                vpc,
                egress_only: flag(gateway.egress_only.as_ref(), false),
            });
            if let Some(vpc) = vpc {
                self.network.vpcs[vpc.index()].gateways.push(id);
            }
        }
    }

    pub(super) fn peerings(&mut self) {
        for (name, peering) in self.description.peerings.iter() {
            if peering.vpcs.len() != 2 {
                self.error(
                    *peering.span,
                    format!("peering `{}` names {} VPCs; it joins exactly two", name.value, peering.vpcs.len()),
                    Some("write `vpcs: [one, other]`; for a side that is not described write `unknown`".into()),
                );
                continue;
            }
            let mut sides = [None, None];
            for (side, vpc) in sides.iter_mut().zip(&peering.vpcs) {
                *side = match vpc.value.as_str() {
                    "unknown" => None,
                    _ => find!(self, vpc_names, vpc),
                };
            }
            let id = PeeringId::at(self.network.peerings.len());
            self.peering_names.add(&name.value, peering.id.as_ref(), id);
            self.network.peerings.push(Peering {
                name: name.value.clone(),
                id: text(peering.id.as_ref()),
                span: name.span,
                vpcs: sides,
                state: peering.state.as_ref().map(|state| state.value).unwrap_or_default(),
                automatic_routes: flag(peering.automatic_routes.as_ref(), false),
                inter_region: flag(peering.inter_region.as_ref(), false),
                mtu: peering.mtu.as_ref().map(|mtu| mtu.value),
            });
        }
    }

    pub(super) fn sites(&mut self) {
        for (name, site) in self.description.sites.iter() {
            let endpoint = self.add_endpoint(EndpointKind::Site, name, site.id.as_ref());
            let cidrs = values(&site.cidrs);
            self.network.endpoints[endpoint.index()].prefixes.clone_from(&cidrs);
            let id = SiteId::at(self.network.sites.len());
            self.site_names.add(&name.value, site.id.as_ref(), id);
            self.network.sites.push(Site {
                endpoint,
                cidrs,
                mtu: site.mtu.as_ref().map_or(1500, |mtu| mtu.value),
            });
        }
    }

    pub(super) fn vpns(&mut self) {
        for (index, (name, vpn)) in self.description.vpns.iter().enumerate() {
            let vpc = vpn.vpc.as_ref().and_then(|vpc| find!(self, vpc_names, vpc));
            let site = vpn.site.as_ref().and_then(|site| find!(self, site_names, site));
            let remote = match (vpn.remote_cidrs.is_empty(), site) {
                (true, Some(site)) => self.network[site].cidrs.clone(),
                _ => values(&vpn.remote_cidrs),
            };
            let local = match (vpn.local_cidrs.is_empty(), vpc) {
                (true, Some(vpc)) => self.network[vpc].cidrs.clone(),
                _ => values(&vpn.local_cidrs),
            };
            let id = VpnId::at(self.network.vpns.len());
            self.vpn_names.add(&name.value, vpn.id.as_ref(), id);
            self.network.vpns.push(Vpn {
                name: name.value.clone(),
                id: text(vpn.id.as_ref()),
                gateway: text(vpn.gateway.as_ref()),
                span: name.span,
                kind: vpn.kind.as_ref().map(|kind| kind.value).unwrap_or_default(),
                vpc,
                site,
                remote,
                local,
                up: flag(vpn.up.as_ref(), true),
                index,
            });
        }
    }

    pub(super) fn nats(&mut self) {
        for (name, nat) in self.description.nat_gateways.iter() {
            let endpoint = self.add_endpoint(EndpointKind::Nat, name, nat.id.as_ref());
            let id = NatId::at(self.network.nats.len());
            self.nat_names.add(&name.value, nat.id.as_ref(), id);
            let subnet = nat.subnet.as_ref().and_then(|subnet| find!(self, subnet_names, subnet));
            let vpc = match subnet {
                Some(subnet) => Some(self.network[subnet].vpc),
                None => nat.vpc.as_ref().and_then(|vpc| find!(self, vpc_names, vpc)),
            };
            let private = flag(nat.private.as_ref(), false);
            let allocation = nat.address_allocation.as_ref().map(|a| a.value);
            let fixed = match allocation {
                Some(allocation) => allocation == NatAllocation::Static,
                None => !nat.addresses.is_empty(),
            };
            let filters = self.interface_filters(&nat.filters);
            let interface = subnet.map(|subnet| {
                self.add_interface(Interface {
                    name: name.value.clone(),
                    span: name.span,
                    owner: endpoint,
                    subnet,
                    addresses: nat.private_address.iter().map(|address| address.value).collect(),
                    public: values(&nat.addresses),
                    filters,
                    running: true,
                    answers_only: true,
                    ..Interface::default()
                })
            });
            self.network.nats.push(Nat {
                name: name.value.clone(),
                id: text(nat.id.as_ref()),
                span: name.span,
                endpoint,
                vpc,
                interface,
                // Addresses that the provider chose are those of today.
                addresses: match allocation {
                    Some(NatAllocation::Automatic) if interface.is_none() => Vec::new(),
                    _ => values(&nat.addresses),
                },
                static_addresses: fixed,
                private,
            });
            self.serve_subnets(id, nat, vpc, interface.is_some());
        }
    }

    fn serve_subnets(
        &mut self,
        id: NatId,
        nat: &crate::language::NatGateway,
        vpc: Option<VpcId>,
        in_subnet: bool,
    ) {
        let mut served = Vec::new();
        for reference in &nat.serves {
            served.extend(find!(self, subnet_names, reference));
        }
        if let (true, false, Some(vpc)) = (nat.serves.is_empty(), in_subnet, vpc) {
            let region = nat.region.as_ref().map(|region| region.value.as_str());
            served.extend(self.network[vpc].subnets.iter().copied().filter(|subnet| {
                let own = self.network[*subnet].region.as_deref();
                region.is_none() || own.is_none() || own == region
            }));
        }
        for subnet in served {
            self.network.subnets[subnet.index()].nat = Some(id);
        }
    }
}
