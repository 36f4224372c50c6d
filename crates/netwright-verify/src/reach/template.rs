//! A path with its ends left open: what stands for every pair of two routing classes.

use std::net::IpAddr;

use netwright_model::language::Direction;
use netwright_model::network::{InterfaceId, SubnetId};

use crate::flow::{nat_protocols, passed_before};
use crate::prover::Prover;
use crate::prover::path::{Arrival, Check, End, Level, Origin, Path, Seen, Step};
use crate::prover::policy::{Permit, PolicyId};
use crate::space::Set;

use super::Relation;
use super::nodes::{Groups, Member, Node, Outside};

/// One of the two ends of a pair, or something fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Src,
    Dst,
    Fixed,
}

/// Which filters are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Interface,
    Vpc,
    Subnet,
}

/// An address as a filter sees it.
#[derive(Debug, Clone, Copy)]
struct Address {
    whose: Whose,
    fixed: IpAddr,
    /// The packet's interface is known to the filter.
    known: bool,
    fixed_interface: Option<InterfaceId>,
}

/// Filters to ask.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    whose: Whose,
    place: Place,
    fixed_policy: Option<PolicyId>,
    fixed_protected: Option<InterfaceId>,
    pub(super) direction: Direction,
    from: Address,
    to: Address,
    from_peer: bool,
    to_peer: bool,
    /// The request passed the same place: where its filters keep state, the answer passes by itself.
    pub(super) replied: bool,
}

/// A condition on the way.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// Filters.
    Ask(Ask),
    /// Only these packets go on.
    Only(Set),
}

impl Stage {
    /// Whether it is one of those for which cells of sources are made: the source's own filters on the way out, the destination's on the
    /// way in, and both again for the answer where they keep no state.
    fn is_ordinary(&self) -> bool {
        match self {
            Self::Only(_) => true,
            Self::Ask(ask) => match (ask.whose, ask.direction) {
                (Whose::Src, Direction::Egress) | (Whose::Dst, Direction::Ingress) => true,
                (Whose::Src | Whose::Dst, _) => ask.replied,
                (Whose::Fixed, _) => ask.fixed_policy.is_none(),
            },
        }
    }
}

/// What packets between two routing classes meet.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) start: Permit,
    pub(super) forward: Vec<Stage>,
    request: Path,
    ends: Ends,
    /// The answer's way, found when something first arrives.
    back: Option<(Permit, Vec<Stage>)>,
}

/// The two ends for which a path was found.
#[derive(Debug)]
struct Ends {
    src: (Option<InterfaceId>, IpAddr),
    dst: (Option<InterfaceId>, IpAddr),
}

impl Template {
    /// The template of a pair of groups; none when nothing can arrive.
    pub(super) fn find(
        prover: &mut Prover<'_>,
        groups: &Groups,
        src: usize,
        dst: usize,
        relation: Relation,
    ) -> Option<Self> {
        let (a, b) = (&groups.nodes[src], &groups.nodes[dst]);
        let ((from_interface, from), (to_interface, to)) = representatives(a, b, relation)?;
        let origin = match (a.origin, from_interface) {
            (Origin::Interface(_), Some(interface)) => Origin::Interface(interface),
            (origin, _) => origin,
        };
        // From the Internet an interface is reached by its public address.
        let asked = match origin {
            Origin::Internet if b.interface.is_some() => {
                let same = to_interface == b.interface && to == b.address;
                if same { b.public? } else { public_of_other(prover, to_interface?, to)? }
            }
            _ => to,
        };
        let request = prover.path(origin, from, asked);
        let ends = Ends { src: (from_interface, from), dst: (to_interface, to) };
        if !arrives_at(&request, b, to_interface) {
            return None;
        }
        let start = begin(&request)?;
        let forward = stages(prover, &request, &ends, None);
        Some(Self { start, forward, request, ends, back: None })
    }

    /// Whether it asks filters about its source what [`super::cells`] do not tell apart.
    pub(super) fn tells_sources_apart(&mut self, prover: &mut Prover<'_>) -> bool {
        let ordinary = self.forward.iter().all(Stage::is_ordinary);
        let (_, back) = self.back(prover);
        !ordinary || !back.iter().all(Stage::is_ordinary)
    }

