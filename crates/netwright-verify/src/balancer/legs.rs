//! What a balancer sends to a backend: requests and health checks.
//!
//! | the balancer | the packet at the backend | its way |
//! | --- | --- | --- |
//! | proxies, with nodes in the network | from the node that was asked | the network's, like any packet of the node |
//! | proxies, from elsewhere | from any address of the proxies | the provider's: only the backend's own filters are asked |
//! | passes on, with nodes | from the client, or the node | the node's; filters see the client's address where it is kept |
//! | passes on, without | from the client | the provider's: only the backend's own filters are asked |

use std::net::IpAddr;

use netwright_model::language::Direction as Side;
use netwright_model::network::{BackendTarget, InterfaceId, LoadBalancer, LoadBalancerId, Network};
use netwright_model::scalar::{Prefix, Service};

use super::sources::cuts;
use super::{proxies, words};
use crate::ask::{packet_of, set_of};
use crate::flow::Connection;
use crate::prover::Prover;
use crate::prover::path::{Arrival, Check, End, Level, Object, Obstacle, Origin, Path, Seen, Step};
use crate::prover::policy::Layer4;
use crate::space::protocol;
use crate::trace::{Flow, Trace, Verdict};

/// From where to which backend.
#[derive(Clone, Copy)]
pub(super) struct Pair<'w> {
    pub(super) id: LoadBalancerId,
    pub(super) node: Option<InterfaceId>,
    pub(super) backend: &'w BackendTarget,
}

/// The same for a client's request.
pub(super) struct Way<'w> {
    pub(super) pair: Pair<'w>,
    /// The flow to the balancer.
    pub(super) client: &'w Trace,
}

/// A machine takes no packet from its own address that comes over the network (AWS, "Troubleshoot your Network Load Balancer": requests of
/// a target to its own balancer time out).
const ITSELF: &str = "a machine takes no packets that come from its own address";

/// What became of something that was sent.
pub(super) struct Sent {
    pub(super) verdict: Verdict,
    pub(super) why: Option<String>,
    pub(super) trace: Option<Trace>,
}

impl Sent {
    fn nowhere(verdict: Verdict, why: &str) -> Self {
        Self { verdict, why: Some(why.to_owned()), trace: None }
    }
}

/// One packet's way, and the flow that it is.
pub(super) struct Leg {
    flow: Flow,
    pub(super) connection: Connection,
    /// The source port, where the client's is kept; otherwise any that a client may use.
    source_port: Option<u16>,
}

/// The service that one packet is of.
pub(super) fn service_of(packet: Layer4) -> Service {
    if protocol::has_types(packet.protocol) {
        let small = |value: u16| u8::try_from(value).ok();
        return Service::Icmp {
            protocol: packet.protocol,
            kind: small(packet.src_port),
            code: small(packet.dst_port),
        };
    }
    match Service::of_protocol(packet.protocol) {
        ports @ Service::Ports { .. } => ports.with_port(packet.dst_port),
        other => other,
    }
}

/// Protocol and port on which a backend is asked for what a listener takes. What the backend's own range holds keeps its
/// ports, and so does everything that a provider passes on with the balancer's address.
pub(super) fn port_of(balancer: &LoadBalancer, backend: &BackendTarget, on: Service) -> Service {
    let kept = matches!(super::cut(on, backend.port), (Some(_), rest) if rest.is_empty());
    match backend.port {
        _ if kept || balancer.keeps_destination => on,
        Service::Ports { ports, .. } => backend.port.with_port(ports.first),
        own => own,
    }
}

/// The address by which a balancer knows a backend: the one that is given, or its first one, of IPv4 where it has one.
pub(super) fn address_of(network: &Network, backend: &BackendTarget) -> Option<IpAddr> {
    if backend.address.is_some() {
        return backend.address;
    }
    let endpoint = &network[backend.endpoint?];
    let own = endpoint.interfaces.first().map(|id| network[*id].addresses.clone());
    let outside = || {
        let hosts = endpoint.prefixes.iter().map(|p| p.host_at(1).unwrap_or_else(|| p.first()));
        endpoint.public.iter().copied().chain(hosts).collect()
    };
    let all: Vec<IpAddr> = own.filter(|own| !own.is_empty()).unwrap_or_else(outside);
    all.iter().copied().find(IpAddr::is_ipv4).or_else(|| all.first().copied())
}

