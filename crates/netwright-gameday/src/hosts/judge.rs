//! What came out: what faults did, what else was concerned, and whether all is as before.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;

use super::seen::Look;
use super::{LOOK, RECOVER, Run, now};
use crate::detect::State;
use crate::journal::{Event, Verdict};
use crate::language::FaultKind;
use crate::plan::{Does, Planned};

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

impl Run<'_, '_, '_, '_> {
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
        let plan = self.setting.plan;
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

    /// Until everything that worked works again.
    pub(super) fn recover(&mut self) {
        let experiment = &self.setting.plan.experiment;
        let most =
            experiment.phases.recover.as_ref().map_or(RECOVER, |most| most.value.as_millis());
        let (begun, ended) = (Instant::now(), self.ended.unwrap_or_else(now));
        let bad = loop {
            let bad = self.shared.seen.bad(self.shared.live);
            let bad = bad.unwrap_or_else(|why| vec![format!("hosts could not be asked: {why}")]);
            let late = begun.elapsed() > Duration::from_millis(most);
            if bad.is_empty() || late || (self.stop)() {
                break bad;
            }
            pause(LOOK);
        };
        self.drain();
        let after = now().saturating_sub(ended);
        #[expect(clippy::cast_precision_loss, reason = "times of a run are far below 2^52 µs")]
        let seconds = after as f64 / 1_000_000.0;
        let limit = experiment.expect.recovered.as_ref();
        let name = limit
            .map_or("recovered".to_owned(), |limit| format!("recovered within {}", limit.value));
        let late = limit.is_some_and(|limit| after > limit.value.as_millis().saturating_mul(1000));
        if bad.is_empty() {
            self.put(&Event::Recovered { after });
            let evidence = format!(
                "everything that worked before was seen to work {seconds:.2} s after the last fault ended"
            );
            let verdict = if late { Verdict::Fail } else { Verdict::Pass };
            self.criterion(&name, verdict, evidence);
        } else {
            let evidence =
                format!("still, {seconds:.1} s after the last fault ended: {}", bad.join("; "));
            self.criterion(&name, Verdict::Fail, evidence);
        }
    }

    /// The verdict: what was expected, and what came out.
    pub(super) fn judge(&mut self) -> Verdict {
        self.looked();
        Verdict::of(&self.criteria)
    }
}
