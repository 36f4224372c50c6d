//! Things that are put into a queue, delivered, and worked off.

use rustc_hash::FxHashMap;

use crate::history::{History, Operation, Outcome};
use crate::report::{CheckError, Finding, Report, Weight};
use crate::value::Value;

/// What an operation is to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Enqueue,
    Dequeue,
    Drain,
    Effect,
}

fn role(history: &History, operation: &Operation) -> Result<Role, CheckError> {
    Ok(match history.name(operation) {
        "enqueue" | "publish" | "send" | "submit" => Role::Enqueue,
        "dequeue" | "deliver" | "receive" | "poll" => Role::Dequeue,
        "drain" => Role::Drain,
        "effect" | "apply" | "done" => Role::Effect,
        other => {
            let message =
                format!("`{other}` is nothing of a queue: enqueue, dequeue, drain, effect");
            return Err(CheckError::shape(operation, message));
        }
    })
}

/// What became of one thing.
#[derive(Debug, Default, Clone)]
struct Fate {
    attempted: usize,
    acknowledged: usize,
    delivered: usize,
    effects: usize,
    /// Effects of which nobody knows whether they happened.
    perhaps: usize,
    operations: Vec<usize>,
}

fn fates(history: &History) -> Result<(FxHashMap<&Value, Fate>, bool), CheckError> {
    let mut fates: FxHashMap<&Value, Fate> = FxHashMap::default();
    let mut effects = false;
    for (at, operation) in history.operations.iter().enumerate() {
        let role = role(history, operation)?;
        let ok = operation.outcome == Outcome::Ok;
        if role == Role::Drain {
            for item in operation.value.items().unwrap_or_default().iter().filter(|_| ok) {
                let fate = fates.entry(item).or_default();
                fate.delivered += 1;
                fate.operations.push(at);
            }
            continue;
        }
        effects |= role == Role::Effect;
        // An empty queue delivers nothing.
        if operation.value.is_nil() || (role == Role::Dequeue && !ok) {
            continue;
        }
        let fate = fates.entry(&operation.value).or_default();
        fate.operations.push(at);
        match (role, operation.outcome) {
            (Role::Enqueue, outcome) => {
                fate.attempted += 1;
                fate.acknowledged += usize::from(outcome == Outcome::Ok);
            }
            (Role::Dequeue, _) => fate.delivered += 1,
            (_, Outcome::Ok) => fate.effects += 1,
            (_, Outcome::Info) => fate.perhaps += 1,
            _ => {}
        }
    }
    Ok((fates, effects))
}

/// What may be found of a thing: its name, what that does to the verdict, what it is in words, and when it is so.
type Kind<'a> = (&'static str, Weight, &'a str, &'a dyn Fn(&Fate) -> bool);

