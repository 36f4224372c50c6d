//! Transactions: orders of whole transactions that explain what each of them read.

use std::collections::BTreeMap;

use netwright_history::{Level, Options, Verdict};
use serde_json::{Value, json};

use crate::brute::explained;
use crate::{Chance, Op, compare, random, report, text};

type Lists = BTreeMap<String, Vec<u64>>;

fn key(step: &Value) -> String {
    step[1].as_str().expect("a key").to_owned()
}

/// A transaction over lists, done at once.
fn lists(state: &Lists, op: &Op) -> Option<Lists> {
    let mut state = state.clone();
    for step in op.value.as_array().expect("steps") {
        let list = state.entry(key(step)).or_default();
        if step[0] == "append" {
            list.push(step[2].as_u64().expect("an element"));
        } else if op.is_ok() && json!(list) != step[2] {
            return None;
        }
    }
    Some(state)
}

/// Transactions on a store that answers now and then from an older state, and at the end a read of everything.
fn appending(chance: &mut Chance) -> Vec<Op> {
    let mut states = vec![Lists::new()];
    let mut next = 0;
    let mut ops = random(chance, 5, |chance| {
        let back = usize::try_from(chance.below(4) / 3 * chance.below(3)).expect("small");
        let mut seen = states[states.len().saturating_sub(1 + back)].clone();
        let mut now = states.last().expect("a state").clone();
        let steps: Vec<Value> = (0..=chance.below(3))
            .map(|_| {
                let key = if chance.one_in(2) { "x" } else { "y" };
                if chance.one_in(2) {
                    next += 1;
                    seen.entry(key.to_owned()).or_default().push(next);
                    now.entry(key.to_owned()).or_default().push(next);
                    json!(["append", key, next])
                } else {
                    json!(["r", key, seen.get(key).cloned().unwrap_or_default()])
                }
            })
            .collect();
        states.push(now);
        ("txn", json!(steps))
    });
    // What failed was appended all the same: reads of it are wrong, and the last read has it only sometimes.
    let end = ops.iter().map(|op| op.end).max().unwrap_or_default();
    let last = states.last().expect("a state");
    let steps = ["x", "y"].map(|key| json!(["r", key, last.get(key).cloned().unwrap_or_default()]));
    ops.push(Op {
        process: 1,
        f: "txn",
        value: json!(steps),
        outcome: "ok",
        start: end + 1,
        end: end + 2,
    });
    ops
}

fn level(name: &str) -> Options {
    Options { level: Level::of(name).expect("a level"), ..Options::default() }
}

fn happened(ops: &[Op]) -> Vec<&Op> {
    ops.iter().filter(|op| op.outcome != "fail").collect()
}

#[test]
fn lists_that_are_read_at_the_end_are_serializable_where_brute_force_finds_an_order() {
    compare("list-append", &level("serializable"), appending, |ops| {
        Some(explained(&happened(ops), &Lists::new(), &lists, false))
    });
}

#[test]
fn they_are_strictly_so_where_it_finds_one_that_keeps_time() {
    compare("list-append", &level("strict-serializable"), appending, |ops| {
        Some(explained(&happened(ops), &Lists::new(), &lists, true))
    });
}

/// A transaction over registers, done at once.
fn registers(state: &BTreeMap<String, Value>, op: &Op) -> Option<BTreeMap<String, Value>> {
    let mut state = state.clone();
    for step in op.value.as_array().expect("steps") {
        let held = state.entry(key(step)).or_insert(Value::Null);
        if step[0] == "w" {
            *held = step[2].clone();
        } else if op.is_ok() && *held != step[2] {
            return None;
        }
    }
    Some(state)
}

