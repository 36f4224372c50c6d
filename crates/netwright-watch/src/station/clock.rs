//! A clock that never goes back and whose moments people can read.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A difference between this clock and the machine's that is worth telling.
const JUMP: Duration = Duration::from_secs(5);

/// Counts from the machine's time at its beginning, by how long it has run: where the machine's clock jumps, this one goes on. Its moments are times
/// since 1970.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    began: Instant,
    origin: Duration,
}

impl SteadyClock {
    /// One that begins now, at this time of the machine.
    #[must_use]
    pub fn new(machine: Timestamp) -> Self {
        Self { began: Instant::now(), origin: since_1970(machine) }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.origin + self.began.elapsed()
    }

    /// By how much the machine's clock is ahead (`Ok`) or behind (`Err`), where that is much.
    #[must_use]
    pub fn skew(&self, machine: Timestamp) -> Option<Result<Duration, Duration>> {
        let (own, machine) = (self.now(), since_1970(machine));
        let skew = if machine >= own { Ok(machine - own) } else { Err(own - machine) };
        let (Ok(size) | Err(size)) = skew;
        (size >= JUMP).then_some(skew)
    }

    /// The instant at which this clock shows a moment; now for those that are over.
    #[must_use]
    pub fn instant(&self, moment: Duration) -> Instant {
        let left = moment.saturating_sub(self.now());
        Instant::now() + left.min(Duration::from_secs(3_600))
    }
}

/// A time of the machine as a duration since 1970; one before that is 0.
#[must_use]
pub fn since_1970(at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default()
}

/// A moment as people and programs read it: RFC 3339 with milliseconds.
#[must_use]
pub fn moment(at: Duration) -> String {
    let at = Timestamp::UNIX_EPOCH.checked_add(at).unwrap_or(Timestamp::MAX);
    format!("{at:.3}")
}
