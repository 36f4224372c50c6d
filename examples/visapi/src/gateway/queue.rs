//! The queue: jobs, what they did, and making its two views one again.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use axum::extract::{Path, Query as Parameters, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::data::{Reading, read};
use super::{Answer, Here, answer, body, wish};
use crate::clock::written;
use crate::commands::Command;
use crate::commands::jobs::{self, WORK};
use crate::database::Session;
use crate::http;
use crate::merge::{Action, Cleared, Job, Stage, merge};
use crate::node::Node;
use crate::queries::Query;
use crate::trouble::Trouble;

/// The most actions that an answer lists.
const LISTED: usize = 1000;

#[derive(Debug, Deserialize)]
struct NewJob {
    id: Option<String>,
    #[serde(default = "work")]
    queue: String,
    #[serde(default)]
    payload: Value,
}

fn work() -> String {
    WORK.to_owned()
}

pub(super) async fn enqueue(State(node): Here, headers: HeaderMap, text: Bytes) -> Answer {
    let NewJob { id, queue, payload } = body(&text)?;
    let wish = wish(&headers)?;
    // A request that is sent again has the id that it had.
    let id = id
        .or_else(|| wish.key.clone())
        .unwrap_or_else(|| format!("job-{}-{}", node.name, node.stamp().hlc.0));
    Ok(answer(&node.write(Command::Enqueue { id, queue, payload }, wish).await?))
}

#[derive(Debug, Deserialize)]
struct Take {
    queue: String,
    #[serde(default)]
    consumer: String,
}

/// Takes the next job of a queue of the asker's own, and ends it.
pub(super) async fn take(State(node): Here, headers: HeaderMap, text: Bytes) -> Answer {
    let Take { queue, consumer } = body(&text)?;
    if queue == WORK {
        return Err(Trouble::wrong(format!("the queue `{WORK}` is the workers'")));
    }
    let consumer = if consumer.is_empty() { node.name.clone() } else { consumer };
    Ok(answer(&node.write(Command::Take { queue, consumer }, wish(&headers)?).await?))
}

pub(super) async fn job(State(node): Here, Path(id): Path<String>) -> Answer {
    read(&node, Query::Job { id }, &Reading::default()).await
}

pub(super) async fn depths(State(node): Here) -> Answer {
    read(&node, Query::Depths, &Reading::default()).await
}

pub(super) async fn effects(State(node): Here, Parameters(reading): Parameters<Reading>) -> Answer {
    read(&node, Query::Effects { after: reading.after }, &reading).await
}

pub(super) async fn deliveries(
    State(node): Here,
    Parameters(reading): Parameters<Reading>,
) -> Answer {
    read(&node, Query::Deliveries { after: reading.after }, &reading).await
}

#[derive(Debug, Deserialize)]
struct Merge {
    #[serde(default = "timestamp_based")]
    strategy: String,
    #[serde(default)]
    dry_run: bool,
}

fn timestamp_based() -> String {
    "timestamp_based".to_owned()
}

/// What would make both views of the queue one, and the wake-ups of each job.
async fn compared(node: &Node) -> Result<(Vec<Action>, BTreeMap<String, Vec<String>>), Trouble> {
    let wake_ups = node.broker.wake_ups().await?;
    let mut entries: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for wake_up in &wake_ups {
        entries.entry(wake_up.job.id.clone()).or_default().push(wake_up.entry.clone());
    }
    let ids: Vec<String> = entries.keys().cloned().collect();
    let mut lease = node.database.lease().await?;
    let session = lease.session()?;
    let work = async {
        let mut truth = jobs::all(session, true).await?;
        truth.extend(jobs::known(session, &ids).await?);
        Ok(truth)
    };
    let result = work.await;
    let truth = lease.settle(result)?;
    let other: Vec<Job> = wake_ups.into_iter().map(|wake_up| wake_up.job).collect();
    Ok((merge(&truth, &other, Cleared::Stay), entries))
}

/// How many of the queue's jobs the two views have differently. Jobs that are merely on their way count too.
pub(super) async fn divergence(node: &Node) -> Result<Value, Trouble> {
    let (actions, entries) = compared(node).await?;
    let copies: usize = entries.values().map(|of| of.len().saturating_sub(1)).sum();
    Ok(json!({ "by_action": count(&actions), "copies": copies, "actions": listed(&actions) }))
}

