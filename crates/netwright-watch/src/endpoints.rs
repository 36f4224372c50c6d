//! What a service answers about itself: whether it lives, is ready, has started, and how well it is.
//!
//! [`answer`] is pure: a path, what the client accepts and the [`Vitals`] of now give status, headers and body, whatever serves them.
//!
//! | path | asks | 200 | 503 |
//! |---|---|---|---|
//! | `/livez` | nothing of anything | always: only a process that hangs fails it | never |
//! | `/readyz` | whether requests should be sent | healthy, degraded, unknown | starting, unhealthy |
//! | `/startupz` | whether the start is over | complete, also in `emergency_degraded` | not, naming the phase |
//! | `/health/basic` | one word | as `/readyz` | as `/readyz` |
//! | `/health` | everything | as `/readyz`, with `status` saying which | as `/readyz`, with everything |
//!
//! Degraded is an answer of its own: 200 with status `degraded`, and `warn` in `application/health+json`. So who gates on a status code alone passes
//! with a dependency away, and has to read `status`.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::fault::Domain;
use crate::startup::{Alarm, Mode, Report};

/// The media type of draft-inadarei-api-health-check-06.
pub const HEALTH_JSON: &str = "application/health+json";

/// How `type` of a problem begins.
const PROBLEM: &str = "urn:netwright:problem:";

/// How something is, in one word; the worse the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// All is well.
    Healthy,
    /// Nobody knows: there is no result yet, or none that is recent enough.
    Unknown,
    /// It works in part.
    Degraded,
    /// It has not begun.
    Starting,
    /// It does not work.
    Unhealthy,
}

impl Word {
    /// Whether requests are worth sending.
    #[must_use]
    pub const fn answers(self) -> bool {
        matches!(self, Self::Healthy | Self::Unknown | Self::Degraded)
    }

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Starting => "starting",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// As health+json has it: what is not known is no pass.
    const fn pass(self) -> &'static str {
        match self {
            Self::Healthy => "pass",
            Self::Unknown | Self::Degraded => "warn",
            Self::Starting | Self::Unhealthy => "fail",
        }
    }
}

/// One word, and nothing else.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Status {
    /// One word.
    pub status: Word,
}

/// A part of a service, or something it depends on.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// How it is.
    pub status: Word,
    /// The service cannot answer without it: otherwise it is degraded.
    pub vital: bool,
    /// What there is to say.
    pub detail: String,
    /// Since when it is so, where that is known.
    pub since: Option<Timestamp>,
    /// How long the last check took, in seconds.
    pub seconds: Option<f64>,
    /// Where the fault lies, where there is one.
    pub fault: Option<Domain>,
}

impl Check {
    /// A part that is so, which the service can do without.
    #[must_use]
    pub fn new(name: impl Into<String>, status: Word, detail: impl Into<String>) -> Self {
        let (name, detail) = (name.into(), detail.into());
        Self { name, status, vital: false, detail, since: None, seconds: None, fault: None }
    }

    fn document(&self) -> Value {
        let mut document = json!({ "status": self.status, "detail": self.detail });
        let more = [
            ("since", self.since.map(|since| json!(rfc3339(since)))),
            ("seconds", self.seconds.map(|seconds| json!(seconds))),
            ("fault_domain", self.fault.map(|fault| json!(fault))),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                document[name] = value;
            }
        }
        document
    }
}

/// What is known of a service now.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// Its name.
    pub service: String,
    /// Its version.
    pub version: String,
    /// Now.
    pub now: Timestamp,
    /// How it is, in one word: [`overall`], or what the service itself makes of it.
    pub status: Word,
    /// How it started.
    pub startup: Report,
    /// Its parts and what it depends on.
    pub checks: Vec<Check>,
    /// The answer to `/health` in a form of the service's own, which has `status` too; the usual form where there is none.
    pub own: Option<Value>,
}

/// After how long a bypass that nothing needs is told.
const STALE: Duration = Duration::from_secs(10 * 60);

