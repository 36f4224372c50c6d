//! The history of a network over a copy of its store that keeps only the newest part of it.

use std::sync::Arc;

use netwright_control::change::{Changes, Wanted};
use netwright_control::keys::Layout;
use netwright_control::network::{Keeper, snapshot};
use netwright_control::server::mirror::{Mirror, Source, read};
use netwright_store::memory::Memory;
use netwright_store::{AnyStore, Monotonic, Revision, Store};

use super::{apply, guard, key, request, store};

/// A network of which nothing has to be proved.
const TINY: &str = "vpcs: { a: { cidr: 10.0.0.0/16 } }\n";

/// More changes than a copy keeps.
const MANY: u16 = 340;

/// Changes that a copy keeps.
const KEPT: usize = 256;

/// One of them that no transaction holds.
const LARGE: u16 = 300;

/// A copy of a store that is told what is written to it.
async fn copy(store: &Memory) -> Mirror {
    let layout = Layout::default();
    let mirror = Mirror::new(layout.clone(), Arc::new(Monotonic::default()));
    let (entries, revision) = read(store, &layout).await.unwrap();
    mirror.asks(AnyStore::Memory(store.clone()));
    mirror.load(entries, revision, Source::Store);
    let mut watch = store.watch(layout.all(), revision.next()).await.unwrap();
    let own = mirror.clone();
    tokio::spawn(async move {
        while let Ok(batch) = watch.next().await {
            own.apply(batch);
        }
    });
    mirror
}

async fn seen(mirror: &Mirror, revision: Revision) {
    mirror.newest().wait_for(|newest| *newest >= revision).await.unwrap();
}

#[tokio::test]
async fn a_long_history_is_in_the_store_and_only_its_end_in_memory() {
    let (store, layout) = (store().await, Layout::default());
    let mirror = copy(&store).await;
    let changes = Changes::new(Keeper::new(mirror.clone(), layout.clone()), |_, _, _| Vec::new());
    let mut revisions = Vec::new();
    let first = changes.propose(&store, &guard(), apply(TINY)).await.unwrap().live;
    seen(&mirror, first.revision).await;
    revisions.push(first.revision);
    for number in 1..MANY {
        let entries = if number == LARGE { 14_000 } else { 1 };
        let list: Vec<String> = (0..entries)
            .map(|entry| format!("10.{}.{}.{}/32", number % 200, entry / 200, entry % 200))
            .collect();
        let text = format!("cidrs: [{}]\n", list.join(", "));
        let key = key("prefix_lists", &format!("l{}", number / 100));
        let put = request(Wanted::Put { key, text });
        let landed = changes.propose(&store, &guard(), put).await.unwrap();
        seen(&mirror, landed.live.revision).await;
        revisions.push(landed.live.revision);
        if number % 64 == 0 {
            snapshot::write(&store, &layout, &guard(), &landed.live).await.unwrap();
            snapshot::sweep(&store, &layout, &guard(), landed.live.revision).await.unwrap();
        }
    }
    let (newest, count) = (*revisions.last().unwrap(), revisions.len());
    let held = mirror.of(&layout.history()).len();
    assert!(held <= KEPT && held < count, "{held} of {count}");

    // Paging goes over what is in the store only, and what is here.
    let (mut listed, mut from) = (Vec::new(), Revision(0));
    loop {
        let (page, more) = changes.history(from, 50).await.unwrap();
        listed.extend(page.iter().map(|change| Revision(change.revision)));
        from = *listed.last().unwrap();
        if !more {
            break;
        }
    }
    assert_eq!(listed, revisions);
    let (change, _) = changes.change(revisions[3]).await.unwrap().unwrap();
    assert_eq!(change.revision, revisions[3].0);
    assert!(changes.change(Revision(newest.0 + 9)).await.unwrap().is_none());

    // One that begins now reads less than everything, and knows the same.
    let late = copy(&store).await;
    assert!(late.of(&layout.history()).len() < count);
    let late = Changes::new(Keeper::new(late, layout.clone()), |_, _, _| Vec::new());
    assert_eq!(
        late.keeper().newest().await.unwrap().objects,
        changes.keeper().newest().await.unwrap().objects
    );
    let (_, large) = late.change(revisions[usize::from(LARGE)]).await.unwrap().unwrap();
    assert_eq!(large.edits.len(), 1);
    let old = late.keeper().at(first.revision).await.unwrap().unwrap();
    assert_eq!(old.yaml(), first.yaml());
    let back = request(Wanted::Rollback { to: old });
    let back = late.propose(&store, &guard(), back).await.unwrap();
    assert_eq!(back.live.yaml(), first.yaml());

    // Without the store, what is not here is said to be away, and not to be nothing.
    let (entries, revision) = read(&store, &layout).await.unwrap();
    let alone = Mirror::new(layout.clone(), Arc::new(Monotonic::default()));
    alone.load(entries, revision, Source::Store);
    let alone = Changes::new(Keeper::new(alone, layout), |_, _, _| Vec::new());
    assert!(alone.history(Revision(0), 50).await.is_err());
    assert_eq!(alone.keeper().newest().await.unwrap().yaml(), first.yaml());
}
