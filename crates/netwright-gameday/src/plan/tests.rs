//! What experiments are planned to do, and which are refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it cannot go on")]

use std::path::Path;

use netwright_dataplane::plan::plan as lab_plan;
use netwright_model::source::Sources;

use super::*;

const NETWORK: &str = "
vpcs:
  v:
    region: us-east-1
    subnets: { a: { cidr: 10.0.1.0/24, zone: a }, b: { cidr: 10.0.2.0/24, zone: b } }
filters: { web: { rules: [ { direction: ingress }, { direction: egress } ] } }
instances:
  frontend: { subnet: a, address: 10.0.1.5, filters: web, listens: tcp/80 }
  gateway: { subnet: a, address: 10.0.1.6, listens: tcp/8080 }
  worker: { subnet: b, address: 10.0.2.6 }
  database: { subnet: b, address: 10.0.2.7, listens: tcp/5432 }
  redis: { subnet: b, address: 10.0.2.8, listens: tcp/6379 }
";

fn planned(experiment: &str) -> Result<Plan, String> {
    let mut sources = Sources::default();
    let network = netwright_model::load("network", NETWORK, &mut sources).unwrap();
    let told = |wrong: Vec<Diagnostic>| {
        let words = wrong
            .into_iter()
            .map(|one| format!("{}: {} ({})", one.code, one.message, one.help.unwrap_or_default()));
        words.collect::<Vec<_>>().join("\n")
    };
    let experiment =
        load::parse(Path::new("e.yaml"), experiment, &mut sources, &|_| None).map_err(told)?;
    plan(experiment, &network, &lab_plan(&network)).map_err(told)
}

fn wrong(experiment: &str) -> String {
    match planned(experiment) {
        Ok(plan) => panic!("it is planned: {plan:#?}"),
        Err(why) => why,
    }
}

#[test]
fn a_partition_cuts_each_of_one_side_from_each_of_the_other() {
    let plan = planned("{ title: t, faults: { cut: { between: [gateway, worker], and: database } }, method: [ { fault: cut, for: 5s } ] }").unwrap();
    assert_eq!((plan.blast.pairs, plan.blast.cut, plan.blast.endpoints), (10, 2, 5));
    assert_eq!(plan.blast.concerned, ["database", "gateway", "worker"]);
    let place = |name: &str| plan.parties.0.iter().position(|party| party.name == name).unwrap();
    let (gateway, worker, database) = (place("gateway"), place("worker"), place("database"));
    let cut = &plan.faults[0];
    assert_eq!(cut.seen((gateway, database), 5432), Some(State::Down));
    assert_eq!(cut.seen((database, worker), 1), Some(State::Down));
    assert_eq!(cut.seen((gateway, worker), 1), None);
    assert_eq!(plan.length, Duration::from_secs(5));
}

#[test]
fn directions_and_beginnings_are_seen_as_what_they_are() {
    let of = |fields: &str| {
        let text = format!(
            "{{ title: t, faults: {{ f: {{ between: gateway, and: database, {fields} }} }}, method: [ {{ fault: f, for: 5s }} ] }}"
        );
        let plan = planned(&text).unwrap();
        let place =
            |name: &str| plan.parties.0.iter().position(|party| party.name == name).unwrap();
        let ends = (place("gateway"), place("database"));
        plan.faults[0].seen(ends, 5432)
    };
    assert_eq!(of("direction: there"), Some(State::OneWayThere));
    assert_eq!(of("direction: back"), Some(State::OneWayBack));
    assert_eq!(of("initiation: true, direction: there"), Some(State::InitiationOnly));
    assert_eq!(
        of("initiation: true, direction: back"),
        None,
        "the gateway still begins connections"
    );
    assert_eq!(of("services: tcp/5432"), Some(State::Down));
    assert_eq!(of("services: tcp/22"), None);
    assert_eq!(of("services: tcp/5432, direction: back"), Some(State::OneWayBack));
    assert_eq!(of("kind: hold"), Some(State::Stalled));
    assert_eq!(of("kind: slow, latency: 250ms"), Some(State::Slow));
}

