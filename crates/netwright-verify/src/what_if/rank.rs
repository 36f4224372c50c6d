//! Which option is best: what each cures, breaks and leaves, and what it costs.
//!
//! Options are compared with the network as it is. What people lose counts before what machines lose, that before what is only probably
//! wrong, and money last: golden paths, services that do not start, intents and dependencies that fail, those that are unknown, findings,
//! cost, and at last how many settings have to be changed.

use std::collections::BTreeSet;

use netwright_model::diagnostic::Severity;

use super::Outcome;
use crate::intents::Standing;
use crate::trace::Verdict;

/// Something that does not hold, with the kinds in the order in which they count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A golden path that is lost.
    GoldenPath(String),
    /// A service that does not start.
    Service(String),
    /// An intent, by its name.
    Intent(String),
    /// A needed dependency: the service and its target.
    Dependency(String, String),
    /// A finding of severity error, by its rule and message.
    Finding(&'static str, String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GoldenPath(name) => write!(f, "golden path {name}"),
            Self::Service(name) => write!(f, "start of {name}"),
            Self::Intent(name) => write!(f, "intent {name}"),
            Self::Dependency(service, target) => write!(f, "{service} → {target}"),
            Self::Finding(rule, message) => write!(f, "{rule}: {message}"),
        }
    }
}

/// What an option changes, compared with the network as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What fails as it is and holds with the option.
    pub cures: Vec<Fault>,
    /// What holds or is unknown as it is and fails with the option.
    pub breaks: Vec<Fault>,
    /// What fails either way.
    pub leaves: Vec<Fault>,
    /// What is unknown with the option and is not as it is.
    pub clouds: Vec<Fault>,
}

impl Comparison {
    /// Compares an option with the network as it is.
    #[must_use]
    pub fn of(as_it_is: &Outcome, option: &Outcome) -> Self {
        let (failed, fails) = (fails(as_it_is), fails(option));
        let (unsure_before, unsure) = (unknown(as_it_is), unknown(option));
        Self {
            cures: failed
                .iter()
                .filter(|f| !fails.contains(f) && !unsure.contains(f))
                .cloned()
                .collect(),
            breaks: fails.difference(&failed).cloned().collect(),
            leaves: fails.intersection(&failed).cloned().collect(),
            clouds: unsure.difference(&unsure_before).cloned().collect(),
        }
    }

    /// Whether nothing gets worse.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.breaks.is_empty() && self.clouds.is_empty()
    }
}

/// What surely does not hold.
fn fails(outcome: &Outcome) -> BTreeSet<Fault> {
    let paths = outcome.cascade.lost.iter().map(|lost| Fault::GoldenPath(lost.path.clone()));
    let services = outcome.cascade.failures.iter().map(|f| Fault::Service(f.service.clone()));
    let intents = outcome.intents.iter().filter(|answer| answer.standing == Standing::Broken);
    let needed = outcome.dependencies.iter().filter(|answer| answer.is_missing());
    let errors = outcome.findings.iter().filter(|finding| finding.severity == Severity::Error);
    paths
        .chain(services)
        .chain(intents.map(|answer| Fault::Intent(answer.name.clone())))
        .chain(needed.map(|a| Fault::Dependency(a.service.clone(), a.target.clone())))
        .chain(errors.map(|finding| Fault::Finding(finding.id, finding.message.clone())))
        .collect()
}

/// What may hold or not.
fn unknown(outcome: &Outcome) -> BTreeSet<Fault> {
    let intents = outcome.intents.iter().filter(|answer| answer.standing == Standing::Unknown);
    let needed = outcome
        .dependencies
        .iter()
        .filter(|answer| !answer.optional && answer.verdict == Verdict::Unknown);
    intents
        .map(|answer| Fault::Intent(answer.name.clone()))
        .chain(needed.map(|a| Fault::Dependency(a.service.clone(), a.target.clone())))
        .collect()
}

/// How good an outcome is: less is better, the first number that differs decides. The last is the number of dependencies whose data a NAT
/// gateway charges for.
#[must_use]
pub fn badness(outcome: &Outcome) -> [u64; 8] {
    let fails = fails(outcome);
    let count = |is: fn(&Fault) -> bool| number(fails.iter().filter(|fault| is(fault)).count());
    let warnings = outcome.findings.iter().filter(|finding| finding.severity == Severity::Warning);
    let charged = outcome.dependencies.iter().filter(|answer| answer.through_nat);
    [
        count(|fault| matches!(fault, Fault::GoldenPath(_))),
        count(|fault| matches!(fault, Fault::Service(_))),
        count(|fault| matches!(fault, Fault::Intent(_) | Fault::Dependency(..))),
        number(unknown(outcome).len()),
        count(|fault| matches!(fault, Fault::Finding(..))),
        number(warnings.count()),
        // What nobody has a price for is not taken to be cheap.
        outcome.cost.cents().unwrap_or(u64::MAX),
        number(charged.count()),
    ]
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Which option should be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The one at this position: better than the network as it is, and nothing that holds gets worse.
    Take(usize),
    /// No option is better, and nothing needs a cure.
    StayAsItIs,
    /// Something needs a cure, and no option cures any of it without breaking something else.
    NoneIsGood,
}

/// All options, ranked.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Positions of the options, the best first.
    pub order: Vec<usize>,
    /// What each changes, by its position.
    pub comparisons: Vec<Comparison>,
    /// Which should be taken.
    pub advice: Advice,
}

/// Ranks options, and says which should be taken.
#[must_use]
pub fn rank(as_it_is: &Outcome, options: &[Outcome]) -> Ranking {
    let comparisons: Vec<Comparison> =
        options.iter().map(|option| Comparison::of(as_it_is, option)).collect();
    let marks: Vec<[u64; 8]> = options.iter().map(badness).collect();
    let mut order: Vec<usize> = (0..options.len()).collect();
    order.sort_by_key(|place| (marks[*place], options[*place].changed, *place));
    let now = badness(as_it_is);
    let better = |place: &&usize| comparisons[**place].is_safe() && marks[**place] < now;
    // The first five numbers tell whether anything is wrong.
    let well = now[..5].iter().all(|count| *count == 0);
    let advice = match order.iter().find(better) {
        Some(place) => Advice::Take(*place),
        None if well => Advice::StayAsItIs,
        None => Advice::NoneIsGood,
    };
    Ranking { order, comparisons, advice }
}
