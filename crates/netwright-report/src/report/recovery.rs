//! How the system answered by itself, how service was restored, and what people learnt.

use serde::{Deserialize, Serialize};

use crate::{Moment, Span, Verdict};

/// Something that the system was to do by itself, such as opening a circuit breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// What.
    pub name: String,
    /// Whether it did; `None` where nobody saw.
    #[serde(default)]
    pub activated: Option<bool>,
    /// When.
    #[serde(default)]
    pub at: Option<Moment>,
    /// How that was seen.
    #[serde(default)]
    pub evidence: String,
}

/// How service was restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recovery {
    /// When service was first broken: the first fault in force. The recovery time counts from here.
    pub broken: Option<Moment>,
    /// When all of the service was there again; `None` if that was never seen.
    pub restored: Option<Moment>,
    /// How long it may take.
    pub objective: Option<Span>,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

impl Recovery {
    /// The recovery time; `None` where it is not known.
    #[must_use]
    pub fn took(&self) -> Option<Span> {
        Some(self.restored?.since(self.broken?))
    }
}

/// A step of the recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What was done.
    pub name: String,
    /// Whether the system or the experiment did it, not a person.
    pub automatic: bool,
    /// When it began.
    pub begin: Moment,
    /// When it ended; `None` if it did not.
    #[serde(default)]
    pub end: Option<Moment>,
    /// Whether it did what it was for.
    pub verdict: Verdict,
    /// What it found or changed.
    #[serde(default)]
    pub detail: String,
}

/// A part of the steady state, asked before anything was broken and after everything was mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steady {
    /// What was asked.
    pub name: String,
    /// Whether it held before.
    pub before: Verdict,
    /// Whether it held after.
    pub after: Verdict,
    /// What was tolerated, and what was found.
    #[serde(default)]
    pub detail: String,
}

/// What people learnt. Where it is empty, the forms leave room to write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lessons {
    /// What worked well.
    pub worked: Vec<String>,
    /// What needs improvement.
    pub improve: Vec<String>,
    /// What is to be done.
    pub actions: Vec<Action>,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What.
    pub what: String,
    /// Who does it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Until when.
    #[serde(default)]
    pub due: Option<String>,
}
