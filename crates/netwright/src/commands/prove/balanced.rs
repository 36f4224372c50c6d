//! Flows to load balancers, followed to their backends: so many connections that each backend that can be chosen is, and what came of each.

mod expected;
pub(super) mod show;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use netwright_dataplane::plan::balancers::why_not;
use netwright_dataplane::plan::{INTERNET, endpoint, machine};
use netwright_lab::probe::spread::{Balanced, Place, Spread};
use netwright_model::language::LoadBalancerKind;
use netwright_model::network::{BackendTarget, InterfaceId, LoadBalancerId, Network};
use netwright_model::scalar::Service;
use netwright_verify::balancer::nodes::{asked_on, from_proxy, place, proxy_address, taker};
use netwright_verify::balancer::{Behind, balancer_of, beyond};
use netwright_verify::flow::Flows;
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::{Arrival, End};
use netwright_verify::prover::policy::Layer4;
use netwright_verify::space::protocol;
use netwright_verify::trace::{Flow, Trace, Verdict};

use super::questions::{CLIENT_PORT, CLIENT_PORTS};
pub(super) use expected::Expected;
use expected::{Backend, Fate};

/// How unlikely it must be that chance spares a backend that can be chosen.
const CHANCE: f64 = 1e-9;

/// Connections where nothing is to arrive.
const FEW: u32 = 3;

/// Most connections of a question: some hundred backends.
const MOST: u32 = 4096;

/// Ports that a proxy's own connections come from in a lab: what the kernel gives.
const PROXY_PORTS: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// A flow to a balancer that is asked many times, and what is expected of it.
pub(in crate::commands) struct Question {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) service: Service,
    pub(super) flow: Flow,
    pub(super) balanced: Balanced,
    pub(super) expected: Expected,
}

impl Question {
    pub(super) fn agrees(&self, seen: &Spread) -> Option<bool> {
        seen.untried.is_none().then(|| self.expected.agrees(seen, self.balanced.times))
    }
}

impl Question {
    /// Whether more patience may change what was seen.
    pub(super) fn missed(&self, seen: &Spread) -> bool {
        seen.untried.is_none() && self.expected.missed(seen, self.balanced.times)
    }
}

/// What is asked of a flow to a node.
pub(super) enum Asked {
    /// The node itself answers for it: there is nothing behind it, or nothing that the lab builds.
    Directly,
    /// The flow is followed to the backends.
    Followed(Box<Question>),
    /// There is no verdict to confirm.
    Unknown,
    /// Several hold an address of a backend.
    Shared,
    /// It leads where the lab does not ask.
    Beyond,
}

/// Ports of a protocol that a balancer's node listens on, the first and last of each listener, so many at most.
pub(super) fn ports(
    network: &Network,
    node: InterfaceId,
    protocol: u8,
    most: usize,
) -> BTreeSet<u16> {
    let Some(id) = balancer_of(network, network[node].owner) else { return BTreeSet::new() };
    let ends = network[id].listeners.iter().flat_map(|listener| match listener.on {
        Service::Ports { protocol: own, ports } if own == protocol => {
            vec![ports.first, ports.last]
        }
        _ => Vec::new(),
    });
    ends.take(most).collect()
}

/// Who asks whom.
pub(super) struct Ends<'a> {
    pub(super) from: &'a str,
    pub(super) namespace: &'a str,
    pub(super) to: &'a str,
    pub(super) node: InterfaceId,
}

/// The listener of a node that takes a packet, where the lab builds it so that its backends answer.
fn door(network: &Network, node: InterfaceId, packet: Layer4) -> Option<(LoadBalancerId, usize)> {
    let id = balancer_of(network, network[node].owner)?;
    let listener = taker(network, id, packet)?;
    let answers = network[id].listeners[listener].answers;
    (!answers && why_not(network, id, node, listener).is_none()).then_some((id, listener))
}

/// How many connections find each of so many backends, but for one chance in 10^9; none where that is more than are made.
fn times(backends: usize) -> Option<u32> {
    if backends == 0 {
        return Some(FEW);
    }
    let count = f64::from(u32::try_from(backends).ok()?);
    let all = (1..=MOST).find(|times| {
        count * (1.0 - 1.0 / count).powi(i32::try_from(*times).unwrap_or(i32::MAX)) < CHANCE
    })?;
    Some(all.max(FEW))
}

