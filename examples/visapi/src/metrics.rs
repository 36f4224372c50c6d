//! Counts and times of a process, in the text format of Prometheus.

pub(crate) mod rate;

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rate::Rate;

/// Upper bounds of the histogram of times, in seconds.
const BOUNDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Names of things whose errors are counted.
pub(crate) const COMPONENTS: [&str; 5] = ["gateway", "database", "queue", "journal", "worker"];

#[derive(Debug, Default, Clone)]
struct Times {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

#[derive(Debug, Default)]
struct Inner {
    counters: BTreeMap<(&'static str, String), u64>,
    times: BTreeMap<String, Times>,
    rates: BTreeMap<&'static str, Rate>,
}

/// What a process counts.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Inner>);

impl Metrics {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one; `labels` as they stand between braces.
    pub(crate) fn count(&self, name: &'static str, labels: impl Into<String>) {
        *self.inner().counters.entry((name, labels.into())).or_default() += 1;
    }

    /// What a counter of no labels counted.
    pub(crate) fn counted(&self, name: &'static str) -> u64 {
        let inner = self.inner();
        inner.counters.iter().filter(|((own, _), _)| *own == name).map(|(_, count)| count).sum()
    }

    /// Something of a component was tried.
    pub(crate) fn tried(&self, component: &'static str, failed: bool) {
        let second = crate::clock::true_time() / 1000;
        self.inner().rates.entry(component).or_default().count(second, failed);
    }

    /// Tries and failures of a component in the last minute.
    pub(crate) fn minute(&self, component: &'static str) -> (u64, u64) {
        let second = crate::clock::true_time() / 1000;
        self.inner().rates.get(component).map_or((0, 0), |rate| rate.minute(second))
    }

    /// A request of a route took so long.
    pub(crate) fn took(&self, route: &str, time: Duration) {
        let seconds = time.as_secs_f64();
        let mut inner = self.inner();
        let times = inner.times.entry(route.to_owned()).or_default();
        for (bucket, bound) in times.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
        times.count += 1;
        times.sum += seconds;
    }

    /// All of it, with some values of now.
    pub(crate) fn text(&self, now: &[(&str, String, f64)]) -> String {
        let mut text = Text::default();
        let inner = self.inner();
        for ((name, labels), count) in &inner.counters {
            text.line(name, "counter", labels, count);
        }
        let second = crate::clock::true_time() / 1000;
        for component in COMPONENTS {
            let failed = inner.rates.get(component).map_or(0.0, |rate| rate.failed(second));
            text.line("error_rate", "gauge", &format!("component=\"{component}\""), failed);
        }
        for (name, labels, value) in now {
            text.line(
                name,
                if name.ends_with("_total") { "counter" } else { "gauge" },
                labels,
                value,
            );
        }
        for (route, times) in &inner.times {
            let name = "http_request_duration_seconds";
            text.kind(name, "histogram");
            for (bucket, bound) in times.buckets.iter().zip(BOUNDS) {
                text.value(
                    &format!("{name}_bucket"),
                    &format!("route=\"{route}\",le=\"{bound}\""),
                    bucket,
                );
            }
            text.value(
                &format!("{name}_bucket"),
                &format!("route=\"{route}\",le=\"+Inf\""),
                times.count,
            );
            text.value(&format!("{name}_sum"), &format!("route=\"{route}\""), times.sum);
            text.value(&format!("{name}_count"), &format!("route=\"{route}\""), times.count);
        }
        text.text
    }
}

#[derive(Default)]
struct Text {
    text: String,
    last: String,
}

impl Text {
    fn kind(&mut self, name: &str, kind: &str) {
        if self.last != name {
            let _always = writeln!(self.text, "# TYPE {name} {kind}");
            name.clone_into(&mut self.last);
        }
    }

    fn value(&mut self, name: &str, labels: &str, value: impl Display) {
        let _always = if labels.is_empty() {
            writeln!(self.text, "{name} {value}")
        } else {
            writeln!(self.text, "{name}{{{labels}}} {value}")
        };
    }

    fn line(&mut self, name: &str, kind: &str, labels: &str, value: impl Display) {
        self.kind(name, kind);
        self.value(name, labels, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Metrics;

    #[test]
    fn the_runbooks_greps_find_what_they_look_for() {
        let metrics = Metrics::default();
        metrics.count("http_requests_total", "status=\"200\"");
        metrics.tried("database", true);
        metrics.took("/api/v1/test/write", Duration::from_millis(7));
        let text = metrics.text(&[("db_pool_size", String::new(), 10.0)]);
        assert!(text.contains("\ndb_pool_size 10\n"), "{text}");
        assert!(text.contains("\nerror_rate{component=\"database\"} 1\n"), "{text}");
        assert!(text.contains("http_requests_total{status=\"200\"} 1"), "{text}");
        assert!(text.contains("_bucket{route=\"/api/v1/test/write\",le=\"0.01\"} 1"), "{text}");
        assert!(text.contains("_bucket{route=\"/api/v1/test/write\",le=\"0.005\"} 0"), "{text}");
    }
}
