//! Changes that no transaction holds, snapshots, and what is swept.

use std::fmt::Write as _;

use netwright_control::keys::Layout;
use netwright_control::network::{Keeper, snapshot};
use netwright_store::{Keys, Range, Revision, Store};

use super::dies::{Dying, End};
use super::{NETWORK, apply, changes, guard, store};

/// A description with so many more VPCs, of 10,000 octets each.
pub(crate) fn description(vpcs: usize) -> String {
    let mut text = NETWORK.to_owned();
    let at = text.find("vpcs:\n").expect("a map of VPCs") + "vpcs:\n".len();
    let mut more = String::new();
    for number in 0..vpcs {
        let _infallible = write!(
            more,
            "  more-{number}:\n    cidr: 10.9.0.0/16\n    region: {}\n",
            "x".repeat(10_000)
        );
    }
    text.insert_str(at, &more);
    text
}

async fn count<S: Store>(store: &S, keys: Keys) -> usize {
    store.range(Range::of(keys)).await.unwrap().entries.len()
}

#[tokio::test]
async fn a_large_change_is_one_change() {
    let store = store().await;
    let changes = changes(store.clone());
    let text = description(300);
    let landed = changes.propose(&guard(), apply(&text)).await.unwrap();
    assert!(count(&store, Layout::default().changes()).await > 3);
    let fresh = Keeper::new(store, Layout::default()).newest().await.unwrap();
    assert_eq!(fresh.objects, landed.live.objects);
    assert_eq!(fresh.yaml(), landed.live.yaml());
    let (_, body) = changes.change(landed.live.revision).await.unwrap().unwrap();
    assert_eq!(body.edits.len(), landed.answer.edits);
}

#[tokio::test]
async fn parts_that_were_staged_for_nothing_are_swept() {
    let store = store().await;
    let layout = Layout::default();
    changes(store.clone()).propose(&guard(), apply(NETWORK)).await.unwrap();
    let dying = changes(Dying::new(store.clone(), 2, End::Before));
    assert!(dying.propose(&guard(), apply(&description(300))).await.is_err());
    assert_eq!(count(&store, layout.changes()).await, 2);
    // It may still come to be.
    let live = Keeper::new(store.clone(), layout.clone()).newest().await.unwrap();
    snapshot::sweep(&store, &layout, &guard(), live.revision).await.unwrap();
    assert_eq!(count(&store, layout.changes()).await, 2);
    let landed = changes(store.clone()).propose(&guard(), apply(&description(300))).await.unwrap();
    let parts = count(&store, layout.changes()).await - 2;
    snapshot::sweep(&store, &layout, &guard(), landed.live.revision).await.unwrap();
    assert_eq!(count(&store, layout.changes()).await, parts);
    let fresh = Keeper::new(store, layout).newest().await.unwrap();
    assert_eq!(fresh.objects, landed.live.objects);
}

#[tokio::test]
async fn a_server_begins_with_the_newest_whole_snapshot() {
    let store = store().await;
    let layout = Layout::default();
    let changes = changes(store.clone());
    changes.propose(&guard(), apply(&description(300))).await.unwrap();
    for number in 0..70 {
        let text = format!("cidr: 10.8.0.0/16\nregion: r{number}\n");
        let key = super::key("vpcs", "changing");
        let put = super::request(netwright_control::change::Wanted::Put { key, text });
        changes.propose(&guard(), put).await.unwrap();
        changes.tidy(&guard(), 1_795_000_000_000).await.unwrap();
    }
    assert!(count(&store, layout.snapshots()).await >= 4);
    let live = changes.keeper().newest().await.unwrap();
    let fresh = || async { Keeper::new(store.clone(), layout.clone()).newest().await.unwrap() };
    assert_eq!(fresh().await.objects, live.objects);
    // One that was not finished is as none.
    let dying = Dying::new(store.clone(), 1, End::Before);
    assert!(snapshot::write(&dying, &layout, &guard(), &live).await.is_err());
    assert_eq!(fresh().await.objects, live.objects);
    // Older revisions are still there.
    let (history, _) = changes.history(Revision(0), 100).await.unwrap();
    let first = changes.keeper().at(Revision(history[0].revision)).await.unwrap().unwrap();
    assert!(!first.network.description.has("vpcs", "changing"));
    let tenth = changes.keeper().at(Revision(history[10].revision)).await.unwrap().unwrap();
    let region = tenth.network.description.vpcs.get("changing").and_then(|vpc| vpc.region.clone());
    assert_eq!(region.map(|region| region.value).as_deref(), Some("r9"));
}
