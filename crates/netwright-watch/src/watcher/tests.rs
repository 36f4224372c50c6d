use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use jiff::Timestamp;

use super::{Ask, Event, Target, Watcher};
use crate::alert::{ChangeEvent, Condition, DeskOptions, Level, Rule, Status};
use crate::fault::Domain;
use crate::health::{Profile, State};
use crate::probe::outcome::{Kind, Outcome, Phase, PhaseName, Verdict};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn target(name: &str, profile: Profile, parents: &[&str]) -> Target {
    let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
    Target { name: name.to_owned(), profile, parents }
}

fn outcome(ask: &Ask, verdict: Verdict, took: Duration) -> Outcome {
    Outcome {
        took,
        phases: vec![Phase { name: PhaseName::Connect, took }],
        ..Outcome::bare(verdict, Timestamp::UNIX_EPOCH, ask.attempt)
    }
}

/// A watcher in a world of a test's making: each probe is answered after a millisecond where the world is well, and never where it is not.
struct World<F> {
    watcher: Watcher,
    now: Duration,
    well: F,
    answers: BinaryHeap<Reverse<(Duration, u64)>>,
    asked: Vec<(Ask, bool)>,
}

impl<F: FnMut(&str, Duration) -> bool> World<F> {
    fn new(watcher: Watcher, well: F) -> Self {
        Self { watcher, now: at(0), well, answers: BinaryHeap::new(), asked: Vec::new() }
    }

    /// Lives until then; what happened when.
    fn until(&mut self, end: Duration) -> Vec<(Duration, Event)> {
        let mut happened = Vec::new();
        while self.now < end {
            for ask in self.watcher.due(self.now) {
                let well = (self.well)(&ask.target, self.now);
                let takes = if well { Duration::from_millis(1) } else { ask.time_out };
                self.answers.push(Reverse((self.now + takes, self.asked.len() as u64)));
                self.asked.push((ask, well));
            }
            let answer = self.answers.peek().map(|Reverse((when, _))| *when);
            let next = self.watcher.next(self.now).max(self.now);
            self.now = answer.map_or(next, |answer| answer.min(next)).min(end);
            let mut events = Vec::new();
            while let Some(Reverse((when, number))) = self.answers.peek().copied()
                && when <= self.now
            {
                self.answers.pop();
                let (ask, well) = &self.asked[usize::try_from(number).unwrap()];
                let verdict = match well {
                    true => Verdict::Passed,
                    false => Verdict::failed(Kind::ConnectTimedOut, "no answer"),
                };
                events.extend(self.watcher.told(
                    ask,
                    &outcome(ask, verdict, Duration::from_millis(1)),
                    self.now,
                ));
            }
            events.extend(self.watcher.tick(self.now));
            happened.extend(events.into_iter().map(|event| (self.now, event)));
        }
        happened
    }
}

fn changes_to(happened: &[(Duration, Event)], state: State) -> Vec<Duration> {
    let to = |(when, event): &(Duration, Event)| match event {
        Event::Changed { changed, .. } if changed.change.to == state => Some(*when),
        _ => None,
    };
    happened.iter().filter_map(to).collect()
}

fn watching(targets: &[Target], rules: Vec<Rule>) -> Watcher {
    let mut watcher = Watcher::new(DeskOptions { wait: at(0), ..DeskOptions::default() });
    watcher.watch(targets, rules, at(0));
    watcher
}

/// A thousand cuts at times that have nothing to do with the probes': how long each took to be known, and how often nothing was cut.
fn cut(profile: Profile) -> (Vec<Duration>, usize) {
    let bound = profile.worst_detection();
    let (healing, cuts) = (profile.interval * 4 + profile.grace, 1_000_u32);
    let every = bound * 2 + healing * 2;
    let first = at(60);
    // 13 and 1000 have no common factor: each phase of an interval is cut at.
    let begins =
        |number: u32| first + every * number + (profile.interval * (number * 13 % 1_000)) / 1_000;
    let lasts = bound + Duration::from_millis(2);
    let well = |_: &str, now: Duration| {
        let Some(since) = now.checked_sub(first) else { return true };
        let number = u32::try_from(since.as_nanos() / every.as_nanos()).unwrap();
        let begin = begins(number);
        number >= cuts || now < begin || now >= begin + lasts
    };
    let watcher = watching(&[target("link", profile, &[])], Vec::new());
    let happened = World::new(watcher, well).until(first + every * (cuts + 1));
    let known = changes_to(&happened, State::Unhealthy);
    let mut took = Vec::new();
    let mut false_alarms = 0;
    let mut number = 0;
    for known in known {
        while number < cuts && begins(number) + lasts < known {
            number += 1;
        }
        match known.checked_sub(begins(number)) {
            Some(after) if number < cuts => took.push(after),
            _ => false_alarms += 1,
        }
        number += 1;
    }
    took.sort_unstable();
    (took, false_alarms)
}

