//! A station over HTTP.
//!
//! | path | what |
//! | --- | --- |
//! | `GET /v1/health?component=PATTERN&limit=N` | how everything is, the worst first |
//! | `GET /v1/alerts` | what fires, waits, is held back, suppressed or silenced |
//! | `GET /v1/events?after=NUMBER&wait=SECONDS` | what happened; it waits for something to happen |
//! | `GET /v1/capacity` | how full everything is that anybody measured |
//! | `GET /metrics` | OpenMetrics |
//! | `GET /livez`, `/readyz` | whether this process lives, and watches what its description says |
//! | `POST /v1/covers`, `DELETE /v1/covers/NUMBER` | silences and windows of maintenance |
//! | `POST /v1/changes`, `POST /v1/measures` | what somebody changed, or measured elsewhere |
//! | `POST /v1/settling`, `GET`, `DELETE /v1/settling/NUMBER` | a change that is watched until fresh starts have exercised what it may have broken |
//! | `POST /v1/starts` | a start that somebody saw |
//!
//! Only this machine may write, and no page of a browser on it: a request that comes from elsewhere, asks for another name, or has an origin is refused.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::documents::LISTED;
use super::metrics::OPEN_METRICS;
use super::orders::Wanted;
use super::run::Shared;
use super::settle::{Applied, Start};
use crate::accept::{self, Answer};
use crate::alert::ChangeEvent;
use crate::probe::target::url::decoded;

/// Connections at a time.
const CONNECTIONS: usize = 256;

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Octets of a body.
const BODY: usize = 1 << 20;

/// Events of an answer, and the longest that is waited for one.
const EVENTS: usize = 1_000;
const WAIT: f64 = 30.0;

/// Things that a document lists at most.
const MOST: usize = 100_000;

/// Measures of a request, and octets of a text in one.
const MEASURES: usize = 10_000;
const TEXT: usize = 1_000;

/// Answers until `until` ends.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, until: impl Future<Output = ()>) {
    accept::serve(listener, CONNECTIONS, until, move |request, peer| {
        answer(shared.clone(), peer, request)
    })
    .await;
}

fn said(status: StatusCode, kind: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn document(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_string(value).unwrap_or_default();
    said(status, "application/json", text + "\n")
}

/// A refusal, as RFC 9457 has it.
fn refused(status: StatusCode, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or("Refused");
    let value = json!({ "title": title, "status": status.as_u16(), "detail": detail });
    said(status, "application/problem+json", value.to_string() + "\n")
}

async fn answer(
    shared: Arc<Shared>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    Ok(match parts.method {
        Method::GET | Method::HEAD => read(&shared, &path, &query).await,
        Method::POST | Method::DELETE => match may_write(peer, &parts.headers) {
            Err(why) => refused(StatusCode::FORBIDDEN, why),
            Ok(()) => write(&shared, &parts.method, &path, body).await,
        },
        _ => refused(StatusCode::METHOD_NOT_ALLOWED, "there is GET, POST and DELETE"),
    })
}

fn may_write(peer: SocketAddr, headers: &HeaderMap) -> Result<(), &'static str> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let bare = host.rsplit_once(':').map_or(host, |(bare, port)| {
        if port.bytes().all(|octet| octet.is_ascii_digit()) { bare } else { host }
    });
    let bare = bare.trim_start_matches('[').trim_end_matches(']');
    let own = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|own| own.is_loopback());
    if !peer.ip().is_loopback() {
        Err("only this machine may write")
    } else if !own || headers.contains_key(ORIGIN) {
        Err("no page of a browser may write")
    } else {
        Ok(())
    }
}

/// A parameter of a query.
fn parameter(query: &str, name: &str) -> Option<String> {
    let own = query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
    decoded(&own.replace('+', " ")).ok()
}