/// How a service is that started so and whose parts are so. What is not vital degrades it; what nobody knows is never called healthy.
#[must_use]
pub fn overall(startup: &Report, checks: &[Check]) -> Word {
    let started = match startup.mode {
        Mode::Normal => Word::Healthy,
        Mode::Degraded | Mode::EmergencyDegraded => Word::Degraded,
        Mode::Starting => Word::Starting,
        Mode::Failed => Word::Unhealthy,
    };
    let part = |check: &Check| match check.status {
        Word::Starting | Word::Unhealthy if !check.vital => Word::Degraded,
        status => status,
    };
    checks.iter().map(part).fold(started, Word::max)
}

impl Vitals {
    /// Of a service that started so and whose parts are so.
    #[must_use]
    pub fn new(
        service: impl Into<String>,
        startup: Report,
        checks: Vec<Check>,
        now: Timestamp,
    ) -> Self {
        Self {
            service: service.into(),
            version: String::new(),
            now,
            status: overall(&startup, &checks),
            startup,
            checks,
            own: None,
        }
    }

    /// Its version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Where the faults of the parts lie together, and how the infrastructure is by them.
    fn infrastructure(&self) -> Value {
        let faults = self.checks.iter().filter(|check| check.status != Word::Healthy);
        let domain = faults.filter_map(|check| check.fault).reduce(Domain::and);
        let status = match domain {
            Some(Domain::Infrastructure | Domain::Both) => Word::Unhealthy,
            Some(Domain::Unknown) => Word::Unknown,
            Some(Domain::Application | Domain::Configuration) => Word::Healthy,
            None if self.checks.iter().any(|check| check.status == Word::Unknown) => Word::Unknown,
            None => Word::Healthy,
        };
        json!({ "status": status, "fault_domain": domain })
    }

    /// Everything, in our form: each part stands under its name.
    fn document(&self) -> Value {
        if let Some(own) = &self.own {
            return own.clone();
        }
        let mut document = Map::new();
        document.insert("status".to_owned(), json!(self.status));
        document.insert("service".to_owned(), json!(self.service));
        if !self.version.is_empty() {
            document.insert("version".to_owned(), json!(self.version));
        }
        document.insert("timestamp".to_owned(), json!(rfc3339(self.now)));
        document.insert("startup_mode".to_owned(), json!(self.startup.mode));
        document.insert("startup_complete".to_owned(), json!(self.startup.complete));
        document.insert("infrastructure_status".to_owned(), self.infrastructure());
        let alarms: Vec<String> = self.startup.alarms(STALE).iter().map(Alarm::to_string).collect();
        if !alarms.is_empty() {
            document.insert("alarms".to_owned(), json!(alarms));
        }
        if !self.startup.complete {
            document.insert("detail".to_owned(), json!(self.startup.hindrance()));
        }
        for check in &self.checks {
            // A part does not hide what is said of the whole.
            document.entry(check.name.clone()).or_insert_with(|| check.document());
        }
        document.insert("startup".to_owned(), json!(self.startup));
        Value::Object(document)
    }

    /// Everything, as draft-inadarei-api-health-check-06 has it.
    fn health_json(&self) -> Value {
        let check = |check: &Check| {
            let mut value = json!({ "status": check.status.pass(), "time": rfc3339(self.now) });
            if check.status != Word::Healthy || !check.detail.is_empty() {
                value["output"] = json!(check.detail);
            }
            if let Some(seconds) = check.seconds {
                value["observedValue"] = json!(seconds);
                value["observedUnit"] = json!("s");
            }
            (check.name.clone(), json!([value]))
        };
        let checks: Map<String, Value> = self.checks.iter().map(check).collect();
        json!({
            "status": self.status.pass(),
            "version": self.version,
            "serviceId": self.service,
            "notes": [format!("status {}", self.status.as_str())],
            "checks": checks,
        })
    }
}

fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    fn new(status: u16, media: &str, body: &Value) -> Self {
        let headers =
            vec![("content-type", media.to_owned()), ("cache-control", "no-store".to_owned())];
        Self { status, headers, body: body.to_string() }
    }

    fn json(body: &impl Serialize) -> Self {
        Self::new(200, "application/json", &json!(body))
    }

    fn problem(status: u16, kind: &str, title: &str, detail: &str) -> Self {
        let body = json!({
            "type": format!("{PROBLEM}{kind}"), "title": title, "status": status, "detail": detail,
        });
        let mut answer = Self::new(status, "application/problem+json", &body);
        if status == 503 {
            answer.headers.push(("retry-after", "2".to_owned()));
        }
        answer
    }

    fn not_ready(detail: &str) -> Self {
        Self::problem(503, "not-ready", "The server is not ready", detail)
    }
}

