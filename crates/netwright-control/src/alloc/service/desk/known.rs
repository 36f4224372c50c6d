//! Which idempotency keys were answered.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::alloc::request::Hash;

/// The keys whose answers the store has, the oldest first.
#[derive(Debug)]
pub(super) struct Known {
    kept: u64,
    most: usize,
    /// With the times at which they were answered.
    keys: FxHashMap<Hash, u64>,
    order: VecDeque<(u64, Hash)>,
}

impl Known {
    pub(super) fn new(kept: u64, most: usize) -> Self {
        Self { kept, most, keys: FxHashMap::default(), order: VecDeque::new() }
    }

    /// Those of the store.
    pub(super) fn set(&mut self, mut all: Vec<(u64, Hash)>) {
        all.sort_unstable();
        self.keys = all.iter().map(|(at, hash)| (*hash, *at)).collect();
        self.order = all.into();
    }

    /// When it was answered.
    pub(super) fn at(&self, key: &Hash) -> Option<u64> {
        self.keys.get(key).copied()
    }

    pub(super) fn add(&mut self, at: u64, key: Hash) {
        if self.keys.insert(key, at).is_none() {
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
    pub(super) fn over(&self, now: u64, most: usize) -> Vec<(u64, Hash)> {
        let surplus = self.order.len().saturating_sub(self.most);
        let over = |(index, (at, _)): &(usize, &(u64, Hash))| {
            *index < surplus || at.saturating_add(self.kept) <= now
        };
        let all = self.order.iter().enumerate().take_while(over);
        all.take(most).map(|(_, own)| *own).collect()
    }

    /// The store has these no longer: the oldest.
    pub(super) fn forget(&mut self, keys: &[(u64, Hash)]) {
        for (_, key) in keys {
            if self.order.front().is_some_and(|(_, oldest)| oldest == key) {
                self.order.pop_front();
                self.keys.remove(key);
            }
        }
    }
}
