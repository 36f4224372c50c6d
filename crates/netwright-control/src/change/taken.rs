//! What a change uses that was allocated for something else, looked at as it is when the change is written.
//!
//! All that is allocated is read once. While the change is proved more may be allocated: before it is written only that is looked at.

use std::time::Duration;

use netwright_store::{Entry, Error, Keys, Range, Revision, Store};
use tokio::time::{Instant, sleep};

use super::propose::Proposal;
use super::service::Clashes;
use crate::keys::Layout;
use crate::network::{Edit, Live};

/// Parts of a description whose objects have no range or address in a subnet, and decide nothing about who may have one.
const WITHOUT: [&str; 16] = [
    "alerts",
    "certificates",
    "criteria",
    "dns_zones",
    "expect",
    "externals",
    "filters",
    "gaps",
    "golden_paths",
    "name",
    "netwright",
    "prefix_lists",
    "profiles",
    "sites",
    "timeouts",
    "vpns",
];

/// Entries that are read at a time. They are small.
const PAGE: usize = 1000;

/// How long a copy of the store is waited for that is told a little later of what was written.
const LATER: Duration = Duration::from_secs(2);

/// How often it is looked whether it was.
const LOOK: Duration = Duration::from_millis(1);

/// Whether edits may give somebody a range or an address.
pub(super) fn uses(edits: &[Edit]) -> bool {
    edits.iter().any(|edit| !WITHOUT.contains(&edit.part.as_str()))
}

/// What was looked at.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    /// The revision at which something was last allocated or released; 0 where nothing ever was.
    pub(super) taken: Revision,
    /// What the change uses that is somebody's.
    pub(super) clashes: Vec<String>,
}

impl Looked {
    /// Nothing yet.
    pub(super) const fn at_nothing() -> Self {
        Self { taken: Revision(0), clashes: Vec::new() }
    }

    /// Looks at what was allocated after what was looked at, as far as a store tells. Whether there is anything new that clashes.
    pub(super) async fn further<S: Store>(
        &mut self,
        (store, layout): (&S, &Layout),
        (live, proposal): (&Live, &Proposal),
        find: Clashes,
    ) -> Result<bool, Error> {
        let now = last(store, layout).await?;
        if now == self.taken {
            return Ok(false);
        }
        // Of two VPCs that are peered, what was allocated before meets what is new.
        let peers = proposal.edits.iter().any(|edit| edit.part == "peerings");
        let from = if peers { Revision(0) } else { self.taken };
        let entries = since(store, layout, from).await?;
        let found = find(&entries, &live.network, &proposal.after.network);
        let known = self.clashes.len();
        for clash in found {
            if !self.clashes.contains(&clash) {
                self.clashes.push(clash);
            }
        }
        self.taken = now;
        Ok(self.clashes.len() > known)
    }
}

/// When something was last allocated or released; 0 where nothing ever was.
async fn last<S: Store>(store: &S, layout: &Layout) -> Result<Revision, Error> {
    let found = store.range(Range::of(Keys::One(layout.taken()))).await?;
    Ok(found.entries.first().map_or(Revision(0), |taken| taken.modified))
}

/// Waits until a copy of the store knows what the store itself knows; not for ever.
pub(super) async fn caught_up<R: Store, S: Store>(
    copy: &R,
    store: &S,
    layout: &Layout,
) -> Result<(), Error> {
    let (now, begun) = (last(store, layout).await?, Instant::now());
    while last(copy, layout).await? < now && begun.elapsed() < LATER {
        sleep(LOOK).await;
    }
    Ok(())
}

/// What was allocated after a revision.
async fn since<S: Store>(
    store: &S,
    layout: &Layout,
    revision: Revision,
) -> Result<Vec<Entry>, Error> {
    let (mut keys, mut entries) = (layout.allocations(), Vec::new());
    loop {
        let found = store.range(Range::of(keys.clone()).limit(PAGE)).await?;
        let next = found.entries.last().filter(|_| found.more).map(|last| keys.after(&last.key));
        entries.extend(found.entries.into_iter().filter(|entry| entry.modified > revision));
        match next {
            Some(next) => keys = next,
            None => return Ok(entries),
        }
    }
}
