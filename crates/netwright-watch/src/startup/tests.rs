use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Alarm, Breaker, Flag, Heal, Mode, Outcome, Phase, Startup, Step};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How a try goes: it works, is refused at once, or never ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    Works,
    Refused,
    Hangs,
}

/// A phase of a test: whether it may be passed by or is optional, its tries, and how each goes.
#[derive(Debug, Clone)]
struct Plan {
    bypass: bool,
    optional: bool,
    tries: u32,
    goes: Vec<Goes>,
    dependency: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let goes =
        prop_oneof![2 => Just(Goes::Works), 1 => Just(Goes::Refused), 1 => Just(Goes::Hangs)];
    (any::<bool>(), prop::bool::weighted(0.2), 1_u32..4, prop::collection::vec(goes, 4), 0_usize..3)
        .prop_map(|(bypass, optional, tries, goes, dependency)| Plan {
            bypass,
            optional,
            tries,
            goes,
            dependency,
        })
}

fn phases(plans: &[Plan], on: bool) -> Vec<Phase> {
    let phase = |(number, plan): (usize, &Plan)| {
        let time = at(number as u64 + 3);
        let phase = Phase::new(format!("phase {number}"), time)
            .tries(plan.tries, time / plan.tries)
            .on(format!("dependency {}", plan.dependency));
        match (plan.optional, plan.bypass) {
            (true, _) => phase.optional(),
            (false, true) => phase.bypass(Flag::new("EMERGENCY", on)),
            (false, false) => phase,
        }
    };
    plans.iter().enumerate().map(phase).collect()
}

