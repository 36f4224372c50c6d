//! Errands: questions that somebody who watches has asked from machines of the network, by the agents of the hosts that have them.
//!
//! A [`Desk`] brings each to the host that has its place, and what came of it back to whoever wants to know. It lives in the memory of the server that
//! leads and nothing of it is stored: who leads next knows nothing of what was under way. Every errand ends, by what its host said or by the reason
//! why nobody said anything, and such a reason says nothing of what was to be asked: it is unknown.
//!
//! What is asked, and what came of it, are texts of who watches and of agents; here they are only carried. The desk reads no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

use crate::server::limits::{Limiter, Rate};

/// Errands of one request.
pub const AT_ONCE: usize = 200;
/// Errands that a host has at a time.
const OF_HOST: usize = 1_000;
/// Errands of all hosts.
const OF_ALL: usize = 20_000;
/// Who asks at a time.
const ASKERS: usize = 256;
/// What a host is asked.
const RATE: Rate = Rate { each_second: 500.0, at_once: 1_000.0 };
/// Longest text of what is asked, in octets.
const TEXT: usize = 4_096;
/// Longest time that asking may take, in milliseconds.
const LONGEST: u64 = 60_000;
/// How much longer than asking may take its host is waited for.
const ON_THE_WAY: Duration = Duration::from_millis(1_500);
/// Who does not come for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Something to ask from a machine of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Errand {
    /// Its number among those of who wants to know.
    pub number: u64,
    /// What asks, as its kind and name: `instance/web`.
    pub place: String,
    /// What is asked: a description with one probe.
    pub probe: String,
    /// How often it was asked, with this time.
    pub attempt: u32,
    /// How long asking may take, in milliseconds.
    pub time_out: u64,
}

/// What came of an errand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    /// The errand's number.
    pub number: u64,
    /// What asking found out, as a probe's outcome; none where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Value>,
    /// Why it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An errand that has not ended.
#[derive(Debug)]
struct Open {
    asker: String,
    number: u64,
    host: String,
    until: Duration,
    taken: bool,
}

/// A host.
#[derive(Debug, Default)]
struct Host {
    waiting: VecDeque<Errand>,
    open: usize,
    /// When its agent came last.
    came: Option<Duration>,
    news: Arc<Notify>,
}

/// Somebody who wants to know.
#[derive(Debug, Default)]
struct Asker {
    ended: VecDeque<Ran>,
    open: usize,
    came: Duration,
    news: Arc<Notify>,
}

/// Where errands go and come back.
#[derive(Debug)]
pub struct Desk {
    next: u64,
    open: BTreeMap<u64, Open>,
    /// When each ends that has not.
    ends: BTreeSet<(Duration, u64)>,
    hosts: BTreeMap<String, Host>,
    askers: BTreeMap<String, Asker>,
    rate: Limiter<String>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            next: 1,
            open: BTreeMap::new(),
            ends: BTreeSet::new(),
            hosts: BTreeMap::new(),
            askers: BTreeMap::new(),
            rate: Limiter::new(RATE),
        }
    }
}

impl Desk {
    /// Takes errands; `home` says which living host has a place, or why none is asked.
    pub fn ask(
        &mut self,
        asker: &str,
        errands: Vec<Errand>,
        home: impl Fn(&str) -> Result<String, String>,
        now: Duration,
    ) {
        self.forget(now);
        if self.askers.len() >= ASKERS && !self.askers.contains_key(asker) {
            // Who is not known hears nothing, and knows by that.
            return;
        }
        self.askers.entry(asker.to_owned()).or_default().came = now;
        for errand in errands {
            let number = errand.number;
            if let Err(why) = self.admit(asker, errand, &home, now) {
                self.end(asker, Ran { number, outcome: None, why: Some(why) });
            }
        }
    }

    fn admit(
        &mut self,
        asker: &str,
        errand: Errand,
        home: &impl Fn(&str) -> Result<String, String>,
        now: Duration,
    ) -> Result<(), String> {
        if errand.probe.len() > TEXT {
            return Err(format!("what is asked is longer than {TEXT} octets"));
        }
        if errand.time_out == 0 || errand.time_out > LONGEST {
            return Err(format!("asking may take 1 to {LONGEST} ms, not {}", errand.time_out));
        }
        let host = home(&errand.place)?;
        if self.open.len() >= OF_ALL {
            return Err(format!("hosts are asked {OF_ALL} questions already"));
        }
        let own = self.hosts.entry(host.clone()).or_default();
        if own.open >= OF_HOST {
            return Err(format!("{host} is asked {OF_HOST} questions already"));
        }
        if self.rate.take(host.clone(), now).is_err() {
            return Err(format!("{host} is asked more than {} times a second", RATE.each_second));
        }
        let id = self.next;
        self.next += 1;
        let until = now + Duration::from_millis(errand.time_out) + ON_THE_WAY;
        let number = errand.number;
        own.open += 1;
        own.waiting.push_back(Errand { number: id, ..errand });
        own.news.notify_one();
        if let Some(own) = self.askers.get_mut(asker) {
            own.open += 1;
        }
        let asker = asker.to_owned();
        self.open.insert(id, Open { asker, number, host, until, taken: false });
        self.ends.insert((until, id));
        Ok(())
    }

