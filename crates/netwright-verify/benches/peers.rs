//! All pairs beside the evaluation of every pair packet by packet, in one run: the naive peer asks a handful of ports, the prover answers
//! for all of them, and both must say the same of those that were asked.
//!
//! `cargo bench -p netwright-verify --bench peers -- [instances...]`

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark stops where it cannot go on")]

use std::io::Write;
use std::time::{Duration, Instant};

use netwright_model::generate::{Plan, Shape, generate};
use netwright_model::language::Provider;
use netwright_model::network::resolve::resolve;
use netwright_model::network::{InterfaceId, Network};
use netwright_verify::interpreter::{self, Answer};
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::Origin;
use netwright_verify::prover::policy::Layer4;
use netwright_verify::space::{Packet, protocol};
use netwright_verify::trace::{Flow, Verdict};

/// The ports that the naive peer asks.
const PORTS: [u16; 4] = [22, 443, 5432, 9];

const CLIENT_PORT: u16 = 50_000;

/// How often all pairs are computed; the best time counts. The peer takes long enough to be asked once.
const TRIES: usize = 3;

/// Every ordered pair of interfaces, and every port.
fn questions(network: &Network) -> impl Iterator<Item = (Flow, Packet)> {
    let ids = (0..network.interfaces.len()).map(InterfaceId::at);
    let first = |id: InterfaceId| network[id].addresses.first().copied();
    let pairs = ids.clone().flat_map(move |from| ids.clone().map(move |to| (from, to)));
    // A connector and a NAT gateway send nothing of their own.
    let asked = pairs.filter(|(from, to)| from != to && !network[*from].answers_only);
    asked.flat_map(move |(from, to)| {
        let ends = first(from).zip(first(to));
        ends.into_iter().flat_map(move |(src, dst)| {
            PORTS.map(|dst_port| {
                let packet = Layer4 { protocol: protocol::TCP, src_port: CLIENT_PORT, dst_port };
                let flow = Flow {
                    origin: Origin::Interface(from),
                    src,
                    dst,
                    packet: Some(packet),
                    meant: None,
                };
                let packet =
                    Packet { src, dst, protocol: protocol::TCP, src_port: CLIENT_PORT, dst_port };
                (flow, packet)
            })
        })
    })
}

/// The naive peer: one packet after the other, nothing remembered.
fn naive(network: &Network) -> (Duration, usize, Vec<bool>) {
    let start = Instant::now();
    let works: Vec<bool> = questions(network)
        .map(|(flow, packet)| {
            let Origin::Interface(id) = flow.origin else { return false };
            let origin = interpreter::Origin::Interface(id);
            matches!(interpreter::connection(network, origin, packet), Answer::Reachable { .. })
        })
        .collect();
    (start.elapsed(), works.len(), works)
}

fn main() {
    let sizes: Vec<u32> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![100, 300] } else { sizes };
    let mut out = std::io::stdout().lock();
    for instances in sizes {
        for shape in Shape::ALL {
            let description =
                generate(&Plan { shape: *shape, provider: Provider::Aws, instances, seed: 7 });
            let network = resolve(description).unwrap();
            let mut all = Duration::MAX;
            for _ in 0..TRIES {
                let start = Instant::now();
                let mut prover = Prover::new(&network);
                std::hint::black_box(prover.reach().unwrap());
                all = all.min(start.elapsed());
            }
            let (peer, asked, works) = naive(&network);
            let mut prover = Prover::new(&network);
            let differ = questions(&network)
                .zip(&works)
                .filter(|((flow, _), works)| {
                    (prover.trace(*flow).verdict == Verdict::Reachable) != **works
                })
                .count();
            assert_eq!(differ, 0, "{shape} {instances}: the two disagree");
            let ratio = peer.as_secs_f64() / all.as_secs_f64();
            writeln!(
                out,
                "{shape} {instances}: all pairs, all ports {all:?}; packet by packet, {asked} packets to {} ports {peer:?}: {ratio:.0} times as long; both say the same of each",
                PORTS.len(),
            )
            .unwrap();
        }
    }
}
