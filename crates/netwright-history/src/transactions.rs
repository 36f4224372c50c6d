//! Transactions over lists and registers: which of them must come before which, and whether that goes round in circles.
//!
//! What writes are unique tells who read whose write, and of lists also in which order they were written. From that follow dependencies
//! (`graph`), cycles among them (`cycles`), and which levels of isolation (`levels`) cannot hold. `append` and `register` know how to read
//! histories of the two kinds.

mod append;
mod cycles;
mod graph;
mod levels;
mod order;
mod register;

use rustc_hash::FxHashMap;

use crate::history::{History, Outcome};
use crate::linear::Explained;
use crate::model::Options;
use crate::report::{CheckError, Finding, Report, Weight, words};
use crate::value::Value;
use cycles::{Cycle, Finder};
use graph::{Edges, Graph, PROCESS, RW, TIME, WR, WW, add_processes, add_time};
use levels::Kept;
pub use levels::{LEVELS, Level};

/// Findings of one kind that are shown.
const SHOWN: usize = 5;

/// What a kind of history tells of its transactions.
struct Told {
    /// Dependencies of data between nodes.
    edges: Edges,
    /// What is wrong within transactions and between two of them.
    findings: Vec<Finding>,
    unchecked: Vec<String>,
    /// Why nothing can be told for certain.
    unknown: Option<String>,
}

/// Who wrote a value.
#[derive(Debug, Clone, Copy)]
struct Writer {
    /// The node; or the operation, where that failed.
    by: u32,
    failed: bool,
    /// Whether it is the last that its transaction wrote to the key.
    last: bool,
    /// Whether another wrote the same: nobody knows whose is read.
    doubled: bool,
}

impl Writer {
    /// Adds a writer of a value. Tells whether another is known: then nobody knows whose value is read. What failed was not written, where somebody
    /// else wrote the same.
    fn add<'a>(self, value: &'a Value, writers: &mut FxHashMap<&'a Value, Self>) -> bool {
        let Some(known) = writers.get(value).copied().filter(|known| !known.failed) else {
            writers.insert(value, self);
            return false;
        };
        if self.failed {
            return false;
        }
        // Written again by the same transaction, it is the same value.
        let doubled = known.by != self.by || known.doubled;
        writers.insert(value, Self { doubled, ..self });
        true
    }
}

const NOBODY: u32 = u32::MAX;

/// What is known of each key, in the order in which keys were met first.
struct Keyed<'a, T> {
    numbers: FxHashMap<&'a Value, u32>,
    all: Vec<T>,
}

impl<'a, T> Keyed<'a, T> {
    /// Gathers what all transactions tell: `take` is given each, with its node, or with its operation and that it failed.
    fn of(
        transactions: &Transactions<'a>,
        mut take: impl FnMut(&mut Self, u32, u32, bool),
    ) -> Self {
        let mut own = Self { numbers: FxHashMap::default(), all: Vec::new() };
        for (node, operation) in (0..).zip(&transactions.nodes) {
            take(&mut own, node, *operation, false);
        }
        for operation in &transactions.failed {
            take(&mut own, *operation, *operation, true);
        }
        own
    }

    /// What is known of a key, where it was met.
    fn get(&self, key: &Value) -> Option<&T> {
        self.number(key).map(|at| &self.all[at])
    }

    fn number(&self, key: &Value) -> Option<usize> {
        self.numbers.get(key).map(|at| *at as usize)
    }

    /// What is known of a key; `new` where it was not met before.
    fn at(&mut self, key: &'a Value, new: impl FnOnce() -> T) -> &mut T {
        let next = u32::try_from(self.all.len()).unwrap_or(NOBODY);
        let at = *self.numbers.entry(key).or_insert(next);
        if at == next {
            self.all.push(new());
        }
        &mut self.all[at as usize]
    }
}

/// Adds what one node has to come before another for, where both are known.
fn link(edges: &mut Edges, from: u32, to: u32, kind: u8) {
    if from != to && from != NOBODY && to != NOBODY {
        edges.push((from, to, kind));
    }
}

/// Whether a step of a transaction writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Read,
    Write,
}

/// A transaction that may have happened, with its steps.
struct Transactions<'a> {
    history: &'a History,
    /// The operation of each node: what happened, and what may have.
    nodes: Vec<u32>,
    /// Operations that did not happen.
    failed: Vec<u32>,
    write: &'a str,
}

impl<'a> Transactions<'a> {
    fn of(history: &'a History, write: &'a str) -> Result<Self, CheckError> {
        let mut all = Self { history, nodes: Vec::new(), failed: Vec::new(), write };
        for (at, operation) in history.operations.iter().enumerate() {
            let Ok(at) = u32::try_from(at) else {
                return Err(CheckError::shape(operation, "more operations than can be numbered"));
            };
            for step in operation.value.items().unwrap_or_default() {
                match crate::linear::step(step) {
                    Some((f, _, _)) if all.step(f).is_some() => {}
                    Some((f, _, _)) => {
                        let message = format!("`{f}` is no step of this model: r and {write}");
                        return Err(CheckError::shape(operation, message));
                    }
                    None => {
                        let message = format!(
                            "a transaction is a list of steps, as [[:r x nil] [:{write} y 1]], and not `{}`",
                            operation.value.brief(40)
                        );
                        return Err(CheckError::shape(operation, message));
                    }
                }
            }
            if operation.value.items().is_none() && !operation.value.is_nil() {
                return Err(CheckError::shape(operation, "a transaction is a list of steps"));
            }
            match operation.outcome {
                Outcome::Fail => all.failed.push(at),
                _ => all.nodes.push(at),
            }
        }
        Ok(all)
    }

