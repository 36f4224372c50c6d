//! What a station says of itself, as JSON documents: how everything is, what fires, what is covered.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Cover, Entry, Last, SettlingRow, Station, moment};
use crate::alert::{Alert, Guidance, Level, Status};
use crate::fault::Domain;
use crate::fleet::{Thing, names};
use crate::health::State;

/// Components that a document lists where nothing is said.
pub const LISTED: usize = 1_000;

/// What all names are like.
const EVERYTHING: &str = "*";

/// How everything is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthDocument {
    /// 1.
    pub version: u32,
    /// When.
    pub at: String,
    /// The description that is watched.
    pub description: String,
    /// Since when it is that of now.
    pub taken: String,
    /// What is wrong with what it holds now, where the one before goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// How many are in each state, of those that were asked for.
    pub states: BTreeMap<State, usize>,
    /// The worst first.
    pub components: Vec<Component>,
    /// How many more there are.
    pub more: usize,
    /// What is not watched, and why not.
    pub left_out: Vec<Left>,
    /// Changes that have not settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<SettlingRow>,
}

impl HealthDocument {
    /// What it says of those whose names are so, so many at most.
    #[must_use]
    pub fn only(mut self, pattern: &str, most: usize) -> Self {
        // Of everything the counts are those of when it was made, also of what it does not list.
        if pattern != EVERYTHING {
            self.components.retain(|component| names(pattern, &component.name));
            self.states = BTreeMap::new();
            for component in &self.components {
                *self.states.entry(component.state).or_default() += 1;
            }
            self.more = 0;
        }
        self.more += self.components.len().saturating_sub(most);
        self.components.truncate(most);
        self
    }
}

/// Something that is not watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Its name.
    pub name: String,
    /// Why not.
    pub why: String,
}

/// A thing that is watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: State,
    /// Since when.
    pub since: String,
    /// For how many seconds.
    pub for_seconds: f64,
    /// What its last probe said, where it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where the fault lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault_domain: Option<Domain>,
    /// How much its state changes to and fro, in percent.
    pub flap_score: f64,
    /// Whether that is so much that it flaps.
    pub flapping: bool,
    /// What it depends on and is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<String>,
    /// Its last probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastProbe>,
    /// The results of its window.
    pub window: Results,
    /// What was measured of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, f64>,
}

/// The last probe of a thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastProbe {
    /// When it ended.
    pub at: String,
    /// `passed`, `failed` or `unknown`.
    pub result: String,
    /// How long it took.
    pub took_seconds: f64,
}

/// Results of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// They passed.
    pub passed: u64,
    /// They failed.
    pub failed: u64,
    /// They found nothing out.
    pub unknown: u64,
}

/// What fires, waits, is held back, silenced or suppressed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertsDocument {
    /// 1.
    pub version: u32,
    /// When.
    pub at: String,
    /// The worst first.
    pub alerts: Vec<AlertRow>,
    /// Silences and windows of maintenance.
    pub covers: Vec<CoverRow>,
}

/// How far an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// People are told.
    Firing,
    /// It holds, and not yet for long enough.
    Pending,
    /// It follows from something worse.
    HeldBack,
    /// What its thing depends on is away: nobody can judge the thing meanwhile.
    Suppressed,
    /// Somebody silenced it.
    Silenced,
}

impl Stage {
    /// As it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Pending => "pending",
            Self::HeldBack => "held back",
            Self::Suppressed => "suppressed",
            Self::Silenced => "silenced",
        }
    }
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertRow {
    /// How far it is.
    pub stage: Stage,
    /// Why nobody is told, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<String>,
    /// The rule.
    pub rule: String,
    /// The thing.
    pub thing: String,
    /// Of which part of the system it is.
    pub component: String,
    /// How bad it is.
    pub level: Level,
    /// What is said.
    pub message: String,
    /// Since when what it is about is so.
    pub since: String,
    /// For how many seconds.
    pub for_seconds: f64,
    /// What helps to deal with it.
    #[serde(flatten)]
    pub guidance: Guidance,
    /// Changes before it, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
}

/// A silence or a window of maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverRow {
    /// Its number.
    pub id: u64,
    /// What it does.
    pub kind: Cover,
    /// Alerts that it is about.
    pub alerts: String,
    /// Things that it is about.
    pub things: String,
    /// From when.
    pub from: String,
    /// Until when.
    pub until: String,
    /// Who wanted it, where that is told apart, and why.
    pub why: String,
}

/// What was known last, for who asks while nothing watches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// How everything was.
    pub health: HealthDocument,
    /// What fired.
    pub alerts: AlertsDocument,
}

/// Events after a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsDocument {
    /// 1.
    pub version: u32,
    /// The oldest first.
    pub events: Vec<Entry>,
    /// How many of those that were asked for are no more remembered.
    pub lost: u64,
    /// What to ask after next.
    pub last: u64,
}

/// The worse the earlier.
const fn rank(state: State) -> u8 {
    match state {
        State::Unhealthy => 0,
        State::Unknown => 1,
        State::Starting => 2,
        State::Draining => 3,
        State::Maintenance => 4,
        State::Healthy => 5,
    }
}

