//! A network spread over hosts: each namespace is on one, and what linked two on different hosts goes through VXLAN (RFC 7348) between them.
//!
//! The namespaces themselves stay as they are: a packet meets the same routers, filters and translations wherever they are, and what is proved
//! of one host is true of several. What stands for the world outside is on no host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::build::{PEER_V4, host as host_prefix};
use super::{End, HostPlan, Link, MAIN, Namespace, Neighbour, Role, Route, Via, names};

/// Most hosts of a lab.
pub const MOST: usize = 200;

/// The namespace of what links the hosts.
pub const UNDERLAY: &str = "underlay";

/// Octets that VXLAN adds to a packet: the inner Ethernet header, its own, UDP's and IPv4's (RFC 7348, section 5).
pub const OVERHEAD: u32 = 14 + 8 + 8 + 20;

/// A link whose ends are on two hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Overlay {
    /// Its VXLAN network identifier.
    pub vni: u32,
    /// The host of each end.
    pub hosts: [Place; 2],
}

/// Where an end is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The name of the host's namespace.
    pub host: String,
    /// The host's address.
    pub address: Ipv4Addr,
}

/// The name of a host's namespace.
#[must_use]
pub fn name(number: usize) -> String {
    format!("host/h{number}")
}

/// The address of a host, in a range for tests of networks (RFC 2544) that only the hosts know.
fn address(number: usize) -> Ipv4Addr {
    let [high, low] = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    Ipv4Addr::new(198, 18, high, low)
}

/// The hosts of a lab, with their addresses.
#[must_use]
pub fn places(hosts: usize) -> Vec<Place> {
    (1..=hosts).map(|number| Place { host: name(number), address: address(number) }).collect()
}

/// Spreads a plan over the hosts of a lab, and plans what links these. Which has what follows from names: what comes or goes moves nothing else.
/// What stands for the world outside is on no host.
#[must_use]
pub fn spread(mut plan: HostPlan, hosts: usize) -> HostPlan {
    put(&mut plan, &places(hosts), false);
    underlay(&mut plan, &places(hosts));
    plan.hosts = hosts;
    plan
}

/// Hosts by themselves, with what links them and carries packets of so many octets: nothing is on them yet.
#[must_use]
pub fn bare(hosts: &[Place], largest: u32) -> HostPlan {
    let mut plan = HostPlan::default();
    wires(&mut plan, hosts, largest + OVERHEAD);
    plan
}

/// Spreads a plan over hosts that are there already. What stands for the world outside is on one of them as everything else. What links the hosts is
/// theirs, and not planned.
#[must_use]
pub fn fleet(mut plan: HostPlan, hosts: &[Place]) -> HostPlan {
    put(&mut plan, hosts, true);
    plan.hosts = hosts.len();
    plan
}

/// Puts each namespace on a host, and links between hosts over VXLAN.
fn put(plan: &mut HostPlan, hosts: &[Place], outside: bool) {
    let homes = homes(plan, hosts, outside);
    for namespace in &mut plan.namespaces {
        namespace.host = homes.get(&namespace.name).map(|place| place.host.clone());
    }
    let mut taken = BTreeSet::new();
    for link in &mut plan.links {
        let home = |end: &End| homes.get(&end.namespace).copied();
        if let (Some(a), Some(b)) = (home(&link.a), home(&link.b))
            && a.host != b.host
        {
            let vni = identifier(link, &mut taken);
            link.over = Some(Overlay { vni, hosts: [a.clone(), b.clone()] });
        }
    }
}

/// The host of each namespace that is on one. Machines and routers are spread; what belongs to a router is where it is.
fn homes<'h>(plan: &HostPlan, hosts: &'h [Place], outside: bool) -> BTreeMap<String, &'h Place> {
    let mut near: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for link in &plan.links {
        near.entry(&link.a.namespace).or_default().push(&link.b.namespace);
        near.entry(&link.b.namespace).or_default().push(&link.a.namespace);
    }
    let of_role = |role: Role| -> BTreeSet<&str> {
        let own = plan.namespaces.iter().filter(|namespace| namespace.role == role);
        own.map(|namespace| namespace.name.as_str()).collect()
    };
    let (routers, sites) = (of_role(Role::Vpc), of_role(Role::Site));
    let mut homes = BTreeMap::new();
    for namespace in &plan.namespaces {
        let own = namespace.name.as_str();
        let beside = |these: &BTreeSet<&str>| {
            let mut near = near.get(own).into_iter().flatten();
            near.find(|name| these.contains(**name)).copied()
        };
        let chosen_by = match namespace.role {
            Role::Internet | Role::Site | Role::External | Role::Host if !outside => continue,
            // The far end of a tunnel.
            Role::Tunnel if beside(&sites).is_some() => match beside(&sites) {
                Some(site) if outside => site,
                _ => continue,
            },
            Role::Gateway | Role::Nat | Role::Vpn => beside(&routers).unwrap_or(own),
            _ => own,
        };
        if let Some(place) = highest(chosen_by, hosts) {
            homes.insert(own.to_owned(), place);
        }
    }
    homes
}

