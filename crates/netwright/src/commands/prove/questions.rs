//! What to try in a lab: TCP, UDP and ICMP echo between everything that sends and everything that receives, to the ports that rules tell
//! apart, each with the verdict that is to be confirmed; and the largest packets of what works.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use netwright_lab::probe::{Probe, Seen, What};
use netwright_model::language::NatAllocation;
use netwright_model::network::{EndpointId, InterfaceId, Network};
use netwright_model::scalar::ProtocolMatch;
use netwright_verify::ask::flows_between;
use netwright_verify::ask::holders::Holders;
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::Origin;
use netwright_verify::prover::policy::Layer4;
use netwright_verify::space::protocol;
use netwright_verify::trace::{Flow, Trace, Verdict};

use super::balanced;
use super::parties::{Party, parties};
use super::sizes::{Fit, Sizes};

/// A port that rules of networks seldom name: what is asked of it is decided by defaults.
const UNNAMED_PORT: u16 = 9;

/// Most ports of a protocol that are tried for each pair.
const PORTS: usize = 6;

/// First port that clients send from (RFC 6335).
pub(super) const CLIENT_PORT: u16 = 49_152;

/// Ports that clients send from before they begin anew.
pub(super) const CLIENT_PORTS: u16 = 16_000;

/// Types of ICMP echo requests (RFC 792, RFC 4443).
const ECHO_V4: u16 = 8;
const ECHO_V6: u16 = 128;

/// A question to try, and what is expected of it.
pub(in crate::commands) struct Question {
    pub(in crate::commands) from: String,
    pub(in crate::commands) to: String,
    pub(in crate::commands) probe: Probe,
    pub(super) flow: Flow,
    pub(super) verdict: Verdict,
    /// The source that the far end is to see, where it can be predicted.
    pub(super) source: Option<IpAddr>,
    /// Why it does not work, where it does not.
    pub(in crate::commands) why: Option<String>,
    /// What is expected of a transfer's sizes, there and back.
    pub(super) fits: (Fit, Fit),
}

impl Question {
    /// Whether what was seen is what was predicted: it works, from the predicted source and with the predicted sizes; it arrives and is
    /// not answered, where that can be seen; or it does not arrive.
    pub(super) fn agrees(&self, seen: &Seen) -> bool {
        match self.verdict {
            Verdict::Reachable => {
                seen.answered
                    && self.source.is_none_or(|source| seen.source == Some(source))
                    && fits(self.fits.0, seen.there)
                    // Where nothing comes there is nothing to answer.
                    && (self.fits.0 == Fit::Stops || fits(self.fits.1, seen.back))
            }
            // Of TCP nothing is seen until its answer has come.
            Verdict::NoReturn => !seen.answered && (seen.arrived || self.is_stream()),
            _ => !seen.answered && !seen.arrived,
        }
    }

    /// Whether more patience may change what was seen: something was expected that did not come.
    pub(super) fn missed(&self, seen: &Seen) -> bool {
        let arrives = matches!(self.verdict, Verdict::Reachable | Verdict::NoReturn);
        arrives
            && !self.agrees(seen)
            && seen.source.is_none_or(|seen| self.source.is_none_or(|source| source == seen))
    }

    /// Whether nothing came, as predicted: more asking may still refute that.
    pub(super) fn stays_away(&self, seen: &Seen) -> bool {
        let comes = self.verdict == Verdict::Reachable && self.fits.0 != Fit::Stops;
        !comes && !seen.untried && self.agrees(seen)
    }

    /// Whether something came that was not to: no more asking takes that back.
    pub(super) fn is_refuted(&self, seen: &Seen) -> bool {
        self.verdict != Verdict::Reachable
            && !seen.untried
            && !self.agrees(seen)
            && !self.missed(seen)
    }

    /// Whether much is sent.
    pub(super) fn is_transfer(&self) -> bool {
        self.probe.what == What::Transfer
    }

    fn is_stream(&self) -> bool {
        matches!(self.probe.what, What::Connect | What::Transfer)
    }

    /// The protocol and, where there is one, the port.
    pub(in crate::commands) fn service(&self) -> String {
        let port = self.probe.target.port();
        match self.probe.what {
            What::Connect | What::Transfer => format!("tcp/{port}"),
            What::Datagram { .. } => format!("udp/{port}"),
            What::Echo { .. } => "icmp echo".to_owned(),
        }
    }

