//! Octets of a history, one after the other, with the place where they stand: as much is kept as is being looked at.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use rustc_hash::FxHashMap;

/// Octets that are read from a file at a time.
const CHUNK: usize = 256 * 1024;

/// Short texts that are kept once. Names of keys, functions and accounts are few; what comes after so many is kept each by itself.
const KNOWN_TEXTS: usize = 65_536;

/// How large and how deep one event of a history may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Vectors, maps and sets in each other.
    pub depth: usize,
    /// Values of one event.
    pub values: usize,
    /// Octets of one text.
    pub text: usize,
    /// Events of a history.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 64, values: 8_000_000, text: 16 * 1024 * 1024, events: 500_000_000 }
    }
}

/// Why a history cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// From 1.
    pub line: u64,
    /// From 1, in octets.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ReadError {}

/// Where a reader stands in a stream of octets.
pub(crate) struct Cursor<R> {
    from: R,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    /// Octets before the buffer.
    before: u64,
    line: u64,
    /// The octet that the line begins with.
    line_start: u64,
    failed: Option<String>,
    pub(crate) limits: Limits,
    /// Values of the event that is being read.
    pub(crate) values: usize,
    pub(crate) scratch: Vec<u8>,
    texts: FxHashMap<Box<str>, Arc<str>>,
}

impl<R: Read> Cursor<R> {
    pub(crate) fn new(from: R, limits: Limits) -> Self {
        let mut cursor = Self {
            from,
            buffer: vec![0; CHUNK],
            at: 0,
            filled: 0,
            before: 0,
            line: 1,
            line_start: 0,
            failed: None,
            limits,
            values: 0,
            scratch: Vec::new(),
            texts: FxHashMap::default(),
        };
        cursor.fill();
        // A mark of the octets' order is no part of the text.
        if cursor.buffer[..cursor.filled].starts_with(b"\xef\xbb\xbf") {
            cursor.at = 3;
        }
        cursor
    }

    /// Reads on until the buffer is full or the stream ends, with what was not looked at yet kept.
    fn fill(&mut self) {
        self.buffer.copy_within(self.at..self.filled, 0);
        self.before += self.at as u64;
        self.filled -= self.at;
        self.at = 0;
        while self.filled < self.buffer.len() && self.failed.is_none() {
            match self.from.read(&mut self.buffer[self.filled..]) {
                Ok(0) => break,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => self.failed = Some(error.to_string()),
            }
        }
    }

    /// What comes next, as far as it is at hand: at least what a decision about the format needs.
    pub(crate) fn ahead(&self) -> &[u8] {
        &self.buffer[self.at..self.filled]
    }

    /// The next octet, without passing it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        if self.at == self.filled {
            self.fill();
            if self.at == self.filled {
                return None;
            }
        }
        Some(self.buffer[self.at])
    }

    /// The octet after the next one.
    pub(crate) fn second(&mut self) -> Option<u8> {
        if self.at + 1 >= self.filled {
            self.fill();
        }
        self.buffer[..self.filled].get(self.at + 1).copied()
    }

    /// Passes the next octet.
    #[inline]
    pub(crate) fn pass(&mut self) {
        if self.buffer[self.at] == b'\n' {
            self.line += 1;
            self.line_start = self.before + self.at as u64 + 1;
        }
        self.at += 1;
    }

    /// The next octet, passed.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u8> {
        let next = self.peek()?;
        self.pass();
        Some(next)
    }

    /// Passes the rest of a line and its end. What it was is in the scratch.
    pub(crate) fn take_line(&mut self) -> Result<bool, ReadError> {
        self.scratch.clear();
        let mut any = false;
        while let Some(octet) = self.next() {
            any = true;
            if octet == b'\n' {
                break;
            }
            if self.scratch.len() >= self.limits.text {
                return Err(self.error("this line is too long"));
            }
            self.scratch.push(octet);
        }
        Ok(any)
    }

    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    pub(crate) fn place(&self) -> (u64, u64) {
        (self.line, self.before + self.at as u64 - self.line_start + 1)
    }

    /// An error here. If the file could not be read on, that is what it says.
    pub(crate) fn error(&self, message: impl Into<String>) -> ReadError {
        self.error_at(self.place(), message)
    }

    pub(crate) fn error_at(&self, place: (u64, u64), message: impl Into<String>) -> ReadError {
        let message = match &self.failed {
            Some(failed) => format!("cannot read on: {failed}"),
            None => message.into(),
        };
        ReadError { line: place.0, column: place.1, message }
    }

    /// Whether the stream broke off.
    pub(crate) fn broke(&self) -> Result<(), ReadError> {
        match self.failed {
            Some(_) => Err(self.error("")),
            None => Ok(()),
        }
    }

    /// Counts a value of the event.
    pub(crate) fn count(&mut self) -> Result<(), ReadError> {
        self.values += 1;
        if self.values > self.limits.values {
            let most = self.limits.values;
            return Err(self.error(format!("more than {most} values in one event")));
        }
        Ok(())
    }

    /// The text in the scratch, kept once if it is short.
    pub(crate) fn text(&mut self) -> Result<Arc<str>, ReadError> {
        let scratch = std::mem::take(&mut self.scratch);
        let known = std::str::from_utf8(&scratch).map(|text| {
            if text.len() > 24 {
                return Arc::from(text);
            }
            if let Some(known) = self.texts.get(text) {
                return Arc::clone(known);
            }
            let new: Arc<str> = text.into();
            if self.texts.len() < KNOWN_TEXTS {
                self.texts.insert(text.into(), Arc::clone(&new));
            }
            new
        });
        let known = known.map_err(|_| ());
        self.scratch = scratch;
        known.map_err(|()| self.error("this text is not UTF-8"))
    }
}
