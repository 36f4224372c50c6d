//! Watching connections of a lab from inside, out of band: what is seen is told over the lab's control, not over the network that is watched.
//!
//! Each round, for each connection from one namespace to a port in another: a beacon that would begin a connection (TCP SYN), a beacon that
//! belongs to none (TCP ACK) and one the other way, each with a number that is looked for where it goes, at the real ports; and a real
//! connection with the first words of its protocol. The machines' kernels answer beacons by themselves; no program hears of them.

pub(crate) mod beacon;
pub(crate) mod post;

use std::io::{BufRead, BufReader, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::place;

/// Most connections and names that are watched.
pub const MOST: usize = 2_000;
/// Longest line each way.
pub(crate) const LINE: u64 = 16 * 1024 * 1024;
/// How long the lab may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first words of a protocol, to which a server says something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hello {
    /// None: a connection is enough.
    #[default]
    None,
    /// Redis: `PING`.
    Redis,
    /// PostgreSQL: whether it speaks TLS.
    Postgres,
    /// HTTP: `HEAD /`.
    Http,
}

impl Hello {
    /// What is said first on a port, as IANA's and the makers' registries have it.
    #[must_use]
    pub fn of_port(port: u16) -> Self {
        match port {
            6379 => Self::Redis,
            5432 => Self::Postgres,
            80 | 8000 | 8080 | 3000 => Self::Http,
            _ => Self::None,
        }
    }

    pub(crate) fn words(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Redis => b"PING\r\n",
            // SSLRequest of the protocol's "Message Formats": length 8, code 80877103.
            Self::Postgres => &[0, 0, 0, 8, 4, 210, 22, 47],
            Self::Http => b"HEAD / HTTP/1.0\r\n\r\n",
        }
    }
}

/// A connection that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The namespace that connects.
    pub from: String,
    /// The namespace that is connected to.
    pub to: String,
    /// The address that it connects from.
    pub source: IpAddr,
    /// Where it connects to, as it knows it.
    pub target: SocketAddr,
    /// What is said first.
    pub hello: Hello,
}

/// A name that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamePair {
    /// The namespace that asks.
    pub from: String,
    /// The name server.
    pub server: IpAddr,
    /// The name.
    pub name: String,
}

/// How a thing that was sent fared: microseconds after it was sent.
pub type After = Option<u32>;

/// What came of a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Talk {
    /// It could not be tried.
    #[default]
    Untried,
    /// It was answered, so many microseconds after it began.
    Answered(u32),
    /// The connection was made, and nothing was said in time.
    Silent,
    /// The connection was refused, or reset.
    Refused,
    /// A router said that there is no way.
    Unreachable,
    /// No answer in time.
    Missed,
}

/// What was seen of a connection in a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    /// Beacons could be sent.
    pub sent: bool,
    /// The beacon that begins a connection arrived.
    pub begun: After,
    /// It was answered.
    pub answered: After,
    /// It was answered by a refusal.
    pub refused: bool,
    /// The beacon that belongs to no connection arrived.
    pub there: After,
    /// The one the other way was sent, and arrived.
    pub back_sent: bool,
    /// It arrived.
    pub back: After,
    /// What came of a conversation.
    pub talk: Talk,
}

/// What was seen of a name in a round.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NameRow {
    /// The code of the answer; none where none came.
    pub code: Option<String>,
    /// The addresses, sorted.
    pub addresses: Vec<IpAddr>,
    /// How long the answer took, in microseconds.
    pub took: After,
}

/// What was seen in a round.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Its number.
    pub number: u64,
    /// When it began, in microseconds of the machine's clock that does not go back.
    pub began: u64,
    /// When it was over.
    pub over: u64,
    /// Of each connection, in their order.
    pub rows: Vec<Row>,
    /// Of each name, in their order.
    pub names: Vec<NameRow>,
}

/// What is watched, and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Connections.
    pub pairs: Vec<Pair>,
    /// Names.
    pub names: Vec<NamePair>,
    /// Milliseconds from the beginning of a round to that of the next.
    pub interval: u64,
    /// Milliseconds after which what did not come is missed; less than the interval.
    pub timeout: u64,
}

/// A monitor of a lab: rounds as they are over, until it is dropped.
#[derive(Debug)]
pub struct Monitor {
    stream: BufReader<UnixStream>,
}

impl Monitor {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// No such lab, or what is to be watched cannot be.
    pub fn begin(lab: &str, watch: &Watch) -> Result<Self, Failure> {
        let stream = place::connect(lab)?;
        let failed = Failure::during("asking the lab");
        stream.set_read_timeout(Some(PATIENCE)).map_err(&failed)?;
        let watch = serde_json::to_vec(watch)
            .map_err(|error| Failure::new(format!("the request cannot be written: {error}")))?;
        let asked = json!({"do": "monitor", "octets": watch.len()});
        (&stream).write_all(format!("{asked}\n").as_bytes()).map_err(&failed)?;
        (&stream).write_all(&watch).map_err(&failed)?;
        let mut own = Self { stream: BufReader::new(stream) };
        let line = own.line()?.unwrap_or_default();
        let answer: Value = serde_json::from_str(&line).unwrap_or_default();
        match answer.get("refused").and_then(Value::as_str) {
            Some(why) => Err(Failure::new(why)),
            None => Ok(own),
        }
    }

    /// The next round; `None` where the lab has ended.
    ///
    /// # Errors
    ///
    /// The lab says nothing, or what cannot be read.
    pub fn round(&mut self) -> Result<Option<Round>, Failure> {
        let Some(line) = self.line()? else { return Ok(None) };
        serde_json::from_str(&line)
            .map(Some)
            .map_err(|error| Failure::new(format!("the lab's answer cannot be read: {error}")))
    }

    /// What ends the monitor from another thread.
    ///
    /// # Errors
    ///
    /// The system gives no second handle.
    pub fn handle(&self) -> Result<UnixStream, Failure> {
        self.stream.get_ref().try_clone().map_err(Failure::during("the monitor"))
    }

    fn line(&mut self) -> Result<Option<String>, Failure> {
        let mut line = String::new();
        let read = self.stream.by_ref().take(LINE).read_line(&mut line);
        let read = read.map_err(Failure::during("the lab's answer"))?;
        Ok((read > 0).then_some(line))
    }
}

/// A TCP connection that comes out of a namespace of a lab, for a program outside of it.
///
/// # Errors
///
/// No such lab or namespace, or no connection in time.
pub fn connect(
    lab: &str,
    namespace: &str,
    target: SocketAddr,
    patience: Duration,
) -> Result<TcpStream, Failure> {
    let stream = place::connect(lab)?;
    let failed = Failure::during("asking the lab");
    let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    stream.set_read_timeout(Some(patience + PATIENCE)).map_err(&failed)?;
    let asked = json!({
        "do": "connect", "instance": namespace, "target": target.to_string(), "milliseconds": milliseconds,
    });
    (&stream).write_all(format!("{asked}\n").as_bytes()).map_err(&failed)?;
    let mut octets = [0_u8; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let into = &mut [IoSliceMut::new(&mut octets)];
    let received = recvmsg(&stream, into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        .map_err(|error| Failure::during("the lab's answer")(error.into()))?;
    let value: Value = serde_json::from_slice(octets.get(..received.bytes).unwrap_or_default())
        .unwrap_or_default();
    if let Some(why) = value.get("refused").and_then(Value::as_str) {
        return Err(Failure::new(why));
    }
    let mut descriptors = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let socket = descriptors.next().ok_or_else(|| Failure::new("the lab gave no connection"))?;
    Ok(TcpStream::from(socket))
}
