use std::time::Duration;

use proptest::prelude::*;

use super::{Before, Decision, Dependency, Exercise, Options, Part, Reversal, State, Window};
use crate::fault::Domain;
use crate::health::Result;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const AUTH: &str = "auth → database:main";
const CLICKHOUSE: &str = "analytics → external:clickhouse";
const REDIS: &str = "backend → instance:redis";

fn part(what: &str, reversal: Reversal) -> Part {
    Part { what: what.to_owned(), reversal, why: String::new() }
}

fn depends(name: &str, before: Before) -> Dependency {
    Dependency { name: name.to_owned(), before }
}

/// The incident's change: the database and Redis worked, `ClickHouse` was to be cured.
fn incident(parts: Vec<Part>) -> Window {
    let dependencies = vec![
        depends(AUTH, Before::Worked),
        depends(REDIS, Before::Worked),
        depends(CLICKHOUSE, Before::Failed("refused".to_owned())),
    ];
    Window::open("egress was changed", parts, dependencies, Options::default(), at(0))
}

fn egress() -> Vec<Part> {
    vec![part("egress.mode", Reversal::InPlace), part("nat gateway", Reversal::Anew)]
}

fn used(dependency: &str, fresh: bool, result: Result, seconds: u64) -> Exercise {
    let fault = (result == Result::Failed)
        .then(|| (Domain::Infrastructure, "no connection in time".to_owned()));
    Exercise { dependency: dependency.to_owned(), fresh, began: at(seconds), result, fault }
}

fn tell(
    window: &mut Window,
    name: &str,
    fresh: bool,
    result: Result,
    seconds: u64,
) -> Option<Decision> {
    window.exercised(&used(name, fresh, result, seconds), at(seconds))
}

#[test]
fn b4_no_time_and_no_success_of_what_ran_before_closes_the_window() {
    let mut window = incident(egress());
    assert_eq!(window.settled(at(1)), None);
    for hour in 1..37 {
        for name in [AUTH, REDIS] {
            assert_eq!(tell(&mut window, name, false, Result::Passed, hour * 3600), None);
        }
        assert_eq!(window.tick(at(hour * 3600)), None);
    }
    assert_eq!(window.state(), State::Open);
    assert_eq!(window.waits_for().collect::<Vec<_>>(), [CLICKHOUSE, AUTH, REDIS]);
    // 37 h 14 min 53 s later the first instance starts anew.
    assert_eq!(tell(&mut window, AUTH, true, Result::Failed, 134_093), None, "once is no row");
    let decision = tell(&mut window, AUTH, true, Result::Failed, 134_095);
    let Some(Decision::RollBack { broken, back, stays }) = decision else { panic!("{decision:?}") };
    assert_eq!((broken[0].dependency.as_str(), broken[0].domain), (AUTH, Domain::Infrastructure));
    let names: Vec<&str> = back.iter().map(|part| part.what.as_str()).collect();
    assert_eq!(names, ["nat gateway", "egress.mode"], "the last step first");
    assert_eq!(stays, []);
}

#[test]
fn it_is_kept_when_each_dependency_was_used_by_a_fresh_start() {
    let mut window = incident(egress());
    window.settled(at(1));
    assert_eq!(tell(&mut window, AUTH, true, Result::Passed, 2), None);
    assert_eq!(tell(&mut window, REDIS, true, Result::Passed, 2), None);
    assert_eq!(tell(&mut window, CLICKHOUSE, true, Result::Failed, 3), None);
    let decision = tell(&mut window, CLICKHOUSE, true, Result::Failed, 4);
    assert_eq!(decision, Some(Decision::Keep { not_cured: vec![CLICKHOUSE.to_owned()] }));
    assert!(window.is_over());
}

#[test]
fn what_began_before_the_change_settled_and_what_is_unknown_says_nothing() {
    let mut window = incident(egress());
    assert_eq!(tell(&mut window, AUTH, true, Result::Failed, 0), None);
    assert_eq!(window.state(), State::Settling);
    assert_eq!(window.tick(at(29)), None);
    assert_eq!(window.state(), State::Settling);
    window.tick(at(30));
    assert_eq!(window.state(), State::Open, "thirty seconds after it was applied");
    for _ in 0..5 {
        assert_eq!(window.exercised(&used(AUTH, true, Result::Failed, 29), at(31)), None);
        assert_eq!(tell(&mut window, AUTH, true, Result::Unknown, 32), None);
        assert_eq!(tell(&mut window, "nobody → nothing", true, Result::Failed, 32), None);
    }
    assert_eq!(window.state(), State::Open);
}

#[test]
fn a_success_between_two_failures_begins_the_row_anew() {
    let mut window = incident(egress());
    window.settled(at(0));
    for second in 1..20 {
        let result = if second % 2 == 0 { Result::Passed } else { Result::Failed };
        assert_eq!(tell(&mut window, AUTH, true, result, second), None, "{second}");
    }
}

