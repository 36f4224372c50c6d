//! A circuit breaker: what has failed several times is not asked again for a while, and then by one at a time.
//!
//! Who asks while it is half open holds a lease. A lease that nobody gives back ends by itself: one who asks and is never heard of again does not
//! keep the breaker half open for ever.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is said to who would ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Ask, and say how it went.
    Go,
    /// Not before so long.
    Wait(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Duration },
    HalfOpen { lease: Duration },
}

/// What a service that starts again knows of an open breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// How long it stays open, in milliseconds.
    pub left: u64,
    /// How long it was open when it opened last, in milliseconds.
    pub wait: u64,
}

/// A breaker.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: State,
    /// So many failures in a row open it.
    most: u32,
    /// The wait after it opens; it doubles each time that it opens again, up to the longest.
    waits: (Duration, Duration),
    wait: Duration,
    lease: Duration,
}

impl Breaker {
    /// A closed one. `waits` are the first and the longest wait, `lease` is how long one that asks while it is half open is waited for.
    #[must_use]
    pub const fn new(most: u32, waits: (Duration, Duration), lease: Duration) -> Self {
        Self { state: State::Closed { failures: 0 }, most, waits, wait: waits.0, lease }
    }

    /// Whether it may be asked now.
    pub fn ask(&mut self, now: Duration) -> Ask {
        match self.state {
            State::Closed { .. } => Ask::Go,
            State::Open { until } if now < until => Ask::Wait(until - now),
            State::HalfOpen { lease } if now < lease => Ask::Wait(lease - now),
            State::Open { .. } | State::HalfOpen { .. } => {
                self.state = State::HalfOpen { lease: now + self.lease };
                Ask::Go
            }
        }
    }

    /// Whether it is closed: what is behind it worked when it was asked last.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// How long one that asks while it is half open is waited for.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        self.lease
    }

    /// What a later run should know; nothing of one that is closed.
    #[must_use]
    pub fn remembered(&self, now: Duration) -> Option<Remembered> {
        let (State::Open { until } | State::HalfOpen { lease: until }) = self.state else {
            return None;
        };
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let left = milliseconds(until.saturating_sub(now));
        Some(Remembered { left, wait: milliseconds(self.wait) })
    }

    /// It was open when the service ended. It does not stay open for longer than it would have at most, whatever is remembered.
    pub fn recall(&mut self, remembered: Remembered, now: Duration) {
        self.wait = Duration::from_millis(remembered.wait).clamp(self.waits.0, self.waits.1);
        let left = Duration::from_millis(remembered.left).min(self.waits.1);
        self.state = State::Open { until: now + left };
    }

    /// It worked.
    pub const fn worked(&mut self) {
        self.state = State::Closed { failures: 0 };
        self.wait = self.waits.0;
    }

    /// It did not work.
    pub fn failed(&mut self, now: Duration) {
        match self.state {
            State::Closed { failures } if failures + 1 < self.most => {
                self.state = State::Closed { failures: failures + 1 };
            }
            State::Closed { .. } => self.state = State::Open { until: now + self.wait },
            State::HalfOpen { .. } => {
                self.wait = (self.wait * 2).min(self.waits.1);
                self.state = State::Open { until: now + self.wait };
            }
            // One whose lease had ended is heard of late.
            State::Open { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ask, Breaker};

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn open() -> Breaker {
        let mut breaker = Breaker::new(3, (at(2), at(5)), at(10));
        for _ in 0..3 {
            assert_eq!(breaker.ask(at(0)), Ask::Go);
            breaker.failed(at(0));
        }
        breaker
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row_and_not_before() {
        let mut breaker = Breaker::new(3, (at(2), at(5)), at(10));
        breaker.failed(at(0));
        breaker.failed(at(0));
        breaker.worked();
        breaker.failed(at(0));
        breaker.failed(at(0));
        assert!(breaker.is_closed());
        breaker.failed(at(0));
        assert_eq!(breaker.ask(at(0)), Ask::Wait(at(2)));
    }

    #[test]
    fn half_open_one_asks_and_the_others_wait() {
        let mut breaker = open();
        assert_eq!(breaker.ask(at(1)), Ask::Wait(at(1)));
        assert_eq!(breaker.ask(at(2)), Ask::Go);
        assert_eq!(breaker.ask(at(2)), Ask::Wait(at(10)));
        breaker.worked();
        assert_eq!(breaker.ask(at(2)), Ask::Go);
    }

    #[test]
    fn e4_a_lease_that_nobody_gives_back_ends() {
        let mut breaker = open();
        assert_eq!(breaker.ask(at(2)), Ask::Go);
        assert_eq!(breaker.ask(at(11)), Ask::Wait(at(1)));
        assert_eq!(breaker.ask(at(12)), Ask::Go);
    }

    #[test]
    fn what_was_open_is_open_after_a_start_for_what_was_left() {
        let remembered = open().remembered(at(1)).unwrap();
        let mut breaker = Breaker::new(3, (at(2), at(5)), at(10));
        breaker.recall(remembered, at(100));
        assert_eq!(breaker.ask(at(100)), Ask::Wait(at(1)));
        assert_eq!(breaker.ask(at(101)), Ask::Go);
        assert_eq!(Breaker::new(3, (at(2), at(5)), at(10)).remembered(at(0)), None);
    }

    #[test]
    fn what_is_remembered_wrongly_keeps_it_open_for_its_longest_wait_at_most() {
        let mut breaker = Breaker::new(3, (at(2), at(5)), at(10));
        breaker.recall(super::Remembered { left: u64::MAX, wait: 0 }, at(0));
        assert_eq!(breaker.ask(at(0)), Ask::Wait(at(5)));
    }

    #[test]
    fn each_failure_half_open_waits_longer_up_to_a_bound() {
        let mut breaker = open();
        let mut now = at(2);
        for wait in [4, 5, 5] {
            assert_eq!(breaker.ask(now), Ask::Go);
            breaker.failed(now);
            assert_eq!(breaker.ask(now), Ask::Wait(at(wait)));
            now += at(wait);
        }
    }
}
