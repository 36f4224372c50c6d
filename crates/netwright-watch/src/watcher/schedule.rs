//! Who is asked when.
//!
//! Targets are spread over their interval by their names, so that a thousand that are watched from one moment on are not asked in one moment, and
//! each pause is shortened by up to a tenth, so that they do not come together later. A probe that is not answered within the interval in
//! transition is a reason to ask again without waiting for its end; so many probes of one target are under way at a time as it takes
//! failures to be unhealthy.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use rustc_hash::FxHasher;

use super::Target;
use crate::fleet::Fleet;

/// Somebody to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Whom.
    pub target: String,
    /// How often it was asked, with this time.
    pub attempt: u32,
    /// How long its answer may take.
    pub time_out: Duration,
}

/// What is known of a target.
#[derive(Debug, Clone)]
struct Entry {
    /// How often it was asked.
    attempt: u32,
    /// The newest of its probes that have ended.
    ended: u32,
    /// When each of its probes that are under way began.
    under_way: Vec<(u32, Duration)>,
    /// When it was asked last.
    began: Option<Duration>,
    /// When it is looked at next.
    due: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Schedule {
    entries: BTreeMap<String, Entry>,
    /// Times and targets; what does not agree with the target's own time is left over.
    queue: BinaryHeap<Reverse<(Duration, String)>>,
}

/// A number between 0 and 1 that a name and a count always give.
fn drawn(name: &str, count: u32) -> f64 {
    let mut hasher = FxHasher::default();
    (name, count).hash(&mut hasher);
    let bits = u32::try_from(hasher.finish() >> 32).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX)
}

impl Schedule {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn plan(&mut self, targets: &[Target], now: Duration) {
        let mut old = std::mem::take(&mut self.entries);
        self.queue.clear();
        for Target { name, profile, .. } in targets {
            let entry = old.remove(name).unwrap_or_else(|| Entry {
                attempt: 0,
                ended: 0,
                under_way: Vec::new(),
                began: None,
                due: now + profile.interval.min(profile.in_transition * 5).mul_f64(drawn(name, 0)),
            });
            self.queue.push(Reverse((entry.due, name.clone())));
            self.entries.insert(name.clone(), entry);
        }
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.queue.peek().map(|Reverse((due, _))| *due)
    }

    /// Who is asked now, and whose probes were never heard of again.
    pub(super) fn due(&mut self, now: Duration, fleet: &Fleet) -> (Vec<Ask>, Vec<String>) {
        let (mut asks, mut lost) = (Vec::new(), Vec::new());
        while let Some(Reverse((due, _))) = self.queue.peek()
            && *due <= now
        {
            let Some(Reverse((due, name))) = self.queue.pop() else { break };
            let (Some(entry), Some(thing)) = (self.entries.get_mut(&name), fleet.get(&name)) else {
                continue;
            };
            if entry.due != due {
                continue;
            }
            let profile = &thing.profile;
            let before = entry.under_way.len();
            entry
                .under_way
                .retain(|(_, began)| now < *began + profile.time_out * 2 + profile.interval);
            lost.extend((entry.under_way.len()..before).map(|_| name.clone()));
            let room = entry.under_way.len() < profile.down.max(1) as usize;
            if room {
                entry.attempt = entry.attempt.wrapping_add(1);
                entry.under_way.push((entry.attempt, now));
                entry.began = Some(now);
                asks.push(Ask {
                    target: name.clone(),
                    attempt: entry.attempt,
                    time_out: profile.time_out,
                });
            }
            entry.due = now + profile.in_transition;
            self.queue.push(Reverse((entry.due, name)));
        }
        (asks, lost)
    }

    /// A probe ended: whether it is the newest that has.
    pub(super) fn ended(&mut self, ask: &Ask) -> bool {
        let Some(entry) = self.entries.get_mut(&ask.target) else { return false };
        entry.under_way.retain(|(attempt, _)| *attempt != ask.attempt);
        let newest = ask.attempt > entry.ended;
        entry.ended = entry.ended.max(ask.attempt);
        newest
    }

    /// After a result: when the target is asked again.
    pub(super) fn again(&mut self, name: &str, fleet: &Fleet, now: Duration) {
        let (Some(entry), Some(thing)) = (self.entries.get_mut(name), fleet.get(name)) else {
            return;
        };
        let Some(began) = entry.began else { return };
        let interval = thing.health.interval(now, &thing.profile);
        let interval = interval.mul_f64(1.0 - drawn(name, entry.attempt) / 10.0);
        let due = (began + interval).max(now);
        // What is under way is waited for no longer than before.
        if !entry.under_way.is_empty() && due > entry.due {
            return;
        }
        entry.due = due;
        self.queue.push(Reverse((due, name.to_owned())));
    }
}
