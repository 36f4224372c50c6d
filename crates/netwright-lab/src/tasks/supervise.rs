//! The thread that owns the processes of tasks: one loop over what they write, their ends, and what is due.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use netwright_dataplane::plan::{Ready, Restart, What};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::backoff::Backoff;
use super::hold::{self, Hold};
use super::mark::Mark;
use super::mislead::{DNS, Misled};
use super::process::{self, Launch, Process};
use super::{Key, Seen, Shared, State, Wanted, lock, milliseconds, ready};
use crate::tunnel;

/// How long a task may take to end after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// The first wait between two looks for a sign; it doubles.
const FIRST_LOOK: Duration = Duration::from_millis(25);
/// The longest.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How long a command that is asked for readiness may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the loop waits where nothing is due.
const IDLE: Duration = Duration::from_secs(60);
/// Descriptors of output that are kept of processes that have ended and left it open to others.
const OUTPUTS: usize = 4;

/// A task and its process.
#[derive(Debug)]
struct Slot {
    wanted: Wanted,
    process: Option<Process>,
    outputs: Vec<OwnedFd>,
    state: State,
    restarts: u32,
    last: Option<String>,
    backoff: Backoff,
    /// When it is to be started, where it does not run.
    start_at: Option<Instant>,
    /// When it is to be killed, where it is to end.
    kill_at: Option<Instant>,
    /// It is to end, and what takes its place.
    leaves: Option<Option<Wanted>>,
    /// What holds it, by name.
    held: BTreeSet<String>,
    /// What was said last of what name servers do wrong that it was told.
    misled: u64,
    signs: Signs,
}

/// Which signs of being ready have not been seen, and when they are looked for next.
#[derive(Debug)]
struct Signs {
    missing: Vec<Ready>,
    at: Instant,
    wait: Duration,
    asked: Option<Process>,
}

impl Signs {
    fn of(wanted: &Wanted, now: Instant) -> Self {
        Self { missing: wanted.task.ready.clone(), at: now, wait: FIRST_LOOK, asked: None }
    }
}

/// What the loop needs of its surroundings.
#[derive(Clone, Copy)]
struct Around<'a> {
    shared: &'a Shared,
    part: &'a [String],
    mark: Option<&'a Mark>,
}

impl Around<'_> {
    fn launch<'s>(&'s self, wanted: &'s Wanted) -> Launch<'s> {
        Launch {
            space: wanted.space.as_fd(),
            namespace: &wanted.task.namespace,
            part: self.part,
            mark: self.mark,
            own: &self.shared.own,
        }
    }

    fn now(&self) -> u64 {
        milliseconds(self.shared.begun.elapsed())
    }

    fn say(&self, key: &Key, text: &str) {
        lock(&self.shared.logs).say(key, self.now(), text);
        self.shared.news.notify_all();
    }
}

/// Runs for as long as process 1 does.
pub(super) fn supervise(shared: &Shared, part: &[String], mark: Option<&Mark>) {
    let around = Around { shared, part, mark };
    let mut slots: BTreeMap<Key, Slot> = BTreeMap::new();
    loop {
        let order = lock(&shared.wanted).take();
        if let Some(wanted) = order {
            reconcile(&mut slots, wanted, around);
        }
        let now = Instant::now();
        let holds = hold::current(shared, now);
        let misled = {
            let mut misled = lock(&shared.misled);
            misled.tick(now);
            misled.clone()
        };
        for (key, slot) in &mut slots {
            let held = slot.hold(key, &holds, around);
            slot.mislead(key, &misled, now);
            if slot.tick(key, now, around) || held {
                slot.publish(key, shared);
            }
        }
        slots.retain(|key, slot| {
            let gone = slot.process.is_none() && matches!(slot.leaves, Some(None));
            if gone {
                lock(&shared.seen).remove(key);
                lock(&shared.logs).forget(key);
            }
            !gone
        });
        let lets_go = holds.values().map(|hold| hold.until).chain(misled.due()).min();
        wait(&mut slots, (now, lets_go), around);
    }
}

