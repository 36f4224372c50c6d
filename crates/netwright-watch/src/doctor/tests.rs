use std::collections::BTreeMap;
use std::time::Duration;

use super::{Asked, Check, Measured, Verdict, alerts, domain, log, overall, probes};
use crate::alert::{Compare, Condition, Level, Rule, Threshold};
use crate::fault::Domain;
use crate::probe::outcome::{Kind, Outcome, Phase, PhaseName, TlsSeen, Verdict as Of};
use crate::probe::target::{Spec, Target};

const TIMEOUT: &str = "Database connection validation timeout exceeded (15s). This may indicate network connectivity issues or database overload.";
const MODULE: &str = "ModuleNotFoundError: No module named 'auth_service'";

fn outcome(verdict: Of, phases: &[(PhaseName, u64)]) -> Outcome {
    let phase = |(name, milliseconds): &(PhaseName, u64)| Phase {
        name: *name,
        took: Duration::from_millis(*milliseconds),
    };
    let phases: Vec<Phase> = phases.iter().map(phase).collect();
    Outcome {
        took: phases.iter().map(|phase| phase.took).sum(),
        phases,
        ..Outcome::bare(verdict, "2026-11-21T00:00:00Z".parse().unwrap(), 1)
    }
}

fn asked(target: &str, outcomes: &[Outcome], on_paper: Option<&str>) -> Vec<Check> {
    let spec = Spec::of(Target::parse(target).unwrap());
    probes(&Asked { name: "orders", component: "database:main", spec: &spec, outcomes, on_paper })
}

fn verdicts(checks: &[Check]) -> Vec<(&str, Verdict)> {
    checks.iter().map(|check| (check.name.as_str(), check.verdict)).collect()
}

#[test]
fn the_slowest_counts_and_a_database_is_connected_when_it_takes_queries() {
    let fast = outcome(Of::Passed, &[(PhaseName::Connect, 5), (PhaseName::Login, 20)]);
    let slow = outcome(Of::Passed, &[(PhaseName::Connect, 900), (PhaseName::Login, 200)]);
    let late = outcome(Of::Passed, &[(PhaseName::Connect, 900), (PhaseName::Login, 4_100)]);
    let to = "postgres://app@10.0.0.1/shop";
    for (outcomes, verdict) in [
        (vec![fast.clone(), fast.clone()], Verdict::Pass),
        (vec![fast.clone(), slow.clone()], Verdict::Warn),
        (vec![fast.clone(), slow, late], Verdict::Fail),
    ] {
        let checks = asked(to, &outcomes, None);
        assert_eq!(
            verdicts(&checks),
            [("orders", Verdict::Pass), ("orders: connection", verdict)],
            "{checks:?}"
        );
    }
}

#[test]
fn a_failure_is_placed_by_its_kind_with_what_was_said() {
    let failed = Of::failed(Kind::ConnectTimedOut, "no answer to the attempt to connect");
    let outcomes = [outcome(Of::Passed, &[]), outcome(failed.clone(), &[]), outcome(failed, &[])];
    let check = asked("tcp://10.0.0.1:5432", &outcomes, None).remove(0);
    assert_eq!((check.verdict, check.domain), (Verdict::Fail, Some(Domain::Infrastructure)));
    assert_eq!(check.measured.as_deref(), Some("1 of 3 as it should, slowest 0.00 µs"));
    assert_eq!(check.evidence, ["no answer to the attempt to connect (connect_timed_out)"]);
    assert!(check.remediation.unwrap().contains("NAT gateway"));
}

#[test]
fn what_cannot_work_as_it_is_described_is_a_matter_of_what_was_set() {
    let failed = Of::failed(Kind::ConnectTimedOut, "no answer");
    let check =
        asked("tcp://10.0.0.1:1", &[outcome(failed, &[])], Some("no NAT gateway")).remove(0);
    assert_eq!(check.domain, Some(Domain::Configuration));
    assert_eq!(check.evidence[1], "as described it cannot work: no NAT gateway");
}

#[test]
fn a_check_that_saw_too_little_is_unknown_and_does_not_pass() {
    let nothing = asked("tcp://10.0.0.1:1", &[], None);
    assert_eq!(verdicts(&nothing), [("orders", Verdict::Unknown)]);
    let unknown = outcome(Of::unknown("no place in the budget"), &[]);
    let some = asked("tcp://10.0.0.1:1", &[outcome(Of::Passed, &[]), unknown], None);
    assert_eq!(some[0].verdict, Verdict::Unknown);
    assert_eq!(some[0].evidence, ["no place in the budget"]);
    assert_eq!(overall(&[]), Verdict::Unknown, "nothing was checked");
    assert_eq!(overall(&some), Verdict::Unknown);
}

