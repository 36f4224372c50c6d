//! Questions about the network as it is: one flow, and what an endpoint reaches.

use std::sync::Arc;

use axum::extract::State as Shared;
use netwright_model::language::EndpointRef;
use netwright_model::network::lookup::NotFound;
use netwright_model::scalar::{Scalar, Service};
use netwright_verify::ask::{Point, flows_between, packet_of, points};
use netwright_verify::names::asked;
use netwright_verify::prover::Prover;
use netwright_verify::reach::{Group, Member, Outside};
use netwright_verify::space::show;
use netwright_verify::trace::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Json, Query};
use super::network::live;
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::change::report::{Hop, hops};
use crate::network::Live;
use crate::network::read::blocking;
use crate::server::State;

/// Most pairs of an answer.
const PAIRS: usize = 1000;

/// Most members of a group that are named.
const NAMES: usize = 20;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/trace", "trace", "Follow one flow through the network", trace)
            .query::<TraceQuery>()
            .answers::<TraceAnswer>(200, "What becomes of it, hop by hop.")
            .may(&[Kind::NotFound, Kind::Invalid]),
        Route::get("/api/v1/reach", "reach", "What reaches what", reach)
            .says("Endpoints that nothing tells apart are one group. A pair of groups that is not listed exchanges nothing.")
            .query::<ReachQuery>()
            .answers::<ReachAnswer>(200, "Pairs of groups, with what passes between them.")
            .may(&[Kind::NotFound, Kind::Invalid]),
    ]
}

/// A flow.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceQuery {
    /// Where it starts: a name, `kind:name`, an address, or `internet`.
    #[schemars(length(min = 1, max = 1000))]
    pub from: String,
    /// Where it goes: the same, or a DNS name.
    #[schemars(length(min = 1, max = 1000))]
    pub to: String,
    /// Such as `tcp/443`; everything unless given.
    #[schemars(length(max = 100))]
    pub service: Option<String>,
    /// A revision that the network had; the newest unless given.
    pub revision: Option<u64>,
}

/// What becomes of a flow.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TraceAnswer {
    /// The revision of the network.
    pub revision: u64,
    /// `reachable`, `blocked`, `no_return`, `unresolved` or `unknown`.
    pub verdict: String,
    /// The first reason why not.
    pub reason: Option<String>,
    /// Its source address.
    pub source: Option<String>,
    /// Its destination address.
    pub destination: Option<String>,
    /// What passes both ways, where everything was asked.
    pub passes: Option<String>,
    /// Source addresses that the destination may see.
    pub sources_seen: Vec<String>,
    /// The request, hop by hop.
    pub forward: Vec<Hop>,
    /// Its answer.
    pub back: Vec<Hop>,
}

/// Which pairs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReachQuery {
    /// Pairs from this endpoint; from all unless given.
    #[schemars(length(min = 1, max = 1000))]
    pub from: Option<String>,
    /// Pairs to this endpoint; to all unless given.
    #[schemars(length(min = 1, max = 1000))]
    pub to: Option<String>,
    /// A revision that the network had; the newest unless given.
    pub revision: Option<u64>,
}

/// What reaches what.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReachAnswer {
    /// The revision of the network.
    pub revision: u64,
    /// Pairs between which something passes.
    pub pairs: Vec<Pair>,
    /// How many more there are.
    pub more: usize,
}

/// A pair of groups.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Pair {
    /// Members of the one.
    pub sources: Vec<String>,
    /// Members of the other.
    pub destinations: Vec<String>,
    /// For which of them: `any`; `same_subnet`, those that are in one subnet; or `other_subnet`, those that are not.
    pub relation: String,
    /// What passes and is answered.
    pub reachable: Option<String>,
    /// What arrives and whose answer does not come back.
    pub no_return: Option<String>,
    /// What is not known.
    pub unknown: Option<String>,
}

fn wrong(kind: Kind, message: String, help: Option<String>) -> Problem {
    let problem = Problem::new(kind, message);
    match help {
        Some(help) => problem.with("help", help),
        None => problem,
    }
}

fn missing(missing: NotFound) -> Problem {
    wrong(Kind::NotFound, missing.message, missing.help)
}

fn reference(text: &str) -> Result<EndpointRef, Problem> {
    EndpointRef::parse_scalar(text).map_err(|e| wrong(Kind::Invalid, e.message, e.help))
}

async fn trace(
    Shared(state): Shared<Arc<State>>,
    Query(query): Query<TraceQuery>,
) -> Result<Json<TraceAnswer>, Problem> {
    let live = live(&state, query.revision).await?;
    blocking(move || traced(&live, &query)).await?.map(Json)
}

