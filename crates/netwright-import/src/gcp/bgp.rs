//! BGP sessions of routers: which link each runs over, and whether what they learn is in the export (`get-status`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::tree::Node;

use super::Import;
use super::export::{Object, path_of, segment};
use crate::access::Access;

/// Fields of a router's interface that name the link behind it.
const LINKS: [&str; 2] = ["linkedVpnTunnel", "linkedInterconnectAttachment"];

/// Words of a tunnel or attachment that carries packets.
const UP: [&str; 3] = ["ESTABLISHED", "OS_ACTIVE", "ACTIVE"];

/// Sessions of a router that are switched on.
fn sessions(router: &Node) -> impl Iterator<Item = &Node> {
    let off = |peer: &&Node| peer.word("enable") != Some("FALSE");
    router.list("bgpPeers").iter().filter(off)
}

impl<'e> Import<'e> {
    /// Routers of a network.
    fn routers_of(&self, network: &str) -> Vec<Object<'e>> {
        let own = |router: &&Object<'e>| {
            let link = router.node.word("network");
            link.is_some_and(|link| self.names.network(link) == Some(network))
        };
        self.export.all("router").iter().filter(own).copied().collect()
    }

    /// The path of the link behind a session.
    fn link_of(router: &Node, session: &Node) -> Option<String> {
        let interface = session.word("interfaceName")?;
        let mut all = router.list("interfaces").iter();
        let row = all.find(|row| row.word("name") == Some(interface))?;
        LINKS.iter().find_map(|field| path_of(row.word(field)?))
    }

    /// The path of the link behind the address of a BGP peer, by which routes that are learned name their next hop.
    pub(super) fn link_behind(&self, network: &str, peer: IpAddr) -> Option<String> {
        for router in self.routers_of(network) {
            let mut own = router.node.list("bgpPeers").iter();
            let session = own.find(|session| {
                session.address("peerIpAddress").is_some_and(|own| own.value == peer)
            });
            if let Some(session) = session {
                return Self::link_of(router.node, session);
            }
        }
        let status = self.statuses_of(network).into_iter();
        let mut sessions = status.flat_map(|result| result.list("bgpPeerStatus"));
        let session = sessions.find(|session| {
            session.address("peerIpAddress").is_some_and(|own| own.value == peer)
        })?;
        path_of(session.word("linkedVpnTunnel")?)
    }

    /// What the export holds of the state of a network's routers.
    pub(super) fn statuses_of(&self, network: &str) -> Vec<&'e Node> {
        let results = self.export.all("routerStatus").iter();
        let results = results.filter_map(|status| status.node.get("result"));
        let of = |result: &&Node| {
            let link = result.word("network");
            link.is_some_and(|link| self.names.network(link) == Some(network))
        };
        results.filter(of).collect()
    }

    /// The region whose routers a status is about; nothing where that is not known.
    pub(super) fn region_of_status(&self, network: &str, status: &Node) -> Option<String> {
        let routers = self.routers_of(network);
        let told: Vec<&Object<'e>> =
            routers.iter().filter(|router| names_sessions(status, router.node)).collect();
        let router = match (told.as_slice(), routers.as_slice()) {
            ([router, ..], _) => **router,
            ([], [router]) => *router,
            _ => return None,
        };
        region_of(router)
    }

    /// Routers of a network whose sessions may have learned routes that the export does not hold, with their regions.
    pub(super) fn untold_routers(&self, network: &str) -> Vec<(Object<'e>, Option<String>)> {
        let statuses = self.statuses_of(network);
        let with_sessions: Vec<Object<'e>> = self
            .routers_of(network)
            .into_iter()
            .filter(|router| sessions(router.node).any(|one| self.may_be_up(router.node, one)))
            .collect();
        let alone = with_sessions.len() == 1;
        let told = |router: &Object<'e>| {
            statuses.iter().any(|status| {
                let unnamed = status.list("bgpPeerStatus").is_empty();
                let routes = ["bestRoutes", "bestRoutesForRouter"];
                let learned = routes.iter().any(|field| !status.list(field).is_empty());
                names_sessions(status, router.node) || (alone && unnamed && learned)
            })
        };
        let untold = with_sessions.into_iter().filter(|router| !told(router));
        untold.map(|router| (router, region_of(router))).collect()
    }

    /// Whether a session may be up: the link behind it is not known to be down.
    fn may_be_up(&self, router: &Node, session: &Node) -> bool {
        let Some(link) = Self::link_of(router, session) else { return true };
        let Some(link) = self.export.find(&link) else { return true };
        let state = ["status", "operationalStatus", "state"];
        state.iter().find_map(|field| link.node.word(field)).is_none_or(|word| UP.contains(&word))
    }

    /// Whether the router of a link tells what it has learned.
    pub(super) fn is_told(&self, network: &str, link: &Node) -> bool {
        let Some(router) = link.word("router").and_then(|router| self.export.find(router)) else {
            return false;
        };
        let untold = self.untold_routers(network);
        untold.iter().all(|(other, _)| other.link() != router.link())
    }
}

/// Whether a status names a session of a router.
fn names_sessions(status: &Node, router: &Node) -> bool {
    let own: BTreeSet<&str> = sessions(router).filter_map(|one| one.word("name")).collect();
    let mut told = status.list("bgpPeerStatus").iter();
    told.any(|session| session.word("name").is_some_and(|name| own.contains(name)))
}

fn region_of(router: Object<'_>) -> Option<String> {
    segment(&router.link()?, "regions").map(str::to_owned)
}
