//! How often something failed lately: a share with a denominator that is told.
//!
//! A window is cut in twelve parts; a result counts in the part that it came in, and a part is forgotten when it is older than the window. So a
//! rate is about the last window and up to a twelfth of it more, in a few octets whatever the number of results.

use std::time::Duration;

/// Parts of a window.
const PARTS: usize = 12;

/// What came in some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Results that passed.
    pub passed: u64,
    /// Results that failed.
    pub failed: u64,
    /// Probes that found nothing out.
    pub unknown: u64,
}

impl Counts {
    /// The share of failures among the results that say something; none where there are none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of a window are far below 2^52")]
    pub fn failure_rate(&self) -> Option<f64> {
        let said = self.passed + self.failed;
        (said > 0).then(|| self.failed as f64 / said as f64)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    passed: u16,
    failed: u16,
    unknown: u16,
}

/// What came in the last window.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    parts: [Part; PARTS],
    /// Which part since the beginning of times the newest is.
    newest: u64,
}

/// What a result adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Passed,
    Failed,
    Unknown,
}

fn part(now: Duration, window: Duration) -> u64 {
    let each = (window / 12).as_millis().max(1);
    u64::try_from(now.as_millis() / each).unwrap_or(u64::MAX)
}

fn place(part: u64) -> usize {
    usize::try_from(part % PARTS as u64).unwrap_or(0)
}

impl Rate {
    /// Forgets what is older than the window.
    fn turn(&mut self, now: Duration, window: Duration) {
        let now = part(now, window);
        let passed = now.saturating_sub(self.newest).min(PARTS as u64);
        for step in 0..passed {
            self.parts[place(now - step)] = Part::default();
        }
        self.newest = self.newest.max(now);
    }

    pub(super) fn add(&mut self, kind: Kind, now: Duration, window: Duration) {
        self.turn(now, window);
        let part = &mut self.parts[place(self.newest)];
        let count = match kind {
            Kind::Passed => &mut part.passed,
            Kind::Failed => &mut part.failed,
            Kind::Unknown => &mut part.unknown,
        };
        *count = count.saturating_add(1);
    }

    /// What came in the window before now.
    #[must_use]
    pub fn counts(&self, now: Duration, window: Duration) -> Counts {
        let mut turned = self.clone();
        turned.turn(now, window);
        let add = |sum: Counts, part: &Part| Counts {
            passed: sum.passed + u64::from(part.passed),
            failed: sum.failed + u64::from(part.failed),
            unknown: sum.unknown + u64::from(part.unknown),
        };
        turned.parts.iter().fold(Counts::default(), add)
    }
}
