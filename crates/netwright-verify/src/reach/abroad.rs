//! IPv6 between VPCs over the Internet: where nothing but a default route to a gateway is met on either side, all VPCs are alike.
//!
//! Thousands of VPCs reach each other so. To follow every pair of them would cost their square; instead groups whose packets leave by a default
//! route form a few classes, and one path stands for two classes. The pairs that go another way, in one VPC or over a peering, are
//! excepted: they are found from the routes that are no default, and followed as all others are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::network::{Network, RouteTableId, Target, VpcId};
use netwright_model::scalar::Prefix;
use rustc_hash::FxHashMap;

use crate::prover::Prover;
use crate::prover::path::Origin;

use super::nodes::{Groups, Member, Node};

/// Marks routing classes of this module among all others.
const ABROAD: u32 = 1 << 31;

/// Groups that are alike on the Internet.
#[derive(Debug, Default)]
pub(super) struct Abroad {
    /// What paths over the Internet depend on, by group; none for those that are followed one by one.
    class: Vec<Option<u32>>,
    /// By routing class: groups to which, or from which, packets may go another way, sorted.
    except: FxHashMap<u32, Vec<u32>>,
}

impl Abroad {
    pub(super) fn of(prover: &Prover<'_>, groups: &Groups) -> Self {
        let network = prover.network;
        let mut tables: BTreeMap<RouteTableId, Option<Vec<Prefix>>> = BTreeMap::new();
        let mut class = vec![None; groups.nodes.len()];
        let mut all = Alike::default();
        for (index, node) in groups.nodes.iter().enumerate() {
            let Some((table, vpc)) = leaves_by(network, node) else { continue };
            let others = tables.entry(table).or_insert_with(|| other_ways(network, table));
            let Some(others) = others else { continue };
            if !node.members.iter().all(|member| is_found(prover, vpc, member)) {
                continue;
            }
            class[index] = Some(class_of(network, node, vpc));
            all.add(u32::try_from(index).unwrap_or(u32::MAX), node, (table, vpc), others);
        }
        let mut abroad = Self { class, except: FxHashMap::default() };
        if all.by_vpc.len() > 1 {
            all.by_address.sort_unstable();
            abroad.find_exceptions(&all);
        }
        // Who has no list is followed one by one.
        for (class, node) in abroad.class.iter_mut().zip(&groups.nodes) {
            *class = class.filter(|_| abroad.except.contains_key(&node.route_class));
        }
        abroad
    }

    fn find_exceptions(&mut self, all: &Alike) {
        // Where most pairs are exceptions nothing is saved.
        let most = all.by_address.len() / 2 + 64;
        for (class, (table, vpc, address)) in &all.classes {
            let mut except: Vec<u32> = all.by_vpc[vpc].clone();
            for prefix in &all.others[table] {
                except.extend(all.within(prefix));
            }
            for length in &all.lengths {
                let towards = all.towards.get(&Prefix::of(*address, *length));
                let tables = towards.into_iter().flatten();
                except.extend(tables.flat_map(|table| &all.by_table[table]));
                if except.len() > 4 * most {
                    break;
                }
            }
            except.sort_unstable();
            except.dedup();
            if except.len() <= most {
                self.except.insert(*class, except);
            }
        }
    }

    /// Whether packets between two groups surely cross the Internet.
    pub(super) fn between(&self, src: u32, dst: &Node) -> bool {
        self.class[src as usize].is_some()
            && self.except.get(&dst.route_class).is_some_and(|e| e.binary_search(&src).is_err())
    }

    /// Groups to and from which packets of a routing class may go another way, sorted; none where all its pairs are followed one by one.
    pub(super) fn except(&self, route_class: u32) -> Option<&[u32]> {
        self.except.get(&route_class).map(Vec::as_slice)
    }

    /// Takes up a group that was parted from another.
    pub(super) fn copy(&mut self, from: u32, id: u32) {
        self.class.push(self.class[from as usize]);
        for list in self.except.values_mut() {
            if list.binary_search(&from).is_ok() {
                list.push(id);
            }
        }
    }

