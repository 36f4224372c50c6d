//! What feeds the copy of the store, and tells how the store stands.

use std::sync::Arc;
use std::time::Duration;

use netwright_store::{AnyStore, Error, Range, Store};
use tokio::time::{sleep, timeout};

use super::mirror::Source;
use super::snapshot::{self, Snapshot};
use super::{Opener, State, Supply};
use crate::api::problem::{Kind, Problem};
use crate::time::Time;

/// How often the store is asked whether it is there.
const BEAT: Duration = Duration::from_secs(1);

/// How long its answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// The wait between tries to open it: from the first to the longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The shortest time between two files.
const KEEP: Duration = Duration::from_secs(2);

/// How the store stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has not been reached yet, and nobody has said why not.
    Starting,
    /// It answers.
    Here,
    /// It does not.
    Away {
        /// Since when.
        since: Time,
        /// Why, as it says.
        why: String,
    },
}

impl Standing {
    /// What is said to who needs it.
    pub(super) fn problem(&self) -> Problem {
        match self {
            Self::Starting | Self::Here => {
                Problem::new(Kind::StoreAway, "the store has not been reached yet")
            }
            Self::Away { since, why } => {
                let detail = format!(
                    "{why}; reads are answered from what was there before, writes work again when it is back"
                );
                Problem::new(Kind::StoreAway, detail).with("since", since)
            }
        }
    }
}

/// Takes what an earlier run has kept.
pub(super) async fn recall(state: &State) {
    let Some(path) = state.options.snapshot.clone() else { return };
    match tokio::task::spawn_blocking(move || snapshot::load(&path)).await {
        Ok(Ok(Some(Snapshot { entries, revision, written }))) => {
            tracing::info!(%revision, %written, "answers from what was kept until the store is read");
            state.mirror.load(entries, revision, Source::File(written));
        }
        Ok(Ok(None)) => {}
        Ok(Err(why)) => tracing::warn!(why, "what was kept of the store cannot be used"),
        Err(error) => tracing::warn!(%error, "what was kept of the store was not read"),
    }
}

/// Feeds the copy until the server ends.
pub(super) async fn run(state: Arc<State>, opener: Opener) {
    let keeper = tokio::spawn(keep(Arc::clone(&state)));
    tokio::select! {
        () = state.ended() => {}
        () = feed(&state, &opener) => {}
    }
    if let Err(error) = keeper.await {
        tracing::error!(%error, "what the store held is not kept");
    }
}

async fn feed(state: &Arc<State>, opener: &Opener) {
    let mut wait = AGAIN.0;
    let store = loop {
        match opener().await {
            Ok(store) => break store,
            Err(error) => away(state, &error),
        }
        sleep(jittered(wait)).await;
        wait = (wait * 2).min(AGAIN.1);
    };
    state.store.send_modify(|supply| supply.store = Some(store.clone()));
    let mut wait = AGAIN.0;
    loop {
        match follow(state, &store).await {
            Ok(()) => wait = AGAIN.0,
            Err(error) => {
                away(state, &error);
                sleep(jittered(wait)).await;
                wait = (wait * 2).min(AGAIN.1);
            }
        }
    }
}

/// Half of a wait at least, and all of it at most, so that servers do not come all at once.
pub(super) fn jittered(wait: Duration) -> Duration {
    let mut octet = [0];
    // Without chance it is the longest.
    let part = getrandom::fill(&mut octet).map_or(255, |()| u32::from(octet[0]));
    wait / 2 + wait * part / 510
}

fn away(state: &State, error: &Error) {
    let why = error.to_string();
    let now = state.now();
    state.store.send_if_modified(|supply| {
        let new = match &supply.standing {
            Standing::Away { since, .. } => Standing::Away { since: *since, why: why.clone() },
            Standing::Starting | Standing::Here => {
                tracing::warn!(why, "the store is away");
                Standing::Away { since: now, why: why.clone() }
            }
        };
        let changed = new != supply.standing;
        supply.standing = new;
        changed
    });
}

fn here(state: &State) {
    state.store.send_if_modified(|Supply { standing, .. }| {
        if let Standing::Away { since, .. } = standing {
            tracing::info!(%since, "the store is back");
        }
        let changed = *standing != Standing::Here;
        *standing = Standing::Here;
        changed
    });
}

/// Reads everything and goes on with what happens; ends where what happened is not known any more.
async fn follow(state: &Arc<State>, store: &AnyStore) -> Result<(), Error> {
    let found = timeout(PATIENCE * 10, store.range(Range::of(state.layout.all()))).await;
    let found = found.map_err(|_| Error::Unavailable("it does not answer".to_owned()))??;
    let mut watch = store.watch(state.layout.all(), found.revision.next()).await?;
    state.mirror.load(found.entries, found.revision, Source::Store);
    here(state);
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            batch = watch.next() => match batch {
                Ok(batch) => state.mirror.apply(batch),
                Err(Error::Compacted { .. }) => return Ok(()),
                Err(error) => return Err(error),
            },
            _ = beat.tick() => match timeout(PATIENCE, store.status()).await {
                Ok(Ok(status)) if status.revision < state.mirror.revision() => {
                    tracing::warn!("the store is older than it was: it is read again");
                    return Ok(());
                }
                Ok(Ok(status)) => {
                    state.mirror.confirm(status.revision);
                    here(state);
                }
                Ok(Err(error)) => away(state, &error),
                Err(_) => away(state, &Error::Unavailable(format!("no answer in {PATIENCE:?}"))),
            },
        }
    }
}

/// Keeps the copy in its file: when it has changed, and at the end.
async fn keep(state: Arc<State>) {
    let Some(path) = state.options.snapshot.clone() else { return };
    let mut newest = state.mirror.newest();
    let mut kept = None;
    loop {
        let ends = tokio::select! {
            () = state.ended() => true,
            changed = newest.changed() => changed.is_err(),
        };
        let revision = state.mirror.revision();
        let mut pause = KEEP;
        if state.mirror.source() == Source::Store && kept != Some(revision) {
            let (entries, revision) = state.mirror.all();
            let snapshot = Snapshot { entries, revision, written: state.now() };
            let path = path.clone();
            let began = tokio::time::Instant::now();
            match tokio::task::spawn_blocking(move || snapshot::save(&path, &snapshot)).await {
                Ok(Ok(())) => kept = Some(revision),
                Ok(Err(why)) => tracing::warn!(why, "what the store holds cannot be kept"),
                Err(error) => tracing::warn!(%error, "what the store holds was not kept"),
            }
            // Large networks are kept less often.
            pause = pause.max(began.elapsed() * 20);
        }
        if ends {
            return;
        }
        tokio::select! {
            () = state.ended() => {}
            () = sleep(pause) => {}
        }
    }
}
