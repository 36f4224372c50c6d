//! Ranges of sources, cut where a backend's filters tell their addresses apart.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use netwright_model::network::{FilterMember, InterfaceId, Network};
use netwright_model::scalar::Prefix;

use crate::prover::index::NOT_GLOBAL_V4;

/// The IPv6 addresses of the Internet are `2000::/3` (RFC 4291).
const GLOBAL_V6: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);

/// One address for each part of a range whose addresses the filters around an interface treat alike.
pub(super) fn cuts(network: &Network, interface: InterfaceId, range: Prefix) -> Vec<IpAddr> {
    let row = &network[interface];
    let subnet = &network[row.subnet];
    let vpc = &network[subnet.vpc];
    let mut starts = BTreeSet::from([range.first()]);
    let mut edge = |first: IpAddr, last: IpAddr| {
        starts.extend(
            [Some(first), next(last)]
                .into_iter()
                .flatten()
                .filter(|at| at.is_ipv4() == range.is_v4() && range.contains(*at)),
        );
    };
    for prefix in &subnet.cidrs {
        edge(prefix.first(), prefix.last());
    }
    let mut internet = false;
    for filter in row.filters.iter().chain(&subnet.filters).chain(&vpc.filters) {
        let rules = network[*filter].rules.iter();
        for member in rules.flat_map(|rule| rule.from.members.iter().chain(&rule.to.members)) {
            match member {
                FilterMember::Prefix(prefix) => edge(prefix.first(), prefix.last()),
                FilterMember::Range(first, last) => edge(*first, *last),
                FilterMember::Internet => internet = true,
                FilterMember::Interfaces { .. } | FilterMember::Unknown(_) => {}
            }
        }
    }
    if internet {
        let vpcs = network.vpcs.iter().flat_map(|vpc| &vpc.cidrs);
        let sites = network.sites.iter().flat_map(|site| &site.cidrs);
        let attached = network.externals.iter().filter(|external| !external.attached.is_empty());
        let attached = attached.flat_map(|external| &network[external.endpoint].prefixes);
        for prefix in vpcs.chain(sites).chain(attached) {
            edge(prefix.first(), prefix.last());
        }
        for (base, length) in NOT_GLOBAL_V4 {
            let reserved = Prefix::of(base.into(), length);
            edge(reserved.first(), reserved.last());
        }
        let global = Prefix::of(GLOBAL_V6.into(), 3);
        edge(global.first(), global.last());
    }
    starts.into_iter().collect()
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|n| IpAddr::V6(n.into())),
    }
}
