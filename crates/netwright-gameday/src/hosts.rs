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

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;

use crate::journal::{Criterion, Event, Journal, Phase, Verdict};
use crate::load::{name_of, time};
use crate::plan::Planned;
use crate::run::activity::Did;
use crate::run::{Failure, INTERRUPTED, Outcome, Setting, activity, begin, now};

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

/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long a network may take until everything that worked works again, unless the experiment says otherwise.
const RECOVER: u64 = 60_000;

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why steps were broken off.
struct Abort(String);

/// What goes on beside the steps.
struct Shared<'a> {
    live: &'a dyn Live,
    /// What is renewed, by the place of its episode.
    held: Mutex<BTreeMap<usize, String>>,
    /// Why something could not be renewed.
    lost: Mutex<Option<String>>,
    over: AtomicBool,
    seen: Seen,
}

/// A run under way.
struct Run<'s, 'e, 'a, 'w> {
    setting: &'a Setting<'a>,
    shared: &'e Shared<'a>,
    scope: &'s Scope<'s, 'e>,
    journal: Journal,
    told: Receiver<Event>,
    stop: &'a dyn Fn() -> bool,
    say: &'w mut dyn FnMut(&Event),
    faults: Faults,
    criteria: Vec<Criterion>,
    /// When the last fault ended.
    ended: Option<u64>,
    broken: bool,
}

