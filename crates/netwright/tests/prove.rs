//! Verdicts confirmed by packets: the examples, generated networks and real exports in a lab, every question compared.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn prove(network: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
    command.arg("prove").arg(network).args(more).current_dir(root()).output().unwrap()
}

/// What this machine lacks for a lab, in the program's own words.
fn lacks() -> bool {
    let ran = prove(Path::new("examples/quickstart/network.yaml"), &["--most", "1"]);
    if ran.status.code() == Some(2) {
        eprintln!("skipped: {}", String::from_utf8_lossy(&ran.stderr).trim());
    }
    ran.status.code() == Some(2)
}

#[track_caller]
fn agrees(network: &Path, more: &[&str]) {
    let ran = prove(network, more);
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(0), "{}:\n{out}{err}", network.display());
}

#[test]
fn every_verdict_of_the_examples_is_confirmed() {
    if lacks() {
        return;
    }
    for example in [
        "quickstart/network.yaml",
        "ticket-3291/reported.yaml",
        "ticket-3291/repaired.yaml",
        "staging-egress/before.yaml",
        "staging-egress/after.yaml",
        "staging-egress/works.yaml",
        "aws-three-tier/export",
        "gcp-serverless/export",
    ] {
        agrees(&root().join("examples").join(example), &[]);
    }
}

#[test]
fn every_verdict_of_generated_networks_of_both_kinds_of_filters_is_confirmed() {
    if lacks() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for shape in ["flat", "hub-and-spoke", "many-small-vpcs", "group-references"] {
        for provider in ["aws", "gcp"] {
            let words = ["generate", "--shape", shape, "--provider", provider];
            let made = Command::new(env!("CARGO_BIN_EXE_netwright"))
                .args(words)
                .args(["--instances", "12", "--seed", "3"])
                .output()
                .unwrap();
            assert!(made.status.success(), "{shape} {provider}");
            let file = folder.join(format!("prove-{shape}-{provider}.yaml"));
            std::fs::write(&file, made.stdout).unwrap();
            agrees(&file, &["--most", "400"]);
        }
    }
}

#[test]
fn every_verdict_of_real_exports_is_confirmed() {
    let data = root().join("../shared/data/networks/batfish-aws");
    if !data.is_dir() {
        eprintln!("skipped: {} is absent", data.display());
        return;
    }
    if lacks() {
        return;
    }
    for export in [
        "test-vpc-peering",
        "test-nat-gateway",
        "test-public-subnet",
        "test-subnet",
        "test-transit-gateway",
        "test-transit-gateway-asymmetric-paths",
        "test-vpc-endpoint-interface",
        "test-direct-connect-private-vif",
    ] {
        agrees(&data.join(export), &[]);
    }
}

#[path = "../../netwright-verify/tests/equivalence/networks.rs"]
mod networks;
#[path = "../../netwright-verify/tests/equivalence/random.rs"]
mod random;

/// Random networks that are asked. Some are no valid descriptions, which other tests are about.
const RANDOM: u64 = 200;

/// How many of them at a time: most of the time goes into waiting for answers that do not come.
const AT_A_TIME: u64 = 4;

#[test]
fn every_verdict_of_random_networks_is_confirmed() {
    if lacks() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prove-random");
    std::fs::create_dir_all(&folder).unwrap();
    let one = |seed: u64| {
        let file = folder.join(format!("{seed}.yaml"));
        std::fs::write(&file, networks::network(&mut random::Random(seed))).unwrap();
        let ran = prove(&file, &["--most", "600"]);
        let (out, err) =
            (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        match ran.status.code() {
            // Nothing to ask (3), or no valid description (2).
            Some(0 | 3) => Ok(true),
            Some(2) if err.contains(".yaml:") => Ok(false),
            code => Err(format!("{} ended with {code:?}:\n{out}{err}", file.display())),
        }
    };
    let next = AtomicU64::new(0);
    let valid = AtomicU64::new(0);
    let worker = || {
        let mut wrong = Vec::new();
        // Labs that disagree take longest; a handful says enough.
        while valid.load(Ordering::Relaxed) < RANDOM && wrong.len() < 3 {
            match one(next.fetch_add(1, Ordering::Relaxed)) {
                Ok(true) => drop(valid.fetch_add(1, Ordering::Relaxed)),
                Ok(false) => {}
                Err(told) => wrong.push(told),
            }
        }
        wrong
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn json_holds_each_question_with_what_was_predicted_and_seen() {
    if lacks() {
        return;
    }
    let ran = prove(Path::new("examples/staging-egress/works.yaml"), &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let all = json["questions"].as_array().unwrap();
    let seen = all.iter().any(|question| {
        question["from"] == "analytics"
            && question["to"] == "clickhouse"
            && question["answered"] == true
            && question["source_seen"] == "198.51.100.10"
    });
    assert!(seen, "the provider sees the NAT gateway's address: {json}");
    assert!(all.iter().all(|question| question["agrees"] == true), "{json}");
}
