//! Gateways that translate: unused, missing, not predictable, too small.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::diagnostic::Severity;
use netwright_model::language::{
    Dependency, EgressMode, EndpointKind, EndpointRef, NatAllocation, NatGateway, Provider,
};
use netwright_model::network::{
    InterfaceId, Nat, NatId, Network, ServerlessId, SubnetId, Target, VpcId,
};

use super::Report;
use crate::ask::ordinary;
use crate::prover::path::{End, Obstacle, Origin};
use crate::prover::{Prover, UNPREDICTABLE};

pub(super) fn check(prover: &Prover<'_>, report: &mut Report) {
    let network = prover.network;
    let clients = Clients::of(network);
    for index in 0..network.nats.len() {
        let id = NatId::at(index);
        let Some((_, written)) = network.description.nat_gateways.0.get(index) else { continue };
        unused(network, id, &clients, report);
        unused_by_services(network, id, report);
        predictable(network, id, written, report);
        ports(network, id, written, &clients, report);
    }
    twice(network, report);
    missing_for_services(prover, report);
    missing_for_machines(network, report);
}

/// Who translates by which gateway.
struct Clients {
    /// Machines that have no public address.
    machines: Vec<u64>,
    /// Instances of connectors through which a service sends everything.
    connectors: Vec<u64>,
}

impl Clients {
    fn of(network: &Network) -> Self {
        let count = network.nats.len();
        let mut clients = Self { machines: vec![0; count], connectors: vec![0; count] };
        let mut sends = vec![false; network.interfaces.len()];
        for row in network.serverless.iter().filter(|row| row.mode == EgressMode::AllTraffic) {
            if let Some(interface) = row.interface {
                sends[interface.index()] = true;
            }
        }
        for (index, row) in network.interfaces.iter().enumerate() {
            let Some(nat) = network[row.subnet].nat else { continue };
            let id = InterfaceId::at(index);
            if network[row.owner].kind == EndpointKind::Connector || sends[index] {
                if sends[index] {
                    clients.connectors[nat.index()] += instances(network, id);
                }
            } else if row.public.is_empty()
                && !row.provider_side
                && row.addresses.iter().any(IpAddr::is_ipv4)
            {
                clients.machines[nat.index()] += 1;
            }
        }
        clients
    }

    fn of_gateway(&self, id: NatId) -> u64 {
        self.machines[id.index()] + self.connectors[id.index()]
    }
}

/// Instances behind a connector's interface, or of a service that leaves directly.
fn instances(network: &Network, interface: InterfaceId) -> u64 {
    let connector = network.connectors.iter().find(|row| row.interface == Some(interface));
    let most = match connector {
        Some(row) => {
            let written = network.description.connectors.0.get(row.index);
            written.and_then(|(_, written)| written.max_instances.as_ref())
        }
        None => {
            let row = network.serverless.iter().find(|row| row.interface == Some(interface));
            let written = row.and_then(|row| network.description.services.0.get(row.index));
            written.and_then(|(_, written)| written.max_instances.as_ref())
        }
    };
    most.map_or(1, |most| u64::from(most.value))
}

fn unused(network: &Network, id: NatId, clients: &Clients, report: &mut Report) {
    let nat = &network[id];
    if nat.interface.is_some() {
        let routed = network
            .route_tables
            .iter()
            .flat_map(|table| &table.routes)
            .any(|route| route.via == Target::Nat(id));
        // An export without route tables says nothing about routes.
        let known = nat.vpc.is_some_and(|vpc| {
            network[vpc].route_tables.iter().any(|table| network[*table].span.is_some())
        });
        if !routed && known {
            let message = format!("no route leads to NAT gateway {}", nat.name);
            report.add("NW-NAT-001", nat.span, message, "add a route, or remove the gateway");
        }
        return;
    }
    // Where no machine is described at all, the description is of something else.
    let described = network.interfaces.iter().any(|row| Some(network[row.subnet].vpc) == nat.vpc);
    if clients.of_gateway(id) == 0 && described && beside(network, id).is_empty() {
        let message = format!("nothing uses NAT gateway {}", nat.name);
        let remedy = "let it serve the subnets that need it, or remove it";
        report.add("NW-NAT-001", nat.span, message, remedy);
    }
}

