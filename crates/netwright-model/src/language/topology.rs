//! VPCs, subnets, routes, and the gateways between them.

use crate::decode::Entries;
use crate::scalar::{Duration, Percent, Prefix, Service};
use crate::source::Spanned;

use super::link::Link;
use super::reference::RouteTarget;

crate::keyword! {
    /// Whose defaults, reserved addresses and limits apply.
    pub enum Provider {
        /// No provider: nothing reserved but network and broadcast address, no default rules.
        #[default] Generic = "generic",
        /// Amazon Web Services.
        Aws = "aws",
        /// Google Cloud.
        Gcp = "gcp",
        /// Microsoft Azure.
        Azure = "azure",
        /// IBM Cloud VPC.
        Ibm = "ibm",
    }
}

crate::keyword! {
    /// Address family.
    pub enum AddressFamily {
        /// IPv4.
        #[default] V4 = "v4" | "ipv4",
        /// IPv6.
        V6 = "v6" | "ipv6",
    }
}

crate::object! {
    /// A virtual private cloud.
    pub struct Vpc {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Provider profile; the description's unless given.
        pub provider: Option<Spanned<Provider>>,
        /// Account, project or subscription.
        pub account: Option<Spanned<String>>,
        /// Region, where the provider's VPC has one.
        pub region: Option<Spanned<String>>,
        /// Address ranges. Where none is given, the union of the subnets' ranges.
        pub cidrs ("cidr") : Vec<Spanned<Prefix>>,
        /// Largest packet in octets.
        pub mtu: Option<Spanned<u32>>,
        /// Subnets by name.
        pub subnets: Entries<Subnet>,
        /// Route tables by name. A route to the VPC's own ranges (`local`) is implied in each.
        pub route_tables: Entries<RouteTable>,
        /// Route table of subnets that name none.
        pub main_route_table: Option<Spanned<String>>,
        /// Filters attached to the whole VPC, in addition to filters that name this VPC themselves.
        pub filters: Vec<Spanned<String>>,
    }
}

crate::object! {
    /// A subnet of a VPC.
    pub struct Subnet {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Address ranges: one IPv4 range, one IPv6 range or both; secondary ranges follow.
        pub cidrs ("cidr") : Vec<Spanned<Prefix>>,
        /// Availability zone.
        pub zone: Option<Spanned<String>>,
        /// Region, where subnets are regional.
        pub region: Option<Spanned<String>>,
        /// Route table; the VPC's main route table unless given.
        pub route_table: Option<Spanned<String>>,
        /// Filters attached to the subnet (network ACLs).
        pub filters ("filter", "network_acl") : Vec<Spanned<String>>,
        /// Ranges inside the subnet that the provider or the user keeps, in addition to the profile's reserved addresses.
        pub reserved: Vec<Spanned<Prefix>>,
        /// Addresses already taken, where the instances are not all described.
        pub allocated: Option<Spanned<u32>>,
        /// Warn when more than this share of the usable addresses is taken. 80 % unless given.
        pub warn_at: Option<Spanned<Percent>>,
        /// Why the ranges given here are not all there are: an export may only mention a subnet. How full it is is not judged then.
        pub incomplete: Option<Spanned<String>>,
        /// What the subnet is kept for, where the provider distinguishes (for example `proxy-only`, `private-service-connect`, `connector`).
        pub purpose: Option<Spanned<String>>,
        /// Instances without an address of their own may reach the provider's services privately.
        pub private_provider_access: Option<Spanned<bool>>,
        /// What the links of its machines do to packets on their way, in a lab, where they say nothing themselves.
        pub link: Link,
    }
}

crate::object! {
    /// A route table: longest prefix first, then priority, then origin.
    pub struct RouteTable {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// The routes. The VPC's own ranges need none.
        pub routes: Vec<Route>,
    }
}

crate::keyword! {
    /// Where a route came from; decides between routes of the same prefix and priority.
    pub enum RouteOrigin {
        /// Written by a person.
        #[default] Static = "static",
        /// Learned from a gateway by propagation, for example from a VPN or a dedicated link.
        Propagated = "propagated",
        /// Not known to exist: the route, or others for parts of its destination, may come before any but those to the VPC's own
        /// ranges and those that peerings imply. Where they would be asked, the verdict is unknown.
        Possible = "possible",
        /// Of a policy that asks for more than the destination, before all other routes, also inside a subnet: whether it applies is
        /// not known.
        Policy = "policy",
    }
}

