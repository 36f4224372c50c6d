//! What is free: blocks, as large as they can be, by their size.
//!
//! Two halves that are both free are one block. So the structure is as small as what is taken is, whatever the size of the whole, and each step
//! looks at each order once: an IPv4 pool at most 33 times, however full it is.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::block::{Block, MAX_ORDER, Plane, overlapping, subtract};

/// Which of the free values comes next.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The lowest in the smallest free block that has room: large blocks stay whole.
    #[default]
    BestFit,
    /// The lowest.
    Lowest,
    /// The lowest after the one that was given last, from the start again at the end: what was released rests longest.
    Next,
}

/// A place to go on from: a plane, and a position in it.
pub type Cursor = (Plane, u128);

/// The free blocks of a pool.
#[derive(Debug, Clone)]
pub struct Free {
    /// By order, their planes and first positions.
    by_order: Vec<BTreeSet<Cursor>>,
    /// The whole: blocks never grow together beyond one of these.
    roots: Vec<Block>,
    units: u128,
}

impl Free {
    /// Everything in `roots` that is not in `taken`; both are normalised.
    #[must_use]
    pub fn new(roots: &[Block], taken: &[Block]) -> Self {
        let largest = roots.iter().map(|root| root.order()).max().unwrap_or(0);
        let mut free = Self {
            by_order: vec![BTreeSet::new(); usize::from(largest) + 1],
            roots: roots.to_vec(),
            units: 0,
        };
        let mut parts = Vec::new();
        for root in roots {
            subtract(*root, taken, &mut parts);
        }
        // Halves of a root come one after the other, so that no two of these are halves of one.
        for part in parts {
            free.insert(part);
        }
        free
    }

    fn insert(&mut self, block: Block) {
        if self.by_order[usize::from(block.order())].insert((block.plane(), block.first())) {
            self.units = self.units.saturating_add(block.size());
        }
    }

    fn delete(&mut self, block: Block) -> bool {
        let own = self.by_order.get_mut(usize::from(block.order()));
        let was = own.is_some_and(|own| own.remove(&(block.plane(), block.first())));
        if was {
            self.units = self.units.saturating_sub(block.size());
        }
        was
    }

    fn has(&self, block: Block) -> bool {
        let own = self.by_order.get(usize::from(block.order()));
        own.is_some_and(|own| own.contains(&(block.plane(), block.first())))
    }

    fn largest(&self) -> u8 {
        u8::try_from(self.by_order.len() - 1).unwrap_or(MAX_ORDER)
    }

    /// The free block that a block lies in.
    fn around(&self, block: Block) -> Option<Block> {
        (block.order()..=self.largest())
            .map(|order| Block::around(block.plane(), block.first(), order))
            .find(|around| self.has(*around))
    }

    /// Whether all of a block is free.
    #[must_use]
    pub fn is_free(&self, block: Block) -> bool {
        self.around(block).is_some()
    }

    /// Takes whatever of a block is free.
    pub fn take(&mut self, block: Block) {
        if let Some(mut around) = self.around(block) {
            self.delete(around);
            while around != block
                && let Some([lower, upper]) = around.halves()
            {
                let (kept, other) =
                    if lower.contains(block) { (lower, upper) } else { (upper, lower) };
                self.insert(other);
                around = kept;
            }
            return;
        }
        let within = (block.plane(), block.first())..=(block.plane(), block.last());
        for order in 0..block.order().min(self.largest() + 1) {
            let parts: Vec<Cursor> =
                self.by_order[usize::from(order)].range(within.clone()).copied().collect();
            for (plane, base) in parts {
                self.delete(Block::around(plane, base, order));
            }
        }
    }

    /// Gives back what of a block is in the whole and not in `others`, which are normalised and hold all else that is taken there.
    pub fn give(&mut self, block: Block, others: &[Block]) {
        let mut parts = Vec::new();
        let roots = overlapping(&self.roots, block).to_vec();
        for root in roots {
            subtract(if root.contains(block) { block } else { root }, others, &mut parts);
        }
        for part in parts {
            self.join(part);
        }
    }

    fn join(&mut self, mut block: Block) {
        if self.is_free(block) {
            return;
        }
        let most = overlapping(&self.roots, block).first().map_or(0, |root| root.order());
        while block.order() < most
            && let (Some(buddy), Some(parent)) = (block.buddy(), block.parent())
            && self.delete(buddy)
        {
            block = parent;
        }
        self.insert(block);
    }

    /// The free block of an order that is given next, of some planes.
    #[must_use]
    pub fn find(
        &self,
        planes: &RangeInclusive<Plane>,
        order: u8,
        by: Order,
        cursor: Cursor,
    ) -> Option<Block> {
        let start = (*planes.start(), 0);
        match by {
            Order::BestFit => (order..=self.largest())
                .find_map(|own| self.from(start, planes, own))
                .map(|(plane, base)| Block::around(plane, base, order)),
            Order::Lowest => self.lowest(start, planes, order),
            Order::Next if cursor > start => self
                .at(cursor, planes, order)
                .or_else(|| self.lowest(cursor, planes, order))
                .or_else(|| self.lowest(start, planes, order)),
            Order::Next => self.lowest(start, planes, order),
        }
    }

    /// The first free block of exactly an order, from a place on.
    fn from(&self, from: Cursor, planes: &RangeInclusive<Plane>, order: u8) -> Option<Cursor> {
        let end = (*planes.end(), u128::MAX);
        if from > end {
            return None;
        }
        self.by_order[usize::from(order)].range(from..=end).next().copied()
    }

    /// The lowest free block of an order that begins in a free block from a place on.
    fn lowest(&self, from: Cursor, planes: &RangeInclusive<Plane>, order: u8) -> Option<Block> {
        let first = (order..=self.largest()).filter_map(|own| self.from(from, planes, own)).min();
        first.map(|(plane, base)| Block::around(plane, base, order))
    }

    /// The lowest block of an order after a place that lies in the middle of a free block.
    fn at(&self, cursor: Cursor, planes: &RangeInclusive<Plane>, order: u8) -> Option<Block> {
        let (plane, position) = cursor;
        if !planes.contains(&plane) {
            return None;
        }
        let mut block = Block::around(plane, position, order);
        if block.first() < position {
            block = Block::around(plane, block.last().checked_add(1)?, order);
        }
        self.is_free(block).then_some(block)
    }

    /// The largest free block of some planes.
    #[must_use]
    pub fn largest_of(&self, planes: &RangeInclusive<Plane>) -> Option<Block> {
        let start = (*planes.start(), 0);
        (0..=self.largest()).rev().find_map(|order| {
            self.from(start, planes, order).map(|(plane, base)| Block::around(plane, base, order))
        })
    }

    /// How many positions are free.
    #[must_use]
    pub const fn units(&self) -> u128 {
        self.units
    }

    /// How many blocks are kept: what the structure's memory follows.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.by_order.iter().map(BTreeSet::len).sum()
    }
}

/// How many positions some normalised blocks have, without others.
#[must_use]
pub fn units(blocks: &[Block], without: &[Block]) -> u128 {
    let mut parts = Vec::new();
    for block in blocks {
        subtract(*block, without, &mut parts);
    }
    parts.iter().fold(0, |sum, part| sum.saturating_add(part.size()))
}

#[cfg(test)]
mod tests;
