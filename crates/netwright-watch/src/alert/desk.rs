//! What people are told of what fires, and when.
//!
//! Alerts of one component are told together. What follows from something worse about the same thing, or from something that the thing depends on,
//! is held back, and so is what somebody has silenced. What is told is told again from time to time, and once when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::engine::{Alert, Status};
use super::rule::Level;
use crate::fleet::names;

/// Somebody knows, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Its number.
    pub id: u64,
    /// Rules that it is about: a name, or a beginning and `*`.
    pub rules: String,
    /// Things that it is about.
    pub things: String,
    /// From when.
    pub from: Duration,
    /// Until when. A silence always ends.
    pub until: Duration,
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
}

impl Silence {
    /// Whether it covers an alert now.
    #[must_use]
    pub fn covers(&self, alert: &Alert, now: Duration) -> bool {
        self.from <= now
            && now < self.until
            && names(&self.rules, &alert.rule)
            && names(&self.things, &alert.thing)
    }
}

/// When people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeskOptions {
    /// How long others of the same component are waited for.
    pub wait: Duration,
    /// After how long what did not change is told again.
    pub repeat: Duration,
}

impl Default for DeskOptions {
    fn default() -> Self {
        Self { wait: Duration::from_secs(2), repeat: Duration::from_secs(4 * 3600) }
    }
}

/// What people are told at a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notification {
    /// The component that the alerts are of.
    pub component: String,
    /// The worst level of what fires; that of what is over where nothing does.
    pub level: Level,
    /// When.
    pub at: Duration,
    /// It was told before, and nothing has changed since.
    pub repeated: bool,
    /// What fires, and what is over since people were told last.
    pub alerts: Vec<Alert>,
}

type Key = (String, String);

/// What is known of a component.
#[derive(Debug, Clone, Default)]
struct Group {
    /// What people were told fires.
    told: BTreeMap<Key, Alert>,
    /// Since when there is something that they were not told.
    news: Option<Duration>,
    at: Duration,
}

/// What people were told last of a component, over a restart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    component: String,
    at: Duration,
    alerts: Vec<Alert>,
}

/// Decides what people are told.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    options: DeskOptions,
    silences: Vec<Silence>,
    groups: BTreeMap<String, Group>,
}

impl Desk {
    /// One with other times.
    #[must_use]
    pub fn new(options: DeskOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Silences, from now on these.
    pub fn silences(&mut self, silences: Vec<Silence>) {
        self.silences = silences;
    }

    /// What is kept over a restart: nobody is told again of what they know.
    #[must_use]
    pub fn kept(&self) -> Vec<Told> {
        let told = |(component, group): (&String, &Group)| Told {
            component: component.clone(),
            at: group.at,
            alerts: group.told.values().cloned().collect(),
        };
        self.groups.iter().map(told).collect()
    }

    /// Takes what was kept.
    pub fn restore(&mut self, kept: Vec<Told>, now: Duration) {
        for Told { component, at, alerts } in kept {
            let told = alerts.into_iter().map(|alert| (alert.key(), alert)).collect();
            self.groups.insert(component, Group { told, news: None, at: at.min(now) });
        }
    }

    /// Why nobody is told of an alert, among those that fire.
    #[must_use]
    pub fn held_back(&self, alert: &Alert, all: &[Alert], now: Duration) -> Option<String> {
        if let Some(parent) = &alert.suppressed_by {
            return Some(format!("{parent} is away"));
        }
        if let Some(silence) = self.silences.iter().find(|silence| silence.covers(alert, now)) {
            return Some(format!("silenced by {}: {}", silence.who, silence.why));
        }
        let worse = |other: &&Alert| {
            other.status == Status::Firing
                && other.thing == alert.thing
                && other.level > alert.level
                && other.suppressed_by.is_none()
        };
        all.iter().find(worse).map(|worse| format!("{} is worse", worse.rule))
    }

    /// What people are told now, of all that fires and all that has just ended.
    pub fn step(&mut self, alerts: &[Alert], now: Duration) -> Vec<Notification> {
        self.silences.retain(|silence| now < silence.until);
        let mut open: BTreeMap<String, BTreeMap<Key, Alert>> = BTreeMap::new();
        let mut over: BTreeSet<Key> = BTreeSet::new();
        for alert in alerts {
            match alert.status {
                Status::Resolved => {
                    over.insert(alert.key());
                }
                Status::Firing if self.held_back(alert, alerts, now).is_none() => {
                    let group = open.entry(alert.component.clone()).or_default();
                    group.insert(alert.key(), alert.clone());
                }
                Status::Firing => {}
            }
        }
        for component in open.keys() {
            self.groups.entry(component.clone()).or_default();
        }
        let mut told = Vec::new();
        for (component, group) in &mut self.groups {
            let open = open.remove(component).unwrap_or_default();
            told.extend(group.step(component, open, &over, now, self.options));
        }
        self.groups.retain(|_, group| !group.told.is_empty() || group.news.is_some());
        told
    }
}

impl Group {
    fn step(
        &mut self,
        component: &str,
        open: BTreeMap<Key, Alert>,
        over: &BTreeSet<Key>,
        now: Duration,
        options: DeskOptions,
    ) -> Option<Notification> {
        // What is over stays until it was told; what is only held back now is as if nobody had been told.
        let mut ended: Vec<Alert> = Vec::new();
        for (key, alert) in &mut self.told {
            if over.contains(key) && !open.contains_key(key) {
                alert.status = Status::Resolved;
            }
            if alert.status == Status::Resolved && !open.contains_key(key) {
                ended.push(alert.clone());
            }
        }
        let new = open
            .keys()
            .any(|key| self.told.get(key).is_none_or(|told| told.status == Status::Resolved));
        let worse = open
            .iter()
            .any(|(key, alert)| self.told.get(key).is_some_and(|told| told.level < alert.level));
        if new || worse || !ended.is_empty() {
            self.news.get_or_insert(now);
        } else {
            self.news = None;
        }
        let due = self.news.is_some_and(|since| now.saturating_sub(since) >= options.wait);
        let repeated = self.news.is_none()
            && !open.is_empty()
            && now.saturating_sub(self.at) >= options.repeat;
        if !due && !repeated {
            return None;
        }
        (self.news, self.at) = (None, now);
        let mut alerts: Vec<Alert> = open.values().cloned().collect();
        let level = alerts.iter().chain(&ended).map(|alert| alert.level).max()?;
        let level = alerts.iter().map(|alert| alert.level).max().unwrap_or(level);
        alerts.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.key().cmp(&b.key())));
        alerts.extend(ended);
        self.told = open;
        Some(Notification { component: component.to_owned(), level, at: now, repeated, alerts })
    }
}
