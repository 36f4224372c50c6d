//! Questions of who watches, asked by agents from the machines that their hosts have.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::extract::State as Shared;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::extract::{Json, Name, Path};
use super::parts::{Parts, compiled, fleet};
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::errands::{AT_ONCE, Desk, Errand, Ran};
use crate::server::State;

/// Longest time that news are waited for, in seconds.
const PATIENCE: u64 = 30;

/// How soon an agent that has not joined may ask again.
const JOINS: Duration = Duration::from_millis(200);

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/v1/errands", "askFromMachines", "Have something asked from machines of the network, and hear what came of it", ask)
            .says("The agents of the hosts ask, from the machines that they have. What came of it is heard by asking again, with `wait`. Every errand ends: one that nobody ran says why. Nothing of it is stored: what is under way when another server begins to lead is never heard of.")
            .unrecorded()
            .stays()
            .body::<NewErrands>()
            .answers::<Ended>(200, "What has ended since it was asked last; at most 200 at a time."),
        Route::post("/api/v1/agents/{host}/errands", "errandsOfHost", "What a host's agent is to ask, and what it found out", run)
            .unrecorded()
            .stays()
            .part::<Name>("host", "The host's name.")
            .body::<Running>()
            .answers::<Errands>(200, "What it is to ask; at most 200 at a time."),
    ]
}

/// What somebody wants to know.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewErrands {
    /// Who wants to know: a word unlike that of any other.
    pub asker: Name,
    /// What is to be asked; at most 200 at a time.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub errands: Vec<Errand>,
    /// How many seconds it is waited for something to end, while something is under way: at most 30; 0 unless given.
    #[serde(default)]
    pub wait: u64,
}

/// What ended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// In the order in which it ended.
    pub ended: Vec<Ran>,
}

/// What an agent says and wants.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// What it found out.
    #[serde(default)]
    pub ran: Vec<Ran>,
    /// How many seconds it waits for errands: at most 30; 0 unless given.
    #[serde(default)]
    pub wait: u64,
}

/// What an agent is to ask.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Errands {
    /// In the order in which it was wanted.
    pub errands: Vec<Errand>,
}

fn with<T>(state: &State, work: impl FnOnce(&mut Desk, Duration) -> T) -> T {
    let now = state.clock.now();
    // Whoever panicked while he had the desk left it between two steps that are each whole.
    work(&mut state.errands.lock().unwrap_or_else(PoisonError::into_inner), now)
}

/// The end of a wait, in the runtime's time.
fn end(wait: u64) -> Instant {
    Instant::now() + Duration::from_secs(wait.min(PATIENCE))
}

async fn ask(
    Shared(state): Shared<Arc<State>>,
    Json(asked): Json<NewErrands>,
) -> Result<Json<Ended>, Problem> {
    let NewErrands { asker, errands, wait } = asked;
    if errands.len() > AT_ONCE {
        let why = format!("at most {AT_ONCE} errands at a time, not {}", errands.len());
        return Err(Problem::new(Kind::Malformed, why));
    }
    let asker = asker.as_str();
    if errands.is_empty() {
        with(&state, |desk, now| desk.ask(asker, errands, |_| Err(String::new()), now));
    } else {
        let homes = Homes::of(&state).await?;
        with(&state, |desk, now| desk.ask(asker, errands, |place| homes.home(place), now));
    }
    let end = end(wait);
    loop {
        let (ended, waits, news, due) = with(&state, |desk, now| {
            let (ended, waits) = (desk.ended(asker, now), desk.waits(asker));
            (ended, waits, desk.news_for(asker), desk.due().map(|due| due.saturating_sub(now)))
        });
        if !ended.is_empty() || !waits || Instant::now() >= end {
            return Ok(Json(Ended { ended }));
        }
        // What ends by itself ends at its time, and nobody else tells.
        let look = due.map_or(end, |due| end.min(Instant::now() + due));
        tokio::select! {
            _ = timeout_at(look, news.notified()) => {}
            () = state.ended() => return Ok(Json(Ended { ended: Vec::new() })),
        }
    }
}

async fn run(
    Shared(state): Shared<Arc<State>>,
    Path(host): Path<Name>,
    Json(running): Json<Running>,
) -> Result<Json<Errands>, Problem> {
    let host = host.as_str();
    let end = end(running.wait);
    // What is not a host's takes no place; an agent that has just begun joins in a moment, and asks again.
    if !fleet(&state).hosts.iter().any(|one| one.host == host) {
        tokio::time::sleep_until(end.min(Instant::now() + JOINS)).await;
        return Ok(Json(Errands { errands: Vec::new() }));
    }
    with(&state, |desk, _| desk.ran(host, running.ran));
    loop {
        let (errands, news) = with(&state, |desk, now| (desk.take(host, now), desk.news_of(host)));
        if !errands.is_empty() || Instant::now() >= end {
            return Ok(Json(Errands { errands }));
        }
        tokio::select! {
            _ = timeout_at(end, news.notified()) => {}
            () = state.ended() => return Ok(Json(Errands { errands })),
        }
    }
}

/// Which host has what, and which hosts live.
struct Homes {
    parts: Result<Arc<Parts>, String>,
    present: BTreeSet<String>,
}

impl Homes {
    async fn of(state: &Arc<State>) -> Result<Self, Problem> {
        let Some(compiler) = state.compiler.clone() else {
            let why = "this server does not know which host has what".to_owned();
            return Ok(Self { parts: Err(why), present: BTreeSet::new() });
        };
        let parts = match compiled(state, compiler, fleet(state)).await {
            Ok(parts) => Ok(parts),
            Err(problem) if matches!(problem.kind(), Kind::NotFound) => {
                Err("the server has no network".to_owned())
            }
            Err(problem) => return Err(problem),
        };
        let presence = state.mirror.of(&state.layout.all_presence());
        let name = |key: &[u8]| {
            let key = String::from_utf8_lossy(key).into_owned();
            key.rsplit('/').next().unwrap_or_default().to_owned()
        };
        let present = presence.iter().map(|entry| name(&entry.key)).collect();
        Ok(Self { parts, present })
    }

    fn home(&self, place: &str) -> Result<String, String> {
        let parts = self.parts.as_ref().map_err(Clone::clone)?;
        let none = || format!("no host has {place} (revision {} of the network)", parts.revision);
        let host = parts.homes.get(place).ok_or_else(none)?;
        if self.present.contains(host) {
            Ok(host.clone())
        } else {
            Err(format!("{host}, which has {place}, is away"))
        }
    }
}