#[test]
fn of_a_thousand_cuts_none_is_missed_and_each_is_known_within_the_computed_time() {
    for profile in
        [Profile::SERVICE, Profile::INTENT, Profile { in_transition: at(10), ..Profile::SERVICE }]
    {
        let (took, false_alarms) = cut(profile);
        assert_eq!((took.len(), false_alarms), (1_000, 0), "{profile:?}");
        let (p99, worst) = (took[989], took[999]);
        assert!(worst <= profile.worst_detection(), "{worst:?} of {:?}", profile.worst_detection());
        if profile == Profile::INTENT {
            assert!(p99 < at(3), "{p99:?}");
        }
    }
}

#[test]
fn an_hour_of_noise_at_the_edge_of_the_thresholds_is_no_alarm() {
    // Two probes in a row are lost, always; the third is answered.
    let mut lost = 0_u32;
    let well = |_: &str, now: Duration| {
        if now < at(60) {
            return true;
        }
        lost = (lost + 1) % 3;
        lost == 0
    };
    let watcher = watching(&[target("edge", Profile::SERVICE, &[])], Vec::new());
    let mut world = World::new(watcher, well);
    let happened = world.until(at(3_660));
    let unhealthy = changes_to(&happened, State::Unhealthy);
    assert!(unhealthy.is_empty(), "{unhealthy:?}");
    assert!(world.asked.len() > 1_000, "it is asked all the time: {}", world.asked.len());
    let counts =
        world.watcher.fleet().get("edge").unwrap().health.counts(at(3_660), &Profile::SERVICE);
    assert!((0.6..0.7).contains(&counts.failure_rate().unwrap()), "and the rate says so");
}

#[test]
fn a_target_that_is_well_is_asked_once_an_interval() {
    let watcher = watching(&[target("well", Profile::SERVICE, &[])], Vec::new());
    let mut world = World::new(watcher, |_, _| true);
    world.until(at(1_000));
    let most = 1_000 / 9 + 2;
    assert!((1_000 / 10..=most).contains(&world.asked.len()), "{}", world.asked.len());
}

#[test]
fn a_thousand_targets_are_not_asked_in_one_moment() {
    let targets: Vec<Target> =
        (0..1_000).map(|number| target(&format!("t{number}"), Profile::SERVICE, &[])).collect();
    let mut watcher = watching(&targets, Vec::new());
    let mut most = 0;
    for tenth in 0..100 {
        most = most.max(watcher.due(Duration::from_millis(tenth * 100)).len());
    }
    assert!(most < 60, "{most} of 1,000 in a tenth of a second");
}

#[test]
fn a_probe_that_is_never_heard_of_again_is_not_waited_for() {
    let mut watcher = watching(&[target("lost", Profile::SERVICE, &[])], Vec::new());
    let mut asked = 0;
    for second in 0..300 {
        asked += watcher.due(at(second)).len();
        watcher.tick(at(second));
    }
    assert!((30..60).contains(&asked), "{asked}");
    let health = &watcher.fleet().get("lost").unwrap().health;
    assert_eq!(health.state(), State::Unknown, "nobody knows");
    assert!(health.counts(at(300), &Profile::SERVICE).unknown > 20);
}

#[test]
fn a_late_answer_to_an_old_probe_does_not_undo_a_newer_one() {
    let mut watcher = watching(&[target("slow", Profile::SERVICE, &[])], Vec::new());
    let mut asks = Vec::new();
    for second in 0..20 {
        asks.extend(watcher.due(at(second)));
    }
    for ask in asks[..3].iter().rev() {
        let verdict = if ask.attempt == 3 {
            Verdict::Passed
        } else {
            Verdict::failed(Kind::ConnectTimedOut, "")
        };
        watcher.told(ask, &outcome(ask, verdict, at(1)), at(20));
    }
    let health = &watcher.fleet().get("slow").unwrap().health;
    assert!(!health.doubtful());
    assert_eq!(health.counts(at(20), &Profile::SERVICE).failed, 2, "and the rate has them");
}

