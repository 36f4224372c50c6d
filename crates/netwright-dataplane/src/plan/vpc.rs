//! VPC routers, and the machines on them.
//!
//! A router looks a packet up twice over. The mark of the link that it came in by names a table: the routes of the sender's subnet. What is
//! delivered inside the VPC is thrown on from there to the delivery table, which holds one route for each interface and nothing else; so
//! does everything that enters by a peering or a gateway, which carries no mark. That is how a peering is not transitive here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::language::{EndpointKind, PeeringState};
use netwright_model::network::{InterfaceId, Route, RouteTableId, SubnetId, Target, VpcId};
use netwright_model::scalar::Prefix;
use netwright_verify::prover::routing::best_routes;

use super::build::{Build, DELIVERY, everything, host};
use super::{LOCAL, Role, Via, described};

/// The name, on the router, of the link to an interface.
pub(super) fn link_of(interface: InterfaceId) -> String {
    format!("i{}", interface.index())
}

/// Routers with their delivery tables.
pub(super) fn routers(build: &mut Build<'_>) {
    let families = build.families();
    for index in 0..build.network.vpcs.len() {
        let name = build.router(VpcId::at(index));
        let router = build.namespace(&name, Role::Vpc);
        for v6 in families {
            router.route(DELIVERY, everything(*v6), Via::Blackhole);
        }
        router.rule(families, 20_000, None, DELIVERY);
    }
}

/// Says which addresses several machines of a VPC hold.
pub(super) fn clashes(build: &mut Build<'_>) {
    let network = build.network;
    let mut holders: BTreeMap<(VpcId, IpAddr), Vec<InterfaceId>> = BTreeMap::new();
    for index in 0..network.interfaces.len() {
        let id = InterfaceId::at(index);
        for address in &network[id].addresses {
            holders.entry((network[network[id].subnet].vpc, *address)).or_default().push(id);
        }
    }
    for ((_, address), holders) in holders.iter().filter(|(_, holders)| holders.len() > 1) {
        let names: Vec<String> = holders.iter().map(|id| build.machine(*id)).collect();
        build.leave_out(format!(
            "{address} is held by {}: only one of them gets its packets",
            names.join(" and ")
        ));
    }
}

/// Machines, their links, and how packets from them are looked up.
pub(super) fn machines(build: &mut Build<'_>) {
    let network = build.network;
    for index in 0..network.interfaces.len() {
        let id = InterfaceId::at(index);
        let row = &network[id];
        let vpc = network[row.subnet].vpc;
        let (router, machine) = (build.router(vpc), build.machine(id));
        let link = link_of(id);
        let owner = &network[row.owner];
        // Each node of a load balancer is a machine of its own.
        let own = match owner.kind {
            EndpointKind::LoadBalancer => Some(0),
            _ => owner.interfaces.iter().position(|other| *other == id),
        };
        let inside = format!("eth{}", own.unwrap_or(0));
        let families = build.families();
        build.namespace(&machine, Role::Machine);
        let conditions = described::interface(network, id);
        build.link((&router, &link), (&machine, &inside), network[vpc].mtu).conditions = conditions;
        if let Some(namespace) = build.get(&machine) {
            namespace.forwards |= row.forwards;
            namespace.addresses.extend(row.addresses.iter().map(|a| (inside.clone(), *a)));
            for prefix in &row.prefixes {
                namespace.route(LOCAL, *prefix, Via::Local);
            }
            if own.is_none_or(|position| position == 0) {
                namespace.default_over(families, &inside);
            }
        }
        if let Some(namespace) = build.get(&router) {
            for prefix in row.addresses.iter().map(|a| host(*a)).chain(row.prefixes.iter().copied())
            {
                namespace.over(DELIVERY, prefix, &link);
            }
        }
        let tags = tags_that_matter(build, row.subnet, &row.tags);
        let mark = departures(build, row.subnet, &tags);
        build.marks.entry(vpc).or_default().insert(link, mark);
    }
}

/// Those of an interface's tags that some route of its subnet's table asks for.
fn tags_that_matter(build: &Build<'_>, subnet: SubnetId, tags: &[String]) -> Vec<String> {
    let routes = &build.network[build.network[subnet].table].routes;
    let asked = |tag: &&String| routes.iter().any(|route| route.tags.contains(*tag));
    let mut matter: Vec<String> = tags.iter().filter(asked).cloned().collect();
    matter.sort();
    matter.dedup();
    matter
}

