//! The plain engine: every version of every key, in memory. It is meant to be read, and to be what the others are compared with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::error::Error;
use crate::leases::{Leases, seconds};
use crate::model::{
    Entry, Event, Found, Keys, LeaseId, Op, OpAnswer, Range, Revision, Status, Txn, TxnAnswer,
};
use crate::watch::{Log, Watch};
use crate::{Store, rules};

/// How often ended leases are looked for.
const TICK: Duration = Duration::from_millis(20);

/// A store that ends with its last handle.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    newest: watch::Sender<Revision>,
}

#[derive(Default)]
struct State {
    revision: u64,
    compacted: u64,
    /// Every version of every key, the oldest first; none where it was taken away.
    versions: BTreeMap<Bytes, Vec<(u64, Option<Entry>)>>,
    events: Vec<Event>,
    leases: Leases,
    granted: u64,
}

impl Memory {
    /// An empty store. It needs a runtime for as long as it is there.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State { revision: Revision::EMPTY.0, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let (newest, _) = watch::channel(Revision::EMPTY);
        let store = Self { state, clock, newest };
        let (state, clock) = (Arc::downgrade(&store.state), Arc::clone(&store.clock));
        let newest = store.newest.clone();
        tokio::spawn(async move {
            while end_leases(&state, clock.as_ref(), &newest) {
                tokio::time::sleep(TICK).await;
            }
        });
        store
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: &State) {
        self.newest.send_replace(Revision(state.revision));
    }
}

/// Whether the store is still there.
fn end_leases(
    state: &Weak<Mutex<State>>,
    clock: &dyn Clock,
    newest: &watch::Sender<Revision>,
) -> bool {
    let Some(state) = state.upgrade() else { return false };
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    for lease in state.leases.ended(clock.now()) {
        state.end(lease);
    }
    newest.send_replace(Revision(state.revision));
    true
}

impl State {
    fn now(&self, key: &[u8]) -> Option<&Entry> {
        self.versions.get(key)?.last()?.1.as_ref()
    }

    /// What is read. `at` is the revision of a transaction that is being done, or what the range asks.
    fn found(&self, range: &Range) -> Result<Found, Error> {
        let newest = Revision(self.revision);
        let at = range.at.unwrap_or(newest);
        // Within a transaction what it has written is newer than the store.
        let upto = if range.at.is_some() { at.0 } else { u64::MAX };
        rules::readable(at, Revision(self.compacted), newest)?;
        let mut entries: Vec<Entry> = self
            .versions
            .iter()
            .filter(|(key, _)| range.keys.contains(key))
            .filter_map(|(_, versions)| {
                versions.iter().rev().find(|(revision, _)| *revision <= upto)?.1.clone()
            })
            .collect();
        let limit = range.limit.unwrap_or(usize::MAX);
        let more = entries.len() > limit;
        entries.truncate(limit);
        Ok(Found { entries, more, revision: newest })
    }

    fn write(&mut self, revision: u64, key: &Bytes, new: Option<(Bytes, Option<LeaseId>)>) {
        let old = self.now(key);
        let entry = new.map(|(value, lease)| Entry {
            key: key.clone(),
            value,
            created: old.map_or(Revision(revision), |old| old.created),
            modified: Revision(revision),
            version: old.map_or(1, |old| old.version + 1),
            lease,
        });
        self.events.push(match &entry {
            Some(entry) => Event::Put(entry.clone()),
            None => Event::Deleted { key: key.clone(), at: Revision(revision) },
        });
        self.versions.entry(key.clone()).or_default().push((revision, entry));
    }