/// The incident of the sources, in small: a change, 37 hours, a database that nobody reaches any more, a service that depends on it.
#[test]
fn the_alert_names_the_fault_its_domain_and_the_change_before_it() {
    let down = Rule::new(
        "unreachable",
        "database",
        "*",
        Level::Critical,
        Condition::State(vec![State::Unhealthy]),
    )
    .says("{thing} cannot be reached")
    .remedy("Roll the network back");
    let targets = [
        target("database", Profile::SERVICE, &[]),
        target("auth", Profile::SERVICE, &["database"]),
    ];
    let cut = at(37 * 3_600 + 14 * 60 + 53);
    let mut watcher = watching(&targets, vec![down]);
    watcher.change(ChangeEvent {
        at: at(0),
        what: "network revision 41 was applied".to_owned(),
        who: None,
    });
    let mut world = World::new(watcher, |_, now| now < cut);
    let happened = world.until(cut + at(120));
    let notified: Vec<_> = happened
        .iter()
        .filter_map(|(when, event)| match event {
            Event::Notify(notification) => Some((when, notification)),
            Event::Changed { .. } => None,
        })
        .collect();
    assert_eq!(notified.len(), 1, "one, and nothing about what depends on it");
    let (when, notification) = notified[0];
    assert!(*when <= cut + Profile::SERVICE.worst_detection());
    assert_eq!(notification.alerts.len(), 1);
    let alert = &notification.alerts[0];
    assert_eq!((alert.thing.as_str(), alert.status), ("database", Status::Firing));
    assert_eq!(alert.guidance.fault_domain, Some(Domain::Infrastructure));
    assert_eq!(alert.changes, ["network revision 41 was applied 37 h before"]);
    let held: Vec<_> = world.watcher.alerts(world.now);
    assert!(held.iter().all(|(alert, why)| alert.thing == "database" || why.is_some()));
}

#[test]
fn a_slow_connection_is_told_by_what_probes_measure() {
    let threshold = crate::alert::Threshold {
        metric: "connect_seconds".to_owned(),
        compare: crate::alert::Compare::AtLeast,
        value: 5.0,
    };
    let rule =
        Rule::new("slow", "database", "database", Level::Warning, Condition::Metric(threshold))
            .says("connections take {seconds}");
    let mut watcher = watching(&[target("database", Profile::SERVICE, &[])], vec![rule]);
    let mut told = Vec::new();
    for second in 0..30 {
        for ask in watcher.due(at(second)) {
            let slow = outcome(&ask, Verdict::Passed, Duration::from_millis(5_250));
            told.extend(watcher.told(&ask, &slow, at(second)));
        }
        told.extend(watcher.tick(at(second)));
    }
    let notified = told.iter().find_map(|event| match event {
        Event::Notify(notification) => Some(notification),
        Event::Changed { .. } => None,
    });
    assert_eq!(notified.unwrap().alerts[0].message, "connections take 5.2 s");
}

#[test]
fn a_reload_and_a_restart_keep_what_was_known() {
    let targets = [target("a", Profile::SERVICE, &[]), target("b", Profile::SERVICE, &[])];
    let mut world = World::new(watching(&targets, Vec::new()), |_, _| true);
    world.until(at(60));
    let state =
        |watcher: &Watcher, name: &str| watcher.fleet().get(name).map(|thing| thing.health.state());
    world.watcher.watch(&targets[..1], Vec::new(), at(60));
    assert_eq!(state(&world.watcher, "a"), Some(State::Healthy));
    assert_eq!(state(&world.watcher, "b"), None);
    let text = serde_json::to_string(&world.watcher.kept(at(60))).unwrap();
    let mut again = watching(&targets, Vec::new());
    again.restore(serde_json::from_str(&text).unwrap(), at(2), at(100));
    assert_eq!(state(&again, "a"), Some(State::Healthy));
    assert_eq!(state(&again, "b"), Some(State::Unknown));
}
