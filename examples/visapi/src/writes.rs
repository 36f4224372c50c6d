//! The way of a write: its key, its transaction, and the journal where the database is away.
//!
//! A request has an idempotency key, its own or one that is made up. Key, effect and answer are stored in one transaction, so a request that is sent
//! again is answered as before and done once. A write that may wait and does not reach the database, or whose end there is not seen, goes
//! into the journal under the same key: replaying it is asking again.

use std::time::Duration;

use serde_json::{Value, json};

use crate::broken::Broken;
use crate::clock::{Hlc, Stamp};
use crate::commands::jobs::WORK;
use crate::commands::{Answer, Command, Terms};
use crate::database::Session;
use crate::journal::frame::Entry;
use crate::merge::{Job, Stage};
use crate::node::{Node, lock};
use crate::queries::Query;
use crate::settings::DegradedWrites;
use crate::trouble::Trouble;

/// Tries of a transaction that collides with others.
const TRIES: u32 = 12;

/// How a write is to be done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    /// Its idempotency key.
    pub(crate) key: Option<String>,
    /// It must not wait in the journal.
    pub(crate) at_once: bool,
}

impl Node {
    /// Does a write that was asked for now.
    pub(crate) async fn write(&self, command: Command, wish: Wish) -> Result<Answer, Trouble> {
        command.check()?;
        let stamp = self.stamp();
        let key = wish.key.unwrap_or_else(|| format!("auto-{}-{}", self.name, stamp.hlc.0));
        if self.broken() == Some(Broken::AckBeforeDurable)
            && (command.can_wait() || matches!(command, Command::AddToSet { .. }))
        {
            lock(&self.unsafe_writes).push((command, stamp, key));
            return Ok(Answer::new(201, json!({ "outcome": "stored" })));
        }
        let terms = Terms { stamp: &stamp, origin: "direct", broken: self.broken() };
        let result = self.commit(&command, &key, terms).await;
        self.metrics.tried("database", result.as_ref().is_err_and(Trouble::is_away));
        match result {
            Ok(answer) => {
                self.after(&command, &answer, &stamp);
                Ok(answer)
            }
            Err(trouble)
                if trouble.is_away()
                    && command.can_wait()
                    && !wish.at_once
                    && self.settings.degraded_writes == DegradedWrites::Queue =>
            {
                let taken = self.journal.take(&key, stamp, command).await;
                self.metrics.tried("journal", taken.is_err());
                let entry = taken?;
                self.metrics.count("queued_writes_total", "");
                Ok(Answer::new(
                    202,
                    json!({
                        "outcome": "queued",
                        "key": key,
                        "journal_seq": entry.seq,
                        "hlc": entry.stamp.hlc.0,
                        "node": entry.stamp.node,
                        "why": trouble.why(),
                    }),
                ))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Stores a write, its key and its answer in one transaction; tries again where it collides.
    pub(crate) async fn commit(
        &self,
        command: &Command,
        key: &str,
        terms: Terms<'_>,
    ) -> Result<Answer, Trouble> {
        let mut pause = Duration::from_millis(2);
        for _ in 1..TRIES {
            match self.try_commit(command, key, terms).await {
                Err(Trouble::Collided { .. }) => {
                    self.metrics.count("db_collisions_total", "");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(60));
                }
                other => return other,
            }
        }
        self.try_commit(command, key, terms).await
    }

    async fn try_commit(
        &self,
        command: &Command,
        key: &str,
        terms: Terms<'_>,
    ) -> Result<Answer, Trouble> {
        let mut lease = self.database.lease().await?;
        let result = in_transaction(lease.session()?, command, key, terms).await;
        match &result {
            Ok(_) => lease.done(),
            Err(trouble) => {
                // Where the server still answers, the connection is as good as before.
                if !trouble.is_away() && lease.session()?.plain("rollback").await.is_ok() {
                    lease.done();
                } else {
                    lease.broke(trouble);
                }
            }
        }
        result
    }

    /// What follows a write that was stored.
    fn after(&self, command: &Command, answer: &Answer, stamp: &Stamp) {
        match command {
            Command::Enqueue { id, queue, payload } if queue == WORK && answer.status == 201 => {
                let job = Job {
                    id: id.clone(),
                    queue: queue.clone(),
                    state: Stage::Pending,
                    payload: payload.clone(),
                    stamp: stamp.clone(),
                };
                // Where there are too many, whoever leads finds it in the outbox.
                let _full = self.announcements.try_send(job);
                self.wake.notify_one();
            }
            Command::PutRecord { kind, id, body } => {
                let place = Query::Record { kind: *kind, id: id.clone() }.place();
                let value = json!({ "id": id, "body": body, "hlc": stamp.hlc.0, "node": stamp.node, "origin": "direct" });
                self.keep(&place, value);
            }
            _ => {}
        }
    }

    /// Keeps what was read or written, for when it cannot be read.
    pub(crate) fn keep(&self, place: &str, value: Value) {
        // Where there are too many, Redis does without this one.
        let _full = self.keepings.try_send((place.to_owned(), value.to_string()));
        self.cache.keep(place, value);
    }

    /// Does a write that waited. The answer says whether it had been done before.
    pub(crate) async fn replay(&self, entry: &Entry) -> Result<Answer, Trouble> {
        let terms = Terms { stamp: &entry.stamp, origin: "journal", broken: self.broken() };
        let answer = match self.commit(&entry.command, &entry.key, terms).await {
            Ok(answer) => answer,
            // The database refuses it for what it is: it will never be stored, and is told of.
            Err(
                trouble @ (Trouble::Wrong { .. } | Trouble::Reused { .. } | Trouble::Fault { .. }),
            ) => {
                tracing::error!(
                    key = entry.key,
                    why = trouble.why(),
                    "a write that waited is refused"
                );
                self.metrics.count("journal_refused_total", "");
                Answer::new(422, json!({ "outcome": "refused", "why": trouble.why() }))
            }
            Err(trouble) => return Err(trouble),
        };
        self.clock.hear(entry.stamp.hlc);
        self.journal.applied(entry.seq, answer.status).await?;
        self.after(&entry.command, &answer, &entry.stamp);
        Ok(answer)
    }

    /// Writes what a broken variant had acknowledged; what does not go through is lost.
    pub(crate) async fn write_what_was_acknowledged(&self) {
        let all = std::mem::take(&mut *lock(&self.unsafe_writes));
        for (command, stamp, key) in all {
            let terms = Terms { stamp: &stamp, origin: "direct", broken: None };
            if let Ok(answer) = self.commit(&command, &key, terms).await {
                self.after(&command, &answer, &stamp);
            }
        }
    }
}

async fn in_transaction(
    session: &mut Session,
    command: &Command,
    key: &str,
    terms: Terms<'_>,
) -> Result<Answer, Trouble> {
    session.plain(command.begin(terms.broken)).await?;
    let fingerprint = fingerprint(command);
    let claim = "insert into answers (key, fingerprint) values ($1, $2) on conflict do nothing";
    if session.run(claim, &[&key, &fingerprint]).await? == 0 {
        let held = "select fingerprint, status, body from answers where key = $1";
        let Some(row) = session.maybe(held, &[&key]).await? else {
            return Err(Trouble::Collided {
                why: "the same key is used at the same time".to_owned(),
            });
        };
        let (held, status, body): (String, Option<i32>, Option<Value>) =
            (row.get(0), row.get(1), row.get(2));
        session.plain("rollback").await?;
        if held != fingerprint {
            return Err(Trouble::Reused { key: key.to_owned() });
        }
        let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
        let mut body = body.unwrap_or_default();
        if let Some(body) = body.as_object_mut() {
            body.insert("replayed".to_owned(), json!(true));
        }
        return Ok(Answer::new(status, body));
    }
    let answer = command.perform(session, terms).await?;
    let store = "update answers set status = $2, body = $3, target = $4 where key = $1";
    session.run(store, &[&key, &i32::from(answer.status), &answer.body, &answer.target]).await?;
    session.commit().await?;
    Ok(answer)
}

/// What tells a request from another one of the same key: FNV-1a over its text.
fn fingerprint(command: &Command) -> String {
    let text = serde_json::to_vec(command).unwrap_or_default();
    let sum = text.iter().fold(0xCBF2_9CE4_8422_2325_u64, |sum, octet| {
        (sum ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01B3)
    });
    format!("{sum:016x}")
}

/// Replays what waits, whenever the database is there; for as long as the process lives.
pub(crate) async fn replay_for_ever(node: &Node) {
    while node.pause(Duration::from_millis(300)).await {
        if !node.database.is_there() {
            continue;
        }
        for entry in node.journal.pending() {
            if let Err(trouble) = node.replay(&entry).await {
                tracing::debug!(why = trouble.why(), "a write still waits");
                break;
            }
        }
    }
}

/// What the database knows of time is not before what is given from now on.
pub(crate) async fn hear_the_databases_clock(node: &Node) -> Result<(), Trouble> {
    let mut lease = node.database.lease().await?;
    let select = "select greatest((select max(hlc) from records), (select max(hlc) from jobs), 0)";
    let latest: i64 = lease.session()?.one(select, &[]).await?.get(0);
    lease.done();
    if !node.clock.hear(Hlc(latest)) {
        tracing::error!(
            latest,
            "the database holds times that are far ahead of this clock: they win until it has caught up"
        );
    }
    Ok(())
}
