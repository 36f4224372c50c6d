//! Every broken variant is caught, and the one that is not broken passes the same.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::{ask, get, post};
use crate::deployment::{Deployment, Gateway};

/// Clients of a workload that ask at once, and how often each asks.
const CLIENTS: usize = 6;
const TIMES: usize = 4;

/// What a workload found wrong; nothing is good.
type Wrong = Vec<String>;
type Workload = fn(&mut Gateway) -> Wrong;

/// Each variant, with the workload that catches it.
const WORKLOADS: [(&str, Workload); 11] = [
    ("ack-before-durable", acknowledged_elements_are_there_after_a_kill),
    ("stale-reads", a_read_gives_what_was_written_before_it),
    ("duplicate-effects", every_job_is_taken_once),
    ("duplicate-ids", ids_are_given_once),
    ("nonatomic-counter", a_counter_is_the_sum),
    ("version-gaps", versions_have_no_gap),
    ("no-fencing", one_leads),
    ("nonlinear-register", one_of_several_swaps_succeeds),
    ("lost-update", appended_elements_are_there),
    ("orphans", a_document_goes_with_its_versions),
    ("wall-clock-wins", who_writes_last_wins_though_the_clock_went_back),
];

/// Asks by several clients at once; the answers of each.
fn at_once(at: SocketAddr, of: impl Fn(SocketAddr, usize, usize) -> Value + Sync) -> Vec<Value> {
    std::thread::scope(|scope| {
        let client = |client| {
            let of = &of;
            scope.spawn(move || (0..TIMES).map(|time| of(at, client, time)).collect::<Vec<_>>())
        };
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        clients.into_iter().flat_map(|one| one.join().expect("a client ends")).collect()
    })
}

/// What the database's own check says of these.
fn by_sql(at: SocketAddr, names: &[&str]) -> Wrong {
    let check = get(at, "/api/v1/consistency/check?full=true").is(200).json();
    let checks = check["checks"].as_array().expect("checks");
    let wrong = |name: &&&str| {
        checks.iter().any(|one| one["check_name"] == **name && one["verdict"] != "ok")
    };
    names.iter().filter(wrong).map(|name| (*name).to_owned()).collect()
}

fn twice<T: Ord + Clone>(all: &[T]) -> bool {
    all.iter().cloned().collect::<BTreeSet<T>>().len() < all.len()
}

fn acknowledged_elements_are_there_after_a_kill(gateway: &mut Gateway) -> Wrong {
    let told = (0..20).filter(|n| {
        post(gateway.at, "/api/v1/sets/s", &format!("{{\"element\": {n}}}")).status < 300
    });
    let acknowledged: Vec<i64> = told.collect();
    gateway.killed_and_started();
    let held = get(gateway.at, "/api/v1/sets/s").json();
    let lost = acknowledged
        .iter()
        .filter(|n| !held["elements"].as_array().is_some_and(|all| all.contains(&json!(n))));
    lost.map(|n| format!("{n} was acknowledged and is lost")).collect()
}

fn a_read_gives_what_was_written_before_it(gateway: &mut Gateway) -> Wrong {
    let mut wrong = Wrong::new();
    for value in 1..5 {
        ask(gateway.at, "PUT", "/api/v1/registers/stale", &format!("{{\"value\": {value}}}"))
            .is(200);
        let read = get(gateway.at, "/api/v1/registers/stale");
        if !read.is_marked_stale() && read.json()["value"] != value {
            wrong.push(format!("{value} was written, and {} read", read.json()["value"]));
        }
    }
    wrong
}

fn every_job_is_taken_once(gateway: &mut Gateway) -> Wrong {
    for n in 0..CLIENTS * TIMES {
        post(
            gateway.at,
            "/api/v1/queue/jobs",
            &format!("{{\"id\": \"t{n}\", \"queue\": \"own\"}}"),
        )
        .is(201);
    }
    let taken = at_once(gateway.at, |at, _, _| {
        post(at, "/api/v1/queue/take", "{\"queue\": \"own\"}").json()["id"].clone()
    });
    let ids: Vec<&str> = taken.iter().filter_map(Value::as_str).collect();
    let mut wrong = by_sql(gateway.at, &["duplicate_effects"]);
    if twice(&ids) {
        wrong.push("a job was taken twice".to_owned());
    }
    wrong
}

fn ids_are_given_once(gateway: &mut Gateway) -> Wrong {
    let ids = at_once(gateway.at, |at, _, _| post(at, "/api/v1/ids", "").json()["id"].clone());
    let ids: Vec<i64> = ids.iter().filter_map(Value::as_i64).collect();
    let mut wrong = by_sql(gateway.at, &["duplicate_ids"]);
    if twice(&ids) {
        wrong.push("an id was given twice".to_owned());
    }
    wrong
}

