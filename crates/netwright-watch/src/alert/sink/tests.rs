use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{Kind, Mail, Service, Sink, Target, alertmanager_document, lines, message};
use crate::alert::desk::Notification;
use crate::alert::engine::{Alert, Guidance, Status};
use crate::alert::rule::Level;
use crate::fault::Domain;

fn alert() -> Alert {
    Alert {
        rule: "database down".to_owned(),
        thing: "staging-db".to_owned(),
        component: "database".to_owned(),
        level: Level::Critical,
        status: Status::Firing,
        message: "staging-db does not answer\r\nBcc: everybody".to_owned(),
        guidance: Guidance {
            remediation: Some("Roll the network back to revision 40".to_owned()),
            escalation: Some("infrastructure_team".to_owned()),
            issue_reference: Some("#1278".to_owned()),
            fault_domain: Some(Domain::Infrastructure),
            ..Guidance::default()
        },
        began: Duration::from_secs(60),
        changes: vec!["network revision 41 was applied 37 h before".to_owned()],
        suppressed_by: None,
    }
}

fn notification() -> Arc<Notification> {
    Arc::new(Notification {
        component: "database".to_owned(),
        level: Level::Critical,
        at: Duration::from_secs(90),
        repeated: false,
        alerts: vec![
            alert(),
            Alert { status: Status::Resolved, rule: "slow".to_owned(), ..alert() },
        ],
    })
}

fn moment(at: Duration) -> String {
    format!("1970-01-01T00:{:02}:{:02}Z", at.as_secs() / 60, at.as_secs() % 60)
}

fn service() -> Service {
    let (time_out, pause) = (Duration::from_millis(300), Duration::from_millis(10));
    Service { time_out, waiting: 4, tries: 3, pause }
}

fn sink(kind: Kind) -> Sink {
    Sink::serve(kind, service(), Arc::new(moment), || 0.5)
}

/// A server that answers each request with the next of these, and tells what it got.
async fn server(answers: &'static [&'static str]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (got, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 65_536];
            let mut length = 0;
            loop {
                length += stream.read(&mut request[length..]).await.unwrap();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let wanted = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
                if body.len() == wanted.unwrap().parse::<usize>().unwrap() {
                    got.send(text).unwrap();
                    break;
                }
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (format!("http://{address}/hook"), told)
}

async fn counts(sink: &Sink, wanted: (u64, u64, u64)) {
    let of = |sink: &Sink| {
        let delivered = sink.delivered();
        let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        (count(&delivered.sent), count(&delivered.failed), count(&delivered.dropped))
    };
    let began = Instant::now();
    while of(sink) != wanted {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?} is not {wanted:?}", of(sink));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_webhook_gets_every_field_and_is_tried_again() {
    let answers = &["HTTP/1.1 503 Busy\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"];
    let (url, mut told) = server(answers).await;
    let sink = sink(Kind::Webhook(Target::parse(&url).unwrap().with_token("secret")));
    sink.send(&notification());
    counts(&sink, (1, 0, 0)).await;
    let first = told.recv().await.unwrap();
    assert!(first.contains("Authorization: Bearer secret\r\n"));
    let body: Value = serde_json::from_str(first.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["at"], "1970-01-01T00:01:30Z");
    assert_eq!(body["alerts"][0]["began"], "1970-01-01T00:01:00Z");
    assert_eq!(body["alerts"][0]["issue_reference"], "#1278");
    assert_eq!(body["alerts"][1]["status"], "resolved");
    assert!(told.recv().await.is_some(), "the second try");
}

