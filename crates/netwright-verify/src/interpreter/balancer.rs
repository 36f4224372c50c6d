//! Whether a packet that arrives at a load balancer finds a backend that answers.
//!
//! Said once more and plainly, one packet at a time: where the engine computes sets of ports and ranges of sources, this asks the packets
//! at all their boundaries; where the engine reasons about what is unknown, this tries every way it could be.

mod packets;

use std::net::IpAddr;

use netwright_model::language::{Direction, EndpointKind, LoadBalancerKind, ServiceIngress};
use netwright_model::network::{BackendTarget, InterfaceId, Listener, LoadBalancer, Network};
use netwright_model::scalar::{Prefix, Service};

use super::filter::{Sender, holds, interface_vpc};
use super::walk::{Arrival, Checkpoint, Walker};
use super::{
    Answer, Assume, At, Origin, Outcome, Place, Reason, answer_to, connection, connection_assuming,
};
use crate::space::Packet;
use packets::{boundaries, number_and_port, of_packet, packets, takes};

/// What comes of a packet to a balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    /// The verdict, as a word.
    pub word: &'static str,
    /// Of each backend that the asked listener has where it was asked: whether it is in service, and whether it can answer.
    pub backends: Vec<(Option<bool>, Option<bool>)>,
}

/// A packet and its answer, as the two assumptions have it.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// It arrives if everything uncertain lets it.
    may_arrive: bool,
    /// And is answered.
    may_work: bool,
    /// It is answered whatever is uncertain.
    works: bool,
}

/// Where a balancer's packet comes from.
#[derive(Debug, Clone, Copy)]
struct From {
    src: IpAddr,
    dst: IpAddr,
    start: Start,
}

#[derive(Debug, Clone, Copy)]
enum Start {
    /// A node sends it.
    Node(InterfaceId),
    /// A node sends it, and filters see this address in place of the node's.
    Kept(InterfaceId, IpAddr),
    /// The provider hands it to the backend.
    HandedTo(InterfaceId, Option<Sender>),
}

/// What comes of a packet to a balancer; `None` where it does not arrive at one.
#[must_use]
pub fn balanced(network: &Network, origin: Origin, packet: Packet) -> Option<Weighed> {
    let answer = connection(network, origin, packet);
    if !matches!(answer, Answer::Reachable { .. } | Answer::Unknown(_)) {
        return None;
    }
    let (_, there, _) = connection_assuming(network, origin, packet, Assume::Best);
    let Outcome::Delivered { to, packet: arrived, .. } = there.outcome else { return None };
    let (endpoint, node) = match to {
        Place::Interface(id) => (network[id].owner, Some(id)),
        Place::Public(id) => (id, None),
        _ => return None,
    };
    if network[endpoint].kind != EndpointKind::LoadBalancer {
        return None;
    }
    let balancer = network.load_balancers.iter().find(|row| row.endpoint == endpoint)?;
    let sender = super::walk::sender_of(network, origin, packet);
    let client = Client { node, arrived, sender, depth: 0 };
    let behind = Behind { network, balancer, client };
    let mut weighed = behind.weigh();
    if weighed.word == "reachable" && matches!(answer, Answer::Unknown(_)) {
        weighed.word = "unknown";
    }
    Some(weighed)
}

/// A packet as it arrived at a balancer.
#[derive(Debug, Clone, Copy)]
struct Client {
    node: Option<InterfaceId>,
    arrived: Packet,
    sender: Option<Sender>,
    depth: usize,
}

struct Behind<'n> {
    network: &'n Network,
    balancer: &'n LoadBalancer,
    client: Client,
}

