//! Proving what a change does, from what was proved of the network before.

use std::sync::Arc;

use netwright_model::network::Network;
use netwright_verify::diff::{Diff, Seen, compare};
use netwright_verify::prover::Resting;
use netwright_verify::space::Overflow;

use crate::network::Live;

/// Octets of sets after which the prover begins anew, so that what no network needs any more does not pile up.
const ROOM: usize = 256 << 20;

/// What a change does, with the networks' own answers.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) diff: Diff,
    /// Names of intents with their standing, before.
    pub(crate) stood: Vec<(String, netwright_verify::intents::Standing)>,
    /// The answers of those that do not hold now.
    pub(crate) fails: Vec<netwright_verify::intents::Answer>,
}

/// Proves changes one after the other. What it found out of one network is used for the next: a change of a rule costs what the rule decides.
#[derive(Debug, Default)]
pub struct Judge {
    warm: Option<Warm>,
}

#[derive(Debug)]
struct Warm {
    prover: Resting,
    seen: Seen,
    today: Option<i64>,
    /// The network before, with what was seen of it: gone back to when a change does not land.
    before: Option<(Arc<Network>, Seen)>,
}

impl Judge {
    /// What a change from one network to another does. `today` is in days since 1970-01-01.
    ///
    /// # Errors
    ///
    /// When the sets outgrow their memory limit; then nothing is known.
    pub(crate) fn judge(
        &mut self,
        old: &Live,
        new: &Live,
        today: Option<i64>,
    ) -> Result<Judged, Overflow> {
        let Warm { prover, seen, .. } = self.of(&old.network, today)?;
        let (prover, told) = prover.go_on(Arc::clone(&new.network), |prover, change| {
            let after = Seen::after(prover, change, &seen, today)?;
            let diff = compare((&old.network, &seen), &after, prover)?;
            Ok((after, diff))
        });
        let (after, diff) = told?;
        let stood = seen.intents.iter().map(|answer| (answer.name.clone(), answer.standing));
        let stood = stood.collect();
        let holds = netwright_verify::intents::Standing::Holds;
        let fails = after.intents.iter().filter(|answer| answer.standing != holds).cloned();
        let fails = fails.collect();
        let before = Some((Arc::clone(&old.network), seen));
        self.warm = Some(Warm { prover, seen: after, today, before });
        Ok(Judged { diff, stood, fails })
    }

    /// What is known of a network, found out where it is not.
    fn of(&mut self, network: &Arc<Network>, today: Option<i64>) -> Result<Warm, Overflow> {
        let fresh = |prover: Resting| {
            let (prover, seen) = prover.ask(|prover| Seen::of(prover, today));
            Ok(Warm { prover, seen: seen?, today, before: None })
        };
        let kept = self.warm.take().filter(|warm| warm.today == today);
        let Some(warm) = kept.filter(|warm| warm.prover.octets() < ROOM) else {
            return fresh(Resting::new(Arc::clone(network)));
        };
        if Arc::ptr_eq(warm.prover.network(), network) {
            return Ok(warm);
        }
        let Warm { prover, seen, before, .. } = warm;
        let (prover, seen) = prover.go_on(Arc::clone(network), |prover, change| match before {
            Some((known, before)) if Arc::ptr_eq(&known, network) => Ok(before),
            _ => Seen::after(prover, change, &seen, today),
        });
        Ok(Warm { prover, seen: seen?, today, before: None })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use netwright_model::generate::{Plan, generate};
    use netwright_store::Revision;
    use netwright_verify::diff::{Diff, Parties, Party, diff};

    use super::Judge;
    use crate::network::objects::{Wish, wishes};
    use crate::network::{Live, ObjectKey};

    /// Changes of flows without outside addresses: going on may tell more ranges apart than are different.
    fn told(diff: &Diff) -> BTreeSet<String> {
        let named = |all: &Parties| -> Vec<Party> {
            all.iter().filter(|party| matches!(party, Party::Named { .. })).cloned().collect()
        };
        let changes = diff.changes.iter().map(|change| {
            let (from, to) = (named(&change.from), named(&change.to));
            let what = (&change.lost, &change.gained, &change.unsure);
            format!("{from:?} {to:?} {:?} {what:?}", change.relation)
        });
        changes.collect()
    }

    /// Going on from what is known says what comparing from nothing says.
    #[test]
    fn what_is_proved_in_passing_is_what_is_proved_from_nothing() {
        let edits = Live::empty().objects.edits_to(&wishes(&generate(&Plan::default())));
        let first = Live::empty().after(&edits, Revision(2)).map(Arc::new);
        let Ok(mut now) = first else { panic!("no network") };
        let mut judge = Judge::default();
        let filters: Vec<_> = now
            .objects
            .of_part("filters")
            .map(|(name, object)| (name.clone(), object.text.clone()))
            .collect();
        for (round, (name, _)) in filters.iter().enumerate() {
            let (_, text) = &filters[(round + 1) % filters.len()];
            let key = ObjectKey { part: "filters", name: name.clone() };
            let edits = now.objects.edits_to(&[Wish { key, text: text.to_string() }]);
            let Ok(next) = now.after(&edits, now.revision.next()).map(Arc::new) else { continue };
            let (Ok(judged), Ok(plain)) =
                (judge.judge(&now, &next, None), diff(&now.network, &next.network, None))
            else {
                panic!("too large");
            };
            assert_eq!(told(&judged.diff), told(&plain), "{name}");
            assert_eq!(judged.diff.found, plain.found);
            assert_eq!(judged.diff.steps, plain.steps);
            let names = |all: &[netwright_verify::intents::Answer]| -> Vec<String> {
                all.iter().map(|answer| format!("{} {}", answer.name, answer.why)).collect()
            };
            assert_eq!(names(&judged.diff.broken), names(&plain.broken));
            // Every other change does not land.
            if round % 2 == 0 {
                now = next;
            }
        }
    }
}
