//! How a server starts when parts of what it needs are away.
//!
//! Phases run in their order, each with a time-out. A phase that fails may be passed by, where the bypass is on and the phase allows it; all later
//! phases run in any case, and how the start ended is always decided. A bypass does nothing to a phase that works: a healthy system is never
//! degraded by it. Nothing here reads a clock or waits: time is passed in.

mod breaker;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

pub use breaker::{Ask, Breaker};

/// A phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// How long it may take.
    pub time_out: Duration,
    /// The start can end without it, degraded, where the bypass is on.
    pub bypass: bool,
}

/// How a phase ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It has not begun, or is not over.
    Pending,
    /// It worked.
    Passed,
    /// It did not, and the start goes on without it.
    Bypassed {
        /// Why it did not work.
        why: String,
    },
    /// It did not.
    Failed {
        /// Why.
        why: String,
    },
}

/// How a start stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is not over.
    Starting,
    /// Every phase worked.
    Normal,
    /// Phases were passed by.
    EmergencyDegraded,
    /// A phase failed that could not be passed by.
    Failed,
}

/// A start.
#[derive(Debug, Clone)]
pub struct Startup {
    phases: Vec<(Phase, Outcome)>,
    bypass: bool,
    at: usize,
    /// When the phase of now began.
    began: Duration,
}

impl Startup {
    /// One that begins now. `bypass` is whether phases may be passed by at all.
    #[must_use]
    pub fn new(phases: Vec<Phase>, bypass: bool, now: Duration) -> Self {
        let phases = phases.into_iter().map(|phase| (phase, Outcome::Pending)).collect();
        Self { phases, bypass, at: 0, began: now }
    }

    /// The phase of now, and when its time is over; none where the start is decided.
    #[must_use]
    pub fn current(&self) -> Option<(&Phase, Duration)> {
        let (phase, _) = self.phases.get(self.at)?;
        Some((phase, self.began + phase.time_out))
    }

    /// The phase of now has ended.
    pub fn ended(&mut self, result: Result<(), String>, now: Duration) {
        let Some((phase, outcome)) = self.phases.get_mut(self.at) else { return };
        *outcome = match result {
            Ok(()) => Outcome::Passed,
            Err(why) if self.bypass && phase.bypass => Outcome::Bypassed { why },
            Err(why) => Outcome::Failed { why },
        };
        self.at += 1;
        self.began = now;
    }

    /// Ends the phase of now where its time is over.
    pub fn tick(&mut self, now: Duration) {
        if let Some((phase, until)) = self.current()
            && now >= until
        {
            let why = format!("it took longer than {:?}", phase.time_out);
            self.ended(Err(why), now);
        }
    }

    /// How it stands.
    #[must_use]
    pub fn mode(&self) -> Mode {
        let any = |is: fn(&Outcome) -> bool| self.phases.iter().any(|(_, outcome)| is(outcome));
        if self.at < self.phases.len() {
            Mode::Starting
        } else if any(|outcome| matches!(outcome, Outcome::Failed { .. })) {
            Mode::Failed
        } else if any(|outcome| matches!(outcome, Outcome::Bypassed { .. })) {
            Mode::EmergencyDegraded
        } else {
            Mode::Normal
        }
    }

    /// What is told of it.
    #[must_use]
    pub fn report(&self) -> Report {
        let phases = self.phases.iter();
        let told = |(phase, outcome): &(Phase, Outcome)| PhaseReport {
            name: phase.name,
            outcome: outcome.clone(),
        };
        Report {
            mode: self.mode(),
            complete: self.is_complete(),
            phases: phases.map(told).collect(),
        }
    }

    /// Whether every phase ran and none failed that could not be passed by.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.mode(), Mode::Normal | Mode::EmergencyDegraded)
    }
}

/// A phase, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PhaseReport {
    /// Its name.
    pub name: &'static str,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A start, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Report {
    /// How it stands.
    pub mode: Mode,
    /// Whether every phase ran and none failed that could not be passed by.
    pub complete: bool,
    /// The phases, in their order.
    pub phases: Vec<PhaseReport>,
}

impl Report {
    /// The first phase that failed and could not be passed by.
    #[must_use]
    pub fn failed(&self) -> Option<&PhaseReport> {
        self.phases.iter().find(|phase| matches!(phase.outcome, Outcome::Failed { .. }))
    }
}

#[cfg(test)]
mod tests;
