//! All pairs, all findings (10,000 instances: under 2 s each), loading: time, memory, groups and pairs on generated networks, and the naive evaluation as peer.
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

use std::time::Instant;

use netwright_model::generate::{Plan, Shape, generate};
use netwright_model::language::Provider;
use netwright_model::network::resolve::resolve;
use netwright_model::source::Sources;
use netwright_verify::check::check_with;
use netwright_verify::prover::Prover;

fn peak_memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
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
            let start = Instant::now();
            let mut prover = Prover::new(&network);
            let loaded = start.elapsed();
            let start = Instant::now();
            let findings = check_with(&mut prover, None).len();
            let checked = start.elapsed();
            let start = Instant::now();
            let reach = prover.reach().expect("within the memory limit");
            let reached = start.elapsed();
            let members = |group: usize| reach.groups[group].members.len() as u128;
            let pairs: u128 = reach
                .blocks()
                .map(|block| {
                    let sources: u128 = block.sources.iter().map(|s| members(*s as usize)).sum();
                    sources * members(block.dst)
                })
                .sum();
            let line = format!(
                "{shape} {instances}: yaml {:.1} MB parse {:?} resolve {:?} load {:?} check {:?} findings {} reach {:?} groups {} entries {} blocks {} pairs {} peak {} MiB sets {:?}\n",
                yaml.len() as f64 / 1e6,
                parse,
                resolved,
                loaded,
                checked,
                findings,
                reached,
                reach.groups.len(),
                reach.count(),
                reach.blocks().count(),
                pairs,
                peak_memory_mib(),
                prover.space.stats()
            );
            std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).ok();
        }
    }
}
