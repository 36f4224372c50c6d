//! VPCs with their subnets, the way to the Internet, and the provider's service network.
//!
//! The implicit router of a VPC sends packets to the Internet by a floating IP or, where the subnet has one, a public
//! gateway; and packets to the service network without either. Both stand here as an internet gateway and an
//! attached external that every route table leads to.

use std::collections::BTreeMap;

use netwright_model::language::reference::Destination;
use netwright_model::language::{
    Attachment, External, InternetGateway, NatAllocation, NatGateway, Route, RouteOrigin,
    RouteTable, RouteTarget, Subnet, Vpc,
};
use netwright_model::scalar::{Prefix, Scalar};
use netwright_model::source::{Span, Spanned};

use super::Import;
use super::read::Object;

/// Name of the external that stands for the provider's service network.
pub(super) const SERVICE_NETWORK: &str = "service-network";

/// Ranges of the service network: infrastructure services (resolvers, time, mirrors) and cloud service endpoints. From the
/// provider's page "Service endpoints for VPC".
const SERVICE_RANGES: [&str; 2] = ["161.26.0.0/16", "166.8.0.0/14"];

/// Routes that the provider implies lose to written ones of the same prefix.
const IMPLIED_PRIORITY: u32 = 255;

/// Addresses that the provider keeps in each subnet and counts as taken.
const KEPT_IN_SUBNET: u64 = 5;

impl Import<'_> {
    pub(super) fn vpcs(&mut self) {
        let vpcs = self.export.all("vpcs");
        let mut reached = Vec::new();
        let mut subnets: BTreeMap<String, Vec<Object<'_>>> = BTreeMap::new();
        for subnet in self.export.all("subnets") {
            if let Some(known) = self.catalog.subnet(subnet) {
                subnets.entry(known.vpc.clone()).or_default().push(subnet);
            }
        }
        for vpc in vpcs {
            let at = vpc.span();
            let Some(key) = self.catalog.vpc(vpc).map(str::to_owned) else {
                let what = "nothing identifies it: it is left out";
                self.gap(&format!("vpc:{}", vpc.name()), what, at, true);
                continue;
            };
            let mut made = Vpc {
                id: vpc.identity(),
                region: vpc.text("region"),
                span: at.into(),
                ..Vpc::default()
            };
            for prefix in vpc.objects("address_prefixes") {
                made.cidrs.extend(self.prefix(prefix, "cidr", &format!("vpc:{key}")));
            }
            self.subnets(vpc, subnets.get(&key).map_or(&[], Vec::as_slice), &mut made);
            self.widen(&key, &mut made);
            self.route_tables(vpc, &key, &mut made);
            self.gateway(&key, at);
            if vpc.flag("classic_access").is_some_and(|flag| flag.value) {
                let what =
                    "classic access: networks of the classic infrastructure are not described";
                self.gap(&format!("vpc:{key}"), what, at, true);
            }
            reached.push(Spanned::new(key.clone(), at));
            self.description.vpcs.insert(vpc.key(&key), made);
        }
        for subnet in self.export.all("subnets") {
            if self.catalog.subnet(subnet).is_none() {
                let what = "its VPC or its range is not in the export: it is left out";
                self.gap(&format!("subnet:{}", subnet.name()), what, subnet.span(), true);
            }
        }
        self.service_network(reached);
        self.public_gateways();
    }

    fn subnets(&mut self, vpc: Object<'_>, subnets: &[Object<'_>], made: &mut Vpc) {
        for subnet in subnets.iter().copied() {
            let Some(known) = self.catalog.subnet(subnet).cloned() else { continue };
            let at = subnet.span();
            let object = format!("subnet:{}", known.reference());
            let mut row = Subnet {
                id: subnet.identity(),
                zone: subnet.object("zone").and_then(|zone| zone.text("name")),
                route_table: self.tables.of_subnet(vpc, subnet, &known),
                span: at.into(),
                ..Subnet::default()
            };
            row.cidrs.extend(self.prefix(subnet, "ipv4_cidr_block", &object));
            row.allocated = allocated(subnet);
            match subnet.object("network_acl") {
                Some(acl) => match self.catalog.filter(acl) {
                    Some(filter) => row.filters.push(Spanned::new(filter.to_owned(), acl.span())),
                    None => {
                        let what = format!("network ACL {} is not in the export", acl.name());
                        row.filters.push(self.unknown_filter(
                            &object,
                            &what,
                            acl.span(),
                            Attachment::Subnet,
                        ));
                    }
                },
                None => {
                    let what = "the export names no network ACL of it";
                    row.filters.push(self.unknown_filter(&object, what, at, Attachment::Subnet));
                }
            }
            made.subnets.insert(subnet.key(&known.key), row);
        }
    }

    /// Ranges of subnets that lie in no address prefix belong to the VPC all the same.
    fn widen(&mut self, key: &str, made: &mut Vpc) {
        if made.cidrs.is_empty() {
            return;
        }
        let outside: Vec<Spanned<Prefix>> = made
            .subnets
            .iter()
            .flat_map(|(_, subnet)| subnet.cidrs.clone())
            .filter(|cidr| !made.cidrs.iter().any(|own| own.value.contains_prefix(&cidr.value)))
            .collect();
        for cidr in outside {
            let what = format!("subnet range {} lies in no address prefix of the VPC", cidr.value);
            self.gap(&format!("vpc:{key}"), &what, cidr.span, false);
            made.cidrs.push(cidr);
        }
    }

    fn gateway(&mut self, vpc: &str, at: Span) {
        let gateway = InternetGateway {
            vpc: Some(Spanned::new(vpc.to_owned(), at)),
            span: at.into(),
            ..InternetGateway::default()
        };
        self.description.internet_gateways.insert(Spanned::new(vpc.to_owned(), at), gateway);
    }

    fn service_network(&mut self, attached_vpcs: Vec<Spanned<String>>) {
        let Some(first) = attached_vpcs.first() else { return };
        let at = first.span;
        let addresses = service_ranges().map(|range| Spanned::new(range, at)).collect();
        let external = External {
            addresses,
            attached_vpcs,
            initiates: Some(Spanned::new(true, at)),
            span: at.into(),
            ..External::default()
        };
        self.description.externals.insert(Spanned::new(SERVICE_NETWORK.to_owned(), at), external);
    }

    fn public_gateways(&mut self) {
        let gateways = self.export.all("public_gateways");
        let keys = self.catalog.scoped(&gateways);
        for (gateway, key) in gateways.into_iter().zip(keys) {
            let at = gateway.span();
            let serves: Vec<Spanned<String>> = self
                .export
                .all("subnets")
                .into_iter()
                .filter_map(|subnet| {
                    let named = subnet.object("public_gateway")?;
                    let same =
                        named.identities().any(|id| gateway.identities().any(|own| own == id));
                    let known = self.catalog.subnet(subnet)?;
                    same.then(|| Spanned::new(known.reference(), named.span()))
                })
                .collect();
            if serves.is_empty() {
                // It serves no subnet: a NAT gateway without a list would serve the whole VPC.
                continue;
            }
            let mut made = NatGateway {
                id: gateway.identity(),
                vpc: gateway.object("vpc").and_then(|vpc| self.catalog.vpc_reference(vpc)),
                serves,
                address_allocation: Some(Spanned::new(NatAllocation::Static, at)),
                span: at.into(),
                ..NatGateway::default()
            };
            let object = format!("nat_gateway:{key}");
            if let Some(address) = gateway.object("floating_ip") {
                made.addresses.extend(self.address(address, "address", &object));
            }
            if made.addresses.is_empty() {
                made.address_allocation = Some(Spanned::new(NatAllocation::Automatic, at));
                self.gap(&object, "its floating IP is not in the export", at, false);
            }
            self.description.nat_gateways.insert(gateway.key(&key), made);
        }
    }

    fn route_tables(&mut self, vpc: Object<'_>, key: &str, made: &mut Vpc) {
        let plans = self.tables.of_vpc(key);
        if !self.export.has("routing_tables") {
            let what =
                "the export lists no routing tables: routes written by the user would not be seen";
            self.gap(&format!("vpc:{key}"), what, vpc.span(), false);
        }
        if plans.is_empty() {
            let table = RouteTable {
                routes: implied_routes(key, vpc.span()),
                span: vpc.span().into(),
                ..RouteTable::default()
            };
            made.route_tables.insert(Spanned::new("default".to_owned(), vpc.span()), table);
        }
        for plan in plans {
            let mut routes = Vec::new();
            for route in &plan.routes {
                routes.extend(self.route(key, made, &plan.routes, *route));
            }
            let at = plan.at;
            routes.extend(implied_routes(key, at));
            let table = RouteTable { id: plan.id, routes, span: at.into() };
            made.route_tables.insert(Spanned::new(plan.name.clone(), at), table);
            if plan.main {
                made.main_route_table = Some(Spanned::new(plan.name, at));
            }
        }
    }
}

