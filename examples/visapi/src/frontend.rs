//! The frontend: passes requests on to the gateway, and keeps what it answered.
//!
//! While the gateway is away, what was read is answered again and marked with its age; whatever changes something, and logging in, is refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use clap::Args;
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use crate::cache::Cache;
use crate::clock::{Clock, Follows};
use crate::http::{self, client};
use crate::links::Links;
use crate::metrics::Metrics;
use crate::probes;
use crate::settings::{Common, Peer};
use crate::trouble::Trouble;

/// The largest body that is passed on.
const LARGEST: usize = 8 << 20;

/// What a frontend is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The gateway: http://HOST:PORT
    #[arg(long, env = "GATEWAY_URL")]
    pub(crate) gateway: String,
    /// Milliseconds that the gateway is waited for
    #[arg(long, env = "VISAPI_GATEWAY_MS", default_value_t = 14_000)]
    pub(crate) gateway_ms: u32,
    /// The token for clearing the cache: `Authorization: Bearer TOKEN`; none is the same as --api-key
    #[arg(long, env = "VERCEL_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// The operators' key, with which gateways clear the cache
    #[arg(long, env = "ADMIN_KEY", hide_env_values = true)]
    pub(crate) admin_key: Option<String>,
}

/// An answer of the gateway.
#[derive(Debug, Clone)]
struct Kept {
    content: Option<HeaderValue>,
    body: Bytes,
}

/// A frontend.
#[derive(Debug)]
pub(crate) struct Frontend {
    name: String,
    settings: Settings,
    clock: Clock,
    links: Links,
    metrics: Metrics,
    cache: Cache<Kept>,
    places: Semaphore,
    began: Instant,
}

impl Frontend {
    pub(crate) fn new(settings: Settings) -> Result<Arc<Self>, String> {
        settings.common.check()?;
        client::authority(&settings.gateway)?;
        Ok(Arc::new(Self {
            name: settings.common.name("frontend"),
            clock: Clock::new(settings.common.clock_offset_ms, Follows::Everything),
            links: Links::default(),
            metrics: Metrics::default(),
            cache: Cache::default(),
            places: Semaphore::new(512),
            began: Instant::now(),
            settings,
        }))
    }

    /// Probes the gateway for as long as the process lives.
    pub(crate) async fn probe(&self, mut end: watch::Receiver<bool>) {
        let common = &self.settings.common;
        let limit = Duration::from_millis(common.probe_timeout_ms.into());
        let gateway = Peer { name: "gateway".to_owned(), url: self.settings.gateway.clone() };
        loop {
            tokio::select! {
                () = http::ended(&mut end) => return,
                () = tokio::time::sleep(Duration::from_millis(common.probe_every_ms.into())) => {}
            }
            let (at, began) = (self.clock.wall(), Instant::now());
            let result = probes::ask(&gateway, limit).await;
            self.metrics.tried("gateway", result.is_err());
            probes::tell(&self.links, common, "gateway", (at, self.clock.wall(), began), result);
        }
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let key = self.settings.common.api_key.as_deref();
        let token = self.settings.token.as_deref().or(key);
        let given = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = given("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let keys = [key, self.settings.admin_key.as_deref()];
        let has_key = given("x-api-key").is_some_and(|given| keys.contains(&Some(given)));
        token.is_none() || bearer == token || has_key
    }
}

type Here = State<Arc<Frontend>>;

/// Its router.
pub(crate) fn router(frontend: &Arc<Frontend>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/api/health", get(health))
        .route("/api/v1/live", get(live))
        .route("/api/metrics", get(metrics))
        .route("/api/v1/network/links", get(links))
        .route("/api/cache/clear", post(clear))
        .route("/api/v1/cache/invalidate-own", post(clear))
        .route("/v1/purge", post(purge))
        .fallback(pass_on)
        .with_state(Arc::clone(frontend))
}

async fn live(State(frontend): Here) -> Response {
    http::json(200, &json!({ "status": "live", "node": frontend.name }))
}

async fn links(State(frontend): Here) -> Response {
    let body = json!({
        "node": frontend.name,
        "role": "frontend",
        "links": frontend.links.all(),
        "cuts": frontend.links.cuts(),
    });
    http::json(200, &body)
}

/// Whether the gateway is reached and what it says of itself; degraded is 200 and says so.
async fn health(State(frontend): Here) -> Response {
    let limit = Duration::from_millis(frontend.settings.common.probe_timeout_ms.into());
    let asked =
        client::ask(&frontend.settings.gateway, client::Asked::get("/api/v1/health"), limit).await;
    let gateway = match &asked {
        Ok(answered) => serde_json::from_slice(&answered.body).unwrap_or_default(),
        Err(why) => json!({ "status": "unreachable", "why": why }),
    };
    let fine = gateway["status"] == "healthy";
    let body = json!({
        "status": if fine { "healthy" } else { "degraded" },
        "node": frontend.name,
        "role": "frontend",
        "cached": frontend.cache.len(),
        "uptime_s": frontend.began.elapsed().as_secs(),
        "gateway": gateway,
    });
    http::json(200, &body)
}

async fn metrics(State(frontend): Here) -> Response {
    let count = u32::try_from(frontend.cache.len()).unwrap_or(u32::MAX);
    let mut now = vec![("cache_entries", String::new(), f64::from(count))];
    for (link, held) in frontend.links.all() {
        let up = matches!(held.status, crate::links::Health::Up | crate::links::Health::Slow);
        now.push((
            "link_up",
            format!("from=\"{}\",to=\"{link}\"", frontend.name),
            f64::from(u8::from(up)),
        ));
    }
    let text = frontend.metrics.text(&now);
    ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn clear(State(frontend): Here, headers: HeaderMap) -> Result<Response, Trouble> {
    if !frontend.has_token(&headers) {
        return Err(Trouble::Denied {
            why: "a token is needed: `Authorization: Bearer TOKEN`".to_owned(),
        });
    }
    Ok(http::json(200, &json!({ "cleared": frontend.cache.clear() })))
}

/// The runbook's purge of the delivery network: this frontend is all of it.
async fn purge(
    State(frontend): Here,
    headers: HeaderMap,
    text: Bytes,
) -> Result<Response, Trouble> {
    let asked: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| Trouble::wrong(format!("the body is not what is asked for: {error}")))?;
    if asked["domain"].as_str().is_none() {
        return Err(Trouble::wrong("the body has no `domain`".to_owned()));
    }
    if !frontend.has_token(&headers) {
        return Err(Trouble::Denied {
            why: "a token is needed: `Authorization: Bearer TOKEN`".to_owned(),
        });
    }
    Ok(http::json(200, &json!({ "domain": asked["domain"], "purged": frontend.cache.clear() })))
}

async fn page(State(frontend): Here) -> Html<String> {
    let rows: String = frontend
        .links
        .all()
        .iter()
        .map(|(link, held)| format!("<tr><td>{link}</td><td>{:?}</td></tr>", held.status))
        .collect();
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>VisAPI</title><h1>VisAPI</h1>\
         <table><tr><th>link</th><th>status</th></tr>{rows}</table>\
         <p>{} answers are kept for when the gateway is away.</p></html>",
        frontend.cache.len()
    ))
}

