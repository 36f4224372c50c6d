//! Ranges, addresses, blocks of ports and numbers: allocated and released.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Who;
use super::extract::{Idempotency, Json, Once, Query, created};
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::alloc::{
    Allocation, Allocator, Answer, Asked, Error, Family, Released, Request, Value, Want,
};
use crate::server::State;

/// What the header of a request that may be sent again means.
pub(super) const ONCE: (&str, &str) = (
    "Idempotency-Key",
    "A request that comes again with the same one is answered as it was at first, for a day.",
);

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/allocations", "listAllocations", "What is allocated of a pool", list)
            .query::<Of>()
            .answers::<Allocations>(200, "A page of allocations, by value.")
            .may(&[Kind::NotFound]),
        Route::post("/api/v1/allocations", "allocate", "Allocate the next free value, or this one", allocate)
            .says("The answer is durable, and nobody else has the value or anything that overlaps it. `sequence` belongs to it: give it when you release.")
            .header(ONCE.0, ONCE.1)
            .body::<NewAllocation>()
            .answers::<Allocation>(201, "The allocation.")
            .may(&[Kind::NotFound, Kind::Exhausted, Kind::Conflict, Kind::Invalid, Kind::KeyReused, Kind::OutcomeUnknown]),
        Route::post("/api/v1/allocations/release", "release", "Give a value back", release)
            .says("With `sequence`, only where nobody else has got the value since. It rests for as long as its pool says before it is allocated again.")
            .header(ONCE.0, ONCE.1)
            .body::<Release>()
            .answers::<Released>(200, "It is released.")
            .may(&[Kind::NotFound, Kind::Conflict, Kind::Invalid, Kind::KeyReused, Kind::OutcomeUnknown]),
    ]
}

/// Which allocations.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Of {
    /// The pool, as `vpc:prod`, `subnet:prod/web`, `nat:gateway`, `connectors:prod`, `vni`, or a declared one's name.
    #[schemars(length(min = 1, max = 512))]
    pub pool: String,
    /// At most so many, 1 to 1,000; 100 unless given.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u16>,
    /// What comes after this value: `next` of the page before.
    pub after: Option<Value>,
}

/// Some allocations.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Allocations {
    /// By value.
    pub allocations: Vec<Allocation>,
    /// What the next page comes after; none where this is the last.
    pub next: Option<Value>,
}

/// What is to be allocated.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAllocation {
    /// The pool.
    #[schemars(length(min = 1, max = 512))]
    pub pool: String,
    /// What it is for, as `subnet:prod/web`: under that name it may be described later.
    #[serde(rename = "for")]
    #[schemars(length(min = 1, max = 512))]
    pub purpose: String,
    /// This value; the next free one unless given.
    pub value: Option<Value>,
    /// Of ranges: the prefix length.
    #[schemars(range(max = 128))]
    pub length: Option<u8>,
    /// Of ranges and addresses: the family; IPv4 where the pool has both.
    pub family: Option<Family>,
    /// Of blocks of ports: how many, a power of two.
    #[schemars(range(min = 1, max = 65_536))]
    pub ports: Option<u32>,
    /// It is kept and not used yet. Who reserved a value takes it up by allocating exactly it.
    #[serde(default)]
    pub reserve: bool,
    /// A reservation ends by itself after so many seconds.
    pub seconds: Option<u64>,
}

/// What is to be released.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The pool.
    #[schemars(length(min = 1, max = 512))]
    pub pool: String,
    /// The value.
    pub value: Value,
    /// The sequence number that the allocation had.
    pub sequence: Option<u64>,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::NoPool { .. } | Error::NotAllocated { .. } => Kind::NotFound,
            Error::Invalid(_) | Error::Outside { .. } => Kind::Invalid,
            Error::Exhausted { .. } => Kind::Exhausted,
            Error::Taken { .. }
            | Error::Closed { .. }
            | Error::Superseded { .. }
            | Error::InUse { .. } => Kind::Conflict,
            Error::KeyReused => Kind::KeyReused,
            Error::Busy | Error::Conflict { .. } => Kind::Busy,
            Error::NotLeader => Kind::NoLeader,
            Error::Unavailable(_) => Kind::StoreAway,
            Error::OutcomeUnknown(_) => Kind::OutcomeUnknown,
        };
        let problem = Self::new(kind, error.to_string()).with("reason", error.slug());
        match error {
            Error::Exhausted { cooling, next_free_at, .. } if cooling > 0 => {
                problem.with("resting", cooling).with("next_free_at", next_free_at)
            }
            Error::Taken { until: Some(until), .. } => problem.with("until", until),
            Error::Superseded { now, .. } => problem.with("sequence", now),
            Error::Busy | Error::Conflict { .. } => problem.retry_after(Duration::from_secs(1)),
            _ => problem,
        }
    }
}

/// What a caller asks; who he is, and how the request is known when it comes again, go with it.
pub(super) async fn ask(
    state: &State,
    who: Who,
    idempotency: Option<Idempotency>,
    request: Request,
) -> Result<Answer, Problem> {
    state.lead()?;
    let key = idempotency.map(|own| own.key);
    let status = match request {
        Request::Allocate { .. } => 201,
        Request::Release { .. } | Request::Declare(_) => 200,
        Request::Remove { .. } => 204,
    };
    let record = who.beside(state, status);
    Ok(state.allocator()?.ask_with(Asked { request, owner: who.name.into(), key }, record).await?)
}

/// The answer is of another kind than what was asked: an old record under the same key.
pub(super) fn odd() -> Problem {
    Error::KeyReused.into()
}

async fn list(
    Shared(state): Shared<Arc<State>>,
    Query(of): Query<Of>,
) -> Result<Json<Allocations>, Problem> {
    let limit = super::extract::Page { limit: of.limit, after: None }.limit()?;
    let allocator: &Allocator = state.allocator()?;
    let mut allocations = allocator.allocations(of.pool, of.after, limit + 1).await?;
    let more = allocations.len() > limit;
    allocations.truncate(limit);
    let next = allocations.last().filter(|_| more).map(|last| last.value);
    Ok(Json(Allocations { allocations, next }))
}

async fn allocate(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Once { asked, idempotency }: Once<NewAllocation>,
) -> Result<Response, Problem> {
    let NewAllocation { pool, purpose, value, length, family, ports, reserve, seconds } = asked;
    let want = Want { value, length, family, ports };
    let request =
        Request::Allocate { pool: pool.into(), want, purpose: purpose.into(), reserve, seconds };
    match ask(&state, who, idempotency, request).await? {
        Answer::Allocated(allocation) => Ok(created(allocation)),
        _ => Err(odd()),
    }
}

async fn release(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Once { asked, idempotency }: Once<Release>,
) -> Result<Json<Released>, Problem> {
    let Release { pool, value, sequence } = asked;
    match ask(&state, who, idempotency, Request::Release { pool: pool.into(), value, sequence })
        .await?
    {
        Answer::Released(released) => Ok(Json(released)),
        _ => Err(odd()),
    }
}
