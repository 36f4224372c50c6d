//! Requests that come again: the store remembers by which key a wish was granted, and what became of it.
//!
//! What was granted is remembered by the revision that its change was made of; what needed no change, with its whole answer. A wish that was refused is not
//! remembered: nothing was done, and it is judged again.

use netwright_store::{Entry, Error, Keys, Op, Range, Store, Txn};
use serde::{Deserialize, Serialize};

use super::service::{Answer, Refusal, Request};
use crate::guard::Guard;
use crate::keys::Layout;
use crate::network::read;

/// How long a request is known again, in milliseconds.
const REMEMBERED: u64 = 24 * 3_600_000;

/// A request that may come again, as the store remembers it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Again {
    /// What was asked.
    request: String,
    /// The revision that its change was made of.
    pub(super) base: u64,
    /// When, in milliseconds since 1970.
    at: u64,
    /// What was answered, where it needed no change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unchanged: Option<Box<Answer>>,
}

fn key(layout: &Layout, key: &str) -> bytes::Bytes {
    layout.idempotency(&format!("change-{key}"))
}

/// The entry by which a request is known when it comes again; none where it says nothing to be known by.
pub(super) fn op(
    layout: &Layout,
    request: &Request,
    base: u64,
    unchanged: Option<&Answer>,
) -> Option<Op> {
    let (own, asked) = request.again.as_ref()?;
    let unchanged = unchanged.cloned().map(Box::new);
    let again = Again { request: asked.clone(), base, at: request.now, unchanged };
    let value = serde_json::to_vec(&again).unwrap_or_default();
    Some(Op::put(key(layout, own), value))
}

/// What is remembered of a request. The store itself is asked: copies of it hold no answers, and may be late.
pub(super) async fn remembered<S: Store>(
    store: &S,
    layout: &Layout,
    (own, asked): (&str, &str),
) -> Result<Option<Again>, Refusal> {
    let found = store.range(Range::of(Keys::One(key(layout, own)))).await?.entries;
    let Some(entry) = found.first() else { return Ok(None) };
    let damaged = |error: serde_json::Error| Error::Damaged(error.to_string());
    let again: Again = serde_json::from_slice(&entry.value).map_err(damaged)?;
    if again.request == asked { Ok(Some(again)) } else { Err(Refusal::Reused) }
}

/// Forgets requests that come no more.
pub(super) async fn forget<S: Store>(
    store: &S,
    layout: &Layout,
    guard: &Guard,
    now: u64,
) -> Result<(), Error> {
    let old = |entry: &Entry| {
        let read: Result<Again, _> = serde_json::from_slice(&entry.value);
        read.map_or(true, |again| again.at.saturating_add(REMEMBERED) < now)
    };
    let entries = read::all(store, Keys::Prefix(key(layout, ""))).await?;
    let gone: Vec<Op> =
        entries.into_iter().filter(old).map(|entry| Op::Delete(Keys::One(entry.key))).collect();
    for then in gone.chunks(64) {
        let (compare, then) = (vec![guard.compare()], then.to_vec());
        store.txn(Txn { compare, then, otherwise: Vec::new() }).await?;
    }
    Ok(())
}
