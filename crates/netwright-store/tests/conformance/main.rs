//! What every engine does alike. Each rule is a function over any store; each engine is asked all of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on"
)]

mod leases;
mod model;
mod outages;
mod server;
mod transactions;
mod watches;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use netwright_store::embedded::Embedded;
use netwright_store::memory::Memory;
use netwright_store::{Clock, Entry, Keys, Op, Range, Revision, Store, Txn};

/// A clock that a test moves.
#[derive(Debug, Default)]
pub(crate) struct Hands(AtomicU64);

impl Hands {
    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A folder of a test's own, which goes with it.
pub(crate) struct Folder(std::path::PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("netwright-store-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn file(&self) -> std::path::PathBuf {
        self.0.join("store")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _stays = std::fs::remove_dir_all(&self.0);
    }
}

/// Lets time pass for a store under test.
pub(crate) trait Passes {
    async fn pass(&self, time: Duration);
}

impl Passes for Arc<Hands> {
    async fn pass(&self, time: Duration) {
        self.forward(time);
    }
}

/// Asks every engine every rule of a module.
#[macro_export]
macro_rules! every_engine {
    ($($rule:ident),+ $(,)?) => {
        mod memory {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    let hands = std::sync::Arc::new($crate::Hands::default());
                    super::$rule($crate::memory(&hands), hands).await;
                }
            )+
        }
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    let hands = std::sync::Arc::new($crate::Hands::default());
                    let folder = $crate::Folder::new();
                    super::$rule($crate::embedded(&folder, &hands), hands).await;
                }
            )+
        }
        mod etcd {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    if $crate::server::is_there() {
                        let (_server, store) = $crate::server::Server::start().await;
                        super::$rule(store, $crate::server::Real).await;
                    }
                }
            )+
        }
    };
}

pub(crate) fn memory(hands: &Arc<Hands>) -> Memory {
    Memory::new(Arc::<Hands>::clone(hands))
}

pub(crate) fn embedded(folder: &Folder, hands: &Arc<Hands>) -> Embedded {
    Embedded::open(&folder.file(), Arc::<Hands>::clone(hands)).unwrap()
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn put(key: &str, value: &str) -> Op {
    Op::put(bytes(key), bytes(value))
}

/// Writes a key; the revision.
pub(crate) async fn write(store: &impl Store, key: &str, value: &str) -> Revision {
    store.txn(Txn::of(vec![put(key, value)])).await.unwrap().revision
}

pub(crate) async fn delete(store: &impl Store, keys: Keys) -> Revision {
    store.txn(Txn::of(vec![Op::Delete(keys)])).await.unwrap().revision
}

pub(crate) async fn all(store: &impl Store) -> Vec<Entry> {
    store.range(Range::of(Keys::all())).await.unwrap().entries
}

/// Keys and values as texts.
pub(crate) fn texts(entries: &[Entry]) -> Vec<(String, String)> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    entries.iter().map(|entry| (text(&entry.key), text(&entry.value))).collect()
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Waits until something is so; a test that waits too long fails.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, is: impl Fn() -> F) {
    for _ in 0..400 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("waited ten seconds for this: {what}");
}
