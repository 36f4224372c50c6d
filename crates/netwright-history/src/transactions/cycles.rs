//! Cycles among transactions, by their kind: the shortest that were found of each knot.

use rustc_hash::FxHashMap;

use super::graph::{Graph, PROCESS, RW, TIME, WR, WW, knots};

/// Edges that are looked at for one kind of cycle of one knot.
const BUDGET: usize = 30_000_000;

/// Edges that are looked at for all cycles of a history together.
const ALL: usize = 300_000_000;

/// Knots that are looked into for each kind of cycle; of the others it is told that they are there.
const KNOTS: usize = 48;

/// Edges of a kind from which the shortest cycle of a knot is looked for.
const STARTS: usize = 24;

/// A cycle: transactions with the reason for the step to the next, the last one's to the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cycle {
    pub(crate) steps: Vec<(u32, u8)>,
}

impl Cycle {
    /// What it is called.
    pub(crate) fn name(&self) -> String {
        let count = |kind: u8| self.steps.iter().filter(|(_, step)| step & kind != 0).count();
        let next = self.steps.iter().skip(1).chain(self.steps.first());
        let adjacent = self.steps.iter().zip(next).any(|((_, a), (_, b))| *a == RW && *b == RW);
        let base = match (count(RW), adjacent) {
            (0, _) if count(WR) > 0 => "G1c",
            (0, _) => "G0",
            (1, _) => "G-single-item",
            (_, false) => "G-nonadjacent-item",
            (_, true) => "G2-item",
        };
        let order = match (count(TIME), count(PROCESS)) {
            (0, 0) => "",
            (0, _) => "-process",
            _ => "-realtime",
        };
        format!("{base}{order}")
    }
}

