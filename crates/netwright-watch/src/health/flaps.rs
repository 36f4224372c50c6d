//! Whether a state changes to and fro: Nagios' flap score with hysteresis.
//!
//! The last 21 states have 20 places between them. A change counts from 0.75 for the oldest place to 1.25 for the newest, so that a thing that
//! changed at every place scores 100 %. From the upper bound on it flaps; it does until the score is below the lower one.

use serde::{Deserialize, Serialize};

/// Places between the states that are looked at.
const PLACES: u32 = 20;

/// The last states of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaps {
    /// Whether the state changed at each place, the newest in the lowest bit.
    changed: u32,
    /// The last state, once there was one.
    last: Option<bool>,
    flapping: bool,
}

impl Flaps {
    /// A result came, after which the state is so. `bounds` are those of the profile, in percent.
    pub fn seen(&mut self, healthy: bool, bounds: (u32, u32)) {
        let changed = self.last.is_some_and(|last| last != healthy);
        self.last = Some(healthy);
        self.changed = (self.changed << 1 | u32::from(changed)) & ((1 << PLACES) - 1);
        let score = self.score();
        self.flapping =
            score >= f64::from(bounds.1) || (self.flapping && score >= f64::from(bounds.0));
    }

    /// The score, in percent.
    #[must_use]
    pub fn score(&self) -> f64 {
        let weight = |age: u32| 1.25 - 0.5 * f64::from(age) / f64::from(PLACES - 1);
        let changed = (0..PLACES).filter(|age| self.changed >> age & 1 == 1);
        changed.map(weight).sum::<f64>() * 100.0 / f64::from(PLACES)
    }

    /// Whether it flaps.
    #[must_use]
    pub const fn flapping(&self) -> bool {
        self.flapping
    }
}