fn count(actions: &[Action]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for action in actions {
        let name = match action {
            Action::Adopt { .. } => "adopt",
            Action::Replace { .. } => "replace",
            Action::Restore { .. } => "restore",
            Action::Announce { .. } => "announce",
            Action::Retire { .. } => "retire",
        };
        *counts.entry(name).or_default() += 1;
    }
    counts
}

fn listed(actions: &[Action]) -> &[Action] {
    &actions[..actions.len().min(LISTED)]
}

/// Carries out what concerns the truth, in one transaction; says which jobs are to be announced.
async fn store(session: &mut Session, actions: &[Action]) -> Result<(), Trouble> {
    session.plain("begin").await?;
    for action in actions {
        match action {
            Action::Adopt { job } => {
                // Who did it before the views parted is not known to do it still.
                let state = if job.state == Stage::Running { Stage::Pending } else { job.state };
                let insert = "insert into jobs (id, queue, payload, state, hlc, node) values ($1, $2, $3, $4, $5, $6)
                    on conflict do nothing";
                let stamp = &job.stamp;
                session
                    .run(
                        insert,
                        &[
                            &job.id,
                            &job.queue,
                            &job.payload,
                            &state.word(),
                            &stamp.hlc.0,
                            &stamp.node,
                        ],
                    )
                    .await?;
            }
            Action::Replace { job } => {
                let take = "update jobs set payload = $2, hlc = $3, node = $4
                    where id = $1 and state = 'pending' and (hlc, node) < ($3, $4 collate \"C\")";
                session
                    .run(take, &[&job.id, &job.payload, &job.stamp.hlc.0, &job.stamp.node])
                    .await?;
            }
            Action::Restore { id } => {
                let back = "update jobs set state = 'pending' where id = $1 and state = 'cleared'";
                session.run(back, &[id]).await?;
            }
            Action::Announce { .. } | Action::Retire { .. } => {}
        }
    }
    session.commit().await
}

/// Makes the queue's two views one: PostgreSQL's, which is the truth, and that of Redis.
pub(super) async fn merge_split_brain(State(node): Here, text: Bytes) -> Answer {
    let Merge { strategy, dry_run } = body(&text)?;
    if strategy != timestamp_based() {
        return Err(Trouble::wrong(format!(
            "the strategy `{strategy}` is not known: there is `timestamp_based`"
        )));
    }
    let (actions, entries) = compared(&node).await?;
    // All wake-ups of a job but the last say nothing new.
    let copies: Vec<String> =
        entries.values().flat_map(|of| &of[..of.len().saturating_sub(1)]).cloned().collect();
    if !dry_run {
        let mut lease = node.database.lease().await?;
        let result = store(lease.session()?, &actions).await;
        lease.settle(result)?;
        let ended = actions.iter().filter_map(|action| match action {
            Action::Retire { id, .. } => entries.get(id),
            _ => None,
        });
        let retired: Vec<String> =
            ended.flatten().chain(&copies).cloned().collect::<BTreeSet<_>>().into_iter().collect();
        node.broker.retire(&retired).await?;
        let announced: BTreeSet<&str> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Announce { id } => Some(id.as_str()),
                _ => None,
            })
            .collect();
        announce(&node, &announced).await?;
        node.wake.notify_waiters();
    }
    let body = json!({
        "strategy": strategy,
        "dry_run": dry_run,
        "by_action": count(&actions),
        "copies": copies.len(),
        "actions": listed(&actions),
        "actions_not_listed": actions.len().saturating_sub(LISTED),
    });
    Ok(http::json(200, &body))
}

async fn announce(node: &Node, ids: &BTreeSet<&str>) -> Result<(), Trouble> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let mut lease = node.database.lease().await?;
    let result = jobs::known(lease.session()?, &ids).await;
    for job in lease.settle(result)?.iter().filter(|job| job.state == Stage::Pending) {
        node.broker.announce(job).await?;
    }
    Ok(())
}

