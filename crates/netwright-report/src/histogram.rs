//! How long operations took, in bounded memory: one counter for each 128th of a power of two.

use crate::{Quantiles, Span};

/// Counters per power of two. Below it each value has its own.
const PARTS: u64 = 128;

/// How many took how long. A quantile is told at most 1/128 too long, never too short.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// Grows to the largest value seen: 128 counters for each power of two.
    counts: Vec<u32>,
    total: u64,
    max: u64,
}

fn slot(value: u64) -> usize {
    let shift = (64 - (value / PARTS).leading_zeros()).saturating_sub(1);
    let shift = if value >= 2 * PARTS { shift } else { 0 };
    usize::try_from(u64::from(shift) * PARTS + (value >> shift)).unwrap_or(usize::MAX)
}

/// The largest value of a slot.
fn ceiling(slot: usize) -> u64 {
    let slot = slot as u64;
    if slot < 2 * PARTS {
        return slot;
    }
    let shift = slot / PARTS - 1;
    let part = u128::from(slot % PARTS + PARTS + 1);
    u64::try_from((part << shift) - 1).unwrap_or(u64::MAX)
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, took: Span) {
        let slot = slot(took.0);
        if self.counts.len() <= slot {
            self.counts.resize(slot + 1, 0);
        }
        self.counts[slot] = self.counts[slot].saturating_add(1);
        self.total += 1;
        self.max = self.max.max(took.0);
    }

    /// Counts what another counted.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own = own.saturating_add(*more);
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// The quantiles; `None` where nothing was counted.
    #[must_use]
    pub fn quantiles(&self) -> Option<Quantiles> {
        if self.total == 0 {
            return None;
        }
        let ranks = [500, 900, 990, 999].map(|mille| (self.total * mille).div_ceil(1_000));
        let mut found = [Span(self.max); 4];
        let (mut passed, mut next) = (0_u64, 0);
        for (slot, count) in self.counts.iter().enumerate() {
            passed += u64::from(*count);
            while next < ranks.len() && passed >= ranks[next] {
                found[next] = Span(ceiling(slot).min(self.max));
                next += 1;
            }
        }
        let [p50, p90, p99, p999] = found;
        Some(Quantiles { p50, p90, p99, p999, max: Span(self.max) })
    }
}

#[cfg(test)]
mod tests {
    use super::{Histogram, ceiling, slot};
    use crate::Span;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_is_at_most_a_128th_below_its_slots_ceiling(value in 0..=u64::MAX, shift in 0..64_u32) {
            let value = value >> shift;
            let ceiling = ceiling(slot(value));
            prop_assert!(ceiling >= value);
            prop_assert!(ceiling - value <= value / 128);
        }

        #[test]
        fn quantiles_are_those_of_the_sorted_values(mut values in prop::collection::vec(0..5_000_000_u64, 1..300)) {
            let mut histogram = Histogram::default();
            for value in &values {
                histogram.add(Span(*value));
            }
            values.sort_unstable();
            let quantiles = histogram.quantiles().unwrap();
            let nearest = |mille: usize| values[(values.len() * mille).div_ceil(1000) - 1];
            for (mille, found) in [(500, quantiles.p50), (900, quantiles.p90), (990, quantiles.p99), (999, quantiles.p999)] {
                let exact = nearest(mille);
                prop_assert!(found.0 >= exact && found.0 - exact <= exact / 128);
            }
            prop_assert_eq!(quantiles.max.0, *values.last().unwrap());
        }
    }

    #[test]
    fn nothing_counted_has_no_quantiles() {
        assert_eq!(Histogram::default().quantiles(), None);
    }
}
