//! What links do to packets on their way, and what does it: the kernel's own queues where it has them, else a relay in user space.
//!
//! A plan says what each link is to do ([`Conditions`]). [`emulated`] makes a plan of it that a kernel can be brought to: a queue at an end
//! ([`Queue`]), or the link in two halves with a relay between them. A relay is a task in the namespace [`RELAY`]; it is told what to do by
//! [`Relay`].

use std::fmt;

use netwright_model::scalar::{Bandwidth, Delay, Percent};
use serde::{Deserialize, Serialize};

use super::{End, HostPlan, Link, Namespace, Ready, Role, Task, names};

/// The namespace in which links are relayed, and the name of the task that does it.
pub const RELAY: &str = "relay";

/// The word by which the program knows the relay.
pub const RELAY_PART: &str = "relay";

/// The TCP port on the relay's own loopback at which it tells what it counted.
pub const RELAY_PORT: u16 = 9154;

/// Octets of an Ethernet header: frames are that much longer than packets.
pub const ETHERNET: u32 = 14;

/// Packets that are on their way at most where nothing is said, with a rate and without.
const PACKETS: (u32, u32) = (1_000, 10_000);

/// Milliseconds for which a link may carry more than its rate, where that is more than a packet.
const BURST: u64 = 5;

/// Everything, in thousandths of a percent.
pub const ALL: u32 = 100_000;

/// What a link does to packets that go one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// How long a packet takes, in microseconds.
    pub latency: u64,
    /// A packet takes so much less or more, in microseconds, evenly; at most the latency.
    pub jitter: u64,
    /// Packets that are lost, in thousandths of a percent.
    pub loss: u32,
    /// Packets that arrive twice, in thousandths of a percent.
    pub duplicate: u32,
    /// Packets that take no latency and so overtake others, in thousandths of a percent.
    pub reorder: u32,
    /// Packets in which one bit is turned over, in thousandths of a percent.
    pub corrupt: u32,
    /// Most that is carried, in bit/s; 0 for no bound.
    pub rate: u64,
    /// Most packets that are on their way at a time; 0 where that is not said.
    pub limit: u32,
}

impl Condition {
    /// Nothing arrives.
    pub const CUT: Self = Self {
        latency: 0,
        jitter: 0,
        loss: ALL,
        duplicate: 0,
        reorder: 0,
        corrupt: 0,
        rate: 0,
        limit: 0,
    };

    /// Most packets that are on their way at a time.
    #[must_use]
    pub fn packets(&self) -> u32 {
        match (self.limit, self.rate) {
            (0, 0) => PACKETS.1,
            (0, _) => PACKETS.0,
            (limit, _) => limit,
        }
    }

    /// Octets that may be sent at once over a link of a rate, with packets of so many octets at most.
    #[must_use]
    pub fn burst(&self, mtu: u32) -> u64 {
        u64::from(mtu + ETHERNET).max(self.rate / 8 * BURST / 1000)
    }

    /// Whether nothing is done but that the rate is kept.
    #[must_use]
    pub fn is_rate_only(&self) -> bool {
        Self { rate: 0, limit: 0, ..*self } == Self::default()
    }

    /// Whether packets pass as over any link.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.is_rate_only() && self.rate == 0
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.latency > 0 {
            let latency = Delay::from_micros(self.latency);
            parts.push(match self.jitter {
                0 => format!("latency {latency}"),
                jitter => format!("latency {latency} ± {}", Delay::from_micros(jitter)),
            });
        }
        let shares = [
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
            ("corrupt", self.corrupt),
        ];
        let shares = shares.into_iter().filter(|(_, share)| *share > 0);
        parts.extend(
            shares.map(|(word, share)| format!("{word} {}", Percent::of_thousandths(share))),
        );
        if self.rate > 0 {
            parts.push(format!("rate {}", Bandwidth::from_bits(self.rate)));
        }
        if self.limit > 0 && !self.is_none() {
            parts.push(format!("limit {} packets", self.limit));
        }
        if parts.is_empty() {
            return f.write_str("-");
        }
        f.write_str(&parts.join(", "))
    }
}

/// What a link does to packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// The way from what the link belongs to.
    pub there: Condition,
    /// The other way.
    pub back: Condition,
    /// What is drawn follows from this number; where none is given, from the link's name.
    pub seed: Option<u64>,
}

impl Conditions {
    /// Whether packets pass as over any link, both ways.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.there.is_none() && self.back.is_none()
    }

    /// The number that what is drawn on a link follows from.
    #[must_use]
    pub fn seed_of(&self, link: &str) -> u64 {
        self.seed.unwrap_or_else(|| names::hash(link) & u64::from(u32::MAX))
    }
}

/// The number for one way of a link, from that of the link.
#[must_use]
pub fn seed_of_way(seed: u64, back: bool) -> u64 {
    if back { !seed } else { seed }
}

/// What the kernel does with what an end of a link sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Queue {
    /// A token bucket.
    Tbf {
        /// The rate, in bit/s.
        rate: u64,
        /// Octets that may be sent at once.
        burst: u64,
        /// Octets that wait at most.
        limit: u64,
    },
    /// The kernel's network emulation.
    Netem {
        /// What it does.
        condition: Condition,
        /// What is drawn follows from this number, where the kernel takes one.
        seed: u64,
    },
}

