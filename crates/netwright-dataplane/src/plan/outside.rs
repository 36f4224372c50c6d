//! The Internet, and what stands on it.

use std::net::IpAddr;

use netwright_model::network::{EndpointId, External, ExternalId, Network, Target, VpcId};
use netwright_model::scalar::Prefix;
use netwright_verify::ask::ordinary;
use netwright_verify::prover::index::NOT_GLOBAL_V4;

use super::build::{Build, everything, host};
use super::intervals;
use super::nft::{self, Table};
use super::{INTERNET, LOCAL, MAIN, Role, Via};

/// IPv4 ranges that the Internet does not route.
pub(super) fn not_global() -> impl Iterator<Item = Prefix> {
    NOT_GLOBAL_V4.iter().map(|(base, length)| Prefix::of((*base).into(), *length))
}

/// Largest packet on the Internet.
pub(super) const INTERNET_MTU: u32 = 1500;

/// The Internet, outside services, and endpoints with public addresses of their own.
pub(super) fn internet(build: &mut Build<'_>) {
    let network = build.network;
    let families = build.families();
    build.namespace(INTERNET, Role::Internet);
    if let Some(namespace) = build.get(INTERNET) {
        for range in not_global() {
            namespace.route(MAIN, range, Via::Blackhole);
        }
        // Only what no route of `main` knows is the Internet's own.
        for v6 in families {
            namespace.route(LOCAL, everything(*v6), Via::Local);
        }
        namespace.rule(families, 100, None, MAIN);
        namespace.rule(families, 200, None, LOCAL);
        namespace.addresses.insert(0, ("lo".to_owned(), ordinary(network)));
    }
    for index in 0..network.externals.len() {
        external(build, ExternalId::at(index));
    }
    for (index, endpoint) in network.endpoints.iter().enumerate() {
        if endpoint.interfaces.is_empty() && !endpoint.public.is_empty() {
            public_endpoint(build, EndpointId::at(index), &endpoint.public);
        }
    }
}

/// The VPCs that have a link to an outside service: those that it is attached to, then those with a route to it.
fn linked(network: &Network, id: ExternalId) -> Vec<VpcId> {
    let mut all = network[id].attached.clone();
    for subnet in &network.subnets {
        let routes = &network[subnet.table].routes;
        let named = routes.iter().any(|route| route.via == Target::External(id));
        if named && !all.contains(&subnet.vpc) {
            all.push(subnet.vpc);
        }
    }
    all
}

/// An outside service: on the Internet, or behind links of its own to the VPCs that are attached to it; and behind those of VPCs with a
/// route to it.
fn external(build: &mut Build<'_>, id: ExternalId) {
    let network = build.network;
    let row = &network[id];
    let endpoint = &network[row.endpoint];
    let (name, link) = (format!("external/{}", endpoint.name), format!("x{}", id.index()));
    let families = build.families();
    build.namespace(&name, Role::External);
    let linked = linked(network, id);
    for (number, vpc) in linked.iter().enumerate() {
        let (router, inside) = (build.router(*vpc), format!("vpc{number}"));
        build.link((&router, &link), (&name, &inside), network[*vpc].mtu);
        if let Some(namespace) = build.get(&name) {
            // VPCs may have the same ranges: an answer goes back to where its request came from.
            let own = FIRST_TABLE + u32::try_from(number).unwrap_or_default();
            namespace.rule(families, 50, Some(own), own);
            for cidr in &network[*vpc].cidrs {
                namespace.over(own, *cidr, &inside);
                if row.attached.contains(vpc) {
                    namespace.over_if_new(MAIN, *cidr, &inside);
                }
            }
        }
    }
    if row.attached.is_empty() {
        build.link((INTERNET, &link), (&name, "eth0"), INTERNET_MTU);
        if let Some(internet) = build.get(INTERNET) {
            for prefix in &endpoint.prefixes {
                internet.over_if_new(MAIN, *prefix, &link);
            }
        }
    }
    if let Some(namespace) = build.get(&name) {
        if row.attached.is_empty() {
            namespace.default_over(families, "eth0");
        }
        namespace.owns(&endpoint.prefixes);
        namespace.ruleset = ruleset(row, linked.len());
    }
}

/// The first of the tables that lead back into one of several VPCs.
const FIRST_TABLE: u32 = 1000;

/// Who an outside service accepts, which VPC an answer goes back to, and whether it opens connections into
/// the VPCs that it is attached to.
fn ruleset(row: &External, linked: usize) -> String {
    let opens_nothing = !row.attached.is_empty() && !row.initiates;
    if row.allow_from.is_none() && !opens_nothing && linked == 0 {
        return String::new();
    }
    let mut table = Table::new();
    if linked > 0 {
        let of = |number: usize| FIRST_TABLE + u32::try_from(number).unwrap_or_default();
        let marks: Vec<String> =
            (0..linked).map(|number| format!("\"vpc{number}\" : {}", of(number))).collect();
        let mark = format!("ct mark set iifname map {{ {} }}", marks.join(", "));
        table.hook("came", nft::BEFORE_ROUTING, [mark]);
        table.hook("goes", nft::ROUTED_AGAIN, ["meta mark set ct mark"]);
    }
    if let Some(allowed) = &row.allow_from {
        table.hook("here", nft::RECEIVED_IF_ACCEPTED, allow_list(allowed));
    }
    if opens_nothing {
        table.hook("out", nft::SENT, ["ct state new drop"]);
    }
    table.finish()
}

/// A database or balancer that has a public address and no interface in a VPC.
fn public_endpoint(build: &mut Build<'_>, id: EndpointId, addresses: &[IpAddr]) {
    let network = build.network;
    let endpoint = &network[id];
    let name = format!("{}/{}", endpoint.kind.word(), endpoint.name);
    let (link, families) = (format!("e{}", id.index()), build.families());
    build.namespace(&name, Role::External);
    build.link((INTERNET, &link), (&name, "eth0"), INTERNET_MTU);
    if let Some(internet) = build.get(INTERNET) {
        for address in addresses {
            internet.over_if_new(MAIN, host(*address), &link);
        }
    }
    if let Some(namespace) = build.get(&name) {
        namespace.default_over(families, "eth0");
        namespace.addresses.extend(addresses.iter().map(|a| ("eth0".to_owned(), *a)));
    }
}

/// Accepts connections from listed sources only.
fn allow_list(allowed: &[Prefix]) -> Vec<String> {
    let of = |v6: bool| -> Vec<&Prefix> {
        allowed.iter().filter(|prefix| prefix.is_v4() != v6).collect()
    };
    let mut lines = vec![nft::KNOWN.to_owned()];
    for (word, members) in [("ip", of(false)), ("ip6", of(true))] {
        if !members.is_empty() {
            lines.push(format!("{word} saddr {} accept", intervals::prefixes(members)));
        }
    }
    lines
}
