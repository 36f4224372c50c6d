//! Who did what, when, and how it ended: a line of the log, and a record in the store that outlives it.
//!
//! Nothing that was done is answered before its record is in the store: allocations and changes write it in their own transaction, for others it is
//! waited for. Requests that were refused do not wait for theirs. What is waiting, and what is kept, is bounded: the oldest goes first. No record holds
//! a secret or a body.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use netwright_store::{Error, Keys, MAX_OPS, Op, Range, Store, Txn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::State;
use crate::beside::Beside;
use crate::keys::Layout;
use crate::time::Time;

/// Records that wait to be written.
const WAITING: usize = 1024;

/// Records that are kept.
pub const KEPT: usize = 10_000;

/// After how many records the oldest are looked for.
const SWEEP: usize = 5_000;

/// How often is looked whether there are too many, where none comes this way.
const LOOK: Duration = Duration::from_secs(60);

/// The wait before a store that is away is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a record of what was done is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// When the request came.
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

impl Record {
    fn key(&self, layout: &Layout) -> bytes::Bytes {
        layout.audit(self.at.milliseconds(), &self.request)
    }

    fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn log(&self) {
        let Self { request, key, from, method, path, status, problem, .. } = self;
        let problem = problem.as_deref().unwrap_or("");
        tracing::info!(request, key, from, method, path, status, problem, "audit");
    }
}

/// The record of a request that is not answered yet.
#[derive(Debug)]
pub(crate) struct Draft {
    record: Record,
    written: Arc<AtomicBool>,
}

impl Draft {
    pub(crate) fn of(record: Record) -> Self {
        Self { record, written: Arc::default() }
    }

    /// What writes it in the transaction that does what was asked.
    pub(crate) fn beside(&self, layout: &Layout, status: u16) -> Beside {
        let record = self.answered(status, None);
        Beside::new(record.key(layout), record.json(), Arc::clone(&self.written))
    }

    /// As it is when the request is answered.
    pub(crate) fn answered(&self, status: u16, problem: Option<String>) -> Record {
        Record { status, problem, ..self.record.clone() }
    }

    /// It was written in that transaction.
    pub(crate) fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }
}

/// A record that waits, and who waits for it.
pub(super) struct Waiting {
    record: Record,
    told: Option<oneshot::Sender<()>>,
}

/// Where records are put.
pub struct Audit {
    to: mpsc::Sender<Waiting>,
    lost: AtomicU64,
    /// Since the oldest were looked for.
    written: AtomicUsize,
}

impl Audit {
    /// Where records are put, and where they come out.
    pub(super) fn new() -> (Self, mpsc::Receiver<Waiting>) {
        let (to, from) = mpsc::channel(WAITING);
        (Self { to, lost: AtomicU64::new(0), written: AtomicUsize::new(0) }, from)
    }

    /// Keeps a record of what was not done.
    pub(crate) fn keep(&self, record: Record) {
        record.log();
        if self.to.try_send(Waiting { record, told: None }).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Keeps a record, and waits until it is in the store.
    ///
    /// # Errors
    ///
    /// It is not there in time; it may come later.
    pub(crate) async fn durable(&self, record: Record) -> Result<(), String> {
        record.log();
        let (told, done) = oneshot::channel();
        let kept = async {
            let waiting = Waiting { record, told: Some(told) };
            self.to.send(waiting).await.map_err(|_| "the server ends".to_owned())?;
            done.await.map_err(|_| "the server ends".to_owned())
        };
        let late = |_| format!("the store does not take it in {PATIENCE:?}");
        timeout(PATIENCE, kept).await.map_err(late)?
    }

    /// A record is in the store already.
    pub(crate) fn written(&self, record: &Record) {
        record.log();
        self.written.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that only the log has, because too many waited.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Writes records until the server has ended and all are written, or the store is away then.
pub(super) async fn run(state: Arc<State>, mut records: mpsc::Receiver<Waiting>) {
    let mut some = Vec::new();
    loop {
        if state.audit.written.load(Ordering::Relaxed) >= SWEEP {
            state.audit.written.store(0, Ordering::Relaxed);
            if let Err(error) = sweep(&state).await {
                tracing::warn!(%error, "old records of who did what stay");
            }
        }
        if some.is_empty() {
            tokio::select! {
                biased;
                count = records.recv_many(&mut some, MAX_OPS) => if count == 0 { return },
                () = sleep(LOOK) => continue,
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
                state.audit.written.fetch_add(some.len(), Ordering::Relaxed);
                for Waiting { told, .. } in some.drain(..) {
                    // Who went away needs no answer.
                    let _gone = told.map(|told| told.send(()));
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

async fn write(state: &State, records: &[Waiting]) -> Result<(), Error> {
    let store = state.store().map_err(|problem| Error::Unavailable(problem.detail().to_owned()))?;
    let put = |Waiting { record, .. }: &Waiting| Op::put(record.key(&state.layout), record.json());
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
