//! What was proved, asked with packets: questions for hosts, what came of them, and who reaches whom as was proved and as was seen.

mod matrix;

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::Response;
use netwright_store::{Op, Store, Txn};
use schemars::JsonSchema;
use serde::Deserialize;

use super::agents::{asked, said};
use super::extract::{Json, Once, Query, created};
use super::network::live;
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::access::random;
use crate::network::read::blocking;
use crate::probes::{Ask, Asked, MOST, Made, Probe, Which, questions};
use crate::server::State;
pub use matrix::{Cell, Matrix, Observed};

/// Most pairs of a matrix.
const PAIRS: usize = 10_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/v1/probes", "askHosts", "Have hosts ask with packets of their own what was proved", ask)
            .says("The agents of the hosts ask TCP and ICMP echo, from the machines that they have. What came of it is at the same path, as soon as they have said so. Only what is asked last is known.")
            .body::<NewProbe>()
            .answers::<Probe>(201, "What is asked; nothing of it has been seen yet.")
            .may(&[Kind::NotFound]),
        Route::get("/api/v1/probes", "getProbe", "What came of the questions that hosts were asked last", get)
            .answers::<Probe>(200, "Each question, with what was proved and what was seen.")
            .may(&[Kind::NotFound]),
        Route::get("/api/v1/system/connectivity-matrix", "connectivityMatrix", "Who reaches whom, as is proved and as was seen", connectivity)
            .says("Of all named parts of the network: machines, services, sites, outside services, the Internet. A pair of which nothing passes is not listed, unless hosts have asked it. What hosts saw is of the questions that they were asked last, where those are of this revision; of what they were not asked nothing is observed.")
            .query::<MatrixQuery>()
            .answers::<Matrix>(200, "The pairs.")
            .may(&[Kind::NotFound]),
    ]
}

/// What hosts are to ask.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProbe {
    /// Flows of the intents of these names; of all intents unless given.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub intents: Vec<String>,
    /// In the place of intents: an echo between each two machines.
    #[serde(default)]
    pub pairs: bool,
    /// In the place of both: these.
    #[serde(default)]
    #[schemars(length(max = 300))]
    pub flows: Vec<Asked>,
}

/// Which pairs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatrixQuery {
    /// At most so many pairs, 1 to 10,000; 1,000 unless given.
    #[schemars(range(min = 1, max = 10_000))]
    pub limit: Option<u16>,
}

async fn ask(
    Shared(state): Shared<Arc<State>>,
    Once { asked, .. }: Once<NewProbe>,
) -> Result<Response, Problem> {
    let (lead, store) = (state.lead()?, state.store()?);
    let live = live(&state, None).await?;
    let known =
        |name: &&String| live.network.description.expect.iter().any(|(own, _)| own.value == **name);
    if let Some(none) = asked.intents.iter().find(|name| !known(name)) {
        return Err(Problem::not_found("intent", none));
    }
    if asked.flows.len() > MOST {
        let why = format!("{MOST} flows are asked at a time, not {}", asked.flows.len());
        return Err(Problem::new(Kind::Malformed, why));
    }
    let which = match asked {
        NewProbe { flows, .. } if !flows.is_empty() => Which::Flows(flows),
        NewProbe { pairs: true, .. } => Which::Pairs,
        NewProbe { intents, .. } => Which::Intents(intents),
    };
    let revision = live.revision.0;
    let made = blocking(move || questions(&live.network, &which)).await?;
    let Made { questions, not_asked, why_not } = made;
    let id = random::<8>().map_err(|error| Problem::internal(error.to_string()))?;
    let at = state.now().milliseconds();
    let ask = Ask { id, revision, at, questions, not_asked, why_not };
    let json = serde_json::to_vec(&ask).map_err(|error| Problem::internal(error.to_string()))?;
    let then = vec![Op::put(state.layout.probe(), json)];
    let compare = vec![lead.guard().compare()];
    let answer = store.txn(Txn { compare, then, otherwise: Vec::new() }).await?;
    if !answer.succeeded {
        return Err(Problem::new(Kind::NoLeader, "another server leads now"));
    }
    state.sees(answer.revision).await;
    Ok(created(Probe::of(&ask, &said(&state))))
}

async fn get(Shared(state): Shared<Arc<State>>) -> Result<Json<Probe>, Problem> {
    let none = || Problem::new(Kind::NotFound, "hosts were never asked anything");
    let ask = asked(&state).ok_or_else(none)?;
    Ok(Json(Probe::of(&ask, &said(&state))))
}

async fn connectivity(
    Shared(state): Shared<Arc<State>>,
    Query(query): Query<MatrixQuery>,
) -> Result<Json<Matrix>, Problem> {
    let limit = usize::from(query.limit.unwrap_or(1000));
    if !(1..=PAIRS).contains(&limit) {
        let why = format!("limit is 1 to {PAIRS}, not {limit}");
        return Err(Problem::new(Kind::Malformed, why));
    }
    let live = live(&state, None).await?;
    let probe = asked(&state).map(|ask| Probe::of(&ask, &said(&state)));
    let found = blocking(move || matrix::of(&live, probe.as_ref(), limit)).await?;
    found.map(Json).map_err(|overflow| Problem::new(Kind::Busy, overflow.to_string()))
}
