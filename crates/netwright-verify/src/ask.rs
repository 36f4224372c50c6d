//! From names to flows: which flows a source, a destination and a service stand for.

pub mod holders;

use std::net::{IpAddr, Ipv6Addr};

use netwright_model::language::EndpointRef;
use netwright_model::network::lookup::{NotFound, Place};
use netwright_model::network::{EndpointId, FilterMember, InterfaceId, Network};
use netwright_model::scalar::{Prefix, Service};

use crate::prover::Prover;
use crate::prover::path::Origin;
use crate::prover::policy::Layer4;
use crate::reach::{Member, Outside};
use crate::space::{ANY_PORT, Family, Set, Space, protocol};
use crate::trace::{Flow, Trace, Verdict};

/// First port of the range that clients take their source ports from (RFC 6335: dynamic ports).
pub const CLIENT_PORT: u16 = 49152;

/// Addresses that stand for "the Internet", the first that no rule and no range of the network singles out.
const ORDINARY: [[u8; 4]; 6] = [
    [8, 8, 8, 8],
    [1, 1, 1, 1],
    [9, 9, 9, 9],
    [93, 184, 216, 34],
    [185, 15, 59, 224],
    [203, 0, 113, 7],
];

/// The same in IPv6.
const ORDINARY_V6: [[u16; 8]; 3] = [
    [0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888],
    [0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111],
    [0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe],
];

/// A source or destination that a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Its name for people.
    pub name: String,
    /// Where its packets start; none for what sends none.
    pub origin: Option<Origin>,
    /// Its addresses, as a source and as a destination.
    pub addresses: Vec<IpAddr>,
    /// Addresses by which the Internet reaches it.
    pub public: Vec<IpAddr>,
    /// All outside addresses that it stands for, where they are more than one.
    pub outside: Option<Asked>,
    /// Whom packets to it are meant for: where another has its address, they are lost. None where an address itself was asked for, whoever has it.
    pub meant: Option<Origin>,
}

impl Point {
    /// Whether a member of a group is it, or a part of it.
    #[must_use]
    pub fn is(&self, member: &Member) -> bool {
        match (member, self.origin) {
            (Member::Interface(id, _), Some(Origin::Interface(own))) => *id == own,
            (Member::Serverless(id), Some(Origin::Serverless(own))) => *id == own,
            (Member::Outside(whose, first, last), _) => {
                let ranges = self.outside.as_ref();
                let within = |address: &IpAddr| {
                    address.is_ipv4() == first.is_ipv4() && first <= address && address <= last
                };
                ranges.is_some_and(|asked| asked.meets(*whose, *first, *last))
                    || self.addresses.iter().any(within)
            }
            (Member::Interface(..) | Member::Serverless(_), _) => false,
        }
    }
}

/// Outside addresses that a reference stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The whole Internet.
    Internet,
    /// All addresses of some prefixes.
    Ranges(Vec<Prefix>),
}

impl Asked {
    /// Whether a range of outside addresses holds some of them.
    #[must_use]
    pub fn meets(&self, whose: Outside, first: IpAddr, last: IpAddr) -> bool {
        match self {
            Self::Internet => whose == Outside::Internet,
            Self::Ranges(prefixes) => prefixes.iter().any(|prefix| {
                prefix.is_v4() == first.is_ipv4()
                    && prefix.first() <= last
                    && first <= prefix.last()
            }),
        }
    }
}

/// The addresses of some prefixes, where they are more than one.
fn whole(prefixes: &[Prefix]) -> Option<Asked> {
    let several = prefixes.len() > 1 || prefixes.iter().any(|prefix| prefix.as_host().is_none());
    several.then(|| Asked::Ranges(prefixes.to_vec()))
}

/// The points that a reference stands for.
///
/// # Errors
///
/// When nothing has the name, or several things do.
pub fn points(network: &Network, reference: &EndpointRef) -> Result<Vec<Point>, NotFound> {
    let places = network.lookup.places(network, reference)?;
    let asked = match reference {
        EndpointRef::Prefix(prefix) => Some(*prefix),
        _ => None,
    };
    Ok(places.iter().map(|place| point(network, place, asked)).collect())
}

