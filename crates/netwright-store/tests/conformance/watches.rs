//! Watches.

use std::time::Duration;

use netwright_store::{Error, Event, Keys, Op, Revision, Store, Txn, Watch};

use crate::{Passes, bytes, delete, every_engine, put, write};

every_engine!(
    a_watch_tells_all_from_its_revision_on_in_order,
    a_watch_tells_of_its_keys_only,
    events_of_one_revision_come_together,
    a_watch_of_the_past_and_of_the_future,
    a_watch_of_what_is_forgotten_says_so,
    one_who_does_not_read_misses_nothing_and_holds_nobody_up,
);

async fn events(watch: &mut Watch, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(10), watch.next()).await;
        let batch = next.expect("events in time").unwrap();
        assert!(batch.events.iter().all(|event| event.revision() <= batch.revision));
        events.extend(batch.events);
    }
    events
}

fn keys(events: &[Event]) -> Vec<String> {
    let key = |event: &Event| {
        let sign = if matches!(event, Event::Put(_)) { '+' } else { '-' };
        format!("{sign}{}", String::from_utf8_lossy(event.key()))
    };
    events.iter().map(key).collect()
}

async fn a_watch_tells_all_from_its_revision_on_in_order(store: impl Store, _time: impl Passes) {
    write(&store, "t/0", "x").await;
    let from = store.status().await.unwrap().revision.next();
    let mut watch = store.watch(Keys::all(), from).await.unwrap();
    let mut expected = Vec::new();
    for n in 0..600 {
        let at = write(&store, &format!("t/{n}"), &n.to_string()).await;
        expected.push((at, n.to_string()));
    }
    let told: Vec<(Revision, String)> = events(&mut watch, 600)
        .await
        .iter()
        .map(|event| match event {
            Event::Put(entry) => (entry.modified, String::from_utf8(entry.value.to_vec()).unwrap()),
            Event::Deleted { .. } => panic!("nothing is taken away"),
        })
        .collect();
    assert_eq!(told, expected);
}

async fn a_watch_tells_of_its_keys_only(store: impl Store, _time: impl Passes) {
    let from = store.status().await.unwrap().revision.next();
    let mut watch = store.watch(Keys::prefix("t/a/"), from).await.unwrap();
    for key in ["t/a", "t/a/1", "t/b", "t/a/2"] {
        write(&store, key, "x").await;
    }
    delete(&store, Keys::prefix("t/")).await;
    let told = events(&mut watch, 4).await;
    assert_eq!(keys(&told), ["+t/a/1", "+t/a/2", "-t/a/1", "-t/a/2"]);
}

async fn events_of_one_revision_come_together(store: impl Store, _time: impl Passes) {
    let from = store.status().await.unwrap().revision.next();
    let mut watch = store.watch(Keys::all(), from).await.unwrap();
    let ops: Vec<Op> = (0..100).map(|n| put(&format!("t/{n:03}"), "x")).collect();
    let at = store.txn(Txn::of(ops)).await.unwrap().revision;
    let batch = watch.next().await.unwrap();
    assert_eq!((batch.events.len(), batch.revision), (100, at));
}

async fn a_watch_of_the_past_and_of_the_future(store: impl Store, _time: impl Passes) {
    let first = write(&store, "t/a", "1").await;
    write(&store, "t/b", "1").await;
    let mut past = store.watch(Keys::all(), first).await.unwrap();
    let mut future = store.watch(Keys::all(), Revision(first.0 + 4)).await.unwrap();
    for key in ["t/c", "t/d", "t/e"] {
        write(&store, key, "1").await;
    }
    assert_eq!(keys(&events(&mut past, 5).await), ["+t/a", "+t/b", "+t/c", "+t/d", "+t/e"]);
    assert_eq!(keys(&events(&mut future, 1).await), ["+t/e"]);
}

async fn a_watch_of_what_is_forgotten_says_so(store: impl Store, _time: impl Passes) {
    let first = write(&store, "t/a", "1").await;
    write(&store, "t/a", "2").await;
    let third = write(&store, "t/a", "3").await;
    store.compact(third).await.unwrap();
    let mut watch = store.watch(Keys::all(), first).await.unwrap();
    let told = watch.next().await.unwrap_err();
    assert!(matches!(told, Error::Compacted { at } if at == third), "{told}");
    // What is told last is where to go on from.
    let mut watch = store.watch(Keys::all(), third.next()).await.unwrap();
    write(&store, "t/b", "1").await;
    assert_eq!(keys(&events(&mut watch, 1).await), ["+t/b"]);
}

async fn one_who_does_not_read_misses_nothing_and_holds_nobody_up(
    store: impl Store,
    _time: impl Passes,
) {
    let from = store.status().await.unwrap().revision.next();
    let mut slow = store.watch(Keys::all(), from).await.unwrap();
    let mut quick = store.watch(Keys::all(), from).await.unwrap();
    let writes = 3_000_usize;
    for n in (0..writes).step_by(100) {
        let ops = (n..n + 100).map(|n| Op::put(bytes(&format!("t/{n:05}")), bytes("x")));
        store.txn(Txn::of(ops.collect())).await.unwrap();
    }
    assert_eq!(events(&mut quick, writes).await.len(), writes);
    let told = keys(&events(&mut slow, writes).await);
    let expected: Vec<String> = (0..writes).map(|n| format!("+t/{n:05}")).collect();
    assert_eq!(told, expected);
}
