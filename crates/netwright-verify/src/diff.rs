//! What a change does: flows gained and lost, and intents broken and fixed.
//!
//! Endpoints are matched by name, outside addresses by value. Both networks are computed in one space of sets, so that equal sets
//! are equal ids, and only blocks of flows that differ are looked at.

mod cause;
mod compare;
mod party;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::network::Network;

use crate::cascade::{self, Cascade};
use crate::check::{Finding, check_with};
use crate::dependencies::{self, Answer as Dependency};
use crate::intents::{self, Answer, Standing};
use crate::prover::Prover;
use crate::prover::change::Change as Gone;
use crate::reach::{Reach, Relation};
use crate::space::{Overflow, Packet};
use crate::steps::{Step, steps};

pub use cause::Cause;
pub use party::Parties;

/// Who sends or receives, the same in both networks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// An endpoint by name, in one address family.
    Named {
        /// Its name.
        name: String,
        /// IPv4 rather than IPv6.
        v4: bool,
    },
    /// Outside addresses: whose, first and last.
    Outside(String, IpAddr, IpAddr),
}

/// Flows between some sources and some destinations that changed in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Sources.
    pub from: Parties,
    /// Destinations.
    pub to: Parties,
    /// For which of them.
    pub relation: Relation,
    /// What works no longer, in words.
    pub lost: Option<String>,
    /// What works now, in words.
    pub gained: Option<String>,
    /// What is unknown now and was not, in words.
    pub unsure: Option<String>,
    /// Why what is lost is lost, by one of the flows.
    pub cause: Option<Cause>,
    /// One packet of what is lost.
    sample: Option<Packet>,
}

/// What a change does.
#[derive(Debug, Clone, Default)]
pub struct Diff {
    /// Flows.
    pub changes: Vec<Change>,
    /// Intents that held, or did not exist, and do not hold now.
    pub broken: Vec<Answer>,
    /// Intents that did not hold and do now.
    pub fixed: Vec<Answer>,
    /// Intents of the new network that cannot be determined.
    pub unsure: Vec<Answer>,
    /// Intents that the old network has and the new one does not: nothing asks them any more.
    pub dropped: Vec<String>,
    /// Findings that the new network has and the old one has not.
    pub found: Vec<Finding>,
    /// Findings that the old network has and the new one has not, with places in the old one.
    pub gone: Vec<Finding>,
    /// What has to be done to get from the old network to the new one.
    pub steps: Vec<Step>,
    /// Dependencies of services whose verdict, way or source address changed: before and after.
    pub dependencies: Vec<(Option<Dependency>, Dependency)>,
    /// What did not start or was lost before.
    pub cascade_before: Cascade,
    /// What does not start or is lost now.
    pub cascade: Cascade,
}

impl Diff {
    /// Whether anything that worked works no longer.
    #[must_use]
    pub fn loses(&self) -> bool {
        self.changes.iter().any(|change| change.lost.is_some())
    }
}

/// What a network says of itself: the one side of a comparison.
#[derive(Debug, Clone)]
pub struct Seen {
    /// All pairs.
    pub reach: Reach,
    /// Its intents.
    pub intents: Vec<Answer>,
    /// What services depend on.
    pub dependencies: Vec<Dependency>,
    /// Findings.
    pub findings: Vec<Finding>,
}

impl Seen {
    /// Asks everything. `today` is in days since 1970-01-01: without it nothing is said about certificates that expire.
    ///
    /// # Errors
    ///
    /// When the sets outgrow their memory limit; then nothing is known.
    pub fn of(prover: &mut Prover<'_>, today: Option<i64>) -> Result<Self, Overflow> {
        let reach = prover.reach()?;
        let seen = Self::with(prover, reach, today);
        prover.space.checked(seen)
    }

    /// Asks everything after a prover has gone on, from what was seen before.
    ///
    /// # Errors
    ///
    /// When the sets outgrow their memory limit; then nothing is known.
    pub fn after(
        prover: &mut Prover<'_>,
        change: &Gone,
        before: &Self,
        today: Option<i64>,
    ) -> Result<Self, Overflow> {
        let reach = prover.reach_after(change, &before.reach)?;
        let seen = Self::with(prover, reach, today);
        prover.space.checked(seen)
    }

