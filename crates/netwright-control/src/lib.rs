//! The control plane.
//!
//! What a network is lies in a store as [`keys`] says. Everything that changes it does so in transactions that hold only while the server that
//! sends them leads: its [`guard`]. [`network`] is what it is, [`change`] how it changes, [`server`] is the service that a team runs, [`api`] what it answers over HTTP.
//!
//! Architecture invariant: nothing here knows the kernel; what hosts did is read from their reports.

pub mod access;
pub mod agents;
pub mod alloc;
pub mod api;
pub mod beside;
pub mod change;
pub mod compile;
pub mod convergence;
pub mod election;
pub mod errands;
pub mod faults;
pub mod guard;
pub mod keys;
pub mod network;
pub mod probes;
pub mod server;
pub mod time;
