use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Alert, ChangeEvent, Changes, Compare, Condition, Desk, DeskOptions, Engine, Level,
    Notification, Rule, Silence, Status, Threshold, World,
};
use crate::fault::Domain;
use crate::health::{Counts, State};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What a test says is known.
#[derive(Default)]
struct Known {
    states: BTreeMap<String, State>,
    metrics: BTreeMap<(String, String), f64>,
    counts: BTreeMap<String, Counts>,
    suppressed: Option<String>,
}

impl Known {
    fn state(mut self, thing: &str, state: State) -> Self {
        self.states.insert(thing.to_owned(), state);
        self
    }

    fn metric(mut self, metric: &str, thing: &str, value: f64) -> Self {
        self.metrics.insert((metric.to_owned(), thing.to_owned()), value);
        self
    }
}

impl World for Known {
    fn things(&self) -> Vec<&str> {
        let metrics = self.metrics.keys().map(|(_, thing)| thing);
        let all = self.states.keys().chain(metrics).chain(self.counts.keys());
        let mut all: Vec<&str> = all.map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
    fn state(&self, thing: &str) -> Option<State> {
        self.states.get(thing).copied()
    }
    fn since(&self, _: &str) -> Option<Duration> {
        None
    }
    fn flapping(&self, _: &str) -> Option<bool> {
        None
    }
    fn counts(&self, thing: &str) -> Option<Counts> {
        self.counts.get(thing).copied()
    }
    fn metric(&self, metric: &str, thing: &str) -> Option<f64> {
        self.metrics.get(&(metric.to_owned(), thing.to_owned())).copied()
    }
    fn suppressed_by(&self, _: &str) -> Option<&str> {
        self.suppressed.as_deref()
    }
    fn fault(&self, _: &str) -> Option<Domain> {
        Some(Domain::Infrastructure)
    }
}

fn at_least(metric: &str, value: f64) -> Threshold {
    Threshold { metric: metric.to_owned(), compare: Compare::AtLeast, value }
}

/// The rule about connectors, with what the original forgot.
fn capacity() -> Rule {
    let condition = Condition::Metric(at_least("capacity_utilization", 0.80));
    let mut rule = Rule::new(
        "connector capacity",
        "vpc_connector",
        "staging-connector",
        Level::Warning,
        condition,
    )
    .says("VPC connector at {percent} capacity")
    .remedy_when(
        vec![at_least("instances", 10.0)],
        "It has its ten instances: a larger type, another connector, or direct VPC egress",
    )
    .remedy("Raise the connector's most instances");
    rule.escalation = Some("infrastructure_team".to_owned());
    rule.issue = Some("#1278".to_owned());
    rule.runbook = Some("https://runbooks.example/connector".to_owned());
    rule
}

fn engine(rule: Rule) -> Engine {
    let mut engine = Engine::default();
    engine.rules(vec![rule]);
    engine
}

fn connector(capacity: f64, instances: f64) -> Known {
    Known::default().metric("capacity_utilization", "staging-connector", capacity).metric(
        "instances",
        "staging-connector",
        instances,
    )
}

fn step(engine: &mut Engine, known: &Known, seconds: u64) -> Vec<Alert> {
    engine.step(known, &Changes::default(), at(seconds))
}

#[test]
fn a_threshold_fires_at_its_value_and_not_below() {
    let mut engine = engine(capacity());
    assert_eq!(step(&mut engine, &connector(0.7999, 3.0), 0), []);
    let alerts = step(&mut engine, &connector(0.80, 3.0), 1);
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].message, "VPC connector at 80.0 % capacity");
}

#[test]
fn what_to_do_depends_on_how_it_is() {
    let mut engine = engine(capacity());
    let at_three = step(&mut engine, &connector(0.9, 3.0), 0).remove(0);
    assert_eq!(
        at_three.guidance.remediation.as_deref(),
        Some("Raise the connector's most instances")
    );
    let at_ten = step(&mut engine, &connector(0.9, 10.0), 1).remove(0);
    assert!(at_ten.guidance.remediation.unwrap().contains("direct VPC egress"));
}

#[test]
fn d5_an_alert_has_every_field_of_the_sources() {
    let alert = step(&mut engine(capacity()), &connector(0.9, 3.0), 0).remove(0);
    let json = serde_json::to_value(&alert).unwrap();
    for (field, value) in [
        ("level", "WARNING"),
        ("component", "vpc_connector"),
        ("message", "VPC connector at 90.0 % capacity"),
        ("remediation", "Raise the connector's most instances"),
        ("escalation", "infrastructure_team"),
        ("issue_reference", "#1278"),
        ("runbook", "https://runbooks.example/connector"),
        ("fault_domain", "infrastructure"),
        ("status", "firing"),
    ] {
        assert_eq!(json[field], value, "{field}");
    }
}

