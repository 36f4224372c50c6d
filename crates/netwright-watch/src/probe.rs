//! One question to one peer, with an answer that never guesses.
//!
//! A [`target::Spec`] says what is asked, a [`prober::Prober`] asks it, and an [`outcome::Outcome`] is what every probe ends with: what everything
//! that judges probes reads. [`schedule`] asks many side by side. Each protocol stands in a file of its own; what reads octets of a peer
//! reads them without a socket (`http::answer`, `redis::reply`), within bounds that the peer cannot move.
//!
//! Architecture invariant: nothing here decides who is to blame, and nothing keeps what it saw: the next probe knows nothing of the last.

pub(crate) mod connect;
mod database;
mod dns;
pub mod http;
mod icmp;
pub mod names;
pub mod outcome;
pub mod path;
mod postgres;
pub mod prober;
pub mod redis;
pub mod schedule;
pub mod target;
pub(crate) mod tls;
pub(crate) mod trail;
