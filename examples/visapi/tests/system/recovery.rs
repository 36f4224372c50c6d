//! What operators do after a cut, by hand, and again.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{get, pause, post, until};
use crate::deployment::Deployment;

#[test]
fn a_queue_is_exported_cleared_and_imported_without_losing_or_repeating_a_job() {
    let Some(all) = Deployment::whole() else { return };
    let at = all.system.addresses.gateway;
    let enqueue =
        |id: &str| post(at, "/api/v1/queue/jobs", &format!("{{\"id\": \"{id}\"}}")).is(201);
    enqueue("done-before");
    until("it is done", Duration::from_secs(8), || {
        get(at, "/api/v1/queue/jobs/done-before").json()["state"] == "done"
    });
    post(at, "/api/v1/workers/scale", "{\"count\": 0}").is(200);
    pause(Duration::from_millis(700));
    for id in ["a", "b"] {
        enqueue(id);
    }
    let export = get(at, "/api/v1/queue/export").is(200);
    assert_eq!(export.json()["count"], 3);
    // One comes after the export, which the runbook would lose.
    enqueue("after-the-export");
    for cleared in [3, 0] {
        assert_eq!(post(at, "/api/v1/queue/clear", "").is(200).json()["cleared"], cleared);
    }
    post(at, "/api/v1/queue/import", &export.text[..export.text.len() / 2]).is(400);
    let dry = post(at, "/api/v1/queue/import?dry_run=true", &export.text).is(200).json();
    assert_eq!(dry["by_action"], json!({ "restore": 2 }));
    for restored in [json!({ "restore": 2 }), json!({})] {
        let import = post(at, "/api/v1/queue/import", &export.text).is(200).json();
        assert_eq!(import["by_action"], restored, "{import}");
        assert_eq!(import["cleared_and_not_in_file"], json!(["after-the-export"]));
    }
    post(at, "/api/v1/queue/import?restore_all=true", &export.text).is(200);
    post(at, "/api/v1/workers/scale", "{\"count\": 2}").is(200);
    until("all are done", Duration::from_secs(8), || {
        all.psql("postgres", "select count(*) from effects") == "4\n"
    });
    let check = get(at, "/api/v1/consistency/check?full=true").json();
    assert_eq!(check["verdict"], "consistent", "{check}");
    records_are_reconciled(&all);
}

fn records_are_reconciled(all: &Deployment) {
    let at = all.system.addresses.gateway;
    let held = post(at, "/api/v1/test/write", "{\"id\": \"r\", \"side\": \"here\"}").is(201).json();
    let hlc = held["hlc"].as_i64().unwrap();
    let write = |id: &str, hlc: i64, side: &str| json!({ "kind": "write", "id": id, "hlc": hlc, "node": "elsewhere", "body": { "side": side } });
    let writes =
        json!([write("r", hlc - 1, "late"), write("r", hlc + 1, "won"), write("new", hlc, "only")]);
    let ask = |dry: bool| {
        let asked = json!({ "strategy": "last_write_wins", "audit": true, "dry_run": dry, "writes": writes });
        let answer = post(at, "/api/v1/database/reconcile", &asked.to_string()).is(200).json();
        ["inserted", "replaced", "late", "same"].map(|name| answer[name].as_u64().unwrap())
    };
    assert_eq!(ask(true), [1, 1, 1, 0], "it says what it would do");
    assert_eq!(get(at, "/api/v1/test/write/r").json()["body"]["side"], "here");
    assert_eq!(ask(false), [1, 1, 1, 0]);
    assert_eq!(ask(false), [0, 0, 1, 2], "a second time changes nothing");
    assert_eq!(get(at, "/api/v1/test/write/r").json()["body"]["side"], "won");
    // Both losers are kept.
    let losers =
        all.psql("postgres", "select body->>'side', reason from record_losers order by hlc");
    assert_eq!(losers, "late|late\nhere|overwritten\n");
    let conflicts = post(at, "/api/v1/test/consistency-report", "{\"check_type\": \"conflicts\"}")
        .is(200)
        .json();
    assert_eq!(conflicts["findings"]["conflicts"].as_array().map(Vec::len), Some(2), "{conflicts}");
    let far = json!({ "writes": [write("r", i64::MAX >> 1, "far")] });
    let refused: Value = post(at, "/api/v1/database/reconcile", &far.to_string()).is(400).json();
    assert!(
        refused["error"]["message"].as_str().is_some_and(|why| why.contains("far ahead")),
        "{refused}"
    );
}
