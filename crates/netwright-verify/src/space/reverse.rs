//! The answers to the packets of a set.

use super::arena::{Level, Set, Space};
use super::ops::code;
use super::packet::{Family, protocol};

/// What answers an ICMP or `ICMPv6` message, when a set is reversed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum IcmpAnswer {
    /// A message of the same type and code: for filters whose rules name a type in both directions.
    Same,
    /// An echo reply answers an echo request and the other way round (types 8 and 0, in `ICMPv6`
    /// 128 and 129, whatever the code); each other type answers itself.
    Echo,
}

impl IcmpAnswer {
    const fn code(self) -> u32 {
        match self {
            Self::Same => code::REVERSE,
            Self::Echo => code::REVERSE_ECHO,
        }
    }
}

impl Space {
    /// The packets that answer the packets of the set: addresses exchanged, ports exchanged where
    /// the protocol has ports, ICMP as `icmp` says. Reversing twice gives the set back.
    pub fn reverse(&mut self, set: Set, icmp: IcmpAnswer) -> Set {
        if self.level(set) == Level::Leaf {
            return set;
        }
        if let Some(known) = self.recall(icmp.code(), set.0, 0) {
            return known;
        }
        let reversed = match self.level(set) {
            Level::Family => {
                let [v4, v6] = [0, 1].map(|family| self.follow(set, Level::Family, family));
                let v4 = self.reverse_addresses(v4, Family::V4, icmp);
                let v6 = self.reverse_addresses(v6, Family::V6, icmp);
                self.by_family(v4, v6)
            }
            Level::Protocol => self.reverse_protocols(set, icmp),
            Level::SrcPort | Level::DstPort => {
                self.exchange(set, Level::SrcPort, Level::DstPort, |_, below| below)
            }
            _ => set,
        };
        self.remember(icmp.code(), set.0, 0, reversed);
        reversed
    }

    /// Reverses a set that lies below the answer to "which family".
    fn reverse_addresses(&mut self, set: Set, family: Family, icmp: IcmpAnswer) -> Set {
        self.exchange(set, Level::dst(family), Level::src(family), |space, below| {
            space.reverse(below, icmp)
        })
    }

    fn reverse_protocols(&mut self, set: Set, icmp: IcmpAnswer) -> Set {
        let intervals: Vec<_> = self.intervals(set).collect();
        let mut parts = Vec::new();
        for (lo, hi, child) in intervals {
            if self.level(child) == Level::Leaf {
                parts.push(self.within(Level::Protocol, vec![(lo, hi)], child));
                continue;
            }
            // Only protocols with ports or types have such a remainder, so the interval is short.
            for number in lo..=hi {
                let number = u8::try_from(number).unwrap_or(u8::MAX);
                let answer = match icmp {
                    _ if protocol::has_ports(number) => self.reverse(child, icmp),
                    IcmpAnswer::Echo if number == protocol::ICMP => self.swap_types(child, 0, 8),
                    IcmpAnswer::Echo if number == protocol::ICMPV6 => {
                        self.swap_types(child, 128, 129)
                    }
                    _ => child,
                };
                parts.push(self.below_protocol(number, answer));
            }
        }
        self.union_all(parts)
    }

    /// Exchanges what a set of ICMP messages says of two types.
    fn swap_types(&mut self, set: Set, one: u128, other: u128) -> Set {
        if self.level(set) != Level::SrcPort {
            return set;
        }
        let both = self.within(Level::SrcPort, vec![(one, one), (other, other)], Set::ALL);
        let rest = self.minus(set, both);
        let (of_one, of_other) =
            (self.follow(set, Level::SrcPort, one), self.follow(set, Level::SrcPort, other));
        let new_other = self.within(Level::SrcPort, vec![(other, other)], of_one);
        let new_one = self.within(Level::SrcPort, vec![(one, one)], of_other);
        self.union_all([rest, new_one, new_other])
    }

    /// Exchanges two neighbouring fields of a set that asks for neither a field before them;
    /// `below` maps what is left after both.
    fn exchange(
        &mut self,
        set: Set,
        upper: Level,
        lower: Level,
        mut below: impl FnMut(&mut Self, Set) -> Set,
    ) -> Set {
        // By what remains, so that each distinct remainder is lifted once.
        let mut by_child: Vec<(Set, Vec<(u128, u128)>)> = Vec::new();
        if self.level(set) == upper {
            let mut intervals: Vec<_> = self.intervals(set).collect();
            intervals.sort_by_key(|&(lo, _, child)| (child, lo));
            for (lo, hi, child) in intervals {
                match by_child.last_mut() {
                    Some((last, ranges)) if *last == child => ranges.push((lo, hi)),
                    _ => by_child.push((child, vec![(lo, hi)])),
                }
            }
        } else {
            by_child.push((set, vec![(0, upper.top())]));
        }
        let mut parts = Vec::new();
        for (child, ranges) in by_child {
            if self.level(child) == lower {
                let mut pieces = Vec::new();
                let intervals: Vec<_> = self.intervals(child).collect();
                for (lo, hi, rest) in intervals {
                    let rest = below(self, rest);
                    let inner = self.within(lower, ranges.clone(), rest);
                    pieces.push((lo, hi, inner));
                }
                parts.push(self.node_of(upper, &pieces));
            } else {
                let rest = below(self, child);
                parts.push(self.within(lower, ranges, rest));
            }
        }
        self.union_all(parts)
    }

    /// The set that asks for a field and goes on as the pieces (first, last, remainder) say, which
    /// must cover the field in order.
    fn node_of(&mut self, level: Level, pieces: &[(u128, u128, Set)]) -> Set {
        if level.is_wide() {
            let base = self.open::<u128>();
            for &(_, hi, child) in pieces {
                self.push(base, hi, child);
            }
            self.close::<u128>(level, base)
        } else {
            let base = self.open::<u32>();
            for &(_, hi, child) in pieces {
                self.push(base, <u32 as super::arena::Bound>::narrow(hi), child);
            }
            self.close::<u32>(level, base)
        }
    }
}
