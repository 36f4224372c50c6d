//! How full things are, as far as anybody measured it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Station, moment};
use crate::capacity::Trend;

/// Things and measures whose past is remembered.
const MOST: usize = 10_000;

/// How the name of a share of something bounded ends.
const SHARE: &str = "_utilisation";

/// The last measurements of shares.
#[derive(Debug, Default)]
pub(super) struct Trends {
    of: BTreeMap<(String, String), Measured>,
}

#[derive(Debug, Default)]
struct Measured {
    at: Duration,
    share: f64,
    count: usize,
    trend: Trend,
}

impl Trends {
    /// Something was measured; what is no share is not remembered.
    pub(super) fn add(&mut self, thing: &str, measure: &str, share: f64, now: Duration) {
        if !measure.ends_with(SHARE) || !share.is_finite() {
            return;
        }
        let key = (thing.to_owned(), measure.to_owned());
        if self.of.len() >= MOST && !self.of.contains_key(&key) {
            return;
        }
        let measured = self.of.entry(key).or_default();
        measured.trend.add(now, share);
        (measured.at, measured.share) = (now, share);
        measured.count += 1;
    }
}

/// How full everything is that anybody measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CapacityDocument {
    /// 1.
    pub version: u32,
    /// When.
    pub at: String,
    /// By thing and measure.
    pub uses: Vec<UseRow>,
}

/// How full something is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UseRow {
    /// The thing.
    pub thing: String,
    /// What of it.
    pub measure: String,
    /// The share that is used, by the last measurement: 1 is all.
    pub share: f64,
    /// When that was.
    pub measured: String,
    /// The highest share since watching began.
    pub peak: f64,
    /// How many measurements there were.
    pub measurements: usize,
    /// In how many seconds it is full by a straight line through the last measurements; none where it does not grow, or too little is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_in_seconds: Option<f64>,
}

impl Station {
    /// How full everything is that anybody measured.
    #[must_use]
    pub fn capacity(&self, now: Duration) -> CapacityDocument {
        let row = |((thing, measure), own): (&(String, String), &Measured)| UseRow {
            thing: thing.clone(),
            measure: measure.clone(),
            share: own.share,
            measured: moment(own.at),
            peak: own.trend.peak().unwrap_or(own.share),
            measurements: own.count,
            full_in_seconds: own.trend.forecast(now).map(|when| when.full_in.as_secs_f64()),
        };
        CapacityDocument {
            version: 1,
            at: moment(now),
            uses: self.trends.of.iter().map(row).collect(),
        }
    }
}
