//! Where packets start, stop and pass, and the words for it.

use netwright_model::language::{Action, Direction};
use netwright_model::network::{
    AttachmentId, EndpointId, ExternalId, FilterId, GatewayId, InterfaceId, NatId, PeeringId,
    RouteTableId, ServerlessId, SiteId, SubnetId, Target, TransitId, TransitTableId, VpcId, VpnId,
};
use netwright_model::scalar::Prefix;

use crate::space::Packet;

/// Where a packet starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// At an interface, sent by its owner.
    Interface(InterfaceId),
    /// Somewhere on the Internet.
    Internet,
    /// At a site.
    Site(SiteId),
    /// At an outside service.
    External(ExternalId),
    /// At an instance of a serverless service.
    Serverless(ServerlessId),
}

/// Where a packet arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// At an interface, for its owner.
    Interface(InterfaceId),
    /// At the public address of an endpoint that is no interface's (a database's, a load balancer's).
    Public(EndpointId),
    /// At a private endpoint that is a route's target, from this VPC.
    PrivateEndpoint(EndpointId, VpcId),
    /// At a site.
    Site(SiteId),
    /// At an outside service, over the Internet.
    External(ExternalId),
    /// At an outside service, straight from this VPC.
    Attached(ExternalId, VpcId),
    /// Somewhere on the Internet.
    Internet,
    /// At a serverless service: only answers do.
    Serverless(ServerlessId),
}

/// Where something was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// At an interface.
    Interface(InterfaceId),
    /// At a subnet's border.
    Subnet(SubnetId),
    /// In a VPC.
    Vpc(VpcId),
    /// In a route table.
    Table(RouteTableId),
    /// At an internet gateway.
    Gateway(GatewayId),
    /// At a NAT gateway.
    Nat(NatId),
    /// At a peering.
    Peering(PeeringId),
    /// At a VPN or dedicated link.
    Vpn(VpnId),
    /// At a transit hub.
    Transit(TransitId),
    /// In a transit hub's table.
    TransitTable(TransitTableId),
    /// At an attachment of a transit hub.
    Attachment(AttachmentId),
    /// At an endpoint.
    Endpoint(EndpointId),
    /// At an outside service.
    External(ExternalId),
    /// At a site.
    Site(SiteId),
    /// At a serverless service.
    Serverless(ServerlessId),
    /// On the Internet.
    Internet,
}

impl From<Place> for At {
    fn from(place: Place) -> Self {
        match place {
            Place::Interface(i) => Self::Interface(i),
            Place::Public(e) | Place::PrivateEndpoint(e, _) => Self::Endpoint(e),
            Place::Site(s) => Self::Site(s),
            Place::External(x) | Place::Attached(x, _) => Self::External(x),
            Place::Internet => Self::Internet,
            Place::Serverless(s) => Self::Serverless(s),
        }
    }
}

/// Why a packet does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The source address is none of the sender's.
    ForeignSource,
    /// The interface's owner is stopped.
    NotRunning,
    /// A rule refuses it (the filter, and the rule's position in it).
    Rule(FilterId, usize),
    /// No rule allows it.
    NoRule,
    /// No route leads there.
    NoRoute,
    /// The route table says so.
    Blackhole,
    /// The address lies in the VPC and in none of its subnets.
    NoSuchSubnet,
    /// Nothing in the subnet has this address.
    NoSuchAddress,
    /// The internet gateway is not attached to the VPC.
    GatewayDetached,
    /// The gateway is for IPv6 only.
    EgressOnly,
    /// The sender has no public address and nothing translates for it.
    NoPublicAddress,
    /// The NAT gateway carries TCP, UDP and ICMP over IPv4 only.
    NatProtocol,
    /// One side has not agreed to the peering.
    PeeringNotActive,
    /// A peering carries packets to the other VPC's own addresses only.
    NotTransitive,
    /// No link that is up leads there.
    NoLink,
    /// The VPC is not attached to the transit hub, or the hub does not lead back.
    NotAttached,
    /// The attachment has no route table.
    NoTable,
    /// The next hop does not forward.
    NotForwarding,
    /// The packet would go round for ever.
    Loop,
    /// The interface accepts answers only.
    AnswersOnly,
    /// The VPC has no internet gateway that lets connections in.
    NoGateway,
    /// Nothing asked for this packet.
    Unsolicited,
    /// The source address is not on the allow list.
    NotOnAllowList,
    /// There is an allow list and nobody can say what the source address is.
    SourceNotPredictable,
    /// No such address exists on the Internet.
    NotRoutable,
    /// The outside service opens no connections.
    DoesNotInitiate,
    /// The service has no way into the VPC.
    NoVpcAccess,
    /// The answer arrives at somebody else, or comes from another address than was asked.
    AnswerElsewhere,
}

/// How a walk ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It arrived.
    Delivered {
        /// Where.
        to: Place,
        /// The packet as it arrives.
        packet: Packet,
        /// False where the source address cannot be known beforehand; it is then written as unspecified.
        predictable: bool,
    },
    /// It did not.
    Blocked(Reason, At),
    /// The description does not say.
    Unknown(String, At),
}

/// One thing that happened to the packet.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The filters of a place were asked.
    Asked {
        /// Which place.
        at: At,
        /// The packet's direction, seen from what is protected.
        direction: Direction,
        /// What they decided.
        action: Action,
        /// The rule that decided, by its filter and position; none where the default did.
        by: Option<(FilterId, usize)>,
    },
    /// The packet answers a connection that the filters of this place have let through and remember.
    Remembered(At),
    /// A route was chosen.
    Routed {
        /// In which table.
        table: At,
        /// By this prefix.
        prefix: Prefix,
        /// To this target.
        target: Target,
    },
    /// An address was translated; the packet afterwards.
    Translated(At, Packet),
    /// The packet entered.
    Entered(At),
}

/// What happened to one packet in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    /// How it ended.
    pub outcome: Outcome,
    /// What happened on the way, in order.
    pub steps: Vec<Step>,
}
