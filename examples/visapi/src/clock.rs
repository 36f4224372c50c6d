//! A hybrid logical clock: times that order what happened, also where wall clocks disagree.
//!
//! A time is the wall clock's milliseconds and a counter in one number. It never goes back, and it is later than every time that was heard of; so what
//! follows from something is always later than it. Two times of the same number are ordered by the names of their nodes ([`Stamp`]).

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::node::lock;

/// Bits of the counter.
const COUNTER: u32 = 16;

/// How far ahead of the own wall clock a time of somebody else may be: a clock that is wrong by more would take all others along.
const AHEAD: u64 = 10 * 60 * 1000;

/// A time: milliseconds since 1970, shifted by [`COUNTER`] bits, plus a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub(crate) struct Hlc(pub(crate) i64);

impl Hlc {
    /// The first time of a millisecond.
    pub(crate) const fn of(milliseconds: u64) -> Self {
        Self(milliseconds.cast_signed() << COUNTER)
    }

    /// Its milliseconds since 1970.
    pub(crate) const fn milliseconds(self) -> u64 {
        self.0.cast_unsigned() >> COUNTER
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.milliseconds(), self.0 & ((1 << COUNTER) - 1))
    }
}

/// A time and who gave it: no two writes have the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// When.
    pub(crate) hlc: Hlc,
    /// Who.
    pub(crate) node: String,
}

/// The latest time that was given or heard of.
#[derive(Debug, Clone, Copy, Default)]
struct Latest(Hlc);

/// What times follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// The wall clock, and whatever was given or heard of before: they never go back.
    Everything,
    /// The wall clock alone, as a broken variant has it: they go back with it.
    WallClock,
}

impl Latest {
    /// A time for something that happens now by the wall clock, whatever was before; no two of the same millisecond are the same.
    fn tick_by_wall(&mut self, wall: u64) -> Hlc {
        self.0 = if self.0.milliseconds() == wall { Hlc(self.0.0 + 1) } else { Hlc::of(wall) };
        self.0
    }

    /// A time for something that happens now.
    fn tick(&mut self, wall: u64) -> Hlc {
        self.0 = Hlc::of(wall).max(Hlc(self.0.0 + 1));
        self.0
    }

    /// Hears of a time. One that is too far ahead is not followed.
    fn hear(&mut self, wall: u64, other: Hlc) -> bool {
        if other.milliseconds() > wall + AHEAD {
            return false;
        }
        self.0 = self.0.max(other);
        true
    }
}

/// By how much a wall clock is made wrong, and until when, where that ends by itself.
#[derive(Debug, Clone, Copy)]
struct Wrong {
    by: i64,
    until: Option<Instant>,
}

/// The clock of a process.
#[derive(Debug)]
pub(crate) struct Clock {
    latest: Mutex<Latest>,
    follows: Follows,
    /// What is added to the wall clock for as long as the process lives.
    own: i64,
    /// What is added instead: how a game day makes it wrong.
    wrong: Mutex<Option<Wrong>>,
}

impl Clock {
    /// One whose wall clock is wrong by so many milliseconds.
    pub(crate) fn new(offset: i64, follows: Follows) -> Self {
        Self { latest: Mutex::default(), follows, own: offset, wrong: Mutex::default() }
    }

    /// The wall clock, in milliseconds since 1970.
    pub(crate) fn wall(&self) -> u64 {
        true_time().saturating_add_signed(self.offset())
    }

    /// A time for something that happens now.
    pub(crate) fn tick(&self) -> Hlc {
        let wall = self.wall();
        let mut latest = lock(&self.latest);
        match self.follows {
            Follows::Everything => latest.tick(wall),
            Follows::WallClock => latest.tick_by_wall(wall),
        }
    }

    /// Hears of a time; false where it is so far ahead that it is not followed.
    pub(crate) fn hear(&self, other: Hlc) -> bool {
        let wall = self.wall();
        match self.follows {
            Follows::Everything => lock(&self.latest).hear(wall, other),
            Follows::WallClock => true,
        }
    }

    /// Makes the wall clock wrong by so many milliseconds; for a time, where one is given, and then it is as it was when the process began.
    pub(crate) fn set_offset(&self, by: i64, time: Option<Duration>) {
        let until = time.and_then(|time| Instant::now().checked_add(time));
        *lock(&self.wrong) = Some(Wrong { by, until });
    }

    /// By how much the wall clock is made wrong.
    pub(crate) fn offset(&self) -> i64 {
        let lasts = |wrong: &Wrong| wrong.until.is_none_or(|until| Instant::now() < until);
        lock(&self.wrong).filter(lasts).map_or(self.own, |wrong| wrong.by)
    }
}

/// The machine's clock, in milliseconds since 1970.
pub(crate) fn true_time() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where this program reads the clock"
    )]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX >> (COUNTER + 1))
}

/// A moment as RFC 3339 writes it.
pub(crate) fn written(milliseconds: u64) -> String {
    let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::time::Duration;

    use super::{AHEAD, Clock, Follows, Hlc, Latest};

    proptest! {
        #[test]
        fn what_follows_is_later_whatever_wall_clocks_say(
            steps in prop::collection::vec((0_usize..3, prop::option::of(0_usize..3), 0_u64..2000), 1..60),
        ) {
            let mut clocks = [Latest::default(); 3];
            let mut last = [Hlc(0); 3];
            for (node, from, wall) in steps {
                let before = from.map_or(last[node], |from| last[from].max(last[node]));
                if let Some(from) = from {
                    prop_assert!(clocks[node].hear(wall, last[from]));
                }
                let now = clocks[node].tick(wall);
                prop_assert!(now > before);
                last[node] = now;
            }
        }
    }

    #[test]
    fn a_clock_that_runs_away_is_not_followed() {
        let mut clock = Latest::default();
        assert!(clock.hear(1000, Hlc::of(1000 + AHEAD)));
        assert!(!clock.hear(1000, Hlc::of(1001 + AHEAD)));
        assert!(clock.tick(1000) > Hlc::of(1000 + AHEAD));
    }

    #[test]
    fn a_clock_that_is_wrong_for_a_time_is_right_again_by_itself_and_what_it_gave_is_never_given_again()
     {
        let clock = Clock::new(-7, Follows::Everything);
        clock.set_offset(60_000, Some(Duration::from_secs(600)));
        assert_eq!(clock.offset(), 60_000);
        let ahead = clock.tick();
        clock.set_offset(60_000, Some(Duration::ZERO));
        assert_eq!(clock.offset(), -7);
        assert!(clock.tick() > ahead);
        clock.set_offset(5, None);
        assert_eq!(clock.offset(), 5);
    }

    #[test]
    fn the_broken_variant_goes_back_with_its_wall_clock_and_never_gives_a_time_twice_in_a_row() {
        let clock = Clock::new(0, Follows::WallClock);
        clock.set_offset(60_000, None);
        let ahead = clock.tick();
        assert_ne!(clock.tick(), ahead);
        clock.set_offset(0, None);
        assert!(clock.hear(ahead) && clock.tick() < ahead);
    }

    #[test]
    fn a_full_counter_goes_over_into_milliseconds() {
        let mut clock = Latest(Hlc(Hlc::of(5).0 + 0xFFFF));
        assert_eq!(clock.tick(0), Hlc::of(6));
    }
}
