//! What filters permit.
//!
//! Filters that are asked together form a [`Level`]; levels with the same filters share one policy. A policy answers two
//! questions: what is permitted between two addresses (a set over protocol and ports), and which rule decides one packet. Where rules have
//! [`targets`], interfaces with the same rules share one.

mod address;
mod decide;
mod targets;

use netwright_model::language::{Action, Direction};
use netwright_model::network::{Filter, FilterId, InterfaceId, Network, Rule, SubnetId};
use netwright_model::scalar::ProtocolMatch;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::space::{ANY_PORT, Set, Space, protocol};

use super::path::{Check, Level, Seen};

pub(crate) use address::Match;
pub use decide::{Decider, Decision, Layer4};
use targets::Targets;

/// A policy: filters in the order in which their tiers are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct PolicyId(pub(crate) u32);

/// What is permitted: certainly, and possibly where the description is uncertain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permit {
    /// Whatever the uncertain parts turn out to be.
    pub must: Set,
    /// If they turn out well.
    pub may: Set,
}

impl Permit {
    /// Everything passes.
    pub const ALL: Self = Self { must: Set::ALL, may: Set::ALL };
    /// Nothing passes.
    pub const NONE: Self = Self { must: Set::EMPTY, may: Set::EMPTY };
}

/// A rule's place: its filter, and its position there.
pub(crate) type RuleRef = (FilterId, usize);

/// Filters of one tier, asked together.
#[derive(Debug, Clone)]
struct Tier {
    /// Rules of each direction, in the order in which they are asked.
    ingress: Vec<RuleRef>,
    egress: Vec<RuleRef>,
    filters: Vec<FilterId>,
}

#[derive(Debug, Clone)]
struct Policy {
    tiers: Vec<Tier>,
    /// One of the interfaces whose rules these are, where they are rules for interfaces.
    protects: Option<InterfaceId>,
    stateful: bool,
    /// The protected side's address or interface can decide (by direction: ingress, egress).
    local_matters: [bool; 2],
}

/// All policies of a network, with their rules compiled.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    policies: Vec<Policy>,
    /// By interface: its own.
    interface: Vec<Option<PolicyId>>,
    /// By interface: its VPC's.
    vpc: Vec<Option<PolicyId>>,
    subnet: Vec<Option<PolicyId>>,
    /// Policies of which no rule has targets, by their filters.
    by_filters: FxHashMap<Vec<FilterId>, PolicyId>,
    /// The set over protocol and ports of each filter's rules.
    rules: Vec<Vec<Set>>,
    special: address::Special,
    references: address::References,
}

impl Policies {
    pub(crate) fn of(network: &Network, space: &mut Space) -> Self {
        let mut policies = Self { special: address::Special::of(network), ..Self::default() };
        policies.references.add(network.filters.iter().flat_map(|filter| &filter.rules));
        policies.rules = network
            .filters
            .iter()
            .map(|filter| filter.rules.iter().map(|rule| rule_set(rule, space)).collect())
            .collect();
        let mut known: FxHashMap<Vec<u32>, PolicyId> = FxHashMap::default();
        let mut targets = Targets::of(network);
        let mut key = Vec::new();
        let (all, by_filters) = (&mut policies.policies, &mut policies.by_filters);
        let mut intern = |filters: &[FilterId], protects: Option<InterfaceId>| {
            if filters.is_empty() {
                return None;
            }
            targets.key(filters, protects, &mut key);
            if let Some(id) = known.get(&key) {
                return Some(*id);
            }
            let id = PolicyId(u32::try_from(all.len()).unwrap_or(u32::MAX));
            all.push(Policy::of(network, &mut targets, filters, protects));
            if key.len() == filters.len() {
                by_filters.insert(filters.to_vec(), id);
            }
            known.insert(key.clone(), id);
            Some(id)
        };
        for (place, row) in network.interfaces.iter().enumerate() {
            let id = InterfaceId::at(place);
            policies.interface.push(intern(&row.filters, Some(id)));
            let vpc = network[row.subnet].vpc;
            policies.vpc.push(intern(&network[vpc].filters, Some(id)));
        }
        policies.subnet = network.subnets.iter().map(|row| intern(&row.filters, None)).collect();
        policies
    }

