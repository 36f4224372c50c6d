//! What rules can ask of a watcher.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alert::World;
use crate::fault::Domain;
use crate::fleet::Fleet;
use crate::health::{Counts, State};

/// What was measured, and until when it is believed.
#[derive(Debug, Default)]
pub(super) struct Measured {
    things: BTreeMap<String, BTreeMap<String, (f64, Duration)>>,
}

impl Measured {
    pub(super) fn add(&mut self, thing: &str, metric: &str, value: f64, until: Duration) {
        if !self.things.contains_key(thing) {
            self.things.insert(thing.to_owned(), BTreeMap::new());
        }
        let Some(metrics) = self.things.get_mut(thing) else { return };
        match metrics.get_mut(metric) {
            Some(measured) => *measured = (value, until),
            None => {
                metrics.insert(metric.to_owned(), (value, until));
            }
        }
    }

    /// All that is believed now.
    pub(super) fn believed(&self, now: Duration) -> impl Iterator<Item = (&str, &str, f64)> {
        self.things.iter().flat_map(move |(thing, metrics)| {
            let metrics = metrics.iter().filter(move |(_, (_, until))| now < *until);
            metrics.map(move |(metric, (value, _))| (thing.as_str(), metric.as_str(), *value))
        })
    }

    /// What is not believed any more is as if it had never been measured.
    pub(super) fn forget(&mut self, now: Duration) {
        for metrics in self.things.values_mut() {
            metrics.retain(|_, (_, until)| now < *until);
        }
        self.things.retain(|_, metrics| !metrics.is_empty());
    }
}

pub(super) struct View<'v> {
    pub(super) fleet: &'v Fleet,
    pub(super) measured: &'v Measured,
    pub(super) faults: &'v BTreeMap<String, (Domain, String)>,
    pub(super) now: Duration,
}

impl World for View<'_> {
    fn things(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.fleet.iter().map(|(name, _)| name).collect();
        all.extend(self.measured.things.keys().map(String::as_str));
        all.sort_unstable();
        all.dedup();
        all
    }

    fn state(&self, thing: &str) -> Option<State> {
        self.fleet.get(thing).map(|thing| thing.health.state())
    }

    fn since(&self, thing: &str) -> Option<Duration> {
        self.fleet.get(thing).map(|thing| thing.health.since())
    }

    fn flapping(&self, thing: &str) -> Option<bool> {
        self.fleet.get(thing).map(|thing| thing.health.flaps().flapping())
    }

    fn counts(&self, thing: &str) -> Option<Counts> {
        self.fleet.get(thing).map(|thing| thing.health.counts(self.now, &thing.profile))
    }

    fn metric(&self, metric: &str, thing: &str) -> Option<f64> {
        let (value, until) = self.measured.things.get(thing)?.get(metric)?;
        (self.now < *until).then_some(*value)
    }

    fn suppressed_by(&self, thing: &str) -> Option<&str> {
        self.fleet.suppressed_by(thing)
    }

    fn fault(&self, thing: &str) -> Option<Domain> {
        self.faults.get(thing).map(|(domain, _)| *domain)
    }
}