/// Brings the slots to what is wanted: what did not change stays as it is.
fn reconcile(slots: &mut BTreeMap<Key, Slot>, wanted: Vec<Wanted>, around: Around<'_>) {
    let now = Instant::now();
    let mut wanted: BTreeMap<Key, Wanted> = wanted
        .into_iter()
        .map(|one| ((one.task.namespace.clone(), one.task.name.clone()), one))
        .collect();
    for (key, slot) in slots.iter_mut() {
        match wanted.remove(key) {
            Some(new) if new.task == slot.wanted.task && new.identity == slot.wanted.identity => {
                // It was to go, and is wanted again before it has gone: it is started anew.
                if slot.leaves.is_some() {
                    slot.leaves = Some(Some(new));
                }
            }
            Some(new) if slot.follow(&new) => {
                around.say(key, "was given other settings");
                (slot.wanted, slot.misled) = (new, 0);
            }
            new => slot.leave(new, now),
        }
        slot.publish(key, around.shared);
    }
    for (key, wanted) in wanted {
        let slot = Slot::new(wanted, now);
        slot.publish(&key, around.shared);
        slots.insert(key, slot);
    }
}

impl Slot {
    fn new(wanted: Wanted, now: Instant) -> Self {
        let signs = Signs::of(&wanted, now);
        Self {
            wanted,
            process: None,
            outputs: Vec::new(),
            state: State::Starting,
            restarts: 0,
            last: None,
            backoff: Backoff::default(),
            start_at: Some(now),
            kill_at: None,
            leaves: None,
            held: BTreeSet::new(),
            misled: 0,
            signs,
        }
    }

    /// Ends it where something holds it, and has it started where nothing does any more. True where that is otherwise than before.
    fn hold(&mut self, key: &Key, holds: &BTreeMap<String, Hold>, around: Around<'_>) -> bool {
        let before = !self.held.is_empty();
        let number = self.process.as_ref().and_then(|own| i32::try_from(own.id()).ok());
        self.held.retain(|name| holds.contains_key(name));
        let new = holds.iter().filter(|(_, hold)| hold.means(&self.wanted, number));
        let new: Vec<&String> = new.map(|(name, _)| name).collect();
        self.held.extend(new.into_iter().cloned());
        let now = !self.held.is_empty();
        match (before, now) {
            (false, true) => {
                around.say(key, "is held: it is ended on purpose");
                match &self.process {
                    Some(process) => process.signal(Signal::KILL),
                    None if self.start_at.is_some() => self.state = State::Held,
                    None => {}
                }
            }
            (true, false) => {
                around.say(key, "is held no longer");
                if self.state == State::Held {
                    (self.start_at, self.state) = (Some(Instant::now()), State::Starting);
                }
            }
            _ => {}
        }
        before != now
    }

    fn publish(&self, key: &Key, shared: &Shared) {
        let seen = Seen {
            what: self.wanted.task.what.to_string(),
            state: self.state,
            restarts: self.restarts,
            running_since: self.process.as_ref().map(|process| process.since),
            last: self.last.clone(),
        };
        lock(&shared.seen).insert(key.clone(), seen);
    }

    /// Gives its running process the settings of another task. False where that has to be started.
    fn follow(&self, new: &Wanted) -> bool {
        let settings = self.wanted.task.followed_by(&new.task);
        let settings =
            settings.filter(|_| new.identity == self.wanted.identity && self.leaves.is_none());
        settings.is_some_and(|s| self.process.as_ref().is_some_and(|process| process.follow(s)))
    }

    /// Tells a name server what it does wrong, where that was said since.
    fn mislead(&mut self, key: &Key, misled: &Misled, now: Instant) {
        if self.misled == misled.number || !is_name_server(&self.wanted.task.what) {
            return;
        }
        // Until it listens, it may not hear that there is something else.
        let Some(process) = self.process.as_ref().filter(|_| self.state == State::Ready) else {
            return;
        };
        if let What::Part { settings, .. } = misled.what(&key.0, &self.wanted.task.what, now)
            && process.follow(&settings)
        {
            self.misled = misled.number;
        }
    }

