//! Which groups could send to a destination by routes alone, so that unconnected VPCs cost nothing.
//!
//! It errs on the side of "could": a source is left out only where no route of the tables that its packets meet leads there.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use netwright_model::network::{
    Attached, AttachmentId, InterfaceId, Network, RouteTableId, Target, TransitId, VpcId, VpnId,
};
use netwright_model::scalar::Prefix;
use rustc_hash::FxHashMap;

use crate::prover::Prover;
use crate::prover::path::Origin;

use super::nodes::{Groups, Node};

/// Sources by destination. Lists are sorted.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    /// Those whose routes lead into a VPC, not counting hubs.
    by_vpc: Vec<Vec<u32>>,
    /// Those whose routes lead to a hub.
    by_hub: BTreeMap<TransitId, Vec<u32>>,
    /// Hubs that lead into a VPC.
    hubs_into: Arc<Vec<Vec<TransitId>>>,
    /// Those that leave a VPC, and so may reach what lies outside.
    inside: Vec<u32>,
    /// Addresses of the Internet and of what stands on it.
    internet: Vec<u32>,
    /// Those whose IPv6 packets leave by an internet gateway.
    internet_v6: Vec<u32>,
    /// Those that have a route of which nobody can say where it leads, with the destinations it is for.
    uncertain: Vec<(u32, Arc<Reached>)>,
    /// Those whose packets may pass an interface on their way, not counting hubs; and hubs behind which it stands.
    through: BTreeMap<InterfaceId, Vec<u32>>,
    hubs_through: BTreeMap<InterfaceId, Vec<TransitId>>,
}

/// What routes of a table lead to.
#[derive(Debug, Clone, Default)]
struct Reached {
    vpcs: BTreeSet<VpcId>,
    /// Hubs, of which each leads on to what its own says.
    hubs: BTreeSet<TransitId>,
    /// IPv6 leaves by an internet gateway.
    internet_v6: bool,
    /// Destinations of which the description does not say where they are sent.
    uncertain: BTreeSet<Prefix>,
    /// Interfaces that forward or translate.
    through: BTreeSet<InterfaceId>,
}

/// What a destination is, as far as it decides who could send to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Door {
    /// Its VPC; none for what lies outside.
    pub(super) vpc: Option<VpcId>,
    /// It has a public address, and its VPC a gateway.
    pub(super) public: bool,
    /// IPv4.
    pub(super) v4: bool,
}

impl Door {
    pub(super) fn of(network: &Network, node: &Node) -> Self {
        let gated = node.vpc.is_some_and(|vpc| !network[vpc].gateways.is_empty());
        Self { vpc: node.vpc, public: node.public.is_some() && gated, v4: node.address.is_ipv4() }
    }
}

impl Candidates {
    pub(super) fn of(prover: &Prover<'_>, groups: &Groups) -> Self {
        let network = prover.network;
        let by_vpc = vec![Vec::new(); network.vpcs.len()];
        let mut all = Self { by_vpc, ..Self::default() };
        let mut tables: FxHashMap<RouteTableId, Arc<Reached>> = FxHashMap::default();
        let mut closures = Closures { network, hubs: BTreeMap::new() };
        let sites: Vec<Arc<Reached>> =
            (0..network.sites.len()).map(|site| Arc::new(closures.of_site(site))).collect();
        for (index, node) in groups.nodes.iter().enumerate().filter(|(_, node)| node.sends) {
            let id = u32::try_from(index).unwrap_or(u32::MAX);
            let reached = match node.origin {
                Origin::Internet => {
                    all.internet.push(id);
                    continue;
                }
                Origin::Site(site) => sites.get(site.index()).cloned(),
                Origin::External(external) => {
                    for vpc in network[external].attached.iter().collect::<BTreeSet<_>>() {
                        all.by_vpc[vpc.index()].push(id);
                    }
                    continue;
                }
                Origin::Interface(_) | Origin::Serverless(_) | Origin::PrivateEndpoint(..) => {
                    all.inside.push(id);
                    Some(match node.interface {
                        Some(interface) => {
                            let table = network[network[interface].subnet].table;
                            let known = tables.entry(table);
                            Arc::clone(known.or_insert_with(|| Arc::new(closures.of_table(table))))
                        }
                        None => Arc::new(without_interface(network, node)),
                    })
                }
            };
            let Some(reached) = reached else { continue };
            for vpc in &reached.vpcs {
                all.by_vpc[vpc.index()].push(id);
            }
            for interface in &reached.through {
                all.through.entry(*interface).or_default().push(id);
            }
            let mut internet_v6 = reached.internet_v6;
            for hub in &reached.hubs {
                all.by_hub.entry(*hub).or_default().push(id);
                let behind = closures.hub(*hub);
                internet_v6 |= behind.internet_v6;
                if !behind.uncertain.is_empty() {
                    all.uncertain.push((id, behind));
                }
            }
            // A service whose address cannot be predicted has one of either family.
            if internet_v6 && (node.address.is_ipv6() || node.address.is_unspecified()) {
                all.internet_v6.push(id);
            }
            if !reached.uncertain.is_empty() {
                all.uncertain.push((id, reached));
            }
        }
        all.follow_hubs(&mut closures);
        all
    }

