//! Rules that open administration or databases to every address; and whether the Internet gets there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::diagnostic::Severity;
use netwright_model::language::{Action, Attachment, Direction, EndpointKind};
use netwright_model::network::{
    AddressSet, Filter, FilterId, FilterMember, InterfaceId, Network, Rule, SubnetId, VpcId,
};
use netwright_model::scalar::{PortRange, ProtocolMatch};
use rustc_hash::FxHashMap;

use crate::ask::{ordinary, ordinary_v6, set_of};
use crate::prover::Prover;
use crate::prover::path::Origin;
use crate::space::{ANY_PORT, Set, protocol};

use super::called;
use crate::check::Report;

/// Ports of remote administration: SSH, Telnet, RDP, VNC, `WinRM`.
const ADMINISTRATION: [u16; 6] = [22, 23, 3389, 5900, 5985, 5986];
/// Ports of databases and caches.
const DATABASES: [u16; 9] = [1433, 1521, 3306, 5432, 6379, 9042, 9200, 11211, 27017];

/// Interfaces that filters and routes treat alike when the Internet asks: of one subnet, with the same filters, tags and family.
type Kind = (SubnetId, Vec<FilterId>, Vec<String>, Option<String>, bool);

/// What the Internet reaches, found out once for each kind of interface.
pub(super) struct Outside {
    v4: IpAddr,
    v6: IpAddr,
    known: FxHashMap<Kind, [Set; 2]>,
    /// Interfaces of each VPC that the Internet may address.
    by_vpc: Vec<Vec<InterfaceId>>,
}

impl Outside {
    pub(super) fn of(network: &Network) -> Self {
        let mut by_vpc = vec![Vec::new(); network.vpcs.len()];
        for (index, row) in network.interfaces.iter().enumerate() {
            let id = InterfaceId::at(index);
            if addressed(network, id).next().is_some() {
                by_vpc[network[row.subnet].vpc.index()].push(id);
            }
        }
        Self {
            v4: ordinary(network),
            v6: ordinary_v6(network),
            known: FxHashMap::default(),
            by_vpc,
        }
    }
}

/// Addresses by which the Internet may reach an interface.
fn addressed(network: &Network, id: InterfaceId) -> impl Iterator<Item = IpAddr> + '_ {
    let row = &network[id];
    let v6 = row.addresses.iter().copied().filter(IpAddr::is_ipv6);
    row.public.iter().copied().chain(v6)
}

pub(super) fn check(
    prover: &mut Prover<'_>,
    id: FilterId,
    outside: &mut Outside,
    report: &mut Report,
) {
    let filter = &prover.network[id];
    if filter.attach == Attachment::Subnet {
        return;
    }
    for rule in &filter.rules {
        for (found, ports) in opened(rule) {
            let mut set = Set::EMPTY;
            for port in ports.matching {
                let one = prover.space.layer4(protocol::TCP, ANY_PORT, &[port..=port]);
                set = prover.space.or(set, one);
            }
            let exposed = exposed(prover, filter, id, rule, set, outside);
            tell(prover.network, filter, rule, (found, &ports.words), &exposed, report);
        }
    }
}

/// What a rule opens.
struct Ports {
    matching: Vec<u16>,
    words: String,
}

/// What a rule opens to every address, by the finding that it makes.
fn opened(rule: &Rule) -> Vec<(&'static str, Ports)> {
    let tcp = rule.protocol.matches(6) && rule.icmp.kind.is_none();
    let ingress = rule.direction == Direction::Ingress && rule.action == Action::Allow;
    if !ingress || rule.implied || !tcp || rule.uncertain.is_some() || !everyone(&rule.from) {
        return Vec::new();
    }
    let all = [PortRange::ALL];
    let ranges: &[PortRange] = if rule.ports.is_empty() { &all } else { &rule.ports };
    let whole = ranges.contains(&PortRange::ALL);
    let what = match (rule.protocol, whole) {
        (ProtocolMatch::Any, true) => Some("everything"),
        (ProtocolMatch::Number(_), true) => Some("every TCP port"),
        _ => None,
    };
    let mut found = Vec::new();
    for (id, kind, ports) in [
        ("NW-FLT-005", "administration", &ADMINISTRATION[..]),
        ("NW-FLT-006", "databases", &DATABASES[..]),
    ] {
        let matching: Vec<u16> = ports
            .iter()
            .copied()
            .filter(|port| ranges.iter().any(|range| range.contains(*port)))
            .collect();
        if matching.is_empty() || (what.is_some() && id == "NW-FLT-006") {
            continue;
        }
        let words = match what {
            Some(what) => format!("{what}, {kind} included,"),
            None => {
                let ports: Vec<String> = matching.iter().map(ToString::to_string).collect();
                format!("tcp {} ({kind})", ports.join(", "))
            }
        };
        found.push((id, Ports { matching, words }));
    }
    found
}

