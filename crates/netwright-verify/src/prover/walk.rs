//! Finding a path: from object to object, as routes and gateways send a packet.

mod internet;
mod links;

use std::net::{IpAddr, Ipv4Addr};

use netwright_model::language::{Direction, PeeringState};
use netwright_model::network::{EndpointId, InterfaceId, SubnetId, Target, VpcId};

use super::Prover;
use super::path::{
    Arrival, Check, End, Gap, Level, Object, Obstacle, Origin, Path, Seen, Step, Table,
};
use super::routing::Found;

/// Objects after which a packet is taken to go round in circles.
const MOST_TURNS: usize = 32;

/// Where a packet is inside a VPC when its next hop is decided.
#[derive(Debug, Clone, Copy)]
struct Inside {
    vpc: VpcId,
    /// The subnet it was last in; `None` when it has just entered the VPC from elsewhere.
    subnet: Option<SubnetId>,
    /// The subnet by which it has entered from a hub: it goes back in that zone.
    door: Option<SubnetId>,
}

/// A walk in progress.
struct Walk<'p, 'n> {
    prover: &'p Prover<'n>,
    /// The request that this walk answers.
    request: Option<&'p Path>,
    steps: Vec<Step>,
    src: IpAddr,
    dst: IpAddr,
    /// The interface the packet has come straight from.
    identity: Option<InterfaceId>,
    crossed: bool,
    turns: usize,
    forwarders: Vec<InterfaceId>,
}

impl Prover<'_> {
    /// The path of a packet from an origin with a source address to a destination address.
    #[must_use]
    pub fn path(&self, origin: Origin, src: IpAddr, dst: IpAddr) -> Path {
        self.find(origin, src, dst, None)
    }

    /// The path of the answer to a request that arrived. It must come back to where the request started, from the address that
    /// was asked.
    #[must_use]
    pub fn answer(&self, request: &Path) -> Option<Path> {
        let End::Delivered(arrival) = &request.end else { return None };
        let origin = match arrival {
            Arrival::Interface(interface) => Origin::Interface(*interface),
            Arrival::Internet => Origin::Internet,
            Arrival::Serverless(service) => Origin::Serverless(*service),
            Arrival::Endpoint(endpoint) => self.origin_of(*endpoint, request),
        };
        let mut path = self.find(origin, request.dst, request.src, Some(request));
        if let End::Delivered(back) = path.end {
            if back != self.home(request) {
                path.end = End::Blocked(Obstacle::WrongPlace);
            } else if path.src != request.sent_to {
                path.end = End::Blocked(Obstacle::WrongSource(path.src));
            }
        }
        Some(path)
    }

    /// Where an endpoint without interfaces sends its answers from.
    fn origin_of(&self, endpoint: EndpointId, request: &Path) -> Origin {
        if let Some(site) = self.index.site_of.get(&endpoint) {
            return Origin::Site(*site);
        }
        if let Some(external) = self.index.external_of.get(&endpoint)
            && !self.network[*external].attached.is_empty()
        {
            return Origin::External(*external);
        }
        match left_from(request) {
            Some(vpc) => Origin::PrivateEndpoint(endpoint, vpc),
            None => Origin::Internet,
        }
    }

    /// Where the answer to a request must arrive.
    fn home(&self, request: &Path) -> Arrival {
        match request.origin {
            Origin::Interface(interface) => Arrival::Interface(interface),
            // An outside service that stands on the Internet is found there by its address.
            Origin::Internet => match self.index.outside_service(request.sent_from) {
                Some(endpoint) => Arrival::Endpoint(endpoint),
                None => Arrival::Internet,
            },
            Origin::Site(site) => Arrival::Endpoint(self.network[site].endpoint),
            Origin::External(external) => Arrival::Endpoint(self.network[external].endpoint),
            Origin::PrivateEndpoint(endpoint, _) => Arrival::Endpoint(endpoint),
            Origin::Serverless(service) => match request.entry() {
                Some(entry) if !left_directly(request) => Arrival::Interface(entry),
                _ => Arrival::Serverless(service),
            },
        }
    }

    fn find(&self, origin: Origin, src: IpAddr, dst: IpAddr, request: Option<&Path>) -> Path {
        let mut walk = Walk {
            prover: self,
            request,
            steps: Vec::with_capacity(16),
            src,
            dst,
            identity: None,
            crossed: false,
            turns: 0,
            forwarders: Vec::new(),
        };
        let mixed =
            src.is_ipv4() != dst.is_ipv4() && !src.is_unspecified() && !dst.is_unspecified();
        let end = if mixed { End::Blocked(Obstacle::FamilyMismatch) } else { walk.from(origin) };
        Path {
            origin,
            steps: walk.steps,
            end,
            sent_from: src,
            sent_to: dst,
            src: walk.src,
            dst: walk.dst,
        }
    }
}

impl Walk<'_, '_> {
    fn at(&mut self, object: Object) {
        self.steps.push(Step::At(object));
    }

    fn seen(&self, dst_interface: Option<InterfaceId>, to_peer: bool) -> Seen {
        Seen {
            src: self.src,
            dst: self.dst,
            src_interface: self.identity,
            dst_interface,
            from_peer: self.crossed,
            to_peer,
        }
    }

