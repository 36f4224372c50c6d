//! The condition under which a server may write.

use bytes::Bytes;
use netwright_store::{Compare, Relation, Target};

use crate::keys::Layout;

/// What holds while a server leads, and is compared in each of its transactions: the epoch in which it was elected. A server that was paused,
/// or cut off, and is led by another now, changes nothing, however late its writes arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    epoch: u64,
    key: Bytes,
}

impl Guard {
    /// That of an epoch.
    #[must_use]
    pub fn of(layout: &Layout, epoch: u64) -> Self {
        Self { epoch, key: layout.epoch() }
    }

    /// The epoch.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The condition.
    #[must_use]
    pub fn compare(&self) -> Compare {
        Compare {
            key: self.key.clone(),
            is: Relation::Equal,
            target: Target::Value(value(self.epoch)),
        }
    }
}

/// An epoch as the store keeps it.
#[must_use]
pub fn value(epoch: u64) -> Bytes {
    epoch.to_string().into()
}
