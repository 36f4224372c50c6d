//! What came out: what faults did, what else was concerned, and whether all is as before.

use std::collections::BTreeSet;

use super::Run;
use super::seen::Look;
use crate::detect::State;
use crate::journal::Verdict;
use crate::language::FaultKind;
use crate::plan::{Does, Planned};
use crate::steps::Steps;

/// What a fault has a flow do: whether it is not answered while it is on; none where packets do not tell.
fn unanswered(fault: &Planned, ends: (usize, usize), port: Option<u16>) -> Option<bool> {
    let Does::Cut(cut) = &fault.does else { return None };
    if cut.kind != FaultKind::Drop {
        // What refuses or resets answers too.
        return None;
    }
    if !fault.touches(ends) {
        return Some(false);
    }
    let lost = [State::Down, State::OneWayThere, State::OneWayBack, State::InitiationOnly];
    match (port, cut.services.is_empty()) {
        (Some(port), _) => Some(fault.seen(ends, port).is_some_and(|seen| lost.contains(&seen))),
        (None, true) => Some(fault.seen(ends, 0).is_some_and(|seen| lost.contains(&seen))),
        // Whether an echo is one of the services is not asked.
        (None, false) => None,
    }
}

impl Run<'_, '_, '_> {
    /// The faults that were on for the whole of a look; none where one came or went meanwhile.
    fn on_during(&self, look: &Look) -> Option<Vec<usize>> {
        let mut on = Vec::new();
        for own in &self.faults.episodes {
            let ends = own.off.unwrap_or(u64::MAX);
            if own.effective <= look.from && look.until <= ends {
                on.push(own.fault);
            } else if own.effective < look.until && look.from < ends {
                return None;
            }
        }
        Some(on)
    }

    /// Judges what was seen while faults were on.
    fn looked(&mut self) {
        let plan = self.course.setting.plan;
        let (seen, usual) = (&self.shared.seen, self.shared.seen.worked());
        let (mut others, mut passed) = (BTreeSet::new(), BTreeSet::new());
        let mut told: BTreeSet<usize> = BTreeSet::new();
        let mut count = 0;
        for look in seen.looks() {
            let Some(on) = self.on_during(&look) else { continue };
            count += 1;
            for (((flow, ends), usual), answered) in
                seen.flows.iter().zip(&usual).zip(&look.answered)
            {
                let (true, Some(answered)) = (*usual, *answered) else { continue };
                let expected: Vec<(usize, Option<bool>)> = on
                    .iter()
                    .map(|fault| (*fault, unanswered(&plan.faults[*fault], *ends, flow.port)))
                    .collect();
                let touched = on.iter().any(|fault| plan.faults[*fault].touches(*ends));
                if !touched && !answered {
                    others.insert(flow.words());
                }
                for (fault, expected) in expected {
                    if expected != Some(true) {
                        continue;
                    }
                    told.insert(fault);
                    if answered {
                        passed.insert((fault, flow.words()));
                    }
                }
            }
        }
        for fault in told {
            let name = format!("hosts saw the fault {}", plan.faults[fault].name);
            let own: Vec<String> = passed
                .iter()
                .filter(|(own, _)| *own == fault)
                .map(|(_, flow)| flow.clone())
                .collect();
            if own.is_empty() {
                let evidence = "what it cuts was not answered while it was on";
                self.criterion(&name, Verdict::Pass, evidence);
            } else {
                self.criterion(&name, Verdict::Fail, format!("still answered: {}", own.join(", ")));
            }
        }
        let wanted = plan.experiment.expect.others_up.as_ref().is_none_or(|others| others.value);
        if wanted && !self.faults.episodes.is_empty() {
            let (verdict, evidence) = match (count, others.is_empty()) {
                (0, _) => (
                    Verdict::Unknown,
                    "no fault was on for as long as hosts take to ask".to_owned(),
                ),
                (_, true) => {
                    (Verdict::Pass, format!("hosts asked {count} times while faults were on"))
                }
                (_, false) => (Verdict::Fail, others.into_iter().collect::<Vec<_>>().join(", ")),
            };
            self.criterion("nothing else was concerned", verdict, evidence);
        }
    }

    /// The verdict: what was expected, and what came out.
    pub(super) fn judged(&mut self) -> Verdict {
        self.looked();
        Verdict::of(&self.course.criteria)
    }
}
