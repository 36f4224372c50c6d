//! The runbook's commands, in its order, as it writes them.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::client::{self, USER, get, post, until, with};
use crate::deployment::Deployment;

#[test]
fn every_command_of_the_runbook_is_answered_as_it_expects() {
    let Some(all) = Deployment::whole() else { return };
    let at = all.system.addresses.gateway;
    let frontend = all.system.addresses.frontend;
    before(&all);
    during(&all);
    after(&all);

    // Partition-specific recovery: the frontend's cache, the purge, its health.
    for (path, body) in
        [("/api/cache/clear", ""), ("/v1/purge", "{\"domain\": \"app.visanet.app\"}")]
    {
        with(frontend, "POST", path, body, &[]).unwrap().is(401);
        let token = format!("Authorization: Bearer {USER}");
        with(frontend, "POST", path, body, &[&token]).unwrap().is(200);
    }
    assert_eq!(get(frontend, "/api/health").is(200).json()["gateway"]["status"], "healthy");

    // Operators' commands ask for the operators' key.
    let user = format!("X-API-Key: {USER}");
    for path in ["reset-pools", "replay-wal", "reset-stuck-connections"] {
        let path = format!("/api/v1/database/{path}");
        assert_eq!(with(at, "POST", &path, "", &[&user]).unwrap().status, 401, "{path}");
        post(at, &path, "{\"from_timestamp\": \"20m ago\"}").is(200);
    }
    assert_eq!(
        post(at, "/api/v1/database/reset-pools", "").is(200).json()["database"],
        "connected"
    );
    let invalidated = post(at, "/api/v1/cache/invalidate-all", "").is(200).json();
    assert_eq!(invalidated["peers"][0]["invalidated"], true, "{invalidated}");
    let asked = get(at, "/api/v1/consensus/status").json();
    let forced = post(at, "/api/v1/consensus/force-election", "").is(200).json();
    assert!(forced["epoch"].as_i64() > asked["epoch"].as_i64(), "{asked} {forced}");
    until("somebody leads again, in a later epoch", Duration::from_secs(8), || {
        let now = get(at, "/api/v1/consensus/status").json();
        now["verdict"] == "led" && now["epoch"].as_i64() > forced["epoch"].as_i64()
    });
    assert_eq!(post(at, "/api/v1/database/pool", "{\"size\": 50}").is(200).json()["size"], 50);
}

fn before(all: &Deployment) {
    let at = all.system.addresses.gateway;
    let key = format!("X-API-Key: {USER}");
    let snapshot = with(at, "GET", "/api/v1/system/snapshot", "", &[&key]).unwrap().is(200).json();
    assert_eq!(snapshot["complete"], true, "{snapshot}");
    assert_eq!(with(at, "GET", "/api/v1/system/snapshot", "", &[]).unwrap().status, 401);
    for i in 1..=5 {
        let body =
            format!("{{\"id\": \"pre-partition-{i}\", \"timestamp\": \"2026-01-01T00:00:0{i}Z\"}}");
        with(at, "POST", "/api/v1/test/marker", &body, &[&key]).unwrap().is(201);
    }
    let metrics = with(at, "GET", "/api/metrics", "", &[]).unwrap().is(200).text;
    for name in ["db_pool_size 8", "db_connection_up 1", "error_rate{component=\"database\"} 0"] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
}

fn during(all: &Deployment) {
    let at = all.system.addresses.gateway;
    until("every process is seen", Duration::from_secs(8), || {
        get(at, "/api/v1/network/partition-status").is(200).json()["status"] == "connected"
    });
    // The runbook asks this without a key.
    until("somebody leads", Duration::from_secs(8), || {
        let status = with(at, "GET", "/api/v1/consensus/status", "", &[]).unwrap().is(200).json();
        status["verdict"] == "led" && status["split_brain"] == false
    });
    for i in 1..=10 {
        let body = format!("{{\"id\": \"partition-test-{i}\", \"timestamp\": \"now\"}}");
        post(at, "/api/v1/test/write", &body).is(201);
    }
    let asked = "{\"check_type\": \"split_brain\", \"time_range\": \"5m\"}";
    let report = post(at, "/api/v1/test/consistency-report", asked).is(200).json();
    assert_eq!(report["verdict"], "consistent", "{report}");
    post(at, "/api/v1/test/consistency-report", "{\"check_type\": \"luck\"}").is(400);
    for i in 0..20 {
        post(
            at,
            "/api/v1/queue/jobs",
            &format!("{{\"id\": \"job-{i}\", \"payload\": {{\"n\": {i}}}}}"),
        )
        .is(201);
    }
    post(at, "/api/v1/queue/jobs", "{\"id\": \"poison\", \"payload\": {\"fail\": 99}}").is(201);
    until(
        "every job is done, and the one that always fails is given up",
        Duration::from_secs(8),
        || {
            let state =
                |id: &str| get(at, &format!("/api/v1/queue/jobs/{id}")).json()["state"].clone();
            state("poison") == "dead" && (0..20).all(|i| state(&format!("job-{i}")) == "done")
        },
    );
    let effects = get(at, "/api/v1/queue/effects").json()["effects"].as_array().map(Vec::len);
    assert_eq!(effects, Some(20));
}

