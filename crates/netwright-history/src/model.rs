//! The models that a history can be checked against, and which one its content asks for.

use std::collections::BTreeSet;

use crate::history::{History, Outcome, Source};
use crate::keys::{self, Sees};
use crate::linear::{self, DEFAULT_BUDGET, Models};
use crate::read::is_transaction;
use crate::report::{CheckError, Report, Verdict, Weight};
use crate::transactions::{self, Level};
use crate::value::Value;
use crate::{bank, forks, leadership, numbers, queues, rows, sets, stale};

/// What a check may be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Places that the search for an order looks at for one key; about 100 octets each.
    pub budget: usize,
    /// What registers held at first. Unless given: nothing, and of Jepsen's histories nothing or 0.
    pub initial: Option<Value>,
    /// What all accounts of a bank hold together. Unless given: what the first read says.
    pub total: Option<i64>,
    /// Whether accounts may hold less than nothing.
    pub negative: bool,
    /// The level of isolation that transactions have to keep.
    pub level: Level,
    /// Whether the history was broken off before everything was read that there is: what is absent from it may be there all the same.
    pub unfinished: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            budget: DEFAULT_BUDGET,
            initial: None,
            total: None,
            negative: false,
            level: Level::strict_serializable(),
            unfinished: false,
        }
    }
}

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checker {
    Linear(Models),
    Set,
    SetFull,
    TotalQueue,
    UnorderedQueue,
    UniqueIds,
    Counter,
    Versions,
    Leadership,
    Bank,
    LongFork,
    Comments,
    Sequential,
    StaleReads,
    Rows,
    ListAppend,
    RwRegister,
}

impl Checker {
    /// What a read of one object sees, where a history may be about several that are checked one by one.
    fn sees(self) -> Option<Sees> {
        match self {
            Self::Set
            | Self::SetFull
            | Self::Comments
            | Self::TotalQueue
            | Self::UnorderedQueue => Some(Sees::Several),
            Self::Counter => Some(Sees::Number),
            Self::Bank => Some(Sees::Entries),
            _ => None,
        }
    }
}

/// A model.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// Its name.
    pub name: &'static str,
    /// What its operations are.
    pub operations: &'static str,
    /// What has to hold.
    pub holds: &'static str,
    checker: Checker,
}

const fn model(
    name: &'static str,
    operations: &'static str,
    holds: &'static str,
    checker: Checker,
) -> Model {
    Model { name, operations, holds, checker }
}

/// All models.
pub const MODELS: [Model; 24] = [
    model(
        "register",
        "read, write",
        "one order explains all reads: linearizability",
        Checker::Linear(Models::Register),
    ),
    model(
        "cas-register",
        "read, write, cas",
        "as register, with compare-and-set",
        Checker::Linear(Models::Register),
    ),
    model(
        "multi-register",
        "steps [:read k v], [:write k v]",
        "one order explains all steps, each operation at one moment",
        Checker::Linear(Models::Registers),
    ),
    model(
        "mutex",
        "acquire, release",
        "at most one holds the lock",
        Checker::Linear(Models::Mutex),
    ),
    model(
        "key-value",
        "get, put, append",
        "of each key, one order explains all texts",
        Checker::Linear(Models::Texts),
    ),
    model(
        "stale-reads",
        "read, write",
        "no read sees what was overwritten before it began",
        Checker::StaleReads,
    ),
    model(
        "set",
        "add, read",
        "the last read has all that was acknowledged, and nothing that nobody added",
        Checker::Set,
    ),
    model("lost-writes", "write, read", "as set, of markers that are written", Checker::Set),
    model("set-full", "add, read", "what was once there is in every later read", Checker::SetFull),
    model(
        "total-queue",
        "enqueue, dequeue, drain, effect",
        "nothing is lost, comes from nowhere, or has its effect twice; a second delivery warns",
        Checker::TotalQueue,
    ),
    model(
        "unordered-queue",
        "enqueue, dequeue",
        "what comes out was put in before, and no more often",
        Checker::UnorderedQueue,
    ),
    model("unique-ids", "generate", "nothing is given out twice", Checker::UniqueIds),
    model("counter", "add, read", "each read lies within what was added", Checker::Counter),
    model(
        "versions",
        "write k n",
        "the versions of each entity count up without gaps",
        Checker::Versions,
    ),
    model(
        "leadership",
        "lead, act",
        "epochs grow, each has one leader, and none acts after the next began",
        Checker::Leadership,
    ),
    model("bank", "read, transfer", "the total stays, and no account goes below 0", Checker::Bank),
    model(
        "long-fork",
        "steps [:r k v], [:w k v]",
        "no two reads each miss what the other saw",
        Checker::LongFork,
    ),
    model(
        "comments",
        "write, read",
        "whoever sees a thing sees all that was there before it",
        Checker::Comments,
    ),
    model(
        "sequential",
        "write, read",
        "whoever sees a thing of a client sees all that it wrote before",
        Checker::Sequential,
    ),
    model(
        "list-append",
        "steps [:r k [..]], [:append k v]",
        "no anomaly that the level of isolation forbids",
        Checker::ListAppend,
    ),
    model(
        "rw-register",
        "steps [:r k v], [:w k v]",
        "no anomaly that the level of isolation forbids",
        Checker::RwRegister,
    ),
    model("foreign-keys", "rows", "every reference leads to a row", Checker::Rows),
    model("orphans", "rows", "no child lacks its parent", Checker::Rows),
    model("queue", "enqueue, dequeue", "as unordered-queue", Checker::UnorderedQueue),
];

