//! A watcher that runs: with names of what it asks, a journal of what happened, silences and windows, what is kept over a restart, and HTTP around it.
//!
//! [`Station`] is the state and knows no clock; [`run`] asks whoever is to be asked, hands outcomes back and carries news away; [`serve`] answers at an
//! address of this machine. A description that is wrong is refused ([`Station::refuse`]): what was watched before goes on, and everybody who
//! asks is told.
//!
//! Architecture invariant: probes are asked by an [`Asker`], which the shell chooses: from this process, from inside a lab.

mod capacity;
mod clock;
pub mod documents;
mod journal;
mod kept;
mod metrics;
mod orders;
mod run;
mod server;
mod settle;

use std::collections::BTreeMap;
use std::time::Duration;

pub use capacity::{CapacityDocument, UseRow};
pub use clock::{SteadyClock, moment, since_1970};
pub use journal::{Entry, Journal, What};
pub use kept::{Folder, Kept, NoFolder, address, shown};
pub use orders::{Cover, Wanted};
pub use run::{Asker, Run, Shared, run};
pub use server::serve;
pub use settle::{Applied, Ended, Need, SettlingRow, Start};

use crate::alert::{ChangeEvent, DeskOptions, Notification, Silence, sink};
use crate::fleet::Window;
use crate::intents::Place;
use crate::plan::{Item, Plan};
use crate::probe::outcome::{Outcome, Verdict};
use crate::probe::prober::with_control;
use crate::watcher::{Ask, Event, Watcher};

/// How long a probe that was answered speaks for its place's way out.
const CONTROL: Duration = Duration::from_secs(10);

/// Things that are not watched and are told in the journal.
const TOLD: usize = 20;

/// What the last probe of a thing said.
#[derive(Debug, Clone)]
struct Last {
    at: Duration,
    word: &'static str,
    why: Option<String>,
    took: Duration,
}

/// What is watched by which description, and since when.
#[derive(Debug, Clone, Default)]
struct Configuration {
    /// The description.
    file: String,
    /// When it was taken last.
    taken: Duration,
    /// What is wrong with what it holds now, where the one before goes on.
    problem: Option<String>,
}

/// A watcher with what surrounds it.
#[derive(Debug, Default)]
pub struct Station {
    plan: Plan,
    watcher: Watcher,
    configuration: Configuration,
    last: BTreeMap<String, Last>,
    /// Of each place, the last probe that was answered: beside it silence is evidence.
    controls: BTreeMap<Place, (Duration, Outcome)>,
    journal: Journal,
    silences: Vec<Silence>,
    windows: Vec<(u64, Window)>,
    /// The number of the last silence, window or change.
    numbered: u64,
    /// Changes that have not settled.
    settling: Vec<settle::Watched>,
    /// The last measurements of shares.
    trends: capacity::Trends,
    /// What people are to be told that nobody carried away yet.
    outbox: Vec<Notification>,
}

impl Station {
    /// One that watches nothing yet.
    #[must_use]
    pub fn new(options: DeskOptions) -> Self {
        Self { watcher: Watcher::new(options), ..Self::default() }
    }

    /// Watches this from now on; what was watched before keeps its state.
    pub fn take(&mut self, file: &str, plan: Plan, now: Duration) {
        self.watcher.watch(&plan.targets(), plan.rules.clone(), now);
        self.last.retain(|name, _| plan.items.contains_key(name));
        let text = format!(
            "{file}: {} things are watched by {} rules",
            plan.items.len(),
            plan.rules.len()
        );
        self.journal.add(now, What::Configuration { taken: true, text });
        // What does not happen shows nowhere else.
        for (name, why) in plan.left.iter().take(TOLD) {
            self.note(&format!("{name}: not watched: {why}"), now);
        }
        let more = plan.left.len().saturating_sub(TOLD);
        if more > 0 {
            self.note(&format!("{more} more are not watched (`netwright health` lists them)"), now);
        }
        self.configuration = Configuration { file: file.to_owned(), taken: now, problem: None };
        self.plan = plan;
    }

