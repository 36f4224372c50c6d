//! Which groups the filters at a destination can tell apart, and which of them they may let in.
//!
//! A policy names few references and ranges. Each is a list of groups, made once; what a policy does with a source depends only on which of its
//! lists hold it. So the sources of a destination fall into a few cells, found in time that follows the lists, and a source that is in
//! no list of an allowing rule costs nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use netwright_model::language::{Action, Direction};
use netwright_model::network::{
    AddressSet, FilterId, FilterMember, InterfaceId, Network, RouteTableId, Target,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::prover::Prover;
use crate::prover::address::Key;
use crate::prover::index::may_be_global;
use crate::prover::path::Origin;
use crate::prover::policy::PolicyId;

use super::nodes::{Groups, Parted};

/// A list of groups, by position.
pub(super) type ListId = u32;

/// What filters ask about sources.
#[derive(Debug)]
pub(super) struct Admission {
    lists: Vec<Vec<u32>>,
    prefixes: FxHashMap<(Key, Key), ListId>,
    references: FxHashMap<Arc<[InterfaceId]>, ListId>,
    /// References by where a network keeps their interfaces: one reference is one list, however many rules name it.
    references_at: FxHashMap<(usize, usize), ListId>,
    internet: Option<ListId>,
    /// Groups by address.
    by_address: Vec<(IpAddr, u32)>,
    by_interface: FxHashMap<InterfaceId, Vec<u32>>,
    policies: FxHashMap<(PolicyId, Direction), Arc<Asked>>,
    /// Groups whose packets may arrive with another source address than they were sent from, sorted.
    pub(super) may_translate: Vec<u32>,
    /// Addresses that translators put in place of a source.
    translated: Vec<IpAddr>,
}

/// What the rules of one direction of a policy ask of the peer.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// Everything that they can tell apart.
    pub(super) lists: Vec<ListId>,
    /// What allowing rules name; meaningless where `open`.
    pub(super) admitted: Vec<ListId>,
    /// Some rule or the default may let anybody pass.
    pub(super) open: bool,
    /// Some rule may let a translated address pass.
    pub(super) admits_translated: bool,
}

impl Admission {
    pub(super) fn of(prover: &Prover<'_>, groups: &Groups) -> Self {
        let network = prover.network;
        let mut by_interface: FxHashMap<InterfaceId, Vec<u32>> = FxHashMap::default();
        let mut by_address = Vec::with_capacity(groups.nodes.len());
        for (index, node) in groups.nodes.iter().enumerate() {
            let id = u32::try_from(index).unwrap_or(u32::MAX);
            by_address.push((node.address, id));
            for interface in node.interfaces() {
                let known = by_interface.entry(interface).or_default();
                if known.last() != Some(&id) {
                    known.push(id);
                }
            }
        }
        by_address.sort_unstable();
        let mut tables: FxHashMap<RouteTableId, bool> = FxHashMap::default();
        let mut translates = |node: &super::nodes::Node| {
            match (node.origin, node.interface) {
                (Origin::Interface(_), Some(interface)) => {
                    let table = network[network[interface].subnet].table;
                    *tables.entry(table).or_insert_with(|| may_translate(network, table))
                }
                (Origin::Serverless(_), _) => true,
                // By a hub into a VPC whose tables lead to one.
                (Origin::Site(_), _) => network.nats.iter().any(|nat| nat.interface.is_some()),
                _ => false,
            }
        };
        let may_translate = (0u32..)
            .zip(&groups.nodes)
            .filter(|(_, node)| translates(node))
            .map(|(id, _)| id)
            .collect();
        let translators = network.nats.iter().flat_map(|nat| {
            let private = nat.interface.into_iter().flat_map(|id| &network[id].addresses);
            private.chain(&nat.addresses)
        });
        let services = network.serverless.iter().filter_map(|service| service.interface);
        let services = services.flat_map(|interface| &network[interface].addresses);
        let translated = translators.chain(services).copied().collect();
        Self {
            lists: Vec::new(),
            prefixes: FxHashMap::default(),
            references: FxHashMap::default(),
            references_at: FxHashMap::default(),
            internet: None,
            by_address,
            by_interface,
            policies: FxHashMap::default(),
            may_translate,
            translated,
        }
    }

    /// Forgets what some policies ask, and where the network before kept its references.
    pub(super) fn forget(&mut self, policies: &[PolicyId]) {
        self.references_at.clear();
        for policy in policies {
            for direction in [Direction::Ingress, Direction::Egress] {
                self.policies.remove(&(*policy, direction));
            }
        }
    }

    /// Takes up a group that was parted from another: whatever asked for the one asks for both.
    pub(super) fn copy(&mut self, groups: &Groups, from: u32, id: u32) {
        for list in self.lists.iter_mut().chain([&mut self.may_translate]) {
            if list.binary_search(&from).is_ok() {
                list.push(id);
            }
        }
        let staying: FxHashSet<InterfaceId> = groups.nodes[from as usize].interfaces().collect();
        for interface in groups.nodes[id as usize].interfaces() {
            let own = self.by_interface.entry(interface).or_default();
            own.retain(|known| *known != id && (*known != from || staying.contains(&interface)));
            own.push(id);
        }
    }

    /// Notes the addresses by which groups are found that were parted.
    pub(super) fn readdress(&mut self, groups: &Groups, parted: &[Parted]) {
        let touched = parted.iter().flat_map(|row| row.from.into_iter().chain([row.id]));
        let touched: BTreeSet<u32> = touched.collect();
        self.by_address.retain(|(_, id)| !touched.contains(id));
        self.by_address.extend(touched.iter().map(|id| (groups.nodes[*id as usize].address, *id)));
        self.by_address.sort();
    }

