//! Registers: whether some order of whole transactions explains what was read, where cycles tell nothing against it.
//!
//! Cycles need the order of writes, of which a history of registers tells only some. A search for the order of transactions needs none of it, and says
//! for certain: it looks for the order in which registers could have been read and written, each transaction at one moment.

use super::Step;
use super::Transactions;
use super::levels::Kept;
use crate::history::Outcome;
use crate::linear::{Act, Explained, Part, Parts, Problem, Span, Values, apart, explain, span};
use crate::model::Options;
use crate::value::Value;

/// Places that the search looks at in one group of registers, at most.
const BUDGET: usize = 100_000;

/// Places times transactions, where time does not count: each place is told by all that was not done yet.
const UNORDERED: usize = 4_000_000;

/// Registers of a group, and transactions, beyond which no search ends in time.
const REGISTERS: usize = 256;
const TRANSACTIONS: usize = 20_000;

/// What the search says. None where there is too much to look at.
pub(super) fn order(
    transactions: &Transactions<'_>,
    kept: Kept,
    options: &Options,
) -> Option<Explained> {
    if transactions.nodes.len() > TRANSACTIONS {
        return None;
    }
    let mut values = Values::default();
    let nothing = values.of(&Value::Nil);
    let mut keys = crate::linear::Numbers::<Value>::default();
    let mut parts = Parts::default();
    for at in &transactions.nodes {
        let operation = &transactions.history.operations[*at as usize];
        let ok = operation.outcome == Outcome::Ok;
        let mut act = Vec::new();
        for (step, key, value) in transactions.steps(*at) {
            let key = keys.of(key);
            match step {
                Step::Write => act.push((true, key, values.of(value))),
                Step::Read if ok => act.push((false, key, values.of(value))),
                // What it would have read is not known.
                Step::Read => {}
            }
        }
        if !act.is_empty() {
            let whole = span(operation);
            // Where time does not count, each may come before each.
            let span =
                if kept == Kept::Time { whole } else { Span { start: 0, end: u32::MAX, ..whole } };
            parts.add(None, Act::Many(act.into()), span, *at as usize);
        }
    }
    let first = vec![nothing; keys.all.len()].into();
    let whole = parts.parts.into_iter();
    let parts: Vec<Part> =
        whole.flat_map(|part| apart(part, std::slice::from_ref(&first))).collect();
    if parts.iter().any(|part| part.registers() > REGISTERS) {
        return None;
    }
    let problem = Problem { parts, initials: vec![0], values: values.len() };
    let most =
        if kept == Kept::Time { BUDGET } else { UNORDERED / transactions.nodes.len().max(40) };
    Some(explain(transactions.history, &problem, options.budget.min(most)))
}
