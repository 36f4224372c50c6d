//! Many probes side by side: each with its own time-out, all under one budget, spread so that they do not start at once.
//!
//! Where there is no place in the budget when a probe is due, its outcome is unknown, and says so: a watcher that is too busy to ask may not
//! look like a peer that is well, nor like one that is not.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};

use super::outcome::{Outcome, Verdict};
use super::prober::Prober;
use super::target::Spec;

/// Probes that go on at a time, where nothing else is said.
pub const BUDGET: usize = 1_024;

/// A probe that is asked again and again.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is asked.
    pub spec: Arc<Spec>,
    /// From one beginning to the next.
    pub every: Duration,
}

/// Numbers that look like chance and follow from a seed (`SplitMix64`).
#[derive(Clone, Copy, Debug)]
pub struct Chance(u64);

impl Chance {
    /// From a seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Some part of a time.
    pub fn part(&mut self, of: Duration) -> Duration {
        let most = u64::try_from(of.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.number() % most)
    }
}

/// Asks each once; the outcomes are in the order of the specs. They begin within `spread`.
pub async fn round(
    prober: &Arc<Prober>,
    specs: &[Arc<Spec>],
    budget: usize,
    spread: Duration,
    seed: u64,
) -> Vec<Outcome> {
    let places = Arc::new(Semaphore::new(budget.max(1)));
    let mut chance = Chance::of(seed);
    let mut asked = Vec::with_capacity(specs.len());
    for spec in specs {
        let (prober, spec, places, wait) =
            (prober.clone(), spec.clone(), places.clone(), chance.part(spread));
        asked.push(tokio::spawn(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            // Its time-out begins when it is asked, not while it waits for a place.
            let _place = places.acquire_owned().await;
            prober.ask(&spec, 1).await
        }));
    }
    let mut outcomes = Vec::with_capacity(asked.len());
    for task in asked {
        let outcome = task.await;
        outcomes.push(outcome.unwrap_or_else(|_| not_asked(prober, 1, "the probe itself failed")));
    }
    outcomes
}

/// Asks each again and again until `until` ends, and sends what came of it with its place among the entries. Where nobody takes outcomes, they
/// wait, and probes that come due meanwhile are told as unknown later.
pub async fn steady(
    prober: Arc<Prober>,
    entries: &[Entry],
    budget: usize,
    seed: u64,
    outcomes: mpsc::Sender<(usize, Outcome)>,
    until: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(budget.max(1)));
    let mut chance = Chance::of(seed);
    let begun = Instant::now();
    let mut due: BinaryHeap<Reverse<(Instant, usize, u32)>> =
        BinaryHeap::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        due.push(Reverse((begun + chance.part(entry.every), index, 1)));
    }
    let busy: Vec<Arc<AtomicBool>> =
        entries.iter().map(|_| Arc::new(AtomicBool::new(false))).collect();
    let mut until = std::pin::pin!(until);
    while let Some(Reverse((at, index, attempt))) = due.pop() {
        let now = Instant::now();
        if at > now {
            tokio::select! {
                biased;
                () = &mut until => return,
                () = tokio::time::sleep_until(at.into()) => {}
            }
        }
        let entry = &entries[index];
        let every = entry.every.max(Duration::from_millis(1));
        // Times follow from the first one, so that what is late once is not late for ever; times that are over are left out.
        let next = at + every;
        due.push(Reverse((
            if next < now { now + every } else { next },
            index,
            attempt.saturating_add(1),
        )));
        // A probe that goes on is not asked beside itself: its outcome is to come.
        if busy[index].swap(true, Ordering::AcqRel) {
            continue;
        }
        let busy = busy[index].clone();
        let Ok(place) = places.clone().try_acquire_owned() else {
            busy.store(false, Ordering::Release);
            let outcome = not_asked(&prober, attempt, "no place in the budget of probes");
            tokio::select! {
                () = &mut until => return,
                sent = outcomes.send((index, outcome)) => if sent.is_err() { return },
            }
            continue;
        };
        let (prober, spec, outcomes) = (prober.clone(), entry.spec.clone(), outcomes.clone());
        tokio::spawn(async move {
            let outcome = prober.ask(&spec, attempt).await;
            busy.store(false, Ordering::Release);
            drop(place);
            // Who does not listen any more does not want it.
            let _nobody = outcomes.send((index, outcome)).await;
        });
    }
}

fn not_asked(prober: &Prober, attempt: u32, why: &str) -> Outcome {
    Outcome::bare(Verdict::unknown(why), (prober.clock)(), attempt)
}
