//! How soon it is told that a link is cut: a thousand real cuts in a lab with the numbers of intents, and forty with those of services at their slowest, every 10 s
//! with 5 s to answer and three failures.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a benchmark tells what it measured and stops where it cannot go on"
)]

#[path = "detection/cuts.rs"]
mod cuts;

use std::process::Command;
use std::time::Duration;

use cuts::{cut, network};
use netwright_watch::health::Profile;

const LAB: &str = "bench-detection";
const LINKS: usize = 40;

fn main() {
    let name = format!("netwright-bench-detection-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("network.yaml");
    std::fs::write(&file, network(LINKS)).unwrap();
    let lab = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
        command.arg("lab").args(words).args(["--name", LAB]).output().unwrap()
    };
    let up = lab(&["up", file.to_str().unwrap()]);
    if up.status.success() {
        measure("intents", Profile::INTENT, 1_000, Duration::from_secs(3));
        let usual = Profile::SERVICE;
        let slowest = Profile { in_transition: usual.interval, grace: Duration::ZERO, ..usual };
        measure("10 s, 5 s, 3 failures", slowest, LINKS, slowest.worst_detection());
        lab(&["down"]);
    } else {
        println!("left out: {}", String::from_utf8_lossy(&up.stderr).trim());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Makes so many cuts; the 99th percentile is to be under `goal`.
fn measure(what: &str, profile: Profile, cuts: usize, goal: Duration) {
    let found = cut((LAB, profile), (LINKS, cuts), goal * 3);
    let seconds = |share| found.within(share) / 1000.0;
    println!(
        "{what}: {cuts} cuts, {} missed, {} links told away that were not cut; half told within {:.2} s, 99 of 100 within {:.2} s (goal {:.0} s), all within {:.2} s",
        found.missed,
        found.false_alarms,
        seconds(0.5),
        seconds(0.99),
        goal.as_secs_f64(),
        seconds(1.0)
    );
}
