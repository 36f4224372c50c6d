//! Sockets and a clock for the server: one thread, one loop, nothing that waits for anybody.

mod stream;
mod upstream;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{
    set_ip_freebind, set_ipv6_freebind, set_ipv6_v6only, set_socket_reuseaddr, set_socket_reuseport,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use crate::server::{Client, Do, Server};
use crate::settings::{Leave, Settings};
use stream::{Kind, Stream};
use upstream::Upstream;

/// Datagrams that are read from one socket before the others have their turn.
const AT_A_TIME: usize = 64;
/// Largest datagram that is read; a longer one is no query.
const LONGEST: usize = 4096;
/// Most connections at a time, and most of one source.
const CONNECTIONS: usize = 128;
const CONNECTIONS_OF_ONE: usize = 16;
/// Connections that wait to be taken.
const BACKLOG: i32 = 64;
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);
/// Longest sleep.
const IDLE: Duration = Duration::from_secs(60);

/// Serves until the process ends. `say` takes lines of the log; `again` gives other settings when the process gets SIGHUP.
///
/// # Errors
///
/// An address that cannot be listened on; or the kernel does not wait any more.
pub fn serve(
    settings: &Settings,
    say: &mut dyn FnMut(&str),
    again: &mut dyn FnMut() -> Option<Settings>,
) -> io::Result<()> {
    let hang_up: SigSet = [Signal::SIGHUP].into_iter().collect();
    hang_up.thread_block()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&hang_up, flags)?;
    let (server, problems) = Server::new(settings.clone(), Box::new(random));
    let mut doors = Doors::open(settings, server, signals)?;
    told(settings, &problems, say);
    loop {
        if doors.round(say)?
            && let Some(settings) = again()
        {
            let problems = doors.server.adopt(settings.clone(), doors.now());
            doors.listen(&settings)?;
            told(&settings, &problems, say);
        }
    }
}

fn told(settings: &Settings, problems: &[String], say: &mut dyn FnMut(&str)) {
    for problem in problems {
        say(&format!("not answered: {problem}"));
    }
    let listen: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
    let zones = settings.zones.len();
    say(&format!("{}: {zones} zones, on {}", settings.view, listen.join(" and ")));
}

/// An unpredictable number.
fn random() -> u16 {
    Message::query().metadata.id
}

