//! The prefixes that anything in a network asks for, and classes of addresses by them.

use std::net::IpAddr;

use netwright_model::network::{FilterMember, Network, Rule};
use netwright_model::scalar::Prefix;
use rustc_hash::FxHashMap;

use crate::prover::address::{Key, address, number};
use crate::prover::index::NOT_GLOBAL_V4;

/// Classes of addresses by the longest of a set of prefixes that contains them. Prefixes nest, so the longest one tells all others.
#[derive(Debug, Default)]
pub(in crate::reach) struct PrefixClasses {
    lengths: Vec<(u8, bool, FxHashMap<Key, u32>)>,
    pub(super) prefixes: Vec<Prefix>,
}

impl PrefixClasses {
    pub(super) fn new(mut prefixes: Vec<Prefix>) -> Self {
        prefixes.sort_unstable();
        prefixes.dedup();
        let mut lengths: Vec<(u8, bool, FxHashMap<Key, u32>)> = Vec::new();
        for (index, prefix) in prefixes.iter().enumerate() {
            let key = (prefix.length(), prefix.is_v4());
            let class = u32::try_from(index + 1).unwrap_or(u32::MAX);
            match lengths.iter_mut().find(|(length, v4, _)| (*length, *v4) == key) {
                Some((_, _, map)) => {
                    map.insert(prefix.first().into(), class);
                }
                None => {
                    lengths.push((
                        key.0,
                        key.1,
                        [(Key::from(prefix.first()), class)].into_iter().collect(),
                    ));
                }
            }
        }
        lengths.sort_by_key(|(length, ..)| std::cmp::Reverse(*length));
        Self { lengths, prefixes }
    }

    /// Takes up one more prefix: the class that the addresses had before which have none but it now, and the class that they have now. None
    /// where it was known.
    pub(super) fn add(&mut self, prefix: Prefix) -> Option<(u32, u32)> {
        let key = Key::from(prefix.first());
        let same = |(length, v4, _): &&(u8, bool, FxHashMap<Key, u32>)| {
            (*length, *v4) == (prefix.length(), prefix.is_v4())
        };
        if self.lengths.iter().find(same).is_some_and(|(.., map)| map.contains_key(&key)) {
            return None;
        }
        let wider = |(length, v4, _): &&(u8, bool, FxHashMap<Key, u32>)| {
            *length < prefix.length() && *v4 == prefix.is_v4()
        };
        let mut wider = self.lengths.iter().filter(wider);
        let around = wider.find_map(|(length, _, map)| {
            map.get(&Prefix::of(prefix.first(), *length).first().into()).copied()
        });
        let before = around.unwrap_or(0);
        self.prefixes.push(prefix);
        let class = u32::try_from(self.prefixes.len()).unwrap_or(u32::MAX);
        let place = self.lengths.partition_point(|(length, ..)| *length > prefix.length());
        let among = self.lengths[place..].iter_mut();
        let mut among = among.take_while(|(length, ..)| *length == prefix.length());
        match among.find(|(_, v4, _)| *v4 == prefix.is_v4()) {
            Some((.., map)) => {
                map.insert(key, class);
            }
            None => {
                let map = [(key, class)].into_iter().collect();
                self.lengths.insert(place, (prefix.length(), prefix.is_v4(), map));
            }
        }
        Some((before, class))
    }

    /// 0 for addresses in no prefix.
    pub(in crate::reach) fn class(&self, address: IpAddr) -> u32 {
        for (length, v4, map) in &self.lengths {
            if *v4 != address.is_ipv4() {
                continue;
            }
            if let Some(class) = map.get(&Prefix::of(address, *length).first().into()) {
                return *class;
            }
        }
        0
    }

