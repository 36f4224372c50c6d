//! Whether the server lives, is ready, has started, and how well it is.
//!
//! `/livez` asks nothing of anything: only a server that hangs fails it. `/readyz` says whether it should be sent requests; one whose store is
//! away still answers reads, and is ready. `/health` says it all, and answers 200 where it is degraded.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::extract::Json;
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::server::mirror::Source;
use crate::server::{Standing, State};
use crate::startup::{Mode, Report};
use crate::time::Time;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/livez", "live", "Whether the process answers", live)
            .open()
            .answers::<Status>(200, "It does."),
        Route::get("/readyz", "ready", "Whether it should be sent requests", ready)
            .open()
            .says("A server whose store is away is ready as soon as it can answer reads from a copy.")
            .answers::<Status>(200, "It should.")
            .may(&[Kind::NotReady]),
        Route::get("/startupz", "startedUp", "Whether its start is over", started)
            .open()
            .says("Each phase of the start has a time-out; what can be passed by is, and `mode` is then `emergency_degraded`.")
            .answers::<Report>(200, "It is.")
            .may(&[Kind::NotReady]),
        Route::get("/health/basic", "basicHealth", "One word", basic)
            .open()
            .answers::<Status>(200, "`healthy` or `degraded`.")
            .may(&[Kind::NotReady]),
        Route::get("/health", "health", "How well the server is, part by part", health)
            .open()
            .says(
                "200 where it is healthy or degraded, with `status` saying which; 503 where it cannot answer reads. With \
                 `Accept: application/health+json` the answer has that form, where degraded is `warn`.",
            )
            .header("Accept", "`application/json`, or `application/health+json`")
            .answers::<Health>(200, "It is healthy or degraded.")
            .answers_other(200, "application/health+json", "The same in another form.")
            .answers::<Health>(503, "It cannot answer reads.")
            .answers_other(503, "application/health+json", "The same in another form."),
    ]
}

/// One word of how it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// All is well.
    Healthy,
    /// It works in part: reads are answered, from what is known.
    Degraded,
    /// It has not begun.
    Starting,
}

/// How it is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Status {
    /// One word.
    pub status: Word,
}

/// A part of the server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// How it is.
    pub status: Word,
    /// What there is to say.
    pub detail: String,
    /// Since when it is so, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// How the server is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Health {
    /// The worst of its parts.
    pub status: Word,
    /// The server's name.
    pub server: String,
    /// Its version.
    pub version: &'static str,
    /// When it began.
    pub began: Time,
    /// The revision of the store that reads are answered from.
    pub revision: u64,
    /// How many seconds ago that was all that the store held; none where nothing was ever read.
    pub age: Option<f64>,
    /// Whether this server leads.
    pub leads: bool,
    /// How it started.
    pub startup: Mode,
    /// Part by part.
    pub parts: Vec<Part>,
}

impl Health {
    /// That of now.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let parts = vec![store(state), copy(state), leader(state)];
        let age = state.mirror.age(state.now());
        Self {
            status: parts.iter().map(|part| part.status).max().unwrap_or(Word::Healthy),
            server: state.options.server.clone(),
            version: env!("CARGO_PKG_VERSION"),
            began: state.began,
            revision: state.mirror.revision().0,
            age: age.map(|age| age.as_secs_f64()),
            leads: state.lead().is_ok(),
            startup: state.startup.borrow().mode,
            parts,
        }
    }

    /// As draft-inadarei-api-health-check-06 has it.
    fn document(&self) -> Value {
        let word = |word| match word {
            Word::Healthy => "pass",
            Word::Degraded => "warn",
            Word::Starting => "fail",
        };
        let checks: serde_json::Map<String, Value> = self
            .parts
            .iter()
            .map(|part| {
                let check = json!([{ "status": word(part.status), "output": part.detail, "time": part.since }]);
                (part.name.to_owned(), check)
            })
            .collect();
        json!({
            "status": word(self.status),
            "version": self.version,
            "serviceId": self.server,
            "checks": checks,
        })
    }
}

fn store(state: &State) -> Part {
    let (status, detail, since) = match state.standing() {
        Standing::Here => (Word::Healthy, state.options.store.clone(), None),
        Standing::Starting => (Word::Degraded, "it has not been reached yet".to_owned(), None),
        Standing::Away { since, why } => (Word::Degraded, why, Some(since)),
    };
    Part { name: "store", status, detail, since }
}

fn copy(state: &State) -> Part {
    let (status, detail, since) = match state.mirror.source() {
        Source::Nothing => (Word::Starting, "nothing was read yet".to_owned(), None),
        Source::File(written) => {
            (Word::Degraded, "kept by an earlier run".to_owned(), Some(written))
        }
        Source::Store => (Word::Healthy, format!("at revision {}", state.mirror.revision()), None),
    };
    Part { name: "copy", status, detail, since }
}

fn leader(state: &State) -> Part {
    let leader = state.leader();
    let (status, detail) = match leader {
        Some(leader) => {
            (Word::Healthy, format!("{} leads in epoch {}", leader.server, leader.epoch))
        }
        None => (Word::Degraded, "nobody leads: writes are refused".to_owned()),
    };
    Part { name: "leader", status, detail, since: None }
}

async fn live() -> Json<Status> {
    Json(Status { status: Word::Healthy })
}

fn answering(state: &State) -> Result<Json<Status>, Problem> {
    match Health::of(state).status {
        status @ (Word::Healthy | Word::Degraded) => Ok(Json(Status { status })),
        Word::Starting => Err(Problem::new(Kind::NotReady, "nothing was read from the store yet")),
    }
}

async fn ready(Shared(state): Shared<Arc<State>>) -> Result<Json<Status>, Problem> {
    answering(&state)
}

async fn started(Shared(state): Shared<Arc<State>>) -> Result<Json<Report>, Problem> {
    let report = state.startup.borrow().clone();
    if report.complete {
        return Ok(Json(report));
    }
    let why = match report.failed() {
        Some(phase) => format!("the phase `{}` has failed", phase.name),
        None => "the start is not over".to_owned(),
    };
    Err(Problem::new(Kind::NotReady, why).with("phases", report.phases))
}

async fn basic(Shared(state): Shared<Arc<State>>) -> Result<Json<Status>, Problem> {
    answering(&state)
}

async fn health(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let health = Health::of(&state);
    let status = match health.status {
        Word::Healthy | Word::Degraded => StatusCode::OK,
        Word::Starting => StatusCode::SERVICE_UNAVAILABLE,
    };
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accepts.is_some_and(|accept| accept.contains("application/health+json")) {
        let media = [(header::CONTENT_TYPE, "application/health+json")];
        return (status, media, health.document().to_string()).into_response();
    }
    (status, Json(health)).into_response()
}
