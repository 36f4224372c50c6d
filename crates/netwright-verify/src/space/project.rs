//! Looking at a set with some fields fixed or forgotten.

use std::net::IpAddr;

use super::arena::{Bound, Level, Set, Space};
use super::ops::code;
use super::packet::{Family, number};

/// A field by which packets are told apart.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Field {
    /// Destination address.
    Dst,
    /// Source address.
    Src,
    /// Protocol number.
    Protocol,
    /// Source port, or ICMP type.
    SrcPort,
    /// Destination port, or ICMP code.
    DstPort,
}

impl Field {
    fn is_asked_at(self, level: Level) -> bool {
        match self {
            Self::Dst => matches!(level, Level::Dst4 | Level::Dst6),
            Self::Src => matches!(level, Level::Src4 | Level::Src6),
            Self::Protocol => level == Level::Protocol,
            Self::SrcPort => level == Level::SrcPort,
            Self::DstPort => level == Level::DstPort,
        }
    }

    const fn code(self) -> u32 {
        code::FORGET + self as u32
    }

    /// The last level at which the field may be asked.
    const fn last_level(self) -> Level {
        match self {
            Self::Dst => Level::Dst6,
            Self::Src => Level::Src6,
            Self::Protocol => Level::Protocol,
            Self::SrcPort => Level::SrcPort,
            Self::DstPort => Level::DstPort,
        }
    }
}

impl Space {
    /// The packets that are in the set with *some* value of the field, each with *every* value of
    /// it: what is left known of a set once the field is rewritten. The family stays.
    pub fn forget(&mut self, set: Set, field: Field) -> Set {
        let level = self.level(set);
        if level > field.last_level() {
            return set;
        }
        if let Some(known) = self.recall(field.code(), set.0, 0) {
            return known;
        }
        let result = if field.is_asked_at(level) {
            let children: Vec<Set> = self.intervals(set).map(|(_, _, child)| child).collect();
            self.union_all(children)
        } else {
            self.map_children(set, |space, child| space.forget(child, field))
        };
        self.remember(field.code(), set.0, 0, result);
        result
    }

    /// The protocols and ports with which packets of the set go from `src` to `dst`: a set without
    /// address conditions. Empty when the addresses are of different families.
    #[must_use]
    pub fn between(&self, set: Set, src: IpAddr, dst: IpAddr) -> Set {
        let family = Family::of(dst);
        if family != Family::of(src) {
            return Set::EMPTY;
        }
        let mut at = set;
        loop {
            let level = self.level(at);
            let value = match level {
                Level::Family => u128::from(family == Family::V6),
                Level::Dst4 | Level::Dst6 => number(dst),
                Level::Src4 | Level::Src6 => number(src),
                _ => return at,
            };
            at = self.follow(at, level, value);
        }
    }

    /// Whether the set has no condition on family or addresses.
    #[must_use]
    pub fn is_layer4(&self, set: Set) -> bool {
        self.level(set) >= Level::Protocol
    }

    /// The intervals (first, last, remainder) of the field that the set asks first; none for the
    /// empty and the full set.
    pub(super) fn intervals(&self, set: Set) -> Intervals<'_> {
        Intervals { space: self, set, position: 0, next: 0 }
    }

    /// The same node with every remainder replaced.
    pub(super) fn map_children(
        &mut self,
        set: Set,
        mut map: impl FnMut(&mut Self, Set) -> Set,
    ) -> Set {
        fn on<B: Bound>(
            space: &mut Space,
            set: Set,
            map: &mut impl FnMut(&mut Space, Set) -> Set,
        ) -> Set {
            let node = space.node(set);
            let base = space.open::<B>();
            for position in node.start as usize..(node.start + node.len) as usize {
                let edge = B::pool(space).edges[position];
                let child = map(space, edge.child);
                space.push(base, edge.hi, child);
            }
            space.close::<B>(node.level, base)
        }
        let level = self.level(set);
        if level == Level::Leaf {
            set
        } else if level.is_wide() {
            on::<u128>(self, set, &mut map)
        } else {
            on::<u32>(self, set, &mut map)
        }
    }
}

/// See [`Space::intervals`].
#[derive(Clone)]
pub(super) struct Intervals<'a> {
    space: &'a Space,
    set: Set,
    position: usize,
    next: u128,
}

impl Iterator for Intervals<'_> {
    type Item = (u128, u128, Set);

    fn next(&mut self) -> Option<Self::Item> {
        let (hi, child) = if self.space.level(self.set).is_wide() {
            let edge = self.space.edges::<u128>(self.set).get(self.position)?;
            (edge.hi, edge.child)
        } else {
            let edge = self.space.edges::<u32>(self.set).get(self.position)?;
            (u128::from(edge.hi), edge.child)
        };
        let lo = self.next;
        self.position += 1;
        self.next = hi.wrapping_add(1);
        Some((lo, hi, child))
    }
}
