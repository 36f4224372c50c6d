//! Who did what, when, and how it ended: a line of the log, and a record in the store that outlives it.
//!
//! Requests do not wait for their record. What is waiting, and what is kept, is bounded: the oldest goes first. No record holds a secret or a body.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use netwright_store::{Error, Keys, MAX_OPS, Op, Range, Store, Txn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::State;
use crate::time::Time;

/// Records that wait to be written.
const WAITING: usize = 1024;

/// Records that are kept.
pub const KEPT: usize = 10_000;

/// After how many records the oldest are looked for.
const SWEEP: usize = 5_000;

/// The wait before a store that is away is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// When the request was answered.
    pub at: Time,
    /// The request's name, which its answer had in `x-request-id`.
    pub request: String,
    /// The server that answered.
    pub server: String,
    /// The id of the key; `local` for who asked from the server's machine while there were no keys.
    pub key: String,
    /// What the key is for.
    pub name: String,
    /// From which address.
    pub from: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The status it was answered with.
    pub status: u16,
    /// The kind of the problem, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Where records are put.
pub struct Audit {
    to: mpsc::Sender<Record>,
    lost: AtomicU64,
}

impl Audit {
    /// Where records are put, and where they come out.
    pub(super) fn new() -> (Self, mpsc::Receiver<Record>) {
        let (to, from) = mpsc::channel(WAITING);
        (Self { to, lost: AtomicU64::new(0) }, from)
    }

    /// Keeps a record.
    pub(crate) fn keep(&self, record: Record) {
        let Record { request, key, from, method, path, status, problem, .. } = &record;
        let problem = problem.as_deref().unwrap_or("");
        tracing::info!(request, key, from, method, path, status, problem, "audit");
        if self.to.try_send(record).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records that only the log has, because too many waited.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Writes records until the server has ended and all are written, or the store is away then.
pub(super) async fn run(state: Arc<State>, mut records: mpsc::Receiver<Record>) {
    let (mut some, mut written) = (Vec::new(), 0);
    loop {
        if some.is_empty() {
            tokio::select! {
                biased;
                count = records.recv_many(&mut some, MAX_OPS) => if count == 0 { return },
                () = state.closed() => {
                    while some.len() < MAX_OPS && let Ok(record) = records.try_recv() {
                        some.push(record);
                    }
                    if some.is_empty() {
                        return;
                    }
                }
            }
        }
        match write(&state, &some).await {
            Ok(()) => {
                written += some.len();
                some.clear();
                if written >= SWEEP {
                    written = 0;
                    if let Err(error) = sweep(&state).await {
                        tracing::warn!(%error, "old records of who did what stay");
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "records of who did what wait");
                tokio::select! {
                    () = sleep(AGAIN) => {}
                    () = state.closed() => {
                        let records = some.len();
                        tracing::warn!(records, "records of who did what are in the log only");
                        return;
                    }
                }
            }
        }
    }
}

async fn write(state: &State, records: &[Record]) -> Result<(), Error> {
    let store = state.store().map_err(|problem| Error::Unavailable(problem.detail().to_owned()))?;
    let put = |record: &Record| {
        let value = serde_json::to_vec(record).unwrap_or_default();
        Op::put(state.layout.audit(record.at.milliseconds(), &record.request), value)
    };
    // Written twice where an answer was lost, it is the same.
    store.txn(Txn::of(records.iter().map(put).collect())).await.map(|_| ())
}

/// Takes away the oldest beyond those that are kept.
async fn sweep(state: &State) -> Result<(), Error> {
    let store = state.store().map_err(|problem| Error::Unavailable(problem.detail().to_owned()))?;
    let all = store.range(Range::of(state.layout.all_audit())).await?.entries;
    let Some(more) = all.len().checked_sub(KEPT).filter(|more| *more > 0) else { return Ok(()) };
    let (Some(first), Some(kept)) = (all.first(), all.get(more)) else { return Ok(()) };
    let old = Keys::Between(first.key.clone(), kept.key.clone());
    store.txn(Txn::of(vec![Op::Delete(old)])).await.map(|_| ())
}
