//! A station that goes on: asks who is due, takes outcomes, tells people, keeps what is known.

use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::sleep_until;

use super::Station;
use super::clock::SteadyClock;
use super::kept::Folder;
use crate::alert::Notification;
use crate::alert::sink::Sink;
use crate::plan::Item;
use crate::probe::outcome::Outcome;
use crate::watcher::Ask;

/// Outcomes that are taken before anything else is done.
const AT_ONCE: usize = 4_096;

/// Between two writings of what is kept, at least; and how much longer than a writing takes.
const KEEP: Duration = Duration::from_secs(1);
const RESTING: u32 = 50;

/// Asks a thing, and hands over what came of it.
pub trait Asker {
    /// Asks; it neither waits nor fails: what cannot be asked has an unknown outcome.
    fn ask(&mut self, item: &Item, ask: Ask, tell: mpsc::Sender<(Ask, Outcome)>);
}

/// A station that several look at.
#[derive(Debug)]
pub struct Shared {
    station: Mutex<Station>,
    clock: SteadyClock,
    /// The number of the last entry of the journal.
    news: watch::Sender<u64>,
    woken: Notify,
}

impl Shared {
    /// Of a station, from now on.
    #[must_use]
    pub fn new(station: Station, clock: SteadyClock) -> Arc<Self> {
        let (news, _) = watch::channel(station.journal().last());
        Arc::new(Self { station: Mutex::new(station), clock, news, woken: Notify::new() })
    }

    /// Looks at the station, or changes it; whoever waits for news is told of it.
    pub fn with<T>(&self, work: impl FnOnce(&mut Station, Duration) -> T) -> T {
        let now = self.clock.now();
        let (done, last) = {
            let mut station = self.locked();
            let done = work(&mut station, now);
            (done, station.journal().last())
        };
        self.news.send_if_modified(|known| std::mem::replace(known, last) != last);
        done
    }

    /// The same, and whoever asks looks again whom to ask.
    pub fn change<T>(&self, work: impl FnOnce(&mut Station, Duration) -> T) -> T {
        let done = self.with(work);
        self.woken.notify_one();
        done
    }

    fn locked(&self) -> MutexGuard<'_, Station> {
        // Whoever panicked while it had the station left it between two steps that are each whole.
        self.station.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock.
    #[must_use]
    pub const fn clock(&self) -> &SteadyClock {
        &self.clock
    }

    /// Ends when something came after a number.
    pub async fn after(&self, number: u64) {
        let mut news = self.news.subscribe();
        // The sender lives as long as this.
        let _there = news.wait_for(|last| *last > number).await;
    }
}

/// What a station runs with.
#[derive(Debug)]
pub struct Run<A> {
    /// Who asks.
    pub asker: A,
    /// Whom people are told through.
    pub sinks: Vec<Sink>,
    /// Where it is kept what is known.
    pub folder: Option<Arc<Folder>>,
}

/// Runs a station until `until` ends.
pub async fn run<A: Asker>(shared: Arc<Shared>, mut with: Run<A>, until: impl Future<Output = ()>) {
    let (tell, mut told) = mpsc::channel(AT_ONCE);
    let mut until = std::pin::pin!(until);
    let mut keeper = Keeper::new(with.folder.take());
    loop {
        let next = shared.with(|station, now| {
            for ask in station.due(now) {
                if let Some(item) = station.item(&ask.target) {
                    with.asker.ask(item, ask, tell.clone());
                }
            }
            station.next(now)
        });
        let next = shared.clock.instant(next);
        let mut outcomes = Vec::new();
        tokio::select! {
            () = &mut until => break,
            outcome = told.recv() => outcomes.extend(outcome),
            () = shared.woken.notified() => {}
            () = sleep_until(next.into()) => {}
        }
        while outcomes.len() < AT_ONCE
            && let Ok(outcome) = told.try_recv()
        {
            outcomes.push(outcome);
        }
        let notifications: Vec<Notification> = shared.with(|station, now| {
            let each = |(ask, outcome)| station.told(&ask, outcome, now);
            let mut all: Vec<Notification> = outcomes.into_iter().flat_map(each).collect();
            all.extend(station.tick(now));
            all.extend(station.outbox());
            all
        });
        for notification in notifications.into_iter().map(Arc::new) {
            with.sinks.iter().for_each(|sink| sink.send(&notification));
        }
        keeper.step(&shared);
    }
    keeper.last(&shared).await;
    for sink in with.sinks {
        sink.close(Duration::from_secs(2)).await;
    }
}

/// Writes what is kept, in a thread of its own, and no more often than writing is cheap.
struct Keeper {
    folder: Option<Arc<Folder>>,
    due: Instant,
    writing: Option<oneshot::Receiver<(std::io::Result<()>, Duration)>>,
    failing: bool,
}

impl Keeper {
    fn new(folder: Option<Arc<Folder>>) -> Self {
        Self { folder, due: Instant::now(), writing: None, failing: false }
    }

    fn step(&mut self, shared: &Shared) {
        match self.writing.as_mut().map(oneshot::Receiver::try_recv) {
            Some(Err(oneshot::error::TryRecvError::Empty)) => return,
            Some(Ok(done)) => self.wrote(done, shared),
            Some(Err(oneshot::error::TryRecvError::Closed)) | None => {}
        }
        self.writing = None;
        if Instant::now() >= self.due {
            self.begin(shared);
        }
    }

    fn begin(&mut self, shared: &Shared) {
        let Some(folder) = self.folder.clone() else { return };
        let begun = Instant::now();
        let (kept, shown) = shared.with(|station, now| (station.kept(now), station.shown(now)));
        self.due = begun + KEEP;
        let (tell, told) = oneshot::channel();
        self.writing = Some(told);
        tokio::task::spawn_blocking(move || {
            let done = folder.save(&kept).and_then(|()| folder.show(&shown));
            // Who waits for it may have ended.
            let _ended = tell.send((done, begun.elapsed()));
        });
    }

    fn wrote(&mut self, (done, took): (std::io::Result<()>, Duration), shared: &Shared) {
        self.due = Instant::now() + KEEP.max(took * RESTING);
        match done {
            Ok(()) => self.failing = false,
            // Said once, not each second.
            Err(error) if !std::mem::replace(&mut self.failing, true) => {
                let text = format!("what is known cannot be kept: {error}");
                shared.with(|station, now| station.note(&text, now));
            }
            Err(_) => {}
        }
    }

    async fn last(&mut self, shared: &Shared) {
        if let Some(writing) = self.writing.take() {
            let _whatever = writing.await;
        }
        self.begin(shared);
        if let Some(writing) = self.writing.take() {
            let _whatever = writing.await;
        }
    }
}
