//! Jobs: a row of the truth, a wake-up in the outbox with it, and an effect that is one with the job's end.

use serde_json::{Value, json};

use super::{Answer, Terms, done};
use crate::broken::{Broken, GAP};
use crate::clock::{Hlc, Stamp};
use crate::database::Session;
use crate::merge::{Job, Stage};
use crate::trouble::Trouble;

/// The queue that workers work on. What is in another one is for whoever asks for it.
pub(crate) const WORK: &str = "work";

/// The most jobs that wait in a queue.
const MOST: i64 = 100_000;

/// Failures of a job itself after which it is given up.
const FAILURES: i32 = 3;

pub(super) async fn enqueue(
    session: &mut Session,
    id: &str,
    queue: &str,
    payload: &Value,
    terms: Terms<'_>,
) -> Result<Answer, Trouble> {
    let waiting = "select count(*) from (select 1 from jobs where queue = $1 and state in ('pending', 'running') limit $2) w";
    let waiting: i64 = session.one(waiting, &[&queue, &MOST]).await?.get(0);
    if waiting >= MOST {
        return Err(Trouble::TooMany { why: format!("the queue `{queue}` holds {MOST} jobs") });
    }
    let stamp = terms.stamp;
    let insert = "insert into jobs (id, queue, payload, state, hlc, node) values ($1, $2, $3, 'pending', $4, $5)
        on conflict do nothing";
    let new = session.run(insert, &[&id, &queue, payload, &stamp.hlc.0, &stamp.node]).await? == 1;
    if new && queue == WORK {
        session.run("insert into outbox (job_id) values ($1)", &[&id]).await?;
    }
    let what = if new { "enqueued" } else { "present" };
    Ok(done(
        if new { 201 } else { 200 },
        what,
        json!({ "id": id, "queue": queue, "hlc": stamp.hlc.0 }),
    ))
}

pub(super) async fn take(
    session: &mut Session,
    queue: &str,
    consumer: &str,
    terms: Terms<'_>,
) -> Result<Answer, Trouble> {
    let broken = terms.broken == Some(Broken::DuplicateEffects);
    let next = if broken {
        "select id, payload from jobs where queue = $1 and state = 'pending' order by created_at, id limit 1"
    } else {
        "select id, payload from jobs where queue = $1 and state = 'pending' order by created_at, id limit 1
            for update skip locked"
    };
    let Some(row) = session.maybe(next, &[&queue]).await? else {
        return Ok(done(200, "empty", json!({ "queue": queue })));
    };
    let (id, payload): (String, Value) = (row.get(0), row.get(1));
    if broken {
        tokio::time::sleep(GAP).await;
    }
    deliver(session, &id, consumer, 0).await?;
    effect(session, &id, consumer, &payload, broken).await?;
    let end = "update jobs set state = 'done', attempts = attempts + 1, finished_at = clock_timestamp() where id = $1";
    session.run(end, &[&id]).await?;
    Ok(done(200, "taken", json!({ "id": id, "payload": payload })))
}

async fn deliver(session: &mut Session, id: &str, worker: &str, token: i64) -> Result<(), Trouble> {
    let keep = "insert into deliveries (job_id, worker, token) values ($1, $2, $3)";
    session.run(keep, &[&id, &worker, &token]).await?;
    Ok(())
}

/// Stores what a job does; false where it had been stored.
async fn effect(
    session: &mut Session,
    id: &str,
    worker: &str,
    value: &Value,
    broken: bool,
) -> Result<bool, Trouble> {
    let keep = if broken {
        "insert into effects (job_id, worker, value) values ($1, $2, $3)"
    } else {
        "insert into effects (job_id, guard, worker, value) values ($1, $1, $2, $3) on conflict (guard) do nothing"
    };
    Ok(session.run(keep, &[&id, &worker, value]).await? == 1)
}

/// A job that a worker holds.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// Which.
    pub(crate) id: String,
    /// What is to be done.
    pub(crate) payload: Value,
    /// How often it failed by itself before.
    pub(crate) failures: i32,
    /// Given out with it: who has an older one is fenced off.
    pub(crate) token: i64,
}

