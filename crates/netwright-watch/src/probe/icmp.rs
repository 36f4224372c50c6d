//! ICMP echo requests that are never fragmented, and the largest size that passes.
//!
//! A socket for echo requests needs no rights where the system lets this group of users have one (`net.ipv4.ping_group_range`); else a raw one
//! is tried. A router that says "too big" is heard as an error of the socket; sizes that are lost without such a word are a black hole.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, ipproto, recv,
    send, socket_with,
};
use tokio::io::unix::AsyncFd;

use super::connect::meaning;
use super::outcome::{Kind, PhaseName, Verdict};
use super::trail::{Asked, Trail};

/// Octets of the header of an echo message.
const HEADER: usize = 8;

/// Octets of the number that each request carries.
const NUMBER: usize = 8;

/// The size of the first request, in octets with the IP header: what everything carries.
const SMALL: u32 = 84;

/// A request of a size goes so often before it counts as lost.
const TRIES: u32 = 3;

/// Shortest and longest wait for the echo of a size, when an echo is known to come.
const WAIT: (Duration, Duration) = (Duration::from_millis(60), Duration::from_millis(500));

/// What came of a request.
enum Came {
    Echo,
    /// A router, or this machine, says that it is too big.
    TooBig,
    Nothing,
}

/// Asks for an echo, then for one of the size.
pub(crate) async fn ask(
    to: IpAddr,
    size: Option<u32>,
    from: Option<IpAddr>,
    end: Instant,
    trail: &mut Trail,
) -> Asked<()> {
    let mut ping = Ping::open(to, from)?;
    trail.peer = Some(SocketAddr::new(to, 0));
    trail.from(
        rustix::net::getsockname(ping.socket.get_ref())
            .ok()
            .and_then(|own| SocketAddr::try_from(own).ok()),
    );
    trail.begin(PhaseName::Echo);
    let begun = Instant::now();
    // Without an answer this phase goes on until time is up.
    while !matches!(
        ping.once(SMALL, end.min(Instant::now() + Duration::from_secs(1))).await?,
        Came::Echo
    ) {
        if Instant::now() >= end {
            return Err(Verdict::failed(Kind::EchoSilent, format!("no echo from {to}")));
        }
        // A machine that cannot send at this moment is not asked without a pause.
        tokio::time::sleep(WAIT.0).await;
    }
    let wait = (begun.elapsed() * 4).clamp(WAIT.0, WAIT.1);
    trail.end();
    let Some(size) = size else { return Ok(()) };
    trail.begin(PhaseName::Size);
    let mut search = Search { passes: SMALL.min(size), lost: size + 1, told: false };
    search.ask(&mut ping, size, wait).await?;
    while search.passes + 1 < search.lost {
        // First what Ethernet and its usual tunnels carry: most ways need no more.
        let between = |size: &u32| *size > search.passes && *size < search.lost;
        let usual = [1_500, 1_280].into_iter().find(between);
        let next = usual.unwrap_or(search.passes + (search.lost - search.passes) / 2);
        search.ask(&mut ping, next, wait).await?;
        trail.seen.path_mtu = Some(search.passes);
    }
    trail.end();
    trail.seen.path_mtu = Some(search.passes);
    match (search.passes >= size, search.told) {
        (true, _) => Ok(()),
        (false, true) => Err(Verdict::failed(
            Kind::TooBig { passes: search.passes },
            format!(
                "packets of {size} octets are too big for the way to {to}, which takes {}",
                search.passes
            ),
        )),
        (false, false) => Err(Verdict::failed(
            Kind::BlackHole { passes: search.passes, lost: search.lost },
            format!(
                "a black hole: packets of {} octets get to {to}, those of {} are lost without a word",
                search.passes, search.lost
            ),
        )),
    }
}

/// A search by halves: what passes is smaller than what is lost.
struct Search {
    passes: u32,
    lost: u32,
    told: bool,
}

impl Search {
    async fn ask(&mut self, ping: &mut Ping, size: u32, wait: Duration) -> Asked<()> {
        for _ in 0..TRIES {
            match ping.once(size, Instant::now() + wait).await? {
                Came::Echo => {
                    self.passes = self.passes.max(size);
                    return Ok(());
                }
                Came::TooBig => {
                    self.told = true;
                    break;
                }
                Came::Nothing => {}
            }
        }
        self.lost = self.lost.min(size);
        Ok(())
    }
}

/// A socket for echo requests to one machine.
struct Ping {
    to: IpAddr,
    socket: AsyncFd<OwnedFd>,
    /// The IP header comes with what is read.
    raw: bool,
    identifier: u16,
    number: u64,
}

