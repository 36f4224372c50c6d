//! ESP in tunnel mode (RFC 4303), above IP or in UDP (RFC 3948).
//!
//! This is for machines on which strongSwan cannot make a tunnel as it is described, and needs nothing of them. Its keys come from the secret that both ends have in common, without IKE. Each end sends under a number of its own (SPI), chosen when it starts,
//! and the keys of a direction come from that number too: an end that is started anew uses no key a second time. Packets that hold nothing
//! ("next header" 59) say that an end is still there.

use std::time::{Duration, Instant};

use netwright_dataplane::plan::Side;

use super::secret::{Secret, random};
use super::suite::Suite;
use super::{Ports, Protocol};
use crate::failure::Failure;

/// Its number above IP.
pub(super) const NUMBER: u8 = 50;
/// Its port, where it is carried in UDP.
pub(super) const PORT: u16 = 4500;

/// Octets before the vector: SPI and sequence number.
const HEADER: usize = 8;
/// What follows the padding: its length and what the text is.
const TRAILER: usize = 2;
const IPV4: u8 = 4;
const IPV6: u8 = 41;
const NOTHING: u8 = 59;
/// SPIs below are reserved.
const FIRST_SPI: u32 = 256;
/// How often an end says that it is still there.
const ALIVE: Duration = Duration::from_secs(3);
/// How many packets behind the newest are still taken, each once.
const WINDOW: u32 = 64;

/// What makes it, in words.
pub(super) fn made(suite: &str, udp: bool, why: Option<&str>) -> String {
    let carried = if udp { " in UDP" } else { "" };
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    format!("ESP{carried} with {suite}, by Netwright, keyed without IKE{why}")
}

/// What is sent under one SPI.
struct Direction {
    spi: u32,
    suite: Suite,
}

/// What the other end sends, and which of it has come.
struct Incoming {
    direction: Direction,
    newest: u32,
    /// The bit of each packet behind the newest that has come.
    seen: u64,
}

/// An end.
pub(super) struct Association {
    secret: Secret,
    name: String,
    /// The side whose packets come in.
    other: Side,
    outgoing: Direction,
    sent: u32,
    incoming: Option<Incoming>,
    heard: Option<Instant>,
    alive: Option<Instant>,
}

fn direction(secret: &Secret, side: Side, name: &str, spi: u32) -> Option<Direction> {
    let purpose = [side.word().as_bytes(), &spi.to_be_bytes()].concat();
    let suite = Suite::named(name, |octets| secret.key(&purpose, octets))?;
    Some(Direction { spi, suite })
}

impl Association {
    pub(super) fn new(secret: Secret, side: Side, name: &str) -> Result<Self, Failure> {
        let spi = u32::from_be_bytes(random().map_err(Failure::during("a random number"))?);
        let other = match side {
            Side::Near => Side::Far,
            Side::Far => Side::Near,
        };
        let outgoing = direction(&secret, side, name, spi.max(FIRST_SPI))
            .ok_or_else(|| Failure::new(format!("there is no suite {name}")))?;
        Ok(Self {
            secret,
            name: name.to_owned(),
            other,
            outgoing,
            sent: 0,
            incoming: None,
            heard: None,
            alive: None,
        })
    }

    /// The packet of the wire that holds a packet, or nothing.
    fn sealed(&mut self, holds: u8, packet: &[u8]) -> Option<Vec<u8>> {
        let Direction { spi, suite } = &self.outgoing;
        // After the last number there is none: a process that is started anew has new keys.
        self.sent = self.sent.checked_add(1)?;
        let vector = suite.vector(self.sent);
        let room = (packet.len() + TRAILER).next_multiple_of(suite.align);
        let padding = room - packet.len() - TRAILER;
        let mut whole = Vec::with_capacity(HEADER + vector.len() + room + suite.icv);
        whole.extend(spi.to_be_bytes());
        whole.extend(self.sent.to_be_bytes());
        whole.extend(&vector);
        whole.extend(packet);
        whole.extend((1..=u8::try_from(padding).ok()?).chain([u8::try_from(padding).ok()?, holds]));
        let (head, text) = whole.split_at_mut(HEADER + vector.len());
        let value = suite.seal(head.get(..HEADER)?, &vector, text);
        whole.extend(value);
        Some(whole)
    }

    fn send(&mut self, holds: u8, packet: &[u8], ports: &Ports) {
        if let Some(whole) = self.sealed(holds, packet) {
            ports.wire.send(&whole);
        }
    }

