//! Three members of etcd that are killed, paused and cut off at random, while several clients compare and set.
//!
//! At the end the whole history is read: every write that was acknowledged is in it, once and with the revision that was told; none is in it that was
//! said not to have been done; and each follows the value that its writer had seen. A watch that went on all the while has seen the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "a test stops where it cannot go on, and says what it did"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use netwright_store::{
    AnyStore, Compare, Entry, Error, Event, Keys, Op, OpenOptions, Range, Revision, Store, Txn,
    open,
};
use netwright_testbed::{Cluster, alone, is_there};

const CLIENTS: usize = 6;
const REGISTERS: u64 = 3;

/// How long faults go on; `NETWRIGHT_OUTAGE_SECONDS` says otherwise.
fn seconds() -> Duration {
    let given = std::env::var("NETWRIGHT_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(given.unwrap_or(25))
}

/// Numbers that look random and are the same for a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Done(Revision),
    /// The register had another value.
    Lost,
    NotDone,
    Unknown,
}

#[derive(Debug, Clone)]
struct Attempt {
    register: String,
    seen: Option<Bytes>,
    outcome: Outcome,
}

/// What all clients did, by the value that each attempt would have written.
type History = Arc<Mutex<BTreeMap<Bytes, Attempt>>>;

struct Shared {
    history: History,
    /// For each register the newest revision that somebody was told of.
    newest: Vec<AtomicU64>,
    ends: AtomicBool,
    reads: AtomicU64,
}

