//! Which flows differ between two answers about all pairs.
//!
//! Answers are compared block by block, and a block that both have is not looked into: what a comparison costs follows what differs, and the
//! lists of sources once each.

use std::collections::BTreeMap;
use std::sync::Arc;

use netwright_model::network::Network;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::flow::Flows;
use crate::reach::{Block, Reach, Relation};
use crate::space::{Packet, Set, Space, show};

use super::Change;
use super::party::{All, Class, Parties, classes};

/// What is said of a pair: lost, gained, unsure.
type Words = [Option<String>; 3];

/// A list of classes, by number.
type ListId = u32;

/// All of a list but those of two others.
type Meant = [ListId; 3];

/// What sends the same to one class: all of a list but those of two others, by which relation, what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Line {
    lists: Meant,
    relation: Relation,
    flows: Flows,
}

impl Line {
    /// Notes what it says of a source, within a subnet and between subnets.
    fn tell(&self, found: &mut [Flows; 2]) {
        match self.relation {
            Relation::Any => *found = [self.flows; 2],
            Relation::SameSubnet => found[0] = self.flows,
            Relation::OtherSubnet => found[1] = self.flows,
        }
    }
}

/// Suspects are a crowd where they are more than one in so many classes.
const CROWD: usize = 8;

/// The flows that differ, those together of which the same is said.
pub(super) fn changes(
    before: (&Network, &Reach),
    after: (&Network, &Reach),
    space: &mut Space,
) -> Vec<Change> {
    changes_by(before, after, space, CROWD)
}

/// The same, where suspects are a crowd when they are more than one in `crowd` classes.
fn changes_by(
    before: (&Network, &Reach),
    after: (&Network, &Reach),
    space: &mut Space,
    crowd: usize,
) -> Vec<Change> {
    let classes = classes(before, after);
    let mut comparison = Comparison {
        crowd,
        lists: [Lists::of(&classes, 0), Lists::of(&classes, 1)],
        classes,
        known: FxHashMap::default(),
        canonical: Vec::new(),
        said: FxHashMap::default(),
        sayings: Vec::new(),
        words: FxHashMap::default(),
        differing: FxHashMap::default(),
    };
    let mut told = Told::default();
    for to in 0..comparison.classes.len() {
        comparison.told_of(to, (before.1, after.1), space, &mut told);
    }
    comparison.together(told)
}

/// Lists of groups of one side, as lists of classes.
struct Lists {
    of_group: FxHashMap<u32, Vec<u32>>,
    /// By where a list lies: each answer keeps equal lists once.
    known: FxHashMap<(usize, usize), ListId>,
}

impl Lists {
    fn of(classes: &[Class<'_>], side: usize) -> Self {
        let mut of_group: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (class, row) in (0u32..).zip(classes) {
            if let Some(group) = row.groups[side].and_then(|group| u32::try_from(group).ok()) {
                of_group.entry(group).or_default().push(class);
            }
        }
        Self { of_group, known: FxHashMap::default() }
    }
}

/// Destination classes by lists of source classes, relation and what is said of them.
type Told = BTreeMap<(Vec<u32>, Relation, u32), Vec<u32>>;

struct Comparison<'n> {
    crowd: usize,
    classes: Vec<Class<'n>>,
    lists: [Lists; 2],
    known: FxHashMap<Vec<u32>, ListId>,
    canonical: Vec<Vec<u32>>,
    /// What is said when flows become others.
    said: FxHashMap<(Flows, Flows), Option<u32>>,
    sayings: Vec<(Words, Option<Packet>)>,
    words: FxHashMap<Words, u32>,
    /// Which classes some lines do not have in common.
    differing: FxHashMap<Vec<Meant>, Arc<[u32]>>,
}

