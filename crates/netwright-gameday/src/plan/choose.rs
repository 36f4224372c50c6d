//! Which pairs of endpoints a fault is between: by its shape, and by its seed where chance has a part in it.

use std::collections::BTreeSet;

use netwright_model::random::Random;

use crate::language::Shape;

/// A pair: the first is of `between`.
pub(super) type Pair = (usize, usize);

/// The pairs of a shape between two sides, each sorted and without those that both have.
pub(super) fn pairs(shape: Shape, sides: [&[usize]; 2], share: u32, seed: u64) -> BTreeSet<Pair> {
    let [one, other] = sides;
    match shape {
        Shape::Split => product(one, other),
        Shape::Partial => {
            let all: Vec<Pair> = product(one, other).into_iter().collect();
            partial(all, share, seed)
        }
        Shape::Bridge => {
            let half = one.len() / 2;
            let (first, rest) = one.split_at(half);
            // The first of the second half is the bridge: it sees both.
            product(first, rest.get(1..).unwrap_or_default())
        }
        Shape::Ring => ring(one),
    }
}

fn product(one: &[usize], other: &[usize]) -> BTreeSet<Pair> {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b)));
    pairs.filter(|(a, b)| a != b).collect()
}

/// A share of the pairs, rounded up: those that are drawn.
fn partial(mut all: Vec<Pair>, share: u32, seed: u64) -> BTreeSet<Pair> {
    let mut random = Random::new(seed);
    let wanted = (all.len() as u64 * u64::from(share)).div_ceil(100_000);
    let mut chosen = BTreeSet::new();
    while (chosen.len() as u64) < wanted && !all.is_empty() {
        let place = random.below(u32::try_from(all.len()).unwrap_or(u32::MAX));
        chosen.insert(all.swap_remove(place as usize));
    }
    chosen
}

/// All pairs of a circle but those of neighbours.
fn ring(all: &[usize]) -> BTreeSet<Pair> {
    let mut pairs = BTreeSet::new();
    for (a, one) in all.iter().enumerate() {
        for (b, other) in all.iter().enumerate().skip(a + 1) {
            if b - a != 1 && !(a == 0 && b == all.len() - 1) {
                pairs.insert((*one, *other));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(shape: Shape, one: &[usize], other: &[usize]) -> Vec<Pair> {
        pairs(shape, [one, other], 50_000, 3).into_iter().collect()
    }

    #[test]
    fn in_a_ring_each_sees_its_two_neighbours_only() {
        for count in 3..9 {
            let all: Vec<usize> = (0..count).collect();
            let cut = pairs(Shape::Ring, [&all, &[]], 0, 0);
            for member in &all {
                let unseen = cut.iter().filter(|(a, b)| a == member || b == member).count();
                assert_eq!(unseen, count - 3, "of {count}");
            }
        }
    }

    #[test]
    fn a_bridge_sees_both_halves_and_they_see_each_other_through_it_only() {
        assert_eq!(shape(Shape::Bridge, &[0, 1, 2, 3, 4], &[]), [(0, 3), (0, 4), (1, 3), (1, 4)]);
    }

    #[test]
    fn a_share_of_pairs_is_rounded_up_and_follows_from_the_seed() {
        let chosen = shape(Shape::Partial, &[0, 1, 2], &[3, 4, 5]);
        assert_eq!(chosen.len(), 5);
        assert_eq!(chosen, shape(Shape::Partial, &[0, 1, 2], &[3, 4, 5]));
        let other = pairs(Shape::Partial, [&[0, 1, 2], &[3, 4, 5]], 50_000, 4);
        assert_ne!(chosen, other.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn nobody_is_cut_off_from_itself() {
        assert_eq!(shape(Shape::Split, &[0, 1], &[1, 2]), [(0, 1), (0, 2), (1, 2)]);
    }
}
