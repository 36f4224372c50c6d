//! Groups parted: what new rules ask for tells members apart that nothing told apart before.
//!
//! Groups only become finer here. What was found out about a group holds for both of its parts, but for what the new rules decide.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use netwright_model::network::{InterfaceId, Network, Rule};
use netwright_model::scalar::Prefix;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::prover::Prover;
use crate::prover::path::Origin;
use crate::reach::cells::Guards;

use super::prefixes::named_prefixes;
use super::{Groups, Member, Node, named_interfaces, public_of};

/// A group of which something became different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reach) struct Parted {
    pub(in crate::reach) id: u32,
    /// It is new, and its members were of this one.
    pub(in crate::reach) from: Option<u32>,
    /// What protected its members before, where that is something else now.
    pub(in crate::reach) were: Option<Guards>,
}

/// Where a group's members are that something is new about.
enum Part {
    None,
    /// All of them.
    Whole,
    /// In this group, which is new.
    New(usize),
}

impl Groups {
    /// Out of which group one came that is not among the first `count`.
    pub(in crate::reach) fn origin(&self, mut id: u32, count: usize) -> u32 {
        while let Some(from) = (id as usize).checked_sub(self.first)
            && id as usize >= count
            && let Some(from) = self.partings.get(from)
        {
            id = *from;
        }
        id
    }

    /// Whether so many have been parted that to begin anew is better.
    pub(in crate::reach) fn is_worn(&self) -> bool {
        self.partings.len() > self.first / 4 + 1000
    }

    /// Tells members apart that a rule tells apart.
    pub(in crate::reach) fn tell_apart(
        &mut self,
        prover: &Prover<'_>,
        rule: &Rule,
        parted: &mut Vec<Parted>,
    ) {
        for prefix in named_prefixes(rule) {
            self.by_prefix(prover.network, prefix, parted);
        }
        for interfaces in named_interfaces(rule) {
            if !interfaces.is_empty() && !self.references.contains(interfaces) {
                self.references.insert(Arc::clone(interfaces));
                self.by_reference(prover.network, interfaces, parted);
            }
        }
    }

    fn by_prefix(&mut self, network: &Network, prefix: Prefix, parted: &mut Vec<Parted>) {
        let Some((before, class)) = self.classes.add(prefix) else { return };
        let Some(old) = self.bare.get(&before).copied() else { return };
        let mut renamed: FxHashMap<u32, u32> = FxHashMap::default();
        let bare = self.renamed(&mut renamed, old);
        self.bare.insert(class, bare);
        for id in 0..self.nodes.len() {
            if self.nodes[id].address_class != old {
                continue;
            }
            let part = match self.nodes[id].members.first() {
                Some(Member::Outside(..)) => self.cut(network, id, prefix),
                Some(Member::Serverless(_)) if prefix.contains(self.nodes[id].address) => {
                    Part::Whole
                }
                Some(Member::Interface(..)) => self.part(network, id, |member| match member {
                    Member::Interface(_, address) => prefix.contains(*address),
                    Member::Serverless(_) | Member::Outside(..) => false,
                }),
                Some(Member::Serverless(_)) | None => Part::None,
            };
            if let Some(other) = parted_by(&part, id) {
                let filter = self.renamed(&mut renamed, self.nodes[other].filter_class);
                self.nodes[other].filter_class = filter;
                self.nodes[other].address_class = bare;
                parted.push(parted_row(other, id));
            }
        }
    }

    fn by_reference(
        &mut self,
        network: &Network,
        interfaces: &[InterfaceId],
        parted: &mut Vec<Parted>,
    ) {
        let mut renamed: FxHashMap<u32, u32> = FxHashMap::default();
        let named = |id: InterfaceId| interfaces.binary_search(&id).is_ok();
        for id in 0..self.nodes.len() {
            let part = match self.nodes[id].members.first() {
                Some(Member::Interface(..)) => self.part(network, id, |member| match member {
                    Member::Interface(interface, _) => named(*interface),
                    Member::Serverless(_) | Member::Outside(..) => false,
                }),
                Some(Member::Serverless(_)) if self.nodes[id].interface.is_some_and(named) => {
                    Part::Whole
                }
                _ => Part::None,
            };
            if let Some(other) = parted_by(&part, id) {
                let filter = self.renamed(&mut renamed, self.nodes[other].filter_class);
                self.nodes[other].filter_class = filter;
                parted.push(parted_row(other, id));
            }
        }
    }

    /// Puts interfaces that are protected by something else now into groups of their own.
    pub(in crate::reach) fn by_policies(
        &mut self,
        prover: &Prover<'_>,
        moved: &[InterfaceId],
        parted: &mut Vec<Parted>,
    ) {
        let network = prover.network;
        let mut by_guards: BTreeMap<Guards, FxHashSet<InterfaceId>> = BTreeMap::new();
        for id in moved {
            let policies = &prover.policies;
            let row = &network[*id];
            let guards = [
                policies.of_interface(*id),
                policies.of_vpc(*id).filter(|_| !row.provider_side),
                policies.of_subnet(row.subnet),
            ];
            by_guards.entry(guards).or_default().insert(*id);
        }
        for (guards, interfaces) in by_guards {
            for id in 0..self.nodes.len() {
                let were = self.nodes[id].policies;
                let part = self.part(network, id, |member| match member {
                    Member::Interface(interface, _) => interfaces.contains(interface),
                    Member::Serverless(_) | Member::Outside(..) => false,
                });
                if let Some(other) = parted_by(&part, id) {
                    self.nodes[other].policies = guards;
                    parted.push(Parted { were: Some(were), ..parted_row(other, id) });
                }
            }
        }
    }

