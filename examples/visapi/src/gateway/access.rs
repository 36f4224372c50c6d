//! What every request passes: its key, a place among those that are answered at a time, its time, and the counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::Who;
use crate::node::Node;
use crate::trouble::Trouble;

/// How long a request may take in all.
const LONGEST: Duration = Duration::from_secs(12);

/// The gate of a route.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    node: Arc<Node>,
    places: Arc<Semaphore>,
    who: Who,
}

impl Gate {
    pub(super) fn new(node: &Arc<Node>) -> Self {
        let places = Arc::new(Semaphore::new(node.settings.max_in_flight));
        Self { node: Arc::clone(node), places, who: Who::Anyone }
    }

    pub(super) fn for_(&self, who: Who) -> Self {
        Self { who, ..self.clone() }
    }

    fn allows(&self, headers: &HeaderMap) -> Result<(), Trouble> {
        let user = self.node.settings.common.api_key.as_deref();
        let operator = self.node.settings.admin_key.as_deref().or(user);
        let given = headers.get("x-api-key").map(HeaderValue::as_bytes);
        let is = |key: Option<&str>| match (key, given) {
            (None, _) => true,
            (Some(key), Some(given)) => same(key.as_bytes(), given),
            (Some(_), None) => false,
        };
        let fits = match self.who {
            Who::Anyone => true,
            Who::User => is(user) || is(operator),
            Who::Operator => is(operator),
        };
        let whose = if self.who == Who::Operator { "the operators' key" } else { "a key" };
        if fits {
            Ok(())
        } else {
            Err(Trouble::Denied { why: format!("X-API-Key is not {whose}") })
        }
    }
}

/// Compares in a time that says nothing of where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// Lets a request pass, or says why not.
pub(super) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path = request.extensions().get::<MatchedPath>();
    let route = path.map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let node = Arc::clone(&gate.node);
    let who = gate.who;
    let mut response = answer(gate, request, next).await.unwrap_or_else(Trouble::into_response);
    let status = response.status().as_u16();
    node.metrics.count("http_requests_total", format!("route=\"{route}\",status=\"{status}\""));
    // What tells of health while the start is not over is no error of somebody's request.
    if who != Who::Anyone {
        node.metrics.tried("gateway", status >= 500 || status == 429);
    }
    node.metrics.took(&route, began.elapsed());
    if let Ok(hlc) = HeaderValue::from_str(&node.clock.tick().0.to_string()) {
        response.headers_mut().insert("x-visapi-hlc", hlc);
    }
    if let Ok(name) = HeaderValue::from_str(&node.name) {
        response.headers_mut().insert("x-visapi-node", name);
    }
    if let Some(broken) = node.broken()
        && let Ok(broken) = HeaderValue::from_str(&broken.name())
    {
        response.headers_mut().insert("x-visapi-broken-on-purpose", broken);
    }
    response
}

async fn answer(gate: Gate, request: Request, next: Next) -> Result<Response, Trouble> {
    gate.allows(request.headers())?;
    if gate.who == Who::Anyone {
        return Ok(next.run(request).await);
    }
    gate.node.open()?;
    let Ok(_place) = gate.places.try_acquire() else {
        let most = gate.node.settings.max_in_flight;
        return Err(Trouble::TooMany {
            why: format!("{most} requests are being answered: ask again in a second"),
        });
    };
    let reads = request.method() == Method::GET;
    tokio::time::timeout(LONGEST, next.run(request)).await.map_err(|_| {
        let why = format!("it took longer than {} s", LONGEST.as_secs());
        if reads { Trouble::Busy { why } } else { Trouble::Unknown { why } }
    })
}
