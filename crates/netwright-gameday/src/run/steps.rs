//! The parts of a run: the steady state, the method, recovery, and what is done in the end.

use std::time::{Duration, Instant};

use super::activity::{self, Did};
use super::{Abort, Run, now};
use crate::journal::{Event, Verdict};
use crate::language::Step;
use crate::load::{name_of, time};

/// Rounds of watching before what is usual has been seen.
const ROUNDS: u64 = 4;
/// How long is waited until something is asked again that did not find what it must.
const AGAIN: Duration = Duration::from_millis(250);
/// How long those may take beside the steady phase.
const PATIENCE: Duration = Duration::from_secs(15);

impl Run<'_> {
    fn phase_of(
        given: Option<&netwright_model::source::Spanned<netwright_model::scalar::Duration>>,
        otherwise: u64,
    ) -> Duration {
        Duration::from_millis(given.map_or(otherwise, |given| given.value.as_millis()))
    }

    /// What holds while nothing is wrong: it is watched, and asked.
    pub(super) fn steady(&mut self) -> Result<(), Abort> {
        let phases = &self.setting.plan.experiment.phases;
        self.wait(Self::phase_of(phases.steady.as_ref(), 3_000))?;
        let begun = Instant::now();
        while !self.watched.is_empty()
            && (self.watched.rounds() < ROUNDS || self.watched.is_undecided())
            && begun.elapsed() < PATIENCE
        {
            self.wait(Duration::from_millis(50))?;
        }
        self.watched.settle();
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

    fn activity(&mut self, list: &str, place: usize, step: &Step) -> Did {
        let begun = now();
        let did = self.until_fine(step);
        self.record.put(Event::Activity {
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
        let patience = step.within.as_ref().map_or(0, |within| within.value.as_millis());
        let begun = Instant::now();
        loop {
            let did = activity::done(self.setting, step);
            let late = begun.elapsed() >= Duration::from_millis(patience);
            if did.fine != Some(false) || late {
                return did;
            }
            // Faults that are on go on meanwhile.
            let waited = if self.any_active() { self.wait(AGAIN) } else { self.still(AGAIN) };
            if waited.is_err() {
                return did;
            }
        }
    }

    /// One step after the other; those in the background go on meanwhile.
    pub(super) fn method(&mut self) -> Result<(), Abort> {
        let plan = self.setting.plan;
        for (place, step) in plan.experiment.method.iter().enumerate() {
            self.step("method", place, step)?;
        }
        while self.any_active() {
            self.wait(Duration::from_millis(5))?;
        }
        Ok(())
    }

    fn step(&mut self, list: &str, place: usize, step: &Step) -> Result<(), Abort> {
        let plan = self.setting.plan;
        self.wait(time(&step.pauses.before).unwrap_or_default())?;
        let background = step.background.as_ref().is_some_and(|background| background.value);
        if let Some((number, _)) = step.fault.as_ref().and_then(|fault| plan.fault(&fault.value)) {
            let length = step.r#for.as_ref().map_or(0, |length| length.value.as_millis());
            let length = Duration::from_millis(length);
            self.inject(number, length)?;
            if !background {
                // Its end is due when the wait is over.
                self.wait(length + Duration::from_millis(1))?;
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
                self.activity(list, place, again);
            }
        }
        let wait = step.wait.as_ref().map_or(0, |wait| wait.value.as_millis());
        self.wait(Duration::from_millis(wait))?;
        self.wait(time(&step.pauses.after).unwrap_or_default())
    }

    /// Until everything that worked works again, and what is done then.
    pub(super) fn recover(&mut self) {
        let experiment = &self.setting.plan.experiment;
        let patience = Self::phase_of(experiment.phases.recover.as_ref(), 60_000);
        let begun = Instant::now();
        let ended = self.ended.unwrap_or_else(now);
        let bad = loop {
            let bad = self.watched.bad();
            if bad.is_empty() || begun.elapsed() > patience {
                break bad;
            }
            if self.still(Duration::from_millis(20)).is_err() {
                break bad;
            }
        };
        for (place, step) in experiment.recovery.iter().enumerate() {
            if let Err(Abort(why)) = self.step("recovery", place, step) {
                // It was told already where it is an interruption; the rest is not done.
                self.criterion(
                    &format!("recovery: {}", name_of(step, place)),
                    Verdict::Unknown,
                    why,
                );
                break;
            }
        }
        let after = now().saturating_sub(ended);
        if bad.is_empty() {
            self.record.put(Event::Recovered { after });
        }
        let limit = experiment.expect.recovered.as_ref().map(|limit| limit.value.as_millis());
        #[expect(clippy::cast_precision_loss, reason = "times of a run are far below 2^52 µs")]
        let seconds = after as f64 / 1_000_000.0;
        let evidence = if bad.is_empty() {
            format!(
                "everything that worked before worked {seconds:.2} s after the last fault ended"
            )
        } else {
            format!("still, {seconds:.1} s after the last fault ended: {}", bad.join("; "))
        };
        let late = limit.is_some_and(|limit| after > limit.saturating_mul(1000));
        let verdict = if bad.is_empty() && !late { Verdict::Pass } else { Verdict::Fail };
        let name = match &experiment.expect.recovered {
            Some(limit) => format!("recovered within {}", limit.value),
            None => "recovered".to_owned(),
        };
        self.criterion(&name, verdict, evidence);
    }

    /// Lets time pass when nothing is held any more.
    pub(super) fn still(&mut self, time: Duration) -> Result<(), Abort> {
        netwright_dataplane::kernel::pause(time);
        self.drain();
        if (self.stop)() { Err(Abort(super::INTERRUPTED.to_owned())) } else { Ok(()) }
    }

    /// Whether all is as before.
    pub(super) fn after(&mut self) {
        let time = Self::phase_of(self.setting.plan.experiment.phases.after.as_ref(), 2_000);
        let until = Instant::now() + time;
        while Instant::now() < until && self.still(Duration::from_millis(10)).is_ok() {}
        self.hypothesis("after");
    }

    /// What is done in the end, whatever happened.
    pub(super) fn rollbacks(&mut self) {
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