    /// The address space cut at every prefix's ends: first and last address of each piece.
    pub(super) fn pieces(&self) -> Vec<(IpAddr, IpAddr)> {
        let mut pieces = Vec::new();
        for v4 in [true, false] {
            let limit: u128 = if v4 { u32::MAX.into() } else { u128::MAX };
            let mut starts: Vec<u128> = vec![0];
            for prefix in self.prefixes.iter().filter(|prefix| prefix.is_v4() == v4) {
                starts.push(number(prefix.first()));
                starts.extend(number(prefix.last()).checked_add(1).filter(|next| *next <= limit));
            }
            starts.sort_unstable();
            starts.dedup();
            for (index, start) in starts.iter().enumerate() {
                let last = starts.get(index + 1).map_or(limit, |next| next - 1);
                pieces.push((address(*start, v4), address(last, v4)));
            }
        }
        pieces
    }
}

/// Prefixes that routes, links and address conditions of gateways ask for.
pub(super) fn route_prefixes(network: &Network) -> Vec<Prefix> {
    let mut prefixes: Vec<Prefix> = Vec::new();
    for table in &network.route_tables {
        prefixes.extend(table.routes.iter().map(|route| route.to));
    }
    for table in &network.transit_tables {
        prefixes.extend(table.routes.iter().map(|route| route.to));
    }
    for link in &network.vpns {
        prefixes.extend(link.remote.iter().chain(&link.local).copied());
    }
    for vpc in &network.vpcs {
        prefixes.extend(vpc.cidrs.iter().copied());
    }
    prefixes
}

/// Prefixes on which it depends where an outside address lies and who accepts it.
pub(super) fn outside_prefixes(network: &Network) -> Vec<Prefix> {
    let mut prefixes = route_prefixes(network);
    prefixes.extend(network.sites.iter().flat_map(|site| site.cidrs.iter().copied()));
    for external in &network.externals {
        prefixes.extend(network[external.endpoint].prefixes.iter().copied());
    }
    prefixes.extend(allowed_prefixes(network));
    for service in &network.serverless {
        prefixes.extend(service.facts.private_ranges.iter().copied());
    }
    let public = network.interfaces.iter().flat_map(|row| &row.public);
    let public = public.chain(network.endpoints.iter().flat_map(|endpoint| &endpoint.public));
    let public = public.chain(network.nats.iter().flat_map(|nat| &nat.addresses));
    prefixes.extend(public.map(|address| Prefix::host(*address)));
    prefixes.extend(NOT_GLOBAL_V4.iter().map(|(base, length)| Prefix::of((*base).into(), *length)));
    let global_v6 = IpAddr::V6(std::net::Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0));
    prefixes.push(Prefix::of(global_v6, 3));
    prefixes
}

/// Prefixes that allow-lists name.
pub(super) fn allowed_prefixes(network: &Network) -> Vec<Prefix> {
    let lists = network.externals.iter().flat_map(|external| &external.allow_from);
    let mut prefixes: Vec<Prefix> = lists.flatten().copied().collect();
    for (_, database) in network.description.databases.iter() {
        prefixes.extend(database.authorized_networks.iter().map(|prefix| prefix.value));
    }
    prefixes
}

/// Every prefix that anything asks for.
pub(super) fn all_prefixes(network: &Network) -> Vec<Prefix> {
    let mut prefixes = outside_prefixes(network);
    for filter in &network.filters {
        for rule in &filter.rules {
            prefixes.extend(named_prefixes(rule));
        }
    }
    prefixes
}

/// Prefixes that a rule names, or that its ranges are made of.
pub(super) fn named_prefixes(rule: &Rule) -> impl Iterator<Item = Prefix> {
    let members = rule.from.members.iter().chain(&rule.to.members);
    members.flat_map(|member| match member {
        FilterMember::Prefix(prefix) => vec![*prefix],
        FilterMember::Range(first, last) => range_prefixes(*first, *last),
        FilterMember::Interfaces { .. } | FilterMember::Internet | FilterMember::Unknown(_) => {
            Vec::new()
        }
    })
}

fn range_prefixes(first: IpAddr, last: IpAddr) -> Vec<Prefix> {
    match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            ipnet::Ipv4Subnets::new(a, b, 0).map(|net| ipnet::IpNet::V4(net).into()).collect()
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            ipnet::Ipv6Subnets::new(a, b, 0).map(|net| ipnet::IpNet::V6(net).into()).collect()
        }
        _ => Vec::new(),
    }
}