impl Comparison<'_> {
    /// The number of a list of groups of one side; equal numbers are equal classes, whichever the side.
    fn list(&mut self, side: usize, groups: &[u32]) -> ListId {
        let lists = &mut self.lists[side];
        let key = (groups.as_ptr().addr(), groups.len());
        if let Some(known) = lists.known.get(&key) {
            return *known;
        }
        let own = groups.iter().filter_map(|group| lists.of_group.get(group));
        let mut classes: Vec<u32> = own.flatten().copied().collect();
        classes.sort_unstable();
        let next = u32::try_from(self.canonical.len()).unwrap_or(u32::MAX);
        let id = *self.known.entry(classes).or_insert_with_key(|classes| {
            self.canonical.push(classes.clone());
            next
        });
        lists.known.insert(key, id);
        id
    }

    fn line(&mut self, side: usize, block: &Block<'_>) -> Line {
        let lists = block.sources.parts().map(|list| self.list(side, list));
        Line { lists, relation: block.relation, flows: block.flows }
    }

    /// What is to be told of flows into a class.
    fn told_of(
        &mut self,
        to: usize,
        (was, is): (&Reach, &Reach),
        space: &mut Space,
        told: &mut Told,
    ) {
        let groups = self.classes[to].groups;
        let [old, new] = [(0, was), (1, is)].map(|(side, reach)| -> Vec<Line> {
            let blocks = groups[side].into_iter().flat_map(|group| reach.into(group));
            blocks.map(|block| self.line(side, &block)).collect()
        });
        if old == new {
            return;
        }
        let suspects = self.suspects(&old, &new);
        // Where most classes are suspects, every list is gone through once, not searched for each of them.
        let all = (suspects.len() > self.classes.len() / self.crowd)
            .then(|| [&old, &new].map(|lines| self.flows_of_all(lines)));
        let mut same: BTreeMap<(Relation, u32), Vec<u32>> = BTreeMap::new();
        for from in suspects {
            let [old, new] = match &all {
                Some(sides) => [0, 1].map(|side| sides[side][from as usize]),
                None => [&old, &new].map(|lines| self.flows(lines, from)),
            };
            for (relation, saying) in self.pair(space, (from as usize, to), (old, new)) {
                same.entry((relation, saying)).or_default().push(from);
            }
        }
        let to = u32::try_from(to).unwrap_or(u32::MAX);
        for ((relation, saying), from) in same {
            told.entry((from, relation, saying)).or_default().push(to);
        }
    }

    /// Source classes of which the two sides may say different things: those that do not send the same by the same relation.
    fn suspects(&mut self, old: &[Line], new: &[Line]) -> Vec<u32> {
        let [before, after]: [FxHashSet<&Line>; 2] = [old, new].map(|own| own.iter().collect());
        let mut by_flows: FxHashMap<(Relation, Flows), Vec<Meant>> = FxHashMap::default();
        for line in before.symmetric_difference(&after) {
            by_flows.entry((line.relation, line.flows)).or_default().push(line.lists);
        }
        let mut found = Vec::new();
        for mut lines in by_flows.into_values() {
            lines.sort_unstable();
            let known = self.differing.get(&lines).cloned();
            let differing = known.unwrap_or_else(|| {
                let mut differing: FxHashSet<u32> = FxHashSet::default();
                for from in lines.iter().flat_map(|lists| self.meant(*lists)) {
                    // Who sends so on both sides is no suspect. No side has a source twice by one relation.
                    if !differing.insert(from) {
                        differing.remove(&from);
                    }
                }
                let mut differing: Vec<u32> = differing.into_iter().collect();
                differing.sort_unstable();
                let differing: Arc<[u32]> = differing.into();
                self.differing.insert(lines, Arc::clone(&differing));
                differing
            });
            found.extend(differing.iter().copied());
        }
        // Of sorted lists, which this way of sorting is made for.
        found.sort();
        found.dedup();
        found
    }

    /// The classes of a line
    fn meant(&self, lists: Meant) -> impl Iterator<Item = u32> {
        let [all, except, gone] = lists.map(|list| &self.canonical[list as usize]);
        let holds = |list: &[u32], id: &u32| list.binary_search(id).is_ok();
        all.iter().copied().filter(move |from| !holds(except, from) && !holds(gone, from))
    }

    /// What a class sends by some lines, within a subnet and between subnets.
    fn flows(&self, lines: &[Line], from: u32) -> [Flows; 2] {
        let mut found = [Flows::NONE; 2];
        for line in lines {
            let [all, except, gone] = line.lists.map(|list| &self.canonical[list as usize]);
            let holds = |list: &[u32]| list.binary_search(&from).is_ok();
            if !holds(all) || holds(except) || holds(gone) {
                continue;
            }
            line.tell(&mut found);
        }
        found
    }

    /// The same of every class.
    fn flows_of_all(&self, lines: &[Line]) -> Vec<[Flows; 2]> {
        let mut found = vec![[Flows::NONE; 2]; self.classes.len()];
        for line in lines {
            for from in self.meant(line.lists) {
                line.tell(&mut found[from as usize]);
            }
        }
        found
    }

    /// What is said of a pair, by relation.
    fn pair(
        &mut self,
        space: &mut Space,
        (from, to): (usize, usize),
        (old, new): ([Flows; 2], [Flows; 2]),
    ) -> Vec<(Relation, u32)> {
        let exist = self.classes[from].relations(&self.classes[to], from == to);
        let mut say = |at: usize| self.say(space, old[at], new[at]);
        let only = |said: Option<u32>, relation| said.map(|said| (relation, said)).into_iter();
        match exist {
            [false, false] => Vec::new(),
            [true, false] => only(say(0), Relation::Any).collect(),
            [false, true] => only(say(1), Relation::Any).collect(),
            [true, true] => {
                let (same, other) = (say(0), say(1));
                if same == other {
                    return only(same, Relation::Any).collect();
                }
                let same = only(same, Relation::SameSubnet);
                same.chain(only(other, Relation::OtherSubnet)).collect()
            }
        }
    }

    /// What is said when flows become others; none when nothing is.
    fn say(&mut self, space: &mut Space, old: Flows, new: Flows) -> Option<u32> {
        if old == new {
            return None;
        }
        if let Some(known) = self.said.get(&(old, new)) {
            return *known;
        }
        let lost = space.minus(old.reachable(), new.answered.may);
        let gained = space.minus(new.reachable(), old.answered.must);
        let unsure = space.minus(new.answered.may, new.answered.must);
        let was_unsure = space.minus(old.answered.may, old.answered.must);
        let unsure = space.minus(unsure, was_unsure);
        let words = [lost, gained, unsure]
            .map(|set: Set| (!set.is_empty()).then(|| show::layer4(space, set)));
        let saying = words.iter().any(Option::is_some).then(|| {
            let next = u32::try_from(self.sayings.len()).unwrap_or(u32::MAX);
            *self.words.entry(words).or_insert_with_key(|words| {
                self.sayings.push((words.clone(), space.pick(lost)));
                next
            })
        });
        self.said.insert((old, new), saying);
        saying
    }

    /// Changes that say the same, told once, in the order of their first pairs.
    fn together(&self, told: Told) -> Vec<Change> {
        let mut rows: Vec<_> = told.into_iter().collect();
        rows.sort_by_key(|((from, relation, saying), to)| {
            (from.first().copied(), to.first().copied(), *relation, *saying)
        });
        let all = Arc::new(All::of(&self.classes));
        let parties = |classes: &[u32]| Parties::of(&all, classes);
        let change = |((from, relation, saying), to): ((Vec<u32>, Relation, u32), Vec<u32>)| {
            let ([lost, gained, unsure], sample) = self.sayings[saying as usize].clone();
            let (from, to) = (parties(&from), parties(&to));
            Change { from, to, relation, lost, gained, unsure, cause: None, sample }
        };
        rows.into_iter().map(change).collect()
    }
}