    fn step(&self, f: &str) -> Option<Step> {
        match f {
            "r" | "read" => Some(Step::Read),
            f if f == self.write => Some(Step::Write),
            "write" if self.write == "w" => Some(Step::Write),
            _ => None,
        }
    }

    /// The steps of an operation.
    fn steps(&self, operation: u32) -> impl Iterator<Item = (Step, &'a Value, &'a Value)> + '_ {
        let value = &self.history.operations[operation as usize].value;
        let steps = value.items().unwrap_or_default().iter();
        steps.filter_map(|step| {
            let (f, key, value) = crate::linear::step(step)?;
            Some((self.step(f)?, key, value))
        })
    }

    fn is_ok(&self, operation: u32) -> bool {
        self.history.operations[operation as usize].outcome == Outcome::Ok
    }
}

/// Checks transactions that read lists and append to them.
pub(crate) fn append(
    history: &History,
    name: &str,
    options: &Options,
) -> Result<Report, CheckError> {
    let transactions = Transactions::of(history, "append")?;
    let mut lists = append::Lists::of(&transactions);
    let told = lists.told();
    let because = |a, b, why| lists.because(a, b, why);
    // Lists tell their order: cycles say all.
    check(&transactions, (name, options), told, &because, None)
}

/// Checks transactions that read and write registers.
pub(crate) fn register(
    history: &History,
    name: &str,
    options: &Options,
) -> Result<Report, CheckError> {
    let transactions = Transactions::of(history, "w")?;
    let mut registers = register::Registers::of(&transactions);
    let told = registers.told();
    let because = |a, b, why| registers.because(a, b, why);
    let ordered = || order::order(&transactions, options.level.kept, options);
    check(&transactions, (name, options), told, &because, Some(&ordered))
}

/// Why one node comes before another, in words.
type Because<'a> = dyn Fn(u32, u32, u8) -> String + 'a;

/// Whether there is an order of all transactions; None where that cannot be looked for.
type Ordered<'a> = dyn Fn() -> Option<Explained> + 'a;

fn check(
    transactions: &Transactions<'_>,
    (name, options): (&str, &Options),
    told: Told,
    because: &Because<'_>,
    ordered: Option<&Ordered<'_>>,
) -> Result<Report, CheckError> {
    let history = transactions.history;
    let mut report = Report::new(name);
    let level = options.level;
    report.figure("level", level.name);
    report.figure("transactions", transactions.nodes.len());
    let Told { mut edges, mut findings, unchecked, unknown } = told;
    report.unchecked = unchecked;
    let data = edges.len();
    report.figure("dependencies", data);
    let order = match level.kept {
        Kept::Data => 0,
        Kept::Session => PROCESS,
        Kept::Time => TIME,
    };
    match level.kept {
        Kept::Data => {}
        Kept::Session => add_processes(history, &transactions.nodes, &mut edges),
        Kept::Time => add_time(history, &transactions.nodes, &mut edges),
    }
    let graph = Graph::new(transactions.nodes.len(), edges);
    report.figure("edges", graph.edges());
    let mut finder = Finder::new(&graph);
    let mut cycles = finder.all(0);
    let forbidden = |cycle: &Cycle| level.forbids(&cycle.name());
    if order != 0 && !cycles.iter().any(forbidden) {
        cycles.extend(finder.all(order));
    }
    if finder.gave_up {
        report.unchecked.push(
            "some cycles were not looked for to the end: there may be graver ones".to_owned(),
        );
    }
    if finder.knots > 0 {
        report.figure("knots", finder.knots);
    }
    findings.extend(found(transactions, cycles, because));
    weigh(&mut findings, level, history);
    let anomalies: std::collections::BTreeSet<&str> =
        findings.iter().map(|one| &*one.name).collect();
    report.figure("anomalies", anomalies.into_iter().collect::<Vec<_>>());
    report.findings = findings;
    let happened = transactions.nodes.iter().filter(|at| transactions.is_ok(**at)).count();
    let unknown = tried(&mut report, level, ordered, unknown);
    let unknown = if happened == 0 {
        Some("too little: no transaction is known to have happened".to_owned())
    } else if unknown.is_some() {
        unknown
    } else if data == 0 {
        Some("too little: no transaction read what another wrote, or missed it".to_owned())
    } else {
        None
    };
    Ok(report.decide(
        unknown,
        format!("{happened} transactions, and nothing that {} forbids", level.name),
    ))
}

