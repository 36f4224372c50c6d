//! The routes of one router: which port a destination takes, and which destinations a route
//! decides.

use std::collections::{BTreeMap, BTreeSet};

use super::super::packet::Family;

/// A prefix as numbers: family, first address, length.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Block {
    pub(super) family: Family,
    pub(super) first: u128,
    pub(super) length: u8,
}

impl Block {
    const fn bits(self) -> u8 {
        match self.family {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// The last address.
    pub(super) fn last(self) -> u128 {
        self.first | host_mask(self.bits() - self.length)
    }

    fn shortened(self, length: u8) -> Self {
        Self { first: self.first & !host_mask(self.bits() - length), length, ..self }
    }
}

fn host_mask(host_bits: u8) -> u128 {
    1_u128.checked_shl(u32::from(host_bits)).map_or(u128::MAX, |bit| bit - 1)
}

/// Routes by prefix. Of routes with the same prefix the one with the greatest priority decides, and
/// of those the one with the lowest port.
#[derive(Default)]
pub(super) struct Routes {
    by_block: BTreeMap<Block, BTreeSet<(std::cmp::Reverse<u32>, u16)>>,
    /// How many prefixes of each length there are, by family.
    lengths: [BTreeMap<u8, u32>; 2],
}

impl Routes {
    /// Whether the route was new.
    pub(super) fn insert(&mut self, block: Block, priority: u32, port: u16) -> bool {
        let routes = self.by_block.entry(block).or_default();
        if routes.is_empty() {
            let side = usize::from(block.family == Family::V6);
            *self.lengths[side].entry(block.length).or_default() += 1;
        }
        routes.insert((std::cmp::Reverse(priority), port))
    }

    /// Whether the route was there.
    pub(super) fn remove(&mut self, block: Block, priority: u32, port: u16) -> bool {
        let Some(routes) = self.by_block.get_mut(&block) else { return false };
        let was_there = routes.remove(&(std::cmp::Reverse(priority), port));
        if routes.is_empty() {
            self.by_block.remove(&block);
            let side = usize::from(block.family == Family::V6);
            let lengths = &mut self.lengths[side];
            if let Some(count) = lengths.get_mut(&block.length) {
                *count -= 1;
                if *count == 0 {
                    lengths.remove(&block.length);
                }
            }
        }
        was_there
    }

    /// The port for packets of the block that no longer prefix decides; 0 if there is none.
    pub(super) fn port(&self, block: Block) -> u16 {
        let side = usize::from(block.family == Family::V6);
        let mut shorter = self.lengths[side].range(..=block.length).rev();
        let port = shorter.find_map(|(&length, _)| {
            let routes = self.by_block.get(&block.shortened(length))?;
            routes.first().map(|&(_, port)| port)
        });
        port.unwrap_or(0)
    }

    /// The addresses of the block that no longer prefix decides, as ranges in order.
    pub(super) fn own_ranges(&self, block: Block) -> Vec<(u128, u128)> {
        let mut ranges = Vec::new();
        let last = block.last();
        let mut next = block.first;
        // In this order a prefix comes right before the longer ones inside it.
        let mut from = Block { length: block.length + 1, ..block };
        if block.length == block.bits() {
            return vec![(block.first, last)];
        }
        while let Some((&inner, _)) = self.by_block.range(from..).next() {
            if inner.family != block.family || inner.first > last {
                break;
            }
            if inner.first > next {
                ranges.push((next, inner.first - 1));
            }
            let Some(after) = inner.last().checked_add(1).filter(|&after| after <= last) else {
                return ranges;
            };
            next = after;
            from = Block { first: after, length: 0, ..block };
        }
        ranges.push((next, last));
        ranges
    }
}
