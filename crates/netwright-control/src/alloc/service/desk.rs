//! The task that decides.
//!
//! It has all pools in memory, and decides requests in the order in which they come. What it decides is written in transactions of many requests
//! each, of which several may be on their way. Each of them holds only
//!
//! - while this server leads: the epoch of its [`Guard`];
//! - while the network is the one that was looked at: `head` is unchanged;
//! - after exactly one other: `taken` holds what the transaction before it wrote, and each writes something new there.
//!
//! The last one is why an answer that was lost does no harm: sent once more, the same transaction is done or not, and never twice; and once another one was
//! done after it, it can never be done, however late it arrives. Nobody is told anything before it is durable. What fails is taken back in memory.

mod batch;
mod known;
mod load;
mod pace;
mod settle;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use netwright_model::random::Random;
use netwright_store::{Revision, Store};
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Ask, Look, Setting};
use crate::alloc::error::Error;
use crate::alloc::request::{Answer, Hash, Hex};
use crate::alloc::state::State;
use crate::guard::Guard;
use crate::keys::Layout;
use batch::Flight;
use known::Known;
use pace::Pace;

/// Requests that are taken out of the queue before they are decided.
const NEAR: usize = 512;

/// Requests that fill a transaction: it is sent though others are on their way.
const FULL: usize = 60;

/// How often is looked for what ends by itself.
const TICK: Duration = Duration::from_millis(500);

/// The wait after pools could not be read, and for what a server that does not lead knows.
const AGAIN: Duration = Duration::from_millis(500);

/// The task.
pub(super) struct Desk<S, C> {
    setting: Setting<S, C>,
    asks: mpsc::Receiver<Box<Ask>>,
    looks: mpsc::Receiver<Look>,
    random: Random,
    state: State,
    guard: Option<Guard>,
    /// The revision of the network that `state` has.
    head: u64,
    /// Why `state` is not what the store has; none where it is.
    stale: Option<String>,
    /// When the store was read.
    read: Option<Instant>,
    /// What `taken` holds after all that is on its way.
    taken: Option<Bytes>,
    sequence: u64,
    durable: u64,
    batches: u64,
    known: Known,
    waiting: VecDeque<Box<Ask>>,
    /// Requests that came again while the first is being done, by the hash of their key.
    again: FxHashMap<Hash, Vec<oneshot::Sender<Result<Answer, Error>>>>,
    /// Keys of what waits and is on its way, with the hash of their request.
    pending: FxHashMap<Hash, Hash>,
    flights: VecDeque<Flight>,
    /// A change of the network is being written: nothing is sent before it is.
    shut: bool,
    pace: Pace,
}

impl<S: Store, C: Store> Desk<S, C> {
    pub(super) fn new(
        setting: Setting<S, C>,
        asks: mpsc::Receiver<Box<Ask>>,
        looks: mpsc::Receiver<Look>,
    ) -> Self {
        Self {
            random: Random::new(setting.seed),
            known: Known::new(setting.options.kept, setting.options.most_kept),
            asks,
            looks,
            state: State::default(),
            guard: None,
            head: 0,
            stale: Some("it was not read yet".to_owned()),
            read: None,
            taken: None,
            sequence: 0,
            durable: 0,
            batches: 0,
            waiting: VecDeque::new(),
            again: FxHashMap::default(),
            pending: FxHashMap::default(),
            flights: VecDeque::new(),
            shut: false,
            pace: Pace::new(),
            setting,
        }
    }

    fn now(&self) -> u64 {
        self.setting.wall.now().milliseconds()
    }