    /// What answers meet: what can pass at all, and the conditions.
    pub(super) fn back(&mut self, prover: &mut Prover<'_>) -> (Permit, &[Stage]) {
        let (request, ends) = (&self.request, &self.ends);
        let (start, stages) = self.back.get_or_insert_with(|| match prover.answer(request) {
            // Whether the request arrives is unknown, and so is whether its answer does.
            None => (Permit { must: Set::EMPTY, may: Set::ALL }, Vec::new()),
            Some(path) => match begin(&path) {
                None => (Permit::NONE, Vec::new()),
                Some(start) => (start, stages(prover, &path, ends, Some(request))),
            },
        });
        (*start, stages)
    }
}

fn public_of_other(prover: &Prover<'_>, interface: InterfaceId, address: IpAddr) -> Option<IpAddr> {
    if address.is_ipv6() {
        return Some(address);
    }
    let row = &prover.network[interface];
    let place = row.addresses.iter().filter(|a| a.is_ipv4()).position(|own| *own == address)?;
    let v4: Vec<&IpAddr> = row.public.iter().filter(|a| a.is_ipv4()).collect();
    v4.get(place).or_else(|| v4.first()).map(|public| **public)
}

fn begin(path: &Path) -> Option<Permit> {
    match path.end {
        End::Blocked(_) => None,
        End::Delivered(_) => Some(Permit::ALL),
        End::Unknown(_) => Some(Permit { must: Set::EMPTY, may: Set::ALL }),
    }
}

type EndOf = (Option<InterfaceId>, IpAddr);

/// Members of the two groups whose subnets relate as asked.
fn representatives(a: &Node, b: &Node, relation: Relation) -> Option<(EndOf, EndOf)> {
    let plain = |node: &Node| (node.interface, node.address);
    match relation {
        Relation::SameSubnet => {
            let subnet = a.subnets.iter().copied().find(|subnet| b.subnets.contains(subnet))?;
            let (i, x) = a.in_subnet(subnet)?;
            let (j, y) = b.in_subnet(subnet)?;
            Some(((Some(i), x), (Some(j), y)))
        }
        Relation::OtherSubnet | Relation::Any => {
            for subnet in &a.subnets {
                if let Some(other) = b.subnets.iter().find(|other| *other != subnet) {
                    let (i, x) = a.in_subnet(*subnet)?;
                    let (j, y) = b.in_subnet(*other)?;
                    return Some(((Some(i), x), (Some(j), y)));
                }
            }
            Some((plain(a), plain(b)))
        }
    }
}

/// Whether a path ends at the group that was asked, and not at somebody else with the same address.
fn arrives_at(path: &Path, node: &Node, interface: Option<InterfaceId>) -> bool {
    match (&path.end, node.members.first()) {
        (End::Delivered(Arrival::Interface(arrived)), _) => Some(*arrived) == interface,
        (
            End::Delivered(Arrival::Endpoint(endpoint)),
            Some(Member::Outside(Outside::Site(own) | Outside::External(own), ..)),
        ) => endpoint == own,
        (End::Delivered(_), Some(Member::Outside(whose, ..))) => *whose == Outside::Internet,
        (End::Delivered(_), _) => false,
        (End::Blocked(_) | End::Unknown(_), _) => true,
    }
}

/// The conditions along a path. For an answer, `request` is the path that it answers.
fn stages(prover: &mut Prover<'_>, path: &Path, ends: &Ends, request: Option<&Path>) -> Vec<Stage> {
    let mut stages = Vec::new();
    for step in &path.steps {
        match step {
            Step::Check(check) => {
                let policy = prover.policies.policy(check.level);
                let replied = request.is_some_and(|request| passed_before(request, check));
                let subnet_ends = ends.subnets(prover);
                stages.push(Stage::Ask(ask(
                    check,
                    policy,
                    ends,
                    subnet_ends,
                    request.is_some(),
                    replied,
                )));
            }
            Step::NatProtocolsOnly(_) => stages.push(Stage::Only(nat_protocols(&mut prover.space))),
            Step::At(_) | Step::Route { .. } | Step::Translate(_) => {}
        }
    }
    stages
}

type SubnetEnds = [Option<SubnetId>; 2];

impl Ends {
    fn subnets(&self, prover: &Prover<'_>) -> SubnetEnds {
        let of = |interface: Option<InterfaceId>| interface.map(|id| prover.network[id].subnet);
        [of(self.src.0), of(self.dst.0)]
    }
}

