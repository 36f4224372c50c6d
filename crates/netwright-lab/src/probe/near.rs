//! Questions that are asked from one end: what asks is here, and what answers is wherever it is. Whatever comes back, be it that nobody listens there, says that
//! a packet arrived and that its answer found the way back.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{Kernel, within};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{SendFlags, SocketType, connect, sendto};

use super::{AGAIN, echo, socket};

/// Questions that are asked at a time.
const AT_A_TIME: usize = 32;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The namespace that asks.
    pub place: String,
    /// Its address.
    pub source: IpAddr,
    /// Where to.
    pub target: IpAddr,
    /// The port of TCP; none for an ICMP echo.
    pub port: Option<u16>,
}

/// Whether each was answered, or why it could not be asked.
#[must_use]
pub fn ask(kernel: &Kernel, all: &[Near], wait: Duration) -> Vec<Result<bool, String>> {
    let one = |near: &Near| {
        let space = kernel.namespace(&near.place);
        let space = space.ok_or_else(|| format!("{} is not here", near.place))?;
        let asked = within(space, || here(near.source, near.target, near.port, wait));
        asked.and_then(|asked| asked).map_err(|error| format!("from {}: {error}", near.source))
    };
    let (mut told, one) = (Vec::new(), &one);
    for some in all.chunks(AT_A_TIME) {
        std::thread::scope(|scope| {
            let asking: Vec<_> = some.iter().map(|near| scope.spawn(move || one(near))).collect();
            let ended = || Err("it was not asked to its end".to_owned());
            told.extend(asking.into_iter().map(|one| one.join().unwrap_or_else(|_| ended())));
        });
    }
    told
}

/// Whether something comes back to the namespace that this thread is in.
///
/// # Errors
///
/// It cannot be asked from there.
pub fn here(source: IpAddr, target: IpAddr, port: Option<u16>, wait: Duration) -> io::Result<bool> {
    let end = Instant::now() + wait;
    match port {
        Some(port) => connects(source, SocketAddr::new(target, port), end),
        None => echoes(source, target, end),
    }
}

/// Waits for a socket for a while; whether something happened to it.
fn ready(socket: &OwnedFd, flags: PollFlags, until: Instant) -> io::Result<bool> {
    let wait = until.saturating_duration_since(Instant::now());
    let wait = Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(1),
        tv_nsec: wait.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::new(socket, flags)], Some(&wait)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn connects(source: IpAddr, target: SocketAddr, end: Instant) -> io::Result<bool> {
    let socket = socket::bound(&SocketAddr::new(source, 0), SocketType::STREAM, None)?;
    let answered = |error: Errno| match error {
        Errno::CONNREFUSED | Errno::CONNRESET => Ok(true),
        Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::ACCESS => Ok(false),
        other => Err(io::Error::from(other)),
    };
    match connect(&socket, &target) {
        Ok(()) => return Ok(true),
        Err(Errno::INPROGRESS) => {}
        Err(error) => return answered(error),
    }
    while Instant::now() < end {
        if ready(&socket, PollFlags::OUT, end)? {
            return match socket_error(&socket)? {
                Ok(()) => Ok(true),
                Err(error) => answered(error),
            };
        }
    }
    Ok(false)
}

fn echoes(source: IpAddr, target: IpAddr, end: Instant) -> io::Result<bool> {
    let target = SocketAddr::new(target, 0);
    let protocol = Some(socket::icmp(&target));
    let socket = socket::bound(&SocketAddr::new(source, 0), SocketType::RAW, protocol)?;
    let mut number = [0; 8];
    rustix::rand::getrandom(&mut number, rustix::rand::GetRandomFlags::empty())?;
    let number = u64::from_be_bytes(number);
    let request = echo::message(target.is_ipv4(), 1, number, 0);
    while Instant::now() < end {
        match sendto(&socket, &request, SendFlags::empty(), &target) {
            Ok(_) => {}
            Err(Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::ACCESS | Errno::PERM) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
        let again = (Instant::now() + AGAIN * 3).min(end);
        while Instant::now() < again {
            if ready(&socket, PollFlags::IN, again)? {
                let came = echo::answers(&socket, target.is_ipv4());
                if came.iter().any(|(own, _)| *own == number.to_be_bytes()) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// Whether something comes back from each of some addresses, from the namespace that this thread is in.
#[must_use]
pub fn hosts(all: &[(IpAddr, IpAddr)], wait: Duration) -> Vec<Option<bool>> {
    let mut told = Vec::new();
    for some in all.chunks(AT_A_TIME) {
        std::thread::scope(|scope| {
            let one =
                move |(source, target): (IpAddr, IpAddr)| here(source, target, None, wait).ok();
            let asking: Vec<_> = some.iter().map(|pair| scope.spawn(move || one(*pair))).collect();
            told.extend(asking.into_iter().map(|one| one.join().unwrap_or_default()));
        });
    }
    told
}
