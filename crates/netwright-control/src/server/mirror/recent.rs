//! The newest part of the network's history: as much as a server keeps in memory.
//!
//! What a server needs to know the network is the newest whole snapshot and the changes after it; with them, some changes before are kept, for
//! they are asked for most. All others are in the store only.

use std::collections::BTreeMap;

use bytes::Bytes;
use netwright_store::{Entry, Error, Found, Keys, Range, Revision, Store};

use crate::change::record::base_of;
use crate::keys::Layout;
use crate::network::snapshot::is_last;

/// Changes that are kept, where they are small: agents report of as many and more.
const CHANGES: usize = 256;

/// Octets of changes from which on only those are kept that the newest network needs.
const OCTETS: usize = 16 << 20;

/// From where on the history is kept.
#[derive(Debug)]
pub(super) struct Recent {
    /// Changes of networks before this revision are not here.
    from: Revision,
    /// The newest whole snapshot.
    whole: Option<Revision>,
    /// Something of the history, or of snapshots, has changed.
    changed: bool,
}

impl Default for Recent {
    fn default() -> Self {
        Self { from: Revision(0), whole: None, changed: false }
    }
}

impl Recent {
    /// That of what is there.
    pub(super) fn of(layout: &Layout, entries: &BTreeMap<Bytes, Entry>) -> Self {
        let first = entries.range(layout.history().bounds()).next();
        // Where something is left out, the first change that is there is of a network that another made.
        let from = first.and_then(|(key, _)| layout.base(key)).unwrap_or(Revision(0));
        Self { from, whole: None, changed: true }
    }

    /// A key is written, or taken away.
    pub(super) fn hears(&mut self, layout: &Layout, key: &[u8]) {
        self.changed |= layout.history().contains(key) || layout.snapshots().contains(key);
    }

    /// Takes out of the entries what is too much.
    pub(super) fn shorten(&mut self, layout: &Layout, entries: &mut BTreeMap<Bytes, Entry>) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let parts = entries.range(layout.snapshots().bounds()).rev();
        self.whole = parts
            .filter(|(_, entry)| is_last(&entry.value))
            .find_map(|(key, _)| layout.snapshot_of(key));
        let Some(whole) = self.whole else { return };
        let (mut count, mut octets, mut from) = (0, 0, self.from);
        for (key, entry) in entries.range(layout.history().bounds()).rev() {
            let Some(base) = layout.base(key) else { continue };
            count += 1;
            octets += entry.value.len();
            octets += entries
                .range(layout.changes_of(base).bounds())
                .map(|(_, part)| part.value.len())
                .sum::<usize>();
            if base < whole && (count > CHANGES || octets > OCTETS) {
                // The one after this is the first that stays.
                from = entry.modified;
                break;
            }
        }
        if from <= self.from {
            return;
        }
        self.from = from;
        let before = Keys::Between(layout.change_after(Revision(0)), layout.change_after(from));
        let gone = |keys: &Keys, entries: &BTreeMap<Bytes, Entry>| -> Vec<Bytes> {
            entries.range(keys.bounds()).map(|(key, _)| key.clone()).collect()
        };
        for key in gone(&before, entries) {
            let parts = layout.base(&key).map(|base| gone(&layout.changes_of(base), entries));
            for key in parts.into_iter().flatten().chain([key]) {
                entries.remove(&key);
            }
        }
    }

    /// Whether some of some keys may be of a change that is not here.
    pub(super) fn is_before(&self, layout: &Layout, keys: &Keys) -> bool {
        if self.from == Revision(0) {
            return false;
        }
        let first = match keys {
            Keys::One(key) | Keys::Prefix(key) | Keys::Between(key, _) | Keys::From(key) => key,
        };
        match layout.part_of_change(first) {
            Some(id) => base_of(id).is_none_or(|base| base < self.from),
            None if layout.history().contains(first) => {
                layout.base(first).is_none_or(|base| base < self.from)
            }
            None => false,
        }
    }
}

/// Changes before the newest snapshot that are read at the start, where there are so many.
const PAGE: usize = 64;

/// Reads what a server keeps of a store, all of one revision: everything, but of the history what is recent.
///
/// # Errors
///
/// When the store fails.
pub async fn read<S: Store>(store: &S, layout: &Layout) -> Result<(Vec<Entry>, Revision), Error> {
    let head = store.range(Range::of(Keys::One(layout.head()))).await?;
    let (at, newest) = (head.revision, head.entries.first().map(|head| head.modified));
    let here =
        async |keys: Keys| -> Result<Found, Error> { store.range(Range::of(keys).at(at)).await };
    let mut entries = Vec::new();
    for keys in layout.all_but_history() {
        entries.extend(here(keys).await?.entries);
    }
    let Some(newest) = newest else { return Ok((entries, at)) };
    let last = entries
        .iter()
        .rev()
        .find(|entry| layout.snapshots().contains(&entry.key) && is_last(&entry.value));
    let whole = last.and_then(|entry| layout.snapshot_of(&entry.key)).unwrap_or(Revision(0));
    let from = begin(store, layout, whole, at).await?;
    let history = Keys::Between(layout.change_after(from), layout.change_after(newest.next()));
    let mut octets = 0;
    for change in here(history).await?.entries.into_iter().rev() {
        let Some(base) = layout.base(&change.key) else { continue };
        octets += change.value.len();
        if base < whole && octets > OCTETS {
            break;
        }
        // Large ones have parts beside them.
        let parts = here(layout.changes_of(base)).await?.entries;
        octets += parts.iter().map(|part| part.value.len()).sum::<usize>();
        entries.extend(parts);
        entries.push(change);
    }
    // What is being staged now is of the newest network.
    entries.extend(here(layout.changes_of(newest)).await?.entries);
    Ok((entries, at))
}

/// From which revision on changes are read: those after the newest whole snapshot, and some before.
async fn begin<S: Store>(
    store: &S,
    layout: &Layout,
    whole: Revision,
    at: Revision,
) -> Result<Revision, Error> {
    let mut back = PAGE as u64;
    loop {
        let from = Revision(whole.0.saturating_sub(back));
        let keys = Keys::Between(layout.change_after(from), layout.change_after(whole));
        let found = store.range(Range::of(keys).at(at).limit(PAGE)).await?;
        if found.entries.len() >= PAGE || from == Revision(0) {
            let first = found.entries.first().and_then(|entry| layout.base(&entry.key));
            return Ok(first.unwrap_or(whole));
        }
        back = back.saturating_mul(2);
    }
}
