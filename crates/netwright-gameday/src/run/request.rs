//! Requests over HTTP: where they go, how they are made, and what is answered.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use netwright_lab::monitor::connect;

use super::Setting;

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

/// A host and port as an address: an address, or the name of an endpoint.
pub(crate) fn address(setting: &Setting<'_>, host: &str, port: u16) -> Result<SocketAddr, String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, port));
    }
    let party = setting.plan.parties.named(host).and_then(|party| party.source.or(party.public));
    let party = party
        .ok_or_else(|| format!("{host} is neither an address nor an endpoint of this network"))?;
    Ok(SocketAddr::new(party, port))
}

/// The parts of a URL: host, port, path.
pub(crate) fn parts(url: &str) -> Result<(String, u16, String), String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| format!("`{url}`: only http:// is spoken here"))?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.contains(']') => {
            (host, port.parse().map_err(|_| format!("`{url}`: {port} is no port"))?)
        }
        _ => (host, 80),
    };
    Ok((host.to_owned(), port, path.to_owned()))
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
    stream: &mut TcpStream,
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
    stream.set_write_timeout(Some(patience)).map_err(|error| error.to_string())?;
    stream.write_all(&all).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let mut part = [0; 16 * 1024];
    while (answer.len() as u64) < LONGEST {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("no answer in time".to_owned());
        }
        stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
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
        assert_eq!(parts("http://gateway:8080/a?b"), Ok(("gateway".into(), 8080, "/a?b".into())));
        assert_eq!(parts("http://10.0.0.1"), Ok(("10.0.0.1".into(), 80, "/".into())));
        assert!(parts("https://x").is_err());
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
}
