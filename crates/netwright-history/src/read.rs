//! Reads histories: tells their format by what they hold, and makes operations of their events as they come.

use std::io::Read;
use std::sync::Arc;

use crate::edn;
use crate::history::{Builder, Event, Extra, History, Kind, Source};
use crate::json;
use crate::log;
use crate::text::{Cursor, Limits, ReadError};
use crate::value::Value;

/// Lines that are lost at most with what was cut off: where more are, something in the middle is damaged.
const TORN: u64 = 16;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Edn,
    Json,
    Log,
    Nothing,
}

/// Reads a history that can be opened again, should its events have to be put in order first.
///
/// # Errors
///
/// What is wrong, and where.
pub fn read<R: Read>(
    limits: Limits,
    mut open: impl FnMut() -> std::io::Result<R>,
) -> Result<History, ReadError> {
    let cannot =
        |error: std::io::Error| ReadError { line: 1, column: 1, message: error.to_string() };
    let (history, order) = pass(limits, open().map_err(cannot)?, Order::Lines)?;
    match order {
        Order::Lines => Ok(history),
        other => Ok(pass(limits, open().map_err(cannot)?, other)?.0),
    }
}

/// Reads a history that is at hand.
///
/// # Errors
///
/// What is wrong, and where.
pub fn read_text(text: &[u8]) -> Result<History, ReadError> {
    read(Limits::default(), || Ok(text))
}

/// Reads one value of EDN; most of JSON is that too.
///
/// # Errors
///
/// It is none, or more than one.
pub fn value_of(text: &str) -> Result<Value, ReadError> {
    let mut cursor = Cursor::new(text.as_bytes(), Limits::default());
    let value = edn::value(&mut cursor, 0)?;
    edn::pass_blank(&mut cursor, 0)?;
    match (value, cursor.peek()) {
        (Some(value), None) => Ok(value),
        _ => Err(cursor.error("one value is due")),
    }
}

/// What events are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Lines,
    Index,
    Time,
}

/// Reads all events. With it comes the order in which they would have to be read instead.
fn pass<R: Read>(limits: Limits, from: R, order: Order) -> Result<(History, Order), ReadError> {
    let mut cursor = Cursor::new(from, limits);
    let format = format(&mut cursor)?;
    let mut events = Events { builder: None, kept: Vec::new(), order, count: 0, rows: None };
    let mut torn = None;
    match format {
        Format::Nothing => {}
        Format::Edn => torn = read_edn(&mut cursor, &mut events)?,
        Format::Json => torn = read_json(&mut cursor, &mut events)?,
        Format::Log => log::read(&mut cursor, &mut |event, source| events.take(event, source))?,
    }
    cursor.broke()?;
    let (mut history, better) = events.finish()?;
    if let Some(line) = torn {
        if order != Order::Lines {
            let message = "the file was cut off, and its events are not in the order of time: nobody knows which are missing";
            return Err(ReadError { line, column: 1, message: message.to_owned() });
        }
        history.notices.push(format!("line {line} was cut off in the middle and is left out"));
        history.torn = history.source != Source::Netwright;
    }
    Ok((history, better))
}

/// Events on their way into a history.
struct Events {
    builder: Option<Builder>,
    kept: Vec<Event>,
    order: Order,
    count: usize,
    rows: Option<Value>,
}

impl Events {
    fn take(&mut self, event: Event, source: Source) -> Result<(), ReadError> {
        let builder = self.builder.get_or_insert_with(|| Builder::new(source));
        self.count += 1;
        if self.order == Order::Lines {
            return builder.take(event);
        }
        self.kept.push(event);
        Ok(())
    }

    fn finish(mut self) -> Result<(History, Order), ReadError> {
        let Some(mut builder) = self.builder else {
            let mut history = Builder::new(Source::Nothing).finish();
            if self.rows.is_some() {
                history.source = Source::Rows;
                history.rows = self.rows;
            }
            return Ok((history, Order::Lines));
        };
        match self.order {
            Order::Lines => {}
            Order::Index => {
                // What a nemesis did need not be numbered.
                let mut last = i64::MIN;
                let mut keyed: Vec<(i64, Event)> = Vec::with_capacity(self.kept.len());
                for event in self.kept {
                    last = event.index.unwrap_or(last);
                    keyed.push((last, event));
                }
                keyed.sort_by_key(|(index, _)| *index);
                for (_, event) in keyed {
                    builder.take(event)?;
                }
                builder
                    .history
                    .notices
                    .push("events were put in the order of their numbers".to_owned());
            }
            Order::Time => {
                self.kept.sort_by_key(|event| event.time);
                for event in self.kept {
                    builder.take(event)?;
                }
                builder
                    .history
                    .notices
                    .push("events were put in the order of their times".to_owned());
            }
        }
        let better = match self.order {
            Order::Lines if builder.disordered => Order::Index,
            Order::Lines if builder.history.unpaired > 0 && builder.timed => Order::Time,
            _ => Order::Lines,
        };
        Ok((builder.finish(), better))
    }
}

