//! Changes of the network: judged before they land, written in one piece, remembered.
//!
//! Start at [`Changes`]. A change is a list of edits of objects. [`judge`] proves what it does, [`admit`] says whether it may land,
//! [`commit`] writes it so that whatever dies in between leaves the old network, and [`record`] is what is remembered of it.

pub mod admit;
mod again;
pub mod clashes;
pub mod commit;
mod judge;
pub mod propose;
pub mod record;
pub mod report;
mod service;
mod taken;

pub use judge::Judge;
pub use propose::{Proposal, Wanted};
pub use service::{Accepted, Answer, Changes, Clashes, Refusal, Request};
