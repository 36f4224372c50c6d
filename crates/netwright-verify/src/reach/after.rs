//! All pairs after rules changed: only the pairs that those rules are asked about are computed again.

use std::sync::Arc;

use crate::prover::Prover;
use crate::prover::change::Change;
use crate::space::Overflow;

use super::Search;
use super::answer::{Draft, Reach};
use super::nodes::{Group, Groups};

/// What a full answer keeps, to be gone on from.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    pub(super) groups: Arc<Groups>,
}

impl Prover<'_> {
    /// All pairs of a network that a prover has [gone on](Prover::go_on) to, from those of the network before: the same answer as
    /// [`Prover::reach`], though its groups may be finer.
    ///
    /// # Errors
    ///
    /// When the sets outgrow their memory limit; then nothing is known.
    pub fn reach_after(&mut self, change: &Change, before: &Reach) -> Result<Reach, Overflow> {
        let (Some(policies), Some(basis)) = (&change.policies, &before.basis) else {
            return self.reach();
        };
        let groups = Arc::clone(&basis.groups);
        let touched = |direction: usize| -> Vec<bool> {
            let changed = |node: &super::nodes::Node| {
                node.policies[0].is_some_and(|own| {
                    policies.iter().any(|(id, changed)| *id == own && changed[direction])
                })
            };
            groups.nodes.iter().map(changed).collect()
        };
        let (receivers, senders) = (touched(0), touched(1));
        let draft = Draft::after(before, &senders, &receivers);
        let mut search = Search::new(self, groups, draft);
        let everybody = vec![true; receivers.len()];
        if receivers.contains(&true) {
            search.run(&everybody, &receivers);
        }
        if senders.contains(&true) {
            let others: Vec<bool> = receivers.iter().map(|touched| !touched).collect();
            search.run(&senders, &others);
        }
        let Search { groups, draft, .. } = search;
        let reach = draft.finish(Arc::clone(&before.groups), Some(Basis { groups }));
        self.space.checked(reach)
    }
}

/// The groups as they are shown.
pub(super) fn shown(groups: &Groups) -> Arc<Vec<Group>> {
    let shown = |node: &super::nodes::Node| Group {
        members: node.members.clone(),
        representative: node.address,
    };
    Arc::new(groups.nodes.iter().map(shown).collect())
}
