//! Allocations a second, durable, on a pool that fills: over one file next to bare redb with grouped commits (goal: 0.7 of its rate), over etcd (goal:
//! ten times the 258/s that go-ipam publishes for it), and how long each takes when the pool is nearly empty and nearly full.
//!
//! The bare engine is asked by as many clients as the allocator, puts the records that the allocator's requests come to (the allocation, and the
//! kept answer where there is an idempotency key), with the same octets, and makes durable at once what waits. It has no conditions, revisions,
//! log and watchers. The two take turns.
//!
//! `cargo bench -p netwright-control --bench allocations -- [seconds] [embedded | http | etcd]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark stops where it cannot go on, and prints what it measured"
)]

#[path = "common/http.rs"]
mod http;
#[path = "common/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use netwright_control::alloc::{
    Allocator, Asked, Error, Gate, Live, Options, Request, Setting, Value, Want,
};
use netwright_control::guard::{self, Guard};
use netwright_control::keys::Layout;
use netwright_store::embedded::Embedded;
use netwright_store::{AnyStore, Monotonic, Op, OpenOptions, Store, Txn, open};
use redb::{Database, TableDefinition};
use tokio::sync::{mpsc, oneshot, watch};

use http::Connections;
use server::{Machine, Server};

const CLIENTS: [u32; 5] = [1, 4, 16, 64, 256];

/// Ranges of the pool whose levels are measured: the /28s of a /10.
const RANGES: u64 = 1 << 18;

/// Allocations that are measured at each level.
const SAMPLES: u64 = 250;

async fn allocator<S: Store>(store: S, window: usize) -> Allocator {
    let layout = Layout::default();
    store.txn(Txn::of(vec![Op::put(layout.epoch(), guard::value(1))])).await.unwrap();
    let (_, live) = watch::channel(Live::default());
    let (_, guard) = watch::channel(Some(Guard::of(&layout, 1)));
    let allocator = Allocator::start(Setting {
        copy: store.clone(),
        store,
        layout,
        live,
        guard,
        gate: Gate::default(),
        wall: Arc::new(Machine),
        seed: 1,
        options: Options { window, ..Options::default() },
    });
    for pool in [
        r#"{"pool": "numbers", "kind": "numbers", "ranges": ["0-4294967295"]}"#,
        r#"{"pool": "ranges", "kind": "ranges", "ranges": ["10.0.0.0/10"], "length": 28}"#,
    ] {
        let request = Request::Declare(serde_json::from_str(pool).unwrap());
        let owner = "bench".into();
        allocator.ask(Asked { request, owner, key: None }).await.unwrap();
    }
    allocator
}

fn asked(pool: &str, key: Option<String>) -> Asked {
    let request = Request::Allocate {
        pool: pool.into(),
        want: Want::default(),
        purpose: "subnet:prod/some-name".into(),
        reserve: false,
        seconds: None,
    };
    Asked { request, owner: "bench".into(), key }
}

