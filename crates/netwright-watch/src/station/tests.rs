use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use netwright_model::source::Sources;
use tokio::sync::mpsc;

use super::documents::Stage;
use super::{Asker, Cover, Folder, NoFolder, Run, Shared, Station, SteadyClock, Wanted, What, run};
use crate::alert::{ChangeEvent, Condition, DeskOptions, Level, Rule};
use crate::health::{Profile, State};
use crate::plan::{Item, Plan, plan};
use crate::probe::outcome::{Kind, Outcome, Verdict};
use crate::watcher::Ask;

const DAY: Duration = Duration::from_secs(20_000 * 86_400);

fn at(seconds: u64) -> Duration {
    DAY + Duration::from_secs(seconds)
}

fn planned(text: &str) -> Plan {
    let text = format!("provider: generic\n{text}");
    let network = netwright_model::load("t.yaml", &text, &mut Sources::default()).unwrap();
    plan(&network).unwrap()
}

const TWO: &str = "probes:\n\
    \x20 database: { target: 'tcp://10.0.0.1:5432', grace: 0s, every: 1s, timeout: 1s }\n\
    \x20 page: { target: 'http://10.0.0.2/', grace: 0s, every: 1s, timeout: 1s, depends_on: database }\n\
    alerts:\n\
    \x20 down: { states: [unhealthy], severity: critical, component: shop, message: '{thing} is down', remedies: [{ text: Look }], for: 2s }\n";

fn outcome(verdict: Verdict) -> Outcome {
    Outcome { took: Duration::from_millis(3), ..Outcome::bare(verdict, Timestamp::UNIX_EPOCH, 1) }
}

/// Lives second by second; what is in `down` fails.
fn live(station: &mut Station, from: u64, to: u64, down: &[&str]) -> usize {
    let mut told = 0;
    for second in from..to {
        for ask in station.due(at(second)) {
            let verdict = match down.contains(&ask.target.as_str()) {
                true => Verdict::failed(Kind::ConnectionRefused, "nothing listens there"),
                false => Verdict::Passed,
            };
            told += station.told(&ask, outcome(verdict), at(second)).len();
        }
        told += station.tick(at(second)).len();
    }
    told
}

fn station(text: &str) -> Station {
    let mut station = Station::new(DeskOptions { wait: Duration::ZERO, ..DeskOptions::default() });
    station.take("shop.yaml", planned(text), at(0));
    station
}

fn wanted(kind: Cover, things: &str) -> Wanted {
    Wanted {
        kind,
        alerts: "*".to_owned(),
        things: things.to_owned(),
        seconds: 60.0,
        begins_in: 0.0,
        who: "ann".to_owned(),
        why: "NET-1".to_owned(),
    }
}

fn stages(station: &Station, second: u64) -> Vec<(String, Stage)> {
    station.alerts(at(second)).alerts.into_iter().map(|row| (row.thing, row.stage)).collect()
}

#[test]
fn what_fails_is_told_once_with_the_change_before_it_and_what_follows_from_it_is_not() {
    let mut station = station(TWO);
    live(&mut station, 0, 10, &[]);
    assert!(
        station.health("*", 9, at(10)).components.iter().all(|one| one.state == State::Healthy)
    );
    let what = "network revision 41 was applied".to_owned();
    station.change(
        ChangeEvent { at: at(10) - Duration::from_secs(37 * 3_600), what, who: None },
        at(10),
    );
    live(&mut station, 10, 13, &["database", "page"]);
    assert_eq!(
        stages(&station, 13).first(),
        Some(&("database".to_owned(), Stage::Pending)),
        "{:?}",
        station.journal()
    );
    let told = live(&mut station, 13, 40, &["database", "page"]);
    assert_eq!(told, 1);
    let alerts = station.alerts(at(40)).alerts;
    assert_eq!(alerts[0].changes, ["network revision 41 was applied 37 h before"]);
    assert_eq!(
        (alerts[0].stage, alerts[0].guidance.remediation.as_deref()),
        (Stage::Firing, Some("Look"))
    );
    let firing = alerts.iter().filter(|row| row.stage == Stage::Firing).count();
    assert_eq!(firing, 1, "what depends on it is not judged: {alerts:?}");
    let page = alerts.iter().find(|row| row.thing == "page").unwrap();
    assert_eq!(
        (page.stage, page.held_back.as_deref()),
        (Stage::Suppressed, Some("database is away"))
    );
    let health = station.health("*", 1, at(40));
    assert_eq!((health.components[0].name.as_str(), health.more), ("database", 1));
    // What was known last says the same to whoever asks while nothing watches.
    let last = station.shown(at(40)).health;
    assert_eq!(last.clone().only("*", 1), health);
    assert_eq!(last.only("data*", 9), station.health("data*", 9, at(40)));
    assert_eq!(
        health.components[0].reason.as_deref(),
        Some("nothing listens there (connection_refused)")
    );
}

