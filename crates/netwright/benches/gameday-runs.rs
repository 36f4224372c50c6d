//! Many short game days of the reference system, each with another seed: how many pass, what failed, and how long recovery takes.
//!
//! The argument is how many runs of each scenario there are (100 unless given). `NETWRIGHT_RUNS_SECONDS` ends all of it after that time,
//! `NETWRIGHT_RUNS_TOGETHER` says how many go on at the same time, `NETWRIGHT_RUNS_SEED` from which seed on.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a benchmark tells what it measured and stops where it cannot go on"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use netwright_gameday::scenarios::SCENARIOS;
use serde_json::Value;

/// The longest step of a run.
const SHORT: &str = "5s";

/// What came of the runs of a scenario.
#[derive(Default)]
struct Came {
    passed: u64,
    /// Seeds of runs that did not pass, with the first reason of each.
    others: Vec<(u64, String)>,
    /// Seconds until all of the service was there again.
    recovery: Vec<f64>,
    lost: u64,
    doubled: u64,
    operations: u64,
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn one(
    scenario: &str,
    seed: u64,
    folder: &Path,
    came: &Mutex<BTreeMap<&'static str, Came>>,
    name: &'static str,
) {
    let run = folder.join(format!("{scenario}-{seed}"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/gamedays")
        .join(format!("{scenario}.yaml"));
    let ran = Command::new(env!("CARGO_BIN_EXE_netwright"))
        .args(["gameday", "run"])
        .arg(file)
        .args(["--shorten", SHORT, "--seed", &seed.to_string()])
        .args([
            "--name",
            &format!(
                "r{}-{}-{seed}",
                std::process::id(),
                SCENARIOS.iter().take_while(|one| one.name != name).count()
            ),
        ])
        .arg("--output")
        .arg(&run)
        .output()
        .unwrap();
    let text = std::fs::read(run.join("report.json")).unwrap_or_default();
    let report: Value = serde_json::from_slice(&text).unwrap_or_default();
    let summary = &report["summary"];
    let passed = summary["verdict"] == "passed";
    let mut came = came.lock().unwrap();
    let own = came.entry(name).or_default();
    own.lost += summary["lost"].as_u64().unwrap_or_default();
    own.doubled += summary["duplicated_effects"].as_u64().unwrap_or_default();
    let looked = report["checks"].as_array().into_iter().flatten();
    own.operations += looked.filter_map(|check| check["looked_at"].as_u64()).sum::<u64>();
    own.recovery.extend(summary["recovery_time"].as_f64().map(|micros| micros / 1e6));
    if passed {
        own.passed += 1;
        let _stays = std::fs::remove_dir_all(&run);
    } else {
        let reason = summary["reasons"][0]["text"].as_str().map(str::to_owned);
        let reason = reason.unwrap_or_else(|| String::from_utf8_lossy(&ran.stderr).into_owned());
        println!("{scenario} with the seed {seed}: {reason} ({})", run.display());
        own.others.push((seed, reason));
    }
}

fn main() {
    let times = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(100_u64);
    let seconds = number("NETWRIGHT_RUNS_SECONDS", 24 * 3600);
    let together = number("NETWRIGHT_RUNS_TOGETHER", 4);
    let first = number("NETWRIGHT_RUNS_SEED", 1);
    let folder: PathBuf =
        std::env::temp_dir().join(format!("netwright-runs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let count = u64::try_from(SCENARIOS.len()).unwrap();
    let (next, begun) = (AtomicU64::new(0), Instant::now());
    let came = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..together {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    if place >= times * count || begun.elapsed() > Duration::from_secs(seconds) {
                        return;
                    }
                    let name = SCENARIOS[usize::try_from(place % count).unwrap()].name;
                    one(name, first + place / count, &folder, &came, name);
                }
            });
        }
    });
    for (name, mut own) in came.into_inner().unwrap() {
        own.recovery.sort_by(f64::total_cmp);
        let at = |share: usize| {
            own.recovery
                .get((own.recovery.len() * share / 100).min(own.recovery.len().saturating_sub(1)))
        };
        println!(
            "{name}: {} of {} passed; {} operations, {} acknowledged writes lost, {} effects doubled; recovery {:.1} s in the middle, {:.1} s at most",
            own.passed,
            own.passed + u64::try_from(own.others.len()).unwrap(),
            own.operations,
            own.lost,
            own.doubled,
            at(50).copied().unwrap_or(f64::NAN),
            at(100).copied().unwrap_or(f64::NAN),
        );
    }
    println!("{:.0} s, {together} at a time", begun.elapsed().as_secs_f64());
    // What did not pass is kept for whoever looks for the reason.
    let _stays = std::fs::remove_dir(&folder);
}
