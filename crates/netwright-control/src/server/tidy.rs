//! What a store that nobody else has forgets.
//!
//! Each write leaves what was before in the log of the embedded engine. Nobody asks for it later than a watch that is read on: the history of the
//! network is kept as entries. An etcd forgets as its own people have set it, for it may hold what is not ours.

use std::sync::Arc;
use std::time::Duration;

use netwright_store::{Error, Revision, Store};

use super::State;

/// What was longer ago than this is forgotten, at the latest after twice as long.
const KEPT: Duration = Duration::from_secs(600);

/// Forgets, while this server leads, until it ends.
pub(super) async fn run(state: Arc<State>) {
    if !state.options.alone {
        return;
    }
    let mut before = None;
    loop {
        tokio::select! {
            () = state.closed() => return,
            () = tokio::time::sleep(KEPT) => {}
        }
        let (Ok(store), Ok(_)) = (state.store(), state.lead()) else { continue };
        match forget(&store, before).await {
            Ok(now) => before = Some(now),
            Err(error) => tracing::warn!(%error, "what was long ago is not forgotten"),
        }
    }
}

/// Forgets what was before a revision; that of now.
async fn forget<S: Store>(store: &S, before: Option<Revision>) -> Result<Revision, Error> {
    let now = store.status().await?.revision;
    match before {
        // Nothing has happened since: it is forgotten already.
        Some(before) if before < now => match store.compact(before).await {
            Ok(()) | Err(Error::Compacted { .. }) => Ok(now),
            Err(error) => Err(error),
        },
        _ => Ok(now),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netwright_store::memory::Memory;
    use netwright_store::{Error, Keys, Monotonic, Op, Range, Store, Txn};

    use super::forget;

    #[tokio::test]
    async fn what_was_a_round_ago_is_forgotten_and_what_is_stays() {
        let store = Memory::new(Arc::new(Monotonic::default()));
        let write = async |value: &'static str| {
            store.txn(Txn::of(vec![Op::put("key", value)])).await.expect("written").revision
        };
        let first = write("a").await;
        let second = write("b").await;
        let seen = forget(&store, None).await.expect("a revision");
        assert_eq!(seen, second);
        let third = write("c").await;
        assert_eq!(forget(&store, Some(seen)).await.expect("a revision"), third);
        let at = |revision| store.range(Range::of(Keys::one("key")).at(revision));
        assert!(matches!(at(first).await, Err(Error::Compacted { .. })));
        assert_eq!(at(second).await.expect("kept").entries[0].value, "b");
        assert_eq!(at(third).await.expect("kept").entries[0].value, "c");
        assert_eq!(forget(&store, Some(third)).await.expect("nothing to do"), third);
    }
}
