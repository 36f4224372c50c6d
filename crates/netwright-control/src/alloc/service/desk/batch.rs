//! Many decisions as one transaction.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use netwright_store::{Compare, Keys, MAX_OPS, Op, Range, Relation, Store, Target, Txn, TxnAnswer};
use rustc_hash::{FxBuildHasher, FxHashSet, FxHasher};
use serde::Serialize;
use tokio::time::Instant;

use super::{Ask, Desk, key_of_answer};
use crate::alloc::error::Error;
use crate::alloc::record::{Keeping, Taken, json, json_in};
use crate::alloc::request::{Answer, Hash, Hex};
use crate::alloc::state::Edit;
use crate::keys::Layout;
use crate::time::Time;

/// What a store says of a transaction.
pub(super) type Outcome = Result<TxnAnswer, netwright_store::Error>;

/// Octets of a transaction's keys and values, with room for its conditions.
const OCTETS: usize = 1_000_000;

/// What ends by itself is done in passing: so many of it in each transaction.
const IN_PASSING: usize = 16;

/// Operations of one request: at most a value that rests no longer, one that is given, one that rests, the answer, and what is beside it.
const EACH: usize = 5;

/// A transaction, and all that is needed to answer for it or to take it back.
pub(super) struct Batch {
    pub(super) txn: Txn,
    /// What `taken` held before.
    pub(super) before: Option<Bytes>,
    /// What it holds afterwards; none where nothing is written.
    pub(super) after: Option<Bytes>,
    /// The sequence number before, and the highest given.
    pub(super) sequence: (u64, u64),
    /// The opposites of what it does, in the order in which it was done.
    pub(super) back: Vec<Edit>,
    /// Keys whose answers it keeps.
    pub(super) kept: Vec<Hash>,
    /// Keys whose answers it no longer keeps.
    pub(super) dropped: Vec<(u64, Hash)>,
    /// Requests with their answers. Those that are refused wait too: what they were refused for is not durable before.
    pub(super) answers: Vec<(Box<Ask>, Result<Answer, Error>)>,
}

/// A transaction on its way.
pub(super) struct Flight {
    pub(super) batch: Batch,
    on_its_way: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    landed: Option<Outcome>,
    pub(super) sent: Instant,
}

impl Flight {
    /// What becomes of it; to be asked once.
    pub(super) async fn outcome(&mut self) -> Outcome {
        match self.landed.take() {
            Some(outcome) => outcome,
            None => self.on_its_way.as_mut().await,
        }
    }
}

/// Octets of keys and values that lie together at first.
const TEXT: usize = 32 << 10;

/// Conditions of every transaction: who leads, the network, the transaction before.
const CONDITIONS: usize = 3;

/// What a transaction is made of.
struct Parts {
    compare: Vec<Compare>,
    then: Vec<Op>,
    octets: usize,
    /// Where keys and values are written, one after the other.
    text: BytesMut,
    /// Hashes of the keys that it writes. Where two keys have one, the second goes into the next transaction.
    written: FxHashSet<u64>,
}

impl Parts {
    fn new() -> Self {
        Self {
            compare: Vec::with_capacity(MAX_OPS),
            then: Vec::with_capacity(MAX_OPS),
            octets: 0,
            text: BytesMut::with_capacity(TEXT),
            written: FxHashSet::with_capacity_and_hasher(MAX_OPS, FxBuildHasher),
        }
    }

    fn put(&mut self, key: Bytes, value: Bytes) {
        self.octets += key.len() + value.len();
        self.written.insert(hash(&key));
        self.then.push(Op::put(key, value));
    }

    fn put_record<T: Serialize>(&mut self, key: Bytes, record: &T) {
        let value = json_in(&mut self.text, record);
        self.put(key, value);
    }

    fn delete(&mut self, key: Bytes) {
        self.octets += key.len();
        self.written.insert(hash(&key));
        self.then.push(Op::Delete(Keys::One(key)));
    }

    /// The key is not there, as far as is known here.
    fn absent(&mut self, key: Bytes) {
        self.octets += key.len();
        self.compare.push(Compare::absent(key));
    }

    fn has_room(&self) -> bool {
        self.then.len() + EACH < MAX_OPS
            && self.compare.len() + EACH + CONDITIONS <= MAX_OPS
            && self.octets < OCTETS
    }

    fn edit(&mut self, key: Bytes, edit: &Edit) {
        match edit {
            Edit::Hold(allocation) => self.put_record(key, allocation),
            Edit::Rest(cooling) => self.put_record(key, cooling),
            Edit::Declare(declared) => self.put_record(key, declared),
            Edit::Unhold { .. } | Edit::Unrest { .. } | Edit::Undeclare(_) => self.delete(key),
        }
    }
}

fn hash(key: &Bytes) -> u64 {
    BuildHasherDefault::<FxHasher>::default().hash_one(key)
}

fn key_of(layout: &Layout, text: &mut BytesMut, edit: &Edit) -> Bytes {
    match edit {
        Edit::Hold(own) => layout.allocation(text, &own.pool, own.value.key()),
        Edit::Unhold { pool, value } => layout.allocation(text, pool, value.key()),
        Edit::Rest(own) => layout.cooling(text, &own.pool, own.value.key()),
        Edit::Unrest { pool, value } => layout.cooling(text, pool, value.key()),
        Edit::Declare(declared) => layout.pool(&declared.pool),
        Edit::Undeclare(pool) => layout.pool(pool),
    }
}

