//! The system itself: a snapshot of everything, who leads, which hosts are away, who did what.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::header;
use axum::response::IntoResponse;
use netwright_store::{Keys, Range, Store};
use netwright_watch::endpoints::Word;
use netwright_watch::startup::Report;
use schemars::JsonSchema;
use serde::Serialize;

use super::extract::{Json, Page, Query};
use super::health::Health;
use super::problem::{Kind, Problem};
use super::route::{Route, Where};
use crate::access::Role;
use crate::alloc::Usage;
use crate::election::{Leader, depose};
use crate::server::State;
use crate::server::audit::Record;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/metrics", "metrics", "What is counted", metrics)
            .says("What the server counts, how full pools are (those that warn and the fullest, 1,000 at most), and how many hosts have the newest revision of the network.")
            .answers_other(200, OPENMETRICS, "OpenMetrics."),
        Route::get("/api/v1/system/snapshot", "system", "A snapshot of the system", system)
            .answers::<System>(200, "How everything is."),
        Route::get("/api/v1/network/partition-status", "partitions", "Which hosts are cut off", partitions)
            .says("From what hosts say: each asks all others, at their underlay addresses, and reports who answers. A host whose agent has reported and is not there now is away; where other hosts' packets are answered by it, its agent has stopped or does not reach a server, else it is cut off or down.")
            .answers::<Partitions>(200, "The hosts."),
        Route::get("/api/v1/consensus/status", "consensus", "Who leads, and how the store stands", consensus)
            .answers::<Consensus>(200, "Leader, epoch, store."),
        Route::post("/api/v1/consensus/force-election", "elect", "Force an election", elect)
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
    /// Changes of the network that this server has in memory: older ones are in the store.
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
    /// Those of them that answer packets of a host that is present.
    pub away_and_answering: Vec<String>,
    /// Hosts that do not answer another's packets, both present.
    pub cut: Vec<Cut>,
    /// Hosts that are present, by who reaches whom both ways, by way of others too: more than one group is a partition.
    pub groups: Vec<Vec<String>>,
    /// Hosts that are present and have not said yet who answers them.
    pub unheard: Vec<String>,
    /// How many seconds old this is.
    pub age: Option<f64>,
}

/// A way between hosts on which no packets come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cut {
    /// Who asks.
    pub from: String,
    /// Who does not answer.
    pub to: String,
}

/// A member of the store.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MemberOf {
    /// Its address, as the server was given it.
    pub address: String,
    /// Whether it answers.
    pub answers: bool,
    /// Why it does not.
    pub why: Option<String>,
    /// Whether it leads the store, by its own word.
    pub leads: Option<bool>,
    /// Its number, in hexadecimal digits.
    pub id: Option<String>,
    /// The member that it takes for the store's leader; none where it knows none.
    pub leader: Option<String>,
    /// The term of that.
    pub term: Option<u64>,
    /// The newest revision that it has.
    pub revision: Option<u64>,
    /// Octets of its data.
    pub octets: Option<u64>,
    /// Its version.
    pub version: Option<String>,
}

