//! How the system is: health, counts, links, a snapshot.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Here, body};
use crate::clock::written;
use crate::http::{self, client};
use crate::links::{Health, Link};
use crate::node::{Node, Service};
use crate::queries::Query;
use crate::trouble::Trouble;

/// How long another process is asked for its links.
const PATIENCE: Duration = Duration::from_millis(1500);

pub(super) async fn live(State(node): Here) -> Response {
    http::json(200, &json!({ "status": "live", "node": node.name }))
}

/// 200 where requests can be served, also degraded.
pub(super) async fn ready(State(node): Here) -> Answer {
    node.open()?;
    Ok(http::json(200, &json!({ "status": "ready", "node": node.name, "mode": node.service() })))
}

pub(super) async fn startup(State(node): Here) -> Response {
    let report = node.started();
    let complete = report.as_ref().is_some_and(|report| report.complete);
    http::json(if complete { 200 } else { 503 }, &json!({ "node": node.name, "startup": report }))
}

/// Degraded is 200 and says so; 503 is for a start that is not over or has failed.
pub(super) async fn health(State(node): Here) -> Response {
    let (fine, body) = node.health();
    http::json(if fine { 200 } else { 503 }, &body)
}

pub(super) async fn metrics(State(node): Here) -> Response {
    let usage = node.database.usage();
    let counts = &node.database.counts;
    let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let load = |count: &std::sync::atomic::AtomicU64| {
        number(count.load(std::sync::atomic::Ordering::Relaxed))
    };
    let size = |count: usize| number(u64::try_from(count).unwrap_or(u64::MAX));
    let (pending, octets) = node.journal.size();
    let none = String::new;
    let mut now = vec![
        ("db_pool_size", none(), size(usage.size)),
        ("db_pool_in_use", none(), size(usage.used)),
        ("db_pool_idle", none(), size(usage.idle)),
        ("db_pool_timeouts_total", none(), load(&counts.waits)),
        ("db_connection_up", none(), f64::from(u8::from(node.database.is_there()))),
        ("db_connections_total", none(), load(&counts.connections)),
        ("db_connection_errors_total", none(), load(&counts.errors)),
        ("db_queries_total", none(), load(&counts.queries)),
        ("queue_connection_up", none(), f64::from(u8::from(node.broker.is_there()))),
        ("queue_connection_errors_total", none(), load(&node.broker.errors)),
        ("journal_pending", none(), size(pending)),
        ("journal_octets", none(), number(octets)),
        ("cache_entries", none(), size(node.cache.len())),
        ("degraded", none(), f64::from(u8::from(node.service() != Service::Normal))),
        ("leader", none(), f64::from(u8::from(node.belief().is_some()))),
        (
            "clock_offset_ms",
            none(),
            f64::from(i32::try_from(node.clock.offset()).unwrap_or(i32::MAX)),
        ),
        ("uptime_seconds", none(), number(node.began.elapsed().as_secs())),
    ];
    for (link, held) in node.links.all() {
        let up = if matches!(held.status, Health::Up | Health::Slow) { 1.0 } else { 0.0 };
        now.push(("link_up", format!("from=\"{}\",to=\"{link}\"", node.name), up));
    }
    // What the queue holds is known where the database is; a scrape does not wait for it otherwise.
    if node.role == "gateway"
        && let Ok(Some(depths)) = ask(&node, &Query::Depths).await
    {
        for one in depths["queues"].as_array().into_iter().flatten() {
            let word = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            let labels =
                format!("queue=\"{}\",state=\"{}\"", escaped(&word("queue")), word("state"));
            now.push(("queue_depth", labels, number(one["jobs"].as_u64().unwrap_or(0))));
        }
    }
    let text = node.metrics.text(&now);
    ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// A value of a label: a queue's name is a user's.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

async fn ask(node: &Node, query: &Query) -> Result<Option<Value>, Trouble> {
    let mut lease = node.database.lease().await?;
    let result = query.perform(lease.session()?).await;
    lease.settle(result)
}

/// What there is now, to be compared with later. Where the database is away, what was counted last, marked.
pub(super) async fn snapshot(State(node): Here) -> Answer {
    let mut parts = serde_json::Map::new();
    let mut complete = true;
    for (name, query) in [("counts", Query::Counts), ("queues", Query::Depths)] {
        let value = match ask(&node, &query).await {
            Ok(value) => {
                let value = value.map(|value| value[name].clone()).unwrap_or_default();
                // One row is the counts themselves.
                let value = if name == "counts" { value[0].clone() } else { value };
                node.keep(&query.place(), json!({ name: value }));
                value
            }
            Err(trouble) => {
                complete = false;
                let kept = node.cache.kept(&query.place());
                let age = kept
                    .as_ref()
                    .map(|kept| u64::try_from(kept.age.as_millis()).unwrap_or(u64::MAX));
                let value = kept.map(|kept| kept.value[name].clone());
                json!({ "stale": true, "age_ms": age, "value": value, "why": trouble.why() })
            }
        };
        parts.insert(name.to_owned(), value);
    }
    let wake_ups = node.broker.depth().await;
    let (pending, octets) = node.journal.size();
    let body = json!({
        "taken_at": written(node.clock.wall()),
        "hlc": node.clock.tick().0,
        "node": node.name,
        "complete": complete,
        "mode": node.service(),
        "counts": parts.remove("counts"),
        "queues": parts.remove("queues"),
        "wake_ups": wake_ups.ok(),
        "journal": { "pending": pending, "octets": octets },
        "leader": node.belief().map(|belief| belief.epoch),
        "links": node.links.all(),
    });
    Ok(http::json(200, &body))
}

/// This process's own links.
pub(super) async fn links(State(node): Here) -> Response {
    http::json(
        200,
        &json!({ "node": node.name, "role": node.role, "links": node.links.all(), "cuts": node.links.cuts() }),
    )
}

type Row = (BTreeMap<String, Link>, Value);

/// Each process's links as it sees them: asked of it, or as it told the database last, or unknown.
async fn rows(node: &Node) -> BTreeMap<String, Option<Row>> {
    let mut rows = BTreeMap::new();
    rows.insert(
        node.name.clone(),
        Some((node.links.all(), json!({ "asked": "here", "age_ms": 0 }))),
    );
    let told = told(node).await.unwrap_or_default();
    for peer in &node.settings.common.peers {
        let asked = client::Asked::get("/api/v1/network/links")
            .with_key(node.settings.common.api_key.as_deref());
        let answered = client::ask(&peer.url, asked, PATIENCE).await;
        let links = answered.ok().and_then(|answered| {
            let value: Value = serde_json::from_slice(&answered.body).ok()?;
            serde_json::from_value::<BTreeMap<String, Link>>(value["links"].clone()).ok()
        });
        let row = match links {
            Some(links) => Some((links, json!({ "asked": "directly", "age_ms": 0 }))),
            None => told.get(&peer.name).cloned(),
        };
        rows.insert(peer.name.clone(), row);
    }
    for (name, row) in told {
        rows.entry(name).or_insert(Some(row));
    }
    rows
}

/// What processes told the database.
async fn told(node: &Node) -> Result<BTreeMap<String, Row>, Trouble> {
    let mut lease = node.database.lease().await?;
    let select = "select node, links, (extract(epoch from clock_timestamp() - seen_at) * 1000)::bigint from nodes
        where seen_at > clock_timestamp() - interval '5 minutes' order by node";
    let result = lease.session()?.rows(select, &[]).await;
    let rows = lease.settle(result)?;
    let row = |row: &tokio_postgres::Row| {
        let links = serde_json::from_value(row.get(1)).unwrap_or_default();
        let how = json!({ "asked": "told the database", "age_ms": row.get::<_, i64>(2) });
        (row.get(0), (links, how))
    };
    Ok(rows.iter().map(row).collect())
}

/// Who reaches whom, on the protocols that they use.
pub(super) async fn matrix(State(node): Here) -> Answer {
    let rows = rows(&node).await;
    let mut matrix = serde_json::Map::new();
    let mut all = true;
    for (name, row) in rows {
        let value = match row {
            Some((links, how)) => {
                all &= !links.is_empty()
                    && links.values().all(|link| matches!(link.status, Health::Up | Health::Slow));
                json!({ "source": how, "links": links })
            }
            None => {
                all = false;
                json!({ "source": { "asked": "nobody knows" }, "links": null })
            }
        };
        matrix.insert(name, value);
    }
    Ok(http::json(200, &json!({ "asked_of": node.name, "all_connected": all, "matrix": matrix })))
}

/// What is cut now, since when, and what was before.
pub(super) async fn partitions(State(node): Here) -> Answer {
    let now = node.clock.wall();
    let mut cut = Vec::new();
    let mut unknown = Vec::new();
    for (name, row) in rows(&node).await {
        let Some((links, how)) = row else {
            unknown.push(json!({ "node": name }));
            continue;
        };
        for (link, held) in links {
            match held.status {
                Health::Down => cut.push(json!({
                    "from": name,
                    "to": link,
                    "since": written(held.since),
                    "for_ms": now.saturating_sub(held.since),
                    "why": held.why,
                    "source": how,
                })),
                Health::Unknown => unknown.push(json!({ "from": name, "to": link })),
                Health::Up | Health::Slow => {}
            }
        }
    }
    let status = match (cut.is_empty(), unknown.is_empty()) {
        (false, _) => "partitioned",
        (true, false) => "unknown",
        (true, true) => "connected",
    };
    let body = json!({
        "status": status,
        "mode": node.service(),
        "partitions": cut,
        "unknown": unknown,
        "seen_here": node.links.cuts(),
    });
    Ok(http::json(200, &body))
}

/// A clock that is wrong by more than a day orders nothing any more.
const MOST_WRONG: u64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Deserialize)]
struct Offset {
    offset_ms: i64,
    /// For how long; until it is said otherwise, where it is not given.
    for_ms: Option<u64>,
}

