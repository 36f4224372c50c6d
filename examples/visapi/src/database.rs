//! PostgreSQL, as a pool that never waits longer than it was told: for a place, for a connection, for a statement.
//!
//! A connection whose work did not end as it should is not used again: it is closed, and the server gives up what it held. A breaker keeps requests
//! from waiting for a database that is away; it is told of each failure by requests and by probes.

pub(crate) mod migrations;
mod session;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netwright_watch::startup::{Ask, Breaker};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::timeout;

pub(crate) use session::Session;

use crate::trouble::Trouble;

/// How long each step may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// For a place in the pool.
    pub(crate) acquire: Duration,
    /// For a connection, with its start.
    pub(crate) connect: Duration,
    /// For a statement.
    pub(crate) statement: Duration,
}

/// What happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Statements.
    pub(crate) queries: AtomicU64,
    /// Connections that were made.
    pub(crate) connections: AtomicU64,
    /// Connections that could not be made, or broke.
    pub(crate) errors: AtomicU64,
    /// Waits for a place that were in vain.
    pub(crate) waits: AtomicU64,
}

/// A connection in use.
#[derive(Debug)]
struct Used {
    since: Instant,
    driver: AbortHandle,
}

/// A pool.
#[derive(Debug)]
pub(crate) struct Database {
    config: tokio_postgres::Config,
    times: Times,
    places: Arc<Semaphore>,
    size: AtomicUsize,
    idle: Mutex<Vec<Session>>,
    used: Mutex<BTreeMap<u64, Used>>,
    next: AtomicU64,
    /// Connections of an earlier generation are not used again.
    generation: AtomicU64,
    breaker: Mutex<Breaker>,
    began: Instant,
    /// What happened since the start.
    pub(crate) counts: Arc<Counts>,
}

/// How a pool is used now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Places.
    pub(crate) size: usize,
    /// Connections in use.
    pub(crate) used: usize,
    /// Connections that wait for use.
    pub(crate) idle: usize,
}

impl Database {
    /// A pool of so many places; nothing is connected yet.
    pub(crate) fn new(url: &str, node: &str, size: usize, times: Times) -> Result<Self, String> {
        let mut config: tokio_postgres::Config = url
            .parse()
            .map_err(|error| format!("the database's address cannot be read: {error}"))?;
        let milliseconds = |time: Duration| time.as_millis();
        // The server notices too when the other end is gone, and lets go of what was locked.
        let options = format!(
            "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} \
             -c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 -c tcp_user_timeout={}",
            milliseconds(times.statement),
            milliseconds(times.statement) / 2,
            milliseconds(times.statement) * 2,
            milliseconds(times.statement) * 2,
        );
        config
            .application_name(format!("visapi {node}"))
            .options(options)
            .connect_timeout(times.connect)
            .tcp_user_timeout(times.statement * 2)
            .keepalives(true)
            .keepalives_idle(Duration::from_secs(2))
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(3);
        let breaker = Breaker::new(
            3,
            (Duration::from_millis(500), Duration::from_secs(2)),
            times.connect + times.statement,
        );
        Ok(Self {
            config,
            times,
            places: Arc::new(Semaphore::new(size)),
            size: AtomicUsize::new(size),
            idle: Mutex::default(),
            used: Mutex::default(),
            next: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            breaker: Mutex::new(breaker),
            began: Instant::now(),
            counts: Arc::default(),
        })
    }

    /// A connection for one piece of work. Fails at once while the database is known to be away.
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<Lease, Trouble> {
        if let Ask::Wait(retry) = lock(&self.breaker).ask(self.began.elapsed()) {
            let why = "it did not answer before, and is asked again later".to_owned();
            return Err(Trouble::Away { what: "database", why, retry });
        }
        let result = self.place().await;
        match &result {
            Err(trouble) if trouble.is_away() => self.failed(),
            // Whoever was let through half open says how it went in any case.
            Err(_) => self.worked(),
            Ok(_) => {}
        }
        result
    }