#[cfg(test)]
mod tests {
    use netwright_model::generate::{Plan, Shape, generate};
    use netwright_model::language::Description;
    use netwright_model::network::Network;
    use netwright_model::network::resolve::resolve;

    use super::changes_by;
    use crate::prover::Prover;

    fn network(seed: u64, instances: u32) -> Network {
        let plan = Plan { shape: Shape::GroupReferences, instances, seed, ..Plan::default() };
        resolve(generate(&plan)).expect("a network")
    }

    #[test]
    fn a_crowd_of_sources_is_compared_as_each_of_them_is() {
        let empty = resolve(Description::default()).expect("a network");
        let pairs = [
            (empty, network(1, 60)),
            (network(1, 60), network(2, 60)),
            (network(3, 60), network(3, 80)),
        ];
        for (old, new) in &pairs {
            let mut prover = Prover::new(old);
            let before = prover.reach().expect("room");
            let (mut prover, change) = prover.go_on(new);
            let after = prover.reach_after(&change, &before).expect("room");
            let [one_by_one, at_once] = [1, usize::MAX]
                .map(|crowd| changes_by((old, &before), (new, &after), &mut prover.space, crowd));
            assert!(!one_by_one.is_empty());
            assert_eq!(one_by_one, at_once);
        }
    }
}
