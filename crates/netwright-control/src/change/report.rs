//! What a change does, as it is told and remembered. Long lists are cut, and say how much more there is.

use netwright_verify::cascade::Cascade;
use netwright_verify::check::Finding as Found;
use netwright_verify::diff::{Diff, Parties, Party};
use netwright_verify::intents::Answer;
use netwright_verify::steps::{self, Action, Undo};
use netwright_verify::trace::{self, Direction, Trace};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::Live;

/// Most items of a list.
const MOST: usize = 200;

/// Ranges of the Internet that are named one by one.
const RANGES: usize = 2;

/// Most parties of a flow.
const PARTIES: usize = 20;

/// What a change does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Why it may not land without force; empty where it may.
    pub refused: Vec<String>,
    /// What should be known before it lands.
    pub warnings: Vec<String>,
    /// Intents that held, or are new, and are broken now.
    pub broken: Vec<Intent>,
    /// Intents of which it is not known now whether they hold.
    pub unknown: Vec<Intent>,
    /// Intents that hold now and did not before.
    pub fixed: Vec<String>,
    /// Intents that nothing asks any more.
    pub dropped: Vec<String>,
    /// Services that start before and not after.
    pub failures: Vec<Failure>,
    /// Golden paths that are lost now.
    pub lost_paths: Vec<LostPath>,
    /// Flows between endpoints that change.
    pub flows: Vec<Flow>,
    /// Findings that are new.
    pub found: Vec<Finding>,
    /// Findings that are gone.
    pub gone: Vec<Finding>,
    /// What has to be done, in an order in which it can be done.
    pub steps: Vec<Step>,
    /// Objects of the network that the applied description lacks, and that stay.
    pub kept: Vec<String>,
    /// Counts of all, also of what was cut from the lists.
    pub summary: Summary,
}

/// What a change does, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Objects made.
    pub created: usize,
    /// Objects changed.
    pub changed: usize,
    /// Objects taken away.
    pub destroyed: usize,
    /// Intents broken.
    pub broken: usize,
    /// Intents of which it is not known whether they hold.
    pub unknown: usize,
    /// Intents fixed.
    pub fixed: usize,
    /// Intents that nothing asks any more.
    pub dropped: usize,
    /// Services that do not start any more.
    pub failures: usize,
    /// Groups of flows lost.
    pub flows_lost: usize,
    /// Groups of flows gained.
    pub flows_gained: usize,
    /// Findings that are new.
    pub found: usize,
    /// Findings that are gone.
    pub gone: usize,
    /// Steps that are made anew.
    pub replaced: usize,
    /// Steps that cannot be taken back.
    pub irreversible: usize,
    /// Steps of which it is not known whether they can be taken back.
    pub undo_unknown: usize,
    /// All steps.
    pub steps: usize,
    /// Objects that the applied description lacks, and that stay.
    pub kept: usize,
}

/// An intent that does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Intent {
    /// Its name.
    pub name: String,
    /// Why it does not hold.
    pub why: String,
    /// Where it is written.
    pub at: Option<String>,
    /// The request of the flow that shows it, hop by hop.
    pub forward: Vec<Hop>,
    /// Its answer.
    pub back: Vec<Hop>,
}

/// One hop of a trace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// `at`, `filter`, `route`, `translate` or `end`.
    pub kind: String,
    /// Kind of the object.
    pub object: String,
    /// Its name.
    pub name: String,
    /// What happened, in words.
    pub text: String,
    /// Whether the packet goes on; null where that is not known.
    pub passed: Option<bool>,
    /// The place that decides.
    pub at: Option<String>,
}

/// A service that does not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The service.
    pub service: String,
    /// The phase that fails.
    pub phase: Option<String>,
    /// Why.
    pub why: String,
}

/// A golden path that is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LostPath {
    /// The path.
    pub path: String,
    /// Why.
    pub why: String,
}

/// Flows that change in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// Sources.
    pub sources: Vec<String>,
    /// Destinations.
    pub destinations: Vec<String>,
    /// `any`, `same_subnet` or `other_subnet`.
    pub relation: String,
    /// What works no longer.
    pub lost: Option<String>,
    /// What works now.
    pub gained: Option<String>,
    /// What is unknown now.
    pub unknown: Option<String>,
    /// Why what is lost is lost.
    pub cause: Option<String>,
    /// The place that decides it.
    pub at: Option<String>,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its rule.
    pub id: String,
    /// `error`, `warning` or `info`.
    pub severity: String,
    /// What was found.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// Where.
    pub at: Option<String>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// `create`, `change`, `replace` or `destroy`.
    pub action: String,
    /// Kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `reversible`, `unknown`, `replace` or `irreversible`.
    pub undo: String,
    /// Why.
    pub why: String,
    /// What differs.
    pub fields: Vec<Field>,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    /// Its path inside the object.
    pub path: String,
    /// Before.
    pub old: Option<String>,
    /// After.
    pub new: Option<String>,
}

