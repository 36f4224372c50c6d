//! Histories of several objects of a kind, which are checked one by one.
//!
//! Operations name their object as `key`; or all their values are pairs of it and of what was done with it, as Jepsen's independent tests have them.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::history::{History, Operation, Outcome, is_read};
use crate::report::{CheckError, Report, Verdict};
use crate::value::Value;

/// What a read of one object sees, which tells a pair of a key and that from what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sees {
    /// Things.
    Several,
    /// A number.
    Number,
    /// What several names have.
    Entries,
}

impl Sees {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Several => value.items().is_some(),
            Self::Number => value.whole().is_some(),
            Self::Entries => value.entries().is_some(),
        }
    }
}

/// What was done with one object.
struct Part {
    key: Value,
    history: History,
    /// The operation of each of its own in the whole history.
    operations: Vec<usize>,
}

/// Whether values are pairs of a key and what was done with its object.
fn is_paired(history: &History, sees: Sees) -> bool {
    let mut changed: FxHashSet<&Value> = FxHashSet::default();
    let mut seen: Vec<&Value> = Vec::new();
    for operation in &history.operations {
        let name = history.name(operation);
        let reads = is_read(name) || name == "drain";
        let ok = operation.outcome == Outcome::Ok;
        match operation.value.pair() {
            Some((key, value)) if reads && ok => {
                if value.is_nil() {
                    continue;
                }
                if !sees.fits(value) {
                    return false;
                }
                seen.push(key);
            }
            Some((key, _)) if !reads => {
                changed.insert(key);
            }
            Some(_) => {}
            // What has no end may have lost its key.
            None if operation.value.is_nil() && !ok => {}
            None => return false,
        }
    }
    // A set of pairs may have been read that holds two of them: then its first is no key.
    let is_key =
        |key: &&Value| sees != Sees::Several || key.items().is_none() || changed.contains(*key);
    seen.iter().any(is_key)
}

/// What was done with each object, in the order in which objects were met first. None where there is one.
fn apart(history: &History, sees: Sees) -> Option<Vec<Part>> {
    let all = || history.operations.iter();
    let happened = |operation: &&Operation| operation.outcome == Outcome::Ok;
    // A key that some do not have parts nothing.
    let named = all().any(|operation| operation.key.is_some())
        && all().filter(happened).all(|operation| operation.key.is_some());
    let paired = !named && is_paired(history, sees);
    if !named && !paired {
        return None;
    }
    let mut numbers: FxHashMap<Value, usize> = FxHashMap::default();
    let mut parts: Vec<Part> = Vec::new();
    for (at, operation) in history.operations.iter().enumerate() {
        let (key, value) = match (operation.value.pair(), paired) {
            (Some((key, value)), true) => (key, value),
            (None, true) => continue,
            (_, false) => (operation.key.as_deref().unwrap_or(&Value::Nil), &operation.value),
        };
        let number = *numbers.entry(key.clone()).or_insert_with(|| {
            parts.push(Part::of(history, key));
            parts.len() - 1
        });
        let own = Operation { key: None, value: value.clone(), ..operation.clone() };
        parts[number].history.operations.push(own);
        parts[number].operations.push(at);
    }
    Some(parts)
}

impl Part {
    /// Nothing that was done with an object yet.
    fn of(history: &History, key: &Value) -> Self {
        let own = History { names: history.names.clone(), ..History::empty(history.source) };
        Self { key: key.clone(), history: own, operations: Vec::new() }
    }
}

/// Checks what was done with each object by itself, and all of it together where there is one.
pub(crate) fn check(
    history: &History,
    (name, sees): (&str, Sees),
    one: impl Fn(&History) -> Result<Report, CheckError>,
) -> Result<Report, CheckError> {
    let Some(parts) = apart(history, sees) else { return one(history) };
    let mut report = Report::new(name);
    let count = parts.len();
    let mut figures: Vec<(&'static str, u64)> = Vec::new();
    let (mut unknown, mut valid) = (None, String::new());
    for Part { key, history, operations } in parts {
        let told = one(&history)?;
        let of = |text: String| match count {
            1 => text,
            _ => format!("key {key}: {text}"),
        };
        for mut finding in told.findings {
            finding.message = of(finding.message);
            finding.operations.iter_mut().for_each(|at| *at = operations[*at]);
            report.findings.push(finding);
        }
        if count == 1 {
            report.figures = told.figures;
        } else {
            let numbers = told.figures.iter().filter_map(|(name, value)| {
                let many = value.as_array().map(|list| list.len() as u64);
                Some((*name, value.as_u64().or(many)?))
            });
            for (name, number) in numbers {
                match figures.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum = sum.saturating_add(number),
                    None => figures.push((name, number)),
                }
            }
        }
        for note in told.unchecked {
            if !report.unchecked.contains(&note) {
                report.unchecked.push(note);
            }
        }
        match told.verdict {
            Verdict::Unknown => unknown = unknown.or(Some(of(told.why))),
            Verdict::Valid if valid.is_empty() => valid = of(told.why),
            _ => {}
        }
    }
    if count > 1 {
        report.figure("keys", count);
        figures.into_iter().for_each(|(name, sum)| report.figure(name, sum));
        valid = format!("each of {count} keys holds by itself; {valid}");
    }
    Ok(report.decide(unknown, valid))
}
