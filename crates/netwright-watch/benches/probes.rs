//! 10,000 TCP probes a second, steady, from one thread: how much of a processor and how much memory they take.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_macros,
    reason = "a benchmark tells what it measured"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netwright_watch::load::report::{Times, shown};
use netwright_watch::probe::names::Resolver;
use netwright_watch::probe::outcome::Verdict;
use netwright_watch::probe::prober::{Prober, Trust};
use netwright_watch::probe::schedule::{Entry, steady};
use netwright_watch::probe::target::{Spec, Target};
use rustix::time::{ClockId, clock_gettime};

/// Probes, each once a second.
const PROBES: usize = 10_000;

/// How long they go on.
const LONG: Duration = Duration::from_secs(12);

/// What is not measured: until all have begun.
const BEGIN: Duration = Duration::from_secs(2);

/// Most memory, in kilobytes.
const MEMORY: u64 = 200_000;

/// Takes connections, on a thread of its own.
fn target() -> SocketAddr {
    let (send, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let listener = socket.listen(4_096).unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            loop {
                drop(listener.accept().await);
            }
        });
    });
    address.recv().unwrap()
}

fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

/// Memory of this process at its most, in kilobytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn main() {
    let to = target();
    let clock = Arc::new(jiff::Timestamp::now);
    let prober = Arc::new(Prober::new(Trust::only(&[]).unwrap(), Resolver::default(), clock));
    let spec = Arc::new(Spec::of(Target::parse(&format!("tcp://{to}")).unwrap()));
    let entry = Entry { spec, every: Duration::from_secs(1) };
    let entries = vec![entry; PROBES];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (passed, wrong, times, share) = runtime.block_on(async {
        let (send, mut outcomes) = tokio::sync::mpsc::channel(PROBES);
        let begun = Instant::now();
        let end = tokio::time::sleep(LONG);
        let asking = async { steady(prober, &entries, PROBES, 1, send, end).await };
        let counting = async {
            let (mut passed, mut wrong, mut times, mut before) =
                (0_u64, 0_u64, Times::default(), None);
            while let Some((_, outcome)) = outcomes.recv().await {
                if begun.elapsed() < BEGIN {
                    continue;
                }
                before.get_or_insert_with(|| (used(), Instant::now()));
                match outcome.verdict {
                    Verdict::Passed => passed += 1,
                    other => {
                        wrong += 1;
                        println!("{other:?}");
                    }
                }
                times.keep(outcome.took);
            }
            let (used_before, at) = before.unwrap();
            let share = (used() - used_before).as_secs_f64() / at.elapsed().as_secs_f64();
            (passed, wrong, times, share)
        };
        let ((), counted) = tokio::join!(asking, counting);
        counted
    });
    let seconds = (LONG - BEGIN).as_secs();
    let memory = memory();
    println!(
        "{} TCP probes a second from one thread that used {:.0}% of a processor; {} MB at most; half within {}, 99 of 100 within {}; {wrong} not passed",
        passed / seconds,
        share * 100.0,
        memory / 1_000,
        shown(times.within(0.5)),
        shown(times.within(0.99)),
    );
    let good = passed / seconds >= u64::try_from(PROBES).unwrap() * 99 / 100
        && wrong == 0
        && memory < MEMORY;
    std::process::exit(i32::from(!good));
}