impl Station {
    /// How everything is whose names are so: the worst first, so many at most.
    #[must_use]
    pub fn health(&self, pattern: &str, most: usize, now: Duration) -> HealthDocument {
        let fleet = self.watcher.fleet();
        let mut all: Vec<(&str, &Thing)> =
            fleet.iter().filter(|(name, _)| names(pattern, name)).collect();
        let mut states: BTreeMap<State, usize> = BTreeMap::new();
        for (_, thing) in &all {
            *states.entry(thing.health.state()).or_default() += 1;
        }
        all.sort_by_key(|(name, thing)| (rank(thing.health.state()), *name));
        let more = all.len().saturating_sub(most);
        all.truncate(most);
        let mut components: Vec<Component> =
            all.iter().map(|(name, thing)| self.component(name, thing, now)).collect();
        self.measures(&mut components, now);
        let left = self.plan.left.iter();
        HealthDocument {
            version: 1,
            at: moment(now),
            description: self.configuration.file.clone(),
            taken: moment(self.configuration.taken),
            problem: self.configuration.problem.clone(),
            states,
            components,
            more,
            changes: self.unsettled(),
            left_out: left
                .map(|(name, why)| Left { name: name.clone(), why: why.clone() })
                .collect(),
        }
    }

    fn component(&self, name: &str, thing: &Thing, now: Duration) -> Component {
        let health = &thing.health;
        let last = self.last.get(name);
        let counts = health.counts(now, &thing.profile);
        let fault = self.watcher.fault(name).map(|(domain, _)| domain);
        let since = health.since();
        Component {
            name: name.to_owned(),
            state: health.state(),
            since: moment(since),
            for_seconds: now.saturating_sub(since).as_secs_f64(),
            reason: match last {
                None => Some("no probe has ended yet".to_owned()),
                Some(last) => last.why.clone(),
            },
            fault_domain: fault,
            flap_score: health.flaps().score(),
            flapping: health.flaps().flapping(),
            suppressed_by: self.watcher.fleet().suppressed_by(name).map(str::to_owned),
            last: last.map(|Last { at, word, took, .. }| LastProbe {
                at: moment(*at),
                result: (*word).to_owned(),
                took_seconds: took.as_secs_f64(),
            }),
            window: Results {
                passed: counts.passed,
                failed: counts.failed,
                unknown: counts.unknown,
            },
            measures: BTreeMap::new(),
        }
    }

    fn measures(&self, components: &mut [Component], now: Duration) {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (place, component) in components.iter().enumerate() {
            places.insert(component.name.clone(), place);
        }
        for (thing, measure, value) in self.watcher.measures(now) {
            let place = places.get(thing).and_then(|place| components.get_mut(*place));
            if let Some(component) = place {
                component.measures.insert(measure.to_owned(), value);
            }
        }
    }

    /// What fires, waits, or is held back; and what covers it.
    #[must_use]
    pub fn alerts(&self, now: Duration) -> AlertsDocument {
        let mut alerts = Vec::new();
        for (alert, held_back) in self.watcher.alerts(now) {
            if alert.status == Status::Resolved {
                continue;
            }
            let silenced = self.silences.iter().any(|silence| silence.covers(alert, now));
            let stage = match (&held_back, silenced) {
                (None, _) => Stage::Firing,
                (Some(_), _) if alert.suppressed_by.is_some() => Stage::Suppressed,
                (Some(_), true) => Stage::Silenced,
                (Some(_), false) => Stage::HeldBack,
            };
            alerts.push(row(alert, stage, held_back, now));
        }
        for alert in self.watcher.pending(now) {
            // What waits for its thing's parent waits for nothing else.
            let parent = alert.suppressed_by.as_ref().map(|parent| format!("{parent} is away"));
            let stage = if parent.is_some() { Stage::Suppressed } else { Stage::Pending };
            alerts.push(row(&alert, stage, parent, now));
        }
        alerts.sort_by(|a, b| {
            let order = |row: &AlertRow| (row.stage, std::cmp::Reverse(row.level));
            order(a).cmp(&order(b)).then_with(|| (&a.rule, &a.thing).cmp(&(&b.rule, &b.thing)))
        });
        AlertsDocument { version: 1, at: moment(now), alerts, covers: self.covers() }
    }

    /// Silences and windows of maintenance, by number.
    #[must_use]
    pub fn covers(&self) -> Vec<CoverRow> {
        let mut all: Vec<CoverRow> = Vec::new();
        for silence in &self.silences {
            all.push(CoverRow {
                id: silence.id,
                kind: Cover::Silence,
                alerts: silence.rules.clone(),
                things: silence.things.clone(),
                from: moment(silence.from),
                until: moment(silence.until),
                why: format!("{}: {}", silence.who, silence.why),
            });
        }
        for (id, window) in &self.windows {
            all.push(CoverRow {
                id: *id,
                kind: Cover::Maintenance,
                alerts: "*".to_owned(),
                things: window.things.clone(),
                from: moment(window.from),
                until: moment(window.until),
                why: window.why.clone(),
            });
        }
        all.sort_by_key(|row| row.id);
        all
    }

    /// What is known, in short.
    #[must_use]
    pub fn shown(&self, now: Duration) -> Shown {
        Shown { health: self.health(EVERYTHING, LISTED, now), alerts: self.alerts(now) }
    }

    /// What happened after a number, so much at most.
    #[must_use]
    pub fn events(&self, after: u64, most: usize) -> EventsDocument {
        let (events, lost) = self.journal.after(after, most);
        let last = events.last().map_or_else(|| self.journal.last(), |entry| entry.number);
        EventsDocument { version: 1, events, lost, last }
    }
}

fn row(alert: &Alert, stage: Stage, held_back: Option<String>, now: Duration) -> AlertRow {
    let alert = alert.clone();
    AlertRow {
        stage,
        held_back,
        rule: alert.rule,
        thing: alert.thing,
        component: alert.component,
        level: alert.level,
        message: alert.message,
        since: moment(alert.began),
        for_seconds: now.saturating_sub(alert.began).as_secs_f64(),
        guidance: alert.guidance,
        changes: alert.changes,
    }
}
