//! What must come before what: transactions and the reasons between them, and the knots in it.

use crate::history::{History, Operation, Outcome};

/// The later overwrote what the earlier wrote.
pub(crate) const WW: u8 = 1;
/// The later read what the earlier wrote.
pub(crate) const WR: u8 = 2;
/// The later overwrote what the earlier read.
pub(crate) const RW: u8 = 4;
/// The same client did the later after the earlier.
pub(crate) const PROCESS: u8 = 8;
/// The earlier had ended when the later began.
pub(crate) const TIME: u8 = 16;

/// Edges while they are gathered.
pub(crate) type Edges = Vec<(u32, u32, u8)>;

/// A graph by what leaves each node. Nodes after those of transactions are moments in time.
#[derive(Debug)]
pub(crate) struct Graph {
    /// Where the edges of each node begin.
    offsets: Vec<u32>,
    targets: Vec<u32>,
    kinds: Vec<u8>,
    /// How many nodes are transactions.
    pub(crate) transactions: usize,
}

impl Graph {
    pub(crate) fn new(transactions: usize, mut edges: Edges) -> Self {
        edges.sort_unstable();
        edges.dedup();
        let last = edges.iter().map(|(from, to, _)| from.max(to) + 1).max().unwrap_or_default();
        let nodes = transactions.max(last as usize);
        let mut offsets = vec![0_u32; nodes + 1];
        for (from, _, _) in &edges {
            offsets[*from as usize + 1] += 1;
        }
        for at in 0..nodes {
            offsets[at + 1] += offsets[at];
        }
        Self {
            offsets,
            targets: edges.iter().map(|(_, to, _)| *to).collect(),
            kinds: edges.iter().map(|(_, _, kind)| *kind).collect(),
            transactions,
        }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(crate) fn edges(&self) -> usize {
        self.targets.len()
    }

    /// What leaves a node, and why.
    pub(crate) fn out(&self, node: u32) -> impl Iterator<Item = (u32, u8)> + '_ {
        let range = self.range(node);
        self.targets[range.clone()].iter().copied().zip(self.kinds[range].iter().copied())
    }

    fn range(&self, node: u32) -> std::ops::Range<usize> {
        self.offsets[node as usize] as usize..self.offsets[node as usize + 1] as usize
    }

    /// Nodes that reach each other by edges of these kinds, in groups of two and more.
    pub(crate) fn knots(&self, kinds: u8) -> Vec<Vec<u32>> {
        let count = self.nodes();
        #[expect(clippy::cast_possible_truncation, reason = "nodes are numbered in 32 bits")]
        let roots: Vec<u32> = (0..count as u32).collect();
        knots(count, &roots, |node, at| {
            let range = self.range(node);
            let mut edges = range.start + at..range.end;
            let edge = edges.find(|edge| self.kinds[*edge] & kinds != 0)?;
            Some((self.targets[edge], edge - range.start + 1))
        })
    }
}

/// Tarjan's components of two nodes and more, without recursion. `next` gives a node's next neighbour from a place on, and the place after it.
pub(crate) fn knots(
    count: usize,
    roots: &[u32],
    next: impl Fn(u32, usize) -> Option<(u32, usize)>,
) -> Vec<Vec<u32>> {
    const NEW: u32 = u32::MAX;
    let mut order = vec![NEW; count];
    let mut low = vec![0_u32; count];
    let mut on_stack = vec![false; count];
    let mut stack: Vec<u32> = Vec::new();
    let mut path: Vec<(u32, usize)> = Vec::new();
    let mut found = Vec::new();
    let mut counter = 0_u32;
    for root in roots {
        if order[*root as usize] != NEW {
            continue;
        }
        path.push((*root, 0));
        while let Some((node, at)) = path.last_mut() {
            let here = *node as usize;
            if *at == 0 && order[here] == NEW {
                order[here] = counter;
                low[here] = counter;
                counter += 1;
                stack.push(*node);
                on_stack[here] = true;
            }
            if let Some((to, after)) = next(*node, *at) {
                *at = after;
                let there = to as usize;
                if order[there] == NEW {
                    path.push((to, 0));
                } else if on_stack[there] {
                    low[here] = low[here].min(order[there]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                let parent = *parent as usize;
                low[parent] = low[parent].min(low[here]);
            }
            if low[here] == order[here] {
                let mut knot = Vec::new();
                while let Some(member) = stack.pop() {
                    on_stack[member as usize] = false;
                    knot.push(member);
                    if member as usize == here {
                        break;
                    }
                }
                if knot.len() > 1 {
                    knot.sort_unstable();
                    found.push(knot);
                }
            }
        }
    }
    found
}

/// Adds what each client did one after the other.
pub(crate) fn add_processes(history: &History, operations: &[u32], edges: &mut Edges) {
    let mut last: Vec<Option<u32>> = vec![None; history.processes.len()];
    for (node, at) in operations.iter().enumerate() {
        let operation = &history.operations[*at as usize];
        // Of whom nobody says who did it, nobody knows what came first.
        if history.process(operation).is_nil() {
            continue;
        }
        #[expect(clippy::cast_possible_truncation, reason = "nodes are numbered in 32 bits")]
        let node = node as u32;
        let before = &mut last[operation.process as usize];
        if let Some(before) = before {
            edges.push((*before, node, PROCESS));
        }
        *before = Some(node);
    }
}

/// Adds what had ended when something else began: by moments in time, one for each end, so that the edges are as many as the transactions.
pub(crate) fn add_time(history: &History, operations: &[u32], edges: &mut Edges) {
    let span = |at: u32| -> &Operation { &history.operations[at as usize] };
    #[expect(clippy::cast_possible_truncation, reason = "nodes are numbered in 32 bits")]
    let mut ends: Vec<(u32, u32)> = operations
        .iter()
        .enumerate()
        .filter(|(_, at)| span(**at).outcome == Outcome::Ok)
        .map(|(node, at)| (span(*at).end, node as u32))
        .collect();
    ends.sort_unstable();
    #[expect(clippy::cast_possible_truncation, reason = "nodes are numbered in 32 bits")]
    let first = operations.len() as u32;
    #[expect(clippy::cast_possible_truncation, reason = "nodes are numbered in 32 bits")]
    for (rank, (_, node)) in ends.iter().enumerate() {
        let moment = first + rank as u32;
        edges.push((*node, moment, TIME));
        if rank + 1 < ends.len() {
            edges.push((moment, moment + 1, TIME));
        }
    }
    for (node, at) in operations.iter().enumerate() {
        let before = ends.partition_point(|(end, _)| *end <= span(*at).start);
        if let Some(rank) = before.checked_sub(1) {
            #[expect(clippy::cast_possible_truncation, reason = "nodes are numbered in 32 bits")]
            edges.push((first + rank as u32, node as u32, TIME));
        }
    }
}
