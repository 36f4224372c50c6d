//! Requests of a workload, and what became of each: done, not done, or nobody knows.

use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use serde_json::Value;

use crate::language::Workload;
use crate::run::Setting;
use crate::run::request::{Answer, Target, Url, ask, begin, headers, open, parts, source};
use crate::run::tls::Tls;
use crate::steps::length;

/// Tries of a request whose end was not seen, all with the same idempotency key.
const TRIES: u32 = 2;
/// How long the reads in the end may take to give a fresh answer.
const LAST: Duration = Duration::from_secs(60);

/// Where requests come from and go to.
pub(super) struct Client<'a> {
    setting: &'a Setting<'a>,
    /// The namespace of the lab, where they come from one.
    from: Option<String>,
    pub(super) host: String,
    target: Target,
    tls: Option<Tls>,
    base: String,
    patience: Duration,
    fields: Vec<(String, String)>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    /// It was done: what was answered.
    Done(Value),
    /// It was not done, and why.
    Not(String),
    /// It may have been done, or may yet be.
    Perhaps(String),
}

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Asked {
    /// What the operation is called in the history.
    pub(super) f: &'static str,
    /// What it is about.
    pub(super) key: Option<Value>,
    /// What it is known to do before it is answered.
    pub(super) value: Option<Value>,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: String,
}

impl<'a> Client<'a> {
    pub(super) fn of(setting: &'a Setting<'a>, work: &Workload) -> Result<Self, String> {
        let url = work.url.as_ref().ok_or("requests need `url`, or a program `run`")?;
        let Url { secure, host, port, path: base } = parts(&url.value)?;
        let mut fields = headers(&work.headers);
        fields.push(("Content-Type".to_owned(), "application/json".to_owned()));
        let patience = length(work.timeout.as_ref(), 2_000);
        let from = source(setting, work.from.as_ref())?;
        let target = Target::of(setting, from.as_deref(), (&host, port), patience)?;
        Ok(Self {
            setting,
            from,
            target,
            tls: secure.then(Tls::of_machine).transpose()?,
            base: base.trim_end_matches('/').to_owned(),
            patience,
            host,
            fields,
        })
    }

    /// Asks, and once more with the same key where nobody knows what became of it: that, and how often it was asked.
    pub(super) fn ask(&self, asked: &Asked, key: &str) -> (Told, u32) {
        let mut told = self.once(asked, Some(key));
        let mut tries = 1;
        while let Told::Perhaps(first) = &told
            && tries < TRIES
        {
            tries += 1;
            told = match self.once(asked, Some(key)) {
                // That it was not done now does not say what became of it before.
                Told::Not(_) | Told::Perhaps(_) => Told::Perhaps(first.clone()),
                done => done,
            };
        }
        (told, tries)
    }

    fn once(&self, asked: &Asked, key: Option<&str>) -> Told {
        let reads = asked.method == "GET";
        // What was never sent was not done, and what only reads does nothing.
        let from = self.from.as_deref();
        let begun = open(self.setting, from, &self.target, self.patience)
            .and_then(|stream| begin(stream, (&self.host, self.tls.as_ref()), self.patience));
        let mut stream = match begun {
            Ok(stream) => stream,
            Err(why) => return Told::Not(why),
        };
        let mut fields = self.fields.clone();
        fields.extend(
            key.filter(|_| !reads).map(|key| ("Idempotency-Key".to_owned(), key.to_owned())),
        );
        let path = format!("{}{}", self.base, asked.path);
        let line = (asked.method, path.as_str(), self.host.as_str());
        match ask(&mut stream, line, &fields, asked.body.as_bytes(), self.patience) {
            Ok(answer) => told(&answer, reads),
            Err(why) if reads => Told::Not(why),
            Err(why) => Told::Perhaps(why),
        }
    }

    /// Reads something when all is over: the answer, or nothing where it is not there.
    pub(super) fn last(&self, path: &str) -> Result<Option<Value>, String> {
        let asked = Asked { method: "GET", path: path.to_owned(), ..Asked::default() };
        let begun = Instant::now();
        loop {
            match self.once(&asked, None) {
                // What still waits in a journal is not where it belongs yet.
                Told::Done(value) if value["queued"] != true => return Ok(Some(value)),
                Told::Done(_) if begun.elapsed() > LAST => {
                    return Err(format!("{path} still waits in a journal"));
                }
                Told::Not(why) if why == "absent" => return Ok(None),
                Told::Not(why) | Told::Perhaps(why) if begun.elapsed() > LAST => {
                    return Err(format!("{path} cannot be read: {why}"));
                }
                _ => pause(Duration::from_millis(100)),
            }
        }
    }
}

/// What an answer says became of a request.
fn told(answer: &Answer, reads: bool) -> Told {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |path: &str| body.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let outcome = text("/outcome");
    let why = || {
        let code = text("/error/code").or_else(|| outcome.clone());
        code.unwrap_or_else(|| format!("status {}", answer.status))
    };
    let stale = answer.head.to_ascii_lowercase().contains("x-visapi-stale: true");
    match answer.status {
        // An old answer says nothing of now.
        200..=299 if reads && stale => Told::Not("stale".to_owned()),
        200..=299 => Told::Done(body),
        404 if reads => Told::Not("absent".to_owned()),
        _ if reads => Told::Not(why()),
        400..=499 => Told::Not(why()),
        _ if outcome.as_deref() == Some("not_done") => Told::Not(why()),
        _ => Told::Perhaps(why()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Told, told};

    fn of(status: u16, head: &str, body: &str, reads: bool) -> Told {
        let answer = Answer { status, head: head.to_owned(), body: body.as_bytes().to_vec() };
        told(&answer, reads)
    }

    #[test]
    fn what_may_have_been_done_is_never_taken_for_what_was_not() {
        let refused = "{\"outcome\": \"not_done\", \"error\": {\"code\": \"away\"}}";
        let unknown = "{\"outcome\": \"unknown\", \"error\": {\"code\": \"unknown\"}}";
        assert_eq!(of(503, "", refused, false), Told::Not("away".to_owned()));
        assert_eq!(of(504, "", unknown, false), Told::Perhaps("unknown".to_owned()));
        assert_eq!(of(502, "", "", false), Told::Perhaps("status 502".to_owned()));
        assert_eq!(
            of(409, "", "{\"outcome\": \"mismatch\"}", false),
            Told::Not("mismatch".to_owned())
        );
        assert_eq!(
            of(504, "", "", true),
            Told::Not("status 504".to_owned()),
            "a read does nothing"
        );
    }

    #[test]
    fn an_old_answer_says_nothing_of_now() {
        let head = "HTTP/1.0 200 OK\r\nX-VisAPI-Stale: true\r\n";
        assert_eq!(of(200, head, "{}", true), Told::Not("stale".to_owned()));
        assert!(matches!(of(200, "", "{}", true), Told::Done(_)));
    }
}