/// Tells the format by the beginning of the file.
fn format<R: Read>(from: &mut Cursor<R>) -> Result<Format, ReadError> {
    while matches!(from.peek(), Some(b' ' | b'\t' | b'\r' | b'\n' | b',')) {
        from.pass();
    }
    let ahead = from.ahead();
    let skip = |at: usize| ahead[at..].iter().position(|octet| !octet.is_ascii_whitespace());
    let Some(first) = ahead.first() else { return Ok(Format::Nothing) };
    match ahead {
        [0x1f, 0x8b, ..] => {
            return Err(from.error("this is packed with gzip, and has to be unpacked first"));
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return Err(from.error("this is UTF-16, and a history is UTF-8"));
        }
        _ => {}
    }
    // What a bracket or brace is followed by tells EDN from JSON.
    let mut at = 0;
    if *first == b'[' {
        at = 1 + skip(1).unwrap_or_default();
    }
    match (first, ahead.get(at)) {
        (b'{' | b'[', Some(b'{')) => {
            let inner = skip(at + 1).map(|skip| at + 1 + skip);
            // A key of JSON is a text, with a colon after it.
            let text = inner.filter(|inner| ahead[*inner] == b'"');
            let end = text.and_then(|text| {
                ahead[text + 1..].iter().position(|octet| *octet == b'"').map(|end| text + 2 + end)
            });
            let colon = end.and_then(|end| skip(end).map(|skip| ahead[end + skip]));
            let json = text.is_some() && colon.is_none_or(|octet| octet == b':');
            Ok(if json { Format::Json } else { Format::Edn })
        }
        (b'[' | b'(' | b';' | b'#' | b'^', _) => Ok(Format::Edn),
        _ if log::looks_like_one(ahead) => Ok(Format::Log),
        _ => {
            let shown = char::from(*first);
            Err(from.error(format!(
                "this is no history: neither EDN, nor JSON, nor an etcd log begins with `{shown}`"
            )))
        }
    }
}

/// Whether what cannot be read, from a place on, is the end of a file that was cut off: some of it was read, and little is lost.
fn is_torn<R: Read>(from: &mut Cursor<R>, events: &Events, place: (u64, u64)) -> bool {
    let ends = from.peek().is_none() && from.broke().is_ok();
    ends && events.count > 0 && from.line() - place.0 <= TORN
}

/// Reads a vector or list of maps, or one map after the other. Of a last one that was cut off the line is given.
fn read_edn<R: Read>(from: &mut Cursor<R>, events: &mut Events) -> Result<Option<u64>, ReadError> {
    edn::pass_blank(from, 0)?;
    let opened = from.place();
    let close = match from.peek() {
        Some(b'[') => Some(b']'),
        Some(b'(') => Some(b')'),
        _ => None,
    };
    if close.is_some() {
        from.pass();
    }
    loop {
        edn::pass_blank(from, 0)?;
        let place = from.place();
        from.values = 0;
        match edn::value(from, 0) {
            Ok(Some(form)) => {
                events.take(event_of(form, Source::Jepsen, place)?, Source::Jepsen)?;
                bounded(from, events)?;
            }
            Ok(None) => break,
            Err(_) if is_torn(from, events, place) => return Ok(Some(place.0)),
            Err(error) => return Err(error),
        }
    }
    if let Some(close) = close {
        let place = from.place();
        if is_torn(from, events, place) {
            return Ok(Some(place.0));
        }
        edn::closed(from, close, opened)?;
        edn::pass_blank(from, 0)?;
    }
    if from.peek().is_some() {
        return Err(from.error("something follows the end of the history"));
    }
    Ok(None)
}

fn bounded<R: Read>(from: &Cursor<R>, events: &Events) -> Result<(), ReadError> {
    if events.count > from.limits.events {
        return Err(from.error(format!("more than {} events", from.limits.events)));
    }
    Ok(())
}

