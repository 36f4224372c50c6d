//! Beacons: TCP segments of their own, over IPv4, whose number says what they are, of which connection and round. No sockets here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

/// Ports that beacons come from: the first of those that begin connections, and of those that belong to none. Below those that kernels choose.
pub(crate) const BEGINNING: u16 = 16_384;
pub(crate) const LOOSE: u16 = 18_432;

/// Octets of an IPv4 and of a TCP header without options.
const IP: usize = 20;
const TCP: usize = 20;

const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// What a beacon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It begins a connection.
    Begin,
    /// It belongs to none, and goes the way of requests.
    There,
    /// It belongs to none, and goes the way of answers.
    Back,
}

/// A beacon's number: 8 bits say that it is one and its kind, 11 the connection, 13 the round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) kind: Kind,
    pub(crate) pair: usize,
    pub(crate) round: u64,
}

/// Rounds after which numbers begin anew.
pub(crate) const ROUNDS: u64 = 1 << 13;

impl Number {
    fn octets(self) -> u32 {
        let kind: u32 = match self.kind {
            Kind::Begin => 0xB7,
            Kind::There => 0xB8,
            Kind::Back => 0xB9,
        };
        let pair = u32::try_from(self.pair).unwrap_or_default() & 0x7FF;
        let round = u32::try_from(self.round % ROUNDS).unwrap_or_default();
        kind << 24 | pair << 13 | round
    }

    fn of(octets: u32) -> Option<Self> {
        let kind = match octets >> 24 {
            0xB7 => Kind::Begin,
            0xB8 => Kind::There,
            0xB9 => Kind::Back,
            _ => return None,
        };
        let pair = usize::try_from(octets >> 13 & 0x7FF).unwrap_or_default();
        Some(Self { kind, pair, round: u64::from(octets & 0x1FFF) })
    }
}

/// What a segment is to whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A beacon, with where it came from and where it went.
    Beacon(Number, SocketAddrV4, SocketAddrV4),
    /// The answer to one: whether it refuses.
    Answer(Number, bool),
}

fn sum(octets: &[u8]) -> u32 {
    let pairs = octets.chunks(2);
    pairs.map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn folded(mut sum: u32) -> u16 {
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// A beacon with its IPv4 header, of which the kernel fills in what depends on the packet.
pub(crate) fn packet(number: Number, from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let sequence = number.octets().to_be_bytes();
    let begins = number.kind == Kind::Begin;
    let mut tcp = Vec::with_capacity(TCP);
    tcp.extend(from.port().to_be_bytes());
    tcp.extend(to.port().to_be_bytes());
    tcp.extend(sequence);
    // A kernel that knows no such connection answers with what was acknowledged as its own number (RFC 9293, section 3.10.7.1).
    tcp.extend(if begins { [0; 4] } else { sequence });
    tcp.extend([5 << 4, if begins { SYN } else { ACK }]);
    tcp.extend(1024_u16.to_be_bytes());
    tcp.extend([0; 4]);
    let pseudo = sum(&from.ip().octets())
        + sum(&to.ip().octets())
        + 6
        + u32::try_from(TCP).unwrap_or_default();
    let check = folded(pseudo + sum(&tcp)).to_be_bytes();
    tcp.splice(16..18, check);
    let length = u16::try_from(IP + TCP).unwrap_or_default().to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, 6, 0, 0];
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(tcp);
    packet
}

/// What a packet with its IPv4 header is; `None` where it is nothing of ours.
pub(crate) fn read(packet: &[u8]) -> Option<Seen> {
    let header = usize::from(packet.first()? & 0xF) * 4;
    let (ip, tcp) = packet.split_at_checked(header)?;
    let word = |from: &[u8], at: usize| {
        let octets: [u8; 4] = from.get(at..at + 4)?.try_into().ok()?;
        Some(octets)
    };
    let port = |at: usize| Some(u16::from_be_bytes(tcp.get(at..at + 2)?.try_into().ok()?));
    let source = SocketAddrV4::new(Ipv4Addr::from(word(ip, 12)?), port(0)?);
    let target = SocketAddrV4::new(Ipv4Addr::from(word(ip, 16)?), port(2)?);
    let sequence = u32::from_be_bytes(word(tcp, 4)?);
    let acknowledged = u32::from_be_bytes(word(tcp, 8)?);
    let flags = tcp.get(13)? & (SYN | RST | ACK);
    match flags {
        SYN => Number::of(sequence)
            .filter(|number| number.kind == Kind::Begin)
            .map(|number| Seen::Beacon(number, source, target)),
        ACK => Number::of(sequence)
            .filter(|number| number.kind != Kind::Begin && sequence == acknowledged)
            .map(|number| Seen::Beacon(number, source, target)),
        _ if flags & ACK != 0 => Number::of(acknowledged.wrapping_sub(1))
            .filter(|number| number.kind == Kind::Begin)
            .map(|number| Seen::Answer(number, flags & RST != 0)),
        RST => Number::of(sequence)
            .filter(|number| number.kind != Kind::Begin)
            .map(|number| Seen::Answer(number, true)),
        _ => None,
    }
}

/// An IPv4 socket address.
pub(crate) fn v4(address: IpAddr, port: u16) -> Option<SocketAddrV4> {
    match SocketAddr::new(address, port) {
        SocketAddr::V4(own) => Some(own),
        SocketAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> (SocketAddrV4, SocketAddrV4) {
        let at = |last, port| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, last), port);
        (at(1, LOOSE + 5), at(2, 5432))
    }

    #[test]
    fn a_beacon_is_read_as_what_was_written() {
        let (from, to) = ends();
        for kind in [Kind::Begin, Kind::There, Kind::Back] {
            for (pair, round) in [(0, 0), (2_000, ROUNDS - 1), (7, 500)] {
                let number = Number { kind, pair, round };
                let packet = packet(number, from, to);
                assert_eq!(read(&packet), Some(Seen::Beacon(number, from, to)));
            }
        }
    }

    #[test]
    fn a_checksum_over_header_and_segment_is_none() {
        let (from, to) = ends();
        let packet = packet(Number { kind: Kind::There, pair: 3, round: 9 }, from, to);
        let pseudo = sum(&packet[12..20]) + 6 + 20;
        assert_eq!(folded(pseudo + sum(&packet[20..])), 0);
    }

    #[test]
    fn others_segments_and_halves_are_nothing() {
        let (from, to) = ends();
        let whole = packet(Number { kind: Kind::Begin, pair: 3, round: 9 }, from, to);
        for length in 0..whole.len() - 6 {
            assert_eq!(read(&whole[..length]), None, "{length} octets");
        }
        let mut other = whole;
        other[24] = 1;
        assert_eq!(read(&other), None);
    }
}
