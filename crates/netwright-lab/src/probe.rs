//! Real TCP connections between namespaces of a lab: whether each is made and answered, and which source the far end sees.
//!
//! Sockets are made inside their namespaces by a thread that enters them, and used from here. A connection carries its own number, so that
//! what arrives is known whatever was translated on the way.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{Kernel, within};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{set_ipv6_freebind, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, listen, socket_with};
use serde_json::{Value, json};

/// Connections tried at a time to one place.
const AT_A_TIME: usize = 128;

/// Places that are tried at a time.
const PLACES: usize = 24;

/// Connections that wait to be taken.
const WAITING: i32 = 256;

/// A connection to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Namespace that sends.
    pub from: String,
    /// Its address.
    pub source: SocketAddr,
    /// Where the connection goes, as its sender knows it.
    pub target: SocketAddr,
    /// Namespace that listens.
    pub to: String,
    /// The address that it listens on: what the target is after all translations.
    pub listens: IpAddr,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The connection was made, and what was sent arrived at the listener.
    pub connected: bool,
    /// The source that the listener saw.
    pub source: Option<IpAddr>,
    /// Why it could not be tried, or how it ended.
    pub why: Option<String>,
}

impl Seen {
    fn failed(why: impl Into<String>) -> Self {
        Self { connected: false, source: None, why: Some(why.into()) }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "connected": self.connected,
            "source": self.source.map(|source| source.to_string()),
            "why": self.why,
        })
    }

    pub(crate) fn from_json(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        Self {
            connected: value.get("connected").and_then(Value::as_bool).unwrap_or_default(),
            source: text("source").and_then(|source| source.parse().ok()),
            why: text("why").map(str::to_owned),
        }
    }
}

impl Probe {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "from": self.from,
            "source": self.source.to_string(),
            "target": self.target.to_string(),
            "to": self.to,
            "listens": self.listens.to_string(),
        })
    }

    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        Some(Self {
            from: text("from")?.to_owned(),
            source: text("source")?.parse().ok()?,
            target: text("target")?.parse().ok()?,
            to: text("to")?.to_owned(),
            listens: text("listens")?.parse().ok()?,
        })
    }
}

/// Tries connections; the answers are in the order of the probes. Those to one place are tried together, for as long as `patience`.
pub fn probe(kernel: &Kernel, probes: &[Probe], patience: Duration) -> Vec<Seen> {
    let mut seen: Vec<Seen> = vec![Seen::failed("it was not tried"); probes.len()];
    let mut places: BTreeMap<(&str, SocketAddr), Vec<usize>> = BTreeMap::new();
    for (index, probe) in probes.iter().enumerate() {
        let listens = SocketAddr::new(probe.listens, probe.target.port());
        places.entry((&probe.to, listens)).or_default().push(index);
    }
    let queue = Mutex::new(places.into_iter());
    let results = Mutex::new(&mut seen);
    std::thread::scope(|scope| {
        for _ in 0..PLACES {
            scope.spawn(|| {
                while let Some(((namespace, listens), indices)) = next(&queue) {
                    // One after the other: an address and port has one listener.
                    for part in indices.chunks(AT_A_TIME) {
                        let own: Vec<(usize, &Probe)> =
                            part.iter().map(|index| (*index, &probes[*index])).collect();
                        let found = one_place(kernel, namespace, listens, &own, patience);
                        let Ok(mut seen) = results.lock() else { return };
                        for (index, result) in found {
                            seen[index] = result;
                        }
                    }
                }
            });
        }
    });
    seen
}

/// The next piece of work; none where there is no more.
fn next<T>(queue: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    queue.lock().ok()?.next()
}

/// A socket with an address of its own, which may be one of a whole range that is its namespace's.
fn socket(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        set_ipv6_freebind(&socket, true)?;
    }
    bind(&socket, address)?;
    Ok(socket)
}

