//! Real etcd servers for tests: started, killed, paused, cut off from each other, and gone afterwards, also where the test fails or is killed itself.
//!
//! [`Server`] is one on loopback. [`Cluster`] is several, each in a network namespace of its own; it is built within [`alone`], which runs a
//! test in namespaces that end with it, as an ordinary user too.
//!
//! A test that cannot go on stops: this crate is for tests, and is part of no program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "what a test needs and cannot have ends it; what is left out is told"
)]

mod alone;
mod cluster;
mod folder;
mod process;
mod server;
mod tls;

pub use alone::alone;
pub use cluster::Cluster;
pub use folder::Folder;
pub use process::processor;
pub use server::{Server, is_there};
pub use tls::Certificates;
