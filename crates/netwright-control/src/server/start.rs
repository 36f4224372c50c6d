//! The start of a server, phase by phase.
//!
//! A server whose store is away starts all the same: it answers reads from what an earlier run has kept, and says that it is degraded. Only one that
//! others would reach, and of which the store says that there is no key, does not start.

use std::sync::Arc;
use std::time::Duration;

use netwright_store::Revision;
use netwright_watch::startup::{self, Flag, Phase, Report, Startup};
use tokio::sync::watch;
use tokio::time::Instant;

use super::mirror::Source;
use super::{Standing, State, supply};

/// The phases of a server.
fn phases(state: &State) -> Vec<Phase> {
    let flag = Flag::new("start without the store", !state.options.strict).for_good();
    let phase = |name, seconds| Phase::new(name, Duration::from_secs(seconds));
    vec![
        phase("recall the copy", 20).bypass(flag.clone()),
        phase("reach the store", 5).on("the store").bypass(flag.clone()),
        phase("read the store", 30).on("the store").bypass(flag.clone()),
        phase("know the keys", 2),
        phase("know the leader", 2 + state.options.lease.as_secs()).on("the store").bypass(flag),
    ]
}

/// Goes through the phases, telling of each; the start as it was decided, and since when its times count.
pub(super) async fn run(state: &Arc<State>) -> (Startup, Instant) {
    let began = Instant::now();
    let mut start = Startup::new(phases(state), Duration::ZERO);
    let tell = |report: &Report| told(state, report);
    let work = |phase: &Phase| go(Arc::clone(state), phase.name.clone());
    startup::run(&mut start, began, supply::chance, tell, work).await;
    (start, began)
}

/// Does again what the start went without, until the server ends.
pub(super) async fn heal(state: Arc<State>, start: Startup, began: Instant) {
    let tell = |report: &Report| told(&state, report);
    let work = |phase: &Phase| go(Arc::clone(&state), phase.name.clone());
    tokio::select! {
        () = startup::heal(start, began, tell, work) => {}
        () = state.ended() => {}
    }
}

fn told(state: &State, report: &Report) {
    state.startup.send_if_modified(|told| {
        let changed = told != report;
        told.clone_from(report);
        changed
    });
}

async fn go(state: Arc<State>, phase: String) -> Result<(), String> {
    match phase.as_str() {
        "recall the copy" => supply::recall(&state).await,
        "reach the store" => reached(&state).await,
        "read the store" => read(&state).await,
        "know the keys" => keys(&state),
        _ => leader(&state).await,
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