    /// The description is wrong: what was watched goes on, and it is told.
    pub fn refuse(&mut self, why: &str, now: Duration) {
        self.configuration.problem = Some(why.to_owned());
        self.journal.add(now, What::Configuration { taken: false, text: why.to_owned() });
    }

    /// What is wrong with the description of now, where the one before goes on.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.configuration.problem.as_deref()
    }

    /// Says something in the journal.
    pub fn note(&mut self, text: &str, now: Duration) {
        self.journal.add(now, What::Note { text: text.to_owned() });
    }

    /// What is asked.
    #[must_use]
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.plan.items.get(name)
    }

    /// How many things are asked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plan.items.len()
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.items.is_empty()
    }

    /// What happened.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The watcher.
    #[must_use]
    pub const fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// Who is to be asked now.
    pub fn due(&mut self, now: Duration) -> Vec<Ask> {
        self.watcher.due(now)
    }

    /// When there is something to do next.
    #[must_use]
    pub fn next(&self, now: Duration) -> Duration {
        self.watcher.next(now)
    }

    /// A probe ended; what people are to be told.
    pub fn told(&mut self, ask: &Ask, outcome: Outcome, now: Duration) -> Vec<Notification> {
        let outcome = self.measured(ask, outcome, now);
        let why = match &outcome.verdict {
            Verdict::Passed => None,
            Verdict::Failed(failure) => Some(failure.to_string()),
            Verdict::Unknown { why } => Some(why.clone()),
        };
        if self.plan.items.contains_key(&ask.target) {
            let last = Last { at: now, word: outcome.verdict.word(), why, took: outcome.took };
            self.last.insert(ask.target.clone(), last);
        }
        let events = self.watcher.told(ask, &outcome, now);
        self.heard(events, now)
    }

    /// What must not answer and is silent, measured by what lately answered from the same place.
    fn measured(&mut self, ask: &Ask, outcome: Outcome, now: Duration) -> Outcome {
        let Some(item) = self.plan.items.get(&ask.target) else { return outcome };
        let place = item.placed.from;
        if !item.placed.spec.must_fail {
            if outcome.passed() {
                self.controls.insert(place, (now, outcome.clone()));
            }
            return outcome;
        }
        match self.controls.get(&place) {
            Some((at, control)) if now.saturating_sub(*at) <= CONTROL => {
                with_control(outcome, control)
            }
            _ => outcome,
        }
    }

    /// Time went by; what people are to be told.
    pub fn tick(&mut self, now: Duration) -> Vec<Notification> {
        self.forget(now);
        let events = self.watcher.tick(now);
        self.heard(events, now)
    }

    /// Writes events down, and gives what people are to be told.
    fn heard(&mut self, events: Vec<Event>, now: Duration) -> Vec<Notification> {
        let mut told = Vec::new();
        for event in events {
            match event {
                Event::Changed { changed, fault, why } => {
                    let what = What::State {
                        thing: changed.thing,
                        from: changed.change.from,
                        to: changed.change.to,
                        fault_domain: fault,
                        why,
                        suppressed_by: changed.suppressed_by,
                    };
                    self.journal.add(changed.change.at, what);
                }
                Event::Notify(notification) => {
                    let what = What::Notification {
                        level: notification.level,
                        component: notification.component.clone(),
                        lines: sink::lines(&notification),
                    };
                    self.journal.add(now, what);
                    told.push(notification);
                }
            }
        }
        told
    }

    /// Somebody changed something.
    pub fn change(&mut self, event: ChangeEvent, now: Duration) {
        let what = What::Change { what: event.what.clone(), who: event.who.clone() };
        self.journal.add(now, what);
        self.watcher.change(event);
    }

    /// As [`Self::change`], where it is not known already.
    pub fn learn(&mut self, event: ChangeEvent, now: Duration) {
        if !self.watcher.changes().iter().any(|known| *known == event) {
            self.change(event, now);
        }
    }

    /// Something was measured elsewhere.
    pub fn measure(&mut self, thing: &str, metric: &str, value: f64, now: Duration) {
        self.trends.add(thing, metric, value, now);
        self.watcher.metric(thing, metric, value, now);
    }
}

#[cfg(test)]
mod tests;
