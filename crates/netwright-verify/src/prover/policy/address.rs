//! Whether a rule's addresses match.

use std::net::IpAddr;
use std::sync::Arc;

use netwright_model::network::{AddressSet, FilterMember, InterfaceId, Network, Rule};
use netwright_model::scalar::Prefix;
use rustc_hash::FxHashMap;

use crate::prover::index::Ranges;
use crate::prover::path::Seen;

/// Whether something matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// It does not.
    No,
    /// It may: the description is uncertain.
    Maybe,
    /// It does.
    Yes,
}

impl Match {
    fn both(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Maybe => match other() {
                Self::No => Self::No,
                Self::Yes | Self::Maybe => Self::Maybe,
            },
        }
    }
}

/// What `internet` means here.
#[derive(Debug, Default)]
pub(crate) struct Special {
    inside: Vec<Prefix>,
    ranges: Ranges,
}

impl Special {
    pub(crate) fn of(network: &Network) -> Self {
        let mut inside: Vec<Prefix> = Vec::new();
        inside.extend(network.vpcs.iter().flat_map(|vpc| vpc.cidrs.iter().copied()));
        inside.extend(network.sites.iter().flat_map(|site| site.cidrs.iter().copied()));
        for external in &network.externals {
            if !external.attached.is_empty() {
                inside.extend(network[external.endpoint].prefixes.iter().copied());
            }
        }
        inside.sort_unstable();
        inside.dedup();
        Self { inside, ranges: Ranges::inside(network) }
    }

    fn is_internet(&self, address: IpAddr) -> bool {
        crate::prover::index::is_global(address) && !self.ranges.contains(address)
    }

    /// Whether a rule's addresses and targets match. Ports are not asked here.
    pub(crate) fn rule_matches(
        &self,
        rule: &Rule,
        protected: Option<InterfaceId>,
        seen: &Seen,
    ) -> Match {
        if let Some(targets) = &rule.targets
            && protected.is_none_or(|interface| targets.binary_search(&interface).is_err())
        {
            return Match::No;
        }
        let certain = if rule.uncertain.is_some() { Match::Maybe } else { Match::Yes };
        certain
            .both(|| self.side_matches(&rule.from, seen.src, seen.src_interface, seen.from_peer))
            .both(|| self.side_matches(&rule.to, seen.dst, seen.dst_interface, seen.to_peer))
    }

    fn side_matches(
        &self,
        side: &AddressSet,
        address: IpAddr,
        interface: Option<InterfaceId>,
        crosses: bool,
    ) -> Match {
        if side.any {
            return Match::Yes;
        }
        if address.is_unspecified() {
            return self.unpredictable_matches(side, address.is_ipv4());
        }
        let mut best = Match::No;
        for member in &side.members {
            let matches = match member {
                FilterMember::Prefix(prefix) => prefix.contains(address),
                FilterMember::Range(first, last) => {
                    address.is_ipv4() == first.is_ipv4() && *first <= address && address <= *last
                }
                FilterMember::Interfaces { interfaces, across_peering, .. } => {
                    (*across_peering || !crosses)
                        && interface.is_some_and(|id| interfaces.binary_search(&id).is_ok())
                }
                FilterMember::Internet => self.is_internet(address),
                FilterMember::Unknown(_) => {
                    best = Match::Maybe;
                    false
                }
            };
            if matches {
                return Match::Yes;
            }
        }
        best
    }

    /// Whether some address of the Internet, nobody can say which, matches: it may where the side holds any of them.
    fn unpredictable_matches(&self, side: &AddressSet, v4: bool) -> Match {
        let mut best = Match::No;
        for member in &side.members {
            let maybe = match member {
                FilterMember::Internet => return Match::Yes,
                FilterMember::Prefix(prefix) if prefix.is_v4() != v4 => false,
                FilterMember::Prefix(prefix) if prefix.length() == 0 => return Match::Yes,
                FilterMember::Prefix(prefix) => {
                    crate::prover::index::may_be_global(*prefix)
                        && !self.inside.iter().any(|own| own.contains_prefix(prefix))
                }
                FilterMember::Range(first, _) => first.is_ipv4() == v4,
                FilterMember::Interfaces { .. } => false,
                FilterMember::Unknown(_) => true,
            };
            if maybe {
                best = Match::Maybe;
            }
        }
        best
    }
}

/// References by number: equal numbers are the same interfaces, in networks that are gone on to as well.
#[derive(Debug, Default)]
pub(super) struct References {
    known: FxHashMap<Arc<[InterfaceId]>, u32>,
    /// By where the network at hand keeps them: one reference is kept once, however many rules name it.
    places: FxHashMap<(usize, usize), u32>,
}

impl References {
    /// Takes up what some rules name.
    pub(super) fn add<'r>(&mut self, rules: impl Iterator<Item = &'r Rule>) {
        for member in rules.flat_map(|rule| rule.from.members.iter().chain(&rule.to.members)) {
            let FilterMember::Interfaces { interfaces, .. } = member else { continue };
            let place = (interfaces.as_ptr().addr(), interfaces.len());
            if !self.places.contains_key(&place) {
                let next = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
                let number = *self.known.entry(Arc::clone(interfaces)).or_insert(next);
                self.places.insert(place, number);
            }
        }
    }

    /// Forgets where a network keeps them that is left.
    pub(super) fn leave(&mut self) {
        self.places.clear();
    }

    fn number(&self, interfaces: &Arc<[InterfaceId]>) -> Option<u32> {
        let place = (interfaces.as_ptr().addr(), interfaces.len());
        self.places.get(&place).or_else(|| self.known.get(interfaces)).copied()
    }
}

/// One side of a rule as numbers: equal for sides that match alike. Every part begins with its kind and length.
pub(super) fn words(side: &AddressSet, references: &References, words: &mut Vec<u128>) {
    let number = |address: IpAddr| match address {
        IpAddr::V4(v4) => [4, u128::from(u32::from(v4))],
        IpAddr::V6(v6) => [6, u128::from(v6)],
    };
    words.push(if side.any { 0 } else { 1 + side.members.len() as u128 });
    for member in side.members.iter().filter(|_| !side.any) {
        match member {
            FilterMember::Prefix(prefix) => {
                words.push(1);
                words.extend(number(prefix.first()));
                words.push(prefix.length().into());
            }
            FilterMember::Range(first, last) => {
                words.push(2);
                words.extend(number(*first));
                words.extend(number(*last));
            }
            FilterMember::Interfaces { interfaces, across_peering, .. } => {
                let kind = 3 + u128::from(*across_peering);
                match references.number(interfaces) {
                    Some(number) => words.extend([kind, 0, number.into()]),
                    None => {
                        words.extend([kind, 1, interfaces.len() as u128]);
                        words.extend(interfaces.iter().map(|id| u128::from(id.0)));
                    }
                }
            }
            FilterMember::Internet => words.push(5),
            FilterMember::Unknown(_) => words.push(6),
        }
    }
}
