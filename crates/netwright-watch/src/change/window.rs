//! The window itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Part;
use crate::fault::Domain;
use crate::health::Result;

/// The numbers of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Failures in a row of a dependency that worked before, until the change is to go back.
    pub failures: u32,
    /// How long after it was applied a change counts as settled where nobody says when it is: routes take 30 s and more to be everywhere.
    pub settle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { failures: 2, settle: Duration::from_secs(30) }
    }
}

/// How a dependency was before the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    /// It worked.
    Worked,
    /// It failed, so.
    Failed(String),
    /// Nobody asked. That it fails now is taken for the change's doing.
    Unknown,
}

/// Something that has to work after the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Its name: `auth → database:main`.
    pub name: String,
    /// How it was.
    pub before: Before,
}

/// That a dependency was used once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exercise {
    /// The dependency's name.
    pub dependency: String,
    /// By something that started after the change was applied, over a connection of its own. What ran before may live on connections that nobody gets
    /// any more.
    pub fresh: bool,
    /// When it began. What began before the change settled says nothing of it.
    pub began: Duration,
    /// What came of it.
    pub result: Result,
    /// What was said, and where the fault lies, where it failed.
    pub fault: Option<(Domain, String)>,
}

/// A dependency that the change broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// The dependency.
    pub dependency: String,
    /// What was said.
    pub why: String,
    /// Where the fault lies.
    pub domain: Domain,
    /// When it failed first.
    pub first: Duration,
}

/// How far a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The change was applied, and is not everywhere.
    Settling,
    /// Dependencies are waited for.
    Open,
    /// Every dependency has worked from a fresh start, or is as it was.
    Kept,
    /// It is to go back, and has not gone.
    GoingBack,
    /// It is to go back, and nothing of it can.
    Stuck,
    /// It has gone back: what it broke is waited for.
    Returned,
    /// What it broke works again.
    Restored,
    /// It has gone back, and what it broke does not work.
    NotRestored,
}

/// What is to be done, or is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The change stays.
    Keep {
        /// What failed before it and still does.
        not_cured: Vec<String>,
    },
    /// The change is to go back.
    RollBack {
        /// What it broke.
        broken: Vec<Broken>,
        /// What goes back, in this order.
        back: Vec<Part>,
        /// What does not.
        stays: Vec<Part>,
    },
    /// The change is to go back, and cannot.
    Cannot {
        /// What it broke.
        broken: Vec<Broken>,
        /// What does not go back.
        stays: Vec<Part>,
    },
    /// It has gone back, and what it broke works.
    Restored {
        /// How long after it was applied.
        after: Duration,
    },
    /// It has gone back, and this does not work.
    NotRestored {
        /// What.
        broken: Vec<Broken>,
    },
}

/// A line of what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: Duration,
    /// What.
    pub what: String,
}

/// What is known of a dependency since the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    before: Before,
    /// It worked from a fresh start.
    worked: bool,
    /// Failures in a row.
    failures: u32,
    broken: Option<Broken>,
}

/// The window of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    change: String,
    applied: Duration,
    settled: Option<Duration>,
    options: Options,
    parts: Vec<Part>,
    rows: BTreeMap<String, Row>,
    state: State,
    /// When it went back.
    returned: Option<Duration>,
    moments: Vec<Moment>,
}

impl Window {
    /// Of a change that was applied now: `change` names it, as a clause (`network revision 41 was applied`).
    #[must_use]
    pub fn open(
        change: &str,
        parts: Vec<Part>,
        dependencies: Vec<Dependency>,
        options: Options,
        now: Duration,
    ) -> Self {
        let row = |Dependency { name, before }| {
            (name, Row { before, worked: false, failures: 0, broken: None })
        };
        Self {
            change: change.to_owned(),
            applied: now,
            settled: None,
            options,
            parts,
            rows: dependencies.into_iter().map(row).collect(),
            state: State::Settling,
            returned: None,
            moments: vec![Moment { at: now, what: change.to_owned() }],
        }
    }

    /// What was changed.
    #[must_use]
    pub fn change(&self) -> &str {
        &self.change
    }

