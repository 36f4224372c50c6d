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
mod known;
mod nodes;
mod template;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use netwright_model::network::InterfaceId;

use crate::flow::{Flows, answered_by};
use crate::prover::Prover;
use crate::prover::path::Seen;
use crate::prover::policy::{Permit, PolicyId};
use crate::space::{Overflow, Set};

use abroad::Abroad;
pub use answer::{Block, Entry, Reach, Relation, Sources};
use cells::{Cuts, Question, Senders};
pub(crate) use known::Known;
use known::{Asides, Asked, Cells, Frame};
use nodes::Groups;
pub(crate) use nodes::sends_from;
pub use nodes::{Group, Member, Outside};
pub(crate) use nodes::{Piece, pieces, union};
use template::{Stage, Template};

/// Direction and filter classes of one stage: the memo's key beside the policy.
type StageKey = (u8, u32, u32);

struct Search<'a, 'n> {
    prover: &'a mut Prover<'n>,
    frame: Arc<Frame>,
    groups: Arc<Groups>,
    /// Taken out while it makes cells.
    cells: Option<Cells>,
    asides: Asides,
    draft: answer::Draft,
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
        let known = self.known.take().unwrap_or_else(|| Box::new(Known::of(self)));
        let groups = Arc::clone(&known.frame.groups);
        let (shown, mark) = (known.frame.shown(), Arc::clone(&known.frame.mark));
        let holds = |test: &dyn Fn(&Member) -> bool| -> Asked {
            let nodes = groups.nodes.iter().map(|node| node.members.iter().any(test));
            Asked::of(&nodes.collect::<Vec<bool>>())
        };
        let (sends, receives) = (holds(&sends), holds(&receives));
        let whole = matches!((&sends, &receives), (Asked::All, Asked::All));
        let mut search = Search::new(self, known, answer::Draft::default());
        search.run(&sends, &receives);
        let draft = search.done();
        let reach = draft.finish(shown, whole.then_some(after::Basis { mark }));
        self.space.checked(reach)
    }
}

impl<'a, 'n> Search<'a, 'n> {
    fn new(prover: &'a mut Prover<'n>, known: Box<Known>, draft: answer::Draft) -> Self {
        let Known { frame, cells, asides } = *known;
        let groups = Arc::clone(&frame.groups);
        Self { prover, frame, groups, cells: Some(cells), asides, draft }
    }

    /// Leaves what was found out for the next question.
    fn done(self) -> answer::Draft {
        let Self { prover, frame, cells, asides, draft, .. } = self;
        prover.known = cells.map(|cells| Box::new(Known { frame, cells, asides }));
        draft
    }
}

impl Search<'_, '_> {
    fn run(&mut self, sends: &Asked, receives: &Asked) {
        let Some(mut cells) = self.cells.take() else { return };
        let frame = Arc::clone(&self.frame);
        let candidates = match sends {
            Asked::Only(list) => Cow::Owned(frame.candidates.only(list)),
            Asked::All | Asked::AllBut(_) => Cow::Borrowed(&frame.candidates),
        };
        let abroad = &frame.abroad;
        let v6 = candidates.internet_v6();
        let (alike, alone): (Vec<u32>, Vec<u32>) =
            v6.iter().partition(|id| abroad.class(**id as usize).is_some());
        let few = match receives {
            Asked::Only(list) => {
                let list: Vec<usize> = list.iter().map(|id| *id as usize).collect();
                Some(frame.families_of(self.prover, &list))
            }
            Asked::All | Asked::AllBut(_) => None,
        };
        let mut senders = (None, Senders::of(Vec::new()));
        let mut cuts = Cuts::default();
        for ((door, guards, excepted), members) in few.as_ref().unwrap_or(&frame.families) {
            let members = || members.iter().copied().filter(|dst| receives.holds(*dst));
            let Some(first) = members().next() else { continue };
            if senders.0 != Some((door, excepted)) {
                let mut lists = candidates.senders(*door);
                match excepted.and_then(|class| abroad.except(class)) {
                    Some(exceptions) => {
                        let own = exceptions.iter().filter(|id| alike.binary_search(id).is_ok());
                        lists.push(Cow::Owned(own.copied().collect()));
                        lists.push(Cow::from(&alone));
                    }
                    None if !door.v4 => lists.push(Cow::from(v6)),
                    None => {}
                }
                senders = (Some((door, excepted)), Senders::of(lists));
                cuts.clear();
            }
            let about = |dst: usize| candidates.uncertain_about(&self.groups.nodes[dst]);
            let mut anyway: Vec<u32> = members().flat_map(about).collect();
            anyway.sort_unstable();
            anyway.dedup();
            if anyway.is_empty() && senders.1.is_empty() {
                continue;
            }
            let first = &self.groups.nodes[first];
            let meant = |src: u32| excepted.is_none() || !abroad.between(src, first);
            let (cutter, admission) = (&mut cells.cutter, &mut cells.admission);
            let question = Question::of((&*self.prover, &*self.groups), admission, *guards);
            let draft = &mut self.draft;
            let numbered = cuts.get_or_cut((question, anyway), |question, anyway| {
                let cells = cutter.cells(admission, question, &senders.1, anyway, meant);
                let number = |cell: Vec<u32>| {
                    let sources = draft.sources(&cell);
                    (cell, sources)
                };
                Rc::new(cells.into_iter().map(number).collect())
            });
            for (cell, sources) in numbered.iter() {
                for dst in members() {
                    self.cell(cell, *sources, dst);
                }
            }
        }
        if !abroad.is_empty() && !alike.is_empty() {
            let senders = Senders::of(vec![Cow::from(&alike)]);
            self.abroad(abroad, &mut cells, (&senders, receives));
        }
        self.cells = Some(cells);
    }

