//! Random requests: every engine answers as the plain one does.

use std::sync::Arc;
use std::time::Duration;

use netwright_store::embedded::Embedded;
use netwright_store::{
    Compare, Error, Event, Keys, LeaseId, Op, Range, Relation, Revision, Store, Target, Txn,
    TxnAnswer, Watch,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

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
    Read(Result<netwright_store::Found, Error>),
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
