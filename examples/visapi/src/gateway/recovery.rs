//! What operators do after a cut. Each may be done again: a second time changes nothing.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Here, body};
use crate::clock::{Hlc, Stamp, written};
use crate::commands::{Command, records};
use crate::database::Session;
use crate::http::{self, client};
use crate::journal::frame::Entry;
use crate::node::Node;
use crate::reconcile::{Decision, Held, Write, plan};
use crate::trouble::Trouble;
use crate::when;

/// How long another process is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most writes that are reconciled at a time.
const WRITES: usize = 20_000;

/// The most items that an answer lists.
const LISTED: usize = 1000;

/// What is asked of a process with the operators' key.
async fn ask(
    node: &Node,
    url: &str,
    method: Method,
    path: &str,
) -> Result<client::Answered, String> {
    let key = node.settings.admin_key.as_deref().or(node.settings.common.api_key.as_deref());
    let mut asked = client::Asked::get(path).with_key(key);
    asked.method = method;
    let answered = client::ask(url, asked, PATIENCE).await?;
    if answered.status.is_success() {
        Ok(answered)
    } else {
        Err(format!("it answers {}", answered.status))
    }
}

fn record_of(entry: &Entry) -> Option<Write> {
    let Command::PutRecord { kind, id, body } = &entry.command else { return None };
    let stamp = entry.stamp.clone();
    Some(Write { kind: kind.word().to_owned(), id: id.clone(), body: body.clone(), stamp })
}

/// What waits in this gateway's journal, and what was applied.
pub(super) async fn journal(State(node): Here) -> Answer {
    let pending = node.journal.pending();
    let writes: Vec<Write> = pending.iter().filter_map(record_of).collect();
    let entries: Vec<&Entry> = pending.iter().take(LISTED).collect();
    let (count, octets) = node.journal.size();
    let body = json!({
        "node": node.name,
        "pending": count,
        "octets": octets,
        "torn_octets": node.journal.torn,
        "applied": node.journal.done().len(),
        "writes": writes,
        "entries": entries,
    });
    Ok(http::json(200, &body))
}

/// Writes that wait in the journals of the other gateways.
pub(super) async fn peers_journals(node: &Node) -> Vec<(String, Result<Vec<Write>, String>)> {
    let mut all = Vec::new();
    for peer in node.settings.common.peers.iter().filter(|peer| peer.name.starts_with("gateway")) {
        let asked = ask(node, &peer.url, Method::GET, "/api/v1/database/journal").await;
        let read = asked.and_then(|answered| {
            let value: Value =
                serde_json::from_slice(&answered.body).map_err(|error| error.to_string())?;
            serde_json::from_value(value["writes"].clone()).map_err(|error| error.to_string())
        });
        all.push((peer.name.clone(), read));
    }
    all
}

#[derive(Debug, Deserialize)]
struct Reconcile {
    #[serde(default = "last_write_wins")]
    strategy: String,
    #[serde(default = "yes")]
    audit: bool,
    #[serde(default)]
    dry_run: bool,
    /// Writes from elsewhere: an export of another side.
    #[serde(default)]
    writes: Vec<Write>,
}

fn last_write_wins() -> String {
    "last_write_wins".to_owned()
}

const fn yes() -> bool {
    true
}