/// Whether a side holds every IPv4 or every IPv6 address, by one prefix or by several together.
fn everyone(side: &AddressSet) -> bool {
    if side.any || side.members.contains(&FilterMember::Internet) {
        return true;
    }
    let mut ranges: Vec<(u128, u128, bool)> = side
        .members
        .iter()
        .filter_map(|member| match member {
            FilterMember::Prefix(prefix) => Some((prefix.first(), prefix.last())),
            FilterMember::Range(first, last) => Some((*first, *last)),
            FilterMember::Internet | FilterMember::Interfaces { .. } | FilterMember::Unknown(_) => {
                None
            }
        })
        .map(|(first, last)| (number(first), number(last), first.is_ipv4()))
        .collect();
    ranges.sort_unstable();
    [(true, u128::from(u32::MAX)), (false, u128::MAX)].into_iter().any(|(v4, end)| {
        let mut next = Some(0_u128);
        for (first, last, _) in ranges.iter().filter(|range| range.2 == v4) {
            match next {
                Some(from) if *first <= from && *last >= from => next = last.checked_add(1),
                _ => {}
            }
        }
        next.is_none_or(|next| next > end)
    })
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// Whether the Internet gets there.
enum Exposed {
    /// To this interface.
    Yes(InterfaceId),
    /// That cannot be said, for example for this one.
    Unknown(InterfaceId),
    No,
}

fn exposed(
    prover: &mut Prover<'_>,
    filter: &Filter,
    id: FilterId,
    rule: &Rule,
    ports: Set,
    outside: &mut Outside,
) -> Exposed {
    let network = prover.network;
    let protected: Vec<InterfaceId> = match (&rule.targets, filter.attach) {
        (Some(targets), _) => targets.clone(),
        (None, Attachment::Vpc) => {
            let vpcs = (0..network.vpcs.len()).map(VpcId::at);
            let own = vpcs.filter(|vpc| network[*vpc].filters.contains(&id));
            own.flat_map(|vpc| outside.by_vpc[vpc.index()].clone()).collect()
        }
        (None, _) => filter.members.clone(),
    };
    let mut unknown = None;
    let mut asked: BTreeSet<Kind> = BTreeSet::new();
    for interface in protected {
        if !answers(prover, interface, ports) {
            continue;
        }
        for address in addressed(network, interface) {
            let row = &network[interface];
            let (subnet, filters) = (row.subnet, row.filters.clone());
            let account = row.account.clone();
            let kind = (subnet, filters, row.tags.clone(), account, address.is_ipv4());
            if !asked.insert(kind.clone()) {
                continue;
            }
            let [must, may] = *outside.known.entry(kind).or_insert_with(|| {
                let src = if address.is_ipv4() { outside.v4 } else { outside.v6 };
                let arrives = prover.flows(Origin::Internet, src, address).arrives;
                [arrives.must, arrives.may]
            });
            if prover.space.intersects(ports, must) {
                return Exposed::Yes(interface);
            }
            if prover.space.intersects(ports, may) {
                unknown = unknown.or(Some(interface));
            }
        }
    }
    unknown.map_or(Exposed::No, Exposed::Unknown)
}

/// Whether the owner of an interface may answer on one of the ports: unless it says what it listens on, anything may.
fn answers(prover: &mut Prover<'_>, interface: InterfaceId, ports: Set) -> bool {
    let network = prover.network;
    let owner = network[interface].owner;
    // A balancer answers on its listeners only.
    if network[owner].kind == EndpointKind::LoadBalancer && network[owner].listens.is_none() {
        return false;
    }
    let Some(listens) = &network[owner].listens else { return true };
    listens.iter().any(|on| {
        let on = set_of(&mut prover.space, *on);
        prover.space.intersects(on, ports)
    })
}

fn tell(
    network: &Network,
    filter: &Filter,
    rule: &Rule,
    (id, words): (&'static str, &str),
    exposed: &Exposed,
    report: &mut Report,
) {
    let opens = format!("{} of {} opens {words} to every address", called(rule), filter.name);
    let (severity, message) = match exposed {
        Exposed::Yes(at) => {
            (Severity::Error, format!("{opens}, and the Internet reaches {}", network[*at].name))
        }
        Exposed::Unknown(at) => (
            Severity::Warning,
            format!("{opens}; whether the Internet reaches {} is unknown", network[*at].name),
        ),
        Exposed::No => (
            Severity::Info,
            format!("{opens}; the Internet reaches nothing of it as the network is now"),
        ),
    };
    report.add(id, rule.span, message, "name the sources that need it").severity = severity;
}
