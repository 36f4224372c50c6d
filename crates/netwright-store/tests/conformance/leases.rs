//! Leases.

use std::time::Duration;

use netwright_store::{Error, Event, Keys, LeaseId, Op, Store, Txn};

use crate::{Passes, all, bytes, every_engine, texts, until, write};

every_engine!(
    keys_go_when_their_lease_is_not_kept_alive,
    a_lease_that_is_kept_alive_stays,
    an_ended_lease_takes_its_keys_with_it_at_once,
    a_key_that_is_written_without_its_lease_stays,
    a_lease_has_a_time,
);

async fn hold(store: &impl Store, key: &str, lease: LeaseId) {
    let op = Op::Put { key: bytes(key), value: bytes("x"), lease: Some(lease) };
    store.txn(Txn::of(vec![op])).await.unwrap();
}

async fn keys_go_when_their_lease_is_not_kept_alive(store: impl Store, time: impl Passes) {
    let lease = store.grant(Duration::from_secs(2)).await.unwrap();
    hold(&store, "t/a", lease).await;
    hold(&store, "t/b", lease).await;
    write(&store, "t/c", "x").await;
    assert_eq!(all(&store).await[0].lease, Some(lease));
    let from = store.status().await.unwrap().revision.next();
    let mut watch = store.watch(Keys::all(), from).await.unwrap();
    time.pass(Duration::from_secs(3)).await;
    let told = watch.next().await.unwrap();
    let gone: Vec<_> =
        told.events.iter().map(|event| (event.key().clone(), event.revision())).collect();
    assert!(told.events.iter().all(|event| matches!(event, Event::Deleted { .. })));
    assert_eq!(gone, [(bytes("t/a"), from), (bytes("t/b"), from)], "in one revision");
    assert_eq!(texts(&all(&store).await), crate::pairs(&[("t/c", "x")]));
    assert_eq!(store.keep_alive(lease).await, Err(Error::NoLease(lease)));
}

async fn a_lease_that_is_kept_alive_stays(store: impl Store, time: impl Passes) {
    let lease = store.grant(Duration::from_secs(3)).await.unwrap();
    hold(&store, "t/a", lease).await;
    for _ in 0..4 {
        time.pass(Duration::from_millis(1_500)).await;
        assert_eq!(store.keep_alive(lease).await, Ok(Duration::from_secs(3)));
    }
    assert_eq!(all(&store).await.len(), 1);
    time.pass(Duration::from_secs(4)).await;
    until("the key goes", || async { all(&store).await.is_empty() }).await;
}

async fn an_ended_lease_takes_its_keys_with_it_at_once(store: impl Store, _time: impl Passes) {
    let lease = store.grant(Duration::from_secs(60)).await.unwrap();
    hold(&store, "t/a", lease).await;
    store.revoke(lease).await.unwrap();
    assert!(all(&store).await.is_empty());
    assert_eq!(store.revoke(lease).await, Err(Error::NoLease(lease)));
    let op = Op::Put { key: bytes("t/a"), value: bytes("x"), lease: Some(lease) };
    assert_eq!(store.txn(Txn::of(vec![op])).await, Err(Error::NoLease(lease)));
}

async fn a_key_that_is_written_without_its_lease_stays(store: impl Store, _time: impl Passes) {
    let (one, other) = (
        store.grant(Duration::from_secs(60)).await.unwrap(),
        store.grant(Duration::from_secs(60)).await.unwrap(),
    );
    hold(&store, "t/a", one).await;
    hold(&store, "t/b", one).await;
    write(&store, "t/a", "free").await;
    hold(&store, "t/b", other).await;
    store.revoke(one).await.unwrap();
    assert_eq!(all(&store).await.len(), 2);
    store.revoke(other).await.unwrap();
    assert_eq!(texts(&all(&store).await), crate::pairs(&[("t/a", "free")]));
}

async fn a_lease_has_a_time(store: impl Store, _time: impl Passes) {
    for time in [Duration::ZERO, Duration::from_millis(10), Duration::from_secs(1 << 40)] {
        assert!(matches!(store.grant(time).await, Err(Error::LeaseTime(_))), "{time:?}");
    }
}
