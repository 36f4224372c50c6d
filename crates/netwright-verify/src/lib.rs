//! Proves what a network does: which packets reach whom, and why.
//!
//! Start at [`space`], the exact sets of packets everything else is computed with.

pub mod space;
