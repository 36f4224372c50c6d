//! A post: the thread that watches from inside one namespace. All posts share a board, on which they write what they saw of the round.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netwright_dns::client::{question, told};
use netwright_dns::settings::PORT;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, ipproto, recv, sendto,
    socket_with,
};

use super::beacon::{
    BEGINNING, Kind, LOOSE, Number, Opened, ROUNDS, Seen, of_opened, packet, read, v4,
};
use super::{NameRow, Row, Talk, Watch};
use crate::probe::bound;

/// Longest packet that is looked at: beacons are short.
const PACKET: usize = 128;
/// Packets that are taken before others have their turn.
const AT_A_TIME: usize = 256;

/// What is known of a connection in the round.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cell {
    pub(crate) row: Row,
    /// When each kind of beacon was sent.
    sent: [Option<Instant>; 3],
}

/// The connection of a pair that was begun last and was answered. Nothing is begun from its port until another was, so that filters know it still.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// Which of [`BEGINNING`] it came from.
    side: usize,
    opened: Opened,
}

/// What all posts write on.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) watch: Watch,
    pub(crate) begun: Instant,
    pub(crate) cells: Mutex<Vec<Cell>>,
    kept: Mutex<Vec<Option<Kept>>>,
    pub(crate) names: Mutex<Vec<NameRow>>,
    pub(crate) over: AtomicBool,
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

fn since(then: Instant) -> u32 {
    u32::try_from(then.elapsed().as_micros()).unwrap_or(u32::MAX)
}

impl Board {
    pub(crate) fn new(watch: Watch) -> Self {
        let cells = Mutex::new(vec![Cell::default(); watch.pairs.len()]);
        let kept = Mutex::new(vec![None; watch.pairs.len()]);
        let names = Mutex::new(vec![NameRow::default(); watch.names.len()]);
        // Posts need a moment to take their places.
        let begun = Instant::now() + Duration::from_millis(50);
        Self { watch, begun, cells, kept, names, over: AtomicBool::new(false) }
    }

    /// When a round begins, and when what did not come is missed.
    pub(crate) fn times(&self, round: u64) -> (Instant, Instant) {
        let interval = Duration::from_millis(self.watch.interval);
        let times = u32::try_from(round).unwrap_or(u32::MAX);
        let begins = self.begun + interval * times;
        (begins, begins + Duration::from_millis(self.watch.timeout))
    }

    /// The board as it is, cleared for the next round.
    pub(crate) fn take(&self) -> (Vec<Row>, Vec<NameRow>) {
        let mut cells = lock(&self.cells);
        let rows = cells.iter().map(|cell| cell.row).collect();
        cells.fill(Cell::default());
        let mut names = lock(&self.names);
        let told = names.clone();
        names.fill(NameRow::default());
        (rows, told)
    }

    fn sent(&self, pair: usize, kind: Kind) {
        if let Some(cell) = lock(&self.cells).get_mut(pair) {
            cell.sent[kind as usize] = Some(Instant::now());
            cell.row.sent |= kind != Kind::Back;
            cell.row.back_sent |= kind == Kind::Back;
        }
    }

    /// What a pair keeps.
    fn kept(&self, pair: usize) -> Option<Kept> {
        lock(&self.kept).get(pair).copied().flatten()
    }

    fn talked(&self, pair: usize, talk: Talk) {
        if let Some(cell) = lock(&self.cells).get_mut(pair) {
            cell.row.talk = talk;
        }
    }
}

/// A conversation under way.
struct Conversation {
    pair: usize,
    stream: TcpStream,
    began: Instant,
    connected: bool,
}

/// A question to a name server under way.
struct Asked {
    name: usize,
    socket: UdpSocket,
    number: u16,
    began: Instant,
}

/// One namespace's post.
pub(crate) struct Post<'b> {
    pub(crate) board: &'b Board,
    pub(crate) namespace: &'b str,
    /// Where answers to loose beacons go: the address that each came from last.
    learned: BTreeMap<usize, (SocketAddrV4, SocketAddrV4)>,
    /// Beacons that began connections, with the addresses that they came from and went to: of each pair the last, and the one that is kept.
    begun: BTreeMap<usize, Vec<(Number, SocketAddrV4, SocketAddrV4)>>,
    heard: OwnedFd,
    says: OwnedFd,
    conversations: Vec<Conversation>,
    asked: Vec<Asked>,
}

