//! Requests a second that the load test drives, and that wrk drives, against the same server, one after the other, several times.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_macros,
    reason = "a benchmark tells what it measured"
)]

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use netwright_watch::load::report::shown;
use netwright_watch::load::{Plan, run};
use netwright_watch::probe::names::Resolver;
use netwright_watch::probe::prober::{Prober, Trust};
use netwright_watch::probe::target::{Spec, Target};

/// Times that both are measured.
const ROUNDS: usize = 5;

/// How long each is.
const LONG: Duration = Duration::from_secs(4);

const CONNECTIONS: usize = 20;

/// A small server on one thread.
fn server() -> SocketAddr {
    let (send, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(|_| async {
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(
                            b"all is well",
                        ))))
                    });
                    let server = hyper::server::conn::http1::Builder::new();
                    let _ended = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    });
    address.recv().unwrap()
}

/// Requests a second, as wrk tells them.
fn wrk(to: SocketAddr) -> Option<f64> {
    let mut command = Command::new("wrk");
    command.args([
        "-t1",
        &format!("-c{CONNECTIONS}"),
        &format!("-d{}s", LONG.as_secs()),
        &format!("http://{to}/"),
    ]);
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"))?;
    line.trim().parse().ok()
}

fn own(to: SocketAddr) -> f64 {
    let clock = Arc::new(jiff::Timestamp::now);
    let prober = Prober::new(Trust::only(&[]).unwrap(), Resolver::default(), clock);
    let spec = Spec::of(Target::parse(&format!("http://{to}/")).unwrap());
    let plan = Plan {
        spec,
        connections: CONNECTIONS,
        duration: LONG,
        rate: None,
        requests: None,
        threads: 1,
        fresh: false,
    };
    let report = run(&prober, &plan).unwrap();
    assert_eq!((report.wrong(), report.unknown), (0, 0), "{:?}", report.errors);
    println!(
        "  half within {}, 99 of 100 within {}",
        shown(report.whole.within(0.5)),
        shown(report.whole.within(0.99))
    );
    report.rate()
}

fn main() {
    let to = server();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Who is first in a round is second in the next.
        let mut one = Vec::new();
        if round % 2 == 0 {
            one.push(own(to));
        }
        match wrk(to) {
            Some(rate) => theirs.push(rate),
            None => println!("wrk is not installed: `apt-get install wrk`"),
        }
        if round % 2 == 1 {
            one.push(own(to));
        }
        println!(
            "netwright load {:.0} a second, wrk {:.0}",
            one[0],
            theirs.last().copied().unwrap_or_default()
        );
        ours.append(&mut one);
    }
    let middle = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    };
    let (ours, theirs) = (middle(&mut ours), middle(&mut theirs));
    println!(
        "in the middle of {ROUNDS}: netwright load {ours:.0} requests a second, wrk {theirs:.0}, {CONNECTIONS} connections, one thread each"
    );
    std::process::exit(i32::from(ours < theirs));
}