/// A socket that listens; also where its address is only about to be there.
fn listener(address: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, kind, flags, None)?;
    set_socket_reuseaddr(&socket, true)?;
    set_socket_reuseport(&socket, true)?;
    if address.is_ipv4() {
        set_ip_freebind(&socket, true)?;
    } else {
        set_ipv6_freebind(&socket, true)?;
        set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    if kind == SocketType::STREAM {
        listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}

/// All sockets of a server.
struct Doors {
    server: Server,
    begun: Instant,
    signals: SignalFd,
    /// By numbers of their own, as answers know them.
    datagrams: BTreeMap<u64, (SocketAddr, UdpSocket)>,
    listeners: Vec<(SocketAddr, TcpListener, Kind)>,
    streams: BTreeMap<u64, Stream>,
    upstream: BTreeMap<u64, Upstream>,
    next: u64,
    leave: Leave,
}

impl Doors {
    fn open(settings: &Settings, server: Server, signals: SignalFd) -> io::Result<Self> {
        let mut doors = Self {
            server,
            begun: Instant::now(),
            signals,
            datagrams: BTreeMap::new(),
            listeners: Vec::new(),
            streams: BTreeMap::new(),
            upstream: BTreeMap::new(),
            next: 0,
            leave: Leave::default(),
        };
        doors.listen(settings)?;
        Ok(doors)
    }

    /// Listens where it is to, and nowhere else; what is open stays so.
    fn listen(&mut self, settings: &Settings) -> io::Result<()> {
        self.leave = settings.leave.clone();
        let names = settings.listen.iter().map(|address| (*address, Kind::Names));
        let metrics = settings.metrics.iter().map(|address| (*address, Kind::Metrics));
        let wanted: Vec<(SocketAddr, Kind)> = names.chain(metrics).collect();
        self.datagrams.retain(|_, (address, _)| settings.listen.contains(address));
        self.listeners.retain(|(address, _, kind)| wanted.contains(&(*address, *kind)));
        for (address, kind) in wanted {
            let open = |socket| {
                listener(address, socket)
                    .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))
            };
            if !self.listeners.iter().any(|(known, ..)| *known == address) {
                let socket = TcpListener::from(open(SocketType::STREAM)?);
                self.listeners.push((address, socket, kind));
            }
            if kind == Kind::Names && !self.datagrams.values().any(|(known, _)| *known == address) {
                self.next += 1;
                let socket = UdpSocket::from(open(SocketType::DGRAM)?);
                self.datagrams.insert(self.next, (address, socket));
            }
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits until something comes or is due, and does it. True where other settings are to be taken.
    fn round(&mut self, say: &mut dyn FnMut(&str)) -> io::Result<bool> {
        // While the ready ones are looked after, others come and go.
        let datagrams: Vec<u64> = self.datagrams.keys().copied().collect();
        let streams: Vec<u64> = self.streams.keys().copied().collect();
        let upstream: Vec<u64> = self.upstream.keys().copied().collect();
        let ready = self.wait()?;
        let mut ready = ready.into_iter();
        let mut out = Vec::new();
        let again = ready.next() == Some(true) && matches!(self.signals.read_signal(), Ok(Some(_)));
        for door in datagrams {
            if ready.next() == Some(true) {
                self.datagrams(door, &mut out, say);
            }
        }
        let taken: Vec<bool> = self.listeners.iter().map(|_| ready.next() == Some(true)).collect();
        for number in streams {
            if ready.next() == Some(true) {
                self.stream(number, &mut out);
                self.act(&mut out, say);
            }
        }
        for number in upstream {
            if ready.next() == Some(true) {
                self.upstream(number, &mut out);
                self.act(&mut out, say);
            }
        }
        for at in taken.iter().enumerate().filter(|(_, ready)| **ready).map(|(at, _)| at) {
            self.take(at);
        }
        self.streams.retain(|_, stream| stream.last.elapsed() < SILENCE);
        let now = self.now();
        self.server.tick(now, &mut out);
        self.act(&mut out, say);
        Ok(again)
    }

    /// Which sockets are ready, in the order in which they are looked after.
    fn wait(&self) -> io::Result<Vec<bool>> {
        let mut waiting = vec![PollFd::new(&self.signals, PollFlags::IN)];
        let datagrams = self.datagrams.values();
        waiting.extend(datagrams.map(|(_, socket)| PollFd::new(socket, PollFlags::IN)));
        let listeners = self.listeners.iter();
        waiting.extend(listeners.map(|(_, socket, _)| PollFd::new(socket, PollFlags::IN)));
        waiting.extend(self.streams.values().map(Stream::waits_for));
        waiting.extend(self.upstream.values().map(Upstream::waits_for));
        let now = self.now();
        let due = self.server.next_due().map(|due| Duration::from_millis(due.saturating_sub(now)));
        let silent = self.streams.values().map(|s| SILENCE.saturating_sub(s.last.elapsed())).min();
        let time = [due, silent].into_iter().flatten().fold(IDLE, Duration::min);
        // Rounded up, so that what is due is due when this wakes.
        let time = time + Duration::from_millis(1);
        // What is too long to be said is for ever, as for `poll`.
        let time = Timespec::try_from(time).ok();
        match poll(&mut waiting, time.as_ref()) {
            Ok(_) => Ok(waiting.iter().map(|poll| !poll.revents().is_empty()).collect()),
            Err(rustix::io::Errno::INTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn datagrams(&mut self, door: u64, out: &mut Vec<Do>, say: &mut dyn FnMut(&str)) {
        let mut octets = [0; LONGEST];
        let now = self.now();
        for _ in 0..AT_A_TIME {
            let Some((_, socket)) = self.datagrams.get(&door) else { return };
            // An error belongs to an answer of before that nobody took.
            let (read, from) = match socket.recv_from(&mut octets) {
                Ok(came) => came,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            let client = Client { from, door, stream: false };
            self.server.query(client, &octets[..read], now, out);
            self.act(out, say);
        }
    }

    /// Takes connections.
    fn take(&mut self, at: usize) {
        let (_, listener, kind) = &self.listeners[at];
        let kind = *kind;
        while let Ok((socket, from)) = listener.accept() {
            let same = self.streams.values().filter(|known| known.from.ip() == from.ip()).count();
            if self.streams.len() >= CONNECTIONS || same >= CONNECTIONS_OF_ONE {
                // Who has been silent longest makes place, where it is his own.
                let mut own = self.streams.iter().filter(|(_, known)| known.from.ip() == from.ip());
                let oldest = own.by_ref().min_by_key(|(_, known)| known.last).map(|(n, _)| *n);
                let Some(oldest) = oldest else { continue };
                self.streams.remove(&oldest);
            }
            if socket.set_nonblocking(true).is_ok() {
                self.next += 1;
                self.streams.insert(self.next, Stream::new(socket, from, kind));
            }
        }
    }

    fn stream(&mut self, number: u64, out: &mut Vec<Do>) {
        let now = self.now();
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let mut open = stream.write();
        if open {
            let (messages, more) = stream.read();
            open = more;
            let client = Client { from: stream.from, door: number, stream: true };
            match stream.kind {
                Kind::Names => {
                    for message in messages {
                        self.server.query(client, &message, now, out);
                    }
                }
                Kind::Metrics if !messages.is_empty() => {
                    let text = self.server.metrics();
                    stream.tell(&text);
                    open = stream.write();
                }
                Kind::Metrics => {}
            }
        }
        if !open {
            self.streams.remove(&number);
        }
    }

    fn upstream(&mut self, number: u64, out: &mut Vec<Do>) {
        let now = self.now();
        let Some(upstream) = self.upstream.get_mut(&number) else { return };
        match upstream.go_on() {
            Ok(messages) => {
                for message in messages {
                    self.server.told(number, &message, now, out);
                }
            }
            Err(error) => {
                self.upstream.remove(&number);
                self.server.failed(number, &format!("cannot be asked: {error}"), now, out);
            }
        }
    }

    /// Does what the server says.
    fn act(&mut self, out: &mut Vec<Do>, say: &mut dyn FnMut(&str)) {
        // What cannot be sent at once is told to the server, which says what to do then: a few times at most for each query.
        while !out.is_empty() {
            let mut then = Vec::new();
            for what in out.drain(..) {
                match what {
                    Do::Say(line) => say(&line),
                    Do::Reply(client, octets) if client.stream => {
                        let stream = self.streams.get_mut(&client.door);
                        if stream.is_some_and(|stream| !stream.answer(&octets)) {
                            self.streams.remove(&client.door);
                        }
                    }
                    Do::Reply(client, octets) => {
                        if let Some((_, socket)) = self.datagrams.get(&client.door) {
                            // Who does not get his answer asks again.
                            let _lost = socket.send_to(&octets, client.from);
                        }
                    }
                    Do::Forget(number) => drop(self.upstream.remove(&number)),
                    Do::Ask { number, to, stream, octets } => {
                        self.upstream.remove(&number);
                        match Upstream::ask(to, stream, &octets, &self.leave) {
                            Ok(upstream) => drop(self.upstream.insert(number, upstream)),
                            Err(error) => {
                                let why = format!("cannot be asked: {error}");
                                let now = self.now();
                                self.server.failed(number, &why, now, &mut then);
                            }
                        }
                    }
                }
            }
            out.append(&mut then);
        }
    }
}

#[cfg(test)]
mod tests;