/// Routes that the implicit router of each VPC has.
pub(super) fn implied_routes(vpc: &str, at: Span) -> Vec<Route> {
    let everything = Prefix::parse_scalar("0.0.0.0/0").into_iter();
    let internet = everything.map(|to| (to, RouteTarget::InternetGateway(vpc.to_owned())));
    let service =
        service_ranges().map(|to| (to, RouteTarget::External(SERVICE_NETWORK.to_owned())));
    internet
        .chain(service)
        .map(|(to, via)| Route {
            to: Spanned::new(Destination::Prefix(to), at),
            via: Spanned::new(via, at),
            priority: Some(Spanned::new(IMPLIED_PRIORITY, at)),
            origin: Some(Spanned::new(RouteOrigin::Propagated, at)),
            name: Some(Spanned::new("implied by the provider".to_owned(), at)),
            span: at.into(),
            ..Route::default()
        })
        .collect()
}

pub(super) fn service_ranges() -> impl Iterator<Item = Prefix> {
    SERVICE_RANGES.iter().filter_map(|range| Prefix::parse_scalar(range).ok())
}

/// Addresses taken in a subnet by the provider's own count, without those that it keeps in each.
fn allocated(subnet: Object<'_>) -> Option<Spanned<u32>> {
    let total = subnet.number("total_ipv4_address_count")?;
    let free = subnet.number("available_ipv4_address_count")?;
    let taken = total.value.checked_sub(free.value)?.checked_sub(KEPT_IN_SUBNET)?;
    u32::try_from(taken).ok().map(|taken| Spanned::new(taken, free.span))
}
