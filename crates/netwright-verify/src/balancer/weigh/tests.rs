//! What is known of a whole is what all cases of its unknowns agree on.

use super::works;

type Known = Option<bool>;

/// The rule as one says it, for backends of which everything is known.
fn plainly(backends: &[(bool, bool)], fails_open: bool) -> bool {
    let up = backends.iter().any(|(health, _)| *health);
    let used = |(health, _): &&(bool, bool)| *health || (fails_open && !up);
    backends.iter().filter(used).any(|(_, answers)| *answers)
}

/// Every way in which the unknowns could be.
fn cases(backends: &[(Known, Known)]) -> Vec<Vec<(bool, bool)>> {
    let either = |known: Known| known.map_or(vec![false, true], |known| vec![known]);
    let mut all = vec![Vec::new()];
    for (health, answers) in backends {
        let mut next = Vec::new();
        for case in &all {
            for health in either(*health) {
                for answers in either(*answers) {
                    let mut longer = case.clone();
                    longer.push((health, answers));
                    next.push(longer);
                }
            }
        }
        all = next;
    }
    all
}

#[test]
fn the_result_is_what_all_cases_of_the_unknowns_agree_on() {
    let values = [None, Some(false), Some(true)];
    let pairs: Vec<(Known, Known)> =
        values.iter().flat_map(|a| values.iter().map(move |b| (*a, *b))).collect();
    let mut sets: Vec<Vec<(Known, Known)>> = vec![Vec::new()];
    for _ in 0..3 {
        let longer = sets.iter().flat_map(|set| {
            pairs.iter().map(move |pair| set.iter().copied().chain([*pair]).collect())
        });
        sets = sets.iter().cloned().chain(longer).collect();
        sets.sort();
        sets.dedup();
    }
    for set in &sets {
        for fails_open in [false, true] {
            let results: Vec<bool> =
                cases(set).iter().map(|case| plainly(case, fails_open)).collect();
            let all = results.iter().all(|result| *result == results[0]);
            assert_eq!(works(set, fails_open), all.then_some(results[0]), "{set:?} {fails_open}");
        }
    }
}
