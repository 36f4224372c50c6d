//! What happens to one packet, said as plainly as it can be said.
//!
//! This is the specification of the prover in executable form: [`interpret`] walks one packet in one direction, [`connection`] asks
//! whether a connection that the packet opens works both ways. Every question is answered by a linear scan over the network; nothing is
//! prepared, shared or remembered between calls. The symbolic engine computes the same for all packets at once; property tests hold
//! the two together, and where they differ one of them is wrong.
//!
//! Architecture invariant: nothing here is used by the engine and nothing of the engine is used here. Two answers that come from
//! one piece of code agree always and prove nothing.
//!
//! Read [`walk`] for the way of a packet, [`balancer`] for what follows behind a load balancer, [`outside`] for what lies beyond the VPCs, [`filter`] for the rules, [`route`] for the tables.

mod balancer;
mod filter;
mod outside;
mod place;
mod route;
mod walk;

use std::net::IpAddr;

use netwright_model::network::Network;

pub use balancer::{Weighed, balanced};
pub use place::{At, Origin, Outcome, Place, Reason, Step, Walk};

use crate::space::{Packet, protocol};
use walk::Walker;

/// How to take what the description does not say.
///
/// An uncertain rule may match a packet or not, an incomplete filter may have a further rule or not. What holds in the worst case
/// holds always; what does not hold in the best case holds never; between the two nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assume {
    /// Whatever is uncertain stands in the packet's way.
    Worst,
    /// Whatever is uncertain lets the packet pass.
    Best,
}

/// Whether a connection works.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The packet arrives and so does its answer.
    Reachable {
        /// Where it arrives.
        to: Place,
        /// The packet as it arrives.
        arrives: Packet,
        /// False where the source address that the far end sees cannot be known beforehand.
        predictable: bool,
    },
    /// The packet does not arrive.
    Blocked(Reason, At),
    /// The packet arrives and its answer does not.
    NoReturn(Reason, At),
    /// It depends on something that the description does not say.
    Unknown(String),
}

impl Answer {
    /// One word for what it is.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Reachable { .. } => "reachable",
            Self::Blocked(..) => "blocked",
            Self::NoReturn(..) => "no_return",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Walks one packet that opens a connection from its origin to where it ends.
#[must_use]
pub fn interpret(network: &Network, origin: Origin, packet: Packet, assume: Assume) -> Walk {
    Walker::opening(network, packet, assume).run(origin).0
}

/// Whether the connection that the packet opens works, both ways.
///
/// Asked twice, in the worst and in the best case: what both say is so; where they differ it is unknown.
#[must_use]
pub fn connection(network: &Network, origin: Origin, packet: Packet) -> Answer {
    let worst = connection_assuming(network, origin, packet, Assume::Worst).0;
    let best = connection_assuming(network, origin, packet, Assume::Best).0;
    if worst.word() == best.word() {
        return best;
    }
    let why = |answer: &Answer| match answer {
        Answer::Blocked(reason, at) | Answer::NoReturn(reason, at) => {
            format!("{} ({reason:?} at {at:?})", answer.word())
        }
        Answer::Unknown(why) => why.clone(),
        Answer::Reachable { .. } => answer.word().to_owned(),
    };
    Answer::Unknown(format!("at worst {}, at best {}", why(&worst), why(&best)))
}

/// The connection under one assumption, with the walks there and back as far as they were made.
#[must_use]
pub fn connection_assuming(
    network: &Network,
    origin: Origin,
    packet: Packet,
    assume: Assume,
) -> (Answer, Walk, Option<Walk>) {
    let (there, memory) = Walker::opening(network, packet, assume).run(origin);
    let (to, arrives, predictable) = match &there.outcome {
        Outcome::Delivered { to, packet, predictable } => (*to, *packet, *predictable),
        Outcome::Blocked(reason, at) => return (Answer::Blocked(*reason, *at), there, None),
        Outcome::Unknown(why, _) => return (Answer::Unknown(why.clone()), there, None),
    };
    let reachable = Answer::Reachable { to, arrives, predictable };
    let Some(answer) = answer_to(arrives) else {
        return (reachable, there, None);
    };
    let back = Walker::answering(network, answer, assume, &memory).run_back(to).0;
    let verdict = match &back.outcome {
        Outcome::Delivered { to, packet: arrived, .. } => {
            if came_home(network, origin, packet, *to, *arrived) {
                reachable
            } else {
                Answer::NoReturn(Reason::AnswerElsewhere, (*to).into())
            }
        }
        Outcome::Blocked(reason, at) => Answer::NoReturn(*reason, *at),
        Outcome::Unknown(why, _) => Answer::Unknown(why.clone()),
    };
    (verdict, there, Some(back))
}

/// The packet that answers: addresses and ports swapped as the receiver saw them; an echo request is answered by an echo reply (RFC
/// 792, RFC 4443); other ICMP messages need no answer.
fn answer_to(packet: Packet) -> Option<Packet> {
    let swapped = Packet {
        src: packet.dst,
        dst: packet.src,
        protocol: packet.protocol,
        src_port: packet.dst_port,
        dst_port: packet.src_port,
    };
    match (packet.protocol, packet.src_port) {
        (protocol::ICMP, 8) => Some(Packet { src_port: 0, dst_port: 0, ..swapped }),
        (protocol::ICMPV6, 128) => Some(Packet { src_port: 129, dst_port: 0, ..swapped }),
        (protocol::ICMP | protocol::ICMPV6, _) => None,
        _ => Some(swapped),
    }
}

/// An answer helps only where the question came from, and only if it comes from the address that was asked.
fn came_home(network: &Network, origin: Origin, asked: Packet, to: Place, arrived: Packet) -> bool {
    let place = match (origin, to) {
        (Origin::Interface(i), Place::Interface(j)) => i == j,
        (Origin::Internet, Place::Internet | Place::External(_) | Place::Public(_)) => true,
        (Origin::Site(a), Place::Site(b)) => a == b,
        (Origin::External(a), Place::External(b) | Place::Attached(b, _)) => a == b,
        (Origin::Serverless(a), Place::Serverless(b)) => a == b,
        (Origin::Serverless(a), Place::Interface(j)) => network[a].interface == Some(j),
        _ => false,
    };
    place && arrived.src == asked.dst && arrived.dst == asked.src
}

/// Addresses that cannot be known are written as the unspecified address of the packet's family (RFC 6890).
fn unpredictable(family_of: IpAddr) -> IpAddr {
    match family_of {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests;
