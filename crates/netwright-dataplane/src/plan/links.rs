//! Peerings and transit hubs.

use std::collections::BTreeSet;

use netwright_model::language::PeeringState;
use netwright_model::network::{
    Attached, AttachmentId, Network, PeeringId, Target, TransitId, TransitTableId, VpcId,
};
use netwright_model::scalar::Prefix;
use netwright_verify::mtu::path::transit;
use netwright_verify::prover::routing::best_routes;

use super::build::{Build, everything};
use super::nft::{self, Table};
use super::{MAIN, Role, Via};
use super::{described, tunnels};

/// Largest packet on a hub's links where none is said: what clouds carry inside a VPC at most.
const HUB_MTU: u32 = 9001;

/// Peerings: a link between two routers. What comes in by it is delivered locally or dropped.
pub(super) fn peerings(build: &mut Build<'_>) {
    let network = build.network;
    for (index, peering) in network.peerings.iter().enumerate() {
        let [Some(a), Some(b)] = peering.vpcs else {
            build.leave_out(format!("peering {}: one side is not described", peering.name));
            continue;
        };
        let link = format!("p{}", PeeringId::at(index).index());
        if peering.state != PeeringState::Active {
            continue;
        }
        let (one, other) = (build.router(a), build.router(b));
        let mtu = peering.mtu.unwrap_or_else(|| network[a].mtu.min(network[b].mtu));
        if a == b {
            build.leave_out(format!("peering {} of a VPC with itself", peering.name));
            continue;
        }
        let made = build.link((&one, &link), (&other, &link), mtu);
        made.name = format!("peering/{}", peering.name);
        made.conditions = described::peering(network, PeeringId::at(index));
        if !peering.inter_region {
            build.peers.entry(a).or_default().push((link.clone(), b));
            build.peers.entry(b).or_default().push((link, a));
        }
    }
}

/// The attachment of a VPC to a hub.
pub(super) fn attachment(network: &Network, hub: TransitId, vpc: VpcId) -> Option<AttachmentId> {
    let mut own = network[hub].attachments.iter().copied();
    own.find(|attachment| network[*attachment].to == Attached::Vpc(vpc))
}

/// The namespace of a hub.
fn hub_namespace(network: &Network, hub: TransitId) -> String {
    format!("hub/{}", network[hub].name)
}

/// Transit hubs: the link that a packet comes in by names the table.
pub(super) fn hubs(build: &mut Build<'_>) {
    let network = build.network;
    for (index, hub) in network.transits.iter().enumerate() {
        let id = TransitId::at(index);
        let name = hub_namespace(network, id);
        let families = build.families();
        build.namespace(&name, Role::Transit);
        for attachment in &hub.attachments {
            attach(build, id, *attachment);
        }
        for table in &hub.tables {
            hub_table(build, &name, *table);
        }
        let mut marks: Vec<String> = Vec::new();
        for attachment in &hub.attachments {
            if let Some(table) = network[*attachment].table {
                let mark = hub_mark(table);
                marks.push(format!("\"t{}\" : {mark}", attachment.index()));
            }
        }
        if let Some(namespace) = build.get(&name) {
            for v6 in families {
                namespace.route(MAIN, everything(*v6), Via::Blackhole);
            }
            for table in &hub.tables {
                namespace.rule(families, 10_000, Some(hub_mark(*table)), hub_mark(*table));
            }
            if !marks.is_empty() {
                let mut table = Table::new();
                let mark = format!("meta mark set iifname map {{ {} }}", marks.join(", "));
                table.hook("marks", nft::BEFORE_ROUTING, [mark]);
                namespace.ruleset = table.finish();
            }
        }
    }
}

fn hub_mark(table: TransitTableId) -> u32 {
    1000 + u32::try_from(table.index()).unwrap_or(u32::MAX / 2)
}

fn attach(build: &mut Build<'_>, hub: TransitId, id: AttachmentId) {
    let network = build.network;
    let (name, row) = (hub_namespace(network, hub), &network[id]);
    let link = format!("t{}", id.index());
    let mtu = transit(network, hub).unwrap_or(HUB_MTU);
    match row.to {
        Attached::Vpc(vpc) => {
            let router = build.router(vpc);
            let made = build.link((&router, &link), (&name, &link), mtu.min(network[vpc].mtu));
            made.name = format!("attachment/{}", row.name);
            made.conditions = described::attachment(network, row);
            // Packets from the hub enter by a subnet of the attachment, whose table decides further.
            if let Some(door) = row.subnets.first() {
                let tables: BTreeSet<_> = row.subnets.iter().map(|s| network[*s].table).collect();
                if tables.len() > 1 {
                    build.leave_out(format!(
                        "attachment {}: its subnets have different route tables, and the first one's is used for all zones",
                        row.name
                    ));
                }
                let mark = super::vpc::departures(build, *door, &[]);
                build.marks.entry(vpc).or_default().insert(link, mark);
            }
        }
        Attached::Vpn(vpn) => {
            tunnels::attached(build, (&name, &link), vpn, mtu);
        }
        Attached::Transit(other) => {
            // Once for both hubs, by the side that comes first.
            let back = network[other]
                .attachments
                .iter()
                .copied()
                .find(|there| network[*there].to == Attached::Transit(hub));
            match back {
                Some(back) if id < back => {
                    let there = hub_namespace(network, other);
                    build.namespace(&there, Role::Transit);
                    let far = format!("t{}", back.index());
                    let made = build.link((&name, &link), (&there, &far), mtu);
                    made.name = format!("attachment/{}", row.name);
                    made.conditions = described::attachment(network, row);
                }
                Some(_) => {}
                None => {
                    build.leave_out(format!("attachment {}: the far hub has none back", row.name));
                }
            }
        }
        Attached::Elsewhere => {
            build.leave_out(format!("attachment {}: what is attached is not described", row.name));
        }
    }
}

fn hub_table(build: &mut Build<'_>, name: &str, table: TransitTableId) {
    let network = build.network;
    let mark = hub_mark(table);
    let families = build.families();
    let mut routes: Vec<(Prefix, Option<String>)> =
        families.iter().map(|v6| (everything(*v6), None)).collect();
    for (to, best) in best_routes(&network[table].routes, &[], true) {
        let link = match best {
            Ok(position) => match &network[table].routes[position].via {
                Target::Attachment(id) => Some(format!("t{}", id.index())),
                Target::Blackhole => None,
                _ => {
                    build.leave_out(format!("the route to {to} in {}", network[table].name));
                    None
                }
            },
            Err(_) => {
                build
                    .leave_out(format!("{to} in {} has several equal routes", network[table].name));
                None
            }
        };
        routes.push((to, link));
    }
    if let Some(namespace) = build.get(name) {
        for (to, link) in routes {
            namespace.routes.retain(|known| known.table != mark || known.to != to);
            match link {
                Some(link) => namespace.over(mark, to, &link),
                None => namespace.route(mark, to, Via::Blackhole),
            }
        }
    }
}
