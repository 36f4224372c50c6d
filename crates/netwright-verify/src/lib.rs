//! Proves what a network does: which packets reach whom, and why.
//!
//! Start at [`space`], the exact sets of packets everything else is computed with. [`interpreter`] says in the plainest way what
//! happens to one packet: what is computed for sets must agree with it.

pub mod interpreter;
pub mod space;
