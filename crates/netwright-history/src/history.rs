//! Operations as clients saw them: when they began, how they ended, and what is not known of that.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::text::ReadError;
use crate::value::Value;

/// What an event says of its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It begins.
    Invoke,
    /// It happened.
    Ok,
    /// It did not happen.
    Fail,
    /// It may or may not have happened, or may yet happen.
    Info,
}

impl Kind {
    /// From its word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "invoke" => Self::Invoke,
            "ok" => Self::Ok,
            "fail" => Self::Fail,
            "info" => Self::Info,
            _ => return None,
        })
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It did not happen.
    Fail,
    /// Nobody knows: it may have happened, or may yet happen. So is what never ended.
    Info,
}

impl Outcome {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }
}

/// Who wrote a history, which decides what some of it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Jepsen and its relatives, as EDN or JSON. What fails did not happen; a read of `nil` says nothing.
    Jepsen,
    /// A log of Jepsen against etcd. A compare-and-set that fails says that the value was another; a read of `nil` says that there was none.
    EtcdLog,
    /// Netwright. A value that is there was seen, also `null`; a compare-and-set that fails with the error `mismatch` says that the value was another.
    Netwright,
    /// Rows of tables with their foreign keys.
    Rows,
    /// The file holds nothing.
    Nothing,
}

impl Source {
    /// For people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Jepsen => "Jepsen",
            Self::EtcdLog => "etcd log",
            Self::Netwright => "Netwright",
            Self::Rows => "rows",
            Self::Nothing => "nothing",
        }
    }
}

/// What Netwright's own histories say of an operation beside what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra {
    /// Nanoseconds since 1970 on the client's wall clock, at its beginning and its end.
    pub wall: [Option<i64>; 2],
    /// Nanoseconds of the client's monotonic clock, at its beginning and its end.
    pub mono: [Option<i64>; 2],
    /// What the client's link was known to be when it began.
    pub link: Option<Arc<str>>,
    /// The idempotency key.
    pub id: Option<Arc<str>>,
    /// Which try of the same request it was, from 1.
    pub attempt: Option<i64>,
    /// Why it failed, or why nobody knows.
    pub error: Option<Value>,
}

/// One event, as a file has it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) process: Option<Value>,
    pub(crate) f: Arc<str>,
    pub(crate) key: Option<Value>,
    pub(crate) value: Option<Value>,
    pub(crate) index: Option<i64>,
    pub(crate) time: Option<i64>,
    pub(crate) error: Option<Value>,
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) line: u32,
}

/// An operation: its beginning and its end in one.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Which of [`History::processes`].
    pub process: u32,
    /// Which of [`History::names`].
    pub name: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether its value is what was seen, also where that is `nil`.
    pub seen: bool,
    /// Whether it failed because what it compared with was another value.
    pub refused: bool,
    /// The key that it was about, where the file names one.
    pub key: Option<Box<Value>>,
    /// What it wrote or read.
    pub value: Value,
    /// The place of its beginning in the order of events.
    pub start: u32,
    /// The place of its end; [`Operation::OPEN`] while it may still happen.
    pub end: u32,
    /// The line of its beginning.
    pub line: u32,
    /// What Netwright's own histories add.
    pub extra: Option<Box<Extra>>,
}

impl Operation {
    /// The end of what never ended.
    pub const OPEN: u32 = u32::MAX;
}

/// A fault that the file tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its place in the order of events.
    pub at: u32,
    /// What began or ended.
    pub name: Arc<str>,
}

/// What clients saw.
#[derive(Debug, Clone)]
pub struct History {
    /// Who wrote it.
    pub source: Source,
    /// In the order in which they began.
    pub operations: Vec<Operation>,
    /// The clients.
    pub processes: Vec<Value>,
    /// What operations do.
    pub names: Vec<Arc<str>>,
    /// Faults of a nemesis.
    pub faults: Vec<Fault>,
    /// Events of clients that were read.
    pub events: usize,
    /// What was strange about the file.
    pub notices: Vec<String>,
    /// Events whose counterpart is missing: ends without a beginning, beginnings by a client that was still busy.
    pub unpaired: usize,
    /// The file was cut off, and nothing says that what is there is all that matters: Netwright writes its own so that it is.
    pub torn: bool,
    /// Rows of tables, where the file is those.
    pub rows: Option<Value>,
}