/// The host with the highest weight for a name: where a host comes or goes, only what it gets or had moves (rendezvous hashing).
fn highest<'h>(chosen_by: &str, hosts: &'h [Place]) -> Option<&'h Place> {
    // Many names are weighed against many hosts: what a name comes to is found out once.
    let name = names::hash_on(names::hash(chosen_by), " on ");
    hosts.iter().max_by_key(|place| mixed(names::hash_on(name, &place.host)))
}

impl HostPlan {
    /// What one host has of a network that is spread: the namespaces on it with their tasks and calls, the links between them, and its halves of
    /// links to other hosts. The parts of all hosts together are the whole.
    #[must_use]
    pub fn part(&self, host: &str) -> Self {
        let here: BTreeSet<&str> = self
            .namespaces
            .iter()
            .filter(|namespace| namespace.host.as_deref() == Some(host))
            .map(|namespace| namespace.name.as_str())
            .collect();
        let is_here = |name: &str| here.contains(name);
        Self {
            namespaces: self.namespaces.iter().filter(|one| is_here(&one.name)).cloned().collect(),
            links: self
                .links
                .iter()
                .filter(|link| [&link.a, &link.b].iter().any(|end| is_here(&end.namespace)))
                .cloned()
                .collect(),
            tasks: self.tasks.iter().filter(|task| is_here(&task.namespace)).cloned().collect(),
            calls: self.calls.iter().filter(|call| is_here(&call.namespace)).cloned().collect(),
            left_out: self.left_out.clone(),
            hosts: self.hosts,
        }
    }
}

impl HostPlan {
    /// What each host has, by the name of its namespace: of each what [`Self::part`] gives of it. A host that has nothing is not among them.
    #[must_use]
    pub fn parts(&self) -> BTreeMap<String, Self> {
        let home: BTreeMap<&str, &str> = self
            .namespaces
            .iter()
            .filter_map(|one| Some((one.name.as_str(), one.host.as_deref()?)))
            .collect();
        let mut parts: BTreeMap<&str, Self> = BTreeMap::new();
        let nothing =
            || Self { left_out: self.left_out.clone(), hosts: self.hosts, ..Self::default() };
        for one in &self.namespaces {
            let Some(host) = home.get(one.name.as_str()) else { continue };
            parts.entry(host).or_insert_with(nothing).namespaces.push(one.clone());
        }
        // Who has something has a namespace that it is in.
        for link in &self.links {
            let [a, b] = [&link.a, &link.b].map(|end| home.get(end.namespace.as_str()));
            for host in a.into_iter().chain(b.filter(|b| Some(*b) != a)) {
                parts.entry(host).or_insert_with(nothing).links.push(link.clone());
            }
        }
        for task in &self.tasks {
            let Some(host) = home.get(task.namespace.as_str()) else { continue };
            parts.entry(host).or_insert_with(nothing).tasks.push(task.clone());
        }
        for call in &self.calls {
            let Some(host) = home.get(call.namespace.as_str()) else { continue };
            parts.entry(host).or_insert_with(nothing).calls.push(call.clone());
        }
        parts.into_iter().map(|(host, part)| (host.to_owned(), part)).collect()
    }
}

/// A hash in which the last letters matter as the first.
fn weight(text: &str) -> u64 {
    mixed(names::hash(text))
}

