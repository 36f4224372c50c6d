//! Load: how a target answers when many ask it at once, and whether that is good enough.
//!
//! A **closed** loop has as many askers as connections, each asking again when it was answered. An **open** loop asks at a rate, whatever comes
//! back; a request that had to wait for a connection is measured from the time at which it was to be sent, so that a target that stops
//! answering is seen as slow, not as seldom asked (coordinated omission).
//!
//! HTTP goes over connections that stay, unless each request is to have a fresh one; every other target is asked as a probe asks it, phase by phase.
//! Latencies are kept in histograms of bounded size that are right to three digits.

mod drive;
mod http;
pub mod report;

use std::time::Duration;

use crate::probe::prober::Prober;
use crate::probe::target::{Spec, Target};
pub use report::Report;

/// Most connections at a time.
pub const CONNECTIONS: usize = 50_000;

/// What is asked, how much and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The target, with what is expected of each answer and the time-out of each request.
    pub spec: Spec,
    /// Connections, or probes that go on at a time.
    pub connections: usize,
    /// For how long requests begin.
    pub duration: Duration,
    /// Requests a second of an open loop; a closed one without it.
    pub rate: Option<f64>,
    /// No more requests than this.
    pub requests: Option<u64>,
    /// Threads that ask.
    pub threads: usize,
    /// Each request has a connection of its own.
    pub fresh: bool,
}

impl Plan {
    /// Whether requests share connections.
    #[must_use]
    pub const fn shares(&self) -> bool {
        matches!(self.spec.target, Target::Http(_)) && !self.fresh
    }
}

/// Asks as planned. It blocks until all is asked, and the last answers came or ran out of time.
///
/// # Errors
///
/// This machine cannot ask at all: no threads, no TLS.
pub fn run(prober: &Prober, plan: &Plan) -> Result<Report, String> {
    drive::run(prober, plan)
}

#[cfg(test)]
mod tests;