/// Which queues a kernel has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ability {
    /// The token bucket.
    pub tbf: bool,
    /// The network emulation.
    pub netem: bool,
}

/// What does to packets what a link is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// Nothing is to be done.
    None,
    /// The kernel's token bucket.
    Tbf,
    /// The kernel's network emulation.
    Netem,
    /// The relay in user space.
    Relay,
}

impl Mechanism {
    /// For people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "-",
            Self::Tbf => "kernel (tbf)",
            Self::Netem => "kernel (netem)",
            Self::Relay => "relay",
        }
    }

    /// What a kernel of some ability does a link's conditions by.
    #[must_use]
    pub fn of(conditions: &Conditions, can: Ability) -> Self {
        let both = [&conditions.there, &conditions.back];
        if conditions.is_none() {
            Self::None
        } else if both.iter().all(|way| way.is_rate_only()) && can.tbf {
            Self::Tbf
        } else if can.netem {
            Self::Netem
        } else {
            Self::Relay
        }
    }
}

/// A link that is relayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relayed {
    /// The link's name.
    pub name: String,
    /// The interfaces between which frames pass: of the end that the link belongs to, and of the other.
    pub ends: [String; 2],
    /// Largest packet, in octets.
    pub mtu: u32,
    /// What is done to what comes in at the first, and at the second.
    pub ways: [Condition; 2],
    /// What is drawn follows from this number.
    pub seed: u64,
}

/// What the relay is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// The links.
    pub links: Vec<Relayed>,
}

/// The plan that a kernel of some ability can be brought to, where the links of `plan` are to do what they say.
#[must_use]
pub fn emulated(plan: &HostPlan, can: Ability) -> HostPlan {
    let mut made = plan.clone();
    let mut relay = Relay::default();
    let mut halves = Vec::new();
    made.links.retain_mut(|link| match Mechanism::of(&link.conditions, can) {
        Mechanism::None => true,
        Mechanism::Tbf | Mechanism::Netem => {
            link.queues = queues(link, can);
            // Each packet is to meet what it meets, not a bundle of them.
            link.plain = link.queues.iter().flatten().any(|q| matches!(q, Queue::Netem { .. }));
            true
        }
        Mechanism::Relay => {
            let (relayed, [one, other]) = split(link);
            relay.links.push(relayed);
            halves.extend([one, other]);
            false
        }
    });
    if !relay.links.is_empty() {
        made.links.extend(halves);
        made.links.sort_by(|one, other| one.a.cmp(&other.a).then_with(|| one.b.cmp(&other.b)));
        made.namespaces.push(Namespace::bare(RELAY, Role::Relay));
        made.namespaces.sort_by(|one, other| one.name.cmp(&other.name));
        // A structure of texts and numbers always becomes JSON.
        let settings = serde_json::to_string(&relay).unwrap_or_default();
        let task = Task::part(RELAY, RELAY, RELAY_PART, settings).following();
        made.tasks.push(task.ready_when(Ready::Listens { protocol: 6, port: RELAY_PORT }));
        made.tasks.sort_by(|one, other| one.key().cmp(&other.key()));
    }
    made
}

/// The queues of the kernel at both ends of a link.
fn queues(link: &Link, can: Ability) -> [Option<Queue>; 2] {
    let conditions = &link.conditions;
    let seed = conditions.seed_of(&link.name);
    let rate_only = Mechanism::of(conditions, can) == Mechanism::Tbf;
    [false, true].map(|from_b| {
        // Where a link belongs to its second end, that sends what goes there.
        let back = from_b != link.reversed;
        let condition = if back { conditions.back } else { conditions.there };
        if condition.is_none() {
            return None;
        }
        if !rate_only {
            let condition = Condition { limit: condition.packets(), ..condition };
            return Some(Queue::Netem { condition, seed: seed_of_way(seed, back) });
        }
        let burst = condition.burst(link.mtu);
        let waiting = u64::from(condition.packets()) * u64::from(link.mtu + ETHERNET);
        Some(Queue::Tbf { rate: condition.rate, burst, limit: burst + waiting })
    })
}

/// A link in two halves, with what is between them.
fn split(link: &Link) -> (Relayed, [Link; 2]) {
    let end = |side: char, far: &End| {
        let name = names::of_relay(side, &link.name);
        let mac = names::mac((RELAY, &name), (&far.namespace, &far.name));
        End { namespace: RELAY.to_owned(), name, mac }
    };
    let (at_a, at_b) = (end('a', &link.a), end('b', &link.b));
    let (a_name, b_name) = (at_a.name.clone(), at_b.name.clone());
    let half = |a: End, b: End| Link {
        a,
        b,
        conditions: Conditions::default(),
        plain: true,
        ..link.clone()
    };
    // The relay is beside the first end: what goes to another host goes there from it.
    let near = Link { over: None, ..half(link.a.clone(), at_a) };
    let halves = [near, half(at_b, link.b.clone())];
    let Conditions { there, back, .. } = link.conditions;
    let ends = if link.reversed { [b_name, a_name] } else { [a_name, b_name] };
    let seed = link.conditions.seed_of(&link.name);
    let relayed =
        Relayed { name: link.name.clone(), ends, mtu: link.mtu, ways: [there, back], seed };
    (relayed, halves)
}

#[cfg(test)]
mod tests;
