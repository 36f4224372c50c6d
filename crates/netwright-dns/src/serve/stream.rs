//! A connection of a client: messages with their lengths before them (RFC 1035, section 4.2.2), or one request for the counters.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};

/// Most octets that wait to be taken by the client: then no more queries are read from it.
const OUTPUT: usize = 256 * 1024;
/// Longest request for the counters.
const REQUEST: usize = 4096;
/// Octets read at a time.
const PIECE: usize = 4096;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Names,
    Metrics,
}

#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
    pub(super) from: SocketAddr,
    pub(super) kind: Kind,
    /// When something was read or written last.
    pub(super) last: Instant,
    input: Vec<u8>,
    output: Vec<u8>,
    /// It is closed when everything is written.
    ends: bool,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, from: SocketAddr, kind: Kind) -> Self {
        let last = Instant::now();
        Self { socket, from, kind, last, input: Vec::new(), output: Vec::new(), ends: false }
    }

    pub(super) fn waits_for(&self) -> PollFd<'_> {
        let mut flags = PollFlags::empty();
        if !self.output.is_empty() {
            flags |= PollFlags::OUT;
        }
        if self.output.len() < OUTPUT && !self.ends {
            flags |= PollFlags::IN;
        }
        PollFd::new(&self.socket, flags)
    }

    /// What came, and whether the connection is still open.
    pub(super) fn read(&mut self) -> (Vec<Vec<u8>>, bool) {
        let mut piece = [0; PIECE];
        let open = match self.socket.read(&mut piece) {
            Ok(0) => false,
            Ok(read) => {
                self.last = Instant::now();
                self.input.extend_from_slice(&piece[..read]);
                true
            }
            Err(error) => {
                matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
            }
        };
        match self.kind {
            Kind::Names => (messages(&mut self.input), open || !self.output.is_empty()),
            Kind::Metrics => {
                let whole = self.input.windows(4).any(|four| four == b"\r\n\r\n");
                let request = whole && !self.ends;
                (
                    if request { vec![Vec::new()] } else { Vec::new() },
                    open && self.input.len() <= REQUEST,
                )
            }
        }
    }

    /// Sends a message. False where the connection is of no use any more.
    pub(super) fn answer(&mut self, message: &[u8]) -> bool {
        let Ok(length) = u16::try_from(message.len()) else { return false };
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(message);
        self.write()
    }

    /// Answers a request for the counters.
    pub(super) fn tell(&mut self, text: &str) {
        let length = text.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        self.output.extend_from_slice(head.as_bytes());
        self.output.extend_from_slice(text.as_bytes());
        self.ends = true;
    }

    /// Writes what can be written. False where the connection is of no use any more.
    pub(super) fn write(&mut self) -> bool {
        while !self.output.is_empty() {
            match self.socket.write(&self.output) {
                Ok(written) => {
                    self.last = Instant::now();
                    self.output.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        !self.ends
    }
}

/// Takes the whole messages from what was read.
pub(super) fn messages(input: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some([high, low]) = input.get(at..at + 2) {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(message) = input.get(at + 2..at + 2 + length) else { break };
        found.push(message.to_vec());
        at += 2 + length;
    }
    input.drain(..at);
    found
}
