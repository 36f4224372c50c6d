//! The resolved network: every reference is an id, every default is filled in.
//!
//! [`resolve()`](resolve::resolve) makes it from a [`Description`], or says, with places, why it cannot.
//! The prover, the interpreter and the planner read this form only. Parts that say nothing about packets
//! (start-up, alerts, time-outs) stay in the description, which the network keeps.
//!
//! Architecture invariant: nothing here decides what happens to a packet; that is the prover's.

pub mod filter;
pub mod ids;
pub mod lookup;
pub mod resolve;
pub mod written;

use std::net::IpAddr;

use crate::language::{
    Description, EgressMode, EndpointKind, LoadBalancerKind, PeeringState, Provider, RouteOrigin,
    VpnKind,
};
use crate::profile::Facts;
use crate::scalar::{Prefix, Service};
use crate::source::Span;

pub use filter::{AddressSet, Filter, FilterMember, IcmpMatch, Rule};
pub use ids::{
    AttachmentId, ConnectorId, EndpointId, ExternalId, FilterId, GatewayId, InterfaceId,
    LoadBalancerId, NatId, PeeringId, RouteTableId, ServerlessId, SiteId, SubnetId, TransitId,
    TransitTableId, VpcId, VpnId,
};

/// A resolved network. Tables are indexed by their typed ids: `network[vpc_id]`.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// What it was made from.
    pub description: Description,
    /// VPCs.
    pub vpcs: Vec<Vpc>,
    /// Subnets of all VPCs; those that connectors with a range of their own imply come last.
    pub subnets: Vec<Subnet>,
    /// Route tables of all VPCs.
    pub route_tables: Vec<RouteTable>,
    /// Filters.
    pub filters: Vec<Filter>,
    /// Interfaces of all endpoints.
    pub interfaces: Vec<Interface>,
    /// Everything that can be a source or destination and has a name.
    pub endpoints: Vec<Endpoint>,
    /// Internet gateways.
    pub gateways: Vec<Gateway>,
    /// NAT gateways.
    pub nats: Vec<Nat>,
    /// Peerings.
    pub peerings: Vec<Peering>,
    /// VPNs and dedicated links.
    pub vpns: Vec<Vpn>,
    /// Sites.
    pub sites: Vec<Site>,
    /// Transit hubs.
    pub transits: Vec<Transit>,
    /// Route tables of transit hubs.
    pub transit_tables: Vec<TransitTable>,
    /// Attachments of transit hubs.
    pub attachments: Vec<Attachment>,
    /// Outside services.
    pub externals: Vec<External>,
    /// Connectors.
    pub connectors: Vec<Connector>,
    /// Serverless services.
    pub serverless: Vec<Serverless>,
    /// Load balancers.
    pub load_balancers: Vec<LoadBalancer>,
    /// Names, identifiers and addresses of everything.
    pub lookup: lookup::Lookup,
    /// What was written, as fingerprints.
    pub written: written::Written,
}

/// A VPC.
#[derive(Debug, Clone, Default)]
pub struct Vpc {
    /// Its name.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// Provider.
    pub provider: Provider,
    /// Facts of the provider, with the description's changes.
    pub facts: Facts,
    /// Region.
    pub region: Option<String>,
    /// Address ranges; the union of the subnets' where none is given.
    pub cidrs: Vec<Prefix>,
    /// Largest packet in octets.
    pub mtu: u32,
    /// Its subnets.
    pub subnets: Vec<SubnetId>,
    /// Its route tables.
    pub route_tables: Vec<RouteTableId>,
    /// Route table of subnets that name none.
    pub main_table: RouteTableId,
    /// Filters with `attach: vpc` that protect it, sorted by tier.
    pub filters: Vec<FilterId>,
    /// Its internet gateways (one, and perhaps an egress-only one).
    pub gateways: Vec<GatewayId>,
}

