//! An end of a tunnel: a process that encrypts what comes by the link from inside, sends it over the wire to the other end, and gives back
//! what that one sends.
//!
//! Packets are taken from and put onto the link as whole frames ([`inside`]), which needs no device and no right beyond the lab's own. What is made
//! of them is a protocol's: [`wireguard`], [`esp`], [`gre`]. Where the machine has something better, that makes the tunnel: the kernel's `WireGuard`
//! ([`kernel`]), strongSwan for IPsec ([`strongswan`]). The ends of a tunnel have a secret in common that is made for the lab
//! ([`secret`]); each tells the lab whether it hears the other ([`report`]).

mod esp;
mod gre;
mod inside;
mod kernel;
mod report;
pub(crate) mod secret;
mod strongswan;
mod suite;
mod wire;
mod wireguard;

use std::time::{Duration, Instant};

use netwright_dataplane::plan::{TunnelEnd, TunnelKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::failure::Failure;
use inside::Inside;
use report::Report;
pub use report::Tunnel;
pub(crate) use report::{forget, hears, tunnels};
use wire::{Carrier, Wire};

/// How often what is due is looked for.
const TICK: Duration = Duration::from_millis(100);
/// How long after the last sign of the other end it counts as gone.
const SILENCE: Duration = Duration::from_secs(12);
/// Packets that are taken from one side until the other has its turn.
const TURN: usize = 64;
/// Room for the largest packet and all that any protocol adds.
const ROOM: usize = 65_535 + 256;

/// Both sides of an end.
struct Ports {
    inside: Inside,
    wire: Wire,
}

/// What makes packets of the wire out of packets from inside, and the other way round.
trait Protocol {
    /// A packet from inside.
    fn outward(&mut self, packet: &[u8], ports: &Ports);

    /// What the wire brought.
    fn inward(&mut self, octets: &mut [u8], ports: &Ports);

    /// What is due.
    fn tick(&mut self, now: Instant, ports: &Ports);

    /// When the other end was last heard; `None` where it never was.
    fn heard(&self) -> Option<Instant>;
}

/// Is an end until it is ended.
pub(crate) fn run(end: &TunnelEnd) -> Result<(), Failure> {
    let secret = secret::read(&end.tunnel).map_err(Failure::during("the tunnel's secret"))?;
    let mut why = None;
    match &end.kind {
        TunnelKind::Wireguard if kernel::make() => return kernel::run(end, &secret),
        TunnelKind::Ipsec { suite, udp } => match strongswan::find(end, suite, *udp) {
            Ok(program) => return strongswan::run(end, (suite, *udp), &secret, &program),
            Err(not) => why = Some(not),
        },
        TunnelKind::Wireguard | TunnelKind::Gre => {}
    }
    let inside = Inside::open(&end.inside)
        .map_err(Failure::during("taking packets from the link into the tunnel"))?;
    let (mut protocol, carrier, made): (Box<dyn Protocol>, _, _) = match &end.kind {
        TunnelKind::Wireguard => {
            let protocol = wireguard::Session::new(&secret, end.side)?;
            (Box::new(protocol), Carrier::Udp(wireguard::PORT), wireguard::MADE.to_owned())
        }
        TunnelKind::Ipsec { suite, udp } => {
            let protocol = esp::Association::new(secret, end.side, suite)?;
            let carrier =
                if *udp { Carrier::Udp(esp::PORT) } else { Carrier::Protocol(esp::NUMBER) };
            (Box::new(protocol), carrier, esp::made(suite, *udp, why.as_deref()))
        }
        TunnelKind::Gre => {
            (Box::new(gre::Gre), Carrier::Protocol(gre::NUMBER), gre::MADE.to_owned())
        }
    };
    let wire =
        Wire::open(end.own, end.peer, carrier).map_err(Failure::during("the tunnel's wire"))?;
    let ports = Ports { inside, wire };
    serve(end, protocol.as_mut(), &ports, &made)
}

fn serve(
    end: &TunnelEnd,
    protocol: &mut dyn Protocol,
    ports: &Ports,
    made: &str,
) -> Result<(), Failure> {
    let mut told = None;
    let mut tick = Instant::now();
    let mut buffer = vec![0; ROOM];
    loop {
        let now = Instant::now();
        if now >= tick {
            protocol.tick(now, ports);
            tick = now + TICK;
        }
        let up = protocol.heard().is_some_and(|heard| now.duration_since(heard) < SILENCE);
        if told != Some(up) {
            let report = Report { made: made.to_owned(), up };
            report.write(end).map_err(Failure::during("telling the lab how the tunnel is"))?;
            if up || told.is_some() {
                crate::stand_in::say(if up {
                    "hears the other end"
                } else {
                    "hears the other end no more"
                });
            }
            told = Some(up);
        }
        let left = tick.saturating_duration_since(now);
        let left = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) + 1 };
        let mut waiting = [
            PollFd::new(ports.inside.descriptor(), PollFlags::IN),
            PollFd::new(ports.wire.descriptor(), PollFlags::IN),
        ];
        match poll(&mut waiting, Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Failure::during("waiting for packets")(error.into())),
        }
        for _ in 0..TURN {
            let Some(packet) = ports.inside.receive(&mut buffer) else { break };
            protocol.outward(packet, ports);
        }
        for _ in 0..TURN {
            let Some(octets) = ports.wire.receive(&mut buffer) else { break };
            protocol.inward(octets, ports);
        }
    }
}
