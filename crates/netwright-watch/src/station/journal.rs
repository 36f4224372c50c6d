//! What happened, in order, as far as it is remembered.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::moment;
use crate::alert::Level;
use crate::fault::Domain;
use crate::health::State;

/// Entries that are remembered.
const REMEMBERED: usize = 10_000;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// A thing's state changed.
    State {
        /// The thing.
        thing: String,
        /// What it was.
        from: State,
        /// What it is.
        to: State,
        /// Where the fault lies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault_domain: Option<Domain>,
        /// What its last probe said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// What it depends on and is away: then it is no news.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suppressed_by: Option<String>,
    },
    /// People were told of alerts.
    Notification {
        /// The worst level.
        level: Level,
        /// Of which part of the system.
        component: String,
        /// A line for each alert.
        lines: Vec<String>,
    },
    /// The configuration was read: taken, or refused.
    Configuration {
        /// It was taken; otherwise the one before it goes on.
        taken: bool,
        /// What it is, or what is wrong with it.
        text: String,
    },
    /// Something was changed elsewhere.
    Change {
        /// What, as a clause.
        what: String,
        /// Who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        who: Option<String>,
    },
    /// Anything else, in words.
    Note {
        /// The words.
        text: String,
    },
}

/// Something that happened, with its number and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number; the first is 1.
    pub number: u64,
    /// When, as RFC 3339.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// The last entries.
#[derive(Debug, Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
    last: u64,
}

impl Journal {
    /// Something happened.
    pub fn add(&mut self, at: Duration, what: What) {
        self.last += 1;
        if self.entries.len() == REMEMBERED {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { number: self.last, at: moment(at), what });
    }

    /// The number of the last entry; 0 where there is none.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// What came after a number, the oldest first, so many at most; and how many of them are no more remembered.
    #[must_use]
    pub fn after(&self, number: u64, most: usize) -> (Vec<Entry>, u64) {
        let first = self.entries.front().map_or(self.last + 1, |entry| entry.number);
        let lost = first.saturating_sub(number.saturating_add(1));
        let skip = usize::try_from((number + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        (self.entries.iter().skip(skip).take(most).cloned().collect(), lost)
    }

    /// The last so many, the oldest first.
    pub fn newest(&self, most: usize) -> impl Iterator<Item = &Entry> {
        self.entries.range(self.entries.len().saturating_sub(most)..)
    }
}
