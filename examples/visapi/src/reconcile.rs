//! Which of several writes of one record wins: the last by hybrid clock and node. Whoever loses is kept.
//!
//! This is the specification of the function `apply_record` in the database, and what a dry run tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Stamp;

/// One write of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Write {
    /// `marker` or `write`.
    pub(crate) kind: String,
    /// Which record.
    pub(crate) id: String,
    /// What was written.
    pub(crate) body: Value,
    /// When and by whom.
    #[serde(flatten)]
    pub(crate) stamp: Stamp,
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Decision {
    /// Nothing was there.
    Inserted,
    /// It is later than what was there, which goes to the losers.
    Replaced,
    /// A later one was there: it goes to the losers itself.
    Late,
    /// It was there.
    Same,
}

/// Decides on one write.
pub(crate) fn decide(held: Option<&Stamp>, incoming: &Stamp) -> Decision {
    match held {
        None => Decision::Inserted,
        Some(held) if held == incoming => Decision::Same,
        Some(held) if held < incoming => Decision::Replaced,
        Some(_) => Decision::Late,
    }
}

/// What is held for each kind and id.
pub(crate) type Held = BTreeMap<(String, String), Stamp>;

/// Decides on writes one after the other; `held` is what was there, and becomes what is there afterwards.
pub(crate) fn plan(held: &mut Held, incoming: &[Write]) -> Vec<Decision> {
    let one = |write: &Write| {
        let place = (write.kind.clone(), write.id.clone());
        let decision = decide(held.get(&place), &write.stamp);
        if matches!(decision, Decision::Inserted | Decision::Replaced) {
            held.insert(place, write.stamp.clone());
        }
        decision
    };
    incoming.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use serde_json::json;

    use super::{Decision, Write, plan};
    use crate::clock::{Hlc, Stamp};

    fn writes() -> impl Strategy<Value = Vec<Write>> {
        let write = (0_u8..3, 0_i64..6, 0_u8..3).prop_map(|(id, hlc, node)| Write {
            kind: "write".to_owned(),
            id: id.to_string(),
            body: json!([id, hlc, node]),
            stamp: Stamp { hlc: Hlc(hlc), node: node.to_string() },
        });
        prop::collection::vec(write, 0..12)
    }

    proptest! {
        #[test]
        fn the_order_in_which_writes_arrive_decides_nothing(writes in writes(), seed in any::<u64>()) {
            // The oracle: the greatest stamp of each record.
            let mut greatest = BTreeMap::new();
            for write in &writes {
                let place = (write.kind.clone(), write.id.clone());
                let held = greatest.entry(place).or_insert_with(|| write.stamp.clone());
                *held = held.clone().max(write.stamp.clone());
            }
            let mut shuffled = writes.clone();
            let length = shuffled.len().max(1);
            for at in 0..shuffled.len() {
                shuffled.swap(at, (usize::try_from(seed % 97).unwrap() * (at + 7)) % length);
            }
            let (mut one, mut other) = (BTreeMap::new(), BTreeMap::new());
            plan(&mut one, &writes);
            plan(&mut other, &shuffled);
            prop_assert_eq!(&one, &greatest);
            prop_assert_eq!(&other, &greatest);
        }

        #[test]
        fn every_write_wins_or_is_told_as_a_loser(writes in writes()) {
            let mut held = BTreeMap::new();
            let decisions = plan(&mut held, &writes);
            let mut losers = BTreeSet::new();
            let mut there: BTreeMap<&str, &Stamp> = BTreeMap::new();
            for (write, decision) in writes.iter().zip(&decisions) {
                match decision {
                    Decision::Inserted => { there.insert(&write.id, &write.stamp); }
                    Decision::Replaced => {
                        let loser = there.insert(&write.id, &write.stamp).unwrap();
                        losers.insert((write.id.clone(), loser.clone()));
                    }
                    Decision::Late => { losers.insert((write.id.clone(), write.stamp.clone())); }
                    Decision::Same => {}
                }
            }
            let written: BTreeSet<_> = writes.iter().map(|w| (w.id.clone(), w.stamp.clone())).collect();
            let winners: BTreeSet<_> =
                held.iter().map(|((_, id), stamp)| (id.clone(), stamp.clone())).collect();
            let known: BTreeSet<_> = winners.union(&losers).cloned().collect();
            prop_assert_eq!(known, written);
            prop_assert!(winners.is_disjoint(&losers));
        }

        #[test]
        fn to_reconcile_again_changes_nothing(writes in writes()) {
            let mut held = BTreeMap::new();
            plan(&mut held, &writes);
            let before = held.clone();
            let again = plan(&mut held, &writes);
            prop_assert_eq!(held, before);
            prop_assert!(again.iter().all(|one| matches!(one, Decision::Same | Decision::Late)));
        }
    }
}
