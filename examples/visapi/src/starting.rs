//! The start of a process with a database, in phases; each has its time, and some can be passed by.
//!
//! `EMERGENCY_ALLOW_NO_DATABASE=true` lets it start without its database: degraded, with every later phase run.

use std::sync::Arc;
use std::time::Duration;

use netwright_watch::startup::{self, Flag, Phase, Startup};
use tokio::time::Instant;

use crate::database::migrations;
use crate::node::Node;
use crate::trouble::Trouble;
use crate::writes::hear_the_databases_clock;

/// The variable that lets a process start without its database.
const BYPASS: &str = "EMERGENCY_ALLOW_NO_DATABASE";

/// Goes through the start; then tries what did not work until nothing is missing, for ever.
pub(crate) async fn run(node: Arc<Node>) {
    let value = std::env::var_os(BYPASS).map(|value| value.to_string_lossy().into_owned());
    let flag = Flag::parse(BYPASS, value.as_deref());
    let second = Duration::from_secs(1);
    let times = node.settings.times();
    let each = times.acquire + times.connect + times.statement;
    let phases = vec![
        Phase::new("configuration", second),
        Phase::new("journal", second),
        Phase::new("database", second * 20).tries(3, each).on("database").bypass(flag.clone()),
        Phase::new("schema", second * 20).tries(2, second * 10).on("database").bypass(flag.clone()),
        Phase::new("clock", second * 5).on("database").bypass(flag),
        Phase::new("queue", second * 5).tries(2, second * 2).optional(),
        Phase::new("services", second),
    ];
    let began = Instant::now();
    let mut startup = Startup::new(phases, Duration::ZERO);
    let chance =
        || f64::from(u32::try_from(crate::clock::true_time() % 1000).unwrap_or(0)) / 1000.0;
    let go = |phase: &Phase| {
        let (node, phase) = (Arc::clone(&node), phase.name.clone());
        async move { go(&node, &phase).await.map_err(|trouble| trouble.why()) }
    };
    startup::run(&mut startup, began, chance, |report| node.tell_start(report), go).await;
    tracing::info!(node = node.name, mode = ?startup.mode(), "started");
    startup::heal(startup, began, |report| node.tell_start(report), go).await;
}

async fn go(node: &Node, phase: &str) -> Result<(), Trouble> {
    match phase {
        "database" => {
            let mut session = node.database.connect().await?;
            session.one("select 1", &[]).await?;
            node.database.worked();
            Ok(())
        }
        "schema" => {
            let mut session = node.database.connect().await?;
            let ran = migrations::run(&mut session).await?;
            if ran > 0 {
                tracing::info!(migrations = ran, "the schema is new");
            }
            Ok(())
        }
        "clock" => hear_the_databases_clock(node).await,
        "queue" => node.broker.probe().await,
        // What these need was there when the process was made.
        _ => Ok(()),
    }
}
