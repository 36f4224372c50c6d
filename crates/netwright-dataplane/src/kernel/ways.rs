//! What the ends of links do with what they send: their queues, and whether frames leave them whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{End, HostPlan, Link, Queue};

/// Both ends of a link, each with its queue, and whether frames leave it whole.
pub(super) fn ends(link: &Link) -> [(&End, Option<&Queue>, bool); 2] {
    let [a, b] = &link.queues;
    [(&link.a, a.as_ref(), link.plain), (&link.b, b.as_ref(), link.plain)]
}

/// What changes in what the links of a namespace do with what they send.
#[derive(Debug, Default)]
pub(super) struct Ways<'a> {
    pub(super) queues: Vec<(&'a str, Option<Queue>)>,
    pub(super) plain: Vec<(&'a str, bool)>,
}

/// Queues and wholeness of frames that are otherwise than they were, by namespace.
pub(super) fn ways<'a>(
    old: &HostPlan,
    plan: &'a HostPlan,
    kept: &BTreeSet<(String, String)>,
) -> BTreeMap<&'a str, Ways<'a>> {
    let before: BTreeMap<&End, (Option<&Queue>, bool)> = old
        .links
        .iter()
        .flat_map(ends)
        .filter(|(_, queue, plain)| queue.is_some() || *plain)
        .filter(|(end, ..)| kept.contains(&(end.namespace.clone(), end.name.clone())))
        .map(|(end, queue, plain)| (end, (queue, plain)))
        .collect();
    let mut found: BTreeMap<&str, Ways<'_>> = BTreeMap::new();
    for (end, queue, plain) in plan.links.iter().flat_map(ends) {
        let (had, was) = before.get(end).copied().unwrap_or_default();
        if had != queue {
            let own = found.entry(&end.namespace).or_default();
            own.queues.push((&end.name, queue.copied()));
        }
        if was != plain {
            found.entry(&end.namespace).or_default().plain.push((&end.name, plain));
        }
    }
    found
}