/// Reads an array, or one value a line. A last one that was cut off is left out: the number of its line is given.
fn read_json<R: Read>(from: &mut Cursor<R>, events: &mut Events) -> Result<Option<u64>, ReadError> {
    json::pass_blank(from);
    let opened = from.place();
    let array = from.peek() == Some(b'[');
    if array {
        from.pass();
        json::pass_blank(from);
    }
    let mut source = Source::Jepsen;
    let mut first = true;
    loop {
        json::pass_blank(from);
        let place = from.place();
        from.values = 0;
        let read = json::value(from, 0);
        let form = match read {
            Ok(Some(form)) => form,
            Ok(None) if array && !first => return Ok(Some(place.0)),
            Ok(None) => break,
            Err(error) => {
                // Only where nothing follows was it the writer's last word.
                let own = source == Source::Netwright && !array;
                let last = own && from.line() == place.0 && from.peek().is_none();
                if last || (!own && is_torn(from, events, place)) {
                    return Ok(Some(place.0));
                }
                return Err(error);
            }
        };
        if first && form.get("tables").is_some() {
            events.rows = Some(form);
        } else if first && form.get(crate::journal::MARK).is_some() {
            source = crate::journal::opened(&form, place)?;
            // A history that was begun and holds nothing is Netwright's all the same.
            events.builder = Some(Builder::new(source));
        } else {
            events.take(event_of(form, source, place)?, source)?;
            bounded(from, events)?;
        }
        first = false;
        if array {
            json::pass_blank(from);
            let place = from.place();
            if is_torn(from, events, place) {
                return Ok(Some(place.0));
            }
            if !json::another(from, b']', opened)? {
                break;
            }
        }
    }
    json::pass_blank(from);
    if from.peek().is_some() {
        return Err(from.error("something follows the end of the history"));
    }
    Ok(None)
}

fn wrong(place: (u64, u64), message: impl Into<String>) -> ReadError {
    ReadError { line: place.0, column: place.1, message: message.into() }
}

/// What a form says as an event.
fn event_of(form: Value, source: Source, place: (u64, u64)) -> Result<Event, ReadError> {
    let Value::Map(entries) = form else {
        return Err(wrong(place, "an event is a map"));
    };
    let mut event = Event {
        kind: Kind::Info,
        process: None,
        f: Arc::from(""),
        key: None,
        value: None,
        index: None,
        time: None,
        error: None,
        extra: None,
        line: u32::try_from(place.0).unwrap_or(u32::MAX),
    };
    let mut kind = None;
    for (name, value) in entries {
        let Some(name) = name.name() else { continue };
        match name {
            "type" => match value.name().and_then(Kind::of) {
                Some(known) => kind = Some(known),
                None => {
                    let message = format!(
                        "`{}` is no type of event: invoke, ok, fail or info",
                        value.brief(40)
                    );
                    return Err(wrong(place, message));
                }
            },
            "f" => match value {
                Value::Keyword(name) | Value::Text(name) => event.f = name,
                Value::Nil => {}
                other => {
                    let message =
                        format!("what an operation does is a name, and not `{}`", other.brief(40));
                    return Err(wrong(place, message));
                }
            },
            "process" if !value.is_nil() => event.process = Some(value),
            "key" => event.key = Some(value),
            "value" => event.value = Some(value),
            "index" => event.index = value.integer(),
            "time" => event.time = value.integer(),
            "error" => event.error = Some(value),
            _ if source == Source::Netwright => own(&mut event.extra, name, &value),
            _ => {}
        }
    }
    event.kind =
        kind.ok_or_else(|| wrong(place, "this event has no type (invoke, ok, fail or info)"))?;
    if event.f.is_empty() && event.value.as_ref().is_some_and(is_transaction) {
        event.f = Arc::from("txn");
    }
    Ok(event)
}

/// What Netwright's own events have beside.
fn own(extra: &mut Option<Box<Extra>>, name: &str, value: &Value) {
    let text = || value.name().map(Arc::from);
    match name {
        "wall" => extra.get_or_insert_default().wall[0] = value.integer(),
        "mono" => extra.get_or_insert_default().mono[0] = value.integer(),
        "link" => extra.get_or_insert_default().link = text(),
        "id" => extra.get_or_insert_default().id = text(),
        "attempt" => extra.get_or_insert_default().attempt = value.integer(),
        _ => {}
    }
}

/// Whether a value is a list of steps, as `[[:append x 1] [:r y nil]]`.
pub(crate) fn is_transaction(value: &Value) -> bool {
    let step = |step: &Value| match step {
        Value::List(parts) => {
            (2..=3).contains(&parts.len()) && parts.first().is_some_and(|f| f.name().is_some())
        }
        _ => false,
    };
    matches!(value, Value::List(steps) if !steps.is_empty() && steps.iter().all(step))
}
