//! Changes while values are allocated all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use netwright_control::alloc::{Allocator, Asked, Error, Live, Options, Request, Setting, Want};
use netwright_control::change::Changes;
use netwright_control::change::clashes::clashes;
use netwright_control::guard::Guard;
use netwright_control::keys::Layout;
use netwright_control::network::Keeper;
use netwright_control::time::{Time, Wall};
use netwright_store::memory::Memory;
use netwright_store::{Keys, Range, Store};
use tokio::sync::watch;

use super::{NETWORK, apply, guard, store};

/// Clients that allocate.
const CLIENTS: u64 = 256;

/// Networks that are applied meanwhile.
const CHANGES: u32 = 6;

struct Since(Instant);

impl Wall for Since {
    fn now(&self) -> Time {
        let passed = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        Time::of_milliseconds(1_795_000_000_000 + passed)
    }
}

fn allocate(pool: &str, length: Option<u8>) -> Asked {
    let want = Want { length, ..Want::default() };
    let (pool, purpose) = (pool.into(), "subnet:prod/other".into());
    let request = Request::Allocate { pool, want, purpose, reserve: false, seconds: None };
    Asked { request, owner: "busy".into(), key: None }
}

/// An allocator beside changes of the same store.
fn allocator(
    store: &Memory,
    changes: &Changes<Memory>,
    live: watch::Receiver<Live>,
    guard: watch::Receiver<Option<Guard>>,
) -> Allocator {
    Allocator::start(Setting {
        store: store.clone(),
        copy: store.clone(),
        layout: Layout::default(),
        live,
        guard,
        gate: changes.gate().clone(),
        wall: Arc::new(Since(Instant::now())),
        seed: 1,
        options: Options::default(),
    })
}

/// Tells allocators what the network is.
async fn tell(
    mut states: watch::Receiver<netwright_control::network::State>,
    live: watch::Sender<Live>,
) {
    loop {
        if let Some(known) = states.borrow_and_update().live.clone() {
            let network = Arc::clone(&known.network);
            live.send_replace(Live { revision: known.revision.0, network });
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

/// Allocates one value after the other.
async fn allocates(
    client: u64,
    allocator: Allocator,
    ends: Arc<AtomicBool>,
    given: Arc<AtomicU64>,
) {
    // Most of what is allocated is no change's concern; some is of ranges, which subnets are too.
    let ranges = client.is_multiple_of(16);
    let asked = if ranges { allocate("vpc:other", Some(28)) } else { allocate("numbers", None) };
    while !ends.load(Ordering::SeqCst) {
        match allocator.ask(asked.clone()).await {
            Ok(_) => given.fetch_add(1, Ordering::SeqCst),
            Err(Error::Exhausted { .. }) => return,
            Err(error) => panic!("{error}"),
        };
        if ranges {
            // They last for the whole run.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn networks_are_applied_while_many_allocate_and_nothing_is_given_twice() {
    let store = store().await;
    let layout = Layout::default();
    let changes = Changes::new(Keeper::new(store.clone(), layout.clone()), clashes);
    let (_led, led) = watch::channel(Some(guard()));
    let (live, seen) = watch::channel(Live::default());
    let allocator = allocator(&store, &changes, seen, led);
    let following = tokio::spawn(tell(changes.keeper().states(), live));
    let mut text = NETWORK.replace("vpcs:\n", "vpcs:\n  other: { cidr: 10.8.0.0/16 }\n");
    changes.propose(&store, &guard(), apply(&text)).await.unwrap();
    let declared = r#"{"pool": "numbers", "kind": "numbers", "ranges": ["0-4294967295"]}"#;
    let request = Request::Declare(serde_json::from_str(declared).unwrap());
    allocator.ask(Asked { request, owner: "busy".into(), key: None }).await.unwrap();
    let (ends, given) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            tokio::spawn(allocates(
                client,
                allocator.clone(),
                Arc::clone(&ends),
                Arc::clone(&given),
            ))
        })
        .collect();
    let mut counts = Vec::new();
    for number in 0..CHANGES {
        let subnet = "      back: { cidr: 10.0.2.0/24, route_table: private }\n";
        let more = format!("      n{number}: {{ cidr: 10.0.{}.0/24 }}\n", 255 - number);
        text = text.replace(subnet, &format!("{subnet}{more}"));
        let landed = changes.propose(&store, &guard(), apply(&text)).await.unwrap();
        assert_eq!(landed.answer.outcome, "accepted");
        counts.push(given.load(Ordering::SeqCst));
    }
    ends.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    following.abort();
    assert!(counts.windows(2).any(|two| two[0] < two[1]), "they allocated meanwhile: {counts:?}");
    let all = store.range(Range::of(Keys::Prefix(match layout.allocations() {
        Keys::Prefix(prefix) => prefix,
        other => panic!("{other:?}"),
    })));
    let all = all.await.unwrap().entries;
    let live = changes.keeper().newest().await.unwrap();
    let nothing = netwright_control::network::Live::empty();
    assert_eq!(clashes(&all, &nothing.network, &live.network), [""; 0]);
}

/// Time passes here only while nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn a_change_does_not_wait_for_allocators_that_have_nothing_to_do() {
    let store = store().await;
    let changes = Changes::new(Keeper::new(store.clone(), Layout::default()), clashes);
    let (_led, led) = watch::channel(Some(guard()));
    let (_live, live) = watch::channel(Live::default());
    let allocator = allocator(&store, &changes, live, led);
    for round in 0..3 {
        let declared = format!(r#"{{"pool": "n{round}", "kind": "numbers", "ranges": ["0-9"]}}"#);
        let request = Request::Declare(serde_json::from_str(&declared).unwrap());
        allocator.ask(Asked { request, owner: "idle".into(), key: None }).await.unwrap();
        // It looks from time to time what ends by itself.
        tokio::time::sleep(Duration::from_millis(1_300 + round)).await;
        let closing = tokio::time::Instant::now();
        drop(changes.gate().close().await);
        assert_eq!(closing.elapsed(), Duration::ZERO, "round {round}");
    }
}

#[tokio::test]
async fn what_uses_no_address_does_not_mind_what_is_allocated_meanwhile() {
    let store = store().await;
    let changes = super::changes(store.clone());
    changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let before = store.status().await.unwrap().revision;
    let put = netwright_store::Op::put(Layout::default().taken(), "1");
    store.txn(netwright_store::Txn::of(vec![put])).await.unwrap();
    let text = NETWORK.replace("protocol: tcp, port: 5432,", "protocol: tcp, ports: [5432, 5433],");
    assert_ne!(text, NETWORK);
    let landed = changes.propose(&guard(), apply(&text)).await.unwrap();
    assert!(landed.live.revision > before);
}
