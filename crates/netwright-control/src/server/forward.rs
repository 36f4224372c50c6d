//! What only the leader can do is passed on to it, once: a server that is passed something and does not lead says so.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::Response;
use http_body_util::Limited;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::State;
use crate::api::problem::{Kind, Problem};

/// How often a request was passed on.
const HOPS: HeaderName = HeaderName::from_static("x-netwright-hops");

/// How long the leader is tried to be reached.
const REACH: Duration = Duration::from_secs(3);

/// How long its answer is waited for.
const ANSWER: Duration = Duration::from_secs(60);

/// Headers of one connection, which are not passed on.
const OWN: [HeaderName; 7] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    header::HOST,
];

/// Passes a request on to the leader.
///
/// # Errors
///
/// [`Kind::NoLeader`] where nobody leads, or he cannot be reached, or the request was passed on before; [`Kind::OutcomeUnknown`] where it was sent and
/// no answer came.
pub(crate) async fn to_leader(
    state: &State,
    request: Request,
    most: usize,
) -> Result<Response, Problem> {
    let none = |why: String| Problem::new(Kind::NoLeader, why);
    if request.headers().contains_key(&HOPS) {
        return Err(none("it was passed on, and this server does not lead either".to_owned()));
    }
    let leader = state.leader().ok_or_else(|| none("nobody leads at the moment".to_owned()))?;
    if leader.server == state.options.server {
        return Err(none(
            "this server leads by its key in the store, and has not begun to".to_owned(),
        ));
    }
    let unusable = |why: &str| none(format!("{} leads at {}: {why}", leader.server, leader.url));
    let url: Uri = leader.url.parse().map_err(|_| unusable("that is no address"))?;
    let authority = url.authority().ok_or_else(|| unusable("that is no address"))?;
    let tls = url.scheme_str() == Some("https");
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let connected = timeout(REACH, TcpStream::connect((host.as_str(), port))).await;
    let stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(unusable(&error.to_string())),
        Err(_) => return Err(unusable("it cannot be reached in time")),
    };
    let request = passed(request, authority.as_str(), most)?;
    if tls {
        let roots = state.options.peers.clone();
        let roots = roots
            .ok_or_else(|| unusable("this server knows no certificate to believe (--peer-ca)"))?;
        let name = ServerName::try_from(host).map_err(|_| unusable("that is no name"))?;
        let shaken = timeout(REACH, TlsConnector::from(roots).connect(name, stream)).await;
        let stream = match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unusable(&error.to_string())),
            Err(_) => return Err(unusable("it does not answer in time")),
        };
        send(stream, request).await
    } else {
        send(stream, request).await
    }
}

/// The request as it is sent on.
fn passed(request: Request, authority: &str, most: usize) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    parts.uri = path.parse().map_err(|_| Problem::internal("a path that is none"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &parts.headers {
        if !OWN.contains(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers.insert(HOPS, HeaderValue::from_static("1"));
    let host = HeaderValue::from_str(authority);
    headers.insert(header::HOST, host.map_err(|_| Problem::internal("a host that is none"))?);
    parts.headers = headers;
    parts.extensions.clear();
    Ok(Request::from_parts(parts, Body::new(Limited::new(body, most))))
}

async fn send<I>(io: I, request: Request) -> Result<Response, Problem>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lost = |why: String| Problem::new(Kind::OutcomeUnknown, format!("the leader: {why}"));
    let (mut sender, connection) = http1::handshake::<_, Body>(TokioIo::new(io))
        .await
        .map_err(|error| Problem::new(Kind::NoLeader, format!("the leader: {error}")))?;
    // It ends with its sender, or when the answer was read.
    let connection = tokio::spawn(connection);
    let answer = match timeout(ANSWER, sender.send_request(request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(lost(error.to_string())),
        Err(_) => {
            connection.abort();
            return Err(lost(format!("no answer in {ANSWER:?}")));
        }
    };
    let (mut parts, body) = answer.into_parts();
    for name in &OWN {
        parts.headers.remove(name);
    }
    Ok(Response::from_parts(parts, Body::new(body)))
}
