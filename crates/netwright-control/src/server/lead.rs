//! The election, for as long as a server runs; and what a server has while it leads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use netwright_store::{AnyStore, Store};
use tokio::time::{Instant, sleep, timeout};

use super::State;
use super::supply::jittered;
use crate::access::random;
use crate::election::{Candidate, Lead};
use crate::guard::Guard;

/// How often it is looked for whether nobody leads, where nothing tells it.
const LOOK: Duration = Duration::from_secs(1);

/// What a server has while it leads.
pub struct Leading {
    lead: Mutex<Lead>,
}

impl Leading {
    /// The condition of all that is written.
    #[must_use]
    pub fn guard(&self) -> Guard {
        self.lead.lock().unwrap_or_else(PoisonError::into_inner).guard.clone()
    }

    /// Whether it leads by its own clock.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lead.lock().unwrap_or_else(PoisonError::into_inner).holds()
    }

    fn renew(&self, until: Instant) {
        self.lead.lock().unwrap_or_else(PoisonError::into_inner).until = until;
    }
}

/// Stands for election, leads, and stands again, until the server ends.
pub(super) async fn run(state: Arc<State>) {
    let Ok(token) = random::<8>() else {
        tracing::error!("no random octets: this server never leads");
        return;
    };
    let candidate = Candidate {
        server: state.options.server.clone(),
        url: state.options.url.clone(),
        token,
        ttl: state.options.lease,
        alone: state.options.alone,
    };
    let mut newest = state.mirror.newest();
    loop {
        let store = match state.store() {
            Ok(store) if state.mirror.get(&state.layout.leader()).is_none() || candidate.alone => {
                store
            }
            _ => {
                tokio::select! {
                    () = state.closed() => return,
                    _ = newest.changed() => {}
                    () = sleep(LOOK) => {}
                }
                continue;
            }
        };
        match candidate.stand(&store, &state.layout).await {
            Ok(Some(lead)) => lead_on(&state, &candidate, &store, lead).await,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "no election"),
        }
        tokio::select! {
            () = state.closed() => return,
            () = sleep(jittered(LOOK / 2)) => {}
        }
    }
}

async fn lead_on(state: &Arc<State>, candidate: &Candidate, store: &AnyStore, lead: Lead) {
    let epoch = lead.guard.epoch();
    tracing::info!(epoch, "this server leads");
    let leading = Arc::new(Leading { lead: Mutex::new(lead.clone()) });
    state.lead.send_replace(Some(Arc::clone(&leading)));
    let why = tokio::select! {
        why = candidate.keep(store, &state.layout, &lead, |until| leading.renew(until)) => why,
        () = state.closed() => "the server ends".to_owned(),
    };
    state.lead.send_replace(None);
    tracing::info!(epoch, why, "this server leads no longer");
    resign(store, candidate, &lead).await;
}

async fn resign<S: Store>(store: &S, candidate: &Candidate, lead: &Lead) {
    // A lease that is not given back ends by itself.
    match timeout(LOOK * 2, candidate.resign(store, lead)).await {
        Ok(Err(error)) => tracing::info!(%error, "the lead was not given back"),
        Err(_) => tracing::info!("the lead was not given back in time"),
        Ok(Ok(())) => {}
    }
}
