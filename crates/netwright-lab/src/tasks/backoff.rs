//! How long to wait before a process is started again, and when to give up.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// The first wait.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(20);
/// So many starts within [`WINDOW`] are too many.
const MOST: usize = 6;
/// The window in which starts are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// A process that ran for so long begins anew with the first wait.
const SOUND: Duration = Duration::from_secs(10);

/// When a process is started again.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    doubled: u32,
    ends: VecDeque<Instant>,
}

impl Backoff {
    /// The process ended after it ran for a time. How long to wait; none where it is tried no more.
    pub(super) fn ended(&mut self, now: Instant, ran: Duration) -> Option<Duration> {
        while self.ends.front().is_some_and(|end| now.duration_since(*end) > WINDOW) {
            self.ends.pop_front();
        }
        self.ends.push_back(now);
        if self.ends.len() >= MOST {
            return None;
        }
        if ran >= SOUND {
            self.doubled = 0;
        }
        let wait = FIRST.saturating_mul(1 << self.doubled.min(16)).min(LONGEST);
        self.doubled += 1;
        // Between half and all of it: those that ended together do not start together.
        let half = wait / 2;
        let octet = RandomState::new().hash_one(now).to_le_bytes()[0];
        Some(half + half * u32::from(octet) / 255)
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, FIRST, LONGEST, MOST, SOUND, WINDOW};
    use std::time::{Duration, Instant};

    #[test]
    fn waits_double_with_jitter_and_the_last_of_too_many_ends_in_the_window_is_final() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for round in 0..MOST - 1 {
            let most = FIRST * (1 << round);
            let wait = backoff.ended(now, Duration::ZERO).unwrap();
            assert!(wait >= most / 2 && wait <= most, "{round}: {wait:?}");
        }
        assert_eq!(backoff.ended(now, Duration::ZERO), None);
    }

    #[test]
    fn a_process_that_ran_soundly_waits_the_first_wait_again_and_old_ends_are_forgotten() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        for _ in 0..100 {
            now += WINDOW / 4;
            let wait = backoff.ended(now, SOUND).unwrap();
            assert!(wait <= FIRST, "{wait:?}");
        }
        for _ in 0..12 {
            now += WINDOW / 4;
            assert!(backoff.ended(now, Duration::ZERO).unwrap() <= LONGEST);
        }
    }
}