crate::object! {
    /// One route.
    pub struct Route {
        /// Destination: a prefix, or `prefix_list:NAME`.
        pub to: Spanned<super::reference::Destination>,
        /// Where packets go.
        pub via: Spanned<RouteTarget>,
        /// Between routes of the same prefix the lowest number wins. 0 unless given.
        pub priority: Option<Spanned<u32>>,
        /// Where the route came from.
        pub origin: Option<Spanned<RouteOrigin>>,
        /// Only instances with one of these tags use the route.
        pub tags: Vec<Spanned<String>>,
        /// A name for people.
        pub name: Option<Spanned<String>>,
    }
}

crate::object! {
    /// A named list of prefixes.
    pub struct PrefixList {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// The prefixes.
        pub cidrs ("cidr", "entries") : Vec<Spanned<Prefix>>,
    }
}

crate::object! {
    /// A gateway between a VPC and the Internet. It translates one to one for interfaces with a public address.
    pub struct InternetGateway {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// The VPC it is attached to.
        pub vpc: Option<Spanned<String>>,
        /// Only connections from inside are let through (for IPv6).
        pub egress_only: Option<Spanned<bool>>,
    }
}

crate::keyword! {
    /// How a NAT gateway gets its addresses or hands out ports.
    pub enum NatAllocation {
        /// Reserved by the user: known before and stable.
        #[default] Static = "static" | "manual",
        /// Chosen by the provider: not predictable, so of no use for a peer's allow-list. For ports: grows on demand.
        Automatic = "automatic" | "auto" | "dynamic",
    }
}

crate::object! {
    /// A gateway that translates source addresses. It lives in a subnet and is a route's target, or it serves subnets where
    /// their packets leave through the internet gateway.
    pub struct NatGateway {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// The subnet it lives in, as `vpc/subnet`: routes name it as their target.
        pub subnet: Option<Spanned<String>>,
        /// The VPC whose subnets it serves, where it is no route's target.
        pub vpc: Option<Spanned<String>>,
        /// Region it serves, where gateways are regional.
        pub region: Option<Spanned<String>>,
        /// Subnets that it serves at the internet gateway. All of the VPC (and region) where `vpc` is given and this is empty.
        pub serves: Vec<Spanned<String>>,
        /// Its address inside the subnet.
        pub private_address: Option<Spanned<std::net::IpAddr>>,
        /// Its public addresses; empty where they are allocated automatically.
        pub addresses ("address", "public_addresses") : Vec<Spanned<std::net::IpAddr>>,
        /// How its addresses were chosen.
        pub address_allocation: Option<Spanned<NatAllocation>>,
        /// Whether every client has a fixed number of ports.
        pub port_allocation: Option<Spanned<NatAllocation>>,
        /// Ports for each client; the profile's unless given.
        pub ports_per_client: Option<Spanned<u32>>,
        /// Most ports for a client with dynamic allocation.
        pub max_ports_per_client: Option<Spanned<u32>>,
        /// Expected simultaneous connections of one client to one destination, for the capacity check.
        pub peak_connections_per_client: Option<Spanned<u32>>,
        /// True for a gateway without public addresses that translates between private networks.
        pub private: Option<Spanned<bool>>,
        /// Filters on the gateway's own interface, where the provider has them.
        pub filters: Vec<Spanned<String>>,
    }
}

crate::keyword! {
    /// Whether both sides agreed to a peering.
    pub enum PeeringState {
        /// Both sides agreed.
        #[default] Active = "active",
        /// One side is missing.
        Pending = "pending" | "inactive",
        /// Taken away by one side.
        Deleted = "deleted",
    }
}

crate::object! {
    /// A peering between two VPCs. It carries packets only between the two: it is not transitive.
    pub struct Peering {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// The two VPCs.
        pub vpcs ("between") : Vec<Spanned<String>>,
        /// Whether both sides agreed.
        pub state: Option<Spanned<PeeringState>>,
        /// Subnet routes are exchanged by the provider; otherwise each side's route tables must name the peering.
        pub automatic_routes: Option<Spanned<bool>>,
        /// Each side also learns the other's custom routes.
        pub custom_routes: Option<Spanned<bool>>,
        /// The two VPCs lie in different regions.
        pub inter_region: Option<Spanned<bool>>,
        /// Largest packet in octets.
        pub mtu: Option<Spanned<u32>>,
        /// What the link does to packets on their way, in a lab.
        pub link: Link,
    }
}

crate::keyword! {
    /// Kind of link to a site.
    pub enum VpnKind {
        /// IPsec site-to-site tunnel.
        #[default] Ipsec = "ipsec",
        /// WireGuard tunnel.
        Wireguard = "wireguard",
        /// Dedicated link (direct connect, interconnect).
        Dedicated = "dedicated" | "direct-connect" | "interconnect",
        /// GRE tunnel.
        Gre = "gre",
    }
}

