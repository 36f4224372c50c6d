//! What holds of every report, however odd: pages are well formed and load nothing, drawings stay in their boxes, no verdict is
//! better than what it rests on, and nothing grows without bound.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod draw;
mod page;

use netwright_report::{
    Criterion, Look, Measure, Moment, Outcome, Report, Sample, Span, Summary, Verdict, Wanted,
};
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use draw::report;

/// What a stream of numbers makes of a report.
fn reports() -> impl Strategy<Value = Report> {
    prop::collection::vec(any::<u64>(), 20..400).prop_map(|numbers| report(&numbers))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_page_is_well_formed_loads_nothing_and_draws_within_its_boxes(report in reports()) {
        page::check(&netwright_report::html(&report));
        page::check(&netwright_report::trend_html(&[report.clone(), report]));
    }

    #[test]
    fn text_has_no_more_columns_than_its_terminal_nor_than_100_and_moves_no_cursor(report in reports(), columns in 72..140_usize) {
        let look = Look::new(false, Some(columns));
        for line in (netwright_report::text(&report, look) + &netwright_report::brief(&report, look)).lines() {
            prop_assert!(line.width() <= columns.min(100), "{} of {columns} columns: {line}", line.width());
        }
        let text = netwright_report::text(&report, Look::plain()) + &netwright_report::trend_text(std::slice::from_ref(&report), Look::plain());
        for line in text.lines() {
            prop_assert!(line.width() <= 100, "{} columns: {line}", line.width());
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn colours_change_nothing_else(report in reports()) {
        let colored = netwright_report::text(&report, Look::new(true, None));
        let mut bare = String::new();
        let mut rest = colored.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            bare += before;
            rest = after.split_once('m').map_or("", |(_, rest)| rest);
        }
        bare += rest;
        let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        prop_assert_eq!(trimmed(&bare), trimmed(&netwright_report::text(&report, Look::plain())));
    }

    #[test]
    fn a_report_is_read_as_it_was_written_whatever_its_summary_says(report in reports()) {
        let mut json = netwright_report::json(&report);
        json["summary"]["verdict"] = "passed".into();
        let again = netwright_report::read(&json.to_string()).unwrap();
        prop_assert_eq!(Summary::of(&again), Summary::of(&report));
        prop_assert_eq!(again, report);
    }

    #[test]
    fn a_pass_rests_on_nothing_unknown(report in reports()) {
        let summary = Summary::of(&report);
        let criteria = report.criteria.iter().map(Criterion::verdict);
        let all = criteria.chain(report.checks.iter().map(|check| check.verdict));
        let worst = all.fold(Verdict::Passed, Verdict::and);
        prop_assert!(summary.verdict != Verdict::Passed || worst == Verdict::Passed);
        prop_assert!(worst != Verdict::Failed || summary.verdict == Verdict::Failed);
        prop_assert_eq!(summary.verdict == Verdict::Passed, summary.reasons.is_empty());
        prop_assert!(!report.criteria.is_empty() || summary.verdict != Verdict::Passed);
    }

    #[test]
    fn a_criterion_is_no_better_than_its_figure(measured in prop::option::of(-10.0..10.0_f64), limit in -10.0..10.0_f64, least: bool) {
        let mut criterion = Criterion::claim("c", Verdict::Passed, "");
        let wanted = if least { Wanted::AtLeast } else { Wanted::AtMost };
        criterion.measure = Some(Measure { measured, limit, wanted, unit: "s".to_owned() });
        let kept = measured.map(|measured| if least { measured >= limit } else { measured <= limit });
        prop_assert_eq!(criterion.verdict(), Verdict::from_known(kept));
    }

    #[test]
    fn figures_in_text_are_those_of_the_data(report in reports()) {
        let text = netwright_report::brief(&report, Look::plain());
        let figure = |label: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(label)).unwrap();
            line.trim_start()[label.len()..].trim().to_owned()
        };
        let json = netwright_report::json(&report);
        let count = |value: &serde_json::Value| value.as_u64();
        let told = |text: &str| text.split(' ').next().unwrap().replace(',', "").parse::<u64>().ok();
        prop_assert_eq!(told(&figure("Acknowledged writes lost")), count(&json["summary"]["lost"]));
        prop_assert_eq!(told(&figure("Duplicated effects")), count(&json["summary"]["duplicated_effects"]));
        for (label, field) in [("Recovery time", &json["summary"]["recovery_time"]), ("Detection, 99th percentile", &json["summary"]["detection"]["p99"])] {
            let shown = figure(label);
            match count(field) {
                None => prop_assert!(shown.starts_with("unknown")),
                Some(micros) => prop_assert!(shown.starts_with(&Span(micros).to_string())),
            }
        }
    }
}

