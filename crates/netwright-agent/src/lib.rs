//! A host's agent.
//!
//! It follows the network ([`source`]), knows what its host has of it ([`part`]), and brings the kernel there by difference ([`host`]); then it reads
//! back, and reports ([`follow`]). Namespaces are kept longer than it lives: packets flow while it is gone, and the next one takes over what is there.
//! Where it loses the store, the data plane stays as it is.
//!
//! Architecture invariants: nothing here decides about packets, or prints; the clock is given.

mod faults;
pub mod follow;
pub mod guard;
pub mod host;
pub mod part;
pub mod source;
