//! What a store over a network does when its server goes and comes.

use std::time::Duration;

use netwright_store::{Error, Event, Keys, Range, Store};

use crate::server::{Server, is_there};
use crate::write;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_after_its_server_was_killed_and_nothing_is_missed_or_told_twice() {
    if !is_there() {
        return;
    }
    let (mut server, store) = Server::start().await;
    let from = store.status().await.unwrap().revision.next();
    let mut watch = store.watch(Keys::all(), from).await.unwrap();
    let mut told = Vec::new();
    for round in 0..3 {
        for number in 0..20 {
            write(&store, &format!("t/{round}/{number:02}"), "x").await;
        }
        if round == 1 {
            // Some are told before, some after.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server.kill();
        let away = store.range(Range::of(Keys::all())).await.unwrap_err();
        assert!(away.may_pass() && away.was_not_done(), "{away}");
        server.start_again();
        crate::until("etcd answers again", || async {
            store.range(Range::of(Keys::all())).await.is_ok()
        })
        .await;
    }
    while told.len() < 60 {
        let next = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
        let batch = next.expect("events in time").unwrap();
        for event in batch.events {
            let Event::Put(entry) = event else { panic!("nothing is taken away") };
            told.push(String::from_utf8(entry.key.to_vec()).unwrap());
        }
    }
    let expected: Vec<String> = (0..3)
        .flat_map(|round| (0..20).map(move |number| format!("t/{round}/{number:02}")))
        .collect();
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_was_away_while_its_past_was_forgotten_says_so() {
    if !is_there() {
        return;
    }
    let (_server, store) = Server::start().await;
    let first = write(&store, "t/a", "1").await;
    for _ in 0..5 {
        write(&store, "t/a", "2").await;
    }
    let last = store.status().await.unwrap().revision;
    store.compact(last).await.unwrap();
    let mut watch = store.watch(Keys::all(), first).await.unwrap();
    assert_eq!(watch.next().await, Err(Error::Compacted { at: last }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_users_of_the_same_etcd_are_not_seen() {
    if !is_there() {
        return;
    }
    let (server, store) = Server::start().await;
    let other =
        netwright_store::etcd::Etcd::connect(&server.options("/netwright0/")).await.unwrap();
    let from = store.status().await.unwrap().revision.next();
    let mut watch = store.watch(Keys::From(crate::bytes("a")), from).await.unwrap();
    write(&other, "z/theirs", "x").await;
    write(&store, "z/ours", "x").await;
    assert_eq!(crate::texts(&crate::all(&store).await), crate::pairs(&[("z/ours", "x")]));
    let found = store.range(Range::of(Keys::From(crate::bytes("a")))).await.unwrap();
    assert_eq!(found.entries.len(), 1);
    assert_eq!(watch.next().await.unwrap().events[0].key(), "z/ours");
}
