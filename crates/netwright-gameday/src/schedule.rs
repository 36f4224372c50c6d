//! When a fault is on: by turns, from a seed. The same seed gives the same times for ever.

use std::time::Duration;

use netwright_model::random::Random;

/// On and off by turns, beginning with on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// How long it is on.
    pub on: Duration,
    /// How long it is off.
    pub off: Duration,
    /// Up to how much shorter or longer each is, in 1/100,000.
    pub jitter: u32,
    /// What that follows from.
    pub seed: u64,
}

/// Shortest turn.
const SHORTEST: Duration = Duration::from_millis(10);

impl Turns {
    /// When it goes on and off within a time, from its beginning: it is on first, and off at the end.
    #[must_use]
    pub fn within(&self, length: Duration) -> Vec<(Duration, bool)> {
        let mut random = Random::new(self.seed);
        let mut turn = |time: Duration| {
            let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            let most = micros / 100_000 * u64::from(self.jitter)
                + micros % 100_000 * u64::from(self.jitter) / 100_000;
            let drawn = random.below(u32::try_from(most.saturating_mul(2)).unwrap_or(u32::MAX));
            let moved = Duration::from_micros((micros + u64::from(drawn)).saturating_sub(most));
            moved.max(SHORTEST)
        };
        let (mut at, mut on) = (Duration::ZERO, true);
        let mut all = Vec::new();
        while at < length {
            all.push((at, on));
            at += turn(if on { self.on } else { self.off });
            on = !on;
        }
        if all.last().is_some_and(|(_, on)| *on) {
            all.push((length, false));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURNS: Turns =
        Turns { on: Duration::from_secs(30), off: Duration::from_secs(30), jitter: 0, seed: 7 };

    #[test]
    fn thirty_seconds_on_and_thirty_off() {
        let seconds: Vec<(u64, bool)> = TURNS
            .within(Duration::from_secs(150))
            .into_iter()
            .map(|(at, on)| (at.as_secs(), on))
            .collect();
        assert_eq!(
            seconds,
            [(0, true), (30, false), (60, true), (90, false), (120, true), (150, false)]
        );
    }

    #[test]
    fn a_seed_repeats_its_times_and_another_has_others() {
        let turns = Turns { jitter: 50_000, ..TURNS };
        let length = Duration::from_secs(600);
        assert_eq!(turns.within(length), turns.within(length));
        assert_ne!(turns.within(length), Turns { seed: 8, ..turns }.within(length));
        for times in turns.within(length).windows(2).filter(|times| times[1].0 < length) {
            let turn = times[1].0 - times[0].0;
            assert!((15..=45).contains(&turn.as_secs()), "{turn:?}");
        }
    }

    #[test]
    fn it_is_never_left_on() {
        for seconds in 1..100 {
            let all = TURNS.within(Duration::from_secs(seconds));
            assert!(!all.last().unwrap_or(&(Duration::ZERO, true)).1, "{seconds}");
        }
    }
}
