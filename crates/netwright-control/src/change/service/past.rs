//! Changes that were made, and what is kept of them.

use netwright_store::{Error, Keys, Range, Revision, Store};

use super::{Changes, Since};
use crate::change::again;
use crate::change::record::{Body, Listed};
use crate::guard::Guard;
use crate::network::{read, snapshot};

/// Changes after which the whole network is written again.
const CHANGES: u32 = 64;

/// Octets of edits after which it is.
const OCTETS: usize = 4 << 20;

impl<R: Store> Changes<R> {
    /// Changes that were made of a revision of the network or a later one, the oldest first, at most so many. Whether there are more.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn history(&self, from: Revision, most: usize) -> Result<(Vec<Listed>, bool), Error> {
        let (store, layout) = (self.keeper.store(), self.keeper.layout());
        let keys = read::from(layout, from);
        let found = store.range(Range::of(keys).limit(most)).await?;
        let changes: Result<Vec<read::Change>, Error> =
            found.entries.iter().map(read::record).collect();
        let listed = changes?.iter().map(|change| change.record.listed(change.revision)).collect();
        Ok((listed, found.more))
    }

    /// The change that made a revision of the network; none where none did.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn change(&self, revision: Revision) -> Result<Option<(Listed, Body)>, Error> {
        // Its record has the revision that it was made of in its key: that one is the newest of those before.
        let (store, layout) = (self.keeper.store(), self.keeper.layout());
        let mut before = revision;
        let mut back = 1;
        let found = loop {
            let from = Revision(revision.0.saturating_sub(back));
            let keys = Keys::Between(layout.change_after(from), layout.change_after(before));
            let last = read::all(store, keys).await?.pop();
            match last {
                Some(last) => break read::record(&last)?,
                None if from == Revision(0) => return Ok(None),
                None => {}
            }
            before = from;
            back = back.saturating_mul(2);
        };
        if found.revision != revision {
            return Ok(None);
        }
        let body = read::body(store, layout, &found.record).await?;
        Ok(Some((found.record.listed(found.revision), body)))
    }

    /// What is to be done at times by the server that leads: the whole network is written again after many changes, and what nobody needs goes.
    ///
    /// # Errors
    ///
    /// When the store fails; it is done the next time.
    pub async fn tidy<S: Store>(&self, store: &S, guard: &Guard, now: u64) -> Result<(), Error> {
        let layout = self.keeper.layout();
        let mut since = self.writing.lock().await;
        let live = self.keeper.newest().await?;
        let begins = !std::mem::replace(&mut since.begun, true);
        let due = since.changes >= CHANGES || since.octets >= OCTETS;
        if live.revision == Revision(0) || !(begins || due) {
            return Ok(());
        }
        let held = snapshot::newest_revision(store, layout).await?;
        let behind = self.history(held.unwrap_or(Revision(0)), CHANGES as usize).await?;
        if due || behind.1 || held.is_none() && live.objects.octets() >= OCTETS {
            snapshot::write(store, layout, guard, &live).await?;
        }
        *since = Since { begun: true, ..Since::default() };
        drop(since);
        snapshot::sweep(store, layout, guard, live.revision).await?;
        again::forget(store, layout, guard, now).await
    }
}