/// The interface of a backend that holds its address.
pub(super) fn interface_of(network: &Network, backend: &BackendTarget) -> Option<InterfaceId> {
    let interfaces = &network[backend.endpoint?].interfaces;
    let address = address_of(network, backend)?;
    let holds = |id: &&InterfaceId| network[**id].addresses.contains(&address);
    interfaces.iter().find(holds).or_else(|| interfaces.first()).copied()
}

/// A request to a backend.
pub(super) fn request(prover: &mut Prover<'_>, way: &Way<'_>, port: Service) -> Sent {
    let network = prover.network;
    let Pair { id, node, backend } = way.pair;
    let balancer = &network[id];
    let Some(address) = address_of(network, backend) else {
        return Sent::nowhere(Verdict::Unknown, "its address is not described");
    };
    if proxies(balancer) {
        return own_connection(prover, way.pair, &balancer.proxies, address, port);
    }
    let node = node.filter(|node| !network[*node].provider_side);
    let arrived = &way.client.forward.path;
    match node {
        // Packets of another family than the client's are the balancer's own (AWS, "Client IP preservation").
        Some(node) if !backend.preserves_client || arrived.src.is_ipv4() != address.is_ipv4() => {
            from_node(prover, node, address, port)
        }
        Some(_) if arrived.src == address => Sent::nowhere(Verdict::Blocked, ITSELF),
        Some(node) => {
            let Some(own) = own_address(network, node, address) else {
                return Sent::nowhere(Verdict::Blocked, "the node has no address of its family");
            };
            let connection = prover.connection(Origin::Interface(node), own, address);
            let connection = showing(connection, own, arrived.src);
            let flow = flow_of(Origin::Interface(node), arrived.src, address);
            judge(prover, vec![Leg { flow, connection, source_port: client_port(way) }], port)
        }
        None => {
            let Some(interface) = interface_of(network, backend) else {
                return Sent::nowhere(Verdict::Unknown, "where it stands is not described");
            };
            let dst = if balancer.keeps_destination { arrived.dst } else { address };
            if dst.is_ipv4() != arrived.src.is_ipv4() {
                return Sent::nowhere(Verdict::Blocked, "it has no address of the client's family");
            }
            if dst == arrived.src {
                return Sent::nowhere(Verdict::Blocked, ITSELF);
            }
            let sender = sender(network, way, interface);
            let leg = handed_over(network, interface, (arrived.src, dst), sender);
            judge(prover, vec![Leg { source_port: client_port(way), ..leg }], port)
        }
    }
}

/// A connection that the balancer opens: from where its proxies or probes stand, or else from the node.
fn own_connection(
    prover: &mut Prover<'_>,
    pair: Pair<'_>,
    sources: &[Prefix],
    address: IpAddr,
    port: Service,
) -> Sent {
    let network = prover.network;
    if !sources.is_empty() {
        return from_provider(prover, pair, sources, address, port);
    }
    match pair.node {
        Some(node) if !network[node].provider_side => from_node(prover, node, address, port),
        _ => {
            let why = "where the balancer's own connections come from is not described";
            Sent::nowhere(Verdict::Unknown, why)
        }
    }
}

/// From every address that the provider's proxies or probes may have. Nothing tells which one it is: all must get through.
fn from_provider(
    prover: &mut Prover<'_>,
    pair: Pair<'_>,
    sources: &[Prefix],
    address: IpAddr,
    port: Service,
) -> Sent {
    let network = prover.network;
    let Some(interface) = interface_of(network, pair.backend) else {
        // The provider's own ways to what is no machine here are not described.
        return Sent::nowhere(Verdict::Unknown, "where it stands is not described");
    };
    let mut legs = Vec::new();
    for source in sources.iter().filter(|source| source.is_v4() == address.is_ipv4()) {
        for src in cuts(network, interface, *source) {
            legs.push(handed_over(network, interface, (src, address), None));
        }
    }
    if legs.is_empty() {
        let why = "the balancer has no address of its family to connect from";
        return Sent::nowhere(Verdict::Blocked, why);
    }
    judge(prover, legs, port)
}

fn from_node(prover: &mut Prover<'_>, node: InterfaceId, address: IpAddr, port: Service) -> Sent {
    let Some(own) = own_address(prover.network, node, address) else {
        return Sent::nowhere(Verdict::Blocked, "the node has no address of its family");
    };
    let connection = prover.connection(Origin::Interface(node), own, address);
    let flow = flow_of(Origin::Interface(node), own, address);
    judge(prover, vec![Leg { flow, connection, source_port: None }], port)
}

