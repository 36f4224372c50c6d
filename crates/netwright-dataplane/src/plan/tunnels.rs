//! Sites, and what chooses between the tunnels and dedicated links that lead to them.
//!
//! A tunnel carries what its suite and its underlay leave. Where its ends tell senders of larger packets, its link is that small and the
//! kernel tells them. Where they do not, the link is as large as the site's own and larger packets are dropped before the kernel looks at
//! them; then nothing on the way may hold several segments of TCP together, since that would be dropped for its length.

use std::collections::BTreeSet;

use netwright_model::network::{Network, SiteId, Target, VpcId, VpnId};
use netwright_model::scalar::Prefix;
use netwright_verify::mtu::path::{Larger, tunnel};
use netwright_verify::mtu::segment;

use super::build::{Build, everything};
use super::nft::{self, Table};
use super::{LOCAL, MAIN, Role, Via};

/// What a tunnel does with large packets, each with the largest that it carries.
#[derive(Default)]
struct Size {
    /// Senders of larger ones are told.
    told: Option<u32>,
    /// Larger ones are lost.
    lost: Option<u32>,
    /// Segments of TCP are clamped to fit.
    clamped: Option<u32>,
}

impl Size {
    fn of(network: &Network, id: VpnId) -> Self {
        let Some((octets, larger, clamped)) = tunnel(network, id) else { return Self::default() };
        let clamped = clamped.then_some(octets);
        match larger {
            Larger::Told | Larger::Unknown => Self { told: Some(octets), lost: None, clamped },
            Larger::Lost | Larger::OnlyTcpFits => Self { told: None, lost: Some(octets), clamped },
        }
    }

    fn rules(&self, link: &str) -> Rules {
        let mut rules = Rules::default();
        if let Some(octets) = self.lost {
            rules.lost.push(format!("iifname \"{link}\" meta length > {octets} drop"));
            rules.lost.push(format!("fib daddr oifname \"{link}\" meta length > {octets} drop"));
        }
        for way in ["iifname", "oifname"].iter().filter(|_| self.clamped.is_some()) {
            let octets = self.clamped.unwrap_or_default();
            for (family, v6) in [("ipv4", false), ("ipv6", true)] {
                let most = segment(octets, v6);
                rules.clamped.push(format!(
                    "{way} \"{link}\" meta nfproto {family} tcp flags syn / syn,rst tcp option maxseg size set {most}"
                ));
            }
        }
        rules
    }
}

/// Lines of a gateway's ruleset.
#[derive(Default)]
struct Rules {
    lost: Vec<String>,
    clamped: Vec<String>,
}

impl Rules {
    fn extend(&mut self, more: Self) {
        self.lost.extend(more.lost);
        self.clamped.extend(more.clamped);
    }

    fn ruleset(self) -> String {
        if self.lost.is_empty() && self.clamped.is_empty() {
            return String::new();
        }
        let mut table = Table::new();
        if !self.lost.is_empty() {
            table.hook("sizes", nft::BEFORE_ROUTING, self.lost);
        }
        if !self.clamped.is_empty() {
            table.hook("clamp", nft::PASSED_ON, self.clamped);
        }
        table.finish()
    }
}