/// Runs a start; the phases that were tried, in their order, and how long it took.
fn run(startup: &mut Startup, plans: &[Plan]) -> (Vec<usize>, Duration) {
    let (mut ran, mut now) = (Vec::new(), Duration::ZERO);
    let mut tries = vec![0; plans.len()];
    loop {
        match startup.step(now) {
            Step::Decided => return (ran, now),
            Step::Pause { until } => now = until,
            Step::Try { phase, until } => {
                if ran.last() != Some(&phase) {
                    ran.push(phase);
                }
                let goes = plans[phase].goes[tries[phase]];
                tries[phase] += 1;
                match goes {
                    Goes::Works => startup.ended(Ok(()), now, 0.5),
                    Goes::Refused => startup.ended(Err("refused".to_owned()), now, 0.5),
                    Goes::Hangs => {
                        now = until;
                        startup.tick(now, 0.5);
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// E1, for every subset of failing phases.
    #[test]
    fn every_start_is_decided_and_runs_all_phases_in_order(
        plans in prop::collection::vec(plan(), 0..=7), on: bool
    ) {
        let all = phases(&plans, on);
        let most: Duration = all.iter().map(|phase| phase.time_out).sum();
        let mut startup = Startup::new(all.clone(), Duration::ZERO);
        let (ran, took) = run(&mut startup, &plans);
        prop_assert!(took <= most, "it took {took:?} of {most:?}");
        prop_assert!(ran.is_sorted(), "phases run in their order: {ran:?}");
        let report = startup.report(took);
        for (number, phase) in report.phases.iter().enumerate() {
            prop_assert_ne!(&phase.outcome, &Outcome::Pending, "{} ran", phase.name);
            // One that was not tried could be missing, and another that depends on the same had just failed.
            let before = &report.phases[..number];
            let failed = before.iter().zip(&all).any(|(other, run)| {
                run.dependency == all[number].dependency && other.outcome != Outcome::Passed
            });
            prop_assert!(phase.tries > 0 || (all[number].is_passed_by() && failed));
        }
        let any = |is: fn(&Outcome) -> bool| report.phases.iter().any(|phase| is(&phase.outcome));
        let failed = any(|outcome| matches!(outcome, Outcome::Failed { .. }));
        let expected = match (failed, any(|o| matches!(o, Outcome::Bypassed { .. })), any(|o| matches!(o, Outcome::Missed { .. }))) {
            (true, ..) => Mode::Failed,
            (_, true, _) => Mode::EmergencyDegraded,
            (_, _, true) => Mode::Degraded,
            _ => Mode::Normal,
        };
        prop_assert_eq!(report.mode, expected);
        prop_assert_eq!(report.complete, !failed);
        prop_assert_eq!(report.failed().is_some(), failed, "the failed phase is named");
        prop_assert_eq!(report.hindrance().is_some(), failed);
        if !on {
            let passed_by = any(|outcome| matches!(outcome, Outcome::Bypassed { .. }));
            prop_assert!(!passed_by);
        }
    }
}

/// The property as the sources have it: seven phases of one try each on things of their own, each subset of them failing, the bypass on and off.
#[test]
fn e1_each_subset_of_seven_failing_phases_ends_as_it_should() {
    for on in [false, true] {
        for subset in 0_u32..128 {
            let phases: Vec<Phase> = (0..7)
                .map(|number| Phase::new(format!("{number}"), at(5)).bypass(Flag::new("F", on)))
                .collect();
            let mut startup = Startup::new(phases, Duration::ZERO);
            let mut ran = Vec::new();
            while let Step::Try { phase, .. } = startup.step(Duration::ZERO) {
                ran.push(phase);
                let fails = subset >> phase & 1 == 1;
                let result = if fails { Err("refused".to_owned()) } else { Ok(()) };
                startup.ended(result, Duration::ZERO, 0.0);
            }
            assert_eq!(ran, [0, 1, 2, 3, 4, 5, 6], "later phases run whatever failed");
            let expected = match (subset, on) {
                (0, _) => Mode::Normal,
                (_, true) => Mode::EmergencyDegraded,
                (_, false) => Mode::Failed,
            };
            assert_eq!(startup.mode(), expected);
            assert_eq!(startup.is_complete(), subset == 0 || on);
        }
    }
}

fn database(flag: Flag) -> Phase {
    Phase::new("connect the database", at(15)).on("database").bypass(flag)
}

/// A start of one phase whose database hangs.
fn hung(phases: Vec<Phase>) -> (Startup, Duration) {
    let mut startup = Startup::new(phases, Duration::ZERO);
    let Step::Try { until, .. } = startup.step(Duration::ZERO) else { panic!("it is tried") };
    startup.tick(until, 0.0);
    (startup, until)
}

#[test]
fn e2_a_bypass_that_is_on_does_nothing_to_phases_that_work() {
    let mut startup = Startup::new(vec![database(Flag::new("F", true))], Duration::ZERO);
    assert_eq!(startup.step(Duration::ZERO), Step::Try { phase: 0, until: at(15) });
    startup.ended(Ok(()), at(1), 0.0);
    assert_eq!(startup.mode(), Mode::Normal);
}

#[test]
fn a_flag_that_is_not_understood_passes_nothing_by_and_is_told() {
    let (startup, now) = hung(vec![database(Flag::parse("EMERGENCY", Some("1")))]);
    let report = startup.report(now);
    assert_eq!(report.mode, Mode::Failed);
    let alarms = report.alarms(at(600));
    assert_eq!(alarms.len(), 1);
    assert_eq!(
        alarms[0].to_string(),
        "EMERGENCY says `1`, which turns nothing on: only `true` does"
    );
}

#[test]
fn a_phase_is_over_at_its_time_and_not_before() {
    let mut startup = Startup::new(vec![database(Flag::new("F", true))], Duration::ZERO);
    startup.step(Duration::ZERO);
    startup.tick(at(15) - Duration::from_millis(1), 0.0);
    assert_eq!(startup.mode(), Mode::Starting);
    startup.tick(at(15), 0.0);
    assert_eq!(startup.mode(), Mode::EmergencyDegraded);
}

#[test]
fn later_phases_that_need_what_was_away_do_not_wait_for_it_again() {
    let flag = Flag::new("F", true);
    let second = Phase::new("migrate", at(60)).on("database").bypass(flag.clone());
    let (mut startup, now) = hung(vec![database(flag), second]);
    assert_eq!(startup.step(now), Step::Decided);
    let report = startup.report(now);
    assert_eq!(report.phases[1].tries, 0);
    let Outcome::Bypassed { why } = &report.phases[1].outcome else { panic!("{report:?}") };
    assert!(why.contains("database was away a moment ago"), "{why}");
}

#[test]
fn a_service_that_starts_again_tries_what_was_away_for_two_seconds_only() {
    let flag = Flag::new("F", true);
    let (startup, now) = hung(vec![database(flag.clone())]);
    let remembered = startup.remembered(now);
    let text = serde_json::to_string(&remembered).unwrap();
    let remembered: BTreeMap<_, _> = serde_json::from_str(&text).unwrap();
    let mut again = Startup::new(vec![database(flag)], at(100));
    again.recall(&remembered, at(100));
    assert_eq!(again.step(at(100)), Step::Try { phase: 0, until: at(102) });
    // What is well is not passed by, whatever is remembered.
    again.ended(Ok(()), at(101), 0.0);
    assert_eq!(again.mode(), Mode::Normal);
    assert!(again.remembered(at(101)).is_empty());
}

#[test]
fn tries_pause_longer_each_time_and_end_with_the_phase() {
    let phase = Phase::new("p", at(10)).tries(9, at(1)).pauses(at(1), at(3));
    let mut startup = Startup::new(vec![phase], Duration::ZERO);
    let (mut now, mut pauses) = (Duration::ZERO, Vec::new());
    loop {
        match startup.step(now) {
            Step::Try { .. } => startup.ended(Err("refused".to_owned()), now, 0.0),
            Step::Pause { until } => {
                pauses.push((until - now).as_secs());
                now = until;
            }
            Step::Decided => break,
        }
    }
    assert_eq!(pauses, [1, 2, 3, 3], "the next would begin after the phase's time");
    assert_eq!(startup.report(now).phases[0].tries, 5);
}

#[test]
fn chance_takes_half_of_a_pause_at_most() {
    let phase = Phase::new("p", at(100)).tries(3, at(1)).pauses(at(4), at(8));
    let mut startup = Startup::new(vec![phase], Duration::ZERO);
    startup.step(Duration::ZERO);
    startup.ended(Err(String::new()), Duration::ZERO, 1.0);
    assert_eq!(startup.step(Duration::ZERO), Step::Pause { until: at(2) });
}

#[test]
fn what_was_passed_by_is_tried_again_and_heals() {
    let (mut startup, now) = hung(vec![database(Flag::new("F", true))]);
    assert_eq!(startup.heal(now), Heal::Wait { until: now + at(1) });
    let then = now + at(1);
    assert_eq!(startup.heal(then), Heal::Try { phase: 0, until: then + at(15) });
    // Who tries holds a lease; others wait for it, and not for ever.
    assert_eq!(startup.heal(then), Heal::Wait { until: then + at(30) });
    startup.healed(0, Err("refused".to_owned()), then);
    assert_eq!(startup.heal(then), Heal::Wait { until: then + at(2) }, "less and less often");
    let then = then + at(2);
    assert!(matches!(startup.heal(then), Heal::Try { .. }));
    startup.healed(0, Ok(()), then);
    assert_eq!(startup.heal(then), Heal::Whole);
    assert_eq!(startup.mode(), Mode::Normal);
}

#[test]
fn e2_a_bypass_is_loud_while_it_is_active_and_told_when_it_is_stale() {
    let (mut startup, now) = hung(vec![database(Flag::new("EMERGENCY", true))]);
    let alarms = startup.report(now).alarms(at(600));
    let active = Alarm::Active {
        flag: "EMERGENCY".to_owned(),
        phases: vec!["connect the database".to_owned()],
    };
    assert_eq!(alarms, [active]);
    assert!(alarms[0].to_string().starts_with("CRITICAL: EMERGENCY is on"));
    startup.heal(now + at(1));
    startup.healed(0, Ok(()), now + at(1));
    assert_eq!(startup.report(now + at(601)).alarms(at(600)), []);
    let alarms = startup.report(now + at(662)).alarms(at(600));
    assert_eq!(alarms, [Alarm::Stale { flag: "EMERGENCY".to_owned(), minutes: 11.0 }]);
}

#[test]
fn a_flag_that_is_off_is_never_stale() {
    let mut startup = Startup::new(vec![database(Flag::new("F", false))], Duration::ZERO);
    startup.step(Duration::ZERO);
    startup.ended(Ok(()), at(1), 0.0);
    assert_eq!(startup.report(at(10_000)).alarms(at(600)), []);
}

#[test]
fn a_breaker_of_ones_own_decides_how_soon_it_is_asked_again() {
    let (startup, now) = hung(vec![database(Flag::new("F", true))]);
    let mut startup = startup.with_breaker("database", Breaker::new(1, (at(7), at(7)), at(3)));
    assert_eq!(startup.heal(now), Heal::Try { phase: 0, until: now + at(3) });
    startup.healed(0, Err(String::new()), now);
    assert_eq!(startup.heal(now), Heal::Wait { until: now + at(7) });
}

#[tokio::test(start_paused = true)]
async fn a_service_on_tokio_starts_without_what_hangs_and_heals() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let there = std::sync::Arc::new(AtomicBool::new(false));
    let began = tokio::time::Instant::now();
    let phases = vec![database(Flag::new("F", true)), Phase::new("listen", at(1)).on("port")];
    let mut startup = Startup::new(phases, Duration::ZERO);
    let work = {
        let there = there.clone();
        move |phase: &Phase| {
            let waits = phase.dependency == "database" && !there.load(Ordering::Relaxed);
            async move {
                if waits {
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
        }
    };
    let mut modes = Vec::new();
    super::run(&mut startup, began, || 0.0, |report| modes.push(report.mode), work.clone()).await;
    assert_eq!(began.elapsed(), at(15));
    assert_eq!(modes.last(), Some(&Mode::EmergencyDegraded));
    there.store(true, Ordering::Relaxed);
    let (tell, mut told) = tokio::sync::watch::channel(Mode::Starting);
    let tell = |report: &super::Report| {
        tell.send_replace(report.mode);
    };
    let healing = super::heal(startup, began, tell, work);
    tokio::select! {
        () = healing => {}
        healed = told.wait_for(|mode| *mode == Mode::Normal) => drop(healed.unwrap()),
    }
    assert!(began.elapsed() < at(20));
}
