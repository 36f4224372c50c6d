//! Frames that are turned aside from interfaces, done something to, and given back to them: a link is slow for a while, and stays as it is.
//!
//! Rules of `nft` turn packets aside that leave an interface ([`table`]), into a link whose far end is here ([`Aside`]); what has been held for as long as it
//! is to take leaves by the interface again, with a mark that the rules let pass. Nothing of the network changes its place: where the rules have gone,
//! because somebody took them away or their elements' time is over, packets leave as before. The link goes with the thread that takes the frames.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{ASIDE, apart, capture, within};
use netwright_dataplane::plan::Condition;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::{Deserialize, Serialize};

use super::emulator::{Emulator, Tally};
use super::interface::{FRAME, address, given, taken};

/// What frames have that were held already: rules let them pass.
const MARK: u32 = 0x6e77_6661;
/// Frames that are taken of one interface before others have their turn.
const AT_A_TIME: usize = 64;
/// How long the thread may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of the hardware addresses at the beginning of a frame: of whom it is for, then of whom it is from.
const ADDRESS: usize = 6;

/// Packets that leave an interface are to be slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// The namespace.
    pub namespace: String,
    /// The interface there.
    pub interface: String,
    /// Largest packet, in octets.
    pub mtu: u32,
    /// They go the way back: to what the link belongs to.
    pub back: bool,
    /// What is done to them.
    pub condition: Condition,
    /// What is drawn follows from this number.
    pub seed: u64,
}

/// The name of the link by which packets are turned aside, and its number: those of a fault's own that has many.
fn aside(fault: &str, number: usize) -> (String, u32) {
    let hash = fault
        .bytes()
        .fold(0x811C_9DC5_u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193));
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    (format!("{ASIDE}{:04x}{number}", hash & 0xFFFF), hash.wrapping_add(number))
}

/// The name of a way's counter.
fn counter(back: bool) -> &'static str {
    if back { "f0_back" } else { "f0_there" }
}

