//! Name servers: one for each VPC, on its router, at the addresses that the provider gives it; and one on the Internet, for those who see
//! public zones only. What each holds comes from the prover's own reading of the zones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use netwright_dns::settings::{Host, Leave, PORT, Range, Record, Settings, TTL, Zone};
use netwright_model::language::{EgressMode, RecordType};
use netwright_model::network::{InterfaceId, Network, ServerlessId, SubnetId, Target, VpcId};
use netwright_verify::ask::ordinary;
use netwright_verify::names::seen::hosts;
use netwright_verify::names::{MOST_ALIASES, Names};

use super::build::{Build, host};
use super::{INTERNET, MAIN, Ready, Role, Task, vpc};

/// The name of the task, and the word by which the program knows the part.
const NAME: &str = "dns";

/// Where a router's name server tells its counters: to its own namespace only.
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9153);

/// UDP's number.
const UDP: u8 = 17;

/// Addresses of the Internet's name server: the first that is nobody's here.
const PUBLIC: [Ipv4Addr; 3] =
    [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(8, 8, 8, 8)];
const PUBLIC_V6: Ipv6Addr = Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe);

/// Name servers, and who asks which.
pub(super) fn servers(build: &mut Build<'_>) {
    let network = build.network;
    let names = Names::of(network);
    for index in 0..network.vpcs.len() {
        let id = VpcId::at(index);
        let settings = settings(network, &names, Some(id));
        let asked = network.interfaces.iter().any(|row| network[row.subnet].vpc == id);
        if asked && holds_anything(&settings) {
            of_vpc(build, id, settings);
        }
    }
    let settings = settings(network, &names, None);
    if holds_anything(&settings) {
        of_internet(build, settings);
    }
}

fn holds_anything(settings: &Settings) -> bool {
    !settings.zones.is_empty() || !settings.hosts.is_empty()
}

/// What is seen from a VPC, or from outside.
fn settings(network: &Network, names: &Names, from: Option<VpcId>) -> Settings {
    let zones = names.seen(from).into_iter().map(|zone| Zone {
        name: zone.domain.to_owned(),
        forward_to: zone.forward_to.iter().map(|server| SocketAddr::new(*server, PORT)).collect(),
        records: zone
            .records
            .iter()
            .map(|record| Record {
                owner: record.owner.to_owned(),
                kind: record.kind.to_string(),
                ttl: record.ttl.unwrap_or(TTL),
                values: match record.kind {
                    RecordType::Cname => record.values.iter().map(|to| format!("{to}.")).collect(),
                    _ => record.values.to_vec(),
                },
            })
            .collect(),
    });
    let hosts = hosts(network, from)
        .into_iter()
        .map(|(name, addresses)| Host { name: name.to_owned(), addresses });
    Settings {
        view: from.map_or_else(|| INTERNET.to_owned(), |vpc| network[vpc].name.clone()),
        most_aliases: MOST_ALIASES,
        zones: zones.collect(),
        hosts: hosts.collect(),
        ..Settings::default()
    }
}

/// The addresses of a VPC's name server.
fn addresses(build: &Build<'_>, vpc: VpcId) -> Vec<IpAddr> {
    let row = &build.network[vpc];
    let first = row.cidrs.iter().find(|cidr| cidr.is_v4());
    let inside = first
        .filter(|_| row.facts.resolver_host > 0)
        .and_then(|cidr| cidr.host_at(row.facts.resolver_host));
    let all = inside.into_iter().chain(row.facts.resolvers.iter().copied());
    all.filter(|address| (address.is_ipv4() || build.v6) && is_free(build.network, vpc, *address))
        .collect()
}

/// Whether no interface of a VPC has an address.
fn is_free(network: &Network, vpc: VpcId, address: IpAddr) -> bool {
    !network.interfaces.iter().any(|row| {
        network[row.subnet].vpc == vpc
            && (row.addresses.contains(&address)
                || row.prefixes.iter().any(|prefix| prefix.contains(address)))
    })
}

fn of_vpc(build: &mut Build<'_>, vpc: VpcId, mut settings: Settings) {
    let network = build.network;
    let own = addresses(build, vpc);
    let (router, name) = (build.router(vpc), &network[vpc].name);
    if own.is_empty() {
        build.leave_out(format!("the name server of VPC {name}: its addresses are others'"));
        return;
    }
    settings.listen = own.iter().map(|address| SocketAddr::new(*address, PORT)).collect();
    settings.metrics = Some(METRICS);
    let range = |cidr: &netwright_model::scalar::Prefix| Range {
        address: cidr.first(),
        length: cidr.length(),
    };
    settings.clients = network[vpc].cidrs.iter().map(range).collect();
    settings.queries_per_second = network[vpc].facts.resolver_queries_per_second;
    settings.leave = leave(build, vpc, &settings);
    if let Some(router) = build.get(&router) {
        let more = own.iter().chain(&settings.leave.from);
        router.addresses.extend(more.map(|address| ("lo".to_owned(), *address)));
    }
    for index in 0..network.interfaces.len() {
        let id = InterfaceId::at(index);
        if network[network[id].subnet].vpc == vpc {
            asks(build, id, &own);
        }
    }
    for index in 0..network.serverless.len() {
        service(build, ServerlessId::at(index), vpc, &own);
    }
    task(build, &router, &settings);
}