impl History {
    /// One with nothing in it.
    pub(crate) fn empty(source: Source) -> Self {
        Self {
            source,
            operations: Vec::new(),
            processes: Vec::new(),
            names: Vec::new(),
            faults: Vec::new(),
            events: 0,
            notices: Vec::new(),
            unpaired: 0,
            torn: false,
            rows: None,
        }
    }

    /// What an operation does.
    #[must_use]
    pub fn name(&self, operation: &Operation) -> &str {
        self.names.get(usize::from(operation.name)).map_or("", |name| name)
    }

    /// Who did it.
    #[must_use]
    pub fn process(&self, operation: &Operation) -> &Value {
        self.processes.get(operation.process as usize).unwrap_or(&Value::Nil)
    }

    /// How many operations ended in a way.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.operations.iter().filter(|operation| operation.outcome == outcome).count()
    }
}

/// Makes operations of events.
pub(crate) struct Builder {
    pub(crate) history: History,
    by_process: FxHashMap<Value, u32>,
    by_name: FxHashMap<Arc<str>, u16>,
    /// The operation that each process is busy with, and the place of its last end.
    busy: Vec<(Option<usize>, u32)>,
    /// Open operations without a process.
    anonymous: Vec<usize>,
    at: u32,
    last_index: Option<i64>,
    /// Whether the numbers of events say another order than the lines.
    pub(crate) disordered: bool,
    /// Whether every event had a time so far.
    pub(crate) timed: bool,
}

/// Open operations without a process among which a counterpart is looked for.
const MOST_ANONYMOUS: usize = 4096;

