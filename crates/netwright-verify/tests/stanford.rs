//! The Stanford backbone, whose atoms and loops others have published.

#[expect(dead_code, reason = "only the benchmark looks at times and sizes")]
#[path = "../benches/stanford/replay.rs"]
mod replay;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn outcome(name: &str) -> Option<(replay::Outcome, BTreeSet<Vec<String>>)> {
    let Some(folder) = replay::folder(name) else {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("{name}: skipped, the data set is not on this machine");
        }
        return None;
    };
    let published = published_loops(&folder, &format!("loops_{name}.txt"));
    Some((replay::Backbone::read(&folder).replay(&folder), published))
}

#[test]
fn stanford_without_filters_has_494_atoms_and_the_20_published_loops() {
    let Some((outcome, published)) = outcome("stanford-noacl") else { return };
    assert_eq!(outcome.routing_atoms, 494);
    assert_eq!(outcome.routing_atoms_at_end, 1);
    assert_eq!(published.len(), 20);
    assert_eq!(outcome.loops, published);
}

#[test]
fn stanford_with_filters_has_515_atoms_and_the_20_published_loops() {
    let Some((outcome, published)) = outcome("stanford") else { return };
    assert_eq!(outcome.routing_atoms + outcome.filter_atoms, 515);
    assert_eq!(outcome.routing_atoms_at_end + outcome.filter_atoms_at_end, 2);
    assert_eq!(published.len(), 20);
    assert_eq!(outcome.loops, published);
}

/// The loops that the authors of the data set found, as the names of the hops.
fn published_loops(folder: &Path, file: &str) -> BTreeSet<Vec<String>> {
    let text = fs::read_to_string(folder.join("../..").join(file)).unwrap_or_default();
    let mut loops = BTreeSet::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("loop found") {
            // Leaving and entering by turns; the last place is the first again.
            let places: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
            let leaving = places[..places.len() - 1].iter().step_by(2);
            loops.insert(replay::from_least(leaving.map(|&place| place.to_owned()).collect()));
        }
    }
    loops
}
