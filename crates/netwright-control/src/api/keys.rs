//! API keys: made, listed, rotated and revoked by an admin.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use netwright_store::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Json, Name, Page, Path, Query, created};
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::access::{Access, Error, Issued, New, Record, Role};
use crate::server::State;
use crate::time::Time;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/keys", "listKeys", "All keys, without secrets", list)
            .needs(Role::Admin)
            .query::<Page>()
            .answers::<Keys>(200, "A page of keys, by id."),
        Route::post("/api/v1/keys", "createKey", "Make a key", create)
            .needs(Role::Admin)
            .says("The key itself is in this answer and nowhere else. A server whose answer was lost has made a key that nobody knows: revoke it.")
            .body::<NewKey>()
            .answers::<KeyWithSecret>(201, "The key."),
        Route::post("/api/v1/keys/{id}/rotate", "rotateKey", "Give a key another secret", rotate)
            .needs(Role::Admin)
            .part::<Name>("id", "The key's id.")
            .body::<Rotation>()
            .answers::<KeyWithSecret>(200, "The key with its new secret.")
            .may(&[Kind::NotFound, Kind::Conflict, Kind::Invalid]),
        Route::delete("/api/v1/keys/{id}", "revokeKey", "End a key", revoke)
            .needs(Role::Admin)
            .says("It ends at once at this server, and at others when the store has told them.")
            .part::<Name>("id", "The key's id.")
            .answers_nothing(204, "It has ended.")
            .may(&[Kind::NotFound, Kind::Conflict]),
    ]
}

/// A key, without secrets.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub made: Time,
    /// When its newest secret was made.
    pub rotated: Time,
    /// Until when it holds, where it ends.
    pub expires: Option<Time>,
    /// When it was revoked, where it was.
    pub revoked: Option<Time>,
    /// Secrets that hold: two while it is rotated.
    pub secrets: usize,
}

impl Key {
    /// What is told of a key.
    #[must_use]
    pub fn of(id: &str, record: &Record, now: Time) -> Self {
        let holds = |until: Option<Time>| until.is_none_or(|until| now < until);
        let secrets = record.secrets.iter().filter(|kept| holds(kept.until)).count();
        Self {
            id: id.to_owned(),
            name: record.name.clone(),
            role: record.role,
            made: record.made,
            rotated: record.secrets.last().map_or(record.made, |kept| kept.made),
            expires: record.expires,
            revoked: record.revoked,
            secrets: if record.holds(now) { secrets } else { 0 },
        }
    }
}

/// Some keys.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Keys {
    /// The keys, by id.
    pub keys: Vec<Key>,
    /// What the next page comes after; none where this is the last.
    pub next: Option<String>,
}

/// What is asked of a new key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is for.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// After how many seconds it ends; never unless given.
    #[schemars(range(min = 1, max = 3_153_600_000_u64))]
    pub expires_in: Option<u64>,
}

/// How a key is rotated.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// For how many seconds the secret before holds; a day unless given.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub overlap: Option<u64>,
}

/// A key with its secret.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeyWithSecret {
    /// The key itself. It is told this once.
    pub key: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub about: Key,
}

impl KeyWithSecret {
    /// What is told of a key that was made.
    #[must_use]
    pub fn of(issued: Issued, now: Time) -> Self {
        Self { about: Key::of(&issued.id, &issued.record, now), key: issued.key }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::Store(error) => error.into(),
            Error::NoKey(_) => Self::new(Kind::NotFound, detail),
            Error::Changed(_) => Self::new(Kind::Conflict, detail),
            Error::Wrong(_) => Self::new(Kind::Invalid, detail),
            Error::Random(_) => Self::internal(detail),
        }
    }
}

/// The longest time of a key: a hundred years.
const LONGEST: u64 = 3_153_600_000;

/// The longest overlap: a year.
const OVERLAP: u64 = 31_536_000;

async fn list(
    Shared(state): Shared<Arc<State>>,
    Query(page): Query<Page>,
) -> Result<Json<Keys>, Problem> {
    let now = state.now();
    let table = state.keys();
    let (some, next) = page.of(table.iter(), |(id, _)| (*id).clone())?;
    let keys = some.into_iter().map(|(id, record)| Key::of(id, record, now)).collect();
    Ok(Json(Keys { keys, next }))
}

async fn create(
    Shared(state): Shared<Arc<State>>,
    Json(asked): Json<NewKey>,
) -> Result<Response, Problem> {
    let lasts = bounded("expires_in", asked.expires_in, 1, LONGEST)?;
    let (lead, store) = (state.lead()?, state.store()?);
    let guard = lead.guard();
    let access = Access { store: &store, layout: &state.layout, guard: Some(&guard) };
    let new = New { name: asked.name, role: asked.role, lasts };
    let issued = access.create(&new, state.now()).await.map_err(|error| match error {
        Error::Wrong(why) => Problem::new(Kind::Malformed, why),
        other => other.into(),
    })?;
    state.sees(issued.at).await;
    Ok(created(KeyWithSecret::of(issued, state.now())))
}

async fn rotate(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<Name>,
    Json(asked): Json<Rotation>,
) -> Result<Json<KeyWithSecret>, Problem> {
    let overlap = bounded("overlap", asked.overlap, 0, OVERLAP)?;
    let overlap = overlap.unwrap_or(Duration::from_secs(86_400));
    let (lead, store) = (state.lead()?, state.store()?);
    let guard = lead.guard();
    let access = Access { store: &store, layout: &state.layout, guard: Some(&guard) };
    let issued = access.rotate(id.as_str(), overlap, state.now()).await?;
    state.sees(issued.at).await;
    Ok(Json(KeyWithSecret::of(issued, state.now())))
}

async fn revoke(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<Name>,
) -> Result<impl IntoResponse, Problem> {
    let (lead, store) = (state.lead()?, state.store()?);
    let guard = lead.guard();
    let access = Access { store: &store, layout: &state.layout, guard: Some(&guard) };
    let (_, at): (_, Revision) = access.revoke(id.as_str(), state.now()).await?;
    state.sees(at).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Seconds within bounds.
fn bounded(
    name: &str,
    given: Option<u64>,
    least: u64,
    most: u64,
) -> Result<Option<Duration>, Problem> {
    match given {
        Some(seconds) if !(least..=most).contains(&seconds) => {
            let why = format!("{name} is {least} to {most} seconds, not {seconds}");
            Err(Problem::new(Kind::Malformed, why))
        }
        given => Ok(given.map(Duration::from_secs)),
    }
}