/// Makes this process's wall clock wrong: a fault of game days. Who makes it so for a time asks again before that is over.
pub(super) async fn clock(State(node): Here, text: Bytes) -> Answer {
    let Offset { offset_ms, for_ms } = body(&text)?;
    if offset_ms.unsigned_abs() > MOST_WRONG {
        return Err(Trouble::wrong("a clock is wrong by at most a day".to_owned()));
    }
    let before = node.clock.offset();
    node.clock.set_offset(offset_ms, for_ms.map(Duration::from_millis));
    if before != offset_ms {
        tracing::warn!(offset_ms, "the clock is wrong on purpose");
    }
    let told = json!({ "before_ms": before, "offset_ms": offset_ms, "for_ms": for_ms, "wall_ms": node.clock.wall() });
    Ok(http::json(200, &told))
}

/// What this process's wall clock says, and by how much it is made wrong.
pub(super) async fn clock_now(State(node): Here) -> Response {
    http::json(200, &json!({ "offset_ms": node.clock.offset(), "wall_ms": node.clock.wall() }))
}

#[derive(Debug, Deserialize)]
struct Scale {
    count: u32,
}

/// How many executors of each worker work: 0 stops them all, as `render scale worker --count=0` does.
pub(super) async fn scale(State(node): Here, text: Bytes) -> Answer {
    let Scale { count } = body(&text)?;
    let mut lease = node.database.lease().await?;
    let keep = "insert into settings (name, value) values ('workers', $1)
        on conflict (name) do update set value = excluded.value";
    let result = lease.session()?.run(keep, &[&json!(count)]).await;
    lease.settle(result)?;
    Ok(http::json(200, &json!({ "count": count })))
}
