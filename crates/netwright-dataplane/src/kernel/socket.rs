//! A netlink socket of one namespace: many requests in one send, every answer collected.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// Requests in one send: their answers must fit into the socket's buffer, since the kernel does all of them before any is read.
const BATCH: usize = 64;
/// Octets in one send, below the default send buffer.
const BATCH_OCTETS: usize = 64 * 1024;
/// Longest datagram that the kernel sends in a dump.
pub(super) const DATAGRAM: usize = 64 * 1024;

/// A request to the kernel, with the words for it in an error.
#[derive(Debug)]
pub(super) struct Request {
    /// The message.
    pub(super) message: RouteNetlinkMessage,
    /// `NLM_F_CREATE` and the like.
    pub(super) flags: u16,
    /// The object in words.
    pub(super) object: String,
    /// That the object is already gone is no error.
    pub(super) may_be_gone: bool,
}

/// A request that the kernel refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) object: String,
    pub(super) said: String,
}

/// A netlink socket.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// A socket of the namespace that the calling thread is in.
    pub(super) fn here() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        // Old kernels do not know it, and then filter less, not wrongly.
        let _unknown = socket.set_netlink_get_strict_chk(true);
        Ok(Self { socket, sequence: 0 })
    }

    /// Does all requests in order; the refused ones are told, the others are done.
    pub(super) fn all(&mut self, requests: Vec<Request>) -> io::Result<Vec<Refusal>> {
        let mut refusals = Vec::new();
        let mut batch = Vec::new();
        let mut sent: Vec<(u32, String, bool)> = Vec::new();
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            let mut header = NetlinkHeader::default();
            header.flags = NLM_F_REQUEST | NLM_F_ACK | request.flags;
            header.sequence_number = self.sequence;
            append(&mut batch, header, request.message);
            sent.push((self.sequence, request.object, request.may_be_gone));
            if sent.len() == BATCH || batch.len() > BATCH_OCTETS {
                self.exchange(&batch, &mut sent, &mut refusals)?;
                batch.clear();
            }
        }
        if !sent.is_empty() {
            self.exchange(&batch, &mut sent, &mut refusals)?;
        }
        Ok(refusals)
    }

    fn exchange(
        &mut self,
        batch: &[u8],
        sent: &mut Vec<(u32, String, bool)>,
        refusals: &mut Vec<Refusal>,
    ) -> io::Result<()> {
        self.socket.send(batch, 0)?;
        let mut open = sent.len();
        let mut buffer = Vec::with_capacity(DATAGRAM);
        while open > 0 {
            buffer.clear();
            self.socket.recv(&mut buffer, 0)?;
            for (header, rest) in frames(&buffer) {
                let Some((_, object, may_be_gone)) =
                    sent.iter().find(|(sequence, ..)| *sequence == header.sequence)
                else {
                    continue;
                };
                if header.kind != NLMSG_ERROR {
                    continue;
                }
                open -= 1;
                let code = error_code(rest);
                let gone = *may_be_gone && GONE.contains(&code);
                if code != 0 && !gone {
                    let said = io::Error::from_raw_os_error(code).to_string();
                    let said = match extended(header.flags, rest) {
                        Some(text) => format!("{said}: {text}"),
                        None => said,
                    };
                    refusals.push(Refusal { object: object.clone(), said });
                }
            }
        }
        sent.clear();
        Ok(())
    }

    /// Everything of a kind.
    pub(super) fn dump(
        &mut self,
        message: RouteNetlinkMessage,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        header.sequence_number = self.sequence;
        let mut request = Vec::new();
        append(&mut request, header, message);
        self.socket.send(&request, 0)?;
        let mut found = Vec::new();
        let mut buffer = Vec::with_capacity(DATAGRAM);
        loop {
            buffer.clear();
            self.socket.recv(&mut buffer, 0)?;
            let mut rest = buffer.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                let length = (message.header.length as usize).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => found.push(inner),
                    NetlinkPayload::Done(_) => return Ok(found),
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(error.to_io());
                    }
                    _ => {}
                }
            }
        }
    }
}

fn append(batch: &mut Vec<u8>, header: NetlinkHeader, message: RouteNetlinkMessage) {
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    message.finalize();
    let start = batch.len();
    batch.resize(start + message.buffer_len(), 0);
    if let Some(place) = batch.get_mut(start..) {
        message.serialize(place);
    }
    batch.resize(batch.len().next_multiple_of(4), 0);
}

pub(super) const NLMSG_ERROR: u16 = 2;
/// The error carries attributes after it.
const ACK_TLVS: u16 = 0x200;
/// Text of an error.
const ATTRIBUTE_MESSAGE: u16 = 1;
/// ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL: what was to be removed is not there.
const GONE: [i32; 4] = [2, 3, 19, 99];

#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
}

/// The messages of a datagram, header and payload.
pub(super) fn frames(mut rest: &[u8]) -> impl Iterator<Item = (Frame, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32_at(rest, 0)? as usize;
        let frame =
            Frame { kind: u16_at(rest, 4)?, flags: u16_at(rest, 6)?, sequence: u32_at(rest, 8)? };
        let payload = rest.get(16..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((frame, payload))
    })
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

/// The positive error number of an answer; 0 where it was done.
pub(super) fn error_code(payload: &[u8]) -> i32 {
    u32_at(payload, 0).map_or(0, |code| code.cast_signed().saturating_neg())
}

/// What the kernel says beside the number. With capped answers the attributes follow the header of the request.
fn extended(flags: u16, payload: &[u8]) -> Option<String> {
    if flags & ACK_TLVS == 0 {
        return None;
    }
    let mut rest = payload.get(20..)?;
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let length = usize::from(length);
        if kind & 0x3fff == ATTRIBUTE_MESSAGE {
            let text = rest.get(4..length)?;
            return Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned());
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}
