//! Steps that are done to a lab, and the steady state before them: connections are watched meanwhile.

use std::time::{Duration, Instant};

use super::Run;
use super::activity::{self, Did};
use crate::journal::Verdict;
use crate::language::Step;
use crate::steps::{Abort, Course, Steps, length, usual};

/// Rounds of watching before what is usual has been seen.
const ROUNDS: u64 = 4;
/// How long those may take beside the steady phase.
const PATIENCE: Duration = Duration::from_secs(15);

impl Run<'_> {
    /// What holds while nothing is wrong: it is watched, and asked.
    pub(super) fn steady(&mut self) -> Result<(), Abort> {
        let phases = &self.course.setting.plan.experiment.phases;
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
    fn course(&self) -> &Course<'a> {
        &self.course
    }

    fn course_mut(&mut self) -> &mut Course<'a> {
        &mut self.course
    }

    fn begin(&mut self) -> Result<(), Abort> {
        self.stands().and_then(|()| self.lay()).and_then(|()| self.steady())
    }

    fn heal_all(&mut self) {
        self.bites();
        self.heal();
    }

    fn judge(&mut self) -> Verdict {
        self.judged()
    }

    fn not_begun(&mut self) {
        self.heal();
    }

    fn audit(&mut self) {
        self.conflicts();
    }

    fn inject(&mut self, fault: usize, length: Duration) -> Result<(), Abort> {
        self.begin_fault(fault, length)
    }

    fn tick(&mut self) -> Result<(), Abort> {
        self.drain();
        self.interrupted()?;
        if let Some(why) = self.hold.lost() {
            return Err(Abort(why));
        }
        if self.course.record.is_broken() {
            return Err(Abort("the journal cannot be written".to_owned()));
        }
        if let Some(why) = self.died() {
            return Err(Abort(why));
        }
        self.turn()?;
        self.others()
    }

    fn done(&mut self, step: &Step) -> Did {
        activity::done(self.course.setting, step)
    }

    fn bad(&mut self) -> Vec<String> {
        self.watched.bad()
    }
}