impl<'b> Post<'b> {
    /// Takes its place: the calling thread is in the namespace, and stays.
    pub(crate) fn take(board: &'b Board, namespace: &'b str) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let raw =
            |protocol| socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(protocol));
        Ok(Self {
            board,
            namespace,
            learned: BTreeMap::new(),
            begun: BTreeMap::new(),
            heard: raw(ipproto::TCP)?,
            says: raw(ipproto::RAW)?,
            conversations: Vec::new(),
            asked: Vec::new(),
        })
    }

    /// Watches until it is over.
    pub(crate) fn watch(&mut self) {
        for round in 0.. {
            let (begins, missed) = self.board.times(round);
            self.listen(round, begins);
            if self.board.over.load(Ordering::SeqCst) {
                return;
            }
            // Late by a whole time-out: what is not sent is not missed.
            if Instant::now() < missed {
                self.begin(round);
                self.listen(round, missed);
            }
            self.finish();
        }
    }

    fn begin(&mut self, round: u64) {
        let board = self.board;
        for (index, pair) in board.watch.pairs.iter().enumerate() {
            if pair.from == self.namespace {
                let place = u16::try_from(index).unwrap_or_default();
                let target = v4(pair.target.ip(), pair.target.port());
                let beginning = BEGINNING[self.side(index)];
                for (kind, port) in [(Kind::Begin, beginning), (Kind::There, LOOSE)] {
                    if let (Some(from), Some(to)) = (v4(pair.source, port + place), target) {
                        self.send(Number { kind, pair: index, round }, from, to);
                    }
                }
                self.converse(index);
            }
            if pair.to == self.namespace {
                self.answer(index, round);
            }
        }
        for (index, name) in board.watch.names.iter().enumerate() {
            if name.from == self.namespace {
                // Where it cannot be asked there is no answer.
                let _unasked = self.ask(index, round);
            }
        }
    }

    /// Which of a pair's two ports the next connection is begun from: not the one that is kept.
    fn side(&self, pair: usize) -> usize {
        self.board.kept(pair).map_or(0, |kept| 1 - kept.side)
    }

    /// Sends beacons the way of answers: one that belongs to no connection, and one of the connection that was answered last.
    fn answer(&self, pair: usize, round: u64) {
        let number = Number { kind: Kind::Back, pair, round };
        if let Some((client, own)) = self.learned.get(&pair).copied() {
            self.send(number, own, client);
        }
        let Some(opened) = self.board.kept(pair).map(|kept| kept.opened) else { return };
        let mut begun = self.begun.get(&pair).into_iter().flatten();
        if let Some((_, client, own)) = begun.find(|(by, ..)| *by == opened.by) {
            self.put(number, &of_opened(opened, round, *own, *client), *client);
        }
    }

    fn send(&self, number: Number, from: SocketAddrV4, to: SocketAddrV4) {
        self.put(number, &packet(number, from, to), to);
    }

    fn put(&self, number: Number, packet: &[u8], to: SocketAddrV4) {
        let to = SocketAddr::V4(SocketAddrV4::new(*to.ip(), 0));
        // Before it is sent, since it may be there before this thread goes on.
        self.board.sent(number.pair, number.kind);
        let _refused = sendto(&self.says, packet, SendFlags::empty(), &to);
    }

    fn converse(&mut self, index: usize) {
        let pair = &self.board.watch.pairs[index];
        let began = Instant::now();
        let made =
            bound(&SocketAddr::new(pair.source, 0), SocketType::STREAM, None).and_then(|socket| {
                match connect(&socket, &pair.target) {
                    Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
                    Err(error) => Err(error.into()),
                }
            });
        match made {
            Ok(stream) => {
                self.board.talked(index, Talk::Missed);
                self.conversations.push(Conversation {
                    pair: index,
                    stream,
                    began,
                    connected: false,
                });
            }
            Err(error) => self.board.talked(index, failed(&error)),
        }
    }

    fn ask(&mut self, index: usize, round: u64) -> io::Result<()> {
        let wanted = &self.board.watch.names[index];
        let any: IpAddr = if wanted.server.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let number = u16::try_from(round % 0xFFFF).unwrap_or_default();
        let query = question(&wanted.name, false, number)
            .ok_or_else(|| io::Error::other("it is no name"))?;
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect((wanted.server, PORT))?;
        socket.send(&query)?;
        self.asked.push(Asked { name: index, socket, number, began: Instant::now() });
        Ok(())
    }

    /// Takes what comes, until a time.
    fn listen(&mut self, round: u64, until: Instant) {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let mut waiting = vec![PollFd::new(&self.heard, PollFlags::IN)];
            waiting.extend(self.conversations.iter().map(|one| {
                let flags = if one.connected { PollFlags::IN } else { PollFlags::OUT };
                PollFd::new(&one.stream, flags)
            }));
            waiting.extend(self.asked.iter().map(|one| PollFd::new(&one.socket, PollFlags::IN)));
            let time = Timespec::try_from(left).ok();
            let came = matches!(poll(&mut waiting, time.as_ref()), Ok(1..));
            let ready: Vec<bool> = waiting.iter().map(|one| !one.revents().is_empty()).collect();
            drop(waiting);
            if !came {
                continue;
            }
            let mut ready = ready.into_iter();
            if ready.next() == Some(true) {
                self.hear(round);
            }
            let board = self.board;
            self.conversations.retain_mut(|one| ready.next() != Some(true) || goes_on(one, board));
            self.asked.retain(|one| ready.next() != Some(true) || !is_told(one, board));
        }
    }

    fn hear(&mut self, round: u64) {
        let mut octets = [0; PACKET];
        for _ in 0..AT_A_TIME {
            match recv(&self.heard, &mut octets[..], RecvFlags::empty()) {
                Ok((read, _)) => self.heard_one(round, octets.get(..read).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn heard_one(&mut self, round: u64, octets: &[u8]) {
        let Some(seen) = read(octets) else { return };
        let number = match seen {
            Seen::Beacon(number, ..) | Seen::Answer(number, ..) => number,
        };
        let Some(pair) = self.board.watch.pairs.get(number.pair) else { return };
        let of_client = match seen {
            Seen::Beacon(number, ..) => number.kind == Kind::Back,
            Seen::Answer(number, ..) => number.kind != Kind::Back,
        };
        let place = if of_client { &pair.from } else { &pair.to };
        if place != self.namespace {
            return;
        }
        match seen {
            Seen::Beacon(Number { kind: Kind::There, .. }, from, to) => {
                self.learned.insert(number.pair, (from, to));
            }
            Seen::Beacon(Number { kind: Kind::Begin, .. }, from, to) => {
                let kept = self.board.kept(number.pair).map(|kept| kept.opened.by);
                let begun = self.begun.entry(number.pair).or_default();
                begun.retain(|(by, ..)| Some(*by) == kept);
                begun.push((number, from, to));
            }
            _ => {}
        }
        if number.round != round % ROUNDS {
            return;
        }
        // What was answered twice was begun once.
        if let Seen::Answer(by, false, answer) = seen
            && by.kind == Kind::Begin
            && self.board.kept(by.pair).is_none_or(|kept| kept.opened.by != by)
        {
            let kept = Kept { side: self.side(by.pair), opened: Opened { by, answer } };
            if let Some(place) = lock(&self.board.kept).get_mut(by.pair) {
                *place = Some(kept);
            }
        }
        let mut cells = lock(&self.board.cells);
        let Some(cell) = cells.get_mut(number.pair) else { return };
        let Some(after) = cell.sent[number.kind as usize].map(since) else { return };
        match (seen, number.kind) {
            (Seen::Beacon(..), Kind::Begin) => cell.row.begun = Some(after),
            (Seen::Beacon(..), Kind::There) => cell.row.there = Some(after),
            (Seen::Beacon(..), Kind::Back) => cell.row.back = cell.row.back.or(Some(after)),
            (Seen::Answer(_, refused, _), Kind::Begin) => {
                cell.row.answered = Some(after);
                cell.row.refused = refused;
            }
            (Seen::Answer(..), _) => {}
        }
    }

    fn finish(&mut self) {
        for one in self.conversations.drain(..) {
            let talk = if one.connected { Talk::Silent } else { Talk::Missed };
            self.board.talked(one.pair, talk);
        }
        self.asked.clear();
    }
}

fn failed(error: &io::Error) -> Talk {
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted => Talk::Refused,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::PermissionDenied => Talk::Unreachable,
        ErrorKind::TimedOut => Talk::Missed,
        _ => Talk::Untried,
    }
}

/// Goes on with a conversation. False where it is over.
fn goes_on(one: &mut Conversation, board: &Board) -> bool {
    if !one.connected {
        match one.stream.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => {
                board.talked(one.pair, failed(&error));
                return false;
            }
        }
        let words = board.watch.pairs[one.pair].hello.words();
        if words.is_empty() {
            board.talked(one.pair, Talk::Answered(since(one.began)));
            return false;
        }
        one.connected = true;
        // What cannot be written is told by what can be read.
        let _told_below = one.stream.write(words);
        return true;
    }
    let talk = match one.stream.read(&mut [0; 64]) {
        Ok(1..) => Talk::Answered(since(one.began)),
        Ok(0) => Talk::Refused,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
        Err(error) => failed(&error),
    };
    board.talked(one.pair, talk);
    false
}

/// Takes the answer of a name server. False where there is none yet.
fn is_told(one: &Asked, board: &Board) -> bool {
    let mut octets = [0; 4096];
    let Ok(read) = one.socket.recv(&mut octets) else { return true };
    let name = &board.watch.names[one.name].name;
    let octets = octets.get(..read).unwrap_or_default();
    let Some(told) = told(octets, name, false, one.number) else { return false };
    let mut addresses = told.addresses;
    addresses.sort();
    if let Some(row) = lock(&board.names).get_mut(one.name) {
        *row = NameRow { code: Some(told.code), addresses, took: Some(since(one.began)) };
    }
    true
}

/// Watches from a namespace until it is over. Where that cannot be, nothing of it is sent, and nothing of it is known.
pub(crate) fn watch(board: &Board, namespace: &str, space: BorrowedFd<'_>) {
    if netwright_dataplane::kernel::enter(space.as_fd()).is_err() {
        return;
    }
    if let Ok(mut post) = Post::take(board, namespace) {
        post.watch();
    }
}
