//! Every checker against a plain reading of what it claims, on small random histories.
//!
//! `NETWRIGHT_HISTORY_CASES` is how many histories each checker is asked about (400 unless given).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on, and says what it leaves out"
)]

mod anything;
mod brute;
mod large;
mod orders;
mod sets;
mod transactions;

use netwright_history::{Model, Options, Report, Verdict, check, read_text};
use serde_json::{Value, json};

/// Numbers by chance, the same for the same seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// An operation of a random history, with its place in time.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) process: u64,
    pub(crate) f: &'static str,
    pub(crate) value: Value,
    /// `ok`, `fail` or `info`.
    pub(crate) outcome: &'static str,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Op {
    pub(crate) fn is_ok(&self) -> bool {
        self.outcome == "ok"
    }

    /// Whether it must have happened before another began.
    pub(crate) fn before(&self, other: &Self) -> bool {
        self.is_ok() && self.end < other.start
    }
}

/// Operations of some clients by chance; `make` says what each does, and what it saw, in the order of their ends.
pub(crate) fn random(
    chance: &mut Chance,
    count: usize,
    mut make: impl FnMut(&mut Chance) -> (&'static str, Value),
) -> Vec<Op> {
    let mut busy: Vec<Option<Op>> = vec![None; 3];
    let mut done = Vec::new();
    let mut place = 0;
    let mut fresh = 100;
    while done.len() < count {
        let at = usize::try_from(chance.below(3)).expect("small");
        place += 1;
        let Some(mut op) = busy[at].take() else {
            fresh += 1;
            let process = fresh * 10 + at as u64;
            busy[at] = Some(Op {
                process,
                f: "",
                value: Value::Null,
                outcome: "ok",
                start: place,
                end: 0,
            });
            continue;
        };
        (op.f, op.value) = make(chance);
        op.outcome = match chance.below(8) {
            0 => "info",
            1 => "fail",
            _ => "ok",
        };
        op.end = place;
        done.push(op);
    }
    done.sort_by_key(|op| op.start);
    done
}

/// A history as lines of JSON.
pub(crate) fn text(ops: &[Op]) -> String {
    let mut events: Vec<(u64, Value)> = Vec::new();
    for op in ops {
        let reads = matches!(op.f, "read" | "get" | "dequeue" | "generate");
        let begun = if reads { &Value::Null } else { &op.value };
        events.push((
            op.start,
            json!({"type": "invoke", "process": op.process, "f": op.f, "value": begun}),
        ));
        let ended = if op.is_ok() { &op.value } else { begun };
        events.push((
            op.end,
            json!({"type": op.outcome, "process": op.process, "f": op.f, "value": ended}),
        ));
    }
    events.sort_by_key(|(place, _)| *place);
    events.iter().map(|(_, event)| format!("{event}\n")).collect()
}

pub(crate) fn report(ops: &[Op], model: &str, options: &Options) -> Report {
    let text = text(ops);
    let history = read_text(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let model = Model::of(model).expect("a model");
    check(&history, model, options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Compares a checker with what an oracle says, on many histories. None of the oracle says nothing. Tells how many were valid and invalid.
pub(crate) fn compare(
    model: &str,
    options: &Options,
    mut history: impl FnMut(&mut Chance) -> Vec<Op>,
    oracle: impl Fn(&[Op]) -> Option<bool>,
) {
    let cases = std::env::var("NETWRIGHT_HISTORY_CASES").ok().and_then(|text| text.parse().ok());
    let (mut valid, mut invalid) = (0, 0);
    for seed in 1..=cases.unwrap_or(400) {
        let mut chance = Chance::new(seed);
        let ops = history(&mut chance);
        let Some(expected) = oracle(&ops) else { continue };
        let report = report(&ops, model, options);
        let wanted = if expected { Verdict::Valid } else { Verdict::Invalid };
        if expected {
            valid += 1;
        } else {
            invalid += 1;
        }
        let unknown = report.verdict == Verdict::Unknown && expected;
        assert!(
            report.verdict == wanted || unknown,
            "{model}, seed {seed}: {report:#?}\n{}",
            text(&ops)
        );
    }
    assert!(
        valid > 5 && invalid > 5,
        "{model}: {valid} valid, {invalid} invalid histories say little"
    );
}