/// What goes in comes out: nothing is lost, nothing comes from nowhere, nothing has its effect twice.
pub(crate) fn total(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let (fates, effects) = fates(history)?;
    if history.operations.is_empty() {
        return Ok(report.unknown("too little: the history holds no operation"));
    }
    let mut sorted: Vec<(&Value, &Fate)> =
        fates.iter().map(|(value, fate)| (*value, fate)).collect();
    sorted.sort_unstable_by_key(|(value, _)| *value);
    let sum = |count: fn(&Fate) -> usize| sorted.iter().map(|(_, fate)| count(fate)).sum::<usize>();
    report.figure("attempted", sum(|fate| fate.attempted));
    report.figure("acknowledged", sum(|fate| fate.acknowledged));
    report.figure("delivered", sum(|fate| fate.delivered));
    if effects {
        report.figure("effects", sum(|fate| fate.effects));
    }
    let reached = |fate: &Fate| fate.delivered.max(fate.effects + fate.perhaps);
    let doubled_effect = |f: &Fate| f.effects > f.attempted.max(1);
    let kinds: [Kind<'_>; 6] = [
        ("lost", Weight::Fails, "acknowledged and never came out", &|f| {
            f.acknowledged > reached(f)
        }),
        ("unexpected", Weight::Fails, "came out and nobody put them in", &|f| {
            f.attempted == 0 && f.delivered > 0
        }),
        ("duplicated_effect", Weight::Fails, "with more than one effect", &doubled_effect),
        ("orphaned_effect", Weight::Fails, "with an effect that nobody asked for", &|f| {
            f.attempted == 0 && f.delivered == 0 && f.effects > 0
        }),
        ("lost_effect", Weight::Fails, "delivered, and without any effect", &|f| {
            effects && f.attempted > 0 && f.delivered > 0 && f.effects + f.perhaps == 0
        }),
        ("duplicated", Weight::Warns, "delivered more than once", &|f| {
            f.attempted > 0 && f.delivered > f.attempted
        }),
    ];
    for (name, weight, what, is) in kinds {
        let found: Vec<&(&Value, &Fate)> = sorted.iter().filter(|(_, fate)| is(fate)).collect();
        let values: Vec<Value> = found.iter().map(|(value, _)| (*value).clone()).collect();
        report.figure(name, values.iter().map(Value::to_json).collect::<Vec<_>>());
        if let Some((_, fate)) = found.first() {
            let message = format!("{} {what}: {}", values.len(), Report::listed(&values));
            let finding = Finding::new(&name.replace('_', "-"), weight, message);
            report.findings.push(finding.with(fate.operations.iter().copied().take(8).collect()));
        }
    }
    let recovered: Vec<Value> = sorted
        .iter()
        .filter(|(_, fate)| {
            fate.attempted > 0 && fate.delivered.min(fate.attempted) > fate.acknowledged
        })
        .map(|(value, _)| (*value).clone())
        .collect();
    report.figure("recovered", recovered.iter().map(Value::to_json).collect::<Vec<_>>());
    if !recovered.is_empty() {
        let message = format!(
            "{} came out of which nobody knew whether they had been put in",
            recovered.len()
        );
        report.findings.push(Finding::new("recovered", Weight::Tells, message));
    }
    // Nothing that was acknowledged went in then either, or it was lost.
    let nothing_out = sum(|fate| fate.delivered + fate.effects) == 0;
    let unknown = nothing_out.then(|| "too little: nothing ever came out of the queue".to_owned());
    Ok(report.decide(unknown, "everything that was acknowledged came out, and nothing else"))
}

/// What comes out was put in before, and no more often. The order does not matter.
pub(crate) fn unordered(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    if history.operations.is_empty() {
        return Ok(report.unknown("too little: the history holds no operation"));
    }
    // What may have been put in counts from its beginning, what came out from its end.
    let mut events: Vec<(u32, bool, &Value, usize)> = Vec::new();
    for (at, operation) in history.operations.iter().enumerate() {
        let ok = operation.outcome == Outcome::Ok;
        match role(history, operation)? {
            Role::Enqueue if operation.outcome != Outcome::Fail => {
                events.push((operation.start, true, &operation.value, at));
            }
            Role::Dequeue if ok && !operation.value.is_nil() => {
                events.push((operation.end, false, &operation.value, at));
            }
            Role::Drain if ok => {
                let items = operation.value.items().unwrap_or_default();
                events.extend(items.iter().map(|item| (operation.end, false, item, at)));
            }
            _ => {}
        }
    }
    events.sort_by_key(|(place, _, _, _)| *place);
    let mut held: FxHashMap<&Value, usize> = FxHashMap::default();
    let mut out = 0_usize;
    for (_, enters, value, at) in events {
        let count = held.entry(value).or_default();
        if enters {
            *count += 1;
        } else if let Some(less) = count.checked_sub(1) {
            *count = less;
            out += 1;
        } else {
            let message = format!("{value} came out more often than it had been put in by then");
            report.findings.push(Finding::fails("unexpected", message).with(vec![at]));
            break;
        }
    }
    report.figure("delivered", out);
    if out == 0 && report.findings.is_empty() {
        report.unchecked.push("nothing ever came out of the queue".to_owned());
    }
    Ok(report.decide(None, "whatever came out had been put in before"))
}
