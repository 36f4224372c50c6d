//! What links do to packets on their way, in a lab.

use crate::scalar::{Bandwidth, Delay, Percent};
use crate::source::Spanned;

crate::object! {
    /// What a link does to packets that go one way. What is not given is as the link says for both ways.
    pub struct LinkWay {
        /// How long a packet takes.
        pub latency ("delay") : Option<Spanned<Delay>>,
        /// The delay of each packet is the latency, less or more up to so much, evenly.
        pub jitter: Option<Spanned<Delay>>,
        /// Share of packets that are lost.
        pub loss: Option<Spanned<Percent>>,
        /// Share of packets that arrive twice.
        pub duplicate: Option<Spanned<Percent>>,
        /// Share of packets that arrive at once and so before those that still take their latency.
        pub reorder: Option<Spanned<Percent>>,
        /// Share of packets in which one bit is turned over.
        pub corrupt: Option<Spanned<Percent>>,
        /// Most that it carries.
        pub rate: Option<Spanned<Bandwidth>>,
        /// Most packets that are on their way at a time; more are lost. 1,000 where a rate is given, else 10,000.
        pub limit: Option<Spanned<u32>>,
    }
}

crate::object! {
    /// What a link does to packets on their way, in a lab: verdicts do not depend on it. What is given for the link applies to each way by
    /// itself, so a latency of 50 ms makes a round trip 100 ms longer.
    pub struct Link {
        /// How long a packet takes.
        pub latency ("delay") : Option<Spanned<Delay>>,
        /// The delay of each packet is the latency, less or more up to so much, evenly.
        pub jitter: Option<Spanned<Delay>>,
        /// Share of packets that are lost.
        pub loss: Option<Spanned<Percent>>,
        /// Share of packets that arrive twice.
        pub duplicate: Option<Spanned<Percent>>,
        /// Share of packets that arrive at once and so before those that still take their latency.
        pub reorder: Option<Spanned<Percent>>,
        /// Share of packets in which one bit is turned over.
        pub corrupt: Option<Spanned<Percent>>,
        /// Most that it carries.
        pub rate: Option<Spanned<Bandwidth>>,
        /// Most packets that are on their way at a time; more are lost. 1,000 where a rate is given, else 10,000.
        pub limit: Option<Spanned<u32>>,
        /// The way from what the link is written at: out of a machine, to the site, from the first VPC of a peering to the second.
        pub there: LinkWay,
        /// The other way.
        pub back: LinkWay,
        /// Which packets are lost, doubled and so on follows from this number; the same packets meet the same again.
        pub seed: Option<Spanned<u64>>,
    }
}

impl Link {
    /// What applies to one way: `back`, or there.
    #[must_use]
    pub fn way(&self, back: bool) -> LinkWay {
        let own = if back { &self.back } else { &self.there };
        LinkWay {
            latency: own.latency.or(self.latency),
            jitter: own.jitter.or(self.jitter),
            loss: own.loss.or(self.loss),
            duplicate: own.duplicate.or(self.duplicate),
            reorder: own.reorder.or(self.reorder),
            corrupt: own.corrupt.or(self.corrupt),
            rate: own.rate.or(self.rate),
            limit: own.limit.or(self.limit),
            span: self.span,
        }
    }

    /// Whether anything is said of what it does.
    #[must_use]
    pub fn is_given(&self) -> bool {
        [false, true].into_iter().any(|back| self.way(back) != LinkWay::default())
    }
}

/// What contradicts itself in what is said of one way, and what to say instead.
#[must_use]
pub fn contradiction(
    (latency, jitter): (Delay, Delay),
    reorder: Percent,
    rate: Option<Bandwidth>,
    limit: Option<u32>,
) -> Option<(&'static str, &'static str)> {
    if jitter > latency {
        return Some((
            "the jitter is over the latency: no packet arrives before it is sent",
            "give a latency of at least the jitter",
        ));
    }
    if reorder > Percent::default() && latency == Delay::default() {
        return Some((
            "packets are to be reordered and take no time: there is none to overtake",
            "give a latency too",
        ));
    }
    if rate.is_some_and(|rate| rate.as_bits() < SLOWEST) {
        return Some(("the rate is under 8kbit/s", "to lose all packets, say `loss: 100%`"));
    }
    if limit == Some(0) {
        return Some(("a limit of 0 packets", "to lose all packets, say `loss: 100%`"));
    }
    None
}

/// The slowest rate, in bit/s: a packet of 1,500 octets takes one and a half seconds.
const SLOWEST: u64 = 8_000;
