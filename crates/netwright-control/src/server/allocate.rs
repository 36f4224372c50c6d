//! The allocators of a server: they write while it leads, and know the network that it knows.

use std::sync::Arc;
use std::time::Duration;

use netwright_store::{
    AnyStore, Error, Found, Keys, LeaseId, Range, Revision, Status, Store, Txn, TxnAnswer, Watch,
};
use tokio::sync::watch;

use super::{State, Supply};
use crate::alloc::{Allocator, Live, Options, Setting};
use crate::guard::Guard;

/// The store of a server, as soon as it was opened.
#[derive(Clone)]
struct Supplied(watch::Receiver<Supply>);

impl Supplied {
    fn store(&self) -> Result<AnyStore, Error> {
        let none = || Error::Unavailable("the store has not been reached yet".to_owned());
        self.0.borrow().store.clone().ok_or_else(none)
    }
}

impl Store for Supplied {
    async fn range(&self, range: Range) -> Result<Found, Error> {
        self.store()?.range(range).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnAnswer, Error> {
        self.store()?.txn(txn).await
    }

    async fn watch(&self, keys: Keys, from: Revision) -> Result<Watch, Error> {
        self.store()?.watch(keys, from).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        self.store()?.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        self.store()?.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.store()?.revoke(lease).await
    }

    async fn compact(&self, at: Revision) -> Result<(), Error> {
        self.store()?.compact(at).await
    }

    async fn status(&self) -> Result<Status, Error> {
        self.store()?.status().await
    }
}

/// Starts them, and tells them who leads and what the network is, until the server ends.
pub(super) async fn run(state: Arc<State>) {
    let (guard, guard_seen) = watch::channel(None);
    let (live, live_seen) = watch::channel(Live::default());
    let mut seed = [0; 8];
    if let Err(error) = getrandom::fill(&mut seed) {
        tracing::error!(%error, "no random octets: nothing is allocated");
        return;
    }
    // Who has the store alone sends it what it writes in one order; requests to others may overtake each other.
    let window = if state.options.alone { Options::default().window } else { 1 };
    let allocator = Allocator::start(Setting {
        store: Supplied(state.store.subscribe()),
        copy: state.mirror.clone(),
        layout: state.layout.clone(),
        live: live_seen,
        guard: guard_seen,
        gate: state.changes.gate().clone(),
        wall: Arc::clone(&state.wall),
        seed: u64::from_be_bytes(seed),
        options: Options { window, ..Options::default() },
    });
    // It is started once.
    drop(state.allocator.set(allocator));
    let mut leads = state.leads();
    let mut networks = state.changes.keeper().states();
    loop {
        let lead: Option<Guard> = leads.borrow_and_update().as_ref().map(|lead| lead.guard());
        guard.send_if_modified(|own| std::mem::replace(own, lead.clone()) != lead);
        let known = networks.borrow_and_update().live.clone();
        if let Some(known) = known {
            let (revision, network) = (known.revision.0, Arc::clone(&known.network));
            live.send_if_modified(|own| {
                let changed = own.revision != revision;
                *own = Live { revision, network };
                changed
            });
        }
        tokio::select! {
            () = state.ended() => return,
            Ok(()) = leads.changed() => {}
            Ok(()) = networks.changed() => {}
            else => return,
        }
    }
}
