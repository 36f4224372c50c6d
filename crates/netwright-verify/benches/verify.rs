//! All pairs, all findings (10,000 instances: under 2 s each), loading: time, memory, groups and pairs on generated networks.
//!
//! `cargo bench -p netwright-verify --bench verify -- [instances...]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::cast_precision_loss,
    reason = "a benchmark stops where it cannot go on"
)]

use std::time::{Duration, Instant};

use netwright_model::generate::{Plan, Shape, generate};
use netwright_model::language::Provider;
use netwright_model::network::resolve::resolve;
use netwright_model::network::{InterfaceId, Network};
use netwright_model::scalar::PortRange;
use netwright_model::source::Sources;
use netwright_verify::check::check_with;
use netwright_verify::prover::Prover;
use netwright_verify::prover::change::Difference;
use netwright_verify::prover::path::Origin;
use netwright_verify::prover::policy::Layer4;
use netwright_verify::reach::Reach;
use netwright_verify::trace::Flow;

/// How often what is compared with a goal is measured; the best time counts.
const TRIES: usize = 3;

fn peak_memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// One trace in a loaded network: the mean over many pairs of interfaces.
fn one_trace(prover: &mut Prover<'_>) -> Duration {
    const TRACES: usize = 10_000;
    let network = prover.network;
    let count = network.interfaces.len();
    let start = Instant::now();
    for number in 0..TRACES {
        let (from, to) = (number * 7919 % count, number * 104_729 % count);
        let (a, b) = (&network.interfaces[from], &network.interfaces[to]);
        let packet = Some(Layer4 { protocol: 6, src_port: 50_000, dst_port: 443 });
        let origin = Origin::Interface(InterfaceId::at(from));
        let flow = Flow { origin, src: a.addresses[0], dst: b.addresses[0], packet };
        std::hint::black_box(prover.trace(flow));
    }
    start.elapsed() / u32::try_from(TRACES).unwrap()
}

/// All pairs after the port of one rule changed, beside all pairs from scratch (loading included in both).
fn changed(network: &Network, prover: Prover<'_>, before: &Reach, scratch: Duration) -> String {
    let mut description = network.description.clone();
    let place = description.filters.len() / 2;
    let rule = description.filters[place].1.rules.iter_mut().find(|rule| !rule.ports.is_empty());
    let Some(rule) = rule else { return "  no rule to change\n".to_owned() };
    rule.ports[0].value = PortRange::one(4242);
    let new = resolve(description).unwrap();
    let mut best = [Duration::MAX; 2];
    let (mut prover, mut reach, mut blocks, mut of_rules) = (prover, before.clone(), 0, true);
    // There and back again: other work on the machine makes some of them slow.
    for turn in 0..2 * TRIES {
        let (from, to) = if turn % 2 == 0 { (network, &new) } else { (&new, network) };
        let start = Instant::now();
        let difference = Difference::between(from, to);
        best[0] = best[0].min(start.elapsed());
        let start = Instant::now();
        let (next, change) = prover.go_on_by(to, &difference);
        prover = next;
        reach = prover.reach_after(&change, &reach).unwrap();
        best[1] = best[1].min(start.elapsed());
        blocks = reach.blocks().count();
        of_rules &= change.is_of_rules();
    }
    let [compared, took] = best;
    let share = |took: Duration| scratch.as_secs_f64() / took.as_secs_f64();
    format!(
        "  one rule changed: new verdicts {took:?}, 1/{:.0} of from scratch (goal 1/50); with the comparison of the descriptions ({compared:?}) 1/{:.0}; of rules only: {of_rules}, blocks {blocks}\n",
        share(took),
        share(took + compared),
    )
}

fn main() {
    let sizes: Vec<u32> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1000, 10_000] } else { sizes };
    for instances in sizes {
        for shape in Shape::ALL {
            let description =
                generate(&Plan { shape: *shape, provider: Provider::Aws, instances, seed: 7 });
            let yaml = netwright_model::to_yaml(&description, "");
            let start = Instant::now();
            let mut sources = Sources::default();
            let parsed = netwright_model::parse_description("bench.yaml", &yaml, &mut sources);
            let parse = start.elapsed();
            let Ok(parsed) = parsed else { panic!("generated description does not parse") };
            let start = Instant::now();
            let network = match resolve(parsed) {
                Ok(network) => network,
                Err(errors) => panic!("{:?}", errors.first()),
            };
            let resolved = start.elapsed();
            let (mut loaded, mut reached) = (Duration::MAX, Duration::MAX);
            let mut kept = None;
            for _ in 0..TRIES {
                drop(kept.take());
                let start = Instant::now();
                let mut prover = Prover::new(&network);
                loaded = loaded.min(start.elapsed());
                let start = Instant::now();
                let reach = prover.reach().expect("within the memory limit");
                reached = reached.min(start.elapsed());
                kept = Some((prover, reach));
            }
            let Some((mut prover, reach)) = kept else { continue };
            let mut fresh = Prover::new(&network);
            let start = Instant::now();
            let findings = check_with(&mut fresh, None).len();
            let checked = start.elapsed();
            drop(fresh);
            let members = |group: usize| reach.groups[group].members.len() as u128;
            let pairs: u128 = reach
                .blocks()
                .map(|block| {
                    let sources: u128 = block.sources.iter().map(|s| members(*s as usize)).sum();
                    sources * members(block.dst)
                })
                .sum();
            let peak = peak_memory_mib();
            let traced = one_trace(&mut prover);
            let line = format!(
                "{shape} {instances}: yaml {:.1} MB parse {:?} resolve {:?} load {:?} check {:?} findings {} reach {:?} (10,000 under 1 s and 1 GiB, 100,000 under 15 s and 4 GiB) trace {:?} (under 20 µs) groups {} entries {} blocks {} pairs {} peak {} MiB sets {:?}\n",
                yaml.len() as f64 / 1e6,
                parse,
                resolved,
                loaded,
                checked,
                findings,
                reached,
                traced,
                reach.groups.len(),
                reach.count(),
                reach.blocks().count(),
                pairs,
                peak,
                prover.space.stats()
            );
            let line = line + &changed(&network, prover, &reach, loaded + reached);
            std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).ok();
        }
    }
}
