//! Probes of a process's own links, on connections of their own and on the protocols that the links are for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::client::{self, Asked};
use crate::links::Links;
use crate::node::Node;
use crate::settings::{Common, Peer};

/// Probes the database; its breaker hears of it.
pub(crate) async fn database(node: Arc<Node>) {
    let common = &node.settings.common;
    let limit = Duration::from_millis(common.probe_timeout_ms.into());
    let mut session = None;
    while node.pause(Duration::from_millis(common.probe_every_ms.into())).await {
        let (at, began) = (node.clock.wall(), Instant::now());
        let probe = async {
            let mut held = match session.take() {
                Some(held) => held,
                None => node.database.connect().await?,
            };
            // The connection is not a part of what is measured next time.
            let asked = Instant::now();
            held.one("select 1", &[]).await?;
            session = Some(held);
            Ok::<_, crate::trouble::Trouble>(asked.elapsed())
        };
        let result = match tokio::time::timeout(limit, probe).await {
            Ok(Ok(took)) => Ok(took),
            Ok(Err(trouble)) => Err(trouble.why()),
            Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
        };
        node.metrics.tried("database", result.is_err());
        match &result {
            Ok(_) => node.database.worked(),
            Err(_) => {
                session = None;
                node.database.failed();
            }
        }
        tell(&node.links, common, "database", (at, node.clock.wall(), began), result);
    }
}

/// Probes Redis; its breaker hears of it.
pub(crate) async fn queue(node: Arc<Node>) {
    let common = &node.settings.common;
    while node.pause(Duration::from_millis(common.probe_every_ms.into())).await {
        let (at, began) = (node.clock.wall(), Instant::now());
        let result =
            node.broker.probe().await.map(|()| began.elapsed()).map_err(|trouble| trouble.why());
        node.metrics.tried("queue", result.is_err());
        tell(&node.links, common, "queue", (at, node.clock.wall(), began), result);
    }
}

/// Asks whether another process lives.
pub(crate) async fn ask(peer: &Peer, limit: Duration) -> Result<Duration, String> {
    let began = Instant::now();
    let answered = client::ask(&peer.url, Asked::get("/api/v1/live"), limit).await?;
    if answered.status.is_success() {
        Ok(began.elapsed())
    } else {
        Err(format!("it answers {}", answered.status))
    }
}

/// Probes another process.
pub(crate) async fn peer(node: Arc<Node>, peer: Peer) {
    let common = &node.settings.common;
    let limit = Duration::from_millis(common.probe_timeout_ms.into());
    while node.pause(Duration::from_millis(common.probe_every_ms.into())).await {
        let (at, began) = (node.clock.wall(), Instant::now());
        let result = ask(&peer, limit).await;
        tell(&node.links, common, &peer.name, (at, node.clock.wall(), began), result);
    }
}

/// Hears of a probe.
pub(crate) fn tell(
    links: &Links,
    common: &Common,
    link: &str,
    (at, now, _): (u64, u64, Instant),
    result: Result<Duration, String>,
) {
    links.hear(link, at, now, result, Duration::from_millis(common.slow_ms.into()));
}
