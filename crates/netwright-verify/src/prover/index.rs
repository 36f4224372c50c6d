//! Who holds which address.

use std::net::IpAddr;

use netwright_model::language::EndpointKind;
use netwright_model::network::{
    EndpointId, ExternalId, InterfaceId, NatId, Network, SiteId, SubnetId, VpcId,
};
use netwright_model::scalar::Prefix;
use rustc_hash::FxHashMap;

use super::address::Key;

/// Ranges of addresses, found by binary search however many they are.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    /// Disjoint, sorted; of both families.
    sorted: Vec<(IpAddr, IpAddr)>,
}

impl Ranges {
    /// Ranges that no packet of the Internet comes from: VPCs', sites' and attached outside services'.
    pub(crate) fn inside(network: &Network) -> Self {
        let vpcs = network.vpcs.iter().flat_map(|vpc| &vpc.cidrs);
        let sites = network.sites.iter().flat_map(|site| &site.cidrs);
        let attached = network.externals.iter().filter(|external| !external.attached.is_empty());
        let attached = attached.flat_map(|external| &network[external.endpoint].prefixes);
        Self::of(vpcs.chain(sites).chain(attached))
    }

    fn of<'p>(prefixes: impl Iterator<Item = &'p Prefix>) -> Self {
        let mut all: Vec<(IpAddr, IpAddr)> =
            prefixes.map(|prefix| (prefix.first(), prefix.last())).collect();
        all.sort_unstable();
        let mut sorted: Vec<(IpAddr, IpAddr)> = Vec::new();
        for (first, last) in all {
            match sorted.last_mut() {
                // Prefixes of one family overlap only where one holds the other.
                Some((_, end)) if first <= *end => *end = last.max(*end),
                _ => sorted.push((first, last)),
            }
        }
        Self { sorted }
    }

    /// Whether one of them holds an address.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let after = self.sorted.partition_point(|(first, _)| *first <= address);
        after > 0 && self.sorted[after - 1].1 >= address
    }
}

/// Indexes of a network by address.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Interfaces by VPC and private address.
    private: FxHashMap<(VpcId, Key), InterfaceId>,
    /// Interfaces with prefixes beside their addresses, by subnet.
    with_prefixes: FxHashMap<SubnetId, Vec<InterfaceId>>,
    /// Interfaces by public address, or by IPv6 address.
    public: FxHashMap<Key, InterfaceId>,
    /// NAT gateways by public address.
    nat: FxHashMap<Key, NatId>,
    /// Endpoints that hold a public address without an interface.
    endpoint: FxHashMap<Key, EndpointId>,
    /// Subnets of each VPC with their ranges, the longest prefix first.
    subnets: Vec<Vec<(Prefix, SubnetId)>>,
    /// Ranges that no packet of the Internet comes from: VPCs', sites' and attached outside services'.
    inside: Ranges,
    /// Source ranges that endpoints without interfaces accept.
    allow_lists: FxHashMap<EndpointId, Vec<Prefix>>,
    /// Prefixes of outside services that no VPC is attached to.
    outside: Vec<(Prefix, EndpointId)>,
    pub(crate) site_of: FxHashMap<EndpointId, SiteId>,
    pub(crate) external_of: FxHashMap<EndpointId, ExternalId>,
    pub(crate) nat_of_interface: FxHashMap<InterfaceId, NatId>,
}

impl Index {
    pub(crate) fn of(network: &Network) -> Self {
        let mut index = Self::default();
        for (position, nat) in network.nats.iter().enumerate() {
            let id = NatId::at(position);
            index.nat.extend(nat.addresses.iter().map(|address| (Key::from(*address), id)));
            if let Some(interface) = nat.interface {
                index.nat_of_interface.insert(interface, id);
            }
        }
        for (position, interface) in network.interfaces.iter().enumerate() {
            index.add_interface(network, InterfaceId::at(position), interface);
        }
        for (position, endpoint) in network.endpoints.iter().enumerate() {
            let id = EndpointId::at(position);
            index.endpoint.extend(endpoint.public.iter().map(|address| (Key::from(*address), id)));
        }
        index.subnets = network
            .vpcs
            .iter()
            .map(|vpc| {
                let mut ranges: Vec<(Prefix, SubnetId)> = Vec::new();
                for subnet in &vpc.subnets {
                    ranges.extend(network[*subnet].cidrs.iter().map(|cidr| (*cidr, *subnet)));
                }
                ranges.sort_by_key(|(cidr, subnet)| (std::cmp::Reverse(cidr.length()), *subnet));
                ranges
            })
            .collect();
        for (position, site) in network.sites.iter().enumerate() {
            index.site_of.insert(site.endpoint, SiteId::at(position));
        }
        for (position, external) in network.externals.iter().enumerate() {
            index.external_of.insert(external.endpoint, ExternalId::at(position));
            let prefixes = network[external.endpoint].prefixes.iter().copied();
            if external.attached.is_empty() {
                index.outside.extend(prefixes.map(|prefix| (prefix, external.endpoint)));
            }
            if let Some(list) = &external.allow_from {
                index.allow_lists.insert(external.endpoint, list.clone());
            }
        }
        index
            .outside
            .sort_by_key(|(prefix, endpoint)| (std::cmp::Reverse(prefix.length()), *endpoint));
        index.inside = Ranges::inside(network);
        index.database_lists(network);
        index
    }

