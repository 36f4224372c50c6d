//! The answer to "who reaches whom", kept in blocks: many sources, one destination, one set of flows.
//!
//! A block costs the same for one source as for a hundred thousand. Pairs come out of it one by one for those who ask for them.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use crate::flow::Flows;

use super::after::Basis;
use super::nodes::{Group, Member};

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

/// Source groups: all of a list but a few.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'r> {
    all: &'r [u32],
    /// Those of them that are not meant.
    except: &'r [u32],
}

impl<'r> Sources<'r> {
    /// The groups, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &'r u32> + use<'r> {
        let except = self.except;
        self.all.iter().filter(move |id| except.is_empty() || except.binary_search(id).is_err())
    }

    /// The list, and those of it that are not meant; each answer keeps equal lists once.
    pub(crate) fn parts(&self) -> (&'r [u32], &'r [u32]) {
        (self.all, self.except)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len() - self.except.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a group is one of them.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        self.all.binary_search(&id).is_ok() && self.except.binary_search(&id).is_err()
    }
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

/// The answer to "who reaches whom".
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Groups of endpoints and of outside addresses.
    pub groups: Arc<Vec<Group>>,
    /// Sorted by destination.
    blocks: Vec<Kept>,
    sources: Vec<Arc<[u32]>>,
    flows: Vec<Flows>,
    position: OnceLock<FxHashMap<Member, usize>>,
    pub(super) basis: Option<Basis>,
}

impl Reach {
    /// Everything that passes, sorted by destination.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        self.blocks.iter().map(|kept| self.block(kept))
    }

    fn block(&self, kept: &Kept) -> Block<'_> {
        Block {
            sources: Sources {
                all: &self.sources[kept.sources as usize],
                except: &self.sources[kept.except as usize],
            },
            dst: kept.dst as usize,
            relation: kept.relation,
            flows: self.flows[kept.flows as usize],
        }
    }

    /// What arrives at a group.
    pub fn into(&self, dst: usize) -> impl Iterator<Item = Block<'_>> {
        let start = self.blocks.partition_point(|kept| (kept.dst as usize) < dst);
        let own = self.blocks[start..].iter().take_while(move |kept| kept.dst as usize == dst);
        own.map(|kept| self.block(kept))
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
    /// What an answer holds of pairs whose source and whose destination are not touched.
    pub(super) fn after(before: &Reach, senders: &[bool], receivers: &[bool]) -> Self {
        let mut draft = Self {
            sources: before.sources.clone(),
            flows: before.flows.clone(),
            ..Self::default()
        };
        let flows = draft.flows.iter().enumerate();
        draft.known_flows =
            flows.map(|(id, flows)| (*flows, u32::try_from(id).unwrap_or(u32::MAX))).collect();
        let kept = before.blocks.iter().filter(|kept| !receivers[kept.dst as usize]);
        if !senders.contains(&true) {
            draft.blocks = kept.copied().collect();
            return draft;
        }
        let mut rest: FxHashMap<u32, u32> = FxHashMap::default();
        for kept in kept {
            let [sources, except] = [kept.sources, kept.except].map(|list| {
                *rest.entry(list).or_insert_with(|| {
                    let own = &before.sources[list as usize];
                    let left: Vec<u32> =
                        own.iter().copied().filter(|src| !senders[*src as usize]).collect();
                    if left.len() == own.len() { list } else { draft.sources(&left) }
                })
            });
            let count = |list: u32| draft.sources[list as usize].len();
            if count(sources) > count(except) {
                draft.blocks.push(Kept { sources, except, ..*kept });
            }
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

    pub(super) fn finish(mut self, groups: Arc<Vec<Group>>, basis: Option<Basis>) -> Reach {
        self.blocks.sort_unstable();
        Reach {
            groups,
            blocks: self.blocks,
            sources: self.sources,
            flows: self.flows,
            position: OnceLock::new(),
            basis,
        }
    }
}
