//! ICMP echo: a request, which the kernel of the target answers. A socket there sees the request and its source.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::net::{RecvFlags, SendFlags, SocketType, recvfrom, sendto};

use super::{AGAIN, NUMBER, Probe, Results, Round, Turn, What, socket};

/// Octets of the header of an echo message (RFC 792, RFC 4443).
const HEADER: usize = 8;

/// Request and answer, in IPv4 (RFC 792).
const TYPES_V4: (u8, u8) = (8, 0);

/// Request and answer, in IPv6 (RFC 4443).
const TYPES_V6: (u8, u8) = (128, 129);

/// Longest message that is tried.
const LARGEST: usize = 65_507;

struct Client {
    index: usize,
    socket: OwnedFd,
    target: SocketAddr,
    request: Vec<u8>,
}

pub(super) fn ask(round: &Round<'_>) -> Result<Results, String> {
    let protocol = socket::icmp(&round.listens);
    let raw = || socket::bound(&round.listens, SocketType::RAW, Some(protocol));
    let server = socket::listener(round, raw)?;
    let (mut clients, mut results) = round.start(|index, probe| start(round, index, probe));
    let v4 = round.listens.is_ipv4();
    let (asks, answers) = if v4 { TYPES_V4 } else { TYPES_V6 };
    let arrived = |results: &mut Results| {
        for (number, from) in read(&server, v4, asks) {
            let Some(index) = round.own(number) else { continue };
            let seen = results.entry(index).or_default();
            seen.arrived = true;
            seen.source = Some(from);
        }
    };
    let mut again = Instant::now() + AGAIN;
    while !clients.is_empty() {
        let asking = clients.iter().map(|client: &Client| client.socket.as_fd());
        let ready = match round.turn(server.as_fd(), asking, &mut again) {
            Turn::Ready(ready) => ready,
            Turn::Over => break,
            Turn::Again => {
                for client in &clients {
                    let _as_the_first = send(client);
                }
                continue;
            }
        };
        arrived(&mut results);
        let mut ready = ready.into_iter();
        clients.retain(|client| {
            let own = ready.next() == Some(true)
                && read(&client.socket, v4, answers)
                    .iter()
                    .any(|(number, _)| round.own(*number) == Some(client.index));
            if own {
                results.entry(client.index).or_default().answered = true;
            }
            !own
        });
    }
    for client in clients {
        results.entry(client.index).or_default().why = Some("no answer".to_owned());
    }
    // Requests that the last answers were sent for.
    arrived(&mut results);
    for seen in results.values_mut().filter(|seen| seen.answered && !seen.arrived) {
        seen.answered = false;
        seen.why = Some("something else answered".to_owned());
    }
    Ok(results)
}

/// Sends a request from its own namespace.
fn start(round: &Round<'_>, index: usize, probe: &Probe) -> Result<Client, String> {
    let octets = if let What::Echo { octets } = probe.what { octets } else { 0 };
    let size = usize::try_from(octets.saturating_sub(socket::header(&probe.target)));
    let size = size.unwrap_or(LARGEST).clamp(HEADER + NUMBER, LARGEST);
    let request = request(index, probe, size);
    let source = SocketAddr::new(probe.source.ip(), 0);
    let target = SocketAddr::new(probe.target.ip(), 0);
    let protocol = socket::icmp(&target);
    socket::client(round, probe, || {
        let socket = socket::whole(&source, SocketType::RAW, Some(protocol))?;
        let client = Client { index, socket, target, request };
        send(&client)?;
        Ok(client)
    })
}

fn send(client: &Client) -> std::io::Result<()> {
    sendto(&client.socket, &client.request, SendFlags::empty(), &client.target)?;
    Ok(())
}

fn request(index: usize, probe: &Probe, size: usize) -> Vec<u8> {
    message(probe.target.is_ipv4(), probe.source.port(), index as u64, size)
}

/// A request of a number, as large as is said, or as its header and number are.
pub(super) fn message(v4: bool, identifier: u16, number: u64, size: usize) -> Vec<u8> {
    let kind = if v4 { TYPES_V4.0 } else { TYPES_V6.0 };
    let mut request = vec![kind, 0, 0, 0];
    request.extend_from_slice(&identifier.to_be_bytes());
    request.extend_from_slice(&1_u16.to_be_bytes());
    request.extend_from_slice(&number.to_be_bytes());
    request.resize(size.max(request.len()), 0);
    if v4 {
        // The kernel fills in the checksum of IPv6 only.
        let sum = checksum(&request).to_be_bytes();
        request[2..4].copy_from_slice(&sum);
    }
    request
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|pair| {
        let [high, low] = [pair[0], pair.get(1).copied().unwrap_or_default()];
        u32::from(u16::from_be_bytes([high, low]))
    });
    let mut sum: u32 = words.fold(0, u32::wrapping_add);
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// The numbers of all answers that wait at a socket, with who sent them.
pub(super) fn answers(socket: &OwnedFd, v4: bool) -> Vec<([u8; NUMBER], IpAddr)> {
    read(socket, v4, if v4 { TYPES_V4.1 } else { TYPES_V6.1 })
}

/// The numbers of all echo messages of a type that wait at a socket, with their sources.
fn read(socket: &OwnedFd, v4: bool, kind: u8) -> Vec<([u8; NUMBER], IpAddr)> {
    let mut found = Vec::new();
    let mut octets = [0; 128];
    while let Ok((read, _, from)) = recvfrom(socket, &mut octets[..], RecvFlags::empty()) {
        let packet = &octets[..read.min(octets.len())];
        // An IPv4 socket gives the header with it.
        let skipped =
            if v4 { packet.first().map_or(0, |first| usize::from(first & 15) * 4) } else { 0 };
        let Some(message) = packet.get(skipped..) else { continue };
        let number = message.get(HEADER..).and_then(|content| content.first_chunk::<NUMBER>());
        let from = from.and_then(|from| SocketAddr::try_from(from).ok());
        if let (Some(first), Some(number), Some(from)) = (message.first(), number, from)
            && *first == kind
        {
            found.push((*number, from.ip()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        // The RFC's own example: 0001 f203 f4f5 f6f7 sum to ddf2.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }
}
