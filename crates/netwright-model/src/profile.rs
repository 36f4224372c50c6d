//! Provider profiles: what differs by cloud, as data with its source.
//!
//! The figures stand in `profiles/*.yaml` of this crate, each with where it comes from; a description may change
//! any of them under `profiles:`.

use std::net::IpAddr;
use std::sync::OnceLock;

use crate::language::{Description, Profile, Provider};
use crate::scalar::{Duration, Prefix};
use crate::source::Spanned;

/// Facts about a provider, complete. See [`Profile`] for the meaning of each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Whose facts.
    pub provider: Provider,
    /// Addresses at the start of each IPv4 subnet that cannot be used.
    pub reserved_first: u32,
    /// Addresses at the end of each IPv4 subnet that cannot be used.
    pub reserved_last: u32,
    /// Destinations that `private-ranges-only` egress sends through the VPC.
    pub private_ranges: Vec<Prefix>,
    /// MTU inside a VPC.
    pub vpc_mtu: u32,
    /// Ports of a NAT gateway's address, for each protocol.
    pub nat_ports_per_address: u32,
    /// Ports for each NAT client; 0 where clients share all ports of an address.
    pub nat_ports_per_client: u32,
    /// Time until a closed connection's NAT port is used again.
    pub nat_time_wait: Option<Duration>,
    /// Time after which an idle connection is forgotten.
    pub idle_timeout: Option<Duration>,
    /// Longest start of a serverless container.
    pub startup_limit: Option<Duration>,
    /// Sources of the load balancers' health probes.
    pub health_probe_sources: Vec<Prefix>,
    /// Where proxying balancers connect to backends from; their nodes' addresses where none are given.
    pub proxy_sources: Vec<Prefix>,
    /// What its balancers do.
    pub balancers: BalancerFacts,
    /// Addresses used for each instance with direct VPC egress.
    pub direct_egress_addresses_per_instance: u32,
    /// Subnet filters also see packets that stay inside the subnet (Azure's NSGs do, ACLs do not).
    pub subnet_filters_inside: bool,
    /// References to groups hold over a same-region peering.
    pub groups_across_peering: bool,
    /// Addresses of the name server that every VPC has.
    pub resolvers: Vec<IpAddr>,
    /// The name server is also this address of the VPC's first range, counted from its base; 0 for none.
    pub resolver_host: u32,
    /// Most queries of one interface to the name server in a second; 0 for no such quota.
    pub resolver_queries_per_second: u32,
    /// Most rules of a security group in one direction; 0 for no such quota.
    pub rules_per_group: u32,
    /// Most security groups of an interface; 0 for no such quota.
    pub groups_per_interface: u32,
    /// Most rules of a network ACL in one direction; 0 for no such quota.
    pub rules_per_acl: u32,
    /// Most static routes of a route table; 0 for no such quota.
    pub static_routes_per_table: u32,
}

/// What a provider's balancers do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BalancerFacts {
    /// A proxying balancer none of whose backends is healthy sends to all of them.
    pub proxies_fail_open: bool,
    /// A pass-through balancer none of whose backends is healthy sends to all of them.
    pub pass_through_fails_open: bool,
    /// Nodes of a pass-through balancer send to backends in their own zone only, unless the balancer says otherwise.
    pub pass_through_in_zone: bool,
    /// Packets of a pass-through balancer arrive at a backend with the balancer's address as destination.
    pub pass_through_keeps_destination: bool,
}

/// The profiles that ship, as text.
const SHIPPED: [(Provider, &str); 5] = [
    (Provider::Generic, include_str!("../profiles/generic.yaml")),
    (Provider::Aws, include_str!("../profiles/aws.yaml")),
    (Provider::Gcp, include_str!("../profiles/gcp.yaml")),
    (Provider::Azure, include_str!("../profiles/azure.yaml")),
    (Provider::Ibm, include_str!("../profiles/ibm.yaml")),
];

/// The facts of a provider, with the changes that a description makes to them.
#[must_use]
pub fn facts(provider: Provider, description: &Description) -> Facts {
    let mut facts = shipped(provider).clone();
    let name = provider.to_string();
    for (key, profile) in description.profiles.iter() {
        if key.value == name {
            apply(&mut facts, profile);
        }
    }
    facts
}

/// The facts that ship for a provider.
#[must_use]
pub fn shipped(provider: Provider) -> &'static Facts {
    static ALL: OnceLock<Vec<Facts>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        SHIPPED
            .iter()
            .map(|(provider, text)| {
                let mut facts = Facts { provider: *provider, ..Facts::default() };
                // The shipped files are checked by a test: what does not parse changes nothing here.
                if let Some(profile) = crate::decode::from_text::<Profile>(text) {
                    apply(&mut facts, &profile);
                }
                facts
            })
            .collect()
    });
    all.iter().find(|facts| facts.provider == provider).unwrap_or(&all[0])
}

fn set<T: Clone>(to: &mut T, from: Option<&Spanned<T>>) {
    if let Some(value) = from {
        *to = value.value.clone();
    }
}

fn apply(facts: &mut Facts, profile: &Profile) {
    set(&mut facts.reserved_first, profile.reserved_first.as_ref());
    set(&mut facts.reserved_last, profile.reserved_last.as_ref());
    set(&mut facts.vpc_mtu, profile.vpc_mtu.as_ref());
    set(&mut facts.nat_ports_per_address, profile.nat_ports_per_address.as_ref());
    set(&mut facts.nat_ports_per_client, profile.nat_ports_per_client.as_ref());
    set(
        &mut facts.direct_egress_addresses_per_instance,
        profile.direct_egress_addresses_per_instance.as_ref(),
    );
    for (to, from) in [
        (&mut facts.subnet_filters_inside, &profile.subnet_filters_inside),
        (&mut facts.groups_across_peering, &profile.groups_across_peering),
        (&mut facts.balancers.proxies_fail_open, &profile.proxies_fail_open),
        (&mut facts.balancers.pass_through_fails_open, &profile.pass_through_fails_open),
        (&mut facts.balancers.pass_through_in_zone, &profile.pass_through_in_zone),
        (
            &mut facts.balancers.pass_through_keeps_destination,
            &profile.pass_through_keeps_destination,
        ),
    ] {
        set(to, from.as_ref());
    }
    for (to, from) in [
        (&mut facts.rules_per_group, &profile.rules_per_group),
        (&mut facts.groups_per_interface, &profile.groups_per_interface),
        (&mut facts.rules_per_acl, &profile.rules_per_acl),
        (&mut facts.static_routes_per_table, &profile.static_routes_per_table),
        (&mut facts.resolver_host, &profile.resolver_host),
        (&mut facts.resolver_queries_per_second, &profile.resolver_queries_per_second),
    ] {
        set(to, from.as_ref());
    }
    if !profile.resolvers.is_empty() {
        facts.resolvers = profile.resolvers.iter().map(|address| address.value).collect();
    }
    let durations = [
        (&mut facts.nat_time_wait, &profile.nat_time_wait),
        (&mut facts.idle_timeout, &profile.idle_timeout),
        (&mut facts.startup_limit, &profile.startup_limit),
    ];
    for (to, from) in durations {
        if let Some(value) = from {
            *to = Some(value.value);
        }
    }
    let lists = [
        (&mut facts.private_ranges, &profile.private_ranges),
        (&mut facts.health_probe_sources, &profile.health_probe_sources),
        (&mut facts.proxy_sources, &profile.proxy_sources),
    ];
    for (to, from) in lists {
        if !from.is_empty() {
            *to = from.iter().map(|prefix| prefix.value).collect();
        }
    }
}

#[cfg(test)]
mod tests;
