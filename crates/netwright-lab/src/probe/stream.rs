//! TCP: a connection, its number over it, and, where it is asked for, a transfer each way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::TcpMaxSeg};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, set_tcp_nodelay};
use rustix::net::{SocketType, connect, listen};

use super::{NUMBER, Probe, Results, Round, Seen, What, socket};

/// Connections that wait to be taken.
const WAITING: i32 = 256;

/// Octets of a transfer: several packets of the largest kind.
const TRANSFER: usize = 40_000;

/// What is transferred.
static CONTENT: [u8; TRANSFER] = [0; TRANSFER];

/// Octets of a TCP header, and of its timestamps where both ends send them (RFC 7323).
const HEADER: u32 = 20;
const TIMESTAMPS: u32 = 12;

/// The end that asks.
struct Client {
    index: usize,
    stream: TcpStream,
    transfer: bool,
    made: bool,
    sent: usize,
    got: usize,
}

/// The end that answers.
struct Server {
    stream: TcpStream,
    from: IpAddr,
    index: Option<usize>,
    got: usize,
    sent: usize,
}

/// Whether this namespace's TCP sends timestamps.
fn timestamps() -> bool {
    fs::read_to_string("/proc/sys/net/ipv4/tcp_timestamps").is_ok_and(|text| text.trim() != "0")
}

pub(super) fn ask(round: &Round<'_>) -> Result<Results, String> {
    let (listener, stamps) = socket::listener(round, || {
        let socket = socket::bound(&round.listens, SocketType::STREAM, None)?;
        listen(&socket, WAITING)?;
        Ok((TcpListener::from(socket), timestamps()))
    })?;
    let (clients, results) = round.start(|index, probe| {
        let stream = start(round, probe)?;
        let transfer = probe.what == What::Transfer;
        Ok(Client { index, stream, transfer, made: false, sent: 0, got: 0 })
    });
    let mut ends = Ends {
        clients,
        underway: BTreeSet::new(),
        servers: Vec::new(),
        results,
        whole: round
            .own
            .iter()
            .map(|(index, probe)| (*index, probe.what == What::Transfer))
            .collect(),
        overhead: socket::header(&round.listens) + HEADER + if stamps { TIMESTAMPS } else { 0 },
    };
    ends.run(round, &listener);
    Ok(ends.results)
}

/// Begins a connection from its own namespace.
fn start(round: &Round<'_>, probe: &Probe) -> Result<TcpStream, String> {
    socket::client(round, probe, || {
        let socket = socket::bound(&probe.source, SocketType::STREAM, None)?;
        // The number goes in a packet of its own, which is small enough for every path.
        set_tcp_nodelay(&socket, true)?;
        match connect(&socket, &probe.target) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
            Err(error) => Err(error.into()),
        }
    })
}

struct Ends {
    clients: Vec<Client>,
    /// Questions whose number was sent and has not arrived: over a slow link that takes its time.
    underway: BTreeSet<usize>,
    servers: Vec<Server>,
    results: Results,
    /// Which questions are transfers.
    whole: BTreeMap<usize, bool>,
    /// Octets of a packet around its segment.
    overhead: u32,
}

impl Ends {
    /// Serves both ends until every question has its answer, or time is up.
    fn run(&mut self, round: &Round<'_>, listener: &TcpListener) {
        while !self.clients.is_empty()
            || !self.underway.is_empty()
            || self.servers.iter().any(|server| server.index.is_none())
        {
            let mut waiting: Vec<PollFd<'_>> = vec![PollFd::new(listener, PollFlags::IN)];
            waiting.extend(self.clients.iter().map(|end| PollFd::new(&end.stream, end.awaits())));
            waiting.extend(self.servers.iter().map(|end| PollFd::new(&end.stream, end.awaits())));
            let Some(ready) = round.ready(&mut waiting, round.end) else { break };
            drop(waiting);
            let (clients, servers) = ready[1..].split_at(self.clients.len());
            self.serve(servers);
            self.ask(clients);
            let clients = &self.clients;
            let asks = |index: usize| clients.iter().any(|client| client.index == index);
            self.servers.retain(|server| server.index.is_none_or(asks));
            while let Ok((stream, from)) = listener.accept() {
                if stream.set_nonblocking(true).is_ok() {
                    let from = from.ip();
                    self.servers.push(Server { stream, from, index: None, got: 0, sent: 0 });
                }
            }
        }
        self.time_is_up();
    }