impl Behind<'_> {
    fn weigh(&self) -> Weighed {
        let none = |word| Weighed { word, backends: Vec::new() };
        if self.balancer.listeners.is_empty() {
            return none("unknown");
        }
        let mut listening = self.balancer.listeners.iter();
        let Some(listener) = listening.find(|listener| takes(listener.on, self.client.arrived))
        else {
            return none("blocked");
        };
        if listener.answers {
            return none("reachable");
        }
        self.listener(listener)
    }

    fn listener(&self, listener: &Listener) -> Weighed {
        let mut backends = Vec::new();
        let mut lost = Vec::new();
        for backend in &listener.backends {
            let near = self.near(backend);
            if near == Some(false) {
                continue;
            }
            let word = self.request(backend);
            let mut health = self.health(backend);
            if near.is_none() && health == Some(true) {
                health = None;
            }
            lost.push(word == "no_return");
            backends.push((health, known(word)));
        }
        let all_down = backends.iter().all(|(health, _)| *health == Some(false));
        let lost = backends.iter().zip(&lost).any(|((health, _), lost)| {
            *lost && (*health != Some(false) || (all_down && self.balancer.fails_open))
        });
        let mut all = backends.clone();
        let groups_unknown = listener.incomplete.len() + usize::from(!listener.has_groups);
        all.extend(std::iter::repeat_n((None, None), groups_unknown));
        let word = match self.every_case(&all) {
            (true, false) => "reachable",
            (true, true) => "unknown",
            (false, _) if lost => "no_return",
            (false, _) => "blocked",
        };
        Weighed { word, backends }
    }

    /// Whether a request works in some case of what is unknown, and whether it fails in some.
    fn every_case(&self, backends: &[(Option<bool>, Option<bool>)]) -> (bool, bool) {
        let unknowns: Vec<Option<bool>> =
            backends.iter().flat_map(|(health, answers)| [*health, *answers]).collect();
        let (mut works, mut fails) = (false, false);
        for case in 0_u64..1 << unknowns.iter().filter(|known| known.is_none()).count() {
            let mut bits = case;
            let values: Vec<bool> = unknowns
                .iter()
                .map(|known| {
                    known.unwrap_or_else(|| {
                        let bit = bits & 1 == 1;
                        bits >>= 1;
                        bit
                    })
                })
                .collect();
            let pairs = || values.chunks(2).map(|pair| (pair[0], pair[1]));
            let any_up = pairs().any(|(up, _)| up);
            let all = self.balancer.fails_open && !any_up;
            let answered = pairs().any(|(up, answers)| (up || all) && answers);
            works |= answered;
            fails |= !answered;
        }
        (works, fails)
    }

    /// Whether a node sends to a backend: only in its own zone where requests do not cross zones.
    fn near(&self, backend: &BackendTarget) -> Option<bool> {
        let network = self.network;
        if self.balancer.cross_zone {
            return Some(true);
        }
        let (Some(node), Some(own)) = (self.client.node, self.interface(backend)) else {
            return Some(true);
        };
        let zone = |id: InterfaceId| network[network[id].subnet].zone.clone();
        Some(zone(node)? == zone(own)?)
    }

    fn address(&self, backend: &BackendTarget) -> Option<IpAddr> {
        if let Some(address) = backend.address {
            return Some(address);
        }
        let endpoint = &self.network[backend.endpoint?];
        let mut all: Vec<IpAddr> = Vec::new();
        if let Some(first) = endpoint.interfaces.first() {
            all.extend(&self.network[*first].addresses);
        }
        if all.is_empty() {
            all.extend(&endpoint.public);
            all.extend(endpoint.prefixes.iter().map(|p| p.host_at(1).unwrap_or(p.first())));
        }
        all.sort_by_key(IpAddr::is_ipv6);
        all.first().copied()
    }

    fn interface(&self, backend: &BackendTarget) -> Option<InterfaceId> {
        let address = self.address(backend)?;
        let own = &self.network[backend.endpoint?].interfaces;
        let exact = own.iter().find(|id| self.network[**id].addresses.contains(&address));
        exact.or(own.first()).copied()
    }

    /// What becomes of a request to a backend.
    fn request(&self, backend: &BackendTarget) -> &'static str {
        let network = self.network;
        let balancer = self.balancer;
        let service = network.serverless.iter().find(|row| Some(row.endpoint) == backend.endpoint);
        if let Some(service) = service {
            let written = network.description.services.get(&network[service.endpoint].name);
            let ingress = written.and_then(|written| written.ingress.as_ref());
            let internal = ingress.is_some_and(|i| i.value == ServiceIngress::Internal);
            return if internal && balancer.external { "blocked" } else { "reachable" };
        }
        let Some(address) = self.address(backend) else { return "unknown" };
        let port = self.port(backend);
        let word = if balancer.kind == LoadBalancerKind::Proxy {
            self.own(backend, &balancer.proxies, address, port)
        } else {
            self.passed_on(backend, address, port)
        };
        self.behind_another(backend, address, port, word)
    }

    /// A backend that is a balancer itself passes its requests further.
    fn behind_another(
        &self,
        backend: &BackendTarget,
        address: IpAddr,
        port: Service,
        word: &'static str,
    ) -> &'static str {
        let network = self.network;
        let next = network.load_balancers.iter().find(|row| Some(row.endpoint) == backend.endpoint);
        let (Some(next), "reachable", true) = (next, word, self.client.depth < 4) else {
            return word;
        };
        let same = |own: &IpAddr| own.is_ipv4() == address.is_ipv4();
        let asked = self.client.arrived;
        // Where no node of its own stands in between, the client's packet itself is handed on.
        let node = self.client.node.filter(|node| !network[*node].provider_side);
        let hands_on = self.balancer.kind != LoadBalancerKind::Proxy && node.is_none();
        let keeps = (backend.preserves_client || hands_on) && same(&asked.src);
        let front = self.balancer.proxies.iter().map(|range| range.first()).find(same);
        let own = || network[self.client.node?].addresses.iter().copied().find(same);
        let Some(src) = keeps.then_some(asked.src).or(front).or_else(own) else { return word };
        let dst = if self.balancer.keeps_destination { asked.dst } else { address };
        let (protocol, dst_port) = number_and_port(port);
        let src_port = match port {
            Service::Icmp { .. } => asked.src_port,
            _ if keeps => asked.src_port,
            _ => 49_152,
        };
        let arrived = Packet { src, dst, protocol, src_port, dst_port };
        let sender = None;
        let client =
            Client { node: self.interface(backend), arrived, sender, depth: self.client.depth + 1 };
        Behind { network, balancer: next, client }.weigh().word
    }

    fn passed_on(&self, backend: &BackendTarget, address: IpAddr, port: Service) -> &'static str {
        let network = self.network;
        let Client { node, arrived, sender, .. } = self.client;
        let same_family = arrived.src.is_ipv4() == address.is_ipv4();
        let node = node.filter(|node| !network[*node].provider_side);
        let Some(node) = node else {
            let Some(interface) = self.interface(backend) else { return "unknown" };
            let dst = if self.balancer.keeps_destination { arrived.dst } else { address };
            // A machine takes nothing over the network that comes from its own address.
            if dst.is_ipv4() != arrived.src.is_ipv4() || dst == arrived.src {
                return "blocked";
            }
            let vpc = interface_vpc(network, interface);
            let sender = sender.filter(|sender| sender.vpc == vpc);
            let start = Start::HandedTo(interface, sender);
            let from = From { src: arrived.src, dst, start };
            return self.all_ports(&[from], port, Some(arrived.src_port));
        };
        let own = network[node].addresses.iter().copied();
        let Some(own) = own.into_iter().find(|own| own.is_ipv4() == address.is_ipv4()) else {
            return "blocked";
        };
        let kept = backend.preserves_client && same_family;
        if kept && arrived.src == address {
            return "blocked";
        }
        let (start, source_port) = if kept {
            (Start::Kept(node, arrived.src), Some(arrived.src_port))
        } else {
            (Start::Node(node), None)
        };
        self.all_ports(&[From { src: own, dst: address, start }], port, source_port)
    }

    /// The balancer's own connection: from a node, or from anywhere in the provider's ranges.
    fn own(
        &self,
        backend: &BackendTarget,
        ranges: &[Prefix],
        dst: IpAddr,
        port: Service,
    ) -> &'static str {
        let network = self.network;
        if !ranges.is_empty() {
            let Some(interface) = self.interface(backend) else { return "unknown" };
            let same = ranges.iter().filter(|range| range.is_v4() == dst.is_ipv4());
            let sources: Vec<From> = same
                .flat_map(|range| boundaries(network, *range))
                .map(|src| From { src, dst, start: Start::HandedTo(interface, None) })
                .collect();
            return if sources.is_empty() {
                "blocked"
            } else {
                self.all_ports(&sources, port, None)
            };
        }
        let Some(node) = self.client.node.filter(|node| !network[*node].provider_side) else {
            return "unknown";
        };
        let own = network[node].addresses.iter().copied();
        match own.into_iter().find(|own| own.is_ipv4() == dst.is_ipv4()) {
            Some(src) => self.all_ports(&[From { src, dst, start: Start::Node(node) }], port, None),
            None => "blocked",
        }
    }

    /// Whether a backend is in service: its health checks are answered, and it was not last seen failing.
    fn health(&self, backend: &BackendTarget) -> Option<bool> {
        let serverless =
            self.network.serverless.iter().any(|row| Some(row.endpoint) == backend.endpoint);
        if serverless {
            return Some(true);
        }
        let probed = match backend.probe {
            None => Some(true),
            Some(probe) => {
                let own = self.address(backend);
                let kept = self.balancer.keeps_destination.then_some(self.client.arrived.dst);
                known(match kept.or(own) {
                    Some(dst) => self.own(backend, &self.balancer.probes, dst, probe),
                    None => "unknown",
                })
            }
        };
        if probed == Some(true) && backend.healthy == Some(false) { None } else { probed }
    }

    /// The port on which a backend is asked: the one that was asked, where it is one of its ports; otherwise its first one.
    fn port(&self, backend: &BackendTarget) -> Service {
        let asked = self.client.arrived;
        if self.balancer.keeps_destination || takes(backend.port, asked) {
            return of_packet(asked);
        }
        match backend.port {
            Service::Ports { ports, .. } => backend.port.with_port(ports.first),
            own => own,
        }
    }

    /// From all sources and all source ports: the worst that becomes of any.
    fn all_ports(&self, sources: &[From], port: Service, source_port: Option<u16>) -> &'static str {
        let mut ways = Vec::new();
        for from in sources {
            for packet in packets(self.network, port, source_port) {
                ways.push(self.way(*from, packet));
            }
        }
        if ways.iter().any(|way| !way.may_arrive) {
            "blocked"
        } else if ways.iter().any(|way| !way.may_work) {
            "no_return"
        } else if ways.iter().any(|way| !way.works) {
            "unknown"
        } else {
            "reachable"
        }
    }

    fn way(&self, from: From, (protocol, src_port, dst_port): (u8, u16, u16)) -> Way {
        let packet = Packet { src: from.src, dst: from.dst, protocol, src_port, dst_port };
        let (may_arrive, may_work) = self.walk(from.start, packet, Assume::Best);
        let (_, works) = self.walk(from.start, packet, Assume::Worst);
        Way { may_arrive, may_work, works }
    }

    /// Whether a packet arrives, and whether it is answered, under one assumption. What nobody can say happens in the best case only.
    fn walk(&self, start: Start, packet: Packet, assume: Assume) -> (bool, bool) {
        let network = self.network;
        let best = assume == Assume::Best;
        match start {
            Start::Node(node) => {
                let origin = Origin::Interface(node);
                let (answer, there, _) = connection_assuming(network, origin, packet, assume);
                let arrives = match there.outcome {
                    Outcome::Delivered { .. } => true,
                    Outcome::Unknown(..) => best,
                    Outcome::Blocked(..) => false,
                };
                let works = match answer {
                    Answer::Reachable { .. } => true,
                    Answer::Unknown(_) => best,
                    Answer::Blocked(..) | Answer::NoReturn(..) => false,
                };
                (arrives, works)
            }
            Start::Kept(node, client) => kept(network, node, client, packet, assume),
            Start::HandedTo(interface, sender) => {
                handed_to(network, interface, sender, packet, assume)
            }
        }
    }
}

