//! Hosts and their agents: who joined, what they are to have, what they report; and how far all are with a revision.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use netwright_store::LeaseId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Json, Name, Path, Query};
use super::faults::{faults, now};
use super::network::live;
use super::parts::fleet;
use super::problem::{Kind, Problem};
use super::route::{Route, Where};
use crate::agents::{self, Hosts, Refusal, Registration, Report, placement};
use crate::convergence::{Accepted, Convergence};
use crate::faults::mark;
use crate::probes::Ask;
use crate::server::State;

/// Longest time that news are waited for.
const PATIENCE: u64 = 30;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/hosts", "listHosts", "The hosts that have joined", list)
            .answers::<Joined>(200, "All hosts, by name."),
        Route::put(
            "/api/v1/hosts/{host}",
            "joinHost",
            "Have a host join, or give it another address",
            join,
        )
        .done(Where::Here)
        .says(
            "What is on which host follows from the hosts that have joined, and from nothing else.",
        )
        .part::<Name>("host", "The host's name.")
        .body::<Joining>()
        .answers_nothing(204, "It has joined.")
        .may(&[Kind::Invalid]),
        Route::delete(
            "/api/v1/hosts/{host}",
            "removeHost",
            "Remove a host: what was on it goes to others",
            remove,
        )
        .done(Where::Here)
        .part::<Name>("host", "The host's name.")
        .answers_nothing(204, "It has left."),
        Route::get(
            "/api/v1/agents/wanted",
            "wanted",
            "What hosts are to have, as soon as it is another than is known",
            wanted,
        )
        .stays()
        .query::<Known>()
        .answers::<Told>(200, "The network and the hosts.")
        .answers_nothing(204, "Nothing was otherwise in the time that was given."),
        Route::put(
            "/api/v1/agents/{host}",
            "signAgent",
            "Say that an agent lives, and what it did",
            sign,
        )
        .done(Where::Here)
        .unrecorded()
        .part::<Name>("host", "The host's name.")
        .body::<Sign>()
        .answers::<Signed>(200, "Taken.")
        .may(&[Kind::Invalid]),
        Route::get(
            "/api/v1/convergence",
            "convergence",
            "How far the hosts are with a revision of the network",
            convergence,
        )
        .query::<Asked>()
        .answers::<Convergence>(200, "Each host, and all together.")
        .may(&[Kind::NotFound]),
    ]
}

/// Hosts that have joined.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Joined {
    /// The hosts, by name.
    pub hosts: Vec<Registration>,
    /// A short word for which there are, and at which addresses.
    pub placement: String,
}

/// A host that joins.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Joining {
    /// The address at which other hosts reach it.
    pub underlay: std::net::Ipv4Addr,
    /// What its operator says of it.
    #[serde(default)]
    pub labels: std::collections::BTreeMap<String, String>,
}

/// What an agent knows already.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The revision of the network.
    pub revision: Option<u64>,
    /// Which hosts there are.
    pub placement: Option<String>,
    /// What hosts were to ask last.
    pub probe: Option<String>,
    /// How many seconds it waits for news: at most 30; 0 unless given.
    pub wait: Option<u64>,
}

/// What hosts are to have.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// The revision of the network.
    pub revision: u64,
    /// When it was accepted, in milliseconds since 1970; none where that is not known.
    pub accepted: Option<u64>,
    /// The hosts, by name.
    pub hosts: Vec<Registration>,
    /// The network, as a description in YAML.
    pub network: String,
    /// What hosts are to ask with packets of their own; none where nothing was ever asked.
    pub probe: Option<Ask>,
}

/// What an agent says.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// The lease that it was given before.
    pub lease: Option<String>,
    /// What it did; none where it only says that it lives.
    pub report: Option<Report>,
}

/// What an agent is answered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Signed {
    /// The lease of its presence; none where the host has not joined.
    pub lease: Option<String>,
}

/// Which revision is asked about.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The revision; the newest unless given.
    pub revision: Option<u64>,
}

