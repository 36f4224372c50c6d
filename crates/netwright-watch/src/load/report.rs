//! What a load showed.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::probe::outcome::{Outcome, PhaseName, Verdict};

/// The longest time that is told apart, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// Digits that are right.
const DIGITS: u8 = 3;

/// Of fewer answers than this nothing is said of the slowest of a hundred.
const FEWEST: u64 = 100;

/// Times of one kind.
#[derive(Clone, Debug)]
pub struct Times(Option<Histogram<u64>>);

impl Default for Times {
    fn default() -> Self {
        // Such bounds always make one; without it nothing is kept, and nothing is said.
        Self(Histogram::new_with_bounds(1, LONGEST, DIGITS).ok())
    }
}

impl Times {
    /// Keeps one.
    pub fn keep(&mut self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(LONGEST).max(1);
        if let Some(times) = &mut self.0 {
            times.saturating_record(microseconds);
        }
    }

    fn add(&mut self, other: &Self) {
        if let (Some(own), Some(other)) = (&mut self.0, &other.0) {
            // Both have the same bounds.
            let _added = own.add(other);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The time within which this share of them ended, from 0 to 1.
    #[must_use]
    pub fn within(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.as_ref().map_or(0, |times| times.value_at_quantile(share)))
    }

    /// Their mean.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let mean = self.0.as_ref().map_or(0.0, Histogram::mean);
        Duration::try_from_secs_f64(mean / 1e6).unwrap_or_default()
    }

    /// The longest.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.0.as_ref().map_or(0, Histogram::max))
    }

    /// How many ended within each of these steps, each twice as long as the one before, from the first to the last that holds any.
    #[must_use]
    pub fn steps(&self) -> Vec<(Duration, u64)> {
        let Some(times) = self.0.as_ref().filter(|times| !times.is_empty()) else {
            return Vec::new();
        };
        let mut steps = Vec::new();
        let (mut low, mut high) = (0, 1_u64);
        while low < times.max().max(1) {
            steps.push((Duration::from_micros(high), times.count_between(low + 1, high)));
            (low, high) = (high, high * 2);
        }
        let first = steps.iter().position(|(_, count)| *count > 0).unwrap_or_default();
        steps.split_off(first)
    }
}

/// What a load showed, as one asker saw it or all together.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// From the first request to the last answer.
    pub took: Duration,
    /// Requests that were asked and ended, whatever came of them.
    pub requests: u64,
    /// Octets that came.
    pub octets: u64,
    /// What went wrong, by kind, with how often and the first text.
    pub errors: BTreeMap<String, (u64, String)>,
    /// Requests of which nothing is known: this machine could not ask them.
    pub unknown: u64,
    /// Requests of an open loop that were due and not asked when time was up: nothing was free to ask them.
    pub not_sent: u64,
    /// The whole of each request that was answered as expected; of an open loop from when it was to be sent.
    pub whole: Times,
    /// The same from when it was sent.
    pub sent: Times,
    /// Phases.
    pub phases: BTreeMap<PhaseName, Times>,
}

/// What a load is measured by.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// 99 of 100 answers take no longer.
    pub p99: Option<Duration>,
    /// No larger share of requests goes wrong, from 0 to 1.
    pub errors: f64,
}

impl Report {
    /// Adds what another asker saw.
    pub(crate) fn add(&mut self, other: Self) {
        let Self { took, requests, octets, errors, unknown, not_sent, whole, sent, phases } = other;
        self.took = self.took.max(took);
        self.requests += requests;
        self.octets += octets;
        for (kind, (count, text)) in errors {
            self.errors.entry(kind).or_insert((0, text)).0 += count;
        }
        self.unknown += unknown;
        self.not_sent += not_sent;
        self.whole.add(&whole);
        self.sent.add(&sent);
        for (name, times) in phases {
            self.phases.entry(name).or_default().add(&times);
        }
    }

    /// A request that was answered as expected.
    pub(crate) fn answered(&mut self, whole: Duration, sent: Duration) {
        self.requests += 1;
        self.whole.keep(whole);
        self.sent.keep(sent);
    }

    /// A request that was not.
    pub(crate) fn failed(&mut self, kind: &str, text: &str) {
        self.requests += 1;
        match self.errors.get_mut(kind) {
            Some((count, _)) => *count += 1,
            None => {
                self.errors.insert(kind.to_owned(), (1, text.to_owned()));
            }
        }
    }

    /// A phase of a request.
    pub(crate) fn phase(&mut self, name: PhaseName, took: Duration) {
        self.phases.entry(name).or_default().keep(took);
    }

