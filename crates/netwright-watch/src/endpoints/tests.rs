use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Check, Credentials, Vitals, Word, answer, protect};
use crate::fault::Domain;
use crate::startup::{Flag, Phase, Report, Startup, Step};

const ZERO: Duration = Duration::ZERO;

/// A start of three phases whose second fails, or not.
fn start(on: bool, fails: bool) -> Report {
    let flag = Flag::parse("EMERGENCY_ALLOW_NO_DATABASE", Some(if on { "true" } else { "false" }));
    let phases = ["config", "database", "websocket"];
    let phases = phases.map(|name| Phase::new(name, Duration::from_secs(1)).bypass(flag.clone()));
    let mut startup = Startup::new(phases.to_vec(), ZERO);
    while let Step::Try { phase, .. } = startup.step(ZERO) {
        let result = if fails && phase == 1 { Err("timed out".to_owned()) } else { Ok(()) };
        startup.ended(result, ZERO, 0.0);
    }
    startup.report(ZERO)
}

fn vitals(startup: Report, checks: Vec<Check>) -> Vitals {
    Vitals::new("backend", startup, checks, Timestamp::UNIX_EPOCH).version("1.2.3")
}

fn get(path: &str, vitals: &Vitals) -> (u16, Value) {
    let answer = answer(path, None, vitals).unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

fn media(answer: &Answer) -> &str {
    &answer.headers.iter().find(|(name, _)| *name == "content-type").unwrap().1
}

#[test]
fn e3_the_emergency_start_answers_200_degraded_everywhere() {
    let vitals = vitals(start(true, true), Vec::new());
    for path in ["/livez", "/readyz", "/startupz", "/health/basic", "/health"] {
        assert_eq!(get(path, &vitals).0, 200, "{path}");
    }
    let (_, health) = get("/health", &vitals);
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["startup_mode"], "emergency_degraded");
    assert_eq!(health["startup_complete"], true);
    assert!(health["alarms"][0].as_str().unwrap().starts_with("CRITICAL"));
    assert_eq!(get("/health/basic", &vitals).1, json!({ "status": "degraded" }));
}

#[test]
fn a_start_that_failed_is_503_and_names_its_phase_and_the_process_lives() {
    let vitals = vitals(start(false, true), Vec::new());
    assert_eq!(get("/livez", &vitals).0, 200);
    for path in ["/readyz", "/startupz", "/health/basic", "/health"] {
        let (status, body) = get(path, &vitals);
        assert_eq!(status, 503, "{path}");
        assert!(body["detail"].as_str().unwrap().contains("`database` has failed: timed out"));
    }
    assert_eq!(get("/startupz", &vitals).1["phases"][1]["outcome"], "failed");
}

#[test]
fn a_start_that_goes_on_says_at_what_it_is() {
    let phases = vec![Phase::new("one", Duration::from_secs(1))];
    let vitals = vitals(Startup::new(phases, ZERO).report(ZERO), Vec::new());
    let (status, body) = get("/startupz", &vitals);
    assert_eq!(
        (status, body["detail"].as_str().unwrap()),
        (503, "the start is not over: it is at the phase `one`")
    );
    assert_eq!(get("/health", &vitals).1["status"], "starting");
}

#[test]
fn d6_health_names_each_part_with_its_fault_domain() {
    let mut database = Check::new("database", Word::Unhealthy, "no answer in 5 s");
    database.fault = Some(Domain::Infrastructure);
    database.seconds = Some(5.0);
    let checks = vec![
        Check::new("application", Word::Healthy, ""),
        database,
        Check::new("vpc_connector", Word::Unknown, "never asked"),
        Check::new("ssl_certificate", Word::Healthy, "47 days left"),
    ];
    let vitals = vitals(start(false, false), checks);
    let (status, health) = get("/health", &vitals);
    assert_eq!((status, health["status"].as_str().unwrap()), (200, "degraded"));
    for part in ["application", "database", "vpc_connector", "ssl_certificate"] {
        assert!(health[part]["status"].is_string(), "{part}");
    }
    assert_eq!(health["timestamp"], "1970-01-01T00:00:00.000Z");
    assert_eq!(health["database"]["fault_domain"], "infrastructure");
    let expected = json!({ "status": "unhealthy", "fault_domain": "infrastructure" });
    assert_eq!(health["infrastructure_status"], expected);
}

#[test]
fn what_nobody_knows_is_not_healthy_and_what_is_vital_is_not_degraded() {
    let unknown = Check::new("database", Word::Unknown, "never asked");
    let of = |check| vitals(start(false, false), vec![check]).status;
    assert_eq!(of(unknown), Word::Unknown);
    let mut store = Check::new("store", Word::Unhealthy, "gone");
    assert_eq!(of(store.clone()), Word::Degraded);
    store.vital = true;
    assert_eq!(of(store.clone()), Word::Unhealthy);
    let (status, body) = get("/readyz", &vitals(start(false, false), vec![store]));
    assert_eq!((status, body["detail"].as_str().unwrap()), (503, "store: gone"));
}

#[test]
fn a_part_hides_nothing_that_is_said_of_the_whole() {
    let checks =
        vec![Check::new("status", Word::Healthy, ""), Check::new("startup", Word::Healthy, "")];
    let (_, health) = get("/health", &vitals(start(true, true), checks));
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["startup"]["mode"], "emergency_degraded");
}

#[test]
fn health_json_is_answered_to_who_asks_for_it() {
    let vitals = vitals(start(true, true), vec![Check::new("database", Word::Unhealthy, "away")]);
    let answered = |accept| media(&answer("/health", Some(accept), &vitals).unwrap()).to_owned();
    for accept in [
        "application/health+json",
        "APPLICATION/HEALTH+JSON; q=0.5",
        "text/html, application/health+json;q=0.9, */*;q=0.1",
        "application/json, application/health+json",
    ] {
        assert_eq!(answered(accept), "application/health+json", "{accept}");
    }
    for accept in [
        "*/*",
        "",
        "application/json",
        "application/health+json;q=0",
        "application/health+json;q=0.3, application/json;q=0.8",
        "application/health+json;q=x",
        ",,;;=,",
    ] {
        assert_eq!(answered(accept), "application/json", "{accept}");
    }
    let answer = answer("/health", Some("application/health+json"), &vitals).unwrap();
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, body["status"].as_str().unwrap()), (200, "warn"));
    assert_eq!(body["checks"]["database"][0]["status"], "fail");
}

#[test]
fn e3_what_is_protected_stays_closed_where_nobody_can_check() {
    let refused = |credentials| protect(credentials).unwrap_err().status;
    assert_eq!(protect(Credentials::Proved), Ok(()));
    assert_eq!(refused(Credentials::Missing), 401);
    assert_eq!(refused(Credentials::Wrong), 401);
    assert_eq!(refused(Credentials::NotEnough), 403);
    assert_eq!(refused(Credentials::CannotBeChecked), 503);
}

#[test]
fn other_paths_are_not_answered() {
    assert_eq!(answer("/healthz", None, &vitals(start(false, false), Vec::new())), None);
}