/// The rules of one namespace that turn packets aside, in a table of the family `netdev`: its maps hold nothing, so that they turn no packet yet. `all` are
/// those of all namespaces.
#[must_use]
pub fn rules(table: &str, fault: &str, namespace: &str, all: &[Leaving]) -> String {
    let mut text = format!("table netdev {table} {{\n");
    for back in [false, true] {
        text += &format!("  counter {} {{ }}\n", counter(back));
    }
    let own = all.iter().enumerate().filter(|(_, own)| own.namespace == namespace);
    for (number, leaving) in own {
        let (interface, (aside, _)) = (&leaving.interface, aside(fault, number));
        let count = counter(leaving.back);
        text += &format!(
            "  map m{number} {{ type ether_type : verdict; flags timeout; }}
  chain does{number} {{ counter name {count} fwd to \"{aside}\"; }}
  chain leaves{number} {{
    type filter hook egress device \"{interface}\" priority -190; policy accept;
    meta mark {MARK} return
    meta protocol vmap @m{number}
  }}
"
        );
    }
    text + "}\n"
}

/// Has the maps of a namespace turn packets aside for as long as a lease.
#[must_use]
pub fn fill(table: &str, namespace: &str, all: &[Leaving], lease: Duration) -> String {
    let lease = lease.as_millis();
    let own = all.iter().enumerate().filter(|(_, own)| own.namespace == namespace);
    let lines = own.map(|(number, _)| {
        let element = |kind: &str| format!("{kind} timeout {lease}ms : jump does{number}");
        format!(
            "flush map netdev {table} m{number}\nadd element netdev {table} m{number} {{ {}, {} }}\n",
            element("ip"),
            element("ip6")
        )
    });
    lines.collect()
}

/// Takes a table of the family `netdev` away, whether it is there or not.
#[must_use]
pub fn clear(table: &str) -> String {
    format!("add table netdev {table}\ndelete table netdev {table}\n")
}

/// One interface whose frames are held.
struct Held {
    /// Where frames come from that were turned aside.
    from: OwnedFd,
    /// Where they leave again.
    to: OwnedFd,
    /// Only those of this hardware address are of the interface.
    own: [u8; ADDRESS],
    emulator: Emulator,
}

/// A thread that holds frames.
#[derive(Debug)]
pub struct Aside {
    wake: Arc<OwnedFd>,
    thread: std::thread::JoinHandle<()>,
    tallies: Arc<Mutex<Vec<Tally>>>,
}

impl Aside {
    /// Begins to take the frames of interfaces, each in its namespace; nothing turns any aside yet.
    ///
    /// # Errors
    ///
    /// An interface is not there, or the kernel refuses.
    pub fn begin(fault: &str, all: Vec<(OwnedFd, Leaving)>) -> Result<Self, String> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let wake = Arc::new(wake.map_err(|error| error.to_string())?);
        let tallies = Arc::new(Mutex::new(Vec::new()));
        let (tell, told) = channel();
        let (fault, ends, counted) = (fault.to_owned(), Arc::clone(&wake), Arc::clone(&tallies));
        let work = move || hold(&fault, &all, (&ends, &counted), &tell);
        let thread = std::thread::Builder::new().name("aside".to_owned()).spawn(work);
        let thread = thread.map_err(|error| error.to_string())?;
        began(&told)?;
        Ok(Self { wake, thread, tallies })
    }

    /// What happened to frames so far, in the order of the interfaces.
    #[must_use]
    pub fn tallies(&self) -> Vec<Tally> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it still does.
    #[must_use]
    pub fn lives(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Gives back at once what is held, and ends.
    pub fn end(self) {
        // Full means that it is awake.
        let _awake = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        let _ended = self.thread.join();
    }
}

fn began(told: &Receiver<Result<(), String>>) -> Result<(), String> {
    told.recv_timeout(PATIENCE).unwrap_or_else(|_| Err("it does not begin".to_owned()))
}

/// Holds frames until it is woken.
fn hold(
    fault: &str,
    all: &[(OwnedFd, Leaving)],
    (ends, counted): (&OwnedFd, &Mutex<Vec<Tally>>),
    tell: &Sender<Result<(), String>>,
) {
    let made = apart().map_err(|error| error.to_string()).and_then(|()| {
        let each = all.iter().enumerate();
        each.map(|(number, own)| held(fault, number, own)).collect::<Result<Vec<_>, _>>()
    });
    match made {
        Ok(mut all) => {
            // Whoever waited has gone: it is told to end soon.
            let _gone = tell.send(Ok(()));
            // An interface that has gone takes its frames with it.
            let _gone = move_frames(&mut all, ends, counted);
        }
        Err(why) => {
            let _gone = tell.send(Err(why));
        }
    }
}

fn held(fault: &str, number: usize, (space, leaving): &(OwnedFd, Leaving)) -> Result<Held, String> {
    let Leaving { interface, mtu, condition, seed, .. } = leaving;
    let failed = |error: io::Error| format!("{} {interface}: {error}", leaving.namespace);
    let (near, index) = aside(fault, number);
    let far = format!("far{number}");
    capture((space.as_fd(), &near, index), &far)
        .map_err(|why| format!("{} {interface}: {why}", leaving.namespace))?;
    let from = taken(&far).map_err(failed)?;
    let given = within(space.as_fd(), || {
        let own = address(interface)?.addr().unwrap_or_default();
        Ok::<_, io::Error>((given(interface, MARK)?, own))
    });
    let (to, own) = given.and_then(|given| given).map_err(failed)?;
    Ok(Held { from, to, own, emulator: Emulator::new(*condition, *mtu, *seed) })
}

fn move_frames(all: &mut [Held], ends: &OwnedFd, counted: &Mutex<Vec<Tally>>) -> io::Result<()> {
    // Where it is refused, frames are a little late.
    let _late = rustix::thread::set_current_timer_slack(Some(std::num::NonZeroU64::MIN));
    let begun = Instant::now();
    let now = || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut buffer = vec![0; FRAME];
    loop {
        let time = now();
        for held in all.iter_mut() {
            held.leave(time)?;
        }
        let next = all.iter().filter_map(|held| held.emulator.next()).min();
        *counted.lock().unwrap_or_else(PoisonError::into_inner) =
            all.iter().map(|held| held.emulator.tally()).collect();
        let wait = next.map(|at| Duration::from_nanos(at.saturating_sub(now())));
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut waiting: Vec<PollFd<'_>> = Vec::with_capacity(all.len() + 1);
        waiting.push(PollFd::new(ends, PollFlags::IN));
        waiting.extend(all.iter().map(|held| PollFd::new(&held.from, PollFlags::IN)));
        match poll(&mut waiting, wait.as_ref()) {
            Err(Errno::INTR) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = waiting.iter().map(|one| !one.revents().is_empty()).collect();
        drop(waiting);
        if ready.first() == Some(&true) {
            // What is on its way arrives, early rather than never.
            return all.iter_mut().try_for_each(|held| {
                held.take(&mut buffer, &now)?;
                held.leave(u64::MAX)
            });
        }
        for (held, _) in all.iter_mut().zip(ready.iter().skip(1)).filter(|(_, ready)| **ready) {
            held.take(&mut buffer, &now)?;
        }
    }
}

impl Held {
    /// Gives back what is due.
    fn leave(&mut self, time: u64) -> io::Result<()> {
        while let Some(frame) = self.emulator.due(time) {
            match send(&self.to, &frame, SendFlags::empty()) {
                // Its far end is full: on a wire too it would be lost there.
                Ok(_) | Err(Errno::NOBUFS | Errno::MSGSIZE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn take(&mut self, buffer: &mut [u8], now: &dyn Fn() -> u64) -> io::Result<()> {
        for _ in 0..AT_A_TIME {
            match recv(&self.from, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, length)) => {
                    let frame = buffer.get(..length).unwrap_or_default();
                    // Others are what the link itself says.
                    if frame.get(ADDRESS..2 * ADDRESS) == Some(&self.own) {
                        self.emulator.arrive(now(), frame);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
