//! Tasks that are held: their processes are ended, and none is started until a moment, or until they are let go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::{Shared, Wanted, lock};
use crate::strike::command;

/// What holds tasks.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    /// The namespaces whose tasks it holds.
    pub(super) namespaces: BTreeSet<String>,
    /// Only those whose command holds this text.
    pub(super) holds: Option<String>,
    /// It lets go then by itself.
    pub(super) until: Instant,
}

impl Hold {
    /// Whether it means a task, whose process has a number where one runs.
    pub(super) fn means(&self, wanted: &Wanted, process: Option<i32>) -> bool {
        let text = |holds: &str| {
            let runs = process.and_then(rustix::process::Pid::from_raw);
            wanted.task.what.to_string().contains(holds)
                || runs.is_some_and(|number| command(number).contains(holds))
        };
        self.namespaces.contains(&wanted.task.namespace) && self.holds.as_deref().is_none_or(text)
    }
}

/// What holds tasks now; what is over is forgotten.
pub(super) fn current(shared: &Shared, now: Instant) -> BTreeMap<String, Hold> {
    let mut all = lock(&shared.holds);
    all.retain(|_, hold| hold.until > now);
    all.clone()
}
