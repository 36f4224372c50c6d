//! What a process sees of its own links: each is probed all the time, on the protocol that is used over it.
//!
//! [`Link`] is pure: it is told of probes, and says how the link is and since when. Who sees nothing says `unknown`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// So many misses in a row, and a link is down.
const MISSES: u32 = 2;

/// How a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Health {
    /// It was not probed often enough.
    #[default]
    Unknown,
    /// Probes come back.
    Up,
    /// They come back late.
    Slow,
    /// They do not.
    Down,
}

/// A link. Times are milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// How it is.
    pub(crate) status: Health,
    /// Since when: of one that is down, since its first miss.
    pub(crate) since: u64,
    /// When it was probed last.
    pub(crate) probed: u64,
    /// How long the last probe took that came back, in milliseconds.
    pub(crate) latency_ms: Option<u64>,
    /// Why the last one did not.
    pub(crate) why: Option<String>,
    /// Misses in a row.
    misses: u32,
    first_miss: u64,
}

/// A cut, from its first miss to its first answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cut {
    /// The link.
    pub(crate) link: String,
    /// When its first probe was missed, in milliseconds since 1970.
    pub(crate) began: u64,
    /// How long it took to say that it is down, in milliseconds.
    pub(crate) detected_after: u64,
    /// When it was over.
    pub(crate) ended: Option<u64>,
}

/// What a probe changed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    None,
    WentDown { began: u64 },
    CameUp { began: u64 },
}

impl Link {
    /// Hears of a probe that was sent at `at` and ended at `now`.
    fn hear(
        &mut self,
        at: u64,
        now: u64,
        result: Result<Duration, String>,
        slow: Duration,
    ) -> Change {
        let was = self.status;
        self.probed = now;
        match result {
            Ok(took) => {
                self.status = if took > slow { Health::Slow } else { Health::Up };
                self.latency_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                (self.misses, self.why) = (0, None);
            }
            Err(why) => {
                if self.misses == 0 {
                    self.first_miss = at;
                }
                self.misses = self.misses.saturating_add(1);
                self.why = Some(why);
                if self.misses >= MISSES {
                    self.status = Health::Down;
                }
            }
        }
        if self.status == was {
            return Change::None;
        }
        let began = self.since;
        self.since = if self.status == Health::Down { self.first_miss } else { now };
        match (was, self.status) {
            // What was never up is down, and was not cut.
            (Health::Unknown, Health::Down) => Change::None,
            (_, Health::Down) => Change::WentDown { began: self.since },
            (Health::Down, _) => Change::CameUp { began },
            _ => Change::None,
        }
    }
}

/// The links of a process.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: Mutex<BTreeMap<String, Link>>,
    cuts: Mutex<Vec<Cut>>,
}

/// The most cuts that are remembered before they are written down.
const CUTS: usize = 1000;

impl Links {
    fn cuts_held(&self) -> MutexGuard<'_, Vec<Cut>> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of a probe.
    pub(crate) fn hear(
        &self,
        link: &str,
        at: u64,
        now: u64,
        result: Result<Duration, String>,
        slow: Duration,
    ) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let change = links.entry(link.to_owned()).or_default().hear(at, now, result, slow);
        let mut cuts = self.cuts_held();
        match change {
            Change::None => {}
            Change::WentDown { began } => {
                tracing::warn!(link, "a link is down");
                if cuts.len() < CUTS {
                    let detected_after = now.saturating_sub(began);
                    cuts.push(Cut { link: link.to_owned(), began, detected_after, ended: None });
                }
            }
            Change::CameUp { began } => {
                tracing::info!(link, "a link is up again");
                for cut in cuts.iter_mut().filter(|cut| cut.link == link && cut.began == began) {
                    cut.ended = Some(now);
                }
            }
        }
    }

    /// All links, by name.
    pub(crate) fn all(&self) -> BTreeMap<String, Link> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cuts that were seen, oldest first.
    pub(crate) fn cuts(&self) -> Vec<Cut> {
        self.cuts_held().clone()
    }

    /// Forgets cuts that are over and were written down.
    pub(crate) fn written(&self, written: &[Cut]) {
        self.cuts_held().retain(|cut| cut.ended.is_none() || !written.contains(cut));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Change, Health, Link, Links};

    const SLOW: Duration = Duration::from_millis(200);

    fn missed() -> Result<Duration, String> {
        Err("no answer".to_owned())
    }

    fn took(milliseconds: u64) -> Result<Duration, String> {
        Ok(Duration::from_millis(milliseconds))
    }

    #[test]
    fn one_miss_is_not_a_cut_and_two_are_one_since_the_first() {
        let mut link = Link::default();
        assert_eq!(link.status, Health::Unknown);
        link.hear(0, 1, took(1), SLOW);
        assert_eq!(link.hear(1000, 1500, missed(), SLOW), Change::None);
        assert_eq!(link.status, Health::Up);
        assert_eq!(link.hear(2000, 2500, missed(), SLOW), Change::WentDown { began: 1000 });
        assert_eq!((link.status, link.since), (Health::Down, 1000));
        assert_eq!(link.hear(3000, 3500, missed(), SLOW), Change::None);
        assert_eq!(link.hear(4000, 4001, took(1), SLOW), Change::CameUp { began: 1000 });
        assert_eq!((link.status, link.since), (Health::Up, 4001));
    }

    #[test]
    fn a_late_answer_is_slow_and_no_cut() {
        let mut link = Link::default();
        link.hear(0, 1, took(1), SLOW);
        assert_eq!(link.hear(10, 510, took(500), SLOW), Change::None);
        assert_eq!((link.status, link.since), (Health::Slow, 510));
    }

    #[test]
    fn a_cut_is_forgotten_when_it_is_over_and_written_down_and_not_before() {
        let links = Links::default();
        links.hear("never up", 0, 500, missed(), SLOW);
        links.hear("never up", 1000, 1500, missed(), SLOW);
        assert_eq!((links.all()["never up"].status, links.cuts()), (Health::Down, Vec::new()));
        links.hear("database", 0, 1, took(1), SLOW);
        for at in [10, 1000] {
            links.hear("database", at, at + 500, missed(), SLOW);
        }
        let open = links.cuts();
        assert_eq!(open[0].detected_after, 1490);
        links.written(&open);
        assert_eq!(links.cuts().len(), 1);
        links.hear("database", 2000, 2001, took(1), SLOW);
        links.written(&open);
        assert_eq!(links.cuts()[0].ended, Some(2001));
        links.written(&links.cuts());
        assert!(links.cuts().is_empty());
    }
}
