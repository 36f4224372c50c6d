//! What the store held when it was last heard, in memory: what a server answers reads from.
//!
//! It is read as a [`Store`], so that whatever reads a store reads it too, also while the store is away; what writes is told that this cannot
//! be. One watch of the store feeds it, and it feeds all others: each of them reads on from its own place in one log, so that a slow one costs
//! nothing, and one that is slower than the log is long is told so.
//!
//! Records of who did what, and answers that are kept for requests that come again, are not in it: nobody reads those often. Of the history of the
//! network it has the newest part ([`recent`]); who asks for what was before is answered by the store itself, while it is there.

mod recent;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use netwright_store::{
    AnyStore, Batch, Clock, Entry, Error, Event, Found, Keys, LeaseId, Log, Range, Revision,
    Status, Store, Txn, TxnAnswer, Watch,
};
use tokio::sync::watch;

use crate::keys::Layout;
use crate::time::Time;
use recent::Recent;
pub use recent::read;

/// Events that are kept for those who watch.
const LOG: usize = 65_536;

/// Octets of keys and values of them.
const LOG_OCTETS: usize = 64 << 20;

/// Events that are told at a time.
const AT_A_TIME: usize = 256;

/// Where what is known comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Nothing is known yet.
    Nothing,
    /// A file of an earlier run, written then.
    File(Time),
    /// The store.
    Store,
}

/// An event, and how it is written for those who watch over HTTP: once for all of them.
#[derive(Debug)]
pub struct Told {
    /// The event.
    pub event: Event,
    /// As it is written, when it was.
    pub written: OnceLock<Bytes>,
}

struct Content {
    entries: BTreeMap<Bytes, Entry>,
    revision: Revision,
    log: VecDeque<Arc<Told>>,
    octets: usize,
    /// Events up to this revision are not in the log.
    forgotten: Revision,
    source: Source,
    /// When it was known to be all that the store held.
    seen: Duration,
    recent: Recent,
    /// The store itself, for what was long ago.
    behind: Option<AnyStore>,
}

/// The copy. A handle is cheap to clone.
#[derive(Clone)]
pub struct Mirror {
    content: Arc<RwLock<Content>>,
    newest: watch::Sender<Revision>,
    /// When what agents follow changed.
    marks: watch::Sender<Marks>,
    clock: Arc<dyn Clock>,
    layout: Layout,
}

/// The revisions at which what agents follow became what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// The network.
    pub network: Revision,
    /// Which hosts there are.
    pub hosts: Revision,
    /// What they are to ask with packets.
    pub probe: Revision,
    /// Which faults there are.
    pub faults: Revision,
}

impl Mirror {
    /// One that knows nothing.
    #[must_use]
    pub fn new(layout: Layout, clock: Arc<dyn Clock>) -> Self {
        let content = Content {
            entries: BTreeMap::new(),
            revision: Revision::EMPTY,
            log: VecDeque::new(),
            octets: 0,
            forgotten: Revision::EMPTY,
            source: Source::Nothing,
            seen: Duration::ZERO,
            recent: Recent::default(),
            behind: None,
        };
        let (newest, _) = watch::channel(Revision::EMPTY);
        let (marks, _) = watch::channel(Marks {
            network: Revision(0),
            hosts: Revision::EMPTY,
            probe: Revision::EMPTY,
            faults: Revision::EMPTY,
        });
        Self { content: Arc::new(RwLock::new(content)), newest, marks, clock, layout }
    }

