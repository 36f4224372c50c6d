//! A history that is being written, by several clients at once.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Mutex;

use netwright_history::journal::{Entry, Journal};
use serde_json::Value;

use crate::run::{lock, now};

/// A history, and the clients of it that have nothing to do.
pub(super) struct History(Mutex<Inner>);

struct Inner {
    journal: Journal<File>,
    /// Clients whose last operation's end is known: each may begin another.
    free: Vec<u64>,
    clients: u64,
    /// Names of what was put in and acknowledged.
    acknowledged: Vec<String>,
    /// Why nothing more can be written.
    broken: Option<String>,
}

/// What belongs to an operation beside what it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside<'a> {
    /// What is known of its link when it begins.
    pub(super) link: Option<&'a str>,
    /// Its idempotency key.
    pub(super) id: Option<&'a str>,
    /// Which try it is; 0 for what is no request of its own.
    pub(super) attempt: u32,
}

impl Default for Beside<'_> {
    fn default() -> Self {
        Self { link: None, id: None, attempt: 1 }
    }
}

/// An operation's key and value, as far as they are known.
pub(super) type What<'a> = (Option<&'a Value>, Option<&'a Value>);

impl History {
    pub(super) fn create(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        let journal = Journal::begin(file)?;
        Ok(Self(Mutex::new(Inner {
            journal,
            free: Vec::new(),
            clients: 0,
            acknowledged: Vec::new(),
            broken: None,
        })))
    }

    /// An operation begins: the client that does it.
    pub(super) fn begin(&self, f: &str, key: Option<&Value>, value: Option<&Value>) -> u64 {
        self.begin_beside(f, (key, value), Beside::default())
    }

    /// The same, with what belongs to it.
    pub(super) fn begin_beside(&self, f: &str, what: What<'_>, beside: Beside<'_>) -> u64 {
        let mut inner = lock(&self.0);
        let process = inner.free.pop().unwrap_or_else(|| {
            inner.clients += 1;
            inner.clients
        });
        inner.put(("invoke", process, f), what, beside, "");
        process
    }

    /// An operation has ended, in this way.
    pub(super) fn end(&self, process: u64, how: (&str, &str), what: What<'_>, error: &str) {
        self.end_beside(process, how, what, (Beside::default(), error));
    }

    /// The same, with what belongs to it.
    pub(super) fn end_beside(
        &self,
        process: u64,
        (kind, f): (&str, &str),
        what: What<'_>,
        (beside, error): (Beside<'_>, &str),
    ) {
        let mut inner = lock(&self.0);
        inner.put((kind, process, f), what, beside, error);
        if kind != "info" {
            inner.free.push(process);
        }
        if let ("ok", "enqueue", Some(Value::String(id))) = (kind, f, what.1) {
            inner.acknowledged.push(id.clone());
        }
    }

    /// Something that the answer to another request told: it happened, and took no time of its own.
    pub(super) fn tell(&self, f: &str, key: Option<&Value>, value: &Value) {
        let beside = Beside { attempt: 0, ..Beside::default() };
        let process = self.begin_beside(f, (key, None), beside);
        self.end_beside(process, ("ok", f), (key, Some(value)), (beside, ""));
    }

    /// What was enqueued and acknowledged.
    pub(super) fn acknowledged(&self) -> Vec<String> {
        lock(&self.0).acknowledged.clone()
    }

    /// Why nothing more can be written, where that is so.
    pub(super) fn broken(&self) -> Option<String> {
        lock(&self.0).broken.clone()
    }
}

impl Inner {
    fn put(
        &mut self,
        (kind, process, f): (&str, u64, &str),
        (key, value): What<'_>,
        beside: Beside<'_>,
        error: &str,
    ) {
        let wall = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        let entry = Entry {
            kind,
            process,
            f,
            key,
            value,
            wall,
            mono: i64::try_from(now().saturating_mul(1000)).unwrap_or(i64::MAX),
            link: beside.link,
            id: beside.id,
            attempt: beside.attempt,
            error: (!error.is_empty()).then_some(error),
        };
        if let Err(why) = self.journal.append(&entry) {
            self.broken.get_or_insert(why.to_string());
        }
    }
}
