//! Sockets inside namespaces.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use netwright_dataplane::kernel::within;
use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_freebind,
    set_ipv6_mtu_discover, set_socket_reuseaddr, set_socket_reuseport,
};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, bind, ipproto, socket_with};

use super::{Probe, Round};

/// Octets of an IP header without options.
pub(super) fn header(address: &SocketAddr) -> u32 {
    if address.is_ipv4() { 20 } else { 40 }
}

/// A socket with an address of its own, which may be one of a whole range that is its namespace's.
pub(crate) fn bound(
    address: &SocketAddr,
    kind: SocketType,
    protocol: Option<Protocol>,
) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, kind, flags, protocol)?;
    set_socket_reuseaddr(&socket, true)?;
    // What stands in for something in a lab listens on all addresses and shares its ports: meanwhile what comes to this one comes here.
    set_socket_reuseport(&socket, true)?;
    if address.is_ipv6() {
        set_ipv6_freebind(&socket, true)?;
    }
    if address.port() == 0 && kind == SocketType::STREAM {
        // A port is chosen when the far end is known: as many connections to each as there are ports. Older kernels choose now.
        let _chosen_now = setsockopt(&socket, IpBindAddressNoPort, &true);
    }
    bind(&socket, address)?;
    Ok(socket)
}

/// A socket whose packets are never fragmented: neither here nor, in IPv4, on the way. What routers tell of sizes is not heeded.
pub(super) fn whole(
    address: &SocketAddr,
    kind: SocketType,
    protocol: Option<Protocol>,
) -> io::Result<OwnedFd> {
    let socket = bound(address, kind, protocol)?;
    if address.is_ipv4() {
        set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::PROBE)?;
    } else {
        set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::PROBE)?;
    }
    Ok(socket)
}

/// The protocol of echo requests of a family.
pub(super) fn icmp(address: &SocketAddr) -> Protocol {
    if address.is_ipv4() { ipproto::ICMP } else { ipproto::ICMPV6 }
}

/// Makes what answers, inside its namespace.
pub(super) fn listener<T: Send>(
    round: &Round<'_>,
    make: impl FnOnce() -> io::Result<T> + Send,
) -> Result<T, String> {
    let name = round.namespace;
    let space = round.kernel.namespace(name).ok_or_else(|| format!("the lab has no {name}"))?;
    let made = within(space, make).and_then(|made| made);
    made.map_err(|error| format!("{name} cannot listen on {}: {error}", round.listens))
}

/// Makes what asks, inside its namespace.
pub(super) fn client<T: Send>(
    round: &Round<'_>,
    probe: &Probe,
    make: impl FnOnce() -> io::Result<T> + Send,
) -> Result<T, String> {
    let name = &probe.from;
    let space = round.kernel.namespace(name).ok_or_else(|| format!("the lab has no {name}"))?;
    let made = within(space, make).and_then(|made| made);
    made.map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::MSGSIZE.raw_os_error() => {
            "larger than the sender's own network carries".to_owned()
        }
        _ => format!("{name} cannot send from {}: {error}", probe.source),
    })
}
