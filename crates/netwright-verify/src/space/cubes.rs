//! A set written out as products of ranges, for people and for output.

use std::net::IpAddr;

use super::arena::{Level, Set, Space};
use super::packet::{Family, protocol};

/// Addresses of one family, first and last included.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AddressRange {
    /// First address.
    pub first: IpAddr,
    /// Last address, of the same family.
    pub last: IpAddr,
}

/// The protocols of a [`Cube`] with their ports or types. A list without entries is no condition;
/// ranges include both ends, are in order and do not touch.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Layer4Cube {
    /// Protocol numbers. All of one kind where a list below has entries: with ports, or with types.
    pub protocols: Vec<(u8, u8)>,
    /// Source ports.
    pub src_ports: Vec<(u16, u16)>,
    /// Destination ports.
    pub dst_ports: Vec<(u16, u16)>,
    /// ICMP types.
    pub icmp_types: Vec<(u8, u8)>,
    /// ICMP codes.
    pub icmp_codes: Vec<(u8, u8)>,
}

/// A product of conditions, one for each field. A list without entries is no condition.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Cube {
    /// The family; both if none.
    pub family: Option<Family>,
    /// Destination addresses.
    pub dst: Vec<AddressRange>,
    /// Source addresses.
    pub src: Vec<AddressRange>,
    /// Protocols, ports, types.
    pub layer4: Layer4Cube,
}

impl Space {
    /// The set as disjoint products, in a fixed order. Intervals with the same remainder share a
    /// product. There may be very many: take what is to be shown.
    #[must_use]
    pub fn cubes(&self, set: Set) -> Cubes<'_> {
        Cubes { space: self, pending: vec![(set, Cube::default())] }
    }

    /// The products of a set without address conditions; those of its other sets lose their
    /// addresses, so ask [`Space::is_layer4`] where that may happen.
    #[must_use]
    pub fn layer4_cubes(&self, set: Set) -> Vec<Layer4Cube> {
        self.cubes(set).map(|cube| cube.layer4).collect()
    }
}

/// See [`Space::cubes`].
pub struct Cubes<'a> {
    space: &'a Space,
    pending: Vec<(Set, Cube)>,
}

impl Iterator for Cubes<'_> {
    type Item = Cube;

    fn next(&mut self) -> Option<Cube> {
        while let Some((set, cube)) = self.pending.pop() {
            if set.is_all() {
                return Some(cube);
            }
            let from = self.pending.len();
            for (child, ranges) in groups(self.space, set) {
                self.refine(self.space.level(set), child, &ranges, &cube);
            }
            self.pending[from..].reverse();
        }
        None
    }
}

impl Cubes<'_> {
    fn refine(&mut self, level: Level, child: Set, ranges: &[(u128, u128)], cube: &Cube) {
        let mut cube = cube.clone();
        match level {
            Level::Family => {
                let of_v6 = ranges.first().is_some_and(|&(lo, _)| lo == 1);
                cube.family = Some(if of_v6 { Family::V6 } else { Family::V4 });
            }
            Level::Dst4 => cube.dst = addresses(Family::V4, ranges),
            Level::Dst6 => cube.dst = addresses(Family::V6, ranges),
            Level::Src4 => cube.src = addresses(Family::V4, ranges),
            Level::Src6 => cube.src = addresses(Family::V6, ranges),
            Level::Protocol => return self.refine_protocols(child, ranges, &cube),
            Level::SrcPort if has_types(&cube.layer4) => cube.layer4.icmp_types = bytes(ranges),
            Level::DstPort if has_types(&cube.layer4) => cube.layer4.icmp_codes = bytes(ranges),
            Level::SrcPort => cube.layer4.src_ports = ports(ranges),
            Level::DstPort => cube.layer4.dst_ports = ports(ranges),
            Level::Leaf => {}
        }
        self.pending.push((child, cube));
    }

    /// Keeps protocols with ports and protocols with types apart, unless neither matters.
    fn refine_protocols(&mut self, child: Set, ranges: &[(u128, u128)], cube: &Cube) {
        let all = bytes(ranges);
        let parts = if child.is_all() {
            vec![all]
        } else {
            let numbers = || all.iter().flat_map(|&(lo, hi)| lo..=hi);
            let (typed, ported) = (
                join(numbers().filter(|&number| protocol::has_types(number))),
                join(numbers().filter(|&number| !protocol::has_types(number))),
            );
            vec![typed, ported]
        };
        for protocols in parts.into_iter().filter(|part| !part.is_empty()) {
            let mut part = cube.clone();
            part.layer4.protocols = protocols;
            self.pending.push((child, part));
        }
    }
}

/// The distinct non-empty remainders of a node with the intervals of each, by first interval.
pub(super) fn groups(space: &Space, set: Set) -> Vec<(Set, Vec<(u128, u128)>)> {
    let mut groups: Vec<(Set, Vec<(u128, u128)>)> = Vec::new();
    let mut place = rustc_hash::FxHashMap::default();
    for (lo, hi, child) in space.intervals(set).filter(|(_, _, child)| !child.is_empty()) {
        let at = *place.entry(child).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, ranges)) => ranges.push((lo, hi)),
            None => groups.push((child, vec![(lo, hi)])),
        }
    }
    groups
}

fn has_types(layer4: &Layer4Cube) -> bool {
    layer4.protocols.first().is_some_and(|&(lo, _)| protocol::has_types(lo))
}

fn addresses(family: Family, ranges: &[(u128, u128)]) -> Vec<AddressRange> {
    let range = |&(lo, hi)| AddressRange { first: family.address(lo), last: family.address(hi) };
    ranges.iter().map(range).collect()
}

pub(super) fn ports(ranges: &[(u128, u128)]) -> Vec<(u16, u16)> {
    let port = |value| u16::try_from(value).unwrap_or(u16::MAX);
    ranges.iter().map(|&(lo, hi)| (port(lo), port(hi))).collect()
}

/// Ranges of a byte; values above 255 stand for 255.
pub(super) fn bytes(ranges: &[(u128, u128)]) -> Vec<(u8, u8)> {
    let byte = |value| u8::try_from(value).unwrap_or(u8::MAX);
    ranges.iter().map(|&(lo, hi)| (byte(lo), byte(hi))).collect()
}

fn join(numbers: impl Iterator<Item = u8>) -> Vec<(u8, u8)> {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, hi)) if hi.checked_add(1) == Some(number) => *hi = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}
