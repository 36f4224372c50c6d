//! Logs of Jepsen against etcd: a line for each event, `INFO  jepsen.util - 3 :invoke :cas [1 2]`, separated by tabs or spaces. Jepsen's own
//! `history.txt` is the same without what stands before the client, and means what Jepsen's histories mean.

use std::io::Read;
use std::sync::Arc;

use crate::edn;
use crate::history::{Event, Kind, Source};
use crate::text::{Cursor, Limits, ReadError};
use crate::value::Value;

/// Whether a file begins with such lines, be it after others.
pub(crate) fn looks_like_one(beginning: &[u8]) -> bool {
    beginning
        .split(|octet| *octet == b'\n')
        .take(1000)
        .any(|line| std::str::from_utf8(line).is_ok_and(|line| parts(line).is_some()))
}

/// An event of a line.
struct Parts<'a> {
    source: Source,
    process: &'a str,
    kind: Kind,
    f: &'a str,
    /// What follows.
    value: &'a str,
}

/// What a line says, where it is an event.
fn parts(line: &str) -> Option<Parts<'_>> {
    let mut rest = line;
    let mut before: Option<&str> = None;
    let mut source = Source::Jepsen;
    loop {
        rest = rest.trim_start();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return None;
        }
        if let (Some(process), Some(kind)) = (before, word.strip_prefix(':').and_then(Kind::of)) {
            let after = after.trim_start();
            let end = after.find(char::is_whitespace).unwrap_or(after.len());
            let (f, value) = after.split_at(end);
            let (f, value) = (f.strip_prefix(':')?, value.trim());
            return Some(Parts { source, process, kind, f, value });
        }
        if before.replace(word).is_some() {
            source = Source::EtcdLog;
        }
        rest = after;
    }
}

/// Gives all events of a log. Lines that are none are passed.
pub(crate) fn read<R: Read>(
    from: &mut Cursor<R>,
    take: &mut dyn FnMut(Event, Source) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut count = 0_usize;
    loop {
        let line = from.line();
        if !from.take_line()? {
            return Ok(());
        }
        let place = (line, 1);
        let scratch = std::mem::take(&mut from.scratch);
        let text = std::str::from_utf8(&scratch)
            .map_err(|_| from.error_at(place, "this line is not UTF-8"))?;
        if let Some(Parts { source, process, kind, f, value }) = parts(text) {
            let wrong = |message: String| ReadError { line, column: 1, message };
            let mut inner = Cursor::new(value.as_bytes(), Limits { ..from.limits });
            let mut next = || {
                edn::value(&mut inner, 0).map_err(|error| ReadError {
                    line,
                    column: (text.len() - value.len()) as u64 + error.column,
                    message: error.message,
                })
            };
            let parsed = next()?;
            // Whatever follows tells why: then it is no plain answer.
            let error = if kind == Kind::Fail { next().unwrap_or(Some(Value::Nil)) } else { None };
            let process = match process.parse::<i64>() {
                Ok(number) => Value::Int(number),
                Err(_) => Value::Keyword(Arc::from(process.trim_start_matches(':'))),
            };
            if f.is_empty() {
                return Err(wrong("this event does not say what its operation does".to_owned()));
            }
            let event = Event {
                kind,
                process: Some(process),
                f: Arc::from(f),
                key: None,
                value: parsed,
                index: None,
                time: None,
                error,
                extra: None,
                line: u32::try_from(line).unwrap_or(u32::MAX),
            };
            take(event, source)?;
            count += 1;
            if count > from.limits.events {
                return Err(wrong(format!("more than {} events", from.limits.events)));
            }
        }
        from.scratch = scratch;
    }
}
