use super::{Accepted, Convergence, State, Verdict};
use crate::agents::{Hosts, Registration, Report, Step, Trouble, placement};

/// Hosts h1, h2, … that have joined and live, without reports.
fn hosts(number: u8) -> Hosts {
    let mut hosts = Hosts::default();
    for n in 1..=number {
        let host = format!("h{n}");
        let underlay = [198, 18, 0, n].into();
        let registration =
            Registration { host: host.clone(), underlay, labels: Default::default() };
        hosts.joined.insert(host.clone(), registration);
        hosts.present.insert(host);
    }
    hosts
}

/// A host has done a revision, so many milliseconds after the clock's beginning.
fn does(hosts: &mut Hosts, host: &str, revision: u64, (changes, at): (usize, u64)) {
    let placement = placement(hosts.joined.values());
    let report = hosts.reports.entry(host.to_owned()).or_default();
    report.placement = placement;
    (report.seen, report.applied, report.read_back) = (revision, revision, revision);
    report.at = at;
    report.steps.push(Step {
        revision,
        seen: at - 3,
        compiled: Some(at - 2),
        applied: Some(at - 1),
        read_back: Some(at),
        changes,
        ..Step::default()
    });
}

fn accepted(all: &[(u64, u64)]) -> Accepted {
    all.iter().copied().collect()
}

fn states(found: &Convergence) -> Vec<State> {
    found.hosts.iter().map(|row| row.state).collect()
}

#[test]
fn no_revision_converges_before_every_host_that_lives_and_is_concerned_has_read_it_back() {
    let mut all = hosts(3);
    let times = accepted(&[(5, 1000)]);
    let of = |all: &Hosts, now| Convergence::of(5, 5, &times, all, now);
    assert_eq!(of(&all, 1000).verdict, Verdict::Pending);
    does(&mut all, "h1", 5, (2, 1100));
    does(&mut all, "h2", 5, (0, 1050));
    let found = of(&all, 1200);
    assert_eq!(found.verdict, Verdict::Pending);
    assert_eq!(states(&found), [State::Applied, State::NotConcerned, State::Pending]);
    does(&mut all, "h3", 5, (1, 1300));
    // Applied, and not read back.
    if let Some(report) = all.reports.get_mut("h3") {
        report.read_back = 0;
    }
    assert_eq!(of(&all, 1400).verdict, Verdict::Pending);
    if let Some(report) = all.reports.get_mut("h3") {
        report.read_back = 5;
    }
    let found = of(&all, 1400);
    assert_eq!(found.verdict, Verdict::Converged);
    assert_eq!(found.hosts[0].compiled_after, Some(98));
    assert_eq!(found.hosts[0].applied_after, Some(99));
    assert_eq!(found.hosts[0].read_back_after, Some(100));
}

#[test]
fn a_host_that_is_away_is_named_and_holds_up_nobody_who_lives() {
    let mut all = hosts(2);
    let times = accepted(&[(5, 1000), (6, 2000)]);
    does(&mut all, "h1", 5, (1, 1100));
    does(&mut all, "h2", 5, (1, 1100));
    all.present.remove("h2");
    does(&mut all, "h1", 6, (1, 2100));
    let found = Convergence::of(6, 6, &times, &all, 5000);
    assert_eq!(found.verdict, Verdict::Converged);
    assert_eq!(states(&found), [State::Applied, State::Away]);
    assert_eq!(found.hosts[1].runs, 5, "it runs what it ran");
    let open = found.stale.iter().find(|window| window.host == "h2" && window.without == 6);
    assert_eq!(open.map(|window| (window.until, window.milliseconds(5000))), Some((None, 3000)));
    // Where nobody lives, nobody can say that it has converged.
    all.present.clear();
    assert_eq!(Convergence::of(6, 6, &times, &all, 5000).verdict, Verdict::Pending);
}

#[test]
fn where_nobody_is_concerned_it_is_vacuous() {
    let mut all = hosts(2);
    let times = accepted(&[(5, 1000)]);
    assert_eq!(Convergence::of(5, 5, &times, &hosts(0), 1000).verdict, Verdict::Vacuous);
    let before = Convergence::of(0, 0, &Accepted::new(), &hosts(2), 1000);
    assert_eq!(before.verdict, Verdict::Vacuous, "no network was accepted yet");
    does(&mut all, "h1", 5, (0, 1100));
    does(&mut all, "h2", 5, (0, 1100));
    assert_eq!(Convergence::of(5, 5, &times, &all, 1200).verdict, Verdict::Vacuous);
}

#[test]
fn what_is_refused_has_failed_and_says_so() {
    let mut all = hosts(2);
    let times = accepted(&[(5, 1000)]);
    does(&mut all, "h1", 5, (1, 1100));
    does(&mut all, "h2", 5, (1, 1100));
    if let Some(report) = all.reports.get_mut("h2") {
        (report.applied, report.read_back) = (0, 0);
        let said = "refused".to_owned();
        report.errors.push(Trouble { object: "vpc/v".to_owned(), said });
    }
    let found = Convergence::of(5, 5, &times, &all, 1200);
    assert_eq!(found.verdict, Verdict::Failed);
    assert_eq!(states(&found), [State::Applied, State::Failed]);
    assert_eq!(found.hosts[1].errors.len(), 1);
}

#[test]
fn a_host_that_plans_with_other_hosts_than_are_there_is_not_done() {
    let mut all = hosts(2);
    let times = accepted(&[(5, 1000)]);
    does(&mut all, "h1", 5, (1, 1100));
    does(&mut all, "h2", 5, (1, 1100));
    let mut more = hosts(3);
    more.reports.clone_from(&all.reports);
    let found = Convergence::of(5, 5, &times, &more, 1200);
    assert_eq!(states(&found), [State::Pending; 3]);
}

#[test]
fn stale_windows_end_when_a_host_has_the_revision_or_a_newer_one() {
    let mut all = hosts(2);
    let times = accepted(&[(5, 1000), (6, 2000), (7, 3000)]);
    does(&mut all, "h1", 5, (1, 1100));
    does(&mut all, "h1", 6, (1, 2100));
    does(&mut all, "h1", 7, (1, 3100));
    // It was cut off, and went on to the last one.
    does(&mut all, "h2", 5, (1, 1100));
    does(&mut all, "h2", 7, (2, 9000));
    let found = Convergence::of(7, 7, &times, &all, 9500);
    let of = |host: &str, without| {
        let window =
            found.stale.iter().find(|window| window.host == host && window.without == without);
        window.map(|window| window.milliseconds(9500))
    };
    assert_eq!([of("h1", 5), of("h1", 6), of("h1", 7)], [Some(99); 3]);
    assert_eq!([of("h2", 6), of("h2", 7)], [Some(6999), Some(5999)]);
    assert_eq!(found.stale[0].without, 6, "the longest first");
}

#[test]
fn clocks_that_differ_make_no_time_negative() {
    let mut all = hosts(1);
    does(&mut all, "h1", 5, (1, 900));
    let report: Option<&Report> = all.reports.get("h1");
    assert!(report.is_some());
    let found = Convergence::of(5, 5, &accepted(&[(5, 1000)]), &all, 1000);
    assert_eq!(found.hosts[0].applied_after, Some(0));
    assert_eq!(found.stale[0].milliseconds(1000), 0);
}
