//! Proves what a network does: which packets reach whom, and why.
//!
//! Start at [`space`], the exact sets of packets everything else is computed with; then [`prover`], which loads a network; then
//! [`trace`] and [`reach`], which ask it.

pub mod ask;
pub mod balancer;
pub mod cascade;
pub mod check;
pub mod dependencies;
pub mod diff;
pub mod flow;
pub mod intents;
pub mod interpreter;
pub mod mtu;
pub mod names;
pub mod prover;
pub mod question;
pub mod reach;
pub mod space;
pub mod steps;
pub mod trace;
pub mod what_if;