async fn client(number: usize, store: AnyStore, shared: Arc<Shared>) {
    let mut dice = Dice(number as u64 + 7);
    let mut count = 0;
    while !shared.ends.load(Ordering::SeqCst) {
        count += 1;
        let place = dice.below(REGISTERS);
        let register = format!("netwright/register/{place}");
        let newest = &shared.newest[usize::try_from(place).unwrap()];
        let before = newest.load(Ordering::SeqCst);
        let found = match store.range(Range::of(Keys::one(&register))).await {
            Ok(found) => found,
            Err(error) => {
                assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        shared.reads.fetch_add(1, Ordering::SeqCst);
        let entry: Option<&Entry> = found.entries.first();
        // A read that begins after an acknowledged write sees it.
        let seen_at = entry.map_or(0, |entry| entry.modified.0);
        assert!(seen_at >= before, "{register} is at {seen_at}, and was at {before} already");
        let value = Bytes::from(format!("{number}-{count}"));
        let key = Bytes::from(register.clone());
        let condition = match entry {
            Some(entry) => Compare::unchanged(key.clone(), entry.modified),
            None => Compare::absent(key.clone()),
        };
        let log = format!("netwright/log/{number}/{count:06}");
        let txn = Txn {
            compare: vec![condition],
            then: vec![Op::put(key, value.clone()), Op::put(log, value.clone())],
            otherwise: Vec::new(),
        };
        let outcome = match store.txn(txn).await {
            Ok(answer) if answer.succeeded => {
                newest.fetch_max(answer.revision.0, Ordering::SeqCst);
                Outcome::Done(answer.revision)
            }
            Ok(_) => Outcome::Lost,
            Err(Error::OutcomeUnknown(_)) => Outcome::Unknown,
            Err(error) => {
                assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
                Outcome::NotDone
            }
        };
        let seen = entry.map(|entry| entry.value.clone());
        shared.history.lock().unwrap().insert(value, Attempt { register, seen, outcome });
    }
}

/// Faults of all kinds, one after the other, at times two at once.
fn torment(cluster: &mut Cluster, dice: &mut Dice, until: Instant) -> BTreeMap<&'static str, u32> {
    let mut done = BTreeMap::new();
    let wait = |dice: &mut Dice, from, to| {
        std::thread::sleep(Duration::from_millis(from + dice.below(to - from)));
    };
    while Instant::now() < until {
        for _ in 0..=dice.below(3) / 2 {
            let member = usize::try_from(dice.below(3)).unwrap();
            let name = match dice.below(4) {
                0 => {
                    cluster.kill(member);
                    "kill"
                }
                1 => {
                    cluster.pause(member);
                    "pause"
                }
                2 => {
                    cluster.part(&[member]);
                    "part"
                }
                _ => {
                    cluster.unplug(member);
                    "unplug"
                }
            };
            *done.entry(name).or_insert(0) += 1;
        }
        wait(dice, 300, 2_500);
        cluster.heal();
        wait(dice, 200, 1_500);
    }
    done
}

/// All events from a revision on, until one.
async fn events(store: &AnyStore, from: Revision, last: Revision) -> Vec<Event> {
    let mut watch = store.watch(Keys::prefix("netwright/"), from).await.unwrap();
    let mut told = Vec::new();
    while told.last().is_none_or(|event: &Event| event.revision() < last) {
        let next = tokio::time::timeout(Duration::from_secs(60), watch.next()).await;
        told.extend(next.expect("events in time").unwrap().events);
    }
    told
}

/// Whether the history is explicable.
fn judge(events: &[Event], history: &BTreeMap<Bytes, Attempt>) {
    let mut registers: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut found: BTreeMap<Bytes, Revision> = BTreeMap::new();
    let mut logged: BTreeMap<Bytes, Revision> = BTreeMap::new();
    for event in events {
        let Event::Put(entry) = event else { panic!("nothing is taken away: {event:?}") };
        let key = String::from_utf8(entry.key.to_vec()).unwrap();
        if key.starts_with("netwright/log/") {
            logged.insert(entry.value.clone(), entry.modified);
            continue;
        }
        if !key.starts_with("netwright/register/") {
            continue;
        }
        let twice = found.insert(entry.value.clone(), entry.modified);
        assert_eq!(twice, None, "{:?} is written twice", entry.value);
        let attempt = history.get(&entry.value).expect("somebody wrote it");
        assert_eq!(attempt.register, key);
        let before = registers.insert(key, entry.value.clone());
        assert_eq!(before, attempt.seen, "{:?} was written over what it had not seen", entry.value);
        match attempt.outcome {
            Outcome::Done(at) => assert_eq!(at, entry.modified),
            Outcome::Unknown => {}
            Outcome::Lost | Outcome::NotDone => panic!("{attempt:?} was done"),
        }
    }
    assert_eq!(logged, found, "both keys of a transaction or none");
    for (value, attempt) in history {
        if let Outcome::Done(at) = attempt.outcome {
            assert_eq!(found.get(value), Some(&at), "{attempt:?} is lost");
        }
    }
}

async fn last_write(store: &AnyStore) -> Revision {
    let begun = Instant::now();
    loop {
        match store.txn(Txn::of(vec![Op::put("netwright/end", "x")])).await {
            Ok(done) => return done.revision,
            Err(error) => assert!(error.may_pass(), "{error:?}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the cluster does not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_done_twice_whatever_happens_to_members() {
    if !is_there() {
        return;
    }
    let name = "nothing_acknowledged_is_lost_and_nothing_is_done_twice_whatever_happens_to_members";
    alone(name, || {
        let mut cluster = Cluster::start(3);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = OpenOptions { patience: Duration::from_secs(2), ..OpenOptions::default() };
        let address = cluster.address();
        let store = runtime.block_on(open(&address, &options)).unwrap();
        let first = runtime.block_on(last_write(&store));
        let shared = Arc::new(Shared {
            history: History::default(),
            newest: (0..REGISTERS).map(|_| AtomicU64::new(0)).collect(),
            ends: AtomicBool::new(false),
            reads: AtomicU64::new(0),
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let store = runtime.block_on(open(&address, &options)).unwrap();
                runtime.spawn(client(number, store, Arc::clone(&shared)))
            })
            .collect();
        let mut watch =
            runtime.block_on(store.watch(Keys::prefix("netwright/"), first.next())).unwrap();
        let watched = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&watched);
        let watcher = runtime.spawn(async move {
            loop {
                let batch = watch.next().await.unwrap();
                seen.lock().unwrap().extend(batch.events);
            }
        });
        let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        eprintln!("seed {seed}");
        let faults = torment(&mut cluster, &mut Dice(seed), Instant::now() + seconds());
        std::thread::sleep(Duration::from_secs(3));
        shared.ends.store(true, Ordering::SeqCst);
        for client in clients {
            runtime.block_on(client).unwrap();
        }
        // What was on its way has arrived by now, or never does.
        std::thread::sleep(Duration::from_secs(3));
        let last = runtime.block_on(last_write(&store));
        let events = runtime.block_on(events(&store, first.next(), last));
        let history = shared.history.lock().unwrap().clone();
        judge(&events, &history);
        let complete = async {
            for _ in 0..600 {
                let told = watched.lock().unwrap().last().map(Event::revision);
                if told >= Some(last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            panic!("the watch did not come back");
        };
        runtime.block_on(complete);
        assert_eq!(*watched.lock().unwrap(), events, "the watch has seen something else");
        watcher.abort();
        let count =
            |is: fn(&Outcome) -> bool| history.values().filter(|one| is(&one.outcome)).count();
        let acknowledged = count(|outcome| matches!(outcome, Outcome::Done(_)));
        eprintln!(
            "{faults:?}: {acknowledged} acknowledged, {} lost the race, {} not done, {} unknown, {} reads",
            count(|outcome| *outcome == Outcome::Lost),
            count(|outcome| *outcome == Outcome::NotDone),
            count(|outcome| *outcome == Outcome::Unknown),
            shared.reads.load(Ordering::SeqCst),
        );
        assert!(acknowledged > 50, "too little was done: {acknowledged}");
    });
}
