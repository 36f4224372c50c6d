//! Counters, unique numbers, and versions without gaps.

use rustc_hash::FxHashMap;

use crate::history::{History, Operation, Outcome, is_read};
use crate::overtaken::overtaken;
use crate::report::{CheckError, Finding, Report, Weight};
use crate::value::Value;

/// How much an operation adds to a counter.
fn amount(operation: &Operation, name: &str) -> Result<i64, CheckError> {
    let sign = if matches!(name, "dec" | "decrement" | "subtract") { -1 } else { 1 };
    match &operation.value {
        Value::Nil => Ok(sign),
        value => value.whole().map(|amount| amount.saturating_mul(sign)).ok_or_else(|| {
            CheckError::shape(
                operation,
                format!("a counter counts whole numbers, and not `{}`", value.brief(40)),
            )
        }),
    }
}

/// What was added up to a place, in order of places.
fn sums(mut added: Vec<(u32, i64)>) -> Vec<(u32, i64)> {
    added.sort_unstable();
    let mut sum = 0_i64;
    for (_, amount) in &mut added {
        sum = sum.saturating_add(*amount);
        *amount = sum;
    }
    added
}

fn before(sums: &[(u32, i64)], place: u32) -> i64 {
    let at = sums.partition_point(|(added, _)| *added < place);
    at.checked_sub(1).map_or(0, |at| sums[at].1)
}

/// What was added to a counter, positive and negative apart, from when it began and from when it had ended; and what was read.
#[derive(Default)]
struct Counted {
    begun: [Vec<(u32, i64)>; 2],
    ended: [Vec<(u32, i64)>; 2],
    reads: Vec<(usize, i64)>,
    acknowledged: usize,
}

fn counted(history: &History) -> Result<Counted, CheckError> {
    let mut counted = Counted::default();
    for (at, operation) in history.operations.iter().enumerate() {
        match history.name(operation) {
            f if is_read(f) => {
                if operation.outcome == Outcome::Ok && !operation.value.is_nil() {
                    let message = "a read of a counter is a whole number";
                    let read = operation
                        .value
                        .whole()
                        .ok_or_else(|| CheckError::shape(operation, message))?;
                    counted.reads.push((at, read));
                }
            }
            f @ ("add" | "inc" | "increment" | "dec" | "decrement" | "subtract") => {
                if operation.outcome == Outcome::Fail {
                    continue;
                }
                let amount = amount(operation, f)?;
                let negative = usize::from(amount < 0);
                counted.begun[negative].push((operation.start, amount));
                if operation.outcome == Outcome::Ok {
                    counted.acknowledged += 1;
                    counted.ended[negative].push((operation.end, amount));
                }
            }
            other => {
                let message = format!("`{other}` neither adds to a counter nor reads it");
                return Err(CheckError::shape(operation, message));
            }
        }
    }
    Ok(counted)
}

/// Each read lies between what must have been added when it began and what may have been when it ended.
pub(crate) fn counter(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    if history.operations.is_empty() {
        return Ok(report.unknown("too little: the history holds no operation"));
    }
    let Counted { begun, ended, reads, acknowledged } = counted(history)?;
    let (begun, ended) = (begun.map(sums), ended.map(sums));
    let mut errors = Vec::new();
    let mut bounds = Vec::new();
    for (at, read) in &reads {
        let operation = &history.operations[*at];
        // What had ended is in, what had begun may be: additions raise the upper bound, subtractions lower the other.
        let low =
            before(&ended[0], operation.start).saturating_add(before(&begun[1], operation.end));
        let high =
            before(&begun[0], operation.end).saturating_add(before(&ended[1], operation.start));
        bounds.push(serde_json::json!([low, read, high]));
        if !(low..=high).contains(read) {
            errors.push((*at, low, *read, high));
        }
    }
    report.figure("reads", reads.len());
    report.figure("acknowledged", acknowledged);
    report.figure(
        "errors",
        errors
            .iter()
            .map(|(_, low, read, high)| serde_json::json!([low, read, high]))
            .collect::<Vec<_>>(),
    );
    if bounds.len() <= 100 {
        report.figure("bounds", bounds);
    }
    if let Some((at, low, read, high)) = errors.first() {
        let message = format!(
            "{} of {} reads are out of bounds; the first read {read}, and only {low} to {high} can be explained",
            errors.len(),
            reads.len()
        );
        report.findings.push(Finding::fails("out-of-bounds", message).with(vec![*at]));
    }
    if reads.is_empty() {
        report
            .unchecked
            .push("the counter was never read: only that adding to it works was seen".to_owned());
    }
    let unknown = (reads.is_empty() && acknowledged == 0)
        .then(|| "too little: nothing was added for certain, and nothing read".to_owned());
    Ok(report.decide(
        unknown,
        match reads.len() {
            0 => format!("{acknowledged} additions, and no read that contradicts them"),
            count => format!("all {count} reads are within their bounds"),
        },
    ))
}