/// Header lines that are of a connection, not of a request.
const OWN: [&str; 6] =
    ["host", "connection", "content-length", "transfer-encoding", "keep-alive", "upgrade"];

fn passed(headers: &HeaderMap) -> HeaderMap {
    let lines = headers.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    lines.map(|(name, value): (&HeaderName, &HeaderValue)| (name.clone(), value.clone())).collect()
}

async fn pass_on(State(frontend): Here, request: Request) -> Result<Response, Trouble> {
    let Ok(_place) = frontend.places.try_acquire() else {
        return Err(Trouble::TooMany {
            why: "too many requests are being passed on: ask again in a second".to_owned(),
        });
    };
    let (head, body) = request.into_parts();
    let large = |_| Trouble::wrong(format!("a body has at most {LARGEST} octets"));
    let body = axum::body::to_bytes(body, LARGEST).await.map_err(large)?;
    let path = head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    // Who may read what was kept is who may read it there.
    let key = head.headers.get("x-api-key").map(|key| key.as_bytes().to_vec()).unwrap_or_default();
    let place = format!("{path} {key:?}");
    let reads = head.method == Method::GET;
    let asked = client::Asked { method: head.method, path, headers: passed(&head.headers), body };
    let began = Instant::now();
    let limit = Duration::from_millis(frontend.settings.gateway_ms.into());
    let answered = if reads || is_up(&frontend) {
        client::ask(&frontend.settings.gateway, asked, limit).await
    } else {
        Err("it does not answer probes".to_owned())
    };
    frontend.metrics.took("pass on", began.elapsed());
    frontend.metrics.tried("gateway", answered.is_err());
    match answered {
        Ok(answered) => {
            let status = answered.status.as_u16();
            frontend.metrics.count("http_requests_total", format!("status=\"{status}\""));
            if reads
                && answered.status == StatusCode::OK
                && !answered.headers.contains_key("x-visapi-stale")
            {
                let content = answered.headers.get("content-type").cloned();
                frontend.cache.keep(&place, Kept { content, body: answered.body.clone() });
            }
            let mut response = (answered.status, answered.body).into_response();
            *response.headers_mut() = passed(&answered.headers);
            Ok(response)
        }
        Err(why) => {
            frontend.metrics.count("gateway_errors_total", "");
            match frontend.cache.kept(&place).filter(|_| reads) {
                Some(kept) => {
                    frontend.metrics.count("stale_reads_total", "");
                    let mut response = (StatusCode::OK, kept.value.body).into_response();
                    if let Some(content) = kept.value.content {
                        response.headers_mut().insert("content-type", content);
                    }
                    http::mark_stale(&mut response, kept.age);
                    Ok(response)
                }
                // A write that was sent may have been done.
                None if reads
                    || why.contains("does not answer probes")
                    || why.contains("refused") =>
                {
                    Err(Trouble::Away { what: "gateway", why, retry: Duration::from_secs(1) })
                }
                None => Err(Trouble::Unknown { why: format!("the gateway did not answer: {why}") }),
            }
        }
    }
}

/// Whether the gateway is not known to be away.
fn is_up(frontend: &Frontend) -> bool {
    let links = frontend.links.all();
    links.get("gateway").is_none_or(|link| link.status != crate::links::Health::Down)
}
