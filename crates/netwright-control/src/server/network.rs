//! Follows the network, and has the leader write all of it at times.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::State;

/// How often the leader looks whether there is something to tidy.
const TIDY: Duration = Duration::from_secs(5);

pub(super) async fn run(state: Arc<State>) {
    tokio::select! {
        () = state.closed() => {}
        () = state.changes.keeper().follow() => {}
        () = tidy(&state) => {}
    }
}

async fn tidy(state: &State) {
    loop {
        sleep(TIDY).await;
        let (Ok(lead), Ok(store)) = (state.lead(), state.store()) else { continue };
        let now = state.now().milliseconds();
        if let Err(error) = state.changes.tidy(&store, &lead.guard(), now).await {
            tracing::warn!(%error, "the network is not tidied");
        }
    }
}
