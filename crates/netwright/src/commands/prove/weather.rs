//! What links of a lab do to packets on their way, as far as it matters to a proof: answers take longer, and some never come though nothing
//! stops them. Verdicts do not depend on it, so what did not come is asked again until chance has no part in it any more.

use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_dataplane::plan::Condition;
use netwright_lab::control;
use netwright_lab::link::LinkRow;
use netwright_lab::probe::Seen;

use super::questions::Question;

/// Links of one way, of those that do most: a path crosses the links of both machines and seldom more than two others that do something.
const CROSSED: usize = 4;
/// Round trips that a transfer takes at most: connecting, growing, and finding the largest packet.
const ROUND_TRIPS: u64 = 12;
/// Octets of a transfer, both ways.
const TRANSFER: u64 = 80_000;
/// How unlikely it is to be that chance alone kept all answers of a question away.
const UNLIKELY: f64 = 1e-6;
/// Most rounds of asking.
const ROUNDS: u32 = 40;
/// Longest wait for one round over links that do nothing, and over any, in milliseconds.
const USUAL: u64 = 5_000;
const LONGEST: u64 = 60_000;
/// How long what moves the frames of links may take to do so.
const READY: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);
/// Everything, in thousandths of a percent.
const ALL: f64 = 100_000.0;

/// What a proof has to reckon with.
#[derive(Debug, Default)]
pub(super) struct Weather {
    /// Milliseconds that an answer may take longer.
    longer: u64,
    /// How often what did not come is asked, so that chance has no part in it; 1 where nothing is lost.
    pub(super) rounds: u32,
    /// Links that lose some packets, with what they do.
    pub(super) lossy: Vec<String>,
    /// Links that lose all packets of a way.
    pub(super) cut: Vec<String>,
    /// Questions that were asked again and then answered as predicted.
    pub(super) repaired: usize,
}

impl Weather {
    /// What the links of a lab do, when they do it.
    pub(super) fn of(
        lab: &str,
        questions: &[Question],
    ) -> Result<Self, netwright_lab::failure::Failure> {
        let begun = Instant::now();
        let links = loop {
            let links = control::links(lab)?;
            let ready = links.iter().all(|link| link.trouble.is_none());
            if ready || begun.elapsed() > READY {
                break links;
            }
            pause(LOOK);
        };
        let transfers = questions.iter().filter(|question| question.is_transfer()).count() as u64;
        Ok(Self::from(&links, transfers))
    }

    fn from(links: &[LinkRow], transfers: u64) -> Self {
        let ways: Vec<&Condition> =
            links.iter().flat_map(|link| [&link.there.condition, &link.back.condition]).collect();
        let mut slow: Vec<u64> = ways.iter().map(|way| way.latency + way.jitter).collect();
        slow.sort_unstable_by(|one, other| other.cmp(one));
        let trip: u64 = slow.iter().take(CROSSED).sum::<u64>().div_ceil(1000);
        let rate = ways.iter().map(|way| way.rate).filter(|rate| *rate > 0).min();
        let sending = rate.map_or(0, |rate| {
            transfers.max(1).saturating_mul(TRANSFER * 8 * 1000).checked_div(rate).unwrap_or(0)
        });
        let mut gone: Vec<f64> = ways.iter().map(|way| lost(way)).filter(|p| *p < 1.0).collect();
        gone.sort_unstable_by(|one, other| other.total_cmp(one));
        let arrives: f64 = gone.iter().take(CROSSED).map(|p| 1.0 - p).product();
        let named = |is: &dyn Fn(f64) -> bool| -> Vec<String> {
            let both = |link: &&LinkRow| {
                [&link.there, &link.back].iter().any(|way| is(lost(&way.condition)))
            };
            links.iter().filter(both).map(|link| link.name.clone()).collect()
        };
        Self {
            longer: (trip * 2 * ROUND_TRIPS + sending).min(LONGEST),
            rounds: rounds(arrives * arrives),
            lossy: named(&|p| p > 0.0 && p < 1.0),
            cut: named(&|p| p >= 1.0),
            repaired: 0,
        }
    }

    /// How long an answer may take, in milliseconds, where it may take so long over links that do nothing.
    pub(super) fn patience(&self, wait: u64) -> u64 {
        wait.saturating_add(self.longer).min(LONGEST)
    }

