//! The steps of an experiment, one after the other, whatever they are done to: a lab ([`crate::run`]), or hosts with agents ([`crate::hosts`]).

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_model::scalar;
use netwright_model::source::Spanned;

use crate::active::Active;
use crate::journal::{Criterion, Event, Phase, Verdict};
use crate::language::Step;
use crate::load::{name_of, time};
use crate::run::activity::{self, Did};
use crate::run::check::histories;
use crate::run::workload::Jobs;
use crate::run::{Audience, INTERRUPTED, Record, Setting, lock, now};

/// How long nothing is done while time passes.
const TICK: Duration = Duration::from_millis(5);
/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long is waited until something is asked again that did not find what it must.
const AGAIN: Duration = Duration::from_millis(250);

/// Milliseconds that the parts of a run take, unless the experiment says otherwise.
pub(crate) mod usual {
    pub(crate) const STEADY: u64 = 3_000;
    pub(super) const RECOVER: u64 = 60_000;
    pub(super) const AFTER: u64 = 2_000;
}

/// Why steps were broken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Abort(pub(crate) String);

/// How long a part of a run takes.
pub(crate) fn length(given: Option<&Spanned<scalar::Duration>>, otherwise: u64) -> Duration {
    Duration::from_millis(given.map_or(otherwise, |given| given.value.as_millis()))
}

/// A run under way: what is the same of it wherever it is done.
pub(crate) struct Course<'a> {
    pub(crate) setting: &'a Setting<'a>,
    pub(crate) record: &'a Record,
    pub(crate) jobs: &'a Jobs<'a>,
    pub(crate) audience: Audience<'a>,
    pub(crate) phase: &'a Mutex<Phase>,
    /// Nothing more is begun beside the steps.
    pub(crate) over: &'a AtomicBool,
    /// Asked whether it is to be broken off.
    pub(crate) stop: &'a dyn Fn() -> bool,
    /// Faults whose steps have not ended.
    pub(crate) active: Active,
    /// What the verdict follows from.
    pub(crate) criteria: Vec<Criterion>,
    /// When the last fault ended.
    pub(crate) ended: Option<u64>,
}

