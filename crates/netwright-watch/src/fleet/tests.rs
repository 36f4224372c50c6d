use std::time::Duration;

use super::{Fleet, Window, names};
use crate::health::Result::{Failed, Passed};
use crate::health::{Order, Profile, State};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A connector, a database behind it, a service that needs the database; all healthy at 10 s.
fn fleet() -> Fleet {
    let mut fleet = Fleet::default();
    for (name, parents) in
        [("connector", vec![]), ("database", vec!["connector"]), ("auth", vec!["database"])]
    {
        let parents = parents.into_iter().map(str::to_owned).collect();
        fleet.watch(name, Profile::SERVICE, parents, at(0));
        for second in [1, 2] {
            fleet.result(name, Passed, at(second));
        }
    }
    fleet
}

fn state(fleet: &Fleet, name: &str) -> State {
    fleet.get(name).unwrap().health.state()
}

#[test]
fn what_depends_on_something_that_is_away_is_suppressed_and_keeps_its_state() {
    let mut fleet = fleet();
    assert_eq!(fleet.suppressed_by("auth"), None);
    // The connector fails once: nobody cries about what is behind it from now on.
    fleet.result("connector", Failed, at(10));
    assert_eq!(fleet.suppressed_by("database"), Some("connector"));
    assert_eq!(fleet.suppressed_by("auth"), Some("connector"));
    for second in [11, 12] {
        fleet.result("auth", Failed, at(second));
    }
    let changed = fleet.result("auth", Failed, at(13)).unwrap();
    assert_eq!(
        (changed.change.to, changed.suppressed_by.as_deref()),
        (State::Unhealthy, Some("connector"))
    );
    fleet.result("connector", Passed, at(14));
    assert_eq!(fleet.suppressed_by("auth"), None);
    assert_eq!(state(&fleet, "auth"), State::Unhealthy, "now it is its own fault");
}

#[test]
fn things_that_depend_on_each_other_are_followed_once() {
    let mut fleet = Fleet::default();
    fleet.watch("a", Profile::SERVICE, vec!["b".to_owned()], at(0));
    fleet.watch("b", Profile::SERVICE, vec!["a".to_owned(), "nobody".to_owned()], at(0));
    assert_eq!(fleet.suppressed_by("a"), None);
}

#[test]
fn a_maintenance_window_opens_and_closes_by_itself() {
    let mut fleet = fleet();
    let window = Window {
        things: "data*".to_owned(),
        from: at(20),
        until: at(30),
        why: "upgrade".to_owned(),
    };
    fleet.windows(vec![window]);
    assert!(fleet.tick(at(19)).is_empty());
    let changed = fleet.tick(at(20));
    assert_eq!(changed.len(), 1);
    assert_eq!(state(&fleet, "database"), State::Maintenance);
    // What it does meanwhile is no news, and is known when the window closes.
    for second in [21, 22, 23] {
        assert_eq!(fleet.result("database", Failed, at(second)), None);
    }
    assert_eq!(fleet.suppressed_by("auth"), Some("database"));
    fleet.tick(at(30));
    assert_eq!(state(&fleet, "database"), State::Unhealthy);
}

#[test]
fn an_order_by_hand_stands_when_the_window_over_it_closes() {
    let mut fleet = fleet();
    fleet.order("auth", Order::Drain, at(5));
    let window =
        Window { things: "auth".to_owned(), from: at(6), until: at(7), why: String::new() };
    fleet.windows(vec![window]);
    fleet.tick(at(6));
    assert_eq!(state(&fleet, "auth"), State::Maintenance);
    fleet.tick(at(7));
    assert_eq!(state(&fleet, "auth"), State::Draining);
    fleet.order("auth", Order::Serve, at(8));
    assert_eq!(state(&fleet, "auth"), State::Healthy);
}

#[test]
fn what_was_kept_is_taken_by_who_is_still_watched() {
    let mut old = fleet();
    for second in [10, 12, 14] {
        old.result("auth", Failed, at(second));
    }
    let saved = old.saved(at(15));
    let mut new = Fleet::default();
    new.watch("auth", Profile::SERVICE, Vec::new(), at(100));
    new.restore(&saved, at(3), at(100));
    assert_eq!(state(&new, "auth"), State::Unhealthy);
    assert!(new.get("database").is_none());
}

#[test]
fn a_pattern_is_a_name_or_a_beginning() {
    assert!(names("auth", "auth") && names("au*", "auth") && names("*", "auth"));
    assert!(!names("aut", "auth") && !names("b*", "auth"));
    assert!(names("shop", "shop/web") && !names("shop", "shops/web"), "a thing and its parts");
}