/// A node's packet of which filters see the client's address.
fn kept(
    network: &Network,
    node: InterfaceId,
    client: IpAddr,
    packet: Packet,
    assume: Assume,
) -> (bool, bool) {
    let best = assume == Assume::Best;
    let shown = Some((packet.src, client));
    let mut there = Walker::opening(network, packet, assume);
    there.shown = shown;
    let (there, memory) = there.run(Origin::Interface(node));
    let (to, arrived) = match there.outcome {
        Outcome::Delivered { to, packet, .. } => (to, packet),
        Outcome::Unknown(..) => return (best, best),
        Outcome::Blocked(..) => return (false, false),
    };
    let Some(answer) = answer_to(arrived) else { return (true, true) };
    let mut back = Walker::answering(network, answer, assume, &memory);
    back.shown = shown;
    let works = match back.run_back(to).0.outcome {
        Outcome::Delivered { to, packet: arrived, .. } => {
            to == Place::Interface(node) && arrived.src == packet.dst && arrived.dst == packet.src
        }
        Outcome::Unknown(..) => best,
        Outcome::Blocked(..) => false,
    };
    (true, works)
}

/// A packet that the provider hands to an interface, and its answer, which the provider takes from there.
fn handed_to(
    network: &Network,
    interface: InterfaceId,
    sender: Option<Sender>,
    packet: Packet,
    assume: Assume,
) -> (bool, bool) {
    let mut there = Walker::opening(network, packet, assume);
    there.sender = sender;
    let arrival = there.handed(interface);
    let arrives = arrival.is_ok();
    let (_, memory) = there.finish(arrival);
    if !arrives {
        return (false, false);
    }
    let Some(answer) = answer_to(packet) else { return (true, true) };
    let taken = Walker::answering(network, answer, assume, &memory).taken_from(interface);
    (true, taken.is_ok())
}