/// A subnet.
#[derive(Debug, Clone, Default)]
pub struct Subnet {
    /// Its name as `vpc/subnet`.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// Its VPC.
    pub vpc: VpcId,
    /// Address ranges.
    pub cidrs: Vec<Prefix>,
    /// Zone.
    pub zone: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Its route table.
    pub table: RouteTableId,
    /// Filters with `attach: subnet`, sorted by tier. With none, everything passes.
    pub filters: Vec<FilterId>,
    /// NAT gateway that serves it at the internet gateway.
    pub nat: Option<NatId>,
    /// Its ranges are not all known.
    pub incomplete: bool,
}

/// A route table of a VPC. Whatever the routes say, the VPC's own ranges are delivered locally unless a longer prefix matches.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    /// Its name as `vpc/table`.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// Its VPC.
    pub vpc: VpcId,
    /// Routes, the implied local ones first. Sorted by nothing: the longest prefix wins, then the lowest priority, then the origin.
    pub routes: Vec<Route>,
}

/// A route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Destination.
    pub to: Prefix,
    /// Where packets go.
    pub via: Target,
    /// The lowest number wins among equal prefixes.
    pub priority: u32,
    /// Among equal prefixes and priorities: local, then static, then propagated.
    pub origin: Origin,
    /// Only interfaces with one of these tags use it; empty means all.
    pub tags: Vec<String>,
    /// Where it was written; `Span::NONE` for implied ones.
    pub span: Span,
    /// A name for people.
    pub name: Option<String>,
}

/// Origin of a route, in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Origin {
    /// Implied: the VPC's own range.
    Local,
    /// Written by a person.
    #[default]
    Static,
    /// Named through a prefix list.
    PrefixList,
    /// Learned.
    Propagated,
    /// Not known to exist, nor whether there are others for parts of its destination.
    Possible,
    /// Before all others, and not known whether it applies.
    Policy,
}

impl Origin {
    /// Whether it is not known if a packet takes such a route.
    #[must_use]
    pub fn is_uncertain(self) -> bool {
        matches!(self, Self::Possible | Self::Policy)
    }
}

impl From<RouteOrigin> for Origin {
    fn from(origin: RouteOrigin) -> Self {
        match origin {
            RouteOrigin::Static => Self::Static,
            RouteOrigin::Propagated => Self::Propagated,
            RouteOrigin::Possible => Self::Possible,
            RouteOrigin::Policy => Self::Policy,
        }
    }
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Inside the VPC.
    Local,
    /// Internet gateway.
    Gateway(GatewayId),
    /// NAT gateway in a subnet.
    Nat(NatId),
    /// Peering.
    Peering(PeeringId),
    /// VPNs or dedicated links that share a gateway; the one whose remote ranges match best carries the packet.
    Vpn(Vec<VpnId>),
    /// Transit hub; the attachment of the packet's VPC decides the table.
    Transit(TransitId),
    /// In a transit hub's table: an attachment.
    Attachment(AttachmentId),
    /// An interface that forwards.
    Interface(InterfaceId),
    /// A private endpoint that is a route's target.
    PrivateEndpoint(EndpointId),
    /// An outside service that the VPC is attached to.
    External(ExternalId),
    /// Dropped, as written.
    Blackhole,
    /// Could not be represented.
    Unknown(String),
}

/// An interface.
#[derive(Debug, Clone, Default)]
pub struct Interface {
    /// Its name: the owner's, with `/interface` where the owner has several.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// Whose it is.
    pub owner: EndpointId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Private addresses (for IPv6: its global addresses).
    pub addresses: Vec<IpAddr>,
    /// Prefixes beside the addresses (secondary ranges, a connector's range).
    pub prefixes: Vec<Prefix>,
    /// Public IPv4 addresses, translated one to one at the internet gateway.
    pub public: Vec<IpAddr>,
    /// Filters with `attach: interface`, sorted by tier. With none, everything passes at this level where the provider's profile says so.
    pub filters: Vec<FilterId>,
    /// Network tags.
    pub tags: Vec<String>,
    /// Service account.
    pub account: Option<String>,
    /// It forwards packets not addressed to it.
    pub forwards: bool,
    /// It neither sends nor receives when false.
    pub running: bool,
    /// It accepts no connection from outside itself, only answers (a connector's, a NAT gateway's).
    pub answers_only: bool,
    /// It stands in the provider's own network behind the VPC: filters of the VPC level do not protect it.
    pub provider_side: bool,
}