    /// What a probe found out, as a request of this load; `whole` from when it was to be asked.
    pub(crate) fn outcome(&mut self, outcome: &Outcome, whole: Duration) {
        match &outcome.verdict {
            Verdict::Passed => {
                self.answered(whole, outcome.took);
                for phase in &outcome.phases {
                    self.phase(phase.name, phase.took);
                }
            }
            Verdict::Failed(failure) => self.failed(failure.kind.name(), &failure.text),
            Verdict::Unknown { why } => self.not_known(why),
        }
    }

    /// A request of which nothing is known.
    pub(crate) fn not_known(&mut self, why: &str) {
        self.unknown += 1;
        self.errors.entry("unknown".to_owned()).or_insert_with(|| (0, why.to_owned())).0 += 1;
    }

    /// Requests that went wrong.
    #[must_use]
    pub fn wrong(&self) -> u64 {
        self.errors.iter().filter(|(kind, _)| *kind != "unknown").map(|(_, (count, _))| count).sum()
    }

    /// Requests a second that ended.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let seconds = self.took.as_secs_f64();
        if seconds > 0.0 { exact(self.requests) / seconds } else { 0.0 }
    }

    /// The share of requests that went wrong, or were not even sent.
    #[must_use]
    pub fn share_wrong(&self) -> f64 {
        let all = self.requests + self.not_sent;
        if all == 0 { 0.0 } else { exact(self.wrong() + self.not_sent) / exact(all) }
    }

    /// Whether it is good enough; with why, where it is not or nobody can say.
    #[must_use]
    pub fn verdict(&self, limits: &Limits) -> (Option<bool>, Vec<String>) {
        let mut why = Vec::new();
        let mut verdict = Some(true);
        if self.share_wrong() > limits.errors {
            verdict = Some(false);
            why.push(format!(
                "{} of requests went wrong, and {} may",
                percent(self.share_wrong()),
                percent(limits.errors)
            ));
        }
        let p99 = self.whole.within(0.99);
        match limits.p99 {
            Some(limit) if self.whole.count() > 0 && p99 > limit => {
                verdict = Some(false);
                why.push(format!(
                    "99 of 100 answers took up to {}, and may take {}",
                    shown(p99),
                    shown(limit)
                ));
            }
            Some(_) if self.whole.count() < FEWEST && verdict == Some(true) => {
                verdict = None;
                why.push(format!(
                    "{} answers say nothing of 99 of 100: at least {FEWEST} do",
                    self.whole.count()
                ));
            }
            _ => {}
        }
        if self.unknown > 0 && verdict == Some(true) {
            verdict = None;
            why.push(format!("{} requests could not be asked by this machine", self.unknown));
        }
        if self.requests == 0 {
            verdict = verdict.filter(|good| !good);
            why.push("nothing was asked".to_owned());
        }
        (verdict, why)
    }

    /// For programs.
    #[must_use]
    pub fn document(&self) -> Value {
        let times = |times: &Times| {
            json!({
                "count": times.count(),
                "mean_seconds": times.mean().as_secs_f64(),
                "p50_seconds": times.within(0.5).as_secs_f64(),
                "p90_seconds": times.within(0.9).as_secs_f64(),
                "p99_seconds": times.within(0.99).as_secs_f64(),
                "p99_9_seconds": times.within(0.999).as_secs_f64(),
                "longest_seconds": times.longest().as_secs_f64(),
            })
        };
        let phases: serde_json::Map<String, Value> =
            self.phases.iter().map(|(name, own)| (name.name().to_owned(), times(own))).collect();
        let errors: Vec<Value> = self
            .errors
            .iter()
            .map(|(kind, (count, text))| json!({"kind": kind, "count": count, "first": text}))
            .collect();
        let steps: Vec<Value> = self
            .whole
            .steps()
            .iter()
            .map(|(within, count)| json!({"within_seconds": within.as_secs_f64(), "count": count}))
            .collect();
        json!({
            "took_seconds": self.took.as_secs_f64(),
            "requests": self.requests,
            "requests_a_second": self.rate(),
            "octets": self.octets,
            "wrong": self.wrong(),
            "share_wrong": self.share_wrong(),
            "unknown": self.unknown,
            "not_sent": self.not_sent,
            "errors": errors,
            "whole": times(&self.whole),
            "sent": times(&self.sent),
            "phases": phases,
            "distribution": steps,
        })
    }
}

/// A count as a number with a fraction; counts of requests are far below what that holds exactly.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) const fn exact(count: u64) -> f64 {
    count as f64
}

/// A share as people write it.
#[must_use]
pub fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A time as people write it, to three digits.
#[must_use]
pub fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (number, unit) = match seconds {
        under if under < 0.001 => (seconds * 1e6, "µs"),
        under if under < 1.0 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    let digits = match number {
        under if under < 10.0 => 2,
        under if under < 100.0 => 1,
        _ => 0,
    };
    format!("{number:.digits$} {unit}")
}