#[test]
fn d5_missing_data_is_neither_well_nor_an_end_and_is_told() {
    let mut engine = engine(capacity());
    assert_eq!(step(&mut engine, &Known::default(), 0), [], "not at once");
    let alerts = step(&mut engine, &Known::default(), 300);
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].rule, "connector capacity: no data");
    assert!(
        alerts[0].message.contains("`capacity_utilization` was not measured for 5 min"),
        "{}",
        alerts[0].message
    );
    // It is measured, and over; then not measured any more: it goes on firing.
    let alerts = step(&mut engine, &connector(0.9, 3.0), 301);
    assert_eq!(
        alerts.iter().map(|alert| alert.status).collect::<Vec<_>>(),
        [Status::Resolved, Status::Firing]
    );
    let alerts = step(&mut engine, &Known::default(), 302);
    assert_eq!((alerts[0].rule.as_str(), alerts[0].status), ("connector capacity", Status::Firing));
    let alerts = step(&mut engine, &connector(0.1, 3.0), 303);
    assert_eq!(alerts[0].status, Status::Resolved, "only a measurement ends it");
    assert_eq!(step(&mut engine, &connector(0.1, 3.0), 304), []);
}

#[test]
fn it_holds_for_a_while_before_it_fires_and_fires_for_a_while_after() {
    let mut engine = engine(capacity().held(at(60), at(30)));
    let (high, low) = (connector(0.9, 3.0), connector(0.1, 3.0));
    assert_eq!(step(&mut engine, &high, 0), []);
    assert_eq!(step(&mut engine, &high, 59), []);
    assert_eq!(step(&mut engine, &low, 60), []);
    assert_eq!(step(&mut engine, &high, 61), [], "from the beginning");
    assert_eq!(step(&mut engine, &high, 121).len(), 1);
    assert_eq!(step(&mut engine, &low, 130)[0].status, Status::Firing);
    assert_eq!(step(&mut engine, &low, 150)[0].status, Status::Firing);
    assert_eq!(step(&mut engine, &low, 151)[0].status, Status::Resolved);
}

#[test]
fn a_failure_rate_needs_enough_results() {
    let condition = Condition::FailureRate { share: 0.10, least: 20 };
    let mut rule = Rule::new("failures", "clickhouse", "clickhouse", Level::Critical, condition);
    rule.missing_after = None;
    let mut engine = engine(rule);
    let known = |passed, failed| Known {
        counts: [("clickhouse".to_owned(), Counts { passed, failed, unknown: 0 })].into(),
        ..Known::default()
    };
    assert_eq!(step(&mut engine, &known(0, 5), 0), []);
    assert_eq!(step(&mut engine, &known(19, 2), 1), []);
    assert_eq!(step(&mut engine, &known(18, 2), 2).len(), 1, "10 % of 20");
}

#[test]
fn a_state_that_is_not_known_is_not_healthy_and_ends_nothing() {
    let rule = Rule::new(
        "down",
        "auth",
        "auth",
        Level::Critical,
        Condition::State(vec![State::Unhealthy]),
    );
    let mut engine = engine(rule);
    let is = |state| Known::default().state("auth", state);
    assert_eq!(step(&mut engine, &is(State::Unhealthy), 0).len(), 1);
    assert_eq!(step(&mut engine, &is(State::Unknown), 1)[0].status, Status::Firing);
    assert_eq!(step(&mut engine, &is(State::Healthy), 2)[0].status, Status::Resolved);
}

#[test]
fn beside_an_alert_stand_the_changes_before_it() {
    let mut changes = Changes::default();
    let change =
        |seconds, what: &str| ChangeEvent { at: at(seconds), what: what.to_owned(), who: None };
    changes.add(change(1_000, "network revision 41 was applied"));
    changes.add(change(400_000, "network revision 42 was applied"));
    changes.add(ChangeEvent {
        who: Some("ada".to_owned()),
        ..change(500, "network revision 40 was applied")
    });
    // 37 h 14 min 53 s after the change, as in the incident.
    let began = at(1_000 + 134_093);
    let mut engine = engine(capacity());
    let alert = engine.step(&connector(0.9, 3.0), &changes, began).remove(0);
    assert_eq!(
        alert.changes,
        [
            "network revision 41 was applied 37 h before",
            "network revision 40 was applied by ada 37 h before"
        ]
    );
}

