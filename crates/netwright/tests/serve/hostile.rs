//! Clients that mean no good, or are broken.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::server::{Folder, Server, pause};

fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

#[test]
fn requests_that_are_none_get_a_clear_answer_or_none_and_the_server_lives() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &[]);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(200_000));
    let lines = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(5_000));
    for octets in [
        b"\x16\x03\x01\x02\x00\x01\x00".as_slice(),
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /api/v1/keys HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        long.as_bytes(),
        lines.as_bytes(),
    ] {
        let answer = server.raw(octets);
        assert!(answer.is_empty() || (400..=505).contains(&status(&answer)) , "{answer}");
        assert_ne!(status(&answer), 500, "{answer}");
    }
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn bodies_that_are_too_large_are_refused_before_they_are_read() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &[]);
    let said = server.raw(&post("/api/v1/keys", "content-length: 99999999999\r\n", "{"));
    assert_eq!(status(&said), 413, "{said}");
    // One that does not say how large it is.
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunks =
        server.raw(&post("/api/v1/keys", "transfer-encoding: chunked\r\n", &chunk.repeat(40)));
    assert_eq!(status(&chunks), 413, "{chunks}");
    let media = server.ask("POST", "/api/v1/keys", &[("content-type", "text/plain")], Some("{}"));
    assert_eq!(media.problem(), "media-type");
    let unknown = server.post("/api/v1/keys", None, r#"{"name":"a","role":"admin","root":true}"#);
    assert_eq!(unknown.problem(), "malformed");
    assert_eq!(unknown.json()["column"], 33, "{}", unknown.text);
}

#[test]
fn paths_lead_nowhere_else() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &[]);
    for path in [
        "/api/v1/keys/..%2f..%2fepoch",
        "/api/v1/keys/%2e%2e",
        "/api/v1/keys/a%00b",
        "/api/v1/keys/%ff",
        "/api/v1/keys/../../../etc/passwd",
        "//api/v1/keys",
        "/api/v1/keys/",
        "/API/v1/keys",
        "/api/v1/keys/a%2Fb",
    ] {
        let asked =
            format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = server.raw(asked.as_bytes());
        assert!([400, 404, 405].contains(&status(&answer)), "{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{path}: {answer}");
    }
}

#[test]
fn who_sends_an_octet_a_second_is_let_go() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &[]);
    let mut head = TcpStream::connect(server.address).unwrap();
    let mut body = TcpStream::connect(server.address).unwrap();
    let mut quiet = TcpStream::connect(server.address).unwrap();
    let start = post("/api/v1/keys", "content-length: 1000\r\n", "");
    body.write_all(&start).unwrap();
    let began = Instant::now();
    let (mut lost, mut answer) = (false, Vec::new());
    for stream in [&head, &body, &quiet] {
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    }
    while began.elapsed() < Duration::from_secs(90) && (!lost || answer.is_empty()) {
        lost = lost || head.write_all(b"G").is_err();
        let _closed = body.write_all(b" ");
        let mut some = [0; 4096];
        if let Ok(read) = body.read(&mut some) {
            answer.extend_from_slice(&some[..read]);
        }
        pause(500);
    }
    assert!(lost, "a head that never ends");
    let answer = String::from_utf8_lossy(&answer);
    assert_eq!(status(&answer), 408, "{answer}");
    assert!(matches!(quiet.read(&mut [0; 10]), Ok(0)), "one on which nothing is asked");
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn thousands_who_watch_and_take_nothing_cost_little() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &["--streams", "500", "--connections", "3000"]);
    let before = server.memory();
    let watch = b"GET /api/v1/watch?from=2 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut open = Vec::new();
    for _ in 0..2500 {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(watch).unwrap();
        open.push(stream);
    }
    let soon = |wanted: &str| {
        (0..300).any(|_| {
            let holds = server.get("/metrics").text.contains(wanted);
            if !holds {
                pause(100);
            }
            holds
        })
    };
    assert!(soon("netwright_streams 500"), "they do not get their streams");
    // Beyond the bound they are told so, and others are answered.
    assert_eq!(server.get("/livez").status, 200);
    assert_eq!(server.get("/api/v1/watch").problem(), "busy");
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 100 << 10, "{grown} KiB for 2,500 connections");
    drop(open);
    assert!(soon("netwright_streams 0"), "streams stay open");
}

#[test]
fn who_comes_when_all_places_are_taken_is_let_go_and_places_come_back() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &["--connections", "20"]);
    let open: Vec<TcpStream> =
        (0..60).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    pause(200);
    let mut late = TcpStream::connect(server.address).unwrap();
    late.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let let_go = late.read(&mut [0; 10]);
    assert!(
        matches!(let_go, Ok(0))
            || let_go.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    );
    drop(open);
    let lives = || {
        let mut asks = TcpStream::connect(server.address)?;
        asks.set_read_timeout(Some(Duration::from_secs(5)))?;
        asks.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        asks.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let lives = || lives().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"));
    let came_back = (0..100).any(|_| {
        pause(100);
        lives()
    });
    assert!(came_back, "places that were left are not given again");
}

