//! The system itself: a snapshot of everything, who leads, which hosts are away, who did what.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::header;
use axum::response::IntoResponse;
use netwright_store::{Keys, Range, Store};
use schemars::JsonSchema;
use serde::Serialize;

use super::extract::{Json, Page, Query};
use super::health::{Health, Word};
use super::problem::{Kind, Problem};
use super::route::{Route, Where};
use crate::access::Role;
use crate::election::{Leader, depose};
use crate::server::State;
use crate::server::audit::Record;
use crate::startup::Report;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/metrics", "metrics", "What is counted", metrics)
            .answers_other(200, OPENMETRICS, "OpenMetrics."),
        Route::get("/api/v1/system", "system", "A snapshot of the system", system)
            .answers::<System>(200, "How everything is."),
        Route::get("/api/v1/partitions", "partitions", "Which hosts are cut off", partitions)
            .says("From the agents' leases: a host whose agent has reported and is not there now is away: stopped, or cut off.")
            .answers::<Partitions>(200, "The hosts."),
        Route::get("/api/v1/consensus", "consensus", "Who leads, and how the store stands", consensus)
            .answers::<Consensus>(200, "Leader, epoch, store."),
        Route::post("/api/v1/elections", "elect", "Force an election", elect)
            .says(
                "Who leads writes nothing from this moment on, and the servers elect another, which may be the same one. Any server does it, \
                 also where the leader does not answer.",
            )
            .needs(Role::Admin)
            .done(Where::Here)
            .answers::<Deposed>(202, "It is open who leads next."),
        Route::get("/api/v1/audit", "audit", "Who did what", audit)
            .says("The oldest first. The last 10,000 requests that would change something are kept.")
            .needs(Role::Admin)
            .query::<Page>()
            .answers::<Audit>(200, "A page of records."),
    ]
}

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Entries of the store, by what they are of.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Counts {
    /// Changes of the network that are recorded.
    pub changes: usize,
    /// Pools that somebody declared.
    pub pools: usize,
    /// What is allocated.
    pub allocations: usize,
    /// What was released and rests.
    pub cooling: usize,
    /// Hosts whose agents have reported.
    pub hosts: usize,
    /// Hosts whose agents are there.
    pub hosts_present: usize,
}

/// How everything is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct System {
    /// How the server is.
    pub health: Health,
    /// How it started.
    pub startup: Report,
    /// The revision of the network, 0 before the first change.
    pub network_revision: u64,
    /// What there is.
    pub counts: Counts,
    /// The hosts.
    pub partitions: Partitions,
    /// Who leads.
    pub consensus: Consensus,
}

/// Whether hosts are cut off.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Partitions {
    /// `healthy` where all are present, `degraded` where some are away; `starting` where nothing is known.
    pub status: Word,
    /// Hosts whose agents are there.
    pub present: Vec<String>,
    /// Hosts whose agents have reported and are not there now.
    pub away: Vec<String>,
    /// How many seconds old this is.
    pub age: Option<f64>,
}

/// Who leads, and how the store stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Consensus {
    /// The leader; none where nobody leads.
    pub leader: Option<Lead>,
    /// The epoch, 0 before the first election.
    pub epoch: u64,
    /// The server that answers.
    pub server: String,
    /// Whether it leads.
    pub leads: bool,
    /// The engine of the store with its version; none where it is away.
    pub engine: Option<String>,
    /// The store's revision; none where it is away.
    pub revision: Option<u64>,
}

/// A leader.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Lead {
    /// The server's name.
    pub server: String,
    /// Where it answers.
    pub url: String,
    /// The epoch in which it was elected.
    pub epoch: u64,
}

impl From<Leader> for Lead {
    fn from(leader: Leader) -> Self {
        Self { server: leader.server, url: leader.url, epoch: leader.epoch }
    }
}

/// Who led until now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Deposed {
    /// The leader whose lead was ended; none where nobody led.
    pub deposed: Option<Lead>,
}

/// Some records.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Audit {
    /// The records, the oldest first.
    pub records: Vec<Record>,
    /// What the next page comes after; none where this is the last.
    pub next: Option<String>,
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Result<impl IntoResponse, Problem> {
    let text = state.metrics.text(&state).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text))
}

