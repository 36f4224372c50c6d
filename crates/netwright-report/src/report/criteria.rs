//! What had to hold, and what was foretold.

use serde::{Deserialize, Serialize};

use crate::{Span, Verdict};

/// Something that had to hold for the run to be a success.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// What had to hold.
    pub name: String,
    /// What was found. [`Criterion::verdict`] is never better than `measure` allows.
    #[serde(rename = "verdict")]
    pub claimed: Verdict,
    /// Why, in a sentence.
    #[serde(default)]
    pub why: String,
    /// What supports it, a line each.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// The figure with its limit, where there is one.
    #[serde(default)]
    pub measure: Option<Measure>,
}

/// A figure with its limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What was measured; `None` if nothing was.
    pub measured: Option<f64>,
    /// What is allowed.
    pub limit: f64,
    /// Whether the limit is the most or the least that is allowed.
    #[serde(default)]
    pub wanted: Wanted,
    /// What both are in: `s`, `%`, `writes`.
    pub unit: String,
}

/// Which side of a limit is good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// No more than the limit.
    #[default]
    AtMost,
    /// No less than the limit.
    AtLeast,
}

impl Measure {
    /// Whether the figure keeps to its limit.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let kept = self.measured.filter(|measured| measured.is_finite()).map(|measured| match self
            .wanted
        {
            Wanted::AtMost => measured <= self.limit,
            Wanted::AtLeast => measured >= self.limit,
        });
        Verdict::from_known(kept)
    }
}

impl Criterion {
    /// A claim without a figure.
    #[must_use]
    pub fn claim(name: impl Into<String>, verdict: Verdict, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            claimed: verdict,
            why: why.into(),
            evidence: Vec::new(),
            measure: None,
        }
    }

    /// A time that may not be longer than a limit. One that was not measured is unknown.
    #[must_use]
    pub fn within(name: impl Into<String>, measured: Option<Span>, limit: Span) -> Self {
        let measure = Measure {
            measured: measured.map(Span::seconds),
            limit: limit.seconds(),
            wanted: Wanted::AtMost,
            unit: "s".to_owned(),
        };
        Self {
            name: name.into(),
            claimed: measure.verdict(),
            why: String::new(),
            evidence: Vec::new(),
            measure: Some(measure),
        }
    }

    /// What was found, and no better than the figure allows: passed only if both say so.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match &self.measure {
            Some(measure) => self.claimed.and(measure.verdict()),
            None => self.claimed,
        }
    }
}

/// A row of what the runbook foretold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// What was foretold, such as `API latency`.
    pub metric: String,
    /// What it is in: `ms`, `%`, `1/min`.
    pub unit: String,
    /// Which side of the range is the better one; `None` where neither is.
    #[serde(default)]
    pub wanted: Option<Wanted>,
    /// One for each phase that something was foretold of.
    pub cells: Vec<ExpectedCell>,
}

/// What was foretold of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpectedCell {
    /// The phase, in the runbook's word: `normal`, `during the partition`, `recovery`.
    pub phase: String,
    /// The least that was foretold.
    #[serde(default)]
    pub least: Option<f64>,
    /// The most that was foretold.
    #[serde(default)]
    pub most: Option<f64>,
    /// What was measured; `None` if nothing was.
    #[serde(default)]
    pub measured: Option<f64>,
}

/// How what was measured stands to what was foretold. None of them is a failure: a prophecy is not a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Within the range.
    AsExpected,
    /// Outside, on the good side.
    Better,
    /// Outside, on the bad side.
    Worse,
    /// Outside, where neither side is the better.
    Different,
    /// Not measured.
    Unknown,
}

impl Expectation {
    /// The words for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AsExpected => "as expected",
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Different => "different",
            Self::Unknown => "unknown",
        }
    }
}

impl ExpectedCell {
    /// How what was measured stands to what was foretold.
    #[must_use]
    pub fn compare(&self, wanted: Option<Wanted>) -> Expectation {
        let Some(measured) = self.measured.filter(|measured| measured.is_finite()) else {
            return Expectation::Unknown;
        };
        let below = self.least.is_some_and(|least| measured < least);
        let above = self.most.is_some_and(|most| measured > most);
        match (below || above, wanted) {
            (false, _) => Expectation::AsExpected,
            (true, None) => Expectation::Different,
            (true, Some(Wanted::AtMost)) if below => Expectation::Better,
            (true, Some(Wanted::AtLeast)) if above => Expectation::Better,
            (true, Some(_)) => Expectation::Worse,
        }
    }
}
