//! Every example, through the program: its exit code and what it must say.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs `check` and asserts its exit code, what it says, and what it must not say.
fn check(path: &str, code: i32, says: &[&str], never: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_netwright"))
        .args(["check", path])
        .current_dir(root())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{path}\n{text}{errors}");
    for part in says {
        assert!(text.contains(part), "{path} does not say `{part}`\n{text}");
    }
    for part in never {
        assert!(!text.contains(part), "{path} says `{part}`\n{text}");
    }
}

#[test]
fn the_quick_start_holds_and_its_mistake_is_told() {
    check("examples/quickstart/network.yaml", 0, &["5 hold, 0 broken"], &["NW-"]);
    check("examples/quickstart/mistake.yaml", 1, &["broken  web-reaches-db"], &[]);
}

#[test]
fn what_goes_through_load_balancers_holds() {
    check("examples/load-balancers/network.yaml", 0, &["4 hold, 0 broken, 0 unknown"], &["NW-"]);
}

#[test]
fn the_three_tier_export_holds() {
    check("examples/aws-three-tier/export", 0, &["7 hold, 0 broken, 0 unknown"], &["error["]);
}

#[test]
fn the_serverless_export_holds_and_one_combination_only_works() {
    let export = "examples/gcp-serverless/export";
    check(export, 0, &["5 hold, 0 broken, 0 unknown"], &["error["]);
    let output = Command::new(env!("CARGO_BIN_EXE_netwright"))
        .args(["matrix", export])
        .args(["--vary", "services.analytics.egress.mode=private-ranges-only,all-traffic"])
        .args(["--vary", "nat_gateways.staging-nat.address_allocation=static,automatic"])
        .args(["--vary", "externals.clickhouse.allow_from=198.51.100.10/31,192.0.2.7"])
        .current_dir(root())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["1 of 8 combinations work", "seen as 198.51.100.10", "cannot be predicted"] {
        assert!(text.contains(part), "the matrix does not say `{part}`\n{text}");
    }
}

#[test]
fn every_complaint_of_the_ticket_that_a_description_can_answer_is_answered() {
    let complaints = [
        "NW-ADDR-001",
        "next free /24",
        "NW-MTU-001",
        "1438",
        "NW-MTU-002",
        "NW-FLT-001",
        "lower number than rule 100",
        "service-a.internal → service-b.internal → service-a.internal",
        "NW-ADDR-006",
        "offers 251",
        "NW-RT-004",
        "broken  production-reaches-partner",
        "NW-LB-003",
        "broken  ssh-from-inside",
        "broken  service-a-is-found: bastion → service-a.internal: unresolved",
        "holds  https-from-on-premises",
    ];
    check("examples/ticket-3291/reported.yaml", 1, &complaints, &["NW-FLT-003"]);
    check("examples/ticket-3291/repaired.yaml", 0, &["6 hold, 0 broken"], &["NW-"]);
}

#[test]
fn the_staging_regression_breaks_what_it_broke() {
    let dead = [
        "does not start  auth (phase database)",
        "does not start  backend (phase database)",
        "lost  golden path sign-in-and-ask",
    ];
    let alive = ["does not start  auth", "does not start  backend"];
    check(
        "examples/staging-egress/before.yaml",
        1,
        &["broken  analytics-reaches-clickhouse"],
        &alive,
    );
    check("examples/staging-egress/after.yaml", 1, &dead, &[]);
}

#[test]
fn only_the_combination_that_really_works_works() {
    let unused = ["NW-NAT-001", "NW-NAT-002", "cannot be predicted"];
    check("examples/staging-egress/option-1.yaml", 1, &unused, &[]);
    let option_2 = ["broken  analytics-reaches-clickhouse"];
    check("examples/staging-egress/option-2.yaml", 1, &option_2, &["does not start  auth"]);
    check("examples/staging-egress/option-3.yaml", 1, &["broken  backend-reaches-redis"], &[]);
    check("examples/staging-egress/works.yaml", 0, &["3 hold, 0 broken"], &["NW-", "blocked"]);
}

#[test]
fn the_connector_plan_is_refused_with_what_is_possible() {
    let refused = [
        "NW-CON-001",
        "e2-standard-4",
        "NW-CON-002",
        "--min-instances 9 --max-instances 10",
        "NW-POOL-001",
        "600 connections",
        "NW-POOL-002",
        "NW-POOL-003",
        "NW-SVC-002",
        "NW-CERT-001",
        "NW-LB-001",
        "NW-LB-004",
        "35s at worst",
        "NW-TIME-001",
        "NW-TIME-003",
        "NW-ALERT-001",
        "NW-ALERT-002",
        "NW-CRIT-001",
        "NW-CRIT-002",
    ];
    check("examples/connector-plan/plan.yaml", 1, &refused, &[]);
}