#[tokio::test]
async fn what_the_other_end_refuses_is_not_tried_again() {
    let (url, mut told) = server(&["HTTP/1.1 400 Bad\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"]).await;
    let sink = sink(Kind::Webhook(Target::parse(&url).unwrap()));
    sink.send(&notification());
    counts(&sink, (0, 1, 0)).await;
    assert!(told.recv().await.is_some());
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn a_sink_that_hangs_delays_nobody_else_and_what_it_cannot_take_is_counted() {
    // It accepts connections and says nothing.
    let hung = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hung_url = format!("http://{}", hung.local_addr().unwrap());
    let (url, _told) = server(&["HTTP/1.1 200 OK\r\n\r\n"; 10]).await;
    let bad = sink(Kind::Webhook(Target::parse(&hung_url).unwrap()));
    let good = sink(Kind::Webhook(Target::parse(&url).unwrap()));
    let began = Instant::now();
    for sent in 1..=10 {
        bad.send(&notification());
        good.send(&notification());
        counts(&good, (sent, 0, 0)).await;
    }
    assert!(began.elapsed() < Duration::from_millis(900), "less than one delivery of the other");
    // One is tried, four wait, five were dropped.
    assert_eq!(bad.delivered().dropped.load(Ordering::Relaxed), 5);
    let began = Instant::now();
    bad.close(Duration::from_millis(100)).await;
    assert!(began.elapsed() < Duration::from_secs(1), "it ends in its time");
}

#[tokio::test]
async fn alertmanager_gets_alerts_at_its_path() {
    let (url, mut told) = server(&["HTTP/1.1 200 OK\r\n\r\n"]).await;
    let sink = sink(Kind::Alertmanager(Target::parse(&url).unwrap()));
    sink.send(&notification());
    assert!(told.recv().await.unwrap().starts_with("POST /hook/api/v2/alerts HTTP/1.1"));
    counts(&sink, (1, 0, 0)).await;
    sink.close(Duration::from_secs(1)).await;
    let document = alertmanager_document(&notification(), &moment);
    let labels = json!({
        "alertname": "database down", "component": "database", "severity": "critical", "thing": "staging-db",
    });
    assert_eq!(document[0]["labels"], labels);
    assert_eq!(document[0]["startsAt"], "1970-01-01T00:01:00Z");
    assert_eq!(document[0].get("endsAt"), None);
    assert_eq!(document[1]["endsAt"], "1970-01-01T00:01:30Z");
}

fn mail(relay: &str) -> Mail {
    Mail::new(
        relay,
        "netwright@example.org",
        &["a@example.org".to_owned(), "b@example.org".to_owned()],
    )
    .unwrap()
}

#[tokio::test]
async fn mail_goes_through_a_relay() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = format!("smtp://{}", listener.local_addr().unwrap());
    let relaying = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220-relay\r\n220 hello\r\n").await.unwrap();
        let (mut said, mut data) = (Vec::new(), false);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let line = line.trim_end().to_owned();
            said.push(line.clone());
            let answer = match line.as_str() {
                "." => "250 taken\r\n",
                _ if data => continue,
                "DATA" => "354 go on\r\n",
                "QUIT" => "221 bye\r\n",
                "EHLO netwright" => "250-relay\r\n250 8BITMIME\r\n",
                _ => "250 ok\r\n",
            };
            data = line == "DATA";
            stream.write_all(answer.as_bytes()).await.unwrap();
            if line == "QUIT" {
                return said;
            }
        }
    });
    let sink = sink(Kind::Mail(mail(&relay)));
    sink.send(&notification());
    counts(&sink, (1, 0, 0)).await;
    let said = relaying.await.unwrap();
    for line in [
        "MAIL FROM:<netwright@example.org>",
        "RCPT TO:<a@example.org>",
        "RCPT TO:<b@example.org>",
        "Subject: CRITICAL database: 2 alerts",
    ] {
        assert!(said.iter().any(|said| said == line), "{line}: {said:#?}");
    }
    assert!(!said.iter().any(|line| line.starts_with("Bcc")), "no message writes into the head");
}

#[test]
fn a_relay_and_addresses_are_read_strictly() {
    let of = |relay: &str, to: &str| Mail::new(relay, "a@b", &[to.to_owned()]);
    assert!(of("smtps://mail.example", "x@y").is_ok());
    for relay in ["mail.example", "smtp://", "smtp://a b", "smtp://a/b", "http://a"] {
        assert!(of(relay, "x@y").is_err(), "{relay}");
    }
    for to in ["x", "@y", "x@", "x@y\r\nDATA", "x y@z", "<x@y>", "x@y@z"] {
        assert!(of("smtp://a", to).is_err(), "{to:?}");
    }
    assert!(Mail::new("smtp://a", "a@b", &[]).is_err());
}

#[test]
fn a_message_has_no_line_that_is_too_long_or_that_an_alert_ends() {
    let long = Alert { message: "é".repeat(3_000), ..alert() };
    let notification = Notification { alerts: vec![long], ..(*notification()).clone() };
    let text = message(&mail("smtp://a"), &notification, &moment);
    assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
}

#[test]
fn a_line_says_what_is_wrong_since_which_change_and_what_to_do() {
    let mut alert = alert();
    "staging-db does not answer".clone_into(&mut alert.message);
    let notification = Notification { alerts: vec![alert], ..(*notification()).clone() };
    assert_eq!(
        lines(&notification),
        [
            "CRITICAL database: staging-db does not answer [infrastructure]; network revision 41 was applied 37 h before. Roll the network back \
          to revision 40 (next: infrastructure_team) (issue: #1278)"
        ]
    );
}

mod tls;
