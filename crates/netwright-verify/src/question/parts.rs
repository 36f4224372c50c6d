//! The addresses of one side, each with whose it is.

use std::net::IpAddr;

use netwright_model::network::{InterfaceId, Network};

use super::Side;
use crate::ask::{Asked, Point, ordinary, ordinary_v6};
use crate::prover::UNPREDICTABLE;
use crate::prover::path::Origin;
use crate::reach::{Outside, Piece};

/// An address of one side, or outside addresses that nothing tells apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name where the side has several: an interface with its address. Empty for outside addresses, which are their ranges.
    pub name: String,
    /// Where its packets start; none for what sends none.
    pub origin: Option<Origin>,
    /// The address that is asked.
    pub address: IpAddr,
    /// The outside addresses that it stands for; empty for an address of its own.
    pub ranges: Vec<(IpAddr, IpAddr)>,
    /// Whom packets to it are meant for; none where the address itself is asked for.
    pub meant: Option<Origin>,
}

impl Part {
    pub(super) fn interface(&self) -> Option<InterfaceId> {
        match self.origin {
            Some(Origin::Interface(id)) => Some(id),
            _ => None,
        }
    }
}

/// The addresses of a point but those of its ranges.
pub(super) fn own(point: &Point, public: bool) -> Vec<Part> {
    let part = |address: IpAddr| Part {
        name: point.name.clone(),
        origin: point.origin,
        address,
        ranges: Vec::new(),
        meant: point.meant,
    };
    if matches!(point.origin, Some(Origin::Serverless(_))) && point.addresses.is_empty() {
        return vec![part(UNPREDICTABLE)];
    }
    let addresses = if public { &point.public } else { &point.addresses };
    let apart = |address: &&IpAddr| match &point.outside {
        Some(Asked::Ranges(prefixes)) => !prefixes.iter().any(|p| p.contains(**address)),
        Some(Asked::Internet) => false,
        None => true,
    };
    addresses.iter().filter(apart).map(|address| part(*address)).collect()
}

/// The outside addresses of a point, cut where anything tells them apart.
pub(super) fn outside(
    network: &Network,
    pieces: &[Piece],
    point: &Point,
    asked: &Asked,
) -> Vec<Part> {
    let usual = [ordinary(network), ordinary_v6(network)];
    let mut found = Vec::new();
    for piece in pieces {
        let held = match (piece.whose, point.origin, asked) {
            // A whole site or outside service is asked where it stands, whoever else has the same addresses.
            (Some(Outside::Site(_)), Some(Origin::Site(_)), _)
            | (Some(Outside::External(_)), Some(Origin::External(_)), _) => {
                Some(piece.origin) == point.origin
            }
            (_, Some(Origin::Site(_) | Origin::External(_)), _) => false,
            (whose, _, Asked::Internet) => whose == Some(Outside::Internet),
            (_, _, Asked::Ranges(_)) => true,
        };
        let ranges = if held { clipped(piece, asked) } else { Vec::new() };
        let Some((first, last)) = ranges.first().copied() else { continue };
        let inside = |address: &&IpAddr| ranges.iter().any(|(a, b)| a <= *address && *address <= b);
        // The first address of a block is no host's.
        let second = next(first).filter(|second| *second <= last);
        let address = usual.iter().find(inside).copied().or(second).unwrap_or(first);
        let (name, origin) = (String::new(), Some(piece.origin));
        found.push(Part { name, origin, address, ranges, meant: point.meant });
    }
    found.sort_by_key(|part| (part.address.is_ipv6(), part.ranges.first().copied()));
    found
}

/// The ranges of a piece that are asked.
fn clipped(piece: &Piece, asked: &Asked) -> Vec<(IpAddr, IpAddr)> {
    let Asked::Ranges(prefixes) = asked else { return piece.ranges.clone() };
    let mut all = Vec::new();
    for (first, last) in &piece.ranges {
        for prefix in prefixes.iter().filter(|prefix| prefix.is_v4() == first.is_ipv4()) {
            let (first, last) = ((*first).max(prefix.first()), (*last).min(prefix.last()));
            if first <= last {
                all.push((first, last));
            }
        }
    }
    crate::reach::union(all)
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|n| IpAddr::V6(n.into())),
    }
}

/// Gives the addresses of a side their names: with the address where one name has several.
pub(super) fn name(parts: &mut [Part], side: &Side) {
    let several = side.points.len() > 1 || parts.len() > 1;
    for part in parts.iter_mut().filter(|part| part.ranges.is_empty()) {
        if several && !part.address.is_unspecified() {
            part.name = format!("{} [{}]", part.name, part.address);
        }
    }
}

/// Whether a machine sends to an address from a part of it. A system sends to a network that it is connected to by the interface there; to
/// any other by each of its interfaces, as far as a description tells.
pub(super) fn sends_by(network: &Network, all: &[Part], part: &Part, to: IpAddr) -> bool {
    let connected = |part: &Part| {
        part.interface().is_some_and(|id| {
            network[network[id].subnet].cidrs.iter().any(|cidr| cidr.contains(to))
        })
    };
    part.interface().is_none() || connected(part) || !all.iter().any(connected)
}