/// Something that can be a source or a destination.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// What it is.
    pub kind: EndpointKind,
    /// Its interfaces.
    pub interfaces: Vec<InterfaceId>,
    /// Public addresses that are not an interface's (a database's, a load balancer's).
    pub public: Vec<IpAddr>,
    /// Ranges that are it: an outside service's, a site's, a private endpoint's as a route's target.
    pub prefixes: Vec<Prefix>,
    /// What it answers on; `None` when not said.
    pub listens: Option<Vec<Service>>,
}

/// An internet gateway.
#[derive(Debug, Clone, Default)]
pub struct Gateway {
    /// Its name.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// The VPC it is attached to; a detached one drops everything.
    pub vpc: Option<VpcId>,
    /// Only connections from inside.
    pub egress_only: bool,
}

/// A NAT gateway.
#[derive(Debug, Clone, Default)]
pub struct Nat {
    /// Its name.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// The endpoint that stands for it in traces.
    pub endpoint: EndpointId,
    /// The VPC.
    pub vpc: Option<VpcId>,
    /// Its interface, where it lives in a subnet and is a route's target.
    pub interface: Option<InterfaceId>,
    /// Public addresses; empty when automatic.
    pub addresses: Vec<IpAddr>,
    /// Addresses are the user's and stable.
    pub static_addresses: bool,
    /// It translates between private networks to its private address.
    pub private: bool,
}

/// A peering.
#[derive(Debug, Clone, Default)]
pub struct Peering {
    /// Its name.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// The two sides; a side that the description does not hold is `None`.
    pub vpcs: [Option<VpcId>; 2],
    /// Whether both sides agreed.
    pub state: PeeringState,
    /// Subnet routes are exchanged by the provider (implied routes stand in the route tables).
    pub automatic_routes: bool,
    /// The sides lie in different regions.
    pub inter_region: bool,
    /// Largest packet.
    pub mtu: Option<u32>,
}

impl Peering {
    /// The other side.
    #[must_use]
    pub fn other(&self, vpc: VpcId) -> Option<VpcId> {
        match self.vpcs {
            [Some(a), b] if a == vpc => b,
            [a, Some(b)] if b == vpc => a,
            _ => None,
        }
    }
}

/// A VPN or dedicated link.
#[derive(Debug, Clone, Default)]
pub struct Vpn {
    /// Its name.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Identifier of the gateway on this side.
    pub gateway: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// Kind of link.
    pub kind: VpnKind,
    /// The VPC on this side, unless it hangs on a transit hub.
    pub vpc: Option<VpcId>,
    /// The site.
    pub site: Option<SiteId>,
    /// Ranges of the site behind this link.
    pub remote: Vec<Prefix>,
    /// Ranges of this side that the site knows a way back to.
    pub local: Vec<Prefix>,
    /// Up.
    pub up: bool,
    /// Index in `description.vpns`, for the tunnel's parameters.
    pub index: usize,
}

/// A site.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// The endpoint that stands for it.
    pub endpoint: EndpointId,
    /// Its ranges.
    pub cidrs: Vec<Prefix>,
    /// Its MTU.
    pub mtu: u32,
}

/// A transit hub.
#[derive(Debug, Clone, Default)]
pub struct Transit {
    /// Its name.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// Its tables.
    pub tables: Vec<TransitTableId>,
    /// Its attachments.
    pub attachments: Vec<AttachmentId>,
    /// Largest packet.
    pub mtu: Option<u32>,
}

/// A route table of a transit hub: static routes, and those propagated by attachments (already filtered).
#[derive(Debug, Clone, Default)]
pub struct TransitTable {
    /// Its name as `transit/table`.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// Its hub.
    pub transit: TransitId,
    /// Routes; targets are [`Target::Attachment`], [`Target::Blackhole`] or [`Target::Unknown`].
    pub routes: Vec<Route>,
}

/// What is attached to a transit hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// A VPC.
    Vpc(VpcId),
    /// A VPN or dedicated link.
    Vpn(VpnId),
    /// Another hub, with the attachment there that leads back.
    Transit(TransitId),
    /// Something that the description does not hold.
    Elsewhere,
}

