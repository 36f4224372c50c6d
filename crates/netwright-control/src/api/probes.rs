//! What was proved, asked with packets: questions for hosts, what came of them, and who reaches whom as was proved and as was seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::Response;
use netwright_store::{Op, Store, Txn};
use netwright_verify::prover::Prover;
use netwright_verify::reach::{Member, Outside};
use netwright_verify::space::show;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agents::{asked, said};
use super::extract::{Json, Once, Query, created};
use super::network::live;
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::access::random;
use crate::network::Live;
use crate::network::read::blocking;
use crate::probes::{Ask, Asked, MOST, Made, Probe, Which, questions};
use crate::server::State;

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
        Route::get("/api/v1/system/connectivity-matrix", "connectivityMatrix", "Who reaches whom, as is proved and as was seen", matrix)
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

/// Who reaches whom.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Matrix {
    /// The revision of the network.
    pub revision: u64,
    /// The pairs, by name.
    pub pairs: Vec<Cell>,
    /// How many more there are.
    pub more: usize,
    /// When hosts were asked what is observed, in milliseconds since 1970; none where nothing is observed.
    pub observed_at: Option<u64>,
}

/// A pair.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Cell {
    /// Who asks.
    pub from: String,
    /// Who answers.
    pub to: String,
    /// What passes and is answered, as is proved.
    pub reachable: Option<String>,
    /// What arrives and whose answer does not come back, as is proved.
    pub no_return: Option<String>,
    /// Of what that is not known.
    pub unknown: Option<String>,
    /// What hosts saw; nothing where they were not asked.
    pub observed: Vec<Observed>,
}

/// What a host saw.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Observed {
    /// What was asked: `tcp/443`, `icmp echo`.
    pub what: String,
    /// Whether it was answered.
    pub answered: bool,
    /// Whether that was proved.
    pub predicted: bool,
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

async fn matrix(
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
    blocking(move || of(&live, probe.as_ref(), limit)).await?.map(Json)
}

fn of(live: &Live, probe: Option<&Probe>, limit: usize) -> Result<Matrix, Problem> {
    let mut prover = Prover::new(&live.network);
    let found = prover.reach_between(|_| true, |_| true);
    let found = found.map_err(|overflow| Problem::new(Kind::Busy, overflow.to_string()))?;
    let mut cells: BTreeMap<(String, String), Cell> = BTreeMap::new();
    let probe = probe.filter(|probe| probe.revision == live.revision.0);
    let mut observed_at = None;
    for row in probe.iter().flat_map(|probe| &probe.rows) {
        let Some(answered) = row.observed else { continue };
        observed_at = probe.map(|probe| probe.at);
        let question = &row.question;
        let what = question.what();
        let cell = cells.entry((question.from.clone(), question.to.clone())).or_default();
        cell.observed.push(Observed { what, answered, predicted: question.predicted });
    }
    let mut more = 0;
    for entry in found.entries() {
        let space = &mut prover.space;
        let (lost, unsure) = (entry.flows.no_return(space), entry.flows.unknown(space));
        let mut words = |set: netwright_verify::space::Set| {
            (!set.is_empty()).then(|| show::layer4(&mut prover.space, set))
        };
        let told = [words(entry.flows.reachable()), words(lost), words(unsure)];
        for from in &found.groups[entry.src].members {
            for to in &found.groups[entry.dst].members {
                let pair = (name(live, from), name(live, to));
                if pair.0 == pair.1 {
                    continue;
                }
                if cells.len() >= limit && !cells.contains_key(&pair) {
                    more += 1;
                    continue;
                }
                let cell = cells.entry(pair).or_default();
                let all = [&mut cell.reachable, &mut cell.no_return, &mut cell.unknown];
                for (own, told) in all.into_iter().zip(&told) {
                    add(own, told.as_deref());
                }
            }
        }
    }
    let pairs = cells.into_iter().map(|((from, to), cell)| Cell { from, to, ..cell });
    Ok(Matrix { revision: live.revision.0, pairs: pairs.collect(), more, observed_at })
}

/// What passes between other addresses of the same pair.
fn add(own: &mut Option<String>, told: Option<&str>) {
    match (own.as_mut(), told) {
        (Some(own), Some(told)) if !own.split("; ").any(|part| part == told) => {
            own.push_str("; ");
            own.push_str(told);
        }
        (None, Some(told)) => *own = Some(told.to_owned()),
        _ => {}
    }
}

fn name(live: &Live, member: &Member) -> String {
    let network = &live.network;
    match member {
        Member::Interface(id, _) => network[*id].name.clone(),
        Member::Serverless(id) => network[network[*id].endpoint].name.clone(),
        Member::Outside(Outside::Internet, ..) => "internet".to_owned(),
        Member::Outside(Outside::Site(endpoint) | Outside::External(endpoint), ..) => {
            network[*endpoint].name.clone()
        }
    }
}
