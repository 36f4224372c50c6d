//! Real packets between namespaces of a lab: whether each question is answered, which source the far end sees, and how large a packet may be.
//!
//! Sockets are made inside their namespaces by a thread that enters them, and used from here. What is sent carries its own number, so that
//! what arrives is known whatever was translated on the way.

mod datagram;
mod echo;
mod follow;
pub mod near;
mod socket;
pub mod spread;
mod stream;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::Kernel;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
pub(crate) use socket::bound;

/// Questions asked at a time at one place.
const AT_A_TIME: usize = 128;

/// Places that are asked at a time.
const PLACES: usize = 24;

/// How long an answer is waited for before what asked for it is sent once more: a busy machine drops datagrams.
const AGAIN: Duration = Duration::from_millis(150);

/// Octets of the number that everything sent begins with.
const NUMBER: usize = size_of::<u64>();

/// A question to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Namespace that sends.
    pub from: String,
    /// Its address and port; the port is also the identifier of an echo request.
    pub source: SocketAddr,
    /// Where it goes, as its sender knows it.
    pub target: SocketAddr,
    /// Namespace that answers.
    pub to: String,
    /// The address that it answers on: what the target is after all translations.
    pub listens: IpAddr,
    /// What is sent.
    pub what: What,
}

/// What is sent. Sizes are those of whole packets in octets, the IP header included; zero is the smallest that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A TCP connection and a few octets over it.
    Connect,
    /// A TCP connection and much over it, both ways, so that the kernel finds the largest packet of each direction.
    Transfer,
    /// A UDP datagram that is never fragmented, and one in answer.
    Datagram {
        /// Size of the datagram.
        octets: u32,
        /// Size of its answer.
        back: u32,
    },
    /// An ICMP echo request that is never fragmented; the kernel of the target answers.
    Echo {
        /// Size of the request.
        octets: u32,
    },
}

/// Kinds of questions that share a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Stream,
    Datagram,
    Echo,
}

impl What {
    fn kind(self) -> Kind {
        match self {
            Self::Connect | Self::Transfer => Kind::Stream,
            Self::Datagram { .. } => Kind::Datagram,
            Self::Echo { .. } => Kind::Echo,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Transfer => "transfer",
            Self::Datagram { .. } => "datagram",
            Self::Echo { .. } => "echo",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// It was answered. For TCP: the connection was made, and what was sent first arrived.
    pub answered: bool,
    /// It was seen where it is answered.
    pub arrived: bool,
    /// The source that was seen there.
    pub source: Option<IpAddr>,
    /// The largest packet that the sender found to pass; only of a transfer that arrived whole.
    pub there: Option<u32>,
    /// The same of the answers.
    pub back: Option<u32>,
    /// It could not be tried.
    pub untried: bool,
    /// Why it could not be tried, or how it ended.
    pub why: Option<String>,
}

impl Seen {
    fn failed(why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..Self::default() }
    }

    fn untried(why: impl Into<String>) -> Self {
        Self { untried: true, ..Self::failed(why) }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "answered": self.answered,
            "arrived": self.arrived,
            "source": self.source.map(|source| source.to_string()),
            "there": self.there,
            "back": self.back,
            "untried": self.untried,
            "why": self.why,
        })
    }

    pub(crate) fn from_json(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let yes = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or_default();
        Self {
            answered: yes("answered"),
            arrived: yes("arrived"),
            source: text("source").and_then(|source| source.parse().ok()),
            there: number(value, "there"),
            back: number(value, "back"),
            untried: yes("untried"),
            why: text("why").map(str::to_owned),
        }
    }
}

fn number(value: &Value, key: &str) -> Option<u32> {
    value.get(key).and_then(Value::as_u64).and_then(|number| number.try_into().ok())
}

impl Probe {
    pub(crate) fn to_json(&self) -> Value {
        let (octets, back) = match self.what {
            What::Connect | What::Transfer => (0, 0),
            What::Datagram { octets, back } => (octets, back),
            What::Echo { octets } => (octets, 0),
        };
        json!({
            "from": self.from,
            "source": self.source.to_string(),
            "target": self.target.to_string(),
            "to": self.to,
            "listens": self.listens.to_string(),
            "what": self.what.word(),
            "octets": octets,
            "back": back,
        })
    }

    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let octets = number(value, "octets")?;
        let what = match text("what")? {
            "connect" => What::Connect,
            "transfer" => What::Transfer,
            "datagram" => What::Datagram { octets, back: number(value, "back")? },
            "echo" => What::Echo { octets },
            _ => return None,
        };
        Some(Self {
            from: text("from")?.to_owned(),
            source: text("source")?.parse().ok()?,
            target: text("target")?.parse().ok()?,
            to: text("to")?.to_owned(),
            listens: text("listens")?.parse().ok()?,
            what,
        })
    }
}