    /// What hubs lead to that something is sent to.
    fn follow_hubs(&mut self, closures: &mut Closures<'_>) {
        let mut hubs_into = vec![Vec::new(); self.by_vpc.len()];
        for hub in self.by_hub.keys() {
            let behind = closures.hub(*hub);
            for vpc in &behind.vpcs {
                hubs_into[vpc.index()].push(*hub);
            }
            for interface in &behind.through {
                self.hubs_through.entry(*interface).or_default().push(*hub);
            }
        }
        self.hubs_into = Arc::new(hubs_into);
    }

    /// The same for some sources only, which are sorted.
    pub(super) fn only(&self, senders: &[u32]) -> Self {
        let both = |list: &Vec<u32>| -> Vec<u32> {
            let (few, many) = if list.len() < senders.len() {
                (list.as_slice(), senders)
            } else {
                (senders, list.as_slice())
            };
            few.iter().copied().filter(|id| many.binary_search(id).is_ok()).collect()
        };
        let uncertain = self.uncertain.iter().filter(|(id, _)| senders.binary_search(id).is_ok());
        Self {
            by_vpc: self.by_vpc.iter().map(both).collect(),
            by_hub: self.by_hub.iter().map(|(hub, list)| (*hub, both(list))).collect(),
            hubs_into: Arc::clone(&self.hubs_into),
            inside: both(&self.inside),
            internet: both(&self.internet),
            internet_v6: both(&self.internet_v6),
            uncertain: uncertain.cloned().collect(),
            through: BTreeMap::new(),
            hubs_through: BTreeMap::new(),
        }
    }

    /// Takes up a group that was parted from another.
    pub(super) fn copy(&mut self, from: u32, id: u32) {
        let lists = self.by_vpc.iter_mut().chain(self.by_hub.values_mut());
        let lists = lists.chain(self.through.values_mut());
        let own = [&mut self.inside, &mut self.internet, &mut self.internet_v6];
        for list in lists.chain(own) {
            if list.binary_search(&from).is_ok() {
                list.push(id);
            }
        }
        let own = self.uncertain.iter().filter(|(own, _)| *own == from);
        let copies: Vec<_> = own.map(|(_, reached)| (id, Arc::clone(reached))).collect();
        self.uncertain.extend(copies);
    }

    /// Whether an interface forwards or translates what comes by routes.
    pub(super) fn is_on_the_way(&self, interface: InterfaceId) -> bool {
        self.through.contains_key(&interface) || self.hubs_through.contains_key(&interface)
    }

    /// Interfaces that forward or translate what comes by routes.
    pub(super) fn on_the_way(&self) -> BTreeSet<InterfaceId> {
        self.through.keys().chain(self.hubs_through.keys()).copied().collect()
    }

    /// Groups whose packets may pass such an interface.
    pub(super) fn through(&self, interface: InterfaceId) -> impl Iterator<Item = u32> {
        let hubs = self.hubs_through.get(&interface).into_iter().flatten();
        let by_hub = hubs.flat_map(|hub| &self.by_hub[hub]);
        self.through.get(&interface).into_iter().flatten().chain(by_hub).copied()
    }

