//! Ranges and addresses: overlaps, reserved and exhausted ones.

mod connected;
mod usage;

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::network::{Network, SubnetId, VpcId};
use netwright_model::scalar::Prefix;
use netwright_model::source::Span;

use super::Report;

pub(super) fn check(network: &Network, report: &mut Report) {
    for vpc in (0..network.vpcs.len()).map(VpcId::at) {
        subnets(network, vpc, report);
    }
    connected::check(network, report);
    addresses(network, report);
    usage::check(network, report);
}

/// Each range that lies in another, with the smallest one that holds it and with how many more hold it. Of equal ranges the one that comes later
/// is told.
///
/// Two prefixes are apart or one holds the other, so those that hold the current one are a stack.
fn nested<T: Copy>(mut ranges: Vec<(Prefix, T)>) -> Vec<Nested<T>> {
    ranges.sort_by_key(|(prefix, _)| (!prefix.is_v4(), prefix.first(), prefix.length()));
    let mut open: Vec<(Prefix, T)> = Vec::new();
    let mut found = Vec::new();
    for inner in ranges {
        while open.last().is_some_and(|(outer, _)| !outer.overlaps(&inner.0)) {
            open.pop();
        }
        if let Some(outer) = open.last() {
            found.push(Nested { outer: *outer, inner, more: open.len() - 1 });
        }
        open.push(inner);
    }
    found
}

/// A range inside another one.
struct Nested<T> {
    /// The smallest range that holds it.
    outer: (Prefix, T),
    /// The range.
    inner: (Prefix, T),
    /// How many more hold it.
    more: usize,
}

impl<T> Nested<T> {
    /// "contains" or "is the same range as", from the outer to the inner one.
    fn relation(&self) -> &'static str {
        if self.outer.0 == self.inner.0 { "is the same range as" } else { "contains" }
    }
}

fn subnets(network: &Network, vpc: VpcId, report: &mut Report) {
    let row = &network[vpc];
    let ranges: Vec<(Prefix, SubnetId)> = row
        .subnets
        .iter()
        .flat_map(|id| network[*id].cidrs.iter().map(move |cidr| (*cidr, *id)))
        .collect();
    for found in nested(ranges) {
        let ((one, a), (other, b)) = (found.outer, found.inner);
        let (a, b) = (&network[a], &network[b]);
        if a.name == b.name || a.incomplete || b.incomplete {
            continue;
        }
        let more = match found.more {
            0 => String::new(),
            more => format!("; {more} more hold it too"),
        };
        let message = format!(
            "subnets {} and {} overlap: {one} {} {other}{more}",
            a.name,
            b.name,
            found.relation()
        );
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
    let bounds = |prefix: &Prefix| prefix.v4_bounds().map(|(a, b)| (u32::from(a), u32::from(b)));
    let mut taken: Vec<(u32, u32)> = network[vpc]
        .subnets
        .iter()
        .flat_map(|id| network[*id].cidrs.iter().filter_map(bounds))
        .collect();
    taken.sort_unstable();
    let size = 1_u64 << (32 - u32::from(length.min(32)));
    for cidr in network[vpc].cidrs.iter().filter(|cidr| cidr.length() <= length) {
        let Some((first, last)) = bounds(cidr) else { continue };
        let mut candidate = u64::from(first);
        for (from, to) in &taken {
            // Sorted by their starts: a gap that is large enough before this one is free.
            if u64::from(*from) >= candidate + size {
                break;
            }
            if u64::from(*to) >= candidate {
                candidate = (u64::from(*to) + 1).div_ceil(size) * size;
            }
        }
        if candidate + size - 1 <= u64::from(last)
            && let Ok(start) = u32::try_from(candidate)
        {
            return Some(Prefix::of(IpAddr::V4(start.into()), length));
        }
    }
    None
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
