//! Whether the server lives, is ready, has started, and how well it is: as [`netwright_watch::endpoints`] answers it for any service.
//!
//! `/livez` asks nothing of anything: only a server that hangs fails it. `/readyz` says whether it should be sent requests; one whose store is
//! away still answers reads, and is ready. `/health` says it all, and answers 200 where it is degraded.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use netwright_watch::endpoints::{self, Check, Status, Vitals, Word};
use netwright_watch::startup::{Mode, Report};
use schemars::JsonSchema;
use serde::Serialize;

use super::problem::Kind;
use super::route::Route;
use crate::election::Leader;
use crate::server::mirror::Source;
use crate::server::{Standing, State};
use crate::time::Time;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/livez", "live", "Whether the process answers", answered)
            .open()
            .answers::<Status>(200, "It does."),
        Route::get("/readyz", "ready", "Whether it should be sent requests", answered)
            .open()
            .says("A server whose store is away is ready as soon as it can answer reads from a copy.")
            .answers::<Status>(200, "It should.")
            .may(&[Kind::NotReady]),
        Route::get("/startupz", "startedUp", "Whether its start is over", answered)
            .open()
            .says("Each phase of the start has a time-out; what can be passed by is, and `mode` is then `emergency_degraded`.")
            .answers::<Report>(200, "It is.")
            .may(&[Kind::NotReady]),
        Route::get("/health/basic", "basicHealth", "One word", answered)
            .open()
            .answers::<Status>(200, "`healthy` or `degraded`.")
            .may(&[Kind::NotReady]),
        Route::get("/health", "health", "How well the server is, part by part", answered)
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

    /// For the paths that every service answers.
    fn vitals(self, startup: Report, now: Time) -> Vitals {
        let checks = self.parts.iter().map(|part| Check {
            // Without a copy nothing can be answered.
            vital: part.name == "copy",
            since: part.since.and_then(timestamp),
            ..Check::new(part.name, part.status, part.detail.as_str())
        });
        let checks = checks.collect();
        Vitals {
            service: self.server.clone(),
            version: self.version.to_owned(),
            now: timestamp(now).unwrap_or_default(),
            status: self.status,
            startup,
            checks,
            own: serde_json::to_value(self).ok(),
        }
    }
}

fn timestamp(time: Time) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(time.milliseconds()).ok()?).ok()
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
        // Who leads is known from the store only.
        Some(leader) if state.standing() != Standing::Here => {
            let Leader { server, epoch, .. } = leader;
            (Word::Degraded, format!("{server} led in epoch {epoch} when the store was last heard"))
        }
        Some(leader) => {
            (Word::Healthy, format!("{} leads in epoch {}", leader.server, leader.epoch))
        }
        None => (Word::Degraded, "nobody leads: writes are refused".to_owned()),
    };
    Part { name: "leader", status, detail, since: None }
}

async fn answered(Shared(state): Shared<Arc<State>>, uri: Uri, headers: HeaderMap) -> Response {
    let startup = state.startup.borrow().clone();
    let vitals = Health::of(&state).vitals(startup, state.now());
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let Some(answer) = endpoints::answer(uri.path(), accept, &vitals) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body).into_response();
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
