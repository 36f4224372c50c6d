//! Endpoints and outside addresses, grouped so that nothing tells the members of a group apart.

mod outside;
mod overlap;
mod parting;
mod prefixes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use netwright_model::language::{Direction, EgressMode};
use netwright_model::network::{
    EndpointId, FilterMember, InterfaceId, NatId, Network, RouteTableId, Rule, ServerlessId,
    SubnetId, Target, VpcId,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::prover::Prover;
use crate::prover::path::Origin;

use super::Relation;
use super::cells::Guards;
use prefixes::{PrefixClasses, all_prefixes, allowed_prefixes, outside_prefixes, route_prefixes};

pub(crate) use outside::{Piece, pieces, union};
use overlap::overlapping;
pub(super) use parting::Parted;

/// A member of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Member {
    /// An address of an interface.
    Interface(InterfaceId, IpAddr),
    /// A serverless service.
    Serverless(ServerlessId),
    /// A range of outside addresses, both ends included.
    Outside(Outside, IpAddr, IpAddr),
}

/// Whose outside addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outside {
    /// Nobody's that is described.
    Internet,
    /// A site's.
    Site(EndpointId),
    /// An outside service's.
    External(EndpointId),
}

/// Members that nothing tells apart.
#[derive(Debug, Clone)]
pub struct Group {
    /// The members, sorted.
    pub members: Vec<Member>,
    /// An address of theirs.
    pub representative: IpAddr,
}

/// A group with all that paths and filters depend on.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) members: Vec<Member>,
    pub(super) origin: Origin,
    /// Source address for paths.
    pub(super) address: IpAddr,
    /// Address by which outside sources reach it, where it has one.
    pub(super) public: Option<IpAddr>,
    pub(super) interface: Option<InterfaceId>,
    pub(super) vpc: Option<VpcId>,
    /// Its subnets with a member and the number of members there.
    pub(super) subnets: Vec<SubnetId>,
    in_subnet: BTreeMap<SubnetId, (InterfaceId, IpAddr, usize)>,
    /// What paths depend on.
    pub(super) route_class: u32,
    /// What address and group conditions of filters depend on.
    pub(super) filter_class: u32,
    /// The same for the address alone, when the packet's origin cannot be told any more.
    pub(super) address_class: u32,
    /// The policies that protect its members: of the interface, the VPC, the subnet.
    pub(super) policies: Guards,
    pub(super) sends: bool,
    pub(super) receives: bool,
}

impl Node {
    pub(super) fn members_in(&self, subnet: SubnetId) -> usize {
        self.in_subnet.get(&subnet).map_or(0, |(.., count)| *count)
    }

    /// The interfaces whose packets these are.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = InterfaceId> {
        let own = self.members.iter().filter_map(|member| match member {
            Member::Interface(interface, _) => Some(*interface),
            Member::Serverless(_) | Member::Outside(..) => None,
        });
        let services = matches!(self.origin, Origin::Serverless(_));
        own.chain(self.interface.filter(|_| services))
    }

    /// A member in a subnet.
    pub(super) fn in_subnet(&self, subnet: SubnetId) -> Option<(InterfaceId, IpAddr)> {
        self.in_subnet.get(&subnet).map(|(interface, address, _)| (*interface, *address))
    }
}

/// All groups.
#[derive(Debug)]
pub(super) struct Groups {
    pub(super) nodes: Vec<Node>,
    /// Class of addresses that belong to no group, for addresses that translators use.
    pub(super) classes: PrefixClasses,
    /// Filter classes of addresses without a group, by address class.
    pub(super) bare: FxHashMap<u32, u32>,
    /// For each routing class a group in each of its subnets.
    in_subnets: Vec<BTreeMap<SubnetId, usize>>,
    /// Sets of interfaces by which groups are told apart.
    references: FxHashSet<Arc<[InterfaceId]>>,
    /// The first filter class that is not in use.
    next_class: u32,
    /// How many groups there were first.
    first: usize,
    /// Out of which group each one came that is not among the first.
    partings: Vec<u32>,
}