#[test]
fn a_silence_holds_back_and_ends_and_maintenance_is_a_state_until_it_is_lifted() {
    let mut station = station(TWO);
    let id = station.cover(&wanted(Cover::Silence, "data*"), at(0)).unwrap();
    assert_eq!(live(&mut station, 0, 20, &["database", "page"]), 0);
    assert!(stages(&station, 20).contains(&("database".to_owned(), Stage::Silenced)));
    assert!(station.lift(id, at(20)) && !station.lift(id, at(20)));
    assert_eq!(live(&mut station, 20, 30, &["database", "page"]), 1);
    let id = station.cover(&wanted(Cover::Maintenance, "database"), at(30)).unwrap();
    live(&mut station, 30, 33, &["database", "page"]);
    let state =
        |station: &Station, second| station.health("database", 1, at(second)).components[0].state;
    assert_eq!(state(&station, 33), State::Maintenance);
    station.lift(id, at(33));
    live(&mut station, 33, 36, &["database", "page"]);
    assert_eq!(state(&station, 36), State::Unhealthy);
    // Nothing without a reason, and nothing for ever.
    let odd = [
        Wanted { why: " ".to_owned(), ..wanted(Cover::Silence, "*") },
        Wanted { seconds: f64::INFINITY, ..wanted(Cover::Silence, "*") },
        Wanted { seconds: -1.0, ..wanted(Cover::Silence, "*") },
        Wanted { alerts: "down".to_owned(), ..wanted(Cover::Maintenance, "*") },
    ];
    for odd in odd {
        station.cover(&odd, at(36)).unwrap_err();
    }
}

#[test]
fn what_is_not_watched_is_told_at_the_start_with_the_reason() {
    let vpc = "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }\n\
        instances: { a: { subnet: s, address: 10.0.0.1 }, b: { subnet: s, address: 10.0.0.2 } }\n\
        expect: { names: { from: a, to: b, service: udp/53 } }\n";
    let station = station(vpc);
    let told: Vec<String> = station.journal().newest(9).map(|entry| format!("{entry:?}")).collect();
    let wanted = "names: not watched: no probe for it";
    assert!(told.iter().any(|entry| entry.contains(wanted)), "{told:#?}");
}

#[test]
fn a_wrong_description_changes_nothing_but_that_it_is_told() {
    let mut station = station(TWO);
    live(&mut station, 0, 10, &[]);
    live(&mut station, 10, 20, &["database"]);
    station.refuse("shop.yaml:3:2: no", at(20));
    let health = station.health("*", 9, at(20));
    assert_eq!(health.problem.as_deref(), Some("shop.yaml:3:2: no"));
    assert_eq!(health.states[&State::Unhealthy], 1, "{health:?}");
    assert!(station.metrics(at(20)).contains("\nnetwright_watch_configuration_ok 0\n"));
    // A right one keeps the states of what is still there.
    station.take(
        "shop.yaml",
        planned("probes: { database: { target: 'tcp://10.0.0.1:1' } }"),
        at(21),
    );
    let health = station.health("*", 9, at(21));
    assert_eq!((health.problem, health.components.len()), (None, 1));
    assert_eq!(health.components[0].state, State::Unhealthy);
}