/// Brings all writes of records together, from the journals of all gateways and from the body: the last by hybrid clock and node wins.
pub(super) async fn reconcile(State(node): Here, text: Bytes) -> Answer {
    let Reconcile { strategy, audit, dry_run, mut writes } = body(&text)?;
    if strategy != last_write_wins() {
        return Err(Trouble::wrong(format!(
            "the strategy `{strategy}` is not known: there is `last_write_wins`"
        )));
    }
    if let Some(write) =
        writes.iter().find(|write| !["marker", "write"].contains(&write.kind.as_str()))
    {
        return Err(Trouble::wrong(format!(
            "`{}` is no kind of record: there are `marker` and `write`",
            write.kind
        )));
    }
    if writes.iter().any(|write| !node.clock.hear(write.stamp.hlc)) {
        return Err(Trouble::wrong(
            "a write is of a time far ahead of now: it would win over all that follow".to_owned(),
        ));
    }
    let own = node.journal.pending();
    let peers = peers_journals(&node).await;
    let mut asked = vec![json!({ "node": node.name, "writes": own.len() })];
    for (name, result) in peers {
        match result {
            Ok(more) => {
                asked.push(json!({ "node": name, "writes": more.len() }));
                writes.extend(more);
            }
            Err(why) => asked.push(json!({ "node": name, "writes": null, "why": why })),
        }
    }
    let from_journal: Vec<Write> = own.iter().filter_map(record_of).collect();
    if writes.len() + from_journal.len() > WRITES {
        return Err(Trouble::wrong(format!("at most {WRITES} writes are reconciled at a time")));
    }
    let decisions = if dry_run {
        writes.extend(from_journal);
        let mut lease = node.database.lease().await?;
        let result = held(lease.session()?, &writes).await;
        let mut held = lease.settle(result)?;
        plan(&mut held, &writes)
    } else {
        carry_out(&node, &own, &mut writes).await?
    };
    let count = |which: Decision| decisions.iter().filter(|one| **one == which).count();
    let items: Vec<Value> = writes
        .iter()
        .zip(&decisions)
        .take(LISTED)
        .map(|(write, decision)| {
            json!({ "kind": write.kind, "id": write.id, "hlc": write.stamp.hlc.0, "node": write.stamp.node, "decision": decision })
        })
        .collect();
    let body = json!({
        "strategy": strategy,
        "dry_run": dry_run,
        // Losers are kept in any case: `audit: false` does not throw them away.
        "audit": true,
        "audit_was_asked_for": audit,
        "asked": asked,
        "inserted": count(Decision::Inserted),
        "replaced": count(Decision::Replaced),
        "late": count(Decision::Late),
        "same": count(Decision::Same),
        "writes": items,
    });
    Ok(http::json(200, &body))
}

/// Replays what waits here, and applies writes from elsewhere; those from here are put before these.
async fn carry_out(
    node: &Node,
    own: &[Entry],
    writes: &mut Vec<Write>,
) -> Result<Vec<Decision>, Trouble> {
    // Its own journal has keys and marks, which a replay keeps.
    let mut decisions = Vec::new();
    for entry in own {
        let answer = node.replay(entry).await?;
        if let Some(write) = record_of(entry) {
            decisions.push(decision(answer.body["outcome"].as_str().unwrap_or_default()));
            writes.insert(decisions.len() - 1, write);
        }
    }
    let mut lease = node.database.lease().await?;
    let result = apply(lease.session()?, &writes[decisions.len()..]).await;
    decisions.extend(lease.settle(result)?);
    Ok(decisions)
}

fn decision(word: &str) -> Decision {
    match word {
        "inserted" => Decision::Inserted,
        "replaced" => Decision::Replaced,
        "late" => Decision::Late,
        _ => Decision::Same,
    }
}

async fn held(session: &mut Session, writes: &[Write]) -> Result<Held, Trouble> {
    let mut held = Held::new();
    for write in writes {
        let select = "select hlc, node from records where kind = $1 and id = $2";
        if let Some(row) = session.maybe(select, &[&write.kind, &write.id]).await? {
            let stamp = Stamp { hlc: Hlc(row.get(0)), node: row.get(1) };
            held.insert((write.kind.clone(), write.id.clone()), stamp);
        }
    }
    Ok(held)
}

async fn apply(session: &mut Session, writes: &[Write]) -> Result<Vec<Decision>, Trouble> {
    session.plain("begin").await?;
    let mut decisions = Vec::new();
    for write in writes {
        let what = (write.kind.as_str(), write.id.as_str(), &write.body);
        let stamp = (write.stamp.hlc.0, write.stamp.node.as_str());
        decisions.push(decision(&records::apply(session, what, stamp, "reconcile").await?));
    }
    session.commit().await?;
    Ok(decisions)
}

#[derive(Debug, Deserialize)]
struct Replay {
    #[serde(default = "hour")]
    from_timestamp: String,
}

fn hour() -> String {
    "1h ago".to_owned()
}

