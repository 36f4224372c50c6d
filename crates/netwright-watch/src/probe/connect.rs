//! TCP connections, and what the kernel's refusals mean.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::outcome::{Kind, PhaseName, Verdict};
use super::trail::{Asked, Trail};

/// What is said to peers that tell whom they see; Netwright's stand-ins do.
const HELLO: &[u8] = b"NETWRIGHT 1\n";

/// Longest answer to it that is read.
const ANSWER: usize = 4_096;

/// Connects.
pub(crate) async fn connect(
    to: SocketAddr,
    bind: Option<IpAddr>,
    trail: &mut Trail,
) -> Asked<TcpStream> {
    trail.begin(PhaseName::Connect);
    trail.peer = Some(to);
    let stream = opened(to, bind).await.map_err(|error| meaning(&error, &format!("{to}")))?;
    trail.end();
    trail.from(stream.local_addr().ok());
    // What is asked is small and waits for an answer.
    let _as_it_is = stream.set_nodelay(true);
    Ok(stream)
}

async fn opened(to: SocketAddr, bind: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bind) = bind {
        socket.bind(SocketAddr::new(bind, 0))?;
    }
    socket.connect(to).await
}

/// A connection, and nothing over it, or one line where the peer is to say whom it sees.
pub(crate) async fn tcp(
    to: SocketAddr,
    bind: Option<IpAddr>,
    say: bool,
    trail: &mut Trail,
) -> Asked<()> {
    let mut stream = connect(to, bind, trail).await?;
    if say {
        trail.begin(PhaseName::FirstOctet);
        let mut answer = vec![0; ANSWER];
        let told = async {
            stream.write_all(HELLO).await?;
            stream.read(&mut answer).await
        };
        let read = told.await.map_err(|error| meaning(&error, &format!("{to}")))?;
        trail.end();
        if let Some(address) = told_source(&answer[..read]) {
            trail.seen_from(address);
        }
    }
    // Nothing waits for the last packets of thousands of connections a second: the port is free at once.
    let _as_it_is = stream.set_zero_linger();
    Ok(())
}

/// The source that a line tells: an address alone, or `seen_as` of a JSON object.
fn told_source(line: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(line).ok()?.trim();
    text.parse().ok().or_else(|| {
        let value: serde_json::Value = serde_json::from_str(text.lines().next()?).ok()?;
        value.get("seen_as")?.as_str()?.parse().ok()
    })
}

/// What an error of a socket says of the peer, or that it says nothing of it.
pub(crate) fn meaning(error: &io::Error, who: &str) -> Verdict {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    match code {
        Some(Errno::CONNREFUSED) => Verdict::failed(
            Kind::ConnectionRefused,
            format!("{who} refuses: nothing listens there"),
        ),
        Some(Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED) => {
            Verdict::failed(Kind::ConnectionReset, format!("{who} reset the connection"))
        }
        Some(
            Errno::NETUNREACH
            | Errno::HOSTUNREACH
            | Errno::NETDOWN
            | Errno::HOSTDOWN
            | Errno::NOPROTOOPT
            | Errno::PROTO,
        ) => Verdict::failed(Kind::Unreachable, format!("no way to {who}: {}", plain(error))),
        Some(Errno::ACCESS | Errno::PERM) => {
            Verdict::failed(Kind::Prohibited, format!("{who} is forbidden: {}", plain(error)))
        }
        Some(Errno::TIMEDOUT) => {
            Verdict::failed(Kind::ConnectTimedOut, format!("no answer from {who}"))
        }
        Some(
            Errno::ADDRNOTAVAIL
            | Errno::MFILE
            | Errno::NFILE
            | Errno::NOBUFS
            | Errno::NOMEM
            | Errno::AFNOSUPPORT
            | Errno::ADDRINUSE,
        ) => Verdict::unknown(format!("this machine could not ask {who}: {}", plain(error))),
        _ if error.kind() == io::ErrorKind::UnexpectedEof => Verdict::failed(
            Kind::ConnectionClosed,
            format!("{who} closed the connection without an answer"),
        ),
        _ => Verdict::unknown(format!("{who}: {error}")),
    }
}

/// An error without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