    fn delete(&mut self, revision: u64, is: impl Fn(&Entry) -> bool) -> u64 {
        let gone: Vec<Bytes> = self
            .versions
            .iter()
            .filter(|(_, versions)| {
                versions.last().is_some_and(|(_, entry)| entry.as_ref().is_some_and(&is))
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in &gone {
            self.write(revision, key, None);
        }
        gone.len() as u64
    }

    fn end(&mut self, lease: LeaseId) {
        let next = self.revision + 1;
        if self.delete(next, |entry| entry.lease == Some(lease)) > 0 {
            self.revision = next;
        }
        self.leases.remove(lease);
    }

    fn txn(&mut self, txn: &Txn, now: Duration) -> Result<TxnAnswer, Error> {
        rules::check(txn)?;
        let succeeded = txn.compare.iter().all(|compare| compare.holds(self.now(&compare.key)));
        let ops = if succeeded { &txn.then } else { &txn.otherwise };
        for op in ops {
            match op {
                Op::Put { lease: Some(lease), .. } if !self.leases.holds(*lease, now) => {
                    return Err(Error::NoLease(*lease));
                }
                Op::Get(Range { at: Some(at), .. }) => {
                    rules::readable(*at, Revision(self.compacted), Revision(self.revision))?;
                }
                _ => {}
            }
        }
        let (next, before) = (self.revision + 1, self.events.len());
        let mut answers = Vec::new();
        for op in ops {
            answers.push(match op {
                Op::Put { key, value, lease } => {
                    self.write(next, key, Some((value.clone(), *lease)));
                    OpAnswer::Put
                }
                Op::Delete(keys) => {
                    OpAnswer::Deleted(self.delete(next, |entry| keys.contains(&entry.key)))
                }
                Op::Get(range) => OpAnswer::Got(self.found(range)?),
            });
        }
        if self.events.len() > before {
            self.revision = next;
        }
        let revision = Revision(self.revision);
        for answer in &mut answers {
            if let OpAnswer::Got(found) = answer {
                found.revision = revision;
            }
        }
        Ok(TxnAnswer { succeeded, revision, answers })
    }
}

/// Events that are read at a time.
const AT_A_TIME: usize = 256;

struct Events(Weak<Mutex<State>>);

impl Log for Events {
    async fn since(&self, from: Revision) -> Result<(Vec<Event>, Revision), Error> {
        let Some(state) = self.0.upgrade() else {
            return Err(Error::Unavailable("the store has ended".to_owned()));
        };
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if from.0 <= state.compacted {
            return Err(Error::Compacted { at: Revision(state.compacted) });
        }
        let start = state.events.partition_point(|event| event.revision() < from);
        let last = state.events.get(start + AT_A_TIME - 1).map(Event::revision);
        let until = last.unwrap_or(Revision(state.revision));
        let rest = state.events.get(start..).unwrap_or_default();
        let told = rest.iter().take_while(|event| event.revision() <= until);
        Ok((told.cloned().collect(), until))
    }
}

impl Store for Memory {
    async fn range(&self, range: Range) -> Result<Found, Error> {
        self.state().found(&range)
    }

    async fn txn(&self, txn: Txn) -> Result<TxnAnswer, Error> {
        let mut state = self.state();
        let answer = state.txn(&txn, self.clock.now());
        self.tell(&state);
        answer
    }

    async fn watch(&self, keys: Keys, from: Revision) -> Result<Watch, Error> {
        let log = Events(Arc::downgrade(&self.state));
        Ok(crate::watch::over(log, keys, from, self.newest.subscribe()))
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        let ttl = seconds(ttl)?;
        let mut state = self.state();
        state.granted += 1;
        let id = LeaseId(state.granted);
        state.leases.grant(id, ttl, self.clock.now())?;
        Ok(id)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        self.state().leases.keep(lease, self.clock.now())
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        let mut state = self.state();
        if !state.leases.holds(lease, self.clock.now()) {
            return Err(Error::NoLease(lease));
        }
        state.end(lease);
        self.tell(&state);
        Ok(())
    }

    async fn compact(&self, at: Revision) -> Result<(), Error> {
        let mut state = self.state();
        let (compacted, newest) = (Revision(state.compacted), Revision(state.revision));
        rules::compactable(at, compacted, newest)?;
        state.compacted = at.0;
        state.events.retain(|event| event.revision() > at);
        for versions in state.versions.values_mut() {
            let kept = versions.iter().rposition(|(revision, _)| *revision <= at.0).unwrap_or(0);
            versions.drain(..kept);
        }
        state.versions.retain(
            |_, versions| !matches!(versions.as_slice(), [(revision, None)] if *revision <= at.0),
        );
        Ok(())
    }

    async fn status(&self) -> Result<Status, Error> {
        let state = self.state();
        Ok(Status {
            revision: Revision(state.revision),
            compacted: Some(Revision(state.compacted)),
            octets: 0,
            engine: "memory".to_owned(),
        })
    }
}