/// Each of some clients does one thing after the other, until a number or a time is reached; the times that they took, sorted.
async fn clients<F, W>(clients: u32, most: u64, until: Duration, each: F) -> (Vec<Duration>, f64)
where
    F: Fn(u64) -> W + Clone + Send + 'static,
    W: Future<Output = ()> + Send,
{
    let count = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (count, each) = (Arc::clone(&count), each.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                while began.elapsed() < until {
                    let number = count.fetch_add(1, Ordering::Relaxed);
                    if number >= most {
                        break;
                    }
                    let start = Instant::now();
                    each(number).await;
                    times.push(start.elapsed());
                }
                times
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    let rate = all.len() as f64 / began.elapsed().as_secs_f64();
    all.sort_unstable();
    (all, rate)
}

fn percentile(times: &[Duration], share: f64) -> f64 {
    let last = times.len().saturating_sub(1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let at = (last * share).round() as usize;
    times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

fn line(what: &str, clients: u32, times: &[Duration], rate: f64, more: &str) {
    let [half, most, worst] = [0.5, 0.99, 0.999].map(|share| percentile(times, share));
    println!(
        "{what:<34} {clients:>4} clients {rate:>9.0}/s   p50 {half:>7.2} ms  p99 {most:>7.2} ms  p99.9 {worst:>7.2} ms  {more}"
    );
}

/// A key and its value.
type Record = (String, Vec<u8>);

/// Bare redb: one thread that makes durable at once what waits.
fn bare(path: &Path) -> mpsc::Sender<(Vec<Record>, oneshot::Sender<()>)> {
    const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("allocations");
    let database = Database::create(path).unwrap();
    let (sender, mut waiting) = mpsc::channel::<(Vec<Record>, oneshot::Sender<()>)>(4096);
    std::thread::spawn(move || {
        while let Some(first) = waiting.blocking_recv() {
            let mut group = vec![first];
            while let Ok(more) = waiting.try_recv() {
                group.push(more);
            }
            let txn = database.begin_write().unwrap();
            {
                let mut table = txn.open_table(TABLE).unwrap();
                for (key, value) in group.iter().flat_map(|(records, _)| records) {
                    table.insert(key.as_str(), value.as_slice()).unwrap();
                }
            }
            txn.commit().unwrap();
            for (_, done) in group {
                done.send(()).unwrap();
            }
        }
    });
    sender
}

/// What an allocation writes.
fn records(number: u64, with_key: bool) -> Vec<Record> {
    let at = "2026-11-21T14:04:16.042Z";
    let value = format!(
        r#"{{"pool":"numbers","value":"{number}","for":"subnet:prod/some-name","owner":"bench","sequence":{number},"at":"{at}"}}"#
    );
    let mut all = Vec::new();
    if with_key {
        let kept = format!(
            r#"{{"request":"{number:064x}","answer":{{"allocated":{value}}},"at":"{at}"}}"#
        );
        let key = format!("netwright/idempotency/allocation-{:012x}-{number:064x}", number / 64);
        all.push((key, kept.into_bytes()));
    }
    all.push((format!("netwright/allocations/numbers/{number:010}"), value.into_bytes()));
    all
}

/// Turns that the bare engine and the allocator take: a disk and a shared machine are slower at times, and what counts is the middle of their ratios.
const TURNS: u32 = 5;

/// The rates of some turns, and the times of all.
#[derive(Default)]
struct Turns {
    rates: Vec<f64>,
    times: Vec<Duration>,
}

impl Turns {
    fn add(&mut self, (times, rate): (Vec<Duration>, f64)) {
        self.rates.push(rate);
        self.times.extend(times);
    }

    fn line(mut self, what: &str, clients: u32, more: &str) {
        self.times.sort_unstable();
        line(what, clients, &self.times, median(self.rates), more);
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

async fn embedded(folder: &Path, time: Duration) {
    println!("one file, durable; {} s each, in {TURNS} turns", time.as_secs());
    let bare = bare(&folder.join("bare.redb"));
    let base = Arc::new(AtomicU64::new(0));
    let store = Embedded::open(&folder.join("network.redb"), Arc::new(Monotonic::default()));
    let allocator = allocator(store.unwrap(), Options::default().window).await;
    for many in CLIENTS {
        for with_key in [false, true] {
            let (mut theirs, mut ours) = (Turns::default(), Turns::default());
            for turn in 0..TURNS {
                let (own, base) = (bare.clone(), Arc::clone(&base));
                let each = move |_| {
                    let records = records(base.fetch_add(1, Ordering::Relaxed), with_key);
                    let own = own.clone();
                    async move {
                        let (done, wait) = oneshot::channel();
                        own.send((records, done)).await.unwrap();
                        wait.await.unwrap();
                    }
                };
                theirs.add(clients(many, u64::MAX, time / TURNS, each).await);
                let own = allocator.clone();
                let each = move |number| {
                    let key = with_key.then(|| format!("{many}-{turn}-{number}"));
                    let own = own.clone();
                    async move {
                        own.ask(asked("numbers", key)).await.unwrap();
                    }
                };
                ours.add(clients(many, u64::MAX, time / TURNS, each).await);
            }
            let ratios = ours.rates.iter().zip(&theirs.rates).map(|(own, bare)| own / bare);
            let ratio = format!("{:.2} of bare redb", median(ratios.collect()));
            let puts = if with_key { "two puts" } else { "one put" };
            theirs.line(&format!("bare redb, {puts} each"), many, "");
            let what = if with_key { "allocations, idempotency keys" } else { "allocations" };
            ours.line(what, many, &ratio);
        }
    }
    levels(allocator).await;
}

/// How long an allocation takes in a pool that is nearly empty, and in one that is nearly full.
async fn levels(allocator: Allocator) {
    println!("a pool of {RANGES} ranges (/28), by how full it is");
    let mut taken = 0;
    for full in [0.01, 0.5, 0.99, 0.999] {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let level = (RANGES as f64 * full) as u64;
        let own = allocator.clone();
        let each = move |_| {
            let own = own.clone();
            async move {
                own.ask(asked("ranges", None)).await.unwrap();
            }
        };
        let long = Duration::from_secs(3600);
        let filled = clients(256, level.saturating_sub(taken), long, each.clone()).await.0;
        taken += filled.len() as u64;
        let (times, rate) = clients(16, SAMPLES, long, each).await;
        taken += times.len() as u64;
        line(&format!("{:.1} % full", full * 100.0), 16, &times, rate, "");
    }
    let own = allocator.clone();
    let (rest, _) = clients(64, RANGES - taken, Duration::from_secs(60), move |_| {
        let own = own.clone();
        async move {
            own.ask(asked("ranges", None)).await.unwrap();
        }
    })
    .await;
    let error = allocator.ask(asked("ranges", None)).await.unwrap_err();
    assert!(matches!(error, Error::Exhausted { .. }), "{error}");
    let last = Value::parse("10.63.255.240/28").unwrap();
    let list = allocator.allocations("ranges".to_owned(), None, usize::MAX).await.unwrap();
    assert_eq!((list.len() as u64, list.last().unwrap().value), (RANGES, last));
    println!("the last {} were given, and then none", rest.len());
}

/// The same over HTTP: clients with a connection each, in this process too, whose work is on the same processors.
async fn over_http(folder: &Path, time: Duration) {
    println!(
        "one file, durable, over HTTP/1.1 with records of who did what; {} s each",
        time.as_secs()
    );
    let store = Embedded::open(&folder.join("http.redb"), Arc::new(Monotonic::default()));
    let Server { state, at, running } = Server::start(AnyStore::Embedded(store.unwrap())).await;
    let all = Arc::new(Connections::to(&at));
    let pool = r#"{"pool": "numbers", "kind": "numbers", "ranges": ["0-4294967295"]}"#;
    assert_eq!(all.ask("PUT", "/api/v1/pools", "", pool).await, 200);
    let body = r#"{"pool": "numbers", "for": "subnet:prod/some-name"}"#;
    for many in CLIENTS {
        for with_key in [false, true] {
            let all = Arc::clone(&all);
            let (times, rate) = clients(many, u64::MAX, time, move |number| {
                let key = format!("idempotency-key: {many}-{number}\r\n");
                let (all, key) = (Arc::clone(&all), if with_key { key } else { String::new() });
                async move {
                    assert_eq!(all.ask("POST", "/api/v1/allocations", &key, body).await, 201);
                }
            })
            .await;
            let what = if with_key { "over HTTP, idempotency keys" } else { "over HTTP" };
            line(what, many, &times, rate, "");
        }
    }
    state.end();
    drop(all);
    running.await.unwrap().unwrap();
}

/// An etcd of our own, for as long as this is there.
struct Etcd(std::process::Child, String);

impl Drop for Etcd {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Etcd {
    fn start(folder: &Path) -> Option<Self> {
        let free = || {
            let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            format!("127.0.0.1:{}", socket.local_addr().unwrap().port())
        };
        let (client, peer) = (free(), free());
        let log = std::fs::File::create(folder.join("etcd.log")).unwrap();
        let child = std::process::Command::new("etcd")
            .args(["--data-dir".as_ref(), folder.join("etcd").as_os_str()])
            .args(["--listen-client-urls", &format!("http://{client}")])
            .args(["--advertise-client-urls", &format!("http://{client}")])
            .args(["--listen-peer-urls", &format!("http://{peer}")])
            .args(["--initial-advertise-peer-urls", &format!("http://{peer}")])
            .args(["--initial-cluster", &format!("default=http://{peer}")])
            .stdout(std::process::Stdio::null())
            .stderr(log)
            .spawn()
            .ok()?;
        Some(Self(child, format!("etcd://{client}")))
    }

    async fn store(&self) -> AnyStore {
        let began = Instant::now();
        loop {
            match open(&self.1, &OpenOptions::default()).await {
                Ok(store) if store.status().await.is_ok() => return store,
                Err(error) if began.elapsed() > Duration::from_secs(20) => panic!("{error}"),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

async fn etcd(folder: &Path, time: Duration) {
    let Some(server) = Etcd::start(folder) else {
        println!("etcd is not installed: not measured");
        return;
    };
    println!("etcd, one member, durable; {} s each", time.as_secs());
    let allocator = allocator(server.store().await, 1).await;
    for many in CLIENTS {
        for with_key in [false, true] {
            let own = allocator.clone();
            let (times, rate) = clients(many, u64::MAX, time, move |number| {
                let (own, key) = (own.clone(), with_key.then(|| format!("{many}-{number}")));
                async move {
                    own.ask(asked("numbers", key)).await.unwrap();
                }
            })
            .await;
            let what = if with_key { "allocations, idempotency keys" } else { "allocations" };
            line(what, many, &times, rate, &format!("{:.1} times 258/s", rate / 258.0));
        }
    }
}

fn main() {
    let only =
        std::env::args().skip(1).find(|word| ["embedded", "http", "etcd"].contains(&word.as_str()));
    let does = |word: &str| only.as_ref().is_none_or(|only| only == word);
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(3));
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("allocations");
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if does("embedded") {
            embedded(&folder, time).await;
        }
        if does("http") {
            over_http(&folder, time).await;
        }
        if does("etcd") {
            etcd(&folder, time).await;
        }
    });
    drop(std::fs::remove_dir_all(&folder));
}
