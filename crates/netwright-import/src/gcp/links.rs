//! Tunnels and dedicated links to sites.

use netwright_model::language::{Site, Vpn, VpnKind};
use netwright_model::scalar::Prefix;
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::Node;

use super::Import;
use super::export::{Object, last, path_of};
use crate::access::Access;

impl<'e> Import<'e> {
    pub(super) fn links(&mut self) {
        for tunnel in self.export.all("vpnTunnel") {
            self.link(*tunnel, VpnKind::Ipsec);
        }
        for attachment in self.export.all("interconnectAttachment") {
            self.link(*attachment, VpnKind::Dedicated);
        }
    }

    fn link(&mut self, object: Object<'e>, kind: VpnKind) {
        let (node, at) = (object.node, object.span());
        let key = self.names.key(object);
        let named = format!("vpn:{key}");
        let Some(network) = self.network_of(node) else {
            self.gap(
                &named,
                "neither its gateway nor its router is in the export: its network is not known, and packets of any network of its project may take it",
                at,
                true,
            );
            return;
        };
        let mut remote = selectors(node, "remoteTrafficSelector");
        if remote.is_empty() {
            remote = self.routed(object, &network);
        }
        if remote.is_empty() && self.is_told(&network, node) {
            self.gap(&named, "its router has learned no route that leads through it", at, false);
            return;
        }
        if remote.is_empty() {
            self.gap(&named, "which addresses lie behind it is not in the export", at, true);
            return;
        }
        let far = node.word("peerIp").or_else(|| node.word("peerGcpGateway")).map(last);
        let far = far.or_else(|| node.word("interconnect").map(last)).unwrap_or("elsewhere");
        let site = super::names::clean(&format!("site-{far}"));
        self.site(&site, &remote, at);
        let up = match node.word("status").or_else(|| node.word("operationalStatus")) {
            None => None,
            Some("ESTABLISHED" | "OS_ACTIVE") => Some(true),
            Some(_) => Some(false),
        };
        let made = Vpn {
            id: object.identifier(),
            kind: Some(Spanned::new(kind, at)),
            vpc: Some(Spanned::new(network, at)),
            site: Some(Spanned::new(site, at)),
            remote_cidrs: remote,
            local_cidrs: selectors(node, "localTrafficSelector"),
            mtu: super::networks::number(node, "mtu"),
            up: up.map(|up| Spanned::new(up, at)),
            span: at.into(),
            ..Vpn::default()
        };
        self.description.vpns.insert(Spanned::new(key, at), made);
    }

    /// The network of a link: its gateway's or its router's.
    pub(super) fn network_of(&self, node: &Node) -> Option<String> {
        let through = ["vpnGateway", "targetVpnGateway", "router"];
        let found = through.iter().find_map(|field| {
            let gateway = self.export.find(node.word(field)?)?;
            self.names.network(gateway.node.word("network")?)
        });
        found.map(str::to_owned)
    }

    /// Destinations of the routes through a link, written and learned.
    fn routed(&self, object: Object<'e>, network: &str) -> Vec<Spanned<Prefix>> {
        let Some(own) = object.link() else { return Vec::new() };
        let through = |node: &Node| {
            let named = ["nextHopVpnTunnel", "nextHopInterconnectAttachment"]
                .iter()
                .any(|field| node.word(field).and_then(path_of).as_ref() == Some(&own));
            let peer = node.address("nextHopIp").map(|peer| peer.value);
            named || peer.and_then(|peer| self.link_behind(network, peer)).as_ref() == Some(&own)
        };
        let written = self.export.all("route").iter().map(|route| route.node);
        let learned = self.export.all("routerStatus").iter().flat_map(|status| {
            let result = status.node.get("result");
            let best = result.map_or(&[][..], |result| result.list("bestRoutes"));
            let own = result.map_or(&[][..], |result| result.list("bestRoutesForRouter"));
            best.iter().chain(own)
        });
        let mut found: Vec<Spanned<Prefix>> = written
            .chain(learned)
            .filter(|node| through(node))
            .filter_map(|node| node.prefix("destRange"))
            .filter(|prefix| prefix.value.length() > 0)
            .collect();
        found.sort_by_key(|prefix| prefix.value);
        found.dedup_by_key(|prefix| prefix.value);
        found
    }

    fn site(&mut self, name: &str, cidrs: &[Spanned<Prefix>], at: Span) {
        if self.description.sites.get(name).is_none() {
            let site = Site { span: at.into(), ..Site::default() };
            self.description.sites.insert(Spanned::new(name.to_owned(), at), site);
        }
        if let Some(site) = self.description.sites.get_mut(name) {
            for cidr in cidrs {
                if site.cidrs.iter().all(|known| known.value != cidr.value) {
                    site.cidrs.push(*cidr);
                }
            }
        }
    }
}

/// Ranges that a tunnel selects. All addresses select nothing: routes decide then.
fn selectors(node: &Node, field: &str) -> Vec<Spanned<Prefix>> {
    let prefixes = node.list(field).iter().filter_map(crate::access::prefix_of);
    prefixes.filter(|prefix| prefix.value.length() > 0).collect()
}
