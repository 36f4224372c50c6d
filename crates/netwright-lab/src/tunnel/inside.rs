//! The link from which packets go through the tunnel: whole frames, taken from it and put onto it.
//!
//! The kernel leaves the checksums of TCP and UDP to the device that sends a packet, and a link of a lab has none: what comes from it
//! is completed here. Everything else of a packet stays as it is, wrong checksums included.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, bind, socket};
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};

/// Octets of a frame's header: both hardware addresses and what the frame holds.
const HEADER: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Octets that wait to be taken, as far as the machine allows.
const BUFFER: usize = 4 * 1024 * 1024;

/// The link.
pub(super) struct Inside {
    socket: OwnedFd,
    own: [u8; 6],
    /// The hardware address of the neighbour.
    far: [u8; 6],
}

impl Inside {
    /// Opens a link of the namespace that the process is in.
    pub(super) fn open(link: &str) -> io::Result<Self> {
        let absent = || io::Error::other(format!("there is no link {link}"));
        let own = getifaddrs()?
            .filter(|one| one.interface_name == link)
            .find_map(|one| one.address?.as_link_addr().copied())
            .ok_or_else(absent)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &own)?;
        // Until it was bound, frames of other links came too.
        let mut octet = [0];
        while recv(&socket, &mut octet, RecvFlags::DONTWAIT).is_ok() {}
        // As large as the machine allows.
        let _smaller = sockopt::set_socket_recv_buffer_size(&socket, BUFFER);
        let neighbours = std::fs::read_to_string("/proc/thread-self/net/arp")?;
        let far = neighbour(&neighbours, link)
            .ok_or_else(|| io::Error::other(format!("link {link} has no neighbour")))?;
        Ok(Self { socket, own: own.addr().ok_or_else(absent)?, far })
    }

    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.socket
    }

    /// A packet that came by the link, whole. None where none is there.
    pub(super) fn receive<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b mut [u8]> {
        loop {
            let (octets, _) = match recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok(received) => received,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return None,
            };
            let kind = buffer.get(HEADER - 2..HEADER);
            let for_us = buffer.get(6..12) != Some(&self.own[..])
                && (kind == Some(&IPV4[..]) || kind == Some(&IPV6[..]));
            if for_us && octets > HEADER {
                let packet = buffer.get_mut(HEADER..octets)?;
                complete(packet);
                break Some(packet);
            }
        }
    }

    /// Puts a packet onto the link. What is none, or does not fit, is lost.
    pub(super) fn send(&self, packet: &[u8]) {
        let kind = match packet.first().map(|octet| octet >> 4) {
            Some(4) => IPV4,
            Some(6) => IPV6,
            _ => return,
        };
        let mut frame = Vec::with_capacity(HEADER + packet.len());
        frame.extend_from_slice(&self.far);
        frame.extend_from_slice(&self.own);
        frame.extend_from_slice(&kind);
        frame.extend_from_slice(packet);
        // A network loses packets.
        let _lost = send(&self.socket, &frame, SendFlags::NOSIGNAL);
    }
}

/// The hardware address of a link's neighbour, of the kernel's list of neighbours.
fn neighbour(list: &str, link: &str) -> Option<[u8; 6]> {
    let line = list.lines().skip(1).find(|line| line.split_whitespace().last() == Some(link))?;
    let mut octets = line.split_whitespace().nth(3)?.split(':');
    let mut address = [0; 6];
    for octet in &mut address {
        *octet = u8::from_str_radix(octets.next()?, 16).ok()?;
    }
    Some(address)
}

/// Completes the checksum of TCP or UDP that the kernel left to a device: the field holds the sum of the addresses, the length and the protocol alone.
fn complete(packet: &mut [u8]) {
    let Some((header, protocol, addresses)) = transport(packet) else { return };
    let field = header + if protocol == TCP { 16 } else { 6 };
    let length = packet.len() - header;
    let Some(found) = packet.get(field..field + 2).map(|at| u16::from_be_bytes([at[0], at[1]]))
    else {
        return;
    };
    let Ok(octets) = u32::try_from(length) else { return };
    let sum = added(packet.get(addresses).unwrap_or_default(), octets + u32::from(protocol));
    let partial = folded(sum);
    if partial % 0xffff != found % 0xffff {
        return;
    }
    let whole = !folded(added(packet.get(header..).unwrap_or_default(), 0));
    let whole = if whole == 0 && protocol == UDP { 0xffff } else { whole };
    if let Some(at) = packet.get_mut(field..field + 2) {
        at.copy_from_slice(&whole.to_be_bytes());
    }
}

/// Where TCP or UDP begins in a packet that is no fragment, which of them it is, and where the addresses are.
fn transport(packet: &[u8]) -> Option<(usize, u8, Range<usize>)> {
    let first = *packet.first()?;
    let (header, protocol, addresses) = match first >> 4 {
        4 => {
            let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]);
            if fragment & 0x3fff != 0 {
                return None;
            }
            (usize::from(first & 15) * 4, *packet.get(9)?, 12..20)
        }
        6 => (40, *packet.get(6)?, 8..40),
        _ => return None,
    };
    ((protocol == TCP || protocol == UDP) && packet.len() >= header + 8)
        .then_some((header, protocol, addresses))
}

/// Octets added up two by two. At most 64 KiB: no sum overflows.
fn added(octets: &[u8], sum: u32) -> u32 {
    octets.chunks(2).fold(sum, |sum, pair| {
        sum + u32::from(pair[0]) * 256 + u32::from(pair.get(1).copied().unwrap_or_default())
    })
}

fn folded(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::{added, complete, folded, neighbour};

    /// A datagram of four octets from 10.0.0.1 to 10.0.0.2, with what its checksum's field holds.
    fn datagram(field: u16) -> Vec<u8> {
        let mut packet =
            vec![0x45, 0, 0, 32, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0x12, 0x34, 0, 53, 0, 12]);
        packet.extend(field.to_be_bytes());
        packet.extend([1, 2, 3, 4]);
        packet
    }

    fn pseudo() -> u32 {
        added(&[10, 0, 0, 1, 10, 0, 0, 2], 12 + 17)
    }

    #[test]
    fn a_checksum_that_was_left_to_a_device_is_completed() {
        let mut packet = datagram(folded(pseudo()));
        complete(&mut packet);
        assert_eq!(folded(added(&packet[20..], pseudo())), 0xffff);
    }

    #[test]
    fn a_right_checksum_a_wrong_one_and_none_stay_as_they_are() {
        let right = !folded(added(&datagram(0)[20..], pseudo()));
        for field in [right, right ^ 0x0100, 0] {
            let mut packet = datagram(field);
            complete(&mut packet);
            assert_eq!(packet, datagram(field));
        }
    }

    #[test]
    fn a_fragment_stays_as_it_is() {
        let mut packet = datagram(folded(pseudo()));
        packet[6] = 0x20;
        let before = packet.clone();
        complete(&mut packet);
        assert_eq!(packet, before);
    }

    #[test]
    fn the_neighbour_of_a_link_is_read_from_the_kernels_list() {
        let list = "IP address       HW type     Flags       HW address            Mask     Device
169.254.0.1      0x1         0x6         02:0a:0b:0c:0d:0e     *        inside
169.254.0.1      0x1         0x6         02:00:00:00:00:01     *        wire
";
        assert_eq!(neighbour(list, "inside"), Some([2, 10, 11, 12, 13, 14]));
        assert_eq!(neighbour(list, "eth0"), None);
    }
}
