//! Who reaches whom: all pairs, exactly.
//!
//! Endpoints that no filter, no route and no gateway can tell apart form a group; outside addresses are grouped the same way. The
//! sources of a destination fall into [`cells`] that everything on the way and at the destination treats alike. What passes is
//! computed once for each cell, along a path that is found once for each pair of *routing* classes. So the cost follows the distinct
//! rules and the lists of groups that they name, neither the pairs of endpoints nor those of groups.
//!
//! Private addresses are destinations here. A flow to a public address of this network from inside is the flow to the Internet
//! followed by the flow from it.

mod abroad;
mod admission;
mod after;
mod answer;
mod candidates;
mod cells;
mod nodes;
mod template;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use netwright_model::network::InterfaceId;

use crate::flow::{Flows, answered_by};
use crate::prover::Prover;
use crate::prover::path::Seen;
use crate::prover::policy::{Permit, PolicyId};
use crate::space::{Overflow, Set};

use abroad::Abroad;
pub use answer::{Block, Entry, Reach, Relation, Sources};
use candidates::Door;
use cells::{Guards, Senders};
use nodes::Groups;
pub use nodes::{Group, Member, Outside};
pub(crate) use nodes::{Piece, pieces, union};
use template::{Stage, Template};

/// Filter classes of one stage: the memo's key.
type StageKey = (u32, u8, u32, u32);

struct Search<'a, 'n> {
    prover: &'a mut Prover<'n>,
    groups: Arc<Groups>,
    templates: FxHashMap<(u32, u32, Relation), Option<usize>>,
    /// Taken out while one is used: the filters that it asks are borrowed from the same search.
    found: Vec<Option<Box<Template>>>,
    memo: FxHashMap<StageKey, Permit>,
    answers: FxHashMap<Set, Set>,
    draft: answer::Draft,
}

/// Destinations that differ in nothing that decides which sources are told apart; with their routing class where those depend on it.
type Family = (Door, Guards, Option<u32>);

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
        let whole = sends.iter().chain(&receives).all(|asked| *asked);
        let mut search = Search::new(self, Arc::new(groups), answer::Draft::default());
        search.run(&sends, &receives);
        let Search { groups, draft, .. } = search;
        let shown = after::shown(&groups);
        let reach = draft.finish(shown, whole.then_some(after::Basis { groups }));
        self.space.checked(reach)
    }
}

impl<'a, 'n> Search<'a, 'n> {
    fn new(prover: &'a mut Prover<'n>, groups: Arc<Groups>, draft: answer::Draft) -> Self {
        Self {
            prover,
            groups,
            templates: FxHashMap::default(),
            found: Vec::new(),
            memo: FxHashMap::default(),
            answers: FxHashMap::default(),
            draft,
        }
    }
}