    /// The size that is asked about, where one is.
    pub(in crate::commands) fn size(&self) -> Option<u32> {
        match self.probe.what {
            What::Datagram { octets, back } => Some(octets.max(back)).filter(|octets| *octets > 0),
            What::Echo { octets } => Some(octets).filter(|octets| *octets > 0),
            What::Connect | What::Transfer => None,
        }
    }
}

fn fits(fit: Fit, seen: Option<u32>) -> bool {
    match fit {
        Fit::Exactly(octets) => seen == Some(octets),
        Fit::Stops => seen.is_none(),
        Fit::NotSaid => true,
    }
}

/// Questions, how many more there were, and how many of these have no verdict that could be confirmed.
#[derive(Default)]
pub(in crate::commands) struct Asked {
    pub(super) questions: Vec<Question>,
    pub(super) left: usize,
    pub(super) unknown: usize,
    /// Questions about an address that several hold, so that nobody can say where packets go.
    pub(super) shared: usize,
    /// Flows to load balancers, each asked so often that every backend is found.
    pub(super) balanced: Vec<balanced::Question>,
    /// Flows to load balancers that lead where the lab does not ask.
    pub(super) beyond: usize,
}

/// One protocol's way of asking.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Tcp,
    Udp,
    Echo,
}

pub(super) fn ask(network: &Network, most: usize) -> Asked {
    let parties = parties(network);
    let mut asker = Asker {
        network,
        // The lab speaks IPv6 where some subnet does.
        v6: network.subnets.iter().flat_map(|subnet| &subnet.cidrs).any(|cidr| !cidr.is_v4()),
        prover: Prover::new(network),
        asked: Asked::default(),
        holders: Holders::of(network),
        most,
        number: 0,
    };
    let (tcp, udp) = (ports(network, protocol::TCP), ports(network, protocol::UDP));
    for from in parties.iter().filter(|party| party.sends) {
        for to in parties.iter().filter(|party| party.receives && party.name != from.name) {
            asker.pair(from, to, &tcp, &udp);
        }
    }
    asker.asked
}

struct Asker<'n> {
    network: &'n Network,
    v6: bool,
    prover: Prover<'n>,
    asked: Asked,
    holders: Holders<'n>,
    most: usize,
    number: u16,
}

