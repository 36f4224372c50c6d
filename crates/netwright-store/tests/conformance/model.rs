//! Random requests: every engine answers as the plain one does.

use std::sync::Arc;
use std::time::Duration;

use netwright_store::embedded::Embedded;
use netwright_store::etcd::Etcd;
use netwright_store::{
    Compare, Entry, Error, Event, Found, Keys, LeaseId, Op, OpAnswer, Range, Relation, Revision,
    Store, Target, Txn, TxnAnswer, Watch,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::server::{Server, is_there};
use crate::{Folder, Hands, bytes, memory, put};

#[derive(Debug, Clone)]
enum Step {
    Txn(Txn),
    Grant(u64),
    KeepAlive(u64),
    Revoke(u64),
    /// So far back from the newest revision.
    Compact(u64),
    Read(Keys, Option<u64>, Option<usize>),
    Pass(u64),
    /// The file is closed and opened again.
    Reopen,
}

fn key() -> impl Strategy<Value = String> {
    "[ab]{1,3}".prop_map(|key| format!("t/{key}"))
}

fn keys() -> impl Strategy<Value = Keys> {
    prop_oneof![
        key().prop_map(|key| Keys::one(&key)),
        key().prop_map(|key| Keys::prefix(&key)),
        (key(), key()).prop_map(|(from, to)| Keys::Between(bytes(&from), bytes(&to))),
        key().prop_map(|from| Keys::From(bytes(&from))),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (key(), "[0-9]{0,3}").prop_map(|(key, value)| put(&key, &value)),
        1 => (key(), 1..4_u64).prop_map(|(key, lease)| Op::Put {
            key: bytes(&key),
            value: bytes("held"),
            lease: Some(LeaseId(lease)),
        }),
        2 => keys().prop_map(Op::Delete),
        1 => keys().prop_map(|keys| Op::Get(Range::of(keys))),
    ]
}

fn compare() -> impl Strategy<Value = Compare> {
    let relation = prop_oneof![
        Just(Relation::Equal),
        Just(Relation::NotEqual),
        Just(Relation::Less),
        Just(Relation::Greater)
    ];
    let target = prop_oneof![
        (0..4_u64).prop_map(Target::Version),
        (0..9_u64).prop_map(|at| Target::Created(Revision(at))),
        (0..9_u64).prop_map(|at| Target::Modified(Revision(at))),
        "[0-9]{0,2}".prop_map(|value| Target::Value(bytes(&value))),
    ];
    (key(), relation, target).prop_map(|(key, is, target)| Compare { key: bytes(&key), is, target })
}

fn txn() -> impl Strategy<Value = Txn> {
    let ops = || prop::collection::vec(op(), 0..4);
    (prop::collection::vec(compare(), 0..2), ops(), ops())
        .prop_map(|(compare, then, otherwise)| Txn { compare, then, otherwise })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => txn().prop_map(Step::Txn),
        1 => (1..5_u64).prop_map(Step::Grant),
        1 => (1..4_u64).prop_map(Step::KeepAlive),
        1 => (1..4_u64).prop_map(Step::Revoke),
        1 => (0..6_u64).prop_map(Step::Compact),
        4 => (keys(), prop::option::of(0..9_u64), prop::option::of(0..4_usize))
            .prop_map(|(keys, back, limit)| Step::Read(keys, back, limit)),
        1 => Just(Step::Reopen),
        1 => (100..3_000_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..40)
}

/// What a step came to, as far as it must be the same everywhere.
#[derive(Debug, PartialEq)]
enum Outcome {
    Txn(Result<TxnAnswer, Error>),
    Lease(Result<LeaseId, Error>),
    Kept(Result<Duration, Error>),
    Done(Result<(), Error>),
    Read(Result<Found, Error>),
    Nothing,
}

async fn take(store: &impl Store, step: &Step) -> Outcome {
    let newest = async || store.status().await.unwrap().revision;
    let back = async |by: u64| Revision(newest().await.0.saturating_sub(by));
    match step {
        Step::Txn(txn) => Outcome::Txn(store.txn(txn.clone()).await),
        Step::Grant(seconds) => Outcome::Lease(store.grant(Duration::from_secs(*seconds)).await),
        Step::KeepAlive(lease) => Outcome::Kept(store.keep_alive(LeaseId(*lease)).await),
        Step::Revoke(lease) => Outcome::Done(store.revoke(LeaseId(*lease)).await),
        Step::Compact(by) => Outcome::Done(store.compact(back(*by).await).await),
        Step::Read(keys, by, limit) => {
            let at = match by {
                Some(by) => Some(back(*by).await),
                None => None,
            };
            Outcome::Read(store.range(Range { keys: keys.clone(), limit: *limit, at }).await)
        }
        Step::Pass(_) | Step::Reopen => Outcome::Nothing,
    }
}

/// How the numbers of one store are to those of another to which the same is done.
#[derive(Debug, Default)]
struct Shift {
    /// So many revisions more.
    revisions: u64,
    /// The other's leases, in the order in which they were granted.
    leases: Vec<LeaseId>,
}

impl Shift {
    fn revision(&self, own: Revision) -> Revision {
        if own.0 == 0 { own } else { Revision(own.0 + self.revisions) }
    }

    fn lease(&self, own: LeaseId) -> LeaseId {
        let place = usize::try_from(own.0).unwrap().checked_sub(1);
        place.and_then(|place| self.leases.get(place)).copied().unwrap_or(LeaseId(4_242))
    }

    fn range(&self, range: &Range) -> Range {
        Range { at: range.at.map(|at| self.revision(at)), ..range.clone() }
    }

    fn ops(&self, ops: &[Op]) -> Vec<Op> {
        let op = |op: &Op| match op {
            Op::Put { key, value, lease } => Op::Put {
                key: key.clone(),
                value: value.clone(),
                lease: lease.map(|lease| self.lease(lease)),
            },
            Op::Delete(keys) => Op::Delete(keys.clone()),
            Op::Get(range) => Op::Get(self.range(range)),
        };
        ops.iter().map(op).collect()
    }

    fn txn(&self, txn: &Txn) -> Txn {
        let compare = |one: &Compare| {
            let target = match &one.target {
                Target::Created(at) => Target::Created(self.revision(*at)),
                Target::Modified(at) => Target::Modified(self.revision(*at)),
                other => other.clone(),
            };
            Compare { target, ..one.clone() }
        };
        let compare = txn.compare.iter().map(compare).collect();
        Txn { compare, then: self.ops(&txn.then), otherwise: self.ops(&txn.otherwise) }
    }

    fn entry(&self, entry: &Entry) -> Entry {
        Entry {
            created: self.revision(entry.created),
            modified: self.revision(entry.modified),
            lease: entry.lease.map(|lease| self.lease(lease)),
            ..entry.clone()
        }
    }

    fn found(&self, found: &Found) -> Found {
        Found {
            entries: found.entries.iter().map(|entry| self.entry(entry)).collect(),
            more: found.more,
            revision: self.revision(found.revision),
        }
    }

    fn answer(&self, answer: &TxnAnswer) -> TxnAnswer {
        let one = |answer: &OpAnswer| match answer {
            OpAnswer::Got(found) => OpAnswer::Got(self.found(found)),
            other => other.clone(),
        };
        TxnAnswer {
            succeeded: answer.succeeded,
            revision: self.revision(answer.revision),
            answers: answer.answers.iter().map(one).collect(),
        }
    }
}

/// The kind of an error: engines name other numbers beside it.
fn kind<T>(answer: Result<T, Error>) -> Result<T, std::mem::Discriminant<Error>> {
    answer.map_err(|error| std::mem::discriminant(&error))
}

/// Does a step with the plain engine and with etcd, and compares what comes of it.
async fn step_of_both(model: &impl Store, etcd: &impl Store, shift: &mut Shift, step: &Step) {
    let newest = model.status().await.unwrap().revision;
    // What was before the first revision is another test's.
    let back = |by: u64| Revision(newest.0.saturating_sub(by).max(2));
    match step {
        Step::Txn(txn) => {
            let expected = model.txn(txn.clone()).await;
            let found = etcd.txn(shift.txn(txn)).await;
            let expected = expected.map(|answer| shift.answer(&answer));
            assert_eq!(kind(found), kind(expected), "{txn:?}");
        }
        Step::Grant(_) => {
            let day = Duration::from_secs(24 * 60 * 60);
            model.grant(day).await.unwrap();
            shift.leases.push(etcd.grant(day).await.unwrap());
        }
        Step::KeepAlive(lease) => {
            let expected = model.keep_alive(LeaseId(*lease)).await;
            let found = etcd.keep_alive(shift.lease(LeaseId(*lease))).await;
            assert_eq!(kind(found), kind(expected));
        }
        Step::Revoke(lease) => {
            let expected = model.revoke(LeaseId(*lease)).await;
            let found = etcd.revoke(shift.lease(LeaseId(*lease))).await;
            assert_eq!(kind(found), kind(expected));
        }
        Step::Compact(by) => {
            let expected = model.compact(back(*by)).await;
            let found = etcd.compact(shift.revision(back(*by))).await;
            assert_eq!(kind(found), kind(expected), "{by} back");
        }
        Step::Read(keys, by, limit) => {
            let range = Range { keys: keys.clone(), limit: *limit, at: by.map(back) };
            let expected = model.range(range.clone()).await;
            let found = etcd.range(shift.range(&range)).await;
            let expected = expected.map(|found| shift.found(&found));
            assert_eq!(kind(found), kind(expected), "{range:?}");
        }
        Step::Pass(_) | Step::Reopen => {}
    }
}

async fn compare_with_etcd(steps: Vec<Step>, server: &Server, number: usize) {
    let model = memory(&Arc::new(Hands::default()));
    let options = server.options(&format!("/case-{number}/"));
    let etcd = Etcd::connect(&options).await.unwrap();
    let ahead = etcd.status().await.unwrap().revision.0 - Revision::EMPTY.0;
    let mut shift = Shift { revisions: ahead, leases: Vec::new() };
    // So that there is a revision of the test's own.
    for step in std::iter::once(&Step::Txn(Txn::of(vec![put("s", "")]))).chain(&steps) {
        step_of_both(&model, &etcd, &mut shift, step).await;
    }
    let status = model.status().await.unwrap();
    let from = status.compacted.unwrap().next().max(Revision(2));
    if status.revision >= from {
        let expected = told(model.watch(Keys::all(), from).await.unwrap(), status.revision);
        let watch = etcd.watch(Keys::all(), shift.revision(from)).await.unwrap();
        let found = told(watch, shift.revision(status.revision)).await;
        let expected = expected.await;
        let expected = expected.iter().map(|event| match event {
            Event::Put(entry) => Event::Put(shift.entry(entry)),
            Event::Deleted { key, at } => {
                Event::Deleted { key: key.clone(), at: shift.revision(*at) }
            }
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}

async fn settled(store: &impl Store, at: Revision) {
    crate::until("leases end alike", || async { store.status().await.unwrap().revision >= at })
        .await;
}

async fn told(mut watch: Watch, last: Revision) -> Vec<Event> {
    let mut events = Vec::new();
    while events.last().is_none_or(|event: &Event| event.revision() < last) {
        let next = tokio::time::timeout(Duration::from_secs(10), watch.next()).await;
        events.extend(next.expect("events in time").unwrap().events);
    }
    events
}

async fn compare_engines(steps: Vec<Step>) {
    let (hands, folder) = (Arc::new(Hands::default()), Folder::new());
    let model = memory(&hands);
    let mut store = Some(crate::embedded(&folder, &hands));
    let mut kept_alive = false;
    for (number, step) in steps.iter().enumerate() {
        if let Step::Pass(millis) = step {
            hands.forward(Duration::from_millis(*millis));
            // Both look after a while by themselves; here at once, so that the order is the same.
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        if let (Step::Reopen, false) = (step, kept_alive) {
            drop(store.take());
            store = Some(reopened(&folder, &hands).await);
        }
        kept_alive |= matches!(step, Step::Grant(_));
        let own = store.as_ref().unwrap();
        let (expected, found) = (take(&model, step).await, take(own, step).await);
        assert_eq!(found, expected, "step {number}: {step:?}");
    }
    let own = store.unwrap();
    let status = model.status().await.unwrap();
    settled(&own, status.revision).await;
    let from = status.compacted.unwrap().next().max(Revision(2));
    if status.revision >= from {
        let last = status.revision;
        let expected = told(model.watch(Keys::all(), from).await.unwrap(), last).await;
        let found = told(own.watch(Keys::all(), from).await.unwrap(), last).await;
        assert_eq!(found, expected);
    }
}

async fn reopened(folder: &Folder, hands: &Arc<Hands>) -> Embedded {
    for _ in 0..400 {
        match Embedded::open(&folder.file(), Arc::<Hands>::clone(hands)) {
            Ok(store) => return store,
            Err(Error::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the file is not given back");
}

#[test]
fn the_embedded_engine_answers_random_requests_as_the_plain_one_does() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            runtime.block_on(compare_engines(steps));
            Ok(())
        })
        .unwrap();
}

#[test]
fn etcd_answers_random_requests_as_the_plain_engine_does() {
    if !is_there() {
        return;
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (server, _store) = runtime.block_on(Server::start());
    let begun = std::time::Instant::now();
    let number = std::cell::Cell::new(0);
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            // A slow disk has fewer cases.
            if begun.elapsed() < Duration::from_secs(30) {
                number.set(number.get() + 1);
                runtime.block_on(compare_with_etcd(steps, &server, number.get()));
            }
            Ok(())
        })
        .unwrap();
}
