//! Whether frames leave an interface as they would go over a wire: each with its checksums, and none longer than a packet may be. Between
//! two ends of a link the kernel else leaves both undone.
//!
//! `ethtool` speaks generic netlink; the numbers are those of `linux/genetlink.h` and `linux/ethtool_netlink.h`.

use std::io;

use netlink_packet_core::{DefaultNla, Emitable, NLM_F_ACK, NLM_F_REQUEST};
use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};

/// The family that finds families, its request, and the attributes of a family's number and name.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// The request that changes what an interface is left to do, and its attributes.
const FEATURES_SET: u8 = 12;
const FEATURES_HEADER: u16 = 1;
const FEATURES_WANTED: u16 = 3;
const HEADER_NAME: u16 = 2;
const BITSET_BITS: u16 = 3;
const BITS_BIT: u16 = 1;
const BIT_NAME: u16 = 2;
const BIT_VALUE: u16 = 3;
const NESTED: u16 = 0x8000;

/// An error, which is also how the kernel says that all is done.
const NLMSG_ERROR: u16 = 2;

/// What an interface is left to do: checksums. What it cannot add a checksum to it cannot cut into segments either, so that the kernel does
/// that before.
const FEATURE: &str = "tx-checksum-ip-generic";

/// Longest answer.
const ANSWER: usize = 16 * 1024;

/// Says of interfaces of the namespace that the calling thread is in whether frames leave them whole.
pub(super) fn set(links: &[(&str, bool)]) -> io::Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    let mut socket = Generic::here()?;
    let name = attribute(FAMILY_NAME, b"ethtool\0");
    let family = socket.ask(CONTROL, GET_FAMILY, &name)?;
    let family = family.ok_or_else(|| io::Error::other("the kernel has no ethtool netlink"))?;
    for (link, plain) in links {
        socket.ask(family, FEATURES_SET, &request(link, *plain))?;
    }
    Ok(())
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let attribute = DefaultNla::new(kind, value.to_vec());
    let mut octets = vec![0; attribute.buffer_len()];
    attribute.emit(&mut octets);
    octets
}

fn request(link: &str, plain: bool) -> Vec<u8> {
    let text = |kind: u16, text: &str| attribute(kind, format!("{text}\0").as_bytes());
    let header = attribute(FEATURES_HEADER | NESTED, &text(HEADER_NAME, link));
    let mut bit = text(BIT_NAME, FEATURE);
    if !plain {
        bit.extend(attribute(BIT_VALUE, &[]));
    }
    let bits = attribute(BITSET_BITS | NESTED, &attribute(BITS_BIT | NESTED, &bit));
    [header, attribute(FEATURES_WANTED | NESTED, &bits)].concat()
}

/// A socket of generic netlink.
struct Generic {
    socket: Socket,
    sequence: u32,
}

impl Generic {
    fn here() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends a request and waits until it is done. The number of a family, where the answer has one.
    fn ask(&mut self, family: u16, command: u8, attributes: &[u8]) -> io::Result<Option<u16>> {
        self.sequence += 1;
        let length = u32::try_from(20 + attributes.len()).unwrap_or(u32::MAX);
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(family.to_ne_bytes());
        message.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        // Port of the sender; then command, version 1, and two octets of nothing.
        message.extend([0, 0, 0, 0, command, 1, 0, 0]);
        message.extend(attributes);
        self.socket.send(&message, 0)?;
        let mut found = None;
        loop {
            let mut buffer = Vec::with_capacity(ANSWER);
            self.socket.recv(&mut buffer, 0)?;
            let mut rest = buffer.as_slice();
            while let Some(length) = number::<4>(rest, 0).map(u32::from_ne_bytes) {
                let length = length as usize;
                let Some(message) = rest.get(16..length) else { break };
                let kind = number::<2>(rest, 4).map(u16::from_ne_bytes);
                let own = number::<4>(rest, 8).map(u32::from_ne_bytes) == Some(self.sequence);
                if kind == Some(NLMSG_ERROR) && own {
                    let code = number::<4>(message, 0).map_or(0, i32::from_ne_bytes);
                    return match code {
                        0 => Ok(found),
                        code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
                    };
                }
                found = found.or_else(|| id(message.get(4..).unwrap_or_default()));
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }
}

/// The number of a family among attributes.
fn id(mut rest: &[u8]) -> Option<u16> {
    while let (Some(length), Some(kind)) = (number::<2>(rest, 0), number::<2>(rest, 2)) {
        let length = usize::from(u16::from_ne_bytes(length));
        if u16::from_ne_bytes(kind) == FAMILY_ID {
            return number::<2>(rest, 4).map(u16::from_ne_bytes);
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

fn number<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..at + N)?.try_into().ok()
}
