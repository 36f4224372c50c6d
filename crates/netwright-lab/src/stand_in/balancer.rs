//! A load balancer's proxy: it takes connections on the node's ports, and for each opens one of its own, from the node's address, to a backend
//! that it chooses by lot. It takes other backends while it runs; what is open stays, or is closed where the backend's group says so.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use netwright_dataplane::plan::Listener;
use netwright_dataplane::plan::balancers::{Choice, Door, Forwarder};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{SocketType, connect};

use super::{listener, on_all_addresses, pause, say};
use crate::failure::Failure;
use crate::probe::bound;

/// Connections at a time; further ones are closed.
const CONNECTIONS: usize = 1024;
/// How long connecting onwards may take.
const DEADLINE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// How long a connection that the balancer answers by itself may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Balances until the process ends. `again` gives other settings when the process gets SIGHUP.
pub(super) fn run(again: &dyn Fn() -> Result<Forwarder, Failure>) -> Result<(), Failure> {
    let failed = Failure::during("waiting for signals");
    let hang_up: SigSet = [Signal::SIGHUP].into_iter().collect();
    hang_up.thread_block().map_err(|error| failed(error.into()))?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&hang_up, flags).map_err(|error| failed(error.into()))?;
    let mut own = again()?;
    let mut listeners = BTreeMap::new();
    listen(&own, &mut listeners)?;
    let open = Arc::new(Open::default());
    loop {
        let ports: Vec<u16> = listeners.keys().copied().collect();
        let ready: Vec<bool> = {
            let all = listeners.values().map(AsFd::as_fd);
            let all = std::iter::once(signals.as_fd()).chain(all);
            let mut waiting: Vec<PollFd<'_>> =
                all.map(|one| PollFd::from_borrowed_fd(one, PollFlags::IN)).collect();
            if poll(&mut waiting, None).is_err() {
                continue;
            }
            waiting.iter().map(|one| !one.revents().is_empty()).collect()
        };
        if ready[0] && matches!(signals.read_signal(), Ok(Some(_))) {
            // What cannot be read is being written: another signal comes.
            if let Ok(other) = again() {
                own = other;
                listen(&own, &mut listeners)?;
                open.close(&own);
            }
            continue;
        }
        for (port, _) in ports.iter().zip(&ready[1..]).filter(|(_, ready)| **ready) {
            let (Some(listener), Some(door)) = (listeners.get(port), own.doors.get(port)) else {
                continue;
            };
            accept(listener, (&own.name, door), *port, &open);
        }
    }
}

/// The connections that are open.
#[derive(Default)]
struct Open {
    count: AtomicUsize,
    /// Those that are closed when their backend is chosen no more: the client's end and the backend.
    closing: Mutex<Vec<(Choice, Weak<TcpStream>)>>,
}

impl Open {
    /// A connection to a backend is open for as long as somebody has it.
    fn note(&self, to: &Choice, near: &Arc<TcpStream>) {
        let Ok(mut closing) = self.closing.lock() else { return };
        closing.retain(|(_, near)| near.strong_count() > 0);
        if to.closes {
            closing.push((to.clone(), Arc::downgrade(near)));
        }
    }

    /// Closes what is open to backends that no door has any more.
    fn close(&self, own: &Forwarder) {
        let there = |to: &Choice| own.doors.values().any(|door| door.backends.contains(to));
        let Ok(mut closing) = self.closing.lock() else { return };
        closing.retain(|(to, near)| {
            let Some(near) = near.upgrade() else { return false };
            let stays = there(to);
            if !stays {
                say(&format!(
                    "a connection to {} port {} is closed: it is out of service",
                    to.to, to.port
                ));
                let _gone = set_socket_linger(&*near, Some(Duration::ZERO));
                let _gone = near.shutdown(Shutdown::Both);
            }
            stays
        });
    }
}

/// Listens on the ports that are wanted, and on no other.
fn listen(own: &Forwarder, listeners: &mut BTreeMap<u16, TcpListener>) -> Result<(), Failure> {
    listeners.retain(|port, _| own.doors.contains_key(port));
    for port in own.doors.keys() {
        if !listeners.contains_key(port) {
            let made = on_all_addresses(*port).and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok(listener)
            });
            let listener = made
                .map_err(|error| Failure::new(format!("cannot listen on tcp/{port}: {error}")))?;
            listeners.insert(*port, listener);
        }
    }
    let doors: Vec<String> = own
        .doors
        .iter()
        .map(|(port, door)| match door.answers {
            true => format!("tcp/{port} (answers by itself)"),
            false => format!("tcp/{port} to {} backends", door.backends.len()),
        })
        .collect();
    say(&format!("balances for {}: {}", own.name, doors.join(", ")));
    Ok(())
}

