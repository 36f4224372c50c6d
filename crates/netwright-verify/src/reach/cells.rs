//! The sources of a destination, cut into cells of which everything there treats the members alike.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use netwright_model::language::Direction;
use rustc_hash::FxHashMap;

use crate::prover::Prover;
use crate::prover::policy::PolicyId;

use super::admission::{Admission, Asked, ListId};
use super::nodes::{Groups, Node};

/// Policies that packets to a destination meet there: of the interface, the VPC, the subnet.
pub(super) type Guards = [Option<PolicyId>; 3];

/// What a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Says {
    /// Its line out, by number.
    pub(super) egress: u32,
    /// Its line in.
    pub(super) ingress: u32,
    /// It keeps state.
    pub(super) stateful: bool,
    /// It asks about its own side.
    local: bool,
}

/// What policies say, by number: equal numbers are equal lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: FxHashMap<Vec<u128>, u32>,
    policies: FxHashMap<PolicyId, Says>,
}

impl Lines {
    pub(super) fn of(&mut self, prover: &Prover<'_>, policy: PolicyId) -> Says {
        if let Some(known) = self.policies.get(&policy) {
            return *known;
        }
        let [egress, ingress] = [Direction::Egress, Direction::Ingress].map(|direction| {
            let next = u32::try_from(self.lines.len() + 1).unwrap_or(u32::MAX);
            let line = prover.policies.line(prover.network, policy, direction);
            *self.lines.entry(line).or_insert(next)
        });
        let stateful = prover.policies.is_stateful(policy);
        let says = Says { egress, ingress, stateful, local: local_matters(prover, policy) };
        self.policies.insert(policy, says);
        says
    }

    /// What a policy said when it was last asked.
    pub(super) fn known(&self, policy: PolicyId) -> Option<Says> {
        self.policies.get(&policy).copied()
    }

    /// Forgets what some policies said.
    pub(super) fn forget(&mut self, policies: &[PolicyId]) {
        for policy in policies {
            self.policies.remove(policy);
        }
    }
}

/// What the policies of a source do, and the filter classes where one asks about its own side.
type Behaviour = ([[u32; 3]; 3], (u32, u32));

/// Sources by what their own filters let out (and, without state, in).
#[derive(Debug, Default)]
pub(super) struct Behaviours {
    known: FxHashMap<Behaviour, u32>,
    /// By group.
    pub(super) of: Vec<u32>,
}

impl Behaviours {
    pub(super) fn of(lines: &mut Lines, prover: &Prover<'_>, groups: &Groups) -> Self {
        let mut all = Self::default();
        for node in &groups.nodes {
            let own = all.behaviour(lines, prover, node);
            all.of.push(own);
        }
        all
    }

    /// Takes up a group that was parted from another.
    pub(super) fn copy(&mut self, from: u32) {
        self.of.push(self.of[from as usize]);
    }

    /// Looks at some groups again.
    pub(super) fn update(
        &mut self,
        lines: &mut Lines,
        prover: &Prover<'_>,
        groups: &Groups,
        changed: &[u32],
    ) {
        for id in changed {
            self.of[*id as usize] = self.behaviour(lines, prover, &groups.nodes[*id as usize]);
        }
    }

    fn behaviour(&mut self, lines: &mut Lines, prover: &Prover<'_>, node: &Node) -> u32 {
        let mut own = |policy: PolicyId| -> [u32; 3] {
            let says = lines.of(prover, policy);
            [says.egress, if says.stateful { 0 } else { says.ingress }, u32::from(says.local)]
        };
        let policies = node.policies.map(|policy| policy.map_or([0; 3], &mut own));
        let exact = policies.iter().any(|[.., local]| *local == 1);
        let filter = if exact { (node.filter_class, node.address_class) } else { (0, 0) };
        let next = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        *self.known.entry((policies, filter)).or_insert(next)
    }
}

/// Groups that may send to a destination by routes: sorted lists that together hold them.
pub(super) struct Senders<'c> {
    lists: Vec<Cow<'c, [u32]>>,
    all: OnceCell<Vec<u32>>,
}

impl<'c> Senders<'c> {
    pub(super) fn of(lists: Vec<Cow<'c, [u32]>>) -> Self {
        Self { lists, all: OnceCell::new() }
    }

