//! Gateways, translation, the Internet, and what stands on it.

use super::{Inside, UNPREDICTABLE, Walk, left_directly};
use crate::prover::path::{
    Arrival, End, Gap, Level, Object, Obstacle, Origin, Step, Translation, Translator,
};
use netwright_model::language::{Direction, EgressMode};
use netwright_model::network::{EndpointId, GatewayId, InterfaceId, NatId, ServerlessId, VpcId};
use std::net::IpAddr;

impl Walk<'_, '_> {
    /// An internet gateway: one-to-one translation, or the NAT gateway that serves the subnet.
    pub(super) fn gateway(&mut self, vpc: VpcId, gateway: GatewayId) -> End {
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
    pub(super) fn public_address(
        &self,
        interface: InterfaceId,
        gateway: GatewayId,
    ) -> Option<IpAddr> {
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

    pub(super) fn translate(&mut self, by: Translator, source: bool, to: IpAddr) {
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
    pub(super) fn nat(&mut self, here: Inside, nat: NatId) -> End {
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
    pub(super) fn leave_nat(&mut self, interface: InterfaceId) -> End {
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
            return self.arrive_inside(subnet, &[]);
        }
        self.route(Inside { vpc, subnet: Some(subnet), door: None }, subnet, &[])
    }

    /// A packet addressed to a NAT gateway: an answer goes on to the client, anything else is dropped.
    pub(super) fn undo_nat(&mut self, nat: NatId, interface: InterfaceId) -> End {
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

    /// From the Internet: only with a source address that exists there. An answer's source was asked for, so it is there.
    pub(super) fn arrive_start_on_internet(&mut self) -> End {
        let index = &self.prover.index;
        if self.request.is_none() && !self.src.is_unspecified() && !index.is_internet(self.src) {
            return End::Blocked(Obstacle::NoSender(index.only_subnet(self.src)));
        }
        self.internet()
    }

    /// The Internet: to a public address of this network, to an outside service, or to the rest of the world.
    pub(super) fn internet(&mut self) -> End {
        self.at(Object::Internet);
        // IPv6 comes here without any translation; whose it was nobody can tell all the same.
        self.identity = None;
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
    pub(super) fn is_answer_to_outside(&self) -> bool {
        self.request.is_some_and(|request| {
            request.origin == Origin::Internet && self.dst == request.sent_from
        })
    }

    /// An answer to a source that was translated where the packet left: by a NAT gateway at the internet gateway, or by the
    /// provider of a serverless service.
    pub(super) fn answer_to_translated(&mut self) -> Option<End> {
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
    pub(super) fn reach_public(&mut self, interface: InterfaceId) -> End {
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

    /// The addresses that the source may have: a NAT gateway with several takes any of them.
    fn possible_sources(&self) -> (Option<NatId>, Vec<IpAddr>) {
        match self.prover.index.nat(self.src) {
            Some(nat) => (Some(nat), self.prover.network[nat].addresses.clone()),
            None => (None, vec![self.src]),
        }
    }

    /// To an endpoint without an interface that may have an allow-list.
    pub(super) fn reach_endpoint(&mut self, endpoint: EndpointId) -> End {
        self.at(Object::Endpoint(endpoint));
        match self.prover.index.allow_list(endpoint) {
            Some(list) if self.request.is_none() => {
                let everyone = list.iter().any(|prefix| prefix.length() == 0);
                if self.src.is_unspecified() && !everyone {
                    return End::Blocked(Obstacle::NotPredictable(endpoint));
                }
                let listed = |source: &IpAddr| list.iter().any(|prefix| prefix.contains(*source));
                let (nat, sources) = self.possible_sources();
                if everyone || sources.iter().all(listed) {
                    return End::Delivered(Arrival::Endpoint(endpoint));
                }
                match nat {
                    Some(nat) if sources.iter().any(listed) => {
                        End::Unknown(Gap::SomeAddresses(endpoint, nat))
                    }
                    _ => End::Blocked(Obstacle::NotAllowListed(endpoint)),
                }
            }
            _ => End::Delivered(Arrival::Endpoint(endpoint)),
        }
    }

    /// A serverless service: through the VPC or directly, as its egress mode says.
    pub(super) fn leave_serverless(&mut self, service: ServerlessId) -> End {
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
            if !crate::prover::index::is_global(self.dst) {
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
