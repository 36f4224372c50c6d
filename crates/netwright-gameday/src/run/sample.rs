//! What the components of the reference system say of themselves while all goes on: their states, their depths, who leads.
//!
//! Each is asked on its own machine, so that no fault lies between.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use serde_json::Value;

use super::own::asked;
use super::{Record, Setting};
use crate::journal::Event;
use crate::plan::Does;

/// How often they are asked.
const EVERY: Duration = Duration::from_millis(500);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(1_000);
/// Components, each with the path that says how it is.
const COMPONENTS: [(&str, &str); 3] =
    [("frontend", "/api/health"), ("gateway", "/api/v1/health"), ("worker", "/api/v1/health")];
/// What the gateway's metrics are called there and here, and what they are counted in.
const GAUGES: [(&str, &str, &str); 4] = [
    ("journal_pending", "journal depth", "writes"),
    ("db_pool_in_use", "database connections in use", "connections"),
    ("queue_depth", "queue depth", "jobs"),
    ("cache_entries", "answers that are kept", "answers"),
];

/// Asks until it is over; what is something else than before is told.
pub(super) fn follow(setting: &Setting<'_>, record: &Record, over: &AtomicBool) {
    record.put(Event::Versions { all: versions() });
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut changed = |what: &str, now: &str| {
        known.insert(what.to_owned(), now.to_owned()).is_none_or(|before| before != now)
    };
    let mut queries = Queries::default();
    while !over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        for (component, path) in COMPONENTS {
            let state = json(setting, component, path)
                .and_then(|value| value["status"].as_str().map(str::to_owned))
                .unwrap_or_else(|| "no answer".to_owned());
            if changed(component, &state) {
                record.put(Event::Component { component: component.to_owned(), state });
            }
        }
        let metrics = text(setting, "gateway", "/api/metrics").unwrap_or_default();
        let worker = text(setting, "worker", "/api/metrics").unwrap_or_default();
        for (metric, name, unit) in GAUGES {
            let value = sum(&metrics, metric);
            if changed(name, &format!("{value:?}")) {
                let (name, unit) = (name.to_owned(), unit.to_owned());
                record.put(Event::Gauge { name, unit, value });
            }
        }
        if let Some(value) = queries.rate(&[&metrics, &worker], Instant::now()) {
            let (name, unit) = (QUERIES.to_owned(), "a minute".to_owned());
            record.put(Event::Gauge { name, unit, value: Some(value) });
        }
        for (machine, name) in clocks(setting) {
            let metrics = text(setting, machine, "/api/metrics").unwrap_or_default();
            let value = sum(&metrics, "clock_offset_ms").map(|offset| offset / 1000.0);
            if changed(&name, &format!("{value:?}")) {
                record.put(Event::Gauge { name, unit: "s".to_owned(), value });
            }
        }
        if let Some(status) = json(setting, "gateway", "/api/v1/consensus/status")
            && let Some(epoch) = status["epoch"].as_u64()
        {
            let holder = status["leader"].as_str().map(str::to_owned);
            if changed("leads", &format!("{epoch} {holder:?}")) {
                record.put(Event::Leads { holder, epoch });
            }
        }
        while begun.elapsed() < EVERY && !over.load(Ordering::SeqCst) {
            pause(Duration::from_millis(20));
        }
    }
}

/// What the gauge of queries is called.
pub(crate) const QUERIES: &str = "database queries";

/// Queries that were counted by then.
#[derive(Default)]
struct Queries(Option<(f64, Instant)>);

impl Queries {
    /// How many were made in a minute since it was asked before; none where that cannot be said, as after a process began anew.
    fn rate(&mut self, metrics: &[&str], now: Instant) -> Option<f64> {
        let counts = metrics.iter().map(|metrics| sum(metrics, "db_queries_total"));
        let total = counts.sum::<Option<f64>>();
        let before = std::mem::replace(&mut self.0, total.map(|total| (total, now)));
        let ((before, then), total) = (before?, total?);
        let minutes = now.saturating_duration_since(then).as_secs_f64() / 60.0;
        (total >= before && minutes > 0.0).then(|| ((total - before) / minutes).round())
    }
}

