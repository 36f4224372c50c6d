use std::time::Duration;

use proptest::prelude::*;

use super::{Change, Flaps, Health, Order, Profile, Result, State};
use Result::{Failed, Passed, Unknown};
use State::{Draining, Healthy, Maintenance, Starting, Unhealthy};

const PROFILE: Profile = Profile::SERVICE;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What happens to something.
#[derive(Debug, Clone, Copy)]
enum Event {
    Pass,
    Fail,
    Nothing,
    /// No result at all.
    Silence,
    Begins,
    Order(Order),
}

fn happens(health: &mut Health, event: Event, now: Duration) -> Option<Change> {
    match event {
        Pass => health.result(Passed, now, &PROFILE),
        Fail => health.result(Failed, now, &PROFILE),
        Nothing => health.result(Unknown, now, &PROFILE),
        Silence => health.tick(now, &PROFILE),
        Begins => health.began(now),
        Event::Order(order) => health.order(order, now),
    }
}

/// Each row: when, what happens, and the state after it.
fn story(rows: &[(u64, Event, State)]) -> Health {
    let mut health = Health::new(at(0));
    for (row, (when, event, state)) in rows.iter().enumerate() {
        let before = health.state();
        let change = happens(&mut health, *event, at(*when));
        assert_eq!(health.state(), *state, "row {row}: {event:?} at {when} s");
        assert_eq!(change.is_some(), before != *state, "row {row} tells its change");
    }
    health
}

use Event::{Begins, Fail, Nothing, Pass, Silence};

#[test]
fn two_up_make_it_healthy_and_three_down_unhealthy() {
    story(&[
        (1, Pass, Starting),
        (3, Pass, Healthy),
        (13, Fail, Healthy),
        (15, Fail, Healthy),
        (17, Pass, Healthy),
        (27, Fail, Healthy),
        (29, Fail, Healthy),
        (31, Fail, Unhealthy),
        (41, Pass, Unhealthy),
        (43, Fail, Unhealthy),
        (53, Pass, Unhealthy),
        (55, Pass, Healthy),
    ]);
}

#[test]
fn failures_in_the_grace_count_for_nothing_and_ten_after_it_are_enough() {
    let mut rows: Vec<(u64, Event, State)> = (0..15).map(|row| (row * 2, Fail, Starting)).collect();
    rows.extend((0..9).map(|row| (30 + row * 10, Fail, Starting)));
    rows.push((120, Fail, Unhealthy));
    story(&rows);
}

#[test]
fn what_begins_again_is_starting_with_a_grace_of_its_own() {
    story(&[
        (0, Pass, Starting),
        (2, Pass, Healthy),
        (4, Begins, Starting),
        (33, Fail, Starting),
        (34, Fail, Starting),
        (35, Pass, Starting),
        (36, Pass, Healthy),
    ]);
}

#[test]
fn what_was_healthy_once_has_no_grace() {
    story(&[
        (0, Pass, Starting),
        (2, Pass, Healthy),
        (3, Fail, Healthy),
        (4, Fail, Healthy),
        (5, Fail, Unhealthy),
    ]);
}

#[test]
fn a_probe_that_found_nothing_out_counts_for_nothing() {
    story(&[
        (0, Nothing, State::Unknown),
        (2, Pass, Starting),
        (4, Nothing, Starting),
        (6, Pass, Healthy),
        (8, Fail, Healthy),
        (10, Nothing, Healthy),
        (12, Fail, Healthy),
        (14, Nothing, Healthy),
        (16, Fail, Unhealthy),
    ]);
}

#[test]
fn without_a_result_for_a_minute_it_is_unknown_whatever_it_was() {
    story(&[
        (0, Pass, Starting),
        (2, Pass, Healthy),
        (61, Silence, Healthy),
        (62, Silence, State::Unknown),
        (100, Pass, State::Unknown),
        (101, Pass, Healthy),
        (102, Fail, Healthy),
        (103, Fail, Healthy),
        (104, Fail, Unhealthy),
        (163, Nothing, Unhealthy),
        (164, Nothing, State::Unknown),
        // No grace either: it is not starting, nobody looked.
        (170, Fail, State::Unknown),
        (171, Fail, State::Unknown),
        (172, Fail, Unhealthy),
    ]);
}

