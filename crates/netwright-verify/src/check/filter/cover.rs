//! Which rules others make superfluous: exactly, references to groups and rules for some interfaces included.
//!
//! A reference to a group matches the addresses of its members while the packet can still be told to be theirs. So a packet is looked
//! at together with the interface that it comes from and the one that it goes to, as far as rules of the filter tell interfaces apart,
//! and with the interface that is protected. Any packet may also come from nobody in particular.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::network::{AddressSet, FilterMember, InterfaceId, Network, Rule};

use crate::prover::policy::rule_set;
use crate::space::{Set, Space};

/// References to more addresses than this are not taken apart; rules with them are never called superfluous.
const MOST_ADDRESSES: usize = 4096;

/// Interfaces that the rules do not tell apart, with their addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Class {
    interfaces: Vec<InterfaceId>,
    addresses: Vec<IpAddr>,
}

/// A class of identities on one side: nobody in particular, or one of the side's classes.
type Identity = Option<usize>;

/// The rules of a filter in one direction, in the order in which they are asked.
pub(super) struct Line<'n> {
    network: &'n Network,
    pub(super) rules: Vec<&'n Rule>,
    layer4: Vec<Set>,
    /// What each rule matches of nobody in particular.
    pub(super) plain: Vec<Set>,
    src: Vec<Class>,
    dst: Vec<Class>,
    targets: Vec<Class>,
}

impl<'n> Line<'n> {
    pub(super) fn of(network: &'n Network, rules: Vec<&'n Rule>, space: &mut Space) -> Self {
        let mut line = Self {
            network,
            layer4: rules.iter().map(|rule| rule_set(rule, space)).collect(),
            plain: Vec::new(),
            src: classes(network, rules.iter().flat_map(|rule| named(&rule.from))),
            dst: classes(network, rules.iter().flat_map(|rule| named(&rule.to))),
            targets: classes(network, rules.iter().filter_map(|rule| rule.targets.as_deref())),
            rules,
        };
        line.plain =
            (0..line.rules.len()).map(|rule| line.part(rule, None, (None, None), space)).collect();
        line
    }

    /// Whether what a rule matches can be said.
    pub(super) fn is_certain(&self, rule: usize) -> bool {
        let rule = self.rules[rule];
        let known = |side: &AddressSet| {
            let all = side.members.iter().all(|member| match member {
                FilterMember::Unknown(_) | FilterMember::Internet => false,
                FilterMember::Interfaces { interfaces, .. } => interfaces.len() <= MOST_ADDRESSES,
                FilterMember::Prefix(_) | FilterMember::Range(..) => true,
            });
            side.any || all
        };
        rule.uncertain.is_none() && known(&rule.from) && known(&rule.to)
    }

    /// Whether a rule names neither groups nor interfaces.
    pub(super) fn is_plain(&self, rule: usize) -> bool {
        let rule = self.rules[rule];
        rule.targets.is_none()
            && named(&rule.from).next().is_none()
            && named(&rule.to).next().is_none()
    }

    /// Whether a rule matches no packet at all.
    pub(super) fn is_empty(&self, rule: usize, space: &mut Space) -> bool {
        self.plain[rule].is_empty()
            && self
                .parts_of(rule)
                .into_iter()
                .all(|(target, identities)| self.part(rule, target, identities, space).is_empty())
    }

    /// Whether some of the others match every packet that a rule matches, whoever sends and receives it.
    pub(super) fn is_covered(&self, rule: usize, others: &[usize], space: &mut Space) -> bool {
        let ports = space.union_all(others.iter().map(|other| self.layer4[*other]));
        if !space.is_subset(self.layer4[rule], ports) {
            return false;
        }
        self.parts_of(rule).into_iter().all(|(target, identities)| {
            let own = self.part(rule, target, identities, space);
            let mut left = own;
            for other in others {
                if left.is_empty() {
                    break;
                }
                if !self.holds_across(rule, *other) {
                    continue;
                }
                let theirs = self.part(*other, target, identities, space);
                left = space.minus(left, theirs);
            }
            left.is_empty()
        })
    }

    /// Whether two rules have packets in common, whoever sends and receives them.
    pub(super) fn meets(&self, rule: usize, other: usize, space: &mut Space) -> bool {
        self.parts_of(rule).into_iter().any(|(target, identities)| {
            let own = self.part(rule, target, identities, space);
            let theirs = self.part(other, target, identities, space);
            space.intersects(own, theirs)
        })
    }

    /// A reference that ends at a peering does not stand in for one that holds across.
    fn holds_across(&self, rule: usize, other: usize) -> bool {
        let across = |rule: &Rule| {
            let members = rule.from.members.iter().chain(&rule.to.members);
            let mut flags = members.filter_map(|member| match member {
                FilterMember::Interfaces { across_peering, .. } => Some(*across_peering),
                _ => None,
            });
            flags.next()
        };
        match (across(self.rules[rule]), across(self.rules[other])) {
            (Some(true), Some(other)) => other,
            _ => true,
        }
    }

