//! A station as OpenMetrics.
//!
//! Things beyond a bound are counted and not listed one by one: whoever scrapes a hundred thousand series every few seconds loses more than it sees.

use std::fmt::Write;
use std::time::Duration;

use super::Station;
use crate::alert::Status;
use crate::exporter::escaped;
use crate::health::State;

/// Things that are listed one by one.
const LISTED: usize = 5_000;

/// The media type.
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const STATES: [State; 6] = [
    State::Unknown,
    State::Starting,
    State::Healthy,
    State::Unhealthy,
    State::Draining,
    State::Maintenance,
];

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _always = write!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { "{" } else { "," };
            let _always = write!(self.0, "{before}{label}=\"{}\"", escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _always = writeln!(self.0, "{end} {value}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn count(number: usize) -> f64 {
    number as f64
}

impl Station {
    /// Everything as OpenMetrics.
    #[must_use]
    pub fn metrics(&self, now: Duration) -> String {
        let mut page = Page(String::new());
        self.states(&mut page);
        self.things(&mut page, now);
        self.firing(&mut page, now);
        page.family(
            "netwright_watch_configuration_ok",
            "gauge",
            "Whether the description of now is the one that is watched",
        );
        let fine = self.configuration.problem.is_none();
        page.sample("netwright_watch_configuration_ok", &[], if fine { 1.0 } else { 0.0 });
        page.family("netwright_watch_events", "counter", "What happened since the beginning");
        #[expect(clippy::cast_precision_loss, reason = "events are far below 2^52")]
        let events = self.journal.last() as f64;
        page.sample("netwright_watch_events_total", &[], events);
        page.0.push_str("# EOF\n");
        page.0
    }

    fn states(&self, page: &mut Page) {
        let name = "netwright_watch_components";
        page.family(name, "gauge", "Things that are watched, by state");
        for state in STATES {
            let own = self.watcher.fleet().iter();
            let own = own.filter(|(_, thing)| thing.health.state() == state).count();
            page.sample(name, &[("state", state.as_str())], count(own));
        }
    }

    fn things(&self, page: &mut Page, now: Duration) {
        let listed = || self.watcher.fleet().iter().take(LISTED);
        let name = "netwright_component_state";
        page.family(name, "stateset", "How a thing is");
        for (thing, own) in listed() {
            for state in STATES {
                let is = if own.health.state() == state { 1.0 } else { 0.0 };
                page.sample(name, &[("component", thing), (name, state.as_str())], is);
            }
        }
        let name = "netwright_component_flap_score_ratio";
        page.family(name, "gauge", "How much the state changes to and fro, from 0 to 1");
        for (thing, own) in listed() {
            page.sample(name, &[("component", thing)], own.health.flaps().score() / 100.0);
        }
        let name = "netwright_component_failure_ratio";
        page.family(
            name,
            "gauge",
            "The share of probes of the window that failed; none where none said anything",
        );
        for (thing, own) in listed() {
            if let Some(rate) = own.health.counts(now, &own.profile).failure_rate() {
                page.sample(name, &[("component", thing)], rate);
            }
        }
        let name = "netwright_component_measure";
        page.family(name, "gauge", "What was measured: seconds, shares from 0 to 1, counts");
        for (thing, measure, value) in self.watcher.measures(now).take(LISTED * 4) {
            page.sample(name, &[("component", thing), ("measure", measure)], value);
        }
    }

    fn firing(&self, page: &mut Page, now: Duration) {
        let name = "netwright_alerts_firing";
        page.family(name, "gauge", "Alerts that fire; told is whether people are told of them");
        for (alert, held_back) in self.watcher.alerts(now).into_iter().take(LISTED) {
            if alert.status == Status::Resolved {
                continue;
            }
            let level = alert.level.as_str().to_lowercase();
            let told = if held_back.is_none() { "yes" } else { "no" };
            let labels = [
                ("rule", alert.rule.as_str()),
                ("component", alert.thing.as_str()),
                ("level", level.as_str()),
                ("told", told),
            ];
            page.sample(name, &labels, 1.0);
        }
    }
}