async fn read(shared: &Shared, path: &str, query: &str) -> Answer {
    if let Some(id) = numbered(path, "/v1/settling/") {
        return match shared.with(|station, _| station.settling(id)) {
            Some(row) => document(StatusCode::OK, &row),
            None => refused(StatusCode::NOT_FOUND, "no change of that number is watched"),
        };
    }
    match path {
        "/v1/health" => {
            let pattern = parameter(query, "component").unwrap_or_else(|| "*".to_owned());
            let limit = parameter(query, "limit").map_or(Some(LISTED), |limit| limit.parse().ok());
            let Some(limit) = limit.filter(|limit| *limit <= MOST) else {
                return refused(StatusCode::BAD_REQUEST, "limit is a number up to 100000");
            };
            let health = shared.with(|station, now| station.health(&pattern, limit, now));
            document(StatusCode::OK, &health)
        }
        "/v1/alerts" => document(StatusCode::OK, &shared.with(|station, now| station.alerts(now))),
        "/v1/capacity" => {
            document(StatusCode::OK, &shared.with(|station, now| station.capacity(now)))
        }
        "/v1/events" => events(shared, query).await,
        "/metrics" => {
            let page = shared.with(|station, now| station.metrics(now));
            said(StatusCode::OK, OPEN_METRICS, page)
        }
        "/livez" => document(StatusCode::OK, &json!({ "status": "healthy" })),
        "/readyz" => {
            let problem = shared.with(|station, _| station.problem().map(str::to_owned));
            let status = if problem.is_none() { "healthy" } else { "degraded" };
            document(StatusCode::OK, &json!({ "status": status, "problem": problem }))
        }
        _ => refused(
            StatusCode::NOT_FOUND,
            "there is /v1/health, /v1/alerts, /v1/capacity, /v1/events, /metrics, /livez and /readyz",
        ),
    }
}

async fn events(shared: &Shared, query: &str) -> Answer {
    let number = |name: &str| parameter(query, name).map_or(Ok(0.0), |text| text.parse::<f64>());
    let after = parameter(query, "after").map_or(Ok(0), |after| after.parse::<u64>());
    let (Ok(after), Ok(wait)) = (after, number("wait")) else {
        return refused(StatusCode::BAD_REQUEST, "after is a number of an event, wait are seconds");
    };
    if let Ok(wait) = Duration::try_from_secs_f64(wait.clamp(0.0, WAIT)) {
        // Where nothing happens, that is the answer.
        let _nothing = timeout(wait, shared.after(after)).await;
    }
    document(StatusCode::OK, &shared.with(|station, _| station.events(after, EVENTS)))
}

/// What somebody changed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// As a clause: `network revision 41 was applied`.
    what: String,
    who: Option<String>,
    /// How long ago that was; now unless given.
    #[serde(default)]
    seconds_ago: f64,
}

/// What somebody measured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measures {
    measures: Vec<Measure>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measure {
    thing: String,
    measure: String,
    value: f64,
}

async fn write(shared: &Shared, method: &Method, path: &str, body: Incoming) -> Answer {
    let number = numbered(path, "/v1/covers/");
    if let (&Method::DELETE, Some(id)) = (method, numbered(path, "/v1/settling/")) {
        return if shared.change(|station, now| station.close(id, now)) {
            document(StatusCode::OK, &json!({ "closed": id }))
        } else {
            refused(StatusCode::NOT_FOUND, "no change of that number is watched")
        };
    }
    let done = match (method, path, number) {
        (&Method::DELETE, _, Some(number)) => {
            if shared.change(|station, now| station.lift(number, now)) {
                Ok(document(StatusCode::OK, &json!({ "lifted": number })))
            } else {
                Ok(refused(StatusCode::NOT_FOUND, "there is none of that number"))
            }
        }
        (&Method::POST, "/v1/covers", _) => decode::<Wanted>(body).await.and_then(|wanted| {
            let id = shared.change(|station, now| station.cover(&wanted, now))?;
            Ok(document(StatusCode::CREATED, &json!({ "id": id })))
        }),
        (&Method::POST, "/v1/changes", _) => {
            decode(body).await.and_then(|told| change(shared, told))
        }
        (&Method::POST, "/v1/settling", _) => {
            decode(body).await.and_then(|told| open(shared, told))
        }
        (&Method::POST, "/v1/starts", _) => {
            decode(body).await.and_then(|told| started(shared, &told))
        }
        (&Method::POST, "/v1/measures", _) => {
            decode(body).await.and_then(|told| measures(shared, &told))
        }
        _ => Ok(refused(
            StatusCode::NOT_FOUND,
            "there is POST /v1/covers, /v1/changes, /v1/settling, /v1/starts and /v1/measures, and DELETE of covers and settling by number",
        )),
    };
    done.unwrap_or_else(|why| refused(StatusCode::BAD_REQUEST, &why))
}

