//! Who asks, what he may do, and whether this server can do it.
//!
//! Without any key, who asks from this machine may do everything; as soon as there is one, it is asked for. Where it is not known which keys there
//! are, because the store was never read, nobody gets in.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::{Kind, Problem};
use super::route::{Meta, Where};
use super::{RequestName, Who};
use crate::server::audit::{Draft, Record};
use crate::server::mirror::Source;
use crate::server::{Peer, State, forward, limits};

/// A route's gate.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) state: Arc<State>,
    pub(super) meta: Arc<Meta>,
}

pub(super) async fn gate(Shared(gate): Shared<Gate>, request: Request, next: Next) -> Response {
    let Gate { state, meta } = gate;
    match pass(&state, &meta, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn pass(
    state: &Arc<State>,
    meta: &Arc<Meta>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(role) = meta.needs else {
        request.extensions_mut().insert(Arc::clone(meta));
        let mut response = next.run(request).await;
        tell_age(state, &mut response);
        return Ok(response);
    };
    let mut who = who(state, &request)?;
    if let Err(wait) = state.by_key.take(who.key.clone(), state.clock.now()) {
        state.metrics.limited.inc();
        let why = format!("the key `{}` asks more than it may", who.key);
        return Err(Problem::new(Kind::TooMany, why).retry_after(wait));
    }
    let draft = meta.recorded.then(|| Arc::new(Draft::of(record(state, &who, &request))));
    who.draft.clone_from(&draft);
    let response = if who.role < role {
        let why = format!("it needs the role {role}; the key `{}` has {}", who.key, who.role);
        Err(Problem::new(Kind::Forbidden, why).with("needs", role))
    } else {
        request.extensions_mut().insert(who);
        done(state, meta, request, next).await
    };
    let mut response = response.unwrap_or_else(IntoResponse::into_response);
    if let Some(draft) = draft
        && !response.headers().contains_key(FORWARDED)
    {
        let problem = response.extensions().get::<Problem>();
        let problem = problem.map(|problem| problem.kind().slug().to_owned());
        let status = response.status();
        if let Err(problem) = recorded(state, &draft, status, problem).await {
            response = problem.into_response();
        }
    }
    tell_age(state, &mut response);
    Ok(response)
}

/// Keeps the record of a request. Who is told that something was done is told it when the record of it cannot be lost any more.
async fn recorded(
    state: &State,
    draft: &Draft,
    status: StatusCode,
    problem: Option<String>,
) -> Result<(), Problem> {
    let record = draft.answered(status.as_u16(), problem);
    if draft.is_written() {
        state.audit.written(&record);
        return Ok(());
    }
    if !status.is_success() {
        state.audit.keep(record);
        return Ok(());
    }
    state.audit.durable(record).await.map_err(|why| {
        let why = format!("it was done, and the record of it could not be written: {why}");
        Problem::new(Kind::OutcomeUnknown, why)
    })
}

/// What was answered by the leader is in his records.
const FORWARDED: &str = "x-netwright-answered-by";

/// Does it, or passes it on to who can.
async fn done(
    state: &Arc<State>,
    meta: &Arc<Meta>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if meta.done == Where::Leader && state.lead().is_err() {
        state.store()?;
        if state.decided().await {
            request.extensions_mut().insert(Arc::clone(meta));
            return Ok(next.run(request).await);
        }
        let mut response = forward::to_leader(state, request, meta.body_limit).await?;
        let leader = state.leader().and_then(|leader| HeaderValue::from_str(&leader.server).ok());
        let leader = leader.unwrap_or_else(|| HeaderValue::from_static("leader"));
        response.headers_mut().insert(FORWARDED, leader);
        return Ok(response);
    }
    request.extensions_mut().insert(Arc::clone(meta));
    Ok(next.run(request).await)
}

fn record(state: &State, who: &Who, request: &Request) -> Record {
    let name = request.extensions().get::<RequestName>();
    Record {
        at: state.now(),
        request: name.map(|name| name.0.clone()).unwrap_or_default(),
        server: state.options.server.clone(),
        key: who.key.clone(),
        name: who.name.clone(),
        from: who.address.to_string(),
        method: request.method().to_string(),
        path: request.uri().path().chars().take(PATH).collect(),
        status: 0,
        problem: None,
    }
}

/// Characters of a path that a record keeps.
const PATH: usize = 500;

/// Each answer says from which state of the store it is, and how old that is.
fn tell_age(state: &State, response: &mut Response) {
    let now = state.now();
    if response.headers().contains_key(FORWARDED) {
        return;
    }
    let headers = response.headers_mut();
    headers.insert("x-netwright-revision", state.mirror.revision().0.into());
    let age = state.mirror.age(now);
    if let Some(age) = age {
        headers.insert(header::AGE, age.as_secs().into());
    }
    if state.store().is_err() {
        headers.insert("x-netwright-degraded", HeaderValue::from_static("store-away"));
    }
}

/// Whose request it is.
fn who(state: &State, request: &Request) -> Result<Who, Problem> {
    let peer = request.extensions().get::<Peer>();
    let address = peer.map(|peer| peer.0.ip().to_canonical());
    let address = address.ok_or_else(|| Problem::internal("a request without a peer"))?;
    if state.mirror.source() == Source::Nothing {
        let why = "which keys there are is not known, because the store has never been read";
        return Err(Problem::new(Kind::StoreAway, why));
    }
    let refused = |why: String| {
        state.metrics.unauthorized.inc();
        match state.strangers.take(limits::caller(address), state.clock.now()) {
            Ok(()) => Problem::new(Kind::Unauthorized, why),
            Err(wait) => {
                let why = "too many requests without a valid key come from this address";
                Problem::new(Kind::TooMany, why).retry_after(wait)
            }
        }
    };
    match request.headers().get("x-api-key") {
        Some(key) => {
            let key = key.to_str().unwrap_or_default();
            let table = state.key(key);
            let (id, record) =
                table.admit(key, state.now()).map_err(|refusal| refused(refusal.to_string()))?;
            let (key, name) = (id.to_owned(), record.name.clone());
            Ok(Who { key, name, role: record.role, address, draft: None })
        }
        None if state.options.trusts_this_machine && address.is_loopback() && !state.has_keys() => {
            local_name(request)?;
            Ok(Who { address, ..Who::local() })
        }
        None => Err(refused("the header X-API-Key is missing".to_owned())),
    }
}

/// A page in a browser of this machine may be made to ask us under a name of its own: without keys, we answer only to our own.
fn local_name(request: &Request) -> Result<(), Problem> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|octet| octet.is_ascii_digit()) { name } else { host }
    });
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let ours = bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if ours || name.eq_ignore_ascii_case("localhost") {
        return Ok(());
    }
    let why = format!("without keys only requests to this machine are answered, not to {name:?}");
    Err(Problem::new(Kind::Forbidden, why))
}
