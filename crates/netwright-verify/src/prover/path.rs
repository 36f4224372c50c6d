//! What a packet meets between two addresses.

use std::net::IpAddr;

use netwright_model::language::Direction;
use netwright_model::network::{
    EndpointId, ExternalId, GatewayId, InterfaceId, NatId, PeeringId, RouteTableId, ServerlessId,
    SiteId, SubnetId, TransitId, TransitTableId, VpcId, VpnId,
};

/// Where a flow starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// An interface.
    Interface(InterfaceId),
    /// The Internet.
    Internet,
    /// A site behind a VPN or dedicated link.
    Site(SiteId),
    /// An outside service that VPCs are attached to.
    External(ExternalId),
    /// A serverless service.
    Serverless(ServerlessId),
    /// A private endpoint that is a route's target. It opens no connections; its answers enter the VPC.
    PrivateEndpoint(EndpointId, VpcId),
}

/// Where a packet ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arrival {
    /// At an interface.
    Interface(InterfaceId),
    /// At an endpoint without an interface of its own: a site, an outside service, a private endpoint, a public database.
    Endpoint(EndpointId),
    /// On the Internet, at an address that nothing described here holds.
    Internet,
    /// Back at a serverless service that left directly.
    Serverless(ServerlessId),
}

/// An object on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Object {
    /// An interface, standing for its owner.
    Interface(InterfaceId),
    /// An endpoint without an interface.
    Endpoint(EndpointId),
    /// A subnet that the packet leaves or enters.
    Subnet(SubnetId),
    /// A VPC.
    Vpc(VpcId),
    /// An internet gateway.
    Gateway(GatewayId),
    /// A NAT gateway.
    Nat(NatId),
    /// A peering.
    Peering(PeeringId),
    /// A transit hub.
    Transit(TransitId),
    /// A VPN or dedicated link.
    Vpn(VpnId),
    /// A serverless service.
    Serverless(ServerlessId),
    /// The Internet.
    Internet,
}

/// A set of filters asked together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Filters attached to an interface.
    Interface(InterfaceId),
    /// Filters of the VPC, protecting an interface.
    Vpc(InterfaceId),
    /// Filters between a subnet and the rest.
    Subnet(SubnetId),
}

/// Addresses as a filter sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// The interface the packet has come straight from, for references to groups.
    pub src_interface: Option<InterfaceId>,
    /// The interface it goes straight to.
    pub dst_interface: Option<InterfaceId>,
    /// It has crossed a peering: the source matches only references that hold across one.
    pub from_peer: bool,
    /// It is about to cross a peering: the destination matches only references that hold across one.
    pub to_peer: bool,
}

/// A question to filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Check {
    /// Which filters.
    pub level: Level,
    /// Direction, seen from what they protect.
    pub direction: Direction,
    /// Addresses.
    pub seen: Seen,
}

/// A route table: a VPC's or a hub's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Of a VPC.
    Vpc(RouteTableId),
    /// Of a transit hub.
    Hub(TransitTableId),
}

/// Who translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Translator {
    /// An internet gateway, one to one.
    Gateway(GatewayId),
    /// A NAT gateway.
    Nat(NatId),
}

/// A translation of the source or destination address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Translation {
    /// Who.
    pub by: Translator,
    /// The source was translated; otherwise the destination.
    pub source: bool,
    /// Before.
    pub from: IpAddr,
    /// After; the unspecified address where it cannot be predicted.
    pub to: IpAddr,
}

/// One thing that happens on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The packet is at an object.
    At(Object),
    /// Filters are asked.
    Check(Check),
    /// A route was chosen.
    Route {
        /// The table.
        table: Table,
        /// Position of the route in it.
        route: usize,
    },
    /// An address was translated.
    Translate(Translation),
    /// Only TCP, UDP and ICMP go on: a NAT gateway carries nothing else.
    NatProtocolsOnly(NatId),
}

