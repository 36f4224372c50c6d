//! Calls of services, made in a running lab: by the service's stand-in, from inside its namespace.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{Kernel, pause, within};
use netwright_dataplane::plan::call::How;
use netwright_dataplane::plan::{Call, Listener, What};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::SocketType;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::probe::bound;
use crate::stand_in::{listen_meanwhile, service};
use crate::tasks::listens;

/// Numbers of protocols.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Longest answer of a service.
const ANSWER: u64 = 1024 * 1024;
/// How long a service's stand-in may take to listen: it is started beside others.
const STARTS: Duration = Duration::from_secs(5);
/// How long until it is tried again.
const AGAIN: Duration = Duration::from_millis(20);
/// How often is looked whether a wait is over, in nanoseconds.
const LOOK: i64 = 10_000_000;
/// Connections that wait to be taken.
const WAITING: i32 = 16;

/// The way in which a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// It was not made: nothing is known of its target.
    Untried,
    /// Nobody answered in time.
    Silent,
    /// The platform's proxy took the connection and closed it: what is behind it does not answer.
    Behind,
    /// Nothing listens there.
    Refused,
    /// There is no way there.
    NoWay,
    /// The connection was closed without an answer.
    Closed,
    /// Something else.
    Broken,
}

/// What came of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Called {
    /// It was answered.
    pub answered: bool,
    /// The source that was seen where it was answered.
    pub source: Option<IpAddr>,
    /// How it failed, in words.
    pub why: Option<String>,
    /// How it failed.
    pub trouble: Option<Trouble>,
    /// How long it took.
    pub milliseconds: u64,
    /// What its name was found to stand for.
    pub resolved: Vec<IpAddr>,
    /// Nothing of the lab's listens there: the lab answered for as long as the call took.
    pub meanwhile: bool,
}

impl Called {
    pub(crate) fn failed(trouble: Trouble, why: String) -> Self {
        Self { why: Some(why), trouble: Some(trouble), ..Self::default() }
    }

    pub(crate) fn connected() -> Self {
        Self { answered: true, ..Self::default() }
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        match (self.answered, self.source, &self.why) {
            (true, Some(source), _) => format!("answered, seen as {source}"),
            (true, None, _) => "connected".to_owned(),
            (false, _, Some(why)) => why.clone(),
            (false, _, None) => "no answer".to_owned(),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "answered": self.answered,
            "source": self.source.map(|source| source.to_string()),
            "why": self.why,
            "trouble": self.trouble,
            "milliseconds": self.milliseconds,
            "meanwhile": self.meanwhile,
            "resolved": self.resolved.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }

    pub(crate) fn from_json(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let truth = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or_default();
        let resolved = value.get("resolved").and_then(Value::as_array).into_iter().flatten();
        Self {
            answered: truth("answered"),
            source: text("source").and_then(|source| source.parse().ok()),
            why: text("why").map(str::to_owned),
            trouble: value.get("trouble").and_then(|trouble| Trouble::deserialize(trouble).ok()),
            milliseconds: value.get("milliseconds").and_then(Value::as_u64).unwrap_or_default(),
            meanwhile: truth("meanwhile"),
            resolved: resolved.filter_map(|address| address.as_str()?.parse().ok()).collect(),
        }
    }
}

/// Makes calls; what came of them, in their order.
pub(crate) fn make(kernel: &Kernel, calls: &[Call], patience: Duration) -> Vec<Called> {
    let mut meanwhile: BTreeMap<(&str, SocketAddr, u8), Meanwhile> = BTreeMap::new();
    let mut speaks = vec![false; calls.len()];
    let mut lent = vec![false; calls.len()];
    for (at, call) in calls.iter().enumerate() {
        let (Some((namespace, to)), Some(how)) = (&call.answers, &call.how) else { continue };
        let protocol = if matches!(how, How::Udp { .. }) { UDP } else { TCP };
        speaks[at] = stands_in(kernel, namespace, to.port());
        let Some(space) = kernel.namespace(namespace).filter(|_| !speaks[at]) else { continue };
        let key = (namespace.as_str(), *to, protocol);
        if !meanwhile.contains_key(&key) && !listens(space, protocol, to.port()) {
            let opened = within(space, || Meanwhile::open(*to, protocol));
            if let Ok(Ok(open)) = opened {
                meanwhile.insert(key, open);
            }
        }
        lent[at] = meanwhile.contains_key(&key);
        speaks[at] = lent[at];
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for ((namespace, ..), open) in &meanwhile {
            let over = &over;
            scope.spawn(move || open.serve(namespace, over));
        }
        let mut all: Vec<Called> = ask(calls, &speaks, patience);
        over.store(true, Ordering::SeqCst);
        for (called, lent) in all.iter_mut().zip(lent) {
            called.meanwhile = lent;
        }
        all
    })
}

