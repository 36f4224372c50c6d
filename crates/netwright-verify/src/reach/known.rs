//! What a prover knows of all pairs between two questions, so that the next one costs what it asks anew.
//!
//! [`Frame`] follows from routes and groups alone. The rest follows from rules too: when rules change, what they decided is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use netwright_model::network::InterfaceId;
use rustc_hash::FxHashMap;

use crate::prover::Prover;
use crate::prover::change::{Change, Edit};
use crate::prover::policy::{Permit, PolicyId};
use crate::space::Set;

use super::abroad::Abroad;
use super::admission::Admission;
use super::candidates::{Candidates, Door};
use super::cells::{Behaviours, Cutter, Guards, Lines, Says};
use super::nodes::{Group, Groups, Parted};
use super::template::Template;
use super::{Relation, StageKey};

/// Destinations that differ in nothing that decides which sources are told apart; with their routing class where those depend on it.
pub(super) type Family = (Door, Guards, Option<u32>);

/// Which groups are asked about. Lists are sorted.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    All,
    Only(Vec<u32>),
    AllBut(Vec<u32>),
}

impl Asked {
    pub(super) fn of(asked: &[bool]) -> Self {
        if asked.iter().all(|asked| *asked) {
            return Self::All;
        }
        let ids = (0u32..).zip(asked).filter(|(_, asked)| **asked);
        Self::Only(ids.map(|(id, _)| id).collect())
    }

    pub(super) fn holds(&self, id: usize) -> bool {
        let listed =
            |list: &[u32]| u32::try_from(id).is_ok_and(|id| list.binary_search(&id).is_ok());
        match self {
            Self::All => true,
            Self::Only(list) => listed(list),
            Self::AllBut(list) => !listed(list),
        }
    }

    /// Those of so many groups.
    pub(super) fn of_all(&self, count: usize) -> Vec<usize> {
        match self {
            Self::Only(list) => list.iter().map(|id| *id as usize).collect(),
            Self::All | Self::AllBut(_) => (0..count).filter(|id| self.holds(*id)).collect(),
        }
    }
}

/// What routes and groups say.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) groups: Arc<Groups>,
    pub(super) candidates: Candidates,
    pub(super) abroad: Abroad,
    /// All receivers.
    pub(super) families: BTreeMap<Family, Vec<usize>>,
    /// Groups that each policy protects, sorted.
    protected_by: FxHashMap<PolicyId, Vec<u32>>,
    /// Interfaces on the way of others' packets that each policy protects.
    on_the_way: FxHashMap<PolicyId, Vec<InterfaceId>>,
    /// The groups as they are shown.
    shown: OnceLock<Arc<Vec<Arc<Group>>>>,
    /// Whose groups these are: what was answered by them can be gone on from, also after some were parted.
    pub(super) mark: Arc<()>,
}

impl Frame {
    fn of(prover: &Prover<'_>) -> Self {
        let groups = Groups::of(prover);
        let mut protected_by: FxHashMap<PolicyId, Vec<u32>> = FxHashMap::default();
        for (id, node) in (0u32..).zip(&groups.nodes) {
            for policy in node.policies.iter().flatten() {
                protected_by.entry(*policy).or_default().push(id);
            }
        }
        let candidates = Candidates::of(prover, &groups);
        let mut on_the_way: FxHashMap<PolicyId, Vec<InterfaceId>> = FxHashMap::default();
        for interface in candidates.on_the_way() {
            let subnet = prover.network[interface].subnet;
            let policies = &prover.policies;
            let own = [policies.of_interface(interface), policies.of_vpc(interface)];
            for policy in own.into_iter().chain([policies.of_subnet(subnet)]).flatten() {
                on_the_way.entry(policy).or_default().push(interface);
            }
        }
        let mut frame = Self {
            candidates,
            abroad: Abroad::of(prover, &groups),
            groups: Arc::new(groups),
            families: BTreeMap::new(),
            protected_by,
            on_the_way,
            shown: OnceLock::new(),
            mark: Arc::new(()),
        };
        let receivers: Vec<usize> = (0..frame.groups.nodes.len()).collect();
        frame.families = frame.families_of(prover, &receivers);
        frame
    }