fn own_address(network: &Network, node: InterfaceId, to: IpAddr) -> Option<IpAddr> {
    network[node].addresses.iter().copied().find(|own| own.is_ipv4() == to.is_ipv4())
}

fn flow_of(origin: Origin, src: IpAddr, dst: IpAddr) -> Flow {
    Flow { origin, src, dst, packet: None, meant: None }
}

/// The client's source port, where one packet was asked.
fn client_port(way: &Way<'_>) -> Option<u16> {
    way.client.flow.packet.map(|packet| packet.src_port)
}

/// The same way, on which filters see the client's address in place of the node's. The node remembers whose answer it is: the way back is
/// its own (AWS, "Client IP preservation").
fn showing(mut connection: Connection, node: IpAddr, client: IpAddr) -> Connection {
    let show = |address: &mut IpAddr| {
        if *address == node {
            *address = client;
        }
    };
    let change = |path: &mut Path| {
        for step in &mut path.steps {
            if let Step::Check(check) = step {
                show(&mut check.seen.src);
                show(&mut check.seen.dst);
            }
        }
        let ends = [&mut path.sent_from, &mut path.sent_to, &mut path.src, &mut path.dst];
        ends.into_iter().for_each(show);
    };
    change(&mut connection.forward);
    connection.back.iter_mut().for_each(change);
    connection
}

/// The interface that the client's packet comes straight from, as the backend's filters may know it: one in its own VPC.
fn sender(network: &Network, way: &Way<'_>, backend: InterfaceId) -> Option<InterfaceId> {
    let node = way.pair.node?;
    let at_node = Level::Interface(node);
    let last = way.client.forward.path.checks().filter(|check| check.level == at_node).last()?;
    let vpc = |id: InterfaceId| network[network[id].subnet].vpc;
    last.seen.src_interface.filter(|from| vpc(*from) == vpc(backend))
}

/// A packet that the provider hands to a backend: of this network it meets only the backend's own filters, and so does its answer.
pub(super) fn handed_over(
    network: &Network,
    interface: InterfaceId,
    (src, dst): (IpAddr, IpAddr),
    sender: Option<InterfaceId>,
) -> Leg {
    let row = &network[interface];
    let own = row.addresses.contains(&dst) || row.prefixes.iter().any(|p| p.contains(dst));
    let itself = own.then_some(interface);
    let seen = Seen {
        src,
        dst,
        src_interface: sender,
        dst_interface: itself,
        from_peer: false,
        to_peer: false,
    };
    let answer = Seen { src: dst, dst: src, src_interface: itself, dst_interface: None, ..seen };
    let mut forward = vec![Step::At(Object::Subnet(row.subnet))];
    let mut back = vec![Step::At(Object::Interface(interface))];
    for (level, direction) in levels(network, interface, src) {
        forward.push(Step::Check(Check { level, direction, seen }));
    }
    forward.push(Step::At(Object::Interface(interface)));
    for (level, _) in levels(network, interface, src).into_iter().rev() {
        back.push(Step::Check(Check { level, direction: Side::Egress, seen: answer }));
    }
    let end = if row.running {
        End::Delivered(Arrival::Interface(interface))
    } else {
        End::Blocked(Obstacle::Stopped(interface))
    };
    let forward = path(Origin::Internet, forward, end, (src, dst));
    let end = End::Delivered(Arrival::Internet);
    let back = path(Origin::Interface(interface), back, end, (dst, src));
    Leg {
        flow: flow_of(Origin::Internet, src, dst),
        connection: Connection { back: row.running.then_some(back), forward },
        source_port: None,
    }
}

/// The filters around an interface, from the outermost.
fn levels(network: &Network, interface: InterfaceId, other: IpAddr) -> Vec<(Level, Side)> {
    let row = &network[interface];
    let subnet = &network[row.subnet];
    let inside = subnet.cidrs.iter().any(|cidr| cidr.contains(other));
    let mut found = Vec::new();
    if !inside || network[subnet.vpc].facts.subnet_filters_inside {
        found.push((Level::Subnet(row.subnet), Side::Ingress));
    }
    if !row.provider_side {
        found.push((Level::Vpc(interface), Side::Ingress));
    }
    found.push((Level::Interface(interface), Side::Ingress));
    found
}

fn path(origin: Origin, steps: Vec<Step>, end: End, (src, dst): (IpAddr, IpAddr)) -> Path {
    Path { origin, steps, end, sent_from: src, sent_to: dst, src, dst }
}