impl Groups {
    /// Groups of the same routing classes as two given ones, with members whose subnets relate as asked; none where there are no such.
    pub(super) fn representatives(
        &self,
        src: usize,
        dst: usize,
        relation: Relation,
    ) -> Option<(usize, usize)> {
        let (a, b) = (&self.nodes[src], &self.nodes[dst]);
        let of = |node: &Node| &self.in_subnets[node.route_class as usize];
        if a.subnets.is_empty() || b.subnets.is_empty() || a.vpc != b.vpc {
            return (relation != Relation::SameSubnet).then_some((src, dst));
        }
        let (from, to) = (of(a), of(b));
        if relation == Relation::SameSubnet {
            let (few, many) = if from.len() < to.len() { (from, to) } else { (to, from) };
            let shared = few.keys().find(|subnet| many.contains_key(subnet))?;
            return Some((from[shared], to[shared]));
        }
        from.iter().find_map(|(subnet, a)| {
            let (_, b) = to.iter().find(|(other, _)| *other != subnet)?;
            Some((*a, *b))
        })
    }

    /// Whether two groups have two members in one subnet, and whether they have two in different ones.
    pub(super) fn relations(&self, src: usize, dst: usize) -> (bool, bool) {
        let (a, b) = (&self.nodes[src], &self.nodes[dst]);
        let crowded = |subnet: &SubnetId| {
            b.in_subnet.contains_key(subnet) && (src != dst || a.members_in(*subnet) > 1)
        };
        let same = a.subnets.iter().any(crowded);
        let different = match (a.subnets.as_slice(), b.subnets.as_slice()) {
            ([one], [other]) => one != other,
            _ => true,
        };
        (same, different)
    }

    /// The filter class of an address of nobody in particular.
    pub(super) fn bare_class(&self, address: IpAddr) -> u32 {
        let class = self.classes.class(address);
        self.bare.get(&class).copied().unwrap_or(u32::MAX)
    }
}

/// What a group's members have in common: the key of grouping.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Signature {
    route: RouteSignature,
    filter: (u32, u32),
    policies: Guards,
    outside: Option<Outside>,
    serverless: Option<ServerlessId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum RouteSignature {
    Interface {
        vpc: VpcId,
        table: RouteTableId,
        nat: Option<NatId>,
        zone: Option<String>,
        tags: Vec<String>,
        /// Which allow-lists hold its public address, where it has one.
        public: Option<u32>,
        /// Another interface has the address too and is found by it: answers go there.
        hidden: bool,
        class: u32,
        provider_side: bool,
        /// The interface itself, where a route names it as next hop.
        next_hop: Option<InterfaceId>,
        /// The subnet itself, where a NAT gateway or a next hop stands in it, or where its ranges are somebody else's too: what is in
        /// its ranges it delivers itself, while other subnets with the same table may have a route there.
        special: Option<SubnetId>,
        v4: bool,
    },
    Outside(Outside, u32, bool),
    Serverless(ServerlessId),
}

struct Builder<'a, 'n> {
    prover: &'a Prover<'n>,
    network: &'n Network,
    classes: PrefixClasses,
    route_classes: PrefixClasses,
    outside_classes: PrefixClasses,
    /// By what allow-lists say of them.
    allow_classes: PrefixClasses,
    /// For each interface the references that name it, interned.
    memberships: Vec<u32>,
    references: FxHashSet<Arc<[InterfaceId]>>,
    route_ids: FxHashMap<RouteSignature, u32>,
    filter_ids: FxHashMap<(u32, u32), u32>,
    by_signature: FxHashMap<Signature, usize>,
    nodes: Vec<Node>,
    /// Tags that routes of each table ask for.
    route_tags: Vec<Vec<String>>,
    /// VPCs in which the zone of a packet's subnet can decide where it comes out of a hub.
    zoned: bool,
    next_hops: BTreeSet<InterfaceId>,
    special: BTreeSet<SubnetId>,
}

impl Groups {
    pub(super) fn of(prover: &Prover<'_>) -> Self {
        let mut builder = Builder::new(prover);
        builder.interfaces();
        builder.serverless();
        builder.outside();
        builder.finish()
    }
}

impl<'a, 'n> Builder<'a, 'n> {
    fn new(prover: &'a Prover<'n>) -> Self {
        let network = prover.network;
        let next_hops = next_hops(network);
        let translators = network.nats.iter().filter_map(|nat| nat.interface);
        let by_interface = next_hops.iter().copied().chain(translators);
        let special =
            by_interface.map(|id| network[id].subnet).chain(overlapping(network)).collect();
        let (memberships, references) = memberships(network);
        Builder {
            prover,
            network,
            classes: PrefixClasses::new(all_prefixes(network)),
            route_classes: PrefixClasses::new(route_prefixes(network)),
            outside_classes: PrefixClasses::new(outside_prefixes(network)),
            allow_classes: PrefixClasses::new(allowed_prefixes(network)),
            memberships,
            references,
            route_ids: FxHashMap::default(),
            filter_ids: FxHashMap::default(),
            by_signature: FxHashMap::default(),
            nodes: Vec::new(),
            route_tags: network
                .route_tables
                .iter()
                .map(|table| {
                    let mut tags: Vec<String> =
                        table.routes.iter().flat_map(|route| route.tags.iter().cloned()).collect();
                    tags.sort_unstable();
                    tags.dedup();
                    tags
                })
                .collect(),
            zoned: network.attachments.iter().any(|attachment| attachment.subnets.len() > 1),
            next_hops,
            special,
        }
    }
}

