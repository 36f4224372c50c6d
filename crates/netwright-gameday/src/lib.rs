//! Game days: faults between parts of a described network, injected into its running lab, proved to bite, found out, and taken back.
//!
//! [`language`] is what an experiment's file says, [`load`] reads it. [`plan`] says what it will do, before anything is done: it is pure, as is
//! [`cut`], which turns pairs of endpoints ([`parties`]) into rules. [`run`] does it and writes a [`journal`]; [`detect`] says what is known of
//! each watched connection. Start with `plan.rs`, then `run.rs`.
//!
//! Architecture invariant: nothing is done to a network but through [`netwright_lab::faults`], or on hosts with agents through their server
//! ([`hosts`]); both take all of it back when whoever asked has gone. What could not be found out is unknown, and no run passes with it.

mod active;
pub mod change;
pub mod cut;
pub mod detect;
pub mod hosts;
pub mod journal;
pub mod language;
pub mod load;
pub mod parties;
pub mod plan;
pub mod reference;
pub mod report;
pub mod run;
pub mod scenarios;
pub mod schedule;
mod steps;