#[test]
fn a_late_result_does_not_go_on_where_the_ones_before_it_ended() {
    let mut health =
        story(&[(0, Pass, Starting), (2, Pass, Healthy), (4, Fail, Healthy), (6, Fail, Healthy)]);
    // Nobody ticked: the result itself tells that it is late.
    health.result(Failed, at(100), &PROFILE);
    assert_eq!(health.state(), State::Unknown);
}

#[test]
fn orders_stand_over_the_state_which_goes_on_beneath() {
    story(&[
        (0, Pass, Starting),
        (2, Pass, Healthy),
        (3, Event::Order(Order::Drain), Draining),
        (4, Fail, Draining),
        (5, Event::Order(Order::Maintain), Maintenance),
        (6, Fail, Maintenance),
        (8, Fail, Maintenance),
        (9, Event::Order(Order::Serve), Unhealthy),
        (10, Event::Order(Order::Drain), Draining),
        (11, Pass, Draining),
        (12, Pass, Draining),
        (13, Event::Order(Order::Serve), Healthy),
    ]);
}

#[test]
fn it_is_asked_more_often_while_results_speak_against_its_state() {
    let mut health = Health::new(at(0));
    let asked = |health: &Health, now| health.interval(at(now), &PROFILE).as_secs();
    assert_eq!(asked(&health, 0), 2, "nobody knows it yet");
    let rows = [
        (0, Failed, 2, "quick starters are seen quickly"),
        (31, Failed, 10, "after the grace failures come slowly"),
        (41, Passed, 2, "nearly healthy"),
        (43, Passed, 10, "healthy"),
        (53, Failed, 2, "is it?"),
        (55, Passed, 10, "it is"),
        (65, Failed, 2, "is it?"),
        (67, Failed, 2, "is it?"),
        (69, Failed, 10, "it is not"),
        (79, Passed, 2, "is it again?"),
        (81, Failed, 10, "no"),
    ];
    for (now, result, seconds, why) in rows {
        health.result(result, at(now), &PROFILE);
        assert_eq!(asked(&health, now), seconds, "{why}");
    }
}

#[test]
fn worst_detection_is_as_computed_by_hand() {
    assert_eq!(PROFILE.worst_detection_without_transition(), at(35), "misses 30 s");
    assert_eq!(PROFILE.worst_detection(), at(19));
    assert_eq!(PROFILE.longest_start(), at(135));
    assert!(Profile::INTENT.worst_detection() < at(2));
}

#[test]
fn profiles_that_cannot_work_are_refused() {
    assert_eq!(PROFILE.checked(), Ok(PROFILE));
    assert_eq!(Profile::INTENT.checked(), Ok(Profile::INTENT));
    assert_eq!(Profile::AGENTS.checked(), Ok(Profile::AGENTS));
    assert_eq!(Profile::AGENTS.worst_detection(), at(5));
    let wrong = [
        Profile { time_out: at(15), ..PROFILE },
        Profile { interval: at(0), ..PROFILE },
        Profile { up: 0, ..PROFILE },
        Profile { in_transition: at(11), ..PROFILE },
        Profile { flapping: (30, 20), ..PROFILE },
        Profile { stale: at(9), ..PROFILE },
    ];
    for profile in wrong {
        assert!(profile.checked().is_err(), "{profile:?}");
    }
}

#[test]
fn a_change_at_each_of_twenty_places_scores_a_hundred_and_none_nothing() {
    let mut flaps = Flaps::default();
    for number in 0..21 {
        flaps.seen(number % 2 == 0, PROFILE.flapping);
    }
    assert!((flaps.score() - 100.0).abs() < 1e-9, "{}", flaps.score());
    assert!(flaps.flapping());
    for _ in 0..20 {
        flaps.seen(true, PROFILE.flapping);
    }
    assert_eq!((flaps.score(), flaps.flapping()), (0.0, false));
}

#[test]
fn a_newer_change_counts_more_than_an_older_one() {
    let mut flaps = Flaps::default();
    flaps.seen(true, PROFILE.flapping);
    flaps.seen(false, PROFILE.flapping);
    assert!((flaps.score() - 6.25).abs() < 1e-9);
    for _ in 0..19 {
        flaps.seen(false, PROFILE.flapping);
    }
    assert!((flaps.score() - 3.75).abs() < 1e-9);
}

