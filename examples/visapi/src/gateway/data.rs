//! What is kept: markers and test writes, registers, lists, sets, counters, ids, documents.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query as Parameters, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Here, answer, body, wish};
use crate::broken::Broken;
use crate::commands::{Command, Kind, Step};
use crate::http;
use crate::node::Node;
use crate::queries::Query;
use crate::trouble::Trouble;

/// How old an answer may be that the broken variant passes off as new.
const OLD: Duration = Duration::from_secs(2);

/// What a read is asked with.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Reading {
    /// `allowed`: an old answer is better than none.
    #[serde(default)]
    stale: String,
    /// What comes after this number.
    #[serde(default)]
    pub(super) after: i64,
    /// Which election.
    #[serde(default)]
    pub(super) election: Option<String>,
}

/// Reads, and where that cannot be, gives what was read before and says how old it is.
pub(super) async fn read(node: &Node, query: Query, reading: &Reading) -> Answer {
    let place = query.place();
    if node.broken() == Some(Broken::StaleReads)
        && let Some(kept) = node.cache.kept(&place).filter(|kept| kept.age < OLD)
    {
        return Ok(http::json(200, &kept.value));
    }
    match ask(node, &query).await {
        Ok(Some(value)) => {
            // What was accepted and waits here is what is there, unless a later write is.
            if let Some(waits) = waiting(node, &query).filter(|waits| is_later(waits, &value)) {
                return Ok(http::json(200, &waits));
            }
            node.keep(&place, value.clone());
            Ok(http::json(200, &value))
        }
        Ok(None) => waiting(node, &query)
            .map(|value| http::json(200, &value))
            .ok_or_else(|| Trouble::Absent { why: "it is not there".to_owned() }),
        Err(trouble) if trouble.is_away() => {
            let unmarked = node.broken() == Some(Broken::StaleReads);
            if !(query.may_be_stale() || reading.stale == "allowed" || unmarked) {
                return Err(trouble);
            }
            let (value, age) = old(node, &query, &place).await.ok_or(trouble)?;
            node.metrics.count("stale_reads_total", "");
            if unmarked {
                return Ok(http::json(200, &value));
            }
            let mut value = value;
            if let Some(object) = value.as_object_mut() {
                object.insert("stale".to_owned(), json!(true));
                let age = age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
                object.insert("age_ms".to_owned(), json!(age));
            }
            let mut response = http::json(200, &value);
            http::mark_stale(&mut response, age.unwrap_or_default());
            Ok(response)
        }
        Err(trouble) => Err(trouble),
    }
}

async fn ask(node: &Node, query: &Query) -> Result<Option<Value>, Trouble> {
    let mut lease = node.database.lease().await?;
    let result = query.perform(lease.session()?).await;
    lease.settle(result)
}

/// What waits in this gateway's journal, read as if it were there, and marked.
fn waiting(node: &Node, query: &Query) -> Option<Value> {
    let Query::Record { kind, id } = query else { return None };
    let is = |command: &Command| matches!(command, Command::PutRecord { kind: k, id: i, .. } if k == kind && i == id);
    let entry = node.journal.waiting(is)?;
    let Command::PutRecord { body, .. } = &entry.command else { return None };
    Some(json!({
        "id": id, "body": body, "hlc": entry.stamp.hlc.0, "node": entry.stamp.node, "origin": "journal", "queued": true,
    }))
}

/// Whether one view of a record was written after another.
fn is_later(one: &Value, other: &Value) -> bool {
    let stamp = |view: &Value| (view["hlc"].as_i64(), view["node"].as_str().map(str::to_owned));
    stamp(one) > stamp(other)
}

/// What can be said while the database is away: what waits here, what was read here, what somebody kept in Redis. An age that is not known is none.
async fn old(node: &Node, query: &Query, place: &str) -> Option<(Value, Option<Duration>)> {
    if let Some(value) = waiting(node, query) {
        return Some((value, Some(Duration::ZERO)));
    }
    if let Some(kept) = node.cache.kept(place) {
        return Some((kept.value, Some(kept.age)));
    }
    let kept = node.broker.kept(place).await.ok()??;
    Some((serde_json::from_str(&kept).ok()?, None))
}

async fn write(node: &Node, headers: &HeaderMap, command: Command) -> Answer {
    Ok(answer(&node.write(command, wish(headers)?).await?))
}

/// A marker or a test write, as the runbook sends it: an id, and whatever else.
fn record(kind: Kind, text: &Bytes) -> Result<Command, Trouble> {
    let all: Value = body(text)?;
    let id = all["id"].as_str().map(str::to_owned);
    let id = id.ok_or_else(|| Trouble::wrong("the body has no `id`".to_owned()))?;
    Ok(Command::PutRecord { kind, id, body: all })
}

pub(super) async fn put_marker(State(node): Here, headers: HeaderMap, text: Bytes) -> Answer {
    write(&node, &headers, record(Kind::Marker, &text)?).await
}

pub(super) async fn put_write(State(node): Here, headers: HeaderMap, text: Bytes) -> Answer {
    write(&node, &headers, record(Kind::Write, &text)?).await
}

