//! Game days of the reference system on real PostgreSQL and Redis: every scenario passes, every variant that is wrong on purpose is caught by the
//! check that is for it, and a server that dies for another reason is a real incident.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test says what it skips and stops where it cannot go on"
)]

mod harness;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use harness::{Mark, Stays, Way, text, ways};
use netwright_gameday::scenarios::SCENARIOS;
use netwright_servers::VARIANTS;
use serde_json::Value;

/// Runs that go on at the same time: each is a dozen processes, and what a busy machine does to them is found out as if it were a fault.
const TOGETHER: usize = 3;

/// The folder of the scenarios: networks are named from there.
fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/gamedays")
}

/// Where a lab and both servers can be started; none, with the reason said, elsewhere.
fn way(test: &str) -> Option<Way> {
    let own = Path::new(env!("CARGO_BIN_EXE_netwright"));
    let missing = netwright_servers::postgres_program("postgres")
        .and_then(|_| netwright_servers::redis_server())
        .err();
    if let Some(missing) = missing {
        eprintln!("skipped: {missing}");
        return None;
    }
    if netwright_servers::visapi_beside(own).is_none() {
        eprintln!("skipped: visapi is not built: `cargo build --package visapi`");
        return None;
    }
    ways(test).into_iter().next()
}

/// What makes a run short: long enough for a cut to be declared, also one that comes and goes meanwhile.
fn short(scenario: &str) -> [&'static str; 4] {
    ["--shorten", if scenario == "intermittent" { "8s" } else { "4s" }, "--seed", "6"]
}

/// A run of a scenario, in a lab of its own.
fn command(way: &Way, name: &str, scenario: &str, more: &[&str]) -> Command {
    let file = scenarios().join(format!("{scenario}.yaml"));
    command_of(way, name, &file, more)
}

/// A run of an experiment's file.
fn command_of(way: &Way, name: &str, file: &Path, more: &[&str]) -> Command {
    // A lab's name is short.
    static LABS: AtomicUsize = AtomicUsize::new(0);
    let lab = format!("ref-{}-{}", std::process::id(), LABS.fetch_add(1, Ordering::SeqCst));
    let folder = way.folder.join(name);
    let mut words = vec!["gameday", "run", file.to_str().unwrap(), "--name", lab.as_str()];
    words.extend(["--output", folder.to_str().unwrap()]);
    words.extend(more);
    way.command(&words)
}

fn report(way: &Way, name: &str) -> Value {
    let file = way.folder.join(name).join("report.json");
    serde_json::from_slice(&std::fs::read(&file).unwrap_or_default()).unwrap_or_default()
}

/// One test at a time: each has several runs at once by itself.
static ALONE: Mutex<()> = Mutex::new(());

/// Does many runs, a few at a time.
fn all(names: &[&str], one: impl Fn(&str) + Sync) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let next = Mutex::new(names.iter());
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                loop {
                    let name = next.lock().unwrap().next();
                    match name {
                        Some(name) => one(name),
                        None => return,
                    }
                }
            });
        }
    });
}

fn told(ran: &Output) -> String {
    format!("{}\n{}", text(&ran.stdout), text(&ran.stderr))
}

#[test]
fn every_scenario_loses_nothing_does_nothing_twice_and_is_over_within_its_time() {
    let Some(way) = way("scenarios") else { return };
    let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    all(&names, |name| {
        let ran = command(&way, name, name, &short(name)).output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{name}: {}", told(&ran));
        let report = report(&way, name);
        assert_eq!(report["summary"]["verdict"], "passed", "{name}: {}", report["summary"]);
        assert_eq!(report["summary"]["lost"], 0, "{name}");
        assert_eq!(report["summary"]["duplicated_effects"], 0, "{name}");
        let checks = if name == "clocks" { 11 } else { 10 };
        assert!(report["checks"].as_array().is_some_and(|all| all.len() == checks), "{name}");
        let page = std::fs::read_to_string(way.folder.join(name).join("report.html")).unwrap();
        assert!(page.contains("Passed"), "{name}");
    });
}

/// The scenario whose faults a variant needs to be wrong.
fn shows(variant: &str) -> &'static str {
    if variant == "wall-clock-wins" { "clocks" } else { "backend-database" }
}