#[test]
fn who_tries_keys_is_slowed_down_and_who_asks_too_much_is_told_when() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &["--rate", "20"]);
    let made = server.post("/api/v1/keys", None, r#"{"name":"a","role":"admin"}"#);
    let admin = made.json()["key"].as_str().unwrap().to_owned();
    let guess = format!("nw_000000000000_{}", "0".repeat(64));
    let mut slowed = false;
    for _ in 0..150 {
        let answer = server.ask("GET", "/api/v1/system/snapshot", &[("x-api-key", &guess)], None);
        assert!([401, 429].contains(&answer.status), "{}", answer.text);
        slowed |= answer.status == 429;
    }
    assert!(slowed);
    pause(1000);
    let answer = server.ask("GET", "/api/v1/system/snapshot", &[("x-api-key", &admin)], None);
    assert_eq!(answer.status, 200, "who has a key is not held up by who has none");
}

const NETWORK: &str = "vpcs: { a: { cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.1.0/24 } } } }\n";

fn declared(text: &str) -> String {
    serde_json::json!({ "description": text }).to_string()
}

#[test]
fn who_believes_something_old_of_the_network_changes_nothing() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &[]);
    let apply = |at: &str, text: &str| {
        let headers = [("content-type", "application/json"), ("if-match", at)];
        server.ask("POST", "/api/v1/changes", &headers, Some(&declared(text)))
    };
    let first = apply("*", NETWORK).json()["revision"].as_u64().unwrap();
    let other = NETWORK.replace("10.0.1.0", "10.0.2.0");
    let stale = apply("\"1\"", &other);
    assert_eq!((stale.status, stale.problem().as_str()), (412, "stale"));
    assert_eq!(stale.json()["revision"], first);
    for wrong in ["", "1", "\"\"", "\"-1\"", "\"x\"", "W/\"1\"", "\"99999999999999999999\""] {
        assert_eq!(apply(wrong, &other).problem(), "malformed", "{wrong}");
    }
    let second = apply(&format!("\"{first}\""), &other).json()["revision"].as_u64().unwrap();
    assert!(second > first);
    assert_eq!(apply(&format!("\"{first}\""), NETWORK).problem(), "stale");
    assert!(server.get("/api/v1/network").text.contains("10.0.2.0/24"));
}

#[test]
fn a_request_that_comes_again_is_done_once_and_its_key_is_for_no_other() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &["--lease", "2"]);
    let once = |server: &Server, path: &str, key: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        server.ask("POST", path, &headers, Some(body))
    };
    let change = once(&server, "/api/v1/changes", "k1", &declared(NETWORK));
    assert_eq!(change.status, 200, "{}", change.text);
    let wish = r#"{"pool":"vni","for":"x"}"#;
    let given = once(&server, "/api/v1/allocations", "k2", wish);
    assert_eq!(given.status, 201, "{}", given.text);
    // Something else comes between, and the process is another.
    let other = NETWORK.replace("10.0.1.0", "10.0.2.0");
    assert_eq!(once(&server, "/api/v1/changes", "k3", &declared(&other)).status, 200);
    drop(server);
    let server = Server::leading(&folder.0, &["--lease", "2"]);
    server.until("it knows its pools", |_| server.get("/api/v1/pools?pool=vni").status == 200);
    assert_eq!(once(&server, "/api/v1/changes", "k1", &declared(NETWORK)).json(), change.json());
    assert_eq!(once(&server, "/api/v1/allocations", "k2", wish).json(), given.json());
    assert!(server.get("/api/v1/network").text.contains("10.0.2.0/24"), "it was not done again");
    let reused = once(&server, "/api/v1/changes", "k1", &declared(&other));
    assert_eq!((reused.status, reused.problem().as_str()), (422, "idempotency-key-reused"));
    let reused = once(&server, "/api/v1/allocations", "k2", r#"{"pool":"vni","for":"y"}"#);
    assert_eq!(reused.problem(), "idempotency-key-reused");
    for wrong in ["", &"k".repeat(256)] {
        assert_eq!(once(&server, "/api/v1/allocations", wrong, wish).problem(), "malformed");
    }
    let all = server.get("/api/v1/allocations?pool=vni").json();
    assert_eq!(all["allocations"].as_array().unwrap().len(), 1);
}

#[test]
fn nothing_is_answered_before_the_record_of_who_did_it_is_there() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &["--lease", "2"]);
    assert_eq!(server.post("/api/v1/changes", None, &declared(NETWORK)).status, 200);
    assert_eq!(server.post("/api/v1/allocations", None, r#"{"pool":"vni","for":"x"}"#).status, 201);
    let key = server.post("/api/v1/keys", None, r#"{"name":"a","role":"admin"}"#);
    let admin = key.json()["key"].as_str().unwrap().to_owned();
    // As a power cut would, right after the answer.
    drop(server);
    let server = Server::leading(&folder.0, &["--lease", "2"]);
    let audit = server.ask("GET", "/api/v1/audit", &[("x-api-key", &admin)], None).json();
    let told: Vec<_> = audit["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| (record["path"].as_str().unwrap(), record["status"].as_u64().unwrap()))
        .collect();
    let all = [("/api/v1/changes", 200), ("/api/v1/allocations", 201), ("/api/v1/keys", 201)];
    assert_eq!(told, all);
}