impl Model {
    /// A model by its name, or by another that is common for it.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let name = match name {
            "kv" => "key-value",
            "queue-unordered" => "unordered-queue",
            "markers" => "lost-writes",
            "append" => "list-append",
            "lock" => "mutex",
            other => other,
        };
        MODELS.into_iter().find(|model| model.name == name)
    }
}

/// What operations a history has: their names without those of faults, as far as any began.
fn names(history: &History) -> BTreeSet<&str> {
    let mut used = vec![false; history.names.len()];
    for operation in &history.operations {
        used[usize::from(operation.name)] = true;
    }
    let named = history.names.iter().zip(used).filter(|(_, used)| *used);
    named.map(|(name, _)| &**name).collect()
}

/// The steps that transactions of a history take.
fn steps(history: &History) -> BTreeSet<&str> {
    let values = history.operations.iter().filter(|operation| is_transaction(&operation.value));
    let steps = values.flat_map(|operation| operation.value.items().unwrap_or_default());
    steps.filter_map(|step| linear::step(step).map(|(f, _, _)| f)).collect()
}

/// The model of histories whose operations are lists of steps.
fn by_steps(names: &BTreeSet<&str>, steps: &BTreeSet<&str>) -> Option<&'static str> {
    let only = |known: &[&str]| !names.is_empty() && names.iter().all(|name| known.contains(name));
    if only(&["txn"]) {
        let kinds = [("append", "list-append"), ("w", "rw-register"), ("write", "multi-register")];
        return kinds.iter().find(|(step, _)| steps.contains(step)).map(|(_, model)| *model);
    }
    let forks = only(&["read", "write"]) && steps.contains("r") && steps.contains("w");
    forks.then_some("long-fork")
}

/// The model that a history's content asks for, where that is certain.
///
/// # Errors
///
/// It may be one of several.
pub fn recognize(history: &History) -> Result<Model, CheckError> {
    let found = |name: &str| {
        Model::of(name).ok_or_else(|| CheckError::Model { message: format!("no model `{name}`") })
    };
    if history.source == Source::Rows {
        return found("foreign-keys");
    }
    let names = names(history);
    let only = |known: &[&str]| !names.is_empty() && names.iter().all(|name| known.contains(name));
    let has = |name: &str| names.contains(name);
    if let Some(name) = by_steps(&names, &steps(history)) {
        return found(name);
    }
    if only(&["acquire", "release", "lock", "unlock"]) {
        return found("mutex");
    }
    if has("cas") && only(&["read", "write", "cas"]) {
        return found("cas-register");
    }
    if has("append") && only(&["get", "put", "append"]) {
        return found("key-value");
    }
    if has("transfer") && only(&["read", "transfer"]) {
        return found("bank");
    }
    if only(&["enqueue", "dequeue", "drain", "effect", "deliver", "publish"]) && has("enqueue") {
        return found("total-queue");
    }
    if only(&["generate"]) {
        return found("unique-ids");
    }
    if has("lead") && only(&["lead", "act", "resign"]) {
        return found("leadership");
    }
    if has("rows") && only(&["rows", "foreign-key"]) {
        return found("foreign-keys");
    }
    let reads = || {
        let reads = history.operations.iter().filter(|operation| {
            operation.outcome == Outcome::Ok && history.name(operation) == "read"
        });
        reads.map(|operation| &operation.value).filter(|value| !value.is_nil())
    };
    let scalar = reads().next().is_some() && reads().all(|value| value.items().is_none());
    if only(&["read", "write"]) && scalar {
        return found("register");
    }
    if only(&["add", "read"]) && has("add") && scalar {
        return found("counter");
    }
    let fits = if only(&["add", "read"]) {
        "this may be a set, a set-full or a counter".to_owned()
    } else if names.is_empty() {
        "the history holds no operation".to_owned()
    } else {
        let names: Vec<&str> = names.into_iter().take(8).collect();
        format!("operations are {}", names.join(", "))
    };
    Err(CheckError::Model {
        message: format!("which model this history has to fit cannot be told: {fits}"),
    })
}