fn traced(live: &Live, query: &TraceQuery) -> Result<TraceAnswer, Problem> {
    let service = match &query.service {
        None => Service::Any,
        Some(text) => {
            Service::parse_scalar(text).map_err(|e| wrong(Kind::Invalid, e.message, e.help))?
        }
    };
    let network = &live.network;
    let from = points(network, &reference(&query.from)?).map_err(missing)?;
    let names = netwright_verify::question::Questions::of(network);
    let asker = from.first().and_then(|point| asked::asker(network, point));
    let to = reference(&query.to)?;
    let to = asked::destination(network, &names.names, asker, &to).map_err(missing)?;
    let none = |verdict: &str, reason: Option<String>| TraceAnswer {
        revision: live.revision.0,
        verdict: verdict.to_owned(),
        reason,
        source: None,
        destination: None,
        passes: None,
        sources_seen: Vec::new(),
        forward: Vec::new(),
        back: Vec::new(),
    };
    if let Some(resolution) = to.resolution.as_ref().filter(|_| to.points.is_empty()) {
        let word = if resolution.fails() { Verdict::Unresolved } else { Verdict::Unknown };
        return Ok(none(word.word(), resolution.chain()));
    }
    let packet = packet_of(service, None);
    let pairs = from.iter().flat_map(|from| to.points.iter().map(move |to| (from, to)));
    let flows: Vec<_> = pairs.flat_map(|(from, to)| flows_between(from, to, packet)).collect();
    let mut prover = Prover::new(network);
    let Some((trace, beyond)) = prover.best_whole(&flows) else {
        let why = "there is no address of one family at both ends".to_owned();
        return Err(Problem::new(Kind::Invalid, why));
    };
    let verdict = beyond.as_ref().map_or(trace.verdict, |beyond| beyond.verdict);
    let reason = match &beyond {
        Some(beyond) if beyond.verdict != Verdict::Reachable => beyond.why.clone(),
        _ => trace.blockers(network).first().map(|hop| hop.text.clone()),
    };
    let passes = trace.flows.map(|flows| show::layer4(&mut prover.space, flows.reachable()));
    let (forward, back) = hops(live, &trace);
    Ok(TraceAnswer {
        source: Some(trace.flow.src.to_string()),
        destination: Some(trace.flow.dst.to_string()),
        passes,
        sources_seen: trace.sources_seen(network).iter().map(ToString::to_string).collect(),
        forward,
        back,
        ..none(verdict.word(), reason)
    })
}

async fn reach(
    Shared(state): Shared<Arc<State>>,
    Query(query): Query<ReachQuery>,
) -> Result<Json<ReachAnswer>, Problem> {
    let live = live(&state, query.revision).await?;
    blocking(move || reached(&live, &query)).await?.map(Json)
}

fn reached(live: &Live, query: &ReachQuery) -> Result<ReachAnswer, Problem> {
    let network = &live.network;
    let side = |text: &Option<String>| -> Result<Option<Vec<Point>>, Problem> {
        let Some(text) = text else { return Ok(None) };
        points(network, &reference(text)?).map(Some).map_err(missing)
    };
    let (from, to) = (side(&query.from)?, side(&query.to)?);
    let is = |points: &Option<Vec<Point>>, member: &Member| {
        points.as_ref().is_none_or(|points| points.iter().any(|point| point.is(member)))
    };
    let mut prover = Prover::new(network);
    let found = prover.reach_between(|member| is(&from, member), |member| is(&to, member));
    let found = found.map_err(|overflow| Problem::new(Kind::Busy, overflow.to_string()))?;
    let names = |group: &Group, asked: &Option<Vec<Point>>| -> Vec<String> {
        let own: Vec<&Member> = group.members.iter().filter(|member| is(asked, member)).collect();
        let mut names: Vec<String> =
            own.iter().take(NAMES).map(|member| name(live, member)).collect();
        if own.len() > NAMES {
            names.push(format!("{} more", own.len() - NAMES));
        }
        names
    };
    let mut pairs = Vec::new();
    let mut more = 0;
    for entry in found.entries() {
        let (sources, destinations) = (&found.groups[entry.src], &found.groups[entry.dst]);
        let (sources, destinations) = (names(sources, &from), names(destinations, &to));
        if sources.is_empty() || destinations.is_empty() {
            continue;
        }
        if pairs.len() == PAIRS {
            more += 1;
            continue;
        }
        let space = &mut prover.space;
        let (lost, unsure) = (entry.flows.no_return(space), entry.flows.unknown(space));
        let mut words = |set: netwright_verify::space::Set| {
            (!set.is_empty()).then(|| show::layer4(&mut prover.space, set))
        };
        pairs.push(Pair {
            sources,
            destinations,
            relation: entry.relation.word().to_owned(),
            reachable: words(entry.flows.reachable()),
            no_return: words(lost),
            unknown: words(unsure),
        });
    }
    Ok(ReachAnswer { revision: live.revision.0, pairs, more })
}

fn name(live: &Live, member: &Member) -> String {
    let network = &live.network;
    match member {
        Member::Interface(id, address) => format!("{} [{address}]", network[*id].name),
        Member::Serverless(id) => network[network[*id].endpoint].name.clone(),
        Member::Outside(whose, first, last) => {
            let whose = match whose {
                Outside::Internet => "internet",
                Outside::Site(endpoint) | Outside::External(endpoint) => &network[*endpoint].name,
            };
            format!("{whose} {first}-{last}")
        }
    }
}
