//! Many connections to one address behind which several places answer: which of them do, how often, and which source each of them sees.
//!
//! A load balancer chooses by lot, so one connection proves nothing about the others. All places listen for as long as the questions of a
//! request take; what arrives carries the number of its question and connection.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{Kernel, within};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketType, connect, listen};
use serde::{Deserialize, Serialize};

use super::{AGAIN, NUMBER, bound};

/// Connections that are made at a time.
const AT_A_TIME: u32 = 256;
/// Most connections of a question: what finds all of some hundred backends.
const MOST: u32 = 4096;
/// Connections that wait to be taken.
const WAITING: i32 = 1024;

/// Where something may answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The namespace.
    pub namespace: String,
    /// Address and port there.
    pub listens: SocketAddr,
}

/// A question that is asked many times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balanced {
    /// Namespace that sends.
    pub from: String,
    /// Its address, and the port of the first connection; each further one takes the next port.
    pub source: SocketAddr,
    /// Where they go, as their sender knows it.
    pub target: SocketAddr,
    /// Where they may arrive.
    pub places: Vec<Place>,
    /// How many are made.
    pub times: u32,
    /// TCP connections rather than UDP datagrams.
    pub stream: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// Of each place, in their order.
    pub shares: Vec<Share>,
    /// How many were not answered.
    pub unanswered: u32,
    /// Why it could not be tried.
    pub untried: Option<String>,
    /// How those ended that were not answered; the last one of them.
    pub why: Option<String>,
}

/// What arrived at a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// How many arrived.
    pub arrived: u32,
    /// How many of these were answered, as their sender saw.
    pub answered: u32,
    /// The sources that were seen.
    pub sources: BTreeSet<IpAddr>,
}

/// Asks all questions, some at a time, each for as long as `patience`.
pub fn spread(kernel: &Kernel, asked: &[Balanced], patience: Duration) -> Vec<Spread> {
    let mut all: Vec<Spread> = asked
        .iter()
        .map(|one| Spread { shares: vec![Share::default(); one.places.len()], ..Spread::default() })
        .collect();
    let mut doors = Doors::default();
    for (question, spread) in asked.iter().zip(&mut all) {
        for place in &question.places {
            if let Err(why) = doors.open(kernel, place, question.stream) {
                spread.untried = Some(why);
            }
        }
    }
    let tried: Vec<usize> = (0..asked.len()).filter(|at| all[*at].untried.is_none()).collect();
    let mut rest = tried.as_slice();
    while !rest.is_empty() {
        let mut sum = 0;
        let fits = rest.iter().take_while(|at| {
            sum += asked[**at].times.min(MOST);
            sum <= AT_A_TIME
        });
        // One that is larger than all is asked by itself.
        let (part, more) = rest.split_at(fits.count().max(1));
        Round::new(kernel, asked, part, &mut all, patience).run(&mut doors);
        rest = more;
    }
    all
}

/// What listens at a place.
enum Listens {
    Stream(TcpListener),
    Datagram(UdpSocket),
}

impl Listens {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stream(listener) => listener.as_fd(),
            Self::Datagram(socket) => socket.as_fd(),
        }
    }
}

#[derive(Default)]
struct Doors {
    all: BTreeMap<(Place, bool), Listens>,
}

impl Doors {
    fn open(&mut self, kernel: &Kernel, place: &Place, stream: bool) -> Result<(), String> {
        let key = (place.clone(), stream);
        if self.all.contains_key(&key) {
            return Ok(());
        }
        let name = &place.namespace;
        let space = kernel.namespace(name).ok_or_else(|| format!("the lab has no {name}"))?;
        let made = within(space, || {
            if stream {
                let socket = bound(&place.listens, SocketType::STREAM, None)?;
                listen(&socket, WAITING)?;
                Ok(Listens::Stream(socket.into()))
            } else {
                bound(&place.listens, SocketType::DGRAM, None)
                    .map(|socket| Listens::Datagram(socket.into()))
            }
        });
        let made = made.and_then(|made| made);
        let made =
            made.map_err(|error| format!("{name} cannot listen on {}: {error}", place.listens))?;
        self.all.insert(key, made);
        Ok(())
    }
}

/// One connection of one question.
struct Client {
    question: usize,
    number: u64,
    socket: Socket,
    made: bool,
}

enum Socket {
    Stream(TcpStream),
    Datagram(UdpSocket),
}

/// A connection that a place took.
struct Taken {
    stream: TcpStream,
    from: IpAddr,
    place: Place,
    known: bool,
}

