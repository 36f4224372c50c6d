//! Who reaches whom: all pairs, exactly.
//!
//! Endpoints that no filter, no route and no gateway can tell apart form a group; outside addresses are grouped the same way. What
//! passes is computed once for each pair of groups, from a path that is found once for each pair of *routing* classes, and
//! from what each policy permits between two *filter* classes. So the cost follows the distinct rules, not the pairs of endpoints.
//!
//! Private addresses are destinations here. A flow to a public address of this network from inside is the flow to the Internet
//! followed by the flow from it.

mod candidates;
mod nodes;
mod prefilter;
mod template;

use rustc_hash::FxHashMap;

use netwright_model::network::InterfaceId;

use crate::flow::{Flows, answered_by};
use crate::prover::Prover;
use crate::prover::path::Seen;
use crate::prover::policy::{Permit, PolicyId};
use crate::space::{Overflow, Set};

use nodes::Groups;
pub use nodes::{Group, Member, Outside};
use template::{Stage, Template};

/// How the subnets of a pair's endpoints relate, where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// It does not matter.
    Any,
    /// Both are in one subnet.
    SameSubnet,
    /// They are in different subnets.
    OtherSubnet,
}

/// What passes from one group to another. Pairs of groups that nothing passes between have no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Source group, a position in [`Reach::groups`].
    pub src: usize,
    /// Destination group.
    pub dst: usize,
    /// For which of their endpoints.
    pub relation: Relation,
    /// What passes.
    pub flows: Flows,
}

/// The answer to "who reaches whom".
#[derive(Debug, Clone)]
pub struct Reach {
    /// Groups of endpoints and of outside addresses.
    pub groups: Vec<Group>,
    /// What passes between them, sorted by source and destination.
    pub entries: Vec<Entry>,
}

/// Filter classes of one stage: the memo's key.
type StageKey = (u32, u8, u32, u32);

struct Search<'a, 'n> {
    prover: &'a mut Prover<'n>,
    groups: Groups,
    templates: FxHashMap<(u32, u32, Relation), Option<Box<Template>>>,
    memo: FxHashMap<StageKey, Permit>,
    answers: FxHashMap<Set, Set>,
    entries: Vec<Entry>,
}

impl Prover<'_> {
    /// All pairs.
    ///
    /// # Errors
    ///
    /// When the sets outgrow their memory limit; then nothing is known.
    pub fn reach(&mut self) -> Result<Reach, Overflow> {
        self.reach_between(|_| true, |_| true)
    }

    /// The pairs whose source has a member for which `sends` holds, and whose destination has one for which `receives` does: what
    /// they cost follows those groups, not all.
    ///
    /// # Errors
    ///
    /// When the sets outgrow their memory limit; then nothing is known.
    pub fn reach_between(
        &mut self,
        sends: impl Fn(&Member) -> bool,
        receives: impl Fn(&Member) -> bool,
    ) -> Result<Reach, Overflow> {
        let groups = Groups::of(self);
        let holds = |test: &dyn Fn(&Member) -> bool| -> Vec<bool> {
            groups.nodes.iter().map(|node| node.members.iter().any(test)).collect()
        };
        let (sends, receives) = (holds(&sends), holds(&receives));
        let mut search = Search {
            prover: self,
            groups,
            templates: FxHashMap::default(),
            memo: FxHashMap::default(),
            answers: FxHashMap::default(),
            entries: Vec::new(),
        };
        search.run(&sends, &receives);
        let Search { groups, mut entries, .. } = search;
        entries.sort_unstable_by_key(|entry| (entry.src, entry.dst, entry.relation));
        let reach = Reach { groups: groups.into_groups(), entries };
        self.space.checked(reach)
    }
}

impl Search<'_, '_> {
    fn run(&mut self, sends: &[bool], receives: &[bool]) {
        let candidates = candidates::Candidates::of(self.prover, &self.groups, sends);
        let prefilter = prefilter::Prefilter::of(self.prover, &self.groups);
        let asked = sends.iter().enumerate().filter(|(_, asked)| **asked);
        for (src, _) in asked {
            if !self.groups.nodes[src].sends {
                continue;
            }
            for dst in candidates.for_source(&self.groups, src) {
                if receives[dst] && prefilter.may_enter(&self.groups, src, dst) {
                    self.pair(src, dst);
                }
            }
        }
    }