/// Whether rules tell apart the ports that clients send from here.
fn tells_ports_apart(network: &Network) -> bool {
    let inside = |port: u16| (CLIENT_PORT..CLIENT_PORT + CLIENT_PORTS).contains(&port);
    let rules = network.filters.iter().flat_map(|filter| &filter.rules);
    let mut ranges = rules.flat_map(|rule| rule.ports.iter().chain(&rule.source_ports));
    ranges.any(|range| {
        (range.first > CLIENT_PORT && inside(range.first))
            || (range.last < CLIENT_PORT + CLIENT_PORTS - 1 && inside(range.last))
    })
}

/// What is to be asked of a flow that goes to a node. `ports` gives the first of so many ports for the client.
pub(super) fn ask(
    prover: &mut Prover<'_>,
    ends: &Ends<'_>,
    flow: Flow,
    is_shared: &dyn Fn(InterfaceId, IpAddr) -> bool,
    ports: &mut dyn FnMut(u32) -> u16,
) -> Asked {
    let network = prover.network;
    let Some(packet) = flow.packet else { return Asked::Directly };
    let Some((id, listener)) = door(network, ends.node, packet) else { return Asked::Directly };
    if !matches!(packet.protocol, protocol::TCP | protocol::UDP) || tells_ports_apart(network) {
        return Asked::Beyond;
    }
    let trace = prover.trace(flow);
    if matches!(trace.verdict, Verdict::Unknown | Verdict::Unresolved) {
        return Asked::Unknown;
    }
    let shared = |backend: &BackendTarget| match place(network, backend) {
        (Some(address), Some(interface)) => is_shared(interface, address),
        _ => false,
    };
    if network[id].listeners[listener].backends.iter().any(shared) {
        return Asked::Shared;
    }
    let stands = Stands { network, id, node: ends.node, listener, packet, client: &trace };
    let found = match stands.backends(prover) {
        Ok(found) => found,
        Err(other) => return other,
    };
    let reached = trace.verdict == Verdict::Reachable;
    let chosen = found.iter().filter(|(_, backend)| backend.chosen.is_some()).count();
    let Some(times) = times(if reached { chosen } else { 0 }) else { return Asked::Beyond };
    let first = ports(times);
    let stream = packet.protocol == protocol::TCP;
    let mut places: Vec<Place> = found.iter().map(|(place, _)| place.clone()).collect();
    places.sort();
    places.dedup();
    let expected = Expected::of(network, &trace, &places, found, stream);
    Asked::Followed(Box::new(Question {
        from: ends.from.to_owned(),
        to: ends.to.to_owned(),
        service: service(packet),
        flow,
        balanced: Balanced {
            from: ends.namespace.to_owned(),
            source: source(flow, first),
            target: SocketAddr::new(flow.dst, packet.dst_port),
            places: places.into_iter().filter(|place| !place.namespace.is_empty()).collect(),
            times,
            stream,
        },
        expected,
    }))
}

fn service(packet: Layer4) -> Service {
    if packet.protocol == protocol::TCP {
        Service::tcp(packet.dst_port)
    } else {
        Service::udp(packet.dst_port)
    }
}

/// Where a client sends from. A service sends from what its platform gives it: which that is, the lab knows.
fn source(flow: Flow, first: u16) -> SocketAddr {
    if !flow.src.is_unspecified() {
        SocketAddr::new(flow.src, first)
    } else if flow.dst.is_ipv6() {
        SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)
    } else {
        SocketAddr::new(flow.src, 0)
    }
}

/// A listener of a node, and a packet for it.
struct Stands<'a> {
    network: &'a Network,
    id: LoadBalancerId,
    node: InterfaceId,
    listener: usize,
    packet: Layer4,
    client: &'a Trace,
}