/// The mark of packets that leave a subnet, with its table.
pub(super) fn departures(build: &mut Build<'_>, subnet: SubnetId, tags: &[String]) -> u32 {
    let (table, new) = build.table(subnet, tags.to_vec());
    if !new {
        return table;
    }
    let network = build.network;
    let (vpc, families) = (network[subnet].vpc, build.families());
    let router = build.router(vpc);
    let mut routes: Vec<(Prefix, Via)> =
        families.iter().map(|v6| (everything(*v6), Via::Blackhole)).collect();
    for (to, best) in best_routes(&network[network[subnet].table].routes, tags, false) {
        // Inside its own ranges a subnet delivers whatever its routes say.
        if network[subnet].cidrs.iter().any(|cidr| cidr.contains_prefix(&to)) {
            continue;
        }
        let via = match best {
            Ok(position) => way(build, vpc, network[subnet].table, position),
            Err(_) => {
                let name = &network[network[subnet].table].name;
                build.leave_out(format!("{to} in route table {name} has several equal routes"));
                Via::Blackhole
            }
        };
        routes.push((to, via));
    }
    routes.extend(network[subnet].cidrs.iter().map(|cidr| (*cidr, Via::Throw)));
    if let Some(namespace) = build.get(&router) {
        namespace.rule(families, 10_000, Some(table), table);
        for (to, via) in routes {
            // A later entry for the same prefix takes the place of an earlier one.
            namespace.routes.retain(|known| known.table != table || known.to != to);
            namespace.route(table, to, via);
        }
    }
    table
}

/// Where a route leads out of a router.
fn way(build: &mut Build<'_>, vpc: VpcId, table: RouteTableId, position: usize) -> Via {
    let network = build.network;
    let route: &Route = &network[table].routes[position];
    let gateway = if route.to.is_v4() { super::build::PEER_V4 } else { super::build::PEER_V6 };
    let over = |link: String| Via::Link { link, gateway };
    match &route.via {
        Target::Local => Via::Throw,
        Target::Gateway(id) if network[*id].vpc == Some(vpc) => {
            over(super::gateways::gateway_link(network, *id))
        }
        Target::Nat(id) => match network[*id].interface {
            Some(interface) => over(to_interface(build, vpc, interface)),
            None => unbuilt(build, route),
        },
        Target::Peering(id) if network[*id].state != PeeringState::Active => Via::Blackhole,
        Target::Peering(id) if network[*id].other(vpc).is_some_and(|other| other != vpc) => {
            over(format!("p{}", id.index()))
        }
        Target::Transit(id) => {
            let own = super::links::attachment(network, *id, vpc);
            own.map_or(Via::Blackhole, |attachment| over(format!("t{}", attachment.index())))
        }
        Target::Vpn(links) => over(super::tunnels::tunnels(build, vpc, links)),
        Target::Interface(interface) => over(to_interface(build, vpc, *interface)),
        Target::External(id) => over(format!("x{}", id.index())),
        Target::PrivateEndpoint(id) => over(format!("e{}", id.index())),
        Target::Gateway(_) | Target::Blackhole => Via::Blackhole,
        _ => unbuilt(build, route),
    }
}

/// The tables of packets that come from another VPC for one interface, whatever their destination.
const FAR_TABLES: u32 = 1_000_000;

/// The link, on a VPC's router, that leads to an interface which a route names: its own, or one to the router of the interface's VPC.
fn to_interface(build: &mut Build<'_>, vpc: VpcId, interface: InterfaceId) -> String {
    let network = build.network;
    let far = network[network[interface].subnet].vpc;
    if far == vpc {
        return link_of(interface);
    }
    let (number, new) = build.far(vpc, interface);
    let (link, there) = (format!("y{number}"), format!("z{number}"));
    if new {
        let (own, other) = (build.router(vpc), build.router(far));
        let mtu = network[vpc].mtu.min(network[far].mtu);
        build.link((&own, &link), (&other, &there), mtu);
        let table = FAR_TABLES + u32::try_from(number).unwrap_or(0);
        let families = build.families();
        if let Some(router) = build.get(&other) {
            router.rule(families, 10_000, Some(table), table);
            for v6 in families {
                router.over(table, everything(*v6), &link_of(interface));
            }
        }
        build.marks.entry(far).or_default().insert(there, table);
    }
    link
}

fn unbuilt(build: &mut Build<'_>, route: &Route) -> Via {
    build.leave_out(format!("the route to {}: its target is not built", route.to));
    Via::Blackhole
}