    fn all(&self) -> &[u32] {
        match self.lists.as_slice() {
            [one] => one,
            lists => self.all.get_or_init(|| {
                let mut all = lists.concat();
                all.sort_unstable();
                all.dedup();
                all
            }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lists.iter().all(|list| list.is_empty())
    }

    /// How many there are at most.
    fn count(&self) -> usize {
        self.lists.iter().map(|list| list.len()).sum()
    }

    fn holds(&self, id: u32) -> bool {
        self.lists.iter().any(|list| list.binary_search(&id).is_ok())
    }
}

fn local_matters(prover: &Prover<'_>, policy: PolicyId) -> bool {
    [Direction::Ingress, Direction::Egress]
        .into_iter()
        .any(|direction| prover.policies.local_matters(policy, direction))
}

/// What the policies at a destination ask about its sources: equal questions have equal answers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    /// Everything that they can tell apart, sorted.
    lists: Vec<ListId>,
    /// Those that not everybody may pass.
    closed: Vec<Arc<Asked>>,
}

impl Question {
    pub(super) fn of(
        (prover, groups): (&Prover<'_>, &Groups),
        admission: &mut Admission,
        guards: Guards,
    ) -> Self {
        let mut lists: Vec<ListId> = Vec::new();
        let mut closed: Vec<Arc<Asked>> = Vec::new();
        for (place, policy) in guards.into_iter().enumerate() {
            let Some(policy) = policy else { continue };
            let asked = admission.policy(prover, groups, policy, Direction::Ingress);
            lists.extend(&asked.lists);
            if !prover.policies.is_stateful(policy) {
                let answers = admission.policy(prover, groups, policy, Direction::Egress);
                lists.extend(&answers.lists);
            }
            // The subnet's filters are not asked about packets from inside it.
            if !asked.open && place < 2 {
                closed.push(asked);
            }
        }
        lists.sort_unstable();
        lists.dedup();
        Self { lists, closed }
    }
}

/// Cells with the numbers that an answer gave them.
pub(super) type Numbered = Rc<Vec<(Vec<u32>, u32)>>;

/// Cells that were cut for some senders, by question and by whom else it is about: other destinations often ask the same.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    known: FxHashMap<(Question, Vec<u32>), Numbered>,
    size: usize,
}

impl Cuts {
    /// Groups in all lists that are kept.
    const MOST: usize = 4_000_000;

    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.size = 0;
    }

    pub(super) fn get_or_cut(
        &mut self,
        key: (Question, Vec<u32>),
        cut: impl FnOnce(&Question, &[u32]) -> Numbered,
    ) -> Numbered {
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        let cells = cut(&key.0, &key.1);
        self.size += cells.iter().map(|(cell, _)| cell.len()).sum::<usize>();
        if self.size > Self::MOST {
            self.clear();
        } else {
            self.known.insert(key, Rc::clone(&cells));
        }
        cells
    }
}

/// Cuts sources into cells, one destination after another.
#[derive(Debug)]
pub(super) struct Cutter {
    /// Classes by behaviour and routes.
    known: FxHashMap<(u32, u32), u32>,
    /// By what routes each group sends.
    routes: Vec<u32>,
    /// Class of each group by its routes and its own filters.
    classes: Vec<u32>,
    /// Class of each group for the destination at hand; equal to its source class between two.
    class: Vec<u32>,
    touched: Vec<u32>,
    /// How many of the policies at hand a group may pass, with the number of the question.
    admitted: Vec<(u32, u8)>,
    question: u32,
    place: FxHashMap<u32, usize>,
    split: FxHashMap<u32, u32>,
}

impl Cutter {
    /// For sources of which it is said how they behave, and by what routes they send.
    pub(super) fn of(behaviours: &Behaviours, routes: Vec<u32>) -> Self {
        let count = routes.len();
        let mut cutter = Self {
            known: FxHashMap::default(),
            routes,
            classes: vec![0; count],
            class: vec![0; count],
            touched: Vec::new(),
            admitted: vec![(0, 0); count],
            question: 0,
            place: FxHashMap::default(),
            split: FxHashMap::default(),
        };
        cutter.update(behaviours, 0..u32::try_from(count).unwrap_or(u32::MAX));
        cutter
    }

    /// Whether it is for no sources at all.
    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Takes up a group that was parted from another.
    pub(super) fn copy(&mut self, from: u32) {
        let from = from as usize;
        self.routes.push(self.routes[from]);
        self.classes.push(self.classes[from]);
        self.class.push(self.classes[from]);
        self.admitted.push((0, 0));
    }