    /// Receivers among some groups, by family.
    pub(super) fn families_of(
        &self,
        prover: &Prover<'_>,
        receivers: &[usize],
    ) -> BTreeMap<Family, Vec<usize>> {
        let mut families: BTreeMap<Family, Vec<usize>> = BTreeMap::new();
        for dst in receivers {
            if self.groups.nodes[*dst].receives {
                families.entry(self.family_of(prover, *dst)).or_default().push(*dst);
            }
        }
        families
    }

    fn family_of(&self, prover: &Prover<'_>, dst: usize) -> Family {
        let node = &self.groups.nodes[dst];
        let excepted = self.abroad.class(dst).map(|_| node.route_class);
        (Door::of(prover.network, node), node.policies, excepted)
    }

    /// Takes up groups that were parted from others, or that other policies protect now.
    fn adopt(&mut self, prover: &Prover<'_>, parted: &[Parted]) {
        for Parted { id, from, were } in parted {
            let place = *id as usize;
            let receives = self.groups.nodes[place].receives;
            let policies = self.groups.nodes[place].policies;
            if let Some(from) = from {
                self.candidates.copy(*from, *id);
                self.abroad.copy(*from, *id);
            } else if let Some(were) = were {
                let (door, _, excepted) = self.family_of(prover, place);
                if let Some(family) = self.families.get_mut(&(door, *were, excepted)) {
                    family.retain(|own| *own != place);
                }
                for policy in were.iter().flatten() {
                    self.protected_by.entry(*policy).or_default().retain(|own| own != id);
                }
            }
            if from.is_none() && were.is_none() {
                continue;
            }
            if receives {
                let family = self.family_of(prover, place);
                insert(self.families.entry(family).or_default(), place);
            }
            for policy in policies.iter().flatten() {
                insert(self.protected_by.entry(*policy).or_default(), *id);
            }
        }
        let mut shown = Vec::clone(&self.shown());
        let touched = parted.iter().flat_map(|row| row.from.into_iter().chain([row.id]));
        let touched: BTreeSet<usize> = touched.map(|id| id as usize).collect();
        for id in touched {
            let group = super::after::shown(&self.groups.nodes[id]);
            match shown.get_mut(id) {
                Some(known) => *known = group,
                None => shown.push(group),
            }
        }
        self.shown = OnceLock::from(Arc::new(shown));
    }

    /// Whether others' packets pass an interface on their way.
    pub(super) fn is_on_the_way(&self, interface: InterfaceId) -> bool {
        self.candidates.is_on_the_way(interface)
    }

    pub(super) fn protected_by(&self, policy: PolicyId) -> &[u32] {
        self.protected_by.get(&policy).map_or(&[], Vec::as_slice)
    }

    /// Groups whose packets may pass what a policy protects on their way.
    pub(super) fn passing(&self, policy: PolicyId) -> impl Iterator<Item = u32> {
        let interfaces = self.on_the_way.get(&policy).into_iter().flatten();
        interfaces.flat_map(|interface| self.candidates.through(*interface))
    }

    pub(super) fn shown(&self) -> Arc<Vec<Arc<Group>>> {
        let all = || Arc::new(self.groups.nodes.iter().map(super::after::shown).collect());
        Arc::clone(self.shown.get_or_init(all))
    }
}

/// Adds to a sorted list.
fn insert<T: Ord + Copy>(list: &mut Vec<T>, one: T) {
    if let Err(place) = list.binary_search(&one) {
        list.insert(place, one);
    }
}

/// What makes cells of sources.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) admission: Admission,
    pub(super) lines: Lines,
    behaviours: Behaviours,
    pub(super) cutter: Cutter,
    /// By classes of the Internet instead of routes.
    pub(super) abroad: Cutter,
}

impl Cells {
    fn of(prover: &Prover<'_>, frame: &Frame) -> Self {
        let mut lines = Lines::default();
        let groups = &frame.groups;
        let behaviours = Behaviours::of(&mut lines, prover, groups);
        let routes = groups.nodes.iter().map(|node| node.route_class).collect();
        let count = if frame.abroad.is_empty() { 0 } else { groups.nodes.len() };
        let abroad = (0..count).map(|id| frame.abroad.class(id).unwrap_or_default()).collect();
        Self {
            admission: Admission::of(prover, groups),
            lines,
            cutter: Cutter::of(&behaviours, routes),
            abroad: Cutter::of(&behaviours, abroad),
            behaviours,
        }
    }

