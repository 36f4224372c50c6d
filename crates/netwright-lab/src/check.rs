//! Health checks: connections from a node's namespace to what really listens behind a balancer, all side by side.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{Kernel, within};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketType, connect};
use serde::{Deserialize, Serialize};

use crate::probe::bound;

/// Octets of an answer's first line at most.
const LINE: usize = 512;

/// Longest time of a check.
const LONGEST: Duration = Duration::from_secs(60);

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The namespace that asks.
    pub from: String,
    /// The address that it asks from.
    pub source: IpAddr,
    /// What is asked.
    pub target: SocketAddr,
    /// The path of a GET; a connection alone where there is none.
    pub path: Option<String>,
    /// How long the answer may take, in milliseconds.
    pub milliseconds: u64,
}

/// What came of it, and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// What came of it.
    pub answered: Answered,
    /// From the first packet to the connection, in seconds, where there was one.
    pub connect: Option<f64>,
    /// In all, in seconds.
    pub seconds: f64,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    /// The connection was made, and nothing more was asked.
    Connected,
    /// An HTTP answer with this status.
    Status(u16),
    /// Nothing listens there.
    Refused,
    /// A router or a filter says that there is no way.
    Unreachable,
    /// The connection broke off, or was closed before an answer.
    Broken,
    /// No connection in time.
    NoConnection,
    /// A connection, and no answer in time.
    NoAnswer,
    /// An answer that is no HTTP.
    Malformed,
    /// It could not be tried: nothing is known of the target.
    Untried(String),
}

/// A check whose socket is made.
pub(crate) type Made = Result<OwnedFd, String>;

/// Makes the sockets, inside their namespaces; nothing is sent yet.
pub(crate) fn sockets(kernel: &Kernel, checks: &[Check]) -> Vec<Made> {
    let made = checks.iter().map(|check| {
        let space = kernel.namespace(&check.from);
        let space = space.ok_or_else(|| format!("the lab has no {}", check.from))?;
        let address = SocketAddr::new(check.source, 0);
        let made =
            within(space, || bound(&address, SocketType::STREAM, None)).and_then(|made| made);
        made.map_err(|error| format!("{} cannot send from {}: {error}", check.from, check.source))
    });
    made.collect()
}

/// Asks; the answers are in the order of the checks.
pub(crate) fn ask(checks: &[Check], made: Vec<Made>) -> Vec<Told> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = checks
            .iter()
            .zip(made)
            .map(|(check, made)| {
                scope.spawn(move || {
                    let (began, mut connect) = (Instant::now(), None);
                    let answered = match made {
                        Ok(socket) => answer(check, socket, &mut connect),
                        Err(why) => Answered::Untried(why),
                    };
                    Told { answered, connect, seconds: began.elapsed().as_secs_f64() }
                })
            })
            .collect();
        let gone = || Told {
            answered: Answered::Untried("a thread ended in the middle".to_owned()),
            connect: None,
            seconds: 0.0,
        };
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| gone())).collect()
    })
}

fn answer(check: &Check, socket: OwnedFd, connected: &mut Option<f64>) -> Answered {
    let began = Instant::now();
    let until = began + Duration::from_millis(check.milliseconds).min(LONGEST);
    match connect(&socket, &check.target) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return failed(&error.into()),
    }
    let mut waiting = [PollFd::new(&socket, PollFlags::OUT)];
    let left = until.saturating_duration_since(Instant::now());
    let Ok(left) = Timespec::try_from(left) else { return Answered::NoConnection };
    match poll(&mut waiting, Some(&left)) {
        Ok(0) => return Answered::NoConnection,
        Ok(_) => {}
        Err(error) => return Answered::Untried(error.to_string()),
    }
    let stream = TcpStream::from(socket);
    match stream.take_error() {
        Ok(None) => {}
        Ok(Some(error)) | Err(error) => return failed(&error),
    }
    *connected = Some(began.elapsed().as_secs_f64());
    let Some(path) = &check.path else { return Answered::Connected };
    get(stream, check.target, path, until).unwrap_or_else(|error| failed(&error))
}

fn get(
    mut stream: TcpStream,
    target: SocketAddr,
    path: &str,
    until: Instant,
) -> io::Result<Answered> {
    stream.set_nonblocking(false)?;
    let left = || until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_write_timeout(Some(left()))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: netwright-health\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut line = Vec::with_capacity(LINE);
    while line.len() < LINE && !line.contains(&b'\n') {
        if Instant::now() >= until {
            return Ok(Answered::NoAnswer);
        }
        stream.set_read_timeout(Some(left()))?;
        let mut part = [0; LINE];
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => line.extend_from_slice(&part[..read]),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                return Ok(Answered::NoAnswer);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(status(&line))
}

/// What the first line of an answer says.
fn status(line: &[u8]) -> Answered {
    if line.is_empty() {
        return Answered::Broken;
    }
    let line = String::from_utf8_lossy(line);
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    status.map_or(Answered::Malformed, Answered::Status)
}

fn failed(error: &io::Error) -> Answered {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Answered::Refused,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::PermissionDenied => Answered::Unreachable,
        io::ErrorKind::TimedOut => Answered::NoConnection,
        _ => Answered::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::{Answered, status};

    #[test]
    fn only_http_is_an_answer_to_a_get() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n"), Answered::Status(200));
        assert_eq!(status(b"HTTP/1.0 503\n"), Answered::Status(503));
        assert_eq!(status(b""), Answered::Broken);
        for odd in [&b"SSH-2.0"[..], b"HTTP/1.1", b"HTTP/1.1 2x0 ", b"\xff\xff"] {
            assert_eq!(status(odd), Answered::Malformed, "{odd:?}");
        }
    }
}
