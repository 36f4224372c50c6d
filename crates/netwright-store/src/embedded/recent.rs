//! The newest events in memory, so that a thousand watchers read them once.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use crate::model::{Event, Revision};

/// Octets of keys and values that are kept.
const OCTETS: usize = 16 << 20;

/// Revisions that are kept.
const REVISIONS: usize = 65_536;

/// Events that are told at a time.
const AT_A_TIME: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Recent {
    rows: RwLock<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    /// Revisions without a gap, the oldest first.
    rows: VecDeque<(Revision, Vec<Event>)>,
    octets: usize,
}

fn octets(events: &[Event]) -> usize {
    events
        .iter()
        .map(|event| match event {
            Event::Put(entry) => entry.key.len() + entry.value.len() + size_of::<Event>(),
            Event::Deleted { key, .. } => key.len() + size_of::<Event>(),
        })
        .sum()
}

impl Recent {
    /// Adds what was committed, and lets go what is forgotten.
    pub(super) fn add(&self, new: Vec<(Revision, Vec<Event>)>, compacted: Revision) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for (revision, events) in new {
            rows.octets += octets(&events);
            rows.rows.push_back((revision, events));
        }
        let forgotten = |rows: &Rows| rows.rows.front().is_some_and(|(at, _)| *at <= compacted);
        while rows.octets > OCTETS || rows.rows.len() > REVISIONS || forgotten(&rows) {
            let Some((_, events)) = rows.rows.pop_front() else { break };
            rows.octets -= octets(&events);
        }
    }

    /// Forgets all: what was committed is not known.
    pub(super) fn clear(&self) {
        *self.rows.write().unwrap_or_else(PoisonError::into_inner) = Rows::default();
    }

    /// Events from a revision on, and up to which revision; none where it is not kept here.
    pub(super) fn since(&self, from: Revision) -> Option<(Vec<Event>, Revision)> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let (oldest, _) = rows.rows.front()?;
        let skipped = usize::try_from(from.0.checked_sub(oldest.0)?).ok()?;
        let (mut events, mut until) = (Vec::new(), None);
        for (revision, own) in rows.rows.range(skipped.min(rows.rows.len())..) {
            events.extend(own.iter().cloned());
            until = Some(*revision);
            if events.len() >= AT_A_TIME {
                break;
            }
        }
        Some((events, until?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Recent, Revision};
    use bytes::Bytes;

    fn gone(at: u64) -> (Revision, Vec<Event>) {
        let event = Event::Deleted { key: Bytes::from_static(b"k"), at: Revision(at) };
        (Revision(at), vec![event])
    }

    #[test]
    fn what_is_kept_is_told_from_any_revision_of_it_and_nothing_else_is() {
        let recent = Recent::default();
        assert_eq!(recent.since(Revision(2)), None);
        recent.add((5..10).map(gone).collect(), Revision(0));
        assert_eq!(recent.since(Revision(4)), None);
        let (events, until) = recent.since(Revision(7)).unwrap();
        assert_eq!((events.len(), until), (3, Revision(9)));
        recent.add(vec![gone(10)], Revision(8));
        assert_eq!(recent.since(Revision(8)), None);
        assert_eq!(recent.since(Revision(9)).unwrap().0.len(), 2);
        recent.clear();
        assert_eq!(recent.since(Revision(10)), None);
    }
}