    /// Groups whose IPv6 packets may leave by an internet gateway.
    pub(super) fn internet_v6(&self) -> &[u32] {
        &self.internet_v6
    }

    /// Groups that may send to a destination by routes: sorted lists that together hold them, but for IPv6 over the Internet; whether
    /// addresses are of one family is not asked here.
    pub(super) fn senders(&self, door: Door) -> Vec<Cow<'_, [u32]>> {
        let Some(vpc) = door.vpc else { return vec![Cow::from(&self.inside)] };
        let mut found = vec![Cow::from(&self.by_vpc[vpc.index()])];
        found.extend(self.hubs_into[vpc.index()].iter().map(|hub| Cow::from(&self.by_hub[hub])));
        if door.public {
            found.push(Cow::from(&self.internet));
        }
        found
    }

    /// Those of them whose uncertain routes are for a destination, sorted.
    pub(super) fn uncertain_about(&self, node: &Node) -> Vec<u32> {
        let about = |reached: &Reached| reached.uncertain.iter().any(|p| p.contains(node.address));
        let found = self.uncertain.iter().filter(|(_, reached)| about(reached));
        let mut found: Vec<u32> = found.map(|(id, _)| *id).collect();
        found.dedup();
        found
    }
}

/// What tables and hubs lead to; each hub is followed once.
struct Closures<'n> {
    network: &'n Network,
    /// What each leads to in the end, over other hubs and VPCs too: `hubs` of these is empty.
    hubs: BTreeMap<TransitId, Arc<Reached>>,
}

impl Closures<'_> {
    fn of_table(&mut self, table: RouteTableId) -> Reached {
        let mut reached = Reached::default();
        reached.hubs = follow(self.network, BTreeSet::from([table]), &mut reached);
        reached
    }

    fn of_site(&mut self, site: usize) -> Reached {
        let network = self.network;
        let mut reached = Reached::default();
        let mut hubs = BTreeSet::new();
        for (index, link) in network.vpns.iter().enumerate() {
            if link.site.is_none_or(|own| own.index() != site) {
                continue;
            }
            reached.vpcs.extend(link.vpc);
            let id = VpnId::at(index);
            let attached = network.attachments.iter().filter(|row| row.to == Attached::Vpn(id));
            let before = hubs.len();
            hubs.extend(attached.map(|attachment| attachment.transit));
            if link.vpc.is_none() && hubs.len() == before {
                reached.uncertain.extend(everything());
            }
        }
        reached.hubs = hubs;
        reached
    }

    /// Everything that hangs on a hub, and that its VPCs' tables lead to, over other hubs too.
    fn hub(&mut self, hub: TransitId) -> Arc<Reached> {
        if let Some(known) = self.hubs.get(&hub) {
            return Arc::clone(known);
        }
        let network = self.network;
        let mut reached = Reached::default();
        let (mut seen, mut seen_tables) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting = vec![hub];
        while let Some(next) = waiting.pop() {
            if !seen.insert(next) {
                continue;
            }
            let mut tables = on_hub(network, next, &mut waiting, &mut reached);
            tables.retain(|table| seen_tables.insert(*table));
            waiting.extend(follow(network, tables, &mut reached));
        }
        let reached = Arc::new(reached);
        self.hubs.insert(hub, Arc::clone(&reached));
        reached
    }
}

/// Everything that tables lead to, each followed once; the hubs among it.
fn follow(
    network: &Network,
    mut tables: BTreeSet<RouteTableId>,
    reached: &mut Reached,
) -> BTreeSet<TransitId> {
    let (mut seen, mut hubs) = (BTreeSet::new(), BTreeSet::new());
    while let Some(table) = tables.pop_first() {
        if seen.insert(table) {
            one_table(network, table, &mut tables, &mut hubs, reached);
        }
    }
    hubs
}

