use std::sync::Arc;
use std::time::Duration;

use netwright_store::memory::Memory;
use netwright_store::{Error, Keys, Monotonic, Op, Store, Txn};

use super::{Candidate, depose, read};
use crate::guard::Guard;
use crate::keys::Layout;

fn memory() -> Memory {
    Memory::new(Arc::new(Monotonic::default()))
}

fn candidate(name: &str, alone: bool) -> Candidate {
    Candidate {
        server: name.to_owned(),
        url: format!("http://{name}"),
        token: name.to_owned(),
        ttl: Duration::from_secs(1),
        alone,
    }
}

async fn writes(store: &Memory, guard: &Guard) -> bool {
    let txn = Txn {
        compare: vec![guard.compare()],
        then: vec![Op::put("x", "y")],
        otherwise: Vec::new(),
    };
    store.txn(txn).await.unwrap().succeeded
}

#[tokio::test]
async fn of_many_that_stand_at_once_one_leads() {
    let (store, layout) = (memory(), Layout::default());
    let stand = |number: usize| {
        let (store, layout) = (store.clone(), layout.clone());
        tokio::spawn(async move {
            candidate(&number.to_string(), false).stand(&store, &layout).await.unwrap()
        })
    };
    let mut leads = Vec::new();
    for stood in (0..20).map(stand).collect::<Vec<_>>() {
        leads.extend(stood.await.unwrap());
    }
    assert_eq!(leads.len(), 1);
    assert_eq!(read(&store, &layout).await.unwrap().epoch.0, 1);
}

#[tokio::test]
async fn who_has_lost_the_lead_writes_nothing_and_the_next_one_does() {
    let (store, layout) = (memory(), Layout::default());
    let first = candidate("a", false).stand(&store, &layout).await.unwrap().unwrap();
    assert!(candidate("b", false).stand(&store, &layout).await.unwrap().is_none());
    assert!(writes(&store, &first.guard).await);
    // It is paused, and its lease ends.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(!first.holds());
    let second = candidate("b", false).stand(&store, &layout).await.unwrap().unwrap();
    assert!(!writes(&store, &first.guard).await);
    assert!(writes(&store, &second.guard).await);
}

#[tokio::test]
async fn a_lead_is_kept_beyond_its_lease_and_ends_when_it_is_deposed() {
    let (store, layout) = (memory(), Layout::default());
    let own = candidate("a", false);
    let lead = own.stand(&store, &layout).await.unwrap().unwrap();
    let keeping = {
        let (own, store, layout, lead) = (own.clone(), store.clone(), layout.clone(), lead.clone());
        tokio::spawn(async move { own.keep(&store, &layout, &lead, |_| {}).await })
    };
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(!keeping.is_finished() && writes(&store, &lead.guard).await);
    assert_eq!(depose(&store, &layout).await.unwrap().unwrap().server, "a");
    assert!(!writes(&store, &lead.guard).await, "from the moment that it is deposed");
    assert_eq!(keeping.await.unwrap(), "another epoch has begun");
    assert_eq!(depose(&store, &layout).await.unwrap(), None);
}

#[tokio::test]
async fn who_is_alone_with_the_store_follows_itself_at_once() {
    let (store, layout) = (memory(), Layout::default());
    let before = candidate("a", true).stand(&store, &layout).await.unwrap().unwrap();
    let now = candidate("a", true).stand(&store, &layout).await.unwrap().unwrap();
    assert!(!writes(&store, &before.guard).await && writes(&store, &now.guard).await);
}

#[tokio::test]
async fn a_lead_that_is_given_back_is_free_at_once() {
    let (store, layout) = (memory(), Layout::default());
    let own = candidate("a", false);
    let lead = own.stand(&store, &layout).await.unwrap().unwrap();
    own.resign(&store, &lead).await.unwrap();
    assert!(candidate("b", false).stand(&store, &layout).await.unwrap().is_some());
}

#[tokio::test]
async fn nobody_leads_what_is_imported_by_half() {
    let (store, layout) = (memory(), Layout::default());
    let importing = Txn::of(vec![Op::put(layout.importing(), "1")]);
    store.txn(importing).await.unwrap();
    let refused = candidate("one", false).stand(&store, &layout).await;
    assert!(matches!(&refused, Err(Error::Damaged(why)) if why.contains("import")), "{refused:?}");
    let done = Txn::of(vec![Op::Delete(Keys::One(layout.importing()))]);
    store.txn(done).await.unwrap();
    assert!(candidate("one", false).stand(&store, &layout).await.unwrap().is_some());
}
