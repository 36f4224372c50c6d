//! Reading what is taken.

use bytes::Bytes;
use netwright_store::{Entry, Keys, Op, Range, Revision, Store, Txn};
use serde::de::DeserializeOwned;

use super::{ANSWERS, Desk};
use crate::alloc::error::Error;
use crate::alloc::record::{Allocation, Cooling, Declared, Kept, Taken};
use crate::alloc::request::{Answer, Hash, unhex};
use crate::alloc::state::State;
use crate::keys::Layout;

/// Entries that are read at a time.
const PAGE: usize = 2000;

fn failed(error: &netwright_store::Error) -> Error {
    Error::Unavailable(error.to_string())
}

/// All entries of some keys, at one revision: the newest where none is given. Where it need not be one that is known later, they are read at once.
async fn entries<S: Store>(
    store: &S,
    mut keys: Keys,
    mut at: Option<Revision>,
    in_pages: bool,
    mut each: impl FnMut(&Entry) -> Result<(), Error>,
) -> Result<Revision, Error> {
    loop {
        let range = Range { keys: keys.clone(), limit: in_pages.then_some(PAGE), at };
        let found = store.range(range).await.map_err(|error| failed(&error))?;
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

/// All that is taken, and what goes with it.
#[derive(Default)]
pub(super) struct All {
    held: Vec<Allocation>,
    cooling: Vec<Cooling>,
    declared: Vec<Declared>,
    known: Vec<(u64, Hash)>,
    taken: Option<(Bytes, Taken)>,
}

/// Reads everything: at one revision, or as it comes.
async fn all<S: Store>(store: &S, layout: &Layout, exact: bool) -> Result<All, Error> {
    let mut all = All::default();
    let hold = |entry: &Entry| {
        all.held.push(parse(entry)?);
        Ok(())
    };
    let at = entries(store, layout.allocations(), None, exact, hold).await?;
    let at = exact.then_some(at);
    let rest = |entry: &Entry| {
        all.cooling.push(parse(entry)?);
        Ok(())
    };
    entries(store, layout.all_cooling(), at, exact, rest).await?;
    let pool = |entry: &Entry| {
        all.declared.push(parse(entry)?);
        Ok(())
    };
    entries(store, layout.pools(), at, exact, pool).await?;
    let last = |entry: &Entry| {
        all.taken = Some((entry.value.clone(), parse(entry)?));
        Ok(())
    };
    entries(store, Keys::One(layout.taken()), at, exact, last).await?;
    if exact {
        let prefix = layout.idempotency(ANSWERS);
        let length = prefix.len();
        let answer = |entry: &Entry| {
            let name = entry.key.get(length..).and_then(|key| std::str::from_utf8(key).ok());
            let known = name
                .and_then(|name| name.split_once('-'))
                .and_then(|(at, hash)| Some((u64::from_str_radix(at, 16).ok()?, unhex(hash)?)));
            all.known.extend(known);
            Ok(())
        };
        entries(store, Keys::Prefix(prefix), at, exact, answer).await?;
    }
    Ok(all)
}

impl<S: Store, C: Store> Desk<S, C> {
    /// Reads everything: who leads the store itself, others what they know of it.
    pub(super) async fn load(&mut self) -> Result<(), Error> {
        let layout = &self.setting.layout;
        let all = match self.guard {
            Some(_) => all(&self.setting.store, layout, true).await?,
            None => all(&self.setting.copy, layout, false).await?,
        };
        let All { held, cooling, declared, known, taken } = all;
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
    let found = store.range(Range::of(Keys::One(key))).await.map_err(|error| failed(&error))?;
    match found.entries.first().map(parse::<Kept>).transpose()? {
        Some(kept) if unhex(&kept.request).as_ref() == Some(request) => Ok(kept.answer),
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
        let found = store
            .range(Range::of(Keys::One((*key).clone())))
            .await
            .map_err(|error| failed(&error))?;
        if found.entries.first().is_some_and(|entry| entry.value == **value) {
            return Ok(true);
        }
    }
    Ok(false)
}
