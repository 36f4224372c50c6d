//! A POST of JSON over HTTP/1.1, with TLS or without.
//!
//! Only the status of the answer is read, and no more than its first line may take.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Failure;

/// The longest first line of an answer, in octets.
const LINE: usize = 1024;

/// Where a notification is posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    tls: bool,
    host: String,
    port: u16,
    path: String,
    /// What stands behind `Authorization: Bearer`.
    token: Option<String>,
    /// Authorities that it is believed by, beside the machine's.
    authorities: Authorities,
}

/// Authorities beside the machine's.
pub type Authorities = Arc<[CertificateDer<'static>]>;

/// Why an address cannot be posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongTarget(pub String);

impl fmt::Display for WrongTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongTarget {}

impl Target {
    /// Reads `http://host:port/path` or `https://…`.
    ///
    /// # Errors
    ///
    /// It is none: another scheme, no host, octets that may not stand in a request.
    pub fn parse(url: &str) -> Result<Self, WrongTarget> {
        let wrong = |why: &str| Err(WrongTarget(format!("`{}` {why}", url.escape_debug())));
        let (tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return wrong("begins with neither http:// nor https://"),
        };
        // What would end a line of the request, or be read as something else.
        if !rest.bytes().all(|octet| octet.is_ascii_graphic()) || rest.contains(['#', '@']) {
            return wrong("holds what does not belong into an address");
        }
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let usual = if tls { 443 } else { 80 };
        let Some((host, port)) = split(authority, usual) else { return wrong("has no such port") };
        if host.is_empty() {
            return wrong("names no host");
        }
        Ok(Self { tls, host, port, path, token: None, authorities: Authorities::default() })
    }

    /// With a token that lets it in.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Believed by these authorities too.
    #[must_use]
    pub fn with_authorities(mut self, authorities: Authorities) -> Self {
        self.authorities = authorities;
        self
    }

    /// The same with a path behind its own.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        Self { path: format!("{}{path}", self.path.trim_end_matches('/')), ..self.clone() }
    }

    fn request(&self, body: &str) -> String {
        let Self { host, port, path, token, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let token = token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n"));
        format!(
            "POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: netwright\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            token.unwrap_or_default(),
            body.len(),
        )
    }
}

/// A host and a port; an address of IPv6 stands in brackets.
pub(super) fn split(authority: &str, usual: u16) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':').or_else(|| port.is_empty().then_some(""))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let port =
        if port.is_empty() { Some(usual) } else { port.parse().ok().filter(|port| *port > 0) };
    Some((host.to_owned(), port?))
}

pub(super) async fn post(target: &Target, body: &str) -> Result<(), Failure> {
    let again = |error: std::io::Error| Failure::Again(error.to_string());
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(again)?;
    let request = target.request(body);
    if target.tls {
        let stream = secured(&target.host, stream, &target.authorities).await?;
        exchange(stream, &request).await
    } else {
        exchange(stream, &request).await
    }
}

/// TLS over a connection, believing whom the machine believes, and these.
pub(super) async fn secured(
    host: &str,
    stream: TcpStream,
    more: &Authorities,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    let mut roots = ROOTS
        .get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        })
        .clone();
    roots.add_parsable_certificates(more.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Failure::Final(error.to_string()))?;
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| Failure::Final(error.to_string()))?;
    let connector = TlsConnector::from(config);
    connector.connect(name, stream).await.map_err(|error| Failure::Again(error.to_string()))
}

async fn exchange<S>(mut stream: S, request: &str) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let again = |error: std::io::Error| Failure::Again(error.to_string());
    stream.write_all(request.as_bytes()).await.map_err(again)?;
    stream.flush().await.map_err(again)?;
    let mut line = Vec::with_capacity(LINE);
    while !line.contains(&b'\n') && line.len() < LINE {
        let mut part = [0; 256];
        let read = stream.read(&mut part).await.map_err(again)?;
        if read == 0 {
            break;
        }
        line.extend_from_slice(&part[..read]);
    }
    judge(&String::from_utf8_lossy(&line))
}

/// What an answer's first line says.
fn judge(answer: &str) -> Result<(), Failure> {
    let line = answer.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let status = words.next().filter(|word| word.starts_with("HTTP/1.")).and(words.next());
    match status.and_then(|status| status.parse::<u16>().ok()) {
        Some(200..=299) => Ok(()),
        Some(status @ (408 | 425 | 429 | 500..=599)) => {
            Err(Failure::Again(format!("it answered {status}")))
        }
        Some(status) => Err(Failure::Final(format!("it answered {status}"))),
        None => Err(Failure::Again("it answered with something else than HTTP".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Target, judge};

    #[test]
    fn addresses_are_read_strictly() {
        let request = |url: &str| Target::parse(url).unwrap().request("{}");
        assert!(
            request("http://hooks.example/a?b=c")
                .starts_with("POST /a?b=c HTTP/1.1\r\nHost: hooks.example:80\r\n")
        );
        assert!(
            request("https://[::1]:8443").starts_with("POST / HTTP/1.1\r\nHost: [::1]:8443\r\n")
        );
        let below = Target::parse("http://am:9093/prefix/").unwrap().below("/api/v2/alerts");
        assert!(below.request("").starts_with("POST /prefix/api/v2/alerts "));
        for wrong in [
            "ftp://a",
            "http://",
            "http://a b",
            "http://a\r\nX: y",
            "http://user@a",
            "http://a:0",
            "http://a:x",
            "http://[::1",
            "a",
            "",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_the_other_end_does_not_want_is_not_tried_again() {
        assert!(judge("HTTP/1.1 202 Accepted\r\n").is_ok());
        for again in
            ["HTTP/1.1 503 Busy", "HTTP/1.0 429 Slow", "", "SSH-2.0-x", "HTTP/1.1", "HTTP/1.1 abc"]
        {
            assert!(matches!(judge(again), Err(Failure::Again(_))), "{again}");
        }
        assert!(matches!(judge("HTTP/1.1 400 Bad"), Err(Failure::Final(_))));
    }
}
