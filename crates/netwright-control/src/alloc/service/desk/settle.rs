//! What became of a transaction, and what follows.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use netwright_store::{OpAnswer, Store, TxnAnswer};
use tokio::time::Instant;

use super::batch::{Batch, Outcome};
use super::{Desk, load};
use crate::alloc::error::Error;

/// How often a request is tried over.
const ATTEMPTS: u32 = 8;

/// How long is waited for a revision of the network that the store has already.
const NETWORK: Duration = Duration::from_secs(5);

/// Why a transaction was not done.
enum Stop {
    /// The store was not there.
    Unavailable(String),
    /// Nobody can say whether it was done.
    Unknown(String),
    /// Another leads.
    NotLeader,
    /// The network is at a revision that is not looked at here.
    Network(u64),
    /// Somebody else wrote: what is in memory is old.
    Stale,
}

/// What a transaction found that was not done.
struct Seen {
    epoch: Option<Bytes>,
    head: u64,
    taken: Option<Bytes>,
}

impl Seen {
    fn of(answer: &TxnAnswer) -> Option<Self> {
        let entry = |index: usize| match answer.answers.get(index) {
            Some(OpAnswer::Got(found)) => Some(found.entries.first()),
            _ => None,
        };
        Some(Self {
            epoch: entry(0)?.map(|entry| entry.value.clone()),
            head: entry(1)?.map_or(0, |entry| entry.modified.0),
            taken: entry(2)?.map(|entry| entry.value.clone()),
        })
    }
}

impl<S: Store, C: Store> Desk<S, C> {
    /// A transaction has landed. Those behind it follow from it.
    pub(super) async fn landed(&mut self, batch: Batch, sent: Instant, outcome: Outcome) {
        if matches!(&outcome, Ok(answer) if answer.succeeded) {
            self.pace.landed(batch.answers.len(), self.waiting.len(), sent);
            return self.done(batch);
        }
        let mut rest = VecDeque::from([(batch, outcome)]);
        for mut flight in std::mem::take(&mut self.flights) {
            let outcome = flight.outcome().await;
            rest.push_back((flight.batch, outcome));
        }
        while let Some((batch, outcome)) = rest.pop_front() {
            let later: Vec<Bytes> =
                rest.iter().filter_map(|(batch, _)| batch.after.clone()).collect();
            match self.settle(&batch, outcome, &later).await {
                Ok(()) => self.done(batch),
                Err(stop) => {
                    // Those behind hold only after this one, which they follow: they are not done either, now or later.
                    let all = [batch].into_iter().chain(rest.into_iter().map(|(batch, _)| batch));
                    return self.take_back(all.collect(), stop).await;
                }
            }
        }
    }

    fn done(&mut self, batch: Batch) {
        self.durable = self.durable.max(batch.sequence.1);
        self.known.forget(&batch.dropped);
        for (ask, given) in batch.answers {
            if let (Ok(_), Some(beside)) = (&given, &ask.beside) {
                beside.is_written();
            }
            self.answer(ask, given);
        }
    }

    /// Whether a transaction was done. Where its answer was lost it is sent again, until there is an answer.
    async fn settle(
        &mut self,
        batch: &Batch,
        mut outcome: Outcome,
        later: &[Bytes],
    ) -> Result<(), Stop> {
        let deadline = Instant::now() + self.setting.options.patience;
        let mut doubt = false;
        let mut wait = Duration::from_millis(5);
        loop {
            let why = match outcome {
                Ok(answer) if answer.succeeded => return Ok(()),
                Ok(answer) => {
                    let Some(seen) = Seen::of(&answer) else { return Err(Stop::Stale) };
                    let own = |taken: &Bytes| {
                        Some(taken) == batch.after.as_ref() || later.contains(taken)
                    };
                    if seen.taken.as_ref().is_some_and(own) {
                        return Ok(());
                    }
                    // Others have written since. What it was to write tells whether it was before them.
                    return match doubt.then_some(load::is_there(&self.setting.store, &batch.txn)) {
                        None => Err(self.why(batch, &seen)),
                        Some(there) => match there.await {
                            Ok(true) => Ok(()),
                            Ok(false) => Err(self.why(batch, &seen)),
                            Err(why) => Err(Stop::Unknown(why.to_string())),
                        },
                    };
                }
                Err(why) if batch.after.is_none() => {
                    return Err(Stop::Unavailable(why.to_string()));
                }
                Err(why) if !why.was_not_done() => {
                    doubt = true;
                    why
                }
                Err(why) if !doubt => return Err(Stop::Unavailable(why.to_string())),
                Err(why) => why,
            };
            if Instant::now() >= deadline {
                return Err(Stop::Unknown(why.to_string()));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(500));
            outcome = self.setting.store.txn(batch.txn.clone()).await;
        }
    }

    fn why(&self, batch: &Batch, seen: &Seen) -> Stop {
        let epoch = self.guard.as_ref().map(|guard| crate::guard::value(guard.epoch()));
        if seen.epoch != epoch {
            Stop::NotLeader
        } else if seen.taken != batch.before {
            Stop::Stale
        } else if seen.head != self.head {
            Stop::Network(seen.head)
        } else {
            Stop::Stale
        }
    }

    /// What was decided is taken back, the last first, and tried over where that may help.
    async fn take_back(&mut self, batches: Vec<Batch>, stop: Stop) {
        let now = self.now();
        let mut asks = VecDeque::new();
        for batch in batches.into_iter().rev() {
            for edit in batch.back.into_iter().rev() {
                self.state.apply(edit, now);
            }
            for key in batch.kept.iter().rev() {
                self.known.forget_newest(key);
            }
            self.sequence = batch.sequence.0;
            self.taken = batch.before;
            for (ask, _) in batch.answers.into_iter().rev() {
                asks.push_front(ask);
            }
        }
        let refusal = match stop {
            Stop::Unavailable(why) => Some(Error::Unavailable(why)),
            Stop::Unknown(why) => {
                self.stale = Some(why.clone());
                Some(Error::OutcomeUnknown(why))
            }
            Stop::NotLeader => {
                self.stale = Some("another server leads".to_owned());
                Some(Error::NotLeader)
            }
            Stop::Stale => {
                self.stale = Some("another server has written".to_owned());
                self.read = None;
                None
            }
            Stop::Network(revision) => self.network(revision).await.err(),
        };
        let mut most = 0;
        for mut ask in asks.into_iter().rev() {
            ask.attempts += 1;
            most = most.max(ask.attempts);
            match &refusal {
                Some(why) => self.answer(ask, Err(why.clone())),
                None if ask.attempts >= ATTEMPTS => {
                    let attempts = ask.attempts;
                    self.answer(ask, Err(Error::Conflict { attempts }));
                }
                None => self.waiting.push_front(ask),
            }
        }
        if refusal.is_none() {
            // Servers that got in each other's way once do not try again at the same time.
            let bound = 1_u32 << most.min(6);
            let jitter = Duration::from_millis(self.random.below(bound).into());
            tokio::time::sleep(jitter).await;
        }
    }

    /// Waits until the network of a revision is looked at.
    async fn network(&mut self, revision: u64) -> Result<(), Error> {
        let reached = self.setting.live.wait_for(|live| live.revision >= revision);
        let reached = tokio::time::timeout(NETWORK, reached).await.is_ok_and(|live| live.is_ok());
        if reached {
            return Ok(());
        }
        Err(Error::Unavailable(format!("revision {revision} of the network is not known here yet")))
    }
}
