//! A plan in the making: namespaces by name, and links that bring neighbours with them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netwright_model::network::{InterfaceId, Network, SubnetId, VpcId, VpnId};
use netwright_model::scalar::Prefix;

use super::{
    Call, End, HostPlan, LOCAL, Link, MAIN, Namespace, Neighbour, PolicyRule, Role, Route, Task,
    Via, names,
};

/// The neighbour at the far end of every link, in IPv4. No link holds it: the neighbour entries are fixed.
pub(super) const PEER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 0, 1));

/// The same in IPv6.
pub(super) const PEER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));

/// The source of ICMP errors of routers that have no address of their own (RFC 7600).
pub(super) const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 0, 8));

/// The table in which a router delivers to its own interfaces.
pub(super) const DELIVERY: u32 = 100;

/// The first table for packets that leave a subnet.
const FIRST_TABLE: u32 = 1000;

/// All addresses of a family.
pub(super) fn everything(v6: bool) -> Prefix {
    if v6 {
        Prefix::of(Ipv6Addr::UNSPECIFIED.into(), 0)
    } else {
        Prefix::of(Ipv4Addr::UNSPECIFIED.into(), 0)
    }
}

/// The prefix of one address.
pub(super) fn host(address: IpAddr) -> Prefix {
    Prefix::of(address, if address.is_ipv4() { 32 } else { 128 })
}

/// A plan in the making.
pub(super) struct Build<'n> {
    pub(super) network: &'n Network,
    namespaces: BTreeMap<String, Namespace>,
    links: Vec<Link>,
    left_out: Vec<String>,
    tasks: Vec<Task>,
    pub(super) calls: Vec<Call>,
    /// For each VPC, the mark of packets that come in by a link: which table decides.
    pub(super) marks: BTreeMap<VpcId, BTreeMap<String, u32>>,
    /// For each VPC, its links to peers over which references to groups hold.
    pub(super) peers: BTreeMap<VpcId, Vec<(String, VpcId)>>,
    /// For each VPC, the balancers' nodes that answers go back through.
    pub(super) returning: BTreeMap<VpcId, Vec<super::balancers::Returning>>,
    tables: BTreeMap<(SubnetId, Vec<String>), u32>,
    choosers: BTreeMap<(VpcId, Vec<VpnId>), usize>,
    far: BTreeMap<(VpcId, InterfaceId), usize>,
    /// Some address of the network is IPv6.
    pub(super) v6: bool,
}

impl<'n> Build<'n> {
    pub(super) fn new(network: &'n Network) -> Self {
        let v6 = network.subnets.iter().flat_map(|subnet| &subnet.cidrs).any(|c| !c.is_v4());
        Self {
            network,
            namespaces: BTreeMap::new(),
            links: Vec::new(),
            left_out: Vec::new(),
            tasks: Vec::new(),
            calls: Vec::new(),
            marks: BTreeMap::new(),
            peers: BTreeMap::new(),
            returning: BTreeMap::new(),
            tables: BTreeMap::new(),
            choosers: BTreeMap::new(),
            far: BTreeMap::new(),
            v6,
        }
    }