/// What is answered to a GET of a path; nothing where the path is none of these.
#[must_use]
pub fn answer(path: &str, accept: Option<&str>, vitals: &Vitals) -> Option<Answer> {
    Some(match path {
        "/livez" => Answer::json(&Status { status: Word::Healthy }),
        "/readyz" | "/health/basic" => basic(vitals),
        "/startupz" => started(vitals),
        "/health" => {
            let status = if vitals.status.answers() { 200 } else { 503 };
            let mut answer = if prefers_health_json(accept) {
                Answer::new(status, HEALTH_JSON, &vitals.health_json())
            } else {
                Answer::new(status, "application/json", &vitals.document())
            };
            answer.headers.push(("vary", "accept".to_owned()));
            answer
        }
        _ => return None,
    })
}

fn basic(vitals: &Vitals) -> Answer {
    if vitals.status.answers() {
        return Answer::json(&Status { status: vitals.status });
    }
    let mut unwell = vitals.checks.iter().filter(|check| check.vital && !check.status.answers());
    let mut part = || unwell.next().map(|check| format!("{}: {}", check.name, check.detail));
    let why = part().or_else(|| vitals.startup.hindrance());
    Answer::not_ready(&why.unwrap_or_else(|| format!("it is {}", vitals.status.as_str())))
}

fn started(vitals: &Vitals) -> Answer {
    let Some(why) = vitals.startup.hindrance() else { return Answer::json(&vitals.startup) };
    let mut answer = Answer::not_ready(&why);
    if let Ok(Value::Object(mut body)) = serde_json::from_str(&answer.body) {
        body.insert("phases".to_owned(), json!(vitals.startup.phases));
        answer.body = Value::Object(body).to_string();
    }
    answer
}

/// Whether a client would rather have health+json: it names that, and does not like `application/json` better (RFC 9110, 12.5.1).
fn prefers_health_json(accept: Option<&str>) -> bool {
    let weight = |wanted: &str| {
        let ranges = accept.unwrap_or_default().split(',').take(64);
        let weights = ranges.filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            parts.next().filter(|media| media.eq_ignore_ascii_case(wanted))?;
            let quality = parts.find_map(|part| {
                let (name, value) = part.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f64>().ok())
            });
            quality.unwrap_or(Some(1.0))
        });
        weights.fold(0.0, f64::max)
    };
    let health = weight(HEALTH_JSON);
    health > 0.0 && health >= weight("application/json")
}

/// What is known of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// They were checked and are good for this.
    Proved,
    /// There are none.
    Missing,
    /// They were checked and are wrong.
    Wrong,
    /// They were checked and are not good for this.
    NotEnough,
    /// What would check them is away.
    CannotBeChecked,
}

/// Whether who asks may use what is protected, and what is answered where not. How the service is makes no difference: one that is degraded opens
/// nothing, and what cannot be checked is refused.
///
/// # Errors
///
/// The answer: 401, 403, or 503 where nobody can check.
pub fn protect(credentials: Credentials) -> Result<(), Answer> {
    Err(match credentials {
        Credentials::Proved => return Ok(()),
        Credentials::Missing | Credentials::Wrong => {
            let detail = "the request has no credentials that are valid";
            let mut answer = Answer::problem(401, "unauthorized", "Credentials are needed", detail);
            answer.headers.push(("www-authenticate", "Bearer".to_owned()));
            answer
        }
        Credentials::NotEnough => {
            let detail = "the credentials are not good for this";
            Answer::problem(403, "forbidden", "This is not allowed", detail)
        }
        Credentials::CannotBeChecked => {
            let detail = "what checks credentials is away; without it nobody gets in";
            Answer::problem(503, "not-ready", "Credentials cannot be checked", detail)
        }
    })
}

#[cfg(test)]
mod tests;