    /// Looks at some groups' behaviour again.
    fn update(&mut self, prover: &Prover<'_>, groups: &Groups, changed: &[u32]) {
        self.behaviours.update(&mut self.lines, prover, groups, changed);
        self.cutter.update(&self.behaviours, changed.iter().copied());
        if !self.abroad.is_empty() {
            self.abroad.update(&self.behaviours, changed.iter().copied());
        }
    }

    fn adopt(&mut self, prover: &Prover<'_>, groups: &Groups, parted: &[Parted]) {
        for Parted { id, from, .. } in parted {
            if let Some(from) = from {
                self.behaviours.copy(*from);
                self.cutter.copy(*from);
                if !self.abroad.is_empty() {
                    self.abroad.copy(*from);
                }
                self.admission.copy(groups, *from, *id);
            }
        }
        self.admission.readdress(groups, parted);
        let changed: Vec<u32> = parted.iter().map(|row| row.id).collect();
        self.update(prover, groups, &changed);
    }
}

/// Paths that were found, and what filters said along them.
#[derive(Debug, Default)]
pub(super) struct Asides {
    pub(super) templates: FxHashMap<(u32, u32, Relation), Option<usize>>,
    /// Taken out while one is used: the filters that it asks are borrowed from the same search.
    pub(super) found: Vec<Option<Box<Template>>>,
    /// By policy.
    pub(super) memo: FxHashMap<PolicyId, FxHashMap<StageKey, Permit>>,
    pub(super) answers: FxHashMap<Set, Set>,
}

/// Everything that is kept.
#[derive(Debug)]
pub(crate) struct Known {
    pub(super) frame: Arc<Frame>,
    pub(super) cells: Cells,
    pub(super) asides: Asides,
}

impl Known {
    pub(super) fn of(prover: &Prover<'_>) -> Self {
        let frame = Frame::of(prover);
        let cells = Cells::of(prover, &frame);
        Self { frame: Arc::new(frame), cells, asides: Asides::default() }
    }

    /// Goes on to a network after an edit, by which some policies may decide something else. None where it is better to begin anew.
    pub(crate) fn go_on(
        &mut self,
        prover: &Prover<'_>,
        edit: &Edit,
        policies: &[PolicyId],
    ) -> Option<Change> {
        let Edit { filters, interfaces: moved } = edit;
        let lines = &mut self.cells.lines;
        let before: Vec<Option<Says>> =
            policies.iter().map(|policy| lines.known(*policy)).collect();
        lines.forget(policies);
        let mut changed = Vec::new();
        for (policy, before) in policies.iter().zip(before) {
            let after = lines.of(prover, *policy);
            let directions = match before {
                Some(before) => [before.ingress != after.ingress, before.egress != after.egress],
                None => [true; 2],
            };
            // Without state the rules of either direction are asked at both ends, for requests or for answers.
            let either = directions.contains(&true);
            let directions = if after.stateful { directions } else { [either; 2] };
            if either {
                changed.push((*policy, directions));
            }
        }
        self.cells.admission.forget(policies);
        for policy in policies {
            self.asides.memo.remove(policy);
        }
        let frame = Arc::get_mut(&mut self.frame)?;
        if moved.iter().any(|id| frame.is_on_the_way(*id)) {
            return None;
        }
        let groups = Arc::get_mut(&mut frame.groups)?;
        let mut parted = Vec::new();
        for rule in filters.iter().flat_map(|filter| &prover.network[*filter].rules) {
            groups.tell_apart(prover, rule, &mut parted);
        }
        if !moved.is_empty() {
            groups.by_policies(prover, moved, &mut parted);
        }
        if groups.is_worn() {
            return None;
        }
        if !parted.is_empty() {
            frame.adopt(prover, &parted);
            self.cells.adopt(prover, &frame.groups, &parted);
        }
        for policy in policies {
            self.cells.update(prover, &self.frame.groups, self.frame.protected_by(*policy));
        }
        let own = parted.iter().filter(|row| row.were.is_some());
        Some(Change { policies: Some(changed), groups: own.map(|row| row.id).collect() })
    }
}
