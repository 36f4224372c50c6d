//! Queues of the kernel at the ends of links: token buckets and network emulation, as netlink messages.
//!
//! The layouts are those of `linux/pkt_sched.h`: numbers in the machine's byte order, attributes after structures.

use std::collections::BTreeMap;
use std::io;

use netlink_packet_core::{DefaultNla, Emitable, NLM_F_CREATE, NLM_F_REPLACE, Nla};
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcStats2};

use super::messages::LOOPBACK;
use super::socket::{Netlink, Request};
use super::space;
use crate::plan::Queue;
use crate::plan::emulation::{ALL, Ability, Condition};

/// Words by which the kernel knows its queues.
const TBF: &str = "tbf";
const NETEM: &str = "netem";

/// Attribute of a queue: what it does.
const OPTIONS: u16 = 2;

/// Attributes of a token bucket.
const TBF_PARAMETERS: u16 = 1;
const TBF_RATE_64: u16 = 4;
const TBF_BURST: u16 = 6;

/// Attributes of the network emulation.
const NETEM_REORDER: u16 = 3;
const NETEM_CORRUPT: u16 = 4;
const NETEM_RATE: u16 = 6;
const NETEM_RATE_64: u16 = 8;
const NETEM_SEED: u16 = 14;

/// Ethernet, as a queue counts what a packet takes.
const LINK_LAYER: u8 = 1;

/// The kernel's ticks are 64 nanoseconds.
const TICK: u64 = 64;

/// What a queue is and counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The kernel's word for it.
    pub(super) kind: String,
    /// Octets a second of a token bucket.
    pub(super) rate: Option<u64>,
    /// Packets that were sent.
    pub(super) passed: u64,
    /// Packets that were dropped.
    pub(super) dropped: u64,
}

impl Found {
    /// Whether it is what a plan says.
    pub(super) fn is(&self, queue: &Queue) -> bool {
        match queue {
            Queue::Tbf { rate, .. } => self.kind == TBF && self.rate == Some(rate / 8),
            Queue::Netem { .. } => self.kind == NETEM,
        }
    }

    /// Whether it is one of those that plans speak of.
    pub(super) fn is_ours(&self) -> bool {
        [TBF, NETEM].contains(&self.kind.as_str())
    }
}

/// Puts a queue at the end of a link, in the place of what is there; or takes it away.
pub(super) fn set(index: u32, queue: Option<&Queue>) -> Request {
    let mut message = TcMessage::with_index(i32::try_from(index).unwrap_or_default());
    message.header.parent = TcHandle::ROOT;
    let Some(queue) = queue else {
        return Request {
            message: Message::DelQueueDiscipline(message),
            flags: 0,
            object: "its queue".to_owned(),
            may_be_gone: true,
        };
    };
    let (kind, options) = match queue {
        Queue::Tbf { rate, burst, limit } => (TBF, token_bucket(*rate, *burst, *limit)),
        Queue::Netem { condition, seed } => (NETEM, network_emulation(condition, *seed)),
    };
    message.attributes = vec![
        TcAttribute::Kind(kind.to_owned()),
        TcAttribute::Other(DefaultNla::new(OPTIONS, options)),
    ];
    Request {
        message: Message::NewQueueDiscipline(message),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
        object: format!("queue {kind}"),
        may_be_gone: false,
    }
}

fn capped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn attribute(to: &mut Vec<u8>, kind: u16, value: Vec<u8>) {
    let attribute = DefaultNla::new(kind, value);
    let start = to.len();
    to.resize(start + attribute.buffer_len(), 0);
    if let Some(place) = to.get_mut(start..) {
        attribute.emit(place);
    }
}