    fn check(&mut self, level: Level, direction: Direction, seen: Seen) {
        // Recorded even where no filter is attached: another pair of the same routing classes may have some.
        self.steps.push(Step::Check(Check { level, direction, seen }));
    }

    fn turn(&mut self) -> bool {
        self.turns += 1;
        self.turns <= MOST_TURNS
    }

    fn from(&mut self, origin: Origin) -> End {
        match origin {
            Origin::Interface(interface) => {
                self.at(Object::Interface(interface));
                if !self.prover.network[interface].running {
                    return End::Blocked(Obstacle::Stopped(interface));
                }
                if self.holds_source(interface) {
                    self.identity = Some(interface);
                }
                self.leave(interface)
            }
            Origin::Internet => self.arrive_start_on_internet(),
            Origin::Site(site) => self.leave_site(site),
            Origin::External(external) => self.leave_external(external),
            Origin::Serverless(service) => self.leave_serverless(service),
            Origin::PrivateEndpoint(endpoint, vpc) => {
                self.at(Object::Endpoint(endpoint));
                self.at(Object::Vpc(vpc));
                self.local(Inside { vpc, subnet: None, door: None })
            }
        }
    }

    /// Whether the source is an address of the interface or lies in its prefixes: references to groups mean both.
    fn holds_source(&self, interface: InterfaceId) -> bool {
        let row = &self.prover.network[interface];
        row.addresses.contains(&self.src) || row.prefixes.iter().any(|p| p.contains(self.src))
    }

    /// An interface sends: its filters, then its subnet's, then the route.
    fn leave(&mut self, interface: InterfaceId) -> End {
        let network = self.prover.network;
        let subnet = network[interface].subnet;
        let vpc = network[subnet].vpc;
        let inside = network[subnet].cidrs.iter().any(|cidr| cidr.contains(self.dst));
        let tags = &network[interface].tags;
        let (to, crosses) = self.next_interface(vpc, subnet, inside, tags);
        let seen = self.seen(to, crosses);
        self.check(Level::Interface(interface), Direction::Egress, seen);
        if !network[interface].provider_side {
            self.check(Level::Vpc(interface), Direction::Egress, seen);
        }
        if inside {
            if network[vpc].facts.subnet_filters_inside {
                self.check(Level::Subnet(subnet), Direction::Egress, seen);
            }
            return self.arrive_inside(subnet, tags);
        }
        self.at(Object::Subnet(subnet));
        self.check(Level::Subnet(subnet), Direction::Egress, seen);
        self.route(Inside { vpc, subnet: Some(subnet), door: None }, subnet, tags)
    }

    /// The interface that the packet goes straight to, for references to groups, and whether a peering lies between.
    fn next_interface(
        &self,
        vpc: VpcId,
        subnet: SubnetId,
        inside: bool,
        tags: &[String],
    ) -> (Option<InterfaceId>, bool) {
        let network = self.prover.network;
        if inside {
            return (self.prover.index.source(network, vpc, self.dst), false);
        }
        let table = network[subnet].table;
        let Found::Route(position) = self.prover.routing.find(network, table, self.dst, tags)
        else {
            return (None, false);
        };
        match &network[table].routes[position].via {
            Target::Local => (self.prover.index.source(network, vpc, self.dst), false),
            Target::Peering(id) => {
                let peering = &network[*id];
                let usable = peering.state == PeeringState::Active && !peering.inter_region;
                let other = peering.other(vpc).filter(|_| usable);
                (other.and_then(|other| self.prover.index.source(network, other, self.dst)), true)
            }
            _ => (None, false),
        }
    }

    /// Looks the destination up in a subnet's table and follows the route.
    fn route(&mut self, here: Inside, subnet: SubnetId, tags: &[String]) -> End {
        if !self.turn() {
            return End::Blocked(Obstacle::Loop);
        }
        let network = self.prover.network;
        let id = network[subnet].table;
        let table = Table::Vpc(id);
        match self.prover.routing.find(network, id, self.dst, tags) {
            Found::Nothing => End::Blocked(Obstacle::NoRoute(table)),
            Found::Ambiguous(one, other) => End::Unknown(Gap::Ambiguous(table, one, other)),
            Found::Uncertain(position) => End::Unknown(Gap::Applies(table, position)),
            Found::Route(position) => {
                self.steps.push(Step::Route { table, route: position });
                let target = &network[id].routes[position].via;
                self.follow(here, target, table, position)
            }
        }
    }