/// That scenario, without the checks of the system's own: they would be asked again for as long as they may take, and never find what they must.
/// Clients go on for a while in their place.
fn shown(way: &Way, variant: &str) -> PathBuf {
    let file = scenarios().join(format!("{}.yaml", shows(variant)));
    let mut text = std::fs::read_to_string(file).unwrap();
    for (own, other) in [
        ("{ runbook: consistency }", "{ wait: 8s }"),
        ("{ runbook: recovery-report }", "{ wait: 10ms }"),
    ] {
        assert!(text.contains(own), "{own}");
        text = text.replace(own, other);
    }
    let copy = way.folder.join(format!("{variant}.yaml"));
    std::fs::write(&copy, text).unwrap();
    copy
}

/// The workload whose check is for a variant.
fn catches(variant: &str) -> &'static [&'static str] {
    match variant {
        "ack-before-durable" => &["markers", "sets", "queue"],
        "duplicate-effects" => &["queue"],
        "duplicate-ids" => &["ids"],
        "nonatomic-counter" => &["counters"],
        "version-gaps" => &["documents"],
        "no-fencing" => &["leaders"],
        "lost-update" => &["lists"],
        "orphans" => &["references"],
        "wall-clock-wins" => &["records"],
        // Whatever is read may be old.
        "stale-reads" => &["registers", "counters", "sets"],
        // `nonlinear-register`.
        _ => &["registers"],
    }
}

#[test]
fn every_variant_that_is_wrong_on_purpose_is_caught_by_the_check_that_is_for_it() {
    let Some(way) = way("variants") else { return };
    all(&VARIANTS, |variant| {
        let (file, network) = (shown(&way, variant), scenarios().join("../visapi/network.yaml"));
        let mut run = command_of(&way, variant, &file, &short(shows(variant)));
        run.arg("--network").arg(network).args(["--variant", variant]);
        let ran = run.output().unwrap();
        assert_eq!(ran.status.code(), Some(1), "{variant}: {}", told(&ran));
        let report = report(&way, variant);
        let checks = report["checks"].as_array().cloned().unwrap_or_default();
        let caught = checks.iter().any(|check| {
            let name = check["name"].as_str().unwrap_or_default();
            check["verdict"] == "failed"
                && catches(variant).iter().any(|own| name.starts_with(&format!("{own}: ")))
        });
        assert!(caught, "{variant}: {checks:#?}");
    });
}

#[test]
fn a_server_that_dies_for_another_reason_is_a_real_incident_and_the_run_is_broken_off() {
    let Some(way) = way("incident") else { return };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mark = Mark::new("incident");
    let run = mark.put(command(&way, "run", "backend-database", &[]));
    let run = Stays::start(run);
    run.until("cut is on");
    let all = mark.all();
    let server = all.iter().find(|(_, line)| {
        line.split_whitespace().next().is_some_and(|word| word.ends_with("/postgres"))
    });
    let (number, _) = server.unwrap_or_else(|| panic!("{all:#?}"));
    assert!(Command::new("kill").args(["-KILL", &number.to_string()]).status().unwrap().success());
    run.until(
        "broken off: a real incident, which no fault of this experiment is: postgres ended by itself",
    );
    run.until("nothing is left of faults");
    run.until("verdict: unknown");
    run.until("report: ");
    let report = report(&way, "run");
    assert_eq!(report["run"]["end"]["how"], "aborted", "{report}");
    mark.gone();
}

#[test]
fn what_is_missing_is_told_with_what_to_do_and_nothing_is_begun() {
    let folder = std::env::temp_dir().join(format!("netwright-alone-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let alone = folder.join("netwright");
    std::fs::copy(env!("CARGO_BIN_EXE_netwright"), &alone).unwrap();
    let file = scenarios().join("backend-database.yaml");
    let ran =
        Command::new(&alone).args(["gameday", "run"]).arg(&file).current_dir(&folder).output();
    let ran = ran.unwrap();
    assert_eq!(ran.status.code(), Some(2), "{}", told(&ran));
    let said = text(&ran.stderr);
    assert!(said.contains("visapi") && said.contains("cargo build"), "{said}");
    let run = |variant: &str| {
        let mut plan = Command::new(env!("CARGO_BIN_EXE_netwright"));
        text(
            &plan
                .args(["gameday", "plan"])
                .arg(&file)
                .args(["--variant", variant])
                .output()
                .unwrap()
                .stderr,
        )
    };
    assert!(run("no-fensing").contains("did you mean `no-fencing`?"), "{}", run("no-fensing"));
    std::fs::remove_dir_all(&folder).unwrap();
}
