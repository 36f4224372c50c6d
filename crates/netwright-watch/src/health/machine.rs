//! The state machine.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::flaps::Flaps;
use super::profile::Profile;
use super::rate::{Counts, Kind, Rate};

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing was found out, or not lately.
    Unknown,
    /// It has begun and was not healthy yet.
    Starting,
    /// It works.
    Healthy,
    /// It does not.
    Unhealthy,
    /// It is being taken out of service: no new work, what it has it ends.
    Draining,
    /// Somebody works on it: whatever it does is expected.
    Maintenance,
}

impl State {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Maintenance => "maintenance",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What somebody has ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Nothing: the state is what the probes say.
    #[default]
    Serve,
    /// Take it out of service.
    Drain,
    /// It is being worked on.
    Maintain,
}

/// What a probe found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Result {
    /// It works.
    Passed,
    /// It does not.
    Failed,
    /// Nothing.
    Unknown,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// When it became so.
    pub at: Duration,
}

/// What is under orders: the state by the results alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Found {
    /// Never any result.
    Nothing,
    /// It began at some time, and was not healthy yet.
    Starting,
    Healthy,
    Unhealthy,
    /// There were results, and there are none any more.
    Lost,
}

/// How something is, and how it came to be so.
#[derive(Debug, Clone)]
pub struct Health {
    found: Found,
    order: Order,
    /// Successes in a row, or failures.
    passes: u32,
    failures: u32,
    /// When it began, for the grace.
    began: Duration,
    /// When the last result came that says something.
    heard: Option<Duration>,
    /// Since when the shown state is so.
    since: Duration,
    flaps: Flaps,
    rate: Rate,
}

/// What is kept of it over a restart. Times are ages, so that nobody's clock matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    found: Found,
    order: Order,
    passes: u32,
    failures: u32,
    began_ago: Duration,
    heard_ago: Option<Duration>,
    since_ago: Duration,
    flaps: Flaps,
}