    async fn place(self: &Arc<Self>) -> Result<Lease, Trouble> {
        let place = timeout(self.times.acquire, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            self.counts.waits.fetch_add(1, Ordering::Relaxed);
            let waited = self.times.acquire.as_millis();
            return Err(Trouble::Busy {
                why: format!("no connection of the pool was free within {waited} ms"),
            });
        };
        let generation = self.generation.load(Ordering::SeqCst);
        let session = loop {
            let Some(held) = lock(&self.idle).pop() else { break None };
            if held.generation == generation && !held.is_closed() {
                break Some(held);
            }
        };
        let session = match session {
            Some(session) => session,
            None => self.connect().await?,
        };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.used).insert(id, Used { since: Instant::now(), driver: session.driver() });
        Ok(Lease {
            session: Some(session),
            pool: Arc::clone(self),
            id,
            ended: false,
            _place: place,
        })
    }

    /// A connection outside the pool: for probes, and for what lasts.
    pub(crate) async fn connect(&self) -> Result<Session, Trouble> {
        let generation = self.generation.load(Ordering::SeqCst);
        let session =
            Session::connect(&self.config, self.times, generation, Arc::clone(&self.counts)).await;
        let count = if session.is_ok() { &self.counts.connections } else { &self.counts.errors };
        count.fetch_add(1, Ordering::Relaxed);
        session
    }

    /// The database answered.
    pub(crate) fn worked(&self) {
        lock(&self.breaker).worked();
    }

    /// The database did not answer.
    pub(crate) fn failed(&self) {
        self.counts.errors.fetch_add(1, Ordering::Relaxed);
        let opened = {
            let mut breaker = lock(&self.breaker);
            let was = breaker.is_closed();
            breaker.failed(self.began.elapsed());
            was && !breaker.is_closed()
        };
        if opened {
            // What lies idle is likely to be as dead as what was tried.
            self.reset();
        }
    }

    /// Whether it answered when it was asked last.
    pub(crate) fn is_there(&self) -> bool {
        lock(&self.breaker).is_closed()
    }

    /// Closes what lies idle, and what is in use when it comes back; says how many lay idle.
    pub(crate) fn reset(&self) -> usize {
        self.generation.fetch_add(1, Ordering::SeqCst);
        std::mem::take(&mut *lock(&self.idle)).len()
    }

    /// Breaks connections that have been in use for longer; says how many.
    pub(crate) fn break_stuck(&self, older: Duration) -> usize {
        let used = lock(&self.used);
        let stuck = used.values().filter(|used| used.since.elapsed() > older);
        stuck.map(|used| used.driver.abort()).count()
    }

    /// Gives the pool so many places; those in use are taken back as they are freed.
    pub(crate) fn resize(self: &Arc<Self>, size: usize) {
        let before = self.size.swap(size, Ordering::SeqCst);
        if size >= before {
            self.places.add_permits(size - before);
            return;
        }
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            for _ in size..before {
                if let Ok(place) = pool.places.acquire().await {
                    place.forget();
                }
            }
        });
    }

    /// How the pool is used.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            size: self.size.load(Ordering::SeqCst),
            used: lock(&self.used).len(),
            idle: lock(&self.idle).len(),
        }
    }
}

/// A connection that goes back to its pool when its work ended as it should, and is closed otherwise.
#[derive(Debug)]
pub(crate) struct Lease {
    session: Option<Session>,
    pool: Arc<Database>,
    id: u64,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Lease {
    /// Its connection.
    pub(crate) fn session(&mut self) -> Result<&mut Session, Trouble> {
        let gone = || Trouble::Fault { why: "a connection was used after its end".to_owned() };
        self.session.as_mut().ok_or_else(gone)
    }

    /// The work ended: nothing is open in the connection.
    pub(crate) fn done(mut self) {
        self.ended = true;
        self.pool.worked();
    }

    /// The work ended so: its connection goes back, or is closed.
    pub(crate) fn settle<T>(self, result: Result<T, Trouble>) -> Result<T, Trouble> {
        match &result {
            Ok(_) => self.done(),
            Err(trouble) => self.broke(trouble),
        }
        result
    }

    /// The work ended in this; the connection is closed, and the breaker hears of it.
    pub(crate) fn broke(self, trouble: &Trouble) {
        if trouble.is_away() {
            self.pool.failed();
        } else {
            self.pool.worked();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock(&self.pool.used).remove(&self.id);
        if let Some(session) = self.session.take()
            && self.ended
            && session.generation == self.pool.generation.load(Ordering::SeqCst)
        {
            lock(&self.pool.idle).push(session);
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
