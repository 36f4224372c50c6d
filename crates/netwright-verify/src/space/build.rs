//! Sets from the conditions that rules are written in.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::arena::{Bound, Level, Set, Space};
use super::packet::{Family, number, protocol};

/// Port ranges that allow every port.
pub const ANY_PORT: &[RangeInclusive<u16>] = &[0..=u16::MAX];

/// Every ICMP type, or every code.
pub const ANY_BYTE: RangeInclusive<u8> = 0..=u8::MAX;

/// Ranges of a field's values, first and last included, in any order.
type Ranges = Vec<(u128, u128)>;

impl Space {
    /// The packets of a family.
    pub fn family(&mut self, family: Family) -> Set {
        self.in_family(family, Set::ALL)
    }

    /// The packets of one protocol.
    pub fn protocol(&mut self, protocol: u8) -> Set {
        self.protocols(protocol..=protocol)
    }

    /// The packets of a range of protocol numbers.
    pub fn protocols(&mut self, protocols: RangeInclusive<u8>) -> Set {
        let ranges = vec![(u128::from(*protocols.start()), u128::from(*protocols.end()))];
        self.within(Level::Protocol, ranges, Set::ALL)
    }

    /// The packets of one protocol whose ports are in one of the ranges of each side; an empty list
    /// of ranges matches no port, [`ANY_PORT`] each.
    ///
    /// A protocol without ports never matches a condition on ports.
    pub fn layer4(
        &mut self,
        protocol: u8,
        src_ports: &[RangeInclusive<u16>],
        dst_ports: &[RangeInclusive<u16>],
    ) -> Set {
        let dst = self.within(Level::DstPort, port_ranges(dst_ports), Set::ALL);
        let ports = self.within(Level::SrcPort, port_ranges(src_ports), dst);
        if !ports.is_all() && !protocol::has_ports(protocol) {
            return Set::EMPTY;
        }
        self.below_protocol(protocol, ports)
    }

    /// The packets of any protocol with ports whose source port is in one of the ranges.
    pub fn src_ports(&mut self, ranges: &[RangeInclusive<u16>]) -> Set {
        let parts = protocol::WITH_PORTS.map(|protocol| self.layer4(protocol, ranges, ANY_PORT));
        self.union_all(parts)
    }

    /// The packets of any protocol with ports whose destination port is in one of the ranges.
    pub fn dst_ports(&mut self, ranges: &[RangeInclusive<u16>]) -> Set {
        let parts = protocol::WITH_PORTS.map(|protocol| self.layer4(protocol, ANY_PORT, ranges));
        self.union_all(parts)
    }

    /// The ICMP messages ([`Family::V6`]: `ICMPv6`) of these types and codes; [`ANY_BYTE`] is every
    /// one.
    ///
    /// Says nothing about the addresses: intersect with [`Space::family`] where the family matters.
    pub fn icmp(
        &mut self,
        family: Family,
        types: RangeInclusive<u8>,
        codes: RangeInclusive<u8>,
    ) -> Set {
        let codes = self.within(Level::DstPort, byte_range(&codes), Set::ALL);
        let messages = self.within(Level::SrcPort, byte_range(&types), codes);
        let protocol = match family {
            Family::V4 => protocol::ICMP,
            Family::V6 => protocol::ICMPV6,
        };
        self.below_protocol(protocol, messages)
    }

    /// The packets from an address of the prefix.
    pub fn src_prefix(&mut self, prefix: IpNet) -> Set {
        self.src_prefixes([prefix])
    }

    /// The packets to an address of the prefix.
    pub fn dst_prefix(&mut self, prefix: IpNet) -> Set {
        self.dst_prefixes([prefix])
    }

    /// The packets from an address of one of the prefixes.
    pub fn src_prefixes(&mut self, prefixes: impl IntoIterator<Item = IpNet>) -> Set {
        self.src_ranges(prefixes.into_iter().map(bounds))
    }

    /// The packets to an address of one of the prefixes.
    pub fn dst_prefixes(&mut self, prefixes: impl IntoIterator<Item = IpNet>) -> Set {
        self.dst_ranges(prefixes.into_iter().map(bounds))
    }

