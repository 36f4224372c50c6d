//! Which idempotency keys were answered.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use crate::alloc::request::Hash;

/// The keys whose answers the store has, the oldest first.
#[derive(Debug)]
pub(super) struct Known {
    kept: u64,
    most: usize,
    keys: FxHashSet<Hash>,
    order: VecDeque<(u64, Hash)>,
}

impl Known {
    pub(super) fn new(kept: u64, most: usize) -> Self {
        Self { kept, most, keys: FxHashSet::default(), order: VecDeque::new() }
    }

    /// Those of the store.
    pub(super) fn set(&mut self, mut all: Vec<(u64, Hash)>) {
        all.sort_unstable();
        self.keys = all.iter().map(|(_, hash)| *hash).collect();
        self.order = all.into();
    }

    pub(super) fn has(&self, key: &Hash) -> bool {
        self.keys.contains(key)
    }

    pub(super) fn add(&mut self, at: u64, key: Hash) {
        if self.keys.insert(key) {
            self.order.push_back((at, key));
        }
    }

    /// The newest was not kept after all.
    pub(super) fn forget_newest(&mut self, key: &Hash) {
        if self.order.back().is_some_and(|(_, newest)| newest == key) {
            self.order.pop_back();
            self.keys.remove(key);
        }
    }

    /// Those that need not be kept any longer.
    pub(super) fn over(&self, now: u64, most: usize) -> Vec<Hash> {
        let surplus = self.order.len().saturating_sub(self.most);
        let over = |(index, (at, _)): &(usize, &(u64, Hash))| {
            *index < surplus || at.saturating_add(self.kept) <= now
        };
        let all = self.order.iter().enumerate().take_while(over);
        all.take(most).map(|(_, (_, key))| *key).collect()
    }

    /// The store has these no longer: the oldest.
    pub(super) fn forget(&mut self, keys: &[Hash]) {
        for key in keys {
            if self.order.front().is_some_and(|(_, oldest)| oldest == key) {
                self.order.pop_front();
                self.keys.remove(key);
            }
        }
    }
}
