//! Whether all fits together.

use axum::body::Bytes;
use axum::extract::{Query as Parameters, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::queue::divergence;
use super::recovery::peers_journals;
use super::{Answer, Here, body};
use crate::clock::written;
use crate::http;
use crate::node::Node;
use crate::trouble::Trouble;
use crate::when;

/// The most rows of a finding that are listed.
const LISTED: i64 = 200;

/// What is looked for.
const KINDS: [&str; 9] = [
    "split_brain",
    "lost_writes",
    "orphans",
    "foreign_keys",
    "sequences",
    "duplicate_jobs",
    "duplicate_ids",
    "sums",
    "conflicts",
];

/// The statement that finds it: a row for each that is wrong. `$1` is since when, in milliseconds since 1970.
fn statement(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "split_brain" => "select to_jsonb(x) from detect_split_brain(to_timestamp($1::float8 / 1000)) x limit $2",
        "lost_writes" => "select to_jsonb(x) from find_lost_writes() x where answered_at >= to_timestamp($1::float8 / 1000) limit $2",
        "orphans" => "select to_jsonb(x) from find_orphaned_records() x where $1::float8 is not null limit $2",
        "foreign_keys" => "select to_jsonb(x) from verify_foreign_keys() x where $1::float8 is not null limit $2",
        "sequences" => "select to_jsonb(x) from verify_sequences() x where $1::float8 is not null limit $2",
        "duplicate_jobs" => {
            "select to_jsonb(x) from detect_duplicate_jobs((extract(epoch from clock_timestamp()) - $1::float8 / 1000)::bigint || 's') x
                where what = 'effect' limit $2"
        }
        "duplicate_ids" => "select to_jsonb(x) from find_duplicate_ids() x where $1::float8 is not null limit $2",
        "sums" => "select to_jsonb(x) from find_wrong_sums() x where $1::float8 is not null limit $2",
        "conflicts" => "select to_jsonb(x) from detect_conflicts(to_timestamp($1::float8 / 1000)) x limit $2",
        _ => return None,
    })
}

/// What is wrong of a kind since then.
pub(super) async fn find(node: &Node, kind: &str, since: u64) -> Result<Vec<Value>, Trouble> {
    let odd = || Trouble::wrong(format!("`{kind}` is not checked: there are {}", KINDS.join(", ")));
    let statement = statement(kind).ok_or_else(odd)?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^52")]
    let since = since as f64;
    let mut lease = node.database.lease().await?;
    let result = lease.session()?.rows(statement, &[&since, &LISTED]).await;
    Ok(lease.settle(result)?.iter().map(|row| row.get(0)).collect())
}

#[derive(Debug, Deserialize)]
struct Report {
    #[serde(default = "all")]
    check_type: String,
    #[serde(default = "hour")]
    time_range: String,
}

fn all() -> String {
    "all".to_owned()
}

fn hour() -> String {
    "1h".to_owned()
}

/// The runbook's consistency report: of one kind, or of all.
pub(super) async fn report(State(node): Here, text: Bytes) -> Answer {
    let Report { check_type, time_range } = body(&text)?;
    let since = when::moment(&time_range, node.clock.wall()).map_err(Trouble::wrong)?;
    let kinds: Vec<&str> = if check_type == "all" { KINDS.to_vec() } else { vec![&check_type] };
    let mut findings = serde_json::Map::new();
    let mut wrong = 0;
    for kind in kinds {
        let found = find(&node, kind, since).await?;
        // Conflicts were decided, and their losers kept: they are told, and are not wrong.
        wrong += if kind == "conflicts" { 0 } else { found.len() };
        findings.insert(kind.to_owned(), json!(found));
    }
    let verdict = if wrong == 0 { "consistent" } else { "violated" };
    let body = json!({
        "check_type": check_type,
        "since": written(since),
        "verdict": verdict,
        "violations": wrong,
        "findings": findings,
        "journal_pending": node.journal.size().0,
    });
    Ok(http::json(200, &body))
}

#[derive(Debug, Deserialize)]
pub(super) struct Checking {
    #[serde(default)]
    full: bool,
}

/// The database's own check, as `consistency_check()` and `full_consistency_check()` give it.
pub(super) async fn check(State(node): Here, Parameters(how): Parameters<Checking>) -> Answer {
    let checks = checks(&node, how.full).await?;
    let fine = checks.iter().all(|check| check["verdict"] == "ok");
    let verdict = if fine { "consistent" } else { "violated" };
    Ok(http::json(200, &json!({ "verdict": verdict, "checks": checks })))
}

/// One row for each check.
pub(super) async fn checks(node: &Node, full: bool) -> Result<Vec<Value>, Trouble> {
    let select = if full {
        "select to_jsonb(c) from full_consistency_check() c"
    } else {
        "select to_jsonb(c) from consistency_check() c"
    };
    let mut lease = node.database.lease().await?;
    let result = lease.session()?.rows(select, &[]).await;
    Ok(lease.settle(result)?.iter().map(|row| row.get(0)).collect())
}

/// Who is on which side: leaders, views of the queue, journals with writes that others do not see, and records that were written twice.
pub(super) async fn split_brain(State(node): Here) -> Answer {
    let since = node.clock.wall().saturating_sub(60 * 60 * 1000);
    let told = |result: Result<Value, Trouble>| {
        result.unwrap_or_else(|trouble| json!({ "verdict": "unknown", "why": trouble.why() }))
    };
    let leaders = find(&node, "split_brain", since).await;
    let conflicts = find(&node, "conflicts", since).await;
    let queue = divergence(&node).await;
    let journals = peers_journals(&node).await;
    let mut journals: Vec<Value> = journals
        .into_iter()
        .map(|(name, result)| match result {
            Ok(writes) => json!({ "node": name, "pending": writes.len() }),
            Err(why) => json!({ "node": name, "pending": null, "why": why }),
        })
        .collect();
    journals.insert(0, json!({ "node": node.name, "pending": node.journal.size().0 }));
    let victims: Vec<&Value> =
        journals.iter().filter(|one| one["pending"].as_u64() != Some(0)).collect();
    let (split, verdict) = match &leaders {
        Ok(found) if found.is_empty() => (json!(false), "none"),
        Ok(_) => (json!(true), "split-brain"),
        Err(_) => (Value::Null, "unknown"),
    };
    let body = json!({
        "split_brain": split,
        "verdict": verdict,
        "victims": victims,
        "leadership": told(leaders.map(|found| json!(found))),
        "queue": told(queue),
        "journals": journals,
        "conflicts": told(conflicts.map(|found| json!(found))),
    });
    Ok(http::json(200, &body))
}
