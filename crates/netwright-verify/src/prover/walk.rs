//! Finding a path: from object to object, as routes and gateways send a packet.

use std::net::{IpAddr, Ipv4Addr};

use netwright_model::language::{Direction, EgressMode, PeeringState};
use netwright_model::network::{
    Attached, AttachmentId, EndpointId, ExternalId, GatewayId, InterfaceId, NatId, PeeringId,
    ServerlessId, SiteId, SubnetId, Target, TransitId, VpcId, VpnId,
};

use super::Prover;
use super::path::{
    Arrival, Check, End, Gap, Level, Object, Obstacle, Origin, Path, Seen, Step, Table,
    Translation, Translator,
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
            Origin::Internet => Arrival::Internet,
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
            Origin::Internet => self.internet(),
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
            return self.arrive(subnet, true);
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

    /// An internet gateway: one-to-one translation, or the NAT gateway that serves the subnet.
    fn gateway(&mut self, vpc: VpcId, gateway: GatewayId) -> End {
        let network = self.prover.network;
        self.at(Object::Gateway(gateway));
        if network[gateway].vpc != Some(vpc) {
            return End::Blocked(Obstacle::Detached(gateway));
        }
        if self.src.is_ipv6() {
            return self.internet();
        }
        if network[gateway].egress_only {
            return End::Blocked(Obstacle::EgressOnly(gateway));
        }
        let Some(subnet) = self.prover.index.subnet(vpc, self.src) else {
            // A source from elsewhere, for example over a peering or a hub: the gateway knows no public address for it.
            return End::Blocked(Obstacle::NoSubnet(vpc));
        };
        let holder = self.prover.index.source(network, vpc, self.src);
        if holder.is_none() {
            // The same addresses elsewhere: neither a public address nor the subnet's NAT gateway is for them.
            return End::Blocked(Obstacle::NoPublicAddress(subnet));
        }
        let public = holder.and_then(|interface| self.public_address(interface, gateway));
        if let Some(public) = public {
            self.translate(Translator::Gateway(gateway), true, public);
            return self.internet();
        }
        // A NAT gateway in a subnet whose public address the provider chooses.
        let automatic = holder
            .and_then(|interface| self.prover.index.nat_of_interface.get(&interface))
            .is_some_and(|nat| !network[*nat].private);
        if automatic {
            self.translate(Translator::Gateway(gateway), true, UNPREDICTABLE);
            return self.internet();
        }
        let Some(nat) = network[subnet].nat else {
            return End::Blocked(Obstacle::NoPublicAddress(subnet));
        };
        self.at(Object::Nat(nat));
        self.steps.push(Step::NatProtocolsOnly(nat));
        let to = network[nat].addresses.first().copied();
        self.translate(Translator::Nat(nat), true, to.unwrap_or(UNPREDICTABLE));
        self.internet()
    }

    /// The public address that stands for the packet's private source: in an answer the one that was asked, otherwise the one at the
    /// same place in the list.
    fn public_address(&self, interface: InterfaceId, gateway: GatewayId) -> Option<IpAddr> {
        let row = &self.prover.network[interface];
        if let Some(request) = self.request {
            let asked = request.translations().find(|translation| {
                !translation.source
                    && translation.by == Translator::Gateway(gateway)
                    && translation.to == self.src
            });
            if let Some(asked) = asked {
                return Some(asked.from);
            }
        }
        let v4: Vec<&IpAddr> = row.public.iter().filter(|address| address.is_ipv4()).collect();
        let place = row.addresses.iter().filter(|a| a.is_ipv4()).position(|a| *a == self.src)?;
        v4.get(place).or_else(|| v4.first()).map(|address| **address)
    }

    fn translate(&mut self, by: Translator, source: bool, to: IpAddr) {
        let from = if source { self.src } else { self.dst };
        self.steps.push(Step::Translate(Translation { by, source, from, to }));
        if source {
            self.src = to;
        } else {
            self.dst = to;
        }
        self.identity = None;
    }

    /// A NAT gateway in a subnet, as a route's target.
    fn nat(&mut self, here: Inside, nat: NatId) -> End {
        if !self.turn() {
            return End::Blocked(Obstacle::Loop);
        }
        let network = self.prover.network;
        let Some(interface) = network[nat].interface else {
            // A gateway that is a route's target stands in some subnet: the description does not say in which.
            return End::Unknown(Gap::Elsewhere(Object::Nat(nat)));
        };
        let subnet = network[interface].subnet;
        let outside = here.subnet != Some(subnet);
        if outside {
            self.at(Object::Subnet(subnet));
        }
        if outside || network[here.vpc].facts.subnet_filters_inside {
            let seen = self.seen(None, false);
            self.check(Level::Subnet(subnet), Direction::Ingress, seen);
        }
        self.at(Object::Nat(nat));
        self.steps.push(Step::NatProtocolsOnly(nat));
        let Some(own) =
            network[interface].addresses.iter().find(|a| a.is_ipv4() == self.src.is_ipv4())
        else {
            return End::Blocked(Obstacle::FamilyMismatch);
        };
        self.translate(Translator::Nat(nat), true, *own);
        self.leave_nat(interface)
    }

    /// A NAT gateway sends on what it has translated.
    fn leave_nat(&mut self, interface: InterfaceId) -> End {
        let network = self.prover.network;
        let subnet = network[interface].subnet;
        let vpc = network[subnet].vpc;
        let inside = network[subnet].cidrs.iter().any(|cidr| cidr.contains(self.dst));
        if !inside {
            self.at(Object::Subnet(subnet));
        }
        if !inside || network[vpc].facts.subnet_filters_inside {
            let seen = self.seen(None, false);
            self.check(Level::Subnet(subnet), Direction::Egress, seen);
        }
        if inside {
            return self.arrive(subnet, true);
        }
        self.route(Inside { vpc, subnet: Some(subnet), door: None }, subnet, &[])
    }

    /// A packet addressed to a NAT gateway: an answer goes on to the client, anything else is dropped.
    fn undo_nat(&mut self, nat: NatId, interface: InterfaceId) -> End {
        self.at(Object::Nat(nat));
        let client = self.request.and_then(|request| {
            let mut own =
                request.translations().filter(|t| t.by == Translator::Nat(nat) && t.source);
            own.find(|translation| translation.to == self.dst).map(|translation| translation.from)
        });
        match client {
            Some(client) if self.turn() => {
                self.translate(Translator::Nat(nat), false, client);
                self.leave_nat(interface)
            }
            Some(_) => End::Blocked(Obstacle::Loop),
            None => End::Blocked(Obstacle::Unsolicited(nat)),
        }
    }

    /// The Internet: to a public address of this network, to an outside service, or to the rest of the world.
    fn internet(&mut self) -> End {
        self.at(Object::Internet);
        if !self.turn() {
            return End::Blocked(Obstacle::Loop);
        }
        if let Some(end) = self.answer_to_translated() {
            return end;
        }
        let index = &self.prover.index;
        if let Some(interface) = index.public_interface(self.dst) {
            return self.reach_public(interface);
        }
        if let Some(nat) = index.nat(self.dst) {
            return match self.prover.network[nat].interface {
                Some(interface) => self.reach_public(interface),
                None => {
                    self.at(Object::Nat(nat));
                    End::Blocked(Obstacle::Unsolicited(nat))
                }
            };
        }
        if let Some(endpoint) = index.public_endpoint(self.dst) {
            return self.reach_endpoint(endpoint);
        }
        if let Some(endpoint) = index.outside_service(self.dst) {
            return self.reach_endpoint(endpoint);
        }
        if self.is_answer_to_outside() || index.is_internet(self.dst) {
            return End::Delivered(Arrival::Internet);
        }
        End::Blocked(Obstacle::NotRoutable)
    }

    /// Whether this is an answer to a request from the Internet, whose own address is none of ours to judge.
    fn is_answer_to_outside(&self) -> bool {
        self.request.is_some_and(|request| {
            request.origin == Origin::Internet && self.dst == request.sent_from
        })
    }

    /// An answer to a source that was translated where the packet left: by a NAT gateway at the internet gateway, or by the
    /// provider of a serverless service.
    fn answer_to_translated(&mut self) -> Option<End> {
        let request = self.request?;
        if self.dst != request.src {
            return None;
        }
        if let Origin::Serverless(service) = request.origin
            && left_directly(request)
        {
            self.at(Object::Serverless(service));
            return Some(End::Delivered(Arrival::Serverless(service)));
        }
        let last = request.translations().filter(|t| t.source).last()?;
        let network = self.prover.network;
        if let (Translator::Gateway(gateway), true) = (last.by, last.to.is_unspecified()) {
            // A NAT gateway in a subnet whose public address the provider chose.
            let vpc = network[gateway].vpc?;
            self.at(Object::Gateway(gateway));
            self.translate(last.by, false, last.from);
            self.at(Object::Vpc(vpc));
            return Some(self.local(Inside { vpc, subnet: None, door: None }));
        }
        let Translator::Nat(nat) = last.by else { return None };
        if network[nat].interface.is_some() {
            return None;
        }
        let (to, from) = (last.to, last.from);
        if to != self.dst {
            return None;
        }
        let vpc = network[nat].vpc?;
        if let Some(gateway) = network[vpc].gateways.first() {
            self.at(Object::Gateway(*gateway));
        }
        self.at(Object::Nat(nat));
        self.translate(Translator::Nat(nat), false, from);
        self.at(Object::Vpc(vpc));
        Some(self.local(Inside { vpc, subnet: None, door: None }))
    }

    /// From the Internet to an interface with a public or IPv6 address.
    fn reach_public(&mut self, interface: InterfaceId) -> End {
        let network = self.prover.network;
        let subnet = network[interface].subnet;
        let vpc = network[subnet].vpc;
        let usable = |gateway: &&GatewayId| {
            let egress_only = network[**gateway].egress_only;
            !egress_only || (self.request.is_some() && self.dst.is_ipv6())
        };
        let gateways = &network[vpc].gateways;
        let Some(gateway) = gateways.iter().find(usable) else {
            return End::Blocked(match gateways.first() {
                Some(gateway) => Obstacle::EgressOnly(*gateway),
                None => Obstacle::NoGateway(vpc),
            });
        };
        self.at(Object::Gateway(*gateway));
        if self.dst.is_ipv4() {
            let row = &network[interface];
            let v4: Vec<&IpAddr> = row.addresses.iter().filter(|a| a.is_ipv4()).collect();
            let place = row.public.iter().filter(|a| a.is_ipv4()).position(|a| *a == self.dst);
            let private = place.and_then(|place| v4.get(place)).or_else(|| v4.first());
            let Some(private) = private else {
                return End::Blocked(Obstacle::NoAddress(subnet));
            };
            let to = **private;
            let identity = self.identity;
            self.translate(Translator::Gateway(*gateway), false, to);
            self.identity = identity;
        }
        self.at(Object::Vpc(vpc));
        self.local(Inside { vpc, subnet: None, door: None })
    }

    /// To an endpoint without an interface that may have an allow-list.
    fn reach_endpoint(&mut self, endpoint: EndpointId) -> End {
        self.at(Object::Endpoint(endpoint));
        match self.prover.index.allow_list(endpoint) {
            Some(list) if self.request.is_none() => {
                let everyone = list.iter().any(|prefix| prefix.length() == 0);
                if self.src.is_unspecified() && !everyone {
                    return End::Blocked(Obstacle::NotPredictable(endpoint));
                }
                if !everyone && !list.iter().any(|prefix| prefix.contains(self.src)) {
                    return End::Blocked(Obstacle::NotAllowListed(endpoint));
                }
                End::Delivered(Arrival::Endpoint(endpoint))
            }
            _ => End::Delivered(Arrival::Endpoint(endpoint)),
        }
    }

    fn peering(&mut self, vpc: VpcId, id: PeeringId) -> End {
        let network = self.prover.network;
        self.at(Object::Peering(id));
        let peering = &network[id];
        if peering.state != PeeringState::Active {
            return End::Blocked(Obstacle::PeeringInactive(id));
        }
        let Some(other) = peering.other(vpc) else {
            return End::Unknown(Gap::Elsewhere(Object::Peering(id)));
        };
        self.at(Object::Vpc(other));
        if !network[other].cidrs.iter().any(|cidr| cidr.contains(self.dst)) {
            return End::Blocked(Obstacle::NotTransitive(id));
        }
        if self.crossed || peering.inter_region {
            self.identity = None;
        }
        self.crossed = true;
        self.local(Inside { vpc: other, subnet: None, door: None })
    }

    /// Over one of some links to a site: the link that is up and whose ranges match best.
    fn reach_site(&mut self, links: &[VpnId]) -> End {
        let network = self.prover.network;
        let best = links
            .iter()
            .filter(|link| network[**link].up)
            .filter_map(|link| {
                let matching = network[*link].remote.iter().filter(|p| p.contains(self.dst));
                matching.map(|prefix| prefix.length()).max().map(|length| (length, *link))
            })
            .max_by_key(|(length, link)| (*length, std::cmp::Reverse(*link)));
        let Some((_, link)) = best else {
            return End::Blocked(Obstacle::NoLink);
        };
        self.over_link(link)
    }

    fn over_link(&mut self, link: VpnId) -> End {
        self.at(Object::Vpn(link));
        self.identity = None;
        match self.prover.network[link].site {
            Some(site) => {
                let endpoint = self.prover.network[site].endpoint;
                self.at(Object::Endpoint(endpoint));
                End::Delivered(Arrival::Endpoint(endpoint))
            }
            None => End::Unknown(Gap::Elsewhere(Object::Vpn(link))),
        }
    }

    fn hub_from_vpc(&mut self, here: Inside, hub: TransitId) -> End {
        let network = self.prover.network;
        let own = network[hub]
            .attachments
            .iter()
            .copied()
            .find(|attachment| network[*attachment].to == Attached::Vpc(here.vpc));
        let zone = here.subnet.or(here.door).and_then(|subnet| network[subnet].zone.as_deref());
        match own {
            Some(attachment) => self.hub(hub, attachment, zone),
            None => {
                self.at(Object::Transit(hub));
                End::Blocked(Obstacle::NotAttached(hub))
            }
        }
    }

    /// A transit hub decides by the table of the attachment that the packet came in by.
    fn hub(&mut self, hub: TransitId, from: AttachmentId, zone: Option<&str>) -> End {
        self.at(Object::Transit(hub));
        self.identity = None;
        if !self.turn() {
            return End::Blocked(Obstacle::Loop);
        }
        let network = self.prover.network;
        let Some(id) = network[from].table else {
            return End::Blocked(Obstacle::NoHubTable(hub));
        };
        let table = Table::Hub(id);
        let position = match self.prover.routing.find_in_hub(network, id, self.dst) {
            Found::Nothing => return End::Blocked(Obstacle::NoRoute(table)),
            Found::Ambiguous(a, b) => return End::Unknown(Gap::Ambiguous(table, a, b)),
            Found::Route(position) => position,
        };
        self.steps.push(Step::Route { table, route: position });
        match &network[id].routes[position].via {
            Target::Attachment(to) => self.out_of_hub(hub, *to, zone),
            Target::Blackhole => End::Blocked(Obstacle::Blackhole(table, position)),
            _ => End::Unknown(Gap::Target(table, position)),
        }
    }

    fn out_of_hub(&mut self, hub: TransitId, to: AttachmentId, zone: Option<&str>) -> End {
        let network = self.prover.network;
        match network[to].to {
            Attached::Vpc(vpc) => {
                self.at(Object::Vpc(vpc));
                let subnets = &network[to].subnets;
                let same_zone = subnets
                    .iter()
                    .find(|subnet| zone.is_some() && network[**subnet].zone.as_deref() == zone);
                match same_zone.or_else(|| subnets.first()) {
                    Some(door) => {
                        let here = Inside { vpc, subnet: None, door: Some(*door) };
                        self.route(here, *door, &[])
                    }
                    None => self.local(Inside { vpc, subnet: None, door: None }),
                }
            }
            Attached::Vpn(link) => {
                let row = &network[link];
                if !row.up || !row.remote.iter().any(|prefix| prefix.contains(self.dst)) {
                    return End::Blocked(Obstacle::NoLink);
                }
                self.over_link(link)
            }
            Attached::Transit(other) => {
                let back = network[other]
                    .attachments
                    .iter()
                    .copied()
                    .find(|attachment| network[*attachment].to == Attached::Transit(hub));
                match back {
                    Some(attachment) => self.hub(other, attachment, zone),
                    None => End::Unknown(Gap::Elsewhere(Object::Transit(other))),
                }
            }
            Attached::Elsewhere => End::Unknown(Gap::Elsewhere(Object::Transit(hub))),
        }
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

    /// From a site: the link whose ranges on this side match best.
    fn leave_site(&mut self, site: SiteId) -> End {
        let network = self.prover.network;
        self.at(Object::Endpoint(network[site].endpoint));
        let links = network.vpns.iter().enumerate().map(|(index, vpn)| (VpnId::at(index), vpn));
        let best = links
            .filter(|(_, vpn)| vpn.site == Some(site) && vpn.up)
            .filter_map(|(id, vpn)| {
                let matching = vpn.local.iter().filter(|prefix| prefix.contains(self.dst));
                matching.map(|prefix| prefix.length()).max().map(|length| (length, id))
            })
            .max_by_key(|(length, link)| (*length, std::cmp::Reverse(*link)));
        let Some((_, link)) = best else {
            return End::Blocked(Obstacle::NoLink);
        };
        self.at(Object::Vpn(link));
        if let Some(vpc) = network[link].vpc {
            self.at(Object::Vpc(vpc));
            return self.local(Inside { vpc, subnet: None, door: None });
        }
        let attached = network.attachments.iter().position(|row| row.to == Attached::Vpn(link));
        match attached.map(AttachmentId::at) {
            Some(attachment) => self.hub(network[attachment].transit, attachment, None),
            None => End::Unknown(Gap::Elsewhere(Object::Vpn(link))),
        }
    }

    /// From an outside service into an attached VPC that holds the destination.
    fn leave_external(&mut self, external: ExternalId) -> End {
        let network = self.prover.network;
        let row = &network[external];
        self.at(Object::Endpoint(row.endpoint));
        if row.attached.is_empty() {
            // It stands on the Internet and reaches what the Internet reaches.
            return self.internet();
        }
        if !row.initiates && self.request.is_none() {
            return End::Blocked(Obstacle::NotInitiated(row.endpoint));
        }
        let holds = |vpc: &&VpcId| network[**vpc].cidrs.iter().any(|c| c.contains(self.dst));
        // Attached VPCs may overlap: an answer goes back into the VPC that the question came out of.
        let vpc = match self.request.and_then(left_from) {
            Some(vpc) => Some(vpc),
            None => row.attached.iter().find(holds).copied(),
        };
        match vpc {
            Some(vpc) => {
                self.at(Object::Vpc(vpc));
                self.local(Inside { vpc, subnet: None, door: None })
            }
            None => End::Blocked(Obstacle::NotInitiated(row.endpoint)),
        }
    }

    /// A serverless service: through the VPC or directly, as its egress mode says.
    fn leave_serverless(&mut self, service: ServerlessId) -> End {
        let network = self.prover.network;
        let row = &network[service];
        self.at(Object::Serverless(service));
        let private = row.facts.private_ranges.iter().any(|prefix| prefix.contains(self.dst));
        let through_vpc = match row.mode {
            EgressMode::None => false,
            EgressMode::PrivateRangesOnly => private,
            EgressMode::AllTraffic => true,
        };
        if !through_vpc {
            self.src = match self.dst {
                IpAddr::V4(_) => UNPREDICTABLE,
                IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
            };
            if !super::index::is_global(self.dst) {
                return End::Blocked(Obstacle::NoVpcAccess(service));
            }
            return self.internet();
        }
        let Some(interface) = row.interface else {
            return match row.connector {
                Some(_) => End::Unknown(Gap::Elsewhere(Object::Serverless(service))),
                None => End::Blocked(Obstacle::NoVpcAccess(service)),
            };
        };
        let own = &network[interface];
        let Some(address) = own.addresses.iter().find(|a| a.is_ipv4() == self.dst.is_ipv4()) else {
            return End::Blocked(Obstacle::FamilyMismatch);
        };
        self.src = *address;
        self.at(Object::Interface(interface));
        self.identity = Some(interface);
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
