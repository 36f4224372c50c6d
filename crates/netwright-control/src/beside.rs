//! What is written in the same transaction as something else, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use netwright_store::Op;

/// An entry that goes with a write, and whether it did. Clones are of one entry.
#[derive(Debug, Clone)]
pub struct Beside {
    key: Bytes,
    value: Bytes,
    done: Arc<AtomicBool>,
}

impl Beside {
    /// One that is not written yet.
    #[must_use]
    pub fn new(key: Bytes, value: impl Into<Bytes>, done: Arc<AtomicBool>) -> Self {
        Self { key, value: value.into(), done }
    }

    /// Its key and value.
    #[must_use]
    pub fn entry(&self) -> (Bytes, Bytes) {
        (self.key.clone(), self.value.clone())
    }

    /// What writes it.
    #[must_use]
    pub fn op(&self) -> Op {
        Op::put(self.key.clone(), self.value.clone())
    }

    /// The transaction was done.
    pub fn is_written(&self) {
        self.done.store(true, Ordering::Release);
    }
}
