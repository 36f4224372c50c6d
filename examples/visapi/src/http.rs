//! HTTP: a server whose connections end in time, and requests to other processes.

pub(crate) mod client;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// How long a request's head is waited for, and a connection on which nothing is asked is kept.
const HEAD: Duration = Duration::from_secs(20);

/// How long a connection lives at most: who takes an answer too slowly is let go.
const LONGEST: Duration = Duration::from_secs(600);

/// The most connections.
const CONNECTIONS: usize = 2048;

/// Answers requests until `end` says true; then waits a little for what is being answered.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut end: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = ended(&mut end) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Who comes when all places are taken is let go at once.
                if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                    let (router, end) = (router.clone(), end.clone());
                    tokio::spawn(async move {
                        connection(stream, router, end).await;
                        drop(place);
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let waited = tokio::time::timeout(Duration::from_secs(3), places.acquire_many(all)).await;
    if waited.is_err() {
        tracing::info!("connections are closed while they are used");
    }
}

async fn connection(stream: TcpStream, router: Router, mut end: watch::Receiver<bool>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let answer = service.call(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(64);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = tokio::time::sleep(LONGEST) => Ok(()),
        () = ended(&mut end) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ends early");
    }
}

/// Waits until the process is to end.
pub(crate) async fn ended(end: &mut watch::Receiver<bool>) {
    // Whoever says so has ended where this fails.
    let _gone = end.wait_for(|end| *end).await;
}

/// A JSON answer of any status.
pub(crate) fn json(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut text = body.to_string();
    text.push('\n');
    let mut response = (status, Body::from(text)).into_response();
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

/// Says how old an answer is that could not be asked for again.
pub(crate) fn mark_stale(response: &mut Response, age: Duration) {
    let headers = response.headers_mut();
    headers.insert("age", HeaderValue::from(age.as_secs()));
    headers.insert("warning", HeaderValue::from_static("110 - \"Response is Stale\""));
    headers.insert("x-visapi-stale", HeaderValue::from_static("true"));
}
