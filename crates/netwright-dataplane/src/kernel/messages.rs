//! Facts and links as netlink messages.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};

use super::facts::{Fact, Way};
use super::socket::Request;
use crate::plan::hosts::Overlay;
use crate::plan::{End, LOCAL, Link, Namespace};

/// The index of `lo` in every namespace.
pub(super) const LOOPBACK: u32 = 1;

fn family(v6: bool) -> AddressFamily {
    if v6 { AddressFamily::Inet6 } else { AddressFamily::Inet }
}

/// One end: its namespace, index there, name, hardware address.
fn end(end: &End, index: u32, mtu: u32, namespace: BorrowedFd<'_>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = vec![
        LinkAttribute::IfName(end.name.clone()),
        LinkAttribute::Mtu(mtu),
        LinkAttribute::Address(end.mac.to_vec()),
        LinkAttribute::NetNsFd(namespace.as_raw_fd()),
    ];
    message
}

/// Makes a pair of ends, each in its namespace with a given index. The first is up from the start; the kernel cannot do so for the second,
/// which is made before it has a peer.
pub(super) fn link(link: &Link, a: (u32, BorrowedFd<'_>), b: (u32, BorrowedFd<'_>)) -> Request {
    let mut message = end(&link.a, a.0, link.mtu, a.1);
    let mut peer = end(&link.b, b.0, link.mtu, b.1);
    if link.unaggregated {
        message.attributes.push(LinkAttribute::GsoMaxSegs(1));
        peer.attributes.push(LinkAttribute::GsoMaxSegs(1));
    }
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    Request {
        message: Message::NewLink(message),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        object: format!("link {} to {} in {}", link.a.name, link.b.name, link.b.namespace),
        may_be_gone: false,
    }
}

/// Makes one end of a link between hosts, in its namespace with a given index. It is asked for in the namespace of the end's host, which the
/// frames leave by: `here` is whether it is the first or the second end.
pub(super) fn overlay(
    link: &Link,
    over: &Overlay,
    here: usize,
    index: u32,
    namespace: BorrowedFd<'_>,
) -> Request {
    let own = if here == 0 { &link.a } else { &link.b };
    let mut message = end(own, index, link.mtu, namespace);
    if link.unaggregated {
        message.attributes.push(LinkAttribute::GsoMaxSegs(1));
    }
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    let [local, remote] = [&over.hosts[here], &over.hosts[1 - here]].map(|place| place.address);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Vxlan),
        LinkInfo::Data(InfoData::Vxlan(vec![
            InfoVxlan::Id(over.vni),
            InfoVxlan::Local(local),
            InfoVxlan::Group(remote),
            InfoVxlan::Port(VXLAN),
            InfoVxlan::Learning(false),
        ])),
    ]));
    Request {
        message: Message::NewLink(message),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        object: format!("link {} of {} over VXLAN {}", own.name, own.namespace, over.vni),
        may_be_gone: false,
    }
}

/// The port of VXLAN (RFC 7348, section 8).
const VXLAN: u16 = 4789;

/// Brings a link up.
pub(super) fn up(index: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    let object = format!("link with index {index}");
    Request { message: Message::SetLink(message), flags: 0, object, may_be_gone: false }
}

/// Sets the largest packet of a link.
pub(super) fn mtu(index: u32, mtu: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = vec![LinkAttribute::Mtu(mtu)];
    let object = format!("largest packet of {mtu} octets");
    Request { message: Message::SetLink(message), flags: 0, object, may_be_gone: false }
}

/// Removes a link, and so its other end.
pub(super) fn unlink(index: u32, name: &str) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    let object = format!("link {name}");
    Request { message: Message::DelLink(message), flags: 0, object, may_be_gone: true }
}

/// Adds a fact, or takes the place of an older one.
pub(super) fn add(fact: &Fact, index: impl Fn(&str) -> Option<u32>) -> Option<Request> {
    let replace = NLM_F_CREATE | NLM_F_REPLACE;
    let (message, flags) = match fact {
        Fact::Rule { .. } => (Message::NewRule(rule(fact)?), NLM_F_CREATE | NLM_F_EXCL),
        Fact::Address { link, address } => {
            (Message::NewAddress(address_of(index(link)?, *address)), replace)
        }
        Fact::Neighbour { link, address, mac } => {
            (Message::NewNeighbour(neighbour(index(link)?, *address, mac)), replace)
        }
        Fact::Route { .. } => (Message::NewRoute(route(fact, &index)?), replace),
    };
    Some(Request { message, flags, object: fact.to_string(), may_be_gone: false })
}

