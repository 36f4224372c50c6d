//! Changes that are watched until fresh starts have exercised them.

use std::time::Duration;

use super::{TWO, at, live, station};
use crate::change::{Part, Reversal, State};
use crate::station::{Applied, Ended, Need, Start, Station};

fn need(service: &str, dependency: &str) -> Need {
    let worked = Some(dependency != "clickhouse");
    Need { service: service.to_owned(), dependency: dependency.to_owned(), worked }
}

fn part(what: &str, reversal: Reversal) -> Part {
    Part { what: what.to_owned(), reversal, why: String::new() }
}

/// The change of the incident, on a station that has people to tell.
fn staging() -> (Station, u64) {
    let mut station = station(TWO);
    let parts = vec![
        part("change service auth: egress.mode", Reversal::InPlace),
        part("remove database old", Reversal::Never),
    ];
    let change = Applied {
        what: "network revision 41 was applied".to_owned(),
        who: Some("ann".to_owned()),
        seconds_ago: 0.0,
        parts,
        needs: vec![need("auth", "database"), need("analytics", "clickhouse")],
    };
    let id = station.open(change, at(0)).id;
    (station, id)
}

fn start(service: &str, ended: Ended, found: &[(&str, Option<&str>)]) -> Start {
    let found = found.iter().map(|(name, why)| ((*name).to_owned(), why.map(str::to_owned)));
    Start { service: service.to_owned(), seconds_ago: 0.0, ended, found: found.collect() }
}

#[test]
fn a_cold_start_37_hours_later_tells_which_change_it_was_and_what_goes_back() {
    let (mut station, id) = staging();
    // What runs on says nothing of it, however long.
    live(&mut station, 0, 20, &[]);
    assert_eq!(station.settling(id).unwrap().state, State::Open);
    let hours = 37 * 3_600;
    // It began before the change.
    let old = Start { seconds_ago: 38.0 * 3_600.0, ..start("auth", Ended::Ready, &[]) };
    station.started(&old, at(hours));
    assert_eq!(station.settling(id).unwrap().waits_for.len(), 4);
    let kept = station.kept(at(hours));
    let mut station = Station::new(crate::alert::DeskOptions::default());
    station.restore(kept, at(hours));
    let why = "Database connection validation timeout exceeded (15s)";
    let rows =
        station.started(&start("auth", Ended::Failed, &[("database", Some(why))]), at(hours));
    assert_eq!(
        (rows[0].state, rows[0].broken[0].dependency.as_str()),
        (State::GoingBack, "auth → database")
    );
    assert_eq!(rows[0].back[0].what, "change service auth: egress.mode");
    assert_eq!(rows[0].stays[0].what, "remove database old");
    let told = station.outbox();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].alerts[0].changes, ["network revision 41 was applied 37 h before"]);
    assert!(told[0].alerts[0].message.contains(why), "{told:?}");
    assert_eq!(station.health("*", 1, at(hours)).changes.len(), 1);
    assert!(station.close(id, at(hours)) && !station.close(id, at(hours)));
}

#[test]
fn a_change_stays_when_every_dependency_was_used_by_a_fresh_start() {
    let (mut station, id) = staging();
    station.started(&start("auth", Ended::Ready, &[]), at(60));
    let row = station.settling(id).unwrap();
    assert_eq!(row.waits_for, ["analytics starts", "analytics → clickhouse"]);
    // Degraded says nothing of what it can do without, but by name; and that did not work before either.
    station.started(&start("analytics", Ended::Degraded, &[]), at(61));
    assert_eq!(station.settling(id).unwrap().waits_for, ["analytics → clickhouse"]);
    station
        .started(&start("analytics", Ended::Degraded, &[("clickhouse", Some("refused"))]), at(62));
    assert_eq!(station.settling(id).unwrap().state, State::Kept);
    assert!(station.outbox().is_empty() && station.unsettled().is_empty());
    let last = station.journal().newest(1).next().unwrap();
    assert!(format!("{last:?}").contains("it stays"), "{last:?}");
    assert_eq!(Duration::from_secs(62) + at(0), at(62));
}

#[test]
fn a_start_that_fails_without_a_word_is_enough() {
    let (mut station, id) = staging();
    station.started(&start("auth", Ended::Failed, &[]), at(60));
    let row = station.settling(id).unwrap();
    assert_eq!(row.broken[0].dependency, "auth starts");
}
