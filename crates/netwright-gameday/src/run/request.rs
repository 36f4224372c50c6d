//! Requests over HTTP: where they go, how they are made, and what is answered.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use netwright_lab::monitor::connect;
use netwright_model::source::Spanned;

use super::Setting;
use super::tls::{Stream, Tls};
use crate::language::Experiment;

/// Longest answer that is read, in octets.
pub(super) const LONGEST: u64 = 4 * 1024 * 1024;

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// What stands before its body.
    pub(crate) head: String,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

/// The namespace of an endpoint.
pub(crate) fn namespace(setting: &Setting<'_>, name: &str) -> Result<String, String> {
    let party = setting.plan.parties.named(name);
    let party = party.ok_or_else(|| format!("{name} is no endpoint of this network"))?;
    party.namespaces.first().cloned().ok_or_else(|| format!("{name} does not stand in the lab"))
}

/// The endpoint that requests come from: their own, or the experiment's controller; none where they come from this machine.
pub(crate) fn origin<'e>(
    experiment: &'e Experiment,
    own: Option<&'e Spanned<String>>,
) -> Option<&'e Spanned<String>> {
    own.or(experiment.safety.controller.as_ref())
}

/// The namespace of that endpoint.
pub(super) fn source(
    setting: &Setting<'_>,
    own: Option<&Spanned<String>>,
) -> Result<Option<String>, String> {
    let from = origin(&setting.plan.experiment, own);
    from.map(|from| namespace(setting, &from.value)).transpose()
}

/// A host without the brackets that hold an address of IPv6.
pub(super) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// A host and port as an address: an address, or the name of an endpoint.
pub(crate) fn address(setting: &Setting<'_>, host: &str, port: u16) -> Result<SocketAddr, String> {
    if let Ok(address) = bare(host).parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, port));
    }
    let party = setting.plan.parties.named(host).and_then(|party| party.source.or(party.public));
    let party = party
        .ok_or_else(|| format!("{host} is neither an address nor an endpoint of this network"))?;
    Ok(SocketAddr::new(party, port))
}

/// The parts of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// With TLS.
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// With what is asked of it.
    pub(crate) path: String,
}

/// Takes a URL apart.
pub(crate) fn parts(url: &str) -> Result<Url, String> {
    let (secure, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(format!("`{url}`: only http:// and https:// are spoken here")),
    };
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.contains(']') => {
            (host, port.parse().map_err(|_| format!("`{url}`: {port} is no port"))?)
        }
        _ => (host, if secure { 443 } else { 80 }),
    };
    Ok(Url { secure, host: host.to_owned(), port, path: path.to_owned() })
}

/// A connection for requests to a host.
pub(super) fn begin(
    stream: TcpStream,
    (host, tls): (&str, Option<&Tls>),
    patience: Duration,
) -> Result<Stream, String> {
    let Some(tls) = tls else { return Ok(Stream::Plain(stream)) };
    let set = stream
        .set_read_timeout(Some(patience))
        .and_then(|()| stream.set_write_timeout(Some(patience)));
    set.map_err(|error| error.to_string())?;
    tls.begin(host, stream)
}

/// Where a connection is made to: the addresses that are tried, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target(Vec<SocketAddr>);

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self(vec![address])
    }
}

impl Target {
    /// An address, or the name of an endpoint; from this machine, also any other name that it knows.
    pub(super) fn of(
        setting: &Setting<'_>,
        from: Option<&str>,
        (host, port): (&str, u16),
        patience: Duration,
    ) -> Result<Self, String> {
        match address(setting, host, port) {
            Ok(known) => Ok(known.into()),
            Err(_) if from.is_none() => resolved(host, port, patience).map(Self),
            Err(why) => Err(why),
        }
    }
}

/// What this machine knows of a name.
fn resolved(host: &str, port: u16, patience: Duration) -> Result<Vec<SocketAddr>, String> {
    let (tell, told) = channel();
    let name = host.to_owned();
    // The system's resolver has no time-out of its own that one could set: where it takes too long, it is left alone until it ends.
    std::thread::spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        let _nobody_waits_any_more = tell.send(found);
    });
    match told.recv_timeout(patience) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(format!(
            "{host} is no endpoint of this network, and this machine finds no address of it: {error}"
        )),
        Err(_) => Err(format!("this machine found no address of {host} in time")),
    }
}

/// A connection out of an endpoint of the lab, or of this machine.
pub(super) fn open(
    setting: &Setting<'_>,
    from: Option<&str>,
    target: &Target,
    patience: Duration,
) -> Result<TcpStream, String> {
    let mut why = "it has no address".to_owned();
    for address in &target.0 {
        let opened = match from {
            Some(namespace) => connect(setting.lab, namespace, *address, patience)
                .map_err(|failure| failure.message),
            None => {
                TcpStream::connect_timeout(address, patience).map_err(|error| error.to_string())
            }
        };
        match opened {
            Ok(stream) => return Ok(stream),
            Err(failed) => why = failed,
        }
    }
    Err(why)
}

