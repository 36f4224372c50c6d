//! What one host is to have: its part of the network, and only where it is another than its agent has.
//!
//! The parts of all hosts are worked out together, once for each revision, by the first agent that asks.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agents::{Fleet, Knows, News, accepted, news};
use super::extract::{Name, Path, Query, digest};
use super::faults::now;
use super::network::live;
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::agents::Registration;
use crate::compile::{Compiler, Part};
use crate::faults::On;
use crate::network::Live;
use crate::probes::Ask;
use crate::server::State;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/v1/agents/{host}/part",
            "hostPart",
            "What one host is to have, as soon as it is another than is known",
            part,
        )
        .says("A plan as `netwright agent` of the same version reads it. It is left out where the agent has it already.")
        .part::<Name>("host", "The host's name.")
        .query::<Known>()
        .stays()
        .answers::<ToldPart>(200, "The host's part.")
        .answers_nothing(204, "Nothing was otherwise in the time that was given.")
        .may(&[Kind::NotFound]),
    ]
}

/// What an agent knows already.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// What the part is to be written in; where the server writes something else, there is none.
    pub format: String,
    /// The revision of the network.
    pub revision: Option<u64>,
    /// Which hosts there are.
    pub placement: Option<String>,
    /// What hosts were to ask last.
    pub probe: Option<String>,
    /// The faults that were on: the `mark` that they came with.
    #[schemars(length(max = 2000))]
    pub faults: Option<String>,
    /// The host's part: the `hash` that it came with.
    pub part: Option<String>,
    /// How many seconds it waits for news: at most 30; 0 unless given.
    pub wait: Option<u64>,
}

/// What a host is to have.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ToldPart {
    /// The revision of the network.
    pub revision: u64,
    /// When it was accepted, in milliseconds since 1970; none where that is not known.
    pub accepted: Option<u64>,
    /// A short word for which hosts there are.
    pub placement: String,
    /// Whether the host is one of them.
    pub joined: bool,
    /// The hosts, by name.
    pub hosts: Vec<Registration>,
    /// What hosts are to ask with packets of their own; none where nothing was ever asked.
    pub probe: Option<Ask>,
    /// The faults that are on, as far as the host does something for them.
    #[serde(default)]
    pub faults: On,
    /// A short word for the part.
    pub hash: String,
    /// The part; left out where it is the one that was known, and where the host has not joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Value>,
}

/// The parts of all hosts.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(super) revision: u64,
    placement: String,
    accepted: Option<u64>,
    /// The hash and the text of each, by host.
    all: BTreeMap<String, (String, String)>,
    /// The host of each place.
    pub(super) homes: BTreeMap<String, String>,
}

async fn part(
    Shared(state): Shared<Arc<State>>,
    Path(host): Path<Name>,
    Query(known): Query<Known>,
) -> Result<Response, Problem> {
    let format = &known.format;
    let compiler = state.compiler.clone().filter(|compiler| compiler.format() == *format);
    let none = || Problem::new(Kind::NotFound, format!("this server writes no parts as {format}"));
    let compiler = compiler.ok_or_else(none)?;
    let Known { revision, placement, probe, faults, part, wait, .. } = known;
    // One that says nothing of faults knows of none.
    let faults = Some(faults.unwrap_or_default());
    let news = news(&state, Knows { revision, placement, probe, faults }, wait).await?;
    let News::Of(fleet, probe) = news else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let hosts = fleet.hosts.to_vec();
    let parts = compiled(&state, compiler, fleet).await?;
    let own = parts.all.get(host.as_str());
    let told = ToldPart {
        revision: parts.revision,
        accepted: parts.accepted,
        placement: parts.placement.clone(),
        joined: own.is_some(),
        hosts,
        probe,
        faults: On::of(&super::faults::faults(&state), host.as_str(), now(&state)),
        hash: own.map(|(hash, _)| hash.clone()).unwrap_or_default(),
        part: None,
    };
    let text = serde_json::to_string(&told).map_err(|why| Problem::internal(why.to_string()))?;
    let body = match own {
        // It is JSON already, and large: it is not read and written once more.
        Some((hash, plan)) if part.as_ref() != Some(hash) => {
            let open = text.strip_suffix('}').unwrap_or(&text);
            format!("{open},\"part\":{plan}}}")
        }
        _ => text,
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The parts of the network as it is now, or as it is a little later.
pub(super) async fn compiled(
    state: &Arc<State>,
    compiler: Arc<dyn Compiler>,
    fleet: Fleet,
) -> Result<Arc<Parts>, Problem> {
    let mut kept = state.parts.lock().await;
    let live = live(state, None).await?;
    let is = |parts: &&Arc<Parts>| {
        parts.revision == live.revision.0 && parts.placement == fleet.placement
    };
    if let Some(parts) = kept.as_ref().filter(is) {
        return Ok(Arc::clone(parts));
    }
    let accepted = accepted(state).get(&live.revision.0).copied();
    let done = tokio::task::spawn_blocking(move || work(&*compiler, &live, &fleet, accepted));
    let done = done.await.map_err(|error| Problem::internal(error.to_string()))?;
    let parts = Arc::new(done.map_err(Problem::internal)?);
    *kept = Some(Arc::clone(&parts));
    Ok(parts)
}

fn work(
    compiler: &dyn Compiler,
    live: &Live,
    fleet: &Fleet,
    accepted: Option<u64>,
) -> Result<Parts, String> {
    let (mut all, mut homes) = (BTreeMap::new(), BTreeMap::new());
    for (host, Part { text, places }) in compiler.parts(&live.network, &fleet.hosts)? {
        homes.extend(places.into_iter().map(|place| (place, host.clone())));
        all.insert(host, (digest(&[text.as_bytes()]), text));
    }
    let placement = fleet.placement.clone();
    Ok(Parts { revision: live.revision.0, placement, accepted, all, homes })
}

/// The hosts, and a short word for which; read again where one came or went.
pub(super) fn fleet(state: &State) -> Fleet {
    let hosts = state.mirror.marks().borrow().hosts;
    let mut kept = state.fleet.lock().unwrap_or_else(PoisonError::into_inner);
    match kept.as_ref().filter(|(at, _)| *at == hosts) {
        Some((_, fleet)) => fleet.clone(),
        None => kept.insert((hosts, Fleet::of(state))).1.clone(),
    }
}
