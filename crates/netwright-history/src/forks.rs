//! Reads that disagree about the order in which things came to be: long forks, comments that miss what came before, and steps that are seen without
//! those before them.

use rustc_hash::FxHashMap;

use crate::history::{History, Outcome, is_read};
use crate::report::{CheckError, Finding, Report};
use crate::value::Value;

/// Reads of the same keys that are compared with each other, at most.
const PAIRS: usize = 5_000_000;

/// The steps of an operation: what it does, to which key, with what.
fn steps(value: &Value) -> Option<Vec<(&str, &Value, &Value)>> {
    value.items()?.iter().map(crate::linear::step).collect()
}

/// Reads by the keys that they saw, each with its operation and which of them were there.
type Groups<'a> = FxHashMap<Vec<&'a Value>, Vec<(usize, Vec<bool>)>>;

/// Pairs of reads that each miss what the other saw, and how many pairs were compared.
fn forks(groups: &mut Groups<'_>) -> (Vec<(usize, usize)>, usize) {
    let mut pairs = 0_usize;
    let mut forks: Vec<(usize, usize)> = Vec::new();
    for group in groups.values_mut() {
        // Reads that saw the same are one.
        group.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
        group.dedup_by(|later, first| later.1 == first.1);
        for (rank, (at, saw)) in group.iter().enumerate() {
            for (other, saw_other) in &group[rank + 1..] {
                pairs += 1;
                let more = saw.iter().zip(saw_other).any(|(a, b)| *a && !*b);
                let less = saw.iter().zip(saw_other).any(|(a, b)| !*a && *b);
                if more && less {
                    forks.push(((*at).min(*other), (*at).max(*other)));
                }
            }
            if pairs > PAIRS {
                break;
            }
        }
    }
    forks.sort_unstable();
    (forks, pairs)
}

/// Of two reads of the same keys each must have seen all that the other saw, or all and more. Each key is written once.
pub(crate) fn long_fork(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let mut groups = Groups::default();
    let mut written: FxHashMap<&Value, usize> = FxHashMap::default();
    let mut versions: FxHashMap<&Value, &Value> = FxHashMap::default();
    let mut unfit = None;
    let mut reads = 0_usize;
    for (at, operation) in history.operations.iter().enumerate() {
        if operation.value.is_nil() {
            continue;
        }
        let steps = steps(&operation.value).ok_or_else(|| {
            CheckError::shape(
                operation,
                "an operation is a list of steps, as [[:r 1 nil] [:r 2 nil]]",
            )
        })?;
        let mut seen: Vec<(&Value, &Value)> = Vec::new();
        for (f, key, value) in steps {
            match f {
                "r" | "read" => seen.push((key, value)),
                _ if operation.outcome == Outcome::Fail => {}
                _ => {
                    if written.insert(key, at).is_some() {
                        unfit = Some(format!("key {key} is written more than once"));
                    }
                }
            }
        }
        if seen.is_empty() || operation.outcome != Outcome::Ok {
            continue;
        }
        reads += 1;
        seen.sort_unstable();
        seen.dedup_by_key(|(key, _)| *key);
        for (key, value) in seen.iter().filter(|(_, value)| !value.is_nil()) {
            if versions.insert(key, value).is_some_and(|other| other != *value) {
                unfit = Some(format!("key {key} was read with two values"));
            }
        }
        let keys = seen.iter().map(|(key, _)| *key).collect();
        let present = seen.iter().map(|(_, value)| !value.is_nil()).collect();
        groups.entry(keys).or_default().push((at, present));
    }
    report.figure("reads", reads);
    report.figure("groups", groups.len());
    let (forks, pairs) = forks(&mut groups);
    report.figure("forks", forks.len());
    if let Some((a, b)) = forks.first() {
        let message = format!("{} pairs of reads each miss what the other saw", forks.len());
        let mut shown = vec![*a, *b];
        let saw = steps(&history.operations[*a].value).unwrap_or_default();
        shown.extend(saw.iter().filter_map(|(_, key, _)| written.get(key).copied()));
        report.findings.push(Finding::fails("long-fork", message).with(shown));
    }
    let unknown = match unfit {
        Some(why) => Some(format!("{why}: versions cannot be told apart")),
        None if reads == 0 => Some("too little: nobody read anything".to_owned()),
        None if pairs > PAIRS => Some("too many reads of the same keys to compare all".to_owned()),
        None => None,
    };
    Ok(report.decide(unknown, format!("all {reads} reads agree about the order of writes")))
}

/// Whoever sees a comment sees all that were there before it was begun.
pub(crate) fn comments(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    // Writes in order of their ends, and each value's beginning.
    let mut ended: Vec<(u32, &Value, usize)> = Vec::new();
    let mut began: FxHashMap<&Value, (u32, usize)> = FxHashMap::default();
    for (at, operation) in history.operations.iter().enumerate() {
        match history.name(operation) {
            f if is_read(f) => {}
            "write" | "add" | "insert" => {
                if operation.outcome != Outcome::Fail {
                    began.insert(&operation.value, (operation.start, at));
                }
                if operation.outcome == Outcome::Ok {
                    ended.push((operation.end, &operation.value, at));
                }
            }
            other => {
                let message = format!("`{other}` is nothing of comments: write, read");
                return Err(CheckError::shape(operation, message));
            }
        }
    }
    ended.sort_unstable();
    let mut reads = 0_usize;
    for (at, operation) in history.operations.iter().enumerate() {
        if !is_read(history.name(operation)) || operation.outcome != Outcome::Ok {
            continue;
        }
        let Some(items) = operation.value.items() else { continue };
        reads += 1;
        let seen: rustc_hash::FxHashSet<&Value> = items.iter().collect();
        // The comment seen that was begun last asks for the most.
        let Some((start, last)) = items.iter().filter_map(|item| began.get(item)).max() else {
            continue;
        };
        let due = ended.iter().take_while(|(end, _, _)| end <= start);
        if let Some((_, missed, by)) = due.into_iter().find(|(_, value, _)| !seen.contains(value)) {
            let message = format!(
                "a read saw {} and missed {missed}, which was there before",
                history.operations[*last].value
            );
            report.findings.push(Finding::fails("missed", message).with(vec![*by, *last, at]));
        }
    }
    report.figure("reads", reads);
    let unknown = (reads == 0).then(|| "too little: nobody read anything".to_owned());
    Ok(report.decide(unknown, format!("all {reads} reads saw what came before what they saw")))
}

/// One client writes things in an order, others read them from the last to the first: whoever sees one sees all before it.
pub(crate) fn sequential(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let mut reads = 0_usize;
    for (at, operation) in history.operations.iter().enumerate() {
        let reading = is_read(history.name(operation));
        if !reading || operation.outcome != Outcome::Ok || operation.value.is_nil() {
            continue;
        }
        // What was read, by itself or after its key.
        let seen = match operation.value.pair() {
            Some((_, value)) if value.items().is_some() => value.items(),
            _ => operation.value.items(),
        };
        let seen = seen.ok_or_else(|| {
            CheckError::shape(
                operation,
                "a read has seen several things, the last that was written first",
            )
        })?;
        reads += 1;
        if seen.iter().skip_while(|value| value.is_nil()).any(Value::is_nil) {
            let message = "a read saw a thing and missed one that was written before it".to_owned();
            report.findings.push(Finding::fails("missed", message).with(vec![at]));
        }
    }
    report.figure("reads", reads);
    let unknown = (reads == 0).then(|| "too little: nobody read anything".to_owned());
    Ok(report
        .decide(unknown, format!("all {reads} reads saw what was written before what they saw")))
}