fn point(network: &Network, place: &Place, asked: Option<Prefix>) -> Point {
    match place {
        Place::Interface(id) => interface_point(network, *id, asked),
        Place::Serverless(id) => {
            let endpoint = network[*id].endpoint;
            let name = network[endpoint].name.clone();
            Point {
                name,
                origin: Some(Origin::Serverless(*id)),
                addresses: Vec::new(),
                public: Vec::new(),
                outside: None,
                meant: None,
            }
        }
        Place::Endpoint(id) => endpoint_point(network, *id, asked),
        Place::Outside(prefix) => {
            let addresses = match prefix {
                Some(prefix) => vec![prefix.first()],
                None => vec![ordinary(network), ordinary_v6(network)],
            };
            let name = match prefix {
                Some(prefix) => {
                    prefix.as_host().map_or_else(|| prefix.to_string(), |a| a.to_string())
                }
                None => "internet".to_owned(),
            };
            let outside = prefix.map_or(Some(Asked::Internet), |prefix| whole(&[prefix]));
            let origin = Some(Origin::Internet);
            Point { name, origin, addresses, public: Vec::new(), outside, meant: None }
        }
    }
}

fn interface_point(network: &Network, id: InterfaceId, asked: Option<Prefix>) -> Point {
    let row = &network[id];
    let mut addresses = row.addresses.clone();
    // Asked for by its public address, it is reached by that one.
    if let Some(asked) = asked {
        addresses.retain(|address| asked.contains(*address));
        addresses.extend(row.public.iter().filter(|address| asked.contains(**address)));
    }
    let v6 = addresses.iter().copied().filter(IpAddr::is_ipv6);
    let public = if asked.is_some() {
        addresses.clone()
    } else {
        row.public.iter().copied().chain(v6).collect()
    };
    let origin = Some(Origin::Interface(id));
    Point {
        name: row.name.clone(),
        origin,
        addresses,
        public,
        outside: None,
        meant: origin.filter(|_| asked.is_none()),
    }
}

fn endpoint_point(network: &Network, id: EndpointId, asked: Option<Prefix>) -> Point {
    let row = &network[id];
    let site = network.sites.iter().position(|site| site.endpoint == id);
    let external = network.externals.iter().position(|external| external.endpoint == id);
    let origin = match (site, external) {
        (Some(site), _) => Some(Origin::Site(netwright_model::network::SiteId::at(site))),
        (_, Some(external)) if !network.externals[external].attached.is_empty() => {
            Some(Origin::External(netwright_model::network::ExternalId::at(external)))
        }
        (_, Some(_)) => Some(Origin::Internet),
        (None, None) => None,
    };
    let mut addresses: Vec<IpAddr> = row.public.clone();
    let mut prefixes = row.prefixes.clone();
    if let Some(asked) = asked {
        addresses.retain(|address| asked.contains(*address));
        // What is asked for lies in one of its ranges, or is an address of its own.
        prefixes = if addresses.is_empty() { vec![asked] } else { Vec::new() };
    }
    // The first address of a block is no host's.
    addresses.extend(prefixes.iter().map(|p| p.host_at(1).unwrap_or_else(|| p.first())));
    let public = addresses.clone();
    let outside = whole(&prefixes);
    let name = match (asked, outside.is_some()) {
        (Some(asked), true) => format!("{asked} of {}", row.name),
        _ => row.name.clone(),
    };
    let meant = origin.filter(|_| asked.is_none());
    Point { name, origin, addresses, public, outside, meant }
}

/// An address of the Internet that nothing in the network singles out.
#[must_use]
pub fn ordinary(network: &Network) -> IpAddr {
    first_ordinary(network, ORDINARY.map(IpAddr::from))
}

/// The same for IPv6.
pub(crate) fn ordinary_v6(network: &Network) -> IpAddr {
    first_ordinary(network, ORDINARY_V6.map(|groups| Ipv6Addr::from(groups).into()))
}

fn first_ordinary<const N: usize>(network: &Network, candidates: [IpAddr; N]) -> IpAddr {
    let found = candidates.iter().find(|address| !is_singled_out(network, **address));
    *found.unwrap_or(&candidates[0])
}

/// Whether a rule, a range or a holder sets an address apart from the rest of the Internet.
fn is_singled_out(network: &Network, address: IpAddr) -> bool {
    let narrow = |prefix: &Prefix| prefix.length() > 0 && prefix.contains(address);
    let in_rules = network.filters.iter().flat_map(|filter| &filter.rules).any(|rule| {
        let mut members = rule.from.members.iter().chain(&rule.to.members);
        members.any(|member| matches!(member, FilterMember::Prefix(prefix) if narrow(prefix)))
    });
    in_rules
        || network.endpoints.iter().any(|endpoint| endpoint.prefixes.iter().any(narrow))
        || !network.lookup.holders(address).is_empty()
}