impl Health {
    /// Of something that nobody has asked yet.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            found: Found::Nothing,
            order: Order::Serve,
            passes: 0,
            failures: 0,
            began: now,
            heard: None,
            since: now,
            flaps: Flaps::default(),
            rate: Rate::default(),
        }
    }

    /// The state, orders before findings.
    #[must_use]
    pub const fn state(&self) -> State {
        match (self.order, self.found) {
            (Order::Maintain, _) => State::Maintenance,
            (Order::Drain, _) => State::Draining,
            (Order::Serve, found) => state(found),
        }
    }

    /// The state by the probes alone, whatever is ordered.
    #[must_use]
    pub const fn found(&self) -> State {
        state(self.found)
    }

    /// Since when it is so.
    #[must_use]
    pub const fn since(&self) -> Duration {
        self.since
    }

    /// When the last result came that says something.
    #[must_use]
    pub const fn heard(&self) -> Option<Duration> {
        self.heard
    }

    /// Whether it flaps, and its score.
    #[must_use]
    pub const fn flaps(&self) -> &Flaps {
        &self.flaps
    }

    /// Whether its last result was a failure: it may not be well, whatever its state still is.
    #[must_use]
    pub const fn doubtful(&self) -> bool {
        self.failures > 0
    }

    /// What came lately.
    #[must_use]
    pub fn counts(&self, now: Duration, profile: &Profile) -> Counts {
        self.rate.counts(now, profile.window)
    }

    /// It began, or began again: it is starting, with its grace.
    pub fn began(&mut self, now: Duration) -> Option<Change> {
        let before = self.state();
        (self.found, self.began) = (Found::Starting, now);
        (self.passes, self.failures) = (0, 0);
        self.changed(before, now)
    }

    /// Somebody ordered something.
    pub fn order(&mut self, order: Order, now: Duration) -> Option<Change> {
        let before = self.state();
        self.order = order;
        self.changed(before, now)
    }

    /// A probe ended.
    pub fn result(&mut self, result: Result, now: Duration, profile: &Profile) -> Option<Change> {
        let before = self.state();
        // What came too late to know better is forgotten first.
        self.forget(now, profile);
        self.rate.add(kind(result), now, profile.window);
        if result != Result::Unknown {
            self.heard = Some(now);
            self.learn(result == Result::Passed, now, profile);
        }
        self.changed(before, now)
    }

    /// A probe ended after one that began later: it counts in rates, and says nothing of how it is now.
    pub fn late(&mut self, result: Result, now: Duration, profile: &Profile) {
        self.rate.add(kind(result), now, profile.window);
    }

    /// Time went by.
    pub fn tick(&mut self, now: Duration, profile: &Profile) -> Option<Change> {
        let before = self.state();
        self.forget(now, profile);
        self.changed(before, now)
    }

    fn forget(&mut self, now: Duration, profile: &Profile) {
        let Some(heard) = self.heard else { return };
        if now >= heard + profile.stale && self.found != Found::Lost {
            self.found = Found::Lost;
            (self.passes, self.failures) = (0, 0);
        }
    }

    fn learn(&mut self, passed: bool, now: Duration, profile: &Profile) {
        if self.found == Found::Nothing {
            self.found = Found::Starting;
        }
        if passed {
            (self.passes, self.failures) = (self.passes.saturating_add(1), 0);
        } else {
            let counts = self.found != Found::Starting || now >= self.began + profile.grace;
            self.passes = 0;
            self.failures = if counts { self.failures.saturating_add(1) } else { 0 };
        }
        let down = if self.found == Found::Starting { profile.starts } else { profile.down };
        if self.passes >= profile.up {
            self.found = Found::Healthy;
        } else if self.failures >= down {
            self.found = Found::Unhealthy;
        }
        match self.found {
            Found::Healthy => self.flaps.seen(true, profile.flapping),
            Found::Unhealthy => self.flaps.seen(false, profile.flapping),
            Found::Nothing | Found::Starting | Found::Lost => {}
        }
    }

    fn changed(&mut self, from: State, at: Duration) -> Option<Change> {
        let to = self.state();
        if from == to {
            return None;
        }
        self.since = at;
        Some(Change { from, to, at })
    }

    /// How long to wait between the last probe and the next.
    #[must_use]
    pub fn interval(&self, now: Duration, profile: &Profile) -> Duration {
        let transition = match self.found {
            Found::Nothing | Found::Lost => true,
            // Quick starters are seen quickly; after the grace failures count, and come as slowly as they are meant to.
            Found::Starting => self.passes > 0 || now < self.began + profile.grace,
            Found::Healthy => self.failures > 0,
            Found::Unhealthy => self.passes > 0,
        };
        if transition { profile.in_transition } else { profile.interval }
    }

    /// When [`tick`](Self::tick) changes something if nothing comes.
    #[must_use]
    pub fn expires(&self, profile: &Profile) -> Option<Duration> {
        (self.found != Found::Lost).then_some(())?;
        Some(self.heard? + profile.stale)
    }

    /// What is kept over a restart.
    #[must_use]
    pub fn saved(&self, now: Duration) -> Saved {
        let ago = |then: Duration| now.saturating_sub(then);
        Saved {
            found: self.found,
            order: self.order,
            passes: self.passes,
            failures: self.failures,
            began_ago: ago(self.began),
            heard_ago: self.heard.map(ago),
            since_ago: ago(self.since),
            flaps: self.flaps,
        }
    }

    /// What was kept, after the watcher was away for so long. What is too old by then is unknown, and says so at once.
    #[must_use]
    pub fn restored(saved: &Saved, away: Duration, now: Duration, profile: &Profile) -> Self {
        let then = |ago: Duration| now.saturating_sub(ago.saturating_add(away));
        let mut health = Self {
            found: saved.found,
            order: saved.order,
            passes: saved.passes,
            failures: saved.failures,
            began: then(saved.began_ago),
            heard: saved.heard_ago.map(then),
            since: then(saved.since_ago),
            flaps: saved.flaps,
            rate: Rate::default(),
        };
        health.tick(now, profile);
        health
    }
}

const fn kind(result: Result) -> Kind {
    match result {
        Result::Passed => Kind::Passed,
        Result::Failed => Kind::Failed,
        Result::Unknown => Kind::Unknown,
    }
}

const fn state(found: Found) -> State {
    match found {
        Found::Nothing | Found::Lost => State::Unknown,
        Found::Starting => State::Starting,
        Found::Healthy => State::Healthy,
        Found::Unhealthy => State::Unhealthy,
    }
}