impl<'n> Search<'_, 'n> {
    fn run(&mut self, sends: &[bool], receives: &[bool]) {
        let candidates = candidates::Candidates::of(self.prover, &self.groups, sends);
        let mut admission = admission::Admission::of(self.prover, &self.groups);
        let mut lines = cells::Lines::default();
        let behaviours = cells::behaviours(&mut lines, self.prover, &self.groups);
        let routes = self.groups.nodes.iter().map(|node| node.route_class);
        let mut cutter = cells::Cutter::of(&behaviours, routes);
        let abroad = Abroad::of(self.prover, &self.groups);
        let mut families: BTreeMap<Family, Vec<usize>> = BTreeMap::new();
        for (dst, node) in self.groups.nodes.iter().enumerate() {
            if node.receives && receives[dst] {
                let door = Door::of(self.prover.network, node);
                let excepted = abroad.class(dst).map(|_| node.route_class);
                families.entry((door, node.policies, excepted)).or_default().push(dst);
            }
        }
        let v6 = candidates.internet_v6();
        let (alike, alone): (Vec<u32>, Vec<u32>) =
            v6.iter().partition(|id| abroad.class(**id as usize).is_some());
        let mut senders = (None, Senders::of(Vec::new()));
        for ((door, guards, excepted), members) in families {
            if senders.0 != Some((door, excepted)) {
                let mut lists = candidates.senders(door);
                let exceptions = excepted.and_then(|class| abroad.except(class));
                match exceptions {
                    Some(exceptions) => {
                        let own = exceptions.iter().filter(|id| alike.binary_search(id).is_ok());
                        lists.push(Cow::Owned(own.copied().collect()));
                        lists.push(Cow::from(&alone));
                    }
                    None if !door.v4 => lists.push(Cow::from(v6)),
                    None => {}
                }
                senders = (Some((door, excepted)), Senders::of(lists));
            }
            let about = |dst: &usize| candidates.uncertain_about(&self.groups.nodes[*dst]);
            let mut anyway: Vec<u32> = members.iter().flat_map(about).collect();
            anyway.sort_unstable();
            anyway.dedup();
            let Some(&first) = members.first() else { continue };
            let first = &self.groups.nodes[first];
            let meant = |src: u32| excepted.is_none() || !abroad.between(src, first);
            let known = (&*self.prover, &*self.groups);
            let cells = cutter.cells(known, &mut admission, guards, &senders.1, &anyway, meant);
            for cell in &cells {
                let sources = self.draft.sources(cell);
                for dst in &members {
                    self.cell(cell, sources, *dst);
                }
            }
        }
        if !abroad.is_empty() {
            let senders = Senders::of(vec![Cow::from(&alike)]);
            self.abroad(&abroad, &mut admission, (lines, behaviours), (&senders, receives));
        }
    }

    /// What crosses the Internet between VPCs, class by class.
    fn abroad(
        &mut self,
        abroad: &Abroad,
        admission: &mut admission::Admission<'n>,
        (mut lines, behaviours): (cells::Lines, Vec<u32>),
        (senders, receives): (&Senders<'_>, &[bool]),
    ) {
        let routes = (0..self.groups.nodes.len()).map(|id| abroad.class(id).unwrap_or_default());
        let mut cutter = cells::Cutter::of(&behaviours, routes);
        let mut families: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (dst, node) in self.groups.nodes.iter().enumerate() {
            if let Some(class) = abroad.class(dst).filter(|_| receives[dst]) {
                let says = node.policies.map(|p| p.map(|p| lines.of(self.prover, p)));
                families.entry((class, says)).or_default().push(dst);
            }
        }
        for members in families.into_values() {
            let guards = self.groups.nodes[members[0]].policies;
            let known = (&*self.prover, &*self.groups);
            let cells = cutter.cells(known, admission, guards, senders, &[], |_| true);
            for cell in &cells {
                let all = self.draft.sources(cell);
                for dst in &members {
                    self.cell_abroad(abroad, (cell, all), *dst);
                }
            }
        }
    }

    fn cell_abroad(&mut self, abroad: &Abroad, (cell, all): (&[u32], u32), dst: usize) {
        let Some(exceptions) = abroad.except(self.groups.nodes[dst].route_class) else { return };
        let except: Vec<u32> =
            exceptions.iter().copied().filter(|id| cell.binary_search(id).is_ok()).collect();
        let mut others = cell.iter().filter(|id| except.binary_search(id).is_err());
        let Some(&first) = others.next() else { return };
        let relation = Relation::OtherSubnet;
        let classes = abroad.class(first as usize).zip(abroad.class(dst));
        let Some(classes) = classes else { return };
        let Some(template) = self.template_of(classes, (first as usize, dst), relation) else {
            return;
        };
        if self.tells_sources_apart(template) {
            for src in cell.iter().filter(|id| except.binary_search(id).is_err()) {
                let sources = self.draft.sources(&[*src]);
                let flows = self.flows(template, *src as usize, dst);
                self.draft.push(sources, dst, Relation::Any, flows);
            }
            return;
        }
        let flows = self.flows(template, first as usize, dst);
        let except = self.draft.sources(&except);
        self.draft.push_except((all, except), dst, Relation::Any, flows);
    }

    /// What passes from sources that are all treated alike.
    fn cell(&mut self, cell: &[u32], sources: u32, dst: usize) {
        let Some(&first) = cell.first() else { return };
        let (a, b) = (&self.groups.nodes[first as usize], &self.groups.nodes[dst]);
        if !a.address.is_unspecified() && a.address.is_ipv4() != b.address.is_ipv4() {
            return;
        }
        let same = self.template(first as usize, dst, Relation::SameSubnet);
        let other = self.template(first as usize, dst, Relation::OtherSubnet);
        let exact = |search: &mut Self, template: Option<Option<usize>>| {
            template.flatten().is_some_and(|t| search.tells_sources_apart(t))
        };
        if cell.len() > 1 && (exact(self, same) || exact(self, other)) {
            for src in cell {
                let sources = self.draft.sources(&[*src]);
                self.alike(&[*src], sources, dst, (same, other));
            }
        } else {
            self.alike(cell, sources, dst, (same, other));
        }
    }

    fn alike(
        &mut self,
        cell: &[u32],
        sources: u32,
        dst: usize,
        (same, other): (Option<Option<usize>>, Option<Option<usize>>),
    ) {
        let Some(&first) = cell.first() else { return };
        let mut flows = |template: Option<Option<usize>>| {
            template.map(|t| t.map_or(Flows::NONE, |t| self.flows(t, first as usize, dst)))
        };
        match (flows(same), flows(other)) {
            (None, None) => {}
            (Some(flows), None) | (None, Some(flows)) => {
                self.draft.push(sources, dst, Relation::Any, flows);
            }
            (Some(same), Some(other)) if same == other => {
                self.draft.push(sources, dst, Relation::Any, same);
            }
            (Some(same), Some(other)) => self.by_subnet(cell, dst, same, other),
        }
    }

    /// Sources for which it matters whether they are in the destination's subnet.
    fn by_subnet(&mut self, cell: &[u32], dst: usize, same: Flows, other: Flows) {
        let mut parts: [Vec<u32>; 3] = Default::default();
        for src in cell {
            match self.groups.relations(*src as usize, dst) {
                (true, false) => parts[0].push(*src),
                (false, true) => parts[1].push(*src),
                (true, true) => parts[2].push(*src),
                (false, false) => {}
            }
        }
        let [only_same, only_other, both] = parts.map(|part| {
            let id = self.draft.sources(&part);
            (!part.is_empty()).then_some(id)
        });
        for (sources, relation, flows) in [
            (only_same, Relation::Any, same),
            (only_other, Relation::Any, other),
            (both, Relation::SameSubnet, same),
            (both, Relation::OtherSubnet, other),
        ] {
            if let Some(sources) = sources {
                self.draft.push(sources, dst, relation, flows);
            }
        }
    }

    /// The template of the routing classes of two groups: the outer option says whether such pairs exist, the inner one whether
    /// anything can arrive.
    fn template(&mut self, src: usize, dst: usize, relation: Relation) -> Option<Option<usize>> {
        let (a, b) = self.groups.representatives(src, dst, relation)?;
        let classes = (self.groups.nodes[a].route_class, self.groups.nodes[b].route_class);
        Some(self.template_of(classes, (a, b), relation))
    }

    fn template_of(
        &mut self,
        (from, to): (u32, u32),
        (src, dst): (usize, usize),
        relation: Relation,
    ) -> Option<usize> {
        let key = (from, to, relation);
        if let Some(known) = self.templates.get(&key) {
            return *known;
        }
        let template = Template::find(self.prover, &self.groups, src, dst, relation);
        let place = template.map(|template| {
            self.found.push(Some(Box::new(template)));
            self.found.len() - 1
        });
        self.templates.insert(key, place);
        place
    }

    /// Whether a template asks more of its source than cells hold alike.
    fn tells_sources_apart(&mut self, place: usize) -> bool {
        let Some(mut template) = self.found[place].take() else { return true };
        let apart = template.tells_sources_apart(self.prover);
        self.found[place] = Some(template);
        apart
    }

    fn flows(&mut self, place: usize, src: usize, dst: usize) -> Flows {
        let Some(mut template) = self.found[place].take() else { return Flows::NONE };
        let flows = self.by_template(&mut template, src, dst);
        self.found[place] = Some(template);
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