    /// The groups of a list, sorted.
    pub(super) fn list(&self, list: ListId) -> &[u32] {
        &self.lists[list as usize]
    }

    /// Whether a group may pass policies that are not open.
    pub(super) fn admits(&self, closed: &[Arc<Asked>], id: u32) -> bool {
        let listed = |list: &ListId| self.list(*list).binary_search(&id).is_ok();
        let by_address = |asked: &Arc<Asked>| asked.admitted.iter().any(listed);
        closed.iter().all(by_address)
            || (closed.iter().all(|asked| asked.admits_translated)
                && self.may_translate.binary_search(&id).is_ok())
    }

    /// What the rules of one direction of a policy ask of the peer.
    pub(super) fn policy(
        &mut self,
        prover: &Prover<'_>,
        groups: &Groups,
        policy: PolicyId,
        direction: Direction,
    ) -> Arc<Asked> {
        if let Some(known) = self.policies.get(&(policy, direction)) {
            return Arc::clone(known);
        }
        let network = prover.network;
        let open = |filter: FilterId| {
            let row = &network[filter];
            row.default_action(direction) == Action::Allow || row.incomplete.is_some()
        };
        let mut asked =
            Asked { open: prover.policies.filters(policy).any(open), ..Asked::default() };
        for (filter, index) in prover.policies.rules(policy, direction) {
            let rule = &network[filter].rules[index];
            let side = match direction {
                Direction::Ingress => &rule.from,
                Direction::Egress => &rule.to,
            };
            // What goes on to the next tier is allowed there or not at all.
            let allows = rule.action == Action::Allow;
            asked.open |= allows && side.any;
            self.side(prover, groups, side, allows, &mut asked);
        }
        for lists in [&mut asked.lists, &mut asked.admitted] {
            lists.sort_unstable();
            lists.dedup();
        }
        let asked = Arc::new(asked);
        self.policies.insert((policy, direction), Arc::clone(&asked));
        asked
    }

    fn side(
        &mut self,
        prover: &Prover<'_>,
        groups: &Groups,
        side: &AddressSet,
        allows: bool,
        asked: &mut Asked,
    ) {
        if side.any {
            return;
        }
        for member in &side.members {
            let list = match member {
                FilterMember::Prefix(prefix) => {
                    asked.admits_translated |= allows
                        && (may_be_global(*prefix)
                            || self.translated.iter().any(|address| prefix.contains(*address)));
                    self.range(prefix.first(), prefix.last())
                }
                FilterMember::Range(first, last) => {
                    asked.admits_translated |= allows;
                    self.range(*first, *last)
                }
                FilterMember::Interfaces { interfaces, .. } => self.reference(interfaces),
                FilterMember::Internet => {
                    asked.admits_translated |= allows;
                    self.internet(prover, groups)
                }
                FilterMember::Unknown(_) => {
                    asked.open |= allows;
                    continue;
                }
            };
            asked.lists.push(list);
            if allows {
                asked.admitted.push(list);
            }
        }
    }

    fn add(&mut self, mut list: Vec<u32>) -> ListId {
        list.sort_unstable();
        list.dedup();
        self.lists.push(list);
        u32::try_from(self.lists.len() - 1).unwrap_or(u32::MAX)
    }

    fn range(&mut self, first: IpAddr, last: IpAddr) -> ListId {
        if let Some(known) = self.prefixes.get(&(first.into(), last.into())) {
            return *known;
        }
        // Addresses of one family lie together, in their order.
        let start = self.by_address.partition_point(|(address, _)| *address < first);
        let found = self.by_address[start..].iter().take_while(|(address, _)| *address <= last);
        let list = found.map(|(_, node)| *node).collect();
        let id = self.add(list);
        self.prefixes.insert((first.into(), last.into()), id);
        id
    }

    fn reference(&mut self, interfaces: &Arc<[InterfaceId]>) -> ListId {
        let place = (interfaces.as_ptr().addr(), interfaces.len());
        if let Some(known) = self.references_at.get(&place) {
            return *known;
        }
        if let Some(known) = self.references.get(interfaces) {
            self.references_at.insert(place, *known);
            return *known;
        }
        let nodes = interfaces.iter().filter_map(|interface| self.by_interface.get(interface));
        let list = nodes.flatten().copied().collect();
        let id = self.add(list);
        self.references.insert(Arc::clone(interfaces), id);
        self.references_at.insert(place, id);
        id
    }

    fn internet(&mut self, prover: &Prover<'_>, groups: &Groups) -> ListId {
        if let Some(known) = self.internet {
            return known;
        }
        let nodes = groups.nodes.iter().enumerate();
        let found = nodes.filter(|(_, node)| {
            node.address.is_unspecified() || prover.index.is_internet(node.address)
        });
        let list = found.map(|(index, _)| u32::try_from(index).unwrap_or(u32::MAX)).collect();
        let id = self.add(list);
        self.internet = Some(id);
        id
    }
}

/// Whether a packet that leaves by a table may be translated and still arrive at a private address.
fn may_translate(network: &Network, table: RouteTableId) -> bool {
    let vpc = &network[network[table].vpc];
    network[table].routes.iter().any(|route| match &route.via {
        Target::Nat(nat) => {
            let inside =
                vpc.cidrs.iter().any(|cidr| cidr.overlaps(&route.to) && route.to.length() > 0);
            let onwards = network[*nat].interface.is_none_or(|interface| {
                let own = &network[network[network[interface].subnet].table];
                own.routes.iter().any(|r| !matches!(r.via, Target::Local | Target::Gateway(_)))
            });
            inside || onwards
        }
        // What a forwarding instance's own table does is not followed here, nor what lies behind a hub.
        Target::Interface(_) => true,
        Target::Transit(_) => network.nats.iter().any(|nat| nat.interface.is_some()),
        _ => false,
    })
}
