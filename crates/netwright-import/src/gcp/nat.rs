//! Cloud NAT: gateways of a router that serve subnets of its network and region where their packets leave.

use std::net::IpAddr;

use netwright_model::language::{NatAllocation, NatGateway};
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use super::Import;
use super::export::{Object, last, segment};
use super::networks::number;
use crate::access::Access;

impl<'e> Import<'e> {
    pub(super) fn nat_gateways(&mut self) {
        for router in self.export.all("router") {
            for nat in router.node.list("nats") {
                self.nat_gateway(*router, nat);
            }
        }
    }

    fn nat_gateway(&mut self, router: Object<'e>, node: &'e Node) {
        let at = node.span;
        let own = super::names::clean(node.word("name").unwrap_or("nat"));
        let link = router.link().unwrap_or_default();
        let region = segment(&link, "regions").map(str::to_owned);
        let long = format!("{own}.{}", self.names.key(router));
        let taken = |name: &str| self.description.nat_gateways.get(name).is_some();
        let key = if taken(&own) { long } else { own };
        let object = format!("nat_gateway:{key}");
        let network = router.node.word("network").and_then(|link| self.names.network(link));
        let Some(network) = network.map(str::to_owned) else {
            self.gap(&object, "the network of its router is not in the export", at, true);
            return;
        };
        if node.word("type") == Some("PRIVATE") {
            self.gap(&object, "private NAT between networks is not represented", at, true);
            return;
        }
        let serves_machines = |kind: &Node| kind.as_text() == Some("ENDPOINT_TYPE_VM");
        let kinds = node.list("endpointTypes");
        if !kinds.is_empty() && !kinds.iter().any(serves_machines) {
            self.gap(
                &object,
                "it serves load balancers or gateways, which is not represented",
                at,
                false,
            );
            return;
        }
        let mut made = NatGateway {
            vpc: Some(Spanned::new(network.clone(), at)),
            region: region.map(|region| Spanned::new(region, at)),
            ports_per_client: number(node, "minPortsPerVm"),
            max_ports_per_client: number(node, "maxPortsPerVm"),
            port_allocation: node.flag("enableDynamicPortAllocation").map(|dynamic| {
                let how = if dynamic { NatAllocation::Automatic } else { NatAllocation::Static };
                Spanned::new(how, at)
            }),
            span: at.into(),
            ..NatGateway::default()
        };
        let manual = node.word("natIpAllocateOption") == Some("MANUAL_ONLY");
        let how = if manual { NatAllocation::Static } else { NatAllocation::Automatic };
        made.address_allocation = Some(Spanned::new(how, at));
        if manual {
            made.addresses = self.addresses(router, node, &object);
        }
        if !self.serves(node, &network, &mut made, &object) {
            return;
        }
        for rule in node.list("rules") {
            let what = "rules that choose an address by destination are not represented";
            self.gap(&object, what, rule.span, true);
        }
        self.description.nat_gateways.insert(Spanned::new(key, at), made);
    }

    /// The subnets that a gateway serves; false where it serves none that is known.
    fn serves(&mut self, node: &Node, network: &str, made: &mut NatGateway, object: &str) -> bool {
        match node.word("sourceSubnetworkIpRangesToNat") {
            Some("LIST_OF_SUBNETWORKS") => {
                for entry in node.list("subnetworks") {
                    let link = entry.word("name").unwrap_or("");
                    match self.names.subnet(link) {
                        Some((vpc, subnet)) => {
                            let name = format!("{vpc}/{subnet}");
                            made.serves.push(Spanned::new(name, entry.span));
                        }
                        None => {
                            let what = format!("subnet {} is not in the export", last(link));
                            self.gap(object, what, entry.span, true);
                        }
                    }
                    let ranges = entry.list("sourceIpRangesToNat");
                    let all = ranges.iter().any(|range| range.as_text() == Some("ALL_IP_RANGES"));
                    if !all && !ranges.is_empty() {
                        let what = format!(
                            "of subnet {} it serves some ranges only; it is taken to serve all",
                            last(link)
                        );
                        self.gap(object, what, entry.span, true);
                    }
                }
                !made.serves.is_empty()
            }
            Some("ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES") => {
                let vpc = self.description.vpcs.get(network);
                let secondary = vpc.is_some_and(|vpc| {
                    vpc.subnets
                        .iter()
                        .any(|(_, s)| s.cidrs.iter().filter(|c| c.value.is_v4()).count() > 1)
                });
                if secondary {
                    let what =
                        "it serves primary ranges only, and is taken to serve secondary ones too";
                    self.gap(object, what, node.span, true);
                }
                true
            }
            _ => true,
        }
    }

    /// Reserved addresses of a gateway: by the export's addresses, else by what the router says that it uses.
    fn addresses(
        &mut self,
        router: Object<'e>,
        node: &'e Node,
        object: &str,
    ) -> Vec<Spanned<IpAddr>> {
        let mut found = Vec::new();
        let mut missing = false;
        // Addresses that are drained serve no new connections.
        for item in node.list("natIps") {
            let link = item.as_text().unwrap_or("");
            match self.export.find(link).and_then(|address| address.node.address("address")) {
                Some(address) => found.push(address),
                None => missing = true,
            }
        }
        if missing {
            let name = node.word("name").unwrap_or("");
            found.extend(self.used(router, name, node));
            let mut seen = std::collections::BTreeSet::new();
            found.retain(|address| seen.insert(address.value));
        }
        if found.is_empty() {
            self.gap(object, "its reserved addresses are not in the export", node.span, true);
        }
        found
    }

    /// Addresses that the status of a router, or the answer about a gateway, names.
    fn used(&self, router: Object<'e>, name: &str, node: &Node) -> Vec<Spanned<IpAddr>> {
        let reserved: Vec<&str> = node.list("natIps").iter().filter_map(Node::as_text).collect();
        let mut found = Vec::new();
        for status in self.export.all("routerStatus") {
            let Some(result) = status.node.get("result") else { continue };
            if result.word("network") != router.node.word("network") {
                continue;
            }
            for nat in result.list("natStatus").iter().filter(|n| n.word("name") == Some(name)) {
                // Two routers may have gateways of one name: the one with the same reserved addresses is meant.
                let links = nat.list("userAllocatedNatIpResources");
                let same = links.iter().filter_map(Node::as_text).any(|l| reserved.contains(&l));
                if !links.is_empty() && !same {
                    continue;
                }
                found.extend(nat.list("userAllocatedNatIps").iter().filter_map(|address| {
                    Some(Spanned::new(address.as_text()?.parse().ok()?, address.span))
                }));
            }
        }
        found
    }
}