/// Why a path ends before a destination, whatever the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// No route matches.
    NoRoute(Table),
    /// A route drops the packet.
    Blackhole(Table, usize),
    /// No subnet of the VPC contains the destination.
    NoSubnet(VpcId),
    /// Nothing in the subnet has the address.
    NoAddress(SubnetId),
    /// The source has no public address and no NAT gateway serves its subnet.
    NoPublicAddress(SubnetId),
    /// The gateway is not attached to this VPC.
    Detached(GatewayId),
    /// The gateway lets only connections from inside pass, or does not carry the family.
    EgressOnly(GatewayId),
    /// The VPC has no internet gateway.
    NoGateway(VpcId),
    /// The peering is not active.
    PeeringInactive(PeeringId),
    /// The destination is not in the peer's ranges: a peering is not transitive.
    NotTransitive(PeeringId),
    /// The VPC is not attached to the hub.
    NotAttached(TransitId),
    /// The attachment has no route table.
    NoHubTable(TransitId),
    /// No link that is up leads to the destination.
    NoLink,
    /// The packet goes round in circles.
    Loop,
    /// The next hop does not forward packets that are not addressed to it.
    NotForwarding(InterfaceId),
    /// The machine is stopped.
    Stopped(InterfaceId),
    /// It accepts no connections, only answers.
    AnswersOnly(InterfaceId),
    /// A NAT gateway drops what no connection from inside has asked for.
    Unsolicited(NatId),
    /// The Internet does not route the address.
    NotRoutable,
    /// Nobody sends from the source address: it is no address of the Internet, and nothing described here holds it. The subnet is the
    /// one that it lies in.
    NoSender(Option<SubnetId>),
    /// The destination's allow-list does not hold the source.
    NotAllowListed(EndpointId),
    /// The destination has an allow-list, and the source address cannot be predicted.
    NotPredictable(EndpointId),
    /// The service has no access to the VPC for this destination.
    NoVpcAccess(ServerlessId),
    /// The outside service opens no connections, or is not attached to a VPC that holds the destination.
    NotInitiated(EndpointId),
    /// The source and destination are of different families.
    FamilyMismatch,
    /// The answer leaves with another source address than the one that was asked.
    WrongSource(IpAddr),
    /// The answer arrives somewhere else.
    WrongPlace,
    /// Another machine has the address where the packet is: whom it is meant for never gets it.
    AnothersAddress(InterfaceId),
}

/// What the description lacks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Gap {
    /// Two routes that lead to different places are equally good.
    Ambiguous(Table, usize, usize),
    /// A route's target could not be represented.
    Target(Table, usize),
    /// A route may apply or not.
    Applies(Table, usize),
    /// What lies there is not described.
    Elsewhere(Object),
    /// The destination accepts some addresses of the NAT gateway and not all: which one a connection gets, nobody can say.
    SomeAddresses(EndpointId, NatId),
}

/// How a path ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It arrives.
    Delivered(Arrival),
    /// It does not, whatever the filters say.
    Blocked(Obstacle),
    /// That cannot be said.
    Unknown(Gap),
}

/// What a packet meets between two addresses.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Where it starts.
    pub origin: Origin,
    /// Everything on the way, in order.
    pub steps: Vec<Step>,
    /// How it ends.
    pub end: End,
    /// Source address as sent.
    pub sent_from: IpAddr,
    /// Destination address as sent.
    pub sent_to: IpAddr,
    /// Source address at the end; unspecified where it cannot be predicted.
    pub src: IpAddr,
    /// Destination address at the end.
    pub dst: IpAddr,
}

impl Path {
    /// The filters on the way.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.steps.iter().filter_map(|step| match step {
            Step::Check(check) => Some(check),
            Step::At(_) | Step::Route { .. } | Step::Translate(_) | Step::NatProtocolsOnly(_) => {
                None
            }
        })
    }

    /// The translations on the way.
    pub fn translations(&self) -> impl Iterator<Item = &Translation> {
        self.steps.iter().filter_map(|step| match step {
            Step::Translate(translation) => Some(translation),
            Step::At(_) | Step::Route { .. } | Step::Check(_) | Step::NatProtocolsOnly(_) => None,
        })
    }

    /// The interface whose packets these are: the origin's own, or the one a serverless service uses.
    #[must_use]
    pub fn entry(&self) -> Option<InterfaceId> {
        self.steps.iter().find_map(|step| match step {
            Step::At(Object::Interface(interface)) => Some(*interface),
            _ => None,
        })
    }
}