    /// What crosses the Internet between VPCs, class by class.
    fn abroad(
        &mut self,
        abroad: &Abroad,
        cells: &mut Cells,
        (senders, receives): (&Senders<'_>, &Asked),
    ) {
        let mut families: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for dst in receives.of_all(self.groups.nodes.len()) {
            if let Some(class) = abroad.class(dst) {
                let policies = self.groups.nodes[dst].policies;
                let says = policies.map(|p| p.map(|p| cells.lines.of(self.prover, p)));
                families.entry((class, says)).or_default().push(dst);
            }
        }
        for members in families.into_values() {
            let guards = self.groups.nodes[members[0]].policies;
            let known = (&*self.prover, &*self.groups);
            let admission = &mut cells.admission;
            let question = Question::of(known, admission, guards);
            for cell in &cells.abroad.cells(admission, &question, senders, &[], |_| true) {
                let all = self.draft.sources(cell);
                for dst in &members {
                    self.cell_abroad(abroad, (cell, all), *dst);
                }
            }
        }
    }

    fn cell_abroad(&mut self, abroad: &Abroad, (cell, all): (&[u32], u32), dst: usize) {
        let Some(exceptions) = abroad.except(self.groups.nodes[dst].route_class) else { return };
        let (few, many) =
            if cell.len() < exceptions.len() { (cell, exceptions) } else { (exceptions, cell) };
        let except: Vec<u32> =
            few.iter().copied().filter(|id| many.binary_search(id).is_ok()).collect();
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
        if let Some(known) = self.asides.templates.get(&key) {
            return *known;
        }
        let template = Template::find(self.prover, &self.groups, src, dst, relation);
        let place = template.map(|template| {
            self.asides.found.push(Some(Box::new(template)));
            self.asides.found.len() - 1
        });
        self.asides.templates.insert(key, place);
        place
    }

    /// Whether a template asks more of its source than cells hold alike.
    fn tells_sources_apart(&mut self, place: usize) -> bool {
        let Some(mut template) = self.asides.found[place].take() else { return true };
        let apart = template.tells_sources_apart(self.prover);
        self.asides.found[place] = Some(template);
        apart
    }

    fn flows(&mut self, place: usize, src: usize, dst: usize) -> Flows {
        let Some(mut template) = self.asides.found[place].take() else { return Flows::NONE };
        let flows = self.by_template(&mut template, src, dst);
        self.asides.found[place] = Some(template);
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
        if let Some(known) = self.asides.answers.get(&answers) {
            return *known;
        }
        let requests = answered_by(&mut self.prover.space, answers);
        self.asides.answers.insert(answers, requests);
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
        let key = ask.key(&self.groups, src, dst, local);
        if let Some(known) = self.asides.memo.get(&policy).and_then(|own| own.get(&key)) {
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
        self.asides.memo.entry(policy).or_default().insert(key, permit);
        permit
    }
}
