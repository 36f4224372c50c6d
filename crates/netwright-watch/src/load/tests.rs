use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::load::report::Limits;
use crate::probe::names::Resolver;
use crate::probe::prober::Trust;

/// A server of a thread of its own that answers each request after a time; after so many on a connection it closes it.
fn server(wait: Duration, closes_after: u32, status: u16) -> SocketAddr {
    let (send, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut octets = [0; 1_024];
                    for _ in 0..closes_after {
                        if stream.read(&mut octets).await.unwrap_or_default() == 0 {
                            return;
                        }
                        if !wait.is_zero() {
                            tokio::time::sleep(wait).await;
                        }
                        let text = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok");
                        if stream.write_all(text.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    });
    address.recv().unwrap()
}

fn prober() -> Prober {
    let clock = Arc::new(|| "2026-06-01T00:00:00Z".parse().unwrap());
    Prober::new(Trust::only(&[]).unwrap(), Resolver::default(), clock)
}

/// So many requests, however long a busy machine takes for them and for each of them.
fn count(requests: u64, target: &str) -> Plan {
    let plan = plan(target);
    let spec = Spec { timeout: Duration::from_secs(30), ..plan.spec };
    Plan { spec, requests: Some(requests), duration: Duration::from_secs(60), ..plan }
}

fn plan(target: &str) -> Plan {
    let spec = Spec { timeout: Duration::from_secs(1), ..Spec::of(Target::parse(target).unwrap()) };
    Plan {
        spec,
        connections: 4,
        duration: Duration::from_millis(400),
        rate: None,
        requests: None,
        threads: 2,
        fresh: false,
    }
}

const ALL: Limits = Limits { p99: None, errors: 0.0 };

#[test]
fn a_closed_loop_asks_again_when_it_was_answered_also_over_connections_that_end() {
    let address = server(Duration::from_millis(5), 3, 200);
    let report = run(&prober(), &count(60, &format!("http://{address}/"))).unwrap();
    assert_eq!(report.requests, 60, "{report:?}");
    assert_eq!((report.wrong(), report.unknown, report.not_sent), (0, 0, 0), "{:?}", report.errors);
    assert!(report.whole.within(0.5) >= Duration::from_millis(5));
    assert!(
        report.phases[&crate::probe::outcome::PhaseName::Connect].count() > 4,
        "connections ended"
    );
    assert_eq!(report.verdict(&ALL).0, Some(true));
}

#[test]
fn an_open_loop_measures_from_when_a_request_was_to_be_sent() {
    // One connection, 50 ms for each answer, 100 requests a second: most wait for the connection.
    let address = server(Duration::from_millis(50), 1_000, 200);
    let plan = Plan { connections: 1, rate: Some(100.0), ..plan(&format!("http://{address}/")) };
    let report = run(&prober(), &plan).unwrap();
    assert!(report.sent.within(0.5) < report.whole.longest(), "{:?}", report.sent.within(0.5));
    assert!(report.whole.longest() > Duration::from_millis(180), "{:?}", report.whole.longest());
    assert!(report.not_sent > 20, "{}", report.not_sent);
    assert_eq!(report.verdict(&ALL).0, Some(false));
}

#[test]
fn errors_are_counted_by_kind_and_too_few_answers_prove_nothing() {
    let address = server(Duration::ZERO, 1_000, 503);
    let few = count(20, &format!("http://{address}/"));
    let report = run(&prober(), &few).unwrap();
    assert_eq!(report.errors["http_status"].0, 20);
    assert_eq!(report.verdict(&ALL).0, Some(false));
    let address = server(Duration::ZERO, 1_000, 200);
    let few = count(20, &format!("http://{address}/"));
    let report = run(&prober(), &few).unwrap();
    let limits = Limits { p99: Some(Duration::from_secs(1)), errors: 0.0 };
    assert_eq!((report.requests, report.verdict(&limits).0), (20, None));
    let refused = run(&prober(), &count(5, "tcp://127.0.0.1:1")).unwrap();
    assert_eq!(refused.errors["connection_refused"].0, 5);
}

#[test]
fn targets_that_are_not_http_are_asked_as_probes_with_their_phases() {
    let address = server(Duration::ZERO, 1_000, 200);
    let report = run(&prober(), &count(200, &format!("tcp://{address}"))).unwrap();
    assert_eq!((report.requests, report.wrong()), (200, 0), "{:?}", report.errors);
    assert_eq!(report.phases[&crate::probe::outcome::PhaseName::Connect].count(), 200);
}
