//! One filter: rules in order, and the exact set of packets they permit, kept up to date.

use super::super::{Set, Space};

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
struct Rule {
    priority: u32,
    matched: Set,
    permit: bool,
}

/// An ordered list of rules of which the first that matches decides; what none matches is denied.
#[derive(Default)]
pub(super) struct Rules {
    /// Greatest priority first; of equal ones the earlier inserted first.
    rules: Vec<Rule>,
    permitted: Option<Set>,
}

impl Rules {
    /// The packets permitted.
    pub(super) fn permitted(&self) -> Set {
        self.permitted.unwrap_or(Set::EMPTY)
    }

    /// Adds a rule and gives the packets newly permitted and newly denied; nothing if it is there
    /// already.
    pub(super) fn insert(
        &mut self,
        space: &mut Space,
        priority: u32,
        matched: Set,
        permit: bool,
    ) -> (Set, Set) {
        let rule = Rule { priority, matched, permit };
        if self.rules.contains(&rule) {
            return (Set::EMPTY, Set::EMPTY);
        }
        let place = self.rules.partition_point(|rule| rule.priority >= priority);
        let decided = self.decided_at(space, place, matched);
        self.rules.insert(place, rule);
        let before = self.permitted();
        let after = if permit { space.or(before, decided) } else { space.minus(before, decided) };
        self.change_to(space, after)
    }

    /// Removes a rule and gives the packets newly permitted and newly denied; nothing if there is
    /// no such rule.
    pub(super) fn remove(
        &mut self,
        space: &mut Space,
        priority: u32,
        matched: Set,
        permit: bool,
    ) -> Option<(Set, Set)> {
        let place = self.rules.iter().position(|&r| r == Rule { priority, matched, permit })?;
        self.rules.remove(place);
        let mut rest = self.decided_at(space, place, matched);
        let mut after = space.minus(self.permitted(), rest);
        for rule in &self.rules[place..] {
            if rest.is_empty() {
                break;
            }
            if !space.intersects(rest, rule.matched) {
                continue;
            }
            if rule.permit {
                let part = space.and(rest, rule.matched);
                after = space.or(after, part);
            }
            rest = space.minus(rest, rule.matched);
        }
        Some(self.change_to(space, after))
    }

    /// The packets of `matched` that no rule before `place` matches.
    fn decided_at(&self, space: &mut Space, place: usize, matched: Set) -> Set {
        let mut decided = matched;
        for rule in &self.rules[..place] {
            if decided.is_empty() {
                break;
            }
            if space.intersects(decided, rule.matched) {
                decided = space.minus(decided, rule.matched);
            }
        }
        decided
    }

    fn change_to(&mut self, space: &mut Space, after: Set) -> (Set, Set) {
        let before = self.permitted.replace(after).unwrap_or(Set::EMPTY);
        (space.minus(after, before), space.minus(before, after))
    }

    /// The sets that must outlive a clean-up of the space.
    pub(super) fn sets_mut(&mut self) -> impl Iterator<Item = &mut Set> {
        self.rules.iter_mut().map(|rule| &mut rule.matched).chain(self.permitted.as_mut())
    }
}
