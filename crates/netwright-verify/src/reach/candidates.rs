//! Which groups a source could reach by routes alone, so that unconnected VPCs cost nothing.

use std::collections::BTreeSet;

use netwright_model::network::{Attached, Network, RouteTableId, Target, TransitId, VpcId};
use rustc_hash::FxHashMap;

use crate::prover::Prover;
use crate::prover::path::Origin;

use super::nodes::Groups;

/// Destinations by source.
#[derive(Debug)]
pub(super) struct Candidates {
    by_vpc: Vec<Vec<usize>>,
    outside: Vec<usize>,
    public: Vec<usize>,
    v6: Vec<usize>,
    tables: FxHashMap<RouteTableId, Reached>,
    sites: Vec<BTreeSet<VpcId>>,
    attached: Vec<Vec<VpcId>>,
    /// Table of each node's subnet, where it has one.
    table_of: Vec<Option<RouteTableId>>,
}

/// What routes of a table lead to.
#[derive(Debug, Clone, Default)]
struct Reached {
    vpcs: BTreeSet<VpcId>,
    /// IPv6 leaves by an internet gateway.
    internet_v6: bool,
}

impl Candidates {
    /// For the sources that are asked for.
    pub(super) fn of(prover: &Prover<'_>, groups: &Groups, sends: &[bool]) -> Self {
        let network = prover.network;
        let mut by_vpc = vec![Vec::new(); network.vpcs.len()];
        let (mut outside, mut public, mut v6) = (Vec::new(), Vec::new(), Vec::new());
        for (index, node) in groups.nodes.iter().enumerate().filter(|(_, node)| node.receives) {
            match node.vpc {
                Some(vpc) => {
                    by_vpc[vpc.index()].push(index);
                    if node.public.is_some() && !network[vpc].gateways.is_empty() {
                        public.push(index);
                    }
                    if node.address.is_ipv6() {
                        v6.push(index);
                    }
                }
                None => outside.push(index),
            }
        }
        let table_of: Vec<Option<RouteTableId>> = groups
            .nodes
            .iter()
            .map(|node| node.interface.map(|id| network[network[id].subnet].table))
            .collect();
        let mut tables = FxHashMap::default();
        let asked = table_of.iter().zip(sends).filter(|(_, sends)| **sends);
        for table in asked.filter_map(|(table, _)| table.as_ref()) {
            if !tables.contains_key(table) {
                let mut reached = Reached::default();
                from_table(network, *table, &mut BTreeSet::new(), &mut reached);
                tables.insert(*table, reached);
            }
        }
        let sites = network.sites.iter().enumerate().map(|(index, _)| from_site(network, index));
        let sites = sites.collect();
        let attached = network.externals.iter().map(|row| row.attached.clone()).collect();
        Self { by_vpc, outside, public, v6, tables, sites, attached, table_of }
    }

    /// Groups that a source may reach, sorted.
    pub(super) fn for_source(&self, groups: &Groups, src: usize) -> Vec<usize> {
        let node = &groups.nodes[src];
        let mut found: Vec<usize> = match node.origin {
            Origin::Internet => self.public.clone(),
            Origin::Site(site) => {
                let vpcs = self.sites.get(site.index());
                vpcs.into_iter()
                    .flatten()
                    .flat_map(|vpc| self.by_vpc[vpc.index()].clone())
                    .collect()
            }
            Origin::External(external) => {
                let vpcs = self.attached.get(external.index());
                vpcs.into_iter()
                    .flatten()
                    .flat_map(|vpc| self.by_vpc[vpc.index()].clone())
                    .collect()
            }
            Origin::Interface(_) | Origin::Serverless(_) | Origin::PrivateEndpoint(..) => {
                let mut found = self.outside.clone();
                let reached = self.table_of[src].and_then(|table| self.tables.get(&table));
                if let Some(reached) = reached {
                    for vpc in &reached.vpcs {
                        found.extend(&self.by_vpc[vpc.index()]);
                    }
                    if reached.internet_v6 {
                        found.extend(&self.v6);
                    }
                }
                found
            }
        };
        let unspecified = node.address.is_unspecified();
        found.retain(|dst| {
            unspecified || groups.nodes[*dst].address.is_ipv4() == node.address.is_ipv4()
        });
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn from_table(
    network: &Network,
    table: RouteTableId,
    seen: &mut BTreeSet<RouteTableId>,
    reached: &mut Reached,
) {
    if !seen.insert(table) {
        return;
    }
    let vpc = network[table].vpc;
    reached.vpcs.insert(vpc);
    for route in &network[table].routes {
        match &route.via {
            Target::Peering(peering) => reached.vpcs.extend(network[*peering].other(vpc)),
            Target::Transit(hub) => from_hub(network, *hub, &mut BTreeSet::new(), seen, reached),
            Target::Interface(interface) => {
                let subnet = &network[network[*interface].subnet];
                from_table(network, subnet.table, seen, reached);
            }
            Target::Nat(nat) => {
                if let Some(interface) = network[*nat].interface {
                    let subnet = &network[network[interface].subnet];
                    from_table(network, subnet.table, seen, reached);
                }
            }
            Target::Gateway(_) => reached.internet_v6 |= !route.to.is_v4(),
            Target::Local
            | Target::Vpn(_)
            | Target::Attachment(_)
            | Target::PrivateEndpoint(_)
            | Target::External(_)
            | Target::Blackhole
            | Target::Unknown(_) => {}
        }
    }
}

fn from_hub(
    network: &Network,
    hub: TransitId,
    hubs: &mut BTreeSet<TransitId>,
    seen: &mut BTreeSet<RouteTableId>,
    reached: &mut Reached,
) {
    if !hubs.insert(hub) {
        return;
    }
    for attachment in &network[hub].attachments {
        let attachment = &network[*attachment];
        match attachment.to {
            Attached::Vpc(vpc) => {
                reached.vpcs.insert(vpc);
                for subnet in &attachment.subnets {
                    from_table(network, network[*subnet].table, seen, reached);
                }
            }
            Attached::Transit(other) => from_hub(network, other, hubs, seen, reached),
            Attached::Vpn(_) | Attached::Elsewhere => {}
        }
    }
}

fn from_site(network: &Network, site: usize) -> BTreeSet<VpcId> {
    let mut reached = Reached::default();
    for (index, link) in network.vpns.iter().enumerate() {
        if link.site.is_none_or(|own| own.index() != site) {
            continue;
        }
        reached.vpcs.extend(link.vpc);
        let id = netwright_model::network::VpnId::at(index);
        for attachment in network.attachments.iter().filter(|row| row.to == Attached::Vpn(id)) {
            let (mut hubs, mut seen) = (BTreeSet::new(), BTreeSet::new());
            from_hub(network, attachment.transit, &mut hubs, &mut seen, &mut reached);
        }
    }
    reached.vpcs
}