#[test]
fn it_flaps_from_30_percent_until_below_20() {
    let mut flaps = Flaps::default();
    let mut flapping_at = None;
    let mut state = true;
    for step in 0..60 {
        // Changes each third time, as with thresholds of 2 and 3, and then none.
        if step < 30 && step % 3 == 0 {
            state = !state;
        }
        let before = flaps.flapping();
        flaps.seen(state, PROFILE.flapping);
        match (before, flaps.flapping()) {
            (false, true) => {
                assert!(flaps.score() >= 30.0);
                flapping_at = Some(step);
            }
            (true, false) => assert!(flaps.score() < 20.0 && step > 30),
            (true, true) => assert!(flaps.score() >= 20.0),
            (false, false) => assert!(flaps.score() < 30.0),
        }
    }
    assert!(flapping_at.is_some() && !flaps.flapping());
}

#[test]
fn a_failure_rate_has_the_results_of_its_window_as_denominator() {
    let mut health = Health::new(at(0));
    assert_eq!(health.counts(at(0), &PROFILE).failure_rate(), None, "nothing is not 0 %");
    for second in 0..100 {
        let result = match second % 10 {
            0 => Failed,
            1 => Unknown,
            _ => Passed,
        };
        health.result(result, at(second), &PROFILE);
    }
    let counts = health.counts(at(100), &PROFILE);
    assert_eq!((counts.passed, counts.failed, counts.unknown), (80, 10, 10));
    assert!((counts.failure_rate().unwrap() - 1.0 / 9.0).abs() < 1e-9, "unknown is in neither");
    assert_eq!(health.counts(at(500), &PROFILE).failure_rate(), None, "what is old is forgotten");
    assert_eq!(health.counts(at(315), &PROFILE).passed, 61, "in twelfths");
}

#[test]
fn what_is_kept_over_a_restart_goes_on_where_it_was() {
    let mut health =
        story(&[(0, Pass, Starting), (2, Pass, Healthy), (12, Fail, Healthy), (14, Fail, Healthy)]);
    let text = serde_json::to_string(&health.saved(at(15))).unwrap();
    let saved = serde_json::from_str(&text).unwrap();
    let mut again = Health::restored(&saved, at(5), at(1_000_000), &PROFILE);
    assert_eq!((again.state(), again.since()), (Healthy, at(1_000_000 - 18)));
    // The third failure in a row, before or after the restart.
    assert!(health.result(Failed, at(20), &PROFILE).is_some());
    assert!(again.result(Failed, at(1_000_000), &PROFILE).is_some());
    assert_eq!(again.state(), Unhealthy);
}

#[test]
fn what_is_too_old_when_it_is_restored_is_unknown() {
    let health = story(&[(0, Pass, Starting), (2, Pass, Healthy)]);
    let again = Health::restored(&health.saved(at(3)), at(300), at(1_000), &PROFILE);
    assert_eq!(again.state(), State::Unknown);
    // More away than there is time before now, as after a clock was set: nothing breaks.
    assert_eq!(Health::restored(&health.saved(at(3)), at(300), at(1), &PROFILE).since(), at(0));
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => Just(Pass),
        5 => Just(Fail),
        1 => Just(Nothing),
        1 => Just(Silence),
        1 => Just(Begins),
        1 => prop_oneof![Just(Order::Serve), Just(Order::Drain), Just(Order::Maintain)].prop_map(Event::Order),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn never_healthy_without_enough_passes_in_a_row_nor_unhealthy_without_failures(
        events in prop::collection::vec((event(), 0_u64..80), 1..80)
    ) {
        let mut health = Health::new(at(0));
        let (mut now, mut passes, mut failures) = (at(0), 0, 0);
        for (event, later) in events {
            now += at(later);
            let before = health.found();
            happens(&mut health, event, now);
            match event {
                Pass => (passes, failures) = (passes + 1, 0),
                Fail => (passes, failures) = (0, failures + 1),
                _ => {}
            }
            match health.found() {
                Healthy if before != Healthy => prop_assert!(passes >= 2),
                Unhealthy if before != Unhealthy => prop_assert!(failures >= 3),
                _ => {}
            }
            prop_assert_eq!(health.state() == health.found(), !matches!(health.state(), Draining | Maintenance));
            // Whatever is kept is found again.
            let restored = Health::restored(&health.saved(now), at(0), now, &PROFILE);
            prop_assert_eq!(restored.state(), { health.tick(now, &PROFILE); health.state() });
        }
    }
}
