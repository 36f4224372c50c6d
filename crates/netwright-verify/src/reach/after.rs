//! All pairs after a change: only the pairs that changed rules are asked about are computed again, and those of whoever is protected by
//! others.

use std::sync::Arc;

use crate::prover::Prover;
use crate::prover::change::Change;
use crate::space::Overflow;

use super::Search;
use super::answer::{Draft, Reach};
use super::known::{Asked, Known};
use super::nodes::{Group, Node};

/// What a full answer keeps, to be gone on from.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    /// Whose groups it speaks of.
    pub(super) mark: Arc<()>,
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
        let (newer, first) = before.newer();
        let grown = newer > first / 4 + 1000;
        let same = |known: &Known| Arc::ptr_eq(&known.frame.mark, &basis.mark);
        if grown || !self.known.as_deref().is_some_and(same) {
            return self.reach();
        }
        let Some(known) = self.known.take() else { return self.reach() };
        let parted;
        let before = if before.groups.len() < known.frame.groups.nodes.len() {
            parted = before.parted(&known.frame.groups, known.frame.shown());
            &parted
        } else {
            before
        };
        let touched = |direction: usize| -> Vec<u32> {
            let mut groups: Vec<u32> = change.groups.clone();
            for (policy, changed) in policies {
                if changed[direction] {
                    groups.extend(known.frame.protected_by(*policy));
                }
                // On the way requests pass in both directions, and so do answers.
                groups.extend(known.frame.passing(*policy));
            }
            groups.sort_unstable();
            groups.dedup();
            groups
        };
        let (receivers, senders) = (touched(0), touched(1));
        let draft = Draft::after(before, &senders, &receivers);
        let mut search = Search::new(self, known, draft);
        if !receivers.is_empty() {
            search.run(&Asked::All, &Asked::Only(receivers.clone()));
        }
        if !senders.is_empty() {
            search.run(&Asked::Only(senders.clone()), &Asked::AllBut(receivers.clone()));
        }
        let draft = search.done();
        self.space.checked(draft.finish_after(before, [&senders, &receivers]))
    }
}

/// A group as it is shown.
pub(super) fn shown(node: &Node) -> Arc<Group> {
    Arc::new(Group { members: node.members.clone(), representative: node.address })
}