    /// How far it is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether nothing more is waited for.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Kept | State::Restored | State::NotRestored)
    }

    /// What happened, in order.
    #[must_use]
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// What has not worked from a fresh start: why the window is open.
    pub fn waits_for(&self) -> impl Iterator<Item = &str> {
        let missing = self.rows.iter().filter(|(_, row)| !row.settles(self.options.failures));
        missing.map(|(name, _)| name.as_str())
    }

    /// The change is everywhere: from now on it is judged.
    pub fn settled(&mut self, now: Duration) -> Option<Decision> {
        if self.state != State::Settling {
            return None;
        }
        self.settled = Some(now);
        self.state = State::Open;
        self.note(now, "the change is everywhere");
        // Nothing depends on anything: nothing is waited for.
        self.decide(now)
    }

    /// Time went by: a change of which nobody says that it has settled has done so after a while.
    pub fn tick(&mut self, now: Duration) -> Option<Decision> {
        (now >= self.applied + self.options.settle).then(|| self.settled(now))?
    }

    /// A dependency was used. What the window does not know of, what began before the change settled, and what nothing was learnt of changes nothing.
    pub fn exercised(&mut self, exercise: &Exercise, now: Duration) -> Option<Decision> {
        self.round(std::slice::from_ref(exercise), now)
    }

    /// Several were used, of which all are heard before it is decided: the decision then names everything that is broken.
    pub fn round(&mut self, exercises: &[Exercise], now: Duration) -> Option<Decision> {
        let mut any = false;
        for exercise in exercises {
            any |= self.hear(exercise, now);
        }
        if any { self.decide(now) } else { None }
    }

    /// Takes what was seen of a dependency; whether it says anything.
    fn hear(&mut self, exercise: &Exercise, now: Duration) -> bool {
        let since = match self.state {
            State::Open => self.settled,
            State::Returned => self.returned,
            _ => None,
        };
        if since.is_none_or(|since| exercise.began < since) {
            return false;
        }
        let returned = self.returned.is_some();
        let Some(row) = self.rows.get_mut(&exercise.dependency) else { return false };
        match exercise.result {
            Result::Unknown => return false,
            Result::Passed => {
                row.failures = 0;
                if !(exercise.fresh || returned) || std::mem::replace(&mut row.worked, true) {
                    return false;
                }
                row.broken = None;
                let again = if returned { " again" } else { "" };
                self.note(now, &format!("{} works{again} from a fresh start", exercise.dependency));
            }
            Result::Failed => {
                row.failures = row.failures.saturating_add(1);
                row.worked = false;
                if row.broken.is_none() {
                    let fault = exercise.fault.clone();
                    let (domain, why) = fault.unwrap_or((Domain::Unknown, String::new()));
                    let line = format!("{} fails: {why} [{domain}]", exercise.dependency);
                    let dependency = exercise.dependency.clone();
                    row.broken = Some(Broken { dependency, why, domain, first: now });
                    self.note(now, &line);
                }
            }
        }
        true
    }

    /// The change has gone back, as far as it goes.
    pub fn went_back(&mut self, now: Duration) -> Option<Decision> {
        if !matches!(self.state, State::GoingBack | State::Stuck) {
            return None;
        }
        self.state = State::Returned;
        self.returned = Some(now);
        for row in self.rows.values_mut() {
            row.failures = 0;
            row.worked = false;
        }
        self.note(now, "the change was taken back");
        None
    }

    fn decide(&mut self, now: Duration) -> Option<Decision> {
        match self.state {
            State::Open => self.judge(now),
            State::Returned => self.judge_return(now),
            _ => None,
        }
    }

    /// Whether the change stays.
    fn judge(&mut self, now: Duration) -> Option<Decision> {
        let broken = self.broken();
        if !broken.is_empty() {
            return Some(self.go_back(broken, now));
        }
        if self.waits_for().next().is_some() {
            return None;
        }
        self.state = State::Kept;
        self.note(now, "every dependency was used by a fresh start: the change stays");
        let still = |row: &Row| matches!(row.before, Before::Failed(_)) && !row.worked;
        let not_cured = self.rows.iter().filter(|(_, row)| still(row));
        Some(Decision::Keep { not_cured: not_cured.map(|(name, _)| name.clone()).collect() })
    }

    /// What worked before, as far as anybody knows, and has failed often enough.
    fn broken(&self) -> Vec<Broken> {
        let rows = self.rows.values().filter(|row| !matches!(row.before, Before::Failed(_)));
        rows.filter(|row| row.failures >= self.options.failures)
            .filter_map(|row| row.broken.clone())
            .collect()
    }

    fn go_back(&mut self, broken: Vec<Broken>, now: Duration) -> Decision {
        let parts = self.parts.iter().rev().cloned();
        let (back, stays): (Vec<Part>, Vec<Part>) =
            parts.partition(|part| part.reversal.goes_back());
        if back.is_empty() {
            self.state = State::Stuck;
            self.note(now, "the change is to be taken back, and nothing of it can be");
            return Decision::Cannot { broken, stays };
        }
        self.state = State::GoingBack;
        self.note(now, "the change is to be taken back");
        Decision::RollBack { broken, back, stays }
    }

    /// Whether what the change broke works again.
    fn judge_return(&mut self, now: Duration) -> Option<Decision> {
        let still = self.broken();
        if !still.is_empty() {
            self.state = State::NotRestored;
            self.note(now, "the change was taken back, and what it broke does not work");
            return Some(Decision::NotRestored { broken: still });
        }
        let waits = |row: &Row| !matches!(row.before, Before::Failed(_)) && !row.worked;
        if self.rows.values().any(waits) {
            return None;
        }
        self.state = State::Restored;
        self.note(now, "everything that worked before works again");
        Some(Decision::Restored { after: now.saturating_sub(self.applied) })
    }

    fn note(&mut self, at: Duration, what: &str) {
        self.moments.push(Moment { at, what: what.to_owned() });
    }
}

impl Row {
    /// Whether the window need not wait for it: it worked, or it fails as it did before.
    const fn settles(&self, failures: u32) -> bool {
        self.worked || (matches!(self.before, Before::Failed(_)) && self.failures >= failures)
    }
}