    /// The families that the network uses: IPv4, and IPv6 where some subnet has it.
    pub(super) fn families(&self) -> &'static [bool] {
        if self.v6 { &[false, true] } else { &[false] }
    }

    /// Says what is described and not built.
    pub(super) fn leave_out(&mut self, what: String) {
        self.left_out.push(what);
    }

    /// A process that runs in a namespace.
    pub(super) fn task(&mut self, task: Task) {
        self.tasks.push(task);
    }

    /// Whether a namespace has a task of a name.
    pub(super) fn has_task(&self, namespace: &str, name: &str) -> bool {
        self.tasks.iter().any(|task| task.key() == (namespace, name))
    }

    /// A namespace, made where it is not there.
    pub(super) fn namespace(&mut self, name: &str, role: Role) -> &mut Namespace {
        self.namespaces.entry(name.to_owned()).or_insert_with(|| {
            let ends = [Role::Machine, Role::Site, Role::External, Role::Serverless];
            let forwards = !ends.contains(&role);
            let addresses = if forwards { vec![("lo".to_owned(), ROUTER)] } else { Vec::new() };
            Namespace { forwards, addresses, ..Namespace::bare(name, role) }
        })
    }

    /// A namespace that is there.
    pub(super) fn get(&mut self, name: &str) -> Option<&mut Namespace> {
        self.namespaces.get_mut(name)
    }

    /// The namespaces of some roles, sorted by name.
    pub(super) fn of_role(&self, roles: &[Role]) -> impl Iterator<Item = &Namespace> {
        self.namespaces.values().filter(|namespace| roles.contains(&namespace.role))
    }

    /// Whether a link leads from one namespace to another.
    pub(super) fn is_linked(&self, one: &str, other: &str) -> bool {
        self.links.iter().any(|link| {
            let ends = [link.a.namespace.as_str(), link.b.namespace.as_str()];
            ends == [one, other] || ends == [other, one]
        })
    }

    /// A link between two namespaces, each with the other as its neighbour.
    pub(super) fn link(&mut self, a: (&str, &str), b: (&str, &str), mtu: u32) -> &mut Link {
        // Hardware addresses are given when all links are there.
        let end = |(namespace, name): (&str, &str)| End {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            mac: [0; 6],
        };
        let (a, b) = (end(a), end(b));
        for (here, there) in [(&a, &b), (&b, &a)] {
            let v6 = self.v6;
            let Some(namespace) = self.namespaces.get_mut(&here.namespace) else { continue };
            for address in [Some(PEER_V4), v6.then_some(PEER_V6)].into_iter().flatten() {
                namespace.neighbours.push(Neighbour {
                    link: here.name.clone(),
                    address,
                    mac: there.mac,
                });
            }
        }
        let index = self.links.len();
        self.links.push(Link { a, b, mtu, ..Link::default() });
        &mut self.links[index]
    }

    pub(super) fn finish(self) -> HostPlan {
        let mut links = self.links;
        let mut namespaces: Vec<Namespace> = self.namespaces.into_values().collect();
        names::settle(&mut namespaces, &mut links);
        names::of_links(&namespaces, &mut links);
        links.sort_by(|one, other| one.a.cmp(&other.a).then_with(|| one.b.cmp(&other.b)));
        for namespace in &mut namespaces {
            namespace.neighbours.sort();
            namespace.neighbours.dedup();
            namespace.rules.sort_by_key(|rule| (rule.v6, rule.priority));
            namespace.spare_neighbour();
        }
        let mut tasks = self.tasks;
        tasks.sort_by(|one, other| one.key().cmp(&other.key()));
        let (calls, left_out) = (self.calls, self.left_out);
        HostPlan { namespaces, links, tasks, calls, left_out, hosts: 0 }
    }

    /// The namespace of a VPC's router.
    pub(super) fn router(&self, vpc: VpcId) -> String {
        format!("vpc/{}", self.network[vpc].name)
    }

    /// The mark, which is also the table, of packets that leave a subnet with tags; and whether it is new.
    pub(super) fn table(&mut self, subnet: SubnetId, tags: Vec<String>) -> (u32, bool) {
        let next = FIRST_TABLE + u32::try_from(self.tables.len()).unwrap_or(u32::MAX / 2);
        let known = self.tables.len();
        let table = *self.tables.entry((subnet, tags)).or_insert(next);
        (table, self.tables.len() > known)
    }

    /// Whether a namespace has a link of a name.
    pub(super) fn has_link(&self, namespace: &str, name: &str) -> bool {
        let is = |end: &End| end.namespace == namespace && end.name == name;
        self.links.iter().any(|link| is(&link.a) || is(&link.b))
    }

    /// The number of a VPC's way to an interface of another VPC; and whether it is new.
    pub(super) fn far(&mut self, vpc: VpcId, interface: InterfaceId) -> (usize, bool) {
        let known = self.far.len();
        let number = *self.far.entry((vpc, interface)).or_insert(known);
        (number, self.far.len() > known)
    }

    /// The number of what chooses between tunnels in a VPC; and whether it is new.
    pub(super) fn chooser(&mut self, vpc: VpcId, links: Vec<VpnId>) -> (usize, bool) {
        let known = self.choosers.len();
        let number = *self.choosers.entry((vpc, links)).or_insert(known);
        (number, self.choosers.len() > known)
    }

    /// The namespace of the machine that has an interface.
    pub(super) fn machine(&self, interface: InterfaceId) -> String {
        super::machine(self.network, interface)
    }
}

