//! Beacons: TCP segments of their own, over IPv4, whose number says what they are, of which connection and round. No sockets here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

/// Ports that beacons come from, so many of each kind: the first of those that begin connections, two of a connection that is watched, and of those that
/// belong to none. Below those that kernels choose.
pub(crate) const BEGINNING: [u16; 2] = [16_384, 20_480];
pub(crate) const LOOSE: u16 = 18_432;
const PORTS: u16 = 2_048;

/// What the identification of a packet has before the round that it is of, where its segment has no room for a number of ours.
const KEPT: u16 = 0b101;

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
    /// It goes the way of answers, and belongs to none, or to the one that was begun last and was answered.
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
    pub(crate) fn octets(self) -> u32 {
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
    /// The answer to one: whether it refuses, and its own number.
    Answer(Number, bool, u32),
}

/// What a connection was begun with, by who began it and by who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) by: Number,
    pub(crate) answer: u32,
}

/// What is told apart of segments.
struct Segment {
    sequence: u32,
    acknowledged: u32,
    flags: u8,
    /// Of the packet; the kernel chooses where it is 0.
    identification: u16,
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
    let sequence = number.octets();
    // A kernel that knows no such connection answers with what was acknowledged as its own number (RFC 9293, section 3.10.7.1).
    let (acknowledged, flags) = if number.kind == Kind::Begin { (0, SYN) } else { (sequence, ACK) };
    written(&Segment { sequence, acknowledged, flags, identification: 0 }, from, to)
}

/// A beacon the way of answers that belongs to a connection, as whoever answered would acknowledge its beginning: filters that keep state know the
/// connection for a while after its end, and let it pass.
pub(crate) fn of_opened(
    opened: Opened,
    round: u64,
    from: SocketAddrV4,
    to: SocketAddrV4,
) -> Vec<u8> {
    let round = u16::try_from(round % ROUNDS).unwrap_or_default();
    let segment = Segment {
        sequence: opened.answer.wrapping_add(1),
        acknowledged: opened.by.octets().wrapping_add(1),
        flags: ACK,
        identification: KEPT << 13 | round,
    };
    written(&segment, from, to)
}

/// The number of a beacon that belongs to a connection, by the packet's identification and the port that it goes to.
fn of_kept(identification: u16, port: u16) -> Option<Number> {
    let place = |first: &u16| port.checked_sub(*first).filter(|place| *place < PORTS);
    let pair = BEGINNING.iter().find_map(place)?;
    let round = u64::from(identification) % ROUNDS;
    let kept = identification >> 13 == KEPT;
    kept.then_some(Number { kind: Kind::Back, pair: usize::from(pair), round })
}

fn written(segment: &Segment, from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut tcp = Vec::with_capacity(TCP);
    tcp.extend(from.port().to_be_bytes());
    tcp.extend(to.port().to_be_bytes());
    tcp.extend(segment.sequence.to_be_bytes());
    tcp.extend(segment.acknowledged.to_be_bytes());
    tcp.extend([5 << 4, segment.flags]);
    tcp.extend(1024_u16.to_be_bytes());
    tcp.extend([0; 4]);
    let pseudo = sum(&from.ip().octets())
        + sum(&to.ip().octets())
        + 6
        + u32::try_from(TCP).unwrap_or_default();
    let check = folded(pseudo + sum(&tcp)).to_be_bytes();
    tcp.splice(16..18, check);
    let length = u16::try_from(IP + TCP).unwrap_or_default().to_be_bytes();
    let [high, low] = segment.identification.to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], high, low, 0x40, 0, 64, 6, 0, 0];
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
    let identification = u16::from_be_bytes(ip.get(4..6)?.try_into().ok()?);
    let flags = tcp.get(13)? & (SYN | RST | ACK);
    match flags {
        SYN => Number::of(sequence)
            .filter(|number| number.kind == Kind::Begin)
            .map(|number| Seen::Beacon(number, source, target)),
        ACK => Number::of(sequence)
            .filter(|number| number.kind != Kind::Begin && sequence == acknowledged)
            .or_else(|| of_kept(identification, target.port()))
            .map(|number| Seen::Beacon(number, source, target)),
        _ if flags & ACK != 0 => Number::of(acknowledged.wrapping_sub(1))
            .filter(|number| number.kind == Kind::Begin)
            .map(|number| Seen::Answer(number, flags & RST != 0, sequence)),
        RST => Number::of(sequence)
            .filter(|number| number.kind != Kind::Begin)
            .map(|number| Seen::Answer(number, true, sequence)),
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
    fn a_beacon_of_a_connection_is_told_by_the_port_that_it_goes_to() {
        let by = Number { kind: Kind::Begin, pair: 5, round: 40 };
        for first in BEGINNING {
            for answer in [0, 7, u32::MAX] {
                let (client, server) = ends();
                let client = SocketAddrV4::new(*client.ip(), first + 5);
                let packet = of_opened(Opened { by, answer }, ROUNDS + 41, server, client);
                let number = Number { kind: Kind::Back, pair: 5, round: 41 };
                assert_eq!(read(&packet), Some(Seen::Beacon(number, server, client)));
                // To another port it is somebody else's.
                let other = SocketAddrV4::new(*client.ip(), 40_000);
                assert_eq!(read(&of_opened(Opened { by, answer }, 41, server, other)), None);
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
