//! Ways past the network's own: from a provider's proxies to backends, and back to where a request came from whatever routes say.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::network::VpcId;

use super::super::build::{Build, everything};
use super::super::nft::{self, Table};

/// The first of the tables that lead back.
const FIRST_TABLE: u32 = 2_000_000;

/// The mark, which is also the table, of what a proxy sends from the provider's addresses.
const PROVIDERS: u32 = 1000;

/// A link by which requests come in whose answers go back over it.
pub(in crate::plan) struct Returning {
    /// The link on the router.
    pub(in crate::plan) link: String,
    /// Addresses whose packets are answered as any: those of a node itself.
    pub(in crate::plan) own: Vec<IpAddr>,
    /// The mark, which is also the table, of such answers.
    pub(in crate::plan) mark: u32,
}

/// Answers to what comes by a link, unless it comes from some addresses, go back over it.
pub(super) fn returning(build: &mut Build<'_>, vpc: VpcId, link: String, own: Vec<IpAddr>) {
    let all: usize = build.returning.values().map(Vec::len).sum();
    let mark = FIRST_TABLE + u32::try_from(all).unwrap_or_default();
    let (router, families) = (build.router(vpc), build.families());
    if let Some(router) = build.get(&router) {
        router.rule(families, 10_000, Some(mark), mark);
        for v6 in families {
            router.over(mark, everything(*v6), &link);
        }
    }
    build.returning.entry(vpc).or_default().push(Returning { link, own, mark });
}

/// The provider's own links from a proxy to the VPCs of its backends, for what it sends from some addresses.
pub(super) fn links(
    build: &mut Build<'_>,
    namespace: &str,
    vpcs: &BTreeSet<VpcId>,
    from: &BTreeSet<IpAddr>,
    table: &mut Table,
) {
    let (network, families) = (build.network, build.families());
    for (number, vpc) in vpcs.iter().enumerate() {
        let (own, router) = (format!("provider{number}"), build.router(*vpc));
        let all: usize = build.returning.values().map(Vec::len).sum();
        let link = format!("q{all}");
        build.link((&router, &link), (namespace, &own), network[*vpc].mtu);
        returning(build, *vpc, link, Vec::new());
        if let Some(proxy) = build.get(namespace) {
            for cidr in &network[*vpc].cidrs {
                proxy.over_if_new(PROVIDERS, *cidr, &own);
            }
            if number == 0 {
                proxy.rule(families, 10_000, Some(PROVIDERS), PROVIDERS);
                proxy.addresses.extend(from.iter().map(|address| (own.clone(), *address)));
            }
        }
    }
    let mut lines = Vec::new();
    for (word, v6) in [("ip", false), ("ip6", true)] {
        let own = from.iter().filter(|address| address.is_ipv6() == v6);
        let own: Vec<String> = own.map(ToString::to_string).collect();
        if !own.is_empty() {
            lines.push(format!("{word} saddr {{ {} }} meta mark set {PROVIDERS}", own.join(", ")));
        }
    }
    table.hook("goes", nft::ROUTED_AGAIN, lines);
}
