//! What clients tried and what became of it: counts for tables, and a bounded part of the operations for plots.

use serde::{Deserialize, Serialize};

use crate::{Moment, Span};

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It did not happen.
    Fail,
    /// Nobody knows whether it happened: the answer did not come.
    Info,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }
}

/// What clients tried. [`crate::Gather`] makes it of any number of operations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// The kinds of operations; elsewhere a kind is a position in this list.
    pub operations: Vec<String>,
    /// The clients' processes; elsewhere a process is a position in this list.
    pub processes: Vec<String>,
    /// Counts for each phase and kind of operation.
    pub outcomes: Vec<Outcomes>,
    /// How long a bucket of `overall` and `series` is.
    pub bucket: Span,
    /// What was invoked in each bucket of time, of all kinds together.
    pub overall: Vec<Bucket>,
    /// What was invoked in each bucket of time, for each kind of operation.
    pub series: Vec<Series>,
    /// Operations one by one: the slowest and those that did not succeed of each stretch of time, and a few of the others.
    pub samples: Vec<Sample>,
}

/// What became of one kind of operation in one phase. An operation belongs to the phase that it was invoked in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// The phase's name.
    pub phase: String,
    /// Which kind of operation.
    pub operation: usize,
    /// How many happened.
    pub ok: u64,
    /// How many did not.
    pub fail: u64,
    /// Of how many nobody knows.
    pub info: u64,
    /// How long the phase was.
    pub during: Span,
    /// How long those took that happened; `None` where none did.
    #[serde(default)]
    pub latency: Option<Quantiles>,
}

impl Outcomes {
    /// How many were tried.
    #[must_use]
    pub const fn tried(&self) -> u64 {
        self.ok.saturating_add(self.fail).saturating_add(self.info)
    }
}

/// How long operations took. Each is at most 0.8 % more than exact; `max` is exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half took no longer.
    pub p50: Span,
    /// 90 of 100 took no longer.
    pub p90: Span,
    /// 99 of 100 took no longer.
    pub p99: Span,
    /// 999 of 1,000 took no longer.
    pub p999: Span,
    /// The longest.
    pub max: Span,
}

/// One kind of operation over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Which kind of operation.
    pub operation: usize,
    /// In order of time; one in which nothing was invoked is left out.
    pub buckets: Vec<Bucket>,
}

/// What was invoked in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Where the stretch begins.
    pub at: Moment,
    /// How many happened.
    pub ok: u64,
    /// How many did not.
    pub fail: u64,
    /// Of how many nobody knows.
    pub info: u64,
    /// How long those took that happened; `None` where none did.
    #[serde(default)]
    pub latency: Option<Quantiles>,
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Which kind of operation.
    pub operation: usize,
    /// Which process invoked it.
    pub process: usize,
    /// When it was invoked.
    pub at: Moment,
    /// How long its answer took; `None` if none came.
    #[serde(default)]
    pub took: Option<Span>,
    /// What became of it.
    pub outcome: Outcome,
}

/// Something that rises and falls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gauge {
    /// What it is, such as `queue depth`.
    pub name: String,
    /// What it is counted in, such as `jobs`.
    pub unit: String,
    /// In order of time; each holds until the next.
    pub points: Vec<Point>,
}

/// A value from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// From when.
    pub at: Moment,
    /// The value; `None` while it could not be read.
    pub value: Option<f64>,
}
