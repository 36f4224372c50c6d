//! The reference system on real PostgreSQL and Redis, on loopback, in folders of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

mod broken;
mod client;
mod deployment;
mod faults;
mod recovery;
mod runbook;
