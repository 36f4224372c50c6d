//! Transactions a second and how long each takes, of the bare engine, the embedded store and etcd, by turns in one run.
//!
//! A transaction is what an allocation costs: a condition that a key is not there, and three keys written, of 256 octets, 256 octets and 8 octets,
//! the last of them the same key each time. The bare engine does the same writes without conditions, revisions, log and watchers: a thread takes as
//! many as there are clients as one group and makes them durable at once. Everybody has an answer when it is durable.
//!
//! Where etcd is not installed, that is said, and it is left out. `NETWRIGHT_BENCH_SECONDS` is how long each turn takes (3 unless given).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark stops where it cannot go on; its figures are rounded anyway"
)]

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use netwright_store::{AnyStore, Compare, Op, OpenOptions, Store, Txn, open};
use netwright_testbed::{Folder, Server, is_there};
use redb::{Database, TableDefinition};

const CLIENTS: [usize; 4] = [1, 16, 64, 256];
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bare");
const VALUE: [u8; 256] = [b'v'; 256];

fn turn() -> Duration {
    let given = std::env::var("NETWRIGHT_BENCH_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(given.unwrap_or(3))
}

/// What a turn came to.
struct Turn {
    latencies: Vec<Duration>,
    wall: Duration,
    /// Of this program.
    own: Duration,
    /// Of the server.
    server: Duration,
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let runtime = tokio::runtime::Runtime::new()?;
    writeln!(
        out,
        "{:9} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>12} {:>12}",
        "engine",
        "clients",
        "txn/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "worst ms",
        "own CPU us",
        "etcd CPU us"
    )?;
    let etcd = is_there().then(Server::start);
    for clients in CLIENTS {
        let folder = Folder::new();
        let bare = bare(&folder.path().join("bare"), clients);
        let rate = show(&mut out, "redb", clients, bare)?;
        let address = folder.path().join("store").display().to_string();
        let turn = runtime.block_on(store(&address, clients, &|| Duration::ZERO));
        let own = show(&mut out, "embedded", clients, turn)?;
        writeln!(out, "{:9} {:7} {:9.2} of the bare engine", "", "", own / rate)?;
        if let Some(server) = &etcd {
            let address = format!("etcd://{}", server.address());
            let turn = runtime.block_on(store(&address, clients, &|| server.processor()));
            show(&mut out, "etcd", clients, turn)?;
        }
    }
    Ok(())
}

fn show(out: &mut impl Write, engine: &str, clients: usize, mut turn: Turn) -> io::Result<f64> {
    turn.latencies.sort_unstable();
    let count = turn.latencies.len().max(1);
    let at = |part: f64| {
        let place = ((count as f64 * part) as usize).min(count - 1);
        turn.latencies.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    let rate = count as f64 / turn.wall.as_secs_f64();
    let each = |processor: Duration| processor.as_secs_f64() * 1e6 / count as f64;
    writeln!(
        out,
        "{engine:9} {clients:7} {rate:9.0} {:9.2} {:9.2} {:9.2} {:9.2} {:12.0} {:12.0}",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        each(turn.own),
        each(turn.server),
    )?;
    out.flush()?;
    Ok(rate)
}

fn own() -> Duration {
    netwright_testbed::processor(std::process::id())
}

/// The bare engine: the writes of so many clients are one group.
fn bare(path: &Path, clients: usize) -> Turn {
    let mut builder = Database::builder();
    builder.set_cache_size(64 << 20);
    let database = builder.create(path).unwrap();
    let (mut latencies, mut number) = (Vec::new(), 0_u64);
    let (begun, before) = (Instant::now(), own());
    while begun.elapsed() < turn() {
        let group = Instant::now();
        let txn = database.begin_write().unwrap();
        {
            let mut table = txn.open_table(TABLE).unwrap();
            for _ in 0..clients {
                number += 1;
                for (what, value) in [("allocations", &VALUE[..]), ("idempotency", &VALUE[..])] {
                    let key = format!("{what}/{number:012}");
                    table.insert(key.as_bytes(), value).unwrap();
                }
                table.insert(b"taken".as_slice(), number.to_be_bytes().as_slice()).unwrap();
            }
        }
        txn.commit().unwrap();
        latencies.extend(std::iter::repeat_n(group.elapsed(), clients));
    }
    Turn { latencies, wall: begun.elapsed(), own: own() - before, server: Duration::ZERO }
}

/// A store with so many clients, each of which waits for its answer.
async fn store(address: &str, clients: usize, server: &dyn Fn() -> Duration) -> Turn {
    let store = open(address, &OpenOptions::default()).await.unwrap();
    while store.status().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ends = Arc::new(AtomicBool::new(false));
    let (begun, before, theirs) = (Instant::now(), own(), server());
    let tasks: Vec<_> = (0..clients)
        .map(|client| tokio::spawn(work(store.clone(), clients, client, Arc::clone(&ends))))
        .collect();
    tokio::time::sleep(turn()).await;
    ends.store(true, Ordering::SeqCst);
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    let wall = begun.elapsed();
    Turn { latencies, wall, own: own() - before, server: server() - theirs }
}

async fn work(
    store: AnyStore,
    clients: usize,
    client: usize,
    ends: Arc<AtomicBool>,
) -> Vec<Duration> {
    let (mut latencies, mut number) = (Vec::new(), 0_u64);
    let value = Bytes::from_static(&VALUE);
    while !ends.load(Ordering::SeqCst) {
        number += 1;
        let key =
            |what: &str| Bytes::from(format!("netwright/{what}/{clients}-{client}/{number:012}"));
        let txn = Txn {
            compare: vec![Compare::absent(key("allocations"))],
            then: vec![
                Op::put(key("allocations"), value.clone()),
                Op::put(key("idempotency"), value.clone()),
                Op::put("netwright/taken", number.to_be_bytes().to_vec()),
            ],
            otherwise: Vec::new(),
        };
        let begun = Instant::now();
        let answer = store.txn(txn).await.unwrap();
        assert!(answer.succeeded, "nobody else has these keys");
        latencies.push(begun.elapsed());
    }
    latencies
}
