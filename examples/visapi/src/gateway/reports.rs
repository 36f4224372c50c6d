//! The runbook's report of a partition and of what came after it.

use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::consistency::{checks, find};
use super::{Answer, Here, body};
use crate::clock::written;
use crate::http;
use crate::metrics::COMPONENTS;
use crate::node::Node;
use crate::trouble::Trouble;
use crate::when;

#[derive(Debug, Deserialize)]
struct Report {
    #[serde(default = "quarter")]
    partition_start: String,
    #[serde(default)]
    include_metrics: bool,
}

fn quarter() -> String {
    "15m ago".to_owned()
}

/// What was cut, what it did, what was recovered, and whether all fits together now.
pub(super) async fn partition_recovery(State(node): Here, text: Bytes) -> Answer {
    let Report { partition_start, include_metrics } = body(&text)?;
    let now = node.clock.wall();
    let since = when::moment(&partition_start, now).map_err(Trouble::wrong)?;
    let cuts = cuts(&node, since).await?;
    let open = cuts.iter().any(|cut| cut["ended_at"].is_null());
    let longest = cuts.iter().filter_map(|cut| cut["lasted_ms"].as_i64()).max();
    let detection = cuts.iter().filter_map(|cut| cut["detected_after_ms"].as_i64()).max();
    let checks = checks(&node, true).await?;
    let consistent = checks.iter().all(|check| check["verdict"] == "ok");
    let conflicts = find(&node, "conflicts", since).await?;
    let deliveries = deliveries(&node, since).await?;
    let waiting = node.journal.size().0;
    let verdict = if open || waiting > 0 {
        "recovering"
    } else if consistent {
        "recovered"
    } else {
        "violated"
    };
    let mut report = json!({
        "verdict": verdict,
        "since": written(since),
        "reported_at": written(now),
        "cuts": cuts,
        "slowest_detection_ms": detection,
        "longest_cut_ms": longest,
        "checks": checks,
        "conflicts": conflicts,
        "jobs_given_out_again": deliveries,
        "journal": {
            "pending": waiting,
            "queued_since_start": node.metrics.counted("queued_writes_total"),
            "refused_since_start": node.metrics.counted("journal_refused_total"),
        },
        "stale_reads_since_start": node.metrics.counted("stale_reads_total"),
    });
    if include_metrics && let Some(report) = report.as_object_mut() {
        let rates: Vec<Value> = COMPONENTS
            .iter()
            .map(|component| {
                let (tries, failures) = node.metrics.minute(component);
                json!({ "component": component, "tries": tries, "failures": failures })
            })
            .collect();
        report.insert("last_minute".to_owned(), json!(rates));
    }
    Ok(http::json(200, &report))
}

/// Cuts that were seen, by whom, and for how long.
async fn cuts(node: &Node, since: u64) -> Result<Vec<Value>, Trouble> {
    let select = "select to_jsonb(p) || jsonb_build_object('lasted_ms', (extract(epoch from p.ended_at - p.began_at) * 1000)::bigint)
        from partitions p where coalesce(p.ended_at, clock_timestamp()) >= to_timestamp($1::float8 / 1000) order by p.began_at, p.node, p.link";
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^52")]
    let since = since as f64;
    let mut lease = node.database.lease().await?;
    let result = lease.session()?.rows(select, &[&since]).await;
    Ok(lease.settle(result)?.iter().map(|row| row.get(0)).collect())
}

/// How many jobs were given out more than once: to be expected after a cut, and without harm.
async fn deliveries(node: &Node, since: u64) -> Result<i64, Trouble> {
    let select =
        "select count(*) from (select 1 from deliveries where at >= to_timestamp($1::float8 / 1000)
        group by job_id having count(*) > 1) twice";
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^52")]
    let since = since as f64;
    let mut lease = node.database.lease().await?;
    let result = lease.session()?.one(select, &[&since]).await;
    Ok(lease.settle(result)?.get(0))
}
