//! What one process does for all: it announces jobs whose wake-up was not published, and forgets what nobody asks for.
//!
//! Every process asks to lead; the database gives the lease and the epoch. What is done in the lead is done in a transaction that the epoch fences, so
//! it does no harm that a process believes a little longer than it may.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clock::{Hlc, Stamp};
use crate::commands::{Command, Terms, jobs::WORK, leading};
use crate::database::Session;
use crate::links::Cut;
use crate::merge::{Job, Stage};
use crate::node::{Belief, Node};
use crate::trouble::Trouble;

/// The election of the system itself.
pub(crate) const SYSTEM: &str = "system";

/// Asks to lead, leads, and tells of itself; for as long as the process lives.
pub(crate) async fn run(node: Arc<Node>) {
    let lease = node.settings.lease_ms;
    let mut told = 0;
    while node.pause(Duration::from_millis(u64::from(lease / 3).max(50))).await {
        if !node.database.is_there() {
            continue;
        }
        let asked = Instant::now();
        let result = elect(&node, lease).await;
        match result {
            Ok(Some(epoch)) => {
                // Counted from before it was asked for, so that it ends here before it ends there.
                node.believe(Some(Belief {
                    epoch,
                    until: asked + Duration::from_millis(lease.into()),
                }));
                if epoch != told {
                    tracing::info!(node = node.name, epoch, "leads");
                    told = epoch;
                }
                if let Err(trouble) = duty(&node, epoch).await {
                    tracing::debug!(why = trouble.why(), "the leader's duty waits");
                }
            }
            Ok(None) => node.believe(None),
            Err(trouble) => tracing::debug!(why = trouble.why(), "nobody can be elected"),
        }
    }
}

async fn elect(node: &Node, milliseconds: u32) -> Result<Option<i64>, Trouble> {
    let command =
        Command::Lead { election: SYSTEM.to_owned(), node: node.name.clone(), milliseconds };
    let stamp = node.stamp();
    let terms = Terms { stamp: &stamp, origin: "direct", broken: node.broken() };
    let mut lease = node.database.lease().await?;
    let session = lease.session()?;
    let held = node.belief().map(|belief| belief.epoch);
    let work = async {
        session.plain("begin").await?;
        let answer = command.perform(session, terms).await?;
        let epoch = answer.body["epoch"].as_i64().filter(|_| answer.status == 200);
        if let Some(epoch) = epoch.filter(|epoch| Some(*epoch) != held) {
            let act = Command::Act {
                election: SYSTEM.to_owned(),
                node: node.name.clone(),
                epoch,
                what: "takes the lead".to_owned(),
            };
            act.perform(session, terms).await?;
        }
        let cuts = tell_of_itself(node, session).await?;
        session.commit().await?;
        // Only now they are: a commit may fail as well.
        node.links.written(&cuts);
        Ok(epoch)
    };
    let result = work.await;
    lease.settle(result)
}

/// A row for this process, and the cuts that it saw: which.
async fn tell_of_itself(node: &Node, session: &mut Session) -> Result<Vec<Cut>, Trouble> {
    let links = serde_json::to_value(node.links.all()).unwrap_or_default();
    let pending = i64::try_from(node.journal.size().0).unwrap_or(i64::MAX);
    let tell = "insert into nodes (node, role, hlc, believes_epoch, links, journal_pending) values ($1, $2, $3, $4, $5, $6)
        on conflict (node) do update set role = excluded.role, hlc = excluded.hlc, believes_epoch = excluded.believes_epoch,
            links = excluded.links, journal_pending = excluded.journal_pending, seen_at = clock_timestamp()";
    let epoch = node.belief().map(|belief| belief.epoch);
    session
        .run(tell, &[&node.name, &node.role, &node.clock.tick().0, &epoch, &links, &pending])
        .await?;
    let cuts = node.links.cuts();
    for cut in &cuts {
        let keep = "insert into partitions (node, link, began_at, detected_after_ms, ended_at)
            values ($1, $2, to_timestamp($3::float8 / 1000), $4, to_timestamp($5::float8 / 1000))
            on conflict (node, link, began_at) do update set ended_at = excluded.ended_at";
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds since 1970 are far below 2^52"
        )]
        let (began, ended) = (cut.began as f64, cut.ended.map(|ended| ended as f64));
        let after = i64::try_from(cut.detected_after).unwrap_or(i64::MAX);
        session.run(keep, &[&node.name, &cut.link, &began, &after, &ended]).await?;
    }
    Ok(cuts)
}

/// Announces jobs of the outbox, and forgets what is old.
async fn duty(node: &Node, epoch: i64) -> Result<(), Trouble> {
    if !node.broker.is_there() {
        return Ok(());
    }
    let mut lease = node.database.lease().await?;
    let select = "select o.seq, j.id, j.payload, j.hlc, j.node from outbox o join jobs j on j.id = o.job_id
        where o.published_at is null and o.written_at < clock_timestamp() - interval '1 second' and j.state = 'pending'
        order by o.seq limit 500";
    let rows = lease.session()?.rows(select, &[]).await?;
    lease.done();
    let mut published: Vec<i64> = Vec::new();
    for row in &rows {
        let payload: Value = row.get(2);
        let stamp = Stamp { hlc: Hlc(row.get(3)), node: row.get(4) };
        let job =
            Job { id: row.get(1), queue: WORK.to_owned(), state: Stage::Pending, payload, stamp };
        if node.broker.announce(&job).await.is_err() {
            break;
        }
        published.push(row.get(0));
    }
    let mut lease = node.database.lease().await?;
    let session = lease.session()?;
    let work = async {
        session.plain("begin").await?;
        if node.broken() != Some(crate::broken::Broken::NoFencing) {
            leading::fence(session, SYSTEM, &node.name, epoch).await?;
        }
        let mark = "update outbox set published_at = clock_timestamp() where seq = any($1)";
        session.run(mark, &[&published]).await?;
        let forget = "delete from outbox o using jobs j where j.id = o.job_id and (o.published_at is not null or j.state = 'done')
            and o.written_at < clock_timestamp() - interval '10 seconds'";
        session.run(forget, &[]).await?;
        session
            .run(
                "delete from answers where answered_at < clock_timestamp() - interval '1 day'",
                &[],
            )
            .await?;
        session.run("delete from sessions where expires_at < clock_timestamp()", &[]).await?;
        session.commit().await
    };
    let result = work.await;
    lease.settle(result)
}