    /// The cases to look at for a rule: each class of protected interfaces that it is for, with each class of senders and receivers
    /// that it names, and nobody in particular.
    fn parts_of(&self, rule: usize) -> Vec<(Option<usize>, (Identity, Identity))> {
        let rule = self.rules[rule];
        let targets: Vec<Option<usize>> = match &rule.targets {
            None => vec![None],
            Some(list) => within(&self.targets, list).map(Some).collect(),
        };
        let side = |side: &AddressSet, classes: &[Class]| -> Vec<Identity> {
            let lists: Vec<&[InterfaceId]> = named(side).collect();
            let mut all: Vec<Identity> =
                lists.iter().flat_map(|list| within(classes, list)).map(Some).collect();
            // A rule that names groups only matches nothing of nobody in particular.
            if side.any || side.members.len() > lists.len() {
                all.push(None);
            }
            all
        };
        let (src, dst) = (side(&rule.from, &self.src), side(&rule.to, &self.dst));
        let mut parts = Vec::new();
        for target in targets {
            for from in &src {
                parts.extend(dst.iter().map(|to| (target, (*from, *to))));
            }
        }
        parts
    }

    /// What a rule matches of packets with these identities at an interface of this class.
    fn part(
        &self,
        rule: usize,
        target: Option<usize>,
        (from, to): (Identity, Identity),
        space: &mut Space,
    ) -> Set {
        let row = self.rules[rule];
        let excluded = row.targets.as_ref().is_some_and(|list| {
            target.is_none_or(|class| !within(&self.targets, list).any(|own| own == class))
        });
        if excluded || row.uncertain.is_some() {
            return Set::EMPTY;
        }
        let mut set = self.layer4[rule];
        for (side, identity, classes, source) in
            [(&row.from, from, &self.src, true), (&row.to, to, &self.dst, false)]
        {
            let ranges = |space: &mut Space, ranges: Vec<(IpAddr, IpAddr)>| {
                if source { space.src_ranges(ranges) } else { space.dst_ranges(ranges) }
            };
            if let Some(class) = identity {
                let hosts = classes[class].addresses.iter().map(|a| (*a, *a)).collect();
                let hosts = ranges(space, hosts);
                set = space.and(set, hosts);
                if named(side).any(|list| within(classes, list).any(|own| own == class)) {
                    continue;
                }
            }
            if !side.any {
                let plain = side.members.iter().filter_map(|member| match member {
                    FilterMember::Prefix(prefix) => Some((prefix.first(), prefix.last())),
                    FilterMember::Range(first, last) => Some((*first, *last)),
                    FilterMember::Interfaces { .. }
                    | FilterMember::Internet
                    | FilterMember::Unknown(_) => None,
                });
                let plain = ranges(space, plain.collect());
                set = space.and(set, plain);
            }
        }
        set
    }

    /// The interfaces that a rule is for have addresses; a rule for nobody is told otherwise.
    pub(super) fn has_somebody(&self, rule: usize) -> bool {
        let some =
            |list: &[InterfaceId]| list.iter().any(|id| !self.network[*id].addresses.is_empty());
        self.rules[rule].targets.as_deref().is_none_or(some)
    }
}

/// The lists of interfaces that a side names.
fn named(side: &AddressSet) -> impl Iterator<Item = &[InterfaceId]> {
    let lists = side.members.iter().filter_map(|member| match member {
        FilterMember::Interfaces { interfaces, .. } if !side.any => Some(&**interfaces),
        _ => None,
    });
    lists.filter(|list| list.len() <= MOST_ADDRESSES)
}

/// Classes of interfaces that a sorted list holds.
fn within(classes: &[Class], list: &[InterfaceId]) -> impl Iterator<Item = usize> {
    let inside = |class: &Class| {
        class.interfaces.first().is_some_and(|first| list.binary_search(first).is_ok())
    };
    classes.iter().enumerate().filter(move |(_, class)| inside(class)).map(|(index, _)| index)
}

/// Interfaces, by which of the lists hold them.
fn classes<'a>(network: &Network, lists: impl Iterator<Item = &'a [InterfaceId]>) -> Vec<Class> {
    let mut member_of: BTreeMap<InterfaceId, Vec<usize>> = BTreeMap::new();
    for (position, list) in lists.enumerate() {
        for id in list {
            member_of.entry(*id).or_default().push(position);
        }
    }
    let mut by_lists: BTreeMap<Vec<usize>, Vec<InterfaceId>> = BTreeMap::new();
    for (id, lists) in member_of {
        by_lists.entry(lists).or_default().push(id);
    }
    let class = |interfaces: Vec<InterfaceId>| {
        let addresses = interfaces.iter().flat_map(|id| network[*id].addresses.clone()).collect();
        Class { interfaces, addresses }
    };
    by_lists.into_values().map(class).collect()
}
