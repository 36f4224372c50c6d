//! The Internet, and what stands on it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::language::EndpointKind;
use netwright_model::network::{EndpointId, External, ExternalId, Network, Target, VpcId};
use netwright_model::scalar::Prefix;
use netwright_verify::ask::ordinary;
use netwright_verify::dependencies::PROXY_PORT;
use netwright_verify::prover::index::NOT_GLOBAL_V4;

use super::build::{Build, everything, host};
use super::intervals;
use super::nft::{self, Table};
use super::{INTERNET, LOCAL, MAIN, Role, Via, described};

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
        let database = endpoint.kind == EndpointKind::Database;
        if (endpoint.interfaces.is_empty() || database) && !endpoint.public.is_empty() {
            public_endpoint(build, EndpointId::at(index), &endpoint.public);
        }
    }
}

/// What routes of VPCs lead to: VPCs with a route there, and the prefixes of those routes.
fn routed(network: &Network, is: impl Fn(&Target) -> bool) -> (Vec<VpcId>, BTreeSet<Prefix>) {
    let (mut vpcs, mut prefixes) = (Vec::new(), BTreeSet::new());
    for subnet in &network.subnets {
        for route in network[subnet.table].routes.iter().filter(|route| is(&route.via)) {
            prefixes.insert(route.to);
            if !vpcs.contains(&subnet.vpc) {
                vpcs.push(subnet.vpc);
            }
        }
    }
    (vpcs, prefixes)
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
    let (more, prefixes) = routed(network, |target| *target == Target::External(id));
    let more = more.into_iter().filter(|vpc| !row.attached.contains(vpc));
    let linked: Vec<VpcId> = row.attached.iter().copied().chain(more).collect();
    behind(build, &name, &link, &linked, &prefixes);
    if row.attached.is_empty() {
        build.link((INTERNET, &link), (&name, "eth0"), INTERNET_MTU).conditions =
            described::external(network, id);
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
        for (number, vpc) in row.attached.iter().enumerate() {
            for cidr in &network[*vpc].cidrs {
                namespace.over_if_new(MAIN, *cidr, &inside(number));
            }
        }
        namespace.owns(&endpoint.prefixes);
        namespace.ruleset = ruleset(row, linked.len());
    }
}

/// A private endpoint that routes lead to: whatever comes by them is for it.
pub(super) fn private_endpoints(build: &mut Build<'_>) {
    let network = build.network;
    for (index, endpoint) in network.endpoints.iter().enumerate() {
        let id = EndpointId::at(index);
        let (vpcs, prefixes) = routed(network, |target| *target == Target::PrivateEndpoint(id));
        if vpcs.is_empty() {
            continue;
        }
        let name = super::endpoint(network, id);
        build.namespace(&name, Role::External);
        behind(build, &name, &format!("e{index}"), &vpcs, &prefixes);
        if let Some(namespace) = build.get(&name) {
            namespace.owns(&endpoint.prefixes);
            let mut table = Table::new();
            ways_back(&mut table, vpcs.len());
            if endpoint.interfaces.is_empty() {
                // It answers, and asks nothing.
                table.hook("out", nft::SENT, ["ct state new drop"]);
            }
            namespace.ruleset = table.finish();
        }
    }
}

/// The link of a service to one of the VPCs behind which it is.
fn inside(number: usize) -> String {
    format!("vpc{number}")
}

/// The first of the tables that lead back into one of several VPCs.
const FIRST_TABLE: u32 = 1000;

fn way_back(number: usize) -> u32 {
    FIRST_TABLE + u32::try_from(number).unwrap_or_default()
}

/// The mark of what arrives: it is for the service, whatever its own routes say.
const ARRIVED: u32 = 1;

