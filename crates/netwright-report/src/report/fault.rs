//! What was broken, the proof that it was, and that it is no longer.

use serde::{Deserialize, Serialize};

use crate::{Moment, Span, Verdict};

/// A fault that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Tells it from the run's other faults.
    pub id: String,
    /// What kind: `cut`, `initiation_only`, `latency`, `dns`, `pause` and the like.
    pub kind: String,
    /// How: `drop`, `reject`, `500 ms`, `SIGSTOP`.
    #[serde(default)]
    pub how: Option<String>,
    /// One end of the link, or what was broken where it is no link.
    pub from: String,
    /// The other end; `None` where it is no link.
    #[serde(default)]
    pub to: Option<String>,
    /// Which way.
    #[serde(default)]
    pub direction: Direction,
    /// When it was asked for.
    pub requested: Moment,
    /// When it was in force, as read back; `None` if that was never seen.
    #[serde(default)]
    pub effective: Option<Moment>,
    /// When its end was asked for.
    #[serde(default)]
    pub ending: Option<Moment>,
    /// When it was gone, as read back; `None` if that was never seen.
    #[serde(default)]
    pub removed: Option<Moment>,
    /// What the fault's own counters counted; `None` where it has none, or they could not be read.
    #[serde(default)]
    pub touched: Option<Touched>,
    /// How many probes felt it; `None` where none could have.
    #[serde(default)]
    pub felt: Option<u64>,
    /// Where the counters are, or other proof, in words.
    #[serde(default)]
    pub proof: Option<String>,
}

impl Fault {
    /// Whether it bit. What cannot be proved either way is `None`.
    #[must_use]
    pub fn bit(&self) -> Option<bool> {
        let counted = self.touched.map(|touched| touched.packets > 0);
        let felt = self.felt.map(|probes| probes > 0);
        match (counted, felt) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), _) | (_, Some(false)) => Some(false),
            (None, None) => None,
        }
    }

    /// What was broken, as `gateway → postgres`.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.to {
            Some(to) => format!("{} {} {to}", self.from, self.direction.arrow()),
            None => self.from.clone(),
        }
    }
}

/// Which way along a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// From the first end to the second.
    Forward,
    /// From the second end to the first.
    Back,
}

impl Direction {
    /// The arrow that stands between the two ends.
    #[must_use]
    pub const fn arrow(self) -> &'static str {
        match self {
            Self::Both => "↔",
            Self::Forward => "→",
            Self::Back => "←",
        }
    }
}

/// What the counters of a fault counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Packets dropped, held, delayed or changed.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
}

/// How the breaking was bounded, and whether all of it was undone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Safety {
    /// How many pairs were cut at most.
    pub cut: Option<u64>,
    /// Of how many pairs there are.
    pub of: Option<u64>,
    /// How many were allowed.
    pub ceiling: Option<u64>,
    /// How long a fault outlives its controller.
    pub lease: Option<Span>,
    /// What was never to be touched, hosts and ports.
    pub protected: Vec<String>,
    /// Whether everything was undone, as read back.
    pub rolled_back: Verdict,
    /// What was left behind.
    pub leftovers: Vec<String>,
}
