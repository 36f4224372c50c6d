//! Which hosts have which revision of the network: told from what they report, and from nothing else.
//!
//! A revision has converged when every host that lives and that it concerns has applied it and read it back. A host that is away is named: it
//! runs what it ran when it was last heard of, and nobody knows more.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agents::{Hosts, Report, Step, Time, Trouble, placement};

/// How far a host is with a revision.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has it: the kernel was brought to it and read back.
    Applied,
    /// It has seen it, and nothing on it changes.
    NotConcerned,
    /// It has not done it yet, or has not said so.
    Pending,
    /// It tried, and something was refused.
    Failed,
    /// It does not say that it lives.
    Away,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Applied => "applied",
            Self::NotConcerned => "not concerned",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Away => "away",
        })
    }
}

/// How far all hosts are with a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every host that lives and is concerned has it.
    Converged,
    /// No host is concerned: there is none, or nothing on any changes.
    Vacuous,
    /// Somebody has not done it yet.
    Pending,
    /// Somebody could not do it, and nobody is still at it.
    Failed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Converged => "converged",
            Self::Vacuous => "vacuous",
            Self::Pending => "pending",
            Self::Failed => "failed",
        })
    }
}

/// A host and a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostRow {
    /// The host.
    pub host: String,
    /// How far it is.
    pub state: State,
    /// The revision that its data plane is of, as it said last; 0 for none.
    pub runs: u64,
    /// When it said something last, by its own clock.
    pub heard: Option<Time>,
    /// Milliseconds from the acceptance of the revision until the host had planned it; none where a time is not known.
    pub compiled_after: Option<u64>,
    /// Until its kernel had been brought to it.
    pub applied_after: Option<u64>,
    /// Until that was read back.
    pub read_back_after: Option<u64>,
    /// How many things of the host the revision changed.
    pub changes: Option<usize>,
    /// What is wrong on it.
    pub errors: Vec<Trouble>,
    /// What else is to be known, in words.
    pub note: Option<String>,
}

/// A time in which a host ran an old revision after a newer one had been accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// The host.
    pub host: String,
    /// The revision that it did not have yet.
    pub without: u64,
    /// From the acceptance of that.
    pub from: Time,
    /// Until the host had it or a newer one; none where it has not.
    pub until: Option<Time>,
}

impl Window {
    /// How long it is, in milliseconds; until now where it is open.
    #[must_use]
    pub fn milliseconds(&self, now: Time) -> u64 {
        self.until.unwrap_or(now).saturating_sub(self.from)
    }
}

/// How far the hosts are with a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Convergence {
    /// The revision.
    pub revision: u64,
    /// The newest revision of the network.
    pub head: u64,
    /// When the revision was accepted.
    pub accepted: Option<Time>,
    /// How far all are.
    pub verdict: Verdict,
    /// Each host, by name.
    pub hosts: Vec<HostRow>,
    /// When hosts ran what was old: of this revision and those before it that are still known, the longest first.
    pub stale: Vec<Window>,
}

/// Revisions of the network with the times of their acceptance.
pub type Accepted = BTreeMap<u64, Time>;

/// Most stale windows that are told.
const WINDOWS: usize = 100;

impl Convergence {
    /// How far the hosts are with a revision, at a time. `head` is the newest revision.
    #[must_use]
    pub fn of(revision: u64, head: u64, accepted: &Accepted, hosts: &Hosts, now: Time) -> Self {
        let now_placed = placement(hosts.joined.values());
        let rows: Vec<HostRow> = hosts
            .joined
            .keys()
            .map(|host| {
                let present = hosts.present.contains(host);
                row(host, revision, (hosts.reports.get(host), present), &now_placed, accepted)
            })
            .collect();
        let mut stale: Vec<Window> = hosts
            .joined
            .keys()
            .flat_map(|host| windows(host, hosts.reports.get(host), revision, accepted))
            .collect();
        stale.sort_by_key(|window| {
            (std::cmp::Reverse(window.milliseconds(now)), window.host.clone(), window.without)
        });
        stale.truncate(WINDOWS);
        Self {
            revision,
            head,
            accepted: accepted.get(&revision).copied(),
            verdict: verdict(&rows),
            hosts: rows,
            stale,
        }
    }

