//! Faults on hosts with agents: asked for, renewed, ended, and what became of them.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use axum::extract::State as Shared;
use axum::response::Response;
use netwright_store::{LeaseId, Op, Store, Txn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Who;
use super::agents::said;
use super::extract::{Json, Name, Once, Path, created};
use super::network::live;
use super::parts::fleet;
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::access::random;
use crate::agents::{Registration, Time};
use crate::compile::Compiler;
use crate::faults::{
    Ended, Fault, Guarded, KEPT, NewFault, RECORD, Seen, Worked, addresses, read, refusals,
};
use crate::network::Live;
use crate::network::read::blocking;
use crate::server::State;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/faults", "listFaults", "Faults on hosts: those that are on, and what became of the last", list)
            .says("A fault is remembered for ten minutes after it was renewed last.")
            .answers::<Faults>(200, "All, in the order in which they were asked for."),
        Route::post("/api/v1/faults", "injectFault", "Break something on purpose, for as long as it is renewed", inject)
            .says("Packets between pairs of endpoints are lost, refused, reset or held back where the agents have the routers next to them; or, of endpoints by themselves, their links are slow, name servers answer them wrongly, processes that agents run on them stand still, or are ended until the fault is over. Each host ends it by itself when its lease is over, whatever becomes of the agent, of this server and of whoever asked: renew it before. What concerns more pairs than it may, something protected, a host labelled `faults=never`, or an address of servers, agents or store, is refused before anything is done.")
            .header("Idempotency-Key", "A request that comes again with the same one, while the fault is remembered, asks for no second fault.")
            .body::<NewFault>()
            .answers::<Seen>(201, "It is told to the hosts; what they did of it is at its own path.")
            .may(&[Kind::Conflict, Kind::Invalid, Kind::KeyReused, Kind::TooLarge, Kind::OutcomeUnknown]),
        Route::get("/api/v1/faults/{id}", "getFault", "A fault, with what hosts did of it and how many packets it met", get)
            .part::<Name>("id", "The fault's id.")
            .answers::<Seen>(200, "The fault.")
            .may(&[Kind::NotFound]),
        Route::post("/api/v1/faults/{id}/renew", "renewFault", "Have a fault last for another lease", renew)
            .says("Where the network or its hosts are others since, it is worked out again, and refused as a new one would be.")
            .unrecorded()
            .part::<Name>("id", "The fault's id.")
            .answers::<Seen>(200, "The fault.")
            .may(&[Kind::NotFound, Kind::Gone, Kind::Conflict, Kind::Invalid]),
        Route::delete("/api/v1/faults/{id}", "endFault", "End a fault", end)
            .says("One that is over stays so. `gone` of the answers after it says when no host has anything of it.")
            .part::<Name>("id", "The fault's id.")
            .answers::<Seen>(200, "The fault.")
            .may(&[Kind::NotFound]),
        Route::delete("/api/v1/faults", "endFaults", "End all faults", end_all)
            .answers::<Faults>(200, "Those that were on."),
    ]
}

/// Some faults.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Faults {
    /// The faults.
    pub faults: Vec<Seen>,
}

/// Milliseconds since 1970.
pub(super) fn now(state: &State) -> Time {
    state.now().milliseconds()
}

/// The faults that are kept, read again where one was written.
pub(super) fn faults(state: &State) -> Arc<[Fault]> {
    let at = state.mirror.marks().borrow().faults;
    let mut kept = state.faults.lock().unwrap_or_else(PoisonError::into_inner);
    match kept.as_ref().filter(|(own, _)| *own == at) {
        Some((_, faults)) => Arc::clone(faults),
        None => {
            let all = read(&state.mirror.of(&state.layout.faults())).into();
            Arc::clone(&kept.insert((at, all)).1)
        }
    }
}

fn seen(state: &State, fault: &Fault) -> Seen {
    Seen::of(fault, &said(state), now(state))
}

fn named(state: &State, id: &str) -> Result<Fault, Problem> {
    let all = faults(state);
    let found = all.iter().find(|fault| fault.id == id).cloned();
    found.ok_or_else(|| Problem::not_found("fault", id))
}

async fn list(Shared(state): Shared<Arc<State>>) -> Json<Faults> {
    let all = faults(&state);
    Json(Faults { faults: all.iter().map(|fault| seen(&state, fault)).collect() })
}

async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<Name>,
) -> Result<Json<Seen>, Problem> {
    Ok(Json(seen(&state, &named(&state, id.as_str())?)))
}

/// What is worked out of a fault, with the network and the hosts that it was worked out for.
struct Basis {
    worked: Worked,
    live: Arc<Live>,
    placement: String,
}

/// Works a fault out, and refuses what may not be.
async fn worked(
    state: &Arc<State>,
    who: &Who,
    (id, asked): (&str, &NewFault),
) -> Result<Basis, Problem> {
    let compiler = state.compiler.clone();
    let none = || Problem::new(Kind::Invalid, "this server does not tell hosts of faults");
    let compiler = compiler.ok_or_else(none)?;
    let (live, fleet) = (live(state, None).await?, fleet(state));
    let hosts = fleet.hosts.to_vec();
    if hosts.is_empty() {
        return Err(Problem::new(Kind::Invalid, "no host has joined: there is nothing to break"));
    }
    let worked = {
        let (id, asked, live, hosts) =
            (id.to_owned(), asked.clone(), Arc::clone(&live), hosts.clone());
        blocking(move || work(&*compiler, &id, &live, &hosts, &asked)).await??
    };
    let all = faults(state);
    let now = now(state);
    let on: Vec<&Fault> = all.iter().filter(|fault| fault.is_on(now) && fault.id != id).collect();
    let lives = said(state).present;
    let away = hosts.iter().map(|one| &one.host).filter(|host| !lives.contains(*host));
    let away = away.cloned().collect();
    let guarded = Guarded { ways: ways(state, who), hosts, away };
    let why = refusals(asked, &worked, &on, &guarded);
    match why.first() {
        None => Ok(Basis { worked, live, placement: fleet.placement }),
        Some(first) => Err(Problem::new(Kind::Conflict, first.clone()).with("refused", &why)),
    }
}