/// What steps are done to. What differs is asked for; what an experiment's words mean is the same everywhere.
pub(crate) trait Steps<'a> {
    /// How far it is.
    fn course(&self) -> &Course<'a>;

    /// The same, to go on.
    fn course_mut(&mut self) -> &mut Course<'a>;

    /// What must be so before anything is broken: the network and the steady state.
    ///
    /// # Errors
    ///
    /// Why it is not.
    fn begin(&mut self) -> Result<(), Abort>;

    /// Takes back what was laid where it could not begin.
    fn not_begun(&mut self) {}

    /// Takes everything back, and tells whether each fault bit.
    fn heal_all(&mut self);

    /// What is asked once all is as before.
    fn audit(&mut self) {}

    /// What came out, of all that was seen.
    fn judge(&mut self) -> Verdict;

    /// Begins a fault that lasts for a time.
    ///
    /// # Errors
    ///
    /// Why it is not on.
    fn inject(&mut self, fault: usize, length: Duration) -> Result<(), Abort>;

    /// Does what is due while faults may be on: they take their turns, and end.
    ///
    /// # Errors
    ///
    /// Why the steps are to be broken off.
    fn tick(&mut self) -> Result<(), Abort>;

    /// Does an activity once.
    fn done(&mut self, step: &Step) -> Did;

    /// What worked before and does not work now, in words.
    fn bad(&mut self) -> Vec<String>;

    /// Everything, from the steady state to the verdict.
    fn all(&mut self) -> Verdict {
        self.enter(Phase::Steady);
        if let Err(Abort(why)) = self.begin() {
            self.put(Event::Aborted { why: why.clone() });
            self.criterion("the experiment could begin", Verdict::Unknown, why);
            self.not_begun();
            self.course().jobs.give_up();
        } else {
            self.enter(Phase::Faults);
            let done = self.method();
            if let Err(Abort(why)) = &done {
                self.put(Event::Aborted { why: why.clone() });
                self.criterion("all steps were done", Verdict::Unknown, why.clone());
            }
            self.enter(Phase::Heal);
            self.heal_all();
            // What was broken off may not come back by itself: nobody waits for it.
            if done.is_ok() {
                self.enter(Phase::Recovery);
                self.recover();
                self.enter(Phase::After);
                self.after();
                self.audit();
            } else {
                self.course().jobs.give_up();
            }
        }
        self.rollbacks();
        // The workload ends, and tells what came of it, before all is judged.
        self.course().over.store(true, Ordering::SeqCst);
        histories(self);
        self.enter(Phase::Verdict);
        let verdict = self.judge();
        let criteria = self.course().criteria.clone();
        self.put(Event::Verdict { verdict, criteria });
        self.drain();
        verdict
    }

    fn enter(&mut self, phase: Phase) {
        *lock(self.course().phase) = phase;
        self.put(Event::Phase { phase });
        self.drain();
    }

    /// The experiment, and where it is done.
    fn setting(&self) -> &'a Setting<'a> {
        self.course().setting
    }

    /// Writes an event, and passes it on.
    fn put(&mut self, event: Event) {
        self.course().record.put(event);
    }

    /// Passes on what happened meanwhile.
    fn drain(&mut self) {
        let course = self.course_mut();
        course.audience.drain(course.record, course.jobs);
    }

    /// Whether somebody wants it broken off.
    fn interrupted(&self) -> Result<(), Abort> {
        if (self.course().stop)() { Err(Abort(INTERRUPTED.to_owned())) } else { Ok(()) }
    }

    /// Lets time pass while everything else goes on.
    ///
    /// # Errors
    ///
    /// Why the steps are to be broken off.
    fn wait(&mut self, time: Duration) -> Result<(), Abort> {
        let until = Instant::now() + time;
        loop {
            self.tick()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            pause(left.min(TICK));
        }
    }

    /// Lets time pass when nothing is held any more.
    ///
    /// # Errors
    ///
    /// It was interrupted.
    fn still(&mut self, time: Duration) -> Result<(), Abort> {
        pause(time);
        self.drain();
        self.interrupted()
    }

    fn criterion(&mut self, name: &str, verdict: Verdict, evidence: impl Into<String>) {
        let evidence = evidence.into();
        self.course_mut().criteria.push(Criterion { name: name.to_owned(), verdict, evidence });
    }

    /// Asks the probes of the steady state.
    fn hypothesis(&mut self, when: &str) -> Verdict {
        let probes = &self.setting().plan.experiment.steady_state_hypothesis.probes;
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

    /// The steady state must hold before anything is done.
    fn holds_before(&mut self) -> Result<(), Abort> {
        match self.hypothesis("before") {
            Verdict::Fail => {
                Err(Abort("the steady state does not hold before anything is done".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn activity(&mut self, list: &str, place: usize, step: &Step) -> Did {
        let begun = now();
        let did = self.until_fine(step);
        self.put(Event::Activity {
            of: list.to_owned(),
            name: name_of(step, place),
            fine: did.fine,
            output: did.output.clone(),
            took: now().saturating_sub(begun),
        });
        did
    }

    /// Does an activity, and again for as long as it may take to find what it must.
    fn until_fine(&mut self, step: &Step) -> Did {
        let patience = length(step.within.as_ref(), 0);
        let begun = Instant::now();
        loop {
            let did = self.done(step);
            if did.fine != Some(false) || begun.elapsed() >= patience {
                return did;
            }
            // Faults that are on go on meanwhile.
            let waited =
                if self.course().active.any() { self.wait(AGAIN) } else { self.still(AGAIN) };
            if waited.is_err() {
                return did;
            }
        }
    }

    /// One step after the other; those in the background go on meanwhile.
    fn method(&mut self) -> Result<(), Abort> {
        for (place, step) in self.setting().plan.experiment.method.iter().enumerate() {
            self.step("method", place, step)?;
        }
        while self.course().active.any() {
            self.wait(LOOK)?;
        }
        Ok(())
    }

    fn step(&mut self, list: &str, place: usize, step: &Step) -> Result<(), Abort> {
        let plan = self.setting().plan;
        self.wait(time(&step.pauses.before).unwrap_or_default())?;
        let background = step.background.as_ref().is_some_and(|background| background.value);
        if let Some((number, _)) = step.fault.as_ref().and_then(|fault| plan.fault(&fault.value)) {
            let lasts = length(step.r#for.as_ref(), 0);
            self.inject(number, lasts)?;
            if !background {
                self.wait(lasts)?;
                while self.course().active.holds(number) {
                    self.wait(Duration::from_millis(1))?;
                }
            }
        }
        if step.provider.is_some() {
            let did = self.activity(list, place, step);
            if let Some((verdict, why)) = did.wrong() {
                self.criterion(&format!("{list}: {}", name_of(step, place)), verdict, why);
            }
        } else if let Some(wanted) = &step.r#ref {
            let probes = &plan.experiment.steady_state_hypothesis.probes;
            let again = probes.iter().chain(&plan.experiment.method).find(|other| {
                other.name.as_ref().is_some_and(|name| name.value == wanted.value)
                    && other.provider.is_some()
            });
            if let Some(again) = again {
                // It is recorded, not judged: what it tolerates is what holds while nothing is wrong.
                self.activity(list, place, again);
            }
        }
        self.wait(length(step.wait.as_ref(), 0))?;
        self.wait(time(&step.pauses.after).unwrap_or_default())
    }

    /// Until everything that worked works again, and what is done then.
    fn recover(&mut self) {
        let experiment = &self.setting().plan.experiment;
        let patience = length(experiment.phases.recover.as_ref(), usual::RECOVER);
        let (begun, ended) = (Instant::now(), self.course().ended.unwrap_or_else(now));
        let bad = loop {
            let bad = self.bad();
            if bad.is_empty() || begun.elapsed() > patience || self.still(LOOK).is_err() {
                break bad;
            }
        };
        for (place, step) in experiment.recovery.iter().enumerate() {
            if let Err(Abort(why)) = self.step("recovery", place, step) {
                // It was told already where it is an interruption; the rest is not done.
                let name = format!("recovery: {}", name_of(step, place));
                self.criterion(&name, Verdict::Unknown, why);
                break;
            }
        }
        let after = now().saturating_sub(ended);
        if bad.is_empty() {
            self.put(Event::Recovered { after });
        }
        #[expect(clippy::cast_precision_loss, reason = "times of a run are far below 2^52 µs")]
        let seconds = after as f64 / 1_000_000.0;
        let evidence = if bad.is_empty() {
            format!(
                "everything that worked before worked {seconds:.2} s after the last fault ended"
            )
        } else {
            format!("still, {seconds:.1} s after the last fault ended: {}", bad.join("; "))
        };
        let limit = experiment.expect.recovered.as_ref();
        let late = limit.is_some_and(|limit| after > limit.value.as_millis().saturating_mul(1000));
        let verdict = if bad.is_empty() && !late { Verdict::Pass } else { Verdict::Fail };
        let name = match limit {
            Some(limit) => format!("recovered within {}", limit.value),
            None => "recovered".to_owned(),
        };
        self.criterion(&name, verdict, evidence);
    }

    /// Whether all is as before.
    fn after(&mut self) {
        let phases = &self.setting().plan.experiment.phases;
        let until = Instant::now() + length(phases.after.as_ref(), usual::AFTER);
        while Instant::now() < until && self.still(LOOK).is_ok() {}
        self.hypothesis("after");
    }

    /// What is done in the end, whatever happened.
    fn rollbacks(&mut self) {
        for (place, step) in self.setting().plan.experiment.rollbacks.iter().enumerate() {
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