    /// A class that stands for what another stood for together with what is new.
    fn renamed(&mut self, renamed: &mut FxHashMap<u32, u32>, class: u32) -> u32 {
        *renamed.entry(class).or_insert_with(|| {
            self.next_class += 1;
            self.next_class - 1
        })
    }

    /// Takes the members that are meant out of a group into one of their own.
    fn part(&mut self, network: &Network, id: usize, meant: impl Fn(&Member) -> bool) -> Part {
        let members = &self.nodes[id].members;
        let count = members.iter().filter(|member| meant(member)).count();
        if count == 0 {
            return Part::None;
        }
        if count == members.len() {
            return Part::Whole;
        }
        let members = std::mem::take(&mut self.nodes[id].members);
        let (out, stay) = members.into_iter().partition(meant);
        self.replace(network, id, stay, out)
    }

    /// The same for outside addresses in a prefix. A group's ranges are sorted and of one family.
    fn cut(&mut self, network: &Network, id: usize, prefix: Prefix) -> Part {
        let members = &mut self.nodes[id].members;
        let ends = |member: &Member| match *member {
            Member::Outside(_, first, last) => (first, last),
            Member::Interface(_, address) => (address, address),
            Member::Serverless(_) => (prefix.first(), prefix.first()),
        };
        let start = members.partition_point(|member| ends(member).1 < prefix.first());
        let end = members.partition_point(|member| ends(member).0 <= prefix.last());
        let (mut out, mut stay) = (Vec::new(), Vec::new());
        for member in members.get(start..end).unwrap_or_default() {
            let Member::Outside(whose, first, last) = *member else { continue };
            let (start, end) = (first.max(prefix.first()), last.min(prefix.last()));
            out.push(Member::Outside(whose, start, end));
            let before = previous(start).filter(|_| first < start);
            stay.extend(before.map(|before| Member::Outside(whose, first, before)));
            let after = next(end).filter(|_| end < last);
            stay.extend(after.map(|after| Member::Outside(whose, after, last)));
        }
        if out.is_empty() {
            return Part::None;
        }
        if stay.is_empty() && out.len() == members.len() {
            return Part::Whole;
        }
        let mut members = std::mem::take(members);
        members.splice(start..end, stay);
        self.replace(network, id, members, out)
    }

    fn replace(
        &mut self,
        network: &Network,
        id: usize,
        stay: Vec<Member>,
        out: Vec<Member>,
    ) -> Part {
        let new = self.nodes.len();
        let out = self.nodes[id].with(network, out);
        self.nodes[id] = self.nodes[id].with(network, stay);
        let own = &mut self.in_subnets[out.route_class as usize];
        for subnet in &out.subnets {
            let representative = own.entry(*subnet).or_insert(new);
            if *representative == id && !self.nodes[id].in_subnet.contains_key(subnet) {
                *representative = new;
            }
        }
        self.nodes.push(out);
        self.partings.push(u32::try_from(id).unwrap_or(u32::MAX));
        Part::New(new)
    }
}

/// The group that the part is, where there is any.
fn parted_by(part: &Part, id: usize) -> Option<usize> {
    match part {
        Part::None => None,
        Part::Whole => Some(id),
        Part::New(new) => Some(*new),
    }
}

fn parted_row(other: usize, id: usize) -> Parted {
    let number = |id: usize| u32::try_from(id).unwrap_or(u32::MAX);
    Parted { id: number(other), from: (other != id).then(|| number(id)), were: None }
}

impl Node {
    /// The same with some of its members only.
    fn with(&self, network: &Network, members: Vec<Member>) -> Self {
        let mut node = Self {
            members: Vec::new(),
            origin: self.origin,
            address: self.address,
            public: self.public,
            interface: self.interface,
            vpc: self.vpc,
            subnets: Vec::new(),
            in_subnet: BTreeMap::new(),
            route_class: self.route_class,
            filter_class: self.filter_class,
            address_class: self.address_class,
            policies: self.policies,
            sends: self.sends,
            receives: self.receives,
        };
        match members.first() {
            Some(Member::Interface(id, address)) => {
                node.origin = Origin::Interface(*id);
                node.interface = Some(*id);
                node.address = *address;
                node.public = public_of(&network[*id], *address);
            }
            Some(Member::Outside(_, first, _)) => node.address = *first,
            Some(Member::Serverless(_)) | None => {}
        }
        for member in &members {
            if let Member::Interface(id, address) = member {
                let known = node.in_subnet.entry(network[*id].subnet);
                known.and_modify(|(.., count)| *count += 1).or_insert((*id, *address, 1));
            }
        }
        node.subnets = node.in_subnet.keys().copied().collect();
        node.members = members;
        node
    }
}

fn previous(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_sub(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_sub(1).map(|n| IpAddr::V6(n.into())),
    }
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|n| IpAddr::V6(n.into())),
    }
}
