//! A rule changed on a hundred hosts: `cargo xtask bench control` runs it among others.
//!
//! Hosts with agents and a server in one lab on this machine. A filter that every VPC's machines have gets another rule; measured is the time from
//! the arrival of the change, by the server's record, until the last host that it concerns had read it back, by its own. Each host has as many
//! routers as the argument says, 1 unless given (`cargo bench -p netwright --bench fleet -- 5`): a router's ruleset is what a rule changes.

#![allow(clippy::unwrap_used, reason = "a benchmark stops where it cannot go on")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_dataplane::plan::hosts::{fleet, places};
use netwright_dataplane::plan::plan;
use netwright_model::source::Sources;
use serde_json::Value;

const LAB: &str = "bench-fleet";
const KEY: &str = "/run/netwright/fleet/key";
const HOSTS: usize = 100;
/// Names of VPCs of which those are taken that give every host as many routers as it is to have.
const CANDIDATES: usize = 8_000;
const ROUNDS: u16 = 10;
const PROGRAM: &str = env!("CARGO_BIN_EXE_netwright");
const PATIENCE: Duration = Duration::from_secs(120);
/// Nobody asks meanwhile: asking is work for the same processors.
const REST: Duration = Duration::from_secs(2);

/// Numbers of VPCs whose routers are on the hosts, so many on each.
fn spread_evenly(on_each: usize) -> Vec<usize> {
    let mut text = "vpcs:\n".to_owned();
    for n in 0..CANDIDATES {
        let _fine = writeln!(text, "  v{n}: {{ cidr: 10.0.0.0/24 }}");
    }
    let network = netwright_model::load("candidates", &text, &mut Sources::default()).unwrap();
    let plan = fleet(plan(&network), &places(HOSTS));
    let host: BTreeMap<&str, &str> = plan
        .namespaces
        .iter()
        .filter_map(|one| Some((one.name.as_str(), one.host.as_deref()?)))
        .collect();
    let mut has: BTreeMap<&str, usize> = BTreeMap::new();
    let chosen = (0..CANDIDATES).filter(|n| {
        let count = has.entry(host[format!("vpc/v{n}").as_str()]).or_default();
        *count += 1;
        *count <= on_each
    });
    let chosen: Vec<usize> = chosen.collect();
    assert_eq!(chosen.len(), HOSTS * on_each, "more candidates are needed");
    chosen
}

fn network(vpcs: &[usize], port: u16) -> String {
    let mut text = format!(
        "filters: {{ f: {{ rules: [ {{ direction: egress }}, {{ direction: ingress, protocol: tcp, port: {port} }} ] }} }}\nvpcs:\n"
    );
    for n in vpcs {
        let (high, low) = (n / 256, n % 256);
        let _fine =
            writeln!(text, "  v{n}: {{ subnets: {{ s{n}: {{ cidr: 10.{high}.{low}.0/24 }} }} }}");
    }
    text += "instances:\n";
    for n in vpcs {
        let (high, low) = (n / 256, n % 256);
        let _fine =
            writeln!(text, "  m{n}: {{ subnet: s{n}, address: 10.{high}.{low}.10, filters: f }}");
    }
    text
}

fn netwright(words: &[&str]) -> Output {
    Command::new(PROGRAM).args(words).output().unwrap()
}

fn ask(words: &[&str]) -> Output {
    let mut all = vec!["lab", "exec", "--name", LAB, "server", "--", PROGRAM];
    all.extend(words);
    all.extend(["--key-file", KEY]);
    netwright(&all)
}

fn converged() -> Value {
    let start = Instant::now();
    loop {
        let ran = ask(&["convergence", "--format", "json"]);
        if let Ok(found) = serde_json::from_slice::<Value>(&ran.stdout)
            && found["verdict"] == "converged"
            && found["hosts"].as_array().is_some_and(|hosts| hosts.len() == HOSTS)
        {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{ran:?}");
        pause(Duration::from_millis(100));
    }
}

fn main() {
    let mut out = std::io::stdout().lock();
    let on_each = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1);
    let vpcs = spread_evenly(on_each);
    let count = vpcs.len();
    let file = std::env::temp_dir().join(format!("netwright-bench-{}.yaml", std::process::id()));
    let path = file.to_str().unwrap();
    std::fs::write(&file, network(&vpcs, 1000)).unwrap();
    let hosts = HOSTS.to_string();
    let begun = Instant::now();
    let up = netwright(&["lab", "fleet", path, "--name", LAB, "--hosts", &hosts]);
    assert!(up.status.success(), "{up:?}");
    converged();
    let first = begun.elapsed();
    writeln!(
        out,
        "{HOSTS} hosts with agents, {count} routers and machines, from nothing: {first:.1?}"
    )
    .unwrap();
    let mut times = Vec::new();
    for round in 1..=ROUNDS {
        std::fs::write(&file, network(&vpcs, 1000 + round)).unwrap();
        let ran = ask(&["apply", path]);
        assert!(ran.status.success(), "{ran:?}");
        pause(REST);
        let found = converged();
        let rows = found["hosts"].as_array().unwrap();
        let concerned: Vec<u64> = rows
            .iter()
            .filter(|row| row["state"] == "applied")
            .filter_map(|row| row["read_back_after"].as_u64())
            .collect();
        let planned = rows.iter().filter_map(|row| row["compiled_after"].as_u64()).max();
        let last = concerned.iter().copied().max().unwrap();
        writeln!(
            out,
            "a rule changed: applied and read back on {} hosts in {last} ms, planned on all after {} ms",
            concerned.len(),
            planned.unwrap_or_default()
        )
        .unwrap();
        times.push(last);
    }
    times.sort_unstable();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    writeln!(out, "median {median} ms, worst {worst} ms (goal: below 1000 ms)").unwrap();
    netwright(&["lab", "down", "--name", LAB]);
    let _stays = std::fs::remove_file(file);
}