#[test]
fn certificates_that_end_soon_are_worth_a_look() {
    for (ends, verdict) in [
        ("2026-11-20T00:00:00Z", Verdict::Fail),
        ("2026-12-01T00:00:00Z", Verdict::Warn),
        ("2027-02-01T00:00:00Z", Verdict::Pass),
    ] {
        let mut seen = outcome(Of::Passed, &[]);
        let ends = Some(ends.parse().unwrap());
        seen.seen.tls = Some(Box::new(TlsSeen { earliest_expiry: ends, ..TlsSeen::default() }));
        let checks = asked("tls://db.example", &[seen], None);
        assert_eq!(verdicts(&checks)[1], ("orders: certificate", verdict));
    }
}

fn capacity() -> Rule {
    let threshold = |metric: &str, value| Threshold {
        metric: metric.to_owned(),
        compare: Compare::AtLeast,
        value,
    };
    let condition = Condition::Metric(threshold("capacity_utilisation", 0.8));
    Rule::new("connector-capacity", "vpc_connector", "staging-connector", Level::Warning, condition)
        .says("VPC connector at {percent} capacity")
        .remedy_when(vec![threshold("instances", 10.0)], "another connector, or direct VPC egress")
        .remedy("raise its most instances")
}

#[test]
fn d7_a_declared_threshold_that_nothing_measures_is_a_check_that_says_so() {
    let checks = alerts(&[capacity()], &BTreeMap::new());
    assert_eq!(verdicts(&checks), [("connector-capacity", Verdict::Unknown)]);
    assert!(checks[0].evidence[0].contains("`capacity_utilisation` of staging-connector"));
}

#[test]
fn a_measured_threshold_is_judged_and_its_remedy_depends_on_the_state() {
    let mut measured = Measured::default();
    measured.add("capacity_utilisation", 0.5);
    measured.add("capacity_utilisation", 0.83);
    measured.add("instances", 10.0);
    let things = BTreeMap::from([("staging-connector".to_owned(), measured)]);
    let check = alerts(&[capacity()], &things).remove(0);
    assert_eq!(check.verdict, Verdict::Warn);
    assert_eq!(check.evidence, ["VPC connector at 83.0 % capacity"]);
    assert!(check.remediation.as_ref().unwrap().contains("direct VPC egress"));
    assert!(check.is_about("vpc-connector") && check.is_about("staging-connector"));
    assert!(!check.is_about("database"));
}

#[test]
fn a_rate_of_few_results_is_unknown() {
    let rule = |level| {
        let condition = Condition::FailureRate { share: 0.1, least: 10 };
        Rule::new("failures", "clickhouse", "click*", level, condition)
    };
    let of = |passed, failed| {
        let measured = Measured { passed, failed, ..Measured::default() };
        BTreeMap::from([("clickhouse".to_owned(), measured)])
    };
    for (passed, failed, verdict) in
        [(8, 1, Verdict::Unknown), (9, 1, Verdict::Fail), (10, 1, Verdict::Pass)]
    {
        assert_eq!(alerts(&[rule(Level::Critical)], &of(passed, failed))[0].verdict, verdict);
    }
}

#[test]
fn the_lines_of_the_incident_are_two_faults_neither_of_which_causes_the_other() {
    let text = format!("2026-09-16 17:42:34 starting\n{TIMEOUT}\n{MODULE}\n{TIMEOUT}\n");
    let check = log("auth.log", &text);
    assert_eq!((check.verdict, check.domain), (Verdict::Fail, Some(Domain::Both)));
    assert_eq!(check.measured.as_deref(), Some("3 of 4 lines"));
    assert_eq!(
        check.evidence,
        [format!("infrastructure: {TIMEOUT}"), format!("application: {MODULE}")]
    );
    assert_eq!(domain(&[check]), Some(Domain::Both));
}

#[test]
fn a_log_that_says_nothing_does_not_pass() {
    for (text, verdict) in [
        ("", Verdict::Unknown),
        ("\n \n", Verdict::Unknown),
        ("ERROR: it is all different now", Verdict::Unknown),
        ("listening on 8000\n", Verdict::Pass),
    ] {
        assert_eq!(log("a", text).verdict, verdict, "{text:?}");
    }
}

#[test]
fn a_focus_finds_a_component_by_either_half_of_its_name() {
    let check =
        Check::new("auth → database:main", "database:main").about(["connector:staging".to_owned()]);
    for focus in
        ["database", "main", "DATABASE:MAIN", "vpc_connector", "staging", "auth → database:main"]
    {
        assert!(check.is_about(focus), "{focus}");
    }
    for focus in ["redis", "", "data"] {
        assert!(!check.is_about(focus), "{focus}");
    }
}
