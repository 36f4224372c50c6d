//! Faults whose steps have not ended, and what is due of each: its turns, and its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::schedule::Turns;

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// A fault goes on; what it is then called is told to [`Active::is_on`], with the place.
    On {
        /// Where it stands among those that are active.
        place: usize,
        /// Its number.
        fault: usize,
    },
    /// An episode ends.
    Off(usize),
}

/// A fault whose step has not ended.
#[derive(Debug)]
struct Step {
    fault: usize,
    ends: Instant,
    turns: VecDeque<(Instant, bool)>,
    /// Its episode, while it is on.
    on: Option<usize>,
}

/// The faults whose steps have not ended.
#[derive(Debug, Default)]
pub(crate) struct Active(Vec<Step>);

impl Active {
    /// A fault lasts for a time, by turns where it has some. The first turn has begun: it is on.
    pub(crate) fn begin(
        &mut self,
        (fault, episode): (usize, usize),
        turns: Option<Turns>,
        (begins, length): (Instant, Duration),
    ) {
        let turns = turns.map_or_else(Vec::new, |turns| turns.within(length));
        let turns = turns.into_iter().skip(1).map(|(at, on)| (begins + at, on)).collect();
        self.0.push(Step { fault, ends: begins + length, turns, on: Some(episode) });
    }

    /// What is due at a moment; nothing is forgotten where it is asked until there is nothing. A fault that has no turns left may last `longer`.
    pub(crate) fn due(&mut self, time: Instant, longer: Duration) -> Option<Due> {
        for place in (0..self.0.len()).rev() {
            let step = &mut self.0[place];
            while let Some((_, on)) = step.turns.front().copied().filter(|(at, _)| *at <= time) {
                step.turns.pop_front();
                match (step.on.take(), on) {
                    (None, true) => return Some(Due::On { place, fault: step.fault }),
                    (Some(episode), false) => return Some(Due::Off(episode)),
                    (same, _) => step.on = same,
                }
            }
            let longer = if step.turns.is_empty() { longer } else { Duration::ZERO };
            if step.ends + longer <= time {
                let ended = self.0.remove(place);
                if let Some(episode) = ended.on {
                    return Some(Due::Off(episode));
                }
            }
        }
        None
    }

    /// A fault that was due has gone on.
    pub(crate) fn is_on(&mut self, place: usize, episode: usize) {
        self.0[place].on = Some(episode);
    }

    /// Whether any step has not ended.
    pub(crate) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether the step of a fault has not ended.
    pub(crate) fn holds(&self, fault: usize) -> bool {
        self.0.iter().any(|step| step.fault == fault)
    }

    /// The faults that are on, with their episodes.
    pub(crate) fn on(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().filter_map(|step| Some((step.fault, step.on?)))
    }

    /// All end: the episodes of those that are on.
    pub(crate) fn end_all(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.0).into_iter().filter_map(|step| step.on).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn all(active: &mut Active, time: Instant, longer: Duration) -> Vec<Due> {
        let mut all = Vec::new();
        while let Some(due) = active.due(time, longer) {
            if let Due::On { place, fault } = due {
                active.is_on(place, 100 + fault);
            }
            all.push(due);
        }
        all
    }

    #[test]
    fn a_fault_without_turns_is_on_until_its_step_ends_or_longer_where_that_is_allowed() {
        let (mut active, begins) = (Active::default(), Instant::now());
        active.begin((3, 7), None, (begins, 5 * SECOND));
        assert_eq!(all(&mut active, begins + 4 * SECOND, Duration::ZERO), []);
        assert!(active.any() && active.holds(3) && active.on().eq([(3, 7)]));
        assert_eq!(all(&mut active, begins + 6 * SECOND, 2 * SECOND), []);
        assert_eq!(all(&mut active, begins + 6 * SECOND, Duration::ZERO), [Due::Off(7)]);
        assert!(!active.any());
    }

    #[test]
    fn a_fault_with_turns_goes_off_and_on_and_turns_that_were_missed_are_made_up_for() {
        let (mut active, begins) = (Active::default(), Instant::now());
        let turns = Turns { on: SECOND, off: SECOND, jitter: 0, seed: 1 };
        active.begin((0, 7), Some(turns), (begins, 4 * SECOND));
        assert_eq!(all(&mut active, begins + SECOND / 2, Duration::ZERO), []);
        assert_eq!(all(&mut active, begins + SECOND, Duration::ZERO), [Due::Off(7)]);
        let late = all(&mut active, begins + 9 * SECOND, Duration::ZERO);
        assert_eq!(late, [Due::On { place: 0, fault: 0 }, Due::Off(100)]);
        assert!(!active.any());
    }
}