/// Does what a plan says to a live network. `stop` is asked whether the run is to be broken off; `say` is told of events as they happen.
///
/// # Errors
///
/// The run could not begin: nothing was done then.
pub fn run<'a>(
    setting: &'a Setting<'a>,
    live: &'a dyn Live,
    stop: &'a dyn Fn() -> bool,
    say: &mut dyn FnMut(&Event),
) -> Result<Outcome, Failure> {
    let path = setting.folder.join("journal.jsonl");
    let journal = Journal::begin(&path)
        .map_err(|error| Failure { message: format!("{}: {error}", path.display()), help: None })?;
    let (tell, told) = channel();
    let shared = &Shared {
        live,
        held: Mutex::default(),
        lost: Mutex::default(),
        over: AtomicBool::new(false),
        seen: Seen::of(setting.plan, tell),
    };
    let lease = setting.plan.lease;
    let (verdict, criteria) = std::thread::scope(|scope| {
        scope.spawn(move || renew(shared, lease));
        let mut run = Run {
            setting,
            shared,
            scope,
            journal,
            told,
            stop,
            say,
            faults: Faults::default(),
            criteria: Vec::new(),
            ended: None,
            broken: false,
        };
        run.put(&begin(setting));
        let verdict = run.all();
        shared.over.store(true, Ordering::SeqCst);
        (verdict, run.criteria)
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

impl Run<'_, '_, '_, '_> {
    fn put(&mut self, event: &Event) {
        self.broken |= self.journal.write(event, now()).is_err();
        (self.say)(event);
    }

    fn criterion(&mut self, name: &str, verdict: Verdict, evidence: impl Into<String>) {
        self.criteria.push(Criterion { name: name.to_owned(), verdict, evidence: evidence.into() });
    }

    /// Everything, from the steady state to the verdict.
    fn all(&mut self) -> Verdict {
        self.put(&Event::Phase { phase: Phase::Steady });
        if let Err(Abort(why)) = self.steady() {
            self.put(&Event::Aborted { why: why.clone() });
            self.criterion("the experiment could begin", Verdict::Unknown, why);
        } else {
            self.put(&Event::Phase { phase: Phase::Faults });
            let done = self.method();
            if let Err(Abort(why)) = &done {
                self.put(&Event::Aborted { why: why.clone() });
                self.criterion("all steps were done", Verdict::Unknown, why.clone());
            }
            self.put(&Event::Phase { phase: Phase::Heal });
            self.heal();
            self.bites();
            if done.is_ok() {
                self.put(&Event::Phase { phase: Phase::Recovery });
                self.recover();
                self.put(&Event::Phase { phase: Phase::After });
                self.hypothesis("after");
            }
        }
        self.rollbacks();
        self.put(&Event::Phase { phase: Phase::Verdict });
        let verdict = self.judge();
        self.put(&Event::Verdict { verdict, criteria: self.criteria.clone() });
        verdict
    }

    /// What works while nothing is wrong: hosts ask, and so do the probes of the steady state.
    fn steady(&mut self) -> Result<(), Abort> {
        let works = self.shared.seen.usual(self.shared.live).map_err(|why| {
            Abort(format!("hosts cannot be asked what works before anything is done: {why}"))
        })?;
        self.drain();
        if works == 0 {
            return Err(Abort("nothing was seen to work before anything is done".to_owned()));
        }
        match self.hypothesis("before") {
            Verdict::Fail => {
                Err(Abort("the steady state does not hold before anything is done".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Asks the probes of the steady state.
    fn hypothesis(&mut self, when: &str) -> Verdict {
        let setting = self.setting;
        let probes = &setting.plan.experiment.steady_state_hypothesis.probes;
        if probes.is_empty() {
            return Verdict::Pass;
        }
        let of = |(place, probe)| {
            (name_of(probe, place), self.activity("steady-state-hypothesis", place, probe))
        };
        let all: Vec<(String, Did)> = probes.iter().enumerate().map(of).collect();
        let (verdict, evidence) = activity::all_fine(&all);
        self.criterion(&format!("the steady state holds {when}"), verdict, evidence);
        verdict
    }

    fn activity(&mut self, list: &str, place: usize, step: &crate::language::Step) -> Did {
        let begun = now();
        let controller = self.setting.plan.experiment.safety.controller.as_ref();
        let did = match away::from(step, controller) {
            None => activity::done(self.setting, step),
            Some(from) => {
                let asked = away::asked(self.setting, step, &from.value);
                away::did(step, asked.and_then(|away| self.shared.live.ask(&away)))
            }
        };
        self.put(&Event::Activity {
            of: list.to_owned(),
            name: name_of(step, place),
            fine: did.fine,
            output: did.output.clone(),
            took: now().saturating_sub(begun),
        });
        did
    }

    /// One step after the other; those in the background go on meanwhile.
    fn method(&mut self) -> Result<(), Abort> {
        let plan = self.setting.plan;
        for (place, step) in plan.experiment.method.iter().enumerate() {
            self.wait(time(&step.pauses.before).unwrap_or_default())?;
            let background = step.background.as_ref().is_some_and(|background| background.value);
            if let Some((number, _)) = step.fault.as_ref().and_then(|own| plan.fault(&own.value)) {
                let length = step.r#for.as_ref().map_or(0, |length| length.value.as_millis());
                self.inject(number, Duration::from_millis(length))?;
                while !background && self.faults.is_active(number) {
                    self.wait(LOOK)?;
                }
            }
            if step.provider.is_some() {
                let did = self.activity("method", place, step);
                if let Some((verdict, why)) = did.wrong() {
                    self.criterion(&format!("method: {}", name_of(step, place)), verdict, why);
                }
            }
            let wait = step.wait.as_ref().map_or(0, |wait| wait.value.as_millis());
            self.wait(Duration::from_millis(wait))?;
            self.wait(time(&step.pauses.after).unwrap_or_default())?;
        }
        while self.faults.any_active() {
            self.wait(LOOK)?;
        }
        Ok(())
    }

    /// Passes on what was seen meanwhile.
    fn drain(&mut self) {
        while let Ok(event) = self.told.try_recv() {
            self.put(&event);
        }
    }

    /// Lets time pass while everything else goes on.
    fn wait(&mut self, time: Duration) -> Result<(), Abort> {
        let until = Instant::now() + time;
        loop {
            self.drain();
            if (self.stop)() {
                return Err(Abort(INTERRUPTED.to_owned()));
            }
            if let Some(why) = lock(&self.shared.lost).clone() {
                return Err(Abort(format!("a fault could not be renewed: {why}")));
            }
            if self.broken {
                return Err(Abort("the journal cannot be written".to_owned()));
            }
            self.turn()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            pause(left.min(LOOK));
        }
    }

    /// What is done in the end, whatever happened.
    fn rollbacks(&mut self) {
        let plan = self.setting.plan;
        for (place, step) in plan.experiment.rollbacks.iter().enumerate() {
            if step.provider.is_none() {
                continue;
            }
            let did = self.activity("rollbacks", place, step);
            if did.fine == Some(false) {
                let name = format!("rollbacks: {}", name_of(step, place));
                self.criterion(&name, Verdict::Fail, did.output);
            }
        }
    }
}

#[cfg(test)]
mod tests;
