//! Connections: how many, how slow, and how they end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::{Peer, State};
use crate::api;

/// How long a request's head is waited for, and a connection on which nothing is asked is kept.
const HEAD: Duration = Duration::from_secs(15);

/// How long who does not take an answer is waited for.
const TAKE: Duration = Duration::from_secs(20);

/// How long answers are waited for when the server ends.
const LAST: Duration = Duration::from_secs(5);

/// Octets of a connection that are held at a time.
const HELD: usize = 64 << 10;

/// Header lines of a request.
const LINES: usize = 64;

/// Accepts until the server ends, and then waits a little for what is being answered.
pub(super) async fn run(state: &Arc<State>, listener: TcpListener) {
    let router = api::router(state);
    let places = Arc::new(Semaphore::new(state.options.connections));
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = state.ended() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Who comes when all places are taken is let go at once: places come back by time.
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    state.metrics.turned_away.inc();
                    continue;
                };
                let (router, state) = (router.clone(), Arc::clone(state));
                open.spawn(async move {
                    state.metrics.connections.inc();
                    connection(stream, Peer(peer), router, &state).await;
                    state.metrics.connections.dec();
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let finish = async { while open.join_next().await.is_some() {} };
    if timeout(LAST, finish).await.is_err() {
        tracing::info!("connections are closed while they are used");
    }
}

async fn connection(stream: TcpStream, peer: Peer, router: Router, state: &State) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match state.options.tls.clone() {
        None => serve(Timed::of(stream), peer, router, state).await,
        Some(tls) => match timeout(HEAD, TlsAcceptor::from(tls).accept(Timed::of(stream))).await {
            Ok(Ok(stream)) => serve(stream, peer, router, state).await,
            Ok(Err(error)) => tracing::debug!(%error, peer = %peer.0, "no TLS"),
            Err(_) => tracing::debug!(peer = %peer.0, "no TLS in time"),
        },
    }
}

async fn serve<I>(io: I, peer: Peer, router: Router, state: &State)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        let answer = service.call(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(LINES);
    builder.max_buf_size(HELD);
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = state.ended() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, peer = %peer.0, "a connection ends early");
    }
}

/// A connection that ends where nobody takes what is written for too long.
struct Timed<I> {
    io: I,
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<I> Timed<I> {
    const fn of(io: I) -> Self {
        Self { io, stuck: None }
    }

    fn watched<T>(
        &mut self,
        to: Poll<T>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, std::io::Error>> {
        match to {
            Poll::Ready(done) => {
                self.stuck = None;
                Poll::Ready(Ok(done))
            }
            Poll::Pending => {
                let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(TAKE)));
                match stuck.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Timed<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, to)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Timed<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let to = Pin::new(&mut self.io).poll_write(context, octets);
        self.watched(to, context).map(|done| done.and_then(|written| written))
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let to = Pin::new(&mut self.io).poll_flush(context);
        self.watched(to, context).map(|done| done.and_then(|flushed| flushed))
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let to = Pin::new(&mut self.io).poll_shutdown(context);
        self.watched(to, context).map(|done| done.and_then(|shut| shut))
    }
}