    fn with(prover: &mut Prover<'_>, reach: Reach, today: Option<i64>) -> Self {
        Self {
            reach,
            intents: intents::ask(prover),
            dependencies: dependencies::ask(prover),
            findings: check_with(prover, today),
        }
    }
}

/// Compares two networks. `today` is in days since 1970-01-01: without it nothing is said about certificates that expire.
///
/// # Errors
///
/// When the sets outgrow their memory limit; then nothing is known.
pub fn diff(old: &Network, new: &Network, today: Option<i64>) -> Result<Diff, Overflow> {
    let mut prover = Prover::new(old);
    let before = Seen::of(&mut prover, today)?;
    let (mut prover, change) = prover.go_on(new);
    let after = Seen::after(&mut prover, &change, &before, today)?;
    compare((old, &before), &after, &mut prover)
}

/// Compares what was seen of an old network with what is seen of the one that a prover has gone on to.
///
/// # Errors
///
/// When the sets outgrow their memory limit; then nothing is known.
pub fn compare(
    (old, before): (&Network, &Seen),
    after: &Seen,
    prover: &mut Prover<'_>,
) -> Result<Diff, Overflow> {
    let new = prover.network;
    let mut result = Diff {
        changes: compare::changes((old, &before.reach), (new, &after.reach), &mut prover.space),
        cascade_before: cascade::follow(old, &before.dependencies),
        cascade: cascade::follow(new, &after.dependencies),
        dependencies: compare_dependencies(&before.dependencies, &after.dependencies),
        found: without(&after.findings, &before.findings),
        gone: without(&before.findings, &after.findings),
        steps: steps(&old.description, &new.description),
        ..Diff::default()
    };
    let places = cause::Places::of(new);
    for change in &mut result.changes {
        if let Some(packet) = change.sample.take() {
            change.cause = cause::of(prover, &places, change, &packet);
        }
    }
    let names: BTreeSet<&str> = after.intents.iter().map(|answer| answer.name.as_str()).collect();
    let dropped = before.intents.iter().filter(|answer| !names.contains(answer.name.as_str()));
    result.dropped = dropped.map(|answer| answer.name.clone()).collect();
    compare_intents(&before.intents, &after.intents, &mut result);
    prover.space.checked(result)
}

/// Findings of one network that the other has not. A finding is the same when it says the same: that its line has moved does not matter.
fn without(all: &[Finding], known: &[Finding]) -> Vec<Finding> {
    let mut left: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for finding in known {
        *left.entry((finding.id, finding.message.as_str())).or_default() += 1;
    }
    let new = all.iter().filter(|finding| {
        let count = left.entry((finding.id, finding.message.as_str())).or_default();
        let known = *count > 0;
        *count = count.saturating_sub(1);
        !known
    });
    new.cloned().collect()
}

fn compare_dependencies(
    had: &[Dependency],
    has: &[Dependency],
) -> Vec<(Option<Dependency>, Dependency)> {
    let paired = has.iter().cloned().map(|now| {
        let before = had.iter().find(|old| (&old.service, &old.name) == (&now.service, &now.name));
        (before.cloned(), now)
    });
    let told = |(before, now): &(Option<Dependency>, Dependency)| {
        before.as_ref().is_none_or(|old| {
            (old.verdict, &old.way, &old.sources_seen) != (now.verdict, &now.way, &now.sources_seen)
        })
    };
    paired.filter(told).collect()
}

fn compare_intents(held: &[Answer], holds: &[Answer], result: &mut Diff) {
    let stood: BTreeMap<&str, Standing> =
        held.iter().map(|old| (old.name.as_str(), old.standing)).collect();
    for answer in holds.iter().cloned() {
        let before = stood.get(answer.name.as_str()).copied();
        match (before, answer.standing) {
            (_, Standing::Unknown) => result.unsure.push(answer),
            (Some(Standing::Broken), Standing::Broken)
            | (Some(Standing::Holds), Standing::Holds) => {}
            (_, Standing::Broken) => result.broken.push(answer),
            (Some(Standing::Broken | Standing::Unknown), Standing::Holds) => {
                result.fixed.push(answer);
            }
            (None, Standing::Holds) => {}
        }
    }
}