#[test]
fn a_restart_keeps_states_alerts_and_silences_and_nobody_is_told_twice() {
    let path = std::env::temp_dir().join(format!("netwright-station-{}", std::process::id()));
    let folder = Folder::take(&path).unwrap();
    assert!(matches!(Folder::take(&path), Err(NoFolder::Taken)), "one at a time");
    assert!(folder.load().unwrap().is_none());
    let mut first = station(TWO);
    assert_eq!(live(&mut first, 0, 20, &["database"]), 1);
    first.cover(&wanted(Cover::Silence, "page"), at(20)).unwrap();
    folder.save(&first.kept(at(20))).unwrap();
    let mut second = station(TWO);
    second.restore(folder.load().unwrap().unwrap(), at(25));
    assert_eq!(stages(&second, 25), []);
    assert_eq!(live(&mut second, 25, 40, &["database"]), 0, "they know");
    assert_eq!(stages(&second, 40), [("database".to_owned(), Stage::Firing)]);
    assert_eq!(second.covers().len(), 1);
    let since = &second.health("database", 1, at(40)).components[0].since;
    assert_eq!(since, &first.health("database", 1, at(20)).components[0].since);
    // A clock that was put back: nothing is from the future.
    let mut third = station(TWO);
    third.restore(folder.load().unwrap().unwrap(), DAY - Duration::from_secs(3_600));
    third.tick(DAY - Duration::from_secs(3_599));
    // Half a file: it is put aside, and everything is unknown.
    std::fs::write(folder.file("states.json"), "{\"version\": 1, \"at\"").unwrap();
    assert!(folder.load().unwrap_err().contains("states.json.unreadable"));
    assert!(folder.load().unwrap().is_none());
    drop(folder);
    Folder::take(&path).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn silence_of_what_must_not_answer_is_evidence_beside_what_answers_from_there() {
    let mut station = station(
        "probes:\n\
         \x20 open: { target: 'tcp://10.0.0.1:1', grace: 0s, every: 1s, timeout: 1s }\n\
         \x20 shut: { target: 'tcp://10.0.0.1:2', not: true, grace: 0s, every: 1s, timeout: 1s }\n",
    );
    let silent = || Verdict::unknown("silence is no evidence");
    let mut spoken = Verdict::unknown("");
    for second in 0..10 {
        for ask in station.due(at(second)) {
            let verdict = if ask.target == "open" { Verdict::Passed } else { silent() };
            station.told(&ask, outcome(verdict.clone()), at(second));
            spoken = verdict;
        }
        station.tick(at(second));
    }
    drop(spoken);
    assert_eq!(station.health("open", 1, at(10)).components[0].state, State::Healthy);
}

/// A hundred thousand things, all failing at once: memory of what happened is bounded, and documents are as long as was asked for.
#[test]
fn a_hundred_thousand_things_are_counted_and_not_all_listed() {
    let mut items = BTreeMap::new();
    let one =
        planned("probes: { one: { target: 'tcp://10.0.0.1:1' } }").items.remove("one").unwrap();
    for number in 0..100_000 {
        items.insert(
            format!("thing-{number}"),
            Item { profile: Profile { up: 1, ..one.profile }, ..one.clone() },
        );
    }
    let rule =
        Rule::new("down", "all", "*", Level::Warning, Condition::State(vec![State::Unhealthy]));
    let mut station = Station::new(DeskOptions::default());
    station.take("big.yaml", Plan { items, rules: vec![rule], left: Vec::new() }, at(0));
    let asks = station.due(at(11));
    assert_eq!(asks.len(), 100_000);
    for ask in &asks {
        station.told(ask, outcome(Verdict::Passed), at(11));
    }
    let health = station.health("*", 10, at(12));
    assert_eq!((health.components.len(), health.more), (10, 99_990));
    assert_eq!(health.states[&State::Healthy], 100_000);
    let events = station.events(0, 5);
    assert_eq!(events.events.len(), 5);
    assert!(events.lost > 80_000, "{}", events.lost);
    assert!(station.metrics(at(12)).len() < 8 << 20);
}

#[test]
fn how_full_things_are_is_told_with_the_peak_and_what_is_no_share_is_not() {
    let mut station = station(TWO);
    for minute in 0..20 {
        station.measure(
            "connector",
            "capacity_utilisation",
            0.4 + 0.02 * minute as f64,
            at(minute * 60),
        );
    }
    station.measure("connector", "capacity_utilisation", 0.5, at(1_200));
    station.measure("connector", "instances", 10.0, at(1_200));
    station.measure("connector", "cpu_utilisation", f64::NAN, at(1_200));
    let uses = station.capacity(at(1_200)).uses;
    assert_eq!(uses.len(), 1);
    assert!((uses[0].peak - 0.78).abs() < 1e-9 && (uses[0].share - 0.5).abs() < 1e-9, "{uses:?}");
    assert!(uses[0].full_in_seconds.is_some());
}

/// Answers at once: what is in `down` fails.
struct Quick(Vec<&'static str>);

impl Asker for Quick {
    fn ask(&mut self, _: &Item, ask: Ask, tell: mpsc::Sender<(Ask, Outcome)>) {
        let down = self.0.contains(&ask.target.as_str());
        let verdict = match down {
            true => Verdict::failed(Kind::ConnectionRefused, "nothing listens there"),
            false => Verdict::Passed,
        };
        tokio::spawn(async move { tell.send((ask, outcome(verdict))).await });
    }
}

#[tokio::test]
async fn a_station_that_runs_tells_whoever_waits_and_answers_over_http() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let clock = SteadyClock::new(Timestamp::now());
    let mut station = Station::new(DeskOptions::default());
    station.take(
        "shop.yaml",
        planned(&TWO.replace("every: 1s, timeout: 1s", "every: 50ms, timeout: 50ms")),
        clock.now(),
    );
    let shared = Shared::new(station, clock);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(super::serve(listener, Arc::clone(&shared), std::future::pending()));
    let run_with = Run { asker: Quick(vec!["database"]), sinks: Vec::new(), folder: None };
    let running = tokio::spawn(run(Arc::clone(&shared), run_with, std::future::pending()));
    let ask = async |text: String| {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).await.unwrap();
        got
    };
    let get =
        |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let post = |host: &str, more: &str, body: &str| {
        format!(
            "POST /v1/covers HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut after = 0;
    loop {
        let told = ask(get(&format!("/v1/events?after={after}&wait=20"))).await;
        if told.contains("\"to\":\"unhealthy\"") {
            break;
        }
        let body = told.split_once("\r\n\r\n").unwrap().1;
        after = serde_json::from_str::<serde_json::Value>(body).unwrap()["last"].as_u64().unwrap();
    }
    assert!(ask(get("/v1/health?component=database")).await.contains("connection_refused"));
    assert!(ask(get("/metrics")).await.ends_with("# EOF\n"));
    let cover = serde_json::to_string(&wanted(Cover::Silence, "database")).unwrap();
    assert!(ask(post("evil.example", "", &cover)).await.starts_with("HTTP/1.1 403"));
    assert!(
        ask(post("localhost", "Origin: http://localhost\r\n", &cover))
            .await
            .starts_with("HTTP/1.1 403")
    );
    assert!(ask(post("localhost", "", "{}")).await.starts_with("HTTP/1.1 400"));
    assert!(ask(post("127.0.0.1:1", "", &cover)).await.contains("{\"id\":1}"));
    running.abort();
    let silenced =
        |entry: &super::Entry| matches!(&entry.what, What::Note { text } if text.contains("NET-1"));
    assert!(shared.with(|station, _| station.events(0, 1_000)).events.iter().any(silenced));
}

mod settle;
