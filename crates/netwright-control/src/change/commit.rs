//! Writing a change in one piece.
//!
//! Edits that are too large for one transaction are staged beside the history, in parts that nobody reads yet. One transaction then flips the
//! network: it holds only while this server leads, the network is the one that was proved, and, where the change uses addresses, nothing was
//! allocated or released since.
//! Whatever dies before leaves the old network; parts that were staged for nothing are swept later.

use std::time::Duration;

use bytes::Bytes;
use netwright_store::{Compare, Error, Keys, Op, Range, Revision, Store, Txn};
use serde::{Deserialize, Serialize};

use super::record::{Body, Record, Stored};
use crate::guard::Guard;
use crate::keys::Layout;
use crate::network::snapshot::PART;

/// Octets of a record up to which it holds what the change did itself.
const INLINE: usize = 200_000;

/// How often a transaction whose answer was lost is sent again. It holds for one state only, so that it is done once however often it arrives.
const TRIES: u32 = 6;

/// The first wait before that; each is twice as long.
const WAIT: Duration = Duration::from_millis(50);

/// What the key `head` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Key of the newest change's record.
    pub history: String,
    /// Its identifier.
    pub change: String,
}

/// The state that a change was judged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    /// The network's revision.
    pub network: Revision,
    /// The revision at which something was last allocated or released, 0 where nothing ever was; none for a change that uses no addresses.
    pub taken: Option<Revision>,
}

/// Why a change was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// Another change came first.
    Overtaken,
    /// Something was allocated or released since it was judged.
    Taken,
    /// This server leads no longer.
    NotLeading,
    /// The store failed. With [`Error::OutcomeUnknown`] it may have been written.
    Store(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Puts what a change did into its record, or beside it where that is too much: then it is in the store, and nobody reads it yet.
///
/// # Errors
///
/// When this server leads no longer, or the store fails.
pub async fn stage<S: Store>(
    store: &S,
    layout: &Layout,
    guard: &Guard,
    record: &mut Record,
    body: &Body,
) -> Result<(), Failed> {
    let damaged = |error: serde_json::Error| Error::Damaged(error.to_string());
    let text = serde_json::to_vec(body).map_err(damaged)?;
    if text.len() <= INLINE {
        record.body = Stored::Inline(Box::new(body.clone()));
    } else {
        record.body = Stored::Parts(text.chunks(PART).count());
        for (part, chunk) in text.chunks(PART).enumerate() {
            let op = Op::put(layout.change_part(&record.id, part), Bytes::copy_from_slice(chunk));
            let txn = Txn { compare: vec![guard.compare()], then: vec![op], otherwise: Vec::new() };
            // A part that is written twice is the same part.
            if !again(|| store.txn(txn.clone())).await?.succeeded {
                return Err(Failed::NotLeading);
            }
        }
    }
    Ok(())
}

/// Writes a change that was staged, and `beside` in the same transaction; the revision of the network that it makes.
///
/// # Errors
///
/// When what it was judged in is no longer so, or the store fails. Then the network is as it was, except where the store's answer was lost for good.
pub async fn commit<S: Store>(
    store: &S,
    layout: &Layout,
    guard: &Guard,
    basis: Basis,
    record: &Record,
    beside: &[Op],
) -> Result<Revision, Failed> {
    let damaged = |error: serde_json::Error| Error::Damaged(error.to_string());
    let history = layout.change_after(basis.network);
    let head =
        Head { history: String::from_utf8_lossy(&history).into_owned(), change: record.id.clone() };
    let flip = Txn {
        compare: [guard.compare(), Compare::unchanged(layout.head(), basis.network)]
            .into_iter()
            .chain(basis.taken.map(|taken| Compare::unchanged(layout.taken(), taken)))
            .collect(),
        then: [
            Op::put(layout.head(), serde_json::to_vec(&head).map_err(damaged)?),
            Op::put(history.clone(), serde_json::to_vec(record).map_err(damaged)?),
        ]
        .into_iter()
        .chain(beside.iter().cloned())
        .collect(),
        otherwise: vec![
            Op::Get(Range::of(Keys::One(history))),
            Op::Get(Range::of(Keys::One(layout.head()))),
            Op::Get(Range::of(Keys::One(layout.taken()))),
        ],
    };
    let answer = again(|| store.txn(flip.clone())).await?;
    if answer.succeeded {
        return Ok(answer.revision);
    }
    let mut found = answer.answers.into_iter().map(|answer| match answer {
        netwright_store::OpAnswer::Got(found) => found.entries.into_iter().next(),
        _ => None,
    });
    let (own, head, taken) =
        (found.next().flatten(), found.next().flatten(), found.next().flatten());
    // An earlier try may have arrived, though its answer did not.
    if let Some(own) = own {
        let is_own = serde_json::from_slice(&own.value).is_ok_and(|r: Record| r.id == record.id);
        return if is_own { Ok(own.modified) } else { Err(Failed::Overtaken) };
    }
    let revision =
        |entry: Option<netwright_store::Entry>| entry.map_or(Revision(0), |entry| entry.modified);
    if revision(head) != basis.network {
        Err(Failed::Overtaken)
    } else if basis.taken.is_some_and(|basis| basis != revision(taken)) {
        Err(Failed::Taken)
    } else {
        Err(Failed::NotLeading)
    }
}

/// Sends what may be sent twice again while its answer is lost.
pub(super) async fn again<T, F: Future<Output = Result<T, Error>>>(
    send: impl Fn() -> F,
) -> Result<T, Error> {
    let (mut wait, mut lost) = (WAIT, None);
    for _ in 0..TRIES {
        match send().await {
            Err(Error::OutcomeUnknown(why)) => lost = Some(why),
            // One that was sent before may have been done.
            Err(Error::Unavailable(why)) if lost.is_some() => lost = Some(why),
            other => return other,
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    Err(Error::OutcomeUnknown(lost.unwrap_or_default()))
}
