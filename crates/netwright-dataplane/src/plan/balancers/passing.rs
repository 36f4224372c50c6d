//! A node that passes packets on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::network::{BackendTarget, Network};
use netwright_model::scalar::{PortRange, Service};
use netwright_verify::balancer::nodes::asked_on;
use netwright_verify::prover::Prover;

use super::super::build::Build;
use super::super::nft::{self, Set, Table, quoted};
use super::super::vpc::link_of;
use super::{Node, choices, label, provider, why_not};

/// Numbers that are drawn for each part of a listener: the share of a backend is exact to one of so many.
const NUMBERS: u32 = 1 << 16;

/// The link of a node.
const LINK: &str = "eth0";

pub(super) fn node(build: &mut Build<'_>, prover: &mut Prover<'_>, node: Node) {
    let network = build.network;
    let balancer = &network[node.id];
    let mut writer = Writer::new(network, node);
    for (number, listener) in balancer.listeners.iter().enumerate() {
        if why_not(network, node.id, node.interface, number).is_some() {
            // What it takes is taken from those behind it.
            writer.into.extend(writer.matching(listener.on).map(|line| format!("{line} accept")));
            continue;
        }
        let own = choices(prover, node, number);
        for part in parts(listener.on, &listener.backends) {
            writer.part(number, part, &own);
        }
    }
    let keeps = writer.keeps;
    let (name, ruleset) = (build.machine(node.interface), writer.finish());
    if let Some(namespace) = build.get(&name) {
        namespace.forwards = true;
        namespace.ruleset = ruleset;
    }
    if keeps {
        // Answers to clients whose address was kept go back through the node that their requests came from.
        let vpc = network[network[node.interface].subnet].vpc;
        let own = network[node.interface].addresses.clone();
        provider::returning(build, vpc, link_of(node.interface), own);
    }
}

/// A listener cut where its backends' own ports begin and end: each backend keeps all ports of a part, or none.
fn parts(on: Service, backends: &[BackendTarget]) -> Vec<Service> {
    let Service::Ports { protocol, ports } = on else { return vec![on] };
    let mut starts = BTreeSet::from([ports.first]);
    for backend in backends {
        if let Service::Ports { ports: own, .. } = backend.port {
            starts.insert(own.first);
            starts.extend(own.last.checked_add(1));
        }
    }
    let starts: Vec<u16> =
        starts.into_iter().filter(|at| (ports.first..=ports.last).contains(at)).collect();
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([ports.last]);
    let parts = starts.iter().zip(ends).filter_map(|(first, last)| PortRange::new(*first, last));
    parts.map(|ports| Service::Ports { protocol, ports }).collect()
}

struct Writer<'n> {
    network: &'n Network,
    node: Node,
    /// Lines that lead what is taken to its door.
    into: Vec<String>,
    /// Parts so far.
    doors: u32,
    /// Elements: by family, addresses whose port stays and addresses with a port.
    plain: [Vec<String>; 2],
    ported: [Vec<String>; 2],
    /// Numbers of those that see the node's address, by family.
    replaced: [Vec<String>; 2],
    /// Some backend sees the client's address.
    keeps: bool,
}

impl<'n> Writer<'n> {
    fn new(network: &'n Network, node: Node) -> Self {
        Self {
            network,
            node,
            into: Vec::new(),
            doors: 0,
            plain: Default::default(),
            ported: Default::default(),
            replaced: Default::default(),
            keeps: false,
        }
    }

    /// The node's address of a family.
    fn own(&self, v6: bool) -> Option<IpAddr> {
        let mut own = self.network[self.node.interface].addresses.iter().copied();
        own.find(|address| address.is_ipv6() == v6)
    }

