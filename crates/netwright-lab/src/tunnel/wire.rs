//! The wire between the two ends of a tunnel: UDP, or a protocol of its own above IP. What is larger than it carries is dropped, and counted, by the
//! ruleset of the end's namespace, before the kernel would make fragments of it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, recv,
    send, socket_with,
};

/// Octets that wait to be taken, as far as the machine allows.
const BUFFER: usize = 4 * 1024 * 1024;

/// What a tunnel's packets are carried in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// UDP, from and to a port.
    Udp(u16),
    /// IP itself, by the protocol's number.
    Protocol(u8),
}

/// The wire, between two addresses.
pub(super) struct Wire {
    socket: OwnedFd,
    /// What is received begins with its IPv4 header.
    headed: bool,
}

impl Wire {
    /// Opens the wire in the namespace that the process is in.
    pub(super) fn open(own: IpAddr, peer: IpAddr, carrier: Carrier) -> io::Result<Self> {
        let family = if own.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let (kind, protocol, port) = match carrier {
            Carrier::Udp(port) => (SocketType::DGRAM, None, port),
            Carrier::Protocol(number) => {
                let number = NonZeroU32::new(number.into()).map(Protocol::from_raw);
                (SocketType::RAW, number, 0)
            }
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, kind, flags, protocol)?;
        // As large as the machine allows.
        let _smaller = set_socket_recv_buffer_size(&socket, BUFFER);
        bind(&socket, &SocketAddr::new(own, port))?;
        connect(&socket, &SocketAddr::new(peer, port))?;
        Ok(Self { socket, headed: own.is_ipv4() && kind == SocketType::RAW })
    }

    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.socket
    }

    /// What came over the wire. None where nothing is there.
    pub(super) fn receive<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b mut [u8]> {
        loop {
            match recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((octets, _)) => {
                    let header = if self.headed { usize::from(buffer[0] & 15) * 4 } else { 0 };
                    return buffer.get_mut(header..octets);
                }
                // The other end was not there for an earlier packet.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNREFUSED) => {}
                Err(_) => return None,
            }
        }
    }

    /// Sends over the wire. What does not fit is lost.
    pub(super) fn send(&self, octets: &[u8]) {
        let _lost = send(&self.socket, octets, SendFlags::NOSIGNAL);
    }
}
