//! Things that are added and must be there after: lost, recovered and unexpected ones.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::history::{History, Operation, Outcome, is_read};
use crate::report::{CheckError, Finding, Report, Weight};
use crate::value::Value;

/// What adds a thing to a set; markers are written.
fn adds(name: &str) -> bool {
    matches!(name, "add" | "write" | "insert" | "mark" | "put" | "append" | "w")
}

fn stranger(operation: &Operation, name: &str) -> CheckError {
    CheckError::shape(operation, format!("`{name}` neither adds to a set nor reads it"))
}

/// What a read has seen. None of a read that did not end well.
fn seen(operation: &Operation) -> Result<Option<&[Value]>, CheckError> {
    if operation.outcome != Outcome::Ok || operation.value.is_nil() {
        return Ok(None);
    }
    operation.value.items().map(Some).ok_or_else(|| {
        CheckError::shape(
            operation,
            format!(
                "a read of a set has seen several things, and not `{}`",
                operation.value.brief(40)
            ),
        )
    })
}

/// Things in order, for reports.
fn sorted<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<Value> {
    let mut values: Vec<Value> = values.cloned().collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn figure(report: &mut Report, name: &'static str, values: &[Value]) {
    report.figure(name, values.iter().map(Value::to_json).collect::<Vec<_>>());
}

/// What a history says of a set that is read at the end.
#[derive(Default)]
struct Told<'a> {
    /// Things that somebody tried to add, with the operation.
    attempts: FxHashMap<&'a Value, usize>,
    acknowledged: FxHashSet<&'a Value>,
    failed: FxHashSet<&'a Value>,
    /// The last read that ended well, and what it saw, where it says that.
    last: Option<(usize, Option<&'a [Value]>)>,
}

impl<'a> Told<'a> {
    fn of(history: &'a History) -> Result<Self, CheckError> {
        let mut told = Self::default();
        for (at, operation) in history.operations.iter().enumerate() {
            match history.name(operation) {
                f if is_read(f) => {
                    let later = |(before, _): &(usize, Option<&[Value]>)| {
                        history.operations[*before].end < operation.end
                    };
                    let items = seen(operation)?;
                    if operation.outcome == Outcome::Ok && told.last.as_ref().is_none_or(later) {
                        told.last = Some((at, items));
                    }
                }
                f if adds(f) => {
                    told.attempts.insert(&operation.value, at);
                    let into = match operation.outcome {
                        Outcome::Ok => &mut told.acknowledged,
                        Outcome::Fail => &mut told.failed,
                        Outcome::Info => continue,
                    };
                    into.insert(&operation.value);
                }
                other => return Err(stranger(operation, other)),
            }
        }
        Ok(told)
    }
}

/// Every acknowledged thing is in the last read, and nothing that nobody tried to add.
pub(crate) fn set(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let Told { attempts, acknowledged, failed, last } = Told::of(history)?;
    report.figure("attempted", attempts.len());
    report.figure("acknowledged", acknowledged.len());
    let Some((read, items)) = last else {
        return Ok(report.unknown("too little: nothing ever read the set"));
    };
    let Some(items) = items else {
        return Ok(report.unknown("too little: the last read does not say what it saw"));
    };
    let found: FxHashSet<&Value> = items.iter().collect();
    let lost = sorted(acknowledged.iter().copied().filter(|value| !found.contains(value)));
    let present = sorted(found.iter().copied().filter(|value| attempts.contains_key(value)));
    let unexpected = sorted(found.iter().copied().filter(|value| !attempts.contains_key(value)));
    let recovered = sorted(present.iter().filter(|value| !acknowledged.contains(value)));
    let denied = sorted(recovered.iter().filter(|value| failed.contains(value)));
    figure(&mut report, "present", &present);
    figure(&mut report, "lost", &lost);
    figure(&mut report, "recovered", &recovered);
    figure(&mut report, "unexpected", &unexpected);
    let shown = |values: &[Value]| {
        let mut at: Vec<usize> = values.iter().filter_map(|v| attempts.get(v).copied()).collect();
        at.truncate(3);
        at.push(read);
        at
    };
    if !lost.is_empty() {
        let message = format!(
            "{} acknowledged and absent from the last read: {}",
            lost.len(),
            Report::listed(&lost)
        );
        report.findings.push(Finding::fails("lost", message).with(shown(&lost)));
    }
    if !unexpected.is_empty() {
        let message =
            format!("{} read that nobody added: {}", unexpected.len(), Report::listed(&unexpected));
        report.findings.push(Finding::fails("unexpected", message).with(vec![read]));
    }
    if !denied.is_empty() {
        let message = format!(
            "{} that failed, and are there all the same: {}",
            denied.len(),
            Report::listed(&denied)
        );
        report.findings.push(Finding::new("denied", Weight::Warns, message).with(shown(&denied)));
    }
    if recovered.len() > denied.len() {
        let count = recovered.len() - denied.len();
        let message = format!("{count} of which nobody knew whether they were added are there");
        report.findings.push(Finding::new("recovered", Weight::Tells, message));
    }
    let count = acknowledged.len();
    let unknown = (count == 0).then(|| "too little: nothing was added for certain".to_owned());
    Ok(report.decide(unknown, format!("all {count} acknowledged things are in the last read")))
}

/// What became of one thing.
struct Element {
    added: usize,
    /// The place at which somebody first knew that it is there.
    known: Option<u32>,
    /// Reads that saw it.
    present: Vec<usize>,
}

/// Things that somebody tried to add, and what reads saw, by operation.
type Gathered<'a> = (FxHashMap<&'a Value, Element>, Vec<(usize, &'a [Value])>);

fn gather(history: &History) -> Result<Gathered<'_>, CheckError> {
    let mut elements: FxHashMap<&Value, Element> = FxHashMap::default();
    let mut reads: Vec<(usize, &[Value])> = Vec::new();
    for (at, operation) in history.operations.iter().enumerate() {
        match history.name(operation) {
            f if is_read(f) => reads.extend(seen(operation)?.map(|items| (at, items))),
            f if adds(f) => {
                let known = (operation.outcome == Outcome::Ok).then_some(operation.end);
                let element = Element { added: at, known, present: Vec::new() };
                let element = elements.entry(&operation.value).or_insert(element);
                element.known = element.known.into_iter().chain(known).min();
            }
            other => return Err(stranger(operation, other)),
        }
    }
    Ok((elements, reads))
}

/// What became of all things. Of those that were lost or stale: who added them, and which read missed them.
#[derive(Default)]
struct Fates {
    lost: Vec<(Value, usize, usize)>,
    stale: Vec<(Value, usize, usize)>,
    stable: usize,
    never: usize,
}

/// What became of each thing, by reads of which those that began last come first.
fn fates(
    history: &History,
    elements: &FxHashMap<&Value, Element>,
    reads: &[(usize, &[Value])],
) -> Fates {
    let start = |rank: usize| history.operations[reads[rank].0].start;
    let mut fates = Fates::default();
    for (value, element) in elements {
        let last_present = element.present.first().copied();
        // Ranks that saw it are in order: the first that is not among them is the last read without it.
        let absent = (0..reads.len()).find(|rank| element.present.get(*rank) != Some(rank));
        let is_after = |a: Option<usize>, b: Option<usize>| match (a, b) {
            (Some(a), Some(b)) => start(a) > start(b),
            (Some(_), None) => true,
            _ => false,
        };
        let missed = absent.filter(|rank| element.known.is_some_and(|known| known < start(*rank)));
        if missed.is_some() && is_after(absent, last_present) {
            fates.lost.push(((*value).clone(), element.added, reads[absent.unwrap_or_default()].0));
        } else if is_after(last_present, absent) {
            fates.stable += 1;
            if let Some(rank) = missed {
                fates.stale.push(((*value).clone(), element.added, reads[rank].0));
            }
        } else {
            fates.never += 1;
        }
    }
    fates.lost.sort_unstable();
    fates.stale.sort_unstable();
    fates
}

/// Every read counts: what was once known to be there must be in all later reads.
pub(crate) fn full(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let (mut elements, mut reads) = gather(history)?;
    // The reads that began last come first.
    reads.sort_by_key(|(at, _)| std::cmp::Reverse(history.operations[*at].start));
    let mut doubled: Vec<(Value, usize)> = Vec::new();
    let mut unexpected: Vec<(Value, usize)> = Vec::new();
    for (rank, (at, items)) in reads.iter().enumerate() {
        let mut once = FxHashSet::default();
        let end = history.operations[*at].end;
        for item in *items {
            if !once.insert(item) {
                doubled.push((item.clone(), *at));
                continue;
            }
            match elements.get_mut(item) {
                Some(element) => {
                    element.present.push(rank);
                    element.known = Some(element.known.map_or(end, |known| known.min(end)));
                }
                None => unexpected.push((item.clone(), *at)),
            }
        }
    }
    let Fates { lost, stale, stable, never } = fates(history, &elements, &reads);
    report.figure("attempted", elements.len());
    report.figure("reads", reads.len());
    report.figure("stable", stable);
    report.figure("never_read", never);
    let values =
        |found: &[(Value, usize, usize)]| found.iter().map(|one| one.0.clone()).collect::<Vec<_>>();
    figure(&mut report, "lost", &values(&lost));
    figure(&mut report, "stale", &values(&stale));
    if let Some(first) = lost.first() {
        let message = format!(
            "{} known to be there and absent from later reads: {}",
            lost.len(),
            Report::listed(&values(&lost))
        );
        report.findings.push(Finding::fails("lost", message).with(vec![first.1, first.2]));
    }
    once(&mut report, "duplicated", "seen twice in one read", &mut doubled);
    once(&mut report, "unexpected", "read that nobody added", &mut unexpected);
    if let Some(first) = stale.first() {
        let message = format!(
            "{} were known, then missed by a read, and came back: {}",
            stale.len(),
            Report::listed(&values(&stale))
        );
        report
            .findings
            .push(Finding::new("stale", Weight::Warns, message).with(vec![first.1, first.2]));
    }
    let unknown =
        (stable == 0).then(|| "too little: nothing that was added was ever read".to_owned());
    Ok(report.decide(unknown, format!("{stable} things stay once they are there")))
}

fn once(report: &mut Report, name: &str, what: &str, found: &mut Vec<(Value, usize)>) {
    found.sort_unstable();
    found.dedup_by(|a, b| a.0 == b.0);
    let Some(first) = found.first() else { return };
    let values: Vec<Value> = found.iter().map(|(value, _)| value.clone()).collect();
    let message = format!("{} {what}: {}", found.len(), Report::listed(&values));
    report.findings.push(Finding::fails(name, message).with(vec![first.1]));
}
