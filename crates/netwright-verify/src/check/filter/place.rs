//! Rules for addresses that a filter does not protect, and rules of a subnet's filter that divide a subnet.

use std::collections::BTreeSet;

use netwright_model::language::{Attachment, Direction};
use netwright_model::network::{AddressSet, Filter, FilterMember, Network, SubnetId};
use netwright_model::scalar::Prefix;

use super::called;
use crate::check::Report;

/// Prefixes of a side, where it has nothing but prefixes.
fn prefixes(side: &AddressSet) -> Option<Vec<Prefix>> {
    let one = |member: &FilterMember| match member {
        FilterMember::Prefix(prefix) => Some(*prefix),
        _ => None,
    };
    if side.any { None } else { side.members.iter().map(one).collect() }
}

pub(super) fn check(network: &Network, filter: &Filter, subnets: &[SubnetId], report: &mut Report) {
    for rule in filter.rules.iter().filter(|rule| !rule.implied) {
        let local = match rule.direction {
            Direction::Ingress => &rule.to,
            Direction::Egress => &rule.from,
        };
        if let Some(own) = prefixes(local).filter(|own| !own.is_empty()) {
            let protected = |prefix: &Prefix| match filter.attach {
                Attachment::Subnet => subnets
                    .iter()
                    .flat_map(|id| &network[*id].cidrs)
                    .any(|cidr| cidr.overlaps(prefix)),
                Attachment::Interface => {
                    let mut rows = filter.members.iter().map(|id| &network[*id]);
                    rows.any(|row| {
                        row.addresses.iter().any(|address| prefix.contains(*address))
                            || row.prefixes.iter().any(|own| own.overlaps(prefix))
                    })
                }
                Attachment::Vpc => true,
            };
            if !own.iter().any(protected) {
                let ranges: Vec<String> = own.iter().map(ToString::to_string).collect();
                let message = format!(
                    "{} of {} is for {}, which nothing that the filter protects has",
                    called(rule),
                    filter.name,
                    ranges.join(", ")
                );
                let remedy = "name addresses of what the filter protects, or remove the rule";
                report.add("NW-FLT-009", rule.span, message, remedy);
                continue;
            }
        }
        if filter.attach == Attachment::Subnet {
            divided(network, filter, rule, subnets, report);
        }
    }
}

/// Subnets of the filter's VPCs that a rule holds a part of.
fn divided(
    network: &Network,
    filter: &Filter,
    rule: &netwright_model::network::Rule,
    subnets: &[SubnetId],
    report: &mut Report,
) {
    let vpcs: BTreeSet<_> = subnets.iter().map(|id| network[*id].vpc).collect();
    let mut found: BTreeSet<SubnetId> = BTreeSet::new();
    for prefix in [&rule.from, &rule.to].into_iter().filter_map(prefixes).flatten() {
        // A shorter one holds whole subnets.
        let part = |id: &&SubnetId| {
            let inside = |cidr: &Prefix| cidr != &prefix && cidr.contains_prefix(&prefix);
            prefix.length() > 0 && network[**id].cidrs.iter().any(inside)
        };
        let all = vpcs.iter().flat_map(|vpc| &network[*vpc].subnets);
        found.extend(all.filter(part).copied());
    }
    for id in found {
        let subnet = &network[id];
        let message = format!(
            "{} of {} holds a part of subnet {} only",
            called(rule),
            filter.name,
            subnet.name
        );
        let remedy = "a subnet's filter is for whole subnets: use a filter at the interfaces where its machines differ";
        report.add("NW-FLT-010", rule.span, message, remedy).and(subnet.span, "the subnet");
    }
}