impl Report {
    /// What a comparison found. Places are those of the new network, of what is gone those of the old one.
    #[must_use]
    pub fn of(old: &Live, new: &Live, diff: &Diff) -> Self {
        let mut summary = Summary {
            broken: diff.broken.len(),
            unknown: diff.unsure.len(),
            fixed: diff.fixed.len(),
            dropped: diff.dropped.len(),
            flows_lost: diff.changes.iter().filter(|change| change.lost.is_some()).count(),
            flows_gained: diff.changes.iter().filter(|change| change.gained.is_some()).count(),
            found: diff.found.len(),
            gone: diff.gone.len(),
            steps: diff.steps.len(),
            ..Summary::default()
        };
        for step in &diff.steps {
            match step.undo {
                Undo::Irreversible => summary.irreversible += 1,
                Undo::Unknown => summary.undo_unknown += 1,
                Undo::Replace | Undo::Reversible => {}
            }
            summary.replaced += usize::from(step.action == Action::Replace);
        }
        let failures = failures(&diff.cascade_before, &diff.cascade);
        summary.failures = failures.len();
        let names = |answers: &[Answer]| {
            answers.iter().take(MOST).map(|answer| answer.name.clone()).collect()
        };
        // What cannot be taken back is told before what is cut.
        let mut steps: Vec<&steps::Step> = diff.steps.iter().collect();
        if steps.len() > MOST {
            steps.sort_by_key(|step| std::cmp::Reverse(step.undo));
        }
        Self {
            broken: intents(new, &diff.broken),
            unknown: intents(new, &diff.unsure),
            fixed: names(&diff.fixed),
            dropped: diff.dropped.iter().take(MOST).cloned().collect(),
            failures,
            lost_paths: lost_paths(&diff.cascade_before, &diff.cascade),
            flows: flows(new, diff),
            found: diff.found.iter().take(MOST).map(|found| finding(new, found)).collect(),
            gone: diff.gone.iter().take(MOST).map(|found| finding(old, found)).collect(),
            steps: steps.into_iter().take(MOST).map(step).collect(),
            summary,
            ..Self::default()
        }
    }
}

fn intents(live: &Live, answers: &[Answer]) -> Vec<Intent> {
    let told = answers.iter().take(MOST).map(|answer| {
        let (forward, back) =
            answer.example.as_ref().map(|trace| hops(live, trace)).unwrap_or_default();
        Intent {
            name: answer.name.clone(),
            why: answer.why.clone(),
            at: live.at(answer.span),
            forward,
            back,
        }
    });
    told.collect()
}

/// A trace, there and back.
pub(crate) fn hops(live: &Live, trace: &Trace) -> (Vec<Hop>, Vec<Hop>) {
    let of = |direction: &Direction| -> Vec<Hop> {
        let hops = trace::hops(&live.network, direction).into_iter();
        hops.map(|hop| Hop {
            kind: hop.kind.word().to_owned(),
            object: hop.object.to_owned(),
            at: live.at(hop.rule.as_ref().map_or(hop.span, |rule| rule.span)),
            name: hop.name,
            text: hop.text,
            passed: hop.passed,
        })
        .collect()
    };
    (of(&trace.forward), trace.back.as_ref().map(of).unwrap_or_default())
}

fn failures(before: &Cascade, now: &Cascade) -> Vec<Failure> {
    let known = |service: &str| before.failures.iter().any(|old| old.service == service);
    let new = now.failures.iter().filter(|failure| !known(&failure.service)).take(MOST);
    new.map(|failure| Failure {
        service: failure.service.clone(),
        phase: failure.phase.clone(),
        why: failure.why.clone(),
    })
    .collect()
}

fn lost_paths(before: &Cascade, now: &Cascade) -> Vec<LostPath> {
    let new = now.lost.iter().filter(|lost| !before.lost.contains(lost)).take(MOST);
    new.map(|lost| LostPath { path: lost.path.clone(), why: lost.why.clone() }).collect()
}

fn party(party: &Party) -> String {
    match party {
        Party::Named { name, .. } => name.clone(),
        Party::Outside(whose, first, last) if first == last => format!("{whose} {first}"),
        Party::Outside(whose, first, last) => format!("{whose} {first}-{last}"),
    }
}

fn flows(live: &Live, diff: &Diff) -> Vec<Flow> {
    let parties = |all: &Parties| -> Vec<String> {
        let all: Vec<&Party> = all.iter().collect();
        let internet = |p: &&&Party| matches!(p, Party::Outside(whose, ..) if whose == "internet");
        let ranges = all.iter().filter(internet).count();
        let whole = ranges > RANGES;
        let told = all.iter().filter(|party| !whole || !internet(party));
        let mut names: Vec<String> = told.clone().take(PARTIES).map(|one| party(one)).collect();
        if whole {
            names.push(format!("internet ({ranges} ranges)"));
        }
        let more = told.count().saturating_sub(PARTIES);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        names
    };
    // What is lost is told before what is gained.
    let mut changes: Vec<_> = diff.changes.iter().collect();
    changes.sort_by_key(|change| (change.lost.is_none(), change.unsure.is_none()));
    let told = changes.into_iter().take(MOST).map(|change| Flow {
        sources: parties(&change.from),
        destinations: parties(&change.to),
        relation: change.relation.word().to_owned(),
        lost: change.lost.clone(),
        gained: change.gained.clone(),
        unknown: change.unsure.clone(),
        cause: change.cause.as_ref().map(|cause| cause.text.clone()),
        at: change.cause.as_ref().and_then(|cause| live.at(cause.span)),
    });
    told.collect()
}

fn finding(live: &Live, found: &Found) -> Finding {
    Finding {
        id: found.id.to_owned(),
        severity: found.severity.word().to_owned(),
        message: found.message.clone(),
        remedy: found.remedy.clone(),
        at: live.at(found.span),
    }
}

fn step(step: &steps::Step) -> Step {
    let field = |field: &steps::Field| {
        let [old, new] = field.shown();
        Field { path: field.path.clone(), old, new }
    };
    Step {
        action: step.action.word().to_owned(),
        kind: step.kind.to_owned(),
        name: step.name.clone(),
        undo: step.undo.word().to_owned(),
        why: step.why.clone(),
        fields: step.fields.iter().map(field).collect(),
    }
}