/// Machines whose clocks some fault makes wrong, each with what its clock is called.
fn clocks<'a>(setting: &Setting<'a>) -> BTreeMap<&'a str, String> {
    let faults = setting.plan.faults.iter().filter_map(|fault| match &fault.does {
        Does::Clocks(machines, _) => Some(machines),
        _ => None,
    });
    let called = |machine: &'a String| (machine.as_str(), format!("clock of the {machine}"));
    faults.flatten().map(called).collect()
}

fn text(setting: &Setting<'_>, machine: &str, path: &str) -> Option<String> {
    let answer = asked(setting, machine, ("GET", path, ""), PATIENCE).ok()?;
    (answer.status < 600).then(|| String::from_utf8_lossy(&answer.body).into_owned())
}

fn json(setting: &Setting<'_>, machine: &str, path: &str) -> Option<Value> {
    serde_json::from_str(&text(setting, machine, path)?).ok()
}

/// The sum of a metric over all its labels, without what is over and done; none where it is not told.
fn sum(metrics: &str, name: &str) -> Option<f64> {
    let values = metrics.lines().filter_map(|line| {
        let (own, value) = line.rsplit_once(' ')?;
        let (bare, labels) = own.split_once('{').unwrap_or((own, ""));
        let value = value.parse::<f64>().ok().filter(|_| bare == name)?;
        Some(if labels.contains("state=\"done\"") { 0.0 } else { value })
    });
    values.reduce(|sum, value| sum + value)
}

/// What takes part, with versions.
fn versions() -> Vec<(String, String)> {
    let mut all = vec![("netwright".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    all.push(("Linux".to_owned(), kernel.trim().to_owned()));
    let programs = [
        ("PostgreSQL", netwright_servers::postgres_program("postgres")),
        ("Redis", netwright_servers::redis_server()),
    ];
    for (name, program) in programs {
        let said =
            program.ok().and_then(|program| Command::new(program).arg("--version").output().ok());
        let said = said.map(|ran| String::from_utf8_lossy(&ran.stdout).into_owned());
        let version = said.as_deref().and_then(version);
        all.push((name.to_owned(), version.unwrap_or("not known").to_owned()));
    }
    all
}

/// The first word that is a version: `17.5`, or `v=7.0.15`.
fn version(said: &str) -> Option<&str> {
    let words = said.split_whitespace().map(|word| word.trim_start_matches("v="));
    words.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Queries, sum, version};

    #[test]
    fn metrics_are_summed_over_labels_and_what_is_not_told_is_none() {
        let text = "# TYPE queue_depth gauge\nqueue_depth{queue=\"work\",state=\"done\"} 4\nqueue_depth{queue=\"work\",state=\"pending\"} 3\njournal_pending 0\n";
        assert_eq!(sum(text, "queue_depth"), Some(3.0));
        assert_eq!(sum(text, "journal_pending"), Some(0.0));
        assert_eq!(sum(text, "journal"), None);
    }

    #[test]
    fn queries_are_told_by_the_minute_and_not_where_a_process_began_anew() {
        let begun = Instant::now();
        let mut queries = Queries::default();
        let mut of = |gateway: u32, worker: &str, seconds: u64| {
            let gateway = format!("db_queries_total {gateway}\n");
            queries.rate(&[&gateway, worker], begun + Duration::from_secs(seconds))
        };
        let worker = "db_queries_total 5\n";
        assert_eq!(of(10, worker, 0), None);
        assert_eq!(of(16, worker, 1), Some(360.0));
        assert_eq!(of(3, worker, 2), None, "it began anew");
        assert_eq!(of(9, "", 3), None, "it does not answer");
        assert_eq!(of(9, worker, 4), None);
        assert_eq!(of(9, worker, 5), Some(0.0));
    }

    #[test]
    fn versions_are_found_in_what_servers_say() {
        assert_eq!(version("postgres (PostgreSQL) 15.14 (Debian)"), Some("15.14"));
        assert_eq!(version("Redis server v=7.0.15 sha=00000000:0"), Some("7.0.15"));
    }
}
