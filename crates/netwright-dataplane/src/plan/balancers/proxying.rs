//! A node that ends connections and opens others: the settings of the process that does so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::network::{Network, VpcId};
use netwright_model::scalar::Service;
use netwright_verify::balancer::nodes::{asked_on, place, proxy_address};
use netwright_verify::prover::Prover;
use serde::{Deserialize, Serialize};

use super::super::build::Build;
use super::super::nft::{self, Table, quoted};
use super::super::stand_ins::settings;
use super::super::{Ready, Task};
use super::built::tcp_ports;
use super::{Node, choices, label, provider, why_not};

/// The name of the task, and the word by which the program knows the part.
const NAME: &str = "balancer";

/// Number of TCP.
const TCP: u8 = 6;

/// What a proxy of a load balancer does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarder {
    /// The balancer's name.
    pub name: String,
    /// What it does on each TCP port that it listens on.
    pub doors: BTreeMap<u16, Door>,
}

/// What a proxy does with what comes to a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// It answers by itself.
    pub answers: bool,
    /// The backends in service: each is chosen as often as any other.
    pub backends: Vec<Choice>,
}

/// A backend that a proxy may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The address that it connects from, the node's or the provider's; none where it has none of the backend's family: then a connection fails.
    pub from: Option<IpAddr>,
    /// The backend's address.
    pub to: IpAddr,
    /// Its port.
    pub port: u16,
    /// Connections to it are closed when it is chosen no more.
    #[serde(default)]
    pub closes: bool,
}

pub(super) fn node(build: &mut Build<'_>, prover: &mut Prover<'_>, node: Node) {
    let network = build.network;
    let balancer = &network[node.id];
    let mut taken: BTreeSet<u16> = BTreeSet::new();
    let mut doors: BTreeMap<u16, Door> = BTreeMap::new();
    let mut counted: BTreeMap<(IpAddr, u16), String> = BTreeMap::new();
    let mut vpcs: BTreeSet<VpcId> = BTreeSet::new();
    for (number, listener) in balancer.listeners.iter().enumerate() {
        let unbuilt = why_not(network, node.id, node.interface, number).is_some();
        if unbuilt {
            taken.extend(tcp_ports(listener.on));
            continue;
        }
        let own = choices(prover, node, number);
        for port in tcp_ports(listener.on).into_iter().filter(|port| !taken.contains(port)) {
            let mut door = Door { answers: listener.answers, backends: Vec::new() };
            for (backend, to) in own.iter().filter(|_| !listener.answers) {
                let (_, interface) = place(network, backend);
                vpcs.extend(interface.map(|id| network[network[id].subnet].vpc));
                let asked = asked_on(network, node.id, backend, Service::tcp(port)).first_port();
                if let Some(asked) = asked {
                    let from = own_address(network, node, *to);
                    door.backends.push(Choice {
                        from,
                        to: *to,
                        port: asked,
                        closes: backend.closes,
                    });
                    let name = label(network, node, number, backend);
                    counted
                        .entry((*to, asked))
                        .or_insert_with(|| quoted(&format!("{name}{to} port {asked}")));
                }
            }
            doors.insert(port, door);
        }
        taken.extend(tcp_ports(listener.on));
    }
    let Some(port) = doors.keys().next().copied() else { return };
    let namespace = build.machine(node.interface);
    let mut table = counting(&counted);
    if !balancer.proxies.is_empty() {
        let from = [false, true].map(|v6| proxy_address(network, node.id, v6));
        let from = from.into_iter().flatten().filter(|own| own.is_ipv4() || build.v6).collect();
        provider::links(build, &namespace, &vpcs, &from, &mut table);
    }
    if let Some(namespace) = build.get(&namespace) {
        namespace.ruleset = table.finish();
    }
    let name = network[balancer.endpoint].name.clone();
    let task = Task::part(&namespace, NAME, NAME, settings(&Forwarder { name, doors }));
    build.task(task.ready_when(Ready::Listens { protocol: TCP, port }).following());
}

fn own_address(network: &Network, node: Node, to: IpAddr) -> Option<IpAddr> {
    if !network[node.id].proxies.is_empty() {
        return proxy_address(network, node.id, to.is_ipv6());
    }
    let mut own = network[node.interface].addresses.iter().copied();
    own.find(|own| own.is_ipv4() == to.is_ipv4())
}

/// Counts the connections to each backend.
fn counting(counted: &BTreeMap<(IpAddr, u16), String>) -> Table {
    let mut table = Table::new();
    let mut lines = Vec::new();
    for (word, v6) in [("ip", false), ("ip6", true)] {
        let elements: Vec<String> = counted
            .iter()
            .filter(|((address, _), _)| address.is_ipv6() == v6)
            .map(|((address, port), name)| format!("{address} . {port} comment \"{name}\""))
            .collect();
        let kind = if v6 { "ipv6_addr . inet_service" } else { "ipv4_addr . inet_service" };
        table.counted_backends(word, kind, &elements);
        lines.push(format!("ct state new {word} daddr . tcp dport @backends_{word}"));
    }
    table.hook("asked", nft::SENT, lines);
    table
}