    /// The packets from an address in one of the ranges (first, last). A range from one family to
    /// the other is empty.
    pub fn src_ranges(&mut self, ranges: impl IntoIterator<Item = (IpAddr, IpAddr)>) -> Set {
        self.address_ranges(ranges, Level::src)
    }

    /// The packets to an address in one of the ranges (first, last). A range from one family to the
    /// other is empty.
    pub fn dst_ranges(&mut self, ranges: impl IntoIterator<Item = (IpAddr, IpAddr)>) -> Set {
        self.address_ranges(ranges, Level::dst)
    }

    fn address_ranges(
        &mut self,
        ranges: impl IntoIterator<Item = (IpAddr, IpAddr)>,
        level: fn(Family) -> Level,
    ) -> Set {
        let (mut v4, mut v6) = (Ranges::new(), Ranges::new());
        for (first, last) in ranges {
            match (Family::of(first), Family::of(last)) {
                (Family::V4, Family::V4) => v4.push((number(first), number(last))),
                (Family::V6, Family::V6) => v6.push((number(first), number(last))),
                _ => {}
            }
        }
        let v4 = self.within(level(Family::V4), v4, Set::ALL);
        let v6 = self.within(level(Family::V6), v6, Set::ALL);
        self.by_family(v4, v6)
    }

    /// The packets that are in `v4` and of IPv4, or in `v6` and of IPv6.
    pub(super) fn by_family(&mut self, v4: Set, v6: Set) -> Set {
        let base = self.open::<u32>();
        self.push::<u32>(base, 0, v4);
        self.push::<u32>(base, 1, v6);
        self.close::<u32>(Level::Family, base)
    }

    pub(super) fn in_family(&mut self, family: Family, set: Set) -> Set {
        match family {
            Family::V4 => self.by_family(set, Set::EMPTY),
            Family::V6 => self.by_family(Set::EMPTY, set),
        }
    }

    pub(super) fn below_protocol(&mut self, protocol: u8, set: Set) -> Set {
        let number = u128::from(protocol);
        self.within(Level::Protocol, vec![(number, number)], set)
    }

    /// The packets whose field is in one of the ranges and that are in `inside`, which must not ask
    /// for this field or one before it.
    pub(super) fn within(&mut self, level: Level, ranges: Ranges, inside: Set) -> Set {
        if level.is_wide() {
            self.within_bounds::<u128>(level, ranges, inside)
        } else {
            self.within_bounds::<u32>(level, ranges, inside)
        }
    }

    fn within_bounds<B: Bound>(&mut self, level: Level, mut ranges: Ranges, inside: Set) -> Set {
        ranges.retain(|(lo, hi)| lo <= hi);
        ranges.sort_unstable();
        let top = level.top();
        let base = self.open::<B>();
        // The first value not yet covered by an edge; none once the field's last value is.
        let mut next = Some(0);
        for (lo, hi) in ranges {
            let (Some(from), hi) = (next, hi.min(top)) else { break };
            if hi < from || lo > top {
                continue;
            }
            if lo > from {
                self.push::<B>(base, B::narrow(lo - 1), Set::EMPTY);
            }
            self.push::<B>(base, B::narrow(hi), inside);
            next = (hi < top).then(|| hi + 1);
        }
        if next.is_some() {
            self.push::<B>(base, B::top(level), Set::EMPTY);
        }
        self.close::<B>(level, base)
    }
}

fn bounds(prefix: IpNet) -> (IpAddr, IpAddr) {
    (prefix.network(), prefix.broadcast())
}

fn port_ranges(ranges: &[RangeInclusive<u16>]) -> Ranges {
    ranges.iter().map(|range| (u128::from(*range.start()), u128::from(*range.end()))).collect()
}

/// A range of ICMP types or codes. The values above 255 go where 255 goes, so that "every type" is
/// no condition.
fn byte_range(range: &RangeInclusive<u8>) -> Ranges {
    let hi = u128::from(*range.end());
    let hi = if hi == 255 { Level::SrcPort.top() } else { hi };
    if range.is_empty() { Ranges::new() } else { vec![(u128::from(*range.start()), hi)] }
}
