//! A server that dies at any of its writes, or whose answer is lost there.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use netwright_control::change::{Refusal, Request};
use netwright_control::keys::Layout;
use netwright_control::network::Keeper;
use netwright_store::memory::Memory;
use netwright_store::{
    Error, Found, Keys, LeaseId, Range, Revision, Status, Store, Txn, TxnAnswer, Watch,
};

use super::{MISTAKE, NETWORK, apply, changes, guard, store};

/// What happens at the write at which it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It is not done, and neither is anything after it.
    Before,
    /// It is done, nobody is told, and nothing after it is done.
    After,
    /// It is done, and its answer is lost; the next writes are answered.
    AnswerLost,
}

/// A store that a server loses at one of its writes.
#[derive(Clone)]
pub(crate) struct Dying {
    inner: Memory,
    left: Arc<AtomicI64>,
    end: End,
}

impl Dying {
    pub(crate) fn new(inner: Memory, after: i64, end: End) -> Self {
        Self { inner, left: Arc::new(AtomicI64::new(after)), end }
    }

    fn dead(&self) -> bool {
        self.end != End::AnswerLost && self.left.load(Ordering::SeqCst) < 0
    }
}

fn gone<T>() -> Result<T, Error> {
    Err(Error::Unavailable("the server is dead".to_owned()))
}

impl Store for Dying {
    async fn range(&self, range: Range) -> Result<Found, Error> {
        if self.dead() { gone() } else { self.inner.range(range).await }
    }

    async fn txn(&self, txn: Txn) -> Result<TxnAnswer, Error> {
        if self.dead() {
            return gone();
        }
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left != 0 {
            return self.inner.txn(txn).await;
        }
        if self.end == End::Before {
            return gone();
        }
        self.inner.txn(txn).await?;
        Err(Error::OutcomeUnknown("the answer was lost".to_owned()))
    }

    async fn watch(&self, keys: Keys, from: Revision) -> Result<Watch, Error> {
        self.inner.watch(keys, from).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        self.inner.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        self.inner.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.inner.revoke(lease).await
    }

    async fn compact(&self, at: Revision) -> Result<(), Error> {
        self.inner.compact(at).await
    }

    async fn status(&self) -> Result<Status, Error> {
        self.inner.status().await
    }
}

fn forced(text: &str) -> Request {
    Request {
        force: Some("drill".to_owned()),
        again: Some(("k".into(), "r".into())),
        ..apply(text)
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_leaves_the_old_network_or_the_new_one() {
    let large = super::large::description(150);
    for (end, text) in [End::Before, End::After, End::AnswerLost]
        .into_iter()
        .flat_map(|end| [MISTAKE, large.as_str()].map(|text| (end, text)))
    {
        let mut landed = (0, 0);
        for writes in 0..6 {
            let store = store().await;
            let old = changes(store.clone()).propose(&guard(), apply(NETWORK)).await.unwrap();
            let dying = changes(Dying::new(store.clone(), writes, end));
            let answer = dying.propose(&guard(), forced(text)).await;
            let now = Keeper::new(store.clone(), Layout::default()).newest().await.unwrap();
            let is_old = now.objects == old.live.objects;
            match &answer {
                Ok(accepted) => assert_eq!(accepted.live.objects, now.objects),
                Err(Refusal::Store(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
            if is_old {
                landed.0 += 1;
            } else {
                landed.1 += 1;
            }
            // Whatever was heard, the same request comes to the same end, once.
            let again = changes(store.clone()).propose(&guard(), forced(text)).await.unwrap();
            let (history, _) = changes(store).history(Revision(0), 10).await.unwrap();
            assert_eq!(history.len(), 2, "{end:?} {writes}");
            assert_eq!(again.answer.revision, Some(history[1].revision));
            if let Ok(accepted) = answer {
                assert_eq!(accepted.answer, again.answer);
            }
        }
        assert!(landed.1 > 0, "{end:?}");
        // A change of one write lands with it.
        let one = end == End::After && text == MISTAKE;
        assert!(one || end == End::AnswerLost || landed.0 > 0, "{end:?}");
    }
}
