//! Probes against peers on this machine that do what peers do: answer, refuse, lie, trickle, flood and say nothing.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::probe::outcome::PhaseName;
use crate::probe::target::Pattern;

mod names;
mod tls;

fn clock() -> Clock {
    // The certificates of the tests are made around this time.
    Arc::new(|| "2026-06-01T00:00:00Z".parse().unwrap())
}

fn prober(servers: Vec<SocketAddr>) -> Prober {
    Prober::new(Trust::only(&[]).unwrap(), Resolver::of(servers), clock())
}

fn spec(text: &str) -> Spec {
    Spec { timeout: Duration::from_millis(1_500), ..Spec::of(Target::parse(text).unwrap()) }
}

/// A peer that treats each connection so; its address.
async fn peer<F, D>(treat: F) -> SocketAddr
where
    F: Fn(TcpStream) -> D + Send + 'static,
    D: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    address
}

/// A peer that says one thing to whoever says something, and keeps the connection.
async fn says(text: impl Into<Vec<u8>>) -> SocketAddr {
    let text: Arc<Vec<u8>> = Arc::new(text.into());
    peer(move |mut stream| {
        let text = text.clone();
        async move {
            let mut octets = [0; 4_096];
            let _asked = stream.read(&mut octets).await;
            let _gone = stream.write_all(&text).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    })
    .await
}

async fn nobody() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

async fn kind_of(spec: &Spec) -> String {
    let outcome = prober(Vec::new()).ask(spec, 1).await;
    match outcome.verdict {
        Verdict::Passed => "passed".to_owned(),
        Verdict::Failed(failure) => failure.kind.name().to_owned(),
        Verdict::Unknown { why } => format!("unknown: {why}"),
    }
}

#[tokio::test]
async fn a_connection_passes_with_its_phase_timed_and_a_closed_port_refuses() {
    let open = says("").await;
    let outcome = prober(Vec::new()).ask(&spec(&format!("tcp://{open}")), 3).await;
    assert!(outcome.passed(), "{outcome:?}");
    assert_eq!((outcome.attempt, outcome.peer), (3, Some(open)));
    assert!(outcome.phase(PhaseName::Connect).is_some() && outcome.phase(PhaseName::Tls).is_none());
    let closed = nobody().await;
    assert_eq!(kind_of(&spec(&format!("tcp://{closed}"))).await, "connection_refused");
}

#[tokio::test]
async fn must_not_connect_passes_on_evidence_and_silence_is_evidence_only_beside_a_control() {
    let negative =
        |text: String| Spec { must_fail: true, timeout: Duration::from_millis(200), ..spec(&text) };
    let (open, closed) = (says("").await, nobody().await);
    assert_eq!(kind_of(&negative(format!("tcp://{open}"))).await, "answered");
    assert_eq!(kind_of(&negative(format!("tcp://{closed}"))).await, "passed");
    // A listener whose queue is full does not answer: to whom asks, it is a filter that drops.
    let listener = socket_without_room();
    let silent = listener.0;
    let outcome = prober(Vec::new()).ask(&negative(format!("tcp://{silent}")), 1).await;
    assert_eq!(outcome.verdict.word(), "unknown", "{outcome:?}");
    let control = prober(Vec::new()).ask(&spec(&format!("tcp://{open}")), 1).await;
    assert_eq!(with_control(outcome.clone(), &control).verdict, Verdict::Passed);
    let dead = prober(Vec::new()).ask(&spec(&format!("tcp://{closed}")), 1).await;
    assert_eq!(with_control(outcome, &dead).verdict.word(), "unknown");
    // An answer that is wrong in another way shows that the peer was reached.
    let web = says("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(kind_of(&negative(format!("http://{web}/"))).await, "answered");
}

/// A listener that takes no connection any more: its queue has room for one, which is taken.
fn socket_without_room() -> (SocketAddr, Vec<std::net::TcpStream>, rustix::fd::OwnedFd) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    listen(&listener, 0).unwrap();
    let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50))
        else {
            break;
        };
        held.push(stream);
    }
    (address, held, listener)
}

