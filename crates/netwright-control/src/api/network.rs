//! The network: what it is, at this revision or an older one, and changes of one object.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use netwright_store::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Who;
use super::changes::{Answer, Terms, granted};
use super::extract::{IfMatch, Json, Name, Once, Page, Path, Query, etag};
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::change::Wanted;
use crate::network::{Live, ObjectKey};
use crate::server::State;

/// Problems of whatever changes the network.
pub(super) const OF_CHANGES: &[Kind] =
    &[Kind::NotFound, Kind::Conflict, Kind::Refused, Kind::Stale, Kind::Invalid, Kind::KeyReused];

/// The largest text of one object.
const OBJECT: usize = 16 << 20;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/network", "getNetwork", "The whole network as a description", whole)
            .says("Its `ETag` is the revision of the network.")
            .query::<At>()
            .answers::<Network>(200, "The network.")
            .may(&[Kind::NotFound]),
        Route::get("/api/v1/network/{part}", "listObjects", "Objects of one part of the network", list)
            .says("With `name`, that object alone. Settings (`provider`, `name`, `gaps`) are objects without a name.")
            .part::<Name>("part", "A part of the description, such as `filters`.")
            .query::<Which>()
            .answers::<ObjectPage>(200, "A page of objects, by name.")
            .may(&[Kind::NotFound]),
        Route::put("/api/v1/network/{part}", "putObject", "Put one object", put)
            .says("It is proved with the network around it, and refused where an intent would not hold any more.")
            .part::<Name>("part", "A part of the description, such as `filters`.")
            .header("If-Match", "The revision that the network must be at.")
            .header("Idempotency-Key", "A request that comes again with the same one is answered as it was at first.")
            .body::<PutObject>()
            .body_limit(OBJECT)
            .answers::<Answer>(200, "What the change does, and its revision.")
            .may(OF_CHANGES),
        Route::post("/api/v1/network/{part}/delete", "deleteObject", "Take one object away", delete)
            .part::<Name>("part", "A part of the description, such as `filters`.")
            .header("If-Match", "The revision that the network must be at.")
            .header("Idempotency-Key", "A request that comes again with the same one is answered as it was at first.")
            .body::<DeleteObject>()
            .answers::<Answer>(200, "What the change does, and its revision.")
            .may(OF_CHANGES),
    ]
}

/// Which revision of the network.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// A revision that the network had; the newest unless given.
    pub revision: Option<u64>,
}

/// The network.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Network {
    /// Its revision; 0 where nothing was ever declared.
    pub revision: u64,
    /// How many objects it has.
    pub objects: usize,
    /// All of it, as YAML.
    pub description: String,
}

/// Which objects.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// The object of this name alone.
    #[schemars(length(max = 4000))]
    pub name: Option<String>,
    /// A revision that the network had; the newest unless given.
    pub revision: Option<u64>,
    /// At most so many, 1 to 1,000; 100 unless given.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u16>,
    /// What comes after the one with this name: `next` of the page before.
    #[schemars(length(max = 4000))]
    pub after: Option<String>,
}

/// An object.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Object {
    /// Its name; empty for a setting.
    pub name: String,
    /// What is said of it, as YAML.
    pub text: String,
}

/// Some objects.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ObjectPage {
    /// The revision of the network.
    pub revision: u64,
    /// The objects, by name.
    pub objects: Vec<Object>,
    /// What the next page comes after; none where this is the last.
    pub next: Option<String>,
}

/// One object, as it is to be.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutObject {
    /// Its name; none for a setting.
    pub name: Option<String>,
    /// What is said of it: YAML or JSON, as in a description.
    pub text: String,
    /// Why.
    pub why: Option<String>,
    /// The reason to land it although it is refused.
    pub force: Option<String>,
    /// Nothing is written.
    pub dry_run: Option<bool>,
}

/// One object that is to go.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteObject {
    /// Its name; none for a setting.
    pub name: Option<String>,
    /// Why.
    pub why: Option<String>,
    /// The reason to land it although it is refused.
    pub force: Option<String>,
    /// Nothing is written.
    pub dry_run: Option<bool>,
}

/// The network at a revision, the newest where none is given.
pub(super) async fn live(state: &State, revision: Option<u64>) -> Result<Arc<Live>, Problem> {
    let keeper = state.changes.keeper();
    match revision {
        None => Ok(keeper.newest().await?),
        Some(revision) => {
            let found = keeper.at(Revision(revision)).await?;
            let none = || {
                let why = format!("the network never had revision {revision}");
                Problem::new(Kind::NotFound, why)
            };
            found.ok_or_else(none)
        }
    }
}

async fn whole(
    Shared(state): Shared<Arc<State>>,
    Query(at): Query<At>,
) -> Result<Response, Problem> {
    let live = live(&state, at.revision).await?;
    let revision = live.revision;
    let answer =
        Network { revision: revision.0, objects: live.objects.len(), description: live.yaml() };
    Ok(([etag(revision)], Json(answer)).into_response())
}

/// An object by its part and name.
fn key(part: &Name, name: Option<&str>) -> Result<ObjectKey, Problem> {
    let name = name.unwrap_or_default();
    let wrong = || {
        let why = match netwright_model::language::maps::part(part.as_str()) {
            None => format!("a description has no part `{part}`"),
            Some(_) if name.is_empty() => format!("objects of `{part}` have a name"),
            Some(_) => format!("`{part}` has no name"),
        };
        Problem::new(Kind::NotFound, why)
    };
    ObjectKey::of(part.as_str(), name).ok_or_else(wrong)
}

async fn list(
    Shared(state): Shared<Arc<State>>,
    Path(part): Path<Name>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let live = live(&state, which.revision).await?;
    let is_map = netwright_model::language::maps::is_map(part.as_str());
    let (objects, next) = if which.name.is_some() || !is_map {
        let key = key(&part, which.name.as_deref())?;
        let found = live.objects.get(&key);
        let found = found.ok_or_else(|| Problem::not_found("object", &key.to_string()))?;
        (vec![Object { name: key.name.to_string(), text: found.text.to_string() }], None)
    } else {
        let page = Page { limit: which.limit, after: which.after };
        let mut all: Vec<_> = live.objects.of_part(part.as_str()).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(b.0));
        let (some, next) = page.of(all, |(name, _)| name.to_string())?;
        let told = some
            .into_iter()
            .map(|(name, object)| Object { name: name.to_string(), text: object.text.to_string() });
        (told.collect(), next)
    };
    let revision = live.revision;
    Ok(([etag(revision)], Json(ObjectPage { revision: revision.0, objects, next })).into_response())
}

async fn put(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    IfMatch(revision): IfMatch,
    Path(part): Path<Name>,
    Once { asked, idempotency }: Once<PutObject>,
) -> Result<Response, Problem> {
    let PutObject { name, text, why, force, dry_run } = asked;
    let wanted = Wanted::Put { key: key(&part, name.as_deref())?, text };
    granted(&state, wanted, Terms { who, revision, idempotency, why, force, dry_run }).await
}

async fn delete(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    IfMatch(revision): IfMatch,
    Path(part): Path<Name>,
    Once { asked, idempotency }: Once<DeleteObject>,
) -> Result<Response, Problem> {
    let DeleteObject { name, why, force, dry_run } = asked;
    let wanted = Wanted::Delete { key: key(&part, name.as_deref())? };
    granted(&state, wanted, Terms { who, revision, idempotency, why, force, dry_run }).await
}
