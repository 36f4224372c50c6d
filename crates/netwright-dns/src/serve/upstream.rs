//! A query to another server: a datagram from a port of its own, or a connection of its own.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};

use nix::sys::socket::{setsockopt, sockopt::Mark};
use rustix::event::{PollFd, PollFlags};
use rustix::net::sockopt::{set_ip_freebind, set_ipv6_freebind};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::stream::messages;
use crate::settings::Leave;

/// Longest answer over TCP.
const LONGEST: usize = 65_537;

#[derive(Debug)]
pub(super) enum Upstream {
    Datagram(UdpSocket),
    Stream { socket: TcpStream, input: Vec<u8>, output: Vec<u8> },
}

impl Upstream {
    /// Asks a server. Its source port is the kernel's choice: unpredictable.
    pub(super) fn ask(
        to: SocketAddr,
        stream: bool,
        query: &[u8],
        leave: &Leave,
    ) -> io::Result<Self> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let kind = if stream { SocketType::STREAM } else { SocketType::DGRAM };
        let socket = socket_with(family, kind, flags, None)?;
        if let Some(mark) = leave.mark {
            setsockopt(&socket, Mark, &mark)?;
        }
        let own = leave.from.iter().find(|own: &&IpAddr| own.is_ipv4() == to.is_ipv4());
        if let Some(own) = own {
            if own.is_ipv4() {
                set_ip_freebind(&socket, true)?;
            } else {
                set_ipv6_freebind(&socket, true)?;
            }
            bind(&socket, &SocketAddr::new(*own, 0))?;
        }
        match connect(&socket, &to) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        if stream {
            let length = u16::try_from(query.len()).map_err(io::Error::other)?;
            let output = [&length.to_be_bytes()[..], query].concat();
            return Ok(Self::Stream { socket: socket.into(), input: Vec::new(), output });
        }
        let socket = UdpSocket::from(socket);
        socket.send(query)?;
        Ok(Self::Datagram(socket))
    }

    pub(super) fn waits_for(&self) -> PollFd<'_> {
        match self {
            Self::Datagram(socket) => PollFd::new(socket, PollFlags::IN),
            Self::Stream { socket, output, .. } if output.is_empty() => {
                PollFd::new(socket, PollFlags::IN)
            }
            Self::Stream { socket, .. } => PollFd::new(socket, PollFlags::OUT),
        }
    }

    /// What came.
    pub(super) fn go_on(&mut self) -> io::Result<Vec<Vec<u8>>> {
        match self {
            Self::Datagram(socket) => {
                let mut octets = [0; super::LONGEST];
                match socket.recv(&mut octets) {
                    Ok(read) => Ok(vec![octets[..read].to_vec()]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Vec::new()),
                    Err(error) => Err(error),
                }
            }
            Self::Stream { socket, input, output } => {
                let later = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
                if !output.is_empty() {
                    match socket.write(output) {
                        Ok(written) => drop(output.drain(..written)),
                        Err(error) if later(&error) => {}
                        Err(error) => return Err(error),
                    }
                    return Ok(Vec::new());
                }
                let mut piece = [0; super::LONGEST];
                match socket.read(&mut piece) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(read) => input.extend_from_slice(&piece[..read]),
                    Err(error) if later(&error) => {}
                    Err(error) => return Err(error),
                }
                if input.len() > LONGEST {
                    return Err(io::Error::other("it says more than one answer"));
                }
                Ok(messages(input))
            }
        }
    }
}
