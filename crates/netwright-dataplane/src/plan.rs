//! What a host must have: namespaces, the links between them, and in each its routes and its ruleset.
//!
//! Every object that forwards packets is a namespace of its own: a VPC's router, an internet gateway, a NAT gateway, a transit hub. So a
//! packet in the kernel meets what the prover's path names, one after the other, and a translation happens where it is described.
//! Everything is routed: an interface is a point-to-point link to its VPC's router, with fixed neighbours. Clouds deliver by address too,
//! and connection tracking exists for routed packets only.

pub mod balancers;
mod build;
pub mod call;
mod changes;
mod described;
mod dns;
pub mod emulation;
mod filters;
mod gateways;
pub mod hosts;
mod intervals;
mod links;
mod names;
pub(crate) mod nft;
mod outside;
mod services;
mod show;
mod stand_ins;
pub mod task;
mod text;
mod tunnels;
mod vpc;

use std::net::IpAddr;

use netwright_model::language::EndpointKind;
use netwright_model::network::{EndpointId, InterfaceId, Network};
use netwright_model::scalar::Prefix;

pub use call::Call;
pub use changes::changes;
pub use emulation::{Condition, Conditions, Queue};
use serde::{Deserialize, Serialize};
pub use stand_ins::{Listener, PARTS, Proxy, Service};
pub use task::{Ready, Restart, Task, What};
pub use tunnels::ends::{Kind as TunnelKind, Side, TUNNEL, TunnelEnd};

/// The plan of one host that holds the whole network.
#[must_use]
pub fn plan(network: &Network) -> HostPlan {
    let mut build = build::Build::new(network);
    vpc::routers(&mut build);
    vpc::machines(&mut build);
    vpc::clashes(&mut build);
    gateways::internet_gateways(&mut build);
    gateways::nat_gateways(&mut build);
    links::peerings(&mut build);
    tunnels::sites(&mut build);
    links::hubs(&mut build);
    tunnels::site_routes(&mut build);
    outside::internet(&mut build);
    outside::private_endpoints(&mut build);
    services::services(&mut build);
    balancers::balancers(&mut build);
    filters::rulesets(&mut build);
    dns::servers(&mut build);
    task::commands(&mut build);
    call::calls(&mut build);
    stand_ins::stand_ins(&mut build);
    build.finish()
}

/// Everything that one host must have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlan {
    /// Namespaces, sorted by name.
    pub namespaces: Vec<Namespace>,
    /// Links between namespaces, sorted by their first ends.
    pub links: Vec<Link>,
    /// Processes that run in the namespaces, sorted by namespace and name.
    pub tasks: Vec<Task>,
    /// What services call, sorted by service, in the order written.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// What the description says and this plan does not build, in words.
    pub left_out: Vec<String>,
    /// How many hosts it is spread over; 0 where it is on one and says nothing of it.
    #[serde(default)]
    pub hosts: usize,
}

/// The namespace of the machine that has an interface. Each node of a load balancer is a machine of its own.
#[must_use]
pub fn machine(network: &Network, interface: InterfaceId) -> String {
    let row = &network[interface];
    let owner = &network[row.owner];
    if owner.kind == EndpointKind::LoadBalancer && owner.interfaces.len() > 1 {
        return format!("{}/{}", owner.kind.word(), row.name);
    }
    endpoint(network, row.owner)
}

/// The namespace of an endpoint.
#[must_use]
pub fn endpoint(network: &Network, endpoint: EndpointId) -> String {
    let endpoint = &network[endpoint];
    format!("{}/{}", endpoint.kind.word(), endpoint.name)
}

/// The namespace of the Internet.
pub const INTERNET: &str = "internet";