    /// What a service matches at this node, one line for each family.
    fn matching(&self, on: Service) -> impl Iterator<Item = String> + use<> {
        let what = match on {
            Service::Any => String::new(),
            Service::Ports { protocol, ports } if ports.first == ports.last => {
                format!("meta l4proto {protocol} th dport {} ", ports.first)
            }
            Service::Ports { protocol, ports } => {
                format!("meta l4proto {protocol} th dport {}-{} ", ports.first, ports.last)
            }
            Service::Icmp { protocol, kind, code } => {
                let word = if protocol == 1 { "icmp" } else { "icmpv6" };
                let kind = kind.map(|kind| format!("{word} type {kind} "));
                let code = code.map(|code| format!("{word} code {code} "));
                format!(
                    "meta l4proto {protocol} {}{}",
                    kind.unwrap_or_default(),
                    code.unwrap_or_default()
                )
            }
            Service::Protocol(number) => format!("meta l4proto {number} "),
        };
        let own = [("ip", false), ("ip6", true)];
        let own = own.map(|(word, v6)| {
            let all = self.network[self.node.interface].addresses.iter();
            let own: Vec<String> =
                all.filter(|a| a.is_ipv6() == v6).map(ToString::to_string).collect();
            (!own.is_empty())
                .then(|| format!("iifname \"{LINK}\" {word} daddr {{ {} }} {what}", own.join(", ")))
        });
        own.into_iter().flatten().map(|line| line.trim_end().to_owned())
    }

    /// One part of a listener: its door, and the numbers of its backends. Each family has the numbers to itself.
    fn part(&mut self, listener: usize, on: Service, choices: &[(&BackendTarget, IpAddr)]) {
        let base = self.doors * NUMBERS;
        let lines: Vec<String> = self.matching(on).collect();
        self.into.extend(lines.into_iter().map(|line| format!("{line} goto door{}", self.doors)));
        self.doors += 1;
        let network = self.network;
        for v6 in [false, true] {
            let own: Vec<_> = choices.iter().filter(|(_, to)| to.is_ipv6() == v6).collect();
            let count = u32::try_from(own.len()).unwrap_or(u32::MAX);
            for (position, (backend, address)) in (0..).zip(own) {
                let share = |position: u32| {
                    let at = u64::from(NUMBERS) * u64::from(position) / u64::from(count.max(1));
                    base + u32::try_from(at).unwrap_or(NUMBERS)
                };
                let numbers = format!("{}-{}", share(position), share(position + 1) - 1);
                let asked = asked_on(network, self.node.id, backend, on);
                let label = label(network, self.node, listener, backend);
                let family = usize::from(v6);
                match asked.first_port().filter(|_| asked != on) {
                    Some(port) => {
                        let comment = quoted(&format!("{label}{address} port {port}"));
                        self.ported[family]
                            .push(format!("{numbers} comment \"{comment}\" : {address} . {port}"));
                    }
                    None => {
                        let comment = quoted(&format!("{label}{address}"));
                        self.plain[family]
                            .push(format!("{numbers} comment \"{comment}\" : {address}"));
                    }
                }
                if backend.preserves_client {
                    self.keeps = true;
                } else {
                    self.replaced[family].push(numbers);
                }
            }
        }
    }

    fn finish(self) -> String {
        let mut table = Table::new();
        let families = [("ip", 0), ("ip6", 1)];
        for (word, family) in families {
            let kind = if family == 1 { "ipv6_addr" } else { "ipv4_addr" };
            table.backends(word, &format!("mark : {kind}"), &self.plain[family]);
            let kind = format!("mark : {kind} . inet_service");
            table.backends(&format!("{word}_port"), &kind, &self.ported[family]);
            table.put(&Set {
                name: format!("replaced_{word}"),
                kind: "mark".to_owned(),
                intervals: true,
                counts: false,
                elements: self.replaced[family].clone(),
            });
        }
        for door in 0..self.doors {
            let draw =
                format!("meta mark set numgen random mod {NUMBERS} offset {}", door * NUMBERS);
            let mut lines = vec![draw];
            for (word, _) in families {
                lines.push(format!(
                    "meta l4proto {{ tcp, udp }} dnat {word} to meta mark map @backends_{word}_port"
                ));
                lines.push(format!("dnat {word} to meta mark map @backends_{word}"));
            }
            table.chain(&format!("door{door}"), lines);
        }
        table.hook("into", nft::DESTINATIONS, &self.into);
        let own = families.map(|(word, family)| {
            let own = self.own(family == 1)?;
            let family = if family == 1 { "ipv6" } else { "ipv4" };
            Some(format!(
                "oifname \"{LINK}\" meta nfproto {family} ct status dnat meta mark @replaced_{word} snat {word} to {own}"
            ))
        });
        table.hook("out", nft::SOURCES, own.into_iter().flatten());
        table.hook("forward", nft::PASSED_ON_IF_ACCEPTED, [nft::KNOWN, "ct status dnat accept"]);
        table.finish()
    }
}