#[test]
fn what_depends_on_something_that_is_away_does_not_begin_to_fire() {
    let mut engine = engine(capacity());
    let mut known = connector(0.9, 3.0);
    known.suppressed = Some("network".to_owned());
    assert_eq!(step(&mut engine, &known, 0), []);
    known.suppressed = None;
    assert_eq!(step(&mut engine, &known, 1).len(), 1);
}

fn alert(rule: &str, thing: &str, level: Level) -> Alert {
    let rule = Rule::new(rule, "database", thing, level, Condition::State(vec![State::Unhealthy]));
    step(&mut engine(rule), &Known::default().state(thing, State::Unhealthy), 0).remove(0)
}

fn over(alert: &Alert) -> Alert {
    Alert { status: Status::Resolved, ..alert.clone() }
}

fn told(notification: &Notification) -> Vec<(&str, Status)> {
    notification.alerts.iter().map(|alert| (alert.rule.as_str(), alert.status)).collect()
}

#[test]
fn alerts_of_a_component_are_told_together_and_once_when_they_are_over() {
    let mut desk = Desk::default();
    let (a, b) = (alert("a", "x", Level::Warning), alert("b", "y", Level::Critical));
    assert!(desk.step(std::slice::from_ref(&a), at(0)).is_empty(), "others are waited for");
    assert!(desk.step(&[a.clone(), b.clone()], at(1)).is_empty());
    let first = desk.step(&[a.clone(), b.clone()], at(2)).remove(0);
    assert_eq!(told(&first), [("b", Status::Firing), ("a", Status::Firing)], "the worst first");
    assert_eq!((first.level, first.repeated), (Level::Critical, false));
    assert!(desk.step(&[a.clone(), b.clone()], at(100)).is_empty(), "nothing new");
    assert!(desk.step(&[a.clone(), over(&b)], at(101)).is_empty());
    let second = desk.step(std::slice::from_ref(&a), at(103)).remove(0);
    assert_eq!(told(&second), [("a", Status::Firing), ("b", Status::Resolved)]);
    desk.step(&[over(&a)], at(104));
    let third = desk.step(&[], at(106)).remove(0);
    assert_eq!(told(&third), [("a", Status::Resolved)]);
    assert!(desk.step(&[], at(100_000)).is_empty());
}

#[test]
fn what_does_not_change_is_told_again_after_four_hours() {
    let mut desk = Desk::new(DeskOptions { wait: at(0), ..DeskOptions::default() });
    let a = alert("a", "x", Level::Warning);
    assert!(!desk.step(std::slice::from_ref(&a), at(0))[0].repeated);
    assert!(desk.step(std::slice::from_ref(&a), at(4 * 3600 - 1)).is_empty());
    assert!(desk.step(std::slice::from_ref(&a), at(4 * 3600))[0].repeated);
}

#[test]
fn something_worse_about_the_same_thing_holds_the_lesser_back() {
    let mut desk = Desk::new(DeskOptions { wait: at(0), ..DeskOptions::default() });
    let all = [
        alert("slow", "x", Level::Warning),
        alert("down", "x", Level::Critical),
        alert("slow", "y", Level::Warning),
    ];
    assert_eq!(desk.held_back(&all[0], &all, at(0)).as_deref(), Some("down is worse"));
    let told = desk.step(&all, at(0)).remove(0);
    let things: Vec<(&str, &str)> =
        told.alerts.iter().map(|a| (a.rule.as_str(), a.thing.as_str())).collect();
    assert_eq!(things, [("down", "x"), ("slow", "y")]);
}

#[test]
fn a_silence_covers_what_it_names_until_it_ends() {
    let mut desk = Desk::new(DeskOptions { wait: at(0), ..DeskOptions::default() });
    let silence = Silence {
        id: 1,
        rules: "*".to_owned(),
        things: "x".to_owned(),
        from: at(0),
        until: at(100),
        who: "ada".to_owned(),
        why: "known".to_owned(),
    };
    desk.silences(vec![silence]);
    let (x, y) = (alert("a", "x", Level::Warning), alert("a", "y", Level::Warning));
    assert_eq!(desk.step(&[x.clone(), y.clone()], at(1))[0].alerts.len(), 1);
    assert!(desk.step(&[x.clone(), y.clone()], at(99)).is_empty());
    assert_eq!(desk.step(&[x, y], at(100))[0].alerts.len(), 2);
}

#[test]
fn what_is_worse_than_it_was_told_is_told_at_once() {
    let mut desk = Desk::new(DeskOptions { wait: at(0), ..DeskOptions::default() });
    let warning = alert("a", "x", Level::Warning);
    desk.step(std::slice::from_ref(&warning), at(0));
    let worse = Alert { level: Level::Critical, ..warning };
    assert_eq!(desk.step(&[worse], at(1))[0].level, Level::Critical);
}