impl Walker<'_> {
    /// Straight to an interface, past everything but its own filters.
    fn handed(&mut self, id: InterfaceId) -> Arrival {
        let home = self.network[id].subnet;
        let inside = self.network[home].cidrs.iter().any(|p| p.contains(self.packet.src));
        self.subnet = inside.then_some(home);
        self.straight_to = Some(super::filter::Reach {
            vpc: interface_vpc(self.network, id),
            over_peering: false,
        });
        self.cross_into(home)?;
        if !self.network[id].running {
            return super::walk::blocked(Reason::NotRunning, At::Interface(id));
        }
        self.ask(Checkpoint::Vpc(id), Direction::Ingress)?;
        self.ask(Checkpoint::Interface(id), Direction::Ingress)?;
        Ok(Place::Interface(id))
    }

    /// Straight away from an interface.
    fn taken_from(mut self, id: InterfaceId) -> Arrival {
        let home = self.network[id].subnet;
        if holds(self.network, id, self.packet.src) {
            let vpc = interface_vpc(self.network, id);
            self.sender = Some(Sender { vpc, inter_region: false });
        }
        self.ask(Checkpoint::Interface(id), Direction::Egress)?;
        self.ask(Checkpoint::Vpc(id), Direction::Egress)?;
        let inside = self.network[home].cidrs.iter().any(|p| p.contains(self.packet.dst));
        if !inside || self.network[interface_vpc(self.network, id)].facts.subnet_filters_inside {
            self.ask(Checkpoint::Subnet(home), Direction::Egress)?;
        }
        Ok(Place::Internet)
    }
}

fn known(word: &str) -> Option<bool> {
    match word {
        "reachable" => Some(true),
        "unknown" => None,
        _ => Some(false),
    }
}