impl<S: Store, C: Store> Desk<S, C> {
    /// Decides what waits, as much as fits in one transaction. None where nothing is to be written.
    pub(super) fn compose(&mut self) -> Option<Batch> {
        let now = self.now();
        let (mut parts, mut back, mut kept) = (Parts::new(), Vec::new(), Vec::new());
        let mut answers = Vec::with_capacity(self.waiting.len().min(MAX_OPS));
        let mut keys = Vec::with_capacity(EACH);
        let before = self.sequence;
        for edit in self.state.due(now, IN_PASSING) {
            let key = key_of(&self.setting.layout, &mut parts.text, &edit);
            parts.edit(key, &edit);
            back.extend(self.state.apply(edit, now));
        }
        let dropped = self.known.over(now, IN_PASSING);
        for (at, key) in &dropped {
            let key = key_of_answer(&self.setting.layout, &mut parts.text, *at, key);
            parts.delete(key);
        }
        while parts.has_room()
            && let Some(ask) = self.waiting.pop_front()
        {
            let decision = match self.state.decide(&ask.asked, now, self.sequence + 1) {
                Ok(decision) => decision,
                Err(why) => {
                    answers.push((ask, Err(why)));
                    continue;
                }
            };
            let layout = &self.setting.layout;
            let edits = decision.edits;
            let text = &mut parts.text;
            keys.clear();
            keys.extend(edits.iter().map(|edit| key_of(layout, text, edit)));
            // A transaction writes each key once.
            if keys.iter().any(|key| parts.written.contains(&hash(key))) {
                self.waiting.push_front(ask);
                break;
            }
            self.sequence += 1;
            for (key, edit) in keys.drain(..).zip(edits) {
                parts.edit(key.clone(), &edit);
                let opposite = self.state.apply(edit, now);
                if matches!(opposite, Some(Edit::Unhold { .. })) {
                    parts.absent(key);
                }
                back.extend(opposite);
            }
            if let Some(hashes) = &ask.hashes {
                let key = key_of_answer(&self.setting.layout, &mut parts.text, now, &hashes.key);
                let (request, answer) = (Hex(&hashes.request), &decision.answer);
                let at = Time::of_milliseconds(now);
                parts.put_record(key, &Keeping { request, answer, at });
                kept.push(hashes.key);
            }
            if let Some(beside) = &ask.beside {
                let (key, value) = beside.entry();
                parts.put(key, value);
            }
            answers.push((ask, Ok(decision.answer)));
        }
        if parts.then.is_empty() {
            match self.flights.back_mut() {
                // What they follow from is on its way: they are given after it.
                Some(last) => last.batch.answers.extend(answers),
                None if answers.is_empty() => {}
                None => return Some(self.close(parts, before, back, (kept, dropped), answers)),
            }
            return None;
        }
        for key in &kept {
            self.known.add(now, *key);
        }
        Some(self.close(parts, before, back, (kept, dropped), answers))
    }

    /// Makes it a transaction. One that writes nothing asks whether what was answered is still so: a server that no longer leads would not know.
    fn close(
        &mut self,
        parts: Parts,
        first: u64,
        back: Vec<Edit>,
        (kept, dropped): (Vec<Hash>, Vec<(u64, Hash)>),
        answers: Vec<(Box<Ask>, Result<Answer, Error>)>,
    ) -> Batch {
        let before = self.taken.clone();
        let after = (!parts.then.is_empty()).then(|| {
            self.batches += 1;
            let batch = format!("{:016x}-{}", self.setting.seed, self.batches);
            json(&Taken { sequence: self.sequence, batch })
        });
        let layout = &self.setting.layout;
        let mut compare = vec![Compare::unchanged(layout.head(), self.revision())];
        compare.extend(self.guard.as_ref().map(crate::guard::Guard::compare));
        compare.push(match &before {
            None => Compare::absent(layout.taken()),
            Some(value) => Compare {
                key: layout.taken(),
                is: Relation::Equal,
                target: Target::Value(value.clone()),
            },
        });
        compare.extend(parts.compare);
        let mut then = parts.then;
        if let Some(after) = &after {
            then.push(Op::put(layout.taken(), after.clone()));
            self.taken = Some(after.clone());
        }
        let seen = [layout.epoch(), layout.head(), layout.taken()];
        let otherwise = seen.into_iter().map(|key| Op::Get(Range::of(Keys::One(key)))).collect();
        let txn = Txn { compare, then, otherwise };
        let sequence = (first, self.sequence);
        Batch { txn, before, after, sequence, back, kept, dropped, answers }
    }

    /// Sends it, before any that is composed later.
    pub(super) async fn send(&mut self, batch: Batch) {
        let sent = Instant::now();
        let (store, txn) = (self.setting.store.clone(), batch.txn.clone());
        let mut on_its_way = Box::pin(async move { store.txn(txn).await });
        // A store takes requests in the order in which they are polled first.
        let landed = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(match on_its_way.as_mut().poll(cx) {
                std::task::Poll::Ready(outcome) => Some(outcome),
                std::task::Poll::Pending => None,
            })
        })
        .await;
        self.flights.push_back(Flight { batch, on_its_way, landed, sent });
    }
}
