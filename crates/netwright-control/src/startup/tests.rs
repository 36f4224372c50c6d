use std::time::Duration;

use proptest::prelude::*;

use super::{Mode, Outcome, Phase, Startup};

/// How a phase goes: whether it may be passed by, whether it fails, and whether it does so by never ending.
type Goes = (bool, bool, bool);

const NAMES: [&str; 7] = ["one", "two", "three", "four", "five", "six", "seven"];

fn phases(goes: &[Goes]) -> Vec<Phase> {
    let time = |at: usize| Duration::from_secs(at as u64 + 1);
    let phase = |(at, (bypass, ..)): (usize, &Goes)| Phase {
        name: NAMES[at],
        time_out: time(at),
        bypass: *bypass,
    };
    goes.iter().enumerate().map(phase).collect()
}

/// Runs a start; the order in which phases ran, and how long it took.
fn run(startup: &mut Startup, goes: &[Goes]) -> (Vec<&'static str>, Duration) {
    let (mut ran, mut now) = (Vec::new(), Duration::ZERO);
    while let Some((phase, until)) = startup.current() {
        let (_, fails, hangs) = goes[ran.len()];
        ran.push(phase.name);
        if fails && hangs {
            now = until;
            startup.tick(now);
        } else {
            let result = if fails { Err("refused".to_owned()) } else { Ok(()) };
            startup.ended(result, now);
        }
    }
    (ran, now)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// E1, for every subset of failing phases.
    #[test]
    fn every_start_is_decided_and_runs_all_phases_in_order(
        goes in proptest::collection::vec(any::<Goes>(), 0..=7), bypass: bool
    ) {
        let mut startup = Startup::new(phases(&goes), bypass, Duration::ZERO);
        let (ran, took) = run(&mut startup, &goes);
        prop_assert_eq!(ran, NAMES[..goes.len()].to_vec());
        prop_assert!(took <= phases(&goes).iter().map(|phase| phase.time_out).sum());
        let failing = goes.iter().filter(|(_, fails, _)| *fails);
        let stuck = failing.clone().filter(|(may, ..)| !(bypass && *may)).count();
        let report = startup.report();
        let expected = match (failing.count(), stuck) {
            (0, _) => Mode::Normal,
            (_, 0) => Mode::EmergencyDegraded,
            _ => Mode::Failed,
        };
        prop_assert_eq!(report.mode, expected);
        prop_assert_eq!(report.complete, stuck == 0);
        prop_assert_eq!(report.failed().is_some(), stuck > 0, "the failed phase is named");
    }
}

#[test]
fn a_bypass_that_is_on_does_nothing_to_phases_that_work() {
    let goes = [(true, false, false); 3];
    let mut startup = Startup::new(phases(&goes), true, Duration::ZERO);
    run(&mut startup, &goes);
    assert_eq!(startup.mode(), Mode::Normal);
}

#[test]
fn a_phase_is_over_at_its_time_and_not_before() {
    let goes = [(true, true, true); 1];
    let mut startup = Startup::new(phases(&goes), true, Duration::ZERO);
    startup.tick(Duration::from_millis(999));
    assert_eq!(startup.mode(), Mode::Starting);
    startup.tick(Duration::from_secs(1));
    assert_eq!(startup.mode(), Mode::EmergencyDegraded);
    assert!(matches!(startup.report().phases[0].outcome, Outcome::Bypassed { .. }));
}