fn work(
    compiler: &dyn Compiler,
    id: &str,
    live: &Live,
    hosts: &[Registration],
    asked: &NewFault,
) -> Result<Worked, Problem> {
    compiler.fault(id, &live.network, hosts, asked).map_err(|wrong| {
        let first = wrong.first().cloned().unwrap_or_default();
        Problem::new(Kind::Invalid, first).with("wrong", wrong)
    })
}

/// Addresses without which nobody could take a fault back.
fn ways(state: &State, who: &Who) -> BTreeSet<std::net::IpAddr> {
    let mut all = addresses(&state.options.url);
    all.extend(addresses(&state.options.store));
    all.extend(state.leader().iter().flat_map(|leader| addresses(&leader.url)));
    all.insert(who.address);
    all
}

async fn inject(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Once { asked, idempotency }: Once<NewFault>,
) -> Result<Response, Problem> {
    if let Some(why) = asked.wrong() {
        return Err(Problem::new(Kind::Invalid, why));
    }
    let id = match &idempotency {
        Some(own) => own.key.get(..16).unwrap_or_default().to_owned(),
        None => random::<8>().map_err(|error| Problem::internal(error.to_string()))?,
    };
    let _turn = state.breaks.lock().await;
    let store = state.store()?;
    if let Ok(known) = named(&state, &id) {
        return if known.request == idempotency.map(|own| own.request) {
            Ok(created(seen(&state, &known)))
        } else {
            Err(Problem::new(Kind::KeyReused, "another fault was asked for with it"))
        };
    }
    let Basis { worked, live, placement } = worked(&state, &who, (&id, &asked)).await?;
    let kept = store.grant(KEPT).await?;
    let at = now(&state);
    let fault = Fault {
        id,
        until: at.saturating_add(asked.lease()),
        asked,
        request: idempotency.map(|own| own.request),
        by: who.key,
        at,
        renewal: 0,
        ended: None,
        revision: live.revision.0,
        placement,
        pairs: worked.pairs,
        orders: worked.orders,
        kept: kept.0,
    };
    write(&state, &fault).await?;
    Ok(created(seen(&state, &fault)))
}

/// Writes a fault down, while this server leads.
async fn write(state: &Arc<State>, fault: &Fault) -> Result<(), Problem> {
    let (lead, store) = (state.lead()?, state.store()?);
    let json = serde_json::to_vec(fault).map_err(|error| Problem::internal(error.to_string()))?;
    if json.len() > RECORD {
        let why = format!("what hosts are to do has {} octets; {RECORD} are kept", json.len());
        return Err(Problem::new(Kind::TooLarge, why));
    }
    let lease = Some(LeaseId(fault.kept));
    let put = Op::Put { key: state.layout.fault(&fault.id), value: json.into(), lease };
    let compare = vec![lead.guard().compare()];
    let answer = store.txn(Txn { compare, then: vec![put], otherwise: Vec::new() }).await?;
    if !answer.succeeded {
        return Err(Problem::new(Kind::NoLeader, "another server leads now"));
    }
    state.sees(answer.revision).await;
    Ok(())
}

async fn renew(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<Name>,
) -> Result<Json<Seen>, Problem> {
    let _turn = state.breaks.lock().await;
    let mut fault = named(&state, id.as_str())?;
    if !fault.is_on(now(&state)) {
        return Err(Problem::new(Kind::Gone, "it is over: what is over is not renewed"));
    }
    let head = super::agents::head(&state);
    if fault.revision != head || fault.placement != fleet(&state).placement {
        let Basis { worked, live, placement } =
            worked(&state, &who, (&fault.id, &fault.asked)).await?;
        (fault.revision, fault.placement) = (live.revision.0, placement);
        (fault.pairs, fault.orders) = (worked.pairs, worked.orders);
    }
    state.store()?.keep_alive(LeaseId(fault.kept)).await?;
    fault.renewal += 1;
    fault.until = now(&state).saturating_add(fault.asked.lease());
    write(&state, &fault).await?;
    Ok(Json(seen(&state, &fault)))
}

async fn ended(state: &Arc<State>, who: &Who, mut fault: Fault) -> Result<Fault, Problem> {
    if fault.is_on(now(state)) {
        fault.ended = Some(Ended { at: now(state), by: who.key.clone() });
        write(state, &fault).await?;
    }
    Ok(fault)
}

async fn end(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<Name>,
) -> Result<Json<Seen>, Problem> {
    let _turn = state.breaks.lock().await;
    let fault = ended(&state, &who, named(&state, id.as_str())?).await?;
    Ok(Json(seen(&state, &fault)))
}

async fn end_all(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Json<Faults>, Problem> {
    let _turn = state.breaks.lock().await;
    let mut all = Vec::new();
    for fault in faults(&state).iter().filter(|fault| fault.is_on(now(&state))) {
        let fault = ended(&state, &who, fault.clone()).await?;
        all.push(seen(&state, &fault));
    }
    Ok(Json(Faults { faults: all }))
}