    fn follow(&mut self, here: Inside, target: &Target, table: Table, position: usize) -> End {
        match target {
            Target::Local => {
                self.at(Object::Vpc(here.vpc));
                self.local(here)
            }
            Target::Gateway(gateway) => {
                self.at(Object::Vpc(here.vpc));
                self.gateway(here.vpc, *gateway)
            }
            Target::Nat(nat) => {
                self.at(Object::Vpc(here.vpc));
                self.nat(here, *nat)
            }
            Target::Peering(peering) => {
                self.at(Object::Vpc(here.vpc));
                self.peering(here.vpc, *peering)
            }
            Target::Vpn(links) => {
                self.at(Object::Vpc(here.vpc));
                self.reach_site(links)
            }
            Target::Transit(hub) => {
                self.at(Object::Vpc(here.vpc));
                self.hub_from_vpc(here, *hub)
            }
            Target::Interface(interface) => self.next_hop(here, *interface),
            Target::PrivateEndpoint(endpoint) => {
                self.at(Object::Vpc(here.vpc));
                self.at(Object::Endpoint(*endpoint));
                End::Delivered(Arrival::Endpoint(*endpoint))
            }
            Target::External(external) => {
                self.at(Object::Vpc(here.vpc));
                let endpoint = self.prover.network[*external].endpoint;
                self.reach_endpoint(endpoint)
            }
            Target::Blackhole => End::Blocked(Obstacle::Blackhole(table, position)),
            Target::Unknown(_) | Target::Attachment(_) => {
                End::Unknown(Gap::Target(table, position))
            }
        }
    }

    /// Delivery inside a VPC.
    fn local(&mut self, here: Inside) -> End {
        match self.prover.index.subnet(here.vpc, self.dst) {
            Some(subnet) => {
                let same = here.subnet == Some(subnet);
                if !same {
                    self.at(Object::Subnet(subnet));
                }
                self.arrive(subnet, same)
            }
            None => End::Blocked(Obstacle::NoSubnet(here.vpc)),
        }
    }

    /// What is sent to the sender's own subnet is delivered there, unless a route of a policy may take it.
    fn arrive_inside(&mut self, subnet: SubnetId, tags: &[String]) -> End {
        let network = self.prover.network;
        let table = network[subnet].table;
        match self.prover.routing.policy(network, table, self.dst, tags) {
            Some(position) => End::Unknown(Gap::Applies(Table::Vpc(table), position)),
            None => self.arrive(subnet, true),
        }
    }

    /// A packet reaches a subnet: the subnet's filters unless it comes from inside, then the interface.
    fn arrive(&mut self, subnet: SubnetId, from_inside: bool) -> End {
        let network = self.prover.network;
        let vpc = network[subnet].vpc;
        let holder = self.prover.index.in_subnet(network, subnet, self.dst);
        let seen = self.seen(holder, false);
        if !from_inside || network[vpc].facts.subnet_filters_inside {
            self.check(Level::Subnet(subnet), Direction::Ingress, seen);
        }
        let Some(interface) = holder else {
            return End::Blocked(Obstacle::NoAddress(subnet));
        };
        if let Some(nat) = self.prover.index.nat_of_interface.get(&interface) {
            return self.undo_nat(*nat, interface);
        }
        if network[interface].answers_only && self.request.is_none() {
            self.at(Object::Interface(interface));
            return End::Blocked(Obstacle::AnswersOnly(interface));
        }
        self.accept(interface, seen);
        if !network[interface].running {
            return End::Blocked(Obstacle::Stopped(interface));
        }
        End::Delivered(Arrival::Interface(interface))
    }

    /// The filters of an interface that receives.
    fn accept(&mut self, interface: InterfaceId, seen: Seen) {
        if !self.prover.network[interface].provider_side {
            self.check(Level::Vpc(interface), Direction::Ingress, seen);
        }
        self.check(Level::Interface(interface), Direction::Ingress, seen);
        self.at(Object::Interface(interface));
    }

    /// An instance as next hop: it receives the packet, and sends it on.
    fn next_hop(&mut self, here: Inside, interface: InterfaceId) -> End {
        let network = self.prover.network;
        let subnet = network[interface].subnet;
        let seen = self.seen(None, false);
        let outside = here.subnet != Some(subnet);
        if outside {
            self.at(Object::Vpc(here.vpc));
            self.at(Object::Subnet(subnet));
        }
        if outside || network[here.vpc].facts.subnet_filters_inside {
            self.check(Level::Subnet(subnet), Direction::Ingress, seen);
        }
        self.accept(interface, seen);
        let row = &network[interface];
        if !row.running {
            return End::Blocked(Obstacle::Stopped(interface));
        }
        if !row.forwards {
            return End::Blocked(Obstacle::NotForwarding(interface));
        }
        if self.forwarders.contains(&interface) || !self.turn() {
            return End::Blocked(Obstacle::Loop);
        }
        self.forwarders.push(interface);
        self.identity = None;
        self.leave(interface)
    }
}

/// The VPC out of which a request went straight to where it arrived; `None` where it went over the Internet.
fn left_from(request: &Path) -> Option<VpcId> {
    let last = request.steps.iter().rev().find_map(|step| match step {
        Step::At(Object::Vpc(vpc)) => Some(Some(*vpc)),
        Step::At(Object::Internet) => Some(None),
        _ => None,
    });
    last.flatten()
}

/// Whether a serverless service's request left the provider directly, and not through a VPC.
fn left_directly(request: &Path) -> bool {
    request.steps.get(1) == Some(&Step::At(Object::Internet))
}

/// Stands for a source address that cannot be predicted.
pub(crate) const UNPREDICTABLE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
