//! Reading what is taken.

use bytes::Bytes;
use netwright_store::{Entry, Keys, Op, Range, Revision, Store, Txn};
use serde::de::DeserializeOwned;

use super::Desk;
use crate::alloc::error::Error;
use crate::alloc::record::{Allocation, Cooling, Declared, Kept, Taken};
use crate::alloc::request::{Answer, Hash, hex, unhex};
use crate::alloc::state::State;

/// Entries that are read at a time.
const PAGE: usize = 2000;

fn failed(error: netwright_store::Error) -> Error {
    Error::Unavailable(error.to_string())
}

/// All entries of some keys, at one revision; the newest where none is given.
async fn entries<S: Store>(
    store: &S,
    mut keys: Keys,
    mut at: Option<Revision>,
    mut each: impl FnMut(&Entry) -> Result<(), Error>,
) -> Result<Revision, Error> {
    loop {
        let mut range = Range::of(keys.clone()).limit(PAGE);
        range.at = at;
        let found = store.range(range).await.map_err(failed)?;
        // Of a page at an older revision the store tells its newest one.
        let revision = *at.get_or_insert(found.revision);
        for entry in &found.entries {
            each(entry)?;
        }
        match found.entries.last() {
            Some(last) if found.more => keys = keys.after(&last.key),
            _ => return Ok(revision),
        }
    }
}

fn parse<T: DeserializeOwned>(entry: &Entry) -> Result<T, Error> {
    serde_json::from_slice(&entry.value).map_err(|error| {
        let key = String::from_utf8_lossy(&entry.key);
        Error::Unavailable(format!("`{key}` cannot be read: {error}"))
    })
}

impl<S: Store> Desk<S> {
    /// Reads everything at one revision.
    pub(super) async fn load(&mut self) -> Result<(), Error> {
        let (store, layout) = (self.setting.store.clone(), self.setting.layout.clone());
        let mut held: Vec<Allocation> = Vec::new();
        let at = entries(&store, layout.allocations(), None, |entry| {
            held.push(parse(entry)?);
            Ok(())
        })
        .await?;
        let (mut cooling, mut declared): (Vec<Cooling>, Vec<Declared>) = (Vec::new(), Vec::new());
        let rests = |entry: &Entry| {
            cooling.push(parse(entry)?);
            Ok(())
        };
        entries(&store, layout.all_cooling(), Some(at), rests).await?;
        let pools = |entry: &Entry| {
            declared.push(parse(entry)?);
            Ok(())
        };
        entries(&store, layout.pools(), Some(at), pools).await?;
        let mut known: Vec<(u64, Hash)> = Vec::new();
        let answers = |entry: &Entry| {
            let Kept { at, .. } = parse(entry)?;
            let key = entry.key.rsplit(|octet| *octet == b'/').next().unwrap_or_default();
            known.extend(std::str::from_utf8(key).ok().and_then(unhex).map(|hash| (at, hash)));
            Ok(())
        };
        entries(&store, layout.all_idempotency(), Some(at), answers).await?;
        let mut taken = None;
        let last = |entry: &Entry| {
            taken = Some((entry.value.clone(), parse::<Taken>(entry)?));
            Ok(())
        };
        entries(&store, Keys::One(layout.taken()), Some(at), last).await?;
        let live = self.setting.live.borrow_and_update().clone();
        self.head = live.revision;
        self.state = State::loaded(live.network, declared, held, cooling);
        self.known.set(known);
        self.sequence = taken.as_ref().map_or(0, |(_, taken)| taken.sequence);
        self.durable = self.sequence;
        self.taken = taken.map(|(value, _)| value);
        self.stale = None;
        Ok(())
    }
}

/// The answer that was given to a request before.
pub(super) async fn kept<S: Store>(store: &S, key: Bytes, request: &Hash) -> Result<Answer, Error> {
    let found = store.range(Range::of(Keys::One(key))).await.map_err(failed)?;
    match found.entries.first().map(parse::<Kept>).transpose()? {
        Some(kept) if kept.request == hex(request) => Ok(kept.answer),
        Some(_) => Err(Error::KeyReused),
        // It was kept as long as it had to be, and went between the two looks.
        None => Err(Error::Conflict { attempts: 1 }),
    }
}

/// Whether what a transaction was to write is there: then it was done, though others were done since. Nobody else writes the same: a record has its
/// sequence number and time, and `taken` is another's by now.
pub(super) async fn is_there<S: Store>(store: &S, txn: &Txn) -> Result<bool, Error> {
    let puts = txn.then.iter().filter_map(|op| match op {
        Op::Put { key, value, .. } => Some((key, value)),
        _ => None,
    });
    let all: Vec<_> = puts.collect();
    // The last one is `taken` itself.
    for (key, value) in all.iter().rev().skip(1) {
        let found = store.range(Range::of(Keys::One((*key).clone()))).await.map_err(failed)?;
        if found.entries.first().is_some_and(|entry| entry.value == **value) {
            return Ok(true);
        }
    }
    Ok(false)
}