#[test]
fn zones_regions_and_groups_are_names_too() {
    let cut = |side: &str| {
        let text = format!(
            "{{ title: t, safety: {{ most_pairs: 100% }}, faults: {{ f: {{ between: '{side}' }} }}, method: [ {{ fault: f, for: 5s }} ] }}"
        );
        planned(&text).map(|plan| plan.blast.cut)
    };
    assert_eq!(cut("zone:a"), Ok(2 * 3));
    assert_eq!(cut("subnet:v/b"), Ok(3 * 2));
    assert_eq!(cut("group:web"), Ok(4));
    assert!(cut("region:us-east-1").is_err(), "there is nothing else");
    assert!(cut("zone:c").unwrap_err().contains("did you mean `zone:a`"));
}

#[test]
fn what_names_nothing_cuts_everything_never_ends_or_overlaps_is_refused_with_all_errors() {
    let faults = "faults: { cut: { between: gateway, and: database } }";
    let cases = [
        (
            "faults: { f: { between: gatewy } }, method: [ { fault: f, for: 5s } ]",
            "did you mean `gateway`",
        ),
        (
            "faults: { f: { between: everything, and: everything } }, method: [ { fault: f, for: 5s } ]",
            "10 of 10 pairs",
        ),
        (&format!("{faults}, method: [ {{ fault: cut }} ]"), "never ends"),
        (&format!("{faults}, method: [ {{ fault: cat, for: 5s }} ]"), "did you mean `cut`"),
        (
            &format!(
                "{faults}, method: [ {{ fault: cut, for: 5s, background: true }}, {{ fault: cut, for: 1s }} ]"
            ),
            "while it is on",
        ),
        (
            &format!(
                "{faults}, safety: {{ protect: database }}, method: [ {{ fault: cut, for: 5s }} ]"
            ),
            "is protected",
        ),
        (
            &format!(
                "{faults}, safety: {{ controller: gateway }}, method: [ {{ fault: cut, for: 5s }} ]"
            ),
            "where probes and the workload come from",
        ),
        (&format!("{faults}, method: [ {{ fault: cut, for: 31m }} ]"), "1860 s"),
        (faults, "does nothing"),
        (
            &format!("{faults}, method: [ {{ fault: cut, for: 5s }} ], fault: {{ }}"),
            "did you mean `faults`",
        ),
        (
            "faults: { f: { kind: loss, between: gateway } }, method: [ { fault: f, for: 5s } ]",
            "needs `share`",
        ),
        (
            "faults: { f: { kind: dns, between: gateway } }, method: [ { fault: f, for: 5s } ]",
            "no name server",
        ),
        (
            "faults: { f: { kind: clock, on: gateway, ahead: 5s } }, method: [ { fault: f, for: 5s } ]",
            "clocks are those of the reference system",
        ),
        (
            "reference: {}, faults: { f: { kind: clock, on: database, ahead: 5s } }, method: [ { fault: f, for: 5s } ]",
            "database has no clock of its own",
        ),
        (
            "reference: {}, faults: { f: { kind: clock, on: gateway, ahead: 5s, behind: 5s } }, method: [ { fault: f, for: 5s } ]",
            "`ahead` or `behind`",
        ),
    ];
    for (text, wanted) in cases {
        let why = wrong(&format!("{{ title: t, {text} }}"));
        assert!(why.contains(wanted), "{text}\n{why}");
    }
    let both = wrong(
        "{ title: t, faults: { f: { between: nobody } }, method: [ { fault: g, for: 5s } ] }",
    );
    assert_eq!(both.lines().count(), 2, "{both}");
}