#[tokio::test]
async fn http_answers_are_judged_by_status_headers_body_and_what_they_say_of_themselves() {
    let good = says(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 11\r\n\r\nall is well",
    )
    .await;
    let with = |change: fn(&mut HttpOf)| {
        let mut spec = spec(&format!("http://{good}/health"));
        if let Target::Http(http) = &mut spec.target {
            change(http);
        }
        spec
    };
    type HttpOf = crate::probe::target::Http;
    let outcome = prober(Vec::new()).ask(&with(|_| {}), 1).await;
    assert!(outcome.passed(), "{outcome:?}");
    let names: Vec<&str> = outcome.phases.iter().map(|phase| phase.name.name()).collect();
    assert_eq!(names, ["connect", "first_octet", "body"]);
    assert_eq!(kind_of(&with(|http| http.expect.status = vec![(500, 599)])).await, "http_status");
    assert_eq!(
        kind_of(&with(|http| http.expect.contains = vec!["well".to_owned()])).await,
        "passed"
    );
    assert_eq!(
        kind_of(&with(|http| http.expect.contains = vec!["ill".to_owned()])).await,
        "body_mismatch"
    );
    assert_eq!(
        kind_of(&with(|http| http.expect.matches = vec![Pattern::parse("^all.*well$").unwrap()]))
            .await,
        "passed"
    );
    assert_eq!(
        kind_of(&with(|http| http.expect.matches = vec![Pattern::parse("^well").unwrap()])).await,
        "body_mismatch"
    );
    assert_eq!(
        kind_of(&with(|http| http.expect.headers = vec![("x".to_owned(), "y".to_owned())])).await,
        "header_mismatch"
    );
    assert_eq!(kind_of(&with(|http| http.expect.most = 5)).await, "http_too_large");
    let ill = says("HTTP/1.1 200 OK\r\ncontent-type: application/health+json\r\ncontent-length: 17\r\n\r\n{\"status\":\"fail\"}").await;
    assert_eq!(kind_of(&spec(&format!("http://{ill}/"))).await, "says_unhealthy");
}

#[tokio::test]
async fn what_redis_says_of_itself_is_told_by_kind() {
    let cases = [
        ("-LOADING Redis is loading the dataset in memory\r\n", "redis_loading"),
        ("-NOAUTH Authentication required.\r\n", "redis_noauth"),
        ("-READONLY You can't write against a read only replica.\r\n", "redis_readonly"),
        ("-ERR max number of clients reached\r\n", "database_too_many_connections"),
        ("-MASTERDOWN Link with MASTER is down\r\n", "query_failed"),
        ("+PANG\r\n", "query_answer"),
    ];
    for (text, kind) in cases {
        let server = says(text).await;
        let spec =
            Spec { timeout: Duration::from_millis(300), ..spec(&format!("redis://{server}")) };
        assert_eq!(kind_of(&spec).await, kind, "{text}");
    }
}