/// One request over a connection of its own, with HTTP/1.0, so that its end is the end of the connection.
pub(super) fn ask(
    stream: &mut Stream,
    (method, path, host): (&str, &str, &str),
    headers: &[(String, String)],
    body: &[u8],
    patience: Duration,
) -> Result<Answer, String> {
    let until = Instant::now() + patience;
    let mut text =
        format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        // What would end the line is no part of a field.
        let clean = |text: &str| text.replace(['\r', '\n'], " ");
        text.push_str(&format!("{}: {}\r\n", clean(name), clean(value)));
    }
    text.push_str("\r\n");
    let mut all = text.into_bytes();
    all.extend_from_slice(body);
    stream.tcp().set_write_timeout(Some(patience)).map_err(|error| error.to_string())?;
    stream.write_all(&all).and_then(|()| stream.flush()).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let mut part = [0; 16 * 1024];
    while (answer.len() as u64) < LONGEST {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("no answer in time".to_owned());
        }
        stream.tcp().set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(part.get(..read).unwrap_or_default()),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                return Err("no answer in time".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        }
        if is_whole(&answer) {
            break;
        }
    }
    let status =
        answer.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
    let status = status.filter(|_| answer.starts_with(b"HTTP/1."));
    let status = status.ok_or_else(|| "what answers does not speak HTTP".to_owned())?;
    let body = head(&answer).map_or_else(Vec::new, |at| answer.split_off(at));
    Ok(Answer { status, head: String::from_utf8_lossy(&answer).into_owned(), body })
}

/// Where the body of an answer begins.
fn head(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Whether an answer that says how long it is has come whole.
fn is_whole(answer: &[u8]) -> bool {
    let Some(at) = head(answer) else { return false };
    let text = String::from_utf8_lossy(answer.get(..at).unwrap_or_default()).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= at + length)
}

/// Header fields as they are written.
pub(crate) fn headers(
    fields: &netwright_model::decode::Entries<crate::language::Any>,
) -> Vec<(String, String)> {
    fields
        .iter()
        .map(|(name, value)| (name.value.clone(), value.0.as_text().unwrap_or_default().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

    use super::*;

    #[test]
    fn urls_fall_into_host_port_and_path() {
        let of = |secure: bool, host: &str, port: u16, path: &str| {
            Ok(Url { secure, host: host.to_owned(), port, path: path.to_owned() })
        };
        assert_eq!(parts("http://gateway:8080/a?b"), of(false, "gateway", 8080, "/a?b"));
        assert_eq!(parts("http://10.0.0.1"), of(false, "10.0.0.1", 80, "/"));
        assert_eq!(parts("https://[::1]/x"), of(true, "[::1]", 443, "/x"));
        assert!(parts("ftp://x").is_err());
        assert!(parts("http://x:y/").is_err());
    }

    #[test]
    fn this_machine_is_asked_for_names_and_says_so_where_it_knows_none() {
        let patience = Duration::from_secs(20);
        let found = resolved("localhost", 80, patience).unwrap();
        assert!(found.iter().all(|one| one.ip().is_loopback() && one.port() == 80), "{found:?}");
        let why = resolved("nobody.invalid", 80, patience).unwrap_err();
        assert!(why.contains("nobody.invalid"), "{why}");
    }

    /// A server with a certificate of its own, which answers one request; what trusts it.
    fn server(name: &str) -> (SocketAddr, Tls) {
        let own = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let session = rustls::ServerConnection::new(std::sync::Arc::new(config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream);
            let mut part = [0; 4096];
            // Who does not trust it sends nothing.
            let Ok(1..) = stream.read(&mut part) else { return };
            let answer = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
            let _gone = stream.write_all(answer);
        });
        (address, Tls::trusting(roots).unwrap())
    }

    fn asked(address: SocketAddr, host: &str, tls: &Tls) -> Result<Answer, String> {
        let patience = Duration::from_secs(20);
        let stream = TcpStream::connect(address).unwrap();
        let mut stream = begin(stream, (host, Some(tls)), patience)?;
        ask(&mut stream, ("GET", "/", host), &[], b"", patience)
    }

    #[test]
    fn over_tls_only_who_is_trusted_by_its_name_is_asked() {
        let (address, tls) = server("shop.example");
        assert_eq!(asked(address, "shop.example", &tls).unwrap().body, b"ok");
        let (address, tls) = server("shop.example");
        let why = asked(address, "bank.example", &tls).unwrap_err();
        assert!(why.contains("not valid for name"), "{why}");
        let (address, _) = server("shop.example");
        let why = asked(address, "shop.example", &tls).unwrap_err();
        assert!(why.starts_with("TLS: "), "{why}");
    }
}
