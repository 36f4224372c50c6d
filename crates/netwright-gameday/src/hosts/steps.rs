//! Steps that are done to hosts, and the steady state before them: hosts are asked what works.

use std::time::Duration;

use super::{Run, away, lock};
use crate::active::Active;
use crate::journal::{Criterion, Event};
use crate::language::Step;
use crate::run::activity::{self, Did};
use crate::run::workload::Jobs;
use crate::run::{INTERRUPTED, Setting, now};
use crate::steps::{Abort, Steps, length, usual};

impl Run<'_, '_, '_, '_> {
    /// What works while nothing is wrong: hosts ask, and so do the probes of the steady state.
    pub(super) fn steady(&mut self) -> Result<(), Abort> {
        let phases = &self.setting.plan.experiment.phases;
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

impl<'a> Steps<'a> for Run<'_, '_, 'a, '_> {
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
        if let Some(why) = lock(&self.shared.lost).clone() {
            return Err(Abort(format!("a fault could not be renewed: {why}")));
        }
        if self.record.is_broken() {
            return Err(Abort("the journal cannot be written".to_owned()));
        }
        self.turn()
    }

    fn drain(&mut self) {
        self.audience.drain(self.record, self.jobs);
    }

    fn is_interrupted(&self) -> bool {
        (self.stop)()
    }

    fn done(&mut self, step: &Step) -> Did {
        match away::from(step, &self.setting.plan.experiment) {
            None => activity::done(self.setting, step),
            Some(from) => {
                let asked = away::asked(self.setting, step, &from.value);
                away::did(step, asked.and_then(|away| self.shared.live.ask(&away)))
            }
        }
    }

    fn jobs(&self) -> &'a Jobs<'a> {
        self.jobs
    }

    fn bad(&mut self) -> Vec<String> {
        let bad = self.shared.seen.bad(self.shared.live);
        bad.unwrap_or_else(|why| vec![format!("hosts could not be asked: {why}")])
    }
}
