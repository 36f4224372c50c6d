//! One call of a service: a connection as its client would make it, and what came of it.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use netwright_dataplane::plan::call::How;
use serde_json::Value;

use super::HELLO;
use crate::calls::{Called, Trouble};

/// Longest answer of a stand-in.
const ANSWER: u64 = 4096;

/// Calls; `speaks`: what answers is a stand-in, and says who it is and whom it sees.
pub(super) fn call(how: &How, speaks: bool, patience: Duration) -> Called {
    let begun = Instant::now();
    let asked = match how {
        How::Tcp { to } => tcp(to, speaks, patience),
        How::Udp { to } => udp(to, patience),
        How::Socket { path, .. } => socket(path, speaks, patience),
    };
    let mut called = asked
        .unwrap_or_else(|error| Called::failed(trouble(how, &error), words(how, &error, patience)));
    called.milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    called
}

/// What a name stands for, as this process is told; nothing where it is not told in time.
pub(super) fn resolve(host: &str, patience: Duration) -> Vec<IpAddr> {
    let (send, found) = channel();
    let host = host.to_owned();
    // The system's own search takes as long as it likes.
    std::thread::spawn(move || {
        let all = (host.as_str(), 0).to_socket_addrs().map(|all| {
            let mut all: Vec<IpAddr> = all.map(|address| address.ip()).collect();
            all.dedup();
            all
        });
        let _nobody_waits = send.send(all.unwrap_or_default());
    });
    found.recv_timeout(patience).unwrap_or_default()
}

fn tcp(to: &SocketAddr, speaks: bool, patience: Duration) -> io::Result<Called> {
    let end = Instant::now() + patience;
    let stream = TcpStream::connect_timeout(to, patience)?;
    if !speaks {
        return Ok(Called::connected());
    }
    let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left))?;
    (&stream).write_all(HELLO)?;
    answer(&stream)
}

fn socket(path: &str, speaks: bool, patience: Duration) -> io::Result<Called> {
    let stream = UnixStream::connect(path)?;
    if !speaks {
        return Ok(Called::connected());
    }
    stream.set_read_timeout(Some(patience))?;
    (&stream).write_all(HELLO)?;
    answer(&stream)
}

fn udp(to: &SocketAddr, patience: Duration) -> io::Result<Called> {
    let any: SocketAddr =
        if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(patience))?;
    socket.send(HELLO)?;
    let mut octets = [0; 4096];
    let read = socket.recv(&mut octets)?;
    Ok(read_answer(&octets[..read]))
}

fn answer(stream: impl Read) -> io::Result<Called> {
    let mut line = Vec::new();
    BufReader::new(stream).take(ANSWER).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(read_answer(&line))
}

fn read_answer(line: &[u8]) -> Called {
    let value: Value = serde_json::from_slice(line).unwrap_or_default();
    let seen = value.get("seen_as").and_then(Value::as_str);
    Called { source: seen.and_then(|seen| seen.parse().ok()), ..Called::connected() }
}

/// How a call failed.
fn trouble(how: &How, error: &io::Error) -> Trouble {
    let by_proxy = matches!(how, How::Socket { .. });
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Trouble::Silent,
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset if by_proxy => Trouble::Behind,
        ErrorKind::UnexpectedEof => Trouble::Closed,
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Trouble::Refused,
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => Trouble::NoWay,
        _ => Trouble::Broken,
    }
}

/// The same in words.
fn words(how: &How, error: &io::Error, patience: Duration) -> String {
    let by_proxy = matches!(how, How::Socket { .. });
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            let who = if by_proxy { " through the proxy" } else { "" };
            format!("no answer{who} within {} ms", patience.as_millis())
        }
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset if by_proxy => {
            "the proxy closed the connection".to_owned()
        }
        ErrorKind::UnexpectedEof => "the connection was closed without an answer".to_owned(),
        ErrorKind::NotFound if by_proxy => "there is no such socket".to_owned(),
        ErrorKind::ConnectionRefused if by_proxy => "no proxy listens on the socket".to_owned(),
        ErrorKind::ConnectionRefused => "refused: nothing listens there".to_owned(),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => "no route".to_owned(),
        _ => error.to_string(),
    }
}
