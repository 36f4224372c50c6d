//! One activity: a request, a program, a connection, and whether it found what it must.

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_model::tree::Node;
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::Setting;
use super::request::{
    LONGEST, Target, Url, address, ask, begin, headers, namespace, open, parts, source,
};
use super::tls::Tls;
use crate::journal::Verdict;
use crate::language::{Any, Provider, Step};
use crate::load::{json, time, unable};

/// How long an activity may take, unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest program of a pattern, in octets.
const PATTERN: usize = 1 << 20;
/// What is kept of an answer in the journal, in characters.
const KEPT: usize = 400;

/// What came of an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Did {
    /// Whether it did what it should, or found what it must; `None` where that cannot be known.
    pub fine: Option<bool>,
    /// What came of it, in words.
    pub output: String,
}

impl Did {
    /// What is to be said of an activity that must do what it should, where it did not surely do so.
    #[must_use]
    pub fn wrong(self) -> Option<(Verdict, String)> {
        let verdict = match self.fine {
            Some(true) => return None,
            Some(false) => Verdict::Fail,
            None => Verdict::Unknown,
        };
        Some((verdict, self.output))
    }
}

/// Whether each of some probes found what it must, and what that follows from.
#[must_use]
pub fn all_fine(all: &[(String, Did)]) -> (Verdict, String) {
    let is = |fine: Option<bool>| all.iter().any(|(_, did)| did.fine == fine);
    let verdict = match (is(Some(false)), is(None)) {
        (true, _) => Verdict::Fail,
        (false, true) => Verdict::Unknown,
        (false, false) => Verdict::Pass,
    };
    let told = all.iter().filter(|(_, did)| did.fine != Some(true));
    let told: Vec<String> = told.map(|(name, did)| format!("{name}: {}", did.output)).collect();
    if told.is_empty() {
        (verdict, format!("{} probes found what they must", all.len()))
    } else {
        (verdict, told.join("; "))
    }
}

/// What an activity found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The status: of HTTP, or of a program; 0 for a connection that was made.
    pub status: i64,
    /// What was said.
    pub body: String,
}

/// Does an activity.
#[must_use]
pub fn done(setting: &Setting<'_>, step: &Step) -> Did {
    if let Some(why) = unable(step) {
        return Did { fine: None, output: why };
    }
    let Some(provider) = &step.provider else {
        return Did { fine: None, output: "it does nothing".to_owned() };
    };
    let found = match provider.r#type.value.as_str() {
        "http" => http(setting, provider),
        "tcp" => tcp(setting, provider),
        _ => process(setting, provider),
    };
    judged(step, found)
}

/// What came of an activity that found something, or failed.
pub(crate) fn judged(step: &Step, found: Result<Found, String>) -> Did {
    let probe = step.r#type.as_ref().is_some_and(|kind| kind.value == "probe")
        || !step.tolerance.0.is_null();
    match found {
        Err(why) => Did { fine: Some(false), output: why },
        Ok(found) => {
            let said = words(&found);
            let is_http = |provider: &Provider| provider.r#type.value == "http";
            let http = step.provider.as_ref().is_some_and(is_http);
            let fine = if step.tolerance.0.is_null() {
                // Without a tolerance, what did not fail is fine.
                Some(!probe || if http { found.status < 400 } else { found.status == 0 })
            } else {
                tolerated(&step.tolerance.0, &found)
            };
            Did { fine, output: said }
        }
    }
}

fn words(found: &Found) -> String {
    let body = found.body.trim();
    let said = match serde_json::from_str(body) {
        Ok(Value::Object(parts)) => brief(&parts),
        _ => body.to_owned(),
    };
    let said: String = said.chars().take(KEPT).collect();
    if said.is_empty() { found.status.to_string() } else { format!("{}: {said}", found.status) }
}

/// What an object says in words: its parts that are one value, and how many there are of each list.
fn brief(parts: &serde_json::Map<String, Value>) -> String {
    let part = |(name, value): (&String, &Value)| {
        let name = name.replace('_', " ");
        match value {
            Value::Null | Value::Object(_) => None,
            Value::Array(all) => Some(format!("{name}: {}", all.len())),
            Value::String(text) => Some(format!("{name} {text}")),
            Value::Bool(_) | Value::Number(_) => Some(format!("{name} {value}")),
        }
    };
    parts.iter().filter_map(part).collect::<Vec<_>>().join(", ")
}