    fn read(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Content> {
        self.content.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that it does not hold.
    fn leaves_out(&self, key: &[u8]) -> bool {
        self.layout.all_audit().contains(key) || self.layout.all_idempotency().contains(key)
    }

    /// Holds these entries and no others. Who watches from before is told that it is not known what happened.
    pub fn load(&self, entries: Vec<Entry>, revision: Revision, source: Source) {
        let mut content = self.write();
        let kept = entries.into_iter().filter(|entry| !self.leaves_out(&entry.key));
        content.entries = kept.map(|entry| (entry.key.clone(), entry)).collect();
        let Content { recent, entries, .. } = &mut *content;
        *recent = Recent::of(&self.layout, entries);
        recent.shorten(&self.layout, entries);
        (content.revision, content.forgotten) = (revision, revision);
        content.log.clear();
        content.octets = 0;
        content.source = source;
        content.seen = self.clock.now();
        let head =
            content.entries.get(&self.layout.head()).map_or(Revision(0), |head| head.modified);
        drop(content);
        self.newest.send_replace(revision);
        self.marks.send_replace(Marks {
            network: head,
            hosts: revision,
            probe: revision,
            faults: revision,
        });
    }

    /// Holds what an earlier run has kept, unless the store was read already.
    pub fn recall(&self, entries: Vec<Entry>, revision: Revision, written: Time) {
        if self.source() == Source::Nothing {
            self.load(entries, revision, Source::File(written));
        }
    }

    /// Goes on with what happened.
    pub fn apply(&self, batch: Batch) {
        let mut content = self.write();
        let (before, hosts_keys) = (*self.marks.borrow(), self.layout.hosts());
        let faults_keys = self.layout.faults();
        let mut marks = before;
        for event in batch.events {
            if event.revision() <= content.revision || self.leaves_out(event.key()) {
                continue;
            }
            content.recent.hears(&self.layout, event.key());
            if *event.key() == self.layout.head() {
                marks.network = event.revision();
            } else if hosts_keys.contains(event.key()) {
                marks.hosts = event.revision();
            } else if *event.key() == self.layout.probe() {
                marks.probe = event.revision();
            } else if faults_keys.contains(event.key()) {
                marks.faults = event.revision();
            }
            match &event {
                Event::Put(entry) => {
                    content.entries.insert(entry.key.clone(), entry.clone());
                }
                Event::Deleted { key, .. } => {
                    content.entries.remove(key);
                }
            }
            content.octets += size(&event);
            content.log.push_back(Arc::new(Told { event, written: OnceLock::new() }));
        }
        content.revision = content.revision.max(batch.revision);
        content.forget();
        let Content { recent, entries, .. } = &mut *content;
        recent.shorten(&self.layout, entries);
        let revision = content.revision;
        drop(content);
        self.newest.send_replace(revision);
        if marks != before {
            self.marks.send_replace(marks);
        }
    }

    /// The store was at a revision a moment ago: where that is known here, this is all it holds.
    pub fn confirm(&self, store: Revision) {
        let mut content = self.write();
        if content.source == Source::Store && content.revision >= store {
            content.seen = self.clock.now();
        }
    }

    /// Asks a store for what was long ago, from now on.
    pub fn asks(&self, store: AnyStore) {
        self.write().behind = Some(store);
    }

    /// The store that is to be asked, where not all of some keys is here; none where it is.
    fn elsewhere(&self, keys: &Keys) -> Result<Option<AnyStore>, Error> {
        let content = self.read();
        if !content.recent.is_before(&self.layout, keys) {
            return Ok(None);
        }
        let none = || Error::Unavailable("what was long ago is in the store only".to_owned());
        content.behind.clone().map(Some).ok_or_else(none)
    }

    /// The store's revision that it holds.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.read().revision
    }

    /// Where what is known comes from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.read().source
    }

