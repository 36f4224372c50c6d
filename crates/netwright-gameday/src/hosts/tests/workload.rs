//! Workloads while hosts are broken: from this machine, to something that keeps what it is given, or not.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::*;

/// A store over HTTP: `POST /orders` of `{"id": "…"}`, and `GET /orders/ID`. One that loses answers each tenth without keeping it.
fn store(loses: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let kept = Arc::new(Mutex::new((BTreeSet::new(), 0_u64)));
    // It ends with the test.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = kept.clone();
            std::thread::spawn(move || answer(&stream, &kept, loses));
        }
    });
    port
}

fn answer(
    mut stream: &TcpStream,
    kept: &Mutex<(BTreeSet<String>, u64)>,
    loses: bool,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut length = 0;
    loop {
        let mut field = String::new();
        reader.read_line(&mut field).ok()?;
        if field.trim().is_empty() {
            break;
        }
        if let Some(value) = field.strip_prefix("Content-Length: ") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut kept = lock(kept);
    let status = if line.starts_with("POST") {
        let order: serde_json::Value = serde_json::from_slice(&body).ok()?;
        kept.1 += 1;
        if !loses || !kept.1.is_multiple_of(10) {
            kept.0.insert(order["id"].as_str()?.to_owned());
        }
        "201 Created"
    } else {
        let id = line.split(' ').nth(1)?.strip_prefix("/orders/")?;
        if kept.0.contains(id) { "200 OK" } else { "404 Not Found" }
    };
    stream.write_all(format!("HTTP/1.0 {status}\r\n\r\n{{}}").as_bytes()).ok()
}

fn experiment(work: &str) -> String {
    CUT.replace("method: [", &format!("workload: [ {work} ], method: ["))
}

fn orders(port: u16) -> String {
    experiment(&format!(
        "{{ name: orders, url: 'http://localhost:{port}', write: /orders, read: '/orders/{{id}}', rate: 100, model: lost-writes }}"
    ))
}

#[test]
fn what_clients_of_hosts_wrote_is_read_in_the_end_and_what_was_lost_fails_the_run() {
    let (outcome, _) = ran("keeps", &orders(store(false)), Fake::default(), &|| false);
    assert_eq!(outcome.verdict, Verdict::Pass, "{:#?}", outcome.criteria);
    has(&outcome, "orders: lost-writes", Verdict::Pass);
    let (outcome, _) = ran("loses", &orders(store(true)), Fake::default(), &|| false);
    assert_eq!(outcome.verdict, Verdict::Fail);
    has(&outcome, "orders: lost-writes", Verdict::Fail);
}

#[test]
fn a_program_of_ones_own_writes_the_history_of_hosts() {
    let write = |value: &str| {
        let line = |kind: &str, f: &str, value: &str| {
            format!(
                r#"{{\"type\":\"{kind}\",\"process\":0,\"f\":\"{f}\",\"value\":{value},\"time\":1}}\n"#
            )
        };
        let all = [
            line("invoke", "add", "1"),
            line("ok", "add", "1"),
            line("invoke", "read", "null"),
            line("ok", "read", value),
        ];
        // The program may end before all is over.
        experiment(&format!(
            "{{ name: own, run: \"printf '{}' > $NETWRIGHT_HISTORY\", model: set }}",
            all.concat().replace("\\n", "\\\\n")
        ))
    };
    let (outcome, _) = ran("program", &write("[1]"), Fake::default(), &|| false);
    has(&outcome, "own: set", Verdict::Pass);
    let (outcome, _) = ran("program-lost", &write("[]"), Fake::default(), &|| false);
    has(&outcome, "own: set", Verdict::Fail);
}

#[test]
fn a_workload_from_an_endpoint_is_refused_on_hosts_and_one_from_none_in_a_lab() {
    let work = "name: orders, url: 'http://b', write: /orders";
    let (here, there) = (format!("{{ {work} }}"), format!("{{ {work}, from: a }}"));
    let (here, there) = (planned(&experiment(&here)).0, planned(&experiment(&there)).0);
    assert_eq!(refused(&here), Vec::<String>::new());
    assert_eq!(crate::run::refused(&there), Vec::<String>::new());
    let why = refused(&there);
    assert!(why.len() == 1 && why[0].starts_with("orders comes from a:"), "{why:?}");
    let why = crate::run::refused(&here);
    assert!(why.len() == 1 && why[0].starts_with("orders comes from no endpoint"), "{why:?}");
}