fn mixed(hash: u64) -> u64 {
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The identifier of a link, by its ends; the next that is free where it is taken.
fn identifier(link: &Link, taken: &mut BTreeSet<u32>) -> u32 {
    let ends = format!("{} {} {} {}", link.a.namespace, link.a.name, link.b.namespace, link.b.name);
    let mut vni = u32::try_from(weight(&ends) >> 40).unwrap_or(0).max(1);
    while !taken.insert(vni) {
        // 24 bits; 0 is left out.
        vni = vni % 0xff_ffff + 1;
    }
    vni
}

/// The hosts, and what links them.
fn underlay(plan: &mut HostPlan, hosts: &[Place]) {
    let longest = plan.links.iter().filter(|link| link.over.is_some()).map(|link| link.mtu).max();
    wires(plan, hosts, longest.unwrap_or(1500) + OVERHEAD);
}

/// A namespace for each host, with a wire to one between them.
fn wires(plan: &mut HostPlan, hosts: &[Place], mtu: u32) {
    let mut between = Namespace { forwards: true, ..Namespace::bare(UNDERLAY, Role::Host) };
    for Place { host, address } in hosts {
        let (own, at) = (host.clone(), IpAddr::V4(*address));
        let link = own.rsplit('/').next().unwrap_or(&own).to_owned();
        let ends = [(UNDERLAY, link.as_str()), (own.as_str(), "eth0")];
        let (outside, inside) = (names::mac(ends[0], ends[1]), names::mac(ends[1], ends[0]));
        let mut host = Namespace::bare(&own, Role::Host);
        host.addresses.push(("eth0".to_owned(), at));
        for (namespace, link, mac) in
            [(&mut host, "eth0", outside), (&mut between, link.as_str(), inside)]
        {
            let neighbour = Neighbour { link: link.to_owned(), address: PEER_V4, mac };
            namespace.neighbours.push(neighbour);
        }
        let over = |link: &str| Via::Link { link: link.to_owned(), gateway: PEER_V4 };
        let everything = super::build::everything(false);
        host.routes.push(Route { table: MAIN, to: everything, via: over("eth0") });
        between.routes.push(Route { table: MAIN, to: host_prefix(at), via: over(&link) });
        let end = |namespace: &str, name: &str, mac| End {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            mac,
        };
        plan.links.push(Link {
            a: end(UNDERLAY, &link, outside),
            b: end(&own, "eth0", inside),
            mtu,
            name: own.clone(),
            reversed: true,
            ..Link::default()
        });
        plan.namespaces.push(host);
    }
    between.neighbours.sort();
    plan.namespaces.push(between);
    plan.namespaces.sort_by(|one, other| one.name.cmp(&other.name));
    plan.links.sort_by(|one, other| one.a.cmp(&other.a).then_with(|| one.b.cmp(&other.b)));
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, End, HostPlan, Link, Namespace, Role, spread};

    fn plan(machines: usize) -> HostPlan {
        let mut plan = HostPlan::default();
        plan.namespaces.push(Namespace::bare("internet", Role::Internet));
        plan.namespaces.push(Namespace::bare("gateway/g", Role::Gateway));
        plan.namespaces.push(Namespace::bare("vpc/v", Role::Vpc));
        let end = |namespace: &str, name: &str| End {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            mac: [2, 0, 0, 0, 0, 1],
        };
        let link = |a, b| Link { a, b, mtu: 1500, ..Link::default() };
        plan.links.push(link(end("gateway/g", "inside"), end("vpc/v", "g")));
        plan.links.push(link(end("gateway/g", "outside"), end("internet", "g")));
        for number in 0..machines {
            let own = format!("instance/m{number}");
            plan.namespaces.push(Namespace::bare(&own, Role::Machine));
            plan.links.push(link(end("vpc/v", &format!("m{number}")), end(&own, "eth0")));
        }
        plan
    }

    fn homes(plan: &HostPlan) -> BTreeMap<&str, &str> {
        plan.namespaces
            .iter()
            .filter_map(|one| Some((one.name.as_str(), one.host.as_deref()?)))
            .collect()
    }

    #[test]
    fn machines_are_spread_and_a_gateway_is_where_its_router_is() {
        let plan = spread(plan(300), 3);
        let homes = homes(&plan);
        assert_eq!(homes["gateway/g"], homes["vpc/v"]);
        assert!(!homes.contains_key("internet"));
        for host in ["host/h1", "host/h2", "host/h3"] {
            let count = homes.values().filter(|home| **home == host).count();
            assert!((70..=130).contains(&count), "{host} has {count} of 300");
        }
    }

    #[test]
    fn links_between_hosts_go_through_vxlan_and_no_others() {
        let plan = spread(plan(60), 4);
        let homes = homes(&plan);
        let mut identifiers = Vec::new();
        for link in &plan.links {
            let ends = [&link.a.namespace, &link.b.namespace];
            let [a, b] = ends.map(|end| homes.get(end.as_str()));
            let apart = a.is_some() && b.is_some() && a != b;
            assert_eq!(link.over.is_some(), apart, "{ends:?}");
            if let Some(over) = &link.over {
                assert_eq!(
                    [a.copied(), b.copied()],
                    [0, 1].map(|n| Some(over.hosts[n].host.as_str()))
                );
                identifiers.push(over.vni);
            }
        }
        let many = identifiers.len();
        identifiers.sort_unstable();
        identifiers.dedup();
        assert_eq!(identifiers.len(), many, "each has an identifier of its own");
        let wire = plan.links.iter().find(|link| link.b.namespace == "host/h1");
        assert_eq!(wire.map(|link| link.mtu), Some(1550));
    }

    #[test]
    fn the_parts_of_all_hosts_are_the_part_of_each() {
        let plan = spread(plan(60), 4);
        let parts = plan.parts();
        assert!(parts.len() >= 4);
        for (host, part) in &parts {
            assert_eq!(*part, plan.part(host), "{host}");
        }
    }

    #[test]
    fn a_machine_more_moves_nothing_and_a_host_more_moves_only_what_it_gets() {
        let (few, more) = (spread(plan(40), 3), spread(plan(41), 3));
        let (before, after) = (homes(&few), homes(&more));
        assert!(before.iter().all(|(name, home)| after.get(name) == Some(home)));
        let wider = spread(plan(40), 4);
        let moved: Vec<_> = homes(&wider)
            .into_iter()
            .filter(|(name, home)| before.get(name) != Some(home))
            .collect();
        assert!(moved.iter().all(|(_, home)| *home == "host/h4"), "{moved:?}");
    }
}
