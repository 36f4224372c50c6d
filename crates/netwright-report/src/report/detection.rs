//! What was broken against what was seen of it, for each direction of each link.

use serde::{Deserialize, Serialize};

use crate::{Moment, Span};

/// What a direction of a link is like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Packets arrive and connections open.
    Up,
    /// Nothing arrives.
    Down,
    /// The other direction alone is down.
    OneWay,
    /// What was open goes on; nothing new opens.
    InitiationOnly,
    /// It works, too slowly.
    Slow,
    /// It goes up and down.
    Flapping,
    /// The address cannot be found out.
    DnsBroken,
    /// Nobody knows: no result is not a good result.
    #[default]
    Unknown,
}

impl Status {
    /// Each status, the best first.
    pub const ALL: [Self; 8] = [
        Self::Up,
        Self::Slow,
        Self::Flapping,
        Self::DnsBroken,
        Self::InitiationOnly,
        Self::OneWay,
        Self::Down,
        Self::Unknown,
    ];

    /// The words for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::OneWay => "one-way",
            Self::InitiationOnly => "initiation only",
            Self::Slow => "slow",
            Self::Flapping => "flapping",
            Self::DnsBroken => "DNS broken",
            Self::Unknown => "unknown",
        }
    }
}

/// One direction of a link: what was done to it and what was seen of it. The moments split the time that seeing took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    /// Where packets come from.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// The fault that was to be seen; `None` where none was made.
    #[serde(default)]
    pub fault: Option<String>,
    /// What should have been seen; `None` where nothing was broken.
    #[serde(default)]
    pub injected: Option<Status>,
    /// What was seen.
    #[serde(default)]
    pub seen: Status,
    /// When the fault was asked for.
    #[serde(default)]
    pub requested: Option<Moment>,
    /// When the first packet was dropped.
    #[serde(default)]
    pub first_drop: Option<Moment>,
    /// When the first probe did not come back.
    #[serde(default)]
    pub first_miss: Option<Moment>,
    /// When the change was declared.
    #[serde(default)]
    pub declared: Option<Moment>,
    /// When somebody who asked would have been told.
    #[serde(default)]
    pub visible: Option<Moment>,
    /// When it was declared well again.
    #[serde(default)]
    pub cleared: Option<Moment>,
}

/// How injected and seen go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sighting {
    /// What was broken was seen.
    Detected,
    /// Something was seen, but not what was broken.
    Misjudged,
    /// Nothing was seen of what was broken.
    Missed,
    /// Something was seen where nothing was broken.
    FalseAlarm,
    /// Nothing was broken and nothing was seen.
    Quiet,
    /// The probes said nothing.
    Unknown,
}

impl Sighting {
    /// The words for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Misjudged => "misjudged",
            Self::Missed => "missed",
            Self::FalseAlarm => "false alarm",
            Self::Quiet => "quiet",
            Self::Unknown => "unknown",
        }
    }
}

impl Detection {
    /// How injected and seen go together.
    #[must_use]
    pub fn sighting(&self) -> Sighting {
        let injected = self.injected.filter(|status| *status != Status::Up);
        match (injected, self.seen) {
            (_, Status::Unknown) => Sighting::Unknown,
            (None, Status::Up) => Sighting::Quiet,
            (None, _) => Sighting::FalseAlarm,
            (Some(_), Status::Up) => Sighting::Missed,
            (Some(injected), seen) if injected == seen => Sighting::Detected,
            (Some(_), _) => Sighting::Misjudged,
        }
    }

    /// From the request to the declaration; `None` where either is missing.
    #[must_use]
    pub fn took(&self) -> Option<Span> {
        Some(self.declared?.since(self.requested?))
    }
}

/// What the probes said of one direction of a link over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStates {
    /// Where packets come from.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// What was seen, in order of time; each holds until the next. Before the first, nothing is known.
    pub seen: Vec<Change>,
}

/// A status from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// From when.
    pub at: Moment,
    /// What it is like.
    pub status: Status,
}

impl LinkStates {
    /// What was known at a moment.
    #[must_use]
    pub fn at(&self, moment: Moment) -> Status {
        let before = self.seen.iter().take_while(|change| change.at <= moment).last();
        before.map_or(Status::Unknown, |change| change.status)
    }
}
