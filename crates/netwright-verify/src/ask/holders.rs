//! Who has an address, where several things have it: what a packet to it tells, and what it does not.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::network::{InterfaceId, Network, VpcId};

use super::Point;
use crate::prover::path::{Arrival, End, Obstacle, Origin};
use crate::trace::{Flow, Trace};

/// Addresses that several things have.
#[derive(Debug)]
pub struct Holders<'n> {
    network: &'n Network,
    several: BTreeSet<(VpcId, IpAddr)>,
}

impl<'n> Holders<'n> {
    /// Those of a network.
    #[must_use]
    pub fn of(network: &'n Network) -> Self {
        let mut seen = BTreeSet::new();
        let all = network.interfaces.iter().flat_map(|row| {
            let vpc = network[row.subnet].vpc;
            row.addresses.iter().map(move |address| (vpc, *address))
        });
        let several = all.filter(|held| !seen.insert(*held)).collect();
        Self { network, several }
    }

    /// Whether several interfaces of a VPC have an address: which of them gets a packet nobody can say.
    #[must_use]
    pub fn are_several(&self, vpc: VpcId, address: IpAddr) -> bool {
        self.several.contains(&(vpc, address))
    }

    /// The VPCs in whose ranges the destination is, where it is asked from an outside service that is attached to several of them.
    #[must_use]
    pub fn attached(&self, flow: &Flow) -> Option<Vec<VpcId>> {
        let Origin::External(id) = flow.origin else { return None };
        let holds = |vpc: &VpcId| {
            let mut ranges = self.network[*vpc].cidrs.iter();
            ranges.any(|range| range.contains(flow.dst))
        };
        let all = self.network[id].attached.iter().copied().filter(holds);
        let all: Vec<VpcId> = all.collect();
        (all.len() > 1).then_some(all)
    }

    /// The interface that a flow leads to in the place of the one that it is asked about: VPCs may have the same addresses, and a packet finds who has
    /// its destination where it is.
    #[must_use]
    pub fn instead_of(&self, to: &Point, trace: &Trace) -> Option<InterfaceId> {
        instead_of(self.network, to.origin?, &trace.forward.path.end)
    }
}

/// The interface at which a path ends in the place of somebody whom it is meant for.
pub(crate) fn instead_of(network: &Network, meant: Origin, end: &End) -> Option<InterfaceId> {
    let arrived = match *end {
        End::Delivered(Arrival::Interface(arrived)) => arrived,
        End::Blocked(Obstacle::AnothersAddress(arrived)) => return Some(arrived),
        _ => return None,
    };
    match meant {
        Origin::Interface(own) => {
            let same = network[own].owner == network[arrived].owner;
            (!same).then_some(arrived)
        }
        // What stands outside has no interface.
        Origin::Site(_) | Origin::External(_) | Origin::Internet => Some(arrived),
        Origin::Serverless(_) | Origin::PrivateEndpoint(..) => None,
    }
}
