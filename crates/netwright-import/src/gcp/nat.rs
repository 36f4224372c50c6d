//! Cloud NAT: gateways of a router that serve subnets of its network and region where their packets leave.

use std::net::IpAddr;

use netwright_model::language::{NatAllocation, NatGateway};
use netwright_model::scalar::Prefix;
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use super::Import;
use super::export::{Object, last, segment};
use super::networks::number;
use crate::access::Access;

/// The ranges of a subnet whose senders a gateway serves (`RouterNatSubnetworkToNat` of the Compute Engine API).
#[derive(Default)]
struct Ranges<'e> {
    all: bool,
    primary: bool,
    secondary: Vec<&'e str>,
}

impl<'e> Ranges<'e> {
    /// Those of an entry; all where it lists none.
    fn of(entry: &'e Node) -> Self {
        let words: Vec<&str> =
            entry.list("sourceIpRangesToNat").iter().filter_map(Node::as_text).collect();
        let listed = entry.list("secondaryIpRangeNames").iter().filter_map(Node::as_text);
        let secondary = words.contains(&"LIST_OF_SECONDARY_IP_RANGES");
        Self {
            all: words.is_empty() || words.contains(&"ALL_IP_RANGES"),
            primary: words.contains(&"PRIMARY_IP_RANGE"),
            secondary: listed.filter(|_| secondary).collect(),
        }
    }
}

/// How much a gateway serves of what a subnet's machines send.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    All,
    Part,
    Nothing,
}

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
                    let Some((vpc, subnet)) = self.names.subnet(link) else {
                        let what = format!("subnet {} is not in the export", last(link));
                        self.gap(object, what, entry.span, true);
                        continue;
                    };
                    let name = format!("{vpc}/{subnet}");
                    match self.share(link, &name, &Ranges::of(entry)) {
                        Share::All => {}
                        Share::Nothing => {
                            let what = format!(
                                "of subnet {} it serves ranges only that no machine sends from",
                                last(link)
                            );
                            self.gap(object, what, entry.span, false);
                            continue;
                        }
                        Share::Part => {
                            let what = format!(
                                "of subnet {} it serves some ranges only; it is taken to serve all",
                                last(link)
                            );
                            self.gap(object, what, entry.span, true);
                        }
                    }
                    made.serves.push(Spanned::new(name, entry.span));
                }
                !made.serves.is_empty()
            }
            Some("ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES") => {
                let primary = Ranges { primary: true, ..Ranges::default() };
                let all = self.export.all("subnetwork").iter().all(|subnet| {
                    let link = subnet.link().unwrap_or_default();
                    let Some((vpc, name)) = self.names.subnet(&link) else { return true };
                    vpc != network
                        || self.share(&link, &format!("{vpc}/{name}"), &primary) == Share::All
                });
                if !all {
                    let what =
                        "it serves primary ranges only, and is taken to serve secondary ones too";
                    self.gap(object, what, node.span, true);
                }
                true
            }
            _ => true,
        }
    }

    /// How much of what a subnet's machines send from a gateway serves, by the ranges of the subnet that it lists. Every machine has an
    /// address of the primary range; of a secondary range only those send that have an alias range of it.
    fn share(&self, link: &str, name: &str, ranges: &Ranges<'_>) -> Share {
        if ranges.all {
            return Share::All;
        }
        let Some(subnet) = self.export.find(link) else { return Share::Part };
        let aliases = |within: Prefix| {
            let interfaces = self.description.instances.iter().flat_map(|(_, instance)| {
                let own = (instance.subnet.as_ref(), &instance.prefixes);
                let more =
                    instance.interfaces.iter().map(|(_, i)| (i.subnet.as_ref(), &i.prefixes));
                std::iter::once(own).chain(more)
            });
            let mut here = interfaces.filter(|(subnet, _)| subnet.is_some_and(|s| s.value == name));
            here.any(|(_, aliases)| {
                aliases.iter().any(|alias| within.contains_prefix(&alias.value))
            })
        };
        let mut served = vec![ranges.primary];
        for range in subnet.node.list("secondaryIpRanges") {
            if range.prefix("ipCidrRange").is_some_and(|within| aliases(within.value)) {
                let own = range.word("rangeName");
                served.push(own.is_some_and(|own| ranges.secondary.contains(&own)));
            }
        }
        match (served.contains(&true), served.contains(&false)) {
            (true, false) => Share::All,
            (false, _) => Share::Nothing,
            (true, true) => Share::Part,
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
