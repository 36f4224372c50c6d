//! Linearizability: whether there is an order of all operations, each at one moment between its beginning and its end, that explains what was read.
//!
//! Start at [`check`]. Operations become [`machine::Act`]s by [`acts`]; keys are looked at one by one, first those that are quickly decided.

mod acts;
mod components;
mod epochs;
mod machine;
mod search;
mod witness;
mod zones;

use rustc_hash::FxHashMap;

use crate::history::{History, Outcome, Source};
use crate::model::Options;
use crate::report::{CheckError, Finding, Report, Weight};
use crate::value::Value;
use acts::Family;
use machine::{Machine, World};
use search::{Answer, Search};
use zones::Zoned;

/// Places that are looked at for a key, in turns: one key that is quickly refuted spares the others.
const TURNS: [usize; 4] = [2_000, 50_000, 500_000, usize::MAX];

/// Places that are looked at for one key unless the caller says otherwise; about 100 octets each.
pub const DEFAULT_BUDGET: usize = 5_000_000;

/// What happened to one object.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) key: Option<Value>,
    pub(crate) world: World,
    pub(crate) acts: Vec<Act>,
    pub(crate) spans: Vec<Span>,
    /// The operation of each act.
    pub(crate) operations: Vec<usize>,
}

impl Part {
    /// How many registers it is about.
    pub(crate) fn registers(&self) -> usize {
        if let World::Registers(count, _) = &self.world { *count } else { 1 }
    }
}

/// All objects.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) parts: Vec<Part>,
    by_key: FxHashMap<Option<Value>, usize>,
    /// The part that was added to last.
    last: usize,
    /// Operations that say nothing: reads of what is not known, and what did not happen.
    pub(crate) silent: usize,
}

impl Parts {
    pub(crate) fn add(&mut self, key: Option<&Value>, act: Act, span: Span, operation: usize) {
        let last = self.parts.get(self.last).filter(|part| part.key.as_ref() == key);
        let at = match last.map(|_| self.last).or_else(|| self.by_key.get(&key.cloned()).copied()) {
            Some(at) => at,
            None => {
                self.parts.push(Part {
                    key: key.cloned(),
                    world: World::Register,
                    acts: Vec::new(),
                    spans: Vec::new(),
                    operations: Vec::new(),
                });
                self.by_key.insert(key.cloned(), self.parts.len() - 1);
                self.parts.len() - 1
            }
        };
        self.last = at;
        let part = &mut self.parts[at];
        part.acts.push(act);
        part.spans.push(span);
        part.operations.push(operation);
    }
}

/// What is to be decided, with the numbers of values.
pub(crate) struct Problem {
    pub(crate) parts: Vec<Part>,
    /// States that there may have been at first: one of them has to explain a part.
    pub(crate) initials: Vec<u32>,
    pub(crate) values: usize,
}

/// What is known of an order.
struct Decided {
    answer: Answer,
    /// What shows that there is none, where that is known.
    shown: Vec<usize>,
    /// Places that were looked at.
    looked: usize,
}

/// Looks for an order that begins with a state. `values` is how many there are.
fn decide(
    (acts, spans): (&[&Act], &[Span]),
    world: &World,
    (initial, values): (u32, usize),
    budget: usize,
) -> Decided {
    let zoned = match world {
        World::Register if values > 4 * acts.len() + 64 => {
            let (own, initial, values) = zones::renamed(acts, initial);
            zones::check(&own.iter().collect::<Vec<_>>(), spans, initial, values)
        }
        World::Register => zones::check(acts, spans, initial, values),
        World::Texts(texts) => epochs::check(acts, spans, texts),
        World::Registers(..) => Zoned::Unfit,
    };
    match zoned {
        Zoned::Found => Decided { answer: Answer::Found, shown: Vec::new(), looked: 1 },
        Zoned::None(shown) => Decided { answer: Answer::None, shown, looked: 1 },
        Zoned::Unfit => {
            let mut machine = Machine::new(acts.to_vec(), world);
            let mut search = Search::new(&mut machine, spans);
            let answer = search.run(initial, budget);
            Decided { answer, shown: Vec::new(), looked: search.looked() }
        }
    }
}

