//! Several servers that all believe they lead, a store that fails in every way that stores do, and clients that try again: nothing overlaps, nothing that
//! was acknowledged is lost, nothing that was refused is there, and a request that is sent again gets the same answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it cannot go on"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use netwright_control::alloc::{
    Allocation, Allocator, Answer, Asked, Error, Gate, Live, Options, Request, Setting, Value, Want,
};
use netwright_control::guard::{self, Guard};
use netwright_control::keys::Layout;
use netwright_control::time::{Time, Wall};
use netwright_model::random::Random;
use netwright_model::source::Sources;
use netwright_store::memory::Memory;
use netwright_store::{
    Found, Keys, LeaseId, Monotonic, Op, Range, Revision, Status, Store, Txn, TxnAnswer, Watch,
};
use tokio::sync::watch;

/// A store that fails: before it did what it was asked, after, instead, and much later.
#[derive(Clone)]
struct Faulty {
    inner: Memory,
    random: Arc<Mutex<Random>>,
    /// Faults of each kind in a hundred transactions.
    rate: Arc<AtomicU32>,
}

impl Faulty {
    fn draw(&self, below: u32) -> u32 {
        self.random.lock().expect("no panic").below(below)
    }
}

/// A clock of the test's own.
struct Clock(std::time::Instant);

impl Wall for Clock {
    fn now(&self) -> Time {
        let elapsed = u64::try_from(self.0.elapsed().as_millis()).expect("soon");
        Time::of_milliseconds(1_700_000_000_000 + elapsed)
    }
}

fn gone() -> netwright_store::Error {
    netwright_store::Error::Unavailable("a fault".to_owned())
}

fn lost() -> netwright_store::Error {
    netwright_store::Error::OutcomeUnknown("a fault".to_owned())
}