fn told(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Wrong(why) | Refusal::Unknown(why) => Problem::new(Kind::Invalid, why),
        Refusal::Store(error) => error.into(),
    }
}

fn hosts(state: &State) -> Vec<Registration> {
    let entries = state.mirror.of(&state.layout.hosts());
    entries.iter().filter_map(|entry| serde_json::from_slice(&entry.value).ok()).collect()
}

/// What hosts are to ask.
pub(super) fn asked(state: &State) -> Option<Ask> {
    serde_json::from_slice(&state.mirror.get(&state.layout.probe())?.value).ok()
}

/// What all hosts say, as far as is known.
pub(super) fn said(state: &State) -> Hosts {
    let layout = &state.layout;
    let entries = [layout.hosts(), layout.all_presence(), layout.agents()]
        .iter()
        .flat_map(|keys| state.mirror.of(keys))
        .collect::<Vec<_>>();
    Hosts::of(layout, &entries)
}

/// The newest revision of the network; 0 before the first.
pub(super) fn head(state: &State) -> u64 {
    state.mirror.get(&state.layout.head()).map_or(0, |head| head.modified.0)
}

/// The revisions that are known, with the times of their acceptance.
pub(super) fn accepted(state: &State) -> Accepted {
    /// What is read of the record of a change.
    #[derive(Deserialize)]
    struct At {
        at: u64,
    }
    let entries = state.mirror.of(&state.layout.history());
    let mut known = state.accepted.lock().unwrap_or_else(PoisonError::into_inner);
    let newest = entries.iter().rev().take(KNOWN);
    let now = newest.filter_map(|entry| {
        let revision = entry.modified.0;
        let read = || serde_json::from_slice::<At>(&entry.value).map(|record| record.at);
        Some((revision, known.get(&revision).copied().or_else(|| read().ok())?))
    });
    // What is not asked for any more is forgotten.
    let now: Accepted = now.collect();
    known.clone_from(&now);
    now
}

/// Revisions whose stale windows are told: as many as a report has steps, twice.
const KNOWN: usize = 2 * agents::STEPS;

async fn list(Shared(state): Shared<Arc<State>>) -> Json<Joined> {
    let hosts = hosts(&state);
    Json(Joined { placement: placement(&hosts), hosts })
}

async fn join(
    Shared(state): Shared<Arc<State>>,
    Path(host): Path<Name>,
    Json(joining): Json<Joining>,
) -> Result<StatusCode, Problem> {
    let Joining { underlay, labels } = joining;
    let host = Registration { host: host.as_str().to_owned(), underlay, labels };
    let store = state.store()?;
    let at = agents::register(&store, &state.layout, &host).await.map_err(told)?;
    state.sees(at).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    Shared(state): Shared<Arc<State>>,
    Path(host): Path<Name>,
) -> Result<StatusCode, Problem> {
    let store = state.store()?;
    let at = agents::remove(&store, &state.layout, host.as_str()).await.map_err(told)?;
    state.sees(at).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn sign(
    Shared(state): Shared<Arc<State>>,
    Path(host): Path<Name>,
    Json(sign): Json<Sign>,
) -> Result<Json<Signed>, Problem> {
    let store = state.store()?;
    let lease = sign.lease.and_then(|lease| u64::from_str_radix(&lease, 16).ok()).map(LeaseId);
    let who = (host.as_str(), lease);
    match agents::sign(&store, &state.layout, who, sign.report.as_ref()).await {
        Ok(lease) => Ok(Json(Signed { lease: Some(lease.to_string()) })),
        Err(Refusal::Unknown(_)) => Ok(Json(Signed { lease: None })),
        Err(other) => Err(told(other)),
    }
}

/// The hosts that have joined.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    /// The hosts, by name.
    pub(crate) hosts: Arc<[Registration]>,
    /// A short word for which there are.
    pub(crate) placement: String,
}

