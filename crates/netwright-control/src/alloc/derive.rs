//! The pools that follow from a network.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use netwright_model::language::{EndpointKind, NatGateway, PeeringState, Subnet};
use netwright_model::network::{Nat, Network, SubnetId, VpcId};
use netwright_model::scalar::Prefix;
use netwright_model::source::Spanned;

use super::block::{Block, Plane, cover, normalised, overlapping};
use super::spec::{MAX_VNI, PORTS, Size, Source, Spec, order_of_ports, ports_of};
use super::value::{Kind, of_prefix};

/// The prefix length of a connector's range (Serverless VPC Access: a dedicated, unused /28).
const CONNECTOR_LENGTH: u8 = 28;

/// What a pool of the network is of, by its name. Also of one that is no longer there.
#[must_use]
pub fn kind_of(pool: &str) -> Option<Kind> {
    match pool.split_once(':').map_or(pool, |(before, _)| before) {
        "vpc" | "connectors" => Some(Kind::Ranges),
        "subnet" => Some(Kind::Addresses),
        "nat" => Some(Kind::Ports),
        "vni" if pool == "vni" => Some(Kind::Numbers),
        _ => None,
    }
}

/// All pools of a network, by name.
#[must_use]
pub fn derive(network: &Network) -> BTreeMap<Arc<str>, Spec> {
    let mut pools = BTreeMap::new();
    let mut numbers = Spec::empty(Kind::Numbers, Source::Network);
    numbers.roots = cover(Plane::NUMBERS, 1, MAX_VNI);
    pools.insert("vni".into(), numbers);
    let peers = peers(network);
    let written = network.description.vpcs.iter().map(|(_, written)| &written.cidrs[..]);
    for (index, (vpc, given)) in network.vpcs.iter().zip(written).enumerate() {
        let spec = vpc_ranges(network, VpcId::at(index), given, &peers[index]);
        let mut connectors = spec.clone();
        connectors.size = Some(Size::Length(CONNECTOR_LENGTH));
        let linked = |own: &str| {
            let others = peers[index].iter().map(|peer| &network[*peer].name).chain([&vpc.name]);
            let both =
                others.flat_map(|name| [format!("vpc:{name}"), format!("connectors:{name}")]);
            both.filter(|name| name != own).map(Arc::from).collect::<Vec<_>>()
        };
        let names = [format!("vpc:{}", vpc.name), format!("connectors:{}", vpc.name)];
        for (name, mut spec) in names.into_iter().zip([spec, connectors]) {
            spec.linked = linked(&name);
            pools.insert(name.into(), spec);
        }
    }
    let mut taken = addresses(network);
    // VPCs and subnets are described in the order of their rows. Subnets that the provider implies come after those, and belong to no user.
    for (vpc, (_, written)) in network.vpcs.iter().zip(network.description.vpcs.iter()) {
        for (id, (_, written)) in vpc.subnets.iter().zip(written.subnets.iter()) {
            let taken = std::mem::take(&mut taken[id.index()]);
            let spec = subnet_addresses(network, *id, written, taken);
            pools.insert(format!("subnet:{}", network[*id].name).into(), spec);
        }
    }
    let gateways: BTreeMap<&str, &NatGateway> = (network.description.nat_gateways.iter())
        .map(|(name, gateway)| (name.value.as_str(), gateway))
        .collect();
    for nat in &network.nats {
        let written = gateways.get(nat.name.as_str()).copied();
        pools.insert(format!("nat:{}", nat.name).into(), nat_ports(network, nat, written));
    }
    pools
}

/// By VPC, those that it is peered with: what is allocated of one is taken in the other.
#[must_use]
pub fn peers(network: &Network) -> Vec<Vec<VpcId>> {
    let mut peers = vec![Vec::new(); network.vpcs.len()];
    for peering in &network.peerings {
        if let ([Some(one), Some(other)], PeeringState::Active | PeeringState::Pending) =
            (peering.vpcs, peering.state)
        {
            peers[one.index()].push(other);
            peers[other.index()].push(one);
        }
    }
    for (index, peers) in peers.iter_mut().enumerate() {
        peers.sort_unstable();
        peers.dedup();
        peers.retain(|peer| peer.index() != index);
    }
    peers
}

fn vpc_ranges(network: &Network, id: VpcId, given: &[Spanned<Prefix>], peers: &[VpcId]) -> Spec {
    let mut spec = Spec::empty(Kind::Ranges, Source::Network);
    let vpc = &network[id];
    spec.roots = normalised(given.iter().map(|cidr| of_prefix(cidr.value)).collect());
    let others = peers.iter().copied().chain([id]);
    let subnets = others.flat_map(|vpc| &network[vpc].subnets);
    let ranges = subnets.flat_map(|subnet| &network[*subnet].cidrs);
    spec.described = normalised(ranges.map(|cidr| of_prefix(*cidr)).collect());
    let unknown = vpc.subnets.iter().find(|subnet| network[**subnet].incomplete);
    spec.closed = if given.is_empty() {
        Some(format!(
            "VPC {} has no ranges of its own, only its subnets'; declare a pool `vpc:{}` with ranges",
            vpc.name, vpc.name
        ))
    } else {
        unknown.map(|subnet| format!("the ranges of {} are not all known", network[*subnet].name))
    };
    spec
}

