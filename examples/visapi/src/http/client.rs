//! Requests to other processes: one connection each, and a time within which all of it is over.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The largest answer that is read, in octets.
const LARGEST: usize = 64 << 20;

/// What somebody answered.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its header.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// How.
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    /// Header lines.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

impl Asked {
    /// A GET.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// With a key.
    pub(crate) fn with_key(mut self, key: Option<&str>) -> Self {
        if let Some(Ok(key)) = key.map(HeaderValue::from_str) {
            self.headers.insert("x-api-key", key);
        }
        self
    }
}

/// Host and port of `http://HOST:PORT`.
pub(crate) fn authority(url: &str) -> Result<&str, String> {
    let rest = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let fits = |rest: &&str| {
        let port =
            rest.rsplit_once(':').and_then(|(host, port)| port.parse::<u16>().ok().map(|_| host));
        port.is_some_and(|host| !host.is_empty()) && !rest.contains(['/', '@', ' '])
    };
    rest.filter(fits)
        .ok_or_else(|| format!("`{url}` is no address of a process: write http://HOST:PORT"))
}

/// Asks, and waits for so long at most.
pub(crate) async fn ask(url: &str, asked: Asked, limit: Duration) -> Result<Answered, String> {
    let whole = async {
        let authority = authority(url)?;
        let stream = TcpStream::connect(authority).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let told = |error: hyper::Error| crate::trouble::chain(&error);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
        let driver = tokio::spawn(connection);
        let mut request = Request::new(Full::new(asked.body));
        *request.method_mut() = asked.method;
        *request.uri_mut() =
            asked.path.parse().map_err(|_| format!("`{}` is no path", asked.path))?;
        *request.headers_mut() = asked.headers;
        let host = HeaderValue::from_str(authority).map_err(|error| error.to_string())?;
        request.headers_mut().insert(HOST, host);
        let response = sender.send_request(request).await.map_err(told)?;
        let (head, body) = response.into_parts();
        let body =
            Limited::new(body, LARGEST).collect().await.map_err(|error| error.to_string())?;
        driver.abort();
        Ok(Answered { status: head.status, headers: head.headers, body: body.to_bytes() })
    };
    let late = |_| Err(format!("no answer within {} ms", limit.as_millis()));
    tokio::time::timeout(limit, whole).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn an_address_has_a_scheme_a_host_and_a_port() {
        assert_eq!(authority("http://10.0.0.1:8080"), Ok("10.0.0.1:8080"));
        assert_eq!(authority("http://[::1]:80/"), Ok("[::1]:80"));
        for wrong in [
            "",
            "10.0.0.1:80",
            "https://a:80",
            "http://a",
            "http://:80",
            "http://a:b",
            "http://a:80/x",
        ] {
            assert!(authority(wrong).is_err(), "{wrong}");
        }
    }
}