impl Asker<'_> {
    /// All that is asked between two parties. Sizes are asked once for each pair of addresses, by the first that works.
    fn pair(&mut self, from: &Party, to: &Party, tcp: &BTreeSet<u16>, udp: &BTreeSet<u16>) {
        let mut sized = BTreeSet::new();
        let listened = |number: u8| match to.point.origin {
            Some(Origin::Interface(node)) => balanced::ports(self.network, node, number, PORTS),
            _ => BTreeSet::new(),
        };
        let tcp: BTreeSet<u16> = tcp.union(&listened(protocol::TCP)).copied().collect();
        let udp: BTreeSet<u16> = udp.union(&listened(protocol::UDP)).copied().collect();
        let ways = tcp.iter().map(|port| (Way::Tcp, *port));
        let ways = ways.chain(udp.iter().map(|port| (Way::Udp, *port))).chain([(Way::Echo, 0)]);
        for (way, port) in ways {
            if self.asked.questions.len() + self.asked.balanced.len() >= self.most {
                self.asked.left += 1;
                continue;
            }
            self.client_port();
            for v6 in [false, true].into_iter().take(1 + usize::from(self.v6)) {
                let packet = self.packet(way, port, v6);
                let flows = flows_between(&from.point, &to.point, Some(packet));
                for flow in flows.into_iter().filter(|flow| flow.dst.is_ipv6() == v6) {
                    self.flow(from, to, way, flow, &mut sized);
                }
            }
        }
    }

    fn packet(&self, way: Way, port: u16, v6: bool) -> Layer4 {
        let (protocol, src_port, dst_port) = match way {
            Way::Tcp => (protocol::TCP, CLIENT_PORT + self.number, port),
            Way::Udp => (protocol::UDP, CLIENT_PORT + self.number, port),
            Way::Echo if v6 => (protocol::ICMPV6, ECHO_V6, 0),
            Way::Echo => (protocol::ICMP, ECHO_V4, 0),
        };
        Layer4 { protocol, src_port, dst_port }
    }

    fn flow(
        &mut self,
        from: &Party,
        to: &Party,
        way: Way,
        flow: Flow,
        sized: &mut BTreeSet<(IpAddr, IpAddr)>,
    ) {
        if self.is_shared(to, flow.dst)
            || self.is_shared(from, flow.src)
            || self.holders.attached(&flow).is_some()
        {
            self.asked.shared += 1;
            return;
        }
        if self.through(from, to, flow) {
            return;
        }
        let trace = self.prover.trace(flow);
        if self.holders.instead_of(&to.point, &trace).is_some() {
            self.asked.shared += 1;
            return;
        }
        if matches!(trace.verdict, Verdict::Unknown | Verdict::Unresolved) {
            self.asked.unknown += 1;
            return;
        }
        let works = trace.verdict == Verdict::Reachable;
        let sizes =
            Sizes::of(self.network, &trace).filter(|_| works && sized.insert((flow.src, flow.dst)));
        let what = match way {
            Way::Tcp if sizes.is_some() => What::Transfer,
            Way::Tcp => What::Connect,
            Way::Udp => What::Datagram { octets: 0, back: 0 },
            Way::Echo => What::Echo { octets: 0 },
        };
        let fits = match &sizes {
            Some(sizes) if way == Way::Tcp => sizes.transfer(),
            _ => (Fit::NotSaid, Fit::NotSaid),
        };
        if way == Way::Tcp && [fits.0, fits.1].contains(&Fit::Stops) {
            // That it stops does not tell at which size: datagrams do.
            sized.remove(&(flow.src, flow.dst));
        }
        let asked = self.question(from, to, &trace, what, fits);
        let Some(sizes) = sizes.filter(|_| way != Way::Tcp) else {
            self.asked.questions.push(asked);
            return;
        };
        self.asked.questions.push(asked);
        for (what, verdict, why) in larger(way, &sizes) {
            // From a port of its own: an answer finds its question by the ports.
            let flow = self.on_another_port(flow);
            let trace = self.prover.trace(flow);
            if trace.verdict == Verdict::Reachable {
                let question = self.question(from, to, &trace, what, fits);
                self.asked.questions.push(Question { verdict, why, ..question });
            }
        }
    }

    /// Whether a flow is one that a load balancer passes on; then it is asked as such.
    fn through(&mut self, from: &Party, to: &Party, flow: Flow) -> bool {
        let Some(Origin::Interface(node)) = to.point.origin else { return false };
        let (network, holders, number) = (self.network, &self.holders, &mut self.number);
        let ends =
            balanced::Ends { from: &from.name, namespace: &from.namespace, to: &to.name, node };
        let mut ports = |times: u32| {
            let times = u16::try_from(times).unwrap_or(CLIENT_PORTS);
            if *number >= CLIENT_PORTS.saturating_sub(times) {
                *number = 0;
            }
            let first = CLIENT_PORT + *number;
            *number = (*number + times) % CLIENT_PORTS;
            first
        };
        let is_shared = |id: InterfaceId, address: IpAddr| {
            holders.are_several(network[network[id].subnet].vpc, address)
        };
        match balanced::ask(&mut self.prover, &ends, flow, &is_shared, &mut ports) {
            balanced::Asked::Directly => return false,
            balanced::Asked::Followed(question) => self.asked.balanced.push(*question),
            balanced::Asked::Unknown => self.asked.unknown += 1,
            balanced::Asked::Shared => self.asked.shared += 1,
            balanced::Asked::Beyond => self.asked.beyond += 1,
        }
        true
    }

    /// The next port that clients send from.
    fn client_port(&mut self) -> u16 {
        self.number = (self.number + 1) % CLIENT_PORTS;
        CLIENT_PORT + self.number
    }

    /// A flow from another client's port.
    fn on_another_port(&mut self, flow: Flow) -> Flow {
        let src_port = self.client_port();
        let from_there = |packet: Layer4| match packet.protocol {
            protocol::TCP | protocol::UDP => Layer4 { src_port, ..packet },
            _ => packet,
        };
        Flow { packet: flow.packet.map(from_there), ..flow }
    }

    /// Whether another endpoint of the same VPC, or of the outside, holds a party's address too.
    fn is_shared(&self, party: &Party, address: IpAddr) -> bool {
        if let Some(vpc) = party.vpc {
            return self.holders.are_several(vpc, address);
        }
        let holds = |endpoint: EndpointId| {
            let mut ranges = self.network[endpoint].prefixes.iter();
            ranges.any(|range| range.contains(address))
        };
        let sites = self.network.sites.iter().map(|site| site.endpoint);
        let outside = self.network.externals.iter().map(|external| external.endpoint);
        sites.chain(outside).filter(|endpoint| holds(*endpoint)).count() > 1
    }

    fn question(
        &self,
        from: &Party,
        to: &Party,
        trace: &Trace,
        what: What,
        fits: (Fit, Fit),
    ) -> Question {
        let (network, flow) = (self.network, trace.flow);
        // A service sends from what its platform gives it; which that is, the lab knows.
        let source = if !flow.src.is_unspecified() {
            let port =
                flow.packet.map(|packet| packet.src_port).filter(|port| *port >= CLIENT_PORT);
            // Of an echo request it is the identifier.
            SocketAddr::new(flow.src, port.unwrap_or(CLIENT_PORT + self.number))
        } else if flow.dst.is_ipv6() {
            SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)
        } else {
            SocketAddr::new(flow.src, 0)
        };
        let (namespace, listens) = to.listener(network, trace);
        let target = match what {
            What::Echo { .. } => 0,
            _ => flow.packet.map_or(0, |packet| packet.dst_port),
        };
        Question {
            from: from.name.clone(),
            to: to.name.clone(),
            probe: Probe {
                from: from.namespace.clone(),
                source,
                target: SocketAddr::new(flow.dst, target),
                to: namespace,
                listens,
                what,
            },
            verdict: trace.verdict,
            source: trace.source_seen().filter(|_| is_stable(network, trace)),
            why: trace.blockers(network).first().map(|hop| hop.text.clone()),
            flow,
            fits,
        }
    }
}