/// The namespace that chooses between links that share a gateway, made where it is not there; answers the link to it on the side of
/// the VPC, or of the hub where that is `None`.
pub(super) fn tunnel_gateway(build: &mut Build<'_>, vpc: Option<VpcId>, links: &[VpnId]) -> String {
    let network = build.network;
    let mut sorted: Vec<VpnId> = links.to_vec();
    sorted.sort();
    sorted.dedup();
    let names: Vec<String> = sorted.iter().map(|link| link.index().to_string()).collect();
    let name = format!("tunnels/{}", names.join("+"));
    let link = format!("w{}", names.first().map_or("", String::as_str));
    if build.get(&name).is_some() {
        return link;
    }
    let families = build.families();
    let gateway = build.namespace(&name, Role::Vpn);
    let everywhere = |all: Prefix| sorted.iter().any(|id| network[*id].remote.contains(&all));
    for all in families.iter().map(|v6| everything(*v6)).filter(|all| !everywhere(*all)) {
        gateway.route(MAIN, all, Via::Blackhole);
    }
    let mut taken: BTreeSet<Prefix> = BTreeSet::new();
    let mut sizes = Rules::default();
    for id in &sorted {
        let row = &network[*id];
        let Some(site) = row.site.filter(|_| row.up) else { continue };
        let (site_name, out) = (site_namespace(network, site), format!("s{}", id.index()));
        build.namespace(&site_name, Role::Site);
        let size = Size::of(network, *id);
        let mtu = size.told.map_or(network[site].mtu, |octets| octets.min(network[site].mtu));
        let link = build.link((&name, &out), (&site_name, &out), mtu);
        link.unaggregated = size.lost.is_some();
        sizes.extend(size.rules(&out));
        if let Some(gateway) = build.get(&name) {
            for prefix in &row.remote {
                if taken.insert(*prefix) {
                    gateway.over(MAIN, *prefix, &out);
                }
            }
        }
    }
    let lost = !sizes.lost.is_empty();
    if let Some(gateway) = build.get(&name) {
        gateway.ruleset = sizes.ruleset();
    }
    if let Some(vpc) = vpc {
        let router = build.router(vpc);
        let inside = build.link((&router, &link), (&name, "in"), network[vpc].mtu);
        inside.unaggregated = lost;
        tunnel_returns(build, &name, &sorted, "in");
    }
    link
}

/// What a site sends goes into the VPC, or the hub, behind the gateway.
pub(super) fn tunnel_returns(build: &mut Build<'_>, name: &str, links: &[VpnId], link: &str) {
    let network = build.network;
    let local: BTreeSet<Prefix> =
        links.iter().flat_map(|id| network[*id].local.iter().copied()).collect();
    if let Some(gateway) = build.get(name) {
        for prefix in local {
            gateway.over(MAIN, prefix, link);
        }
    }
}

fn site_namespace(network: &Network, site: SiteId) -> String {
    format!("site/{}", network[network[site].endpoint].name)
}

/// Sites: every address of their ranges is theirs, and each range that a link knows lies behind it.
pub(super) fn sites(build: &mut Build<'_>) {
    let network = build.network;
    // Links that no route of a VPC names: packets from the site come in by them all the same.
    for (index, vpn) in network.vpns.iter().enumerate() {
        if let Some(vpc) = vpn.vpc {
            let id = VpnId::at(index);
            let known = network.route_tables.iter().flat_map(|table| &table.routes);
            let mut named = known.filter_map(|route| match &route.via {
                Target::Vpn(links) => Some(links),
                _ => None,
            });
            if !named.any(|links| links.contains(&id)) {
                tunnel_gateway(build, Some(vpc), &[id]);
            }
        }
    }
    for (index, site) in network.sites.iter().enumerate() {
        let id = SiteId::at(index);
        let name = site_namespace(network, id);
        let families = build.families();
        let namespace = build.namespace(&name, Role::Site);
        namespace.owns(&site.cidrs);
        // A link may lead to more than the site itself: what lies behind it is the site's to answer, after what is the cloud's.
        namespace.rule(families, 100, None, MAIN);
        namespace.rule(families, 200, None, LOCAL);
        let links = network.vpns.iter().filter(|vpn| vpn.site == Some(id) && vpn.up);
        for prefix in links.flat_map(|vpn| &vpn.remote) {
            if !namespace.has_route(LOCAL, *prefix) {
                namespace.route(LOCAL, *prefix, Via::Local);
            }
        }
        for (number, vpn) in network.vpns.iter().enumerate() {
            if vpn.site == Some(id) && vpn.up {
                for prefix in &vpn.local {
                    namespace.over_if_new(MAIN, *prefix, &format!("s{number}"));
                }
            }
        }
    }
}