/// Questions that are asked together.
struct Round<'a> {
    kernel: &'a Kernel,
    asked: &'a [Balanced],
    part: &'a [usize],
    all: &'a mut [Spread],
    end: Instant,
    clients: Vec<Client>,
    taken: Vec<Taken>,
    /// Where each number arrived: its question and the place's position.
    landed: BTreeMap<u64, (usize, usize)>,
    /// Whose numbers these are.
    owners: BTreeMap<u64, usize>,
}

impl<'a> Round<'a> {
    fn new(
        kernel: &'a Kernel,
        asked: &'a [Balanced],
        part: &'a [usize],
        all: &'a mut [Spread],
        patience: Duration,
    ) -> Self {
        Self {
            kernel,
            asked,
            part,
            all,
            end: Instant::now() + patience,
            clients: Vec::new(),
            taken: Vec::new(),
            landed: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    fn run(mut self, doors: &mut Doors) {
        // What is left of another round has other numbers.
        let mut number = RandomState::new().build_hasher().finish() & !u64::from(u32::MAX);
        for question in self.part.iter().copied() {
            let times = self.asked[question].times.min(MOST);
            let own: Vec<u64> = (0..u64::from(times)).map(|at| number + at).collect();
            number += u64::from(times);
            self.owners.extend(own.iter().map(|number| (*number, question)));
            self.start(question, &own);
        }
        let mut again = Some(Instant::now() + AGAIN);
        while !self.clients.is_empty() {
            let until = again.unwrap_or(self.end).min(self.end);
            let Some(ready) = self.wait(doors, until) else {
                if Instant::now() >= self.end {
                    break;
                }
                // A busy machine drops datagrams.
                again = None;
                self.clients.iter().for_each(Client::send_again);
                continue;
            };
            let (servers, rest) = ready.split_at(doors.all.len());
            let (taken, clients) = rest.split_at(self.taken.len());
            let (taken, clients) = (taken.to_vec(), clients.to_vec());
            self.read_taken(&taken);
            self.read_clients(&clients);
            self.take(doors, servers);
        }
        for client in std::mem::take(&mut self.clients) {
            self.failed(client.question, "no answer");
        }
    }

    /// Waits until something is ready; which of the listeners, of what they took, and of those who ask. None where time is up.
    fn wait(&self, doors: &Doors, until: Instant) -> Option<Vec<bool>> {
        let left = until.checked_duration_since(Instant::now())?;
        let mut waiting: Vec<PollFd<'_>> = Vec::new();
        let read = |socket| PollFd::from_borrowed_fd(socket, PollFlags::IN);
        waiting.extend(doors.all.values().map(|door| read(door.as_fd())));
        waiting.extend(self.taken.iter().map(|taken| read(taken.stream.as_fd())));
        waiting.extend(self.clients.iter().map(|client| match &client.socket {
            Socket::Stream(stream) if !client.made => PollFd::new(stream, PollFlags::OUT),
            Socket::Stream(stream) => read(stream.as_fd()),
            Socket::Datagram(socket) => read(socket.as_fd()),
        }));
        let time = Timespec::try_from(left).ok();
        match poll(&mut waiting, time.as_ref()) {
            Ok(1..) => Some(waiting.iter().map(|one| !one.revents().is_empty()).collect()),
            _ => None,
        }
    }

    /// Starts all connections of a question.
    fn start(&mut self, question: usize, numbers: &[u64]) {
        let asked = &self.asked[question];
        let made = match self.kernel.namespace(&asked.from) {
            None => Err(format!("the lab has no {}", asked.from)),
            Some(space) => within(space, || {
                numbers.iter().zip(0..).map(|(number, at)| client(asked, *number, at)).collect()
            })
            .map_err(|error| error.to_string()),
        };
        let made: Vec<std::io::Result<Socket>> = match made {
            Ok(made) => made,
            Err(why) => {
                self.all[question].untried = Some(why);
                return;
            }
        };
        for (number, socket) in numbers.iter().zip(made) {
            match socket {
                Ok(socket) => {
                    let made = matches!(socket, Socket::Datagram(_));
                    self.clients.push(Client { question, number: *number, socket, made });
                }
                Err(error) => self.failed(question, &error.to_string()),
            }
        }
    }

    fn failed(&mut self, question: usize, why: &str) {
        let spread = &mut self.all[question];
        spread.unanswered += 1;
        spread.why = Some(why.to_owned());
    }

    /// Something arrived: whether it is one of this round's.
    fn arrived(&mut self, number: [u8; NUMBER], place: &Place, from: IpAddr) -> bool {
        let number = u64::from_be_bytes(number);
        let Some(question) = self.owners.get(&number).copied() else { return false };
        let at = self.asked[question].places.iter().position(|own| own == place);
        let Some(at) = at else { return false };
        if self.landed.insert(number, (question, at)).is_none() {
            let share = &mut self.all[question].shares[at];
            share.arrived += 1;
            share.sources.insert(from.to_canonical());
        }
        true
    }

    /// Takes connections, and reads datagrams and answers them.
    fn take(&mut self, doors: &Doors, ready: &[bool]) {
        for (((place, _), door), _) in doors.all.iter().zip(ready).filter(|(_, ready)| **ready) {
            match door {
                Listens::Stream(listener) => {
                    while let Ok((stream, from)) = listener.accept() {
                        if stream.set_nonblocking(true).is_ok() {
                            let (from, place) = (from.ip(), place.clone());
                            self.taken.push(Taken { stream, from, place, known: false });
                        }
                    }
                }
                Listens::Datagram(socket) => {
                    let mut octets = [0; NUMBER];
                    while let Ok((NUMBER, from)) = socket.recv_from(&mut octets) {
                        if self.arrived(octets, place, from.ip()) {
                            // Where it cannot be sent, no answer is seen.
                            let _lost = socket.send_to(&octets, from);
                        }
                    }
                }
            }
        }
    }

    /// Reads the numbers of connections that were taken, and answers them.
    fn read_taken(&mut self, ready: &[bool]) {
        let mut ready = ready.iter();
        let mut open = Vec::new();
        for mut taken in std::mem::take(&mut self.taken) {
            if ready.next() == Some(&true) {
                let mut number = [0; NUMBER];
                let read = taken.stream.read(&mut number);
                let goes_on = matches!(read, Ok(NUMBER))
                    && !taken.known
                    && self.arrived(number, &taken.place, taken.from)
                    && taken.stream.write_all(&number).is_ok();
                if !goes_on {
                    continue;
                }
                taken.known = true;
            }
            open.push(taken);
        }
        self.taken = open;
    }

    fn read_clients(&mut self, ready: &[bool]) {
        let mut ready = ready.iter();
        for mut client in std::mem::take(&mut self.clients) {
            if ready.next() != Some(&true) {
                self.clients.push(client);
                continue;
            }
            match client.go_on() {
                Ok(true) => {
                    if let Some((question, at)) = self.landed.get(&client.number).copied() {
                        self.all[question].shares[at].answered += 1;
                    }
                }
                Ok(false) => self.clients.push(client),
                Err(error) => self.failed(client.question, &error.to_string()),
            }
        }
    }
}

/// A connection, or a datagram that is sent.
fn client(asked: &Balanced, number: u64, at: u16) -> std::io::Result<Socket> {
    // Port 0 is whichever the kernel gives.
    let first = Some(asked.source.port()).filter(|port| *port > 0);
    let port = first.and_then(|port| port.checked_add(at)).unwrap_or(0);
    let source = SocketAddr::new(asked.source.ip(), port);
    let kind = if asked.stream { SocketType::STREAM } else { SocketType::DGRAM };
    let socket = bound(&source, kind, None)?;
    match connect(&socket, &asked.target) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    if asked.stream {
        return Ok(Socket::Stream(socket.into()));
    }
    let socket = UdpSocket::from(socket);
    socket.send(&number.to_be_bytes())?;
    Ok(Socket::Datagram(socket))
}

impl Client {
    /// Whether the answer has come.
    fn go_on(&mut self) -> std::io::Result<bool> {
        let mut octets = [0; NUMBER];
        let read = match &mut self.socket {
            Socket::Stream(stream) if !self.made => {
                if let Some(error) = stream.take_error()? {
                    return Err(error);
                }
                self.made = true;
                stream.write_all(&self.number.to_be_bytes())?;
                return Ok(false);
            }
            Socket::Stream(stream) => stream.read(&mut octets),
            Socket::Datagram(socket) => socket.recv(&mut octets),
        };
        match read {
            Ok(0) => Err(std::io::Error::other("the connection was closed")),
            Ok(NUMBER) if octets == self.number.to_be_bytes() => Ok(true),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn send_again(&self) {
        if let Socket::Datagram(socket) = &self.socket {
            let _as_the_first = socket.send(&self.number.to_be_bytes());
        }
    }
}
