//! Ranges and addresses: overlaps, reserved and exhausted ones.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::network::{Attached, Network, SubnetId, VpcId};
use netwright_model::scalar::Prefix;
use netwright_model::source::Span;

use super::Report;

pub(super) fn check(network: &Network, report: &mut Report) {
    for vpc in (0..network.vpcs.len()).map(VpcId::at) {
        subnets(network, vpc, report);
    }
    connected(network, report);
    addresses(network, report);
    for subnet in (0..network.subnets.len()).map(SubnetId::at) {
        usage(network, subnet, report);
    }
}

/// Overlapping neighbours of sorted ranges: a range overlaps another exactly when it overlaps one that starts before it and has not
/// ended.
fn overlaps<T: Copy>(mut ranges: Vec<(Prefix, T)>) -> Vec<((Prefix, T), (Prefix, T))> {
    ranges.sort_by_key(|(prefix, _)| (prefix.is_v4(), prefix.first(), prefix.length()));
    let mut open: Vec<(Prefix, T)> = Vec::new();
    let mut found = Vec::new();
    for range in ranges {
        open.retain(|(prefix, _)| {
            prefix.is_v4() == range.0.is_v4() && prefix.last() >= range.0.first()
        });
        found.extend(open.iter().map(|earlier| (*earlier, range)));
        open.push(range);
    }
    found
}

fn subnets(network: &Network, vpc: VpcId, report: &mut Report) {
    let row = &network[vpc];
    let ranges: Vec<(Prefix, SubnetId)> = row
        .subnets
        .iter()
        .flat_map(|id| network[*id].cidrs.iter().map(move |cidr| (*cidr, *id)))
        .collect();
    for ((one, a), (other, b)) in overlaps(ranges) {
        if a == b {
            continue;
        }
        let (a, b) = (&network[a], &network[b]);
        let message = format!("subnets {} ({one}) and {} ({other}) overlap", a.name, b.name);
        let free = next_free(network, vpc, one.length().min(other.length()));
        let remedy = free.map_or_else(
            || "give one of them another range".to_owned(),
            |free| {
                format!(
                    "give one of them another range: the next free /{} is {free}",
                    free.length()
                )
            },
        );
        report.add("NW-ADDR-001", b.span, message, remedy).and(a.span, "the other subnet");
    }
    for id in &row.subnets {
        let subnet = &network[*id];
        for cidr in &subnet.cidrs {
            if !row.cidrs.iter().any(|own| own.contains_prefix(cidr)) {
                let message = format!(
                    "subnet {} ({cidr}) is in none of the ranges of VPC {}",
                    subnet.name, row.name
                );
                report.add(
                    "NW-ADDR-002",
                    subnet.span,
                    message,
                    "take a range inside the VPC's, or add one to the VPC",
                );
            }
        }
    }
}

/// The lowest free IPv4 range of a length in a VPC.
#[must_use]
pub(super) fn next_free(network: &Network, vpc: VpcId, length: u8) -> Option<Prefix> {
    let taken: Vec<Prefix> =
        network[vpc].subnets.iter().flat_map(|id| network[*id].cidrs.iter().copied()).collect();
    for cidr in network[vpc].cidrs.iter().filter(|cidr| cidr.is_v4() && cidr.length() <= length) {
        let (mut candidate, last) = (cidr.first(), cidr.last());
        // Each step passes at least one taken range.
        for _ in 0..=taken.len() {
            let prefix = Prefix::of(candidate, length);
            let Some(clash) = taken.iter().filter(|t| t.overlaps(&prefix)).map(|t| t.last()).max()
            else {
                return Some(prefix);
            };
            let end = clash.max(prefix.last());
            let IpAddr::V4(end) = end else { break };
            let Some(next) = u32::from(end).checked_add(1) else { break };
            let size = 1_u32.checked_shl(32 - u32::from(length)).unwrap_or(0).max(1);
            let Some(aligned) = next.div_ceil(size).checked_mul(size) else { break };
            candidate = IpAddr::V4(aligned.into());
            if candidate > last {
                break;
            }
        }
    }
    None
}

/// VPCs that a peering or a hub joins.
fn connected(network: &Network, report: &mut Report) {
    for peering in &network.peerings {
        if let [Some(a), Some(b)] = peering.vpcs {
            pair(network, a, b, &format!("peering {}", peering.name), peering.span, report);
        }
    }
    for hub in &network.transits {
        let vpcs = hub.attachments.iter().filter_map(|id| match network[*id].to {
            Attached::Vpc(vpc) => Some(vpc),
            Attached::Vpn(_) | Attached::Transit(_) | Attached::Elsewhere => None,
        });
        let ranges: Vec<(Prefix, VpcId)> =
            vpcs.flat_map(|vpc| network[vpc].cidrs.iter().map(move |cidr| (*cidr, vpc))).collect();
        for ((one, a), (other, b)) in overlaps(ranges) {
            if a != b {
                let (a, b) = (&network[a], &network[b]);
                let message = format!(
                    "transit hub {} joins {} ({one}) and {} ({other}), which overlap",
                    hub.name, a.name, b.name
                );
                report.add("NW-ADDR-003", hub.span, message, "give one of them another range");
            }
        }
    }
    for vpn in &network.vpns {
        let Some(vpc) = vpn.vpc else { continue };
        for remote in vpn.remote.iter().filter(|remote| remote.length() > 0) {
            if let Some(own) = network[vpc].cidrs.iter().find(|own| own.overlaps(remote)) {
                let message = format!(
                    "{} leads to {remote}, which overlaps {} ({own})",
                    vpn.name, network[vpc].name
                );
                report.add(
                    "NW-ADDR-003",
                    vpn.span,
                    message,
                    "give one side another range, or translate between them",
                );
            }
        }
    }
}

