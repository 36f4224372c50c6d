//! What the service answers over HTTP.
//!
//! One file for each area, each with a list of [`Route`]s; [`routes`] puts them together. The router and the description at `/openapi.json` are
//! both made from that list. Around every route stand the same two layers: `around` gives a request its name and writes problems, [`gate`] asks
//! who it is, what he may, and whether this server can do it.

pub mod agents;
pub mod allocations;
pub mod ask;
pub mod changes;
pub mod errands;
pub mod extract;
pub mod faults;
mod gate;
pub mod health;
pub mod keys;
pub mod network;
mod openapi;
pub mod parts;
pub mod pools;
pub mod probes;
pub mod problem;
pub mod route;
pub mod system;
pub mod watch;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State as Shared};
use axum::http::{Extensions, HeaderValue, Method, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use crate::access::{Role, random};
use crate::beside::Beside;
use crate::server::audit::Draft;
use crate::server::{Peer, State, limits};
use gate::{Gate, gate};
pub use openapi::document;
use problem::{Kind, Problem};
use route::{Meta, Route};

/// All routes, area by area.
#[must_use]
pub fn routes() -> Vec<Route> {
    let areas = [
        ("health", health::routes()),
        ("hosts", agents::routes()),
        ("hosts", parts::routes()),
        ("hosts", errands::routes()),
        ("description", openapi::routes()),
        ("network", network::routes()),
        ("changes", changes::routes()),
        ("faults", faults::routes()),
        ("questions", ask::routes()),
        ("questions", probes::routes()),
        ("pools", pools::routes()),
        ("allocations", allocations::routes()),
        ("system", system::routes()),
        ("watch", watch::routes()),
        ("keys", keys::routes()),
    ];
    let area = |(area, routes): (&'static str, Vec<Route>)| {
        routes.into_iter().map(move |route| route.of_area(area))
    };
    areas.into_iter().flat_map(area).collect()
}

/// The router of a server.
pub(crate) fn router(state: &Arc<State>) -> Router {
    let mut router = Router::new();
    for Route { meta, handler } in routes() {
        let path = meta.path;
        let gated = Gate { state: Arc::clone(state), meta: Arc::new(meta) };
        router = router.route(path, handler.layer(from_fn_with_state(gated, gate)));
    }
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(no_method)
        // The extractors have bounds of their own.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(state), around))
        .with_state(Arc::clone(state))
}

async fn nowhere(uri: Uri) -> Problem {
    Problem::new(Kind::NotFound, format!("there is nothing at {}", uri.path()))
}

async fn no_method(uri: Uri) -> Problem {
    let all = routes();
    let path = uri.path();
    // A path that is written out goes before one with a part that may be anything.
    let own = |meta: &Meta| meta.path == path;
    let is_own = all.iter().any(|route| own(&route.meta));
    let asked = |meta: &Meta| if is_own { own(meta) } else { fits(meta, path) };
    let asked = all.iter().filter(|route| asked(&route.meta));
    let methods: Vec<String> = asked.map(|route| route.meta.method.to_string()).collect();
    let why = format!("{path} knows {}", methods.join(", "));
    Problem::new(Kind::Method, why).with("allowed", methods)
}

/// Whether a path is one of a route.
fn fits(meta: &Meta, path: &str) -> bool {
    let mut given = path.split('/');
    let mut known = meta.path.split('/');
    loop {
        match (known.next(), given.next()) {
            (None, None) => return true,
            (Some(known), Some(given)) if known.starts_with('{') || known == given => {}
            _ => return false,
        }
    }
}

/// The name of a request, for logs and for people who ask what went wrong.
#[derive(Debug, Clone)]
pub struct RequestName(pub String);

/// A method, of those that are known: what strangers make up is not remembered.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// What stands around all that is asked, also where there is no such route.
async fn around(Shared(state): Shared<Arc<State>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let name = random::<8>().unwrap_or_else(|_| "unnamed".to_owned());
    request.extensions_mut().insert(RequestName(name.clone()));
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let caller = request.extensions().get::<Peer>().map(|peer| limits::caller(peer.0.ip()));
    let asks = caller.map_or(Ok(()), |caller| state.by_address.take(caller, state.clock.now()));
    let mut response = match asks {
        Ok(()) => next.run(request).await,
        Err(wait) => {
            state.metrics.limited.inc();
            let why = "this address asks more than it may";
            Problem::new(Kind::TooMany, why).retry_after(wait).into_response()
        }
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        if problem.kind() == Kind::Internal {
            tracing::error!(request = name, why = problem.detail(), "a mistake of the server");
        }
        // What was known of the answer's head (the state of the server) is kept.
        let mut answer = problem.answer(&name);
        for (header, value) in response.headers() {
            if *header != header::CONTENT_LENGTH && !answer.headers().contains_key(header) {
                answer.headers_mut().append(header.clone(), value.clone());
            }
        }
        response = answer;
    }
    let path = route.as_ref().map_or("none", |route| route.as_str());
    state.metrics.answered(method, path, response.status().as_u16(), began.elapsed());
    let headers = response.headers_mut();
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert("x-request-id", name);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Who {
    /// The id of the key; `local` for who asks from this machine while there are no keys.
    pub key: String,
    /// What the key is for.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// From where.
    pub address: IpAddr,
    /// The record of what he asks, where it is recorded.
    pub(crate) draft: Option<Arc<Draft>>,
}

impl Who {
    /// Who asks from this machine while there are no keys.
    fn local() -> Self {
        Self {
            key: "local".to_owned(),
            name: "local".to_owned(),
            role: Role::Admin,
            address: Ipv4Addr::LOCALHOST.into(),
            draft: None,
        }
    }

    /// The record of a request that will be answered with a status, to be written together with what it does.
    pub(crate) fn beside(&self, state: &State, status: u16) -> Option<Beside> {
        self.draft.as_ref().map(|draft| draft.beside(&state.layout, status))
    }

    pub(crate) fn of(extensions: &Extensions) -> Result<Self, Problem> {
        let who = extensions.get::<Self>().cloned();
        who.ok_or_else(|| Problem::internal("a route without a gate asks who it is"))
    }
}

impl axum::extract::FromRequestParts<Arc<State>> for Who {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &Arc<State>,
    ) -> Result<Self, Problem> {
        Self::of(&parts.extensions)
    }
}