fn plain() -> Report {
    report(&[1, 2, 3])
}

/// A report of which every list is as long as a careless writer might make it.
fn huge() -> Report {
    let mut report = plain();
    report.run.duration = Span::from_secs(3_600);
    report.workload.operations = vec!["write".to_owned()];
    report.workload.processes = (0..1_000).map(|number| format!("client-{number}")).collect();
    report.workload.samples = (0..1_000_000_u64)
        .map(|number| Sample {
            operation: 0,
            process: usize::try_from(number % 1_000).unwrap(),
            at: Moment(number * 3_600),
            took: Some(Span(900 + number % 100_000)),
            outcome: [Outcome::Ok, Outcome::Fail, Outcome::Info]
                [usize::try_from(number % 3).unwrap()],
        })
        .collect();
    let long = "x\"<&'>".repeat(500);
    let event = netwright_report::Event {
        at: Moment(1),
        kind: netwright_report::EventKind::Note,
        text: long.clone(),
    };
    report.events = vec![event; 5_000];
    report.criteria = vec![Criterion::claim(long.clone(), Verdict::Failed, long.clone()); 2_000];
    let point = |number: u64| netwright_report::Point { at: Moment(number), value: Some(1.5) };
    let points: Vec<_> = (0..500_000).map(point).collect();
    report.gauges = vec![netwright_report::Gauge { name: long.clone(), unit: long, points }; 8];
    report
}

#[test]
fn a_million_operations_give_a_page_under_five_megabytes() {
    let report = huge();
    let page = netwright_report::html(&report);
    assert!(page.len() < 5_000_000, "{} octets", page.len());
    assert!(netwright_report::text(&report, Look::plain()).len() < 500_000);
}

#[test]
fn each_thing_that_is_not_known_stands_against_a_pass() {
    let mut passed = plain();
    passed.run.end = netwright_report::End::Completed;
    passed.criteria = vec![Criterion::claim("c", Verdict::Passed, "")];
    passed.safety.rolled_back = Verdict::Passed;
    passed.faults.clear();
    passed.checks.clear();
    passed.steady.clear();
    passed.safety.leftovers.clear();
    assert_eq!(Summary::of(&passed).verdict, Verdict::Unknown, "nothing was broken");

    let fault = netwright_report::Fault {
        id: "f".to_owned(),
        kind: "cut".to_owned(),
        how: None,
        from: "a".to_owned(),
        to: Some("b".to_owned()),
        direction: netwright_report::Direction::Both,
        requested: Moment(1),
        effective: Some(Moment(2)),
        ending: Some(Moment(3)),
        removed: Some(Moment(4)),
        touched: Some(netwright_report::Touched { packets: 1, bytes: 60 }),
        felt: None,
        proof: None,
    };
    let with = |change: fn(&mut Report)| {
        let mut report = passed.clone();
        report.faults = vec![fault.clone()];
        change(&mut report);
        Summary::of(&report).verdict
    };
    assert_eq!(with(|_| {}), Verdict::Passed);
    assert_eq!(with(|report| report.criteria.clear()), Verdict::Unknown);
    assert_eq!(with(|report| report.criteria[0].claimed = Verdict::Unknown), Verdict::Unknown);
    assert_eq!(with(|report| report.faults[0].touched = None), Verdict::Unknown);
    assert_eq!(
        with(|report| report.faults[0].touched = Some(netwright_report::Touched::default())),
        Verdict::Unknown
    );
    assert_eq!(with(|report| report.faults[0].removed = None), Verdict::Unknown);
    assert_eq!(with(|report| report.safety.rolled_back = Verdict::Unknown), Verdict::Unknown);
    assert_eq!(with(|report| report.safety.leftovers.push("a rule".to_owned())), Verdict::Failed);
    assert_eq!(
        with(|report| report.run.end = netwright_report::End::Interrupted),
        Verdict::Unknown
    );
}
