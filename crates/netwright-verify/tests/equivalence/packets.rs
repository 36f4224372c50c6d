//! Packets worth asking about in a network: from everything that sends, to every address that means something, and to the addresses just
//! before and after; ports and protocols that rules name, and those beside them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::network::{
    ExternalId, FilterMember, InterfaceId, Network, ServerlessId, SiteId,
};
use netwright_model::scalar::Prefix;
use netwright_verify::interpreter::Origin;
use netwright_verify::space::Packet;

use super::random::Random;

/// What to ask about a network.
pub(crate) struct Questions {
    origins: Vec<(Origin, IpAddr)>,
    destinations: Vec<IpAddr>,
    ports: Vec<u16>,
}

impl Questions {
    /// Everything worth asking.
    pub(crate) fn of(network: &Network) -> Self {
        let destinations = destinations(network);
        let origins = origins(network);
        Self { origins, destinations, ports: ports(network) }
    }

    /// One of it.
    pub(crate) fn one(&self, random: &mut Random) -> Option<(Origin, Packet)> {
        let (origin, src) = random.any(&self.origins)?;
        let same: Vec<IpAddr> = self
            .destinations
            .iter()
            .copied()
            .filter(|dst| dst.is_ipv4() == src.is_ipv4())
            .collect();
        let dst = random.any(&same)?;
        let protocol = random.of(&[6, 6, 6, 6, 17, 17, 1, 58, 47, 132]);
        let (src_port, dst_port) = match protocol {
            47 => (0, 0),
            1 | 58 => (random.of(&[8, 0, 3, 128, 129]), random.of(&[0, 0, 1])),
            _ => (random.of(&[50_000, 50_000, 1023, 1024, 65_535]), random.of(&self.ports)),
        };
        Some((origin, Packet { src, dst, protocol, src_port, dst_port }))
    }
}

fn neighbours(prefix: Prefix, into: &mut BTreeSet<IpAddr>) {
    let (first, last) = (prefix.first(), prefix.last());
    into.extend([first, last]);
    for (edge, step) in [(first, -1), (last, 1)] {
        match edge {
            IpAddr::V4(v4) => {
                if let Some(beside) = u32::from(v4).checked_add_signed(step) {
                    into.insert(IpAddr::V4(beside.into()));
                }
            }
            IpAddr::V6(v6) => {
                if let Some(beside) = u128::from(v6).checked_add_signed(i128::from(step)) {
                    into.insert(IpAddr::V6(beside.into()));
                }
            }
        }
    }
}

fn prefixes(network: &Network) -> Vec<Prefix> {
    let mut all: Vec<Prefix> = Vec::new();
    all.extend(network.vpcs.iter().flat_map(|vpc| &vpc.cidrs));
    all.extend(network.subnets.iter().flat_map(|subnet| &subnet.cidrs));
    all.extend(network.sites.iter().flat_map(|site| &site.cidrs));
    all.extend(network.endpoints.iter().flat_map(|endpoint| &endpoint.prefixes));
    all.extend(network.vpns.iter().flat_map(|vpn| vpn.remote.iter().chain(&vpn.local)));
    all.extend(network.route_tables.iter().flat_map(|table| &table.routes).map(|route| route.to));
    all.extend(network.transit_tables.iter().flat_map(|table| &table.routes).map(|route| route.to));
    for rule in network.filters.iter().flat_map(|filter| &filter.rules) {
        for member in rule.from.members.iter().chain(&rule.to.members) {
            match member {
                FilterMember::Prefix(prefix) => all.push(*prefix),
                FilterMember::Range(first, last) => {
                    all.extend([Prefix::host(*first), Prefix::host(*last)]);
                }
                _ => {}
            }
        }
    }
    all
}

/// Addresses that something holds count several times: most packets shall arrive somewhere.
fn destinations(network: &Network) -> Vec<IpAddr> {
    let mut edges: BTreeSet<IpAddr> = BTreeSet::new();
    for prefix in prefixes(network) {
        neighbours(prefix, &mut edges);
    }
    let mut all: Vec<IpAddr> =
        edges.into_iter().filter(|address| !address.is_unspecified()).collect();
    let held: Vec<IpAddr> = network
        .interfaces
        .iter()
        .flat_map(|interface| {
            let inside = interface.prefixes.iter().filter_map(|prefix| prefix.host_at(1));
            interface.addresses.iter().chain(&interface.public).copied().chain(inside)
        })
        .chain(network.nats.iter().flat_map(|nat| nat.addresses.iter().copied()))
        .chain(network.endpoints.iter().flat_map(|endpoint| endpoint.public.iter().copied()))
        .chain(
            network.endpoints.iter().flat_map(|endpoint| {
                endpoint.prefixes.iter().filter_map(|prefix| prefix.host_at(3))
            }),
        )
        .chain(network.sites.iter().flat_map(|site| site.cidrs.iter().filter_map(|p| p.host_at(7))))
        .chain(["8.8.8.8", "2600::1", "169.254.1.1"].iter().filter_map(|text| text.parse().ok()))
        .collect();
    let times = (5 * all.len() / held.len().max(1)).max(2);
    for _ in 0..times {
        all.extend(&held);
    }
    all
}

/// Addresses that an interface sends from.
pub(crate) fn sends(network: &Network, id: InterfaceId) -> Vec<IpAddr> {
    let interface = &network[id];
    let inside = interface.prefixes.iter().filter_map(|prefix| prefix.host_at(1));
    interface.addresses.iter().copied().chain(inside).collect()
}

fn origins(network: &Network) -> Vec<(Origin, IpAddr)> {
    let mut all = Vec::new();
    for id in (0..network.interfaces.len()).map(InterfaceId::at) {
        let interface = &network[id];
        // A connector and a NAT gateway send nothing of their own.
        if interface.answers_only {
            continue;
        }
        for address in sends(network, id) {
            all.extend([(Origin::Interface(id), address); 2]);
        }
    }
    // The last two are nobody's: nothing is sent from there.
    for address in ["8.8.8.8", "2600::1", "192.0.2.1", "203.0.113.200", "10.0.0.251", "fd99::1"] {
        all.extend(address.parse().ok().map(|address| (Origin::Internet, address)));
    }
    for (index, site) in network.sites.iter().enumerate() {
        let inside = site.cidrs.iter().flat_map(|cidr| [cidr.first(), cidr.last()]);
        all.extend(inside.map(|address| (Origin::Site(SiteId::at(index)), address)));
    }
    for (index, external) in network.externals.iter().enumerate() {
        // One that is not attached stands on the Internet and is asked for there.
        if external.attached.is_empty() {
            continue;
        }
        let inside = network[external.endpoint].prefixes.iter().filter_map(|p| p.host_at(2));
        all.extend(inside.map(|address| (Origin::External(ExternalId::at(index)), address)));
    }
    for (index, service) in network.serverless.iter().enumerate() {
        let origin = Origin::Serverless(ServerlessId::at(index));
        let own = service.interface.and_then(|id| network[id].addresses.first().copied());
        all.extend([(origin, own.unwrap_or_else(|| IpAddr::from([10, 8, 0, 4]))); 2]);
    }
    all
}

fn ports(network: &Network) -> Vec<u16> {
    let mut all: BTreeSet<u16> = BTreeSet::from([80]);
    for rule in network.filters.iter().flat_map(|filter| &filter.rules) {
        for range in rule.ports.iter().chain(&rule.source_ports) {
            all.extend([range.first, range.last]);
            all.extend(range.first.checked_sub(1));
            all.extend(range.last.checked_add(1));
        }
    }
    all.into_iter().collect()
}
