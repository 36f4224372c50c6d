//! What a namespace holds, as a set of facts: the same form for what a plan says and for what the kernel tells, so that the two can be
//! compared and only the difference is changed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourState};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteProtocol, RouteType};
use netlink_packet_route::rule::RuleAttribute;
use netwright_model::scalar::Prefix;

use crate::plan::{Namespace, Via};

/// One thing that a namespace holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Address { link: String, address: IpAddr },
    Neighbour { link: String, address: IpAddr, mac: Vec<u8> },
    Route { table: u32, to: Prefix, way: Way },
    Rule { v6: bool, priority: u32, mark: Option<u32>, table: u32 },
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Over {
        link: String,
        gateway: IpAddr,
    },
    Dropped,
    Next,
    Here,
    /// Something that no plan says.
    Other(String),
}

impl Fact {
    /// The link that it goes away with.
    pub(super) fn link(&self) -> Option<&str> {
        match self {
            Self::Address { link, .. }
            | Self::Neighbour { link, .. }
            | Self::Route { way: Way::Over { link, .. }, .. } => Some(link),
            _ => None,
        }
    }

    /// The table that it is in, or leads to.
    pub(super) fn table(&self) -> Option<u32> {
        match self {
            Self::Route { table, .. } | Self::Rule { table, .. } => Some(*table),
            Self::Address { .. } | Self::Neighbour { .. } => None,
        }
    }

    /// A newer fact takes its place without a removal.
    pub(super) fn replaced_by(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Route { table, to, .. }, Self::Route { table: t, to: o, .. }) => {
                table == t && to == o
            }
            (
                Self::Neighbour { link, address, .. },
                Self::Neighbour { link: l, address: a, .. },
            ) => link == l && address == a,
            _ => self == other,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { link, address } => write!(f, "address {address} on {link}"),
            Self::Neighbour { link, address, mac } => {
                let mac: Vec<String> = mac.iter().map(|octet| format!("{octet:02x}")).collect();
                write!(f, "neighbour {address} at {} on {link}", mac.join(":"))
            }
            Self::Route { table, to, way } => {
                write!(f, "route to {to} in table {table}: ")?;
                match way {
                    Way::Over { link, gateway } => write!(f, "over {link} by {gateway}"),
                    Way::Dropped => f.write_str("dropped"),
                    Way::Next => f.write_str("the next rule decides"),
                    Way::Here => f.write_str("its own"),
                    Way::Other(what) => f.write_str(what),
                }
            }
            Self::Rule { v6, priority, mark, table } => {
                let family = if *v6 { "IPv6" } else { "IPv4" };
                write!(f, "{family} policy rule {priority}")?;
                if let Some(mark) = mark {
                    write!(f, " for mark {mark}")?;
                }
                write!(f, ": table {table}")
            }
        }
    }
}

/// What a plan says of a namespace, in its order. Of two routes to one prefix in one table the first holds.
pub(super) fn planned(namespace: &Namespace) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (link, address) in &namespace.addresses {
        facts.push(Fact::Address { link: link.clone(), address: *address });
    }
    for neighbour in &namespace.neighbours {
        facts.push(Fact::Neighbour {
            link: neighbour.link.clone(),
            address: neighbour.address,
            mac: neighbour.mac.to_vec(),
        });
    }
    let mut routes = BTreeMap::new();
    for route in &namespace.routes {
        routes.entry((route.table, route.to)).or_insert(&route.via);
    }
    for ((table, to), via) in routes {
        let way = match via {
            Via::Link { link, gateway } => Way::Over { link: link.clone(), gateway: *gateway },
            Via::Blackhole => Way::Dropped,
            Via::Throw => Way::Next,
            Via::Local => Way::Here,
        };
        facts.push(Fact::Route { table, to, way });
    }
    for rule in &namespace.rules {
        let (v6, priority, mark, table) = (rule.v6, rule.priority, rule.mark, rule.table);
        facts.push(Fact::Rule { v6, priority, mark, table });
    }
    facts
}

/// What a message of the kernel tells, with the names of links by their index. `None` for what the kernel makes by itself.
pub(super) fn told(message: Message, links: &BTreeMap<u32, String>) -> Option<Fact> {
    let name = |index: u32| links.get(&index).cloned().unwrap_or_else(|| format!("link {index}"));
    match message {
        Message::NewAddress(message) => {
            let found = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(address) => Some(*address),
                _ => None,
            });
            let given = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            });
            let address = found.or(given)?;
            let link = name(message.header.index);
            (!address.is_loopback()).then_some(Fact::Address { link, address })
        }
        Message::NewNeighbour(message) if message.header.state == NeighbourState::Permanent => {
            let mut address = None;
            let mut mac = Vec::new();
            for attribute in message.attributes {
                match attribute {
                    NeighbourAttribute::Destination(NeighbourAddress::Inet(a)) => {
                        address = Some(IpAddr::V4(a));
                    }
                    NeighbourAttribute::Destination(NeighbourAddress::Inet6(a)) => {
                        address = Some(IpAddr::V6(a));
                    }
                    NeighbourAttribute::LinkLayerAddress(octets) => mac = octets,
                    _ => {}
                }
            }
            Some(Fact::Neighbour { link: name(message.header.ifindex), address: address?, mac })
        }
        Message::NewRoute(message) => route(&message, &name),
        Message::NewRule(message) => {
            let mut table = u32::from(message.header.table);
            let mut priority = 0;
            let mut mark = None;
            for attribute in &message.attributes {
                match attribute {
                    RuleAttribute::Table(t) => table = *t,
                    RuleAttribute::Priority(p) => priority = *p,
                    RuleAttribute::FwMark(m) => mark = Some(*m),
                    _ => {}
                }
            }
            let v6 = message.header.family == netlink_packet_route::AddressFamily::Inet6;
            // The kernel's own: `local` first, `main` and `default` last.
            let own = matches!(priority, 0 | 32766 | 32767);
            (!own).then_some(Fact::Rule { v6, priority, mark, table })
        }
        _ => None,
    }
}

fn route(
    message: &netlink_packet_route::route::RouteMessage,
    name: &dyn Fn(u32) -> String,
) -> Option<Fact> {
    let header = &message.header;
    if header.protocol == RouteProtocol::Kernel {
        return None;
    }
    let v6 = header.address_family == netlink_packet_route::AddressFamily::Inet6;
    let mut table = u32::from(header.table);
    let mut to: IpAddr = if v6 {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    };
    let (mut over, mut by) = (None, None);
    let address = |address: &RouteAddress| match address {
        RouteAddress::Inet(a) => Some(IpAddr::V4(*a)),
        RouteAddress::Inet6(a) => Some(IpAddr::V6(*a)),
        _ => None,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(t) => table = *t,
            RouteAttribute::Destination(d) => to = address(d)?,
            RouteAttribute::Oif(index) => over = Some(*index),
            RouteAttribute::Gateway(gateway) => by = address(gateway),
            _ => {}
        }
    }
    let way = match (header.kind, over, by) {
        (RouteType::Unicast, Some(index), Some(gateway)) => {
            Way::Over { link: name(index), gateway }
        }
        (RouteType::BlackHole, ..) => Way::Dropped,
        (RouteType::Throw, ..) => Way::Next,
        (RouteType::Local, ..) => Way::Here,
        // IPv6 makes these for multicast and for its own addresses.
        (RouteType::Multicast | RouteType::Anycast, ..) => return None,
        (kind, ..) => Way::Other(format!("{kind:?}")),
    };
    Some(Fact::Route { table, to: Prefix::of(to, header.destination_prefix_length), way })
}