impl Ping {
    fn open(to: IpAddr, from: Option<IpAddr>) -> Asked<Self> {
        let mut octets = [0; 8];
        getrandom::fill(&mut octets).map_err(|error| {
            Verdict::unknown(format!("this machine has no random numbers: {error}"))
        })?;
        let number = u64::from_be_bytes(octets);
        let identifier = u16::from_be_bytes([octets[0], octets[1]]);
        let opened = socket(to, from, SocketType::DGRAM).map(|socket| (socket, false));
        let opened =
            opened.or_else(|_| socket(to, from, SocketType::RAW).map(|socket| (socket, true)));
        let (socket, raw) = opened.map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::ACCESS | Errno::PERM) => Verdict::unknown(
                "this user may not send echo requests: `sysctl net.ipv4.ping_group_range` names the groups that may, or the right CAP_NET_RAW is needed",
            ),
            _ => meaning(&error, &to.to_string()),
        })?;
        #[expect(
            deprecated,
            reason = "the safe form; the descriptor is owned for as long as it is waited for"
        )]
        let socket = AsyncFd::new(socket);
        let socket = socket.map_err(|error| {
            Verdict::unknown(format!("this machine cannot wait for echoes: {error}"))
        })?;
        Ok(Self { to, socket, raw, identifier, number })
    }

    /// One request of a size, and what comes until a time.
    async fn once(&mut self, size: u32, until: Instant) -> Asked<Came> {
        self.number = self.number.wrapping_add(1);
        let request = self.request(size);
        loop {
            match send(self.socket.get_ref(), &request, SendFlags::empty()) {
                Ok(_) => break,
                Err(Errno::MSGSIZE) => return Ok(Came::TooBig),
                Err(Errno::INTR) => {}
                // An error of an earlier request may be told now; the next one tells its own.
                Err(Errno::AGAIN | Errno::NOBUFS) => return Ok(Came::Nothing),
                Err(error) => return Err(meaning(&error.into(), &self.to.to_string())),
            }
        }
        let mut octets = vec![0; 66_000];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(ready) = tokio::time::timeout(left, self.socket.readable()).await else {
                return Ok(Came::Nothing);
            };
            let mut ready = ready.map_err(|error| meaning(&error, "this machine"))?;
            match recv(self.socket.get_ref(), &mut octets[..], RecvFlags::empty()) {
                Ok((_, read)) if self.own(&octets[..read.min(octets.len())]) => {
                    return Ok(Came::Echo);
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::MSGSIZE) => return Ok(Came::TooBig),
                Err(error) => return Err(meaning(&error.into(), &self.to.to_string())),
            }
        }
    }

    fn request(&self, size: u32) -> Vec<u8> {
        let (ip, kind) = if self.to.is_ipv4() { (20, 8) } else { (40, 128) };
        let length =
            usize::try_from(size.saturating_sub(ip)).unwrap_or(0).clamp(HEADER + NUMBER, 65_507);
        let mut request = vec![kind, 0, 0, 0];
        request.extend_from_slice(&self.identifier.to_be_bytes());
        request.extend_from_slice(&1_u16.to_be_bytes());
        request.extend_from_slice(&self.number.to_be_bytes());
        request.resize(length, 0);
        if self.to.is_ipv4() && self.raw {
            // For the other kinds of sockets the kernel fills in the checksum.
            let sum = checksum(&request).to_be_bytes();
            request[2..4].copy_from_slice(&sum);
        }
        request
    }

    /// Whether octets are the echo of the last request.
    fn own(&self, octets: &[u8]) -> bool {
        let echo = if self.to.is_ipv4() { 0 } else { 129 };
        let skipped = match octets.first() {
            Some(first) if self.raw && self.to.is_ipv4() => usize::from(first & 15) * 4,
            _ => 0,
        };
        let message = octets.get(skipped..).unwrap_or_default();
        let number = message.get(HEADER..HEADER + NUMBER);
        message.first() == Some(&echo) && number == Some(&self.number.to_be_bytes()[..])
    }
}

fn socket(to: IpAddr, from: Option<IpAddr>, kind: SocketType) -> io::Result<OwnedFd> {
    let (family, protocol) = match to {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let socket =
        socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, Some(protocol))?;
    match to {
        // Never cut into pieces, and what was heard of sizes before is not heeded.
        IpAddr::V4(_) => set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::PROBE)?,
        IpAddr::V6(_) => set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::PROBE)?,
    }
    if let Some(from) = from {
        bind(&socket, &SocketAddr::new(from, 0))?;
    }
    connect(&socket, &SocketAddr::new(to, 0))?;
    Ok(socket)
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in octets.chunks(2) {
        let [high, low] = [pair[0], pair.get(1).copied().unwrap_or_default()];
        sum += u32::from(u16::from_be_bytes([high, low]));
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or_default()
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
