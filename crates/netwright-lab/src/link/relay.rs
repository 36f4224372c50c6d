//! The relay: a process that moves frames between the two halves of emulated links.
//!
//! A thread for each link waits on the packet sockets of its two interfaces and on the time at which the next frame is due. The interfaces
//! belong to a namespace in which nothing else is; the far ends of both halves hand over frames as they would go over a wire. What it
//! counted it tells whoever connects to [`RELAY_PORT`] on its loopback.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_dataplane::plan::emulation::{RELAY_PORT, Relay, Relayed, seed_of_way};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::{Deserialize, Serialize};

use super::emulator::{Emulator, Tally};
use super::interface::{FRAME, taken};
use crate::failure::Failure;

/// Frames that are taken of one side before the other has its turn.
const AT_A_TIME: usize = 64;

/// How long until an interface that is not there is looked for again.
const MISSING: Duration = Duration::from_millis(20);

/// How long whoever asks may take to read what was counted.
const PATIENCE: Duration = Duration::from_secs(2);

/// How exactly the kernel is to wake a thread, in nanoseconds.
const SLACK: NonZeroU64 = NonZeroU64::MIN;

/// What a relay tells of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// What it was told to do.
    pub(crate) link: Relayed,
    /// What it counted of each way.
    pub(crate) tallies: [Tally; 2],
    /// Frames of each way that came faster than they were taken.
    pub(crate) overrun: [u64; 2],
    /// Why it moves no frames now.
    pub(crate) trouble: Option<String>,
}

/// A link and the thread that moves its frames.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the thread.
    wake: OwnedFd,
}

#[derive(Debug)]
struct State {
    link: Relayed,
    ways: [Emulator; 2],
    /// What each interface had received when its socket was opened.
    received: [u64; 2],
    /// What each way had taken then.
    taken: [u64; 2],
    trouble: Option<String>,
    ends: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // Full means that it is awake.
        let _awake = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

/// Relays until the process ends. `settings` gives what to do, and again when the process gets SIGHUP; `say` takes lines of the log.
///
/// # Errors
///
/// Its port cannot be listened on, or the kernel does not wait any more.
pub fn run(
    settings: &mut dyn FnMut() -> Option<Relay>,
    say: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::during("the relay of links")(error);
    let hang_up: SigSet = [Signal::SIGHUP].into_iter().collect();
    hang_up.thread_block().map_err(|error| failed(error.into()))?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&hang_up, flags).map_err(|error| failed(error.into()))?;
    let mut links = BTreeMap::new();
    if let Some(relay) = settings() {
        follow(&mut links, relay, say).map_err(failed)?;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, RELAY_PORT)).map_err(failed)?;
    loop {
        let mut waiting =
            [PollFd::new(&signals, PollFlags::IN), PollFd::new(&listener, PollFlags::IN)];
        match poll(&mut waiting, None) {
            Err(Errno::INTR) | Ok(_) => {}
            Err(error) => return Err(failed(error.into())),
        }
        let asked = waiting.map(|one| !one.revents().is_empty());
        if asked[0] {
            while let Ok(Some(_)) = signals.read_signal() {}
            // What cannot be read is being written: another signal comes.
            if let Some(relay) = settings() {
                follow(&mut links, relay, say).map_err(failed)?;
            }
        }
        if asked[1] {
            // Who asked may have gone.
            let _gone = tell(&listener, &links);
        }
    }
}

/// Brings the threads to what is to be relayed: what stays goes on.
fn follow(
    links: &mut BTreeMap<String, Arc<Shared>>,
    relay: Relay,
    say: &mut dyn FnMut(&str),
) -> io::Result<()> {
    let wanted: BTreeMap<String, Relayed> =
        relay.links.into_iter().map(|link| (link.name.clone(), link)).collect();
    links.retain(|name, shared| {
        // Other interfaces are another link.
        let stays = wanted.get(name).is_some_and(|link| link.ends == shared.lock().link.ends);
        if !stays {
            shared.lock().ends = true;
            shared.wake();
        }
        stays
    });
    for (name, link) in wanted {
        let [there, back] = link.ways;
        say(&format!("{name}: there {there}; back {back}; seed {}", link.seed));
        if let Some(shared) = links.get(&name) {
            let mut state = shared.lock();
            for (way, back) in [false, true].into_iter().enumerate() {
                let seed = seed_of_way(link.seed, back);
                state.ways[way].set(link.ways[way], link.mtu, seed);
            }
            state.link = link;
            drop(state);
            shared.wake();
            continue;
        }
        let way = |back: bool| {
            let condition = link.ways[usize::from(back)];
            Emulator::new(condition, link.mtu, seed_of_way(link.seed, back))
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                ways: [way(false), way(true)],
                link,
                received: [0; 2],
                taken: [0; 2],
                trouble: Some("it is not there yet".to_owned()),
                ends: false,
            }),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
        let own = Arc::clone(&shared);
        std::thread::Builder::new()
            .name(name.chars().take(15).collect())
            .spawn(move || move_frames(&own))?;
        links.insert(name, shared);
    }
    Ok(())
}

