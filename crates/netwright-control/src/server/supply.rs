//! What feeds the copy of the store, and tells how the store stands.

use std::sync::Arc;
use std::time::Duration;

use netwright_store::{AnyStore, Error, Store};
use netwright_watch::startup::{Ask, Breaker};
use tokio::time::{Instant, sleep, timeout};

use super::mirror::{self, Source};
use super::snapshot::{self, Snapshot};
use super::{Opener, State, Supply};
use crate::api::problem::{Kind, Problem};
use crate::time::Time;

/// How often the store is asked whether it is there.
const BEAT: Duration = Duration::from_secs(1);

/// How long its answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// The wait between tries to reach it: the first and the longest.
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

/// Takes what an earlier run has kept, where nothing better is known.
pub(super) async fn recall(state: &State) -> Result<(), String> {
    let Some(path) = state.options.snapshot.clone() else { return Ok(()) };
    match tokio::task::spawn_blocking(move || snapshot::load(&path)).await {
        Ok(Ok(Some(Snapshot { entries, revision, written }))) => {
            tracing::info!(%revision, %written, "what was kept answers until the store is read");
            state.mirror.recall(entries, revision, written);
            Ok(())
        }
        Ok(Ok(None)) => Ok(()),
        Ok(Err(why)) => Err(why),
        Err(error) => Err(error.to_string()),
    }
}

/// Feeds the copy until the server ends.
pub(super) async fn run(state: Arc<State>, opener: Opener) {
    let keeper = tokio::spawn(keep(Arc::clone(&state)));
    tokio::select! {
        () = state.closed() => {}
        () = feed(&state, &opener) => {}
    }
    if let Err(error) = keeper.await {
        tracing::error!(%error, "what the store held is not kept");
    }
}

/// Asks for the store through a breaker: what does not answer is asked less and less often, and by one at a time.
async fn feed(state: &Arc<State>, opener: &Opener) {
    let mut breaker = Breaker::new(3, AGAIN, PATIENCE * 10);
    let began = Instant::now();
    let mut opened = None;
    loop {
        if let Ask::Wait(wait) = breaker.ask(began.elapsed()) {
            sleep(jittered(wait)).await;
            continue;
        }
        let store = match &opened {
            Some(store) => Ok(store),
            None => opener().await.map(|store| {
                state.store.send_modify(|supply| supply.store = Some(store.clone()));
                &*opened.insert(store)
            }),
        };
        let followed = match store {
            Ok(store) => follow(state, store, &mut breaker).await,
            Err(error) => Err(error),
        };
        if let Err(error) = followed {
            away(state, &error);
            breaker.failed(began.elapsed());
            if breaker.is_closed() {
                sleep(jittered(AGAIN.0)).await;
            }
        }
    }
}

/// Half of a wait at least, and all of it at most, so that servers do not come all at once.
pub(super) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 - chance() / 2.0)
}

/// A number between 0 and 1 by chance; 0 where there is no chance.
pub(super) fn chance() -> f64 {
    let mut octet = [0];
    getrandom::fill(&mut octet).map_or(0.0, |()| f64::from(octet[0]) / 255.0)
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
async fn follow(state: &Arc<State>, store: &AnyStore, breaker: &mut Breaker) -> Result<(), Error> {
    let read = timeout(PATIENCE * 10, mirror::read(store, &state.layout)).await;
    let (entries, revision) =
        read.map_err(|_| Error::Unavailable("it does not answer".to_owned()))??;
    let mut watch = store.watch(state.layout.all(), revision.next()).await?;
    state.mirror.asks(store.clone());
    state.mirror.load(entries, revision, Source::Store);
    breaker.worked();
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
            () = state.closed() => true,
            changed = newest.changed() => changed.is_err(),
        };
        let revision = state.mirror.revision();
        let mut pause = KEEP;
        if state.mirror.source() == Source::Store && kept != Some(revision) {
            let (entries, revision) = state.mirror.all();
            let snapshot = Snapshot { entries, revision, written: state.now() };
            let path = path.clone();
            let began = Instant::now();
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
            () = state.closed() => {}
            () = sleep(pause) => {}
        }
    }
}
