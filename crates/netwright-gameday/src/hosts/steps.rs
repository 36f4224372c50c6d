//! Steps that are done to hosts, and the steady state before them: hosts are asked what works.

use std::time::Duration;

use super::{Run, away, lock};
use crate::journal::Verdict;
use crate::language::Step;
use crate::run::activity::{self, Did};
use crate::steps::{Abort, Course, Steps, length, usual};

impl Run<'_, '_, '_> {
    /// What works while nothing is wrong: hosts ask, and so do the probes of the steady state.
    pub(super) fn steady(&mut self) -> Result<(), Abort> {
        let phases = &self.course.setting.plan.experiment.phases;
        self.wait(length(phases.steady.as_ref(), usual::STEADY))?;
        let works = self.shared.seen.usual(self.shared.live).map_err(|why| {
            Abort(format!("hosts cannot be asked what works before anything is done: {why}"))
        })?;
        self.drain();
        if works == 0 {
            return Err(Abort("nothing was seen to work before anything is done".to_owned()));
        }
        self.holds_before()
    }
}

impl<'a> Steps<'a> for Run<'_, '_, 'a> {
    fn course(&self) -> &Course<'a> {
        &self.course
    }

    fn course_mut(&mut self) -> &mut Course<'a> {
        &mut self.course
    }

    fn begin(&mut self) -> Result<(), Abort> {
        self.steady()
    }

    fn heal_all(&mut self) {
        self.heal();
        self.bites();
    }

    fn judge(&mut self) -> Verdict {
        self.judged()
    }

    fn inject(&mut self, fault: usize, length: Duration) -> Result<(), Abort> {
        self.begin_fault(fault, length)
    }

    fn tick(&mut self) -> Result<(), Abort> {
        self.drain();
        self.interrupted()?;
        if let Some(why) = lock(&self.shared.lost).clone() {
            return Err(Abort(format!("a fault could not be renewed: {why}")));
        }
        if self.course.record.is_broken() {
            return Err(Abort("the journal cannot be written".to_owned()));
        }
        self.turn()
    }

    fn done(&mut self, step: &Step) -> Did {
        match away::from(step, &self.course.setting.plan.experiment) {
            None => activity::done(self.course.setting, step),
            Some(from) => {
                let asked = away::asked(self.course.setting, step, &from.value);
                away::did(step, asked.and_then(|away| self.shared.live.ask(&away)))
            }
        }
    }

    fn bad(&mut self) -> Vec<String> {
        let bad = self.shared.seen.bad(self.shared.live);
        bad.unwrap_or_else(|why| vec![format!("hosts could not be asked: {why}")])
    }
}