#[test]
fn what_is_done_again_and_what_clients_do_is_looked_at_before_anything_is_begun() {
    let faults = "faults: { cut: { between: gateway, and: database } }";
    let work = |fields: &str| {
        format!("{faults}, method: [ {{ fault: cut, for: 5s }} ], workload: [ {{ {fields} }} ]")
    };
    let cases = [
        (
            &format!("{faults}, method: [ {{ fault: cut, for: 5s }}, {{ ref: pages }} ]"),
            "there is no activity `pages`",
        ),
        (
            &format!(
                "{faults}, method: [ {{ fault: cut, for: 5s }} ], recovery: [ {{ fault: cut, for: 5s }} ]"
            ),
            "injected where nothing is to be broken",
        ),
        (&work("from: gatway, url: 'http://database', write: /w"), "did you mean `gateway`"),
        (&work("url: 'ftp://database', write: /w"), "only http://"),
        (&work("url: 'http://database'"), "the workload does nothing"),
        (&work("write: /w"), "the workload goes nowhere"),
        (&work("run: ./clients, model: lost-write"), "did you mean `lost-writes`"),
    ];
    for (text, wanted) in cases {
        let why = wrong(&format!("{{ title: t, {text} }}"));
        assert!(why.contains(wanted), "{text}\n{why}");
    }
}

#[test]
fn clocks_are_wrong_by_so_much_and_no_connection_shows_it() {
    let plan = planned("{ title: t, reference: {}, faults: { f: { kind: clock, on: [gateway, worker], behind: 5m } }, method: [ { fault: f, for: 5s } ] }").unwrap();
    let fault = &plan.faults[0];
    assert_eq!(fault.does, Does::Clocks(vec!["gateway".into(), "worker".into()], -300_000));
    assert_eq!(fault.what, "wall clocks of gateway, worker are 300s behind");
    assert_eq!((plan.blast.cut, plan.blast.concerned.len()), (0, 2));
    assert!(!fault.touches((0, 1)));
}

#[test]
fn experiments_of_the_chaos_toolkit_are_read_and_what_is_not_done_is_told() {
    let text = r#"{
      "version": "1.0.0", "title": "What happens", "description": "d", "tags": ["a"],
      "configuration": {"port": {"type": "env", "key": "PORT", "default": "8080"}, "x": {"type": "vault", "path": "y"}},
      "steady-state-hypothesis": {"title": "up", "probes": [
        {"type": "probe", "name": "answers", "tolerance": 200, "provider": {"type": "http", "url": "http://gateway:${port}/", "timeout": 3}},
        {"type": "probe", "name": "says", "tolerance": {"type": "regex", "pattern": "(?=o)k"}, "provider": {"type": "http", "url": "http://gateway:8080/"}},
        {"type": "probe", "name": "code", "tolerance": true, "provider": {"type": "python", "module": "m", "func": "f", "arguments": {"a": 1}}}
      ]},
      "method": [
        {"type": "action", "name": "wait", "provider": {"type": "process", "path": "sleep", "arguments": "1"}, "pauses": {"after": 2}},
        {"ref": "answers"}
      ],
      "rollbacks": []
    }"#;
    let plan = planned(text).unwrap();
    assert_eq!(
        plan.left_out,
        [
            "configuration: x: values of the type vault are not read",
            "steady-state-hypothesis: says: tolerance: the pattern is not understood: error: look-around, including look-ahead and look-behind, is not supported",
            "steady-state-hypothesis: code: functions of Python are not run: m.f",
        ]
    );
    assert_eq!(plan.length, Duration::from_secs(2));
}

#[test]
fn a_slow_link_is_taken_where_fewer_others_are_slowed_and_the_others_are_told() {
    let plan = planned("{ title: t, safety: { most_pairs: 100% }, faults: { f: { kind: slow, latency: 5ms, between: [gateway, worker], and: database } }, method: [ { fault: f, for: 5s } ] }").unwrap();
    let Does::Links(changes) = &plan.faults[0].does else { panic!("{plan:#?}") };
    assert_eq!(changes.len(), 1);
    assert!(changes[0].0.contains("database"), "{changes:?}");
    assert_eq!(plan.notes.len(), 1);
    assert!(plan.notes[0].contains("2 other pairs"), "{:?}", plan.notes);
}