/// A machine asks the servers of the families that it speaks.
fn asks(build: &mut Build<'_>, interface: InterfaceId, servers: &[IpAddr]) {
    let network = build.network;
    let speaks = |v6: bool| network[interface].addresses.iter().any(|a| a.is_ipv6() == v6);
    let asked: Vec<IpAddr> =
        servers.iter().copied().filter(|server| speaks(server.is_ipv6())).collect();
    let machine = build.machine(interface);
    if let Some(namespace) = build.get(&machine).filter(|n| n.resolvers.is_empty()) {
        namespace.resolvers = asked;
    }
}

/// A service with access to a VPC asks there, whatever its egress mode sends elsewhere.
fn service(build: &mut Build<'_>, id: ServerlessId, vpc: VpcId, servers: &[IpAddr]) {
    let network = build.network;
    let row = &network[id];
    let Some(interface) = row.interface.filter(|_| row.mode != EgressMode::None) else { return };
    if network[network[interface].subnet].vpc != vpc {
        return;
    }
    let name = format!("service/{}", network[row.endpoint].name);
    let link = if build.machine(interface) == name { "eth0" } else { super::services::VPC };
    let speaks = |v6: bool| network[interface].addresses.iter().any(|a| a.is_ipv6() == v6);
    let Some(namespace) = build.get(&name) else { return };
    namespace.resolvers =
        servers.iter().copied().filter(|server| speaks(server.is_ipv6())).collect();
    for server in namespace.resolvers.clone() {
        namespace.over_if_new(MAIN, host(server), link);
    }
}

/// How a router's queries to other servers leave: as those of a machine in a subnet whose routes lead to the servers, from the address
/// of that subnet's gateway, which no machine has.
fn leave(build: &mut Build<'_>, vpc: VpcId, settings: &Settings) -> Leave {
    let network = build.network;
    let servers: Vec<IpAddr> =
        settings.zones.iter().flat_map(|zone| &zone.forward_to).map(SocketAddr::ip).collect();
    let subnets = (0..network.subnets.len()).map(SubnetId::at);
    let own: Vec<SubnetId> = subnets.filter(|id| network[*id].vpc == vpc).collect();
    let leads = |id: &&SubnetId| {
        let routes = &network[network[**id].table].routes;
        routes.iter().any(|route| {
            let idle = matches!(route.via, Target::Local | Target::Blackhole);
            !idle && servers.iter().any(|server| route.to.contains(*server))
        })
    };
    let Some(subnet) = own.iter().find(leads).or(own.first()).copied() else {
        return Leave::default();
    };
    let delegates = settings.zones.iter().flat_map(|zone| &zone.records).any(|r| r.kind == "NS");
    if servers.is_empty() && !delegates {
        return Leave::default();
    }
    let gateways = network[subnet].cidrs.iter().filter_map(|cidr| cidr.host_at(1));
    let free = gateways.filter(|address| is_free(network, vpc, *address));
    Leave { from: free.collect(), mark: Some(vpc::departures(build, subnet, &[])) }
}

/// The Internet's: for services without access to a VPC, and outside services.
fn of_internet(build: &mut Build<'_>, mut settings: Settings) {
    let network = build.network;
    let asking: Vec<String> = build
        .of_role(&[Role::Serverless, Role::External])
        .filter(|namespace| namespace.resolvers.is_empty())
        .filter(|namespace| build.is_linked(INTERNET, &namespace.name))
        .map(|namespace| namespace.name.clone())
        .collect();
    let taken = |address: &IpAddr| {
        *address == ordinary(network) || !network.lookup.holders(*address).is_empty()
    };
    let v4 = PUBLIC.into_iter().map(IpAddr::V4).find(|address| !taken(address));
    let v6 = build.v6.then_some(IpAddr::V6(PUBLIC_V6));
    let own: Vec<IpAddr> = v4.into_iter().chain(v6).collect();
    if asking.is_empty() {
        return;
    }
    settings.listen = own.iter().map(|address| SocketAddr::new(*address, PORT)).collect();
    for name in asking {
        if let Some(namespace) = build.get(&name) {
            namespace.resolvers.clone_from(&own);
        }
    }
    task(build, INTERNET, &settings);
}

fn task(build: &mut Build<'_>, namespace: &str, settings: &Settings) {
    for problem in netwright_dns::problems(settings) {
        build.leave_out(format!("names of {}: {problem}", settings.view));
    }
    // Numbers, texts and addresses: always written.
    let Ok(text) = serde_json::to_string(settings) else { return };
    let ready = Ready::Listens { protocol: UDP, port: PORT };
    build.task(Task::part(namespace, NAME, NAME, text).ready_when(ready).following());
}
