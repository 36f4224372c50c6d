//! How many rules and filters a provider accepts.

use netwright_model::language::{Attachment, Direction};
use netwright_model::network::{Filter, Network, VpcId};

use crate::check::Report;

pub(super) fn check(network: &Network, report: &mut Report) {
    for filter in &network.filters {
        let Some(vpc) = vpc_of(network, filter) else { continue };
        let facts = &network[vpc].facts;
        let limit = match filter.attach {
            Attachment::Interface => facts.rules_per_group,
            Attachment::Subnet => facts.rules_per_acl,
            Attachment::Vpc => 0,
        };
        for direction in [Direction::Ingress, Direction::Egress] {
            // Each peer counts.
            let count: usize = filter
                .rules_for(direction)
                .filter(|(_, rule)| !rule.implied)
                .map(|(_, rule)| {
                    let peers = match direction {
                        Direction::Ingress => &rule.from,
                        Direction::Egress => &rule.to,
                    };
                    peers.members.len().max(1)
                })
                .sum();
            if limit > 0 && count > limit as usize {
                let message = format!(
                    "filter {} has {count} {direction} rules, and {} accepts {limit} unless the quota is raised",
                    filter.name, facts.provider
                );
                let remedy =
                    "join rules by prefix lists or larger ranges, or have the quota raised";
                report.add("NW-QUOTA-001", filter.span, message, remedy);
            }
        }
    }
    for interface in &network.interfaces {
        let facts = &network[network[interface.subnet].vpc].facts;
        let limit = facts.groups_per_interface;
        let count = interface.filters.len();
        if limit > 0 && count > limit as usize {
            let message = format!(
                "{} has {count} groups, and {} accepts {limit} on an interface unless the quota is raised",
                interface.name, facts.provider
            );
            let remedy = "join groups, or have the quota raised";
            report.add("NW-QUOTA-002", interface.span, message, remedy);
        }
    }
    for table in &network.route_tables {
        let facts = &network[table.vpc].facts;
        let limit = facts.static_routes_per_table;
        let stated = |route: &&netwright_model::network::Route| {
            route.origin == netwright_model::network::Origin::Static && route.span.is_some()
        };
        let count = table.routes.iter().filter(stated).count();
        if limit > 0 && count > limit as usize {
            let message = format!(
                "route table {} has {count} static routes, and {} accepts {limit} unless the quota is raised",
                table.name, facts.provider
            );
            let remedy = "use prefix lists or larger ranges, or have the quota raised";
            report.add("NW-QUOTA-003", table.span, message, remedy);
        }
    }
}

/// The VPC whose provider's quotas count: the filter's own, or that of something it protects.
fn vpc_of(network: &Network, filter: &Filter) -> Option<VpcId> {
    let member = || filter.members.first().map(|id| network[network[*id].subnet].vpc);
    filter.vpc.or_else(member).or_else(|| {
        let only = network.vpcs.first().map(|vpc| vpc.provider);
        let same = network.vpcs.iter().all(|vpc| Some(vpc.provider) == only);
        (same && only.is_some()).then(|| VpcId::at(0))
    })
}