fn pair(network: &Network, a: VpcId, b: VpcId, what: &str, span: Span, report: &mut Report) {
    let (a, b) = (&network[a], &network[b]);
    for one in &a.cidrs {
        if let Some(other) = b.cidrs.iter().find(|other| other.overlaps(one)) {
            let message =
                format!("{what} joins {} ({one}) and {} ({other}), which overlap", a.name, b.name);
            report
                .add("NW-ADDR-003", span, message, "give one of them another range")
                .and(b.span, "the other VPC");
        }
    }
}

fn addresses(network: &Network, report: &mut Report) {
    let mut holders: BTreeMap<(VpcId, IpAddr), (&str, Span)> = BTreeMap::new();
    for interface in &network.interfaces {
        let subnet = &network[interface.subnet];
        for address in &interface.addresses {
            let known = holders.insert((subnet.vpc, *address), (&interface.name, interface.span));
            if let Some((other, at)) = known {
                let message = format!("{} and {other} both have {address}", interface.name);
                report
                    .add("NW-ADDR-005", interface.span, message, "give one of them another address")
                    .and(at, "the other one");
            }
            if !interface.answers_only && !interface.provider_side {
                reserved(
                    network,
                    interface.subnet,
                    *address,
                    (&interface.name, interface.span),
                    report,
                );
            }
        }
    }
}

fn reserved(
    network: &Network,
    subnet: SubnetId,
    address: IpAddr,
    (name, span): (&str, Span),
    report: &mut Report,
) {
    let IpAddr::V4(address) = address else { return };
    let row = &network[subnet];
    let facts = &network[row.vpc].facts;
    let bounds =
        row.cidrs.iter().filter(|cidr| cidr.contains(address.into())).find_map(Prefix::v4_bounds);
    let Some((first, last)) = bounds else { return };
    let (number, first, last) = (u32::from(address), u32::from(first), u32::from(last));
    // A range of one or two addresses has no room for reserved ones (RFC 3021).
    if last - first < 4 {
        return;
    }
    if number - first < facts.reserved_first || last - number < facts.reserved_last {
        let message =
            format!("{name} has {address}, which {} keeps in subnet {}", facts.provider, row.name);
        report.add(
            "NW-ADDR-004",
            span,
            message,
            format!(
                "the first {} and the last {} addresses are reserved",
                facts.reserved_first, facts.reserved_last
            ),
        );
    }
}

fn usage(network: &Network, id: SubnetId, report: &mut Report) {
    let subnet = &network[id];
    let facts = &network[subnet.vpc].facts;
    let written = subnet
        .name
        .split_once('/')
        .and_then(|(vpc, own)| network.description.vpcs.get(vpc)?.subnets.get(own));
    let Some(written) = written else { return };
    let Some(cidr) = subnet.cidrs.iter().find(|cidr| cidr.is_v4()) else { return };
    let usable = cidr.size().saturating_sub(u64::from(facts.reserved_first + facts.reserved_last));
    let described = network
        .interfaces
        .iter()
        .filter(|row| row.subnet == id)
        .map(|row| row.addresses.iter().filter(|a| a.is_ipv4()).count() as u64)
        .sum::<u64>();
    let taken =
        written.allocated.as_ref().map_or(described, |allocated| u64::from(allocated.value));
    if taken >= usable {
        let message = format!(
            "subnet {} is exhausted: {taken} addresses are taken and a {cidr} offers {usable}",
            subnet.name
        );
        let free = next_free(network, subnet.vpc, cidr.length());
        let remedy = free.map_or_else(
            || "add a range to the VPC".to_owned(),
            |free| format!("add a subnet: the next free /{} is {free}", free.length()),
        );
        report.add("NW-ADDR-006", subnet.span, message, remedy);
        return;
    }
    let warn_at = written.warn_at.as_ref().map_or(0.8, |share| share.fraction());
    #[expect(clippy::cast_precision_loss, reason = "numbers of addresses, compared with a share")]
    let share = taken as f64 / usable as f64;
    if share >= warn_at {
        let message = format!(
            "subnet {} is {:.0} % full: {taken} of {usable} addresses are taken",
            subnet.name,
            share * 100.0
        );
        report.add("NW-ADDR-007", subnet.span, message, "plan a further subnet");
    }
}
