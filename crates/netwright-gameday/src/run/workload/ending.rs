//! What is read when all is over: what became of everything that was written.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use serde_json::{Value, json};

use super::History;
use super::client::Client;
use super::kinds::{KEYS, Kind};
use crate::language::Operations;

/// How long jobs may take to be done when nothing is broken any more.
const DONE: Duration = Duration::from_secs(60);

/// Reads what there is to read of a kind, after so many requests.
pub(super) fn read(
    kind: &Kind,
    client: &Client<'_>,
    history: &History,
    count: u64,
) -> Result<(), String> {
    let run = &kind.run;
    match kind.what {
        Operations::Markers => {
            let of = |number| {
                (json!(kind.id(number)), format!("/api/v1/test/marker/{}", kind.id(number)))
            };
            each(client, history, (0..count).map(of))
        }
        Operations::Sets => {
            one(client, history, (None, &format!("/api/v1/sets/{run}"), "/elements"))
        }
        Operations::Counters => {
            one(client, history, (None, &format!("/api/v1/counters/{run}"), "/value"))
        }
        Operations::Registers => (0..KEYS).try_for_each(|key| {
            let path = format!("/api/v1/registers/{run}-{key}");
            one(client, history, (Some(json!(key)), &path, "/value"))
        }),
        Operations::Records => (0..KEYS).try_for_each(|key| {
            let path = format!("/api/v1/test/write/{}", kind.record(key));
            one(client, history, (Some(json!(key)), &path, "/body/value"))
        }),
        Operations::Lists => lists(run, client, history),
        Operations::Queue => queue(client, history),
        Operations::References => references(kind, client, history, count),
        Operations::Ids | Operations::Documents | Operations::Leaders => Ok(()),
    }
}

/// Reads each of several things: those that are there are one read of the set.
pub(super) fn each(
    client: &Client<'_>,
    history: &History,
    all: impl Iterator<Item = (Value, String)>,
) -> Result<(), String> {
    let process = history.begin("read", None, None);
    let mut there = Vec::new();
    for (value, path) in all {
        match client.last(&path) {
            Ok(Some(_)) => there.push(value),
            Ok(None) => {}
            Err(why) => {
                history.end(process, ("info", "read"), (None, None), &why);
                return Err(why);
            }
        }
    }
    history.end(process, ("ok", "read"), (None, Some(&there.into())), "");
    Ok(())
}

/// Reads one thing: what its answer has at a place.
fn one(
    client: &Client<'_>,
    history: &History,
    (key, path, place): (Option<Value>, &str, &str),
) -> Result<(), String> {
    let process = history.begin("read", key.as_ref(), None);
    match client.last(path) {
        Ok(value) => {
            let value = value.and_then(|value| value.pointer(place).cloned()).unwrap_or_default();
            history.end(process, ("ok", "read"), (key.as_ref(), Some(&value)), "");
            Ok(())
        }
        Err(why) => {
            history.end(process, ("info", "read"), (key.as_ref(), None), &why);
            Err(why)
        }
    }
}

fn lists(run: &str, client: &Client<'_>, history: &History) -> Result<(), String> {
    for key in 0..KEYS {
        let list = format!("{run}-{key}");
        let asked = json!([["r", list, null]]);
        let process = history.begin("txn", None, Some(&asked));
        match client.last(&format!("/api/v1/lists/{list}")) {
            Ok(value) => {
                let held = value.map(|value| value["elements"].clone()).unwrap_or_default();
                let seen = json!([["r", list, held]]);
                history.end(process, ("ok", "txn"), (None, Some(&seen)), "");
            }
            Err(why) => {
                history.end(process, ("info", "txn"), (None, None), &why);
                return Err(why);
            }
        }
    }
    Ok(())
}

/// Everything that comes after the number of what came before, page by page.
fn pages(client: &Client<'_>, path: &str, field: &str) -> Result<Vec<Value>, String> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all.last().and_then(|row| row["seq"].as_i64()).unwrap_or(0);
        let page = client.last(&format!("{path}?after={after}"))?.unwrap_or_default();
        match page[field].as_array() {
            Some(rows) if !rows.is_empty() => all.extend(rows.iter().cloned()),
            _ => return Ok(all),
        }
    }
}

/// Waits until every job that was acknowledged is done, or long enough; then tells how often each was given out and had its effect.
fn queue(client: &Client<'_>, history: &History) -> Result<(), String> {
    let acknowledged = history.acknowledged();
    let begun = Instant::now();
    let effects = loop {
        let effects = pages(client, "/api/v1/queue/effects", "effects")?;
        let done: BTreeSet<&str> =
            effects.iter().filter_map(|row| row["job_id"].as_str()).collect();
        let all = acknowledged.iter().all(|id| done.contains(id.as_str()));
        if all || begun.elapsed() > DONE {
            break effects;
        }
        pause(Duration::from_millis(200));
    };
    let deliveries = pages(client, "/api/v1/queue/deliveries", "deliveries")?;
    for (f, rows) in [("dequeue", &deliveries), ("effect", &effects)] {
        for row in rows {
            history.tell(f, None, &row["job_id"]);
        }
    }
    Ok(())
}

/// The documents that there are, and all versions with the document that each is of.
fn references(
    kind: &Kind,
    client: &Client<'_>,
    history: &History,
    count: u64,
) -> Result<(), String> {
    let (mut documents, mut versions) = (Vec::new(), Vec::new());
    for place in 0..count.div_ceil(2) {
        let id = kind.id(place);
        let Some(held) = client.last(&format!("/api/v1/documents/{id}/versions"))? else {
            continue;
        };
        if held["document"] == true {
            documents.push(json!({ "id": id }));
        }
        let own = held["versions"].as_array().into_iter().flatten();
        versions.extend(own.map(|version| json!({ "document": id, "version": version })));
    }
    for (table, rows) in [("documents", documents), ("versions", versions)] {
        history.tell("rows", Some(&json!(table)), &rows.into());
    }
    let key = json!({ "table": "versions", "column": "document", "references": "documents" });
    history.tell("foreign-key", None, &key);
    Ok(())
}
