//! When what waits is sent: at once, or a moment later with more.

use std::time::Duration;

use tokio::time::Instant;

/// What is known of the transactions that landed last. Who was answered often asks again at once: without a short wait the first of them would be a
/// transaction alone, and all others would wait for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How many may be asking soon: who waits, and who was answered and may ask again.
    expected: usize,
    landed: Instant,
    /// How long it took.
    took: Duration,
    /// It is waited for them now.
    pub(super) lingers: bool,
}

/// The part of the time that the last transaction took that is waited for who was answered by it, and the longest such wait.
const LINGER: (u32, Duration) = (8, Duration::from_millis(1));

impl Pace {
    pub(super) fn new() -> Self {
        Self { expected: 0, landed: Instant::now(), took: Duration::ZERO, lingers: false }
    }

    /// Some were answered, while some waited already.
    pub(super) fn landed(&mut self, answered: usize, waiting: usize, sent: Instant) {
        let landed = Instant::now();
        let expected = self.expected.max(waiting) + answered;
        *self = Self { expected, landed, took: landed - sent, lingers: false };
    }

    /// Some are on their way.
    pub(super) const fn sent(&mut self, asked: usize) {
        self.expected = self.expected.saturating_sub(asked);
    }

    /// Whether all are there who were expected.
    pub(super) const fn are_here(&self, there: usize) -> bool {
        self.expected > 0 && there >= self.expected
    }

    /// Whether more are waited for than there are. Who has not come by then is expected no longer.
    pub(super) fn waits_for_more(&mut self, there: usize) -> bool {
        let longest = (self.took / LINGER.0).min(LINGER.1);
        let soon = self.landed.elapsed() < longest;
        self.lingers = there > 0 && there < self.expected && soon;
        if !soon && there < self.expected {
            self.expected = there;
        }
        self.lingers
    }
}
