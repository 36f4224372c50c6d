//! The answer to "who reaches whom", kept in blocks: many sources, one destination, one set of flows.
//!
//! A block costs the same for one source as for a hundred thousand. Pairs come out of it one by one for those who ask for them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use crate::flow::Flows;

use super::after::Basis;
use super::nodes::{Group, Groups, Member};

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

impl Relation {
    /// The word that documents have for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::SameSubnet => "same_subnet",
            Self::OtherSubnet => "other_subnet",
        }
    }
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

/// Source groups: all of a list but a few.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'r> {
    all: &'r [u32],
    /// Those of them that are not meant.
    except: &'r [u32],
    /// Those of whom something newer is known.
    gone: &'r [u32],
}

impl<'r> Sources<'r> {
    /// The groups, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &'r u32> + use<'r> {
        let lists = [self.except, self.gone];
        let meant = move |id: &&u32| !lists.iter().any(|list| holds(list, **id));
        self.all.iter().filter(meant)
    }

    /// The list, and two of those that are not meant; each answer keeps equal lists once.
    pub(crate) fn parts(&self) -> [&'r [u32]; 3] {
        [self.all, self.except, self.gone]
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        let gone = |id: &&u32| holds(self.all, **id) && !holds(self.except, **id);
        self.all.len() - self.except.len() - self.gone.iter().filter(gone).count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Whether a group is one of them.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        holds(self.all, id) && !holds(self.except, id) && !holds(self.gone, id)
    }
}

fn holds(sorted: &[u32], id: u32) -> bool {
    !sorted.is_empty() && sorted.binary_search(&id).is_ok()
}

/// The same flows from several groups to one.
#[derive(Debug, Clone, Copy)]
pub struct Block<'r> {
    /// Source groups, sorted. A group of one member among them says nothing of itself.
    pub sources: Sources<'r>,
    /// Destination group.
    pub dst: usize,
    /// For which of their endpoints.
    pub relation: Relation,
    /// What passes.
    pub flows: Flows,
}

/// A block as it is kept: positions instead of what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    dst: u32,
    relation: Relation,
    flows: u32,
    sources: u32,
    /// A part of the sources: those that are not meant.
    except: u32,
}

/// Blocks, and what they name by position.
#[derive(Debug, Clone, Default)]
struct Table {
    /// Sorted by destination.
    blocks: Vec<Kept>,
    sources: Vec<Arc<[u32]>>,
    flows: Vec<Flows>,
}

impl Table {
    fn block<'r>(&'r self, kept: &Kept, gone: &'r [u32]) -> Block<'r> {
        let all = &*self.sources[kept.sources as usize];
        // Mostly nobody of a list is gone: then it is the list that it was.
        let gone = if gone.iter().any(|id| holds(all, *id)) { gone } else { &[] };
        Block {
            sources: Sources { all, except: &self.sources[kept.except as usize], gone },
            dst: kept.dst as usize,
            relation: kept.relation,
            flows: self.flows[kept.flows as usize],
        }
    }

    fn blocks_of(&self, dst: usize) -> impl Iterator<Item = &Kept> {
        let start = self.blocks.partition_point(|kept| (kept.dst as usize) < dst);
        self.blocks[start..].iter().take_while(move |kept| kept.dst as usize == dst)
    }
}

impl Table {
    /// The same where some groups are several, by the first: the others' numbers are greater than all.
    fn parted(&self, parts: &BTreeMap<u32, Vec<u32>>) -> Self {
        let list = |list: &Arc<[u32]>| match with_parts(list, parts) {
            Some(more) => more.into(),
            None => Arc::clone(list),
        };
        let mut blocks = self.blocks.clone();
        let mut copies: Vec<(u32, u32)> =
            parts.iter().flat_map(|(of, own)| own.iter().map(|id| (*id, *of))).collect();
        copies.sort_unstable();
        for (id, of) in copies {
            blocks.extend(self.blocks_of(of as usize).map(|kept| Kept { dst: id, ..*kept }));
        }
        Self { blocks, sources: self.sources.iter().map(list).collect(), flows: self.flows.clone() }
    }
}

