//! The worker: does jobs. PostgreSQL says which; Redis only says that there may be one.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::broken::Broken;
use crate::commands::jobs::{self, Held};
use crate::node::Node;
use crate::settings::Backend;
use crate::trouble::Trouble;

/// Jobs that one executor takes at a time.
const BATCH: i64 = 8;

/// What a worker is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) backend: Backend,
    /// Jobs that are done at a time, in batches
    #[arg(long, env = "VISAPI_EXECUTORS", default_value_t = 2)]
    pub(crate) executors: usize,
    /// Milliseconds after which the database is asked for jobs, also where Redis says nothing
    #[arg(long, env = "VISAPI_POLL_MS", default_value_t = 500)]
    pub(crate) poll_ms: u32,
}

/// Starts to work.
pub(crate) fn start(node: &Arc<Node>, settings: &Settings) {
    let poll = Duration::from_millis(settings.poll_ms.into());
    for number in 0..settings.executors.clamp(1, 64) {
        tokio::spawn(execute(Arc::clone(node), number, poll));
    }
    tokio::spawn(listen(Arc::clone(node)));
}

/// Hears wake-ups.
async fn listen(node: Arc<Node>) {
    let patience = Duration::from_secs(1);
    while node.pause(Duration::ZERO).await {
        match node.broker.wait(&node.name, patience).await {
            Ok(0) => {}
            Ok(_) => node.wake.notify_waiters(),
            Err(trouble) => {
                tracing::debug!(why = trouble.why(), "no wake-ups");
                node.pause(Duration::from_millis(500)).await;
            }
        }
    }
}

async fn execute(node: Arc<Node>, number: usize, poll: Duration) {
    let name = format!("{}/{number}", node.name);
    loop {
        let woken = node.wake.notified();
        let more = node.open().is_ok() && wanted(&node, number).await && work(&node, &name).await;
        if more {
            continue;
        }
        tokio::select! {
            () = woken => {}
            lives = node.pause(poll) => if !lives { return },
        }
    }
}

/// Whether this executor is to work: operators may say how many do.
async fn wanted(node: &Node, number: usize) -> bool {
    let Ok(mut lease) = node.database.lease().await else { return false };
    let Ok(session) = lease.session() else { return false };
    match session.maybe("select value from settings where name = 'workers'", &[]).await {
        Ok(row) => {
            lease.done();
            let most = row.and_then(|row| row.get::<_, Value>(0).as_u64());
            most.is_none_or(|most| u64::try_from(number).is_ok_and(|number| number < most))
        }
        Err(trouble) => {
            lease.broke(&trouble);
            false
        }
    }
}

/// Does a batch; true where there may be more.
async fn work(node: &Arc<Node>, name: &str) -> bool {
    let broken = node.broken() == Some(Broken::DuplicateEffects);
    let claimed = claim(node, name, broken).await;
    node.metrics.tried("worker", claimed.is_err());
    let held = match claimed {
        Ok(held) => held,
        Err(trouble) => {
            tracing::debug!(why = trouble.why(), "no jobs");
            return false;
        }
    };
    let full = i64::try_from(held.len()).is_ok_and(|count| count == BATCH);
    let mut doing = JoinSet::new();
    for job in held {
        let (node, name) = (Arc::clone(node), name.to_owned());
        doing.spawn(async move { one(&node, &name, &job, broken).await });
    }
    while doing.join_next().await.is_some() {}
    full
}

async fn claim(node: &Node, name: &str, broken: bool) -> Result<Vec<Held>, Trouble> {
    let mut lease = node.database.lease().await?;
    let session = lease.session()?;
    let claimed = jobs::claim(session, name, BATCH, node.settings.lease_ms.into(), broken).await;
    lease.settle(claimed)
}

async fn one(node: &Node, name: &str, job: &Held, broken: bool) {
    let mut pause = Duration::from_millis(100);
    let works = perform(node, job).await;
    // The lease decides how long it makes sense to try.
    for _ in 0..4 {
        let ended = end(node, name, job, works, broken).await;
        node.metrics.tried("worker", ended.as_ref().is_err_and(Trouble::is_away));
        match ended {
            Ok(()) => {
                let what = if works { "state=\"done\"" } else { "state=\"failed\"" };
                node.metrics.count("jobs_processed_total", what);
                return;
            }
            Err(Trouble::Fenced { why }) => {
                tracing::info!(why, "a job was given to somebody else");
                node.metrics.count("jobs_fenced_total", "");
                return;
            }
            Err(trouble) => {
                tracing::debug!(why = trouble.why(), "the end of a job waits");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
    }
}

/// What a job does beside its effect: it takes a while, or fails as often as it says. True where it works.
async fn perform(node: &Node, job: &Held) -> bool {
    let longest = u64::from(node.settings.lease_ms) / 2;
    let takes = job.payload["work_ms"].as_u64().unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(takes.min(longest))).await;
    let failures = job.payload["fail"].as_i64().unwrap_or(0);
    takes <= longest && i64::from(job.failures) >= failures
}

async fn end(
    node: &Node,
    name: &str,
    job: &Held,
    works: bool,
    broken: bool,
) -> Result<(), Trouble> {
    let mut lease = node.database.lease().await?;
    let session = lease.session()?;
    let work = async {
        session.plain("begin").await?;
        if works {
            jobs::finish(session, job, name, broken).await?;
        } else {
            jobs::fail(session, job).await?;
        }
        session.commit().await
    };
    let result = work.await;
    lease.settle(result)
}