    /// Whether what did not come may have been lost by chance.
    pub(super) fn is_lossy(&self) -> bool {
        self.rounds > 1
    }

    /// Asks once more what did not come though it was to, and, where links lose packets, what did not come as it was not to: that may have
    /// been chance. `usual` rounds are asked in any case, each with more patience.
    pub(super) fn again(
        &mut self,
        lab: &str,
        questions: &[Question],
        seen: &mut [Seen],
        (wait, usual): (u64, u32),
    ) {
        let missed_first: Vec<bool> =
            questions.iter().zip(&*seen).map(|(question, seen)| question.missed(seen)).collect();
        for round in 1..=usual.max(self.rounds.saturating_sub(1)) {
            let open: Vec<usize> = (0..seen.len())
                .filter(|at| {
                    questions[*at].missed(&seen[*at])
                        || (round < self.rounds && questions[*at].stays_away(&seen[*at]))
                })
                .collect();
            if open.is_empty() {
                break;
            }
            let probes: Vec<_> = open.iter().map(|at| questions[*at].probe.clone()).collect();
            let longer = wait.saturating_mul(4_u64.pow(round.min(usual))).min(wait.max(USUAL));
            // Where links lose packets, more rounds help and not longer ones.
            let wait = if self.is_lossy() { wait } else { longer };
            // Where the lab does not answer any more, what was seen first stands.
            let Ok(found) = control::probe(lab, &probes, self.patience(wait)) else { break };
            for (at, found) in open.into_iter().zip(found) {
                // What came once is evidence, whatever is lost afterwards.
                if !questions[at].is_refuted(&seen[at]) {
                    seen[at] = found;
                }
            }
        }
        let repaired = missed_first
            .iter()
            .zip(questions.iter().zip(&*seen))
            .filter(|(missed, (question, seen))| **missed && question.agrees(seen));
        self.repaired = repaired.count();
    }
}

/// The share of packets that do not arrive as they were sent.
fn lost(way: &Condition) -> f64 {
    1.0 - (1.0 - f64::from(way.loss) / ALL) * (1.0 - f64::from(way.corrupt) / ALL)
}

/// How often to ask what is answered with a probability, so that it is unlikely that no answer comes.
fn rounds(answered: f64) -> u32 {
    if answered >= 1.0 {
        return 1;
    }
    let mut silent = 1.0;
    for round in 1..=ROUNDS {
        silent *= 1.0 - answered;
        if silent < UNLIKELY {
            return round;
        }
    }
    ROUNDS
}

#[cfg(test)]
mod tests {
    use netwright_dataplane::plan::Condition;
    use netwright_dataplane::plan::emulation::Mechanism;
    use netwright_lab::link::{LinkRow, Way};

    use super::{ROUNDS, Weather, rounds};

    fn link(there: Condition) -> LinkRow {
        LinkRow {
            name: "instance/a".to_owned(),
            ends: ["instance/a".to_owned(), "vpc/v".to_owned()],
            mechanism: Mechanism::Relay,
            changed: false,
            seed: 1,
            there: Way { condition: there, ..Way::default() },
            back: Way::default(),
            trouble: None,
        }
    }

    #[test]
    fn what_is_lost_more_often_is_asked_more_often() {
        assert_eq!(rounds(1.0), 1);
        assert_eq!(rounds(0.99), 4);
        assert_eq!(rounds(0.5), 20);
        assert_eq!(rounds(0.01), ROUNDS);
    }

    #[test]
    fn a_proof_waits_longer_for_what_takes_longer_and_asks_again_what_may_be_lost() {
        let fine = Weather::from(&[link(Condition::default())], 10);
        assert_eq!((fine.patience(500), fine.rounds), (500, 1));
        let slow = Condition { latency: 100_000, ..Condition::default() };
        assert!(Weather::from(&[link(slow)], 10).patience(500) > 2_000);
        let lossy = Weather::from(&[link(Condition { loss: 1_000, ..slow })], 10);
        assert!(lossy.is_lossy() && lossy.lossy == ["instance/a"] && lossy.cut.is_empty());
        let cut = Weather::from(&[link(Condition::CUT)], 10);
        assert!(!cut.is_lossy() && cut.lossy.is_empty() && cut.cut == ["instance/a"]);
    }
}