/// Looks for an order of what happened to one object.
fn solve(problem: &Problem, part: &Part, budget: usize) -> (Answer, Vec<usize>) {
    let acts: Vec<&Act> = part.acts.iter().collect();
    let mut hint = Vec::new();
    let mut answer = Answer::None;
    for initial in &problem.initials {
        let from = (*initial, problem.values);
        let decided = decide((&acts, &part.spans), &part.world, from, budget);
        match decided.answer {
            Answer::Found => return (Answer::Found, Vec::new()),
            Answer::None => hint = decided.shown,
            Answer::Exhausted => answer = Answer::Exhausted,
        }
    }
    (answer, hint)
}

/// Optional acts whose effect nobody asks for need not be looked at.
fn useful(part: &mut Part) {
    let mut asked = rustc_hash::FxHashSet::default();
    let mut any = false;
    for act in &part.acts {
        match act {
            Act::Read(value) | Act::Cas(value, _) => {
                asked.insert(*value);
            }
            Act::Write(_) => {}
            _ => any = true,
        }
    }
    if any {
        return;
    }
    let keep: Vec<bool> = part
        .acts
        .iter()
        .zip(&part.spans)
        .map(|(act, span)| match act {
            Act::Write(value) | Act::Cas(_, value) => !span.optional || asked.contains(value),
            _ => true,
        })
        .collect();
    let mut at = keep.iter();
    part.acts.retain(|_| at.next().copied().unwrap_or(true));
    let mut at = keep.iter();
    part.spans.retain(|_| at.next().copied().unwrap_or(true));
    let mut at = keep.iter();
    part.operations.retain(|_| at.next().copied().unwrap_or(true));
}

/// Checks a history against a family of models.
pub(crate) fn check(
    history: &History,
    family: Family,
    name: &str,
    options: &Options,
) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let (mut problem, silent) = acts::of(history, family, options)?;
    let required = |part: &Part| part.spans.iter().filter(|span| !span.optional).count();
    let told: usize = problem.parts.iter().map(required).sum();
    report.figure("objects", problem.parts.len());
    report.figure("operations_that_count", told);
    if silent > 0 {
        report.unchecked.push(format!(
            "{silent} operations say nothing: they did not happen, or what they read is not known"
        ));
    }
    if told == 0 {
        // Knossos calls valid what failed throughout, and its histories are judged as it does.
        if history.count(Outcome::Fail) == 0 || history.source != Source::Jepsen {
            return Ok(report.unknown("too little: of no operation is it known what it did or saw"));
        }
        report.unchecked.push(
            "nothing is known to have happened: nothing could have contradicted anything"
                .to_owned(),
        );
    }
    problem.parts.iter_mut().for_each(useful);
    let unknown = match explain(history, &problem, options.budget) {
        Explained::Yes => None,
        Explained::No(finding) => {
            report.findings.push(finding);
            return Ok(report.decide(None, ""));
        }
        Explained::Perhaps(at) => {
            let key = problem.parts[at].key.as_ref();
            let of = key.map_or_else(String::new, |key| format!(" of key {key}"));
            Some(format!(
                "the search{of} looked at {} places and found neither an order nor that there is none; a larger --budget looks on",
                options.budget
            ))
        }
    };
    let shown = problem.parts.len();
    Ok(report.decide(
        unknown,
        match shown {
            1 => "one order explains all that was read".to_owned(),
            count => {
                format!("each of {count} keys has an order that explains all that was read of it")
            }
        },
    ))
}

/// Whether orders explain what was read.
pub(crate) enum Explained {
    /// Every part has one.
    Yes,
    /// A part has none, which is shown.
    No(Finding),
    /// The search ended before it knew of this part.
    Perhaps(usize),
}

