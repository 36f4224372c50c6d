//! Ranges of networks that are joined, or that could never be.

use std::collections::BTreeSet;

use netwright_model::language::PeeringState;
use netwright_model::network::{Attached, AttachmentId, Network, Target, TransitTable, VpcId, Vpn};
use netwright_model::scalar::Prefix;
use netwright_model::source::Span;

use super::nested;
use crate::check::Report;

const RENUMBER: &str = "give one side another range, or translate between them";

pub(super) fn check(network: &Network, report: &mut Report) {
    let mut told: BTreeSet<(VpcId, VpcId)> = BTreeSet::new();
    for peering in &network.peerings {
        if let ([Some(a), Some(b)], true) = (peering.vpcs, peering.state != PeeringState::Deleted) {
            let what = format!("peering {}", peering.name);
            joined(network, (a, b), &what, peering.span, &mut told, report);
        }
    }
    peers(network, &mut told, report);
    hubs(network, &mut told, report);
    for vpn in &network.vpns {
        links(network, vpn, report);
    }
    apart(network, &told, report);
}

fn ordered(a: VpcId, b: VpcId) -> (VpcId, VpcId) {
    if a <= b { (a, b) } else { (b, a) }
}

/// Two VPCs that something joins. Told once for each pair.
fn joined(
    network: &Network,
    (one, other): (VpcId, VpcId),
    what: &str,
    span: Span,
    told: &mut BTreeSet<(VpcId, VpcId)>,
    report: &mut Report,
) {
    let ranges = [one, other].into_iter().flat_map(|id| own_ranges(network, id)).collect();
    let clash = nested(ranges).into_iter().find(|found| found.outer.1 != found.inner.1);
    let Some(found) = clash else { return };
    if !told.insert(ordered(one, other)) {
        return;
    }
    let (a, b) = (&network[found.outer.1], &network[found.inner.1]);
    let message = format!(
        "{what} joins {} and {}, which overlap: {} {} {}",
        a.name,
        b.name,
        found.outer.0,
        found.relation(),
        found.inner.0
    );
    report
        .add("NW-ADDR-003", span, message, RENUMBER)
        .and(a.span, "one VPC")
        .and(b.span, "the other VPC");
}

fn own_ranges(network: &Network, vpc: VpcId) -> impl Iterator<Item = (Prefix, VpcId)> + '_ {
    network[vpc].cidrs.iter().map(move |cidr| (*cidr, vpc))
}

/// Two peers of one VPC that overlap each other: it cannot reach both everywhere.
fn peers(network: &Network, told: &mut BTreeSet<(VpcId, VpcId)>, report: &mut Report) {
    let mut of: Vec<BTreeSet<VpcId>> = vec![BTreeSet::new(); network.vpcs.len()];
    for peering in &network.peerings {
        if let ([Some(a), Some(b)], PeeringState::Active) = (peering.vpcs, peering.state) {
            of[a.index()].insert(b);
            of[b.index()].insert(a);
        }
    }
    for (index, peers) in of.iter().enumerate().filter(|(_, peers)| peers.len() > 1) {
        let vpc = &network.vpcs[index];
        let ranges = peers.iter().flat_map(|id| own_ranges(network, *id)).collect();
        for found in nested(ranges) {
            let ((outer, a), (inner, b)) = (found.outer, found.inner);
            if a == b || !told.insert(ordered(a, b)) {
                continue;
            }
            let (a, b) = (&network[a], &network[b]);
            let message = format!(
                "{} is peered with {} ({outer}) and {} ({inner}), which overlap each other",
                vpc.name, a.name, b.name
            );
            let remedy = "route to each of them only what the other does not hold, or renumber one";
            report
                .add("NW-ADDR-009", vpc.span, message, remedy)
                .and(a.span, "one peer")
                .and(b.span, "the other peer");
        }
    }
}

/// Networks that one table of a hub has routes to. Attachments that no table brings together do not meet.
fn hubs(network: &Network, told: &mut BTreeSet<(VpcId, VpcId)>, report: &mut Report) {
    let mut seen: BTreeSet<BTreeSet<AttachmentId>> = BTreeSet::new();
    for table in &network.transit_tables {
        let met = attachments(table);
        if met.len() < 2 || !seen.insert(met.clone()) {
            continue;
        }
        let hub = &network[table.transit];
        let ranges = met
            .iter()
            .filter_map(|id| match network[*id].to {
                Attached::Vpc(vpc) => Some(vpc),
                Attached::Vpn(_) | Attached::Transit(_) | Attached::Elsewhere => None,
            })
            .flat_map(|vpc| own_ranges(network, vpc))
            .collect();
        for found in nested(ranges) {
            let (a, b) = (found.outer.1, found.inner.1);
            if a != b && !told.contains(&ordered(a, b)) {
                let what = format!("transit hub {}", hub.name);
                joined(network, (a, b), &what, hub.span, told, report);
            }
        }
    }
}

fn attachments(table: &TransitTable) -> BTreeSet<AttachmentId> {
    let targets = table.routes.iter().filter_map(|route| match route.via {
        Target::Attachment(id) => Some(id),
        _ => None,
    });
    targets.collect()
}

/// A site whose addresses the VPC has too. A site's range around the VPC's is a summary: the VPC's own stay inside, the others
/// take the link.
fn links(network: &Network, vpn: &Vpn, report: &mut Report) {
    let Some(vpc) = vpn.vpc else { return };
    let vpc = &network[vpc];
    for remote in &vpn.remote {
        if let Some(own) = vpc.cidrs.iter().find(|own| own.contains_prefix(remote)) {
            let message = format!(
                "{} leads to {remote}, which {} has itself ({own}): its packets never take the link",
                vpn.name, vpc.name
            );
            report.add("NW-ADDR-003", vpn.span, message, RENUMBER).and(vpc.span, "the VPC");
        }
    }
}

/// VPCs that nothing joins and that nothing could join.
fn apart(network: &Network, told: &BTreeSet<(VpcId, VpcId)>, report: &mut Report) {
    let ranges = (0..network.vpcs.len()).map(VpcId::at).flat_map(|id| own_ranges(network, id));
    let mut known: BTreeSet<VpcId> = BTreeSet::new();
    for found in nested(ranges.collect()) {
        let ((outer, a), (inner, b)) = (found.outer, found.inner);
        // AWS gives the default VPC of every region this range.
        let default = inner == outer && inner.to_string() == "172.31.0.0/16";
        if a == b || default || told.contains(&ordered(a, b)) || !known.insert(b) {
            continue;
        }
        let (a, b) = (&network[a], &network[b]);
        let more = match found.more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!(
            "{} ({inner}) overlaps {} ({outer}){more}: no peering or hub can ever join them",
            b.name, a.name
        );
        let remedy = "give one of them another range before they need to talk to each other";
        report.add("NW-ADDR-008", b.span, message, remedy).and(a.span, "the other VPC");
    }
}
