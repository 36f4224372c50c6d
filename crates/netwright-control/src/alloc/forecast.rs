//! When a pool will be full, if it goes on as it does.
//!
//! A straight line through the last allocations and releases, and through now: what stands still for long grows slowly. Nothing more is claimed.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// How many changes are kept.
const KEPT: usize = 64;

/// How many are needed before anything is said.
const FEWEST: usize = 5;

/// Over how long they must reach, in milliseconds.
const SHORTEST: u64 = 60_000;

/// An estimate of when nothing will be free.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// When.
    pub exhausted_at: Time,
    /// By how much what is taken grows in an hour.
    pub per_hour: f64,
    /// How many allocations and releases it follows from.
    pub changes: usize,
}

/// The last changes of how much is taken.
#[derive(Debug, Clone, Default)]
pub struct Growth(VecDeque<(u64, f64)>);

impl Growth {
    /// So much more (or less) is taken since a time.
    pub fn add(&mut self, at: u64, units: f64) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        // Clocks of servers differ a little: nothing is before what is known already.
        let at = self.0.back().map_or(at, |(last, _)| at.max(*last));
        self.0.push_back((at, units));
    }

    /// When so many that are free will be taken; none with too little to go by, or where it does not grow.
    #[must_use]
    pub fn forecast(&self, free: f64, now: u64) -> Option<Forecast> {
        let (first, last) = (self.0.front()?.0, self.0.back()?.0);
        if self.0.len() < FEWEST || last - first < SHORTEST {
            return None;
        }
        let mut taken = 0.0;
        let mut points: Vec<(f64, f64)> = self
            .0
            .iter()
            .map(|(at, units)| {
                taken += units;
                (float(at - first), taken)
            })
            .collect();
        let changes = points.len();
        points.push((float(now.max(last) - first), taken));
        let slope = slope(&points)?;
        // What it grew by since: the line begins where it is now.
        let left = free / slope;
        if !(left.is_finite() && left >= 0.0 && slope > 0.0) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "as far as 64 bits hold it")]
        #[expect(clippy::cast_sign_loss, reason = "it is not below 0")]
        let left = left as u64;
        let exhausted_at = Time::of_milliseconds(now.saturating_add(left));
        Some(Forecast { exhausted_at, per_hour: slope * 3_600_000.0, changes })
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of an estimate")]
fn float(milliseconds: u64) -> f64 {
    milliseconds as f64
}

/// The slope of the line that is nearest by least squares.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = float(u64::try_from(points.len()).ok()?);
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let both: f64 = points.iter().map(|(a, b)| (a - x) * (b - y)).sum();
    let own: f64 = points.iter().map(|(a, _)| (a - x).powi(2)).sum();
    (own > 0.0).then(|| both / own)
}

#[cfg(test)]
mod tests {
    use super::Growth;

    fn growth(steps: u64, every: u64, units: f64) -> Growth {
        let mut growth = Growth::default();
        for step in 0..steps {
            growth.add(1_000_000 + step * every, units);
        }
        growth
    }

    #[test]
    fn one_a_minute_takes_a_hundred_in_a_hundred_minutes() {
        let now = 1_000_000 + 63 * 60_000;
        let forecast = growth(64, 60_000, 1.0).forecast(100.0, now).expect("an estimate");
        assert_eq!(forecast.exhausted_at.milliseconds().abs_diff(now + 100 * 60_000) / 1000, 0);
        assert!((forecast.per_hour - 60.0).abs() < 1e-6);
    }

    #[test]
    fn little_to_go_by_says_nothing() {
        assert_eq!(growth(4, 60_000, 1.0).forecast(100.0, 2_000_000), None);
        assert_eq!(growth(64, 10, 1.0).forecast(100.0, 2_000_000), None);
        assert_eq!(Growth::default().forecast(100.0, 2_000_000), None);
    }

    #[test]
    fn what_came_at_once_and_then_nothing_for_a_month_does_not_go_on_as_it_began() {
        let (minute, month) = (60_000, 30 * 86_400_000);
        let burst = growth(64, 2_000, 1.0);
        let soon = burst.forecast(100.0, 1_000_000 + 3 * minute).expect("an estimate");
        let later = burst.forecast(100.0, 1_000_000 + month).expect("an estimate");
        assert!(soon.exhausted_at.milliseconds() < 1_000_000 + 20 * minute, "{soon:?}");
        assert!(later.exhausted_at.milliseconds() > 1_000_000 + 2 * month, "{later:?}");
    }

    #[test]
    fn what_shrinks_is_never_full() {
        assert_eq!(growth(64, 60_000, -1.0).forecast(100.0, 2_000_000), None);
    }

    #[test]
    fn a_clock_that_goes_back_makes_no_negative_times() {
        let mut growth = Growth::default();
        for step in [5_u64, 90_000, 3, 200_000, 7, 300_000] {
            growth.add(step, 1.0);
        }
        assert!(growth.forecast(10.0, 300_000).is_some());
    }
}
