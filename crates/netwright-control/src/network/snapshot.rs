//! The whole network at a revision, in parts, so that a server need not begin with the first change.
//!
//! Parts are written one after the other, and the last one says that it is: a snapshot without it is as none.

use bytes::Bytes;
use netwright_store::{Compare, Error, Keys, Op, Range, Revision, Store, Txn};

use super::live::Live;
use super::objects::Objects;
use super::read::{all, misfit};
use crate::change::record::base_of;
use crate::guard::Guard;
use crate::keys::Layout;

/// Octets of a part. A transaction takes 1.4 MB.
pub(crate) const PART: usize = 1_000_000;

/// First line of a part that others follow.
const MORE: &[u8] = b"more\n";
/// First line of the last part.
const LAST: &[u8] = b"last\n";

/// Snapshots that are kept: one may be read while the next is written.
const KEPT: usize = 2;

/// Keys that are taken away in one transaction.
const AT_ONCE: usize = 64;

/// Whether a part is the last of its snapshot: then there is all of it.
pub(crate) fn is_last(part: &[u8]) -> bool {
    part.starts_with(LAST)
}

/// Writes one. False where this server leads no longer: then what was written is of no use, and is swept later.
///
/// # Errors
///
/// When the store fails.
pub async fn write<S: Store>(
    store: &S,
    layout: &Layout,
    guard: &Guard,
    live: &Live,
) -> Result<bool, Error> {
    let lines = live.objects.to_lines();
    let chunks: Vec<&[u8]> = lines.as_bytes().chunks(PART).collect();
    let count = chunks.len().max(1);
    for part in 0..count {
        let mark = if part + 1 == count { LAST } else { MORE };
        let value: Bytes = [mark, chunks.get(part).copied().unwrap_or_default()].concat().into();
        let op = Op::put(layout.snapshot_part(live.revision, part), value);
        let txn = Txn { compare: vec![guard.compare()], then: vec![op], otherwise: Vec::new() };
        if !store.txn(txn).await?.succeeded {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The newest whole one.
pub(super) async fn newest<S: Store>(
    store: &S,
    layout: &Layout,
) -> Result<Option<(Revision, Objects)>, Error> {
    for revision in revisions(store, layout).await?.into_iter().rev() {
        if let Some(text) = whole(store, layout, revision).await? {
            return Ok(Some((revision, Objects::from_lines(&text).map_err(misfit)?)));
        }
    }
    Ok(None)
}

/// The revision of the newest snapshot, be it whole or not.
pub(crate) async fn newest_revision<S: Store>(
    store: &S,
    layout: &Layout,
) -> Result<Option<Revision>, Error> {
    Ok(revisions(store, layout).await?.pop())
}

async fn whole<S: Store>(
    store: &S,
    layout: &Layout,
    revision: Revision,
) -> Result<Option<String>, Error> {
    let keys =
        Keys::Between(layout.snapshot_part(revision, 0), layout.snapshot_part(revision.next(), 0));
    let mut bytes: Vec<u8> = Vec::new();
    let mut ended = false;
    for (number, part) in all(store, keys).await?.into_iter().enumerate() {
        if ended || part.key != layout.snapshot_part(revision, number) {
            return Ok(None);
        }
        let Some(rest) = part.value.strip_prefix(MORE).or_else(|| {
            ended = true;
            part.value.strip_prefix(LAST)
        }) else {
            return Ok(None);
        };
        bytes.extend_from_slice(rest);
    }
    let damaged = |_| Error::Damaged(format!("the snapshot of revision {revision} is no text"));
    if ended { String::from_utf8(bytes).map(Some).map_err(damaged) } else { Ok(None) }
}

/// Revisions of which there are parts.
async fn revisions<S: Store>(store: &S, layout: &Layout) -> Result<Vec<Revision>, Error> {
    let first = layout.snapshot_part(Revision(0), 0);
    let start = first.len() - "00000000000000000000/000000".len();
    let mut keys = layout.snapshots();
    let mut found = Vec::new();
    loop {
        let Some(entry) = store.range(Range::of(keys).limit(1)).await?.entries.into_iter().next()
        else {
            return Ok(found);
        };
        let number =
            entry.key.get(start..start + 20).and_then(|part| std::str::from_utf8(part).ok());
        let revision = Revision(number.and_then(|text| text.parse().ok()).unwrap_or_default());
        keys = layout.snapshots().after(&layout.snapshot_part(revision, 999_999));
        found.push(revision);
    }
}

/// Takes away old snapshots, and parts of changes that never came to be. How many keys went.
///
/// # Errors
///
/// When the store fails.
pub async fn sweep<S: Store>(
    store: &S,
    layout: &Layout,
    guard: &Guard,
    live: Revision,
) -> Result<u64, Error> {
    let all = revisions(store, layout).await?;
    let mut whole_ones = 0;
    let mut gone: Vec<Keys> = Vec::new();
    for revision in all.into_iter().rev() {
        if whole_ones < KEPT && whole(store, layout, revision).await?.is_some() {
            whole_ones += 1;
        } else if revision < live {
            let from = layout.snapshot_part(revision, 0);
            gone.push(Keys::Between(from, layout.snapshot_part(revision.next(), 0)));
        }
    }
    for id in staged(store, layout).await? {
        // A change whose base another one followed can never come to be.
        let Some(base) = base_of(&id).filter(|base| *base < live) else { continue };
        let key = layout.change_after(base);
        let followed = store.range(Range::of(Keys::One(key))).await?;
        let is_own = |value: &[u8]| {
            serde_json::from_slice(value)
                .is_ok_and(|record: crate::change::record::Record| record.id == id)
        };
        if followed.entries.first().is_some_and(|entry| !is_own(&entry.value)) {
            gone.push(layout.change_parts(&id));
        }
    }
    let mut count = 0;
    for some in gone.chunks(AT_ONCE) {
        let then = some.iter().cloned().map(Op::Delete).collect();
        let compare: Vec<Compare> = vec![guard.compare()];
        let answer = store.txn(Txn { compare, then, otherwise: Vec::new() }).await?;
        if !answer.succeeded {
            return Ok(count);
        }
        count += some.len() as u64;
    }
    Ok(count)
}

/// Changes of which there are parts.
async fn staged<S: Store>(store: &S, layout: &Layout) -> Result<Vec<String>, Error> {
    let mut keys = layout.changes();
    let start = layout.change_parts("").bounds();
    let start = match &start.0 {
        std::ops::Bound::Included(prefix) => prefix.len() - 1,
        _ => 0,
    };
    let mut found = Vec::new();
    loop {
        let Some(entry) = store.range(Range::of(keys).limit(1)).await?.entries.into_iter().next()
        else {
            return Ok(found);
        };
        let rest = String::from_utf8_lossy(entry.key.get(start..).unwrap_or_default()).into_owned();
        let id = rest.split('/').next().unwrap_or_default().to_owned();
        keys = layout.changes().after(&layout.change_part(&id, 999_999));
        found.push(id);
    }
}