/// What hangs on one hub: the tables of the subnets by which packets enter its VPCs.
fn on_hub(
    network: &Network,
    hub: TransitId,
    others: &mut Vec<TransitId>,
    reached: &mut Reached,
) -> BTreeSet<RouteTableId> {
    let mut tables = BTreeSet::new();
    for table in &network[hub].tables {
        reached.uncertain.extend(uncertain_routes(&network[*table].routes));
    }
    for attachment in &network[hub].attachments {
        let attachment = &network[*attachment];
        match attachment.to {
            Attached::Vpc(vpc) => {
                reached.vpcs.insert(vpc);
                tables.extend(attachment.subnets.iter().map(|s| network[*s].table));
            }
            Attached::Transit(other) => others.push(other),
            Attached::Vpn(_) | Attached::Elsewhere => {}
        }
        if leads_nowhere_known(network, hub, attachment.to) {
            reached.uncertain.extend(everything());
        }
    }
    tables
}

/// What a serverless service without a known interface reaches: outside only, or nobody can say.
fn without_interface(network: &Network, node: &Node) -> Reached {
    let mut reached = Reached::default();
    if let Origin::Serverless(service) = node.origin
        && network[service].connector.is_some()
    {
        reached.uncertain.extend(everything());
    }
    reached
}

/// Both families' default routes.
fn everything() -> [Prefix; 2] {
    let all = |address: std::net::IpAddr| Prefix::of(address, 0);
    [all(std::net::Ipv4Addr::UNSPECIFIED.into()), all(std::net::Ipv6Addr::UNSPECIFIED.into())]
}

fn leads_nowhere_known(network: &Network, hub: TransitId, to: Attached) -> bool {
    match to {
        Attached::Elsewhere => true,
        Attached::Vpn(link) => network[link].site.is_none(),
        // The other hub may not know of this one.
        Attached::Transit(other) => {
            let back = |id: &AttachmentId| network[*id].to == Attached::Transit(hub);
            !network[other].attachments.iter().any(back)
        }
        Attached::Vpc(_) => false,
    }
}

/// Destinations of routes that lead nowhere known, may apply or not, or of which two are equally good.
fn uncertain_routes(routes: &[netwright_model::network::Route]) -> BTreeSet<Prefix> {
    let mut first: BTreeMap<Prefix, &Target> = BTreeMap::new();
    let mut uncertain = BTreeSet::new();
    for route in routes {
        let rival = *first.entry(route.to).or_insert(&route.via) != &route.via;
        if rival || route.origin.is_uncertain() || matches!(route.via, Target::Unknown(_)) {
            uncertain.insert(route.to);
        }
    }
    uncertain
}

fn one_table(
    network: &Network,
    table: RouteTableId,
    tables: &mut BTreeSet<RouteTableId>,
    hubs: &mut BTreeSet<TransitId>,
    reached: &mut Reached,
) {
    let vpc = network[table].vpc;
    reached.vpcs.insert(vpc);
    reached.uncertain.extend(uncertain_routes(&network[table].routes));
    for route in &network[table].routes {
        match &route.via {
            Target::Peering(peering) => match network[*peering].other(vpc) {
                Some(other) => {
                    reached.vpcs.insert(other);
                }
                None => {
                    reached.uncertain.insert(route.to);
                }
            },
            Target::Transit(hub) => {
                hubs.insert(*hub);
            }
            Target::Interface(interface) => {
                reached.through.insert(*interface);
                tables.insert(network[network[*interface].subnet].table);
            }
            Target::Nat(nat) => match network[*nat].interface {
                Some(interface) => {
                    reached.through.insert(interface);
                    tables.insert(network[network[interface].subnet].table);
                }
                None => {
                    reached.uncertain.insert(route.to);
                }
            },
            Target::Vpn(links) => {
                if links.iter().any(|link| network[*link].site.is_none()) {
                    reached.uncertain.insert(route.to);
                }
            }
            Target::Gateway(_) => reached.internet_v6 |= !route.to.is_v4(),
            Target::Attachment(_) | Target::Unknown(_) => {
                reached.uncertain.insert(route.to);
            }
            Target::Local
            | Target::PrivateEndpoint(_)
            | Target::External(_)
            | Target::Blackhole => {}
        }
    }
}
