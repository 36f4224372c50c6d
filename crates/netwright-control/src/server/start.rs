//! The start of a server, phase by phase.
//!
//! A server whose store is away starts all the same: it answers reads from what an earlier run has kept, and says that it is degraded. Only one that
//! others would reach, and of which the store says that there is no key, does not start.

use std::sync::Arc;
use std::time::Duration;

use netwright_store::Revision;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::mirror::Source;
use super::{Standing, State, supply};
use crate::startup::{Phase, Report, Startup};

/// The phases of a server.
fn phases(state: &State) -> Vec<Phase> {
    let seconds = Duration::from_secs;
    let phase = |name, time, bypass| Phase { name, time_out: seconds(time), bypass };
    vec![
        phase("recall the copy", 20, true),
        phase("reach the store", 5, true),
        phase("read the store", 30, true),
        phase("know the keys", 2, false),
        phase("know the leader", 2 + state.options.lease.as_secs(), true),
    ]
}

/// Goes through the phases, telling of each; the report.
pub(super) async fn run(state: &Arc<State>) -> Report {
    let began = Instant::now();
    let mut startup = Startup::new(phases(state), !state.options.strict, Duration::ZERO);
    loop {
        state.startup.send_replace(startup.report());
        let Some((phase, until)) = startup.current() else { return startup.report() };
        let name = phase.name;
        match timeout_at(began + until, go(state, name)).await {
            Ok(result) => {
                if let Err(why) = &result {
                    tracing::warn!(phase = name, why, "a phase of the start failed");
                }
                startup.ended(result, began.elapsed());
            }
            Err(_) => {
                tracing::warn!(phase = name, "a phase of the start took too long");
                startup.tick(began.elapsed().max(until));
            }
        }
    }
}

async fn go(state: &Arc<State>, phase: &str) -> Result<(), String> {
    match phase {
        "recall the copy" => supply::recall(state).await,
        "reach the store" => reached(state).await,
        "read the store" => read(state).await,
        "know the keys" => keys(state),
        _ => leader(state).await,
    }
}

/// The store answers, or says why it does not: that is not waited out.
async fn reached(state: &State) -> Result<(), String> {
    let mut standing = state.store.subscribe();
    let known = standing.wait_for(|supply| supply.standing != Standing::Starting).await;
    match known.map(|supply| supply.standing.clone()) {
        Ok(Standing::Away { why, .. }) => Err(why),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

async fn read(state: &State) -> Result<(), String> {
    if let Standing::Away { why, .. } = state.standing() {
        return Err(why);
    }
    let newest = state.mirror.newest();
    until(newest, || state.mirror.source() == Source::Store).await
}

fn keys(state: &State) -> Result<(), String> {
    if state.options.trusts_this_machine || state.keys().any(state.now()) {
        return Ok(());
    }
    if state.mirror.source() != Source::Store {
        tracing::warn!("it is not known which keys there are: nobody gets in until it is");
        return Ok(());
    }
    Err("there is no API key, and without one a server may only listen on its own machine"
        .to_owned())
}

async fn leader(state: &State) -> Result<(), String> {
    if let Standing::Away { why, .. } = state.standing() {
        return Err(why);
    }
    until(state.mirror.newest(), || state.leader().is_some()).await
}

async fn until(mut newest: watch::Receiver<Revision>, is: impl Fn() -> bool) -> Result<(), String> {
    while !is() {
        newest.changed().await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
