//! The exporter's connections.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Allowed, MARGIN, MODULES, PATIENCE, SHORTEST, open_metrics, page, spec};
use crate::accept::{self, Answer};
use crate::probe::prober::Prober;
use crate::probe::target::url::decoded;

/// Connections at a time.
const CONNECTIONS: usize = 512;

/// Probes at a time.
const PROBES: usize = 128;

/// What all connections share.
struct Shared {
    prober: Prober,
    allowed: Allowed,
    probes: Semaphore,
    asked: AtomicU64,
    refused: AtomicU64,
}

/// Answers until `until` ends.
pub async fn serve(
    listener: TcpListener,
    prober: Prober,
    allowed: Allowed,
    until: impl Future<Output = ()>,
) {
    let shared = Shared {
        prober,
        allowed,
        probes: Semaphore::new(PROBES),
        asked: AtomicU64::new(0),
        refused: AtomicU64::new(0),
    };
    let shared = Arc::new(shared);
    accept::serve(listener, CONNECTIONS, until, move |request, _| answer(shared.clone(), request))
        .await;
}

fn said(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    answer
}

/// Metrics in the form that was asked for: Prometheus asks for OpenMetrics first.
fn metrics(request: &Parts, text: String) -> Answer {
    const OPEN: &str = "application/openmetrics-text";
    let accept = request.headers.get(hyper::header::ACCEPT).and_then(|value| value.to_str().ok());
    if !accept.is_some_and(|accept| accept.contains(OPEN)) {
        return said(StatusCode::OK, text);
    }
    let mut answer = said(StatusCode::OK, open_metrics(&text));
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let kind = hyper::header::HeaderValue::from_static(kind);
    answer.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    answer
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(said(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()));
    }
    let (request, _) = request.into_parts();
    Ok(match request.uri.path() {
        "/probe" => probe(&shared, &request).await,
        "/metrics" => {
            let (asked, refused) =
                (shared.asked.load(Ordering::Relaxed), shared.refused.load(Ordering::Relaxed));
            metrics(
                &request,
                format!(
                    "# HELP netwright_exporter_probes_total Probes that were asked\n# TYPE netwright_exporter_probes_total counter\nnetwright_exporter_probes_total {asked}\n# HELP netwright_exporter_refused_total Requests that were refused\n# TYPE netwright_exporter_refused_total counter\nnetwright_exporter_refused_total {refused}\n"
                ),
            )
        }
        "/-/healthy" => said(StatusCode::OK, "Healthy\n".to_owned()),
        "/" => {
            let modules: Vec<String> =
                MODULES.iter().map(|(name, what)| format!("  {name}: {what}\n")).collect();
            said(
                StatusCode::OK,
                format!("/probe?target=TARGET&module=MODULE\n\nmodules:\n{}", modules.concat()),
            )
        }
        _ => said(StatusCode::NOT_FOUND, "there is /probe, /metrics and /-/healthy\n".to_owned()),
    })
}

async fn probe(shared: &Shared, request: &Parts) -> Answer {
    let refused = |status, text: String| {
        shared.refused.fetch_add(1, Ordering::Relaxed);
        said(status, text + "\n")
    };
    let query = request.uri.query().unwrap_or_default();
    let parameter = |name: &str| {
        let own = query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
        decoded(&own.replace('+', " ")).ok()
    };
    let Some(target) = parameter("target") else {
        return refused(StatusCode::BAD_REQUEST, "Target parameter is missing".to_owned());
    };
    let module = parameter("module").unwrap_or_else(|| "http_2xx".to_owned());
    let (name, kind) = (
        parameter("name").unwrap_or_default(),
        parameter("type").unwrap_or_else(|| "A".to_owned()),
    );
    let told = request.headers.get("x-prometheus-scrape-timeout-seconds");
    let told = told.and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
    let patience =
        told.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(PATIENCE);
    // Of a short time half is kept: an answer that comes too late is no answer.
    let margin = MARGIN.min(patience / 2);
    let patience = (patience - margin).clamp(SHORTEST, Duration::from_secs(120));
    let spec = match spec(&module, &target, (&name, &kind), patience) {
        Ok(spec) => spec,
        Err(wrong) => return refused(StatusCode::BAD_REQUEST, wrong),
    };
    if !shared.allowed.hold(&spec.target) {
        return refused(
            StatusCode::FORBIDDEN,
            "this machine was not told that it may ask that target".to_owned(),
        );
    }
    let Ok(_place) = shared.probes.try_acquire() else {
        return refused(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{PROBES} probes are under way: no more at a time"),
        );
    };
    shared.asked.fetch_add(1, Ordering::Relaxed);
    let outcome = shared.prober.ask(&spec, 1).await;
    metrics(request, page(&spec.target, &outcome))
}