/// Services beside a gateway whose public traffic does not pass it.
fn beside(network: &Network, id: NatId) -> Vec<&str> {
    network
        .serverless
        .iter()
        .filter(|row| row.mode == EgressMode::PrivateRangesOnly)
        .filter(|row| row.interface.is_some_and(|i| network[network[i].subnet].nat == Some(id)))
        .map(|row| network[row.endpoint].name.as_str())
        .collect()
}

fn unused_by_services(network: &Network, id: NatId, report: &mut Report) {
    let (nat, beside) = (&network[id], beside(network, id));
    if !beside.is_empty() {
        let message = format!(
            "public traffic of {} does not pass NAT gateway {}: private-ranges-only egress sends it out directly",
            beside.join(", "),
            nat.name
        );
        let remedy = "use all-traffic egress for the services that need a known source address";
        report.add("NW-NAT-001", nat.span, message, remedy);
    }
}

/// Addresses that the provider chooses, before a list that names them.
fn predictable(network: &Network, id: NatId, written: &NatGateway, report: &mut Report) {
    let nat = &network[id];
    let automatic =
        written.address_allocation.as_ref().is_some_and(|a| a.value == NatAllocation::Automatic);
    if !automatic {
        return;
    }
    let behind = |service: usize| {
        let row = network.serverless.iter().find(|row| row.index == service);
        let interface = row.and_then(|row| row.interface);
        interface.is_some_and(|i| network[network[i].subnet].nat == Some(id))
    };
    let names = |dependency: &Dependency, external: &str| match &dependency.to.value {
        EndpointRef::Kind(EndpointKind::External, name) | EndpointRef::Name(name) => {
            name == external
        }
        _ => false,
    };
    let listed: Vec<&str> = network
        .description
        .externals
        .iter()
        .filter(|(_, external)| !external.allow_from.is_empty())
        .map(|(name, _)| name.value.as_str())
        .filter(|external| {
            let services = network.description.services.iter().enumerate();
            let mut users = services.filter(|(_, (_, service))| {
                service.dependencies.iter().any(|(_, dependency)| names(dependency, external))
            });
            // Who uses it is not described: anybody may.
            let first = users.next();
            first.is_none_or(|(index, _)| behind(index)) || users.any(|(index, _)| behind(index))
        })
        .collect();
    if !listed.is_empty() {
        let message = format!(
            "the addresses of NAT gateway {} are chosen by the provider, and {} accepts listed sources only",
            nat.name,
            listed.join(", ")
        );
        report.add("NW-NAT-002", nat.span, message, "reserve addresses and list those");
    }
}

/// Whether ports suffice: for all clients together, and for the connections of one to one destination.
fn ports(
    network: &Network,
    id: NatId,
    written: &NatGateway,
    clients: &Clients,
    report: &mut Report,
) {
    let nat = &network[id];
    let Some(facts) = nat.vpc.map(|vpc| &network[vpc].facts) else { return };
    let clients = clients.of_gateway(id);
    let all = nat.addresses.len() as u64 * u64::from(facts.nat_ports_per_address);
    let dynamic =
        written.port_allocation.as_ref().is_some_and(|a| a.value == NatAllocation::Automatic);
    let given = written.ports_per_client.as_ref().map(|ports| ports.value);
    let each = u64::from(given.unwrap_or(facts.nat_ports_per_client));
    let peak = written.peak_connections_per_client.as_ref().map(|peak| u64::from(peak.value));
    if each > 0 && all > 0 && clients > all / each {
        let message = format!(
            "NAT gateway {} has ports for {} clients ({each} each), and {clients} are behind it",
            nat.name,
            all / each
        );
        report.add(
            "NW-NAT-004",
            nat.span,
            message,
            "add addresses, or give each client fewer ports",
        );
    }
    if each > 0
        && let Some(peak) = peak
    {
        let most = match (&written.max_ports_per_client, dynamic) {
            (Some(most), true) => u64::from(most.value),
            _ => each,
        };
        if peak > most {
            let message = format!(
                "a client of NAT gateway {} may have {peak} connections to one destination, and gets {most} ports",
                nat.name
            );
            report.add("NW-NAT-004", nat.span, message, "give each client more ports");
        }
    }
    if let (0, Some(peak)) = (each, peak)
        && all > 0
        && peak * clients > all
    {
        let message = format!(
            "the {clients} clients of NAT gateway {} may have {} connections to one destination together, and it has ports for {all}",
            nat.name,
            peak * clients
        );
        report.add("NW-NAT-004", nat.span, message, "add addresses");
    }
    let power = |value: u32| value.is_power_of_two() && (32..=65536).contains(&value);
    let odd = [&written.ports_per_client, &written.max_ports_per_client].into_iter().flatten();
    for value in
        odd.filter(|value| dynamic && facts.provider == Provider::Gcp && !power(value.value))
    {
        let message = format!(
            "NAT gateway {}: {} ports cannot be given with dynamic allocation",
            nat.name, value.value
        );
        report.add("NW-NAT-005", value.span, message, "take a power of two from 32 to 65536");
    }
}