/// An attachment of a transit hub.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Its name as `transit/attachment`.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// Its hub.
    pub transit: TransitId,
    /// What is attached.
    pub to: Attached,
    /// Subnets of the VPC where packets from the hub enter: their route tables decide further. Empty: local delivery only.
    pub subnets: Vec<SubnetId>,
    /// Table in which packets from this attachment are looked up. None: they are dropped.
    pub table: Option<TransitTableId>,
}

/// An outside service.
#[derive(Debug, Clone, Default)]
pub struct External {
    /// The endpoint that stands for it.
    pub endpoint: EndpointId,
    /// VPCs that reach it, and that it may reach, without the Internet.
    pub attached: Vec<VpcId>,
    /// It opens connections into attached VPCs.
    pub initiates: bool,
    /// Source addresses that it accepts; `None` for all.
    pub allow_from: Option<Vec<Prefix>>,
}

/// A serverless VPC connector.
#[derive(Debug, Clone, Default)]
pub struct Connector {
    /// Its name.
    pub name: String,
    /// Where it was written.
    pub span: Span,
    /// Its interface: a range in a subnet of the VPC. None where its VPC or range is not known.
    pub interface: Option<InterfaceId>,
    /// Index in `description.connectors`.
    pub index: usize,
}

/// A serverless service.
#[derive(Debug, Clone, Default)]
pub struct Serverless {
    /// The endpoint that stands for it.
    pub endpoint: EndpointId,
    /// What goes through the VPC.
    pub mode: EgressMode,
    /// Interface its packets enter the VPC by: its connector's, or its own in a subnet (direct VPC egress).
    pub interface: Option<InterfaceId>,
    /// The connector, where one is used.
    pub connector: Option<ConnectorId>,
    /// Facts of its provider: private ranges, start-up limit.
    pub facts: Facts,
    /// Index in `description.services`.
    pub index: usize,
}

/// A load balancer.
#[derive(Debug, Clone, Default)]
pub struct LoadBalancer {
    /// The endpoint that stands for it; its nodes are its interfaces.
    pub endpoint: EndpointId,
    /// How it treats connections.
    pub kind: LoadBalancerKind,
    /// Reached from the Internet too.
    pub external: bool,
    /// The VPC.
    pub vpc: Option<VpcId>,
    /// Listeners.
    pub listeners: Vec<Listener>,
    /// Requests may go to backends in other zones than the node's.
    pub cross_zone: bool,
    /// Where its own connections to backends come from; its nodes where empty.
    pub proxies: Vec<Prefix>,
    /// Where its health probes come from; its nodes where empty.
    pub probes: Vec<Prefix>,
    /// With no healthy backend it sends to all of them.
    pub fails_open: bool,
    /// What it passes on keeps its own address as destination.
    pub keeps_destination: bool,
    /// Index in `description.load_balancers`.
    pub index: usize,
}

/// A listener with its backends.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// What it listens on.
    pub on: Service,
    /// Where it sends connections.
    pub backends: Vec<BackendTarget>,
    /// It answers by itself.
    pub answers: bool,
    /// What is not known of its backends: of each group the reason.
    pub incomplete: Vec<String>,
    /// It names groups of backends.
    pub has_groups: bool,
    /// Where it was written.
    pub span: Span,
}

/// A backend of a listener.
#[derive(Debug, Clone)]
pub struct BackendTarget {
    /// Name of its group.
    pub group: String,
    /// Where it was written.
    pub span: Span,
    /// Who; none for an address that nothing described here holds.
    pub endpoint: Option<EndpointId>,
    /// The address used; the endpoint's first one, of IPv4 where it has one, where `None`.
    pub address: Option<IpAddr>,
    /// Protocol and port.
    pub port: Service,
    /// Health as last shown; unknown where `None`.
    pub healthy: Option<bool>,
    /// The client's address arrives as the source.
    pub preserves_client: bool,
    /// What a health check asks; none where nothing is checked.
    pub probe: Option<Service>,
    /// Its open connections are closed when it goes out of service.
    pub closes: bool,
}
