//! Events as they come.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::error::Error;
use crate::model::{Event, Keys, Revision};

/// Batches that wait for a watcher who does not take them. One who is slower than that is read for again from the store's log.
pub(crate) const WAITING: usize = 16;

/// The wait before a log that could not be read is read again.
const AGAIN: Duration = Duration::from_millis(100);

/// Events of whole revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Everything up to this revision is told.
    pub revision: Revision,
    /// The events, in order; those of one revision are never parted.
    pub events: Vec<Event>,
}

/// A watch. It ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    coming: mpsc::Receiver<Result<Batch, Error>>,
}

impl Watch {
    /// A watch, and what feeds it.
    pub(crate) fn fed() -> (mpsc::Sender<Result<Batch, Error>>, Self) {
        let (feed, coming) = mpsc::channel(WAITING);
        (feed, Self { coming })
    }

    /// The next events. After an error there are none.
    ///
    /// # Errors
    ///
    /// [`Error::Compacted`] where what is next is no longer known; [`Error::Unavailable`] where the store has ended.
    pub async fn next(&mut self) -> Result<Batch, Error> {
        match self.coming.recv().await {
            Some(batch) => batch,
            None => Err(Error::Unavailable("the store has ended".to_owned())),
        }
    }
}

/// Where events are read that happened before. For those who make an engine.
pub trait Log: Send + 'static {
    /// Events from a revision on, of whole revisions, as many as are read at a time; and up to which revision that is everything.
    fn since(
        &self,
        from: Revision,
    ) -> impl Future<Output = Result<(Vec<Event>, Revision), Error>> + Send;
}

/// A watch over a log, for as long as somebody takes its events and the store tells its newest revision.
pub fn over(
    log: impl Log,
    keys: Keys,
    from: Revision,
    mut newest: watch::Receiver<Revision>,
) -> Watch {
    let (feed, watch) = Watch::fed();
    tokio::spawn(async move {
        let mut next = from.max(Revision::EMPTY);
        loop {
            let seen = *newest.borrow_and_update();
            if next > seen {
                tokio::select! {
                    changed = newest.changed() => if changed.is_err() { return },
                    () = feed.closed() => return,
                }
                continue;
            }
            let told = match log.since(next).await {
                Ok((mut events, until)) => {
                    next = until.next();
                    events.retain(|event| keys.contains(event.key()));
                    if events.is_empty() {
                        continue;
                    }
                    Ok(Batch { revision: until, events })
                }
                Err(error) if error.may_pass() => {
                    // The log is read again when there is something new, and at times.
                    tokio::select! {
                        changed = newest.changed() => if changed.is_err() { return },
                        () = tokio::time::sleep(AGAIN) => {}
                        () = feed.closed() => return,
                    }
                    continue;
                }
                Err(error) => Err(error),
            };
            let ends = told.is_err();
            if feed.send(told).await.is_err() || ends {
                return;
            }
        }
    });
    watch
}