/// Whether what was found is within a tolerance; `None` where the tolerance is of a kind that is not known here.
#[must_use]
pub fn tolerated(tolerance: &Node, found: &Found) -> Option<bool> {
    if let Some(yes) = tolerance.as_bool() {
        return Some((found.status == 0 || (200..400).contains(&found.status)) == yes);
    }
    if let Some(number) = tolerance.as_i64() {
        return Some(found.status == number);
    }
    if let Some(text) = tolerance.as_text() {
        return Some(found.body.trim() == text);
    }
    if !tolerance.items().is_empty() {
        let all = tolerance.items().iter().map(|one| tolerated(one, found));
        return Some(all.collect::<Option<Vec<bool>>>()?.contains(&true));
    }
    let text = |key: &str| tolerance.get(key).and_then(Node::as_text);
    let body: Value = serde_json::from_str(&found.body).unwrap_or_default();
    match text("type")? {
        "contains" => Some(found.body.contains(text("text")?)),
        "regex" => {
            let pattern = pattern(tolerance)?.ok()?;
            Some(match text("target") {
                Some("status") => pattern.is_match(&found.status.to_string()),
                _ => pattern.is_match(&found.body),
            })
        }
        "range" => {
            let ends: Vec<f64> = tolerance
                .get("range")?
                .items()
                .iter()
                .filter_map(|end| end.as_text()?.parse().ok())
                .collect();
            let [low, high] = ends.as_slice() else { return None };
            let number: f64 = match text("target") {
                Some("status") => found.status.to_string().parse().ok()?,
                _ => found.body.trim().parse().ok()?,
            };
            Some((*low..=*high).contains(&number))
        }
        "jsonpath" => {
            let at = at(&body, text("path")?)?;
            let wanted = tolerance.get("expect").map(json);
            Some(match wanted {
                Some(Value::Array(all)) => at.iter().all(|one| all.contains(one)) && !at.is_empty(),
                Some(one) => at.iter().all(|own| **own == one) && !at.is_empty(),
                None => match tolerance.get("count").and_then(Node::as_i64) {
                    Some(count) => i64::try_from(at.len()) == Ok(count),
                    None => !at.is_empty(),
                },
            })
        }
        _ => None,
    }
}

/// The pattern of a tolerance by a regular expression, or why it is none; nothing where the tolerance is another.
#[must_use]
pub fn pattern(tolerance: &Node) -> Option<Result<Regex, String>> {
    let text = |key: &str| tolerance.get(key).and_then(Node::as_text);
    let pattern = text("pattern").filter(|_| text("type") == Some("regex"))?;
    Some(RegexBuilder::new(pattern).size_limit(PATTERN).build().map_err(|error| error.to_string()))
}

/// The values at a path of names, numbers in brackets and `[*]`; `None` for paths of other kinds.
fn at<'v>(value: &'v Value, path: &str) -> Option<Vec<&'v Value>> {
    let path = path.strip_prefix('$').unwrap_or(path);
    let mut all = vec![value];
    for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
        let part = part.trim_end_matches(']').trim_matches('\'');
        if part.starts_with('?') || part.contains(':') {
            return None;
        }
        all = all
            .into_iter()
            .flat_map(|value| -> Vec<&Value> {
                match (value, part) {
                    (Value::Array(items), "*") => items.iter().collect(),
                    (Value::Object(entries), "*") => entries.values().collect(),
                    (Value::Array(items), _) => part
                        .parse::<usize>()
                        .ok()
                        .and_then(|place| items.get(place))
                        .into_iter()
                        .collect(),
                    _ => value.get(part).into_iter().collect(),
                }
            })
            .collect();
    }
    Some(all)
}

/// How long an activity may take. The Chaos Toolkit may write two times: for the connection, and for the answer.
pub(crate) fn patience(provider: &Provider) -> Duration {
    let parts = provider.timeout.0.items().iter().map(|part| time(&Any(part.clone())));
    match parts.collect::<Option<Vec<Duration>>>() {
        Some(parts) if !parts.is_empty() => parts.iter().sum(),
        _ => time(&provider.timeout).unwrap_or(PATIENCE),
    }
}

fn method(provider: &Provider) -> &str {
    provider.method.as_ref().map_or("GET", |method| method.value.as_str())
}

/// What a request says: as the Chaos Toolkit has it, `arguments` are part of what is asked for by `GET`, and the body of all else.
pub(crate) struct Content {
    pub(crate) path: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Option<String>,
}