/// Two gateways that both serve all subnets of a VPC and region.
fn twice(network: &Network, report: &mut Report) {
    let mut known: BTreeMap<(VpcId, Option<&str>), &Nat> = BTreeMap::new();
    for (nat, (_, written)) in network.nats.iter().zip(network.description.nat_gateways.iter()) {
        let Some(vpc) = nat.vpc.filter(|_| nat.interface.is_none() && written.serves.is_empty())
        else {
            continue;
        };
        let region = written.region.as_ref().map(|region| region.value.as_str());
        if let Some(first) = known.insert((vpc, region), nat) {
            let message = format!(
                "NAT gateways {} and {} both serve every subnet of {}",
                first.name, nat.name, network[vpc].name
            );
            report
                .add("NW-NAT-006", nat.span, message, "name the subnets that each of them serves")
                .and(first.span, "the other gateway");
        }
    }
}

/// Services that send everything through a VPC that has no way out for them.
fn missing_for_services(prover: &Prover<'_>, report: &mut Report) {
    let network = prover.network;
    for (index, row) in network.serverless.iter().enumerate() {
        if row.mode != EgressMode::AllTraffic || row.interface.is_none() {
            continue;
        }
        let origin = Origin::Serverless(ServerlessId::at(index));
        let path = prover.path(origin, UNPREDICTABLE, ordinary(network));
        if let End::Blocked(Obstacle::NoPublicAddress(subnet)) = path.end {
            let endpoint = &network[row.endpoint];
            let message = format!(
                "{} sends everything through {}, which no NAT gateway serves: it reaches no public address",
                endpoint.name, network[subnet].name
            );
            let remedy = "add a NAT gateway with reserved addresses for the subnet";
            report.add("NW-NAT-003", endpoint.span, message, remedy);
        }
    }
}

/// Subnets with a route to the Internet in which no machine can use it. Only where the provider has such routes written by hand.
fn missing_for_machines(network: &Network, report: &mut Report) {
    let mut machines: Vec<(u32, u32)> = vec![(0, 0); network.subnets.len()];
    for row in &network.interfaces {
        if network[row.owner].kind == EndpointKind::Instance && !row.provider_side {
            let entry = &mut machines[row.subnet.index()];
            entry.0 += 1;
            entry.1 += u32::from(!row.public.is_empty());
        }
    }
    for (index, (all, public)) in machines.into_iter().enumerate() {
        let subnet = &network[SubnetId::at(index)];
        if network[subnet.vpc].provider != Provider::Aws
            || all == 0
            || public > 0
            || subnet.nat.is_some()
        {
            continue;
        }
        let out = network[subnet.table].routes.iter().any(|route| {
            let gateway = matches!(&route.via, Target::Gateway(id) if !network[*id].egress_only);
            gateway && route.to.length() == 0 && route.to.is_v4() && route.span.is_some()
        });
        if out {
            let message = format!(
                "subnet {} has a route to the Internet, and none of its {all} machines has a public address",
                subnet.name
            );
            let remedy =
                "route to a NAT gateway, or give the machines that need it a public address";
            report.add("NW-NAT-003", subnet.span, message, remedy).severity = Severity::Info;
        }
    }
}
