//! The example that the guide reads, in its forms.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::path::Path;

use netwright_report::{Look, Summary, Verdict};

fn example() -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/gamedays/example-report.json");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_example_says_that_it_is_one() {
    let report = netwright_report::read(&example()).unwrap();
    assert!(report.example);
    assert!(
        netwright_report::text(&report, Look::plain()).contains("nothing of this was measured")
    );
    assert!(netwright_report::html(&report).contains("Nothing of this was measured"));
    // One of its criteria was never tried, so that it cannot have passed.
    assert_eq!(Summary::of(&report).verdict, Verdict::Unknown);
}

#[test]
fn the_example_as_text() {
    let report = netwright_report::read(&example()).unwrap();
    insta::assert_snapshot!(netwright_report::text(&report, Look::plain()));
}

#[test]
fn every_row_of_text_has_the_datas_counts() {
    let report = netwright_report::read(&example()).unwrap();
    let text = netwright_report::text(&report, Look::plain());
    for row in &report.workload.outcomes {
        let name = &report.workload.operations[row.operation];
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(&row.phase) && line.contains(name))
            .unwrap();
        let numbers: Vec<u64> = line[row.phase.len() + 2..]
            .split_whitespace()
            .filter_map(|word| word.replace(',', "").parse().ok())
            .take(3)
            .collect();
        assert_eq!(numbers, [row.ok, row.fail, row.info], "{line}");
    }
}