/// Gives a worker the next jobs, for so many milliseconds.
pub(crate) async fn claim(
    session: &mut Session,
    worker: &str,
    most: i64,
    milliseconds: i64,
    broken: bool,
) -> Result<Vec<Held>, Trouble> {
    if broken {
        let next = "select id, payload, failures, 0::bigint from jobs where queue = $1 and state = 'pending'
            order by created_at, id limit $2";
        let rows = session.rows(next, &[&WORK, &most]).await?;
        return Ok(rows.iter().map(held).collect());
    }
    let next = "with next as (
            select id from jobs
            where queue = $1 and (state = 'pending' or (state = 'running' and lease_until < clock_timestamp()))
            order by created_at, id limit $2 for update skip locked
        ), given as (
            update jobs j set state = 'running', attempts = attempts + 1, lease_owner = $3,
                lease_token = nextval('lease_tokens'), lease_until = clock_timestamp() + $4 * interval '1 millisecond'
            from next where j.id = next.id
            returning j.id, j.payload, j.failures, j.lease_token
        ), told as (
            insert into deliveries (job_id, worker, token) select id, $3, lease_token from given
        )
        select id, payload, failures, lease_token from given order by id";
    #[expect(clippy::cast_precision_loss, reason = "a lease is far below 2^52 milliseconds")]
    let milliseconds = milliseconds as f64;
    let rows = session.rows(next, &[&WORK, &most, &worker, &milliseconds]).await?;
    Ok(rows.iter().map(held).collect())
}

fn held(row: &tokio_postgres::Row) -> Held {
    Held { id: row.get(0), payload: row.get(1), failures: row.get(2), token: row.get(3) }
}

/// Ends a job with its effect, in the transaction that began. Who lost the job meanwhile is refused.
pub(crate) async fn finish(
    session: &mut Session,
    job: &Held,
    worker: &str,
    broken: bool,
) -> Result<(), Trouble> {
    if broken {
        effect(session, &job.id, worker, &job.payload, true).await?;
        let end = "update jobs set state = 'done', attempts = attempts + 1, finished_at = clock_timestamp() where id = $1";
        session.run(end, &[&job.id]).await?;
        return Ok(());
    }
    let end = "update jobs set state = 'done', lease_owner = null, lease_until = null, finished_at = clock_timestamp()
        where id = $1 and lease_token = $2 and state = 'running'";
    if session.run(end, &[&job.id, &job.token]).await? == 0 {
        return Err(Trouble::Fenced {
            why: format!("the job {} is somebody else's by now", job.id),
        });
    }
    effect(session, &job.id, worker, &job.payload, false).await?;
    Ok(())
}

/// The job failed by itself: it waits again, or is given up.
pub(crate) async fn fail(session: &mut Session, job: &Held) -> Result<(), Trouble> {
    let end = "update jobs set failures = failures + 1, lease_owner = null, lease_until = null,
            state = case when failures + 1 >= $3 then 'dead' else 'pending' end
        where id = $1 and lease_token = $2 and state = 'running'";
    session.run(end, &[&job.id, &job.token, &FAILURES]).await?;
    Ok(())
}

/// All jobs of the queue that workers work on, or those that are to be done; up to a bound.
pub(crate) async fn all(session: &mut Session, waiting: bool) -> Result<Vec<Job>, Trouble> {
    let select = if waiting {
        "select id, queue, state, payload, hlc, node from jobs where queue = $1 and state in ('pending', 'running')
            order by created_at, id limit $2"
    } else {
        "select id, queue, state, payload, hlc, node from jobs where queue = $1 order by created_at, id limit $2"
    };
    Ok(session.rows(select, &[&WORK, &MOST]).await?.iter().map(job).collect())
}

/// What is known of some jobs.
pub(crate) async fn known(session: &mut Session, ids: &[String]) -> Result<Vec<Job>, Trouble> {
    let select = "select id, queue, state, payload, hlc, node from jobs where id = any($1)";
    Ok(session.rows(select, &[&ids]).await?.iter().map(job).collect())
}

fn job(row: &tokio_postgres::Row) -> Job {
    let state: &str = row.get(2);
    Job {
        id: row.get(0),
        queue: row.get(1),
        state: Stage::parse(state),
        payload: row.get(3),
        stamp: Stamp { hlc: Hlc(row.get(4)), node: row.get(5) },
    }
}
