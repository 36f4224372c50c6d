//! How a service starts when parts of what it needs are away.
//!
//! A start is a list of [`Phase`]s. They run in their order, each within its time, with as many tries as it allows. What becomes of a phase that
//! fails, its [`Criticality`] says: a required one fails the start, an optional one leaves the service degraded, and one with a bypass does
//! so where the bypass is on. All later phases run in any case, and how the start ended is always decided: that a bypass ends
//! the start early, so that nothing is ever complete, cannot be written with this.
//!
//! - A bypass does nothing to a phase that works: a healthy system is never degraded by it.
//! - It does not wait a time-out twice: what failed opens a [`Breaker`], and a phase that could be passed by is passed by at once while it is open.
//! - It is strict in what turns it on ([`Flag`]), it is loud while phases are passed by, and it says so when it stays on for nothing ([`Alarm`]).
//! - What was passed by is tried again ([`Startup::heal`]), and the start is `normal` when nothing is missing any more.
//!
//! [`Startup`] reads no clock and never waits: times are passed in, as durations since any fixed moment. [`run()`] and [`heal()`] do the waiting for
//! a service on tokio.

mod breaker;
mod flag;
mod machine;
mod phase;
mod report;
mod run;

pub use breaker::{Ask, Breaker, Remembered};
pub use flag::{Flag, Setting};
pub use machine::{Heal, Startup, Step};
pub use phase::{Criticality, Phase, Retries};
pub use report::{Alarm, BypassReport, Mode, Outcome, PhaseReport, Report};
pub use run::{heal, run};

#[cfg(test)]
mod tests;
