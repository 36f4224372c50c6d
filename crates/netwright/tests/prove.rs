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
        "load-balancers/network.yaml",
        "aws-three-tier/export",
        "gcp-serverless/export",
    ] {
        agrees(&root().join("examples").join(example), &[]);
    }
}

#[test]
fn every_verdict_of_the_examples_is_confirmed_over_several_hosts() {
    if lacks() {
        return;
    }
    for example in
        ["ticket-3291/reported.yaml", "staging-egress/works.yaml", "aws-three-tier/export"]
    {
        agrees(&root().join("examples").join(example), &["--hosts", "4"]);
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

/// All exports of AWS in the collections that hold two places to ask between, and some of IBM Cloud.
const EXPORTS: [&str; 21] = [
    "batfish-aws/grammar-aws/testrigs/ipsec-vpn-host-aws-cisco",
    "batfish-aws/test",
    "batfish-aws/test-direct-connect-private-vif",
    "batfish-aws/test-nat-gateway",
    "batfish-aws/test-public-subnet",
    "batfish-aws/test-subnet",
    "batfish-aws/test-transit-gateway",
    "batfish-aws/test-transit-gateway-asymmetric-paths",
    "batfish-aws/test-transit-gateway-multi-account",
    "batfish-aws/test-vpc-endpoint-interface",
    "batfish-aws/test-vpc-peering",
    "cloudmapper-demo",
    "np-guard-vpc/awsvpc/input/input_aws_acl_1.json",
    "np-guard-vpc/awsvpc/input/input_aws_sg_1.json",
    "np-guard-vpc/awsvpc/input/input_basic_config_with_sg.json",
    "np-guard-vpc/ibmvpc/input/input_acl_testing5.json",
    "np-guard-vpc/ibmvpc/input/input_multiple_vpcs.json",
    "np-guard-vpc/ibmvpc/input/input_sg_testing1_new.json",
    "np-guard-vpc/ibmvpc/input/input_split_subnet.json",
    "np-guard-vpc/ibmvpc/input/input_tgw_basic_example.json",
    "np-guard-vpc/ibmvpc/input/input_vni_basic.json",
];

#[test]
fn every_verdict_of_real_exports_is_confirmed() {
    let data = root().join("../shared/data/networks");
    if !data.is_dir() {
        eprintln!("skipped: {} is absent", data.display());
        return;
    }
    if lacks() {
        return;
    }
    for export in EXPORTS {
        agrees(&data.join(export), &["--most", "2000"]);
    }
}

/// A lab that ends with the test.
struct Up(String);

impl Up {
    fn new(name: &str, network: &str) -> Self {
        let lab = Self(format!("{name}-{}", std::process::id()));
        let ran = lab.run(&["lab", "up", network, "--name"], &[]);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        lab
    }

    fn run(&self, words: &[&str], more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
        command.args(words).arg(&self.0).args(more).current_dir(root()).output().unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ended = self.run(&["lab", "down", "--name"], &[]);
    }
}

#[test]
fn what_disagrees_is_told_with_the_predicted_path_and_the_rule_that_dropped_it() {
    if lacks() {
        return;
    }
    let file = "examples/quickstart/network.yaml";
    let lab = Up::new("drifted", file);
    let before = lab.run(&["prove", file, "--lab"], &[]);
    assert_eq!(before.status.code(), Some(0), "{}", String::from_utf8_lossy(&before.stdout));
    let rule = ["vpc/prod", "--", "nft", "insert", "rule", "inet", "netwright", "forward"];
    let added = lab
        .run(&["lab", "exec", "--name"], &[&rule[..], &["tcp", "dport", "5432", "drop"]].concat());
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let ran = lab.run(&["prove", file, "--lab"], &[]);
    let out = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(1), "{out}");
    for told in [
        "disagrees  web-1 → db-1 10.0.2.20 tcp/5432",
        "db allows into db-1: postgres from web",
        "✗ vpc/prod: 10.0.1.20 → 10.0.2.20 tcp",
        "dropped in chain forward: tcp dport 5432 drop",
        "28 of 30 predictions were seen to be true",
    ] {
        assert!(out.contains(told), "{told} is missing:\n{out}");
    }
    let sent = out.find("instance/web-1: 10.0.1.20 → 10.0.2.20").unwrap();
    assert!(sent < out.find("✗ vpc/prod: 10.0.1.20 → 10.0.2.20").unwrap(), "{out}");
    let json = lab.run(&["prove", file, "--format", "json", "--lab"], &[]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let questions = json["questions"].as_array().unwrap();
    let wrong = questions.iter().find(|question| question["agrees"] == false).unwrap();
    let kernel = wrong["disagreement"]["kernel"].as_array().unwrap();
    let dropped = kernel.iter().any(|passage| passage["fate"]["dropped"]["chain"] == "forward");
    assert!(dropped, "{wrong}");
    let rules = lab.run(&["lab", "exec", "--name"], &["vpc/prod", "--", "nft", "list", "tables"]);
    assert_eq!(String::from_utf8_lossy(&rules.stdout).trim(), "table inet netwright");
}

#[test]
fn counters_of_rules_translations_and_links_are_told_by_name() {
    if lacks() {
        return;
    }
    let file = "examples/quickstart/network.yaml";
    let lab = Up::new("counted", file);
    let none = lab.run(&["lab", "stats", "vpc/prod", "--format", "json", "--name"], &[]);
    let counted = |out: &Output, what: &str, name: &str| -> Option<u64> {
        let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        let all = json["counters"].as_array().unwrap().clone();
        let mut own = all.iter().filter(|row| row["what"] == what && row["name"] == name);
        own.next().and_then(|row| row["packets"].as_u64())
    };
    assert_eq!(counted(&none, "rule", "db: postgres from web"), None);
    assert_eq!(lab.run(&["prove", file, "--lab"], &[]).status.code(), Some(0));
    let all = lab.run(&["lab", "stats", "--format", "json", "--name"], &[]);
    // One connection was let through, and counted once.
    assert_eq!(counted(&all, "rule", "db: postgres from web"), Some(1));
    assert!(counted(&all, "rule", "db: default") > Some(0));
    assert_eq!(counted(&all, "translation", "10.0.1.10/32 as 198.51.100.10"), Some(1));
    assert!(counted(&all, "sent", "i_db-1") > Some(10));
    let unknown = lab.run(&["lab", "stats", "nowhere", "--name"], &[]);
    assert_eq!(unknown.status.code(), Some(2), "{}", String::from_utf8_lossy(&unknown.stderr));
}

#[test]
fn what_listens_in_a_lab_already_is_not_asked_and_no_disagreement() {
    if lacks() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("listening.yaml");
    let text = std::fs::read_to_string(root().join("examples/quickstart/network.yaml")).unwrap();
    std::fs::write(&file, &text).unwrap();
    let lab = Up::new("listening", file.to_str().unwrap());
    // What listens holds the place for as long as the test takes.
    let mut server = Command::new(env!("CARGO_BIN_EXE_netwright"));
    let script = "import socket, time; s = socket.create_server(('10.0.2.20', 5432)); print('up', flush=True); time.sleep(60)";
    server.args(["lab", "exec", "--name", &lab.0, "db-1", "--", "python3", "-c", script]);
    let Ok(mut server) = server.stdout(std::process::Stdio::piped()).spawn() else { return };
    let mut up = [0; 2];
    let listens = std::io::Read::read_exact(server.stdout.as_mut().unwrap(), &mut up).is_ok();
    if !listens {
        eprintln!("skipped: no python3 to listen with");
        return;
    }
    let ran = lab.run(&["prove", file.to_str().unwrap(), "--lab"], &[]);
    let _ended = server.kill().and_then(|()| server.wait());
    let out = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{out}");
    assert!(out.contains("not tried  web-1 → db-1 10.0.2.20 tcp/5432"), "{out}");
    assert!(out.contains("1 could not be tried") || out.contains("2 could not be tried"), "{out}");
}

#[path = "prove/balancers.rs"]
mod balancers;
#[path = "../../netwright-verify/tests/equivalence/networks.rs"]
mod networks;
#[path = "../../netwright-verify/tests/equivalence/random.rs"]
mod random;

/// Random networks that are asked. Some are no valid descriptions, which other tests are about.
const RANDOM: u64 = 150;

/// The same of networks in which most connections through balancers work.
const BALANCED: u64 = 50;

/// How many of them at a time: most of the time goes into waiting for answers that do not come.
const AT_A_TIME: u64 = 6;

#[test]
fn every_verdict_of_random_networks_is_confirmed() {
    if !lacks() {
        random_networks("prove-random", RANDOM, |seed| {
            networks::network(&mut random::Random(seed))
        });
    }
}

#[test]
fn every_flow_through_random_balancers_is_confirmed() {
    if !lacks() {
        random_networks("prove-balancers", BALANCED, |seed| {
            balancers::network(&mut random::Random(seed))
        });
    }
}

/// Proves so many valid networks of those that seeds give.
fn random_networks(name: &str, wanted: u64, network: impl Fn(u64) -> String + Sync) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let one = |seed: u64| {
        let file = folder.join(format!("{seed}.yaml"));
        std::fs::write(&file, network(seed)).unwrap();
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
        while valid.load(Ordering::Relaxed) < wanted && wrong.len() < 3 {
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

/// VPCs with the same ranges, in which machines have the same addresses.
const OVERLAPPING: &str = "
vpcs:
  v: { subnets: { s: { cidr: 10.0.0.0/24 } } }
  w: { subnets: { t: { cidr: 10.0.0.0/24 } } }
filters: { f: { rules: [ { direction: egress }, { direction: ingress } ] } }
instances:
  a: { subnet: s, address: 10.0.0.10, filters: f }
  b: { subnet: s, address: 10.0.0.11, filters: f }
  c: { subnet: t, address: 10.0.0.11, filters: f }
";

#[test]
fn who_has_an_address_in_another_vpc_too_is_not_asked_for_it_and_nothing_disagrees() {
    if lacks() {
        return;
    }
    let file = std::env::temp_dir().join(format!("netwright-overlap-{}.yaml", std::process::id()));
    std::fs::write(&file, OVERLAPPING).unwrap();
    agrees(&file, &[]);
    std::fs::remove_file(file).unwrap();
}