/// Links from VPCs to a service, which takes what comes over them. VPCs may have the same ranges: an answer goes back to where its request
/// came from.
fn behind(
    build: &mut Build<'_>,
    name: &str,
    link: &str,
    vpcs: &[VpcId],
    prefixes: &BTreeSet<Prefix>,
) {
    let (network, families) = (build.network, build.families());
    for (number, vpc) in vpcs.iter().enumerate() {
        let router = build.router(*vpc);
        build.link((&router, link), (name, &inside(number)), network[*vpc].mtu);
        if let Some(namespace) = build.get(name) {
            let own = way_back(number);
            namespace.rule(families, 50, Some(own), own);
            for cidr in &network[*vpc].cidrs {
                namespace.over(own, *cidr, &inside(number));
            }
        }
    }
    if let Some(namespace) = build.get(name).filter(|_| !vpcs.is_empty()) {
        namespace.rule(families, 50, Some(ARRIVED), LOCAL);
        namespace.rule(families, 100, None, MAIN);
        namespace.rule(families, 200, None, LOCAL);
        for prefix in prefixes {
            namespace.route(LOCAL, *prefix, Via::Local);
        }
    }
}

/// Notes where each request came from, and sends its answer there.
fn ways_back(table: &mut Table, linked: usize) {
    if linked == 0 {
        return;
    }
    let marks: Vec<String> = (0..linked)
        .map(|number| format!("\"{}\" : {}", inside(number), way_back(number)))
        .collect();
    let mark = format!("ct mark set iifname map {{ {} }}", marks.join(", "));
    let arrived = format!("meta mark set {ARRIVED}");
    table.hook("came", nft::BEFORE_ROUTING, [mark, arrived]);
    table.hook("goes", nft::ROUTED_AGAIN, ["ct mark != 0 meta mark set ct mark"]);
}

/// Who an outside service accepts, which VPC an answer goes back to, and whether it opens connections into the VPCs that it is attached to.
fn ruleset(row: &External, linked: usize) -> String {
    let opens_nothing = !row.attached.is_empty() && !row.initiates;
    if row.allow_from.is_none() && !opens_nothing && linked == 0 {
        return String::new();
    }
    let mut table = Table::new();
    ways_back(&mut table, linked);
    if let Some(allowed) = &row.allow_from {
        table.hook("here", nft::RECEIVED_IF_ACCEPTED, allow_list(allowed));
    }
    if opens_nothing {
        table.hook("out", nft::SENT, ["ct state new drop"]);
    }
    table.finish()
}

/// A database or balancer that has a public address, without an interface in a VPC or beside it.
fn public_endpoint(build: &mut Build<'_>, id: EndpointId, addresses: &[IpAddr]) {
    let network = build.network;
    let endpoint = &network[id];
    let name = format!("{}/{}", endpoint.kind.word(), endpoint.name);
    let (link, families) = (format!("e{}", id.index()), build.families());
    let beside = !endpoint.interfaces.is_empty() && build.get(&name).is_some();
    let own = if beside { PUBLIC } else { "eth0" };
    build.namespace(&name, Role::External);
    build.link((INTERNET, &link), (&name, own), INTERNET_MTU);
    if let Some(internet) = build.get(INTERNET) {
        for address in addresses {
            internet.over_if_new(MAIN, host(*address), &link);
        }
    }
    let database = network.description.databases.get(&endpoint.name);
    let database = database.filter(|_| endpoint.kind == EndpointKind::Database);
    if let Some(namespace) = build.get(&name) {
        namespace.addresses.extend(addresses.iter().map(|a| (own.to_owned(), *a)));
        let mut table = Table::new();
        if beside {
            // An answer goes back to where its request came from.
            for v6 in families {
                namespace.over(way_back(0), everything(*v6), PUBLIC);
            }
            namespace.rule(families, 50, Some(way_back(0)), way_back(0));
            let mark = format!("iifname \"{PUBLIC}\" ct mark set {}", way_back(0));
            table.hook("came", nft::BEFORE_ROUTING, [mark]);
            table.hook("goes", nft::ROUTED_AGAIN, ["ct mark != 0 meta mark set ct mark"]);
        } else {
            namespace.default_over(families, own);
        }
        if let Some(database) = database {
            let list = database.authorized_networks.iter().map(|prefix| prefix.value);
            let mut lines = allow_list(&list.collect::<Vec<_>>());
            lines.insert(1, format!("iifname != \"{own}\" accept"));
            // The platform's proxy proves who it is by itself.
            lines.push(format!("tcp dport {PROXY_PORT} accept"));
            table.hook("here", nft::RECEIVED_IF_ACCEPTED, lines);
        }
        if beside || database.is_some() {
            namespace.ruleset = table.finish();
        }
    }
}

/// The link of a database to the Internet, where it has another.
const PUBLIC: &str = "public";

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