/// What can be said of all legs together: all must work. The first of those that decide is followed.
fn judge(prover: &mut Prover<'_>, legs: Vec<Leg>, port: Service) -> Sent {
    let rank = |verdict: Verdict| match verdict {
        Verdict::Blocked | Verdict::Unresolved => 0,
        Verdict::NoReturn => 1,
        Verdict::Unknown => 2,
        Verdict::Reachable => 3,
    };
    let mut worst: Option<(Verdict, Trace)> = None;
    for leg in legs {
        let (verdict, trace) = one(prover, leg, port);
        if worst.as_ref().is_none_or(|(known, _)| rank(verdict) < rank(*known)) {
            worst = Some((verdict, trace));
        }
    }
    let Some((verdict, trace)) = worst else {
        return Sent::nowhere(Verdict::Unknown, "nothing is sent");
    };
    let why = (verdict != Verdict::Reachable)
        .then(|| words::blocked_leg(prover.network, &trace, verdict));
    Sent { verdict, why, trace: Some(trace) }
}

fn one(prover: &mut Prover<'_>, leg: Leg, port: Service) -> (Verdict, Trace) {
    let Leg { flow, connection, source_port } = leg;
    let packet = packet_of(port, source_port);
    let flows = prover.evaluate(&connection);
    let asked = match (packet, source_port, port) {
        (Some(packet), Some(_), Service::Ports { protocol, .. }) => {
            let (from, to) = (packet.src_port, packet.dst_port);
            prover.space.layer4(protocol, &[from..=from], &[to..=to])
        }
        _ => set_of(&mut prover.space, port),
    };
    let space = &mut prover.space;
    let (verdict, works) = if space.is_subset(asked, flows.answered.must) {
        (Verdict::Reachable, crate::space::Set::EMPTY)
    } else if space.is_subset(asked, flows.answered.may) {
        (Verdict::Unknown, flows.answered.must)
    } else if space.is_subset(asked, flows.arrives.may) {
        (Verdict::NoReturn, flows.answered.may)
    } else {
        (Verdict::Blocked, flows.arrives.may)
    };
    let shown = space.minus(asked, works);
    let picked = space.pick(shown).map(|packet| Layer4::from(&packet));
    // A packet that shows the verdict: an ordinary one, unless that is not among them.
    let usual = packet.filter(|usual| {
        verdict == Verdict::Reachable
            || picked.is_some_and(|picked| picked.dst_port == usual.dst_port)
                && !space.contains(works, &as_packet(*usual, flow))
    });
    let packet = usual.or(picked);
    let verdict = if packet.is_none() && verdict != Verdict::Reachable {
        // Memory ran out.
        Verdict::Unknown
    } else {
        verdict
    };
    (verdict, prover.trace_along(Flow { packet, ..flow }, connection))
}

fn as_packet(packet: Layer4, flow: Flow) -> crate::space::Packet {
    crate::space::Packet {
        src: flow.src,
        dst: flow.dst,
        protocol: packet.protocol,
        src_port: packet.src_port,
        dst_port: packet.dst_port,
    }
}

/// Whether a backend is in service, and why not.
pub(super) struct Health {
    /// Surely, surely not, or unknown.
    pub(super) in_service: Option<bool>,
    pub(super) why: Option<String>,
    pub(super) probe: Option<Trace>,
}

/// Whether a backend's health checks reach it, from every source that they come from. `arrived` is the address that clients ask.
pub(super) fn health(prover: &mut Prover<'_>, pair: Pair<'_>, arrived: Option<IpAddr>) -> Health {
    let network = prover.network;
    let balancer = &network[pair.id];
    let mut health = Health { in_service: Some(true), why: None, probe: None };
    if let Some(probe) = pair.backend.probe {
        let own = address_of(network, pair.backend);
        let sent = match if balancer.keeps_destination { arrived } else { own } {
            Some(address) => own_connection(prover, pair, &balancer.probes, address, probe),
            None => Sent::nowhere(Verdict::Unknown, "its address is not described"),
        };
        health.in_service = super::weigh::certainty(sent.verdict);
        if sent.verdict != Verdict::Reachable {
            let source = sent.trace.as_ref().map(|trace| trace.flow.src);
            health.why = Some(words::unhealthy(probe, source, sent.why.as_deref()));
        }
        health.probe = sent.trace;
    }
    // What was last seen may have causes that no description holds.
    if pair.backend.healthy == Some(false) && health.in_service == Some(true) {
        health.in_service = None;
        health.why = Some("the provider last showed it as unhealthy".to_owned());
    }
    health
}
