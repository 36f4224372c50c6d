use serde_json::json;

use super::*;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn errand(number: u64, place: &str) -> Errand {
    Errand {
        number,
        place: place.to_owned(),
        probe: "probes: {}".to_owned(),
        attempt: 1,
        time_out: 1_000,
    }
}

fn home(place: &str) -> Result<String, String> {
    match place {
        "instance/web" | "instance/app" => Ok("h1".to_owned()),
        "instance/db" => Err("h2 has it and is away".to_owned()),
        _ => Err(format!("no host has {place}")),
    }
}

fn why(desk: &mut Desk, asker: &str, now: Duration) -> Vec<(u64, String)> {
    let told = |ran: Ran| (ran.number, ran.why.unwrap_or_default());
    desk.ended(asker, now).into_iter().map(told).collect()
}

#[test]
fn an_errand_goes_to_the_host_that_has_its_place_and_what_came_of_it_back_to_who_wanted_to_know() {
    let mut desk = Desk::default();
    desk.ask("one", vec![errand(7, "instance/web")], home, at(1));
    desk.ask("other", vec![errand(7, "instance/app")], home, at(1));
    assert_eq!(desk.take("h2", at(1)), []);
    let taken = desk.take("h1", at(1));
    assert_eq!(
        taken.iter().map(|one| one.place.as_str()).collect::<Vec<_>>(),
        ["instance/web", "instance/app"]
    );
    assert_eq!(desk.take("h1", at(1)), [], "each is taken once");
    let ran = |at: usize| Ran {
        number: taken[at].number,
        outcome: Some(json!({ "verdict": at })),
        why: None,
    };
    desk.ran("h2", vec![ran(0)]);
    assert_eq!(desk.ended("one", at(2)), [], "another host says nothing of it");
    desk.ran("h1", vec![ran(0), ran(1), ran(0)]);
    assert_eq!(desk.ended("one", at(2)), [Ran { number: 7, ..ran(0) }]);
    assert_eq!(desk.ended("other", at(2)), [Ran { number: 7, ..ran(1) }]);
    assert_eq!(desk.ended("one", at(2)), [], "each is told once");
}

#[test]
fn what_nobody_answers_ends_with_the_reason() {
    let mut desk = Desk::default();
    let asked = [(1, "instance/web"), (2, "instance/db"), (3, "instance/new")];
    desk.ask("one", asked.map(|(number, place)| errand(number, place)).to_vec(), home, at(0));
    let told = why(&mut desk, "one", at(0));
    assert_eq!(
        told,
        [(2, "h2 has it and is away".to_owned()), (3, "no host has instance/new".to_owned())]
    );
    assert_eq!(desk.due(), Some(at(1) + ON_THE_WAY));
    assert!(desk.waits("one") && !desk.waits("other"));
    let told = why(&mut desk, "one", at(3));
    assert!(told[0].1.starts_with("the agent of h1 never asks what to ask"), "{told:?}");

    assert!(!desk.waits("one"), "nothing is under way any more");
    desk.ask("one", vec![errand(4, "instance/web")], home, at(3));
    let taken = desk.take("h1", at(3));
    let told = why(&mut desk, "one", at(6));
    assert_eq!(told, [(4, "the agent of h1 did not answer in time".to_owned())]);
    desk.ran("h1", vec![Ran { number: taken[0].number, outcome: Some(json!(1)), why: None }]);
    assert_eq!(desk.ended("one", at(6)), [], "what comes too late is not told twice");
    desk.ask("one", vec![errand(5, "instance/web")], home, at(6));
    assert_eq!(why(&mut desk, "one", at(9)), [(5, "the agent of h1 takes nothing up".to_owned())]);
    assert_eq!(desk.take("h1", at(9)), [], "what has ended is not asked any more");
}

#[test]
fn a_host_is_asked_no_more_than_it_can_take() {
    let mut desk = Desk::default();
    let some = |from: u64, count: u64| {
        (from..from + count).map(|number| errand(number, "instance/web")).collect::<Vec<_>>()
    };
    desk.ask("one", some(0, 1_001), home, at(0));
    assert_eq!(
        why(&mut desk, "one", at(0)),
        [(1_000, "h1 is asked 1000 questions already".to_owned())]
    );
    let mut taken = 0;
    while let some @ 1.. = desk.take("h1", at(0)).len() {
        assert!(some <= AT_ONCE);
        taken += some;
    }
    assert_eq!(taken, 1_000);
    // All of them end, and new ones come faster than they may.
    while !desk.ended("one", at(1) + ON_THE_WAY).is_empty() {}
    let now = at(1) + ON_THE_WAY;
    desk.ask("one", some(0, 1_000), home, now);
    desk.ran("h1", (1..3_000).map(|number| Ran { number, outcome: None, why: None }).collect());
    desk.ask("one", some(2_000, 500), home, now);
    let mut refused = 0;
    loop {
        let told = desk.ended("one", now);
        if told.is_empty() {
            break;
        }
        refused += told
            .iter()
            .filter(|ran| ran.why.as_ref().is_some_and(|why| why.contains("times a second")))
            .count();
    }
    assert_eq!(refused, 500);
    let mut long = errand(1, "instance/web");
    long.probe = "x".repeat(TEXT + 1);
    let slow = Errand { time_out: LONGEST + 1, ..errand(2, "instance/web") };
    desk.ask("one", vec![long, slow], home, at(10));
    let told = why(&mut desk, "one", at(10));
    assert!(told[0].1.contains("octets") && told[1].1.contains("60001"), "{told:?}");
}

#[test]
fn who_does_not_come_any_more_is_forgotten() {
    let mut desk = Desk::default();
    desk.ask("gone", vec![errand(1, "instance/web")], home, at(0));
    desk.take("h1", at(0));
    desk.ask("here", vec![], home, at(70));
    assert_eq!(desk.askers.keys().collect::<Vec<_>>(), ["here"]);
    desk.ended("here", at(71));
    desk.ask("here", vec![], home, at(72));
    assert!(desk.open.is_empty() && desk.ends.is_empty() && desk.hosts.is_empty());
}