pub(super) async fn marker(State(node): Here, Path(id): Path<String>) -> Answer {
    read(&node, Query::Record { kind: Kind::Marker, id }, &Reading::default()).await
}

pub(super) async fn written(State(node): Here, Path(id): Path<String>) -> Answer {
    read(&node, Query::Record { kind: Kind::Write, id }, &Reading::default()).await
}

pub(super) async fn register(
    State(node): Here,
    Path(key): Path<String>,
    Parameters(reading): Parameters<Reading>,
) -> Answer {
    read(&node, Query::Register { key }, &reading).await
}

#[derive(Debug, Deserialize)]
struct NewValue {
    value: Value,
}

pub(super) async fn set_register(
    State(node): Here,
    Path(key): Path<String>,
    headers: HeaderMap,
    text: Bytes,
) -> Answer {
    let NewValue { value } = body(&text)?;
    write(&node, &headers, Command::WriteRegister { key, value }).await
}

#[derive(Debug, Deserialize)]
struct Swap {
    #[serde(default)]
    expected: Value,
    new: Value,
}

pub(super) async fn compare_and_set(
    State(node): Here,
    Path(key): Path<String>,
    headers: HeaderMap,
    text: Bytes,
) -> Answer {
    let Swap { expected, new } = body(&text)?;
    write(&node, &headers, Command::CompareAndSet { key, expected, new }).await
}

pub(super) async fn list(
    State(node): Here,
    Path(key): Path<String>,
    Parameters(reading): Parameters<Reading>,
) -> Answer {
    read(&node, Query::List { key }, &reading).await
}

#[derive(Debug, Deserialize)]
struct Steps {
    operations: Vec<Step>,
}

pub(super) async fn transact(State(node): Here, headers: HeaderMap, text: Bytes) -> Answer {
    let Steps { operations } = body(&text)?;
    write(&node, &headers, Command::Transact { steps: operations }).await
}

pub(super) async fn set(
    State(node): Here,
    Path(name): Path<String>,
    Parameters(reading): Parameters<Reading>,
) -> Answer {
    read(&node, Query::Set { name }, &reading).await
}

#[derive(Debug, Deserialize)]
struct Element {
    element: i64,
}

pub(super) async fn add_to_set(
    State(node): Here,
    Path(name): Path<String>,
    headers: HeaderMap,
    text: Bytes,
) -> Answer {
    let Element { element } = body(&text)?;
    write(&node, &headers, Command::AddToSet { name, element }).await
}

pub(super) async fn counter(
    State(node): Here,
    Path(name): Path<String>,
    Parameters(reading): Parameters<Reading>,
) -> Answer {
    read(&node, Query::Counter { name }, &reading).await
}

#[derive(Debug, Deserialize)]
struct Amount {
    add: i64,
}

pub(super) async fn add_to_counter(
    State(node): Here,
    Path(name): Path<String>,
    headers: HeaderMap,
    text: Bytes,
) -> Answer {
    let Amount { add } = body(&text)?;
    write(&node, &headers, Command::AddToCounter { name, amount: add }).await
}

pub(super) async fn ids(State(node): Here, Parameters(reading): Parameters<Reading>) -> Answer {
    read(&node, Query::Ids { after: reading.after }, &reading).await
}

pub(super) async fn mint(State(node): Here, headers: HeaderMap) -> Answer {
    write(&node, &headers, Command::MintId).await
}

pub(super) async fn document(State(node): Here, Path(id): Path<String>) -> Answer {
    read(&node, Query::Document { id }, &Reading::default()).await
}

pub(super) async fn versions(State(node): Here, Path(id): Path<String>) -> Answer {
    read(&node, Query::Versions { id }, &Reading::default()).await
}

pub(super) async fn write_document(
    State(node): Here,
    Path(id): Path<String>,
    headers: HeaderMap,
    text: Bytes,
) -> Answer {
    let value: Value = body(&text)?;
    write(&node, &headers, Command::WriteDocument { id, body: value }).await
}

pub(super) async fn delete_document(
    State(node): Here,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    write(&node, &headers, Command::DeleteDocument { id }).await
}

#[derive(Debug, Deserialize)]
struct Login {
    user: String,
    api_key: String,
}

/// Gives a session of an hour to who has the key. There is no login without the database.
pub(super) async fn login(State(node): Here, text: Bytes) -> Answer {
    node.open()?;
    let Login { user, api_key } = body(&text)?;
    if node.settings.common.api_key.as_ref().is_some_and(|key| *key != api_key) {
        return Err(Trouble::Denied { why: "`api_key` is not the key".to_owned() });
    }
    let mut lease = node.database.lease().await?;
    let open = "insert into sessions (token, who, expires_at)
        values (gen_random_uuid()::text, $1, clock_timestamp() + interval '1 hour') returning token";
    let result = lease.session()?.one(open, &[&user]).await;
    let row = lease.settle(result)?;
    Ok(http::json(
        201,
        &json!({ "user": user, "token": row.get::<_, String>(0), "expires_in_s": 3600 }),
    ))
}
