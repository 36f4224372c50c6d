//! A store in one file.
//!
//! One thread writes: it makes many requests durable at once, and answers after that. Reads see the last group that is durable, each in its own
//! snapshot. The file is locked: one process has it. After an error of the disk the file is opened again, and what is asked meanwhile is told so.

mod codec;
mod recent;
mod tables;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redb::Database;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::error::Error;
use crate::model::{Event, Found, Keys, LeaseId, Range, Revision, Status, Txn, TxnAnswer};
use crate::watch::{Log, Watch};
use crate::{Store, rules};
use recent::Recent;
use tables::Mind;
use writer::{Pace, Request, Writer};

/// Requests that wait for the writer; who comes then waits too.
const WAITING: usize = 4096;

/// Revisions that are read from the file at a time.
const AT_A_TIME: usize = 256;

/// Octets of the file that are kept in memory.
const CACHE: usize = 64 << 20;

/// Where the file is. Tests put a faulty disk there.
pub trait File: Send + 'static {
    /// Opens it, and makes it where it is not there.
    ///
    /// # Errors
    ///
    /// Why it cannot be.
    fn open(&mut self) -> Result<Database, Error>;
}

impl File for PathBuf {
    fn open(&mut self) -> Result<Database, Error> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE);
        builder.create(&*self).map_err(tables::failed)
    }
}

/// A store in one file. The last handle ends its thread, which finishes what it was asked.
#[derive(Clone)]
pub struct Embedded {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
    newest: watch::Receiver<Revision>,
    path: Option<PathBuf>,
}

/// What the writer shares with readers.
struct Shared {
    database: RwLock<Result<Arc<Database>, Error>>,
    recent: Recent,
}

impl Shared {
    fn database(&self) -> Option<Arc<Database>> {
        self.open().ok()
    }

    fn open(&self) -> Result<Arc<Database>, Error> {
        self.database.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn why(&self) -> Error {
        self.open().err().unwrap_or_else(|| Error::Unavailable("it is being opened".to_owned()))
    }

    fn lose(&self, why: Error) {
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = Err(why);
    }

    fn regain(&self, database: Database) {
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = Ok(Arc::new(database));
    }
}

impl Embedded {
    /// Opens the file of a path, and makes it where it is not there. It needs a runtime for as long as it is open.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where it cannot be opened, also because another process has it; [`Error::Damaged`] where it is no store.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let mut store = Self::over(Box::new(path.to_owned()), clock)?;
        store.path = Some(path.to_owned());
        Ok(store)
    }

    /// The same of anything that holds a file.
    ///
    /// # Errors
    ///
    /// As of [`Self::open`].
    pub fn over(mut file: Box<dyn File>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let database = file.open()?;
        let mind = Mind::of(&database, clock.now())?;
        let (sender, receiver) = watch::channel(Revision(mind.revision));
        let (requests, waiting) = mpsc::channel(WAITING);
        let shared = Arc::new(Shared {
            database: RwLock::new(Ok(Arc::new(database))),
            recent: Recent::default(),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            file,
            clock,
            requests: waiting,
            newest: sender,
            mind,
            pace: Pace::default(),
        };
        // The writer outlives whatever runtime asks, so that it waits on one of its own.
        let unavailable = |error| Error::Unavailable(format!("no thread to write: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(unavailable)?;
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(&runtime))
            .map_err(unavailable)?;
        Ok(Self { requests, shared, newest: receiver, path: None })
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Request,
    ) -> Result<T, Error> {
        let (to, answer) = oneshot::channel();
        let ended = || Error::Unavailable("the store has ended".to_owned());
        self.requests.send(request(to)).await.map_err(|_| ended())?;
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(Error::OutcomeUnknown("the store has ended".to_owned())),
        }
    }

    async fn read<T: Send + 'static>(
        shared: &Shared,
        read: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let database = shared.open()?;
        let read = tokio::task::spawn_blocking(move || read(&database));
        read.await.map_err(|error| Error::Unavailable(format!("a read ended early: {error}")))?
    }
}

struct Events(Arc<Shared>);

impl Log for Events {
    async fn since(&self, from: Revision) -> Result<(Vec<Event>, Revision), Error> {
        if let Some(recent) = self.0.recent.since(from) {
            return Ok(recent);
        }
        let read = move |database: &Database| tables::changes(database, from, AT_A_TIME);
        let (found, until) = Embedded::read(&self.0, read).await?;
        let events = found
            .iter()
            .flat_map(|(at, changes)| changes.iter().map(|change| change.event(*at)))
            .collect();
        Ok((events, until))
    }
}

impl Store for Embedded {
    async fn range(&self, range: Range) -> Result<Found, Error> {
        Self::read(&self.shared, move |database| tables::read(database, &range)).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnAnswer, Error> {
        rules::check(&txn)?;
        self.ask(|to| Request::Txn(txn, to)).await
    }

    async fn watch(&self, keys: Keys, from: Revision) -> Result<Watch, Error> {
        let log = Events(Arc::clone(&self.shared));
        Ok(crate::watch::over(log, keys, from, self.newest.clone()))
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        self.ask(|to| Request::Grant(ttl, to)).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        self.ask(|to| Request::KeepAlive(lease, to)).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.ask(|to| Request::Revoke(lease, to)).await
    }

    async fn compact(&self, at: Revision) -> Result<(), Error> {
        self.ask(|to| Request::Compact(at, to)).await
    }

    async fn status(&self) -> Result<Status, Error> {
        let path = self.path.clone();
        let read = move |database: &Database| {
            let octets = path.and_then(|path| std::fs::metadata(path).ok());
            Ok((tables::numbers(database)?, octets.map_or(0, |file| file.len())))
        };
        let ((compacted, revision), octets) = Self::read(&self.shared, read).await?;
        let compacted = Some(compacted);
        Ok(Status { revision, compacted, octets, engine: "embedded (redb)".to_owned() })
    }
}
