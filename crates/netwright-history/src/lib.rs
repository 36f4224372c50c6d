//! What clients saw of a system, and the checks of it: nothing lost, nothing done twice, an order that explains what was read.
//!
//! A file becomes a [`History`] of [`Operation`]s ([`read`]); a [`Model`] says what has to hold of it, and [`check`] makes a [`Report`] with a
//! [`Verdict`], what was found, and the operations that show it. [`journal`] writes histories of our own. Start with `history.rs`, then `model.rs`;
//! `linear.rs` looks for orders, `transactions.rs` for cycles.
//!
//! Architecture invariant: nothing here touches a clock or a socket; a history that says too little is unknown, never passed.

mod bank;
mod edn;
mod forks;
mod history;
pub mod journal;
mod json;
mod keys;
mod leadership;
mod linear;
mod log;
mod model;
mod numbers;
mod overtaken;
mod queues;
mod quoted;
mod read;
mod report;
mod rows;
mod sets;
mod stale;
mod text;
mod transactions;
mod value;

pub use history::{Extra, Fault, History, Kind, Operation, Outcome, Source};
pub use linear::DEFAULT_BUDGET;
pub use model::{MODELS, Model, Options, check, recognize};
pub use read::{read, read_text, value_of};
pub use report::{CheckError, Finding, Report, Verdict, Weight, timeline, words};
pub use text::{Limits, ReadError};
pub use transactions::{LEVELS, Level};
pub use value::{Float, Value};