/// Finds cycles in a graph.
pub(crate) struct Finder<'a> {
    graph: &'a Graph,
    /// The knot that each node is in while it is looked at, as a number.
    inside: Vec<u32>,
    knot: u32,
    /// How each node was reached.
    from: FxHashMap<(u32, bool), (u32, bool, u8)>,
    left: usize,
    /// What may be looked at beside that.
    beyond: usize,
    /// Whether it gave up somewhere.
    pub(crate) gave_up: bool,
    /// Groups of transactions that reach each other.
    pub(crate) knots: usize,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(graph: &'a Graph) -> Self {
        Self {
            inside: vec![0; graph.nodes()],
            graph,
            knot: 0,
            from: FxHashMap::default(),
            left: 0,
            beyond: ALL,
            gave_up: false,
            knots: 0,
        }
    }

    /// Begins to look for another kind of cycle: what was not used of the last look may be used later.
    fn afford(&mut self) {
        self.beyond += self.left;
        self.left = BUDGET.min(self.beyond);
        self.beyond -= self.left;
    }

    fn enter(&mut self, knot: &[u32]) {
        self.knot += 1;
        knot.iter().for_each(|node| self.inside[*node as usize] = self.knot);
    }

    fn is_inside(&self, node: u32) -> bool {
        self.inside[node as usize] == self.knot
    }

    /// Edges of a kind within the knot.
    fn starts(&self, knot: &[u32], kind: u8) -> Vec<(u32, u32, u8)> {
        let mut starts = Vec::new();
        for node in knot {
            let out =
                self.graph.out(*node).filter(|(to, why)| why & kind != 0 && self.is_inside(*to));
            starts.extend(out.map(|(to, why)| (*node, to, why)));
        }
        starts
    }

    /// The shortest way within the knot by these kinds; where `apart`, no two anti-dependencies follow each other, with one before and after it.
    fn way(&mut self, from: u32, to: u32, kinds: u8, apart: bool) -> Option<Vec<(u32, u8)>> {
        self.from.clear();
        // Whether the last step was an anti-dependency counts only where they are kept apart.
        let first = (from, apart);
        let mut row = vec![first];
        let mut reached = None;
        'search: while !row.is_empty() {
            let mut next = Vec::new();
            for (node, after) in row {
                for (target, why) in self.graph.out(node) {
                    if self.left == 0 {
                        self.gave_up = true;
                        return None;
                    }
                    self.left -= 1;
                    if why & kinds == 0 || !self.is_inside(target) || (apart && after && why == RW)
                    {
                        continue;
                    }
                    let state = (target, apart && why == RW);
                    if state == first || self.from.contains_key(&state) {
                        continue;
                    }
                    self.from.insert(state, (node, after, why));
                    if target == to && !state.1 {
                        reached = Some(state);
                        break 'search;
                    }
                    next.push(state);
                }
            }
            row = next;
        }
        let mut at = reached?;
        let mut way = Vec::new();
        while at != first {
            let (node, after, why) = *self.from.get(&at)?;
            way.push((node, why));
            at = (node, after);
        }
        way.reverse();
        Some(way)
    }

    /// The shortest cycle with one of these edges in it and else these kinds; as many edges are tried as may be needed.
    fn shortest(&mut self, starts: &[(u32, u32, u8)], kinds: u8, apart: bool) -> Option<Cycle> {
        self.afford();
        let mut best: Option<Cycle> = None;
        for (tried, (from, to, why)) in starts.iter().enumerate() {
            if tried >= STARTS && best.is_some() {
                break;
            }
            if let Some(way) = self.way(*to, *from, kinds, apart) {
                let mut steps = vec![(*from, *why)];
                steps.extend(way);
                let cycle = Cycle { steps: self.joined(steps) };
                if best.as_ref().is_none_or(|best| cycle.steps.len() < best.steps.len()) {
                    best = Some(cycle);
                }
            }
        }
        best
    }

    /// Steps between transactions alone: moments in time are passed through.
    fn joined(&self, mut steps: Vec<(u32, u8)>) -> Vec<(u32, u8)> {
        let is_transaction = |node: u32| (node as usize) < self.graph.transactions;
        // It has to begin with a transaction.
        if let Some(first) = steps.iter().position(|(node, _)| is_transaction(*node)) {
            steps.rotate_left(first);
        }
        steps.retain(|(node, _)| is_transaction(*node));
        steps
    }

    /// Cycles of all knots, by data and, where `order` is given, by that order too.
    pub(crate) fn all(&mut self, order: u8) -> Vec<Cycle> {
        let mut found = Vec::new();
        for (needed, kinds) in [(WW, WW), (WR, WW | WR)] {
            let mut knots = self.graph.knots(kinds | order);
            knots.sort_by_key(Vec::len);
            for knot in knots.iter().take(KNOTS) {
                self.enter(knot);
                let starts = self.starts(knot, needed);
                found.extend(self.shortest(&starts, kinds | order, false));
            }
        }
        let whole = self.graph.knots(WW | WR | RW | order).into_iter();
        let mut whole: Vec<_> = whole.map(|knot| (self.apart(&knot, order), knot)).collect();
        self.knots = self.knots.max(whole.len());
        // Those with the graver cycles first.
        whole.sort_by_key(|(apart, knot)| (apart.is_empty(), knot.len()));
        for (apart, knot) in whole.iter().take(KNOTS) {
            self.of_anti_dependencies(apart, knot, order, &mut found);
        }
        found
    }

    fn of_anti_dependencies(
        &mut self,
        apart: &[Vec<u32>],
        knot: &[u32],
        order: u8,
        found: &mut Vec<Cycle>,
    ) {
        for part in apart {
            self.enter(part);
            let starts = self.starts(part, RW);
            let single = self.shortest(&starts, WW | WR | order, false);
            match single {
                Some(cycle) => found.push(cycle),
                None => found.extend(self.shortest(&starts, WW | WR | RW | order, true)),
            }
        }
        self.enter(knot);
        let starts = self.starts(knot, RW);
        if apart.is_empty() {
            found.extend(self.shortest(&starts, WW | WR | RW | order, false));
        } else {
            found.extend(self.adjacent(&starts, order));
        }
    }

    /// Nodes that are on cycles without adjacent anti-dependencies.
    fn apart(&self, knot: &[u32], order: u8) -> Vec<Vec<u32>> {
        let rank: FxHashMap<u32, u32> = knot.iter().copied().zip(0..).collect();
        let plain = WW | WR | order;
        // Each node twice: reached by an anti-dependency or not.
        let out: Vec<Vec<(u32, bool)>> = knot
            .iter()
            .map(|node| {
                let out = self.graph.out(*node).filter(|(_, why)| why & (plain | RW) != 0);
                out.filter_map(|(to, why)| Some((*rank.get(&to)?, why == RW))).collect()
            })
            .collect();
        let count = knot.len() * 2;
        #[expect(clippy::cast_possible_truncation, reason = "nodes are numbered in 32 bits")]
        let roots: Vec<u32> = (0..count as u32).collect();
        let found = knots(count, &roots, |state, at| {
            let after = state % 2 == 1;
            let out = &out[(state / 2) as usize];
            (at..out.len()).find_map(|edge| {
                let (to, anti) = out[edge];
                (!(after && anti)).then(|| (to * 2 + u32::from(anti), edge + 1))
            })
        });
        let mut parts: Vec<Vec<u32>> = Vec::new();
        for states in found {
            // A cycle without any anti-dependency is none of these.
            if states.iter().all(|state| state % 2 == 0) {
                continue;
            }
            let mut nodes: Vec<u32> =
                states.iter().map(|state| knot[(state / 2) as usize]).collect();
            nodes.sort_unstable();
            nodes.dedup();
            parts.push(nodes);
        }
        parts
    }

    /// A cycle with two adjacent anti-dependencies, beside others of the knot.
    fn adjacent(&mut self, starts: &[(u32, u32, u8)], order: u8) -> Option<Cycle> {
        let mut into: FxHashMap<u32, u32> = FxHashMap::default();
        for (from, to, _) in starts {
            into.entry(*to).or_insert(*from);
        }
        let pairs =
            starts.iter().filter_map(|(middle, to, _)| Some((*into.get(middle)?, *middle, *to)));
        let pairs: Vec<(u32, u32, u32)> = pairs.take(STARTS * 4).collect();
        self.afford();
        for (from, middle, to) in pairs {
            if from == to {
                return Some(Cycle { steps: vec![(from, RW), (middle, RW)] });
            }
            // The way back must not pass the middle.
            let held = std::mem::replace(&mut self.inside[middle as usize], 0);
            let way = self.way(to, from, WW | WR | RW | order, false);
            self.inside[middle as usize] = held;
            if let Some(way) = way {
                let mut steps = vec![(from, RW), (middle, RW)];
                steps.extend(way);
                return Some(Cycle { steps: self.joined(steps) });
            }
        }
        None
    }
}