/// Replays the journal since a moment: what waits, and what was applied once more, which its key keeps from being done twice.
pub(super) async fn replay(State(node): Here, text: Bytes) -> Answer {
    let Replay { from_timestamp } = body(&text)?;
    let from = when::moment(&from_timestamp, node.clock.wall()).map_err(Trouble::wrong)?;
    let recent = |entry: &Entry| entry.stamp.hlc.milliseconds() >= from;
    let (waiting, older): (Vec<Entry>, Vec<Entry>) =
        node.journal.pending().into_iter().partition(recent);
    let done: Vec<Entry> =
        node.journal.done().into_iter().map(|(entry, _)| entry).filter(recent).collect();
    let (mut replayed, mut already, mut refused) = (0, 0, 0);
    for entry in waiting.iter().chain(&done) {
        let answer = node.replay(entry).await?;
        if answer.body["replayed"] == true {
            already += 1;
        } else if answer.status >= 400 {
            refused += 1;
        } else {
            replayed += 1;
        }
    }
    let body = json!({
        "from": written(from),
        "replayed": replayed,
        "already_done": already,
        "refused": refused,
        // These wait since before that moment: they are replayed by themselves, not by this.
        "older_and_waiting": older.len(),
    });
    Ok(http::json(200, &body))
}

/// Closes all connections, to the database and to Redis, and says whether new ones can be made.
pub(super) async fn reset_pools(State(node): Here) -> Answer {
    let before = node.database.usage();
    let idle = node.database.reset();
    node.broker.reset();
    let tried = async {
        let mut session = node.database.connect().await?;
        session.one("select 1", &[]).await
    };
    let database = tried.await.map(|_| node.database.worked());
    let queue = node.broker.probe().await;
    let told = |why: Option<Trouble>| {
        why.map_or_else(|| json!("connected"), |trouble| json!(trouble.why()))
    };
    let body = json!({
        "closed": idle,
        "closed_when_they_are_free": before.used,
        "database": told(database.err()),
        "queue": told(queue.err()),
    });
    Ok(http::json(200, &body))
}

#[derive(Debug, Deserialize)]
struct Stuck {
    #[serde(default = "five_seconds")]
    older_than: String,
}

fn five_seconds() -> String {
    "5s".to_owned()
}

/// Breaks connections that have been in use for too long, on this side and on the server's.
pub(super) async fn reset_stuck(State(node): Here, text: Bytes) -> Answer {
    let Stuck { older_than } = body(&text)?;
    let older = when::span(&older_than).map_err(Trouble::wrong)?;
    let here = node.database.break_stuck(older);
    // Not from the pool: that may be what is exhausted.
    let mut session = node.database.connect().await?;
    let end = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and application_name like 'visapi %'
            and state <> 'idle' and state_change < clock_timestamp() - $1::float8 * interval '1 second'";
    let there = session.rows(end, &[&older.as_secs_f64()]).await?.len();
    Ok(http::json(
        200,
        &json!({ "older_than": older_than, "broken_here": here, "ended_on_the_server": there }),
    ))
}

#[derive(Debug, Deserialize)]
struct Size {
    size: usize,
}

/// Gives the pool another size: `DB_POOL_SIZE` without a new start.
pub(super) async fn resize_pool(State(node): Here, text: Bytes) -> Answer {
    let Size { size } = body(&text)?;
    if !(1..=500).contains(&size) {
        return Err(Trouble::wrong("a pool has 1 to 500 places".to_owned()));
    }
    let before = node.database.usage().size;
    node.database.resize(size);
    Ok(http::json(200, &json!({ "before": before, "size": size })))
}

/// Forgets every answer that was kept: here, in Redis, and at the processes that this one knows.
pub(super) async fn invalidate_all(State(node): Here) -> Answer {
    let here = node.cache.clear();
    let redis = node.broker.invalidate().await;
    let mut peers = Vec::new();
    for peer in &node.settings.common.peers {
        if peer.name.starts_with("worker") {
            continue;
        }
        let result = ask(&node, &peer.url, Method::POST, "/api/v1/cache/invalidate-own").await;
        peers.push(match result {
            Ok(_) => json!({ "node": peer.name, "invalidated": true }),
            Err(why) => json!({ "node": peer.name, "invalidated": false, "why": why }),
        });
    }
    let body = json!({
        "here": here,
        "redis_generation": redis.as_ref().ok(),
        "redis": redis.err().map(|trouble| trouble.why()),
        "peers": peers,
    });
    Ok(http::json(200, &body))
}

/// Forgets every answer that was kept here.
pub(super) async fn invalidate_own(State(node): Here) -> Answer {
    Ok(http::json(200, &json!({ "here": node.cache.clear() })))
}
