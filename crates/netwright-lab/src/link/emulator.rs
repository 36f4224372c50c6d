//! One way of an emulated link, without a clock and without sockets: frames go in at a time, and come out at the times at which they are due.
//!
//! What happens to a frame follows from the condition, the seed and the frames before it alone. In order: it may be doubled; each copy may be
//! lost, may have a bit turned over, waits for its turn where there is a rate, and takes its latency. Reordering is as the kernel's own
//! emulation (netem) has it: a share of the packets takes no latency, and so overtakes those that do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use netwright_dataplane::plan::Condition;
use netwright_dataplane::plan::emulation::{ALL, ETHERNET};
use netwright_model::random::Random;
use serde::{Deserialize, Serialize};

/// Nanoseconds of a second and of a microsecond.
const SECOND: u64 = 1_000_000_000;
const MICROSECOND: u64 = 1_000;

/// What happened to frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// They came in.
    pub arrived: u64,
    /// They came out, the second copies too.
    pub passed: u64,
    /// They were lost, as was asked.
    pub lost: u64,
    /// They were doubled.
    pub duplicated: u64,
    /// They took no latency.
    pub reordered: u64,
    /// One bit was turned over.
    pub corrupted: u64,
    /// They were dropped since too many were on their way.
    pub overflowed: u64,
}

/// A frame on its way: when it is due, and how many came before it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    due: u64,
    number: u64,
    frame: Vec<u8>,
}

/// One way of a link.
#[derive(Debug)]
pub struct Emulator {
    condition: Condition,
    seed: u64,
    mtu: u32,
    random: Random,
    held: BinaryHeap<Reverse<Held>>,
    number: u64,
    bucket: Bucket,
    tally: Tally,
}

/// A token bucket, as the time at which it is full again.
#[derive(Debug, Default)]
struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// Takes tokens for a frame: when there are enough of them.
    fn take(&mut self, now: u64, octets: u64, rate: u64, burst: u64) -> u64 {
        let time = |octets: u64| {
            let bits = u128::from(octets) * 8 * u128::from(SECOND);
            u64::try_from(bits.div_ceil(u128::from(rate.max(1)))).unwrap_or(u64::MAX)
        };
        self.full_at = self.full_at.max(now).saturating_add(time(octets));
        now.max(self.full_at.saturating_sub(time(burst.max(octets))))
    }
}

impl Emulator {
    /// A way on which nothing is yet. Frames hold packets of so many octets at most.
    #[must_use]
    pub fn new(condition: Condition, mtu: u32, seed: u64) -> Self {
        Self {
            condition,
            seed,
            mtu,
            random: Random::new(seed),
            held: BinaryHeap::new(),
            number: 0,
            bucket: Bucket::default(),
            tally: Tally::default(),
        }
    }

    /// Does something else from now on; what is on its way arrives as it was to. Draws begin anew.
    pub fn set(&mut self, condition: Condition, mtu: u32, seed: u64) {
        if (self.condition, self.mtu, self.seed) != (condition, mtu, seed) {
            (self.condition, self.mtu, self.seed) = (condition, mtu, seed);
            self.random = Random::new(seed);
            self.bucket = Bucket::default();
        }
    }

    /// What happened to frames so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Frames that are on their way.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.held.len()
    }

    /// A frame comes in.
    pub fn arrive(&mut self, now: u64, frame: &[u8]) {
        self.tally.arrived += 1;
        let copies = if self.happens(self.condition.duplicate) {
            self.tally.duplicated += 1;
            2
        } else {
            1
        };
        for _ in 0..copies {
            if self.happens(self.condition.loss) {
                self.tally.lost += 1;
            } else {
                self.hold(now, frame);
            }
        }
    }

    fn hold(&mut self, now: u64, frame: &[u8]) {
        if self.held.len() >= self.condition.packets() as usize {
            self.tally.overflowed += 1;
            return;
        }
        let mut frame = frame.to_vec();
        if self.happens(self.condition.corrupt) {
            self.corrupt(&mut frame);
        }
        let mut due = now;
        if self.condition.rate > 0 {
            let burst = self.condition.burst(self.mtu);
            due = self.bucket.take(now, frame.len() as u64, self.condition.rate, burst);
        }
        if self.condition.latency > 0 && self.happens(self.condition.reorder) {
            self.tally.reordered += 1;
        } else {
            due = due.saturating_add(self.latency());
        }
        self.number += 1;
        self.held.push(Reverse(Held { due, number: self.number, frame }));
    }

    /// The next frame that is due, if one is.
    pub fn due(&mut self, now: u64) -> Option<Vec<u8>> {
        if self.next()? > now {
            return None;
        }
        let Reverse(held) = self.held.pop()?;
        self.tally.passed += 1;
        Some(held.frame)
    }

    /// When the next frame is due.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.held.peek().map(|Reverse(held)| held.due)
    }

    /// Draws whether something happens that does in so many thousandths of a percent. Nothing is drawn for what never does.
    fn happens(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.random.below(ALL) < thousandths
    }

    /// Nanoseconds that a packet takes.
    fn latency(&mut self) -> u64 {
        let Condition { latency, jitter, .. } = self.condition;
        let latency = latency.saturating_mul(MICROSECOND);
        if jitter == 0 {
            return latency;
        }
        let span = jitter.saturating_mul(MICROSECOND);
        // Over the whole span, to a four-billionth of it.
        let at = u128::from(self.random.below(u32::MAX)) * u128::from(span) * 2;
        let at = u64::try_from(at / u128::from(u32::MAX)).unwrap_or_default();
        latency.saturating_sub(span).saturating_add(at)
    }

    /// Turns a bit of the packet over; the header of the frame stays, so that it arrives.
    fn corrupt(&mut self, frame: &mut [u8]) {
        let Some(packet) = frame.get_mut(ETHERNET as usize..).filter(|packet| !packet.is_empty())
        else {
            return;
        };
        let bits = u32::try_from(packet.len() * 8).unwrap_or(u32::MAX);
        let bit = self.random.below(bits);
        if let Some(octet) = packet.get_mut((bit / 8) as usize) {
            *octet ^= 1 << (bit % 8);
            self.tally.corrupted += 1;
        }
    }
}

#[cfg(test)]
mod tests;
