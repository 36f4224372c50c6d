//! Who allocates, releases, asks again, asks too late, and changes the network; each keeps what it asked and what it was told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use netwright_model::random::Random;
use netwright_model::source::Sources;
use serde_json::{Value, json};

use super::fleet::{agent, ask};
use super::history::{Attempt, Call, History, Told};
use crate::server::pause;

/// A pool that is taken from.
pub(super) struct Pool {
    pub(super) name: &'static str,
    kind: &'static str,
    ranges: &'static [&'static str],
    /// Of ranges: the length that is asked for.
    length: Option<u8>,
    /// Seconds that a released value rests.
    rests: u64,
}

const fn pool(name: &'static str, kind: &'static str, ranges: &'static [&'static str]) -> Pool {
    Pool { name, kind, ranges, length: None, rests: 0 }
}

/// Small ones, so that values come round. The first three take from the same ranges, as far as their networks have them: they are peered.
pub(super) const POOLS: [Pool; 6] = [
    Pool { length: Some(25), ..pool("vpc:a", "ranges", &[]) },
    Pool { length: Some(26), rests: 1, ..pool("vpc:b", "ranges", &[]) },
    pool("connectors:a", "ranges", &[]),
    pool("subnet:b/s", "addresses", &[]),
    pool("tags", "numbers", &["1-30"]),
    Pool { rests: 1, ..pool("ports", "ports", &["198.51.100.1", "198.51.100.2"]) },
];

impl Pool {
    pub(super) fn declared(&self) -> Value {
        let mut declared =
            json!({ "pool": self.name, "kind": self.kind, "hold_down_seconds": self.rests });
        if !self.ranges.is_empty() {
            declared["ranges"] = json!(self.ranges);
        }
        if self.kind == "ports" {
            declared["ports"] = json!(8192);
        }
        declared
    }
}

/// Asks, and keeps what it is told.
struct Asker {
    name: String,
    random: Random,
    agent: ureq::Agent,
    servers: Vec<String>,
    key: String,
    history: Arc<History>,
}

/// Attempts of one wish.
const ATTEMPTS: u32 = 8;

impl Asker {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(u32::try_from(bound).unwrap())).unwrap()
    }

    /// Asks at any server until there is an answer that more asking does not change; what that is.
    fn wish(&mut self, wish: &str, key: Option<&str>, call: &Call, over: &AtomicBool) -> Told {
        let mut told = Told::Lost("it was not asked".to_owned());
        for attempt in 0..ATTEMPTS {
            let server = self.below(self.servers.len());
            let began = self.history.now();
            told = ask(&self.agent, &self.servers[server], &self.key, key, call);
            self.history.keep(Attempt {
                wish: wish.to_owned(),
                key: key.map(str::to_owned),
                call: call.clone(),
                server,
                began,
                ended: self.history.now(),
                told: told.clone(),
            });
            let passes = match &told {
                Told::Done(_) => false,
                // Without a key it must not be asked twice.
                Told::Lost(_) => key.is_some(),
                Told::Refused(kind, _) => {
                    ["no-connection", "store-away", "no-leader", "busy", "not-ready"]
                        .contains(&kind.as_str())
                }
            };
            if !passes || (over.load(Ordering::SeqCst) && attempt > 2) {
                break;
            }
            pause(u64::from(10 + self.random.below(200)));
        }
        told
    }
}

/// One that allocates and releases.
pub(super) struct Client {
    asker: Asker,
    own: Vec<Value>,
    gone: Vec<Value>,
    done: Vec<(String, Call)>,
    wishes: u32,
}

impl Client {
    pub(super) fn new(
        id: u64,
        seed: u64,
        servers: Vec<String>,
        key: String,
        history: Arc<History>,
    ) -> Self {
        let random = Random::new(seed.wrapping_mul(31).wrapping_add(id));
        let asker = Asker { name: format!("c{id}"), random, agent: agent(), servers, key, history };
        Self { asker, own: Vec::new(), gone: Vec::new(), done: Vec::new(), wishes: 0 }
    }

