//! Pools: how full they are, and those that somebody declares.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Who;
use super::allocations::{ONCE, ask, odd};
use super::extract::{Json, Once, Page, Query};
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::alloc::{Answer, Declared, Request, Usage};
use crate::server::State;

pub(super) fn routes() -> Vec<Route> {
    let refusals = [Kind::NotFound, Kind::Conflict, Kind::Invalid, Kind::KeyReused];
    vec![
        Route::get("/api/v1/pools", "listPools", "Pools and how full they are", list)
            .says("Of the network: `vpc:NAME` (ranges for subnets), `connectors:NAME` (a /28 each), `subnet:VPC/NAME` (addresses), `nat:NAME` (blocks of ports), `vni`. And those that somebody declared. With `pool`, that one alone.")
            .query::<Which>()
            .answers::<Pools>(200, "A page of pools, by name.")
            .may(&[Kind::NotFound]),
        Route::put("/api/v1/pools", "declarePool", "Declare a pool, or settings of one of the network", declare)
            .header(ONCE.0, ONCE.1)
            .body::<Declared>()
            .answers::<Declared>(200, "The pool is as declared.")
            .may(&refusals),
        Route::post("/api/v1/pools/remove", "removePool", "Take a declared pool, or settings of one, away", remove)
            .says("Refused while something of a declared pool is allocated or rests.")
            .header(ONCE.0, ONCE.1)
            .body::<Named>()
            .answers_nothing(204, "It is gone.")
            .may(&refusals),
    ]
}

/// Which pools.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// This one alone.
    #[schemars(length(max = 512))]
    pub pool: Option<String>,
    /// At most so many, 1 to 1,000; 100 unless given.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u16>,
    /// What comes after the one with this name: `next` of the page before.
    #[schemars(length(max = 512))]
    pub after: Option<String>,
}

/// Some pools.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Pools {
    /// By name.
    pub pools: Vec<Usage>,
    /// What the next page comes after; none where this is the last.
    pub next: Option<String>,
}

/// A pool by its name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// The pool.
    #[schemars(length(min = 1, max = 512))]
    pub pool: String,
}

async fn list(
    Shared(state): Shared<Arc<State>>,
    Query(which): Query<Which>,
) -> Result<Json<Pools>, Problem> {
    let limit = Page { limit: which.limit, after: None }.limit()?;
    let allocator = state.allocator()?;
    if let Some(pool) = which.pool {
        let pools = vec![allocator.pool(pool).await?];
        return Ok(Json(Pools { pools, next: None }));
    }
    let mut pools = allocator.pools(which.after.unwrap_or_default(), limit + 1).await?;
    let more = pools.len() > limit;
    pools.truncate(limit);
    let next = pools.last().filter(|_| more).map(|last| last.pool.clone());
    Ok(Json(Pools { pools, next }))
}

async fn declare(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Once { asked, idempotency }: Once<Declared>,
) -> Result<Json<Declared>, Problem> {
    match ask(&state, who, idempotency, Request::Declare(asked)).await? {
        Answer::Declared(declared) => Ok(Json(declared)),
        _ => Err(odd()),
    }
}

async fn remove(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Once { asked, idempotency }: Once<Named>,
) -> Result<StatusCode, Problem> {
    match ask(&state, who, idempotency, Request::Remove { pool: asked.pool.into() }).await? {
        Answer::Removed => Ok(StatusCode::NO_CONTENT),
        _ => Err(odd()),
    }
}