/// No number is given out twice.
pub(crate) fn unique(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let mut given: FxHashMap<&Value, Vec<usize>> = FxHashMap::default();
    let (mut attempted, mut acknowledged) = (0_usize, 0_usize);
    // Where some operations say that they generate, others beside them do something else.
    let generates = |operation: &Operation| history.name(operation) == "generate";
    let told = history.operations.iter().any(generates);
    for (at, operation) in history.operations.iter().enumerate() {
        if told && !generates(operation) {
            continue;
        }
        attempted += 1;
        if operation.outcome == Outcome::Ok {
            acknowledged += 1;
            given.entry(&operation.value).or_default().push(at);
        }
    }
    report.figure("attempted", attempted);
    report.figure("acknowledged", acknowledged);
    let mut twice: Vec<(&Value, &Vec<usize>)> =
        given.iter().filter(|(_, at)| at.len() > 1).map(|(value, at)| (*value, at)).collect();
    twice.sort_unstable();
    let counts = twice.iter().map(|(value, at)| (value.to_string(), at.len().into()));
    report.figure("duplicated", serde_json::Value::Object(counts.collect()));
    if let Some((_, at)) = twice.first() {
        let values: Vec<Value> = twice.iter().map(|(value, _)| (*value).clone()).collect();
        let message =
            format!("{} were given out more than once: {}", values.len(), Report::listed(&values));
        report.findings.push(Finding::fails("duplicated", message).with((*at).clone()));
    }
    let unknown = (acknowledged == 0).then(|| "too little: nothing was given out".to_owned());
    Ok(report.decide(unknown, format!("all {acknowledged} are different")))
}

/// The entity and the version that an operation gave it.
fn version(operation: &Operation) -> Result<(Value, i64), CheckError> {
    let told = match (&operation.key, operation.value.pair()) {
        (Some(key), _) => operation.value.integer().map(|version| ((**key).clone(), version)),
        (None, Some((key, version))) => version.integer().map(|version| (key.clone(), version)),
        (None, None) => operation.value.integer().map(|version| (Value::Nil, version)),
    };
    told.ok_or_else(|| {
        CheckError::shape(operation, "a version is a whole number, with the entity as the operation's key or before it in a vector of two")
    })
}

/// Versions of an entity that are missing, or were given twice.
fn gaps(entity: &Value, given: &[(i64, usize)], perhaps: usize, findings: &mut Vec<Finding>) {
    let mut missing = 0_i64;
    let mut first_gap = None;
    for pair in given.windows(2) {
        let ((a, x), (b, y)) = (pair[0], pair[1]);
        if a == b {
            let message = format!("version {a} of {entity} was given twice");
            findings.push(Finding::fails("duplicated-version", message).with(vec![x, y]));
        } else if b.saturating_sub(a) > 1 {
            missing = missing.saturating_add(b.saturating_sub(a) - 1);
            first_gap.get_or_insert((a, b, x, y));
        }
    }
    if let Some((a, b, x, y)) = first_gap {
        let explained = usize::try_from(missing).is_ok_and(|missing| missing <= perhaps);
        let message = format!(
            "{missing} versions of {entity} are missing, the first after {a}, before {b}; {perhaps} operations may have taken one"
        );
        let weight = if explained { Weight::Tells } else { Weight::Fails };
        findings.push(Finding::new("gap", weight, message).with(vec![x, y]));
    }
}

/// A version that was given after a larger one had been.
fn backwards(history: &History, entity: &Value, given: &[(i64, usize)]) -> Option<Finding> {
    let ((version, at), (higher, of)) = overtaken(history, given).into_iter().next()?;
    let message =
        format!("version {version} of {entity} was given after version {higher} had been");
    Some(Finding::fails("backwards", message).with(vec![of, at]))
}

/// The versions of each entity count up by one, in the order of time. What nobody knows the end of may account for gaps.
pub(crate) fn versions(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let mut entities: FxHashMap<Value, Vec<(i64, usize)>> = FxHashMap::default();
    let mut open: FxHashMap<Value, usize> = FxHashMap::default();
    for (at, operation) in history.operations.iter().enumerate() {
        if is_read(history.name(operation)) {
            continue;
        }
        match operation.outcome {
            Outcome::Ok => {
                let (entity, version) = version(operation)?;
                entities.entry(entity).or_default().push((version, at));
            }
            Outcome::Info => {
                let entity = match (&operation.key, operation.value.pair()) {
                    (Some(key), _) => (**key).clone(),
                    (None, Some((key, _))) => key.clone(),
                    _ => Value::Nil,
                };
                *open.entry(entity).or_default() += 1;
            }
            Outcome::Fail => {}
        }
    }
    let mut sorted: Vec<(&Value, &mut Vec<(i64, usize)>)> = entities.iter_mut().collect();
    sorted.sort_unstable_by_key(|(entity, _)| *entity);
    let count = sorted.len();
    for (entity, given) in sorted {
        given.sort_unstable();
        let perhaps = open.get(entity).copied().unwrap_or_default();
        gaps(entity, given, perhaps, &mut report.findings);
        report.findings.extend(backwards(history, entity, given));
    }
    report.figure("entities", count);
    let unknown = (count == 0).then(|| "too little: no version was given".to_owned());
    Ok(report.decide(unknown, format!("the versions of {count} entities count up without gaps")))
}