/// The number behind a path.
fn numbered(path: &str, before: &str) -> Option<u64> {
    path.strip_prefix(before)?.parse().ok()
}

async fn decode<T: DeserializeOwned>(body: Incoming) -> Result<T, String> {
    let read = timeout(BODY_TIME, Limited::new(body, BODY).collect()).await;
    let read = read.map_err(|_| "the body did not come in time".to_owned())?;
    let octets = read.map_err(|error| error.to_string())?.to_bytes();
    serde_json::from_slice(&octets).map_err(|error| error.to_string())
}

/// Whether all of these are texts that are kept.
fn sound<'t>(texts: impl IntoIterator<Item = &'t String>) -> Result<(), String> {
    if texts.into_iter().any(|text| text.trim().is_empty() || text.len() > TEXT) {
        return Err(format!("texts have 1 to {TEXT} octets"));
    }
    Ok(())
}

fn ago(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn open(shared: &Shared, told: Applied) -> Result<Answer, String> {
    if told.needs.len() > MEASURES || told.parts.len() > MEASURES {
        return Err(format!("at most {MEASURES} dependencies and parts"));
    }
    sound([&told.what].into_iter().chain(&told.who))?;
    sound(told.needs.iter().flat_map(|need| [&need.service, &need.dependency]))?;
    ago(told.seconds_ago)?;
    Ok(document(StatusCode::CREATED, &shared.change(|station, now| station.open(told, now))))
}

fn started(shared: &Shared, told: &Start) -> Result<Answer, String> {
    if told.found.len() > MEASURES {
        return Err(format!("at most {MEASURES} dependencies"));
    }
    sound([&told.service])?;
    sound(told.found.keys().chain(told.found.values().flatten()))?;
    ago(told.seconds_ago)?;
    let changes = shared.change(|station, now| station.started(told, now));
    Ok(document(StatusCode::CREATED, &json!({ "changes": changes })))
}

fn change(shared: &Shared, told: Change) -> Result<Answer, String> {
    sound([&told.what].into_iter().chain(&told.who))?;
    let ago = ago(told.seconds_ago)?;
    shared.change(|station, now| {
        let event = ChangeEvent { at: now.saturating_sub(ago), what: told.what, who: told.who };
        station.change(event, now);
    });
    Ok(document(StatusCode::CREATED, &json!({ "taken": true })))
}

fn measures(shared: &Shared, told: &Measures) -> Result<Answer, String> {
    let wrong = |one: &Measure| {
        one.thing.is_empty()
            || one.thing.len() > TEXT
            || one.measure.is_empty()
            || one.measure.len() > TEXT
    };
    if told.measures.len() > MEASURES || told.measures.iter().any(wrong) {
        return Err(format!("at most {MEASURES} measures, each with names of 1 to {TEXT} octets"));
    }
    let count = told.measures.len();
    shared.change(|station, now| {
        for one in &told.measures {
            station.measure(&one.thing, &one.measure, one.value, now);
        }
    });
    Ok(document(StatusCode::CREATED, &json!({ "taken": count })))
}
