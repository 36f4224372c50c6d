//! How well something is, by what its probes found: a state machine that does not flap and never guesses.
//!
//! ```text
//! unknown ── first result ──▶ starting ── 2 up ──▶ healthy ◀── 2 up ── unhealthy
//!                                │                    └──── 3 down ────▶ ▲
//!                                └── grace over, too many down ──────────┘
//! ```
//!
//! [`Health`] is one thing's state: it takes results and times, and says what changed and how soon to ask again. Its numbers are a [`Profile`]. What
//! a probe could not find out counts for nothing, and where nothing was found out for long the state is `unknown` again, whatever it was.
//! Draining and maintenance are orders that stand over the state, which goes on beneath. That a thing flaps is a flag beside it ([`Flaps`]); how
//! often it fails is a [`Rate`] over a window.
//!
//! Times are durations since one fixed moment, which never go back; who feeds this keeps them so when a clock jumps.
//!
//! Architecture invariant: nothing here reads a clock, a socket, or chance.

mod flaps;
mod machine;
mod profile;
mod rate;

pub use flaps::Flaps;
pub use machine::{Change, Health, Order, Result, Saved, State};
pub use profile::{Profile, WrongProfile};
pub use rate::{Counts, Rate};

#[cfg(test)]
mod tests;