    /// The hosts in a state.
    pub fn in_state(&self, state: State) -> impl Iterator<Item = &HostRow> {
        self.hosts.iter().filter(move |row| row.state == state)
    }

    /// Whether nothing more will come of waiting: every host that lives has done what it can.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.verdict != Verdict::Pending
    }
}

fn verdict(rows: &[HostRow]) -> Verdict {
    let any = |state: State| rows.iter().any(|row| row.state == state);
    if any(State::Pending) {
        Verdict::Pending
    } else if any(State::Failed) {
        Verdict::Failed
    } else if any(State::Applied) {
        Verdict::Converged
    } else if any(State::Away) {
        // Nobody who lives is concerned; whether those who are away are, nobody knows.
        Verdict::Pending
    } else {
        Verdict::Vacuous
    }
}

/// The first step of a report that is of a revision or of a newer one.
fn step(report: &Report, revision: u64) -> Option<&Step> {
    report.steps.iter().find(|step| step.revision >= revision)
}

fn row(
    host: &str,
    revision: u64,
    (report, present): (Option<&Report>, bool),
    now_placed: &str,
    accepted: &Accepted,
) -> HostRow {
    let mut row = HostRow {
        host: host.to_owned(),
        state: if present { State::Pending } else { State::Away },
        runs: 0,
        heard: None,
        compiled_after: None,
        applied_after: None,
        read_back_after: None,
        changes: None,
        errors: Vec::new(),
        note: None,
    };
    if revision == 0 && present {
        // No network was ever accepted.
        row.state = State::NotConcerned;
        return row;
    }
    let Some(report) = report else {
        row.note = Some("it has reported nothing yet".to_owned());
        return row;
    };
    (row.runs, row.heard) = (report.applied, Some(report.at));
    row.errors.clone_from(&report.errors);
    if let Some(step) = step(report, revision) {
        let since = accepted.get(&revision).copied().or(step.accepted);
        // Clocks of hosts and servers differ: no time is before its cause.
        let after = |at: Option<Time>| Some(at?.saturating_sub(since?));
        row.compiled_after = after(step.compiled);
        row.applied_after = after(step.applied);
        row.read_back_after = after(step.read_back);
        row.changes = Some(step.changes);
        if step.revision > revision {
            row.note = Some(format!("it went on to revision {} at once", step.revision));
        }
    }
    if !present {
        row.note = Some("it was not heard of since; it runs what it ran".to_owned());
        return row;
    }
    let placed = report.placement == now_placed;
    row.state = if report.read_back >= revision && placed && report.errors.is_empty() {
        let own = report.steps.iter().find(|step| step.revision == revision);
        match own {
            Some(step) if step.changes == 0 => State::NotConcerned,
            _ => State::Applied,
        }
    } else if report.seen >= revision && !report.errors.is_empty() {
        State::Failed
    } else {
        if report.read_back >= revision && !placed {
            row.note = Some("it has not taken note of the hosts that are there now".to_owned());
        }
        State::Pending
    };
    row
}

/// When a host ran something old, of the revisions up to one that are still known.
fn windows(host: &str, report: Option<&Report>, revision: u64, accepted: &Accepted) -> Vec<Window> {
    let applied = report.map_or(0, |report| report.applied);
    let steps = report.map_or(&[][..], |report| report.steps.as_slice());
    // What was before its first step that is still known cannot be told.
    let known = steps.first().map_or(revision, |step| step.revision);
    accepted
        .range(known.min(revision)..=revision)
        .filter_map(|(without, from)| {
            let done = steps.iter().filter(|step| step.revision >= *without);
            let until = done.filter_map(|step| step.applied).min();
            let concerned = steps
                .iter()
                .find(|step| step.revision >= *without)
                .is_none_or(|step| step.changes > 0);
            let open = applied < *without;
            if !concerned || (until.is_none() && !open) {
                return None;
            }
            Some(Window {
                host: host.to_owned(),
                without: *without,
                from: *from,
                until: until.map(|until| until.max(*from)),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
