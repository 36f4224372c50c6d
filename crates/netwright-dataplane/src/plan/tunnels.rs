//! Sites, the tunnels and dedicated links that lead to them, and what chooses between several.
//!
//! A tunnel carries what its suite and its underlay leave. Where its ends tell senders of larger packets, the links that lead into it are that
//! small and the kernel tells them. Where they do not, these links are as large as the site's own, and what the tunnel makes of a larger packet
//! does not fit into its underlay. A link that stands in for a tunnel ([`ends`]) drops them itself; then nothing on the way may hold several
//! segments of TCP together, since that would be dropped for its length.

pub(super) mod ends;

use std::collections::BTreeSet;

use netwright_model::network::{Network, SiteId, VpcId, VpnId};
use netwright_verify::mtu::path::{Larger, tunnel};
use netwright_verify::mtu::segment;

use super::build::{Build, everything};
use super::nft::{self, Table};
use super::{LOCAL, MAIN, Role, Via, described};

/// The table of packets that come from the site.
const INWARD: u32 = 1001;

/// The table of packets that go to the site.
const OUTWARD: u32 = 1002;

/// The mark of packets that arrive at a site: they are its own to answer, whatever leads back to the cloud.
const ARRIVED: u32 = 1;

/// What a tunnel does with large packets, each with the largest that it carries.
#[derive(Default)]
struct Size {
    /// Senders of larger ones are told.
    told: Option<u32>,
    /// Larger ones are lost.
    lost: Option<u32>,
    /// Larger ones are dropped here: less than the tunnel itself would lose.
    dropped: Option<u32>,
    /// Segments of TCP are clamped to fit.
    clamped: Option<u32>,
}

impl Size {
    fn of(network: &Network, id: VpnId) -> Self {
        let Some((octets, larger, clamped)) = tunnel(network, id) else { return Self::default() };
        let clamped = clamped.then_some(octets);
        match larger {
            Larger::Told | Larger::Unknown => {
                Self { told: Some(octets), lost: None, dropped: None, clamped }
            }
            Larger::Lost | Larger::OnlyTcpFits => {
                Self { told: None, lost: Some(octets), dropped: Some(octets), clamped }
            }
        }
    }

    /// Leaves what is too large to a tunnel that carries `fits` octets, behind a link that carries `mtu`.
    fn left_to(mut self, fits: u32, mtu: u32) -> Self {
        if self.lost.is_some_and(|octets| octets >= fits) {
            // What the link itself does not carry never comes to the tunnel, and nobody is told of that either.
            self.dropped = self.lost.map(|octets| octets.max(mtu));
        }
        self
    }

    /// The ruleset of the tunnel's namespace: what comes from the site is looked up by itself, and sizes.
    fn ruleset(&self) -> String {
        let mut table = Table::new();
        let mut before = vec![
            format!("iifname \"{OUT}\" meta mark set {INWARD}"),
            format!("iifname != \"{OUT}\" meta mark set {OUTWARD}"),
        ];
        before.extend(self.dropped.map(|octets| format!("meta length > {octets} drop")));
        table.hook("before", nft::BEFORE_ROUTING, before);
        if let Some(octets) = self.clamped {
            let clamp = [("ipv4", false), ("ipv6", true)].map(|(family, v6)| {
                let most = segment(octets, v6);
                format!("meta nfproto {family} tcp flags syn / syn,rst tcp option maxseg size set {most}")
            });
            table.hook("clamp", nft::PASSED_ON, clamp);
        }
        table.finish()
    }
}

/// A tunnel's link to its site, and the one to the VPC or hub that it belongs to.
const OUT: &str = "out";
const HOME: &str = "home";

fn tunnel_namespace(network: &Network, id: VpnId) -> String {
    format!("vpn/{}", network[id].name)
}

fn site_namespace(network: &Network, site: SiteId) -> String {
    format!("site/{}", network[network[site].endpoint].name)
}

/// The namespace of a tunnel with the link to its site, made where it is not there.
fn made(build: &mut Build<'_>, id: VpnId) -> String {
    let network = build.network;
    let (name, row, families) = (tunnel_namespace(network, id), &network[id], build.families());
    if build.get(&name).is_some() {
        return name;
    }
    build.namespace(&name, Role::Vpn);
    let mut size = Size::of(network, id);
    if let Some(site) = row.site.filter(|_| row.up) {
        let site_name = site_namespace(network, site);
        build.namespace(&site_name, Role::Site);
        let mtu = size.told.map_or(network[site].mtu, |octets| octets.min(network[site].mtu));
        let far = format!("s{}", id.index());
        match ends::between(build, id, (&name, OUT), (&site_name, &far), mtu) {
            Some(fits) => size = size.left_to(fits, mtu),
            None => {
                let link = build.link((&name, OUT), (&site_name, &far), mtu);
                link.unaggregated = size.lost.is_some();
                link.conditions = described::vpn(network, id);
                // From this side to the site.
                link.name.clone_from(&name);
            }
        }
    }
    if let Some(tunnel) = build.get(&name) {
        tunnel.ruleset = size.ruleset();
        for table in [INWARD, OUTWARD] {
            tunnel.rule(families, 10_000, Some(table), table);
        }
        if row.up && row.site.is_some() {
            for prefix in &row.remote {
                tunnel.over_if_new(OUTWARD, *prefix, OUT);
                tunnel.over_if_new(MAIN, *prefix, OUT);
            }
        }
        for all in families.iter().map(|v6| everything(*v6)) {
            tunnel.route(INWARD, all, Via::Blackhole);
            if !tunnel.has_route(OUTWARD, all) {
                tunnel.route(OUTWARD, all, Via::Blackhole);
            }
        }
    }
    if let Some(vpc) = row.vpc {
        enter(build, vpc, id);
    }
    name
}