/// Looks for an order of each part, first of those that are quickly decided.
pub(crate) fn explain(history: &History, problem: &Problem, most: usize) -> Explained {
    let mut open: Vec<usize> = (0..problem.parts.len()).collect();
    open.sort_by_key(|at| problem.parts[*at].acts.len());
    for turn in TURNS {
        let budget = turn.min(most);
        let mut rest = Vec::new();
        for at in open {
            let part = &problem.parts[at];
            match solve(problem, part, budget) {
                (Answer::Found, _) => {}
                (Answer::Exhausted, _) => rest.push(at),
                (Answer::None, hint) => {
                    return Explained::No(refuted(history, problem, part, &hint));
                }
            }
        }
        open = rest;
        if open.is_empty() || budget == most {
            break;
        }
    }
    open.first().map_or(Explained::Yes, |at| Explained::Perhaps(*at))
}

fn refuted(history: &History, problem: &Problem, part: &Part, hint: &[usize]) -> Finding {
    let acts: Vec<&Act> = part.acts.iter().collect();
    let shown = witness::smallest(problem, part, &acts, hint);
    let of = part.key.as_ref().map_or_else(String::new, |key| format!(" of key {key}"));
    let told =
        shown.as_ref().map(|(_, whatever)| match (whatever, first(problem, part, history)) {
            (true, _) => "; whatever there was before does not matter".to_owned(),
            (false, Some(first)) => format!("; at first there was {first}"),
            (false, None) => String::new(),
        });
    let shown = shown.map_or_else(|| hint.to_vec(), |(shown, _)| shown);
    let mut operations: Vec<usize> = shown.iter().map(|at| part.operations[*at]).collect();
    operations.sort_unstable();
    let message = match operations.len() {
        0 => format!("no order of the operations{of} explains what was read"),
        1 => format!("no order explains the operation{of} shown"),
        count => format!("no order explains these {count} operations{of} together"),
    };
    let mut finding = Finding::new("not-linearizable", Weight::Fails, message).with(operations);
    if let Some(told) = told {
        finding.steps.push(format!("without any of them the rest could be explained{told}"));
    }
    finding
}

/// What was there at first, in words.
fn first(problem: &Problem, part: &Part, history: &History) -> Option<String> {
    match (&part.world, problem.initials.len()) {
        (World::Register, 2) => Some("nothing, or 0".to_owned()),
        (World::Register, _) if history.source != Source::Jepsen => Some("nothing".to_owned()),
        _ => None,
    }
}

/// The span of an operation as far as it constrains an order.
pub(crate) fn span(operation: &crate::history::Operation) -> Span {
    Span {
        start: operation.start,
        end: operation.end,
        optional: operation.outcome == Outcome::Info,
    }
}

/// Numbers of values. Small whole numbers, which most histories write, are found without hashing.
#[derive(Debug, Default)]
pub(crate) struct Values {
    small: Vec<u32>,
    others: FxHashMap<Value, u32>,
    count: u32,
}

impl Values {
    /// The number of a value, a new one if it has none.
    pub(crate) fn of(&mut self, value: &Value) -> u32 {
        const NONE: u32 = u32::MAX;
        let next = self.count;
        if let Value::Int(number) = value
            && let Ok(at) = usize::try_from(*number)
            && at < 2 * next as usize + 4096
        {
            if at >= self.small.len() {
                self.small.resize(at + 1, NONE);
            }
            // It may have been out of bounds when it was seen first.
            if self.small[at] == NONE {
                self.small[at] = self.others.get(value).copied().unwrap_or(next);
                self.count += u32::from(self.small[at] == next);
            }
            return self.small[at];
        }
        if let Some(known) = self.others.get(value) {
            return *known;
        }
        self.others.insert(value.clone(), next);
        self.count += 1;
        next
    }

    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }
}

pub(crate) use acts::{Family as Models, is_keyed, keyed, step};
pub(crate) use components::apart;
pub(crate) use machine::{Act, Numbers};
pub(crate) use search::Span;
