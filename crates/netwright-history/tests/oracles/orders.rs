//! Models with one order of all operations.

use std::collections::BTreeMap;

use netwright_history::{History, Options, Source, Value as Data, Verdict};
use serde_json::{Value, json};

use crate::brute::explained;
use crate::{Chance, Op, compare, random, report};

fn happened(ops: &[Op]) -> Vec<&Op> {
    ops.iter().filter(|op| op.outcome != "fail").collect()
}

fn nothing() -> Options {
    Options { initial: Some(Data::Nil), ..Options::default() }
}

fn register(state: &Value, op: &Op) -> Option<Value> {
    match op.f {
        "read" if op.value.is_null() => Some(state.clone()),
        "read" => (op.value == *state || !op.is_ok()).then(|| state.clone()),
        "write" => Some(op.value.clone()),
        _ => (op.value[0] == *state).then(|| op.value[1].clone()),
    }
}

#[test]
fn a_register_with_compare_and_set_has_an_order_where_brute_force_finds_one() {
    let make = |chance: &mut Chance| {
        let (a, b) = (chance.below(3), chance.below(3));
        match chance.below(5) {
            0 => ("write", json!(a)),
            1 | 2 => ("cas", json!([a, b])),
            _ => ("read", json!(a)),
        }
    };
    compare(
        "cas-register",
        &nothing(),
        |chance| random(chance, 7, make),
        |ops| Some(explained(&happened(ops), &Value::Null, &register, true)),
    );
}

#[test]
fn a_register_of_unique_values_has_an_order_where_brute_force_finds_one() {
    let history = |chance: &mut Chance| {
        let mut next = 0;
        random(chance, 7, |chance| {
            if chance.one_in(2) {
                next += 1;
                ("write", json!(next))
            } else {
                ("read", json!(chance.below(next + 1).max(u64::from(next > 0))))
            }
        })
    };
    compare("register", &nothing(), history, |ops| {
        Some(explained(&happened(ops), &Value::Null, &register, true))
    });
}

#[test]
fn a_lock_has_an_order_where_brute_force_finds_one() {
    let make =
        |chance: &mut Chance| (if chance.one_in(2) { "acquire" } else { "release" }, Value::Null);
    compare(
        "mutex",
        &Options::default(),
        |chance| random(chance, 6, make),
        |ops| {
            let step = |held: &bool, op: &Op| ((op.f == "release") == *held).then_some(!held);
            Some(explained(&happened(ops), &false, &step, true))
        },
    );
}

#[test]
fn several_registers_have_an_order_where_brute_force_finds_one() {
    let make = |chance: &mut Chance| {
        let step = |chance: &mut Chance, key: &str| {
            let f = if chance.one_in(2) { "write" } else { "read" };
            json!([f, key, chance.below(2)])
        };
        let first = step(chance, "x");
        let second = step(chance, "y");
        let both = chance.one_in(2);
        ("txn", if both { json!([first, second]) } else { json!([first]) })
    };
    let options = Options { initial: Some(Data::Int(0)), ..Options::default() };
    compare(
        "multi-register",
        &options,
        |chance| random(chance, 6, make),
        |ops| {
            let step = |state: &[u64; 2], op: &Op| {
                let mut state = *state;
                for step in op.value.as_array().expect("steps") {
                    let key = usize::from(step[1] == "y");
                    let value = step[2].as_u64().expect("a number");
                    if step[0] == "write" {
                        state[key] = value;
                    } else if op.is_ok() && state[key] != value {
                        return None;
                    }
                }
                Some(state)
            };
            Some(explained(&happened(ops), &[0, 0], &step, true))
        },
    );
}

#[test]
fn texts_have_an_order_where_brute_force_finds_one() {
    let history = |chance: &mut Chance| {
        let mut state = String::new();
        let mut next = 0;
        random(chance, 7, |chance| match chance.below(5) {
            0 | 1 => {
                next += 1;
                state.push_str(&format!("{next}."));
                ("append", json!(format!("{next}.")))
            }
            2 => {
                next += 1;
                state = format!("{next}.");
                ("put", json!(state))
            }
            _ if chance.one_in(5) => ("get", json!("1.")),
            _ => ("get", json!(state)),
        })
    };
    compare("key-value", &Options::default(), history, |ops| {
        Some(explained(&happened(ops), &String::new(), &texts, true))
    });
}

fn texts(state: &String, op: &Op) -> Option<String> {
    match op.f {
        "get" => (!op.is_ok() || op.value == *state).then(|| state.clone()),
        "put" => op.value.as_str().map(str::to_owned),
        _ => op.value.as_str().map(|piece| format!("{state}{piece}")),
    }
}

#[test]
fn texts_whose_pieces_cannot_be_told_apart_have_an_order_where_brute_force_finds_one() {
    const PIECES: [&str; 4] = ["a", "b", "ab", ""];
    let history = |chance: &mut Chance| {
        let mut state = String::new();
        random(chance, 7, |chance| {
            let piece = PIECES[usize::try_from(chance.below(4)).expect("small")];
            match chance.below(5) {
                0 | 1 => {
                    state.push_str(piece);
                    ("append", json!(piece))
                }
                2 => {
                    state = piece.to_owned();
                    ("put", json!(piece))
                }
                _ if chance.one_in(5) => ("get", json!(piece)),
                _ => ("get", json!(state)),
            }
        })
    };
    compare("key-value", &Options::default(), history, |ops| {
        Some(explained(&happened(ops), &String::new(), &texts, true))
    });
}

