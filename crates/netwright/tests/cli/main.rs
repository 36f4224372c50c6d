//! The command line from outside: what it prints, how it ends, what it does with bad input.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot be set up fails")]

mod bad_input;
mod check;
mod compare;
mod examples;
mod findings;
mod folder;
mod gameday_report;
mod layers;
mod output;
mod picture;
mod reach;
mod run;
mod store;
mod tools;
mod trace;
mod what_if;
