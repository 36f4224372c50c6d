//! The one thread that writes. It takes what waits as a group, does it in order, and makes it durable once; then it answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redb::Database;
use tokio::sync::{mpsc, oneshot, watch};

use super::codec::Change;
use super::tables::{Mind, Tables, failed};
use super::{File, Shared};
use crate::clock::Clock;
use crate::error::Error;
use crate::leases::seconds;
use crate::model::{Event, LeaseId, Revision, Txn, TxnAnswer};
use crate::rules;

/// Requests that are made durable at a time.
const GROUP: usize = 1024;

/// Octets of requests that are made durable at a time.
const GROUP_OCTETS: usize = 8 << 20;

/// Rows that are taken out of the log at a time.
const TRIM: usize = 128;

/// The part of the time that the last group took that is waited for who was answered by it, and the longest such wait.
const LINGER: (u32, Duration) = (8, Duration::from_millis(1));

/// How often ended leases are looked for.
const TICK: Duration = Duration::from_millis(100);

/// The longest wait before a file that failed is opened once more.
const LONGEST: Duration = Duration::from_secs(5);

/// What is asked of the writer, and where the answer goes.
pub(super) enum Request {
    Txn(Txn, oneshot::Sender<Result<TxnAnswer, Error>>),
    Grant(Duration, oneshot::Sender<Result<LeaseId, Error>>),
    KeepAlive(LeaseId, oneshot::Sender<Result<Duration, Error>>),
    Revoke(LeaseId, oneshot::Sender<Result<(), Error>>),
    Compact(Revision, oneshot::Sender<Result<(), Error>>),
}

impl Request {
    fn octets(&self) -> usize {
        match self {
            Self::Txn(txn, _) => rules::octets(txn),
            _ => 0,
        }
    }

    fn refuse(self, error: Error) {
        // Who does not wait for the answer needs none.
        match self {
            Self::Txn(_, answer) => drop(answer.send(Err(error))),
            Self::Grant(_, answer) => drop(answer.send(Err(error))),
            Self::KeepAlive(_, answer) => drop(answer.send(Err(error))),
            Self::Revoke(_, answer) | Self::Compact(_, answer) => drop(answer.send(Err(error))),
        }
    }
}

/// An answer that waits for its group to be durable.
type Answer = Box<dyn FnOnce(Result<(), Error>)>;

fn later<T: 'static>(to: oneshot::Sender<Result<T, Error>>, answer: Result<T, Error>) -> Answer {
    Box::new(move |durable| drop(to.send(answer.and_then(|answer| durable.map(|()| answer)))))
}

/// The outcome of a group's work before it is durable.
#[derive(Default)]
struct Group {
    answers: Vec<Answer>,
    events: Vec<(Revision, Vec<Event>)>,
    /// Something must be written.
    writes: bool,
}

impl Group {
    fn changed(&mut self, mind: &Mind, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let at = Revision(mind.revision);
        self.events.push((at, changes.iter().map(|change| change.event(at)).collect()));
        self.writes = true;
    }
}

/// What is known of the last group. Who is answered often asks again at once: without a short wait, those who were answered and those who came
/// meanwhile would be two groups by turns, and each would wait for both.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How many may ask again now: who was answered, and who waited already.
    expected: usize,
    took: Duration,
}

/// The requests of a group.
struct Coming {
    /// The one that began it, where one did.
    first: Option<Request>,
    requests: usize,
    octets: usize,
    /// How many are waited for, how long, and since when.
    expected: usize,
    linger: Duration,
    begun: Instant,
}

impl Coming {
    fn after(first: Option<Request>, pace: &Pace) -> Self {
        let linger = (pace.took / LINGER.0).min(LINGER.1);
        let (expected, begun) = (pace.expected, Instant::now());
        Self { first, requests: 0, octets: 0, expected, linger, begun }
    }

    /// The next that waits, or that comes within a moment; none where the group is as large as it gets.
    fn next(&mut self, waiting: &mut mpsc::Receiver<Request>) -> Option<Request> {
        let request = loop {
            if let Some(first) = self.first.take() {
                break first;
            }
            if self.requests >= GROUP || self.octets >= GROUP_OCTETS {
                return None;
            }
            match waiting.try_recv() {
                Ok(request) => break request,
                Err(_) if self.requests == 0 || self.requests >= self.expected => return None,
                Err(_) if self.begun.elapsed() >= self.linger => return None,
                Err(_) => std::thread::yield_now(),
            }
        };
        self.requests += 1;
        self.octets += request.octets();
        Some(request)
    }
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) file: Box<dyn File>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) newest: watch::Sender<Revision>,
    pub(super) mind: Mind,
    pub(super) pace: Pace,
}