    /// What a packet of the wire holds, where the other end sent it and it comes for the first time.
    fn opened<'p>(&mut self, octets: &'p mut [u8]) -> Option<(u8, &'p [u8])> {
        let (header, rest) = octets.split_at_mut_checked(HEADER)?;
        let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
        let (spi, sequence) = (number(0)?, number(4)?);
        let known = self.incoming.as_ref().is_some_and(|incoming| incoming.direction.spi == spi);
        let new = if known {
            None
        } else {
            let direction = direction(&self.secret, self.other, &self.name, spi)?;
            Some(Incoming { direction, newest: 0, seen: 0 })
        };
        let suite = &new.as_ref().or(self.incoming.as_ref())?.direction.suite;
        let (vector, rest) = rest.split_at_mut_checked(suite.iv)?;
        let (text, value) = rest.split_at_mut_checked(rest.len().checked_sub(suite.icv)?)?;
        let whole = !text.is_empty() && text.len().is_multiple_of(suite.align);
        if !whole || !suite.open(header, vector, text, value) {
            return None;
        }
        if new.is_some() {
            // The other end was started anew.
            self.incoming = new;
        }
        if !self.incoming.as_mut()?.takes(sequence) {
            return None;
        }
        let (packet, trailer) = text.split_at(text.len().checked_sub(TRAILER)?);
        let (&padding, &holds) = (trailer.first()?, trailer.last()?);
        Some((holds, packet.get(..packet.len().checked_sub(padding.into())?)?))
    }
}

impl Incoming {
    /// Whether a packet comes for the first time, and not too late to know that.
    fn takes(&mut self, sequence: u32) -> bool {
        if sequence > self.newest {
            let ahead = sequence - self.newest;
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.newest = sequence;
            return true;
        }
        let behind = self.newest - sequence;
        let bit = 1_u64.checked_shl(behind).filter(|_| behind < WINDOW).unwrap_or(0);
        let first = bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        first
    }
}

impl Protocol for Association {
    fn outward(&mut self, packet: &[u8], ports: &Ports) {
        let v6 = packet.first().is_some_and(|octet| octet >> 4 == 6);
        self.send(if v6 { IPV6 } else { IPV4 }, packet, ports);
    }

    fn inward(&mut self, octets: &mut [u8], ports: &Ports) {
        let first = self.incoming.as_ref().map(|incoming| incoming.direction.spi);
        let Some((holds, packet)) = self.opened(octets) else { return };
        if holds == IPV4 || holds == IPV6 {
            ports.inside.send(packet);
        }
        self.heard = Some(Instant::now());
        if self.incoming.as_ref().map(|incoming| incoming.direction.spi) != first {
            // One that has just started has not heard this end yet.
            self.send(NOTHING, &[], ports);
        }
    }

    fn tick(&mut self, now: Instant, ports: &Ports) {
        if self.alive.is_none_or(|last| now.duration_since(last) >= ALIVE) {
            self.alive = Some(now);
            self.send(NOTHING, &[], ports);
        }
    }

    fn heard(&self) -> Option<Instant> {
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::{Association, IPV4, NOTHING, Secret, Side};

    fn pair(suite: &str) -> (Association, Association) {
        let end = |side| Association::new(Secret::of([5; 32]), side, suite).unwrap();
        (end(Side::Near), end(Side::Far))
    }

    #[test]
    fn what_one_end_sends_the_other_takes_once_and_nobody_else() {
        let (mut near, mut far) = pair("aes-gcm-16");
        let packet: Vec<u8> = (0..41).collect();
        let sent = near.sealed(IPV4, &packet).unwrap();
        assert_eq!(far.opened(&mut sent.clone()), Some((IPV4, &packet[..])));
        assert_eq!(far.opened(&mut sent.clone()), None);
        assert_eq!(near.opened(&mut sent.clone()), None);
        let (_, mut other) = pair("aes-cbc-sha256");
        assert_eq!(other.opened(&mut sent.clone()), None);
        assert_eq!(far.opened(&mut sent[..20].to_vec()), None);
        assert_eq!(far.opened(&mut []), None);
    }

    #[test]
    fn an_end_that_is_started_anew_is_heard_at_once_and_packets_may_come_in_another_order() {
        let (mut near, mut far) = pair("aes-cbc-sha256");
        let first = near.sealed(NOTHING, &[]).unwrap();
        let second = near.sealed(IPV4, &[1, 2, 3]).unwrap();
        assert!(far.opened(&mut second.clone()).is_some());
        assert!(far.opened(&mut first.clone()).is_some());
        assert!(far.opened(&mut first.clone()).is_none());
        let (mut again, _) = pair("aes-cbc-sha256");
        let anew = again.sealed(IPV4, &[4]).unwrap();
        assert_eq!(far.opened(&mut anew.clone()), Some((IPV4, &[4][..])));
    }

    #[test]
    fn a_packet_that_comes_too_late_is_not_taken() {
        let (mut near, mut far) = pair("chacha20-poly1305");
        let sent: Vec<Vec<u8>> = (0..70).map(|_| near.sealed(IPV4, &[1]).unwrap()).collect();
        assert!(far.opened(&mut sent[69].clone()).is_some());
        assert!(far.opened(&mut sent[5].clone()).is_none());
        assert!(far.opened(&mut sent[6].clone()).is_some());
    }
}