    pub(super) async fn run(mut self) {
        loop {
            self.adopt();
            if self.flights.is_empty() {
                self.setting.gate.leave();
            }
            if self.flights.is_empty() && self.wants_to_read() {
                self.read_all().await;
            }
            self.fill().await;
            let near = self.waiting.len() < NEAR;
            tokio::select! {
                biased;
                result = landing(&mut self.flights), if !self.flights.is_empty() => {
                    if let Some(flight) = self.flights.pop_front() {
                        self.landed(flight.batch, flight.sent, result).await;
                    }
                }
                Some(look) = self.looks.recv() => self.look(look).await,
                ask = self.asks.recv(), if near => match ask {
                    Some(ask) => self.take(ask),
                    // Nobody can ask any more; what is on its way is still answered.
                    None if self.flights.is_empty() && self.waiting.is_empty() => return,
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                },
                Ok(()) = self.setting.live.changed() => {}
                () = self.setting.gate.opened(), if self.shut => {}
                () = tokio::task::yield_now(), if self.pace.lingers => {}
                Ok(()) = self.setting.guard.changed() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Whether others say something new: who leads, and what the network is.
    fn changing(&self) -> bool {
        *self.setting.guard.borrow() != self.guard
            || self.setting.live.borrow().revision != self.head
    }

    /// Takes that over. What is on its way was decided before, and lands first.
    fn adopt(&mut self) {
        if !self.flights.is_empty() || !self.changing() {
            return;
        }
        let guard = self.setting.guard.borrow_and_update().clone();
        if guard != self.guard {
            self.guard = guard;
            self.stale.get_or_insert_with(|| "who leads has changed".to_owned());
            self.read = None;
        }
        let live = self.setting.live.borrow_and_update().clone();
        if live.revision != self.head {
            self.head = live.revision;
            self.state.set_network(live.network);
        }
    }

    /// A server that leads reads once; one that does not knows what is taken from the store only.
    fn wants_to_read(&self) -> bool {
        let rested = self.read.is_none_or(|read| read.elapsed() >= AGAIN);
        self.stale.is_some() && rested
    }

    async fn read_all(&mut self) {
        if let Err(why) = self.load().await {
            self.stale = Some(why.to_string());
        }
        self.read = Some(Instant::now());
    }

    async fn look(&mut self, look: Look) {
        let old = self.read.is_none_or(|read| read.elapsed() >= AGAIN);
        if self.guard.is_none() && old && self.flights.is_empty() {
            self.read_all().await;
        }
        let now = self.now();
        match &self.stale {
            Some(why) => look(Err(Error::Unavailable(format!("the pools are not known: {why}")))),
            None => look(Ok((&mut self.state, self.durable, now))),
        }
    }

    /// Takes a request, and those that came with it.
    fn take(&mut self, ask: Box<Ask>) {
        self.queue(ask);
        while self.waiting.len() < NEAR
            && let Ok(ask) = self.asks.try_recv()
        {
            self.queue(ask);
        }
    }

    fn queue(&mut self, ask: Box<Ask>) {
        let Some(hashes) = ask.hashes else {
            self.waiting.push_back(ask);
            return;
        };
        match self.pending.get(&hashes.key) {
            Some(request) if *request == hashes.request => {
                self.again.entry(hashes.key).or_default().push(ask.to);
            }
            Some(_) => answer(ask.to, Err(Error::KeyReused)),
            None => {
                self.pending.insert(hashes.key, hashes.request);
                self.waiting.push_back(ask);
            }
        }
    }

    /// Answers a request, and all that came again meanwhile.
    fn answer(&mut self, ask: Box<Ask>, given: Result<Answer, Error>) {
        if let Some(hashes) = ask.hashes {
            self.pending.remove(&hashes.key);
            for to in self.again.remove(&hashes.key).unwrap_or_default() {
                answer(to, given.clone());
            }
        }
        answer(ask.to, given);
    }

    fn refuse_all(&mut self, why: &Error) {
        for ask in std::mem::take(&mut self.waiting) {
            self.answer(ask, Err(why.clone()));
        }
    }

    /// Sends what can be sent.
    async fn fill(&mut self) {
        self.shut = false;
        self.pace.lingers = false;
        if self.changing() {
            return;
        }
        if self.guard.is_none() {
            return self.refuse_all(&Error::NotLeader);
        }
        if let Some(why) = &self.stale {
            let why = Error::Unavailable(why.clone());
            return self.refuse_all(&why);
        }
        self.replay();
        if self.flights.is_empty() && self.pace.waits_for_more(self.waiting.len()) {
            return;
        }
        self.shut = !self.setting.gate.enter();
        while !self.shut
            && self.flights.len() < self.setting.options.window.max(1)
            && (self.flights.is_empty()
                || self.waiting.len() >= FULL
                || self.pace.are_here(self.waiting.len()))
            // Nothing overtakes a question about what is there.
            && self.flights.back().is_none_or(|flight| flight.batch.after.is_some())
        {
            let Some(batch) = self.compose() else { break };
            self.pace.sent(batch.answers.len());
            self.send(batch).await;
        }
        // Who closes the gate waits for what is on its way only.
        if self.flights.is_empty() {
            self.setting.gate.leave();
        }
    }

    /// Requests that were answered before are answered from the store.
    fn replay(&mut self) {
        if !self.waiting.iter().any(|ask| self.was_answered(ask)) {
            return;
        }
        for ask in std::mem::take(&mut self.waiting) {
            let known = ask.hashes.and_then(|hashes| Some((hashes, self.known.at(&hashes.key)?)));
            match known {
                Some((hashes, at)) => {
                    self.pending.remove(&hashes.key);
                    let store = self.setting.store.clone();
                    let mut text = BytesMut::new();
                    let key = key_of_answer(&self.setting.layout, &mut text, at, &hashes.key);
                    let mut all = self.again.remove(&hashes.key).unwrap_or_default();
                    all.push(ask.to);
                    tokio::spawn(async move {
                        let given = load::kept(&store, key, &hashes.request).await;
                        for to in all {
                            answer(to, given.clone());
                        }
                    });
                }
                None => self.waiting.push_back(ask),
            }
        }
    }

    fn was_answered(&self, ask: &Ask) -> bool {
        ask.hashes.is_some_and(|hashes| self.known.at(&hashes.key).is_some())
    }

    fn revision(&self) -> Revision {
        Revision(self.head)
    }
}

fn answer(to: oneshot::Sender<Result<Answer, Error>>, given: Result<Answer, Error>) {
    // Who went away needs no answer.
    drop(to.send(given));
}

/// What becomes of the first that is on its way.
async fn landing(flights: &mut VecDeque<Flight>) -> batch::Outcome {
    match flights.front_mut() {
        Some(flight) => flight.outcome().await,
        None => std::future::pending().await,
    }
}

/// Where an answer is kept by its idempotency key. Other parts of the service keep theirs under other names. The time comes first: what is written
/// together lies together, and hashes alone would scatter it over the whole store. Nobody needs to find one by the hash only: who leads has read
/// the times of all, and what he writes holds only after all that he knows.
fn key_of_answer(layout: &Layout, text: &mut BytesMut, at: u64, key: &Hash) -> Bytes {
    layout.idempotency_of(text, format_args!("{ANSWERS}{at:0TIME$x}-{}", Hex(key)))
}

/// Digits of a time in the name of an answer.
const TIME: usize = 12;

/// How those names begin.
const ANSWERS: &str = "allocation-";