#[test]
fn texts_that_are_told_apart_have_an_order_where_brute_force_finds_one() {
    // Every piece is another, most are read, and what is read is often that of a moment ago.
    let history = |chance: &mut Chance| {
        let mut states = vec![String::new()];
        let mut next = 0;
        random(chance, 8, |chance| {
            let back = usize::try_from(chance.below(3) / 2 * (1 + chance.below(2))).expect("small");
            let last = states.last().cloned().unwrap_or_default();
            match chance.below(6) {
                kind @ 0..=2 => {
                    next += 1;
                    let piece = format!("{next}.");
                    states.push(if kind == 0 { piece.clone() } else { format!("{last}{piece}") });
                    (if kind == 0 { "put" } else { "append" }, json!(piece))
                }
                _ => ("get", json!(states[states.len().saturating_sub(1 + back)])),
            }
        })
    };
    compare("key-value", &Options::default(), history, |ops| {
        Some(explained(&happened(ops), &String::new(), &texts, true))
    });
}

#[test]
fn a_read_is_stale_where_another_write_lies_between_its_own_and_it() {
    let history = |chance: &mut Chance| {
        let mut next = 0;
        random(chance, 9, |chance| {
            if chance.one_in(2) {
                next += 1;
                ("write", json!(next))
            } else {
                ("read", json!(next - chance.below(3).min(next)))
            }
        })
    };
    compare("stale-reads", &Options::default(), history, |ops| {
        let writes: Vec<&Op> =
            ops.iter().filter(|op| op.f == "write" && op.outcome != "fail").collect();
        let stale = |read: &Op| {
            let own = writes.iter().find(|write| write.value == read.value);
            let over = |write: &&&Op| write.before(read) && own.is_none_or(|own| own.before(write));
            writes.iter().any(|write| over(&write))
        };
        let reads = || ops.iter().filter(|op| op.f == "read" && op.is_ok());
        (reads().count() > 0).then(|| !reads().any(stale))
    });
}

/// The lines of a text that belong to these operations.
fn part(ops: &[Op], history: &History, shown: &[usize]) -> Vec<Op> {
    let processes: Vec<i64> =
        shown.iter().filter_map(|at| history.process(&history.operations[*at]).integer()).collect();
    let is_shown = |op: &&Op| processes.contains(&i64::try_from(op.process).expect("small"));
    ops.iter().filter(is_shown).cloned().collect()
}

#[test]
fn what_shows_that_there_is_no_order_is_refuted_by_itself() {
    for seed in 1..=150 {
        let mut chance = Chance::new(seed);
        let mut next = 0;
        let ops = random(&mut chance, 30, |chance| {
            if chance.one_in(2) {
                next += 1;
                ("write", json!(next))
            } else {
                ("read", json!(next - chance.below(3).min(next)))
            }
        });
        let whole = report(&ops, "register", &nothing());
        if whole.verdict != Verdict::Invalid {
            continue;
        }
        let history =
            netwright_history::read_text(crate::text(&ops).as_bytes()).expect("a history");
        assert_eq!(history.source, Source::Jepsen);
        let part = part(&ops, &history, &whole.findings[0].operations);
        assert!(part.len() < ops.len() && !part.is_empty(), "seed {seed}");
        let alone = report(&part, "register", &nothing());
        assert_eq!(alone.verdict, Verdict::Invalid, "seed {seed}: {part:#?}");
    }
}

#[test]
fn keys_in_values_are_told_apart() {
    let mut counts = BTreeMap::new();
    for seed in 1..=100 {
        let mut chance = Chance::new(seed);
        let ops = random(&mut chance, 10, |chance| {
            let (key, a, b) = (chance.below(2), chance.below(2), chance.below(2));
            match chance.below(3) {
                0 => ("cas", json!([key, [a, b]])),
                1 => ("write", json!([key, a])),
                _ => ("read", json!([key, a])),
            }
        });
        let of = |key: u64| -> Vec<Op> {
            let mine = ops.iter().filter(|op| op.value[0] == key);
            mine.map(|op| Op { value: op.value[1].clone(), ..op.clone() }).collect()
        };
        let (zero, one) = (of(0), of(1));
        let parts = [&zero, &one];
        let expected =
            parts.iter().all(|ops| explained(&happened(ops), &Value::Null, &register, true));
        let report = report(&ops, "cas-register", &nothing());
        let told = ops.iter().any(|op| op.f == "read") || ops.iter().any(|op| op.f == "cas");
        if told && report.verdict != Verdict::Unknown {
            *counts.entry(expected).or_insert(0) += 1;
            assert_eq!(report.verdict == Verdict::Valid, expected, "seed {seed}: {report:#?}");
        }
    }
    assert_eq!(counts.len(), 2, "both verdicts: {counts:?}");
}