fn ask(
    check: &Check,
    policy: Option<PolicyId>,
    ends: &Ends,
    subnets: SubnetEnds,
    back: bool,
    replied: bool,
) -> Ask {
    let (place, interface, is_src, is_dst) = match check.level {
        Level::Interface(id) => {
            (Place::Interface, Some(id), Some(id) == ends.src.0, Some(id) == ends.dst.0)
        }
        Level::Vpc(id) => (Place::Vpc, Some(id), Some(id) == ends.src.0, Some(id) == ends.dst.0),
        Level::Subnet(id) => (Place::Subnet, None, Some(id) == subnets[0], Some(id) == subnets[1]),
    };
    let (first, second) = if back { (Whose::Dst, Whose::Src) } else { (Whose::Src, Whose::Dst) };
    let whose = match (is_src, is_dst) {
        // One interface stands for both ends: what leaves is the sender's, what enters the receiver's.
        (true, true) if check.direction == Direction::Egress => first,
        (true, true) => second,
        (true, false) => Whose::Src,
        (false, true) => Whose::Dst,
        (false, false) => Whose::Fixed,
    };
    Ask {
        whose,
        place,
        fixed_policy: policy,
        fixed_protected: interface,
        direction: check.direction,
        from: seen_address(check.seen.src, check.seen.src_interface, ends, first),
        to: seen_address(check.seen.dst, check.seen.dst_interface, ends, second),
        from_peer: check.seen.from_peer,
        to_peer: check.seen.to_peer,
        replied,
    }
}

/// Whose address it is; where both ends have the same, the one that is expected on this side.
fn seen_address(
    address: IpAddr,
    interface: Option<InterfaceId>,
    ends: &Ends,
    expected: Whose,
) -> Address {
    let is_src = address == ends.src.1;
    let is_dst = address == ends.dst.1;
    let whose = match (is_src, is_dst) {
        (true, true) => expected,
        (true, false) => Whose::Src,
        (false, true) => Whose::Dst,
        (false, false) => Whose::Fixed,
    };
    Address { whose, fixed: address, known: interface.is_some(), fixed_interface: interface }
}

impl Ask {
    fn node<'g>(
        &self,
        groups: &'g Groups,
        whose: Whose,
        src: usize,
        dst: usize,
    ) -> Option<&'g Node> {
        match whose {
            Whose::Src => Some(&groups.nodes[src]),
            Whose::Dst => Some(&groups.nodes[dst]),
            Whose::Fixed => None,
        }
    }

    /// The policy to ask for a pair; none when everything passes.
    pub(super) fn policy(&self, groups: &Groups, src: usize, dst: usize) -> Option<PolicyId> {
        match self.node(groups, self.whose, src, dst) {
            None => self.fixed_policy,
            Some(node) => match self.place {
                Place::Interface => node.policies[0],
                Place::Vpc => node.policies[1],
                Place::Subnet => node.policies[2],
            },
        }
    }

    fn class(&self, address: &Address, groups: &Groups, src: usize, dst: usize) -> u32 {
        match self.node(groups, address.whose, src, dst) {
            Some(node) if address.known => node.filter_class,
            Some(node) => node.address_class,
            None => groups.bare_class(address.fixed),
        }
    }

    /// What the answer depends on, beside the policy.
    pub(super) fn key(
        &self,
        groups: &Groups,
        src: usize,
        dst: usize,
        local_matters: bool,
    ) -> super::StageKey {
        let egress = super::nodes::is_egress(self.direction);
        let mut from = self.class(&self.from, groups, src, dst);
        let mut to = self.class(&self.to, groups, src, dst);
        if !local_matters {
            if egress {
                from = u32::MAX;
            } else {
                to = u32::MAX;
            }
        }
        let flags = u8::from(egress)
            | (u8::from(self.from_peer) << 1)
            | (u8::from(self.to_peer) << 4)
            | (u8::from(self.from.known) << 2)
            | (u8::from(self.to.known) << 3);
        (flags, from, to)
    }

    /// The addresses as the filter sees them for a pair, and the interface that it protects.
    pub(super) fn seen(
        &self,
        groups: &Groups,
        src: usize,
        dst: usize,
    ) -> (Seen, Option<InterfaceId>) {
        let end = |address: &Address| match self.node(groups, address.whose, src, dst) {
            Some(node) => (node.address, node.interface.filter(|_| address.known)),
            None => (address.fixed, address.fixed_interface),
        };
        let (from, from_interface) = end(&self.from);
        let (to, to_interface) = end(&self.to);
        let seen = Seen {
            src: from,
            dst: to,
            src_interface: from_interface,
            dst_interface: to_interface,
            from_peer: self.from_peer,
            to_peer: self.to_peer,
        };
        let protected = match self.node(groups, self.whose, src, dst) {
            Some(node) => node.interface,
            None => self.fixed_protected,
        };
        (seen, protected.filter(|_| self.place != Place::Subnet))
    }
}
