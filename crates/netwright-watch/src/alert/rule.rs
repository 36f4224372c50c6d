//! What an alert is about.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::health::State;

/// How bad it is; the worse the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// To know.
    Info,
    /// To look at in working hours.
    Warning,
    /// To look at now.
    Critical,
}

impl Level {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }

    /// As somebody writes it, in any case; the usual other words too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "info" | "notice" => Some(Self::Info),
            "warning" | "warn" => Some(Self::Warning),
            "critical" | "error" | "page" | "emergency" => Some(Self::Critical),
            _ => None,
        }
    }
}

/// On which side of a value something counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// The value and above.
    AtLeast,
    /// The value and below.
    AtMost,
}

/// A measure that counts from a value on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The measure's name.
    pub metric: String,
    /// On which side.
    pub compare: Compare,
    /// From where. Times are in seconds, shares between 0 and 1.
    pub value: f64,
}

impl Threshold {
    /// Whether a measured value counts.
    #[must_use]
    pub fn holds(&self, measured: f64) -> bool {
        match self.compare {
            Compare::AtLeast => measured >= self.value,
            Compare::AtMost => measured <= self.value,
        }
    }
}

/// What is asked of a thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Its state is one of these.
    State(Vec<State>),
    /// Its state changes to and fro.
    Flapping,
    /// Of its results in the window, such a share failed.
    FailureRate {
        /// From this share on, between 0 and 1.
        share: f64,
        /// Fewer results than these say nothing.
        least: u64,
    },
    /// Something measured of it.
    Metric(Threshold),
    /// Nothing is measured of it by this name.
    Missing(String),
}

/// What to do, where something holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    /// All of these hold; what is not measured does not. None: always.
    pub when: Vec<Threshold>,
    /// What to do.
    pub text: String,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Of which part of the system it is.
    pub component: String,
    /// The things it is asked of: a name, or a beginning and `*`.
    pub things: String,
    /// What is asked.
    pub condition: Condition,
    /// How bad it is.
    pub level: Level,
    /// What is said. `{thing}`, `{value}`, `{percent}`, `{seconds}` and `{threshold}` are filled in.
    pub message: String,
    /// What to do: the first of these whose condition holds.
    pub remedies: Vec<Remedy>,
    /// Who is told next.
    pub escalation: Option<String>,
    /// Where to read on.
    pub runbook: Option<String>,
    /// What it is about, in a tracker.
    pub issue: Option<String>,
    /// It holds for so long before it fires.
    pub after: Duration,
    /// It fires for so long after it held last.
    pub keep: Duration,
    /// Missing data is told after so long; none where it is expected.
    pub missing_after: Option<Duration>,
}

impl Rule {
    /// One that fires at once, with no remedy yet; missing data is told after five minutes.
    #[must_use]
    pub fn new(
        name: &str,
        component: &str,
        things: &str,
        level: Level,
        condition: Condition,
    ) -> Self {
        Self {
            name: name.to_owned(),
            component: component.to_owned(),
            things: things.to_owned(),
            condition,
            level,
            message: String::new(),
            remedies: Vec::new(),
            escalation: None,
            runbook: None,
            issue: None,
            after: Duration::ZERO,
            keep: Duration::ZERO,
            missing_after: Some(Duration::from_secs(5 * 60)),
        }
    }

    /// What is said.
    #[must_use]
    pub fn says(mut self, message: &str) -> Self {
        message.clone_into(&mut self.message);
        self
    }

    /// What to do in any case, or where nothing before it holds.
    #[must_use]
    pub fn remedy(self, text: &str) -> Self {
        self.remedy_when(Vec::new(), text)
    }

    /// What to do where something holds.
    #[must_use]
    pub fn remedy_when(mut self, when: Vec<Threshold>, text: &str) -> Self {
        self.remedies.push(Remedy { when, text: text.to_owned() });
        self
    }

    /// How long it holds before it fires, and how long it fires after.
    #[must_use]
    pub const fn held(mut self, after: Duration, keep: Duration) -> Self {
        (self.after, self.keep) = (after, keep);
        self
    }

    /// Its message about a thing of which so much was measured, filled in.
    #[must_use]
    pub fn says_of(&self, thing: &str, value: Option<f64>) -> String {
        let number = |value: Option<f64>, write: fn(f64) -> String| {
            value.map_or("unknown".to_owned(), write)
        };
        let percent = |value: f64| format!("{:.1} %", value * 100.0);
        let message = match self.message.as_str() {
            "" => "{thing}: ".to_owned() + &self.name,
            message => message.to_owned(),
        };
        message
            .replace("{value}", &number(value, |value| format!("{value}")))
            .replace("{percent}", &number(value, percent))
            .replace("{seconds}", &number(value, |value| format!("{value:.1} s")))
            .replace("{threshold}", &number(self.threshold(), |value| format!("{value}")))
            .replace("{thing}", thing)
    }

    /// What to do: the first remedy of whose thresholds all hold.
    #[must_use]
    pub fn remedy_for(&self, holds: impl Fn(&Threshold) -> bool) -> Option<String> {
        let found = self.remedies.iter().find(|remedy| remedy.when.iter().all(&holds));
        found.map(|remedy| remedy.text.clone())
    }

    /// The value that its condition compares with.
    #[must_use]
    pub const fn threshold(&self) -> Option<f64> {
        match &self.condition {
            Condition::FailureRate { share, .. } => Some(*share),
            Condition::Metric(threshold) => Some(threshold.value),
            Condition::State(_) | Condition::Flapping | Condition::Missing(_) => None,
        }
    }
}
