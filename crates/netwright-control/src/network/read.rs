//! Reading the network from the store: the newest whole snapshot and the changes after it.

use std::sync::Arc;

use netwright_store::{Entry, Error, Keys, Range, Revision, Store};

use super::live::{Live, Unfit};
use super::objects::{Edit, Misfit, Objects};
use super::snapshot;
use crate::change::record::{Body, Record, Stored};
use crate::keys::Layout;

/// Entries that are asked for at a time. They may be large.
const PAGE: usize = 16;

/// All entries of some keys, page by page. What is read so is only ever added to, or is as good as gone when a part of it is.
pub(crate) async fn all<S: Store>(store: &S, mut keys: Keys) -> Result<Vec<Entry>, Error> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let found = store.range(Range::of(keys.clone()).limit(PAGE)).await?;
        let last = found.entries.last().map(|entry| entry.key.clone());
        entries.extend(found.entries);
        match last {
            Some(last) if found.more => keys = keys.after(&last),
            _ => return Ok(entries),
        }
    }
}

/// A change as the store has it.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The revision that it made.
    pub(crate) revision: Revision,
    /// Its record.
    pub(crate) record: Record,
}

/// The record of an entry of the history.
pub(crate) fn record(entry: &Entry) -> Result<Change, Error> {
    let record = serde_json::from_slice(&entry.value).map_err(|error| {
        Error::Damaged(format!("{}: {error}", String::from_utf8_lossy(&entry.key)))
    })?;
    Ok(Change { revision: entry.modified, record })
}

/// What a change did: from its record, or from the parts beside it.
pub(crate) async fn body<S: Store>(
    store: &S,
    layout: &Layout,
    record: &Record,
) -> Result<Body, Error> {
    let count = match &record.body {
        Stored::Inline(body) => return Ok(body.as_ref().clone()),
        Stored::Parts(count) => *count,
    };
    let parts = all(store, layout.change_parts(&record.id)).await?;
    if parts.len() != count {
        let (id, have) = (&record.id, parts.len());
        return Err(Error::Damaged(format!("change {id} has {have} of {count} parts")));
    }
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.value.iter().copied()).collect();
    let damaged = |error| Error::Damaged(format!("change {}: {error}", record.id));
    serde_json::from_slice(&bytes).map_err(damaged)
}

/// Changes from a revision of the network on, in their order.
pub(crate) async fn changes<S: Store>(
    store: &S,
    layout: &Layout,
    from: Revision,
) -> Result<Vec<Change>, Error> {
    all(store, self::from(layout, from)).await?.iter().map(record).collect()
}

/// Where the changes from a revision of the network on are.
pub(crate) fn from(layout: &Layout, from: Revision) -> Keys {
    let first = layout.change_after(from);
    match layout.history().after(&first) {
        Keys::Between(_, end) => Keys::Between(first, end),
        other => other,
    }
}

/// The network as it is now, read from nothing. The history is only ever added to: what is added while it is read does no harm.
pub(super) async fn load<S: Store>(
    store: &S,
    layout: &Layout,
    newest: Revision,
) -> Result<Live, Error> {
    if newest == Revision(0) {
        return Ok(Live::empty());
    }
    let snapshot = snapshot::newest(store, layout).await?;
    let (mut revision, mut objects) = snapshot.unwrap_or((Revision(0), Objects::default()));
    for change in changes(store, layout, revision).await? {
        if change.record.base != revision.0 {
            return Err(broken_chain(revision, &change));
        }
        for edit in body(store, layout, &change.record).await?.edits {
            objects.apply(&edit).map_err(misfit)?;
        }
        revision = change.revision;
    }
    if revision < newest {
        let message =
            format!("the history ends at revision {revision}, the network is at {newest}");
        return Err(Error::Damaged(message));
    }
    blocking(move || Live::of(objects, revision)).await?.map_err(unfit)
}

/// The network after the changes that followed it.
pub(super) async fn follow<S: Store>(
    store: &S,
    layout: &Layout,
    live: &Arc<Live>,
) -> Result<Live, Error> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut revision = live.revision;
    for change in changes(store, layout, revision).await? {
        if change.record.base != revision.0 {
            return Err(broken_chain(revision, &change));
        }
        edits.extend(body(store, layout, &change.record).await?.edits);
        revision = change.revision;
    }
    let live = Arc::clone(live);
    blocking(move || live.after(&edits, revision)).await?.map_err(unfit)
}

fn broken_chain(revision: Revision, change: &Change) -> Error {
    let base = change.record.base;
    Error::Damaged(format!("after revision {revision} comes a change of revision {base}"))
}

pub(super) fn misfit(misfit: Misfit) -> Error {
    Error::Damaged(misfit.0)
}

pub(super) fn unfit(unfit: Unfit) -> Error {
    Error::Damaged(match unfit {
        Unfit::Misfit(misfit) => misfit.0,
        Unfit::Wrong { diagnostics, sources } => {
            let first = diagnostics.first().map(|first| first.render(&sources, false));
            format!("the network cannot be read by this version: {}", first.unwrap_or_default())
        }
    })
}

/// Work that takes the processor for long.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Unavailable(format!("a task ended: {error}")))
}