    /// Is to end, and `new` is to take its place.
    fn leave(&mut self, new: Option<Wanted>, now: Instant) {
        self.leaves = Some(new);
        self.state = State::Stopping;
        if let (Some(process), None) = (&self.process, self.kill_at) {
            process.signal(Signal::TERM);
            self.kill_at = Some(now + GRACE);
        }
    }

    /// Does what is due. True where something changed.
    fn tick(&mut self, key: &Key, now: Instant, around: Around<'_>) -> bool {
        if self.process.is_none() {
            if let Some(Some(new)) = self.leaves.take_if(|new| new.is_some()) {
                let outputs = std::mem::take(&mut self.outputs);
                let held = std::mem::take(&mut self.held);
                let state = if held.is_empty() { State::Starting } else { State::Held };
                *self = Self { outputs, held, state, ..Self::new(new, now) };
            }
            let waits = self.start_at.is_none_or(|at| at > now);
            if self.leaves.is_some() || waits || !self.held.is_empty() {
                return false;
            }
            self.start(key, now, around);
            return true;
        }
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            if let Some(process) = &self.process {
                process.signal(Signal::KILL);
            }
        }
        self.state == State::Starting && self.signs.at <= now && self.look(key, now, around)
    }

    fn start(&mut self, key: &Key, now: Instant, around: Around<'_>) {
        self.start_at = None;
        self.signs = Signs::of(&self.wanted, now);
        let (what, told) = {
            let misled = lock(&around.shared.misled);
            (misled.what(&key.0, &self.wanted.task.what, now), misled.number)
        };
        match around.launch(&self.wanted).start(&what) {
            Ok((process, output)) => {
                around.say(key, &format!("started as process {}", process.id()));
                (self.process, self.misled) = (Some(process), told);
                self.state = State::Starting;
                self.outputs.push(output);
                if self.outputs.len() > OUTPUTS {
                    drop(self.outputs.remove(0));
                }
            }
            Err(error) => {
                self.failed(key, format!("cannot be started: {error}"), Duration::ZERO, around);
            }
        }
    }

    /// Looks for the signs that were not seen yet. True where all are there now.
    fn look(&mut self, key: &Key, now: Instant, around: Around<'_>) -> bool {
        let Some(ran) = self.process.as_ref().map(|process| now - process.since) else {
            return false;
        };
        let launch = around.launch(&self.wanted);
        let signs = &mut self.signs;
        let mut due = None;
        while let Some(sign) = signs.missing.first() {
            let seen = match sign {
                Ready::Runs { milliseconds } => {
                    let time = Duration::from_millis(*milliseconds);
                    due = time.checked_sub(ran).filter(|left| !left.is_zero());
                    due.is_none()
                }
                Ready::Reports => tunnel::hears(&key.0),
                Ready::Listens { protocol, port } => ready::listens(launch.space, *protocol, *port),
                Ready::Succeeds { command } => match &mut signs.asked {
                    None => {
                        signs.asked = launch.ask(command).ok();
                        false
                    }
                    Some(asked) => match asked.ended(launch.own) {
                        Some(status) => {
                            signs.asked = None;
                            status.is_ok_and(|status| status.success())
                        }
                        None => {
                            if now - asked.since > ANSWER {
                                asked.signal(Signal::KILL);
                            }
                            false
                        }
                    },
                },
            };
            if !seen {
                signs.at = now + due.unwrap_or(signs.wait);
                signs.wait = (signs.wait * 2).min(LAST_LOOK);
                return false;
            }
            signs.missing.remove(0);
        }
        self.state = State::Ready;
        true
    }

    /// The process has ended.
    fn ended(&mut self, key: &Key, around: Around<'_>) {
        let Some(mut process) = self.process.take() else { return };
        let Some(status) = process.ended(&around.shared.own) else {
            self.process = Some(process);
            return;
        };
        self.outputs.retain(|output| drain(output, key, around));
        if let Some(asked) = self.signs.asked.take() {
            asked.signal(Signal::KILL);
            // Nobody waits for it any more: process 1 takes note of it.
            if let Ok(number) = i32::try_from(asked.id()) {
                lock(&around.shared.own).remove(&number);
            }
        }
        if self.wanted.task.ready.contains(&Ready::Reports) {
            tunnel::forget(&key.0);
        }
        let said = process::words(&status);
        let clean = status.is_ok_and(|status| status.success());
        if self.leaves.is_some() {
            process.signal(Signal::KILL);
            around.say(key, &said);
        } else if !self.held.is_empty() {
            process.signal(Signal::KILL);
            around.say(key, &said);
            (self.state, self.start_at) = (State::Held, None);
            self.last = Some("was ended on purpose".to_owned());
        } else if clean && self.wanted.task.restart != Restart::Always {
            self.state = State::Ended;
            around.say(key, &said);
            self.last = Some(said);
        } else {
            process.signal(Signal::KILL);
            self.failed(key, said, process.since.elapsed(), around);
        }
        self.publish(key, around.shared);
    }

    /// It ended otherwise than it should: it is started again, or given up.
    fn failed(&mut self, key: &Key, said: String, ran: Duration, around: Around<'_>) {
        let again = match self.wanted.task.restart {
            Restart::Never => None,
            Restart::Always | Restart::OnFailure => self.backoff.ended(Instant::now(), ran),
        };
        match again {
            Some(wait) => {
                around.say(key, &format!("{said}; started again in {} ms", wait.as_millis()));
                self.start_at = Some(Instant::now() + wait);
                self.restarts += 1;
                self.state = State::Waiting;
            }
            None => {
                around.say(key, &format!("{said}; it is not started again"));
                self.state = State::Failed;
            }
        }
        self.last = Some(said);
    }

    /// When something is due.
    fn due(&self) -> Option<Instant> {
        let looks = self.process.is_some() && self.state == State::Starting;
        let start_at = self.start_at.filter(|_| self.held.is_empty());
        [start_at, self.kill_at, looks.then_some(self.signs.at)].into_iter().flatten().min()
    }
}

