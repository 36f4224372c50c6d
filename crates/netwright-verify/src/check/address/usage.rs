//! How full subnets are.

use std::collections::BTreeMap;

use netwright_model::language::{EndpointKind, Subnet};
use netwright_model::network::{Network, SubnetId};

use super::next_free;
use crate::check::Report;

/// Addresses of a subnet.
struct Usage {
    taken: u64,
    usable: u64,
}

pub(super) fn check(network: &Network, report: &mut Report) {
    let mut described = vec![0_u64; network.subnets.len()];
    for row in &network.interfaces {
        // What a service takes for direct egress follows its instances.
        if network[row.owner].kind == EndpointKind::Service {
            continue;
        }
        let own = row.addresses.iter().filter(|address| address.is_ipv4()).count() as u64;
        described[row.subnet.index()] += own;
    }
    let direct = direct_egress(network);
    for id in (0..network.subnets.len()).map(SubnetId::at) {
        let subnet = &network[id];
        let written = subnet
            .name
            .split_once('/')
            .and_then(|(vpc, own)| network.description.vpcs.get(vpc)?.subnets.get(own));
        // The range of a connector is the provider's to fill.
        let Some(written) = written.filter(|subnet| subnet.incomplete.is_none()) else { continue };
        let Some(usage) = usage(network, id, written, described[id.index()]) else { continue };
        full(network, id, written, &usage, report);
        if let Some((services, needed)) = direct.get(&id) {
            direct_egress_fits(network, id, &usage, services, *needed, report);
        }
    }
}

fn usage(network: &Network, id: SubnetId, written: &Subnet, described: u64) -> Option<Usage> {
    let subnet = &network[id];
    let facts = &network[subnet.vpc].facts;
    let cidr = subnet.cidrs.iter().find(|cidr| cidr.is_v4())?;
    let kept = u64::from(facts.reserved_first + facts.reserved_last);
    // A range of one or two addresses has no room for reserved ones (RFC 3021).
    let usable = if cidr.size() <= 2 { cidr.size() } else { cidr.size().saturating_sub(kept) };
    let own: u64 =
        written.reserved.iter().filter(|p| cidr.contains_prefix(p)).map(|p| p.size()).sum();
    let taken = written.allocated.as_ref().map_or(described, |given| u64::from(given.value));
    Some(Usage { taken, usable: usable.saturating_sub(own) })
}

fn full(network: &Network, id: SubnetId, written: &Subnet, usage: &Usage, report: &mut Report) {
    let subnet = &network[id];
    let Usage { taken, usable } = *usage;
    let Some(cidr) = subnet.cidrs.iter().find(|cidr| cidr.is_v4()) else { return };
    if taken >= usable {
        let message = format!(
            "subnet {} is exhausted: {taken} addresses are taken and {cidr} offers {usable}",
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

/// By subnet, the services that leave directly from it and the addresses that all their instances take.
fn direct_egress(network: &Network) -> BTreeMap<SubnetId, (Vec<&str>, u64)> {
    let mut all: BTreeMap<SubnetId, (Vec<&str>, u64)> = BTreeMap::new();
    for row in network.serverless.iter().filter(|row| row.connector.is_none()) {
        let (Some(interface), Some((name, service))) =
            (row.interface, network.description.services.0.get(row.index))
        else {
            continue;
        };
        let Some(most) = &service.max_instances else { continue };
        let each = row.facts.direct_egress_addresses_per_instance;
        let entry = all.entry(network[interface].subnet).or_default();
        entry.0.push(&name.value);
        entry.1 += u64::from(most.value) * u64::from(each);
    }
    all
}

fn direct_egress_fits(
    network: &Network,
    id: SubnetId,
    usage: &Usage,
    services: &[&str],
    needed: u64,
    report: &mut Report,
) {
    let free = usage.usable.saturating_sub(usage.taken);
    if needed > free {
        let subnet = &network[id];
        let message = format!(
            "{} may take {needed} addresses of subnet {}, which has {free} free",
            services.join(", "),
            subnet.name
        );
        let remedy = "take a larger subnet, or allow fewer instances";
        report.add("NW-SVC-004", subnet.span, message, remedy);
    }
}