/// A queue as it is written out.
#[derive(Debug, Serialize, Deserialize)]
struct Export {
    version: u32,
    exported_at: String,
    /// So many jobs follow: a file that was cut off does not fit.
    count: usize,
    jobs: Vec<Job>,
}

/// The queue that workers work on, with what was done: that keeps an import from doing it again.
pub(super) async fn export(State(node): Here) -> Answer {
    let mut lease = node.database.lease().await?;
    let result = jobs::all(lease.session()?, false).await;
    let jobs = lease.settle(result)?;
    let export =
        Export { version: 1, exported_at: written(node.clock.wall()), count: jobs.len(), jobs };
    let fault = |error: serde_json::Error| Trouble::Fault { why: error.to_string() };
    Ok(http::json(200, &serde_json::to_value(&export).map_err(fault)?))
}

/// Takes what is to be done out of the queue. Nothing is deleted: `import` brings it back, and what was done stays known.
pub(super) async fn clear(State(node): Here) -> Answer {
    let mut lease = node.database.lease().await?;
    let take_out = "update jobs set state = 'cleared', lease_token = null, lease_owner = null, lease_until = null
        where queue = $1 and state in ('pending', 'running')";
    let result = lease.session()?.run(take_out, &[&WORK]).await;
    let cleared = lease.settle(result)?;
    // Redis may be what is broken: the truth does not wait for it.
    let wake_ups = node.broker.clear().await;
    let body = json!({
        "cleared": cleared,
        "wake_ups": wake_ups.as_ref().ok(),
        "queue": wake_ups.err().map(|trouble| trouble.why()),
    });
    Ok(http::json(200, &body))
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Importing {
    /// What was cleared and is not in the file comes back too.
    #[serde(default)]
    restore_all: bool,
    /// Only says what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// Brings an exported queue back. What is done stays done; what was cleared and is not in the file is told.
pub(super) async fn import(
    State(node): Here,
    Parameters(how): Parameters<Importing>,
    text: Bytes,
) -> Answer {
    let Export { version, count: counted, jobs, .. } = body(&text)?;
    if version != 1 {
        return Err(Trouble::wrong(format!("an export of version {version} is not known")));
    }
    if counted != jobs.len() {
        return Err(Trouble::wrong(format!(
            "the export says {counted} jobs and holds {}: it was cut off",
            jobs.len()
        )));
    }
    if let Some(job) = jobs.iter().find(|job| job.queue != WORK) {
        return Err(Trouble::wrong(format!("the job `{}` is not of the queue `{WORK}`", job.id)));
    }
    let in_file: BTreeSet<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    let mut lease = node.database.lease().await?;
    let result = jobs::all(lease.session()?, false).await;
    let truth = lease.settle(result)?;
    let left: Vec<&str> = truth
        .iter()
        .filter(|job| job.state == Stage::Cleared && !in_file.contains(job.id.as_str()))
        .map(|job| job.id.as_str())
        .collect();
    let merged = merge(&truth, &jobs, Cleared::Return);
    let mut actions: Vec<Action> = merged
        .into_iter()
        .filter(|action| !matches!(action, Action::Announce { .. } | Action::Retire { .. }))
        .collect();
    if how.restore_all {
        actions.extend(left.iter().map(|id| Action::Restore { id: (*id).to_owned() }));
    }
    if !how.dry_run {
        let mut lease = node.database.lease().await?;
        let result = store(lease.session()?, &actions).await;
        lease.settle(result)?;
        // Redis is told as far as it is there: workers look for themselves too.
        let ids: BTreeSet<&str> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Adopt { job } | Action::Replace { job } => Some(job.id.as_str()),
                Action::Restore { id } => Some(id.as_str()),
                Action::Announce { .. } | Action::Retire { .. } => None,
            })
            .collect();
        if let Err(trouble) = announce(&node, &ids).await {
            tracing::warn!(why = trouble.why(), "an import is not announced");
        }
    }
    let body = json!({
        "dry_run": how.dry_run,
        "in_file": jobs.len(),
        "by_action": count(&actions),
        "cleared_and_not_in_file": if how.restore_all { Vec::new() } else { left },
    });
    Ok(http::json(200, &body))
}
