//! Many things that are watched, some of which others depend on.
//!
//! A thing whose parent is away cannot be judged: it is *suppressed*, keeps its own state, and nobody is alarmed about it. It is so from the first
//! failure of the parent on, not from the parent's third: otherwise a child that is asked a moment earlier cries first. Maintenance windows
//! put things in maintenance for their time, and give them back after it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::health::{Change, Health, Order, Profile, Result, Saved, State};

/// How deep parents are followed.
const DEEP: usize = 16;

/// A thing that is watched.
#[derive(Debug, Clone)]
pub struct Thing {
    /// What it depends on: while one of them is away nothing can be said of it.
    pub parents: Vec<String>,
    /// Its numbers.
    pub profile: Profile,
    /// How it is.
    pub health: Health,
}

/// A time in which somebody works on things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Which things, as [`names`] reads it.
    pub things: String,
    /// From when.
    pub from: Duration,
    /// Until when.
    pub until: Duration,
    /// Why.
    pub why: String,
}

/// Whether a pattern names something: a name names itself and, behind a `/`, its parts; a beginning and `*` names what begins so.
#[must_use]
pub fn names(pattern: &str, name: &str) -> bool {
    if let Some(beginning) = pattern.strip_suffix('*') {
        return name.starts_with(beginning);
    }
    name.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// All things that are watched.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    things: BTreeMap<String, Thing>,
    windows: Vec<Window>,
    /// What somebody ordered by hand, which stands when no window does.
    orders: BTreeMap<String, Order>,
}

/// Something that happened to a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The thing.
    pub thing: String,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
    /// The parent that is away, where one is: then it is no news.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<String>,
}

impl Fleet {
    /// Watches a thing, or goes on with it with other parents and numbers; its state stays.
    pub fn watch(&mut self, name: &str, profile: Profile, parents: Vec<String>, now: Duration) {
        match self.things.get_mut(name) {
            Some(thing) => (thing.profile, thing.parents) = (profile, parents),
            None => {
                let thing = Thing { parents, profile, health: Health::new(now) };
                self.things.insert(name.to_owned(), thing);
            }
        }
    }

    /// Watches only these from now on.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.things.retain(|name, _| keep(name));
        self.orders.retain(|name, _| self.things.contains_key(name));
    }

    /// A thing.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Thing> {
        self.things.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Thing)> {
        self.things.iter().map(|(name, thing)| (name.as_str(), thing))
    }

    /// The nearest ancestor that is away or may be.
    #[must_use]
    pub fn suppressed_by(&self, name: &str) -> Option<&str> {
        let mut level: Vec<&str> = vec![name];
        // A thing that depends on itself is asked once.
        for _ in 0..DEEP {
            let parents = level.iter().filter_map(|name| self.things.get(*name));
            let parents: Vec<&str> =
                parents.flat_map(|thing| thing.parents.iter().map(String::as_str)).collect();
            for parent in &parents {
                let away = |thing: &Thing| {
                    thing.health.doubtful()
                        || matches!(thing.health.state(), State::Unhealthy | State::Maintenance)
                };
                if *parent != name && self.things.get(*parent).is_some_and(away) {
                    return Some(parent);
                }
            }
            level = parents;
            level.sort_unstable();
            level.dedup();
            if level.is_empty() {
                return None;
            }
        }
        None
    }

    fn told(&self, name: &str, change: Option<Change>) -> Option<Changed> {
        let suppressed_by = self.suppressed_by(name).map(str::to_owned);
        Some(Changed { thing: name.to_owned(), change: change?, suppressed_by })
    }

    /// A probe of a thing ended. What is not watched changes nothing.
    pub fn result(&mut self, name: &str, result: Result, now: Duration) -> Option<Changed> {
        let thing = self.things.get_mut(name)?;
        let change = thing.health.result(result, now, &thing.profile);
        self.told(name, change)
    }

    /// A probe of a thing ended after one that began later.
    pub fn late(&mut self, name: &str, result: Result, now: Duration) {
        if let Some(thing) = self.things.get_mut(name) {
            thing.health.late(result, now, &thing.profile);
        }
    }

    /// A thing began.
    pub fn began(&mut self, name: &str, now: Duration) -> Option<Changed> {
        let change = self.things.get_mut(name)?.health.began(now);
        self.told(name, change)
    }

    /// Somebody ordered something by hand. A window that covers the thing stands over it.
    pub fn order(&mut self, name: &str, order: Order, now: Duration) -> Option<Changed> {
        if !self.things.contains_key(name) {
            return None;
        }
        match order {
            Order::Serve => self.orders.remove(name),
            order => self.orders.insert(name.to_owned(), order),
        };
        self.obey(name, now)
    }

    /// Maintenance windows, from now on these.
    pub fn windows(&mut self, windows: Vec<Window>) {
        self.windows = windows;
    }

    fn obey(&mut self, name: &str, now: Duration) -> Option<Changed> {
        let open = |window: &Window| {
            window.from <= now && now < window.until && names(&window.things, name)
        };
        let order = match self.windows.iter().any(open) {
            true => Order::Maintain,
            false => self.orders.get(name).copied().unwrap_or_default(),
        };
        let change = self.things.get_mut(name)?.health.order(order, now);
        self.told(name, change)
    }

    /// Time went by: results grow old, windows open and close.
    pub fn tick(&mut self, now: Duration) -> Vec<Changed> {
        let all: Vec<String> = self.things.keys().cloned().collect();
        let mut changed = Vec::new();
        for name in all {
            // Also what stands under an order that nobody gives any more.
            let ordered = |thing: &Thing| thing.health.state() != thing.health.found();
            if !self.windows.is_empty() || self.things.get(&name).is_some_and(ordered) {
                changed.extend(self.obey(&name, now));
            }
            let Some(thing) = self.things.get_mut(&name) else { continue };
            let change = thing.health.tick(now, &thing.profile);
            changed.extend(self.told(&name, change));
        }
        self.windows.retain(|window| now < window.until);
        changed
    }

    /// What is kept over a restart.
    #[must_use]
    pub fn saved(&self, now: Duration) -> BTreeMap<String, Saved> {
        let things = self.things.iter();
        things.map(|(name, thing)| (name.clone(), thing.health.saved(now))).collect()
    }

    /// Takes what was kept, of things that are watched, after the watcher was away for so long.
    pub fn restore(&mut self, saved: &BTreeMap<String, Saved>, away: Duration, now: Duration) {
        for (name, thing) in &mut self.things {
            if let Some(saved) = saved.get(name) {
                thing.health = Health::restored(saved, away, now, &thing.profile);
            }
        }
    }
}

#[cfg(test)]
mod tests;
