//! What a start consists of.

use std::time::Duration;

use super::flag::Flag;

/// What becomes of the start where a phase fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Criticality {
    /// The start fails.
    Required,
    /// The start fails, or goes on without it where the flag is on: `emergency_degraded`.
    Bypass(Flag),
    /// The start goes on without it: `degraded`.
    Optional,
}

/// How often a phase is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// All tries together; at least one is made.
    pub tries: u32,
    /// How long one try may take; the phase's own time where it is shorter.
    pub each: Duration,
    /// The pause after the first try, and the longest one. It doubles in between, and is shortened by up to half by chance, so that many services
    /// that start together do not come together.
    pub pauses: (Duration, Duration),
}

/// A phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How long it may take in all, with its tries and the pauses between them.
    pub time_out: Duration,
    /// How often it is tried.
    pub retries: Retries,
    /// What becomes of the start where it fails.
    pub criticality: Criticality,
    /// What it depends on. Phases that depend on the same share a breaker.
    pub dependency: String,
}

impl Phase {
    /// A required phase of one try, which depends on what is named as it.
    #[must_use]
    pub fn new(name: impl Into<String>, time_out: Duration) -> Self {
        let name = name.into();
        let pauses = (Duration::from_millis(200), Duration::from_secs(5));
        let retries = Retries { tries: 1, each: time_out, pauses };
        let criticality = Criticality::Required;
        Self { dependency: name.clone(), name, time_out, retries, criticality }
    }

    /// It can be passed by where the flag is on.
    #[must_use]
    pub fn bypass(mut self, flag: Flag) -> Self {
        self.criticality = Criticality::Bypass(flag);
        self
    }

    /// The start goes on without it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.criticality = Criticality::Optional;
        self
    }

    /// What it depends on.
    #[must_use]
    pub fn on(mut self, dependency: impl Into<String>) -> Self {
        self.dependency = dependency.into();
        self
    }

    /// It is tried so often, each time for so long.
    #[must_use]
    pub const fn tries(mut self, tries: u32, each: Duration) -> Self {
        self.retries.tries = tries;
        self.retries.each = each;
        self
    }

    /// The pauses between its tries: the first and the longest.
    #[must_use]
    pub const fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.retries.pauses = (first, longest);
        self
    }

    /// Whether the start goes on without it where it fails.
    #[must_use]
    pub fn is_passed_by(&self) -> bool {
        match &self.criticality {
            Criticality::Required => false,
            Criticality::Bypass(flag) => flag.is_on(),
            Criticality::Optional => true,
        }
    }

    /// The flag of its bypass.
    #[must_use]
    pub const fn flag(&self) -> Option<&Flag> {
        match &self.criticality {
            Criticality::Bypass(flag) => Some(flag),
            Criticality::Required | Criticality::Optional => None,
        }
    }

    /// The pause after so many tries; `chance` is between 0 and 1.
    pub(super) fn pause(&self, tries: u32, chance: f64) -> Duration {
        let (first, longest) = self.retries.pauses;
        let doubled = first.saturating_mul(1 << tries.saturating_sub(1).min(20));
        doubled.min(longest).mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
    }
}
