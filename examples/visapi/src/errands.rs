//! Small tasks of a process: announcing jobs, keeping answers, and what a broken variant does later.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use crate::broken::Broken;
use crate::merge::Job;
use crate::node::{Inbox, Node};
use crate::probes;
use crate::writes;

/// Starts what every process with a database does beside its work.
pub(crate) fn start(node: &Arc<Node>, inbox: Inbox) {
    tokio::spawn(crate::starting::run(Arc::clone(node)));
    tokio::spawn(probes::database(Arc::clone(node)));
    tokio::spawn(probes::queue(Arc::clone(node)));
    for peer in node.settings.common.peers.clone() {
        tokio::spawn(probes::peer(Arc::clone(node), peer));
    }
    tokio::spawn(crate::leader::run(Arc::clone(node)));
    tokio::spawn(announce(Arc::clone(node), inbox.announcements));
    tokio::spawn(keep(Arc::clone(node), inbox.keepings));
    let own = Arc::clone(node);
    tokio::spawn(async move { writes::replay_for_ever(&own).await });
    if node.broken() == Some(Broken::AckBeforeDurable) {
        let own = Arc::clone(node);
        tokio::spawn(async move {
            while own.pause(Duration::from_millis(500)).await {
                own.write_what_was_acknowledged().await;
            }
        });
    }
}

/// Publishes wake-ups as jobs are stored; what is not published here, whoever leads finds in the outbox.
async fn announce(node: Arc<Node>, mut jobs: Receiver<Job>) {
    let mut some = Vec::new();
    while jobs.recv_many(&mut some, 64).await > 0 {
        let mut ids: Vec<String> = Vec::new();
        for job in some.drain(..) {
            if node.broker.announce(&job).await.is_ok() {
                ids.push(job.id);
            }
        }
        if ids.is_empty() {
            continue;
        }
        if let Ok(mut lease) = node.database.lease().await {
            let mark = "update outbox set published_at = clock_timestamp() where job_id = any($1)";
            let marked = match lease.session() {
                Ok(session) => session.run(mark, &[&ids]).await,
                Err(trouble) => Err(trouble),
            };
            if let Err(trouble) = lease.settle(marked) {
                tracing::debug!(why = trouble.why(), "wake-ups will be published again");
            }
        }
    }
}

/// Keeps answers in Redis, as far as it is there.
async fn keep(node: Arc<Node>, mut answers: Receiver<(String, String)>) {
    while let Some((place, body)) = answers.recv().await {
        if node.broker.keep(&place, &body).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