/// Takes what has come to a port.
fn accept(listener: &TcpListener, (name, door): (&str, &Door), port: u16, open: &Arc<Open>) {
    loop {
        let (near, from) = match listener.accept() {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // Too many files are open: some will be closed.
            Err(_) => return pause(),
        };
        if open.count.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS {
            open.count.fetch_sub(1, Ordering::SeqCst);
            say("too many connections at a time: one is closed");
            continue;
        }
        let choice = choose(&door.backends).cloned();
        let (answers, name, open) = (door.answers, name.to_owned(), Arc::clone(open));
        std::thread::spawn(move || {
            let done = match choice {
                _ if answers => answer(near, from, &name),
                Some(to) => {
                    let near = Arc::new(near);
                    open.note(&to, &near);
                    pass(&near, &to)
                }
                None => Err(io::Error::other("no backend is in service")),
            };
            if let Err(error) = done {
                say(&format!("tcp/{port} of {from}: {error}"));
            }
            open.count.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// One of several, each as likely as any other.
fn choose(all: &[Choice]) -> Option<&Choice> {
    let count = u64::try_from(all.len()).ok().filter(|count| *count > 0)?;
    // Each new state of the standard library's hash begins with other random keys.
    let drawn = RandomState::new().build_hasher().finish() % count;
    all.get(usize::try_from(drawn).ok()?)
}

fn answer(near: TcpStream, from: SocketAddr, name: &str) -> io::Result<()> {
    near.set_nonblocking(false)?;
    near.set_read_timeout(Some(PATIENCE))?;
    let own = Listener {
        name: format!("load balancer {name}"),
        speaks: "text".to_owned(),
        ports: [].into(),
    };
    listener::serve(near, from, &own)
}

/// Opens a connection to a backend and passes on what either end sends.
fn pass(near: &TcpStream, to: &Choice) -> io::Result<()> {
    near.set_nonblocking(false)?;
    let far = reach(to).map_err(|error| {
        io::Error::other(format!("backend {} port {}: {error}", to.to, to.port))
    })?;
    std::thread::scope(|scope| {
        scope.spawn(|| one_way(&far, near));
        one_way(near, &far);
    });
    Ok(())
}

/// Passes on what one end sends until it sends no more. An end that breaks off is broken off at the other end too, at once: nothing is kept
/// of such a connection, neither there nor here.
fn one_way(mut from: &TcpStream, mut to: &TcpStream) {
    let copied = io::copy(&mut from, &mut to);
    // Either end may have gone.
    if copied.is_err() {
        for end in [from, to] {
            let _gone = set_socket_linger(end, Some(Duration::ZERO));
            // Whoever reads there is woken; what is closed in order would be remembered for a minute.
            let _gone = end.shutdown(Shutdown::Read);
        }
    } else {
        let _gone = to.shutdown(Shutdown::Write);
    }
}

fn reach(to: &Choice) -> io::Result<TcpStream> {
    let Some(from) = to.from else {
        return Err(io::Error::other("the node has no address of its family"));
    };
    let socket = bound(&SocketAddr::new(from, 0), SocketType::STREAM, None)?;
    match connect(&socket, &SocketAddr::new(to.to, to.port)) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let mut waiting = [PollFd::new(&socket, PollFlags::OUT)];
    if poll(&mut waiting, Some(&DEADLINE))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let stream = TcpStream::from(socket);
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    stream.set_nonblocking(false)?;
    // Each part as it comes: a proxy is no place to wait.
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use netwright_dataplane::plan::balancers::Choice;

    use super::choose;

    #[test]
    fn each_backend_is_chosen_about_as_often_as_any_other() {
        let all: Vec<Choice> = (1..=4)
            .map(|port| Choice { from: None, to: [10, 0, 0, 1].into(), port, closes: false })
            .collect();
        let mut counts: BTreeMap<u16, u32> = BTreeMap::new();
        for _ in 0..4000 {
            *counts.entry(choose(&all).unwrap().port).or_default() += 1;
        }
        assert!(counts.len() == 4 && counts.values().all(|count| (800..1200).contains(count)));
        assert!(choose(&[]).is_none());
    }
}
