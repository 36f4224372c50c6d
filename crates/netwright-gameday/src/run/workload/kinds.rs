//! What clients do to the reference system, kind by kind: the next request, and what its answer says was seen.
//!
//! Requests of a burst are about the same thing, so that they meet; what is chosen follows from the seed.

use std::collections::BTreeMap;
use std::sync::Mutex;

use netwright_model::random::Random;
use serde_json::{Value, json};

use super::client::Asked;
use crate::language::Operations;
use crate::run::lock;

/// Registers, lists and documents that there are.
pub(super) const KEYS: u64 = 3;
/// So many documents later, one is deleted.
const LATER: u64 = 2;
/// Milliseconds for which a node of the workload leads.
const LEASE: u32 = 1_500;

/// One kind of operations, and what is known of what they are about.
pub(super) struct Kind {
    pub(super) what: Operations,
    /// What names of this run begin with.
    pub(super) run: String,
    burst: u64,
    state: Mutex<State>,
}

struct State {
    random: Random,
    /// What a register held last, as far as is known.
    held: BTreeMap<u64, Value>,
    /// The epoch that a node believes to lead in.
    epochs: BTreeMap<&'static str, i64>,
}

/// The model that a history of this kind is checked against.
pub(super) fn model(what: Operations) -> &'static str {
    match what {
        Operations::Markers => "lost-writes",
        Operations::Sets => "set-full",
        Operations::Registers => "cas-register",
        Operations::Lists => "list-append",
        Operations::Queue => "total-queue",
        Operations::Counters => "counter",
        Operations::Ids => "unique-ids",
        Operations::Documents => "versions",
        Operations::References => "orphans",
        Operations::Leaders => "leadership",
        Operations::Records => "stale-reads",
    }
}

impl Kind {
    pub(super) fn new(what: Operations, run: &str, (seed, burst): (u64, u64)) -> Self {
        let state =
            State { random: Random::new(seed), held: BTreeMap::new(), epochs: BTreeMap::new() };
        Self { what, run: run.to_owned(), burst, state: Mutex::new(state) }
    }

    /// What a marker, job or document of a number is called.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    /// The request of a number.
    pub(super) fn next(&self, number: u64) -> Asked {
        let mut state = lock(&self.state);
        let draw = state.random.below(100);
        let key = number / self.burst % KEYS;
        match self.what {
            Operations::Markers => {
                let id = self.id(number);
                let body = json!({ "id": id });
                does("write", "POST", "/api/v1/test/marker").about(None, json!(id)).with(&body)
            }
            Operations::Sets if draw < 20 => reads(format!("/api/v1/sets/{}", self.run)),
            Operations::Sets => {
                let path = format!("/api/v1/sets/{}", self.run);
                does("add", "POST", path)
                    .about(None, json!(number))
                    .with(&json!({ "element": number }))
            }
            Operations::Registers => register(&state, (key, draw), (&self.run, number)),
            Operations::Lists => lists((key, draw), (&self.run, number)),
            Operations::Queue => {
                let id = self.id(number);
                let body = json!({ "id": id, "payload": { "work_ms": 5 } });
                does("enqueue", "POST", "/api/v1/queue/jobs").about(None, json!(id)).with(&body)
            }
            Operations::Counters if draw < 25 => reads(format!("/api/v1/counters/{}", self.run)),
            Operations::Counters => {
                let path = format!("/api/v1/counters/{}", self.run);
                let amount = number % 5 + 1;
                does("add", "POST", path).about(None, json!(amount)).with(&json!({ "add": amount }))
            }
            Operations::Ids => does("generate", "POST", "/api/v1/ids"),
            Operations::Documents => {
                let id = format!("{}-d{key}", self.run);
                let path = format!("/api/v1/documents/{id}");
                let mut asked = does("write", "PUT", path).with(&json!({ "number": number }));
                asked.key = Some(json!(id));
                asked
            }
            Operations::References => self.reference(number),
            Operations::Leaders => leader(&state, (number, draw), &self.run),
            Operations::Records => {
                let body = json!({ "id": self.record(key), "value": number });
                does("write", "POST", "/api/v1/test/write")
                    .about(Some(json!(key)), json!(number))
                    .with(&body)
            }
        }
    }

    /// What a record is called.
    pub(super) fn record(&self, key: u64) -> String {
        format!("{}-r{key}", self.run)
    }

    /// Documents come, and most of them go again.
    fn reference(&self, number: u64) -> Asked {
        let place = number / 2;
        let goes = place.checked_sub(LATER).filter(|place| number % 2 == 1 && place % 3 != 0);
        let id = self.id(goes.unwrap_or(place));
        let path = format!("/api/v1/documents/{id}");
        let (f, method) = if goes.is_some() { ("delete", "DELETE") } else { ("write", "PUT") };
        let mut asked = does(f, method, path).with(&json!({ "number": number }));
        asked.key = Some(json!(id));
        asked
    }

