//! One packet: whether a set contains it, and how to pick a natural example from a set.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::arena::{Bound, Level, Set, Space};

/// Protocol numbers with a meaning of their own here.
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;

    /// The protocols that have ports.
    pub const WITH_PORTS: [u8; 5] = [TCP, UDP, DCCP, SCTP, UDP_LITE];

    /// Whether packets of the protocol have ports.
    #[must_use]
    pub const fn has_ports(protocol: u8) -> bool {
        matches!(protocol, TCP | UDP | DCCP | SCTP | UDP_LITE)
    }

    /// Whether packets of the protocol have an ICMP type and code.
    #[must_use]
    pub const fn has_types(protocol: u8) -> bool {
        matches!(protocol, ICMP | ICMPV6)
    }
}

/// The version of the Internet protocol.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The address with this number in this family; a number too great for it gives the last one.
    #[must_use]
    pub fn address(self, number: u128) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::from(u32::narrow(number)).into(),
            Self::V6 => Ipv6Addr::from(number).into(),
        }
    }
}

/// The number of an address within its family.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// One packet, as far as sets tell packets apart.
///
/// A packet whose addresses are of different families does not exist: no set but [`Set::ALL`]
/// contains it.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Packet {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Protocol number.
    pub protocol: u8,
    /// Source port; the type of an ICMP packet; 0 where there is neither.
    pub src_port: u16,
    /// Destination port; the code of an ICMP packet; 0 where there is neither.
    pub dst_port: u16,
}

impl Packet {
    /// A TCP segment.
    #[must_use]
    pub const fn tcp(src: IpAddr, src_port: u16, dst: IpAddr, dst_port: u16) -> Self {
        Self { src, dst, protocol: protocol::TCP, src_port, dst_port }
    }

    /// A UDP datagram.
    #[must_use]
    pub const fn udp(src: IpAddr, src_port: u16, dst: IpAddr, dst_port: u16) -> Self {
        Self { src, dst, protocol: protocol::UDP, src_port, dst_port }
    }

    /// An ICMP message, or `ICMPv6` between IPv6 addresses.
    #[must_use]
    pub const fn icmp(src: IpAddr, dst: IpAddr, kind: u8, code: u8) -> Self {
        let protocol = match dst {
            IpAddr::V4(_) => protocol::ICMP,
            IpAddr::V6(_) => protocol::ICMPV6,
        };
        Self { src, dst, protocol, src_port: kind as u16, dst_port: code as u16 }
    }

    /// A packet of a protocol that has neither ports nor types.
    #[must_use]
    pub const fn other(src: IpAddr, dst: IpAddr, protocol: u8) -> Self {
        Self { src, dst, protocol, src_port: 0, dst_port: 0 }
    }
}

/// Destination ports that an example prefers, in order.
const FAMILIAR_PORTS: [u128; 10] = [443, 80, 22, 53, 5432, 3306, 8080, 3389, 123, 1];
const FIRST_EPHEMERAL: u128 = 49_152;

impl Space {
    /// Whether the packet is in the set.
    #[must_use]
    pub fn contains(&self, set: Set, packet: &Packet) -> bool {
        let family = Family::of(packet.dst);
        if family != Family::of(packet.src) {
            return set.is_all();
        }
        let mut at = set;
        loop {
            let level = self.level(at);
            let value = match level {
                Level::Leaf => return at.is_all(),
                Level::Family => u128::from(family == Family::V6),
                Level::Dst4 | Level::Dst6 => number(packet.dst),
                Level::Src4 | Level::Src6 => number(packet.src),
                Level::Protocol => u128::from(packet.protocol),
                Level::SrcPort => u128::from(packet.src_port),
                Level::DstPort => u128::from(packet.dst_port),
            };
            at = self.follow(at, level, value);
        }
    }

    /// A packet of the set, as natural as the set allows: IPv4 before IPv6, TCP, UDP, then ICMP
    /// echo before other protocols, a familiar destination port, an ephemeral source port.
    #[must_use]
    pub fn pick(&self, set: Set) -> Option<Packet> {
        if set.is_empty() {
            return None;
        }
        let mut at = set;
        let is_v6 = self.choose(&mut at, Level::Family, &[0, 1]) == 1;
        let family = if is_v6 { Family::V6 } else { Family::V4 };
        let documentation = match family {
            Family::V4 => [0xC633_640A, 0xC000_020A], // 198.51.100.10, 192.0.2.10
            Family::V6 => [0x2001_0DB8_u128 << 96 | 0x20, 0x2001_0DB8_u128 << 96 | 0x10],
        };
        let dst = self.choose(&mut at, Level::dst(family), &documentation[..1]);
        let src = self.choose(&mut at, Level::src(family), &documentation[1..]);
        let icmp = if is_v6 { protocol::ICMPV6 } else { protocol::ICMP };
        let preferred = [protocol::TCP, protocol::UDP, icmp].map(u128::from);
        let protocol = byte(self.choose(&mut at, Level::Protocol, &preferred));
        let (src_port, dst_port) = if protocol::has_types(protocol) {
            let echo = if protocol == protocol::ICMPV6 { 128 } else { 8 };
            let kind = self.choose(&mut at, Level::SrcPort, &[echo]);
            (kind.min(255), self.choose(&mut at, Level::DstPort, &[0]).min(255))
        } else if protocol::has_ports(protocol) {
            let src_port = self.choose(&mut at, Level::SrcPort, &[FIRST_EPHEMERAL]);
            (src_port, self.choose(&mut at, Level::DstPort, &FAMILIAR_PORTS))
        } else {
            (0, 0)
        };
        let (src, dst) = (family.address(src), family.address(dst));
        Some(Packet { src, dst, protocol, src_port: port(src_port), dst_port: port(dst_port) })
    }

    /// What remains to be decided of `set`, which asks for the field of `level`, once the field has
    /// this value.
    pub(super) fn follow(&self, set: Set, level: Level, value: u128) -> Set {
        fn on<B: Bound>(space: &Space, set: Set, value: u128) -> Set {
            let value = B::narrow(value);
            let edges = space.edges::<B>(set);
            edges[edges.partition_point(|edge| edge.hi < value)].child
        }
        if level.is_wide() { on::<u128>(self, set, value) } else { on::<u32>(self, set, value) }
    }

    /// Picks a value of the field that `at` can still satisfy, and moves `at` below it.
    fn choose(&self, at: &mut Set, level: Level, preferred: &[u128]) -> u128 {
        if self.level(*at) != level {
            return preferred.first().copied().unwrap_or(0);
        }
        let natural = |value: u128| match level {
            // The first address of a range is often a network's own.
            Level::Dst4 | Level::Src4 | Level::Dst6 | Level::Src6 if value.is_multiple_of(4) => {
                value + 1
            }
            Level::DstPort if value == 0 => 1,
            _ => value,
        };
        let inside = self.intervals(*at).filter(|&(_, _, child)| !child.is_empty());
        let mut values: Vec<u128> = preferred.to_vec();
        if level == Level::SrcPort {
            // The first ephemeral port allowed, else the highest port.
            let above = inside.clone().map(|(lo, hi, _)| hi.min(lo.max(FIRST_EPHEMERAL)));
            values.extend(above.clone().find(|&value| value >= FIRST_EPHEMERAL));
        }
        values.extend(inside.map(|(lo, hi, _)| natural(lo).min(hi)));
        for value in values {
            let child = self.follow(*at, level, value);
            if !child.is_empty() {
                *at = child;
                return value;
            }
        }
        0
    }
}

fn byte(value: u128) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

fn port(value: u128) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}