impl Content {
    pub(crate) fn of(provider: &Provider, path: String) -> Self {
        let mut fields = headers(&provider.headers);
        let arguments = json(&provider.arguments.0);
        let pairs = || {
            let pairs = arguments.as_object().into_iter().flatten();
            let pairs = pairs.map(|(name, value)| (name, plain(value)));
            form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
        };
        if let Some(body) = &provider.body {
            return Self { path, fields, body: Some(body.value.clone()) };
        }
        if arguments.is_null() {
            return Self { path, fields, body: None };
        }
        if method(provider).eq_ignore_ascii_case("GET") {
            let sign = if path.contains('?') { '&' } else { '?' };
            return Self { path: format!("{path}{sign}{}", pairs()), fields, body: None };
        }
        let kind = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let is_form = kind.is_some_and(|(_, kind)| {
            kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
        });
        if kind.is_none() {
            fields.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        let body = if is_form { pairs() } else { arguments.to_string() };
        Self { path, fields, body: Some(body) }
    }
}

fn http(setting: &Setting<'_>, provider: &Provider) -> Result<Found, String> {
    let url = provider.url.as_ref().ok_or("an http provider needs `url`")?;
    let Url { secure, host, port, path } = parts(&url.value)?;
    let patience = patience(provider);
    let from = source(setting, provider.from.as_ref())?;
    let target = Target::of(setting, from.as_deref(), (&host, port), patience)?;
    let tls = secure.then(Tls::of_machine).transpose()?;
    let stream = open(setting, from.as_deref(), &target, patience)?;
    let mut stream = begin(stream, (&host, tls.as_ref()), patience)?;
    let Content { path, fields, body } = Content::of(provider, path);
    let body = body.unwrap_or_default();
    let answer =
        ask(&mut stream, (method(provider), &path, &host), &fields, body.as_bytes(), patience)?;
    let expected = provider.expected_status.0.as_i64();
    if let Some(expected) = expected.filter(|expected| *expected != i64::from(answer.status)) {
        return Err(format!("{} was answered, and {expected} expected", answer.status));
    }
    Ok(Found {
        status: answer.status.into(),
        body: String::from_utf8_lossy(&answer.body).into_owned(),
    })
}

/// The host and port that a connection is made to.
fn host_and_port(provider: &Provider) -> Result<(&str, u16), String> {
    let target = provider.target.as_ref().ok_or("a tcp provider needs `target`")?;
    let (host, port) =
        target.value.rsplit_once(':').ok_or_else(|| format!("`{}` names no port", target.value))?;
    Ok((host, port.parse().map_err(|_| format!("`{port}` is no port"))?))
}

/// Where a connection is made to from an endpoint.
pub(crate) fn tcp_target(setting: &Setting<'_>, provider: &Provider) -> Result<SocketAddr, String> {
    let (host, port) = host_and_port(provider)?;
    address(setting, host, port)
}

fn tcp(setting: &Setting<'_>, provider: &Provider) -> Result<Found, String> {
    let patience = patience(provider);
    let from = source(setting, provider.from.as_ref())?;
    let target = Target::of(setting, from.as_deref(), host_and_port(provider)?, patience)?;
    open(setting, from.as_deref(), &target, patience)?;
    Ok(Found { status: 0, body: "connected".to_owned() })
}

fn process(setting: &Setting<'_>, provider: &Provider) -> Result<Found, String> {
    let path = provider.path.as_ref().ok_or("a process provider needs `path`")?;
    let arguments = match json(&provider.arguments.0) {
        Value::Null => Vec::new(),
        Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(entries) => entries
            .iter()
            .flat_map(|(key, value)| [key.clone(), plain(value)])
            .filter(|word| !word.is_empty())
            .collect(),
        other => vec![plain(&other)],
    };
    let from = provider.from.as_ref().map(|from| namespace(setting, &from.value)).transpose()?;
    let mut command = setting.command(from.as_deref())?;
    let found = ran(command.arg(&path.value).args(arguments), patience(provider))?;
    // As a shell says of what it cannot start: nothing was done then.
    if matches!(found.status, 126 | 127) {
        return Err(found.body.trim().to_owned());
    }
    Ok(found)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(
        || if value.is_null() { String::new() } else { value.to_string() },
        str::to_owned,
    )
}

/// Runs a program for a time at most: its status, and what it wrote.
fn ran(command: &mut Command, patience: Duration) -> Result<Found, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let outputs: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>),
        child.stderr.take().map(|out| Box::new(out) as Box<dyn Read + Send>),
    ];
    let readers: Vec<_> = outputs
        .into_iter()
        .flatten()
        .map(|out| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                // What was read until it ended is what is told.
                let _ended = out.take(LONGEST).read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        })
        .collect();
    let until = Instant::now() + patience;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => pause(Duration::from_millis(10)),
            Ok(None) => {
                let _ended_already = child.kill();
                let _status = child.wait();
                return Err(format!("it did not end within {} s", patience.as_secs_f64()));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    let said: Vec<String> = readers.into_iter().filter_map(|reader| reader.join().ok()).collect();
    let body = said.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_default();
    Ok(Found { status: i64::from(status.code().unwrap_or(-1)), body })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

    use netwright_model::source::Sources;
    use netwright_model::tree::{Limits, yaml};

    use super::*;

    fn fits(tolerance: &str, status: i64, body: &str) -> Option<bool> {
        let mut sources = Sources::default();
        let file = sources.add("t", tolerance.to_owned());
        let node = yaml::parse(tolerance, file, &Limits::default()).unwrap();
        tolerated(&node, &Found { status, body: body.to_owned() })
    }

    fn content(provider: &str) -> (String, Vec<(String, String)>, Option<String>) {
        let text = format!(
            "{{ title: t, method: [ {{ provider: {{ type: http, url: 'http://a/', {provider} }} }} ] }}"
        );
        let mut sources = Sources::default();
        let path = std::path::Path::new("e.yaml");
        let experiment = crate::load::parse(path, &text, &mut sources, &|_| None).unwrap();
        let provider = experiment.method[0].provider.as_ref().unwrap();
        let Content { path, fields, body } = Content::of(provider, "/a?b=c".to_owned());
        (path, fields, body)
    }

    #[test]
    fn arguments_are_asked_for_by_get_and_sent_by_all_else() {
        let arguments = "arguments: { name: 'a b', n: 3 }";
        assert_eq!(content(arguments), ("/a?b=c&name=a+b&n=3".to_owned(), vec![], None));
        let (path, fields, body) = content(&format!("method: POST, {arguments}"));
        assert_eq!((path.as_str(), body.as_deref()), ("/a?b=c", Some(r#"{"name":"a b","n":3}"#)));
        assert_eq!(fields, [("Content-Type".to_owned(), "application/json".to_owned())]);
        let form = "headers: { content-type: application/x-www-form-urlencoded }";
        let (_, fields, body) = content(&format!("method: PUT, {form}, {arguments}"));
        assert_eq!((fields.len(), body.as_deref()), (1, Some("name=a+b&n=3")));
    }

    #[test]
    fn tolerances_of_the_chaos_toolkit_are_what_they_are_there() {
        assert_eq!(fits("200", 200, ""), Some(true));
        assert_eq!(fits("[200, 503]", 503, ""), Some(true));
        assert_eq!(fits("true", 0, ""), Some(true));
        assert_eq!(fits("OK", 0, "OK\n"), Some(true));
        assert_eq!(fits("{type: range, range: [1, 5]}", 0, "6"), Some(false));
        let body = "{\"state\": \"ok\", \"all\": [{\"n\": 1}, {\"n\": 1}]}";
        assert_eq!(fits("{type: jsonpath, path: $.state, expect: ok}", 200, body), Some(true));
        assert_eq!(fits("{type: jsonpath, path: '$.all[*].n', expect: 1}", 200, body), Some(true));
        assert_eq!(fits("{type: jsonpath, path: '$.all[0].n', expect: 2}", 200, body), Some(false));
        assert_eq!(fits("{type: jsonpath, path: '$.nothing', count: 0}", 200, body), Some(true));
        assert_eq!(fits("{type: regex, pattern: o+k}", 200, "it is ook"), Some(true));
        assert_eq!(fits("{type: regex, pattern: '^o+k$', target: stdout}", 0, "no"), Some(false));
        assert_eq!(fits("{type: regex, pattern: '^2..$', target: status}", 204, ""), Some(true));
        let ahead = "{type: regex, pattern: '(?=o)o'}";
        assert_eq!(fits(ahead, 200, "oo"), None, "not known is not fine");
        assert_eq!(fits("{type: jsonpath, path: '$.all[?(@.n>1)]'}", 200, body), None);
    }
}