fn a_counter_is_the_sum(gateway: &mut Gateway) -> Wrong {
    at_once(gateway.at, |at, _, _| {
        json!(post(at, "/api/v1/counters/sum", "{\"add\": 1}").is(200).status)
    });
    by_sql(gateway.at, &["sums"])
}

fn versions_have_no_gap(gateway: &mut Gateway) -> Wrong {
    for id in ["one", "two", "one", "two"] {
        ask(gateway.at, "PUT", &format!("/api/v1/documents/{id}"), "{}");
    }
    by_sql(gateway.at, &["versions"])
}

fn one_leads(gateway: &mut Gateway) -> Wrong {
    for node in ["left", "right"] {
        let lead =
            post(gateway.at, "/api/v1/consensus/lead", &format!("{{\"node\": \"{node}\"}}")).json();
        let act = json!({ "node": node, "epoch": lead["epoch"], "what": node });
        post(gateway.at, "/api/v1/consensus/act", &act.to_string());
    }
    by_sql(gateway.at, &["split_brain"])
}

fn one_of_several_swaps_succeeds(gateway: &mut Gateway) -> Wrong {
    let mut wrong = Wrong::new();
    for time in 0..TIMES {
        let path = format!("/api/v1/registers/swap-{time}/cas");
        let told = std::thread::scope(|scope| {
            let swap = |client: usize| {
                let (at, path) = (gateway.at, &path);
                scope.spawn(move || {
                    post(at, path, &format!("{{\"expected\": null, \"new\": {client}}}")).status
                })
            };
            let clients: Vec<_> = (0..CLIENTS).map(swap).collect();
            clients
                .into_iter()
                .map(|one| one.join().expect("a client ends"))
                .filter(|status| *status == 200)
                .count()
        });
        if told != 1 {
            wrong.push(format!("{told} of {CLIENTS} swapped the same value"));
        }
    }
    wrong
}

fn appended_elements_are_there(gateway: &mut Gateway) -> Wrong {
    at_once(gateway.at, |at, client, time| {
        let element = client * 100 + time;
        let steps = json!({ "operations": [["r", "log", null], ["append", "log", element]] });
        json!(post(at, "/api/v1/lists/transactions", &steps.to_string()).status)
    });
    by_sql(gateway.at, &["sums"])
}

fn a_document_goes_with_its_versions(gateway: &mut Gateway) -> Wrong {
    ask(gateway.at, "PUT", "/api/v1/documents/gone", "{}").is(201);
    ask(gateway.at, "DELETE", "/api/v1/documents/gone", "").is(200);
    by_sql(gateway.at, &["orphans", "foreign_keys"])
}

fn who_writes_last_wins_though_the_clock_went_back(gateway: &mut Gateway) -> Wrong {
    for (ahead, value) in [(300_000, 1), (0, 2)] {
        let clock = format!("{{\"offset_ms\": {ahead}}}");
        post(gateway.at, "/api/v1/test/clock", &clock).is(200);
        let body = json!({ "id": "last", "value": value });
        post(gateway.at, "/api/v1/test/write", &body.to_string());
    }
    let held = get(gateway.at, "/api/v1/test/write/last").json();
    match held["body"]["value"].as_i64() {
        Some(2) => Wrong::new(),
        other => vec![format!("2 was written last, and {other:?} is there")],
    }
}

#[test]
fn each_broken_variant_is_caught_and_the_right_one_passes_the_same() {
    let Some(all) = Deployment::servers() else { return };
    let mut right = all.gateway_of("correct", None);
    for (name, workload) in WORKLOADS {
        assert_eq!(workload(&mut right), Wrong::new(), "the right one fails what catches {name}");
    }
    assert_eq!(
        get(right.at, "/api/v1/consistency/check?full=true").json()["verdict"],
        "consistent"
    );
    drop(right);
    std::thread::scope(|scope| {
        for some in WORKLOADS.chunks(4) {
            let all = &all;
            scope.spawn(move || {
                for (name, workload) in some {
                    let mut gateway = all.gateway_of(&name.replace('-', "_"), Some(name));
                    assert_ne!(workload(&mut gateway), Wrong::new(), "{name} is not caught");
                    let live = get(gateway.at, "/api/v1/consensus/status");
                    assert!(live.head.contains(name), "{name} says what it is: {}", live.head);
                }
            });
        }
    });
}

#[test]
fn nothing_is_broken_by_mistake() {
    let ran = Command::new(env!("CARGO_BIN_EXE_visapi"))
        .args([
            "gateway",
            "--database-url",
            "postgres://x@127.0.0.1:1/x",
            "--redis-url",
            "redis://127.0.0.1:1/0",
        ])
        .args(["--broken", "no-fencing", "--data", "/nonexistent"])
        .output()
        .unwrap();
    assert!(!ran.status.success());
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("--yes-break-it"), "{said}");
}