impl Builder {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            history: History::empty(source),
            by_process: FxHashMap::default(),
            by_name: FxHashMap::default(),
            busy: Vec::new(),
            anonymous: Vec::new(),
            at: 0,
            last_index: None,
            disordered: false,
            timed: true,
        }
    }

    fn process(&mut self, process: &Value) -> u32 {
        if let Some(known) = self.by_process.get(process) {
            return *known;
        }
        let new = u32::try_from(self.history.processes.len()).unwrap_or(u32::MAX);
        self.history.processes.push(process.clone());
        self.busy.push((None, 0));
        self.by_process.insert(process.clone(), new);
        new
    }

    fn name(&mut self, name: &Arc<str>, line: u32) -> Result<u16, ReadError> {
        if let Some(known) = self.by_name.get(name) {
            return Ok(*known);
        }
        let Ok(new) = u16::try_from(self.history.names.len()) else {
            let message = "more than 65,536 kinds of operations".to_owned();
            return Err(ReadError { line: u64::from(line), column: 1, message });
        };
        self.history.names.push(Arc::clone(name));
        self.by_name.insert(Arc::clone(name), new);
        Ok(new)
    }

    /// Takes the next event in the order of time.
    pub(crate) fn take(&mut self, event: Event) -> Result<(), ReadError> {
        if let Some(index) = event.index {
            self.disordered |= self.last_index.is_some_and(|last| last >= index);
            self.last_index = Some(index);
        }
        let nemesis = event.process.as_ref().and_then(Value::name);
        if nemesis.is_some_and(|name| name.starts_with("nemesis")) {
            self.history.faults.push(Fault { at: self.at, name: event.f });
            return Ok(());
        }
        self.timed &= event.time.is_some();
        self.history.events += 1;
        self.at += 1;
        let name = self.name(&event.f, event.line)?;
        match &event.process {
            None => self.take_anonymous(event, name),
            Some(process) => {
                let process = self.process(process);
                self.take_of(process, event, name);
            }
        }
        Ok(())
    }

    fn take_of(&mut self, process: u32, event: Event, name: u16) {
        let (open, last) = self.busy[process as usize];
        if event.kind == Kind::Invoke {
            if open.is_some() {
                self.history.unpaired += 1;
            }
            let new = self.begin(process, event, name);
            self.busy[process as usize].0 = Some(new);
            return;
        }
        match open {
            Some(at) => self.complete(at, event),
            // A client may say something beside its operations.
            None if event.kind == Kind::Info => self.history.events -= 1,
            None => {
                self.history.unpaired += 1;
                let at = self.begin(process, event.clone(), name);
                self.history.operations[at].start = last;
                self.complete(at, event);
            }
        }
        self.busy[process as usize] = (None, self.at);
    }

    fn take_anonymous(&mut self, event: Event, name: u16) {
        let process = self.process(&Value::Nil);
        if event.kind == Kind::Invoke {
            let new = self.begin(process, event, name);
            self.anonymous.push(new);
            return;
        }
        let fits = |at: &usize| {
            let open = &self.history.operations[*at];
            let value = event.value.as_ref().unwrap_or(&Value::Nil);
            open.name == name && (value.is_nil() || may_become(&open.value, value))
        };
        let found = self.anonymous.iter().take(MOST_ANONYMOUS).position(fits);
        if let Some(found) = found {
            let at = self.anonymous.remove(found);
            self.complete(at, event);
        } else {
            self.history.unpaired += 1;
            let at = self.begin(process, event.clone(), name);
            self.history.operations[at].start = 0;
            self.complete(at, event);
        }
    }

    fn begin(&mut self, process: u32, event: Event, name: u16) -> usize {
        self.history.operations.push(Operation {
            process,
            name,
            outcome: Outcome::Info,
            seen: false,
            refused: false,
            key: event.key.map(Box::new),
            value: event.value.unwrap_or(Value::Nil),
            start: self.at,
            end: Operation::OPEN,
            line: event.line,
            extra: event.extra,
        });
        self.history.operations.len() - 1
    }

    fn complete(&mut self, at: usize, event: Event) {
        let source = self.history.source;
        let place = self.at;
        let reads = is_read(&event.f);
        let operation = &mut self.history.operations[at];
        if operation.key.is_none() {
            operation.key = event.key.map(Box::new);
        }
        join(&mut operation.extra, event.extra, event.error.as_ref());
        match event.kind {
            Kind::Ok => {
                operation.outcome = Outcome::Ok;
                operation.end = place;
                operation.seen = match source {
                    Source::Netwright => event.value.is_some(),
                    Source::EtcdLog => true,
                    _ => event.value.as_ref().is_some_and(|value| !value.is_nil()),
                };
                match event.value {
                    Some(value) if reads || !value.is_nil() => operation.value = value,
                    // What was asked for is not what was seen.
                    None if reads => operation.value = Value::Nil,
                    _ => {}
                }
            }
            Kind::Fail => {
                operation.outcome = Outcome::Fail;
                operation.end = place;
                operation.refused = match source {
                    Source::EtcdLog => {
                        event.error.is_none()
                            && event.value.as_ref().is_some_and(|v| *v == operation.value)
                    }
                    Source::Netwright => {
                        event.error.as_ref().and_then(Value::name) == Some("mismatch")
                    }
                    _ => false,
                };
            }
            Kind::Info | Kind::Invoke => {}
        }
    }

    pub(crate) fn finish(mut self) -> History {
        if self.history.unpaired > 0 {
            let count = self.history.unpaired;
            self.history.notices.push(format!(
                "{count} events lack their counterpart (an end without a beginning, or a beginning by a client that was still busy)"
            ));
        }
        self.history
    }
}

/// Whether an operation's name says that it only reads.
pub(crate) fn is_read(name: &str) -> bool {
    matches!(name, "read" | "r" | "get" | "read-all" | "list")
}

/// Whether what an operation began with may have become what it ended with.
fn may_become(before: &Value, after: &Value) -> bool {
    if before.is_nil() || before == after {
        return true;
    }
    match (before, after) {
        (Value::List(before), Value::List(after)) => {
            before.len() == after.len()
                && before.iter().zip(after).all(|(before, after)| may_become(before, after))
        }
        _ => false,
    }
}

fn join(into: &mut Option<Box<Extra>>, from: Option<Box<Extra>>, error: Option<&Value>) {
    if from.is_none() && error.is_none() {
        return;
    }
    let into = into.get_or_insert_default();
    into.error = error.cloned();
    if let Some(from) = from {
        into.wall[1] = from.wall[0];
        into.mono[1] = from.mono[0];
        into.link = into.link.take().or(from.link);
        into.id = into.id.take().or(from.id);
        into.attempt = into.attempt.or(from.attempt);
    }
}