    fn pair(&mut self, src: usize, dst: usize) {
        let (a, b) = (&self.groups.nodes[src], &self.groups.nodes[dst]);
        let shared = a.subnets.iter().copied().find(|subnet| b.subnets.contains(subnet));
        let Some(shared) = shared else {
            self.related(src, dst, Relation::OtherSubnet, Relation::Any);
            return;
        };
        // One endpoint alone does not talk to itself.
        let alone = src == dst && a.members_in(shared) < 2 && a.subnets.len() < 2;
        if alone {
            return;
        }
        let different = a.subnets.len() > 1 || b.subnets.len() > 1;
        let crowded = src != dst || a.subnets.iter().any(|subnet| a.members_in(*subnet) > 1);
        match (crowded, different) {
            (true, false) => self.related(src, dst, Relation::SameSubnet, Relation::Any),
            (false, true) => self.related(src, dst, Relation::OtherSubnet, Relation::Any),
            (true, true) => {
                let same = self.flows(src, dst, Relation::SameSubnet);
                let other = self.flows(src, dst, Relation::OtherSubnet);
                if same == other {
                    self.push(src, dst, Relation::Any, same);
                } else {
                    self.push(src, dst, Relation::SameSubnet, same);
                    self.push(src, dst, Relation::OtherSubnet, other);
                }
            }
            (false, false) => {}
        }
    }

    fn related(&mut self, src: usize, dst: usize, how: Relation, shown: Relation) {
        let flows = self.flows(src, dst, how);
        self.push(src, dst, shown, flows);
    }

    fn push(&mut self, src: usize, dst: usize, relation: Relation, flows: Flows) {
        if !flows.is_nothing() {
            self.entries.push(Entry { src, dst, relation, flows });
        }
    }

    fn flows(&mut self, src: usize, dst: usize, relation: Relation) -> Flows {
        let (a, b) = (&self.groups.nodes[src], &self.groups.nodes[dst]);
        let key = (a.route_class, b.route_class, relation);
        // Taken out while it is used: the filters that it asks are borrowed from the same search.
        let mut template = match self.templates.remove(&key) {
            Some(known) => known,
            None => Template::find(self.prover, &self.groups, src, dst, relation).map(Box::new),
        };
        let flows = template.as_mut().map_or(Flows::NONE, |t| self.by_template(t, src, dst));
        self.templates.insert(key, template);
        flows
    }

    fn by_template(&mut self, template: &mut Template, src: usize, dst: usize) -> Flows {
        let arrives = self.along(&template.forward, template.start, src, dst);
        if arrives.may.is_empty() {
            return Flows::NONE;
        }
        let (start, stages) = template.back(self.prover);
        let back = self.along(stages, start, src, dst);
        let must = self.answered(back.must);
        let may = self.answered(back.may);
        let space = &mut self.prover.space;
        let answered =
            Permit { must: space.and(arrives.must, must), may: space.and(arrives.may, may) };
        Flows { arrives, answered }
    }

    fn answered(&mut self, answers: Set) -> Set {
        if let Some(known) = self.answers.get(&answers) {
            return *known;
        }
        let requests = answered_by(&mut self.prover.space, answers);
        self.answers.insert(answers, requests);
        requests
    }

    fn along(&mut self, stages: &[Stage], start: Permit, src: usize, dst: usize) -> Permit {
        let mut permit = start;
        for stage in stages {
            if permit.may.is_empty() {
                return Permit::NONE;
            }
            let passed = match stage {
                Stage::Only(set) => Permit { must: *set, may: *set },
                Stage::Ask(ask) => {
                    let Some(policy) = ask.policy(&self.groups, src, dst) else { continue };
                    if ask.replied && self.prover.policies.is_stateful(policy) {
                        continue;
                    }
                    self.permitted(ask, policy, src, dst)
                }
            };
            let space = &mut self.prover.space;
            permit.must = space.and(permit.must, passed.must);
            permit.may = space.and(permit.may, passed.may);
        }
        permit
    }

    fn permitted(
        &mut self,
        ask: &template::Ask,
        policy: PolicyId,
        src: usize,
        dst: usize,
    ) -> Permit {
        let local = self.prover.policies.local_matters(policy, ask.direction);
        let key = ask.key(policy, &self.groups, src, dst, local);
        if let Some(known) = self.memo.get(&key) {
            return *known;
        }
        let (seen, protected): (Seen, Option<InterfaceId>) = ask.seen(&self.groups, src, dst);
        let network = self.prover.network;
        let permit = self.prover.policies.permitted(
            network,
            &mut self.prover.space,
            policy,
            ask.direction,
            protected,
            &seen,
        );
        self.memo.insert(key, permit);
        permit
    }
}

impl Reach {
    /// The group of an interface's address, or of a serverless service.
    #[must_use]
    pub fn group_of(&self, member: &Member) -> Option<usize> {
        self.groups.iter().position(|group| group.members.contains(member))
    }
}
