//! Requests of tests: one connection each, within a time.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The keys that the tests' system has.
pub(crate) const USER: &str = "user-key";
pub(crate) const OPERATOR: &str = "operator-key";

/// The longest that any request may take: what the system promises, and some time for a busy machine.
pub(crate) const LONGEST: Duration = Duration::from_secs(15);

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// It has this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.text);
        self
    }

    pub(crate) fn is_marked_stale(&self) -> bool {
        self.head.to_lowercase().contains("x-visapi-stale: true")
    }
}

/// What is asked, with the operators' key, which fits everywhere.
pub(crate) fn ask(at: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    with(at, method, path, body, &[&format!("X-API-Key: {OPERATOR}")])
        .unwrap_or_else(|why| panic!("{method} {path}: {why}"))
}

pub(crate) fn get(at: SocketAddr, path: &str) -> Answer {
    ask(at, "GET", path, "")
}

pub(crate) fn post(at: SocketAddr, path: &str, body: &str) -> Answer {
    ask(at, "POST", path, body)
}

/// A POST with an idempotency key, which may fail as the process may be gone.
pub(crate) fn keyed(at: SocketAddr, path: &str, body: &str, key: &str) -> Result<Answer, String> {
    let headers = [&format!("X-API-Key: {OPERATOR}")[..], &format!("Idempotency-Key: {key}")];
    with(at, "POST", path, body, &headers)
}

/// What is asked, with these header lines; `curl -d` sends a form's type.
pub(crate) fn with(
    at: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
    headers: &[&str],
) -> Result<Answer, String> {
    let began = Instant::now();
    let told = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(2)).map_err(told)?;
    stream.set_read_timeout(Some(LONGEST)).map_err(told)?;
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{headers}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).map_err(told)?;
    let mut all = String::new();
    stream.read_to_string(&mut all).map_err(told)?;
    let (head, text) = all.split_once("\r\n\r\n").ok_or("the connection ended early")?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or("no status")?;
    Ok(Answer { status, head: head.to_owned(), text: text.to_owned(), took: began.elapsed() })
}

/// Asks until it is so.
#[track_caller]
pub(crate) fn until(what: &str, limit: Duration, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        pause(Duration::from_millis(40));
    }
}

/// Waits.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