    /// The policies that hold one of some filters.
    pub(crate) fn with(&self, filters: &[FilterId]) -> Vec<PolicyId> {
        let holds = |policy: &Policy| {
            policy.tiers.iter().any(|tier| tier.filters.iter().any(|own| filters.contains(own)))
        };
        let all = self.policies.iter().enumerate().filter(|(_, policy)| holds(policy));
        all.map(|(place, _)| PolicyId(u32::try_from(place).unwrap_or(u32::MAX))).collect()
    }

    /// Takes the rules of some filters, and the policies that hold them, from a network that differs in those rules only.
    pub(crate) fn recompile(
        &mut self,
        network: &Network,
        space: &mut Space,
        filters: &[FilterId],
        policies: &[PolicyId],
    ) {
        self.references.leave();
        for filter in filters {
            self.references.add(network[*filter].rules.iter());
            let rules = network[*filter].rules.iter();
            self.rules[filter.index()] = rules.map(|rule| rule_set(rule, space)).collect();
        }
        let mut targets = Targets::of(network);
        for policy in policies {
            let filters: Vec<FilterId> = self.filters(*policy).collect();
            let protects = self.policies[policy.0 as usize].protects;
            self.policies[policy.0 as usize] =
                Policy::of(network, &mut targets, &filters, protects);
        }
    }

    /// Takes from a network, whose rules are those of the one before, which filters protect some interfaces themselves.
    pub(crate) fn protect_anew(&mut self, network: &Network, interfaces: &[InterfaceId]) {
        let mut targets = Targets::of(network);
        let mut known: FxHashMap<Vec<u32>, PolicyId> = FxHashMap::default();
        let mut key = Vec::new();
        for interface in interfaces {
            let filters = &network[*interface].filters;
            if filters.is_empty() {
                self.interface[interface.index()] = None;
                continue;
            }
            targets.key(filters, Some(*interface), &mut key);
            let plain = key.len() == filters.len();
            let same = if plain { self.by_filters.get(filters) } else { known.get(&key) };
            let policy = same.copied().unwrap_or_else(|| {
                let id = PolicyId(u32::try_from(self.policies.len()).unwrap_or(u32::MAX));
                self.policies.push(Policy::of(network, &mut targets, filters, Some(*interface)));
                if plain {
                    self.by_filters.insert(filters.clone(), id);
                } else {
                    known.insert(key.clone(), id);
                }
                id
            });
            self.interface[interface.index()] = Some(policy);
        }
    }

    pub(crate) fn of_interface(&self, interface: InterfaceId) -> Option<PolicyId> {
        self.interface[interface.index()]
    }

    /// What the VPC of an interface protects it with.
    pub(crate) fn of_vpc(&self, interface: InterfaceId) -> Option<PolicyId> {
        self.vpc[interface.index()]
    }

    pub(crate) fn of_subnet(&self, subnet: SubnetId) -> Option<PolicyId> {
        self.subnet[subnet.index()]
    }

    /// The policy of a level. None: everything passes.
    pub(crate) fn policy(&self, level: Level) -> Option<PolicyId> {
        match level {
            Level::Interface(interface) => self.of_interface(interface),
            Level::Vpc(interface) => self.of_vpc(interface),
            Level::Subnet(subnet) => self.of_subnet(subnet),
        }
    }

    /// Whether answers pass by themselves where the request passed.
    pub(crate) fn is_stateful(&self, policy: PolicyId) -> bool {
        self.policies[policy.0 as usize].stateful
    }

    /// The rules that are asked in one direction.
    pub(crate) fn rules(
        &self,
        policy: PolicyId,
        direction: Direction,
    ) -> impl Iterator<Item = RuleRef> {
        let tiers = &self.policies[policy.0 as usize].tiers;
        tiers.iter().flat_map(move |tier| tier.rules(direction).iter().copied())
    }

    /// The filters that are asked together.
    pub(crate) fn filters(&self, policy: PolicyId) -> impl Iterator<Item = FilterId> {
        self.policies[policy.0 as usize].tiers.iter().flat_map(|tier| tier.filters.iter().copied())
    }