fn is_name_server(what: &What) -> bool {
    matches!(what, What::Part { part, follows: true, .. } if part == DNS)
}

/// Keeps what a task wrote. False where it has no more writers.
fn drain(output: &OwnedFd, key: &Key, around: Around<'_>) -> bool {
    let open = process::read(output, |octets| {
        lock(&around.shared.logs).write(key, around.now(), octets);
    });
    around.shared.news.notify_all();
    open
}

/// Waits until a task writes or ends, something is due, or there is an order; and takes note of it.
fn wait(
    slots: &mut BTreeMap<Key, Slot>,
    (now, lets_go): (Instant, Option<Instant>),
    around: Around<'_>,
) {
    let due = slots.values().filter_map(Slot::due).chain(lets_go).min();
    let time = due.map_or(IDLE, |due| due.saturating_duration_since(now)).min(IDLE);
    let time = Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(1),
        // Rounded up to a millisecond, so that what is due is due when it is woken.
        tv_nsec: i64::from(time.subsec_nanos()).saturating_add(999_999).min(999_999_999),
    };
    let mut waiting = vec![PollFd::new(&around.shared.wake, PollFlags::IN)];
    for slot in slots.values() {
        waiting.extend(slot.process.iter().map(|p| PollFd::new(&p.handle, PollFlags::IN)));
        waiting.extend(slot.outputs.iter().map(|output| PollFd::new(output, PollFlags::IN)));
    }
    if !matches!(poll(&mut waiting, Some(&time)), Ok(1..)) {
        return;
    }
    let ready: Vec<bool> = waiting.iter().map(|poll| !poll.revents().is_empty()).collect();
    drop(waiting);
    let mut ready = ready.into_iter();
    if ready.next() == Some(true) {
        // What it counts is of no interest.
        let _cleared = rustix::io::read(&around.shared.wake, &mut [0_u8; 8]);
    }
    for (key, slot) in slots {
        let ended = slot.process.is_some() && ready.next() == Some(true);
        slot.outputs.retain(|output| ready.next() != Some(true) || drain(output, key, around));
        if ended {
            slot.ended(key, around);
        }
    }
}