fn one_place(
    kernel: &Kernel,
    namespace: &str,
    listens: SocketAddr,
    probes: &[(usize, &Probe)],
    patience: Duration,
) -> Vec<(usize, Seen)> {
    let all = |why: &str| probes.iter().map(|(index, _)| (*index, Seen::failed(why))).collect();
    let Some(space) = kernel.namespace(namespace) else {
        return all(&format!("the lab has no {namespace}"));
    };
    let made = within(space, || -> io::Result<OwnedFd> {
        let socket = socket(&listens)?;
        listen(&socket, WAITING)?;
        Ok(socket)
    });
    let listener = match made.and_then(|made| made) {
        Ok(socket) => TcpListener::from(socket),
        Err(error) => return all(&format!("{namespace} cannot listen on {listens}: {error}")),
    };
    let mut open: Vec<(usize, TcpStream)> = Vec::new();
    let mut results: BTreeMap<usize, Seen> = BTreeMap::new();
    for (index, probe) in probes {
        match start(kernel, probe) {
            Ok(stream) => open.push((*index, stream)),
            Err(why) => {
                results.insert(*index, Seen::failed(why));
            }
        }
    }
    let end = Instant::now() + patience;
    wait(&listener, open, end, &mut results);
    results.into_iter().collect()
}

/// Begins a connection from its own namespace.
fn start(kernel: &Kernel, probe: &Probe) -> Result<TcpStream, String> {
    let space = kernel.namespace(&probe.from).ok_or(format!("the lab has no {}", probe.from))?;
    let made = within(space, || -> io::Result<OwnedFd> {
        let socket = socket(&probe.source)?;
        match connect(&socket, &probe.target) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
            Err(error) => Err(error.into()),
        }
    });
    match made.and_then(|made| made) {
        Ok(socket) => Ok(TcpStream::from(socket)),
        Err(error) => Err(format!("{} cannot send from {}: {error}", probe.from, probe.source)),
    }
}

/// Waits until every connection is made or refused, or time is up. A connection counts when its number has arrived.
fn wait(
    listener: &TcpListener,
    mut open: Vec<(usize, TcpStream)>,
    end: Instant,
    results: &mut BTreeMap<usize, Seen>,
) {
    let mut accepted: Vec<(TcpStream, IpAddr)> = Vec::new();
    while !open.is_empty() || !accepted.is_empty() {
        let Some(left) = end.checked_duration_since(Instant::now()) else { break };
        let mut waiting: Vec<PollFd<'_>> = vec![PollFd::new(listener, PollFlags::IN)];
        waiting.extend(open.iter().map(|(_, stream)| PollFd::new(stream, PollFlags::OUT)));
        waiting.extend(accepted.iter().map(|(stream, _)| PollFd::new(stream, PollFlags::IN)));
        let time = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(1),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        if !matches!(poll(&mut waiting, Some(&time)), Ok(1..)) {
            break;
        }
        let ready: Vec<bool> = waiting.iter().map(|poll| !poll.revents().is_empty()).collect();
        drop(waiting);
        let (clients, servers) = ready[1..].split_at(open.len());
        let (clients, servers) = (clients.to_vec(), servers.to_vec());
        take(&mut accepted, &servers, results);
        send(&mut open, &clients, results);
        while let Ok((stream, from)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok() {
                accepted.push((stream, from.ip()));
            }
        }
    }
    for (index, _) in open {
        results.entry(index).or_insert_with(|| Seen::failed("no answer"));
    }
}

/// Sends its number over each connection that is made.
fn send(open: &mut Vec<(usize, TcpStream)>, ready: &[bool], results: &mut BTreeMap<usize, Seen>) {
    let mut ready = ready.iter();
    open.retain_mut(|(index, stream)| {
        if ready.next() != Some(&true) {
            return true;
        }
        let refused = stream.take_error().ok().flatten();
        let sent = match refused {
            Some(error) => Err(error),
            None => stream.write_all(&index.to_be_bytes()),
        };
        let why = match sent {
            Ok(()) => "it was made, and what was sent did not arrive".to_owned(),
            Err(error) => error.to_string(),
        };
        results.entry(*index).or_insert_with(|| Seen::failed(why));
        false
    });
}

/// Reads the numbers of connections that were taken.
fn take(
    accepted: &mut Vec<(TcpStream, IpAddr)>,
    ready: &[bool],
    results: &mut BTreeMap<usize, Seen>,
) {
    let mut ready = ready.iter();
    accepted.retain_mut(|(stream, from)| {
        if ready.next() != Some(&true) {
            return true;
        }
        let mut number = [0; size_of::<usize>()];
        if stream.read_exact(&mut number).is_ok() {
            let seen = Seen { connected: true, source: Some(*from), why: None };
            results.insert(usize::from_be_bytes(number), seen);
        }
        false
    });
}
