//! The packets at every boundary: what a set would hold, one by one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::network::{FilterMember, Network};
use netwright_model::scalar::{Prefix, Service};

use crate::space::{Packet, protocol};

/// Whether a listener takes a packet.
pub(super) fn takes(on: Service, packet: Packet) -> bool {
    match on {
        Service::Any => true,
        Service::Protocol(number) => number == packet.protocol,
        Service::Ports { protocol, ports } => {
            protocol == packet.protocol && ports.contains(packet.dst_port)
        }
        Service::Icmp { protocol, kind, code } => {
            protocol == packet.protocol
                && kind.is_none_or(|kind| u16::from(kind) == packet.src_port)
                && code.is_none_or(|code| u16::from(code) == packet.dst_port)
        }
    }
}

pub(super) fn of_packet(packet: Packet) -> Service {
    if protocol::has_types(packet.protocol) {
        return Service::Icmp {
            protocol: packet.protocol,
            kind: u8::try_from(packet.src_port).ok(),
            code: u8::try_from(packet.dst_port).ok(),
        };
    }
    match Service::of_protocol(packet.protocol) {
        ports @ Service::Ports { .. } => ports.with_port(packet.dst_port),
        other => other,
    }
}

pub(super) fn number_and_port(port: Service) -> (u8, u16) {
    match port {
        Service::Ports { protocol, ports } => (protocol, ports.first),
        Service::Icmp { protocol, code, .. } => (protocol, code.unwrap_or(0).into()),
        Service::Protocol(number) => (number, 0),
        Service::Any => (protocol::TCP, 0),
    }
}

/// The packets of a service, at every boundary that a rule draws between source ports.
pub(super) fn packets(
    network: &Network,
    port: Service,
    source_port: Option<u16>,
) -> Vec<(u8, u16, u16)> {
    let (number, dst_port) = number_and_port(port);
    match port {
        Service::Ports { .. } => {
            let sources = match source_port {
                Some(one) => BTreeSet::from([one]),
                None => client_ports(network),
            };
            sources.into_iter().map(|src_port| (number, src_port, dst_port)).collect()
        }
        Service::Icmp { kind, .. } => vec![(number, kind.unwrap_or(8).into(), dst_port)],
        Service::Protocol(_) | Service::Any => vec![(number, 0, 0)],
    }
}

/// Ports from 1024, one of each run between the boundaries of any rule.
fn client_ports(network: &Network) -> BTreeSet<u16> {
    let mut all = BTreeSet::from([1024, u16::MAX]);
    for rule in network.filters.iter().flat_map(|filter| &filter.rules) {
        for range in rule.ports.iter().chain(&rule.source_ports) {
            all.extend([Some(range.first), range.last.checked_add(1)].into_iter().flatten());
        }
    }
    all.retain(|port| *port >= 1024);
    all
}

/// Addresses of a range at every boundary that a rule or a range of the network draws.
pub(super) fn boundaries(network: &Network, range: Prefix) -> BTreeSet<IpAddr> {
    let mut all = BTreeSet::from([range.first(), range.last()]);
    let mut edges: Vec<(IpAddr, IpAddr)> = Vec::new();
    let own = network.vpcs.iter().flat_map(|vpc| &vpc.cidrs);
    let subnets = network.subnets.iter().flat_map(|subnet| &subnet.cidrs);
    let sites = network.sites.iter().flat_map(|site| &site.cidrs);
    let outside = network.endpoints.iter().flat_map(|endpoint| &endpoint.prefixes);
    edges.extend(
        own.chain(subnets)
            .chain(sites)
            .chain(outside)
            .map(|prefix| (prefix.first(), prefix.last())),
    );
    for rule in network.filters.iter().flat_map(|filter| &filter.rules) {
        for member in rule.from.members.iter().chain(&rule.to.members) {
            match member {
                FilterMember::Prefix(prefix) => edges.push((prefix.first(), prefix.last())),
                FilterMember::Range(first, last) => edges.push((*first, *last)),
                _ => {}
            }
        }
    }
    for (first, last) in edges {
        all.insert(first);
        let after = match last {
            IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|next| IpAddr::V4(next.into())),
            IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|next| IpAddr::V6(next.into())),
        };
        all.extend(after);
    }
    all.retain(|address| address.is_ipv4() == range.is_v4() && range.contains(*address));
    all
}
