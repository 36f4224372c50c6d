//! UDP: a datagram, and one in answer. A datagram begins with its number and the size of the answer that is asked for.

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::net::{SocketType, connect};

use super::{AGAIN, NUMBER, Probe, Results, Round, Seen, Turn, What, socket};

/// Octets of a UDP header.
const HEADER: u32 = 8;

/// Octets of the size of the answer.
const SIZE: usize = size_of::<u32>();

/// Largest datagram that is tried.
const LARGEST: usize = 65_507;

/// Content of a packet of so many octets.
fn content(octets: u32, probe: &Probe) -> usize {
    let content = octets.saturating_sub(socket::header(&probe.target) + HEADER);
    usize::try_from(content).unwrap_or(LARGEST).min(LARGEST)
}

struct Client {
    index: usize,
    socket: UdpSocket,
    datagram: Vec<u8>,
}

pub(super) fn ask(round: &Round<'_>) -> Result<Results, String> {
    let server =
        socket::listener(round, || socket::whole(&round.listens, SocketType::DGRAM, None))?;
    let server = UdpSocket::from(server);
    let (mut clients, mut results) = round.start(|index, probe| start(round, index, probe));
    let mut again = Instant::now() + AGAIN;
    while !clients.is_empty() {
        let asking = clients.iter().map(|client: &Client| client.socket.as_fd());
        let ready = match round.turn(server.as_fd(), asking, &mut again) {
            Turn::Ready(ready) => ready,
            Turn::Over => break,
            Turn::Again => {
                for client in &clients {
                    // Only what may have been lost: what arrived is known by now.
                    if !results.get(&client.index).is_some_and(|seen| seen.arrived) {
                        let _as_the_first = client.socket.send(&client.datagram);
                    }
                }
                continue;
            }
        };
        answer(round, &server, &mut results);
        let mut ready = ready.into_iter();
        clients.retain(|client| {
            ready.next() != Some(true) || !ended(client, results.entry(client.index).or_default())
        });
    }
    for client in clients {
        let seen = results.entry(client.index).or_default();
        seen.why.get_or_insert_with(|| "no answer".to_owned());
    }
    Ok(results)
}

/// Sends a datagram from its own namespace.
fn start(round: &Round<'_>, index: usize, probe: &Probe) -> Result<Client, String> {
    let (octets, back) = match probe.what {
        What::Datagram { octets, back } => (octets, back),
        _ => (0, 0),
    };
    let asked = u32::try_from(content(back, probe)).unwrap_or_default();
    let mut datagram = Vec::with_capacity(NUMBER + SIZE);
    datagram.extend_from_slice(&(index as u64).to_be_bytes());
    datagram.extend_from_slice(&asked.to_be_bytes());
    datagram.resize(content(octets, probe).max(NUMBER + SIZE), 0);
    let sent = socket::client(round, probe, || {
        let socket = socket::whole(&probe.source, SocketType::DGRAM, None)?;
        connect(&socket, &probe.target)?;
        let socket = UdpSocket::from(socket);
        socket.send(&datagram)?;
        Ok(socket)
    })?;
    Ok(Client { index, socket: sent, datagram })
}

/// Answers what has arrived.
fn answer(round: &Round<'_>, server: &UdpSocket, results: &mut Results) {
    let mut octets = vec![0; LARGEST];
    while let Ok((read, from)) = server.recv_from(&mut octets) {
        let Some((number, rest)) = octets[..read].split_first_chunk::<NUMBER>() else { continue };
        let Some(size) = rest.first_chunk::<SIZE>() else { continue };
        let Some(index) = round.own(*number) else { continue };
        let seen = results.entry(index).or_default();
        seen.arrived = true;
        seen.source = Some(from.ip());
        let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or_default();
        let mut datagram = number.to_vec();
        datagram.resize(size.clamp(NUMBER, LARGEST), 0);
        if let Err(error) = server.send_to(&datagram, from) {
            seen.why = Some(format!("its answer cannot be sent: {error}"));
        }
    }
}

/// Whether a client has its answer, or was told that there will be none.
fn ended(client: &Client, seen: &mut Seen) -> bool {
    let mut octets = [0; NUMBER];
    match client.socket.recv(&mut octets) {
        Ok(_) if octets == (client.index as u64).to_be_bytes() => {
            seen.answered = true;
            seen.why = None;
            true
        }
        Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => {
            let told = error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error());
            seen.why = Some(if told {
                "a router says that it is too large".to_owned()
            } else {
                error.to_string()
            });
            true
        }
        _ => false,
    }
}