/// A sorted list with the parts of what is in it; none where it stays as it is.
fn with_parts(list: &[u32], parts: &BTreeMap<u32, Vec<u32>>) -> Option<Vec<u32>> {
    let own = parts.iter().filter(|(of, _)| holds(list, **of));
    let mut more: Vec<u32> = own.flat_map(|(_, own)| own.iter().copied()).collect();
    if more.is_empty() {
        return None;
    }
    more.sort_unstable();
    Some(list.iter().copied().chain(more).collect())
}

/// The answer to "who reaches whom".
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Groups of endpoints and of outside addresses.
    pub groups: Arc<Vec<Arc<Group>>>,
    /// What was computed first.
    base: Arc<Table>,
    /// Senders and receivers of whom something newer is known; sorted.
    newer: [Vec<u32>; 2],
    /// What was computed of them after changes.
    own: Table,
    position: Arc<OnceLock<FxHashMap<Member, usize>>>,
    pub(super) basis: Option<Basis>,
}

impl Reach {
    /// Everything that passes, sorted by destination.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        let mut base = self.base.blocks.iter().filter_map(|kept| self.of_base(kept)).peekable();
        let mut own = self.own.blocks.iter().map(|kept| self.own.block(kept, &[])).peekable();
        std::iter::from_fn(move || match (base.peek(), own.peek()) {
            (Some(a), Some(b)) if b.dst < a.dst => own.next(),
            (Some(_), _) => base.next(),
            (None, _) => own.next(),
        })
    }

    /// A block that was computed first, as far as nothing newer is known.
    fn of_base(&self, kept: &Kept) -> Option<Block<'_>> {
        let [senders, receivers] = &self.newer;
        if holds(receivers, kept.dst) {
            return None;
        }
        let block = self.base.block(kept, senders);
        (!block.sources.is_empty()).then_some(block)
    }

    /// What arrives at a group.
    pub fn into(&self, dst: usize) -> impl Iterator<Item = Block<'_>> {
        let base = self.base.blocks_of(dst).filter_map(|kept| self.of_base(kept));
        base.chain(self.own.blocks_of(dst).map(|kept| self.own.block(kept, &[])))
    }

    /// What passes between two groups.
    pub fn between(&self, src: usize, dst: usize) -> impl Iterator<Item = Entry> {
        let source = u32::try_from(src).unwrap_or(u32::MAX);
        let blocks = self.into(dst).filter(move |_| !self.is_alone(src, dst));
        let holding = blocks.filter(move |block| block.sources.contains(source));
        holding.map(move |block| block.entry(src))
    }

    /// Every pair of groups that something passes between, one by one, sorted by destination. There can be very many.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.blocks().flat_map(|block| self.pairs(&block))
    }

    /// The pairs of a block.
    pub fn pairs<'r>(&'r self, block: &Block<'r>) -> impl Iterator<Item = Entry> + use<'r> {
        let block = *block;
        let sources = block.sources.iter().map(|src| *src as usize);
        let others = sources.filter(move |src| !self.is_alone(*src, block.dst));
        others.map(move |src| block.entry(src))
    }

    /// The same with groups that were parted since.
    pub(super) fn parted(&self, groups: &Groups, shown: Arc<Vec<Arc<Group>>>) -> Self {
        let count = self.groups.len();
        let mut parts: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for id in count..groups.nodes.len() {
            let id = u32::try_from(id).unwrap_or(u32::MAX);
            parts.entry(groups.origin(id, count)).or_default().push(id);
        }
        Self {
            groups: shown,
            base: Arc::new(self.base.parted(&parts)),
            newer: self.newer.clone().map(|list| with_parts(&list, &parts).unwrap_or(list)),
            own: self.own.parted(&parts),
            position: Arc::default(),
            basis: self.basis.clone(),
        }
    }

    /// How much of it was computed after changes, beside what was computed first.
    pub(super) fn newer(&self) -> (usize, usize) {
        (self.own.blocks.len(), self.base.blocks.len())
    }

    /// How many pairs of groups something passes between.
    #[must_use]
    pub fn count(&self) -> usize {
        self.blocks().map(|block| block.sources.len()).sum()
    }

    /// One endpoint alone does not talk to itself.
    fn is_alone(&self, src: usize, dst: usize) -> bool {
        src == dst && self.groups[src].members.len() < 2
    }

    /// The group of an interface's address, or of a serverless service.
    #[must_use]
    pub fn group_of(&self, member: &Member) -> Option<usize> {
        let position = self.position.get_or_init(|| {
            let groups = self.groups.iter().enumerate();
            let members =
                groups.flat_map(|(at, group)| group.members.iter().map(move |m| (*m, at)));
            members.collect()
        });
        position.get(member).copied()
    }
}

