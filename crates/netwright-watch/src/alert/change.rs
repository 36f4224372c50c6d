//! What was changed, and how long before something went wrong.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Something that somebody changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeEvent {
    /// When.
    pub at: Duration,
    /// What, as a clause: `network revision 41 was applied`.
    pub what: String,
    /// Who, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// Changes that are remembered, the newest last.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    events: VecDeque<ChangeEvent>,
}

/// Changes that are remembered at most.
const REMEMBERED: usize = 1_000;

/// Changes beside an alert at most.
const BESIDE: usize = 3;

/// A change that is older than this stands beside no alert.
const OLD: Duration = Duration::from_secs(14 * 24 * 3600);

impl Changes {
    /// Something was changed. Events come in any order.
    pub fn add(&mut self, event: ChangeEvent) {
        let at = self.events.partition_point(|other| other.at <= event.at);
        self.events.insert(at, event);
        if self.events.len() > REMEMBERED {
            self.events.pop_front();
        }
    }

    /// All that are remembered, the newest last.
    pub fn iter(&self) -> impl Iterator<Item = &ChangeEvent> {
        self.events.iter()
    }

    /// The last changes before a moment, the latest first, as people read it.
    #[must_use]
    pub fn before(&self, moment: Duration) -> Vec<String> {
        let events = self.events.iter().rev().skip_while(|event| event.at > moment);
        let events = events.take_while(|event| moment - event.at <= OLD).take(BESIDE);
        let told = events.map(|event| {
            let by = event.who.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
            format!("{}{by} {} before", event.what, lasted(moment - event.at))
        });
        told.collect()
    }
}

/// A length of time in two digits or so: `37 h`.
#[must_use]
pub fn lasted(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => "less than a second".to_owned(),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