    /// The class of a group on the Internet.
    pub(super) fn class(&self, index: usize) -> Option<u32> {
        self.class[index]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.except.is_empty()
    }
}

/// Groups whose packets leave by a default route, from all sides.
#[derive(Default)]
struct Alike {
    by_address: Vec<(IpAddr, u32)>,
    by_vpc: BTreeMap<VpcId, Vec<u32>>,
    by_table: BTreeMap<RouteTableId, Vec<u32>>,
    /// Table, VPC and an address of each routing class.
    classes: BTreeMap<u32, (RouteTableId, VpcId, IpAddr)>,
    /// Routes that are no default, by table, and tables by such routes.
    others: BTreeMap<RouteTableId, Vec<Prefix>>,
    towards: BTreeMap<Prefix, BTreeSet<RouteTableId>>,
    lengths: BTreeSet<u8>,
}

impl Alike {
    fn add(
        &mut self,
        id: u32,
        node: &Node,
        (table, vpc): (RouteTableId, VpcId),
        others: &[Prefix],
    ) {
        self.by_address.push((node.address, id));
        self.by_vpc.entry(vpc).or_default().push(id);
        self.by_table.entry(table).or_default().push(id);
        self.classes.entry(node.route_class).or_insert((table, vpc, node.address));
        if !self.others.contains_key(&table) {
            for prefix in others {
                self.towards.entry(*prefix).or_default().insert(table);
                self.lengths.insert(prefix.length());
            }
            self.others.insert(table, others.to_vec());
        }
    }

    fn within(&self, prefix: &Prefix) -> impl Iterator<Item = u32> {
        let start = self.by_address.partition_point(|(address, _)| *address < prefix.first());
        let last = prefix.last();
        let found = self.by_address[start..].iter().take_while(move |(a, _)| *a <= last);
        found.map(|(_, id)| *id)
    }
}

/// The table and VPC of a group of IPv6 addresses of interfaces.
fn leaves_by(network: &Network, node: &Node) -> Option<(RouteTableId, VpcId)> {
    let Origin::Interface(_) = node.origin else { return None };
    let interface = node.interface.filter(|_| node.address.is_ipv6())?;
    Some((network[network[interface].subnet].table, node.vpc?))
}

/// The destinations of a table's IPv6 routes that do not lead to the VPC's gateway. None where its default does not, where several gateways
/// are named, or where it matters who asks.
fn other_ways(network: &Network, table: RouteTableId) -> Option<Vec<Prefix>> {
    let vpc = network[table].vpc;
    let mut gateways = BTreeSet::new();
    let mut others = Vec::new();
    let mut default = false;
    for route in network[table].routes.iter().filter(|route| !route.to.is_v4()) {
        if !route.tags.is_empty() {
            return None;
        }
        match &route.via {
            Target::Gateway(gateway) if network[*gateway].vpc == Some(vpc) => {
                gateways.insert(*gateway);
                default |= route.to.length() == 0;
            }
            _ if route.to.length() == 0 => return None,
            _ => others.push(route.to),
        }
    }
    (default && gateways.len() == 1 && !network[vpc].gateways.is_empty()).then_some(others)
}

/// Whether the Internet and the VPC find a member by its address, and nobody else under the same.
fn is_found(prover: &Prover<'_>, vpc: VpcId, member: &Member) -> bool {
    let Member::Interface(id, address) = *member else { return false };
    let index = &prover.index;
    index.public_interface(address) == Some(id)
        && index.holder(vpc, address) == Some(id)
        && index.subnet(vpc, address) == Some(prover.network[id].subnet)
}

/// What a path over the Internet depends on, at either end.
fn class_of(network: &Network, node: &Node, vpc: VpcId) -> u32 {
    let provider_side = node.interface.is_some_and(|id| network[id].provider_side);
    let lets_in = network[vpc].gateways.iter().any(|gateway| !network[*gateway].egress_only);
    ABROAD | u32::from(provider_side) | (u32::from(lets_in) << 1)
}
