//! Serverless services: one way out through the VPC, another straight to the Internet, and the egress mode between them.

use std::net::IpAddr;

use netwright_model::language::EgressMode;
use netwright_model::network::{InterfaceId, ServerlessId};

use super::build::{Build, host};
use super::gateways::{automatic, translating};
use super::{INTERNET, MAIN, Role};

/// Largest packet of a service's own way out.
const PLATFORM_MTU: u32 = 1500;

/// The first number of automatic addresses that platforms under services have: NAT gateways take the ones before.
const FIRST_PLATFORM: usize = 65_536;

/// Serverless services, with the platform that gives each an address that nobody can predict.
pub(super) fn services(build: &mut Build<'_>) {
    let network = build.network;
    for (index, service) in network.serverless.iter().enumerate() {
        let id = ServerlessId::at(index);
        let endpoint = &network[service.endpoint];
        let name = format!("service/{}", endpoint.name);
        let (link, families) = (format!("v{}", id.index()), build.families());
        let seen = automatic(FIRST_PLATFORM + index);
        build.namespace(&name, Role::Serverless);
        build.link((INTERNET, &link), (&name, "platform"), PLATFORM_MTU);
        if let Some(internet) = build.get(INTERNET) {
            internet.over_if_new(MAIN, host(seen), &link);
        }
        let through_vpc = service.mode != EgressMode::None;
        let mut inside = None;
        if through_vpc && let Some(interface) = service.interface {
            let machine = build.machine(interface);
            if machine == name {
                // Its own interface in a subnet: the link is there.
                inside = Some("eth0".to_owned());
            } else {
                build.link(
                    (&machine, &link),
                    (&name, "vpc"),
                    network[network[network[interface].subnet].vpc].mtu,
                );
                inside = Some("vpc".to_owned());
                connector(build, &machine, interface, (&link, seen));
            }
        }
        if let Some(namespace) = build.get(&name) {
            namespace.role = Role::Serverless;
            namespace.forwards = false;
            namespace.routes.retain(|route| route.to.length() != 0);
            let all_inside = service.mode == EgressMode::AllTraffic;
            match &inside {
                Some(inside) if all_inside => namespace.default_over(families, inside),
                _ => namespace.default_over(families, "platform"),
            }
            if let (Some(inside), false) = (&inside, all_inside) {
                for range in &service.facts.private_ranges {
                    namespace.over_if_new(MAIN, *range, inside);
                }
            }
            namespace.addresses.push(("platform".to_owned(), seen));
        }
        if through_vpc && inside.is_none() {
            build.leave_out(format!(
                "service {}: what its connector is attached to is not described",
                endpoint.name
            ));
        }
    }
}

/// A connector translates what its services send to its own address, and lets nothing in.
fn connector(
    build: &mut Build<'_>,
    machine: &str,
    interface: InterfaceId,
    (link, service): (&str, IpAddr),
) {
    let network = build.network;
    let Some(own) = network[interface].addresses.iter().find(|a| a.is_ipv4()) else { return };
    if let Some(namespace) = build.get(machine) {
        namespace.forwards = true;
        namespace.over(MAIN, host(service), link);
        namespace.ruleset = translating(*own, "", "iifname != \"eth0\" accept");
    }
}