/// What a namespace stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// A VPC's router.
    Vpc,
    /// A machine: an instance, a balancer's node, a database, a private endpoint.
    Machine,
    /// An internet gateway.
    Gateway,
    /// A NAT gateway.
    Nat,
    /// A transit hub.
    Transit,
    /// What chooses between tunnels and links to sites.
    Vpn,
    /// An end of a tunnel: where packets are encrypted and decrypted.
    Tunnel,
    /// A site behind a VPN or dedicated link.
    Site,
    /// The Internet.
    Internet,
    /// An outside service.
    External,
    /// A serverless service.
    Serverless,
    /// What relays the frames of emulated links.
    Relay,
    /// A host that other namespaces are on, or what links the hosts.
    Host,
}

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// A stable, unique name: letters, digits, `-`, `.` and `/`.
    pub name: String,
    /// What it stands for.
    pub role: Role,
    /// It forwards packets that are not addressed to it.
    pub forwards: bool,
    /// Addresses, with the link that holds each (`lo` for those that no link does).
    pub addresses: Vec<(String, IpAddr)>,
    /// Fixed neighbours.
    pub neighbours: Vec<Neighbour>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Policy rules, by priority. Those of the kernel for `local` and `main` stay.
    pub rules: Vec<PolicyRule>,
    /// The ruleset as text for `nft -f`; empty for none.
    pub ruleset: String,
    /// The name servers that its processes ask, in order.
    #[serde(default)]
    pub resolvers: Vec<IpAddr>,
    /// The namespace of the host that it is on, where there are several.
    #[serde(default)]
    pub host: Option<String>,
}

/// A point-to-point link between two namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// One end.
    pub a: End,
    /// The other end.
    pub b: End,
    /// Largest packet, in octets.
    pub mtu: u32,
    /// Each packet goes by itself: the kernel holds no segments of a TCP stream together on it.
    pub unaggregated: bool,
    /// Its name for people, unique in the plan: what it belongs to.
    #[serde(default)]
    pub name: String,
    /// It belongs to the second end: what that sends goes there, what the first sends comes back.
    #[serde(default)]
    pub reversed: bool,
    /// What it is to do to packets on their way.
    #[serde(default)]
    pub conditions: Conditions,
    /// What the kernel does with what the first end sends, and the second.
    #[serde(default)]
    pub queues: [Option<Queue>; 2],
    /// Frames leave its ends as they would go over a wire: none is longer than a packet may be, and each has its checksums.
    #[serde(default)]
    pub plain: bool,
    /// Its ends are on two hosts.
    #[serde(default)]
    pub over: Option<hosts::Overlay>,
}

/// An end of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct End {
    /// The namespace's name.
    pub namespace: String,
    /// The link's name there: at most 15 octets.
    pub name: String,
    /// Its hardware address, so that neighbours are known and nothing is asked.
    pub mac: [u8; 6],
}

/// A fixed neighbour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Neighbour {
    /// The link.
    pub link: String,
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address.
    pub mac: [u8; 6],
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The table; 254 is `main`.
    pub table: u32,
    /// Destination.
    #[serde(with = "text")]
    pub to: Prefix,
    /// Where packets go.
    pub via: Via,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Via {
    /// Over a link, to a neighbour there.
    Link {
        /// The link's name.
        link: String,
        /// The neighbour; every link has one for each family.
        gateway: IpAddr,
    },
    /// Dropped in silence.
    Blackhole,
    /// Not decided in this table: the next policy rule is asked.
    Throw,
    /// Here: every address of the prefix is this namespace's own.
    Local,
}

/// A policy rule: which table a packet is looked up in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRule {
    /// Order, the lowest first.
    pub priority: u32,
    /// Packets with this mark; `None` for all.
    pub mark: Option<u32>,
    /// The table.
    pub table: u32,
    /// The family: IPv6 where true.
    pub v6: bool,
}

/// The table `main`.
pub const MAIN: u32 = 254;

/// The table of a namespace's own addresses. Addresses that packets are sent from must be in it, whatever rules lead to others. Where a plan has a
/// rule that leads to it, the kernel's own rule, which asks it before everything else, is taken away.
pub const LOCAL: u32 = 255;