impl Store for Faulty {
    async fn range(&self, range: Range) -> Result<Found, netwright_store::Error> {
        if self.draw(200) < self.rate.load(Ordering::Relaxed) {
            return Err(gone());
        }
        self.inner.range(range).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnAnswer, netwright_store::Error> {
        let rate = self.rate.load(Ordering::Relaxed);
        let (roll, delay) = (self.draw(100), Duration::from_micros(self.draw(2000).into()));
        if roll < rate {
            return Err(gone());
        }
        if roll < 2 * rate {
            return Err(lost());
        }
        if roll < 3 * rate {
            let (inner, later) = (self.inner.clone(), Duration::from_millis(self.draw(60).into()));
            tokio::spawn(async move {
                tokio::time::sleep(later).await;
                let _late = inner.txn(txn).await;
            });
            return Err(lost());
        }
        if self.draw(4) == 0 {
            tokio::time::sleep(delay).await;
        }
        let answer = self.inner.txn(txn).await;
        if roll < 4 * rate { Err(lost()) } else { answer }
    }

    async fn watch(&self, keys: Keys, from: Revision) -> Result<Watch, netwright_store::Error> {
        self.inner.watch(keys, from).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, netwright_store::Error> {
        self.inner.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, netwright_store::Error> {
        self.inner.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), netwright_store::Error> {
        self.inner.revoke(lease).await
    }

    async fn compact(&self, at: Revision) -> Result<(), netwright_store::Error> {
        self.inner.compact(at).await
    }

    async fn status(&self) -> Result<Status, netwright_store::Error> {
        self.inner.status().await
    }
}

const NETWORK: &str = "
vpcs:
  a: { cidr: 10.0.0.0/20, subnets: { s: { cidr: 10.0.1.0/24 } } }
  b: { cidr: 10.0.0.0/21, subnets: { s: { cidr: 10.0.3.0/26 } } }
peerings: { ab: { vpcs: [a, b] } }
";

/// Pools, and a length of a range. The last three take from the same ranges.
const POOLS: [(&str, Option<u8>); 5] = [
    ("vni", None),
    ("subnet:b/s", None),
    ("vpc:a", Some(27)),
    ("vpc:b", Some(28)),
    ("connectors:a", None),
];

fn meet(one: &str, other: &str) -> bool {
    let range = |pool: &str| POOLS[2..].iter().any(|(own, _)| *own == pool);
    one == other || range(one) && range(other)
}

fn network() -> Arc<netwright_model::network::Network> {
    let mut sources = Sources::default();
    Arc::new(netwright_model::load("n.yaml", NETWORK, &mut sources).expect("a network"))
}

/// What is known of a value that was asked for.
#[derive(Debug, Clone, PartialEq)]
enum Fate {
    /// It was acknowledged.
    Held(Allocation),
    /// Nobody could say.
    Unknown,
    /// It was refused: it must not be there.
    Refused,
    /// It was acknowledged, and so was its release.
    Released(Allocation),
    /// Its release was not, or not surely.
    Perhaps(Allocation),
}

struct World {
    servers: Vec<Allocator>,
    guards: Vec<watch::Sender<Option<Guard>>>,
    lives: Vec<watch::Sender<Live>>,
    inner: Memory,
    layout: Layout,
    fates: Mutex<BTreeMap<String, Fate>>,
    replays: AtomicU64,
    done: AtomicU64,
}

impl World {
    fn new(seed: u64, servers: usize, window: usize, rate: u32) -> (Arc<Self>, Arc<AtomicU32>) {
        let inner = Memory::new(Arc::new(Monotonic::default()));
        let rate = Arc::new(AtomicU32::new(rate));
        let layout = Layout::default();
        let wall = Arc::new(Clock(std::time::Instant::now()));
        let live = Live { revision: 0, network: network() };
        let (mut all, mut guards, mut lives) = (Vec::new(), Vec::new(), Vec::new());
        for server in 0..servers as u64 {
            let random = Random::new(seed * 100 + server);
            let store = Faulty {
                inner: inner.clone(),
                random: Arc::new(Mutex::new(random)),
                rate: Arc::clone(&rate),
            };
            let (guard, guard_seen) = watch::channel(None);
            let (live, live_seen) = watch::channel(live.clone());
            all.push(Allocator::start(Setting {
                store,
                layout: layout.clone(),
                live: live_seen,
                guard: guard_seen,
                gate: Gate::default(),
                wall: wall.clone(),
                copy: inner.clone(),
                seed: seed * 1000 + server,
                options: Options {
                    window,
                    patience: Duration::from_millis(300),
                    ..Options::default()
                },
            }));
            guards.push(guard);
            lives.push(live);
        }
        let world = Self {
            servers: all,
            guards,
            lives,
            inner,
            layout,
            fates: Mutex::default(),
            replays: AtomicU64::new(0),
            done: AtomicU64::new(0),
        };
        (Arc::new(world), rate)
    }

    async fn elect(&self, server: usize, epoch: u64) {
        let put = Op::put(self.layout.epoch(), guard::value(epoch));
        self.inner.txn(Txn::of(vec![put])).await.expect("memory");
        self.guards[server].send_replace(Some(Guard::of(&self.layout, epoch)));
    }

    /// The network changes: what is in it stays, its revision does not.
    async fn change(&self) {
        let put = Op::put(self.layout.head(), "{}");
        let at = self.inner.txn(Txn::of(vec![put])).await.expect("memory").revision.0;
        for live in &self.lives {
            live.send_replace(Live { revision: at, network: network() });
        }
    }

    /// Asks, at any server, until one that leads has an answer; and whether one of the attempts was lost.
    async fn ask(
        &self,
        random: &mut Random,
        asked: &Asked,
        attempts: u32,
    ) -> (Result<Answer, Error>, bool) {
        let mut lost = false;
        let mut last = Err(Error::NotLeader);
        let servers = u32::try_from(self.servers.len()).expect("few");
        for _ in 0..attempts {
            let server = usize::try_from(random.below(servers)).expect("few");
            last = self.servers[server].ask(asked.clone()).await;
            match &last {
                Err(Error::OutcomeUnknown(_)) if asked.key.is_none() => return (last, true),
                Err(Error::OutcomeUnknown(_)) => lost = true,
                Err(error) if error.may_pass() => {}
                _ => return (last, lost),
            }
            tokio::time::sleep(Duration::from_millis(random.below(8).into())).await;
        }
        (last, lost)
    }

    async fn client(self: Arc<Self>, id: u64, seed: u64, steps: u32) {
        let mut random = Random::new(seed);
        let mut own: Vec<Allocation> = Vec::new();
        for step in 0..steps {
            let purpose = format!("{id}/{step}");
            let key = random.percent(70).then(|| purpose.clone());
            let owner: Arc<str> = format!("client {id}").into();
            if !own.is_empty() && random.percent(45) {
                let at = random.below(u32::try_from(own.len()).expect("few"));
                let given = own.swap_remove(usize::try_from(at).expect("few"));
                let sequence = Some(given.sequence);
                let request =
                    Request::Release { pool: given.pool.clone(), value: given.value, sequence };
                let (answer, lost) =
                    self.ask(&mut random, &Asked { request, owner, key }, 40).await;
                let fate = match answer {
                    Ok(_) => Fate::Released(given.clone()),
                    // A release whose answer was lost may have been done: then somebody else may have the value by now.
                    Err(Error::NotAllocated { .. } | Error::Superseded { .. }) if lost => {
                        Fate::Released(given.clone())
                    }
                    Err(error) if lost || error.may_pass() => Fate::Perhaps(given.clone()),
                    Err(error) => panic!("{given:?}: {error}"),
                };
                self.fates.lock().expect("no panic").insert(given.purpose.to_string(), fate);
                continue;
            }
            let (pool, length) = POOLS[usize::try_from(random.below(5)).expect("few")];
            let want = Want { length, ..Want::default() };
            let request = Request::Allocate {
                pool: pool.into(),
                want,
                purpose: purpose.as_str().into(),
                reserve: false,
                seconds: None,
            };
            let asked = Asked { request, owner, key };
            let (answer, lost) = self.ask(&mut random, &asked, 40).await;
            let fate = match &answer {
                Ok(Answer::Allocated(given)) => {
                    own.push(given.clone());
                    Fate::Held(given.clone())
                }
                Ok(other) => panic!("{other:?}"),
                Err(_) if lost => Fate::Unknown,
                Err(_) => Fate::Refused,
            };
            if let (Fate::Held(_), Some(_)) = (&fate, &asked.key) {
                self.again(&mut random, &asked, answer.as_ref().expect("held")).await;
            }
            self.done.fetch_add(u64::from(answer.is_ok()), Ordering::Relaxed);
            self.fates.lock().expect("no panic").insert(purpose, fate);
        }
    }

    /// The same request gets the same answer, and another one with its key gets none.
    async fn again(&self, random: &mut Random, asked: &Asked, given: &Answer) {
        if random.percent(40) {
            let (again, _) = self.ask(random, asked, 10).await;
            match again {
                Ok(again) => {
                    assert_eq!(&again, given);
                    self.replays.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => assert!(error.may_pass(), "{error}"),
            }
        }
        if random.percent(10) {
            let request = Request::Remove { pool: "another".into() };
            let other = Asked { request, ..asked.clone() };
            let (refused, _) = self.ask(random, &other, 10).await;
            let error = refused.expect_err("another request");
            assert!(error == Error::KeyReused || error.may_pass(), "{error}");
        }
    }

    async fn stored(&self) -> Vec<Allocation> {
        let found = self.inner.range(Range::of(self.layout.allocations())).await.expect("memory");
        found
            .entries
            .iter()
            .map(|entry| serde_json::from_slice(&entry.value).expect("a record"))
            .collect()
    }

    /// What the store has is what everybody was told.
    async fn check(&self) {
        let stored = self.stored().await;
        for (index, one) in stored.iter().enumerate() {
            let block = |value: Value| value.block().expect("a block");
            for other in &stored[..index] {
                let overlap = block(one.value).overlaps(block(other.value));
                assert!(!(overlap && meet(&one.pool, &other.pool)), "{one:?} and {other:?}");
            }
        }
        let by_purpose: BTreeMap<&str, &Allocation> =
            stored.iter().map(|a| (a.purpose.as_ref(), a)).collect();
        assert_eq!(by_purpose.len(), stored.len(), "one request, two values");
        let fates = self.fates.lock().expect("no panic");
        let mut sequences = BTreeSet::new();
        for (purpose, fate) in fates.iter() {
            let there = by_purpose.get(purpose.as_str()).copied();
            match fate {
                Fate::Held(given) => assert_eq!(there, Some(given), "acknowledged"),
                Fate::Refused => assert_eq!(there, None, "{purpose} was refused"),
                Fate::Released(given) => assert_eq!(there, None, "{given:?} was released"),
                Fate::Perhaps(given) => assert!(there.is_none_or(|there| there == given)),
                Fate::Unknown => {}
            }
            if let Fate::Held(given) | Fate::Released(given) | Fate::Perhaps(given) = fate {
                assert!(sequences.insert(given.sequence), "{given:?} has another's number");
            }
        }
        for allocation in &stored {
            assert!(
                fates.contains_key(allocation.purpose.as_ref()),
                "nobody asked for {allocation:?}"
            );
        }
    }
}

/// Lets servers, clients, elections and changes of the network go on at the same time.
async fn run(seed: u64, servers: usize, window: usize, rate: u32, steps: u32) -> (u64, u64) {
    let (world, faults) = World::new(seed, servers, window, rate);
    world.elect(0, 1).await;
    let clients: Vec<_> = (0..8)
        .map(|id| tokio::spawn(Arc::clone(&world).client(id, seed * 31 + id, steps)))
        .collect();
    let turmoil = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let mut random = Random::new(seed ^ 0xABCD);
            for epoch in 2.. {
                tokio::time::sleep(Duration::from_millis(u64::from(20 + random.below(80)))).await;
                let server = random.below(u32::try_from(world.servers.len()).expect("few"));
                if random.percent(50) {
                    world.elect(usize::try_from(server).expect("few"), epoch).await;
                } else {
                    world.change().await;
                }
            }
        })
    };
    for client in clients {
        client.await.expect("a client");
    }
    turmoil.abort();
    // What is late arrives.
    faults.store(0, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(120)).await;
    world.check().await;
    (world.done.load(Ordering::Relaxed), world.replays.load(Ordering::Relaxed))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn servers_with_faults_and_elections_give_nothing_twice_and_lose_nothing() {
    let (mut done, mut replays) = (0, 0);
    runtime().block_on(async {
        for seed in 1..=6 {
            let window = if seed % 2 == 0 { 1 } else { 16 };
            let (own, again) = run(seed, 3, window, 4, 60).await;
            done += own;
            replays += again;
        }
    });
    assert!(done > 300 && replays > 20, "{done} allocations, {replays} of them asked for again");
}

#[test]
fn one_server_without_faults_answers_everything() {
    let (done, _) = runtime().block_on(run(99, 1, 16, 0, 100));
    assert!(done > 200, "{done}");
}

/// One server that leads, over a store of its own that works.
async fn server() -> Arc<World> {
    let (world, _) = World::new(7, 1, 16, 0);
    world.elect(0, 1).await;
    world
}

fn vni(key: Option<&str>) -> Asked {
    let request = Request::Allocate {
        pool: "vni".into(),
        want: Want::default(),
        purpose: "x".into(),
        reserve: false,
        seconds: None,
    };
    Asked { request, owner: "me".into(), key: key.map(str::to_owned) }
}

#[test]
fn a_server_that_does_not_lead_writes_nothing_and_knows_what_others_wrote() {
    runtime().block_on(async {
        let (world, _) = World::new(3, 2, 16, 0);
        assert_eq!(world.servers[1].ask(vni(None)).await, Err(Error::NotLeader));
        world.elect(0, 1).await;
        world.servers[0].ask(vni(None)).await.expect("it leads");
        // It looks at the store twice a second.
        tokio::time::sleep(Duration::from_millis(600)).await;
        let seen = world.servers[1].allocations("vni".into(), None, 10).await.expect("known");
        assert_eq!(seen.len(), 1);
        // The one that led before is paused: its writes hold no longer, though nobody told it.
        world.elect(1, 2).await;
        assert_eq!(world.servers[0].ask(vni(None)).await, Err(Error::NotLeader));
        world.servers[1].ask(vni(None)).await.expect("it leads");
        assert_eq!(world.stored().await.len(), 2);
    });
}

#[test]
fn two_requests_with_one_key_at_once_are_one() {
    runtime().block_on(async {
        let world = server().await;
        let asks = (0..20).map(|_| {
            let server = world.servers[0].clone();
            tokio::spawn(async move { server.ask(vni(Some("k"))).await })
        });
        let mut answers = Vec::new();
        for ask in asks.collect::<Vec<_>>() {
            answers.push(ask.await.expect("a task").expect("it leads"));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1);
        assert_eq!(world.stored().await.len(), 1);
    });
}

#[test]
fn a_queue_that_is_full_says_so_at_once() {
    runtime().block_on(async {
        let world = server().await;
        world.servers[0].ask(vni(None)).await.expect("it leads");
        let asks = (0..20_000).map(|_| {
            let server = world.servers[0].clone();
            async move { server.ask(vni(None)).await }
        });
        let all: Vec<_> = asks.map(tokio::spawn).collect();
        let (mut done, mut busy) = (0, 0);
        for ask in all {
            match ask.await.expect("a task") {
                Ok(_) => done += 1,
                Err(error) => {
                    assert_eq!(error, Error::Busy);
                    busy += 1;
                }
            }
        }
        assert!(done >= 4096, "{done} done, {busy} busy");
        assert_eq!(world.stored().await.len(), done + 1);
    });
}

/// A clock that jumps as it is told.
struct Jumps(AtomicU64);

impl Wall for Jumps {
    fn now(&self) -> Time {
        Time::of_milliseconds(self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn a_clock_that_jumps_loses_nothing_and_gives_nothing_twice() {
    const HOUR: u64 = 3_600_000;
    runtime().block_on(async {
        let inner = Memory::new(Arc::new(Monotonic::default()));
        let wall = Arc::new(Jumps(AtomicU64::new(1_700_000_000_000)));
        let layout = Layout::default();
        let (guard, guard_seen) = watch::channel(None);
        let (_live, live_seen) = watch::channel(Live { revision: 0, network: network() });
        let server = Allocator::start(Setting {
            store: inner.clone(),
            copy: inner.clone(),
            layout: layout.clone(),
            live: live_seen,
            guard: guard_seen,
            wall: wall.clone(),
            seed: 5,
            options: Options::default(),
            gate: Gate::default(),
        });
        let put = Op::put(layout.epoch(), guard::value(1));
        inner.txn(Txn::of(vec![put])).await.expect("memory");
        guard.send_replace(Some(Guard::of(&layout, 1)));
        let mut held: BTreeMap<String, Allocation> = BTreeMap::new();
        let mut last = 0;
        // Forward by more than anything is kept for, back before anything was, to the ends of what a clock can say.
        let jumps = [0, 400 * 24 * HOUR, HOUR, 0, 1_699_999_999_999, u64::MAX / 2, 1, 30 * HOUR];
        for (round, jump) in jumps.into_iter().enumerate() {
            wall.0.store(jump, Ordering::SeqCst);
            for step in 0..4 {
                let key = format!("{round}/{step}");
                let given = match server.ask(vni(Some(&key))).await.expect("there is enough") {
                    Answer::Allocated(given) => given,
                    other => panic!("{other:?}"),
                };
                assert!(given.sequence > last, "numbers grow whatever the clock says");
                last = given.sequence;
                let again = server.ask(vni(Some(&key))).await.expect("it is known");
                assert_eq!(again, Answer::Allocated(given.clone()));
                assert!(held.insert(given.value.to_string(), given.clone()).is_none(), "{given:?}");
                if step == 3 {
                    let request = Request::Release {
                        pool: "vni".into(),
                        value: given.value,
                        sequence: Some(given.sequence),
                    };
                    let asked = Asked { request, owner: "me".into(), key: None };
                    server.ask(asked).await.expect("it is released");
                    held.remove(&given.value.to_string());
                }
            }
        }
        let there = server.allocations("vni".into(), None, 1000).await.expect("known");
        let there: BTreeMap<String, Allocation> =
            there.into_iter().map(|one| (one.value.to_string(), one)).collect();
        assert_eq!(there, held);
    });
}