    /// How long ago this was all that the store held; none where nothing is known.
    #[must_use]
    pub fn age(&self, now: Time) -> Option<Duration> {
        let content = self.read();
        match content.source {
            Source::Nothing => None,
            Source::File(written) => Some(now.since(written)),
            Source::Store => Some(self.clock.now().saturating_sub(content.seen)),
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Entry> {
        self.read().entries.get(key).cloned()
    }

    /// The entries of some keys.
    #[must_use]
    pub fn of(&self, keys: &Keys) -> Vec<Entry> {
        self.read().entries.range(keys.bounds()).map(|(_, entry)| entry.clone()).collect()
    }

    /// How many entries some keys have.
    #[must_use]
    pub fn count(&self, keys: &Keys) -> usize {
        self.read().entries.range(keys.bounds()).count()
    }

    /// All entries and their revision.
    #[must_use]
    pub fn all(&self) -> (Vec<Entry>, Revision) {
        let content = self.read();
        (content.entries.values().cloned().collect(), content.revision)
    }

    /// Tells when there is something new.
    #[must_use]
    pub fn newest(&self) -> watch::Receiver<Revision> {
        self.newest.subscribe()
    }

    /// Tells when there is another network, or there are other hosts, other questions to them, or other faults.
    #[must_use]
    pub fn marks(&self) -> watch::Receiver<Marks> {
        self.marks.subscribe()
    }

    /// Events from a revision on, of whole revisions, a few hundred at a time; and up to which revision that is everything.
    ///
    /// # Errors
    ///
    /// [`Error::Compacted`] where they are not known any more, [`Error::Future`] where there is no such revision yet.
    pub fn since(&self, from: Revision) -> Result<(Vec<Arc<Told>>, Revision), Error> {
        let content = self.read();
        if from <= content.forgotten {
            return Err(Error::Compacted { at: content.forgotten });
        }
        if from > content.revision.next() {
            // It read a store that has been replaced by an older one since.
            return Err(Error::Future { asked: from, newest: content.revision });
        }
        let start = content.log.partition_point(|told| told.event.revision() < from);
        let last = content.log.get(start + AT_A_TIME - 1).map(|told| told.event.revision());
        let until = last.unwrap_or(content.revision);
        let told = content.log.range(start..).take_while(|told| told.event.revision() <= until);
        Ok((told.cloned().collect(), until))
    }
}

impl Content {
    /// Bounds the log; events of one revision are forgotten together.
    fn forget(&mut self) {
        while self.log.len() > LOG || self.octets > LOG_OCTETS {
            let Some(gone) = self.log.pop_front() else { return };
            self.octets = self.octets.saturating_sub(size(&gone.event));
            self.forgotten = gone.event.revision();
        }
        while self.log.front().is_some_and(|told| told.event.revision() <= self.forgotten) {
            if let Some(gone) = self.log.pop_front() {
                self.octets = self.octets.saturating_sub(size(&gone.event));
            }
        }
    }
}

fn size(event: &Event) -> usize {
    match event {
        Event::Put(entry) => entry.key.len() + entry.value.len(),
        Event::Deleted { key, .. } => key.len(),
    }
}

fn cannot(what: &str) -> Error {
    Error::Unavailable(format!("a copy of the store cannot {what}"))
}

impl Log for Mirror {
    async fn since(&self, from: Revision) -> Result<(Vec<Event>, Revision), Error> {
        let (told, until) = Self::since(self, from)?;
        Ok((told.iter().map(|told| told.event.clone()).collect(), until))
    }
}

impl Store for Mirror {
    async fn range(&self, range: Range) -> Result<Found, Error> {
        if let Some(store) = self.elsewhere(&range.keys)? {
            return store.range(range).await;
        }
        let content = self.read();
        if content.source == Source::Nothing {
            return Err(Error::Unavailable("nothing has been read of it yet".to_owned()));
        }
        match range.at {
            Some(asked) if asked > content.revision => {
                return Err(Error::Future { asked, newest: content.revision });
            }
            Some(asked) if asked < content.revision => {
                return Err(cannot("tell what was before"));
            }
            _ => {}
        }
        let found = content.entries.range(range.keys.bounds()).map(|(_, entry)| entry);
        let limit = range.limit.unwrap_or(usize::MAX);
        let mut entries: Vec<Entry> = found.take(limit.saturating_add(1)).cloned().collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        Ok(Found { entries, more, revision: content.revision })
    }

    async fn txn(&self, _: Txn) -> Result<TxnAnswer, Error> {
        Err(cannot("be written"))
    }

    async fn watch(&self, keys: Keys, from: Revision) -> Result<Watch, Error> {
        Ok(netwright_store::watch_over(self.clone(), keys, from, self.newest.subscribe()))
    }

    async fn grant(&self, _: Duration) -> Result<LeaseId, Error> {
        Err(cannot("grant leases"))
    }

    async fn keep_alive(&self, _: LeaseId) -> Result<Duration, Error> {
        Err(cannot("keep leases"))
    }

    async fn revoke(&self, _: LeaseId) -> Result<(), Error> {
        Err(cannot("end leases"))
    }

    async fn compact(&self, _: Revision) -> Result<(), Error> {
        Err(cannot("be compacted"))
    }

    async fn status(&self) -> Result<Status, Error> {
        let content = self.read();
        Ok(Status {
            revision: content.revision,
            compacted: Some(content.forgotten),
            octets: 0,
            engine: "a copy in memory".to_owned(),
        })
    }
}
