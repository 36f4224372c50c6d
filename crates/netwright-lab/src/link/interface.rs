//! Interfaces as whole frames are taken from them and given to them: packet sockets of the calling thread's namespace.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::LinkAddr;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socket_with, sockopt};

/// Longest frame: those of interfaces are shorter.
pub(super) const FRAME: usize = 65_536 + 18;

/// Octets that wait in a socket until they are taken.
const WAITING: usize = 4 * 1024 * 1024;

/// The address of an interface: it names it.
pub(super) fn address(interface: &str) -> io::Result<LinkAddr> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{interface} is not there"));
    let mut addresses = nix::ifaddrs::getifaddrs()?;
    let address = addresses.find_map(|one| {
        let own = one.interface_name == interface;
        one.address.filter(|_| own)?.as_link_addr().copied()
    });
    address.ok_or_else(missing)
}

/// A socket that takes what comes in at an interface, and gives it frames.
pub(super) fn taken(interface: &str) -> io::Result<OwnedFd> {
    let socket = socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(rustix::net::eth::ALL),
    )?;
    // As much as is allowed.
    let _less = sockopt::set_socket_recv_buffer_size(&socket, WAITING);
    nix::sys::socket::bind(socket.as_raw_fd(), &address(interface)?)?;
    // What came before it was bound may be of another interface.
    let mut frame = [0; 1];
    while recv(&socket, &mut frame[..], RecvFlags::DONTWAIT).is_ok() {}
    Ok(socket)
}

/// A socket that only gives frames to an interface, each with a mark.
pub(super) fn given(interface: &str, mark: u32) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::Mark, &mark)?;
    nix::sys::socket::bind(socket.as_raw_fd(), &address(interface)?)?;
    Ok(socket)
}