    /// What answers reads, and where a transfer has come, sends its own.
    fn serve(&mut self, ready: &[bool]) {
        let mut ready = ready.iter();
        let (results, whole, underway) = (&mut self.results, &self.whole, &mut self.underway);
        self.servers.retain_mut(|server| {
            if ready.next() != Some(&true) {
                return true;
            }
            if server.index.is_none() {
                let mut number = [0; NUMBER];
                if server.stream.read_exact(&mut number).is_err() {
                    return false;
                }
                let Ok(index) = usize::try_from(u64::from_be_bytes(number)) else { return false };
                underway.remove(&index);
                let seen = results.entry(index).or_default();
                seen.answered = true;
                seen.arrived = true;
                seen.source = Some(server.from);
                seen.why = None;
                server.index = Some(index);
                return whole.get(&index) == Some(&true);
            }
            server.go_on().is_ok()
        });
    }

    /// What asks sends, and reads the answer of a transfer.
    fn ask(&mut self, ready: &[bool]) {
        let mut ready = ready.iter();
        let (results, servers, overhead) = (&mut self.results, &self.servers, self.overhead);
        let underway = &mut self.underway;
        self.clients.retain_mut(|client| {
            if ready.next() != Some(&true) {
                return true;
            }
            if !client.made {
                client.made = true;
                let refused = client.stream.take_error().ok().flatten();
                let sent = match refused {
                    Some(error) => Err(error),
                    None => client.stream.write_all(&(client.index as u64).to_be_bytes()),
                };
                let why = match sent {
                    Ok(()) => "it was made, and what was sent did not arrive".to_owned(),
                    Err(error) => {
                        results.insert(client.index, Seen::failed(error.to_string()));
                        return false;
                    }
                };
                results.entry(client.index).or_insert_with(|| Seen::failed(why));
                underway.insert(client.index);
                return client.transfer;
            }
            match client.go_on() {
                Ok(true) => {
                    let seen = results.entry(client.index).or_default();
                    let server = servers.iter().find(|server| server.index == Some(client.index));
                    seen.there = packet(&client.stream, overhead);
                    seen.back = server.and_then(|server| packet(&server.stream, overhead));
                    false
                }
                Ok(false) => true,
                Err(error) => {
                    results.entry(client.index).or_default().why = Some(error.to_string());
                    false
                }
            }
        });
    }

    fn time_is_up(&mut self) {
        for client in &self.clients {
            let seen = self.results.entry(client.index).or_default();
            if seen.answered && client.transfer {
                let server = self.servers.iter().find(|end| end.index == Some(client.index));
                let got = server.map_or(0, |server| server.got);
                seen.why = Some(if got < TRANSFER {
                    format!("what was sent stopped after {got} octets")
                } else {
                    seen.there = packet(&client.stream, self.overhead);
                    format!("what was answered stopped after {} octets", client.got)
                });
            } else {
                seen.why.get_or_insert_with(|| "no answer".to_owned());
            }
        }
        // What is left ends at once: the same ports may be asked from again, which a connection that still sends would hold.
        let left = self.clients.iter().map(|client| &client.stream);
        for stream in left.chain(self.servers.iter().map(|server| &server.stream)) {
            let _ends_later = set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}

/// The largest packet of a connection's own direction, as the kernel knows it by now.
fn packet(stream: &TcpStream, overhead: u32) -> Option<u32> {
    getsockopt(stream, TcpMaxSeg).ok().map(|segment| segment + overhead)
}

/// Sends what the socket takes.
fn send(stream: &mut TcpStream, sent: &mut usize) -> io::Result<()> {
    // All at once: what is written in parts goes in packets of those sizes.
    while *sent < TRANSFER {
        match stream.write(&CONTENT[*sent..]) {
            Ok(taken) => *sent += taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads what has come.
fn receive(stream: &mut TcpStream, got: &mut usize) -> io::Result<()> {
    let mut octets = [0; 8192];
    while *got < TRANSFER {
        match stream.read(&mut octets) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => *got += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Client {
    fn awaits(&self) -> PollFlags {
        if self.made && self.sent >= TRANSFER { PollFlags::IN } else { PollFlags::OUT }
    }

    /// Whether the transfer is over.
    fn go_on(&mut self) -> io::Result<bool> {
        if self.sent < TRANSFER {
            send(&mut self.stream, &mut self.sent)?;
        } else {
            receive(&mut self.stream, &mut self.got)?;
        }
        Ok(self.got >= TRANSFER)
    }
}

impl Server {
    fn awaits(&self) -> PollFlags {
        if self.got < TRANSFER {
            PollFlags::IN
        } else if self.sent < TRANSFER {
            PollFlags::OUT
        } else {
            PollFlags::empty()
        }
    }

    fn go_on(&mut self) -> io::Result<()> {
        if self.got < TRANSFER {
            receive(&mut self.stream, &mut self.got)?;
        }
        if self.got >= TRANSFER {
            send(&mut self.stream, &mut self.sent)?;
        }
        Ok(())
    }
}