impl Builder<'_, '_> {
    fn route_id(&mut self, signature: &RouteSignature) -> u32 {
        if let Some(id) = self.route_ids.get(signature) {
            return *id;
        }
        let id = u32::try_from(self.route_ids.len()).unwrap_or(u32::MAX);
        self.route_ids.insert(signature.clone(), id);
        id
    }

    fn filter_id(&mut self, address_class: u32, membership: u32) -> u32 {
        let next = u32::try_from(self.filter_ids.len()).unwrap_or(u32::MAX);
        *self.filter_ids.entry((address_class, membership)).or_insert(next)
    }

    fn interfaces(&mut self) {
        for (index, row) in self.network.interfaces.iter().enumerate() {
            let id = InterfaceId::at(index);
            let is_nat = self.prover.index.nat_of_interface.contains_key(&id);
            if row.answers_only || is_nat || !row.running {
                continue;
            }
            for address in &row.addresses {
                self.interface(id, *address);
            }
        }
    }

    fn interface(&mut self, id: InterfaceId, address: IpAddr) {
        let network = self.network;
        let row = &network[id];
        let subnet = &network[row.subnet];
        let class = self.classes.class(address);
        let membership = self.memberships[id.index()];
        let public = public_of(row, address);
        let index = &self.prover.index;
        let wanted = &self.route_tags[subnet.table.index()];
        let mut tags: Vec<String> =
            row.tags.iter().filter(|tag| wanted.contains(tag)).cloned().collect();
        tags.sort_unstable();
        let route = RouteSignature::Interface {
            vpc: subnet.vpc,
            table: subnet.table,
            nat: subnet.nat,
            zone: subnet.zone.clone().filter(|_| self.zoned),
            tags,
            public: public.map(|public| self.allow_classes.class(public)),
            hidden: index.holder(subnet.vpc, address) != Some(id)
                || public.is_some_and(|public| index.public_interface(public) != Some(id)),
            class: self.route_classes.class(address),
            provider_side: row.provider_side,
            next_hop: Some(id).filter(|id| self.next_hops.contains(id)),
            special: Some(row.subnet).filter(|subnet| self.special.contains(subnet)),
            v4: address.is_ipv4(),
        };
        let policies = &self.prover.policies;
        let signature = Signature {
            route: route.clone(),
            filter: (class, membership),
            policies: [
                policies.of_interface(id),
                policies.of_vpc(id).filter(|_| !row.provider_side),
                policies.of_subnet(row.subnet),
            ],
            outside: None,
            serverless: None,
        };
        let position = match self.by_signature.get(&signature) {
            Some(position) => *position,
            None => {
                let node = Node {
                    members: Vec::new(),
                    origin: Origin::Interface(id),
                    address,
                    public,
                    interface: Some(id),
                    vpc: Some(subnet.vpc),
                    subnets: Vec::new(),
                    in_subnet: BTreeMap::new(),
                    route_class: self.route_id(&route),
                    filter_class: self.filter_id(class, membership),
                    address_class: self.filter_id(class, 0),
                    policies: signature.policies,
                    sends: true,
                    receives: true,
                };
                self.by_signature.insert(signature, self.nodes.len());
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        let node = &mut self.nodes[position];
        node.members.push(Member::Interface(id, address));
        node.in_subnet
            .entry(row.subnet)
            .and_modify(|(.., count)| *count += 1)
            .or_insert((id, address, 1));
    }

    fn serverless(&mut self) {
        for index in 0..self.network.serverless.len() {
            let id = ServerlessId::at(index);
            let route = RouteSignature::Serverless(id);
            let entry = sends_from(self.network, id);
            let address = entry
                .and_then(|entry| self.network[entry].addresses.first().copied())
                .unwrap_or(crate::prover::UNPREDICTABLE);
            let class = self.classes.class(address);
            let membership = entry.map_or(0, |entry| self.memberships[entry.index()]);
            let route_class = self.route_id(&route);
            // Who is in the subnet that it sends from is reached without that subnet's filters, and others are not.
            let in_subnet = entry.map(|entry| (self.network[entry].subnet, (entry, address, 1)));
            let node = Node {
                members: vec![Member::Serverless(id)],
                origin: Origin::Serverless(id),
                address,
                public: None,
                interface: entry,
                vpc: entry.map(|entry| self.network[self.network[entry].subnet].vpc),
                subnets: Vec::new(),
                in_subnet: in_subnet.into_iter().collect(),
                route_class,
                filter_class: self.filter_id(class, membership),
                address_class: self.filter_id(class, 0),
                policies: [
                    entry.and_then(|e| self.prover.policies.of_interface(e)),
                    entry.and_then(|e| self.prover.policies.of_vpc(e)),
                    entry.and_then(|e| self.prover.policies.of_subnet(self.network[e].subnet)),
                ],
                sends: true,
                receives: false,
            };
            self.nodes.push(node);
        }
    }

    fn finish(mut self) -> Groups {
        for node in &mut self.nodes {
            node.subnets = node.in_subnet.keys().copied().collect();
        }
        let mut bare = FxHashMap::default();
        for class in 0..=self.classes.prefixes.len() {
            let class = u32::try_from(class).unwrap_or(u32::MAX);
            let id = self.filter_id(class, 0);
            bare.insert(class, id);
        }
        let mut in_subnets = vec![BTreeMap::new(); self.route_ids.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for subnet in &node.subnets {
                in_subnets[node.route_class as usize].entry(*subnet).or_insert(index);
            }
        }
        Groups {
            first: self.nodes.len(),
            nodes: self.nodes,
            classes: self.classes,
            bare,
            in_subnets,
            references: self.references,
            next_class: u32::try_from(self.filter_ids.len()).unwrap_or(u32::MAX),
            partings: Vec::new(),
        }
    }
}

/// The interface in a VPC by which a serverless source sends.
pub(crate) fn sends_from(network: &Network, id: ServerlessId) -> Option<InterfaceId> {
    let row = &network[id];
    row.interface.filter(|_| row.mode != EgressMode::None)
}

/// Interfaces that routes name.
fn next_hops(network: &Network) -> BTreeSet<InterfaceId> {
    let routes = network.route_tables.iter().flat_map(|table| &table.routes);
    routes
        .filter_map(|route| match &route.via {
            Target::Interface(interface) => Some(*interface),
            _ => None,
        })
        .collect()
}

/// The public address of an interface's private one.
fn public_of(row: &netwright_model::network::Interface, address: IpAddr) -> Option<IpAddr> {
    if address.is_ipv6() {
        return Some(address);
    }
    let place = row.addresses.iter().filter(|a| a.is_ipv4()).position(|own| *own == address)?;
    let v4: Vec<&IpAddr> = row.public.iter().filter(|a| a.is_ipv4()).collect();
    v4.get(place).or_else(|| v4.first()).map(|public| **public)
}

/// For each interface a number that stands for the set of references that hold it, 0 for none; and all references. Targets are told by
/// policies.
fn memberships(network: &Network) -> (Vec<u32>, FxHashSet<Arc<[InterfaceId]>>) {
    let mut known: FxHashSet<Arc<[InterfaceId]>> = FxHashSet::default();
    let mut of: Vec<Vec<u32>> = vec![Vec::new(); network.interfaces.len()];
    for rule in network.filters.iter().flat_map(|filter| &filter.rules) {
        for interfaces in named_interfaces(rule).filter(|own| !own.is_empty()) {
            let id = u32::try_from(known.len()).unwrap_or(u32::MAX);
            if known.insert(Arc::clone(interfaces)) {
                for interface in interfaces.iter() {
                    of[interface.index()].push(id);
                }
            }
        }
    }
    let mut interned: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
    interned.insert(Vec::new(), 0);
    let memberships = of.into_iter().map(|sets| {
        let next = u32::try_from(interned.len()).unwrap_or(u32::MAX);
        *interned.entry(sets).or_insert(next)
    });
    (memberships.collect(), known)
}

/// Sets of interfaces that a rule names.
fn named_interfaces(rule: &Rule) -> impl Iterator<Item = &Arc<[InterfaceId]>> {
    let members = rule.from.members.iter().chain(&rule.to.members);
    members.filter_map(|member| match member {
        FilterMember::Interfaces { interfaces, .. } => Some(interfaces),
        _ => None,
    })
}

/// Directions in the order in which `local_matters` counts them.
pub(super) const fn is_egress(direction: Direction) -> bool {
    matches!(direction, Direction::Egress)
}
