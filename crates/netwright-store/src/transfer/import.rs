//! Into a store.

use std::io::{Read, Seek};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::TransferError;
use super::check::{Checked, Rows};
use super::export::unfinished;
use crate::model::{Keys, Op, Range, Revision, Txn};
use crate::{Error, Store};

/// Transactions that are on their way at a time while the store is brought to a revision.
const AT_ONCE: usize = 128;

/// How an import is done.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// What all keys begin with.
    pub prefix: String,
    /// What is there under the prefix is taken away first. Without it there must be nothing.
    pub replace: bool,
    /// Where the store is past the revisions of the export, its entries get new ones, in the same order.
    pub new_revisions: bool,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Entries.
    pub entries: u64,
    /// Each entry was written at the revision that it had.
    pub revisions_kept: bool,
    /// The store's revision afterwards.
    pub revision: Revision,
}

/// Whether an import into a prefix was begun and not finished.
///
/// # Errors
///
/// As the store's.
pub async fn is_unfinished(store: &impl Store, prefix: &str) -> Result<bool, Error> {
    let found = store.range(Range::of(Keys::One(unfinished(prefix)))).await?;
    Ok(!found.entries.is_empty())
}

/// Writes the entries of an export, in the order in which they were written there. While it lasts nobody else may write to the store, so that the
/// revisions are kept; a mark says that it is not finished.
///
/// # Errors
///
/// [`TransferError::Target`] where the prefix is not empty, the store is past the export's revisions, or somebody else writes to it;
/// [`TransferError::Store`] and [`TransferError::Io`] where the store or the file fails: what was written then is a part, and is marked so.
pub async fn import<F: Read + Seek + Send>(
    store: &impl Store,
    export: Checked<F>,
    options: &ImportOptions,
) -> Result<Imported, TransferError> {
    let mark = unfinished(&options.prefix);
    let (entries, lowest, last) = (export.entries(), export.lowest(), export.revision);
    let keep = begin(store, options, lowest, &mark).await?;
    let (rows, mut file) = export.take_apart();
    for group in rows.chunk_by(|one, other| one.0 == other.0) {
        let Some((revision, _)) = group.first() else { continue };
        if keep {
            reach(store, &mark, revision - 1).await?;
        }
        let mut txn = transaction(group, &mut file, &options.prefix)?;
        txn.then.push(Op::put(mark.clone(), "1"));
        let answer = store.txn(txn).await?;
        if keep && answer.revision.0 != *revision {
            return Err(somebody_else(answer.revision));
        }
    }
    // An empty export may be of a revision that the mark has passed.
    if keep && store.status().await?.revision.0 < last {
        reach(store, &mark, last).await?;
    }
    let done = store.txn(Txn::of(vec![Op::Delete(Keys::One(mark))])).await?;
    Ok(Imported { entries, revisions_kept: keep, revision: done.revision })
}

fn somebody_else(at: Revision) -> TransferError {
    let why = format!("somebody else writes to the store, which is at revision {at}: begin anew");
    TransferError::Target(why)
}

fn transaction<F: Read + Seek>(
    group: &[(u64, u64)],
    file: &mut Rows<F>,
    prefix: &str,
) -> Result<Txn, TransferError> {
    let mut then = Vec::with_capacity(group.len() + 1);
    for (_, place) in group {
        let row = file.at(*place)?;
        let key = [prefix.as_bytes(), &row.key].concat();
        then.push(Op::put(key, row.value));
    }
    Ok(Txn::of(then))
}

/// Makes room for the import, and marks that it is not finished; whether revisions are kept. Nothing is written where it cannot be done.
async fn begin(
    store: &impl Store,
    options: &ImportOptions,
    lowest: Option<u64>,
    mark: &Bytes,
) -> Result<bool, TransferError> {
    let all = Keys::Prefix(Bytes::copy_from_slice(options.prefix.as_bytes()));
    let there = store.range(Range::of(all.clone()).limit(1)).await?;
    let first = there.entries.first();
    if let (Some(entry), false) = (first, options.replace) {
        let key = String::from_utf8_lossy(&entry.key);
        return Err(TransferError::Target(format!(
            "the store is not empty: it has `{key}`; an import goes into an empty one, unless it may replace what is there"
        )));
    }
    let now = store.status().await?.revision.0 + u64::from(first.is_some());
    let keep = lowest.is_none_or(|lowest| now < lowest);
    if let (Some(lowest), false, false) = (lowest, keep, options.new_revisions) {
        return Err(TransferError::Target(format!(
            "the store is at revision {now}, and the export has entries from revision {lowest} on, so that they could not keep their revisions; \
             an import goes into a new store, unless it may give new ones"
        )));
    }
    if first.is_some() {
        store.txn(Txn::of(vec![Op::Delete(all)])).await?;
    }
    // The first entries may need the very next revision: then the mark comes with them.
    if lowest.is_none_or(|lowest| now + 1 < lowest || !keep) {
        store.txn(Txn::of(vec![Op::put(mark.clone(), "1")])).await?;
    }
    Ok(keep)
}

/// Brings the store to a revision: each write makes one.
async fn reach(store: &impl Store, mark: &Bytes, revision: u64) -> Result<(), TransferError> {
    loop {
        let now = store.status().await?.revision;
        let Some(left) = revision.checked_sub(now.0) else { return Err(somebody_else(now)) };
        if left == 0 {
            return Ok(());
        }
        // All that are begun are waited for, so that there are never too many.
        let mut writes = JoinSet::new();
        for _ in 0..left.min(AT_ONCE as u64) {
            let (store, mark) = (store.clone(), mark.clone());
            writes.spawn(async move { store.txn(Txn::of(vec![Op::put(mark, "1")])).await });
        }
        while let Some(written) = writes.join_next().await {
            let ended = |error| Error::OutcomeUnknown(format!("a write ended early: {error}"));
            written.map_err(ended)??;
        }
    }
}
