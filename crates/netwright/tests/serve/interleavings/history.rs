//! What was asked and what was told, a line for each attempt, in a file that outlives a test that fails.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Value,
    /// The revision that the network must be at.
    pub(super) at: Option<u64>,
}

impl Call {
    pub(super) fn post(path: &str, body: Value) -> Self {
        Self { method: "POST".to_owned(), path: path.to_owned(), body, at: None }
    }

    pub(super) fn put(path: &str, body: Value) -> Self {
        Self { method: "PUT".to_owned(), path: path.to_owned(), body, at: None }
    }

    pub(super) fn get(path: &str) -> Self {
        Self { method: "GET".to_owned(), path: path.to_owned(), body: Value::Null, at: None }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Told {
    /// It was done.
    Done(Value),
    /// It was not done: what kind of problem, and its details.
    Refused(String, Value),
    /// Nobody can say.
    Lost(String),
}

/// One attempt of a wish.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// The wish: all its attempts ask the same.
    pub(super) wish: String,
    /// The idempotency key, where it has one.
    pub(super) key: Option<String>,
    pub(super) call: Call,
    pub(super) server: usize,
    /// Microseconds of the test's clock.
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) told: Told,
}

/// What one server says is there in the end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Left {
    pub(super) server: usize,
    pub(super) allocations: Vec<Value>,
    /// Subnets of the network: name and range.
    pub(super) subnets: Vec<(String, String)>,
}

impl Left {
    /// Whether another server says the same.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        self.allocations == other.allocations && self.subnets == other.subnets
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Attempt(Box<Attempt>),
    Left(Left),
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) attempts: Vec<Attempt>,
    pub(super) left: Vec<Left>,
}

pub(super) struct History {
    file: Mutex<BufWriter<File>>,
    began: OnceLock<Instant>,
}

impl History {
    pub(super) fn new(path: &Path) -> Self {
        let file = File::create(path).unwrap();
        Self { file: Mutex::new(BufWriter::new(file)), began: OnceLock::new() }
    }

    pub(super) fn begin(&self) {
        let _once = self.began.set(Instant::now());
    }

    pub(super) fn now(&self) -> u64 {
        let elapsed = self.began.get().map_or(Duration::ZERO, Instant::elapsed);
        u64::try_from(elapsed.as_micros()).unwrap()
    }

    fn write(&self, line: &Line) {
        let mut file = self.file.lock().unwrap();
        serde_json::to_writer(&mut *file, line).unwrap();
        file.write_all(b"\n").unwrap();
    }

    pub(super) fn keep(&self, attempt: Attempt) {
        self.write(&Line::Attempt(Box::new(attempt)));
    }

    pub(super) fn left(&self, left: Left) {
        self.write(&Line::Left(left));
    }

    pub(super) fn end(&self) {
        self.file.lock().unwrap().flush().unwrap();
    }
}

/// Reads a file of it.
pub(super) fn read(path: &Path) -> Seen {
    let mut seen = Seen::default();
    for line in BufReader::new(File::open(path).unwrap()).lines() {
        match serde_json::from_str(&line.unwrap()).unwrap() {
            Line::Attempt(attempt) => seen.attempts.push(*attempt),
            Line::Left(left) => seen.left.push(left),
        }
    }
    seen
}
