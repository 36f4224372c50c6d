//! Sets of packets, exactly.
//!
//! A [`Set`] is any set of packets that can be told apart by address family, destination and source
//! address, protocol, and ports (for ICMP: type and code). [`Space`] holds the sets and computes
//! with them. Nothing here is approximate: two sets are equal exactly when their ids are equal.
//!
//! # How a set is stored
//!
//! As a canonical *interval decision diagram*. A node asks for the value of one field; its edges
//! are intervals of that field, in order, each with the set that remains to be decided.
//! Neighbouring intervals with the same remainder are merged, and a node with a single interval is
//! left out, so each set has exactly one form. Nodes are interned, so an id is as good as the set.
//! The fields are asked in this order, a field that does not matter being skipped:
//!
//! family → destination → source → protocol → source port → destination port
//!
//! Addresses are asked only below the answer to "which family": an IPv4 address is `0..=2³²−1` in
//! the IPv4 branch, an IPv6 address `0..=2¹²⁸−1` in the IPv6 branch, and a condition on an address
//! therefore implies its family. A set without any address condition (the usual firewall rule body)
//! starts at the protocol and is tiny; see [`crate::space::show`] for how people read such a set.
//!
//! # Ports, types and codes
//!
//! TCP, UDP, DCCP, SCTP and UDP-Lite have ports. For ICMP and `ICMPv6` the same two fields hold
//! type and code; they are bytes, and the values above 255, which no packet has, go wherever 255
//! goes. Other protocols have neither, and no set ever tells their packets apart by these fields.
//!
//! # Bounds
//!
//! A space has a memory limit. When an operation would pass it, the space becomes [overflowed]
//! for good: its results mean nothing from then on, and whoever asked must answer "unknown".
//!
//! [overflowed]: Space::overflowed

mod arena;
pub mod atoms;
mod build;
mod cubes;
mod ops;
mod packet;
mod project;
mod reverse;
pub mod show;
#[cfg(test)]
mod tests;

pub use arena::{Overflow, Set, Space, SpaceStats};
pub use build::{ANY_BYTE, ANY_PORT};
pub use cubes::{AddressRange, Cube, Cubes, Layer4Cube};
pub use packet::{Family, Packet, protocol};
pub use project::Field;
pub use reverse::IcmpAnswer;