fn after(all: &Deployment) {
    let at = all.system.addresses.gateway;
    let split = get(at, "/api/v1/consistency/split-brain-detect").is(200).json();
    assert_eq!(split["verdict"], "none", "{split}");
    let merge = "{\"strategy\": \"timestamp_based\", \"dry_run\": false}";
    assert_eq!(post(at, "/api/v1/queue/merge-split-brain", merge).is(200).json()["dry_run"], false);
    post(at, "/api/v1/queue/merge-split-brain", "{\"strategy\": \"a coin\"}").is(400);
    let reconcile = "{\"strategy\": \"last_write_wins\", \"audit\": true}";
    assert_eq!(post(at, "/api/v1/database/reconcile", reconcile).is(200).json()["audit"], true);
    let matrix = get(at, "/api/v1/system/connectivity-matrix").is(200).json();
    assert_eq!(matrix["all_connected"], true, "{matrix}");
    for link in ["/gateway/links/database", "/worker/links/queue", "/frontend/links/gateway"] {
        let status = matrix["matrix"].pointer(&format!("{link}/status"));
        assert_eq!(status, Some(&Value::from("up")), "{link}: {matrix}");
    }
    for i in 1..=5 {
        let marker = get(at, &format!("/api/v1/test/marker/pre-partition-{i}")).is(200).json();
        assert_eq!(marker["body"]["id"], format!("pre-partition-{i}"));
    }
    let report = "{\"partition_start\": \"15m ago\", \"include_metrics\": true}";
    let report = post(at, "/api/v1/reports/partition-recovery", report).is(200).json();
    assert_eq!(report["verdict"], "recovered", "{report}");

    // The runbook's SQL, by psql.
    for statement in [
        "SELECT * FROM find_orphaned_records();",
        "SELECT * FROM verify_sequences();",
        "SELECT * FROM verify_foreign_keys();",
        "SELECT * FROM detect_conflicts('2026-01-01 00:00'::timestamp);",
        "SELECT * FROM detect_duplicate_jobs('partition_window') WHERE what = 'effect';",
        "SELECT * FROM consistency_check() WHERE verdict <> 'ok';",
        "SELECT * FROM full_consistency_check() WHERE verdict <> 'ok';",
    ] {
        assert_eq!(all.psql("postgres", statement), "", "{statement}");
    }
    assert_eq!(all.psql("postgres", "SELECT count(*) FROM full_consistency_check();"), "9\n");
}

