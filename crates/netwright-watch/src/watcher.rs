//! The core of watching: results in, decisions out.
//!
//! A [`Watcher`] knows the targets and their rules. It says whom to ask next and when ([`Watcher::due`], [`Watcher::next`]); a shell asks and hands the
//! outcomes back ([`Watcher::told`]); what follows comes out as [`Event`]s: states that changed, and what people are to be told.
//! The shell does all waiting and all I/O, so that a day of watching is a test of milliseconds.
//!
//! A reload with [`Watcher::watch`] keeps every state of what is still there. Who reloads a wrong configuration never gets so far, and goes on with
//! the old one.

mod schedule;
mod view;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::{
    Alert, ChangeEvent, Changes, Desk, DeskOptions, Engine, KeptRules, Notification, Rule, Silence,
    Told,
};
use crate::fault::{self, Domain};
use crate::fleet::{Changed, Fleet, Window};
use crate::health::{Order, Profile, Result, Saved};
use crate::probe::outcome::{Outcome, Verdict};

pub use schedule::Ask;
use schedule::Schedule;
use view::{Measured, View};

/// Something to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its numbers.
    pub profile: Profile,
    /// What it depends on.
    pub parents: Vec<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A state changed.
    Changed {
        /// What changed.
        #[serde(flatten)]
        changed: Changed,
        /// Where the fault lies, where it is unhealthy.
        #[serde(skip_serializing_if = "Option::is_none")]
        fault: Option<Domain>,
        /// What the last failed probe said.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// People are to be told.
    Notify(Notification),
}

/// What a watcher keeps over a restart.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Kept {
    things: BTreeMap<String, Saved>,
    #[serde(default)]
    rules: KeptRules,
    #[serde(default)]
    told: Vec<Told>,
    #[serde(default)]
    changes: Vec<ChangeEvent>,
}

/// How long a measure that is handed in is believed.
const BELIEVED: Duration = Duration::from_secs(120);

/// Things that rules are asked of in one second.
const ASKED: usize = 10_000;

/// What is watched, and how it is.
#[derive(Debug, Default)]
pub struct Watcher {
    fleet: Fleet,
    schedule: Schedule,
    measured: Measured,
    /// Of each thing whose last probe failed: where the fault lies, and what it said.
    faults: BTreeMap<String, (Domain, String)>,
    engine: Engine,
    desk: Desk,
    changes: Changes,
    firing: Vec<Alert>,
    evaluated: Option<Duration>,
}

impl Watcher {
    /// One that tells people so.
    #[must_use]
    pub fn new(options: DeskOptions) -> Self {
        Self { desk: Desk::new(options), ..Self::default() }
    }

    /// Watches these from now on, with these rules; what was watched before keeps its state.
    pub fn watch(&mut self, targets: &[Target], rules: Vec<Rule>, now: Duration) {
        for target in targets {
            self.fleet.watch(&target.name, target.profile, target.parents.clone(), now);
        }
        let names: std::collections::BTreeSet<&str> =
            targets.iter().map(|target| target.name.as_str()).collect();
        self.fleet.retain(|name| names.contains(name));
        self.faults.retain(|name, _| names.contains(name.as_str()));
        self.schedule.plan(targets, now);
        self.engine.rules(rules);
    }

    /// When there is something to do next: to ask somebody, or to look at what has grown old.
    #[must_use]
    pub fn next(&self, now: Duration) -> Duration {
        let look = now + Duration::from_secs(1);
        self.schedule.next().map_or(look, |due| due.min(look))
    }

    /// Who is to be asked now.
    pub fn due(&mut self, now: Duration) -> Vec<Ask> {
        let Self { schedule, fleet, .. } = self;
        let (asks, lost) = schedule.due(now, fleet);
        for name in lost {
            fleet.late(&name, Result::Unknown, now);
        }
        asks
    }

    /// A probe ended.
    pub fn told(&mut self, ask: &Ask, outcome: &Outcome, now: Duration) -> Vec<Event> {
        let name = ask.target.as_str();
        let result = match &outcome.verdict {
            Verdict::Passed => Result::Passed,
            Verdict::Failed(_) => Result::Failed,
            Verdict::Unknown { .. } => Result::Unknown,
        };
        if !self.schedule.ended(ask) {
            self.fleet.late(name, result, now);
            return Vec::new();
        }
        self.measure(name, outcome, now);
        match &outcome.verdict {
            Verdict::Passed => {
                self.faults.remove(name);
            }
            Verdict::Failed(failure) => {
                let fault = (fault::of_failure(failure), failure.to_string());
                self.faults.insert(name.to_owned(), fault);
            }
            Verdict::Unknown { .. } => {}
        }
        let changed = self.fleet.result(name, result, now);
        self.schedule.again(name, &self.fleet, now);
        let mut events: Vec<Event> =
            changed.into_iter().map(|changed| self.event(changed)).collect();
        // With many things the next look is soon enough.
        if !events.is_empty() && self.schedule.len() <= ASKED {
            events.extend(self.evaluate(now));
        }
        events
    }

