//! Who has which range, address, block of ports and number.
//!
//! What is free is kept in memory as aligned blocks ([`free`]); a decision there is made true by one transaction of the store, which
//! holds only while this server leads, while the network is the one that was looked at, and after exactly the transaction of allocators before it.
//! So nothing overlaps, whatever is delayed, repeated or lost.
//!
//! Pools follow from the network ([`derive`]) or are declared. Read [`decide`] for what a request comes to, [`state`] for how pools touch each
//! other, and [`service`] for how decisions of many clients become transactions.
//!
//! Times are milliseconds since 1970 and are passed in.

pub mod block;
pub mod decide;
pub mod derive;
pub mod error;
pub mod forecast;
pub mod free;
mod gate;
mod pool;
pub mod record;
pub mod request;
pub mod service;
pub mod spec;
pub mod state;
pub mod value;

pub use error::Error;
pub use gate::Gate;
pub use pool::Usage;
pub(crate) use pool::overlapping;
pub use record::{Allocation, Declared};
pub use request::{Answer, Asked, Released, Request, Want};
pub use service::{Allocator, Live, Options, Setting};
pub use value::{Family, Kind, Value};

#[cfg(test)]
mod tests;