    /// The errands of a host whose agent comes for them.
    pub fn take(&mut self, host: &str, now: Duration) -> Vec<Errand> {
        self.expire(now);
        let own = self.hosts.entry(host.to_owned()).or_default();
        own.came = Some(now);
        let mut all = Vec::new();
        while all.len() < AT_ONCE
            && let Some(errand) = own.waiting.pop_front()
        {
            // One that has ended is not asked any more.
            let Some(open) = self.open.get_mut(&errand.number) else { continue };
            open.taken = true;
            all.push(errand);
        }
        if !own.waiting.is_empty() {
            own.news.notify_one();
        }
        all
    }

    /// What a host's agent says of its errands.
    pub fn ran(&mut self, host: &str, all: Vec<Ran>) {
        for ran in all {
            if self.open.get(&ran.number).is_some_and(|open| open.host == host) {
                self.close(ran.number, ran.outcome, ran.why);
            }
        }
    }

    /// What ended of what somebody wanted to know.
    pub fn ended(&mut self, asker: &str, now: Duration) -> Vec<Ran> {
        self.expire(now);
        let Some(own) = self.askers.get_mut(asker) else { return Vec::new() };
        own.came = now;
        let some = own.ended.len().min(AT_ONCE);
        own.ended.drain(..some).collect()
    }

    /// Whether anything is under way that somebody wanted to know.
    #[must_use]
    pub fn waits(&self, asker: &str) -> bool {
        self.askers.get(asker).is_some_and(|own| own.open > 0)
    }

    /// Tells a host's agent of errands.
    pub fn news_of(&mut self, host: &str) -> Arc<Notify> {
        Arc::clone(&self.hosts.entry(host.to_owned()).or_default().news)
    }

    /// Tells who wants to know that something ended.
    pub fn news_for(&mut self, asker: &str) -> Arc<Notify> {
        self.askers.get(asker).map(|own| Arc::clone(&own.news)).unwrap_or_default()
    }

    /// When the next errand ends by itself.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// Ends what nobody answered in time.
    fn expire(&mut self, now: Duration) {
        while let Some((until, id)) = self.ends.first().copied()
            && until <= now
        {
            let why = self.open.get(&id).map(|open| {
                let came = self.hosts.get(&open.host).and_then(|own| own.came);
                let lately = came.is_some_and(|came| now < came + FORGOTTEN);
                match (open.taken, lately) {
                    (true, _) => format!("the agent of {} did not answer in time", open.host),
                    (false, true) => format!("the agent of {} takes nothing up", open.host),
                    (false, false) => format!("the agent of {} never asks what to ask: it is of another version, or follows another server", open.host),
                }
            });
            self.ends.remove(&(until, id));
            self.close(id, None, why);
        }
    }

    fn close(&mut self, id: u64, outcome: Option<Value>, why: Option<String>) {
        let Some(open) = self.open.remove(&id) else { return };
        self.ends.remove(&(open.until, id));
        if let Some(own) = self.hosts.get_mut(&open.host) {
            own.open = own.open.saturating_sub(1);
            if !open.taken {
                own.waiting.retain(|errand| errand.number != id);
            }
        }
        if let Some(own) = self.askers.get_mut(&open.asker) {
            own.open = own.open.saturating_sub(1);
        }
        self.end(&open.asker, Ran { number: open.number, outcome, why });
    }

    fn end(&mut self, asker: &str, ran: Ran) {
        // Who has gone does not want it any more.
        let Some(own) = self.askers.get_mut(asker) else { return };
        own.ended.push_back(ran);
        if own.ended.len() > OF_ALL {
            own.ended.pop_front();
        }
        own.news.notify_one();
    }

    fn forget(&mut self, now: Duration) {
        self.askers.retain(|_, own| now < own.came + FORGOTTEN);
        let stays = |own: &Host| own.open > 0 || own.came.is_some_and(|at| now < at + FORGOTTEN);
        self.hosts.retain(|_, own| stays(own));
    }
}

#[cfg(test)]
mod tests;