/// By subnet, what is described as taken in it.
fn addresses(network: &Network) -> Vec<Vec<Prefix>> {
    let mut taken = vec![Vec::new(); network.subnets.len()];
    for row in &network.interfaces {
        // What a service takes for direct egress follows its instances, and is the provider's to choose.
        if network[row.owner].kind == EndpointKind::Service {
            continue;
        }
        let own = row.addresses.iter().map(|address| Prefix::host(*address));
        taken[row.subnet.index()].extend(own.chain(row.prefixes.iter().copied()));
    }
    taken
}

fn subnet_addresses(network: &Network, id: SubnetId, written: &Subnet, taken: Vec<Prefix>) -> Spec {
    let mut spec = Spec::empty(Kind::Addresses, Source::Network);
    let subnet = &network[id];
    let facts = &network[subnet.vpc].facts;
    spec.roots = normalised(subnet.cidrs.iter().map(|cidr| of_prefix(*cidr)).collect());
    let mut kept: Vec<Block> = written.reserved.iter().map(|cidr| of_prefix(cidr.value)).collect();
    for cidr in &subnet.cidrs {
        let block = of_prefix(*cidr);
        let (first, last) = (block.first(), block.last());
        if !cidr.is_v4() {
            // The address of all routers of the subnet (RFC 4291, 2.6.1).
            kept.push(Block::around(Plane::V6, first, 0));
        } else if block.order() > 1 {
            // A range of one or two addresses has no room for reserved ones (RFC 3021).
            let (start, end) = (u128::from(facts.reserved_first), u128::from(facts.reserved_last));
            if start > 0 {
                kept.extend(cover(Plane::V4, first, last.min(first + start - 1)));
            }
            if end > 0 {
                kept.extend(cover(Plane::V4, first.max((last + 1).saturating_sub(end)), last));
            }
        }
    }
    let mut kept = normalised(kept);
    kept.retain(|block| !overlapping(&spec.roots, *block).is_empty());
    spec.kept = kept;
    let described = taken.iter().filter(|prefix| prefix.is_v4()).map(Prefix::size).sum::<u64>();
    spec.described = normalised(taken.into_iter().map(of_prefix).collect());
    spec.warn_at = written.warn_at.as_ref().map_or(spec.warn_at, |share| share.fraction());
    let undescribed = written.allocated.as_ref().map_or(0, |given| u64::from(given.value));
    if let Some(why) = &written.incomplete {
        spec.closed = Some(format!("its ranges are not all known: {}", why.value));
    } else if undescribed > described {
        spec.unknown = u128::from(undescribed - described);
        spec.closed = Some(format!(
            "{undescribed} addresses are allocated and {described} are described: it is not known which are free"
        ));
    }
    spec
}

fn nat_ports(network: &Network, nat: &Nat, given: Option<&NatGateway>) -> Spec {
    let mut spec = Spec::empty(Kind::Ports, Source::Network);
    let facts = nat.vpc.map(|vpc| &network[vpc].facts);
    let own = given.and_then(|given| given.ports_per_client.as_ref()).map(|ports| ports.value);
    let per_client = own.or(facts.map(|facts| facts.nat_ports_per_client));
    spec.size = Some(order_of_ports(per_client.filter(|ports| *ports > 0).unwrap_or(PORTS)));
    let many = facts.map_or(0, |facts| facts.nat_ports_per_address);
    let many = if many == 0 { 64_512 } else { many };
    let private = nat.interface.filter(|_| nat.private);
    let inside = private.map_or(&[][..], |interface| &network[interface].addresses);
    let all = nat.addresses.iter().chain(inside);
    let four = all.filter_map(|address| match address {
        IpAddr::V4(four) => Some(*four),
        IpAddr::V6(_) => None,
    });
    spec.roots = normalised(four.flat_map(|address| ports_of(address, many)).collect());
    if let Some(wait) = facts.and_then(|facts| facts.nat_time_wait) {
        spec.hold_down = spec.hold_down.max(wait.as_millis());
    }
    if spec.roots.is_empty() {
        spec.closed = Some("its addresses are not known".to_owned());
    }
    spec
}

/// Ranges that a pool for whole networks must leave alone: those of VPCs and sites.
#[must_use]
pub fn outer_ranges(network: &Network) -> Vec<Block> {
    let vpcs = network.vpcs.iter().flat_map(|vpc| &vpc.cidrs);
    let sites = network.sites.iter().flat_map(|site| &site.cidrs);
    normalised(vpcs.chain(sites).map(|cidr| of_prefix(*cidr)).collect())
}
