//! What came out: faults that were found out, alarms without a cause, and what was expected.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Run;
use super::watch::{Declared, INTERVAL};
use crate::detect::{Change, State};
use crate::journal::{Detection, Event, Link, Verdict};
use crate::steps::{Abort, Steps};

/// Faults of less than this may end before three rounds were missed.
const SHORTEST: u64 = 2_600_000;
/// A connection that a fault concerned may be declared this much later.
const GRACE: u64 = 3_000_000;

/// Whether a fault between two times can be why a connection was declared otherwise. A round that was missed just before, as happens on a busy machine, is
/// declared together with those that the fault has missed after it: one such is no sign of something else, two are.
fn may_have_caused(requested: u64, end: u64, change: &Change) -> bool {
    let earliest = requested.saturating_sub(INTERVAL * 1_000);
    (earliest..=end).contains(&change.first) && change.declared >= requested
}

impl Run<'_> {
    /// Breaks off where connections that no fault concerns are declared down: something else happens here.
    pub(super) fn others(&mut self) -> Result<(), Abort> {
        let safety = &self.course.setting.plan.experiment.safety;
        let most = safety.abort_when_down.as_ref().map_or(1, |most| most.value);
        let (alarms, _) = self.alarms();
        if most == 0 || alarms.len() < usize::try_from(most).unwrap_or(usize::MAX) {
            return Ok(());
        }
        let named: Vec<String> = alarms
            .iter()
            .map(|link| format!("{} → {}:{}", link.from, link.to, link.port))
            .collect();
        Err(Abort(format!(
            "something else is wrong here: {} declared down, which no fault concerns",
            named.join(", ")
        )))
    }

    /// Connections of which something bad was declared without a fault that concerns them, and the number of those that worked.
    fn alarms(&self) -> (Vec<Link>, usize) {
        let plan = self.course.setting.plan;
        let declared = self.watched.declared();
        let concerned = |one: &Declared| {
            self.faults.episodes.iter().any(|own| {
                let end = own.off.map_or(u64::MAX, |off| off + GRACE);
                plan.faults[own.fault].touches(self.watched.ends[one.link])
                    && may_have_caused(own.requested, end, &one.change)
            })
        };
        let alarms: BTreeSet<usize> = declared
            .iter()
            .filter(|one| {
                one.change.to.is_cut() && one.change.from != State::Unknown && !concerned(one)
            })
            .map(|one| one.link)
            .collect();
        let up = self.watched.states().iter().filter(|state| **state != State::Closed).count();
        (alarms.into_iter().map(|link| self.watched.links[link].clone()).collect(), up)
    }

    /// How each fault was found out on each connection.
    fn detections(&self) -> Vec<Detection> {
        let plan = self.course.setting.plan;
        let declared = self.watched.declared();
        let states = self.watched.states();
        let mut all = Vec::new();
        for own in &self.faults.episodes {
            let fault = &plan.faults[own.fault];
            for (link, ends) in self.watched.ends.iter().enumerate() {
                let row = &self.watched.links[link];
                let Some(injected) = fault.seen(*ends, row.port) else { continue };
                // What filters forbid cannot be cut.
                if states.get(link) == Some(&State::Closed) {
                    continue;
                }
                let end = own.off.unwrap_or(u64::MAX).saturating_add(GRACE);
                let mut seen = declared.iter().filter(|one| {
                    one.link == link
                        && one.change.to.is_bad()
                        && (own.requested..=end).contains(&one.change.declared)
                });
                let first = seen.clone().next();
                let right = seen.find(|one| one.change.to == injected).or(first);
                // A fault that ends before it can be declared is none that was missed.
                let short = own.off.is_some_and(|off| off.saturating_sub(own.effective) < SHORTEST);
                if first.is_none() && short {
                    continue;
                }
                all.push(Detection {
                    fault: fault.name.clone(),
                    link: row.clone(),
                    injected,
                    detected: right.map_or(State::Unknown, |one| one.change.to),
                    requested: own.requested,
                    effective: own.effective,
                    first_drop: own.first_met,
                    first_miss: first.map(|one| one.change.first),
                    declared: first.map(|one| one.change.declared),
                    visible: first.map(|one| one.visible),
                });
            }
        }
        all
    }

    /// The verdict: what was expected, and what came out.
    pub(super) fn judged(&mut self) -> Verdict {
        let all = self.detections();
        let (false_alarms, up) = self.alarms();
        self.found_out(&all);
        let expect = &self.course.setting.plan.experiment.expect;
        if expect.others_up.as_ref().is_none_or(|others| others.value) {
            let (verdict, evidence) = match (up, false_alarms.as_slice()) {
                (0, _) => (Verdict::Unknown, "no connection that works was watched".to_owned()),
                (_, []) => (Verdict::Pass, format!("{up} connections that work were watched")),
                (_, alarms) => {
                    let named: Vec<String> = alarms
                        .iter()
                        .map(|link| format!("{} → {}:{}", link.from, link.to, link.port))
                        .collect();
                    (Verdict::Fail, named.join(", "))
                }
            };
            self.criterion("nothing else was concerned", verdict, evidence);
        }
        self.course.record.put(Event::Detections { all, false_alarms });
        Verdict::of(&self.course.criteria)
    }

    fn found_out(&mut self, all: &[Detection]) {
        let Some(limit) = self.course.setting.plan.experiment.expect.detected.as_ref() else {
            return;
        };
        let name = format!("found out within {}", limit.value);
        let limit = Duration::from_millis(limit.value.as_millis());
        if all.is_empty() {
            let why = "no watched connection that works was cut for long enough";
            return self.criterion(&name, Verdict::Unknown, why);
        }
        let took = |one: &Detection| {
            one.visible.map(|visible| Duration::from_micros(visible.saturating_sub(one.effective)))
        };
        let late = all.iter().filter(|one| took(one).is_none_or(|took| took > limit));
        let late: Vec<String> = late
            .map(|one| {
                let took = took(one).map_or("never".to_owned(), |took| {
                    format!("after {:.2} s", took.as_secs_f64())
                });
                format!(
                    "{}: {} → {}:{} {took}",
                    one.fault, one.link.from, one.link.to, one.link.port
                )
            })
            .collect();
        let right = all.iter().filter(|one| one.detected == one.injected).count();
        let slowest = all.iter().filter_map(took).max().unwrap_or_default();
        if late.is_empty() {
            let evidence = format!(
                "{} of {} as what they were, the slowest after {:.2} s",
                right,
                all.len(),
                slowest.as_secs_f64()
            );
            self.criterion(&name, Verdict::Pass, evidence);
        } else {
            self.criterion(&name, Verdict::Fail, late.join("; "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::may_have_caused;
    use crate::detect::{Change, State};

    #[test]
    fn a_fault_is_why_a_connection_is_declared_down_where_at_most_one_round_was_missed_before() {
        let caused = |first, declared| {
            let change = Change { from: State::Up, to: State::Down, first, declared };
            may_have_caused(10_000_000, 15_000_000, &change)
        };
        assert!(caused(10_200_000, 11_200_000), "all rounds were missed after it");
        assert!(caused(9_700_000, 10_700_000), "two of three");
        assert!(caused(14_900_000, 15_900_000), "declared when it is over");
        assert!(!caused(9_300_000, 10_300_000), "one of three");
        assert!(!caused(8_600_000, 9_600_000), "declared before it");
        assert!(!caused(15_100_000, 16_100_000), "missed after it");
    }
}
