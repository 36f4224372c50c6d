//! The numbers of a health check.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often something is asked and what the answers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Time between probes.
    pub interval: Duration,
    /// Time between probes while the last result speaks against the state.
    pub in_transition: Duration,
    /// Time-out of a probe.
    pub time_out: Duration,
    /// Successes in a row until healthy.
    pub up: u32,
    /// Failures in a row until unhealthy.
    pub down: u32,
    /// After something began, failures count for nothing for so long.
    pub grace: Duration,
    /// Failures in a row after the grace that make something unhealthy that was never healthy.
    pub starts: u32,
    /// Without a result for so long the state is unknown.
    pub stale: Duration,
    /// The time that failure rates are about.
    pub window: Duration,
    /// The flap score, in percent, below which something does not flap any more, and the one from which on it does.
    pub flapping: (u32, u32),
}

const SECOND: Duration = Duration::from_secs(1);

impl Profile {
    /// For services and backends: every 10 s (2 s in transition), 5 s each, 2 up and 3 down, 30 s of grace and 10 failures to start.
    pub const SERVICE: Self = Self {
        interval: Duration::from_secs(10),
        in_transition: Duration::from_secs(2),
        time_out: Duration::from_secs(5),
        up: 2,
        down: 3,
        grace: Duration::from_secs(30),
        starts: 10,
        stale: Duration::from_secs(60),
        window: Duration::from_secs(5 * 60),
        flapping: (20, 30),
    };

    /// For intents: every 500 ms, 400 ms each, so that a cut link is known in about 2 s; no grace, since a network does not warm up.
    pub const INTENT: Self = Self {
        interval: Duration::from_millis(500),
        in_transition: Duration::from_millis(500),
        time_out: Duration::from_millis(400),
        grace: Duration::ZERO,
        starts: 3,
        stale: Duration::from_secs(10),
        ..Self::SERVICE
    };

    /// For intents that agents are asked through a server: every 2 s (1 s in transition), 1 s each, so that a cut link is known in about 5 s, and a thousand
    /// intents are 500 questions a second.
    pub const AGENTS: Self = Self {
        interval: Duration::from_secs(2),
        in_transition: Duration::from_secs(1),
        time_out: Duration::from_secs(1),
        stale: Duration::from_secs(20),
        ..Self::INTENT
    };

    /// The longest time from a failure to the state that says so: it fails just after a probe, and the next ones run into their time-outs. A probe
    /// that is not answered within the interval in transition speaks against the state too: the next does not wait for its end.
    #[must_use]
    pub fn worst_detection(&self) -> Duration {
        self.interval
            + self.in_transition.saturating_mul(self.down.saturating_sub(1))
            + self.time_out
    }

    /// The same, where the interval in transition is as the usual one: (10 s, 5 s, 3) takes 35 s.
    #[must_use]
    pub fn worst_detection_without_transition(&self) -> Duration {
        Self { in_transition: self.interval, ..*self }.worst_detection()
    }

    /// The longest time until something new that never works is unhealthy.
    #[must_use]
    pub fn longest_start(&self) -> Duration {
        self.grace + self.interval.saturating_mul(self.starts) + self.time_out
    }

    /// Whether it can be used.
    ///
    /// # Errors
    ///
    /// It cannot: a threshold of 0, no interval, a time-out that is longer than the interval, flap bounds the wrong way round.
    pub fn checked(self) -> Result<Self, WrongProfile> {
        let wrong = [
            (self.interval.is_zero() || self.in_transition.is_zero(), "the interval is zero"),
            (self.time_out.is_zero(), "the time-out is zero"),
            (self.time_out > self.interval, "the time-out is longer than the interval"),
            (self.in_transition > self.interval, "the interval in transition is the longer one"),
            (self.up == 0 || self.down == 0 || self.starts == 0, "a threshold is zero"),
            (
                self.flapping.0 > self.flapping.1,
                "it stops flapping at a higher score than it starts",
            ),
            (self.window < SECOND, "the window of rates is shorter than a second"),
            (self.stale < self.interval, "a result is too old before the next one is due"),
        ];
        wrong.iter().find(|(wrong, _)| *wrong).map_or(Ok(self), |(_, why)| Err(WrongProfile(why)))
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::SERVICE
    }
}

/// Why a profile cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongProfile(pub &'static str);

impl fmt::Display for WrongProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for WrongProfile {}
