//! Laws of comparison: nothing differs from itself, and what one direction loses the other gains.

use std::collections::BTreeSet;

use netwright_model::network::Network;
use netwright_verify::diff::{Diff, Party, diff};
use netwright_verify::reach::Relation;

use super::edits::edited;
use super::{Run, load, networks};

fn compare(old: &Network, new: &Network) -> Diff {
    diff(old, new, None).unwrap()
}

#[test]
fn a_network_does_not_differ_from_itself() {
    nothing_differs_from_itself(Run::given());
}

pub(super) fn nothing_differs_from_itself(run: Run) {
    let mut random = run.random(0x1DE);
    let mut asked = 0;
    while asked < run.cases / 1000 {
        let text = networks::network(&mut random);
        let (Some(one), Some(other)) = (load(&text), load(&text)) else { continue };
        asked += 1;
        let found = compare(&one, &other);
        assert!(found.changes.is_empty(), "{:#?}\n{text}", found.changes);
        assert!(found.found.is_empty() && found.gone.is_empty(), "{text}");
        assert!(found.steps.is_empty() && found.dependencies.is_empty(), "{text}");
    }
}

/// One pair of parties in one relation, and what is said of it.
type Said = (Party, Party, Relation, String);

/// What some changes say, pair by pair.
fn spelled_out(
    diff: &Diff,
    what: impl Fn(&netwright_verify::diff::Change) -> Option<&String>,
) -> BTreeSet<Said> {
    let mut all = BTreeSet::new();
    for change in &diff.changes {
        let Some(words) = what(change) else { continue };
        let relations = match change.relation {
            Relation::Any => vec![Relation::SameSubnet, Relation::OtherSubnet],
            one => vec![one],
        };
        for from in &change.from {
            for to in &change.to {
                for relation in &relations {
                    all.insert((from.clone(), to.clone(), *relation, words.clone()));
                }
            }
        }
    }
    all
}

/// Names of pairs only: what is gained from something unknown is told less exactly.
fn pairs(said: &BTreeSet<Said>) -> BTreeSet<(&Party, &Party, Relation)> {
    said.iter().map(|(from, to, relation, _)| (from, to, *relation)).collect()
}

#[test]
fn what_a_change_loses_its_undoing_gains() {
    let (asked, exact, told) = undoing_gains_what_was_lost(Run::given());
    assert!(exact > asked && told > asked, "{exact} and {told} of {asked}");
}

/// How many changes were asked, how often nothing was unsure, and how many losses were told.
pub(super) fn undoing_gains_what_was_lost(run: Run) -> (usize, usize, usize) {
    let mut random = run.random(0x33A);
    let (mut asked, mut exact, mut told) = (0, 0, 0);
    while asked < run.cases / 200 {
        let text = networks::network(&mut random);
        let changed = edited(&mut random, &text);
        let (Some(old), Some(new)) = (load(&text), load(&changed)) else { continue };
        asked += 1;
        let (there, back) = (compare(&old, &new), compare(&new, &old));
        let messages = |all: &[netwright_verify::check::Finding]| -> Vec<(&str, String)> {
            let mut all: Vec<_> = all.iter().map(|f| (f.id, f.message.clone())).collect();
            all.sort();
            all
        };
        let shown = format!("{text}\n--- changed to\n{changed}");
        assert_eq!(messages(&there.found), messages(&back.gone), "{shown}");
        assert_eq!(messages(&there.gone), messages(&back.found), "{shown}");
        for (there, back) in [(&there, &back), (&back, &there)] {
            let lost = spelled_out(there, |change| change.lost.as_ref());
            let gained = spelled_out(back, |change| change.gained.as_ref());
            let unsure = spelled_out(there, |change| change.unsure.as_ref());
            told += lost.len();
            if unsure.is_empty() {
                exact += 1;
                assert_eq!(lost, gained, "{shown}");
            } else {
                // What works no longer for sure is lost or unsure.
                let explained: BTreeSet<_> = pairs(&lost).union(&pairs(&unsure)).copied().collect();
                assert!(pairs(&lost).is_subset(&pairs(&gained)), "{shown}");
                assert!(pairs(&gained).is_subset(&explained), "{shown}");
            }
        }
    }
    (asked, exact, told)
}
