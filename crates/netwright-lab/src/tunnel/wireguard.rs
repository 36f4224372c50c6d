//! `WireGuard`, by the boringtun library. Its keys come from the secret that both ends have in common.

use std::time::{Duration, Instant};

use boringtun::noise::{Tunn, TunnResult};
use boringtun::x25519::{PublicKey, StaticSecret};
use netwright_dataplane::plan::Side;

use super::secret::{Secret, random};
use super::{Ports, Protocol, ROOM};
use crate::failure::Failure;

/// The port of both ends.
pub(super) const PORT: u16 = 51_820;

/// What makes it, in words.
pub(super) const MADE: &str = "WireGuard, by the boringtun library";

/// Seconds after which an end says that it is still there.
pub(super) const ALIVE: u16 = 3;
/// When the far end begins by itself, where it was not asked to.
const FAR_BEGINS: Duration = Duration::from_millis(500);

/// What the key is for that both ends have in common.
pub(super) const SHARED: &[u8] = b"shared";

/// The private keys of both ends, the own one first.
pub(super) fn keys(secret: &Secret, side: Side) -> (StaticSecret, StaticSecret) {
    let key = |side: Side| {
        let mut octets = [0; 32];
        octets.copy_from_slice(&secret.key(side.word().as_bytes(), 32));
        StaticSecret::from(octets)
    };
    match side {
        Side::Near => (key(Side::Near), key(Side::Far)),
        Side::Far => (key(Side::Far), key(Side::Near)),
    }
}

/// An end.
pub(super) struct Session {
    tunnel: Tunn,
    begins: Option<Instant>,
    heard: Option<Instant>,
    room: Vec<u8>,
}

impl Session {
    pub(super) fn new(secret: &Secret, side: Side) -> Result<Self, Failure> {
        let (own, other) = keys(secret, side);
        let mut shared = [0; 32];
        shared.copy_from_slice(&secret.key(SHARED, 32));
        let failed = Failure::during("a random number");
        // Its eight highest bits have no place.
        let index = u32::from_be_bytes(random().map_err(&failed)?) >> 8;
        let peer = PublicKey::from(&other);
        let tunnel = Tunn::new(own, peer, Some(shared), Some(ALIVE), index, None);
        let now = Instant::now();
        let begins = match side {
            Side::Near => now,
            Side::Far => now + FAR_BEGINS,
        };
        Ok(Self { tunnel, begins: Some(begins), heard: None, room: vec![0; ROOM] })
    }
}

/// Puts what a session made where it belongs. True where there may be more of it.
fn put(made: TunnResult<'_>, ports: &Ports) -> bool {
    match made {
        TunnResult::WriteToNetwork(octets) => {
            ports.wire.send(octets);
            true
        }
        TunnResult::WriteToTunnelV4(packet, _) | TunnResult::WriteToTunnelV6(packet, _) => {
            ports.inside.send(packet);
            false
        }
        TunnResult::Done | TunnResult::Err(_) => false,
    }
}

impl Protocol for Session {
    fn outward(&mut self, packet: &[u8], ports: &Ports) {
        put(self.tunnel.encapsulate(packet, &mut self.room), ports);
    }

    fn inward(&mut self, octets: &mut [u8], ports: &Ports) {
        let made = self.tunnel.decapsulate(None, octets, &mut self.room);
        if !matches!(made, TunnResult::Err(_)) {
            self.heard = Some(Instant::now());
        }
        if put(made, ports) {
            // What waited for the session.
            while put(self.tunnel.decapsulate(None, &[], &mut self.room), ports) {}
        }
    }

    fn tick(&mut self, now: Instant, ports: &Ports) {
        if self.begins.take_if(|at| *at <= now).is_some() && self.heard.is_none() {
            put(self.tunnel.format_handshake_initiation(&mut self.room, false), ports);
        }
        put(self.tunnel.update_timers(&mut self.room), ports);
        // It gives up after a while; the other end may come back all the same.
        if self.tunnel.is_expired() {
            put(self.tunnel.format_handshake_initiation(&mut self.room, false), ports);
        }
    }

    fn heard(&self) -> Option<Instant> {
        self.heard
    }
}
