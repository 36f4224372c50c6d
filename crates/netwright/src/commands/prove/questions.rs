//! What to try in a lab: TCP connections between everything that sends and everything that receives, to the ports that rules tell apart,
//! each with the verdict that is to be confirmed.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use netwright_dataplane::plan::{INTERNET, endpoint, machine};
use netwright_lab::probe::Probe;
use netwright_model::language::{EndpointRef, NatAllocation};
use netwright_model::network::{
    EndpointId, ExternalId, InterfaceId, Network, ServerlessId, SiteId,
};
use netwright_model::scalar::ProtocolMatch;
use netwright_verify::ask::{Point, flows_between, points};
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::{Arrival, End, Origin};
use netwright_verify::prover::policy::Layer4;
use netwright_verify::space::protocol;
use netwright_verify::trace::{Flow, Trace, Verdict};

/// A port that rules of networks seldom name: what is asked of it is decided by defaults.
const UNNAMED_PORT: u16 = 9;

/// Most ports that are tried for each pair.
const PORTS: usize = 6;

/// First port that clients send from (RFC 6335).
const CLIENT_PORT: u16 = 49_152;

/// A connection to try, and what is expected of it.
pub(super) struct Question {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) probe: Probe,
    pub(super) flow: Flow,
    pub(super) verdict: Verdict,
    /// The source that the far end is to see, where it can be predicted.
    pub(super) source: Option<IpAddr>,
    /// Why it does not work, where it does not.
    pub(super) why: Option<String>,
}

/// Who can be asked: a name, its namespace, and the point that the prover knows.
struct Party {
    name: String,
    namespace: String,
    point: Point,
    sends: bool,
    receives: bool,
}

/// Questions, how many more there were, and how many of these have no verdict that could be confirmed.
pub(super) struct Asked {
    pub(super) questions: Vec<Question>,
    pub(super) left: usize,
    pub(super) unknown: usize,
}

pub(super) fn ask(network: &Network, most: usize) -> Asked {
    let parties = parties(network);
    let ports = ports(network);
    // The lab speaks IPv6 where some subnet does.
    let v6 = network.subnets.iter().flat_map(|subnet| &subnet.cidrs).any(|cidr| !cidr.is_v4());
    let mut prover = Prover::new(network);
    let mut asked = Asked { questions: Vec::new(), left: 0, unknown: 0 };
    let mut number: u16 = 0;
    for from in parties.iter().filter(|party| party.sends) {
        for to in parties.iter().filter(|party| party.receives) {
            if from.name == to.name {
                continue;
            }
            for port in &ports {
                if asked.questions.len() >= most {
                    asked.left += 1;
                    continue;
                }
                number = (number + 1) % 16_000;
                let packet = Layer4 {
                    protocol: protocol::TCP,
                    src_port: CLIENT_PORT + number,
                    dst_port: *port,
                };
                let built = |flow: &Flow| v6 || flow.dst.is_ipv4();
                let flows = flows_between(&from.point, &to.point, Some(packet));
                for flow in flows.into_iter().filter(built) {
                    question(&mut prover, from, to, flow, &mut asked);
                }
            }
        }
    }
    asked
}

fn question(prover: &mut Prover<'_>, from: &Party, to: &Party, flow: Flow, asked: &mut Asked) {
    let trace = prover.trace(flow);
    if matches!(trace.verdict, Verdict::Unknown | Verdict::Unresolved) {
        asked.unknown += 1;
        return;
    }
    let network = prover.network;
    let Some(packet) = flow.packet else { return };
    // A service sends from what its platform gives it; which that is, the lab knows.
    let source = if flow.src.is_unspecified() {
        SocketAddr::new(flow.src, 0)
    } else {
        SocketAddr::new(flow.src, packet.src_port)
    };
    let (namespace, listens) = listener(network, to, &trace, flow.dst);
    asked.questions.push(Question {
        from: from.name.clone(),
        to: to.name.clone(),
        probe: Probe {
            from: from.namespace.clone(),
            source,
            target: SocketAddr::new(flow.dst, packet.dst_port),
            to: namespace,
            listens,
        },
        verdict: trace.verdict,
        source: trace.source_seen().filter(|_| is_stable(network, &trace)),
        why: trace.blockers(network).first().map(|hop| hop.text.clone()),
        flow,
    });
}

