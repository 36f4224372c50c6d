//! What tasks write, line by line, the newest of it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::Key;

/// Most octets that are kept of a task.
const KEPT: usize = 64 * 1024;
/// Longest line; a longer one becomes several.
const LINE: usize = 4096;
/// Most octets of an answer.
const ANSWER: usize = 1024 * 1024;

/// A line that a task wrote, or that was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number: the order in which lines came.
    pub number: u64,
    /// When it came, in milliseconds since the lab came up.
    pub at: u64,
    /// The namespace.
    pub namespace: String,
    /// The task.
    pub task: String,
    /// The text.
    pub text: String,
}

impl Line {
    pub(crate) fn from_json(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
        Self {
            number: number("number"),
            at: number("at"),
            namespace: text("namespace").to_owned(),
            task: text("task").to_owned(),
            text: text("text").to_owned(),
        }
    }
}

#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<(u64, u64, String)>,
    octets: usize,
    /// What was written after the last end of a line.
    rest: Vec<u8>,
    /// The number of the newest line that was let go.
    dropped: u64,
}

/// The logs of all tasks.
#[derive(Debug, Default)]
pub(super) struct Logs {
    logs: BTreeMap<Key, Log>,
    last: u64,
}

impl Logs {
    /// Adds what a task wrote.
    pub(super) fn write(&mut self, key: &Key, at: u64, octets: &[u8]) {
        let log = self.logs.entry(key.clone()).or_default();
        log.rest.extend_from_slice(octets);
        let mut start = 0;
        loop {
            let rest = &log.rest[start..];
            let end = rest.iter().take(LINE).position(|octet| *octet == b'\n');
            let (line, next) = match end {
                Some(end) => (&rest[..end], end + 1),
                None if rest.len() >= LINE => (&rest[..LINE], LINE),
                None => break,
            };
            let text = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
            start += next;
            self.last += 1;
            log.octets += text.len();
            log.lines.push_back((self.last, at, text));
        }
        log.rest.drain(..start);
        while log.octets > KEPT {
            let Some((number, _, text)) = log.lines.pop_front() else { break };
            log.octets -= text.len();
            log.dropped = number;
        }
    }

    /// Says something about a task: what it wrote without an end of line ends here.
    pub(super) fn say(&mut self, key: &Key, at: u64, text: &str) {
        let open = self.logs.get(key).is_some_and(|log| !log.rest.is_empty());
        let end = if open { "\n" } else { "" };
        self.write(key, at, format!("{end}-- {text}\n").as_bytes());
    }

    /// A task is no more.
    pub(super) fn forget(&mut self, key: &Key) {
        self.logs.remove(key);
    }

    fn of<'a>(&'a self, namespace: Option<&'a str>) -> impl Iterator<Item = (&'a Key, &'a Log)> {
        self.logs.iter().filter(move |((own, _), _)| namespace.is_none_or(|name| name == own))
    }

    /// Whether there is a line newer than a number.
    pub(super) fn has_after(&self, namespace: Option<&str>, after: u64) -> bool {
        self.of(namespace)
            .any(|(_, log)| log.lines.back().is_some_and(|(number, ..)| *number > after))
    }

    /// Lines newer than a number in the order in which they came, with how far they go and whether some are no more there.
    pub(super) fn after(&self, namespace: Option<&str>, after: u64) -> Value {
        let mut lines: Vec<(&Key, &(u64, u64, String))> = Vec::new();
        let mut dropped = false;
        for (key, log) in self.of(namespace) {
            let newer = log.lines.partition_point(|(number, ..)| *number <= after);
            lines.extend(log.lines.range(newer..).map(|line| (key, line)));
            dropped |= log.dropped > after;
        }
        lines.sort_by_key(|(_, (number, ..))| *number);
        let mut room = ANSWER;
        let mut last = after;
        let told: Vec<Value> = lines
            .into_iter()
            .take_while(|(_, (.., text))| {
                let fits = room > text.len();
                room = room.saturating_sub(text.len() + 64);
                fits
            })
            .map(|((namespace, task), (number, at, text))| {
                last = *number;
                json!({"number": number, "at": at, "namespace": namespace, "task": task, "text": text})
            })
            .collect();
        json!({"lines": told, "last": last, "dropped": dropped})
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, LINE, Line, Logs};

    fn key(name: &str) -> (String, String) {
        ("instance/web".to_owned(), name.to_owned())
    }

    fn texts(logs: &Logs, after: u64) -> Vec<String> {
        let told = logs.after(None, after);
        told["lines"].as_array().unwrap().iter().map(|line| Line::from_json(line).text).collect()
    }

    #[test]
    fn lines_of_all_tasks_come_in_the_order_in_which_they_were_ended() {
        let mut logs = Logs::default();
        logs.write(&key("b"), 1, b"one\ntw");
        logs.write(&key("a"), 2, b"other\r\n");
        logs.write(&key("b"), 3, b"o\n");
        assert_eq!(texts(&logs, 0), ["one", "other", "two"]);
        assert_eq!(texts(&logs, 2), ["two"]);
        assert!(logs.has_after(Some("instance/web"), 2) && !logs.has_after(Some("x"), 0));
    }

    #[test]
    fn a_log_keeps_its_newest_part_and_says_that_there_was_more() {
        let mut logs = Logs::default();
        for _ in 0..100 {
            logs.write(&key("a"), 0, &[b'x'; 2 * LINE]);
        }
        let told = logs.after(None, 0);
        assert_eq!(told["dropped"], true);
        assert_eq!(texts(&logs, 0).len(), KEPT / LINE);
    }

    #[test]
    fn what_is_said_about_a_task_stands_on_a_line_of_its_own() {
        let mut logs = Logs::default();
        logs.write(&key("a"), 0, b"no end");
        logs.say(&key("a"), 0, "ended");
        assert_eq!(texts(&logs, 0), ["no end", "-- ended"]);
    }
}