/// The packet that stands for a service: its first port, from an ordinary client's port. None for a service that no single packet
/// stands for.
#[must_use]
pub fn packet_of(service: Service, source_port: Option<u16>) -> Option<Layer4> {
    match service {
        Service::Any => None,
        Service::Ports { protocol, ports } => Some(Layer4 {
            protocol,
            src_port: source_port.unwrap_or(CLIENT_PORT),
            dst_port: ports.first,
        })
        .filter(|_| ports.first == ports.last),
        Service::Icmp { protocol, kind, code } => {
            let echo = if protocol == protocol::ICMP { 8 } else { 128 };
            Some(Layer4 {
                protocol,
                src_port: kind.unwrap_or(echo).into(),
                dst_port: code.unwrap_or(0).into(),
            })
        }
        Service::Protocol(protocol) => Some(Layer4 { protocol, src_port: 0, dst_port: 0 }),
    }
}

/// The set of a service: all its ports, from any client port above the well-known ones.
pub fn set_of(space: &mut Space, service: Service) -> Set {
    match service {
        Service::Any => Set::ALL,
        Service::Ports { protocol, ports } => {
            space.layer4(protocol, &[1024..=u16::MAX], &[ports.first..=ports.last])
        }
        Service::Icmp { protocol, kind, code } => {
            let family = if protocol == protocol::ICMP { Family::V4 } else { Family::V6 };
            let range = |value: Option<u8>| value.map_or(0..=u8::MAX, |value| value..=value);
            space.icmp(family, range(kind), range(code))
        }
        Service::Protocol(number) if protocol::has_ports(number) => {
            space.layer4(number, ANY_PORT, ANY_PORT)
        }
        Service::Protocol(number) => space.protocol(number),
    }
}

/// The set of a service from every source port.
pub fn all_of(space: &mut Space, service: Service) -> Set {
    match service {
        Service::Ports { protocol, ports } => {
            space.layer4(protocol, ANY_PORT, &[ports.first..=ports.last])
        }
        other => set_of(space, other),
    }
}

/// The flows between two points, from every source address to every destination address of its family.
#[must_use]
pub fn all_flows_between(from: &Point, to: &Point) -> Vec<Flow> {
    let each =
        from.addresses.iter().map(|address| Point { addresses: vec![*address], ..from.clone() });
    let mut flows: Vec<Flow> = each.flat_map(|one| flows_between(&one, to, None)).collect();
    if from.addresses.is_empty() {
        flows = flows_between(from, to, None);
    }
    flows
}

/// The flows between two points: for each destination address the source address of its family.
#[must_use]
pub fn flows_between(from: &Point, to: &Point, packet: Option<Layer4>) -> Vec<Flow> {
    let Some(origin) = from.origin else { return Vec::new() };
    let source = |dst: &IpAddr| match origin {
        Origin::Serverless(_) => Some(crate::prover::UNPREDICTABLE),
        _ => from.addresses.iter().copied().find(|src| src.is_ipv4() == dst.is_ipv4()),
    };
    let towards = |addresses: &[IpAddr]| -> Vec<Flow> {
        let flow = |dst: &IpAddr| {
            Some(Flow { origin, src: source(dst)?, dst: *dst, packet, meant: to.meant })
        };
        addresses.iter().filter_map(flow).collect()
    };
    // From the Internet an endpoint is reached by its public addresses. Asking for a private one tells why it is not reached.
    if origin == Origin::Internet {
        let flows = towards(&to.public);
        if !flows.is_empty() {
            return flows;
        }
    }
    towards(&to.addresses)
}

impl Prover<'_> {
    /// The best trace among several flows that stand for one question: the first that works, otherwise the one that gets farthest.
    pub fn best_trace(&mut self, flows: &[Flow]) -> Option<Trace> {
        let rank = |verdict: Verdict| match verdict {
            Verdict::Reachable => 0,
            Verdict::Unknown => 1,
            Verdict::NoReturn => 2,
            Verdict::Blocked | Verdict::Unresolved => 3,
        };
        let mut best: Option<Trace> = None;
        for flow in flows {
            let trace = self.trace(*flow);
            if trace.verdict == Verdict::Reachable {
                return Some(trace);
            }
            let better = best.as_ref().is_none_or(|best| {
                let key = |t: &Trace| (rank(t.verdict), usize::MAX - t.forward.path.steps.len());
                key(&trace) < key(best)
            });
            if better {
                best = Some(trace);
            }
        }
        best
    }
}