fn writing(chance: &mut Chance) -> Vec<Op> {
    let mut states = vec![BTreeMap::<String, Value>::new()];
    let mut next = 0;
    random(chance, 6, |chance| {
        let back = usize::try_from(chance.below(3)).expect("small");
        let mut seen = states[states.len().saturating_sub(1 + back)].clone();
        let mut now = states.last().expect("a state").clone();
        let steps: Vec<Value> = (0..=chance.below(3))
            .map(|_| {
                let key = if chance.one_in(2) { "x" } else { "y" };
                if chance.one_in(2) {
                    next += 1;
                    seen.insert(key.to_owned(), json!(next));
                    now.insert(key.to_owned(), json!(next));
                    json!(["w", key, next])
                } else {
                    json!(["r", key, seen.get(key).cloned().unwrap_or(Value::Null)])
                }
            })
            .collect();
        states.push(now);
        ("txn", json!(steps))
    })
}

#[test]
fn registers_are_serializable_where_brute_force_finds_an_order() {
    for (name, timed) in [("serializable", false), ("strict-serializable", true)] {
        compare("rw-register", &level(name), writing, |ops| {
            Some(explained(&happened(ops), &BTreeMap::new(), &registers, timed))
        });
    }
}

/// Holds what is said of histories whose values are written more than once to an oracle: it may be that nothing is said.
fn borne_out(
    model: &str,
    level: &Options,
    history: impl Fn(&mut Chance) -> Vec<Op>,
    oracle: impl Fn(&[Op]) -> bool,
) {
    let mut counts = BTreeMap::new();
    for seed in 1..=400 {
        let ops = history(&mut Chance::new(seed));
        let report = report(&ops, model, level);
        let expected = oracle(&ops);
        // What nobody wrote may have been there before.
        let before = report.findings.iter().any(|finding| finding.name == "unwritten");
        if before || report.verdict == Verdict::Unknown {
            continue;
        }
        *counts.entry(expected).or_insert(0) += 1;
        assert_eq!(
            report.verdict == Verdict::Valid,
            expected,
            "{model}, seed {seed}: {report:#?}\n{}",
            text(&ops)
        );
    }
    assert!(counts.contains_key(&false), "{model}: nothing was refuted");
}

/// Transactions whose values are few, so that many are written twice.
fn few(chance: &mut Chance, read: &str, write: &str) -> Vec<Op> {
    random(chance, 5, |chance| {
        let steps = (0..=chance.below(2)).map(|_| {
            let key = if chance.one_in(3) { "x" } else { "y" };
            let seen = match (read, chance.below(3)) {
                ("lists", 0) => json!([]),
                ("lists", 1) => json!([chance.below(3)]),
                ("lists", _) => json!([chance.below(3), chance.below(3)]),
                (_, 0) => Value::Null,
                (_, _) => json!(chance.below(3)),
            };
            if chance.one_in(2) {
                json!([write, key, chance.below(3)])
            } else {
                json!(["r", key, seen])
            }
        });
        ("txn", json!(steps.collect::<Vec<_>>()))
    })
}

#[test]
fn values_that_are_written_twice_refute_nothing_that_has_an_order() {
    for (name, timed) in [("serializable", false), ("strict-serializable", true)] {
        borne_out(
            "rw-register",
            &level(name),
            |chance| few(chance, "registers", "w"),
            |ops| explained(&happened(ops), &BTreeMap::new(), &registers, timed),
        );
        borne_out(
            "list-append",
            &level(name),
            |chance| few(chance, "lists", "append"),
            |ops| explained(&happened(ops), &Lists::new(), &lists, timed),
        );
    }
}

/// What each level lets pass, the stronger ones let pass no more.
#[test]
fn a_stronger_level_passes_nothing_that_a_weaker_one_refutes() {
    let chain = [
        "read-uncommitted",
        "read-committed",
        "consistent-view",
        "snapshot-isolation",
        "serializable",
        "strong-session-serializable",
        "strict-serializable",
    ];
    for seed in 1..=200 {
        let ops = appending(&mut Chance::new(seed));
        let verdicts = chain.map(|name| report(&ops, "list-append", &level(name)).verdict);
        let first = verdicts.iter().position(|verdict| *verdict == Verdict::Invalid);
        let after = verdicts.iter().skip(first.unwrap_or(verdicts.len()));
        assert!(
            after.into_iter().all(|verdict| *verdict == Verdict::Invalid),
            "seed {seed}: {verdicts:?}\n{}",
            text(&ops)
        );
    }
}