    fn event(&self, changed: Changed) -> Event {
        use crate::health::State::Unhealthy;
        let fault = self.faults.get(&changed.thing).filter(|_| changed.change.to == Unhealthy);
        let (fault, why) = fault.cloned().unzip();
        Event::Changed { changed, fault, why }
    }

    /// What a probe measured on its way.
    fn measure(&mut self, name: &str, outcome: &Outcome, now: Duration) {
        let Some(thing) = self.fleet.get(name) else { return };
        let until = now + thing.profile.stale;
        for (metric, value) in outcome.measures() {
            self.measured.add(name, &metric, value, until);
        }
    }

    /// Something was measured elsewhere: a connector's utilisation, a pool's.
    pub fn metric(&mut self, thing: &str, metric: &str, value: f64, now: Duration) {
        // What is no number was not measured.
        if value.is_finite() {
            self.measured.add(thing, metric, value, now + BELIEVED);
        }
    }

    /// Somebody changed something.
    pub fn change(&mut self, event: ChangeEvent) {
        self.changes.add(event);
    }

    /// Somebody ordered something.
    pub fn order(&mut self, thing: &str, order: Order, now: Duration) -> Vec<Event> {
        self.fleet.order(thing, order, now).into_iter().map(|changed| self.event(changed)).collect()
    }

    /// Maintenance windows, from now on these.
    pub fn windows(&mut self, windows: Vec<Window>) {
        self.fleet.windows(windows);
    }

    /// Silences, from now on these.
    pub fn silences(&mut self, silences: Vec<Silence>) {
        self.desk.silences(silences);
    }

    /// Time went by: results grow old, alerts begin and end.
    pub fn tick(&mut self, now: Duration) -> Vec<Event> {
        let every = Duration::from_secs(1 + (self.schedule.len() / ASKED) as u64);
        if self.evaluated.is_some_and(|last| now < last + every) {
            return Vec::new();
        }
        let changed = self.fleet.tick(now);
        let mut events: Vec<Event> =
            changed.into_iter().map(|changed| self.event(changed)).collect();
        self.measured.forget(now);
        events.extend(self.evaluate(now));
        events
    }

    fn evaluate(&mut self, now: Duration) -> Vec<Event> {
        self.evaluated = Some(now);
        let Self { fleet, measured, faults, engine, desk, changes, .. } = self;
        let view = View { fleet, measured, faults, now };
        self.firing = engine.step(&view, changes, now);
        desk.step(&self.firing, now).into_iter().map(Event::Notify).collect()
    }

    /// What fires, with why nobody is told of it where that is so.
    #[must_use]
    pub fn alerts(&self, now: Duration) -> Vec<(&Alert, Option<String>)> {
        let of = |alert| (alert, self.desk.held_back(alert, &self.firing, now));
        self.firing.iter().map(of).collect()
    }

    /// What holds, and not yet for long enough to fire.
    #[must_use]
    pub fn pending(&self, now: Duration) -> Vec<Alert> {
        let Self { fleet, measured, faults, .. } = self;
        self.engine.pending(&View { fleet, measured, faults, now }, &self.changes, now)
    }

    /// The rules that are asked.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        self.engine.all()
    }

    /// The changes that are remembered.
    #[must_use]
    pub const fn changes(&self) -> &Changes {
        &self.changes
    }

    /// What was measured of things and is still believed: the thing, the measure, the value.
    pub fn measures(&self, now: Duration) -> impl Iterator<Item = (&str, &str, f64)> {
        self.measured.believed(now)
    }

    /// How everything is.
    #[must_use]
    pub const fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Where a thing's fault lies and what it said, while its last probe failed.
    #[must_use]
    pub fn fault(&self, thing: &str) -> Option<(Domain, &str)> {
        self.faults.get(thing).map(|(domain, why)| (*domain, why.as_str()))
    }

    /// What is kept over a restart.
    #[must_use]
    pub fn kept(&self, now: Duration) -> Kept {
        Kept {
            things: self.fleet.saved(now),
            rules: self.engine.kept(),
            told: self.desk.kept(),
            changes: self.changes.iter().cloned().collect(),
        }
    }

    /// Takes what was kept, after the watcher was away for so long.
    pub fn restore(&mut self, kept: Kept, away: Duration, now: Duration) {
        self.fleet.restore(&kept.things, away, now);
        self.engine.restore(kept.rules, now);
        self.desk.restore(kept.told, now);
        for event in kept.changes {
            self.changes.add(event);
        }
    }
}

#[cfg(test)]
mod tests;