crate::object! {
    /// A tunnel or dedicated link between a VPC or a transit hub and a site.
    pub struct Vpn {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Kind of link.
        pub kind ("type") : Option<Spanned<VpnKind>>,
        /// The VPC on this side.
        pub vpc: Option<Spanned<String>>,
        /// The transit hub on this side.
        pub transit: Option<Spanned<String>>,
        /// Identifier of the gateway on this side, where routes name that rather than the tunnel.
        pub gateway: Option<Spanned<String>>,
        /// The site on the other side.
        pub site: Option<Spanned<String>>,
        /// Prefixes of the site that are reached through this link; all of the site's unless given.
        pub remote_cidrs: Vec<Spanned<Prefix>>,
        /// Prefixes of this side that the site knows a way back to; the VPC's unless given.
        pub local_cidrs: Vec<Spanned<Prefix>>,
        /// Suite of ciphers, for example `aes-gcm-16`, `aes-cbc-sha256`.
        pub suite ("cipher", "cipher_suite") : Option<Spanned<String>>,
        /// ESP in UDP (NAT traversal).
        pub nat_traversal: Option<Spanned<bool>>,
        /// MTU of the path that carries the tunnel. 1500 unless given.
        pub underlay_mtu: Option<Spanned<u32>>,
        /// Family of the outer packets.
        pub underlay: Option<Spanned<AddressFamily>>,
        /// MTU that the tunnel's interface is set to, as configured or as the platform shows it.
        pub mtu: Option<Spanned<u32>>,
        /// TCP segments are clamped to the tunnel's size.
        pub mss_clamp: Option<Spanned<bool>>,
        /// Packets that are too large are answered with ICMP "fragmentation needed" or "packet too big".
        pub icmp_too_big: Option<Spanned<bool>>,
        /// The link is up. True unless said otherwise.
        pub up: Option<Spanned<bool>>,
        /// What the link does to packets on their way, in a lab.
        pub link: Link,
    }
}

crate::object! {
    /// A network outside the provider.
    pub struct Site {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Its address ranges.
        pub cidrs ("cidr") : Vec<Spanned<Prefix>>,
        /// Its own MTU. 1500 unless given.
        pub mtu: Option<Spanned<u32>>,
        /// What the links that lead to it do to packets on their way, in a lab, where they say nothing themselves.
        pub link: Link,
    }
}

crate::object! {
    /// A transit hub: VPCs, VPNs and other hubs attached to route tables of its own.
    pub struct Transit {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Route tables. With none, one table is implied that every attachment uses and advertises into.
        pub tables ("route_tables") : Entries<TransitTable>,
        /// Attachments by name.
        pub attachments: Entries<TransitAttachment>,
        /// Largest packet in octets.
        pub mtu: Option<Spanned<u32>>,
        /// Routes to the hub are implied in the VPCs' route tables for all that the hub can reach.
        pub implied_vpc_routes: Option<Spanned<bool>>,
    }
}

crate::object! {
    /// A route table of a transit hub.
    pub struct TransitTable {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Static routes; `via` is `attachment:NAME` or `blackhole`.
        pub routes: Vec<Route>,
    }
}

crate::object! {
    /// An attachment of a transit hub: exactly one of `vpc`, `vpn`, `transit`.
    pub struct TransitAttachment {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// The VPC that is attached.
        pub vpc: Option<Spanned<String>>,
        /// Subnets of the VPC that the hub has interfaces in: packets from the hub enter the VPC there.
        pub subnets: Vec<Spanned<String>>,
        /// The VPN or dedicated link that is attached.
        pub vpn: Option<Spanned<String>>,
        /// The other hub that is peered with this one.
        pub transit ("peer") : Option<Spanned<String>>,
        /// Table in which packets from this attachment are looked up.
        pub table: Option<Spanned<String>>,
        /// Tables that learn this attachment's prefixes.
        pub propagates_to: Vec<Spanned<String>>,
        /// Prefixes that the attachment advertises; the VPC's ranges unless given.
        pub advertises: Vec<Spanned<Prefix>>,
        /// Ordered filter of the prefixes that are advertised; first match decides.
        pub prefix_filters: Vec<PrefixFilter>,
        /// Action for prefixes that no filter matches. Allow unless given.
        pub prefix_default: Option<Spanned<super::filter::Action>>,
        /// What the link does to packets on their way, in a lab.
        pub link: Link,
    }
}