    /// The public address of a managed database accepts its authorised networks and nobody else.
    fn database_lists(&mut self, network: &Network) {
        for (position, endpoint) in network.endpoints.iter().enumerate() {
            if endpoint.kind != EndpointKind::Database {
                continue;
            }
            if let Some(database) = network.description.databases.get(&endpoint.name) {
                let list = database.authorized_networks.iter().map(|prefix| prefix.value);
                self.allow_lists.insert(EndpointId::at(position), list.collect());
            }
        }
    }

    /// Source ranges that an endpoint without interfaces accepts; `None` for all.
    pub(crate) fn allow_list(&self, endpoint: EndpointId) -> Option<&[Prefix]> {
        self.allow_lists.get(&endpoint).map(Vec::as_slice)
    }

    /// The outside service, reached over the Internet, that has an address.
    pub(crate) fn outside_service(&self, address: IpAddr) -> Option<EndpointId> {
        self.outside.iter().find(|(prefix, _)| prefix.contains(address)).map(|(_, id)| *id)
    }

    fn add_interface(
        &mut self,
        network: &Network,
        id: InterfaceId,
        interface: &netwright_model::network::Interface,
    ) {
        let vpc = network[interface.subnet].vpc;
        for address in &interface.addresses {
            // Of two interfaces with one address the first described counts; `check` reports the clash.
            self.private.entry((vpc, (*address).into())).or_insert(id);
            if address.is_ipv6() {
                self.public.entry((*address).into()).or_insert(id);
            }
        }
        if !self.nat_of_interface.contains_key(&id) {
            for address in &interface.public {
                self.public.entry((*address).into()).or_insert(id);
            }
        }
        if !interface.prefixes.is_empty() {
            self.with_prefixes.entry(interface.subnet).or_default().push(id);
        }
    }

    /// The interface of a VPC that holds a private address itself.
    pub(crate) fn holder(&self, vpc: VpcId, address: IpAddr) -> Option<InterfaceId> {
        self.private.get(&(vpc, address.into())).copied()
    }

    /// The interface in a subnet that answers for an address: the one that holds it, or whose prefix contains it.
    pub(crate) fn in_subnet(
        &self,
        network: &Network,
        subnet: SubnetId,
        address: IpAddr,
    ) -> Option<InterfaceId> {
        let vpc = network[subnet].vpc;
        let held = self.private.get(&(vpc, address.into())).copied();
        if let Some(id) = held.filter(|id| network[*id].subnet == subnet) {
            return Some(id);
        }
        let candidates = self.with_prefixes.get(&subnet)?;
        candidates
            .iter()
            .copied()
            .find(|id| network[*id].prefixes.iter().any(|prefix| prefix.contains(address)))
    }

    /// The interface of a VPC from which packets with a source address come: its holder, or the one whose prefix contains it.
    pub(crate) fn source(
        &self,
        network: &Network,
        vpc: VpcId,
        address: IpAddr,
    ) -> Option<InterfaceId> {
        self.holder(vpc, address).or_else(|| {
            let subnet = self.subnet(vpc, address)?;
            self.in_subnet(network, subnet, address)
        })
    }

    /// The subnet of a VPC that contains an address.
    pub(crate) fn subnet(&self, vpc: VpcId, address: IpAddr) -> Option<SubnetId> {
        let ranges = &self.subnets[vpc.index()];
        ranges.iter().find(|(cidr, _)| cidr.contains(address)).map(|(_, subnet)| *subnet)
    }

    /// The subnet that an address lies in, where all VPCs together have exactly one.
    pub(crate) fn only_subnet(&self, address: IpAddr) -> Option<SubnetId> {
        let all = self.subnets.iter().flatten();
        let mut found = all.filter(|(cidr, _)| cidr.contains(address)).map(|(_, subnet)| *subnet);
        found.next().filter(|_| found.next().is_none())
    }

    pub(crate) fn public_interface(&self, address: IpAddr) -> Option<InterfaceId> {
        self.public.get(&address.into()).copied()
    }

    pub(crate) fn nat(&self, address: IpAddr) -> Option<NatId> {
        self.nat.get(&address.into()).copied()
    }

    pub(crate) fn public_endpoint(&self, address: IpAddr) -> Option<EndpointId> {
        self.endpoint.get(&address.into()).copied()
    }

    /// Whether an address belongs to the Internet at large: in no range of this network, and globally routable.
    pub(crate) fn is_internet(&self, address: IpAddr) -> bool {
        is_global(address) && !self.inside.contains(address)
    }
}

/// IPv4 ranges that are not globally routable (IANA special-purpose registry: "this network", RFC 1918, RFC 6598, loopback,
/// link-local, multicast, reserved).
pub const NOT_GLOBAL_V4: [([u8; 4], u8); 9] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Whether a prefix holds any address that can cross the Internet: it does unless it lies inside one special-purpose range.
pub(crate) fn may_be_global(prefix: Prefix) -> bool {
    match prefix.first() {
        IpAddr::V4(_) => !NOT_GLOBAL_V4
            .iter()
            .any(|(base, length)| Prefix::of((*base).into(), *length).contains_prefix(&prefix)),
        IpAddr::V6(_) => {
            is_global(prefix.first()) || is_global(prefix.last()) || prefix.length() < 3
        }
    }
}

/// Whether packets to an address can cross the Internet: not special-purpose; for IPv6, inside `2000::/3`.
pub(crate) fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let number = u32::from(v4);
            !NOT_GLOBAL_V4.iter().any(|(base, length)| {
                let shift = 32 - u32::from(*length);
                number >> shift == u32::from_be_bytes(*base) >> shift
            })
        }
        IpAddr::V6(v6) => v6.segments()[0] >> 13 == 1,
    }
}