/// Whether the source that is seen is one that the lab has too: of addresses that a provider chooses it has others.
fn is_stable(network: &Network, trace: &Trace) -> bool {
    let seen = trace.forward.path.src;
    network.description.nat_gateways.iter().all(|(_, nat)| {
        nat.address_allocation.as_ref().is_none_or(|how| how.value == NatAllocation::Static)
            || nat.addresses.iter().all(|address| address.value != seen)
    })
}

/// Where a listener has to be for a flow: where it arrives, or would.
fn listener(network: &Network, to: &Party, trace: &Trace, sent_to: IpAddr) -> (String, IpAddr) {
    match trace.forward.path.end {
        End::Delivered(Arrival::Interface(id)) => (machine(network, id), trace.forward.path.dst),
        End::Delivered(Arrival::Endpoint(id)) => (endpoint(network, id), trace.forward.path.dst),
        End::Delivered(Arrival::Internet) => (INTERNET.to_owned(), trace.forward.path.dst),
        _ => {
            let same = |own: &&IpAddr| own.is_ipv4() == sent_to.is_ipv4();
            let private = to.point.addresses.iter().find(same);
            (to.namespace.clone(), private.copied().unwrap_or(sent_to))
        }
    }
}

fn parties(network: &Network) -> Vec<Party> {
    let mut all = Vec::new();
    for (index, row) in network.interfaces.iter().enumerate() {
        let id = InterfaceId::at(index);
        let owned_by_service = network.serverless.iter().any(|s| s.endpoint == row.owner);
        if row.answers_only || !row.running || owned_by_service {
            continue;
        }
        let addresses = row.addresses.clone();
        let v6 = addresses.iter().copied().filter(IpAddr::is_ipv6);
        let point = Point {
            name: row.name.clone(),
            origin: Some(Origin::Interface(id)),
            public: row.public.iter().copied().chain(v6).collect(),
            addresses,
            outside: None,
        };
        // Further interfaces of a machine have no routes of their own in the lab.
        let first = network[row.owner].interfaces.first() == Some(&id);
        let namespace = machine(network, id);
        all.push(Party { name: row.name.clone(), namespace, point, sends: first, receives: first });
    }
    let mut named = |reference: &EndpointRef, namespace: String, receives: bool| {
        for point in points(network, reference).unwrap_or_default() {
            let sends = point.origin.is_some();
            all.push(Party {
                name: point.name.clone(),
                namespace: namespace.clone(),
                point,
                sends,
                receives,
            });
        }
    };
    named(&EndpointRef::Internet, INTERNET.to_owned(), true);
    let kind = |id: EndpointId| (network[id].kind, network[id].name.clone());
    for index in 0..network.sites.len() {
        let id = network[SiteId::at(index)].endpoint;
        let (kind, name) = kind(id);
        named(&EndpointRef::Kind(kind, name), endpoint(network, id), true);
    }
    for index in 0..network.externals.len() {
        let id = network[ExternalId::at(index)].endpoint;
        let (kind, name) = kind(id);
        named(&EndpointRef::Kind(kind, name), endpoint(network, id), true);
    }
    for index in 0..network.serverless.len() {
        let id = network[ServerlessId::at(index)].endpoint;
        let (kind, name) = kind(id);
        named(&EndpointRef::Kind(kind, name), endpoint(network, id), false);
    }
    all
}

/// Ports that rules for TCP tell apart, the first few, and one that none names.
fn ports(network: &Network) -> BTreeSet<u16> {
    let rules = network.filters.iter().flat_map(|filter| &filter.rules);
    let tcp = rules.filter(|rule| {
        matches!(rule.protocol, ProtocolMatch::Any | ProtocolMatch::Number(protocol::TCP))
    });
    let ends = tcp.flat_map(|rule| rule.ports.iter().flat_map(|range| [range.first, range.last]));
    let named: BTreeSet<u16> = ends.filter(|port| *port > 0 && *port < u16::MAX).collect();
    named.into_iter().take(PORTS).chain([UNNAMED_PORT]).collect()
}