    pub(super) fn run(mut self, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            match self.asker.random.below(100) {
                0..40 if !self.own.is_empty() => self.release(over),
                40..50 if !self.gone.is_empty() => self.release_late(over),
                50..62 if !self.done.is_empty() => self.again(over),
                62..66 if !self.done.is_empty() => self.another_with_the_same_key(over),
                _ => self.allocate(over),
            }
            pause(u64::from(self.asker.random.below(20)));
        }
    }

    fn wish(&mut self, call: &Call, over: &AtomicBool) -> (Told, String) {
        self.wishes += 1;
        let wish = format!("{}/{}", self.asker.name, self.wishes);
        let call = match &call.body["for"] {
            Value::String(_) => {
                let mut own = call.clone();
                own.body["for"] = json!(wish);
                own
            }
            _ => call.clone(),
        };
        let key = self.asker.random.percent(80).then(|| wish.clone());
        let told = self.asker.wish(&wish, key.as_deref(), &call, over);
        if let (Told::Done(_), Some(_)) = (&told, &key) {
            self.done.push((wish.clone(), call));
        }
        (told, wish)
    }

    fn allocate(&mut self, over: &AtomicBool) {
        let pool = &POOLS[self.asker.below(POOLS.len())];
        let mut body = json!({ "pool": pool.name, "for": "" });
        let old = self.gone.len();
        if old > 0 && self.asker.random.percent(25) {
            // What somebody had is wanted again.
            let gone = &self.gone[self.asker.below(old)];
            body["pool"] = gone["pool"].clone();
            body["value"] = gone["value"].clone();
        } else if let Some(length) = pool.length {
            body["length"] = json!(length);
        }
        if let (Told::Done(given), _) = self.wish(&Call::post("/api/v1/allocations", body), over) {
            self.own.push(given);
        }
    }

    fn release_of(given: &Value) -> Call {
        let body = json!({ "pool": given["pool"], "value": given["value"], "sequence": given["sequence"] });
        Call::post("/api/v1/allocations/release", body)
    }

    fn release(&mut self, over: &AtomicBool) {
        let at = self.asker.below(self.own.len());
        let given = self.own.swap_remove(at);
        if let (Told::Done(_), _) = self.wish(&Self::release_of(&given), over) {
            self.gone.push(given);
        }
    }

    /// What was released before, and may be another's by now.
    fn release_late(&mut self, over: &AtomicBool) {
        let at = self.asker.below(self.gone.len());
        let call = Self::release_of(&self.gone[at]);
        self.wish(&call, over);
    }

    fn again(&mut self, over: &AtomicBool) {
        let at = self.asker.below(self.done.len());
        let (wish, call) = self.done[at].clone();
        self.asker.wish(&wish, Some(&wish), &call, over);
    }

    fn another_with_the_same_key(&mut self, over: &AtomicBool) {
        let at = self.asker.below(self.done.len());
        let (wish, _) = self.done[at].clone();
        let call =
            Call::post("/api/v1/allocations", json!({ "pool": "tags", "for": format!("{wish}!") }));
        self.asker.wish(&format!("{wish}!"), Some(&wish), &call, over);
    }
}

/// One that changes the network: subnets come and go, where others allocate.
pub(super) struct Changer {
    asker: Asker,
    /// What the network was when it was last heard of.
    known: Option<(u64, BTreeMap<String, String>)>,
    wishes: u32,
}

/// Where the network is changed.
const CHANGED: &str = "/api/v1/network/vpcs";

impl Changer {
    pub(super) fn new(seed: u64, servers: Vec<String>, key: String, history: Arc<History>) -> Self {
        let random = Random::new(seed ^ 0xC0FFEE);
        let asker = Asker { name: "n".to_owned(), random, agent: agent(), servers, key, history };
        Self { asker, known: None, wishes: 0 }
    }

    pub(super) fn run(mut self, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            match self.known.take() {
                Some((revision, subnets)) => self.change(revision, subnets, over),
                None => self.look(),
            }
            pause(u64::from(50 + self.asker.random.below(250)));
        }
    }

    fn look(&mut self) {
        let server = self.asker.below(self.asker.servers.len());
        let call = Call::get("/api/v1/network");
        let told =
            ask(&self.asker.agent, &self.asker.servers[server], &self.asker.key, None, &call);
        if let Told::Done(network) = told {
            let all = subnets(network["description"].as_str().unwrap());
            let own = all.into_iter().filter(|(name, _)| name.starts_with("a/"));
            self.known = Some((network["revision"].as_u64().unwrap(), own.collect()));
        }
    }

    fn change(&mut self, revision: u64, mut subnets: BTreeMap<String, String>, over: &AtomicBool) {
        let name = format!("a/t{}", self.asker.below(4));
        if subnets.remove(&name).is_none() {
            let third = self.asker.below(8);
            let last = 64 * self.asker.below(4);
            subnets.insert(name, format!("10.0.{third}.{last}/26"));
        }
        let short = |name: &str| name.trim_start_matches("a/").to_owned();
        let inside: serde_json::Map<String, Value> =
            subnets.iter().map(|(name, cidr)| (short(name), json!({ "cidr": cidr }))).collect();
        let text = json!({ "cidr": "10.0.0.0/21", "subnets": inside }).to_string();
        self.wishes += 1;
        let wish = format!("n/{}", self.wishes);
        let mut call = Call::put(CHANGED, json!({ "name": "a", "text": text }));
        call.at = Some(revision);
        self.known = match self.asker.wish(&wish, Some(&wish), &call, over) {
            Told::Done(answer) => Some((answer["revision"].as_u64().unwrap(), subnets)),
            _ => None,
        };
    }
}

/// The subnets of a description, and their first ranges.
pub(super) fn subnets(description: &str) -> BTreeMap<String, String> {
    let network = netwright_model::load("n.yaml", description, &mut Sources::default()).unwrap();
    network
        .subnets
        .iter()
        .map(|subnet| (subnet.name.clone(), subnet.cidrs[0].to_string()))
        .collect()
}