/// Looks for an order of all transactions where nothing was found that the level forbids; what is not known after that.
fn tried(
    report: &mut Report,
    level: Level,
    ordered: Option<&Ordered<'_>>,
    unknown: Option<String>,
) -> Option<String> {
    let Some(ordered) = ordered else { return unknown };
    // Of what nobody wrote, somebody may have written it before the history began.
    let refuted =
        |finding: &Finding| finding.weight == Weight::Fails || finding.name == "unwritten";
    if !level.is_serial() || report.findings.iter().any(refuted) {
        return unknown;
    }
    match ordered() {
        Some(Explained::Yes) if level.kept == Kept::Session => unknown,
        Some(Explained::Yes) => None,
        Some(Explained::No(finding)) => {
            report.findings.push(Finding { name: "no-order".to_owned(), ..finding });
            unknown
        }
        Some(Explained::Perhaps(_)) | None => {
            report.unchecked.push(
                "only what values that are written once tell was looked at: not whether one order of all transactions explains everything".to_owned(),
            );
            unknown
        }
    }
}

/// What a level forbids fails; the rest is told.
fn weigh(findings: &mut Vec<Finding>, level: Level, history: &History) {
    let own = history.source == crate::history::Source::Netwright;
    let mut counts: FxHashMap<String, usize> = FxHashMap::default();
    findings.retain_mut(|finding| {
        // A history that is whole has the writes of all that is read.
        let fails = level.forbids(&finding.name) && (finding.name != "unwritten" || own);
        finding.weight = if fails { Weight::Fails } else { Weight::Tells };
        if finding.name == "unwritten" && !own {
            finding.weight = Weight::Warns;
        }
        if finding.weight == Weight::Tells {
            finding.message = format!("{} ({} allows it)", finding.message, level.name);
        }
        let count = counts.entry(finding.name.clone()).or_default();
        *count += 1;
        *count <= SHOWN
    });
    let rank = |name: &str| {
        const GRAVEST: [&str; 8] = [
            "duplicate-elements",
            "incompatible-order",
            "G0",
            "G1a",
            "dirty-update",
            "G1b",
            "internal",
            "future-read",
        ];
        let at = GRAVEST.iter().position(|known| *known == name).unwrap_or(GRAVEST.len());
        // Short names of cycles are the graver ones, and those by data before those with an order.
        (
            at,
            name.ends_with("-process"),
            name.ends_with("-realtime"),
            !name.starts_with("G1c"),
            !name.starts_with("G-"),
        )
    };
    findings.sort_by_key(|finding| rank(&finding.name));
}

/// Cycles as findings.
fn found(
    transactions: &Transactions<'_>,
    cycles: Vec<Cycle>,
    because: &Because<'_>,
) -> Vec<Finding> {
    let history = transactions.history;
    let mut findings: Vec<Finding> = Vec::new();
    for cycle in cycles {
        let name = cycle.name();
        let of = |node: u32| transactions.nodes[node as usize] as usize;
        let operations: Vec<usize> = cycle.steps.iter().map(|(node, _)| of(*node)).collect();
        let count = operations.len();
        let mut steps = Vec::new();
        for (at, operation) in operations.iter().enumerate().take(32) {
            let operation = &history.operations[*operation];
            steps.push(format!(
                "T{} = {} (line {})",
                at + 1,
                words(history, operation),
                operation.line
            ));
        }
        for (at, (node, why)) in cycle.steps.iter().enumerate().take(32) {
            let next = (at + 1) % count;
            let reason = match *why {
                PROCESS => "the same client did the one before the other".to_owned(),
                TIME => "the one had ended when the other began".to_owned(),
                _ => because(*node, cycle.steps[next].0, *why),
            };
            let kind = match *why {
                WW => "overwritten by",
                WR => "read by",
                RW => "did not see",
                _ => "before",
            };
            steps.push(format!("T{} {kind} T{}: {reason}", at + 1, next + 1));
        }
        let message = format!(
            "{count} transactions each come before the next, and the last before the first"
        );
        let mut finding = Finding::fails(&name, message).with(operations);
        finding.steps = steps;
        if findings.iter().all(|other| other.operations != finding.operations || other.name != name)
        {
            findings.push(finding);
        }
    }
    findings
}

/// Collisions of transactions that all updated what they had read.
fn lost_updates(
    transactions: &Transactions<'_>,
    collided: FxHashMap<(u32, u64), Vec<u32>>,
    shown: impl Fn(u32, &[u32]) -> String,
) -> Vec<Finding> {
    let mut collided: Vec<((u32, u64), Vec<u32>)> =
        collided.into_iter().filter(|(_, nodes)| nodes.len() > 1).collect();
    collided.sort_unstable();
    let finding = |((key, _), nodes): ((u32, u64), Vec<u32>)| {
        let operations =
            nodes.iter().take(4).map(|node| transactions.nodes[*node as usize] as usize);
        Finding::fails("lost-update", shown(key, &nodes)).with(operations.collect())
    };
    collided.into_iter().map(finding).collect()
}