impl Block<'_> {
    fn entry(&self, src: usize) -> Entry {
        Entry { src, dst: self.dst, relation: self.relation, flows: self.flows }
    }
}

/// Blocks under construction.
#[derive(Debug, Default)]
pub(super) struct Draft {
    blocks: Vec<Kept>,
    sources: Vec<Arc<[u32]>>,
    known_sources: FxHashMap<Arc<[u32]>, u32>,
    flows: Vec<Flows>,
    known_flows: FxHashMap<Flows, u32>,
}

impl Draft {
    /// What an answer knows anew of pairs whose source and whose destination are not touched.
    pub(super) fn after(before: &Reach, senders: &[u32], receivers: &[u32]) -> Self {
        let mut draft = Self::default();
        // Lists that stay as they are are taken over without looking into them.
        let mut taken: FxHashMap<u32, u32> = FxHashMap::default();
        let own = before.own.blocks.iter().filter(|kept| !holds(receivers, kept.dst));
        for kept in own {
            let block = before.own.block(kept, senders);
            let whole = block.sources.parts()[1..].iter().all(|part| part.is_empty());
            let sources = if whole {
                *taken.entry(kept.sources).or_insert_with(|| {
                    draft.sources.push(Arc::clone(&before.own.sources[kept.sources as usize]));
                    u32::try_from(draft.sources.len() - 1).unwrap_or(u32::MAX)
                })
            } else {
                let left: Vec<u32> = block.sources.iter().copied().collect();
                if left.is_empty() {
                    continue;
                }
                draft.sources(&left)
            };
            draft.push(sources, block.dst, block.relation, block.flows);
        }
        draft
    }

    /// A set of sources, sorted; equal ones are kept once.
    pub(super) fn sources(&mut self, sources: &[u32]) -> u32 {
        if let Some(known) = self.known_sources.get(sources) {
            return *known;
        }
        let id = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        let sources: Arc<[u32]> = sources.into();
        self.sources.push(Arc::clone(&sources));
        self.known_sources.insert(sources, id);
        id
    }

    pub(super) fn push(&mut self, sources: u32, dst: usize, relation: Relation, flows: Flows) {
        let except = self.sources(&[]);
        self.push_except((sources, except), dst, relation, flows);
    }

    /// The same from all of some sources but a part of them.
    pub(super) fn push_except(
        &mut self,
        (sources, except): (u32, u32),
        dst: usize,
        relation: Relation,
        flows: Flows,
    ) {
        if flows.is_nothing() {
            return;
        }
        let next = u32::try_from(self.flows.len()).unwrap_or(u32::MAX);
        let id = *self.known_flows.entry(flows).or_insert(next);
        if id == next {
            self.flows.push(flows);
        }
        let dst = u32::try_from(dst).unwrap_or(u32::MAX);
        self.blocks.push(Kept { dst, relation, flows: id, sources, except });
    }

    fn table(mut self) -> Table {
        self.blocks.sort_unstable();
        Table { blocks: self.blocks, sources: self.sources, flows: self.flows }
    }

    /// An answer of its own.
    pub(super) fn finish(self, groups: Arc<Vec<Arc<Group>>>, basis: Option<Basis>) -> Reach {
        Reach { groups, base: Arc::new(self.table()), basis, ..Reach::default() }
    }

    /// An answer that goes on from another: this is what is known of touched senders and receivers.
    pub(super) fn finish_after(self, before: &Reach, touched: [&[u32]; 2]) -> Reach {
        let mut newer = before.newer.clone();
        for (all, more) in newer.iter_mut().zip(touched) {
            all.extend(more);
            all.sort_unstable();
            all.dedup();
        }
        Reach {
            groups: Arc::clone(&before.groups),
            base: Arc::clone(&before.base),
            newer,
            own: self.table(),
            position: Arc::clone(&before.position),
            basis: before.basis.clone(),
        }
    }
}