/// Takes away the kernel's rule that asks for own addresses before everything else, where the plan has another for them.
pub(super) fn local_asked_later(namespace: &Namespace) -> Vec<Request> {
    let later = |v6: &bool| namespace.rules.iter().any(|r| r.v6 == *v6 && r.table == LOCAL);
    let rules = [false, true].into_iter().filter(later).filter_map(|v6| {
        let first = Fact::Rule { v6, priority: 0, mark: None, table: LOCAL };
        remove(&first, |_| None).map(|request| Request { may_be_gone: true, ..request })
    });
    rules.collect()
}

/// Removes a fact.
pub(super) fn remove(fact: &Fact, index: impl Fn(&str) -> Option<u32>) -> Option<Request> {
    let message = match fact {
        Fact::Rule { .. } => Message::DelRule(rule(fact)?),
        Fact::Address { link, address } => Message::DelAddress(address_of(index(link)?, *address)),
        Fact::Neighbour { link, address, mac } => {
            Message::DelNeighbour(neighbour(index(link)?, *address, mac))
        }
        Fact::Route { .. } => {
            let mut message = route(fact, &index)?;
            // Whoever added it, and wherever he said that it leads.
            message.header.protocol = RouteProtocol::Unspec;
            message.header.scope = RouteScope::NoWhere;
            Message::DelRoute(message)
        }
    };
    Some(Request { message, flags: 0, object: fact.to_string(), may_be_gone: true })
}

fn address_of(index: u32, address: IpAddr) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address.is_ipv6());
    message.header.prefix_len = if address.is_ipv6() { 128 } else { 32 };
    message.header.index = index;
    if address.is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    message
}

fn neighbour(index: u32, address: IpAddr, mac: &[u8]) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address.is_ipv6());
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.header.kind = RouteType::Unicast;
    let destination = match address {
        IpAddr::V4(address) => NeighbourAddress::Inet(address),
        IpAddr::V6(address) => NeighbourAddress::Inet6(address),
    };
    message.attributes = vec![
        NeighbourAttribute::Destination(destination),
        NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
    ];
    message
}

fn route(fact: &Fact, index: &dyn Fn(&str) -> Option<u32>) -> Option<RouteMessage> {
    let Fact::Route { table, to, way } = fact else { return None };
    let mut message = RouteMessage::default();
    message.header.address_family = family(!to.is_v4());
    message.header.destination_prefix_length = to.length();
    message.header.protocol = RouteProtocol::Static;
    // Table 0 says: see the attribute.
    message.header.table = u8::try_from(*table).unwrap_or(0);
    message.attributes = vec![RouteAttribute::Table(*table)];
    if to.length() > 0 {
        message.attributes.push(RouteAttribute::Destination(to.first().into()));
    }
    match way {
        Way::Over { link, gateway } => {
            message.header.kind = RouteType::Unicast;
            message.header.flags = RouteFlags::Onlink;
            message.attributes.push(RouteAttribute::Oif(index(link)?));
            message.attributes.push(RouteAttribute::Gateway((*gateway).into()));
        }
        Way::Dropped => message.header.kind = RouteType::BlackHole,
        Way::Next => message.header.kind = RouteType::Throw,
        Way::Here => {
            message.header.kind = RouteType::Local;
            message.header.scope = RouteScope::Host;
            message.attributes.push(RouteAttribute::Oif(LOOPBACK));
        }
        Way::Other(_) => return None,
    }
    Some(message)
}

fn rule(fact: &Fact) -> Option<RuleMessage> {
    let Fact::Rule { v6, priority, mark, table } = fact else { return None };
    let mut message = RuleMessage::default();
    message.header.family = family(*v6);
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![RuleAttribute::Table(*table), RuleAttribute::Priority(*priority)];
    if let Some(mark) = mark {
        message.attributes.push(RuleAttribute::FwMark(*mark));
        message.attributes.push(RuleAttribute::FwMask(u32::MAX));
    }
    Some(message)
}