impl Namespace {
    /// A namespace with nothing in it.
    #[must_use]
    pub fn bare(name: &str, role: Role) -> Self {
        Self {
            name: name.to_owned(),
            role,
            forwards: false,
            addresses: Vec::new(),
            neighbours: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            ruleset: String::new(),
            resolvers: Vec::new(),
            host: None,
        }
    }

    /// A route over a link to its far end.
    pub(super) fn over(&mut self, table: u32, to: Prefix, link: &str) {
        let gateway = if to.is_v4() { PEER_V4 } else { PEER_V6 };
        let via = Via::Link { link: link.to_owned(), gateway };
        self.routes.push(Route { table, to, via });
    }

    /// As [`Self::over`], unless the table has a route to the prefix already.
    pub(super) fn over_if_new(&mut self, table: u32, to: Prefix, link: &str) {
        if !self.has_route(table, to) {
            self.over(table, to, link);
        }
    }

    /// As [`Self::over`], in the place of what the table has for the prefix.
    pub(super) fn replace(&mut self, table: u32, to: Prefix, link: &str) {
        self.routes.retain(|route| route.table != table || route.to != to);
        self.over(table, to, link);
    }

    /// Whether a table has a route to exactly this prefix.
    pub(super) fn has_route(&self, table: u32, to: Prefix) -> bool {
        self.routes.iter().any(|route| route.table == table && route.to == to)
    }

    /// Everything of the families goes over a link.
    pub(super) fn default_over(&mut self, families: &[bool], link: &str) {
        for v6 in families {
            self.over(MAIN, everything(*v6), link);
        }
    }

    /// Every address of the prefixes is this namespace's; it sends from the first host of each.
    pub(super) fn owns(&mut self, prefixes: &[Prefix]) {
        for prefix in prefixes {
            let first = prefix.host_at(1).unwrap_or_else(|| prefix.first());
            self.addresses.push(("lo".to_owned(), first));
            if !self.has_route(LOCAL, *prefix) {
                self.route(LOCAL, *prefix, Via::Local);
            }
        }
    }

    /// Takes the neighbour of every link out of what is this namespace's own: the kernel sends to no neighbour whose address is its own.
    fn spare_neighbour(&mut self) {
        let covers = |route: &Route| {
            route.table == LOCAL && route.via == Via::Local && route.to.contains(PEER_V4)
        };
        if self.routes.iter().any(covers) {
            let spared = Route { table: LOCAL, to: host(PEER_V4), via: Via::Throw };
            self.routes.insert(0, spared);
        }
    }

    /// A route of another kind.
    pub(super) fn route(&mut self, table: u32, to: Prefix, via: Via) {
        self.routes.push(Route { table, to, via });
    }

    /// Packets with a mark, or all, are looked up in a table.
    pub(super) fn rule(&mut self, families: &[bool], priority: u32, mark: Option<u32>, table: u32) {
        for v6 in families {
            self.rules.push(PolicyRule { priority, mark, table, v6: *v6 });
        }
    }
}
