//! A process with a database, a queue and a journal: what a gateway and a worker have in common.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netwright_watch::startup::{Mode, Report};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, watch};

use crate::broken::Broken;
use crate::broker::Broker;
use crate::cache::Cache;
use crate::clock::{Clock, Follows, Stamp};
use crate::commands::Command;
use crate::database::Database;
use crate::journal::Journal;
use crate::links::Links;
use crate::merge::Job;
use crate::metrics::Metrics;
use crate::settings::Backend;
use crate::trouble::Trouble;

/// What a process believes of who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Belief {
    /// It leads in this epoch.
    pub(crate) epoch: i64,
    /// Until then, by its own monotonic clock.
    pub(crate) until: Instant,
}

/// Whether the system works as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Service {
    /// All is there.
    Normal,
    /// The database is there, the queue is not: jobs are found by looking.
    WithoutQueue,
    /// The database is away: mergeable writes wait, all others are refused, reads are old.
    WithoutDatabase,
}

/// A process.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) role: &'static str,
    pub(crate) name: String,
    pub(crate) settings: Backend,
    pub(crate) clock: Clock,
    pub(crate) database: Arc<Database>,
    pub(crate) broker: Broker,
    pub(crate) journal: Journal,
    pub(crate) links: Links,
    pub(crate) metrics: Metrics,
    /// What was read, for when it cannot be read again.
    pub(crate) cache: Cache<Value>,
    pub(crate) began: Instant,
    started: Mutex<Option<Report>>,
    belief: Mutex<Option<Belief>>,
    /// Jobs that were stored and are to be announced.
    pub(crate) announcements: mpsc::Sender<Job>,
    /// Answers that are to be kept in Redis.
    pub(crate) keepings: mpsc::Sender<(String, String)>,
    /// Writes of a broken variant that were acknowledged and are nowhere yet.
    pub(crate) unsafe_writes: Mutex<Vec<(Command, Stamp, String)>>,
    /// There may be a job.
    pub(crate) wake: Notify,
    pub(crate) end: watch::Receiver<bool>,
}

/// What the tasks of a process receive.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) announcements: mpsc::Receiver<Job>,
    pub(crate) keepings: mpsc::Receiver<(String, String)>,
}

impl Node {
    /// A process that is told this; nothing is connected yet.
    pub(crate) fn new(
        role: &'static str,
        settings: Backend,
        end: watch::Receiver<bool>,
    ) -> Result<(Arc<Self>, Inbox), String> {
        settings.common.check()?;
        let name = settings.common.name(role);
        let database =
            Database::new(&settings.database_url, &name, settings.pool_size, settings.times())?;
        let broker =
            Broker::new(&settings.redis_url, Duration::from_millis(settings.redis_ms.into()))?;
        let journal = Journal::open(&settings.data.join(&name))?;
        let follows = match settings.common.broken {
            Some(Broken::WallClockWins) => Follows::WallClock,
            _ => Follows::Everything,
        };
        let clock = Clock::new(settings.common.clock_offset_ms, follows);
        for entry in journal.pending() {
            clock.hear(entry.stamp.hlc);
        }
        let (announce, announcements) = mpsc::channel(4096);
        let (keep, keepings) = mpsc::channel(1024);
        let node = Self {
            role,
            name,
            clock,
            database: Arc::new(database),
            broker,
            journal,
            links: Links::default(),
            metrics: Metrics::default(),
            cache: Cache::default(),
            began: Instant::now(),
            started: Mutex::default(),
            belief: Mutex::default(),
            announcements: announce,
            keepings: keep,
            unsafe_writes: Mutex::default(),
            wake: Notify::new(),
            settings,
            end,
        };
        Ok((Arc::new(node), Inbox { announcements, keepings }))
    }

    /// What is wrong on purpose.
    pub(crate) const fn broken(&self) -> Option<Broken> {
        self.settings.common.broken
    }

    /// A stamp for something that happens now.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { hlc: self.clock.tick(), node: self.name.clone() }
    }

    /// How well it can serve.
    pub(crate) fn service(&self) -> Service {
        if !self.database.is_there() {
            Service::WithoutDatabase
        } else if self.broker.is_there() {
            Service::Normal
        } else {
            Service::WithoutQueue
        }
    }

    /// How its start went, once it is decided.
    pub(crate) fn started(&self) -> Option<Report> {
        lock(&self.started).clone()
    }

    /// Its start is so far.
    pub(crate) fn tell_start(&self, report: &Report) {
        *lock(&self.started) = Some(report.clone());
    }

    /// Refuses requests while the start is not over, or has failed.
    pub(crate) fn open(&self) -> Result<(), Trouble> {
        let why = match self.started() {
            Some(report) if report.complete => return Ok(()),
            Some(report) => {
                report.hindrance().unwrap_or_else(|| "the start is not over".to_owned())
            }
            None => "the start is not over".to_owned(),
        };
        Err(Trouble::Away { what: "service", why, retry: Duration::from_secs(1) })
    }

    /// What it believes of who leads, as long as it may.
    pub(crate) fn belief(&self) -> Option<Belief> {
        lock(&self.belief).filter(|belief| Instant::now() < belief.until)
    }

    /// It leads from now on, or does not.
    pub(crate) fn believe(&self, belief: Option<Belief>) {
        *lock(&self.belief) = belief;
    }

    /// A task that ends with the process.
    pub(crate) async fn pause(&self, time: Duration) -> bool {
        let mut end = self.end.clone();
        tokio::select! {
            () = crate::http::ended(&mut end) => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// Its health, and whether that is good enough for 200.
    pub(crate) fn health(&self) -> (bool, Value) {
        let report = self.started();
        let complete = report.as_ref().is_some_and(|report| report.complete);
        let service = self.service();
        let database = self.database.is_there();
        let bypassed = report.as_ref().is_some_and(|report| report.mode == Mode::EmergencyDegraded);
        let status = match (complete, service, bypassed) {
            (false, ..) => "unhealthy",
            (true, Service::Normal, false) => "healthy",
            _ => "degraded",
        };
        let (pending, octets) = self.journal.size();
        let word = |there: bool| if there { "healthy" } else { "unhealthy" };
        let body = json!({
            "status": status,
            "node": self.name,
            "role": self.role,
            "mode": service,
            "database": word(database),
            "queue": word(self.broker.is_there()),
            "journal": { "pending": pending, "octets": octets },
            "startup": report,
            "broken_on_purpose": self.broken().map(Broken::name),
            "uptime_s": self.began.elapsed().as_secs(),
        });
        (complete, body)
    }
}

/// Looks into a mutex, also after a panic.
pub(crate) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