/// The rest of the keys that begin with something.
fn names(state: &State, keys: &Keys) -> BTreeSet<String> {
    let Keys::Prefix(prefix) = keys else { return BTreeSet::new() };
    let entries = state.mirror.of(keys);
    let rest = entries.iter().filter_map(|entry| entry.key.strip_prefix(prefix.as_ref()));
    rest.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

fn hosts(state: &State) -> Partitions {
    let (known, there) =
        (names(state, &state.layout.agents()), names(state, &state.layout.all_presence()));
    let away: Vec<String> = known.difference(&there).cloned().collect();
    let age = state.mirror.age(state.now());
    let status = match (age, away.is_empty()) {
        (None, _) => Word::Starting,
        (Some(_), true) => Word::Healthy,
        (Some(_), false) => Word::Degraded,
    };
    let age = age.map(|age| age.as_secs_f64());
    Partitions { status, present: there.into_iter().collect(), away, age }
}

async fn consensus_of(state: &State) -> Consensus {
    let status = match state.store() {
        Ok(store) => store.status().await.ok(),
        Err(_) => None,
    };
    Consensus {
        leader: state.leader().map(Lead::from),
        epoch: state.epoch(),
        server: state.options.server.clone(),
        leads: state.lead().is_ok(),
        engine: status.as_ref().map(|status| status.engine.clone()),
        revision: status.map(|status| status.revision.0),
    }
}

async fn system(Shared(state): Shared<Arc<State>>) -> Json<System> {
    let count = |keys: Keys| state.mirror.of(&keys).len();
    let layout = &state.layout;
    let counts = Counts {
        changes: count(layout.history()),
        pools: count(layout.pools()),
        allocations: count(layout.allocations()),
        cooling: count(layout.all_cooling()),
        hosts: count(layout.agents()),
        hosts_present: count(layout.all_presence()),
    };
    let startup = state.startup.borrow().clone();
    Json(System {
        health: Health::of(&state),
        startup,
        network_revision: state.mirror.get(&layout.head()).map_or(0, |head| head.modified.0),
        counts,
        partitions: hosts(&state),
        consensus: consensus_of(&state).await,
    })
}

async fn partitions(Shared(state): Shared<Arc<State>>) -> Json<Partitions> {
    Json(hosts(&state))
}

async fn consensus(Shared(state): Shared<Arc<State>>) -> Json<Consensus> {
    Json(consensus_of(&state).await)
}

async fn elect(Shared(state): Shared<Arc<State>>) -> Result<impl IntoResponse, Problem> {
    let deposed = depose(&state.store()?, &state.layout).await?.map(Lead::from);
    Ok((axum::http::StatusCode::ACCEPTED, Json(Deposed { deposed })))
}

async fn audit(
    Shared(state): Shared<Arc<State>>,
    Query(page): Query<Page>,
) -> Result<Json<Audit>, Problem> {
    let limit = page.limit()?;
    let all = state.layout.all_audit();
    let Keys::Prefix(prefix) = &all else {
        return Err(Problem::internal("records are not under one prefix"));
    };
    let keys = match &page.after {
        Some(after) if after.bytes().all(|octet| octet.is_ascii_hexdigit() || octet == b'-') => {
            all.after(&[prefix.as_ref(), after.as_bytes()].concat())
        }
        Some(after) => {
            return Err(Problem::new(Kind::Malformed, format!("{after:?} is the end of no page")));
        }
        None => all.clone(),
    };
    let found = state.store()?.range(Range::of(keys).limit(limit)).await?;
    let name = |key: &[u8]| {
        key.strip_prefix(prefix.as_ref()).map(|name| String::from_utf8_lossy(name).into_owned())
    };
    let last = found.entries.last().filter(|_| found.more);
    let next = last.and_then(|last| name(&last.key));
    let read = |entry: &netwright_store::Entry| serde_json::from_slice(&entry.value).ok();
    Ok(Json(Audit { records: found.entries.iter().filter_map(read).collect(), next }))
}