    /// What a policy says in one direction, in full: two policies with equal lines decide every packet alike. Targets are not told: only rules that
    /// protect are in it.
    pub(crate) fn line(
        &self,
        network: &Network,
        policy: PolicyId,
        direction: Direction,
    ) -> Vec<u128> {
        let mut line = Vec::new();
        for tier in &self.policies[policy.0 as usize].tiers {
            let mut known: FxHashSet<Vec<u128>> = FxHashSet::default();
            let start = line.len();
            for (filter, index) in tier.rules(direction) {
                let rule = &network[*filter].rules[*index];
                let mut words = vec![
                    rule.action as u128,
                    self.rules[filter.index()][*index].number().into(),
                    rule.uncertain.is_some().into(),
                ];
                address::words(&rule.from, &self.references, &mut words);
                address::words(&rule.to, &self.references, &mut words);
                // A rule that was asked before in the same tier decides nothing more.
                if !known.contains(&words) {
                    line.extend_from_slice(&words);
                    known.insert(words);
                }
            }
            line.push((line.len() - start) as u128);
            let default = tier.default_action(network, direction);
            line.extend([default as u128, tier.incomplete(network).into()]);
        }
        line
    }

    /// Whether the protected side can decide, beside the peer.
    pub(crate) fn local_matters(&self, policy: PolicyId, direction: Direction) -> bool {
        self.policies[policy.0 as usize].local_matters[usize::from(direction == Direction::Egress)]
    }

    /// What a check permits.
    pub(crate) fn permit(&self, network: &Network, space: &mut Space, check: &Check) -> Permit {
        match self.policy(check.level) {
            Some(policy) => {
                let protected = protected(check.level);
                self.permitted(network, space, policy, check.direction, protected, &check.seen)
            }
            None => Permit::ALL,
        }
    }

    /// What a policy permits between the addresses that it sees.
    pub(crate) fn permitted(
        &self,
        network: &Network,
        space: &mut Space,
        policy: PolicyId,
        direction: Direction,
        protected: Option<InterfaceId>,
        seen: &Seen,
    ) -> Permit {
        let policy = &self.policies[policy.0 as usize];
        // Packets that can reach this point of the line, and those decided so far.
        let mut here = Set::ALL;
        let mut allowed = Set::EMPTY;
        let mut denied = Set::EMPTY;
        for (position, tier) in policy.tiers.iter().enumerate() {
            let last = position + 1 == policy.tiers.len();
            let mut onwards = Set::EMPTY;
            for (filter, index) in tier.rules(direction) {
                if here.is_empty() {
                    break;
                }
                let rule = &network[*filter].rules[*index];
                let matched = self.special.rule_matches(rule, protected, seen);
                if matched == Match::No {
                    continue;
                }
                let hit = space.and(here, self.rules[filter.index()][*index]);
                match rule.action {
                    Action::Allow => allowed = space.or(allowed, hit),
                    Action::Deny => denied = space.or(denied, hit),
                    Action::Next => onwards = space.or(onwards, hit),
                }
                if matched == Match::Yes {
                    here = space.minus(here, hit);
                }
            }
            if tier.incomplete(network) {
                // A rule that is not in the description may decide what the given ones do not.
                allowed = space.or(allowed, here);
                denied = space.or(denied, here);
            }
            match tier.default_action(network, direction) {
                Action::Allow => allowed = space.or(allowed, here),
                Action::Deny => denied = space.or(denied, here),
                Action::Next => onwards = space.or(onwards, here),
            }
            here = onwards;
            if last {
                denied = space.or(denied, here);
            }
        }
        let must = space.not(denied);
        Permit { must: space.and(must, allowed), may: allowed }
    }
}

/// The interface that a level protects, for rules with targets.
pub(crate) fn protected(level: Level) -> Option<InterfaceId> {
    match level {
        Level::Interface(interface) | Level::Vpc(interface) => Some(interface),
        Level::Subnet(_) => None,
    }
}