/// The questions of exact sizes: what fits passes, and one octet more does not, in each direction.
fn larger(way: Way, sizes: &Sizes) -> Vec<(What, Verdict, Option<String>)> {
    let Some((there, back)) = sizes.octets() else { return Vec::new() };
    let (limit, limit_back) = (Some(sizes.limit()), Some(sizes.limit_back()));
    if way == Way::Echo {
        // An answer is as large as its request.
        let fits = there.min(back);
        let verdict = if there <= back { Verdict::Blocked } else { Verdict::NoReturn };
        let why = if there <= back { limit } else { limit_back };
        return vec![
            (What::Echo { octets: fits }, Verdict::Reachable, None),
            (What::Echo { octets: fits + 1 }, verdict, why),
        ];
    }
    vec![
        (What::Datagram { octets: there, back }, Verdict::Reachable, None),
        (What::Datagram { octets: there + 1, back: 0 }, Verdict::Blocked, limit),
        (What::Datagram { octets: 0, back: back + 1 }, Verdict::NoReturn, limit_back),
    ]
}

/// Whether the source that is seen is one that the lab has too: of addresses that a provider chooses it has others.
pub(super) fn is_stable(network: &Network, trace: &Trace) -> bool {
    let seen = trace.forward.path.src;
    network.description.nat_gateways.iter().all(|(_, nat)| {
        nat.address_allocation.as_ref().is_none_or(|how| how.value == NatAllocation::Static)
            || nat.addresses.iter().all(|address| address.value != seen)
    })
}

/// Ports that rules for a protocol tell apart, the first few, and one that none names.
fn ports(network: &Network, protocol: u8) -> BTreeSet<u16> {
    let rules = network.filters.iter().flat_map(|filter| &filter.rules);
    let own = rules.filter(|rule| match rule.protocol {
        ProtocolMatch::Any => true,
        ProtocolMatch::Number(number) => number == protocol,
        #[expect(unreachable_patterns, reason = "other kinds of match name neither")]
        _ => false,
    });
    let ends = own.flat_map(|rule| rule.ports.iter().flat_map(|range| [range.first, range.last]));
    let named: BTreeSet<u16> = ends.filter(|port| *port > 0 && *port < u16::MAX).collect();
    named.into_iter().take(PORTS).chain([UNNAMED_PORT]).collect()
}