/// What an agent knows of the network and of its hosts.
#[derive(Debug, Default)]
pub(super) struct Knows {
    /// The revision of the network.
    pub(super) revision: Option<u64>,
    /// Which hosts there are.
    pub(super) placement: Option<String>,
    /// What hosts were to ask last.
    pub(super) probe: Option<String>,
    /// The faults that were on; none where it does not matter.
    pub(super) faults: Option<String>,
}

impl Fleet {
    pub(super) fn of(state: &State) -> Self {
        let hosts = hosts(state);
        Self { placement: placement(&hosts), hosts: hosts.into() }
    }
}

/// What is new for agents.
pub(super) enum News {
    /// Nothing, in the time that was given.
    Nothing,
    /// The network is another than was known, or the hosts are, or what they are to ask: these.
    Of(Fleet, Option<Ask>),
}

/// Waits until there is another network than is known, or there are other hosts.
pub(super) async fn news(state: &State, known: Knows, wait: Option<u64>) -> Result<News, Problem> {
    // A copy that may be old is no ground for changing hosts.
    state.store()?;
    let patience = Duration::from_secs(wait.unwrap_or(0).min(PATIENCE));
    // Reports of agents come often, and are no news.
    let mut marks = state.mirror.marks();
    let news = async {
        loop {
            let head = marks.borrow_and_update().network;
            let (fleet, probe) = (fleet(state), asked(state));
            let faults = |known: &String| *known == mark(&faults(state), now(state));
            let same = known.faults.as_ref().is_none_or(faults)
                && known.revision == Some(head.0)
                && known.placement.as_ref() == Some(&fleet.placement)
                && known.probe.as_ref() == probe.as_ref().map(|probe| &probe.id);
            if head.0 > 0 && !same {
                return Ok(News::Of(fleet, probe));
            }
            if marks.changed().await.is_err() {
                return Err(Problem::internal("the copy of the store has ended"));
            }
        }
    };
    let ended = async {
        tokio::select! {
            () = tokio::time::sleep(patience) => {}
            () = state.ended() => {}
        }
    };
    tokio::select! {
        biased;
        found = news => found,
        () = ended => Ok(News::Nothing),
    }
}

async fn wanted(
    Shared(state): Shared<Arc<State>>,
    Query(known): Query<Known>,
) -> Result<Response, Problem> {
    let Known { revision, placement, probe, wait } = known;
    let news = news(&state, Knows { revision, placement, probe, faults: None }, wait).await?;
    let News::Of(Fleet { hosts, placement }, probe) = news else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let live = live(&state, None).await?;
    let revision = live.revision.0;
    let mark = (revision, format!("{placement} {}", probe.as_ref().map_or("", |probe| &probe.id)));
    // All agents ask for the same at once: it is written once.
    let mut written = state.told_agents.lock().await;
    let body = match &*written {
        Some((own, body)) if *own == mark => body.clone(),
        _ => {
            let accepted = accepted(&state).get(&revision).copied();
            let hosts = hosts.to_vec();
            let told = Told { revision, accepted, hosts, network: live.yaml(), probe };
            let body = serde_json::to_vec(&told);
            let body = Bytes::from(body.map_err(|error| Problem::internal(error.to_string()))?);
            *written = Some((mark, body.clone()));
            body
        }
    };
    drop(written);
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

async fn convergence(
    Shared(state): Shared<Arc<State>>,
    Query(asked): Query<Asked>,
) -> Result<Json<Convergence>, Problem> {
    let head = head(&state);
    let revision = asked.revision.unwrap_or(head);
    if revision > head {
        return Err(Problem::new(
            Kind::NotFound,
            format!("there is no revision {revision} of the network yet: the newest is {head}"),
        ));
    }
    Ok(Json(how_far(&state, revision)))
}

/// How far the hosts are with a revision.
pub(super) fn how_far(state: &State, revision: u64) -> Convergence {
    let now = state.now().milliseconds();
    Convergence::of(revision, head(state), &accepted(state), &said(state), now)
}
