use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Block, Free, Order, Plane};
use crate::alloc::block::normalised;

const NUMBERS: std::ops::RangeInclusive<Plane> = Plane::NUMBERS..=Plane::NUMBERS;

fn block(base: u128, order: u8) -> Block {
    Block::new(Plane::NUMBERS, base, order).expect("aligned")
}

/// The plainest way: every position by itself.
struct Naive {
    free: BTreeSet<u128>,
    roots: Vec<Block>,
}

impl Naive {
    fn is_free(&self, block: Block) -> bool {
        self.roots.iter().any(|root| root.contains(block))
            && (block.first()..=block.last()).all(|at| self.free.contains(&at))
    }

    fn all(&self, order: u8) -> impl Iterator<Item = Block> {
        let within = move |root: &Block| {
            let step = 1_usize << order;
            (root.first()..=root.last())
                .step_by(step)
                .filter_map(move |at| Block::new(Plane::NUMBERS, at, order))
        };
        self.roots.iter().flat_map(within).filter(|block| self.is_free(*block))
    }

    /// The largest free block around a free one.
    fn around(&self, mut block: Block) -> Block {
        while let Some(parent) = block.parent()
            && self.is_free(parent)
        {
            block = parent;
        }
        block
    }

    fn find(&self, order: u8, by: Order, cursor: u128) -> Option<Block> {
        match by {
            Order::BestFit => self.all(order).min_by_key(|b| (self.around(*b).order(), b.first())),
            Order::Lowest => self.all(order).min(),
            Order::Next => self
                .all(order)
                .filter(|block| block.first() >= cursor)
                .min()
                .or_else(|| self.all(order).min()),
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Next(u8, Order),
    Exactly(u128, u8),
    Give(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let by = prop_oneof![Just(Order::BestFit), Just(Order::Lowest), Just(Order::Next)];
    prop_oneof![
        4 => (0_u8..5, by).prop_map(|(order, by)| Step::Next(order, by)),
        2 => (0_u128..256, 0_u8..5).prop_map(|(base, order)| Step::Exactly(base, order)),
        3 => any::<usize>().prop_map(Step::Give),
    ]
}

proptest! {
    #[test]
    fn free_blocks_are_what_the_plainest_way_says(
        steps in prop::collection::vec(step(), 1..120),
        roots in prop::collection::vec((0_u128..4, 4_u8..7), 1..4),
        taken in prop::collection::vec((0_u128..256, 0_u8..4), 0..8),
    ) {
        let aligned = |(base, order): &(u128, u8)| Block::around(Plane::NUMBERS, *base, *order);
        let roots = normalised(roots.iter().map(|(at, order)| aligned(&(at * 64, *order))).collect());
        let fixed = normalised(taken.iter().map(aligned).collect());
        let mut free = Free::new(&roots, &fixed);
        let positions = |block: &Block| block.first()..=block.last();
        let mut naive = Naive { free: roots.iter().flat_map(positions).collect(), roots: roots.clone() };
        for at in fixed.iter().flat_map(positions) {
            naive.free.remove(&at);
        }
        let mut held: Vec<Block> = Vec::new();
        let mut cursor = 0;
        for step in steps {
            match step {
                Step::Next(order, by) => {
                    let found = free.find(&NUMBERS, order, by, (Plane::NUMBERS, cursor));
                    prop_assert_eq!(found, naive.find(order, by, cursor));
                    if let Some(found) = found {
                        cursor = found.last() + 1;
                        free.take(found);
                        positions(&found).for_each(|at| { naive.free.remove(&at); });
                        held.push(found);
                    }
                }
                Step::Exactly(base, order) => {
                    let asked = aligned(&(base, order));
                    prop_assert_eq!(free.is_free(asked), naive.is_free(asked));
                    // Also what is free only in part is taken, as another pool's value is.
                    free.take(asked);
                    positions(&asked).for_each(|at| { naive.free.remove(&at); });
                    held.push(asked);
                }
                Step::Give(which) if !held.is_empty() => {
                    let given = held.swap_remove(which % held.len());
                    let others = normalised(held.iter().chain(&fixed).copied().collect());
                    free.give(given, &others);
                    for at in positions(&given) {
                        let one = block(at, 0);
                        if roots.iter().any(|root| root.contains(one)) && !others.iter().any(|o| o.contains(one)) {
                            naive.free.insert(at);
                        }
                    }
                }
                Step::Give(_) => {}
            }
            prop_assert_eq!(free.units(), naive.free.len() as u128);
        }
        let all = normalised(held.iter().chain(&fixed).copied().collect());
        prop_assert_eq!(free.blocks(), Free::new(&roots, &all).blocks(), "blocks grow together again");
    }
}

#[test]
fn memory_follows_what_is_taken_also_of_the_whole_of_ipv6() {
    let all = Block::new(Plane::V6, 0, 128).expect("aligned");
    let mut free = Free::new(&[all], &[]);
    for host in 0..1000_u128 {
        free.take(Block::new(Plane::V6, host << 64 | 7, 0).expect("aligned"));
    }
    assert!(free.blocks() <= 128 * 1000, "{}", free.blocks());
    let next = free.find(&(Plane::V6..=Plane::V6), 64, Order::BestFit, (Plane::V6, 0));
    assert!(next.is_some_and(|next| next.first() >= 1000 << 64));
}

#[test]
fn a_block_is_never_larger_than_the_range_it_lies_in() {
    let (lower, upper) = (block(0, 3), block(8, 3));
    let mut free = Free::new(&[lower, upper], &[]);
    free.take(lower);
    free.give(lower, &[]);
    assert_eq!(free.find(&NUMBERS, 4, Order::BestFit, (Plane::NUMBERS, 0)), None);
}
