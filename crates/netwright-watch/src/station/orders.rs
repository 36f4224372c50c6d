//! What people order: silences of alerts, and windows of maintenance.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Station;
use crate::alert::Silence;
use crate::fleet::Window;

/// Silences and windows at a time.
const MOST: usize = 1_000;

/// The longest that one may last.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

/// Octets of a text of one.
const TEXT: usize = 1_000;

/// What a silence or a window does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cover {
    /// Nobody is told of the alerts.
    Silence,
    /// The things are in maintenance: whatever they do is expected.
    Maintenance,
}

/// A silence or a window that somebody wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// What it does.
    pub kind: Cover,
    /// Alerts that it is about: a name, or a beginning and `*`. All unless given.
    #[serde(default = "all")]
    pub alerts: String,
    /// Things that it is about: a name, which stands for its parts too, or a beginning and `*`. All unless given.
    #[serde(default = "all")]
    pub things: String,
    /// For how long, in seconds.
    pub seconds: f64,
    /// In how long it begins, in seconds; at once unless given.
    #[serde(default)]
    pub begins_in: f64,
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
}

fn all() -> String {
    "*".to_owned()
}

impl Station {
    /// Adds a silence or a window, and gives its number.
    ///
    /// # Errors
    ///
    /// It cannot be: no reason, no end, or too many at a time.
    pub fn cover(&mut self, wanted: &Wanted, now: Duration) -> Result<u64, String> {
        let texts = [&wanted.alerts, &wanted.things, &wanted.who, &wanted.why];
        if texts.iter().any(|text| text.trim().is_empty() || text.len() > TEXT) {
            return Err(format!("what it is about, who and why are texts of 1 to {TEXT} octets"));
        }
        let time = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
        let lasts = time(wanted.seconds).filter(|lasts| !lasts.is_zero() && *lasts <= LONGEST);
        let lasts = lasts.ok_or("it lasts for more than nothing and at most 366 days")?;
        let begins = time(wanted.begins_in).filter(|begins| *begins <= LONGEST);
        let from = now + begins.ok_or("it begins within 366 days")?;
        if self.silences.len() + self.windows.len() >= MOST {
            return Err(format!("{MOST} silences and windows are there already"));
        }
        if wanted.kind == Cover::Maintenance && wanted.alerts != "*" {
            return Err("maintenance is of things, not of alerts".to_owned());
        }
        self.numbered += 1;
        let (id, until) = (self.numbered, from + lasts);
        match wanted.kind {
            Cover::Silence => self.silences.push(Silence {
                id,
                rules: wanted.alerts.clone(),
                things: wanted.things.clone(),
                from,
                until,
                who: wanted.who.clone(),
                why: wanted.why.clone(),
            }),
            Cover::Maintenance => {
                let why = format!("{}: {}", wanted.who, wanted.why);
                let window = Window { things: wanted.things.clone(), from, until, why };
                self.windows.push((id, window));
            }
        }
        let (word, things) = (wanted.kind.word(), &wanted.things);
        self.note(&format!("{word} {id} of {things} by {}: {}", wanted.who, wanted.why), now);
        self.obey();
        Ok(id)
    }

    /// Ends a silence or a window before its time; whether there was one of that number.
    pub fn lift(&mut self, id: u64, now: Duration) -> bool {
        let before = self.silences.len() + self.windows.len();
        self.silences.retain(|silence| silence.id != id);
        self.windows.retain(|(own, _)| *own != id);
        let lifted = self.silences.len() + self.windows.len() < before;
        if lifted {
            self.note(&format!("{id} was lifted"), now);
            self.obey();
        }
        lifted
    }

    /// Those whose time is over are no more.
    pub(super) fn forget(&mut self, now: Duration) {
        self.silences.retain(|silence| now < silence.until);
        self.windows.retain(|(_, window)| now < window.until);
    }

    /// The watcher goes by what is ordered now.
    pub(super) fn obey(&mut self) {
        self.watcher.silences(self.silences.clone());
        self.watcher.windows(self.windows.iter().map(|(_, window)| window.clone()).collect());
    }
}

impl Cover {
    /// As it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Maintenance => "maintenance",
        }
    }
}