impl MemberOf {
    fn of(member: netwright_store::MemberStatus) -> Self {
        let netwright_store::MemberStatus { address, answer } = member;
        let hexadecimal = |id: u64| format!("{id:x}");
        let (said, why) = match answer {
            Ok(said) => (Some(said), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self {
            address,
            answers: said.is_some(),
            why,
            leads: said.as_ref().map(|said| said.leader == Some(said.id)),
            id: said.as_ref().map(|said| hexadecimal(said.id)),
            leader: said.as_ref().and_then(|said| said.leader).map(hexadecimal),
            term: said.as_ref().map(|said| said.term),
            revision: said.as_ref().map(|said| said.revision.0),
            octets: said.as_ref().map(|said| said.octets),
            version: said.map(|said| said.version),
        }
    }
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
    /// The members of the store, where several servers keep it; also of one that is away, as far as they answer.
    pub members: Vec<MemberOf>,
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
    let pools = usage(&state).await;
    let convergence = super::agents::how_far(&state, super::agents::head(&state));
    let text = state.metrics.text(&state, &pools, &convergence);
    let text = text.map_err(|error| Problem::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text))
}

/// Pools that are looked at in one piece: who allocates waits for it.
const LOOKED: usize = 256;

/// How full all pools are; none where that is not known now.
async fn usage(state: &State) -> Vec<Usage> {
    let mut all: Vec<Usage> = Vec::new();
    let Ok(allocator) = state.allocator() else { return all };
    loop {
        let after = all.last().map(|last| last.pool.clone()).unwrap_or_default();
        let Ok(some) = allocator.pools(after, LOOKED).await else { return Vec::new() };
        let is_last = some.len() < LOOKED;
        all.extend(some);
        if is_last {
            return all;
        }
    }
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
    let said = super::agents::said(state);
    let seen = Seen::of(&said, &there);
    let age = state.mirror.age(state.now());
    let status = match (age, away.is_empty() && seen.cut.is_empty()) {
        (None, _) => Word::Starting,
        (Some(_), true) => Word::Healthy,
        (Some(_), false) => Word::Degraded,
    };
    let answering = |host: &&String| seen.answering.contains(*host);
    let away_and_answering = away.iter().filter(answering).cloned().collect();
    let age = age.map(|age| age.as_secs_f64());
    let present = there.into_iter().collect();
    let Seen { cut, groups, unheard, .. } = seen;
    Partitions { status, present, away, away_and_answering, cut, groups, unheard, age }
}

/// What hosts that are present say of each other.
#[derive(Debug, Default)]
struct Seen {
    cut: Vec<Cut>,
    groups: Vec<Vec<String>>,
    unheard: Vec<String>,
    /// Hosts that answer somebody who is present.
    answering: BTreeSet<String>,
}

impl Seen {
    fn of(said: &crate::agents::Hosts, there: &BTreeSet<String>) -> Self {
        let others =
            |host: &String| said.reports.get(host).and_then(|report| report.others.as_ref());
        let mut seen = Self::default();
        for host in there {
            let Some(own) = others(host) else {
                seen.unheard.push(host.clone());
                continue;
            };
            seen.answering.extend(own.answer.iter().cloned());
            for to in own.silent.intersection(there) {
                seen.cut.push(Cut { from: host.clone(), to: to.clone() });
            }
        }
        let meets = |one: &String, other: &String| {
            others(one).is_some_and(|own| own.answer.contains(other))
                && others(other).is_some_and(|own| own.answer.contains(one))
        };
        let mut left: BTreeSet<&String> =
            there.iter().filter(|host| others(host).is_some()).collect();
        while let Some(first) = left.pop_first() {
            let (mut group, mut at) = (vec![first.clone()], 0);
            while let Some(one) = group.get(at).cloned() {
                let near: Vec<&String> =
                    left.iter().copied().filter(|other| meets(&one, other)).collect();
                for other in near {
                    left.remove(other);
                    group.push(other.clone());
                }
                at += 1;
            }
            group.sort();
            seen.groups.push(group);
        }
        seen
    }
}

async fn consensus_of(state: &State) -> Consensus {
    let status = match state.store() {
        Ok(store) => store.status().await.ok(),
        Err(_) => None,
    };
    let members = match state.opened() {
        Some(store) => store.members().await.into_iter().map(MemberOf::of).collect(),
        None => Vec::new(),
    };
    Consensus {
        members,
        leader: state.leader().map(Lead::from),
        epoch: state.epoch(),
        server: state.options.server.clone(),
        leads: state.lead().is_ok(),
        engine: status.as_ref().map(|status| status.engine.clone()),
        revision: status.map(|status| status.revision.0),
    }
}

async fn system(Shared(state): Shared<Arc<State>>) -> Json<System> {
    let count = |keys: Keys| state.mirror.count(&keys);
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