/// `tc_tbf_qopt` and the attributes beside it.
fn token_bucket(rate: u64, burst: u64, limit: u64) -> Vec<u8> {
    let octets = rate / 8;
    // A rate: cells, link layer, overhead, alignment, least size, octets a second.
    let mut parameters = vec![0, LINK_LAYER, 0, 0, 0, 0, 0, 0];
    parameters.extend(capped(octets).to_ne_bytes());
    // No peak rate.
    parameters.extend([0; 12]);
    parameters.extend(capped(limit).to_ne_bytes());
    // Bucket and least packet in ticks: the attribute says the bucket in octets.
    parameters.extend([0; 8]);
    let mut options = Vec::new();
    attribute(&mut options, TBF_PARAMETERS, parameters);
    if u32::try_from(octets).is_err() {
        attribute(&mut options, TBF_RATE_64, octets.to_ne_bytes().to_vec());
    }
    attribute(&mut options, TBF_BURST, capped(burst).to_ne_bytes().to_vec());
    options
}

/// A share as the kernel has it: of all numbers of 32 bits.
fn share(thousandths: u32) -> u32 {
    let all = u64::from(u32::MAX) * u64::from(thousandths.min(ALL));
    capped((all + u64::from(ALL / 2)) / u64::from(ALL))
}

/// `tc_netem_qopt` and the attributes after it.
fn network_emulation(condition: &Condition, seed: u64) -> Vec<u8> {
    let ticks = |microseconds: u64| capped(microseconds.saturating_mul(1000) / TICK);
    // Every packet may be one of those that go ahead.
    let gap = u32::from(condition.reorder > 0);
    let numbers = [
        ticks(condition.latency),
        condition.packets(),
        share(condition.loss),
        gap,
        share(condition.duplicate),
        ticks(condition.jitter),
    ];
    let mut options: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
    for (kind, thousandths) in
        [(NETEM_REORDER, condition.reorder), (NETEM_CORRUPT, condition.corrupt)]
    {
        if thousandths > 0 {
            // Without correlation.
            let value = [share(thousandths).to_ne_bytes(), [0; 4]].concat();
            attribute(&mut options, kind, value);
        }
    }
    if condition.rate > 0 {
        let octets = condition.rate / 8;
        // Overhead, cells and their overhead: none.
        let value = [capped(octets).to_ne_bytes(), [0; 4], [0; 4], [0; 4]].concat();
        attribute(&mut options, NETEM_RATE, value);
        if u32::try_from(octets).is_err() {
            attribute(&mut options, NETEM_RATE_64, octets.to_ne_bytes().to_vec());
        }
    }
    let draws = [condition.loss, condition.duplicate, condition.reorder, condition.corrupt];
    if condition.jitter > 0 || draws.iter().any(|share| *share > 0) {
        // Kernels before 6.6 do not know it and draw as they like.
        attribute(&mut options, NETEM_SEED, seed.to_ne_bytes().to_vec());
    }
    options
}