impl Stands<'_> {
    /// Where the listener's backends answer, and what is expected of each.
    fn backends(&self, prover: &mut Prover<'_>) -> Result<Vec<(Place, Backend)>, Asked> {
        let network = self.network;
        let listener = &network[self.id].listeners[self.listener];
        if listener.backends.iter().any(|backend| self.is_elsewhere(backend)) {
            return Err(Asked::Beyond);
        }
        let followed = beyond(prover, self.client);
        let Some(followed) = followed else {
            // Nothing arrives at the node, or no answer comes back from it.
            let lost = self.client.verdict == Verdict::NoReturn;
            let passes = network[self.id].kind == LoadBalancerKind::PassThrough;
            if lost && passes && self.packet.protocol == protocol::UDP {
                return Err(Asked::Beyond);
            }
            let all = listener.backends.iter().filter_map(|backend| {
                let port =
                    asked_on(network, self.id, backend, service(self.packet)).first_port()?;
                Some((self.place(backend, None, port)?, Backend::spared(name(network, backend))))
            });
            return Ok(all.collect());
        };
        let Some(door) = followed.doors.first().filter(|_| followed.doors.len() == 1) else {
            return Err(Asked::Beyond);
        };
        if !door.missing.is_empty() {
            return Err(Asked::Unknown);
        }
        // From one family to the other nothing is passed on in a lab.
        let v4 = self.client.forward.path.src.is_ipv4();
        let passes = network[self.id].kind == LoadBalancerKind::PassThrough;
        let crosses = |behind: &Behind| behind.address.is_some_and(|to| to.is_ipv4() != v4);
        if passes && door.backends.iter().any(crosses) {
            return Err(Asked::Beyond);
        }
        let health: Vec<Option<bool>> =
            door.backends.iter().map(|behind| behind.in_service).collect();
        let chosen = netwright_verify::balancer::nodes::chosen(network, self.id, &health);
        let mut found = Vec::new();
        for (at, behind) in door.backends.iter().enumerate() {
            let Some(port) = behind.port.first_port() else { return Err(Asked::Beyond) };
            let backend = listener.backends.iter().find(|backend| {
                backend.span == behind.span && place(network, backend).0 == behind.address
            });
            let Some(backend) = backend else { return Err(Asked::Beyond) };
            let sure = chosen.iter().find(|(own, _)| *own == at).map(|(_, sure)| *sure);
            let own = Backend {
                name: behind.name.clone(),
                chosen: sure,
                fate: self.fate(prover, (backend, behind), port)?,
                source: self.proxied(backend).unwrap_or_else(|| {
                    behind
                        .flow
                        .as_ref()
                        .filter(|flow| {
                            super::questions::is_stable(network, flow)
                                && super::questions::is_stable(network, self.client)
                        })
                        .and_then(Trace::source_seen)
                }),
                why: behind.why.clone().or_else(|| behind.health.clone()),
            };
            // Where nothing is to answer there may be no place to listen at.
            let place = self.place(backend, behind.flow.as_ref(), port);
            let nowhere = Place {
                namespace: String::new(),
                listens: SocketAddr::new(backend_ip(behind), port),
            };
            found.push((place.unwrap_or(nowhere), own));
        }
        Ok(found)
    }

    /// Whether a backend stands where the lab's questions do not lead: behind another balancer, or at an interface without routes of its own.
    fn is_elsewhere(&self, backend: &BackendTarget) -> bool {
        let network = self.network;
        let (_, interface) = place(network, backend);
        let balancer = backend.endpoint.is_some_and(|id| balancer_of(network, id).is_some());
        let further = interface
            .is_some_and(|own| network[network[own].owner].interfaces.first() != Some(&own));
        balancer || further
    }

    /// Where a backend answers: where its flow arrives, or its own machine; none for what does not run.
    fn place(&self, backend: &BackendTarget, flow: Option<&Trace>, port: u16) -> Option<Place> {
        let network = self.network;
        let (address, interface) = place(network, backend);
        let runs = |id: InterfaceId| network[id].running;
        let arrived = flow.and_then(|flow| {
            let path = &flow.forward.path;
            let namespace = match path.end {
                End::Delivered(Arrival::Interface(id)) => machine(network, id),
                End::Delivered(Arrival::Endpoint(id)) => endpoint(network, id),
                End::Delivered(Arrival::Internet) => INTERNET.to_owned(),
                _ => return None,
            };
            Some((namespace, path.dst))
        });
        let own = || {
            let namespace = match interface {
                Some(id) if runs(id) => machine(network, id),
                Some(_) => return None,
                None => endpoint(network, backend.endpoint?),
            };
            Some((namespace, address?))
        };
        let (namespace, address) = arrived.or_else(own)?;
        Some(Place { namespace, listens: SocketAddr::new(address, port) })
    }

    /// What becomes of a request to a backend. A connection of the balancer's own comes from the ports that the lab uses: all of these count,
    /// and no others.
    fn fate(
        &self,
        prover: &mut Prover<'_>,
        (backend, behind): (&BackendTarget, &Behind),
        port: u16,
    ) -> Result<Fate, Asked> {
        let network = self.network;
        if let Some(source) = self.proxied(backend) {
            let flows = source.and_then(|source| from_proxy(prover, backend, source));
            let flows = flows.unwrap_or(Flows::NONE);
            return Ok(self.classed(prover, flows, PROXY_PORTS, port));
        }
        let stream = self.packet.protocol == protocol::TCP;
        let own = behind
            .flow
            .as_ref()
            .map(|trace| trace.flow)
            .filter(|flow| network[self.node].addresses.contains(&flow.src));
        let Some(flow) = own else {
            if self.client.forward.path.src.is_unspecified() {
                return Err(Asked::Beyond);
            }
            return Ok(match behind.verdict {
                Verdict::Reachable => Fate::Answers,
                Verdict::NoReturn if !stream => Fate::Arrives,
                Verdict::NoReturn | Verdict::Blocked => Fate::Nothing,
                Verdict::Unknown | Verdict::Unresolved => Fate::NotSaid,
            });
        };
        let ports = match network[self.id].kind {
            LoadBalancerKind::Proxy => PROXY_PORTS,
            LoadBalancerKind::PassThrough => CLIENT_PORT..=CLIENT_PORT + CLIENT_PORTS,
        };
        let flows = prover.flows_of(&flow);
        Ok(self.classed(prover, flows, ports, port))
    }

    /// The address of the provider's proxies that a backend sees; none in it where there is none of its family. None where the balancer
    /// connects from its nodes.
    fn proxied(&self, backend: &BackendTarget) -> Option<Option<IpAddr>> {
        let balancer = &self.network[self.id];
        let away = balancer.kind == LoadBalancerKind::Proxy && !balancer.proxies.is_empty();
        let (address, _) = place(self.network, backend);
        away.then(|| proxy_address(self.network, self.id, address?.is_ipv6()))
    }

    /// What becomes of packets from some ports, by what gets through.
    fn classed(
        &self,
        prover: &mut Prover<'_>,
        flows: Flows,
        ports: std::ops::RangeInclusive<u16>,
        port: u16,
    ) -> Fate {
        let stream = self.packet.protocol == protocol::TCP;
        let space = &mut prover.space;
        let asked = space.layer4(self.packet.protocol, &[ports], &[port..=port]);
        if space.is_subset(asked, flows.answered.must) {
            Fate::Answers
        } else if space.intersects(asked, flows.answered.may) {
            Fate::NotSaid
        } else if stream || !space.intersects(asked, flows.arrives.may) {
            Fate::Nothing
        } else if space.is_subset(asked, flows.arrives.must) {
            Fate::Arrives
        } else {
            Fate::NotSaid
        }
    }
}

fn backend_ip(behind: &Behind) -> IpAddr {
    behind.address.unwrap_or(Ipv6Addr::UNSPECIFIED.into())
}

fn name(network: &Network, backend: &BackendTarget) -> String {
    match (backend.endpoint, place(network, backend).0) {
        (Some(id), _) => network[id].name.clone(),
        (None, Some(address)) => address.to_string(),
        (None, None) => "a backend".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::times;

    #[test]
    fn connections_are_so_many_that_chance_spares_no_backend() {
        assert_eq!((times(0), times(1), times(2)), (Some(3), Some(3), Some(31)));
        assert_eq!(times(10), Some(219));
        assert!(times(100).is_some_and(|times| times < 4096) && times(1000).is_none());
    }
}