    /// What an answer says was seen or done; nothing where the request said it all.
    pub(super) fn seen(&self, asked: &Asked, answer: &Value) -> Option<Value> {
        let mut state = lock(&self.state);
        match self.what {
            Operations::Registers => {
                let place = asked.key.as_ref().and_then(Value::as_u64)?;
                let held = answer["value"].clone();
                state.held.insert(place, held.clone());
                (asked.f == "read").then_some(held)
            }
            Operations::Lists => Some(answer["operations"].clone()),
            Operations::Sets if asked.f == "read" => Some(answer["elements"].clone()),
            Operations::Counters if asked.f == "read" => Some(answer["value"].clone()),
            Operations::Ids => Some(answer["id"].clone()),
            Operations::Documents => Some(answer["version"].clone()),
            Operations::Leaders if asked.f == "lead" => {
                let epoch = answer["epoch"].as_i64()?;
                if let Some(node) = NODES.into_iter().find(|node| asked.key == Some(json!(node))) {
                    state.epochs.insert(node, epoch);
                }
                Some(json!({ "epoch": epoch }))
            }
            _ => None,
        }
    }

    /// A request was refused: who was fenced does not lead.
    pub(super) fn refused(&self, asked: &Asked) {
        if self.what == Operations::Leaders && asked.f == "act" {
            lock(&self.state).epochs.retain(|node, _| asked.key != Some(json!(node)));
        }
    }
}

/// Nodes that want to lead.
const NODES: [&str; 2] = ["left", "right"];

fn does(f: &'static str, method: &'static str, path: impl Into<String>) -> Asked {
    Asked { f, method, path: path.into(), ..Asked::default() }
}

fn reads(path: String) -> Asked {
    does("read", "GET", path)
}

impl Asked {
    fn about(mut self, key: Option<Value>, value: Value) -> Self {
        (self.key, self.value) = (key, Some(value));
        self
    }

    fn with(mut self, body: &Value) -> Self {
        self.body = body.to_string();
        self
    }
}

fn register(state: &State, (key, draw): (u64, u32), (run, number): (&str, u64)) -> Asked {
    let path = format!("/api/v1/registers/{run}-{key}");
    let mut asked = if draw < 40 {
        reads(path)
    } else if draw < 80 {
        let held = state.held.get(&key).cloned().unwrap_or_default();
        does("cas", "POST", format!("{path}/cas"))
            .about(None, json!([held, number]))
            .with(&json!({ "expected": held, "new": number }))
    } else {
        does("write", "PUT", path).about(None, json!(number)).with(&json!({ "value": number }))
    };
    asked.key = Some(json!(key));
    asked
}

fn lists((key, draw): (u64, u32), (run, number): (&str, u64)) -> Asked {
    let list = |key: u64| format!("{run}-{}", key % KEYS);
    let append = |key| json!(["append", list(key), number]);
    let read = |key| json!(["r", list(key), null]);
    let steps = match draw {
        0..30 => json!([read(key), append(key)]),
        30..60 => json!([append(key), read(key + 1)]),
        60..80 => json!([read(key), read(key + 1), append(key + 2)]),
        _ => json!([read(key), read(key + 1), read(key + 2)]),
    };
    does("txn", "POST", "/api/v1/lists/transactions")
        .about(None, steps.clone())
        .with(&json!({ "operations": steps }))
}

fn leader(state: &State, (number, draw): (u64, u32), run: &str) -> Asked {
    let node = if number.is_multiple_of(2) { NODES[0] } else { NODES[1] };
    let mut asked = match state.epochs.get(node) {
        Some(epoch) if draw < 70 => does("act", "POST", "/api/v1/consensus/act")
            .about(None, json!({ "epoch": epoch }))
            .with(&json!({ "election": run, "node": node, "epoch": epoch, "what": number })),
        _ => does("lead", "POST", "/api/v1/consensus/lead")
            .with(&json!({ "election": run, "node": node, "lease_ms": LEASE })),
    };
    asked.key = Some(json!(node));
    asked
}

#[cfg(test)]
mod tests {
    use super::{Kind, Operations, json};

    #[test]
    fn the_same_seed_asks_the_same_and_requests_of_a_burst_meet() {
        let of = |seed| Kind::new(Operations::Registers, "run", (seed, 4));
        let all = |kind: &Kind| (0..40).map(|number| kind.next(number)).collect::<Vec<_>>();
        assert_eq!(all(&of(7)), all(&of(7)));
        assert_ne!(all(&of(7)), all(&of(8)));
        for burst in all(&of(7)).chunks(4) {
            assert!(burst.iter().all(|asked| asked.key == burst[0].key));
        }
    }

    #[test]
    fn who_was_fenced_asks_to_lead_again() {
        let kind = Kind::new(Operations::Leaders, "run", (1, 4));
        let lead = kind.next(0);
        assert_eq!((lead.f, &lead.key), ("lead", &Some(json!("left"))));
        kind.seen(&lead, &json!({ "epoch": 3 }));
        let act = (0..100).map(|_| kind.next(0)).find(|asked| asked.f == "act");
        let act = act.unwrap_or_default();
        assert_eq!(act.value, Some(json!({ "epoch": 3 })));
        kind.refused(&act);
        assert!((0..100).all(|_| kind.next(0).f == "lead"));
    }
}