/// Tells what was counted.
fn tell(listener: &TcpListener, links: &BTreeMap<String, Arc<Shared>>) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let received = received();
    let reports: Vec<Report> = links
        .values()
        .map(|shared| {
            let state = shared.lock();
            let overrun = |way: usize| {
                let now = received.get(&state.link.ends[way]).copied().unwrap_or_default();
                let came = now.saturating_sub(state.received[way]);
                let taken = state.ways[way].tally().arrived - state.taken[way];
                came.saturating_sub(taken)
            };
            Report {
                link: state.link.clone(),
                tallies: [state.ways[0].tally(), state.ways[1].tally()],
                overrun: [overrun(0), overrun(1)],
                trouble: state.trouble.clone(),
            }
        })
        .collect();
    stream.write_all(&serde_json::to_vec(&reports)?)
}

/// Packets that each interface received, as `/proc/net/dev` has them: the second number after an interface's name.
fn received() -> BTreeMap<String, u64> {
    let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (name, numbers) = line.split_once(':')?;
            let packets = numbers.split_whitespace().nth(1)?.parse().ok()?;
            Some((name.trim().to_owned(), packets))
        })
        .collect()
}

/// Moves the frames of a link until it ends.
fn move_frames(shared: &Shared) {
    // Where it is refused, frames are a little late.
    let _late = rustix::thread::set_current_timer_slack(Some(SLACK));
    let begun = Instant::now();
    loop {
        let ends = {
            let state = shared.lock();
            if state.ends {
                return;
            }
            state.link.ends.clone()
        };
        let opened = taken(&ends[0]).and_then(|one| Ok([one, taken(&ends[1])?]));
        let ended = opened.and_then(|sockets| {
            let received = received();
            let mut state = shared.lock();
            state.received =
                [0, 1].map(|way: usize| received.get(&ends[way]).copied().unwrap_or_default());
            state.taken = [0, 1].map(|way: usize| state.ways[way].tally().arrived);
            state.trouble = None;
            drop(state);
            between(shared, &sockets, begun)
        });
        match ended {
            Ok(()) => return,
            Err(error) => shared.lock().trouble = Some(error.to_string()),
        }
        // Its interfaces are being made, or made anew.
        pause(MISSING);
    }
}

/// Moves frames between two interfaces until the link ends.
fn between(shared: &Shared, sockets: &[OwnedFd; 2], begun: Instant) -> io::Result<()> {
    let now = || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut buffer = vec![0; FRAME];
    let mut leaving: Vec<(usize, Vec<u8>)> = Vec::new();
    loop {
        let mut state = shared.lock();
        if state.ends {
            return Ok(());
        }
        let time = now();
        for (way, emulator) in state.ways.iter_mut().enumerate() {
            leaving.extend(std::iter::from_fn(|| emulator.due(time)).map(|frame| (way, frame)));
        }
        let next = state.ways.iter().filter_map(Emulator::next).min();
        drop(state);
        for (way, frame) in leaving.drain(..) {
            match send(&sockets[1 - way], &frame, SendFlags::empty()) {
                // Its far end is full: on a wire too it would be lost there.
                Ok(_) | Err(Errno::NOBUFS | Errno::MSGSIZE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let wait = next.map(|at| Duration::from_nanos(at.saturating_sub(now())));
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut waiting = [
            PollFd::new(&sockets[0], PollFlags::IN),
            PollFd::new(&sockets[1], PollFlags::IN),
            PollFd::from_borrowed_fd(shared.wake.as_fd(), PollFlags::IN),
        ];
        match poll(&mut waiting, wait.as_ref()) {
            Err(Errno::INTR) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = waiting.map(|one| !one.revents().is_empty());
        if ready[2] {
            let mut octets = [0; 8];
            let _empty = rustix::io::read(&shared.wake, &mut octets);
        }
        for way in [0, 1].into_iter().filter(|way| ready[*way]) {
            take(shared, way, &sockets[way], &mut buffer, &now)?;
        }
    }
}

/// Takes what came in on one side.
fn take(
    shared: &Shared,
    way: usize,
    socket: &OwnedFd,
    buffer: &mut [u8],
    now: &dyn Fn() -> u64,
) -> io::Result<()> {
    for _ in 0..AT_A_TIME {
        match recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, length)) => {
                let frame = buffer.get(..length).unwrap_or_default();
                shared.lock().ways[way].arrive(now(), frame);
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
