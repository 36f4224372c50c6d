//! Connections of clients that speak HTTP/1.1: so many at a time, each with a time for its head.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What a client is told.
pub(crate) type Answer = Response<Full<Bytes>>;

/// How long a head may take, and its octets.
const HEAD: Duration = Duration::from_secs(10);
const OCTETS: usize = 65_536;

/// Answers until `until` ends. Who comes when `most` are there waits.
pub(crate) async fn serve<F>(
    listener: TcpListener,
    most: usize,
    until: impl Future<Output = ()>,
    answer: impl Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Result<Answer, Infallible>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(most));
    let mut until = std::pin::pin!(until);
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = &mut until => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of files, say: they come back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| answer(request, peer));
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(OCTETS);
            // What went wrong with a connection is its peer's matter.
            let _ended = server.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}