#[test]
fn what_does_not_go_back_is_said_and_what_nobody_knows_is_not_tried() {
    let parts = vec![
        part("connector smaller", Reversal::Never),
        part("egress.mode", Reversal::InPlace),
        part("odd setting", Reversal::Unknown),
    ];
    let mut window = incident(parts);
    window.settled(at(0));
    tell(&mut window, AUTH, true, Result::Failed, 1);
    let decision = tell(&mut window, AUTH, true, Result::Failed, 2);
    let Some(Decision::RollBack { back, stays, .. }) = decision else { panic!("{decision:?}") };
    assert_eq!(back.len(), 1);
    let names: Vec<&str> = stays.iter().map(|part| part.what.as_str()).collect();
    assert_eq!(names, ["odd setting", "connector smaller"]);

    let mut window = incident(vec![part("connector smaller", Reversal::Never)]);
    window.settled(at(0));
    tell(&mut window, AUTH, true, Result::Failed, 1);
    let decision = tell(&mut window, AUTH, true, Result::Failed, 2);
    assert!(matches!(decision, Some(Decision::Cannot { .. })), "{decision:?}");
    assert_eq!(window.state(), State::Stuck);
}

fn gone_back() -> Window {
    let mut window = incident(egress());
    window.settled(at(0));
    tell(&mut window, AUTH, true, Result::Failed, 1);
    tell(&mut window, AUTH, true, Result::Failed, 2);
    assert_eq!(window.state(), State::GoingBack);
    window.went_back(at(5));
    window
}

#[test]
fn only_a_success_after_the_way_back_says_that_it_is_restored() {
    let mut window = gone_back();
    assert_eq!(window.exercised(&used(AUTH, true, Result::Passed, 4), at(6)), None, "too early");
    assert_eq!(
        tell(&mut window, AUTH, true, Result::Passed, 6),
        None,
        "the other one is waited for"
    );
    let decision = tell(&mut window, REDIS, true, Result::Passed, 7);
    assert_eq!(decision, Some(Decision::Restored { after: at(7) }));

    let mut window = gone_back();
    tell(&mut window, AUTH, true, Result::Failed, 6);
    let decision = tell(&mut window, AUTH, true, Result::Failed, 7);
    assert!(matches!(decision, Some(Decision::NotRestored { .. })), "{decision:?}");
}

#[test]
fn a_window_is_kept_over_a_restart_as_it_is() {
    let mut window = incident(egress());
    window.settled(at(0));
    tell(&mut window, AUTH, true, Result::Failed, 1);
    let text = serde_json::to_string(&window).unwrap();
    let mut again: Window = serde_json::from_str(&text).unwrap();
    assert_eq!(again, window);
    assert!(tell(&mut again, AUTH, true, Result::Failed, 100_000).is_some());
}

#[test]
fn what_depends_on_nothing_is_kept_at_once() {
    let mut window = Window::open("a name", egress(), Vec::new(), Options::default(), at(0));
    assert_eq!(window.settled(at(1)), Some(Decision::Keep { not_cured: Vec::new() }));
}

proptest! {
    /// Whatever is handed in, in whatever order: it is kept only when each has worked fresh after it settled, and goes back only for what worked before.
    #[test]
    fn decisions_follow_from_what_was_seen(
        results in proptest::collection::vec((0_usize..3, any::<bool>(), 0_u8..3), 0..40),
    ) {
        let mut window = incident(egress());
        window.settled(at(0));
        let names = [AUTH, REDIS, CLICKHOUSE];
        let mut worked = [false; 3];
        let mut rows = [0_u32; 3];
        for (second, (name, fresh, result)) in (1..).zip(results) {
            let result = [Result::Passed, Result::Failed, Result::Unknown][usize::from(result)];
            match result {
                Result::Passed => (worked[name], rows[name]) = (worked[name] || fresh, 0),
                Result::Failed => (worked[name], rows[name]) = (false, rows[name] + 1),
                Result::Unknown => {}
            }
            match tell(&mut window, names[name], fresh, result, second) {
                None => {}
                Some(Decision::Keep { not_cured }) => {
                    prop_assert!(worked[0] && worked[1]);
                    prop_assert_eq!(not_cured.is_empty(), worked[2]);
                    return Ok(());
                }
                Some(Decision::RollBack { .. }) => {
                    prop_assert!(rows[0] >= 2 || rows[1] >= 2);
                    return Ok(());
                }
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
            prop_assert!(!(worked[0] && worked[1] && (worked[2] || rows[2] >= 2)));
            prop_assert!(rows[0] < 2 && rows[1] < 2);
        }
    }
}
