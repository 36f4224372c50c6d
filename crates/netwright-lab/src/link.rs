//! Links that do something to packets on their way: what is said of them while a lab runs, what does it, and what was counted.
//!
//! The description says what each link is to do; whoever runs a lab may say otherwise ([`Change`]). [`emulator`] is one way of a link as
//! arithmetic, [`relay`] the process that moves frames by it where the kernel has no network emulation; [`aside`] does it to frames that are turned
//! aside from a link that stays as it is.

pub mod aside;
pub mod emulator;
mod interface;
pub mod relay;
pub(crate) mod state;

use netwright_dataplane::plan::emulation::Mechanism;
use netwright_dataplane::plan::{Condition, Conditions};
use netwright_model::language::link::contradiction;
use netwright_model::scalar::{Bandwidth, Delay, Percent};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Which ways of a link are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Both, each by itself.
    #[default]
    Both,
    /// The way from what the link belongs to.
    There,
    /// The other way.
    Back,
}

/// What is otherwise from now on; what is not given stays. Units are those of [`Condition`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Amendment {
    /// How long a packet takes.
    pub latency: Option<u64>,
    /// How much less or more.
    pub jitter: Option<u64>,
    /// Share that is lost.
    pub loss: Option<u32>,
    /// Share that arrives twice.
    pub duplicate: Option<u32>,
    /// Share that overtakes.
    pub reorder: Option<u32>,
    /// Share with a bit turned over.
    pub corrupt: Option<u32>,
    /// Most that is carried; 0 for no bound.
    pub rate: Option<u64>,
    /// Most packets on their way; 0 for what is usual.
    pub limit: Option<u32>,
}

impl Amendment {
    /// Everything is as a condition says.
    #[must_use]
    pub fn to(condition: Condition) -> Self {
        let Condition { latency, jitter, loss, duplicate, reorder, corrupt, rate, limit } =
            condition;
        Self {
            latency: Some(latency),
            jitter: Some(jitter),
            loss: Some(loss),
            duplicate: Some(duplicate),
            reorder: Some(reorder),
            corrupt: Some(corrupt),
            rate: Some(rate),
            limit: Some(limit),
        }
    }

    fn amends(&self, was: Condition) -> Condition {
        Condition {
            latency: self.latency.unwrap_or(was.latency),
            jitter: self.jitter.unwrap_or(was.jitter),
            loss: self.loss.unwrap_or(was.loss),
            duplicate: self.duplicate.unwrap_or(was.duplicate),
            reorder: self.reorder.unwrap_or(was.reorder),
            corrupt: self.corrupt.unwrap_or(was.corrupt),
            rate: self.rate.unwrap_or(was.rate),
            limit: self.limit.unwrap_or(was.limit),
        }
    }
}

/// What somebody wants of a link while a lab runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// First all that was said while the lab runs is taken back: the link does what the description says.
    pub clear: bool,
    /// The ways that are meant.
    pub direction: Direction,
    /// What is otherwise.
    pub amendment: Amendment,
    /// What is drawn follows from this number from now on.
    pub seed: Option<u64>,
}

impl Change {
    /// Nothing passes any more.
    #[must_use]
    pub fn cut(direction: Direction) -> Self {
        Self { direction, amendment: Amendment::to(Condition::CUT), ..Self::default() }
    }

    /// As the description says.
    #[must_use]
    pub fn clear() -> Self {
        Self { clear: true, ..Self::default() }
    }

    /// What a link does after the change: `described` is what the description says, `now` what it does.
    #[must_use]
    pub fn of(&self, described: Conditions, now: Conditions) -> Conditions {
        let mut changed = if self.clear { described } else { now };
        let ways = match self.direction {
            Direction::Both => vec![&mut changed.there, &mut changed.back],
            Direction::There => vec![&mut changed.there],
            Direction::Back => vec![&mut changed.back],
        };
        for way in ways {
            *way = self.amendment.amends(*way);
        }
        changed.seed = self.seed.or(changed.seed);
        changed
    }
}

/// Refuses what contradicts itself.
///
/// # Errors
///
/// What does.
pub fn check(way: &Condition) -> Result<(), Failure> {
    let wrong = contradiction(
        (Delay::from_micros(way.latency), Delay::from_micros(way.jitter)),
        Percent::of_thousandths(way.reorder),
        (way.rate > 0).then_some(Bandwidth::from_bits(way.rate)),
        None,
    );
    match wrong {
        Some((message, help)) => Err(Failure::new(message).help(help)),
        None => Ok(()),
    }
}

/// A way of a link in a running lab.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// What is done to packets.
    pub condition: Condition,
    /// What was counted.
    pub counted: Counted,
}

/// What was counted on one way of a link, since what does it does it. None is what is not counted where the kernel does it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Packets that came out.
    pub passed: u64,
    /// Packets that were lost, as was asked.
    pub lost: Option<u64>,
    /// Packets that were doubled.
    pub duplicated: Option<u64>,
    /// Packets that took no latency.
    pub reordered: Option<u64>,
    /// Packets with a bit turned over.
    pub corrupted: Option<u64>,
    /// Packets that were dropped since too many were on their way, or came faster than they were taken.
    pub overflowed: Option<u64>,
}

/// A link of a running lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRow {
    /// Its name.
    pub name: String,
    /// The namespaces at its ends: the way there goes from the first to the second.
    pub ends: [String; 2],
    /// What does what it is to do.
    pub mechanism: Mechanism,
    /// It was said while the lab runs, and is not what the description says.
    pub changed: bool,
    /// The number that what is drawn follows from.
    pub seed: u64,
    /// The way there.
    pub there: Way,
    /// The way back.
    pub back: Way,
    /// Why it does not do what it is to do now, where that is so.
    pub trouble: Option<String>,
}
