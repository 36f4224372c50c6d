//! A run on hosts with agents: what a plan says, done to a live network through its server, proved to bite, taken back, and judged.
//!
//! Cuts are done here, links are slowed, name servers misled, and the processes that agents run struck; clocks are left alone. Faults are leased ([`Live::renew`]):
//! where this program dies, the hosts end them by themselves. That a cut bit is told by the counters of its rules, of processes by how they stand;
//! what it did, and that nothing else was concerned, by packets that the hosts send before, during and after it.

mod away;
mod faults;
mod judge;
mod refused;
mod seen;
mod steps;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;

use crate::active::Active;
use crate::journal::{Event, Journal, Phase};
use crate::plan::Planned;
use crate::run::workload::{Around, Jobs, work};
use crate::run::{Audience, Failure, Outcome, Record, Setting, begin, lock, now};
use crate::steps::{Course, Steps};

pub use away::{Away, Said};
use faults::Faults;
pub use refused::refused;
use seen::Seen;
pub use seen::{Flow, flows};

/// How a fault stands on its hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stand {
    /// All of them have it.
    pub applied: bool,
    /// None of them has anything of it.
    pub gone: bool,
    /// Packets that it met.
    pub met: u64,
    /// Processes that it struck.
    pub struck: u64,
    /// What does not do as it was asked to, in words.
    pub wrong: Vec<String>,
}

/// A live network, as a run breaks it. Each call waits no longer than its own time; several may run at once.
pub trait Live: Sync {
    /// Has a fault injected: by which name it is known from then on. What may not be is refused before anything is done.
    ///
    /// # Errors
    ///
    /// Why not.
    fn inject(&self, fault: &Planned) -> Result<String, String>;

    /// Has it last for another lease.
    ///
    /// # Errors
    ///
    /// Why that is not known.
    fn renew(&self, id: &str) -> Result<(), String>;

    /// Ends it.
    ///
    /// # Errors
    ///
    /// Why that is not known.
    fn end(&self, id: &str) -> Result<(), String>;

    /// How it stands.
    ///
    /// # Errors
    ///
    /// Why that is not known.
    fn stands(&self, id: &str) -> Result<Stand, String>;

    /// Has hosts ask with packets of their own: of each flow whether it was answered, as far as that can be said.
    ///
    /// # Errors
    ///
    /// Why they were not asked.
    fn observe(&self, flows: &[Flow]) -> Result<Vec<Option<bool>>, String>;

    /// Has something asked from a machine of the network.
    ///
    /// # Errors
    ///
    /// Why it was not asked.
    fn ask(&self, away: &Away) -> Result<Said, String>;
}

/// What goes on beside the steps.
struct Shared<'a> {
    live: &'a dyn Live,
    /// What is renewed, by the place of its episode.
    held: Mutex<BTreeMap<usize, String>>,
    /// Why something could not be renewed.
    lost: Mutex<Option<String>>,
    over: AtomicBool,
    seen: Seen<'a>,
}

/// A run under way.
struct Run<'s, 'e, 'a> {
    course: Course<'a>,
    shared: &'e Shared<'a>,
    scope: &'s Scope<'s, 'e>,
    faults: Faults,
}

/// Does what a plan says to a live network. `stop` is asked whether the run is to be broken off; `say` is told of events as they happen.
///
/// # Errors
///
/// The run could not begin: nothing was done then.
pub fn run(
    setting: &Setting<'_>,
    live: &dyn Live,
    stop: &dyn Fn() -> bool,
    say: &mut dyn FnMut(&Event),
) -> Result<Outcome, Failure> {
    let path = setting.folder.join("journal.jsonl");
    let journal = Journal::begin(&path).map_err(Failure::during(&path.to_string_lossy()))?;
    let (record, events) = Record::of(journal);
    let jobs = Jobs::of(&setting.plan.experiment);
    let phase = Mutex::new(Phase::Steady);
    let shared = Shared {
        live,
        held: Mutex::default(),
        lost: Mutex::default(),
        over: AtomicBool::new(false),
        seen: Seen::of(setting.plan, &record),
    };
    let lease = setting.plan.lease;
    record.put(begin(setting));
    let (verdict, criteria) = std::thread::scope(|scope| {
        let (shared, jobs) = (&shared, &jobs);
        scope.spawn(move || renew(shared, lease));
        for number in 0..jobs.count() {
            let (record, watched, over) = (&record, None, &shared.over);
            let around = Around { setting, record, watched, phase: &phase, over };
            scope.spawn(move || work(around, jobs, number));
        }
        let course = Course {
            setting,
            record: &record,
            jobs,
            audience: Audience::of(events, say),
            phase: &phase,
            over: &shared.over,
            stop,
            active: Active::default(),
            criteria: Vec::new(),
            ended: None,
        };
        let mut run = Run { course, shared, scope, faults: Faults::default() };
        let verdict = run.all();
        (verdict, run.course.criteria)
    });
    Ok(Outcome { verdict, criteria, journal: path })
}

/// Renews what is held, three times in a lease, until it is over.
fn renew(shared: &Shared<'_>, lease: Duration) {
    let mut last = Instant::now();
    while !shared.over.load(Ordering::SeqCst) {
        pause(Duration::from_millis(10));
        if last.elapsed() < lease / 3 {
            continue;
        }
        last = Instant::now();
        let held: Vec<(usize, String)> =
            lock(&shared.held).iter().map(|(at, id)| (*at, id.clone())).collect();
        for (at, id) in held {
            let renewed = shared.live.renew(&id);
            // It may have been taken off meanwhile.
            if let Err(why) = renewed
                && lock(&shared.held).contains_key(&at)
            {
                lock(&shared.lost).get_or_insert(why);
            }
        }
    }
}

#[cfg(test)]
mod tests;
