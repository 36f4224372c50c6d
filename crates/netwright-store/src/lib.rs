//! What a network is, kept.
//!
//! A [`Store`] has etcd's model: keys in order, each with the revisions of its making and of its last change; transactions that compare before
//! they write, with one revision each; watches from any revision that is still known; leases whose keys go when nobody keeps them alive. The
//! revision of the store is the version of the network.
//!
//! Three engines keep it alike: [`memory`], the plain one that the others are tested against; [`embedded`], one file; and etcd. [`AnyStore`] is any
//! of them, and [`open`] the way to one by its address.

mod any;
mod clock;
pub mod embedded;
mod error;
#[cfg(feature = "etcd")]
pub mod etcd;
mod leases;
pub mod memory;
mod model;
mod open;
mod rules;
pub mod transfer;
mod watch;

use std::time::Duration;

pub use any::AnyStore;
pub use clock::{Clock, Monotonic};
pub use error::Error;
pub use leases::{MAX_LEASES, MAX_TTL, MIN_TTL};
pub use model::{
    Compare, Entry, Event, Found, Keys, LeaseId, MemberAnswer, MemberStatus, Op, OpAnswer, Range,
    Relation, Revision, Status, Target, Txn, TxnAnswer,
};
pub use open::{Address, OpenOptions, open};
pub use rules::{MAX_KEY, MAX_OPS, MAX_REQUEST};
pub use watch::{Batch, Log, Watch, over as watch_over};

/// An ordered store with revisions.
///
/// A handle is cheap to clone; clones share one store. Every answer is given after what it says is durable: what was acknowledged is never
/// lost. A read that begins after an acknowledged write sees it.
pub trait Store: Clone + Send + Sync + 'static {
    /// Entries of a range, in the order of their keys, as they were at one revision.
    fn range(&self, range: Range) -> impl Future<Output = Result<Found, Error>> + Send;

    /// Compares, then does one of two lists of operations, all of it or nothing. What changes something has a revision of its own.
    fn txn(&self, txn: Txn) -> impl Future<Output = Result<TxnAnswer, Error>> + Send;

    /// All events of some keys from a revision on, in order, without a gap; also over lost connections.
    fn watch(
        &self,
        keys: Keys,
        from: Revision,
    ) -> impl Future<Output = Result<Watch, Error>> + Send;

    /// A lease. Keys that are put with it go when it was not kept alive for so long.
    fn grant(&self, ttl: Duration) -> impl Future<Output = Result<LeaseId, Error>> + Send;

    /// Keeps a lease alive for its whole time from now on; that time.
    fn keep_alive(&self, lease: LeaseId) -> impl Future<Output = Result<Duration, Error>> + Send;

    /// Ends a lease: its keys go at once, in one revision.
    fn revoke(&self, lease: LeaseId) -> impl Future<Output = Result<(), Error>> + Send;

    /// Forgets what was before a revision. The entries of now stay.
    fn compact(&self, at: Revision) -> impl Future<Output = Result<(), Error>> + Send;

    /// What can be said of the store itself.
    fn status(&self) -> impl Future<Output = Result<Status, Error>> + Send;
}
