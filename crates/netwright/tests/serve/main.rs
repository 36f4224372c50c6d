//! The service, as the real program runs it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test that cannot go on stops, and says what it skips"
)]

mod access;
mod degraded;
mod description;
mod hostile;
mod interleavings;
mod machines;
mod moved;
mod server;
mod several;
mod stream;
