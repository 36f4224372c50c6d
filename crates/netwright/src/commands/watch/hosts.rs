//! What has a place of its own, asked by the agents of hosts: through the server, with which agents and watch speak.
//!
//! One thread sends what is to be asked, as much at a time as comes together, another hears what came of it. What is not heard of in time, and what
//! the server does not take, is unknown, with the reason.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netwright_control::api::errands::Ended;
use netwright_control::errands::{AT_ONCE, Errand, Ran};
use netwright_dataplane::kernel::pause;
use netwright_watch::plan::Item;
use netwright_watch::probe::outcome::Outcome;
use netwright_watch::watcher::Ask;
use serde_json::json;
use ureq::http::Method;

use super::askers::{Tell, not_asked, told_later};
use super::measure::followed;
use crate::arguments::Watch;
use crate::client::Client;
use crate::commands::change::decode;
use crate::failure::Failure;

const PATH: &str = "/api/v1/errands";

/// Questions that wait to be sent.
const WAITING: usize = 4_096;
/// What comes together within this time is sent together.
const TOGETHER: Duration = Duration::from_millis(20);
/// How long what ends is waited for at a time, in seconds.
const PATIENCE: u64 = 5;
/// How much longer than its time-out the server is waited for: it ends what no agent answers a little before.
const ON_THE_WAY: Duration = Duration::from_secs(2);
/// The wait before a server is asked again that could not be.
const AGAIN: Duration = Duration::from_millis(500);
/// How often is looked whether the watch has ended.
const LOOK: Duration = Duration::from_millis(100);

/// A question that is under way.
struct Open {
    ask: Ask,
    tell: Tell,
    until: Instant,
}

/// A question to be sent, with its place and what is asked.
type Sent = (Ask, Tell, String, String);

/// What both threads share.
struct Shared {
    client: Client,
    asker: String,
    open: Mutex<BTreeMap<u64, Open>>,
    ended: AtomicBool,
}

/// Asks agents.
pub(super) struct Hosts {
    send: SyncSender<Sent>,
    shared: Arc<Shared>,
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

impl Hosts {
    pub(super) fn new(server: &str, arguments: &Watch) -> Result<Self, Failure> {
        let client = followed(server, arguments)?;
        let cannot = |why: String| Failure::unknown(why);
        let asker = netwright_control::access::random::<8>();
        let asker = asker.map_err(|error| cannot(error.to_string()))?;
        let (ended, open) = (AtomicBool::new(false), Mutex::default());
        let shared = Arc::new(Shared { client, asker, open, ended });
        let (send, questions) = sync_channel(WAITING);
        let own = Arc::clone(&shared);
        std::thread::spawn(move || own.send(&questions));
        let own = Arc::clone(&shared);
        std::thread::spawn(move || own.hear());
        Ok(Self { send, shared })
    }

    /// Has something asked from a place.
    pub(super) fn ask(&self, place: String, item: &Item, ask: Ask, tell: Tell) {
        let Some(text) = item.carried.clone() else {
            return told_later(ask, "agents do not ask it", tell);
        };
        if let Err(error) = self.send.try_send((ask, tell, place, text)) {
            let (std::sync::mpsc::TrySendError::Full((ask, tell, ..))
            | std::sync::mpsc::TrySendError::Disconnected((ask, tell, ..))) = error;
            told_later(ask, "the server takes no more questions", tell);
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is to be asked, until nobody asks any more.
    fn send(&self, questions: &Receiver<Sent>) {
        let mut number = 0;
        while let Ok(first) = questions.recv() {
            let (mut some, mut errands) = (vec![first], Vec::new());
            let end = Instant::now() + TOGETHER;
            while some.len() < AT_ONCE {
                match questions.recv_timeout(end.saturating_duration_since(Instant::now())) {
                    Ok(next) => some.push(next),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            let from = number;
            for (ask, tell, place, probe) in some {
                let time_out = u64::try_from(ask.time_out.as_millis()).unwrap_or(u64::MAX);
                errands.push(Errand { number, place, probe, attempt: ask.attempt, time_out });
                let until = Instant::now() + ask.time_out + ON_THE_WAY;
                self.open().insert(number, Open { ask, tell, until });
                number += 1;
            }
            match self.exchange(&errands, 0) {
                Ok(ended) => self.tell(ended),
                Err(why) => self.end(&why, |number, _| (from..).contains(&number)),
            }
        }
    }

    /// Hears what came of it.
    fn hear(&self) {
        while !self.ended.load(Ordering::Relaxed) {
            let now = Instant::now();
            self.end("the server said nothing of it in time", |_, open| open.until <= now);
            if self.open().is_empty() {
                pause(LOOK);
                continue;
            }
            match self.exchange(&[], PATIENCE) {
                Ok(ended) => {
                    // What has not been sent yet is nothing that it waits for.
                    if ended.is_empty() {
                        pause(TOGETHER);
                    }
                    self.tell(ended);
                }
                Err(why) => {
                    self.end(&why, |_, _| true);
                    pause(AGAIN);
                }
            }
        }
    }

    fn exchange(&self, errands: &[Errand], wait: u64) -> Result<Vec<Ran>, String> {
        let body = json!({ "asker": self.asker, "errands": errands, "wait": wait });
        let told = || -> Result<Ended, Failure> {
            decode(self.client.ask(&Method::POST, PATH, &[], Some(&body))?.body)
        };
        told().map(|told| told.ended).map_err(|failure| {
            let text = failure.text(false);
            let first = text.lines().next().unwrap_or_default();
            format!("the server cannot be asked: {}", first.trim_start_matches("error: "))
        })
    }

    fn tell(&self, ended: Vec<Ran>) {
        for Ran { number, outcome, why } in ended {
            let Some(Open { ask, tell, .. }) = self.open().remove(&number) else { continue };
            let read = outcome.map(serde_json::from_value::<Outcome>);
            let outcome = match (read, why) {
                (Some(Ok(outcome)), _) => Outcome { attempt: ask.attempt, ..outcome },
                (Some(Err(error)), _) => {
                    not_asked(&ask, &format!("what the agent found out cannot be read: {error}"))
                }
                (None, why) => not_asked(&ask, &why.unwrap_or_default()),
            };
            // Who does not listen any more does not want it.
            let _nobody = tell.blocking_send((ask, outcome));
        }
    }

    /// Nothing is known of some of what is under way.
    fn end(&self, why: &str, which: impl Fn(u64, &Open) -> bool) {
        let mut open = self.open();
        let ends = open.iter().filter(|(number, open)| which(**number, open));
        let ends: Vec<u64> = ends.map(|(number, _)| *number).collect();
        let gone: Vec<Open> = ends.iter().filter_map(|number| open.remove(number)).collect();
        // Whom it is told may wait, and others go on meanwhile.
        drop(open);
        for Open { ask, tell, .. } in gone {
            let outcome = not_asked(&ask, why);
            let _nobody = tell.blocking_send((ask, outcome));
        }
    }
}