/// A link into a tunnel from a namespace of ours.
fn link_in(build: &mut Build<'_>, from: (&str, &str), id: VpnId, inside: &str, mtu: u32) {
    let lost = Size::of(build.network, id).lost.is_some();
    let name = made(build, id);
    build.link(from, (&name, inside), mtu).unaggregated = lost;
    if inside != HOME {
        return;
    }
    let network = build.network;
    if let Some(tunnel) = build.get(&name) {
        for prefix in &network[id].local {
            tunnel.replace(INWARD, *prefix, HOME);
            // What the tunnel itself has to tell a sender goes back the same way.
            tunnel.over_if_new(MAIN, *prefix, HOME);
        }
    }
}

/// The link on a VPC's router into a tunnel, made where it is not there.
fn enter(build: &mut Build<'_>, vpc: VpcId, id: VpnId) -> String {
    let network = build.network;
    let link = format!("w{}", id.index());
    let name = made(build, id);
    let home = network[id].vpc == Some(vpc);
    let inside = if home { HOME.to_owned() } else { format!("v{}", vpc.index()) };
    if !build.has_link(&name, &inside) {
        let router = build.router(vpc);
        link_in(build, (&router, &link), id, &inside, network[vpc].mtu);
    }
    link
}

/// The link on a VPC's router that leads to one of several tunnels: the one that is up and whose ranges match best.
pub(super) fn tunnels(build: &mut Build<'_>, vpc: VpcId, links: &[VpnId]) -> String {
    let network = build.network;
    let sorted: BTreeSet<VpnId> = links.iter().copied().collect();
    if let (Some(only), 1) = (sorted.first(), sorted.len()) {
        return enter(build, vpc, *only);
    }
    let key: Vec<VpnId> = sorted.into_iter().collect();
    let (number, new) = build.chooser(vpc, key.clone());
    let link = format!("c{number}");
    if !new {
        return link;
    }
    let (name, router) = (format!("tunnels/{number}"), build.router(vpc));
    build.namespace(&name, Role::Vpn);
    let lost = key.iter().any(|id| Size::of(network, *id).lost.is_some());
    build.link((&router, &link), (&name, "in"), network[vpc].mtu).unaggregated = lost;
    for id in key.iter().filter(|id| network[**id].up) {
        let way = format!("w{}", id.index());
        link_in(build, (&name, &way), *id, &link, network[vpc].mtu);
        if let Some(chooser) = build.get(&name) {
            for prefix in &network[*id].remote {
                chooser.over_if_new(MAIN, *prefix, &way);
            }
        }
    }
    let families = build.families();
    if let Some(chooser) = build.get(&name) {
        for all in families.iter().map(|v6| everything(*v6)) {
            if !chooser.has_route(MAIN, all) {
                chooser.route(MAIN, all, Via::Blackhole);
            }
        }
    }
    link
}

/// A tunnel that is attached to a transit hub by a link there. It belongs to the hub that comes first, unless it belongs to a VPC.
pub(super) fn attached(build: &mut Build<'_>, hub: (&str, &str), id: VpnId, mtu: u32) {
    let name = made(build, id);
    let home = build.network[id].vpc.is_none() && !build.has_link(&name, HOME);
    let inside = if home { HOME.to_owned() } else { format!("h{}", hub.1) };
    link_in(build, hub, id, &inside, mtu);
}

/// Sites: every address of their ranges is theirs, and each range that a link knows lies behind it.
pub(super) fn sites(build: &mut Build<'_>) {
    let network = build.network;
    // Links that no route names: packets from the site come in by them all the same.
    for (index, vpn) in network.vpns.iter().enumerate() {
        if vpn.vpc.is_some() {
            made(build, VpnId::at(index));
        }
    }
    for (index, site) in network.sites.iter().enumerate() {
        let id = SiteId::at(index);
        let name = site_namespace(network, id);
        let families = build.families();
        let namespace = build.namespace(&name, Role::Site);
        namespace.owns(&site.cidrs);
        let mut table = Table::new();
        table.hook("arrived", nft::BEFORE_ROUTING, [format!("meta mark set {ARRIVED}")]);
        namespace.ruleset = table.finish();
        namespace.rule(families, 50, Some(ARRIVED), LOCAL);
        namespace.rule(families, 100, None, MAIN);
        namespace.rule(families, 200, None, LOCAL);
        let links = network.vpns.iter().filter(|vpn| vpn.site == Some(id) && vpn.up);
        // A link may lead to more than the site itself: what lies behind it is the site's to answer, after what is the cloud's.
        for prefix in links.flat_map(|vpn| &vpn.remote) {
            if !namespace.has_route(LOCAL, *prefix) {
                namespace.route(LOCAL, *prefix, Via::Local);
            }
        }
    }
}

/// What sites send: by the link that is up and whose ranges of this side match best. Last, when it is known which links there are.
pub(super) fn site_routes(build: &mut Build<'_>) {
    let network = build.network;
    for (index, vpn) in network.vpns.iter().enumerate() {
        let Some(site) = vpn.site.filter(|_| vpn.up) else { continue };
        let (name, link) = (site_namespace(network, site), format!("s{index}"));
        let leads = build.has_link(&name, &link);
        if let Some(namespace) = build.get(&name) {
            for prefix in &vpn.local {
                if leads {
                    namespace.over_if_new(MAIN, *prefix, &link);
                } else if !namespace.has_route(MAIN, *prefix) {
                    namespace.route(MAIN, *prefix, Via::Blackhole);
                }
            }
        }
    }
}
