//! Netwright's own histories: JSON lines that are written as operations happen, and survive whoever writes them.
//!
//! The first line says what the file is: `{"netwright_history":1}`. Each further line is an event, written whole by one call, so that a writer
//! that dies leaves at most its last line unfinished; readers leave such a line out and say so.

use std::io::Write;

use serde::Serialize;

use crate::history::Source;
use crate::text::ReadError;
use crate::value::Value;

/// The field of the first line that says what the file is.
pub(crate) const MARK: &str = "netwright_history";

/// The version of the format that is written, and the latest that is read.
pub const VERSION: i64 = 1;

/// One event to be written.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Entry<'a> {
    /// `invoke`, `ok`, `fail` or `info`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The client. One client does one thing at a time; after an `info` it goes on under another number.
    pub process: u64,
    /// What the operation does, as `write`, `read`, `cas`, `append`, `enqueue`.
    pub f: &'a str,
    /// The key, account, list or queue that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a serde_json::Value>,
    /// What it writes or has read. A value that is absent is not known; `null` was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<&'a serde_json::Value>,
    /// Nanoseconds since 1970 on the client's wall clock.
    pub wall: i64,
    /// Nanoseconds of the client's monotonic clock.
    pub mono: i64,
    /// What the client's link is known to be, as `up` or `cut`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<&'a str>,
    /// The idempotency key of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// Which try of the same request this is, from 1.
    pub attempt: u32,
    /// Why it failed, or why nobody knows. `mismatch` of a compare-and-set says that the value was another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

/// A history that is being written.
#[derive(Debug)]
pub struct Journal<W> {
    to: W,
    line: Vec<u8>,
}

impl<W: Write> Journal<W> {
    /// Begins a history.
    ///
    /// # Errors
    ///
    /// The first line cannot be written.
    pub fn begin(to: W) -> std::io::Result<Self> {
        let mut journal = Self { to, line: Vec::new() };
        journal.write(&serde_json::json!({ MARK: VERSION }))?;
        Ok(journal)
    }

    /// Adds an event. An operation's beginning is added before the request leaves, its end after the answer came.
    ///
    /// # Errors
    ///
    /// It cannot be written: nothing more must be done in this history.
    pub fn append(&mut self, entry: &Entry<'_>) -> std::io::Result<()> {
        self.write(entry)
    }

    fn write(&mut self, what: &impl Serialize) -> std::io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, what)?;
        self.line.push(b'\n');
        self.to.write_all(&self.line)?;
        self.to.flush()
    }

    /// What it is written to, for whoever makes it durable.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.to
    }
}

/// Reads the first line.
pub(crate) fn opened(form: &Value, place: (u64, u64)) -> Result<Source, ReadError> {
    match form.get(MARK).and_then(Value::integer) {
        Some(VERSION) => Ok(Source::Netwright),
        other => {
            let found = other.map_or_else(|| "none".to_owned(), |version| version.to_string());
            let message = format!(
                "this history has version {found}, and this program reads version {VERSION}"
            );
            Err(ReadError { line: place.0, column: place.1, message })
        }
    }
}
