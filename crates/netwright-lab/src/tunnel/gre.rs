//! GRE without key, checksum or numbers (RFC 2784): a header of four octets, and nothing is encrypted. Nothing tells either whether the other end
//! is there.

use std::time::Instant;

use super::{Ports, Protocol};

/// Its number above IP.
pub(super) const NUMBER: u8 = 47;

/// What makes it, in words.
pub(super) const MADE: &str = "GRE, by Netwright";

const HEADER: usize = 4;

/// An end.
pub(super) struct Gre;

impl Protocol for Gre {
    fn outward(&mut self, packet: &[u8], ports: &Ports) {
        let holds: [u8; 2] = if packet.first().is_some_and(|octet| octet >> 4 == 6) {
            [0x86, 0xdd]
        } else {
            [0x08, 0x00]
        };
        ports.wire.send(&[&[0, 0], &holds[..], packet].concat());
    }

    fn inward(&mut self, octets: &mut [u8], ports: &Ports) {
        if octets.starts_with(&[0, 0])
            && let Some(packet) = octets.get(HEADER..)
        {
            ports.inside.send(packet);
        }
    }

    fn tick(&mut self, _now: Instant, _ports: &Ports) {}

    fn heard(&self) -> Option<Instant> {
        // It has no sign of the other end.
        Some(Instant::now())
    }
}
