//! One of the engines, as an address says.

use std::time::Duration;

use crate::Store;
use crate::embedded::Embedded;
use crate::error::Error;
#[cfg(feature = "etcd")]
use crate::etcd::Etcd;
use crate::memory::Memory;
use crate::model::{Found, Keys, LeaseId, MemberStatus, Range, Revision, Status, Txn, TxnAnswer};
use crate::watch::Watch;

/// A store of any engine.
#[derive(Clone)]
pub enum AnyStore {
    /// In memory: it ends with its last handle.
    Memory(Memory),
    /// In one file.
    Embedded(Embedded),
    /// In etcd.
    #[cfg(feature = "etcd")]
    Etcd(Box<Etcd>),
}

macro_rules! each {
    ($any:expr, $store:ident => $answer:expr) => {
        match $any {
            AnyStore::Memory($store) => $answer,
            AnyStore::Embedded($store) => $answer,
            #[cfg(feature = "etcd")]
            AnyStore::Etcd($store) => $answer,
        }
    };
}

impl AnyStore {
    /// What each member says of itself, where several servers keep the store together; else none.
    pub async fn members(&self) -> Vec<MemberStatus> {
        match self {
            #[cfg(feature = "etcd")]
            Self::Etcd(store) => store.members().await,
            _ => Vec::new(),
        }
    }
}

impl Store for AnyStore {
    async fn range(&self, range: Range) -> Result<Found, Error> {
        each!(self, store => store.range(range).await)
    }

    async fn txn(&self, txn: Txn) -> Result<TxnAnswer, Error> {
        each!(self, store => store.txn(txn).await)
    }

    async fn watch(&self, keys: Keys, from: Revision) -> Result<Watch, Error> {
        each!(self, store => store.watch(keys, from).await)
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        each!(self, store => store.grant(ttl).await)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        each!(self, store => store.keep_alive(lease).await)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        each!(self, store => store.revoke(lease).await)
    }

    async fn compact(&self, at: Revision) -> Result<(), Error> {
        each!(self, store => store.compact(at).await)
    }

    async fn status(&self) -> Result<Status, Error> {
        each!(self, store => store.status().await)
    }
}