/// Checks a history against a model.
///
/// # Errors
///
/// The history is of another kind.
pub fn check(history: &History, model: Model, options: &Options) -> Result<Report, CheckError> {
    let name = model.name;
    if history.operations.is_empty() && history.rows.is_none() {
        return Ok(Report::new(name).unknown("too little: the history holds no operation"));
    }
    let report = match model.checker.sees() {
        Some(sees) => keys::check(history, (name, sees), |own| one(own, model, options)),
        None => one(history, model, options),
    }?;
    let report = if options.unfinished || history.torn { broken_off(report) } else { report };
    Ok(doubted(history, model, report))
}

/// What is found of what is absent.
const ABSENT: [&str; 3] = ["lost", "lost-effect", "gap"];

/// What is absent from a history that was broken off may come yet: nobody knows. What is there is there.
fn broken_off(mut report: Report) -> Report {
    let mut first = None;
    for finding in &mut report.findings {
        if finding.weight == Weight::Fails && ABSENT.contains(&finding.name.as_str()) {
            finding.weight = Weight::Warns;
            first.get_or_insert_with(|| finding.message.clone());
        }
    }
    match first {
        Some(message) => report.decide(Some(format!("the history was broken off: {message}")), ""),
        None => report,
    }
}

/// Checks what was done with one object, or with as many as the checker tells apart itself.
fn one(history: &History, model: Model, options: &Options) -> Result<Report, CheckError> {
    let name = model.name;
    match model.checker {
        Checker::Linear(family) => linear::check(history, family, name, options),
        Checker::Set => sets::set(history, name),
        Checker::SetFull => sets::full(history, name),
        Checker::TotalQueue => queues::total(history, name),
        Checker::UnorderedQueue => queues::unordered(history, name),
        Checker::UniqueIds => numbers::unique(history, name),
        Checker::Counter => numbers::counter(history, name),
        Checker::Versions => numbers::versions(history, name),
        Checker::Leadership => leadership::check(history, name),
        Checker::Bank => bank::check(history, name, options),
        Checker::LongFork => forks::long_fork(history, name),
        Checker::Comments => forks::comments(history, name),
        Checker::Sequential => forks::sequential(history, name),
        Checker::StaleReads => stale::check(history, name),
        Checker::Rows => rows::check(history, name),
        Checker::ListAppend => transactions::append(history, name, options),
        Checker::RwRegister => transactions::register(history, name, options),
    }
}

/// Whether no operation was acknowledged, so that nothing could have contradicted anything. Jepsen passes such a history of a bag into which things
/// may have been put, and Knossos one in which everything failed: histories of theirs are judged as they do.
fn nothing_was_told(history: &History, model: Model) -> bool {
    let theirs = history.source == Source::Jepsen
        && match model.checker {
            Checker::UnorderedQueue => history.count(Outcome::Info) > 0,
            Checker::Linear(_) => history.count(Outcome::Fail) > 0,
            _ => false,
        };
    history.rows.is_none() && history.count(Outcome::Ok) == 0 && !theirs
}

/// A history of which nothing was acknowledged, that was cut off, or with events that have lost their counterparts, says less than it should: it is
/// never valid.
fn doubted(history: &History, model: Model, mut report: Report) -> Report {
    if report.verdict == Verdict::Valid && nothing_was_told(history, model) {
        return report.unknown("too little: no operation was acknowledged");
    }
    if history.torn && report.verdict == Verdict::Valid {
        report.why = format!("the file was cut off; of what is there, {}", report.why);
        report.verdict = Verdict::Unknown;
    }
    if history.unpaired > 0 && report.verdict == Verdict::Valid {
        report.verdict = Verdict::Unknown;
        report.why = format!(
            "{} events lack their counterpart; of the rest, {}",
            history.unpaired, report.why
        );
    }
    report
}
