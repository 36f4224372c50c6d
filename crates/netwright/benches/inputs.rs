//! The largest exports of np-guard's collection through the whole program: a process that loads and computes all pairs, and one that
//! compares an export with itself changed in one rule. Skipped where the collection is absent.

#![allow(clippy::unwrap_used, reason = "a benchmark stops where it cannot go on")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each is run; the median counts.
const TRIES: usize = 9;

fn median(words: &[&str]) -> Duration {
    let mut times: Vec<Duration> = (0..TRIES)
        .map(|_| {
            let start = Instant::now();
            let status = Command::new(env!("CARGO_BIN_EXE_netwright"))
                .args(words)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            assert_ne!(status.code(), Some(2), "{words:?}");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[TRIES / 2]
}

fn main() {
    let mut out = std::io::stdout().lock();
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/networks/np-guard-vpc/ibmvpc/input"
    );
    if !Path::new(folder).is_dir() {
        writeln!(out, "np-guard's inputs: skipped, the collection is not on this machine").unwrap();
        return;
    }
    for name in ["input_fabricated", "input_hub_n_spoke_1"] {
        let file = format!("{folder}/{name}.json");
        let changed = std::env::temp_dir().join(format!("{name}-{}.json", std::process::id()));
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&changed, text.replacen("\"allow\"", "\"deny\"", 1)).unwrap();
        let all = median(&["reach", &file, "--format", "json"]);
        let compared = median(&["diff", &file, changed.to_str().unwrap(), "--format", "json"]);
        std::fs::remove_file(&changed).unwrap();
        writeln!(
            out,
            "{name}: loading and all pairs {all:?} (goal 200 ms), loading two and their difference {compared:?} (goal 100 ms); whole processes, median of {TRIES}"
        )
        .unwrap();
    }
}