impl Writer {
    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, runtime: &tokio::runtime::Runtime) {
        loop {
            let first = runtime.block_on(async {
                let idle = if self.mind.untrimmed { Duration::ZERO } else { TICK };
                tokio::time::timeout(idle, self.requests.recv()).await
            });
            let first = match first {
                Ok(None) => return,
                Ok(first) => first,
                Err(_) => None,
            };
            let Some(database) = self.shared.database() else { return };
            if let Err(error) = self.do_all(&database, first) {
                drop(database);
                if !self.mend(error) {
                    return;
                }
            }
        }
    }

    /// Does a group: what waits, and what is about to come. Requests are done as they come, so that who makes them and who does them work at the same
    /// time. An error is one of the file: nobody knows what of the group is in it.
    fn do_all(&mut self, database: &Database, first: Option<Request>) -> Result<(), Error> {
        let now = self.clock.now();
        let ended = self.mind.leases.ended(now);
        if first.is_none() && ended.is_empty() && !self.mind.untrimmed {
            return Ok(());
        }
        let begun = Instant::now();
        let mut group = Group::default();
        let mut coming = Coming::after(first, &self.pace);
        let done = (|| {
            let txn = database.begin_write().map_err(failed)?;
            {
                let mut tables = Tables::of(&txn)?;
                for lease in ended {
                    let changes = tables.end(&mut self.mind, lease)?;
                    group.changed(&self.mind, &changes);
                    group.writes = true;
                }
                while let Some(request) = coming.next(&mut self.requests) {
                    one(&mut self.mind, &mut tables, &mut group, request, now)?;
                }
                if self.mind.untrimmed {
                    self.mind.untrimmed = tables.trim(&self.mind, TRIM)?;
                    group.writes = true;
                }
                if group.writes {
                    tables.finish(&mut self.mind)?;
                }
            }
            if group.writes { txn.commit().map_err(failed) } else { txn.abort().map_err(failed) }
        })();
        if let Err(error) = &done {
            if let Some(first) = coming.first.take() {
                first.refuse(error.clone());
            }
        } else {
            self.shared.recent.add(group.events, Revision(self.mind.compacted));
            self.newest.send_replace(Revision(self.mind.revision));
        }
        let expected = group.answers.len() + self.requests.len();
        self.pace = Pace { expected, took: begun.elapsed() };
        let durable = done.clone().map_err(|error| Error::OutcomeUnknown(error.reason()));
        for answer in group.answers {
            answer(durable.clone());
        }
        done
    }

    /// Opens the file again after an error; false where nobody waits for it any more.
    fn mend(&mut self, error: Error) -> bool {
        self.shared.recent.clear();
        self.shared.lose(error);
        let mut wait = Duration::from_millis(20);
        loop {
            match self.file.open().and_then(|database| {
                let mind = Mind::of(&database, self.clock.now())?;
                Ok((database, mind))
            }) {
                Ok((database, mind)) => {
                    self.mind = mind;
                    self.shared.regain(database);
                    self.newest.send_replace(Revision(self.mind.revision));
                    return true;
                }
                Err(error) => self.shared.lose(error),
            }
            // Who asks meanwhile is told at once.
            let deadline = self.clock.now() + wait;
            while self.clock.now() < deadline {
                match self.requests.try_recv() {
                    Ok(request) => request.refuse(self.shared.why()),
                    Err(mpsc::error::TryRecvError::Disconnected) => return false,
                    Err(mpsc::error::TryRecvError::Empty) => {
                        std::thread::park_timeout(Duration::from_millis(10));
                    }
                }
            }
            wait = (wait * 2).min(LONGEST);
        }
    }
}

/// Does one request. An error is one of the file; one of the request is its answer.
fn one(
    mind: &mut Mind,
    tables: &mut Tables<'_>,
    group: &mut Group,
    request: Request,
    now: Duration,
) -> Result<(), Error> {
    /// The file's own errors end the group.
    fn own<T>(result: Result<T, Error>) -> Result<Result<T, Error>, Error> {
        match result {
            Err(error @ (Error::Unavailable(_) | Error::Damaged(_))) => Err(error),
            other => Ok(other),
        }
    }
    let answer = match request {
        Request::Txn(txn, to) => match own(tables.txn(mind, &txn, now)) {
            Ok(done) => {
                if let Ok((_, changes)) = &done {
                    group.changed(mind, changes);
                }
                later(to, done.map(|(answer, _)| answer))
            }
            Err(error) => return refuse(to, error),
        },
        Request::Grant(ttl, to) => {
            let granted = seconds(ttl).and_then(|ttl| tables.grant(mind, ttl, now));
            match own(granted) {
                Ok(granted) => {
                    group.writes |= granted.is_ok();
                    later(to, granted)
                }
                Err(error) => return refuse(to, error),
            }
        }
        Request::KeepAlive(lease, to) => later(to, mind.leases.keep(lease, now)),
        Request::Revoke(lease, to) if !mind.leases.holds(lease, now) => {
            later(to, Err(Error::NoLease(lease)))
        }
        Request::Revoke(lease, to) => match own(tables.end(mind, lease)) {
            Ok(ended) => {
                if let Ok(changes) = &ended {
                    group.changed(mind, changes);
                }
                group.writes = true;
                later(to, ended.map(|_| ()))
            }
            Err(error) => return refuse(to, error),
        },
        Request::Compact(at, to) => {
            let (compacted, newest) = (Revision(mind.compacted), Revision(mind.revision));
            let done = rules::compactable(at, compacted, newest);
            if done.is_ok() {
                mind.compacted = at.0;
                mind.untrimmed = true;
                group.writes = true;
            }
            later(to, done)
        }
    };
    group.answers.push(answer);
    Ok(())
}

fn refuse<T>(to: oneshot::Sender<Result<T, Error>>, error: Error) -> Result<(), Error> {
    drop(to.send(Err(error.clone())));
    Err(error)
}
