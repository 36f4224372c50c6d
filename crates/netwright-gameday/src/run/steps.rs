//! Steps that are done to a lab, and the steady state before them: connections are watched meanwhile.

use std::time::{Duration, Instant};

use super::activity::{self, Did};
use super::workload::Jobs;
use super::{INTERRUPTED, Run, Setting, now};
use crate::active::Active;
use crate::journal::{Criterion, Event};
use crate::language::Step;
use crate::steps::{Abort, Steps, length, usual};

/// Rounds of watching before what is usual has been seen.
const ROUNDS: u64 = 4;
/// How long those may take beside the steady phase.
const PATIENCE: Duration = Duration::from_secs(15);

impl Run<'_> {
    /// What holds while nothing is wrong: it is watched, and asked.
    pub(super) fn steady(&mut self) -> Result<(), Abort> {
        let phases = &self.setting.plan.experiment.phases;
        self.wait(length(phases.steady.as_ref(), usual::STEADY))?;
        let begun = Instant::now();
        while !self.watched.is_empty()
            && (self.watched.rounds() < ROUNDS || self.watched.is_undecided())
            && begun.elapsed() < PATIENCE
        {
            self.wait(Duration::from_millis(50))?;
        }
        self.watched.settle();
        self.holds_before()
    }
}

impl<'a> Steps<'a> for Run<'a> {
    fn setting(&self) -> &'a Setting<'a> {
        self.setting
    }

    fn put(&mut self, event: Event) {
        self.record.put(event);
    }

    fn criteria(&mut self) -> &mut Vec<Criterion> {
        &mut self.criteria
    }

    fn active(&self) -> &Active {
        &self.faults.active
    }

    fn ended(&self) -> u64 {
        self.ended.unwrap_or_else(now)
    }

    fn inject(&mut self, fault: usize, length: Duration) -> Result<(), Abort> {
        self.begin_fault(fault, length)
    }

    fn tick(&mut self) -> Result<(), Abort> {
        self.drain();
        if self.is_interrupted() {
            return Err(Abort(INTERRUPTED.to_owned()));
        }
        if let Some(why) = self.hold.lost() {
            return Err(Abort(why));
        }
        if self.record.is_broken() {
            return Err(Abort("the journal cannot be written".to_owned()));
        }
        if let Some(why) = self.died() {
            return Err(Abort(why));
        }
        self.turn()?;
        self.others()
    }

    fn drain(&mut self) {
        self.audience.drain(self.record, self.jobs);
    }

    fn is_interrupted(&self) -> bool {
        (self.stop)()
    }

    fn done(&mut self, step: &Step) -> Did {
        activity::done(self.setting, step)
    }

    fn jobs(&self) -> &'a Jobs<'a> {
        self.jobs
    }

    fn bad(&mut self) -> Vec<String> {
        self.watched.bad()
    }
}
