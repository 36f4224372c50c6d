//! Watch fan-out: how soon a thousand clients that watch a server are told of each write, and whether each is told of all of them, once and in order.
//!
//! `cargo bench -p netwright-control --bench watch -- [clients] [writes]`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a benchmark stops where it cannot go on, and prints what it measured"
)]

#[path = "common/server.rs"]
mod server;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netwright_control::keys::Layout;
use netwright_store::embedded::Embedded;
use netwright_store::{AnyStore, Monotonic, Op, Revision, Store, Txn};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use server::Server;

/// Clients that watch, unless it is said.
const CLIENTS: usize = 1000;

/// Writes that they are told of, unless it is said.
const WRITES: usize = 500;

/// Writes that follow each other at once, and the rest after them: as changes, and reports of hosts, come in bursts.
const BURST: (usize, Duration) = (10, Duration::from_millis(100));

/// One that watches: the revisions that it was told of, with the times at which it was.
async fn client(
    at: String,
    from: u64,
    last: tokio::sync::watch::Receiver<u64>,
) -> Vec<(u64, Instant)> {
    let mut stream = TcpStream::connect(&at).await.unwrap();
    let ask = format!("GET /api/v1/watch?from={from} HTTP/1.1\r\nhost: {at}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let (mut told, mut changes) = (Vec::new(), false);
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(event) = line.strip_prefix("event: ") {
            assert_ne!(event, "gone", "nobody is slower than the log is long");
            changes = event == "changes";
        }
        if let Some(id) = line.strip_prefix("id: ").filter(|_| changes) {
            told.push((id.parse().unwrap(), Instant::now()));
        }
        let end = *last.borrow();
        if end > 0 && told.last().is_some_and(|(id, _)| *id >= end) {
            break;
        }
    }
    told
}

async fn measure(store: AnyStore, clients: usize, writes: usize) {
    let Server { state, at, running } = Server::start(store.clone()).await;
    let from = store.status().await.unwrap().revision.0 + 1;
    state.sees(Revision(from - 1)).await;
    let (last, ends) = tokio::sync::watch::channel(0);
    let tasks: Vec<_> =
        (0..clients).map(|_| tokio::spawn(client(at.clone(), from, ends.clone()))).collect();
    while state.metrics.streams.get() < i64::try_from(clients).unwrap() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut written = Vec::new();
    for number in 0..writes {
        let value =
            format!(r#"{{"host":"bench","number":{number},"filler":"{}"}}"#, "x".repeat(200));
        let op = Op::put(Layout::default().agent(&format!("bench-{}", number % 100)), value);
        let begun = Instant::now();
        let revision = store.txn(Txn::of(vec![op])).await.unwrap().revision.0;
        written.push((revision, begun));
        if number % BURST.0 == BURST.0 - 1 {
            tokio::time::sleep(BURST.1).await;
        }
    }
    // A client that has everything ends with the write after that.
    last.send_replace(written.last().unwrap().0);
    let op = Op::put(Layout::default().agent("bench"), "{}");
    store.txn(Txn::of(vec![op])).await.unwrap();
    let (mut delays, mut lost) = (Vec::new(), 0);
    for task in tasks {
        let told = task.await.unwrap();
        assert!(told.windows(2).all(|two| two[0].0 < two[1].0), "once, and in order");
        let mut told = told.into_iter().peekable();
        for (revision, begun) in &written {
            while told.next_if(|(id, _)| id < revision).is_some() {}
            match told.next_if(|(id, _)| id == revision) {
                Some((_, at)) => delays.push(at - *begun),
                None => lost += 1,
            }
        }
    }
    delays.sort_unstable();
    let at = |part: usize| {
        let place = (delays.len() * part / 1000).min(delays.len() - 1);
        delays[place].as_secs_f64() * 1000.0
    };
    println!(
        "{clients} clients, {writes} writes: {} told, {lost} lost; told after p50 {:.1} ms  p99 {:.1} ms  worst {:.1} ms",
        delays.len(),
        at(500),
        at(990),
        at(1000)
    );
    state.end();
    running.await.unwrap().unwrap();
    assert_eq!(lost, 0, "nothing is lost");
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    let clients = numbers.next().unwrap_or(CLIENTS);
    let writes = numbers.next().unwrap_or(WRITES);
    // Each client has two ends here.
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let resource = rustix::process::Resource::Nofile;
    rustix::process::setrlimit(resource, rustix::process::Rlimit { current: most, maximum: most })
        .unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("watch.redb");
    drop(std::fs::remove_file(&path));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Embedded::open(&path, Arc::new(Monotonic::default())).unwrap();
        measure(AnyStore::Embedded(store), clients, writes).await;
    });
    drop(std::fs::remove_file(&path));
}
