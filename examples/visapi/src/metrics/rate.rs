//! How much of what was tried in the last minute failed.

/// Seconds that are looked back.
const SECONDS: u64 = 60;

/// Counts by second.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    /// Second, tries and failures; the place is the second modulo [`SECONDS`].
    slots: [(u64, u32, u32); 60],
}

impl Default for Rate {
    fn default() -> Self {
        Self { slots: [(0, 0, 0); 60] }
    }
}

impl Rate {
    /// Something was tried in this second.
    pub(crate) fn count(&mut self, second: u64, failed: bool) {
        let place = usize::try_from(second % SECONDS).unwrap_or(0);
        let slot = &mut self.slots[place];
        if slot.0 != second {
            *slot = (second, 0, 0);
        }
        slot.1 = slot.1.saturating_add(1);
        slot.2 = slot.2.saturating_add(u32::from(failed));
    }

    /// Tries and failures of the minute that ends with this second.
    pub(crate) fn minute(&self, second: u64) -> (u64, u64) {
        let recent = self.slots.iter().filter(|slot| slot.0 <= second && second - slot.0 < SECONDS);
        recent.fold((0, 0), |sum, slot| (sum.0 + u64::from(slot.1), sum.1 + u64::from(slot.2)))
    }

    /// The part that failed, 0 where nothing was tried.
    pub(crate) fn failed(&self, second: u64) -> f64 {
        let (tries, failures) = self.minute(second);
        let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        if tries == 0 { 0.0 } else { number(failures) / number(tries) }
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn only_the_last_minute_counts() {
        let mut rate = Rate::default();
        rate.count(100, true);
        rate.count(100, false);
        rate.count(159, false);
        assert_eq!(rate.minute(159), (3, 1));
        assert_eq!(rate.minute(160), (1, 0));
        rate.count(160, true);
        assert_eq!(rate.minute(160), (2, 1));
        assert!((rate.failed(160) - 0.5).abs() < 1e-9);
    }
}