/// Whether a stand-in listens on a port of a namespace.
fn stands_in(kernel: &Kernel, namespace: &str, port: u16) -> bool {
    kernel.applied().tasks.iter().any(|task| {
        let What::Part { part, settings, .. } = &task.what else { return false };
        task.namespace == namespace
            && part == "listener"
            && serde_json::from_str::<Listener>(settings).is_ok_and(|own| own.ports.contains(&port))
    })
}

/// Gives each service its calls.
fn ask(calls: &[Call], speaks: &[bool], patience: Duration) -> Vec<Called> {
    let mut services: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, call) in calls.iter().enumerate() {
        services.entry(&call.namespace).or_default().push(at);
    }
    let mut all = vec![Called::default(); calls.len()];
    std::thread::scope(|scope| {
        let each: Vec<_> = services
            .into_iter()
            .map(|(namespace, own)| {
                let orders: Vec<Value> = own
                    .iter()
                    .map(|at| json!({"call": calls[*at], "speaks": speaks[*at]}))
                    .collect();
                (own, scope.spawn(move || order(namespace, &orders, patience)))
            })
            .collect();
        for (own, thread) in each {
            let called = thread.join().unwrap_or_else(|_| Err(ErrorKind::Other.into()));
            match called {
                Ok(called) if called.len() == own.len() => {
                    for (at, called) in own.into_iter().zip(called) {
                        all[at] = called;
                    }
                }
                _ => {
                    for at in own {
                        let why =
                            "the service's stand-in does not answer: `lab ps` tells its state";
                        all[at] = Called::failed(Trouble::Untried, why.to_owned());
                    }
                }
            }
        }
    });
    all
}

/// Gives a service an order, and waits for what comes of it. A service that has just been started, or is started again, is waited for.
fn order(namespace: &str, calls: &[Value], patience: Duration) -> std::io::Result<Vec<Called>> {
    let until = Instant::now() + STARTS;
    loop {
        match order_once(namespace, calls, patience) {
            Err(error) if starting(error.kind()) && Instant::now() < until => pause(AGAIN),
            told => return told,
        }
    }
}

/// Whether a service that fails so may be about to listen: nothing is behind its door, or who was there has just gone.
const fn starting(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
    )
}

fn order_once(
    namespace: &str,
    calls: &[Value],
    patience: Duration,
) -> std::io::Result<Vec<Called>> {
    let mut stream = UnixStream::connect(service::door(namespace))?;
    // Connecting and answering may each take their time.
    stream.set_read_timeout(Some(patience * 3 + Duration::from_secs(5)))?;
    let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    let order = json!({"calls": calls, "milliseconds": milliseconds});
    stream.write_all(format!("{order}\n").as_bytes())?;
    let mut line = String::new();
    if BufReader::new(&stream).take(ANSWER).read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let answer: Value = serde_json::from_str(&line)?;
    let called = answer.get("called").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(called.iter().map(Called::from_json).collect())
}

/// What answers for as long as a call takes, where nothing else does: an instance that runs nothing.
#[derive(Debug)]
enum Meanwhile {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Meanwhile {
    fn open(at: SocketAddr, protocol: u8) -> std::io::Result<Self> {
        if protocol == UDP {
            return Ok(Self::Udp(UdpSocket::from(bound(&at, SocketType::DGRAM, None)?)));
        }
        let socket = bound(&at, SocketType::STREAM, None)?;
        rustix::net::listen(&socket, WAITING)?;
        Ok(Self::Tcp(TcpListener::from(socket)))
    }

    fn serve(&self, namespace: &str, over: &AtomicBool) {
        let own =
            Listener { name: namespace.to_owned(), speaks: "text".to_owned(), ports: [].into() };
        while !over.load(Ordering::SeqCst) {
            let look = Timespec { tv_sec: 0, tv_nsec: LOOK };
            let mut waiting = [match self {
                Self::Tcp(listener) => PollFd::new(listener, PollFlags::IN),
                Self::Udp(socket) => PollFd::new(socket, PollFlags::IN),
            }];
            if !matches!(poll(&mut waiting, Some(&look)), Ok(1..)) {
                continue;
            }
            match self {
                Self::Tcp(listener) => {
                    let Ok((stream, from)) = listener.accept() else { continue };
                    let own = own.clone();
                    let fine = stream.set_nonblocking(false).is_ok();
                    std::thread::spawn(move || {
                        fine && listen_meanwhile(stream, from, &own).is_ok()
                    });
                }
                Self::Udp(socket) => {
                    let mut octets = [0; 64];
                    let Ok((_, from)) = socket.recv_from(&mut octets) else { continue };
                    let answer = json!({"seen_as": from.ip().to_canonical().to_string()});
                    let _gone = socket.send_to(answer.to_string().as_bytes(), from);
                }
            }
        }
    }
}