    /// Takes over how some groups behave now.
    pub(super) fn update(&mut self, behaviours: &Behaviours, groups: impl Iterator<Item = u32>) {
        for id in groups {
            let id = id as usize;
            let next = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
            let both = (behaviours.of[id], self.routes[id]);
            self.classes[id] = *self.known.entry(both).or_insert(next);
            self.class[id] = self.classes[id];
        }
    }

    /// The cells of those of `senders` that may pass the guards inwards, and of all in `anyway`, which is sorted; of both only those that
    /// `meant` says. Cells come in the order of their first members.
    pub(super) fn cells(
        &mut self,
        admission: &Admission,
        question: &Question,
        senders: &Senders<'_>,
        anyway: &[u32],
        meant: impl Fn(u32) -> bool,
    ) -> Vec<Vec<u32>> {
        let Question { lists, closed } = question;
        let listed: usize = lists.iter().map(|list| admission.list(*list).len()).sum();
        let few = senders.count() < listed / 8;
        let chosen = if few {
            senders.all().iter().copied().filter(|id| admission.admits(closed, *id)).collect()
        } else {
            self.passing(admission, closed, senders)
        };
        let chosen: Vec<u32> = merged(chosen.into_iter(), anyway).filter(|id| meant(*id)).collect();
        self.cut(admission, lists, few.then_some(&chosen));
        let mut cells: Vec<Vec<u32>> = Vec::new();
        self.place.clear();
        for id in chosen {
            let next = cells.len();
            let cell = *self.place.entry(self.class[id as usize]).or_insert(next);
            if cell == next {
                cells.push(Vec::new());
            }
            cells[cell].push(id);
        }
        for id in self.touched.drain(..) {
            self.class[id as usize] = self.classes[id as usize];
        }
        cells
    }

    /// Those of some senders that may pass closed policies, sorted.
    fn passing(
        &mut self,
        admission: &Admission,
        closed: &[Arc<Asked>],
        senders: &Senders<'_>,
    ) -> Vec<u32> {
        if closed.is_empty() {
            return senders.all().to_vec();
        }
        self.question += 1;
        let mut passing: Vec<u32> = Vec::new();
        for (before, asked) in (0u8..).zip(closed) {
            passing.clear();
            for list in &asked.admitted {
                for id in admission.list(*list) {
                    let (question, passed) = &mut self.admitted[*id as usize];
                    if *question != self.question {
                        (*question, *passed) = (self.question, 0);
                    }
                    if *passed == before {
                        *passed += 1;
                        passing.push(*id);
                    }
                }
            }
        }
        // What a translated source needs: every closed policy takes translated addresses.
        let translated = closed.iter().all(|asked| asked.admits_translated);
        if translated {
            passing.extend(&admission.may_translate);
        }
        if passing.len() < senders.count() / 8 {
            passing.sort_unstable();
            passing.dedup();
            passing.retain(|id| senders.holds(*id));
            return passing;
        }
        let all = (self.question, u8::try_from(closed.len()).unwrap_or(u8::MAX));
        let pass = |id: &u32| {
            let translates = || translated && admission.may_translate.binary_search(id).is_ok();
            self.admitted[*id as usize] == all || translates()
        };
        senders.all().iter().copied().filter(pass).collect()
    }

    /// Cuts every class at every list: the classes of all groups, or of some only.
    fn cut(&mut self, admission: &Admission, lists: &[ListId], only: Option<&Vec<u32>>) {
        let mut next = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        for list in lists {
            self.split.clear();
            let mut part = |id: u32| {
                let class = &mut self.class[id as usize];
                let part = self.split.entry(*class).or_insert_with(|| {
                    next += 1;
                    next - 1
                });
                *class = *part;
                self.touched.push(id);
            };
            let list = admission.list(*list);
            match only {
                None => list.iter().for_each(|id| part(*id)),
                Some(only) => {
                    let listed = only.iter().filter(|id| list.binary_search(id).is_ok());
                    listed.for_each(|id| part(*id));
                }
            }
        }
    }
}

/// Two sorted lists as one, each member once.
fn merged(one: impl Iterator<Item = u32>, other: &[u32]) -> impl Iterator<Item = u32> {
    let mut one = one.peekable();
    let mut other = other.iter().copied().peekable();
    std::iter::from_fn(move || match (one.peek().copied(), other.peek().copied()) {
        (Some(a), Some(b)) if a == b => {
            other.next();
            one.next()
        }
        (Some(a), Some(b)) if b < a => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
}
