//! Verdicts confirmed by packets: the examples, generated networks and real exports in a lab, every TCP connection compared.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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

#[test]
fn json_holds_each_connection_with_what_was_predicted_and_seen() {
    if lacks() {
        return;
    }
    let ran = prove(Path::new("examples/staging-egress/works.yaml"), &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let all = json["connections"].as_array().unwrap();
    let seen = all.iter().any(|connection| {
        connection["from"] == "analytics"
            && connection["to"] == "clickhouse"
            && connection["connected"] == true
            && connection["source_seen"] == "198.51.100.10"
    });
    assert!(seen, "the provider sees the NAT gateway's address: {json}");
    assert!(all.iter().all(|connection| connection["agrees"] == true), "{json}");
}

#[path = "../../netwright-verify/tests/equivalence/networks.rs"]
pub(crate) mod networks;
#[path = "../../netwright-verify/tests/equivalence/random.rs"]
pub(crate) mod random;

#[test]
fn dump() {
    let Ok(folder) = std::env::var("DUMP") else { return };
    for seed in 0..300 {
        let mut random = random::Random(seed);
        std::fs::write(format!("{folder}/{seed}.yaml"), networks::network(&mut random)).unwrap();
    }
}
