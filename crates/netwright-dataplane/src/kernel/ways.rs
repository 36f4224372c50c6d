//! What the ends of links do with what they send: their queues, and whether frames leave them whole.

use std::collections::{BTreeMap, BTreeSet};

use super::socket::Netlink;
use super::{Kernel, Space, queue};
use crate::plan::{End, HostPlan, Link, Queue};

/// Both ends of a link, each with its queue, and whether frames leave it whole.
fn ends(link: &Link) -> [(&End, Option<&Queue>, bool); 2] {
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

impl Kernel {
    /// Deviations of the queues of one namespace, which the calling thread is in.
    pub(super) fn queues(
        &self,
        space: &Space,
        netlink: &mut Netlink,
        name: &str,
    ) -> std::io::Result<Vec<String>> {
        let found = queue::all(netlink)?;
        let mut wrong = Vec::new();
        for (end, queue, _) in self.applied.links.iter().flat_map(ends) {
            let there = (end.namespace == name).then(|| space.index(&end.name)).flatten();
            let Some(there) = there.map(|index| found.get(&index)) else { continue };
            let ours = there.filter(|found| found.is_ours());
            if ours.is_some() != queue.is_some()
                || ours.zip(queue).is_some_and(|(found, queue)| !found.is(queue))
            {
                let found = there.map_or("none", |found| found.kind.as_str());
                wrong
                    .push(format!("link {} has another queue than was planned: {found}", end.name));
            }
        }
        Ok(wrong)
    }
}