/// Where questions are answered: a namespace, an address and port, and the kind of listener.
type Place<'a> = (&'a str, SocketAddr, Kind);

/// The results of one place, by the position of each question.
type Results = BTreeMap<usize, Seen>;

/// Asks; the answers are in the order of the questions. Those at one place are asked together, for as long as `patience`.
pub fn probe(kernel: &Kernel, probes: &[Probe], patience: Duration) -> Vec<Seen> {
    let mut seen: Vec<Seen> = vec![Seen::untried("it was not tried"); probes.len()];
    let mut places: BTreeMap<Place<'_>, Vec<usize>> = BTreeMap::new();
    for (index, probe) in probes.iter().enumerate() {
        let kind = probe.what.kind();
        let port = if kind == Kind::Echo { 0 } else { probe.target.port() };
        let listens = SocketAddr::new(probe.listens, port);
        places.entry((&probe.to, listens, kind)).or_default().push(index);
    }
    let queue = Mutex::new(places.into_iter());
    let results = Mutex::new(&mut seen);
    std::thread::scope(|scope| {
        for _ in 0..PLACES {
            scope.spawn(|| {
                while let Some((place, indices)) = next(&queue) {
                    // One after the other: an address and port has one listener.
                    for part in indices.chunks(AT_A_TIME) {
                        let found = one_place(kernel, place, probes, part, patience);
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

fn one_place(
    kernel: &Kernel,
    (namespace, listens, kind): Place<'_>,
    probes: &[Probe],
    part: &[usize],
    patience: Duration,
) -> Results {
    let own: Vec<(usize, &Probe)> = part.iter().map(|index| (*index, &probes[*index])).collect();
    let round = Round { kernel, namespace, listens, own: &own, end: Instant::now() + patience };
    let asked = match kind {
        Kind::Stream => stream::ask(&round),
        Kind::Datagram => datagram::ask(&round),
        Kind::Echo => echo::ask(&round),
    };
    asked.unwrap_or_else(|why| {
        part.iter().map(|index| (*index, Seen::untried(why.clone()))).collect()
    })
}

/// Questions that are asked together at one place.
struct Round<'a> {
    kernel: &'a Kernel,
    namespace: &'a str,
    listens: SocketAddr,
    own: &'a [(usize, &'a Probe)],
    end: Instant,
}

/// What a wait for datagrams brought.
enum Turn {
    /// Something is ready: which of the senders are.
    Ready(Vec<bool>),
    /// It is time to send once more.
    Again,
    /// Time is up.
    Over,
}

impl Round<'_> {
    /// Starts every question; those that cannot be started have their result at once.
    fn start<C>(&self, start: impl Fn(usize, &Probe) -> Result<C, String>) -> (Vec<C>, Results) {
        let (mut clients, mut results) = (Vec::new(), Results::new());
        for (index, probe) in self.own {
            match start(*index, probe) {
                Ok(client) => clients.push(client),
                Err(why) => {
                    results.insert(*index, Seen::failed(why));
                }
            }
        }
        (clients, results)
    }

    /// The question of a number that arrived. A raw socket gets all packets of its namespace until it is bound: also other rounds' numbers.
    fn own(&self, number: [u8; NUMBER]) -> Option<usize> {
        let index = usize::try_from(u64::from_be_bytes(number)).ok()?;
        self.own.iter().any(|(own, _)| *own == index).then_some(index)
    }

    /// Waits for what answers and for those who ask. `again` is when to send once more; that is done once.
    fn turn<'f>(
        &self,
        server: BorrowedFd<'f>,
        clients: impl Iterator<Item = BorrowedFd<'f>>,
        again: &mut Instant,
    ) -> Turn {
        let all = std::iter::once(server).chain(clients);
        let mut waiting: Vec<PollFd<'_>> =
            all.map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)).collect();
        match self.ready(&mut waiting, *again) {
            Some(ready) => Turn::Ready(ready.into_iter().skip(1).collect()),
            None if Instant::now() >= self.end => Turn::Over,
            None => {
                *again = self.end;
                Turn::Again
            }
        }
    }

    /// Waits until a descriptor is ready; which are. None where time is up.
    fn ready(&self, waiting: &mut [PollFd<'_>], until: Instant) -> Option<Vec<bool>> {
        let left = until.min(self.end).checked_duration_since(Instant::now())?;
        // What is too long to be said is for ever, as for `poll`.
        let time = Timespec::try_from(left).ok();
        match poll(waiting, time.as_ref()) {
            Ok(1..) => Some(waiting.iter().map(|poll| !poll.revents().is_empty()).collect()),
            _ => None,
        }
    }
}