crate::object! {
    /// One entry of a prefix filter.
    pub struct PrefixFilter {
        /// Allow or deny.
        pub action: Spanned<super::filter::Action>,
        /// The prefix; matched exactly unless `ge` or `le` widen it to longer prefixes inside it.
        pub prefix: Spanned<Prefix>,
        /// Shortest prefix length that matches.
        pub ge: Option<Spanned<u32>>,
        /// Longest prefix length that matches.
        pub le: Option<Spanned<u32>>,
    }
}

crate::object! {
    /// A private way to a provider's or partner's service: an interface in subnets, or a route's target.
    pub struct PrivateEndpoint {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// The VPC.
        pub vpc: Option<Spanned<String>>,
        /// What it leads to, for example `com.amazonaws.us-east-1.s3` or the name of an external.
        pub service: Option<Spanned<String>>,
        /// Prefixes reached through it, where it is a route's target.
        pub cidrs: Vec<Spanned<Prefix>>,
        /// Interfaces by name, where it has addresses in subnets.
        pub interfaces: Entries<super::workload::Interface>,
        /// Filters attached to its interfaces.
        pub filters: Vec<Spanned<String>>,
        /// What it answers on; everything unless given.
        pub listens: Vec<Spanned<Service>>,
    }
}

crate::object! {
    /// Changes to a provider profile: only what differs need be given.
    pub struct Profile {
        /// Addresses at the start of each IPv4 subnet that cannot be used, the network address included.
        pub reserved_first: Option<Spanned<u32>>,
        /// Addresses at the end of each IPv4 subnet that cannot be used, the broadcast address included.
        pub reserved_last: Option<Spanned<u32>>,
        /// Destinations that `private-ranges-only` egress sends through the VPC.
        pub private_ranges: Vec<Spanned<Prefix>>,
        /// MTU inside a VPC.
        pub vpc_mtu: Option<Spanned<u32>>,
        /// Ports of a NAT gateway's address, for each protocol.
        pub nat_ports_per_address: Option<Spanned<u32>>,
        /// Ports for each NAT client where none are given.
        pub nat_ports_per_client: Option<Spanned<u32>>,
        /// Time until a closed connection's NAT port is used again.
        pub nat_time_wait: Option<Spanned<Duration>>,
        /// Time after which the provider forgets an idle connection.
        pub idle_timeout: Option<Spanned<Duration>>,
        /// Longest start of a serverless container.
        pub startup_limit: Option<Spanned<Duration>>,
        /// Sources of the load balancers' health probes.
        pub health_probe_sources: Vec<Spanned<Prefix>>,
        /// Where proxying balancers connect to backends from; their nodes' addresses where none are given.
        pub proxy_sources: Vec<Spanned<Prefix>>,
        /// A proxying balancer none of whose backends is healthy sends to all of them.
        pub proxies_fail_open: Option<Spanned<bool>>,
        /// A pass-through balancer none of whose backends is healthy sends to all of them.
        pub pass_through_fails_open: Option<Spanned<bool>>,
        /// Nodes of a pass-through balancer send to backends in their own zone only, unless `cross_zone` says otherwise.
        pub pass_through_in_zone: Option<Spanned<bool>>,
        /// Packets of a pass-through balancer arrive at a backend with the balancer's address as destination.
        pub pass_through_keeps_destination: Option<Spanned<bool>>,
        /// Addresses used for each instance with direct VPC egress.
        pub direct_egress_addresses_per_instance: Option<Spanned<u32>>,
        /// Subnet filters also see packets that stay inside the subnet.
        pub subnet_filters_inside: Option<Spanned<bool>>,
        /// References to groups hold over a same-region peering.
        pub groups_across_peering: Option<Spanned<bool>>,
        /// Addresses of the name server that every VPC has.
        pub resolvers ("resolver") : Vec<Spanned<std::net::IpAddr>>,
        /// The name server is also this address of the VPC's first range, counted from its base; 0 for none.
        pub resolver_host: Option<Spanned<u32>>,
        /// Most queries of one interface to the name server in a second; 0 for no such quota.
        pub resolver_queries_per_second: Option<Spanned<u32>>,
        /// Most rules of a security group in one direction; 0 for no such quota.
        pub rules_per_group: Option<Spanned<u32>>,
        /// Most security groups of an interface; 0 for no such quota.
        pub groups_per_interface: Option<Spanned<u32>>,
        /// Most rules of a network ACL in one direction; 0 for no such quota.
        pub rules_per_acl: Option<Spanned<u32>>,
        /// Most static routes of a route table; 0 for no such quota.
        pub static_routes_per_table: Option<Spanned<u32>>,
    }
}