/// The queues at the roots of the links of the namespace that the calling thread is in, by the links' indices.
pub(super) fn all(netlink: &mut Netlink) -> io::Result<BTreeMap<u32, Found>> {
    let mut found = BTreeMap::new();
    for message in netlink.dump(Message::GetQueueDiscipline(TcMessage::default()))? {
        let Message::NewQueueDiscipline(message) = message else { continue };
        if message.header.parent != TcHandle::ROOT {
            continue;
        }
        let mut row = Found::default();
        for attribute in &message.attributes {
            match attribute {
                TcAttribute::Kind(kind) => row.kind.clone_from(kind),
                TcAttribute::Options(options) if row.kind == TBF => {
                    row.rate = options.iter().find_map(rate_of);
                }
                TcAttribute::Stats2(all) => {
                    for stats in all {
                        match stats {
                            TcStats2::Basic(basic) => row.passed = basic.packets.into(),
                            TcStats2::Queue(queue) => row.dropped = queue.drops.into(),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        found.insert(u32::try_from(message.header.index).unwrap_or_default(), row);
    }
    Ok(found)
}

/// Octets a second of a token bucket, from all that is said of it.
fn rate_of(options: &impl Nla) -> Option<u64> {
    let mut octets = vec![0; options.value_len()];
    options.emit_value(&mut octets);
    let (mut rest, mut rate) = (octets.as_slice(), None);
    while let Some((length, kind)) = u16_at(rest, 0).zip(u16_at(rest, 2)) {
        let value = rest.get(4..usize::from(length))?;
        match kind {
            // The rate's number stands after eight octets.
            TBF_PARAMETERS if rate.is_none() => {
                let number = value.get(8..12)?.try_into().ok().map(u32::from_ne_bytes)?;
                rate = Some(u64::from(number));
            }
            TBF_RATE_64 => rate = value.try_into().ok().map(u64::from_ne_bytes),
            _ => {}
        }
        rest = rest.get(usize::from(length).max(4).next_multiple_of(4)..).unwrap_or_default();
    }
    rate
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

/// Which queues this kernel has: each is tried in a namespace that nobody sees.
#[must_use]
pub fn ability() -> Ability {
    let tried = std::thread::spawn(|| {
        let _goes_with_the_thread = space::make()?;
        let mut netlink = Netlink::here()?;
        let mut has = |queue: Queue| {
            let refusals = netlink.all(vec![set(LOOPBACK, Some(&queue))])?;
            Ok::<_, io::Error>(refusals.is_empty())
        };
        let netem = has(Queue::Netem { condition: Condition::CUT, seed: 1 })?;
        let tbf = has(Queue::Tbf { rate: 8_000_000, burst: 10_000, limit: 20_000 })?;
        Ok::<_, io::Error>(Ability { tbf, netem })
    });
    // Where nothing can be tried, the relay does all.
    tried.join().map_or_else(|_| Ability::default(), Result::unwrap_or_default)
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::{network_emulation, rate_of, share, token_bucket};
    use crate::plan::Condition;
    use netlink_packet_core::DefaultNla;

    /// What `tc qdisc replace dev v1 root netem delay 50ms 5ms loss 1% duplicate 2% reorder 25% corrupt 0.1% rate 10mbit limit 77` of
    /// iproute2 6.1 sends as options.
    const BY_TC: &[u8] = b"\xc2\xeb\x0b\x00\x4d\x00\x00\x00\x29\x5c\x8f\x02\x01\x00\x00\x00\x52\xb8\x1e\x05\x2d\x31\x01\x00\
        \x0c\x00\x03\x00\x00\x00\x00\x40\x00\x00\x00\x00\x0c\x00\x04\x00\x37\x89\x41\x00\x00\x00\x00\x00\
        \x14\x00\x06\x00\xd0\x12\x13\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

    #[test]
    fn network_emulation_is_said_as_tc_says_it_and_the_seed_after_it() {
        let condition = Condition {
            latency: 50_000,
            jitter: 5_000,
            loss: 1_000,
            duplicate: 2_000,
            reorder: 25_000,
            corrupt: 100,
            rate: 10_000_000,
            limit: 77,
        };
        let options = network_emulation(&condition, 7);
        let (tc, seed) = options.split_at(BY_TC.len());
        assert_eq!(tc, BY_TC);
        assert_eq!(seed, b"\x0c\x00\x0e\x00\x07\0\0\0\0\0\0\0");
    }

    #[test]
    fn a_token_bucket_says_its_rate_limit_and_burst_as_tc_does_and_is_read_back() {
        let options = token_bucket(8_000_000, 5_000, 1_519_000);
        // As of `tc qdisc replace dev v1 root tbf rate 8mbit burst 5000 limit 1519000`: rate, limit and burst.
        assert_eq!(options[12..16], *b"\x40\x42\x0f\x00");
        assert_eq!(options[28..32], *b"\x98\x2d\x17\x00");
        assert_eq!(options[40..48], *b"\x08\x00\x06\x00\x88\x13\x00\x00");
        assert_eq!(rate_of(&DefaultNla::new(2, options)), Some(1_000_000));
        let fast = token_bucket(80_000_000_000, 5_000, 1_519_000);
        assert_eq!(rate_of(&DefaultNla::new(2, fast)), Some(10_000_000_000));
    }

    #[test]
    fn shares_are_of_all_numbers() {
        assert_eq!([share(0), share(25_000), share(100_000)], [0, 0x4000_0000, u32::MAX]);
    }
}