impl Policy {
    fn of(
        network: &Network,
        targets: &mut Targets<'_>,
        filters: &[FilterId],
        protects: Option<InterfaceId>,
    ) -> Self {
        let mut tiers: Vec<(u32, Vec<FilterId>)> = Vec::new();
        for filter in filters {
            let tier = network[*filter].tier;
            match tiers.iter_mut().find(|(known, _)| *known == tier) {
                Some((_, members)) => members.push(*filter),
                None => tiers.push((tier, vec![*filter])),
            }
        }
        tiers.sort_by_key(|(tier, _)| *tier);
        let tiers: Vec<Tier> = tiers
            .into_iter()
            .map(|(_, members)| Tier::of(network, targets, members, protects))
            .collect();
        let local = |direction: Direction| {
            let mut rules = tiers.iter().flat_map(|tier| tier.rules(direction));
            rules.any(|(filter, index)| {
                let rule = &network[*filter].rules[*index];
                match direction {
                    Direction::Ingress => !rule.to.any,
                    Direction::Egress => !rule.from.any,
                }
            })
        };
        Self {
            protects,
            stateful: filters.iter().all(|filter| network[*filter].stateful),
            local_matters: [local(Direction::Ingress), local(Direction::Egress)],
            tiers,
        }
    }
}

impl Tier {
    fn of(
        network: &Network,
        targets: &mut Targets<'_>,
        filters: Vec<FilterId>,
        protects: Option<InterfaceId>,
    ) -> Self {
        let mut line = |direction: Direction| -> Vec<RuleRef> {
            let mut rules: Vec<RuleRef> = Vec::new();
            for filter in &filters {
                let own = targets.rules(*filter, protects, direction);
                rules.extend(own.into_iter().map(|index| (*filter, index)));
            }
            rules.sort_by(|a, b| order(network, *a).cmp(&order(network, *b)));
            rules
        };
        Self { ingress: line(Direction::Ingress), egress: line(Direction::Egress), filters }
    }

    fn rules(&self, direction: Direction) -> &[RuleRef] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    fn incomplete(&self, network: &Network) -> bool {
        self.filters.iter().any(|filter| network[*filter].incomplete.is_some())
    }

    /// What happens to packets that no rule of the tier matches: allow if any filter's default allows, otherwise on to the next tier if any
    /// says so, otherwise deny.
    fn default_action(&self, network: &Network, direction: Direction) -> Action {
        let has = |action: Action| {
            self.filters.iter().any(|filter| network[*filter].default_action(direction) == action)
        };
        if has(Action::Allow) {
            Action::Allow
        } else if has(Action::Next) {
            Action::Next
        } else {
            Action::Deny
        }
    }
}

/// A rule's place in its tier: rules of ordered filters by priority, deny before allow, name; then rules without order, deny
/// before allow.
fn order(network: &Network, (filter, index): RuleRef) -> (bool, u32, u8, &str, RuleRef) {
    let row: &Filter = &network[filter];
    let rule: &Rule = &row.rules[index];
    let action = match rule.action {
        Action::Deny => 0,
        Action::Allow => 1,
        Action::Next => 2,
    };
    if row.ordered {
        (false, rule.priority, action, &rule.name, (filter, index))
    } else {
        (true, 0, action, "", (filter, index))
    }
}

/// The set over protocol and ports that a rule matches.
pub(crate) fn rule_set(rule: &Rule, space: &mut Space) -> Set {
    let ranges = |ports: &[netwright_model::scalar::PortRange]| -> Vec<_> {
        ports.iter().map(|range| range.first..=range.last).collect()
    };
    let (src, dst) = (ranges(&rule.source_ports), ranges(&rule.ports));
    let mut set = match rule.protocol {
        ProtocolMatch::Any => Set::ALL,
        ProtocolMatch::Number(number) => space.protocol(number),
    };
    if !src.is_empty() || !dst.is_empty() {
        let src = if src.is_empty() { ANY_PORT } else { &src };
        let dst = if dst.is_empty() { ANY_PORT } else { &dst };
        let with_ports: Vec<Set> =
            protocol::WITH_PORTS.iter().map(|number| space.layer4(*number, src, dst)).collect();
        let with_ports = space.union_all(with_ports);
        set = space.and(set, with_ports);
    }
    if rule.icmp.kind.is_some() || rule.icmp.code.is_some() {
        let bytes = |value: Option<u8>| value.map_or(0..=u8::MAX, |value| value..=value);
        let (kind, code) = (bytes(rule.icmp.kind), bytes(rule.icmp.code));
        let v4 = space.icmp(crate::space::Family::V4, kind.clone(), code.clone());
        let v6 = space.icmp(crate::space::Family::V6, kind, code);
        let either = space.or(v4, v6);
        set = space.and(set, either);
    }
    set
}