#[test]
fn what_workloads_need_is_there_and_a_key_does_a_thing_once() {
    let Some(all) = Deployment::servers() else { return };
    let gateway = all.gateway_of("workloads", None);
    let at = gateway.at;
    let put = |path: &str, body: &str| client::ask(at, "PUT", path, body);
    assert_eq!(get(at, "/api/v1/registers/r").json()["value"], Value::Null);
    post(at, "/api/v1/registers/r/cas", "{\"expected\": null, \"new\": 1}").is(200);
    post(at, "/api/v1/registers/r/cas", "{\"expected\": 7, \"new\": 2}").is(409);
    put("/api/v1/registers/r", "{\"value\": 3}").is(200);
    assert_eq!(get(at, "/api/v1/registers/r").json()["value"], 3);
    let steps =
        "{\"operations\": [[\"append\", \"x\", 1], [\"r\", \"x\", null], [\"append\", \"y\", 2]]}";
    let answer = post(at, "/api/v1/lists/transactions", steps).is(200).json();
    assert_eq!(answer["operations"][1], serde_json::json!(["r", "x", [1]]));
    post(at, "/api/v1/lists/transactions", "{\"operations\": [[\"pop\", \"x\", 1]]}").is(400);
    post(at, "/api/v1/sets/s", "{\"element\": 5}").is(201);
    assert_eq!(get(at, "/api/v1/sets/s").json()["elements"], serde_json::json!([5]));
    post(at, "/api/v1/documents/d", "").is(405);
    put("/api/v1/documents/d", "{\"a\": 1}").is(201);
    put("/api/v1/documents/d", "{\"a\": 2}").is(200);
    assert_eq!(
        get(at, "/api/v1/documents/d/versions").json()["versions"],
        serde_json::json!([1, 2])
    );
    // A leader, another one who is not, and one whose time is over.
    let lead =
        |node: &str| post(at, "/api/v1/consensus/lead", &format!("{{\"node\": \"{node}\"}}"));
    let epoch = lead("a").is(200).json()["epoch"].clone();
    lead("b").is(409);
    let act = |node: &str| {
        post(
            at,
            "/api/v1/consensus/act",
            &format!("{{\"node\": \"{node}\", \"epoch\": {epoch}, \"what\": \"w\"}}"),
        )
    };
    act("a").is(201);
    act("b").is(409);
    post(at, "/api/v1/consensus/force-election", "{\"election\": \"workload\"}").is(200);
    act("a").is(409);
    // The same key is the same request.
    let add = |key| client::keyed(at, "/api/v1/counters/c", "{\"add\": 2}", key).unwrap();
    assert_eq!(add("one").is(200).json()["value"], 2);
    assert_eq!(add("one").is(200).json()["replayed"], true);
    assert_eq!(add("two").is(200).json()["value"], 4);
    client::keyed(at, "/api/v1/counters/c", "{\"add\": 3}", "one").unwrap().is(422);
    // What is wrong is told, and does no harm.
    for (path, body) in [
        ("/api/v1/test/write", "not json"),
        ("/api/v1/test/write", "{}"),
        ("/api/v1/test/write", "{\"id\": \"\"}"),
        ("/api/v1/counters/c", "{\"add\": \"many\"}"),
        ("/api/v1/counters/c", "{\"add\": 1e99}"),
        (
            "/api/v1/queue/import",
            "{\"version\": 1, \"exported_at\": \"\", \"count\": 2, \"jobs\": []}",
        ),
        ("/api/v1/database/replay-wal", "{\"from_timestamp\": \"soon\"}"),
    ] {
        let answer = post(at, path, body).is(400).json();
        assert!(answer["error"]["message"].as_str().is_some_and(|why| !why.is_empty()), "{answer}");
    }
    client::keyed(at, "/api/v1/counters/c", "{\"add\": 9223372036854775807}", "huge")
        .unwrap()
        .is(400);
    get(at, "/api/v1/nothing").is(404);
    a_clock_that_goes_back_makes_no_later_write_lose(at);
    let check = get(at, "/api/v1/consistency/check?full=true").json();
    assert_eq!(check["verdict"], "consistent", "{check}");
}

fn a_clock_that_goes_back_makes_no_later_write_lose(at: SocketAddr) {
    let write = |side: &str| {
        let body = format!("{{\"id\": \"clock\", \"side\": \"{side}\"}}");
        post(at, "/api/v1/test/write", &body)
    };
    let wrong = |text: &str| post(at, "/api/v1/test/clock", text);
    let told = wrong("{\"offset_ms\": 300000, \"for_ms\": 600000}").is(200).json();
    assert_eq!((&told["before_ms"], &told["offset_ms"]), (&0.into(), &300_000.into()), "{told}");
    let ahead = write("ahead").is(201).json();
    wrong("{\"offset_ms\": 300000, \"for_ms\": 1}").is(200);
    until("the clock is right again by itself", Duration::from_secs(30), || {
        get(at, "/api/v1/test/clock").json()["offset_ms"] == 0
    });
    let after = write("after").is(200).json();
    assert!(after["hlc"].as_i64() > ahead["hlc"].as_i64(), "{ahead} {after}");
    assert_eq!(get(at, "/api/v1/test/write/clock").json()["body"]["side"], "after");
    // By wall clocks the later write would have lost to the earlier.
    let conflicts = "{\"check_type\": \"conflicts\", \"time_range\": \"1h\"}";
    let report = post(at, "/api/v1/test/consistency-report", conflicts).is(200).json();
    assert_eq!(report["findings"]["conflicts"].as_array().map(Vec::len), Some(0), "{report}");
    wrong("{\"offset_ms\": 864000000}").is(400);
}
