//! What outlives an agent that is killed: a process beside it that holds what a fault did to this host and that no kernel takes back by itself.
//!
//! The agent starts one for such a fault ([`Guard`]) and tells it what to do, with a lease; the guard does it, and takes all of it back when it is
//! told to, when its lease is over by its own clock, and at once when the agent has gone: its input ends then. Where the guard is killed, the agent
//! hears of that and takes back in its place; where both are, what stood still is ended and started again by the next agent, as all that an earlier
//! one started.

mod lines;
mod slow;

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_lab::faults::Strike;
use netwright_lab::strike::{Found, Meant, Stands, find, until};
use netwright_lab::tasks::mark::Mark;
use serde::{Deserialize, Serialize};

use lines::{Lines, Next};
pub(crate) use slow::Slow;
use slow::Slowed;

/// The word by which the program knows the guard.
pub const PART: &str = "guard";

/// How long a guard waits for its first order.
const FIRST: Duration = Duration::from_secs(10);
/// How long processes may take to stand still, or to go on.
const SETTLES: Duration = Duration::from_secs(2);
/// How long a guard may take to answer, and then to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(2);

/// What a guard is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// How long it holds unless it is told again, in milliseconds.
    pub(crate) lease_ms: u64,
    /// What it holds; nothing where it is to end.
    pub(crate) work: Option<Work>,
}

/// What is held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    /// Processes that stand still.
    #[serde(default)]
    pub(crate) still: Option<Still>,
    /// Links that are slow.
    #[serde(default)]
    pub(crate) slow: Option<Slow>,
}

/// Processes that stand still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Still {
    /// Network namespaces that they are in, by identity.
    pub(crate) places: Vec<u64>,
    /// What they have in their environment.
    pub(crate) mark: Mark,
    /// Only those whose command holds this text.
    pub(crate) holds: Option<String>,
}

impl Still {
    pub(crate) fn found(&self) -> Vec<Found> {
        let meant = Meant { mark: Some(&self.mark), holds: self.holds.as_deref() };
        find(&self.places, meant)
    }
}

/// What a guard did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Processes that stand still, as `/proc` says.
    pub(crate) still: u64,
    /// Processes that were to, or to go on, and do not.
    pub(crate) wrong: u64,
    /// What could not be done, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Is a guard until it has taken everything back; `say` passes on a line to the agent.
///
/// # Errors
///
/// Its input cannot be read: everything was taken back.
pub fn run(say: &mut dyn FnMut(&str)) -> io::Result<()> {
    let mut say = |done: &Done| say(&serde_json::to_string(done).unwrap_or_default());
    let mut orders = Lines::of(io::stdin());
    let mut held: Vec<Found> = Vec::new();
    let mut slowed: Option<Slowed> = None;
    let mut ends = Instant::now() + FIRST;
    let told = loop {
        let order = match orders.next(ends) {
            Ok(Next::Line(line)) => serde_json::from_str::<Order>(&line),
            Ok(Next::Late | Next::Ended) => break Ok(()),
            Err(error) => break Err(error),
        };
        // What cannot be read is of nobody who knows this guard.
        let Ok(Order { lease_ms, work: Some(work) }) = order else { break Ok(()) };
        let lease = Duration::from_millis(lease_ms);
        ends = Instant::now() + lease;
        if let Some(still) = &work.still {
            held = hold_still(held, still);
        }
        let stand = until(&held, Stands::Still, SETTLES);
        let run = held.iter().filter(|own| own.stands() == Stands::Runs).count();
        let why = work.slow.and_then(|slow| slow::hold(&mut slowed, slow, lease).err());
        say(&Done { still: count(stand), wrong: count(run), why });
    };
    let left = let_go(&held);
    let why = slowed.and_then(|slowed| slowed.end().err());
    say(&Done { still: 0, wrong: left, why });
    told
}

/// Has processes stand still, those that were begun since too; all that do.
fn hold_still(held: Vec<Found>, still: &Still) -> Vec<Found> {
    let now = still.found();
    for own in &now {
        let _gone = own.strike(Strike::Pause);
    }
    let more = held.into_iter().filter(|had| now.iter().all(|own| own.number() != had.number()));
    // What is not found any more has ended, or goes on with the others.
    let more: Vec<Found> = more.filter(|had| had.stands() == Stands::Still).collect();
    now.into_iter().chain(more).collect()
}

/// Has processes go on; how many do not.
fn let_go(held: &[Found]) -> u64 {
    for own in held {
        let _gone = own.strike(Strike::Resume);
    }
    let _run = until(held, Stands::Runs, SETTLES);
    count(held.iter().filter(|own| own.stands() == Stands::Still).count())
}

/// A guard that an agent has.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
    to: ChildStdin,
    from: Lines<ChildStdout>,
}

impl Guard {
    /// Starts one. `part` is the words with which this program becomes a part of itself.
    pub(crate) fn begin(part: &[String], mark: &Mark) -> Result<Self, String> {
        let failed = |error: io::Error| format!("its guard cannot be started: {error}");
        let mut command = Command::new("/proc/self/exe");
        command.args(part).arg(PART).env(&mark.name, &mark.value).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("its guard cannot be spoken to".to_owned());
        };
        Ok(Self { child, to, from: Lines::of(from) })
    }

    /// Has it hold something for a lease.
    pub(crate) fn order(&mut self, lease: Duration, work: Work) -> Result<Done, String> {
        let lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        self.told(&Order { lease_ms, work: Some(work) })
    }

    fn told(&mut self, order: &Order) -> Result<Done, String> {
        let failed = |error: io::Error| format!("its guard does not answer: {error}");
        let text = serde_json::to_string(order).map_err(|error| error.to_string())?;
        writeln!(self.to, "{text}").map_err(failed)?;
        match self.from.next(Instant::now() + PATIENCE).map_err(failed)? {
            Next::Line(line) => {
                let done: Done = serde_json::from_str(&line).map_err(|error| error.to_string())?;
                done.why.clone().map_or(Ok(done), Err)
            }
            Next::Late => Err("its guard does not answer".to_owned()),
            Next::Ended => Err("its guard has ended".to_owned()),
        }
    }

    /// Whether it is still there.
    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Has it take everything back, and end: whether it said that it did.
    pub(crate) fn end(mut self) -> Result<Done, String> {
        let done = self.told(&Order::default());
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > PATIENCE {
                self.kill();
                break;
            }
            pause(LOOK);
        }
        done
    }

    /// Kills it: what it held is held by nobody.
    pub(crate) fn kill(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

#[cfg(test)]
mod tests;
