//! Addresses for interfaces that name none: the lowest free one after the reserved ones, in name order.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::network::{Network, SubnetId};

/// Finds free IPv4 addresses of subnets, remembering those that it gave.
#[derive(Debug, Default)]
pub(super) struct Allocator {
    taken: BTreeSet<(SubnetId, Ipv4Addr)>,
}

impl Allocator {
    /// Marks an address as taken.
    pub(super) fn take(&mut self, subnet: SubnetId, address: IpAddr) {
        if let IpAddr::V4(address) = address {
            self.taken.insert((subnet, address));
        }
    }

    /// The lowest free address of a subnet's first IPv4 range, without the reserved ones. None when the range is full.
    pub(super) fn lowest(&mut self, network: &Network, subnet: SubnetId) -> Option<IpAddr> {
        let row = &network[subnet];
        let facts = &network[row.vpc].facts;
        let (first, last) = row.cidrs.iter().find_map(crate::scalar::Prefix::v4_bounds)?;
        let first = u32::from(first).checked_add(facts.reserved_first)?;
        let last = u32::from(last).checked_sub(facts.reserved_last)?;
        let mut candidate = first;
        for (_, used) in
            self.taken.range((subnet, Ipv4Addr::from(first))..=(subnet, Ipv4Addr::from(last)))
        {
            if u32::from(*used) > candidate {
                break;
            }
            candidate = candidate.checked_add(1)?;
        }
        if candidate > last {
            return None;
        }
        let address = Ipv4Addr::from(candidate);
        self.taken.insert((subnet, address));
        Some(IpAddr::V4(address))
    }
}