#[tokio::test]
async fn redirects_are_followed_so_often_and_no_secret_goes_along() {
    let end = peer(|mut stream| async move {
        let mut octets = vec![0; 4_096];
        let read = stream.read(&mut octets).await.unwrap();
        let code = if String::from_utf8_lossy(&octets[..read]).contains("authorization") {
            500
        } else {
            200
        };
        let _gone = stream
            .write_all(format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\n\r\n").as_bytes())
            .await;
    })
    .await;
    let first = says(format!(
        "HTTP/1.1 302 Found\r\nlocation: http://{end}/there\r\ncontent-length: 0\r\n\r\n"
    ))
    .await;
    assert_eq!(kind_of(&spec(&format!("http://who:what@{first}/"))).await, "passed");
    let circle = says("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(kind_of(&spec(&format!("http://{circle}/"))).await, "http_redirect");
}

#[tokio::test]
async fn peers_that_send_garbage_a_trickle_endless_heads_gigabytes_or_nothing_are_told_apart_in_time_and_memory()
 {
    let garbage = says(vec![0xFF; 300]).await;
    let silent = says("").await;
    let closes = peer(|stream| async move { drop(stream) }).await;
    let endless = peer(|mut stream| async move {
        let _head = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
        while stream.write_all(&[b'a'; 8_192]).await.is_ok() {}
    })
    .await;
    let gigabytes = peer(|mut stream| async move {
        let _head = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'a'; 65_536]).await.is_ok() {}
    })
    .await;
    let trickle = peer(|mut stream| async move {
        for octet in b"HTTP/1.1 200 OK\r\n".iter().cycle() {
            if stream.write_all(&[*octet]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let cases = [
        (garbage, "http", &["http_malformed"][..]),
        (silent, "http", &["timed_out"]),
        (closes, "http", &["connection_closed", "connection_reset"]),
        (endless, "http", &["http_malformed"]),
        (gigabytes, "http", &["http_too_large"]),
        (trickle, "http", &["timed_out"]),
        (garbage, "redis", &["protocol"]),
        (silent, "redis", &["query_timed_out"]),
        (gigabytes, "redis", &["protocol"]),
        (garbage, "postgres", &["protocol"]),
        (silent, "postgres", &["timed_out"]),
        (gigabytes, "postgres", &["protocol"]),
        (garbage, "tls", &["tls_not_spoken"]),
        (silent, "tls", &["timed_out"]),
        (gigabytes, "tls", &["tls_not_spoken"]),
    ];
    let asked = cases.map(|(address, scheme, wanted)| {
        tokio::spawn(async move {
            (kind_of(&spec(&format!("{scheme}://{address}"))).await, scheme, wanted)
        })
    });
    for task in asked {
        let (found, scheme, wanted) = task.await.unwrap();
        assert!(wanted.contains(&found.as_str()), "{scheme}: {found}, not {wanted:?}");
    }
}

#[tokio::test]
async fn a_path_carries_values_on_and_ends_what_it_began_also_when_it_fails() {
    use crate::probe::target::{Capture, HttpExpect, StepOf};
    let deleted = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = deleted.clone();
    let shop = peer(move |mut stream| {
        let deleted = deleted.clone();
        async move {
            let mut octets = vec![0; 4_096];
            let read = stream.read(&mut octets).await.unwrap();
            let text = String::from_utf8_lossy(&octets[..read]).into_owned();
            let (code, body) = match text.split(' ').next() {
                Some("POST") => (201, "{\"order\":{\"id\":\"a b\"}}"),
                Some("GET") if text.starts_with("GET /orders/a%20b ") => (500, ""),
                Some("DELETE") if text.starts_with("DELETE /orders/a%20b ") => {
                    deleted.store(true, std::sync::atomic::Ordering::SeqCst);
                    (204, "")
                }
                _ => (404, ""),
            };
            let head = format!("HTTP/1.1 {code} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let _gone = stream.write_all(head.as_bytes()).await;
        }
    })
    .await;
    let step = |name: &str, method: &str, path: &str, always| StepOf {
        name: name.to_owned(),
        target: format!("http://{shop}{path}"),
        method: Some(method.to_owned()),
        headers: Vec::new(),
        body: None,
        expect: HttpExpect::default(),
        capture: Vec::new(),
        always,
        timeout: None,
    };
    let mut order = step("order", "POST", "/orders", false);
    order.capture = vec![("id".to_owned(), Capture::Json("/order/id".to_owned()))];
    let steps = vec![
        order,
        step("look", "GET", "/orders/${id}", false),
        step("pay", "POST", "/orders/${id}/pay", false),
        step("delete", "DELETE", "/orders/${id}", true),
    ];
    let outcome = prober(Vec::new()).ask(&Spec::of(Target::Path(steps)), 1).await;
    assert_eq!(outcome.failure().unwrap().kind, Kind::HttpStatus { status: 500 });
    assert!(outcome.failure().unwrap().text.starts_with("look: "));
    let ran: Vec<bool> = outcome.steps.iter().map(|step| step.outcome.is_some()).collect();
    assert_eq!(ran, [true, true, false, true]);
    assert!(seen.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test]
async fn d4_all_probes_of_a_round_go_side_by_side_and_steady_ones_tell_what_had_no_place() {
    let silent = says("").await;
    let specs: Vec<Arc<Spec>> = (0..50)
        .map(|_| {
            Arc::new(Spec {
                timeout: Duration::from_millis(300),
                ..spec(&format!("http://{silent}"))
            })
        })
        .collect();
    let prober = Arc::new(prober(Vec::new()));
    let begun = Instant::now();
    let outcomes =
        crate::probe::schedule::round(&prober, &specs, 100, Duration::from_millis(50), 7).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(outcomes.iter().all(|outcome| outcome.failure().is_some()));
    let entries: Vec<_> = specs
        .iter()
        .map(|spec| crate::probe::schedule::Entry {
            spec: spec.clone(),
            every: Duration::from_millis(100),
        })
        .collect();
    let (send, mut outcomes) = tokio::sync::mpsc::channel(1_000);
    let end = tokio::time::sleep(Duration::from_millis(250));
    crate::probe::schedule::steady(prober, &entries, 10, 7, send, end).await;
    let mut unknown = 0;
    while let Ok((_, outcome)) = outcomes.try_recv() {
        unknown += usize::from(outcome.verdict.word() == "unknown");
    }
    assert!(unknown >= 40, "{unknown}");
}

#[tokio::test]
async fn echoes_come_from_this_machine_or_it_says_what_is_missing() {
    let outcome = prober(Vec::new()).ask(&spec("icmp://127.0.0.1?size=9000"), 1).await;
    match &outcome.verdict {
        Verdict::Passed => assert_eq!(outcome.seen.path_mtu, Some(9_000), "{outcome:?}"),
        Verdict::Unknown { why } => assert!(why.contains("ping_group_range"), "{why}"),
        Verdict::Failed(failure) => panic!("{failure}"),
    }
}
