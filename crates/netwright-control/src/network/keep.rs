//! The newest network, followed.

use std::sync::Arc;
use std::time::Duration;

use netwright_store::{Error, Keys, Range, Revision, Store};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::live::Live;
use super::read::{self, blocking, unfit};
use crate::keys::Layout;

/// The store is read at least so often, to know that it answers.
const PULSE: Duration = Duration::from_secs(2);

/// How much later a copy of the store may be told of what was written.
const LAG: Duration = Duration::from_secs(5);

/// The wait after the store failed.
const AGAIN: Duration = Duration::from_millis(250);

/// What is known of the network.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The newest revision that was read; none before the first.
    pub live: Option<Arc<Live>>,
    /// Why what is known may be old; none while the store answers.
    pub trouble: Option<String>,
}

/// Keeps the newest network. Clones share it.
#[derive(Clone)]
pub struct Keeper<S> {
    store: S,
    layout: Layout,
    state: watch::Sender<State>,
    /// One reads at a time.
    reading: Arc<Mutex<Written>>,
}

/// What this server wrote last, and when.
#[derive(Debug, Default)]
struct Written(Option<(Revision, Instant)>);

impl Written {
    fn is_recent(&self, revision: Revision) -> bool {
        self.0.is_some_and(|(written, at)| written == revision && at.elapsed() < LAG)
    }
}

impl<S: Store> Keeper<S> {
    /// One that has read nothing yet.
    #[must_use]
    pub fn new(store: S, layout: Layout) -> Self {
        let (state, _) = watch::channel(State::default());
        Self { store, layout, state, reading: Arc::default() }
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Where what lies in it.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The newest network that was read.
    #[must_use]
    pub fn live(&self) -> Option<Arc<Live>> {
        self.state.borrow().live.clone()
    }

    /// What is known, now and whenever it changes.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Follows the store for ever.
    pub async fn follow(&self) {
        loop {
            if let Err(error) = self.follow_once().await {
                self.trouble(&error);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn follow_once(&self) -> Result<(), Error> {
        let (_, seen) = self.read().await?;
        let mut watch = self.store.watch(Keys::One(self.layout.head()), seen.next()).await?;
        loop {
            match tokio::time::timeout(PULSE, watch.next()).await {
                Ok(told) => drop(told?),
                Err(_silent) => {}
            }
            self.read().await?;
        }
    }

    fn trouble(&self, error: &Error) {
        self.state.send_if_modified(|state| {
            let told = Some(error.to_string());
            let news = state.trouble != told;
            state.trouble = told;
            news
        });
    }

    /// The network as it is now.
    ///
    /// # Errors
    ///
    /// When the store fails, or holds what cannot be read.
    pub async fn newest(&self) -> Result<Arc<Live>, Error> {
        let read = self.read().await;
        if let Err(error) = &read {
            self.trouble(error);
        }
        read.map(|(live, _)| live)
    }

    /// The newest network, and the store's revision when it was read.
    async fn read(&self) -> Result<(Arc<Live>, Revision), Error> {
        let mut written = self.reading.lock().await;
        let found = self.store.range(Range::of(Keys::One(self.layout.head()))).await?;
        let newest = found.entries.first().map_or(Revision(0), |head| head.modified);
        let load = async || read::load(&self.store, &self.layout, newest).await.map(Arc::new);
        let live = match self.live() {
            Some(live) if live.revision == newest => live,
            // A copy of the store is told a little later of what was written here.
            Some(live) if found.revision < live.revision && written.is_recent(live.revision) => {
                return Ok((live, found.revision));
            }
            Some(live) if live.revision < newest => {
                match read::follow(&self.store, &self.layout, &live).await {
                    Ok(next) if next.revision >= newest => Arc::new(next),
                    Err(error) if error.may_pass() => return Err(error),
                    // The history is not that of what is known: the store was restored.
                    Ok(_) | Err(_) => load().await?,
                }
            }
            _ => load().await?,
        };
        written.0 = None;
        self.publish(&live);
        Ok((live, found.revision))
    }

    fn publish(&self, live: &Arc<Live>) {
        self.state.send_if_modified(|state| {
            let same = state.live.as_ref().is_some_and(|own| own.revision == live.revision);
            if same && state.trouble.is_none() {
                return false;
            }
            if !same {
                state.live = Some(Arc::clone(live));
            }
            state.trouble = None;
            true
        });
    }

    /// Takes what this server has just written as the newest, where nothing newer is known.
    pub(crate) async fn adopt(&self, live: &Arc<Live>) {
        let mut written = self.reading.lock().await;
        written.0 = Some((live.revision, Instant::now()));
        if self.live().is_none_or(|own| own.revision < live.revision) {
            self.publish(live);
        }
    }

    /// The network as it was at one of its revisions; none where it never had that revision.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn at(&self, revision: Revision) -> Result<Option<Arc<Live>>, Error> {
        let (live, _) = self.read().await?;
        if revision >= live.revision {
            return Ok((revision == live.revision).then_some(live));
        }
        let changes = read::changes(&self.store, &self.layout, revision).await?;
        if changes.first().is_none_or(|first| first.record.base != revision.0) {
            return Ok(None);
        }
        let mut edits = Vec::new();
        for change in changes.iter().filter(|change| change.revision <= live.revision).rev() {
            let body = read::body(&self.store, &self.layout, &change.record).await?;
            edits.extend(body.edits.into_iter().rev().map(super::Edit::undone));
        }
        let back = blocking(move || live.after(&edits, revision)).await?.map_err(unfit)?;
        Ok(Some(Arc::new(back)))
    }
}
