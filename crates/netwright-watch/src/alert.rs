//! Alerts: what is wrong, how bad, and what to do about it now.
//!
//! A [`Rule`] asks a condition of things; the [`Engine`] keeps for each rule and thing whether it is pending or firing. Between it and people
//! stands the [`Desk`]: it groups, holds back what follows from something worse or is silenced, and repeats. A [`Sink`](sink) carries it
//! away, each in its own time: one that hangs delays nobody else.
//!
//! - What is not measured is not well: a condition over missing data is neither true nor false, and is told after a while as an alert of its own.
//!   An alert that fires does not end because nobody measures any more: only a measurement ends it.
//! - A threshold counts from its value on: `at least 0.80` fires at 0.80.
//! - What to do depends on how things are: a connector at its tenth instance is not told to grow.
//! - Beside an alert stand the changes before it.
//!
//! Architecture invariant: only [`sink`] does I/O.

mod change;
mod described;
mod desk;
mod engine;
mod rule;
pub mod sink;

pub use change::{ChangeEvent, Changes, lasted};
pub use described::rules;
pub use desk::{Desk, DeskOptions, Notification, Silence, Told};
pub use engine::{Alert, Engine, Guidance, KeptRules, Status, Truth, World};
pub use rule::{Compare, Condition, Level, Remedy, Rule, Threshold};

#[cfg(test)]
mod tests;
