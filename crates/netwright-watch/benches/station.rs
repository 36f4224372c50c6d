//! How soon a state that changed is seen through the API, with few things and with a hundred thousand, and how much memory those take.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_macros,
    reason = "a benchmark tells what it measured"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use netwright_model::source::Sources;
use netwright_watch::alert::DeskOptions;
use netwright_watch::health::Profile;
use netwright_watch::load::report::{Times, shown};
use netwright_watch::plan::{Item, Plan, plan};
use netwright_watch::probe::outcome::{Kind, Outcome, Verdict};
use netwright_watch::station::{Asker, Run, Shared, Station, SteadyClock, run, serve};
use netwright_watch::watcher::Ask;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// Changes that are timed.
const ROUNDS: usize = 40;

/// Answers at once; `door` as it is told.
struct Answers(Arc<AtomicBool>);

impl Asker for Answers {
    fn ask(&mut self, _: &Item, ask: Ask, tell: mpsc::Sender<(Ask, Outcome)>) {
        let well = ask.target != "door" || self.0.load(Ordering::Relaxed);
        let verdict = match well {
            true => Verdict::Passed,
            false => Verdict::failed(Kind::ConnectionRefused, "nothing listens there"),
        };
        let outcome = Outcome::bare(verdict, Timestamp::UNIX_EPOCH, ask.attempt);
        if let Err(mpsc::error::TrySendError::Full(sent)) = tell.try_send((ask, outcome)) {
            tokio::spawn(async move { tell.send(sent).await });
        }
    }
}

fn planned(count: usize) -> Plan {
    let text = "provider: generic\nprobes: { door: { target: 'tcp://127.0.0.1:1' } }\n";
    let network = netwright_model::load("bench", text, &mut Sources::default()).unwrap();
    let door = plan(&network).unwrap().items.remove("door").unwrap();
    let quick = Duration::from_millis(20);
    let profile = Profile {
        interval: quick,
        in_transition: quick,
        time_out: quick,
        up: 1,
        down: 1,
        grace: Duration::ZERO,
        starts: 1,
        ..door.profile
    };
    let mut items = BTreeMap::new();
    for number in 0..count {
        items.insert(format!("thing-{number:06}"), door.clone());
    }
    items.insert("door".to_owned(), Item { profile, ..door });
    Plan { items, rules: Vec::new(), left: Vec::new() }
}

/// The next event of the door, by waiting for it over HTTP; when it came, and what is to be asked after next.
async fn seen(address: std::net::SocketAddr, mut after: u64, wanted: &str) -> (Instant, u64) {
    loop {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /v1/events?after={after}&wait=20 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).await.unwrap();
        let came = Instant::now();
        let body = got.split_once("\r\n\r\n").unwrap().1;
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        after = value["last"].as_u64().unwrap();
        let door = |event: &serde_json::Value| event["thing"] == "door" && event["to"] == wanted;
        if value["events"].as_array().unwrap().iter().any(door) {
            return (came, after);
        }
    }
}

async fn measured(count: usize) -> Times {
    let clock = SteadyClock::new(Timestamp::now());
    let mut station = Station::new(DeskOptions::default());
    station.take("bench", planned(count), clock.now());
    let shared = Shared::new(station, clock);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answering = tokio::spawn(serve(listener, Arc::clone(&shared), std::future::pending()));
    let well = Arc::new(AtomicBool::new(true));
    let asker = Answers(Arc::clone(&well));
    let with = Run { asker, sinks: Vec::new(), folder: None };
    let running = tokio::spawn(run(Arc::clone(&shared), with, std::future::pending()));
    let (_, mut after) = seen(address, 0, "healthy").await;
    // All the others are known too.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let mut times = Times::default();
    for round in 0..ROUNDS {
        let wanted = if round % 2 == 0 { "unhealthy" } else { "healthy" };
        after = shared.with(|station, _| station.journal().last()).max(after);
        let waiting = tokio::spawn(seen(address, after, wanted));
        tokio::time::sleep(Duration::from_millis(50)).await;
        well.store(round % 2 == 1, Ordering::Relaxed);
        let (came, next) = waiting.await.unwrap();
        after = next;
        // When the state changed, by the station's own journal.
        let at = shared.with(|station, now| {
            let since = station.watcher().fleet().get("door").unwrap().health.since();
            now.saturating_sub(since)
        });
        times.keep(at.saturating_sub(came.elapsed()));
    }
    running.abort();
    answering.abort();
    times
}

/// Memory of this process at its most, in megabytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1_000
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!(
        "a state that changed is seen through the API (events that are waited for), {ROUNDS} changes"
    );
    for count in [1_000, 100_000] {
        let times = runtime.block_on(measured(count));
        println!(
            "  {count:>6} things: half within {}, 99 of 100 within {}, all within {}; {} MB at most so far",
            shown(times.within(0.5)),
            shown(times.within(0.99)),
            shown(times.longest()),
            memory()
        );
    }
}
