//! Serverless services: one way out through the VPC, another straight to the Internet, and the egress mode between them.

use std::net::{IpAddr, Ipv6Addr};

use netwright_model::language::EgressMode;
use netwright_model::network::{InterfaceId, Network, Serverless, ServerlessId};
use netwright_model::scalar::Prefix;

use super::build::{Build, everything, host};
use super::gateways::{automatic, translating_all};
use super::{INTERNET, MAIN, Namespace, Role, Via};

/// Largest packet of a service's own way out.
const PLATFORM_MTU: u32 = 1500;

/// The first number of automatic addresses that platforms under services have: NAT gateways take the ones before.
const FIRST_PLATFORM: usize = 65_536;

/// The first of the IPv6 addresses that platforms under services have (RFC 5180: for tests of networks).
const FIRST_PLATFORM_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1);

/// The link of a service to its platform, and to the connector that it uses.
const PLATFORM: &str = "platform";
pub(super) const VPC: &str = "vpc";

/// The addresses that the platform gives a service, by its number.
fn platform(build: &Build<'_>, number: usize) -> Vec<IpAddr> {
    let last = u128::from(FIRST_PLATFORM_V6) + u128::try_from(number).unwrap_or_default();
    let v6 = IpAddr::from(Ipv6Addr::from(last));
    [automatic(FIRST_PLATFORM + number), v6].into_iter().take(build.families().len()).collect()
}

/// Serverless services, with the platform that gives each an address that nobody can predict.
pub(super) fn services(build: &mut Build<'_>) {
    let network = build.network;
    for (index, service) in network.serverless.iter().enumerate() {
        let id = ServerlessId::at(index);
        let endpoint = &network[service.endpoint];
        let name = format!("service/{}", endpoint.name);
        let link = format!("v{}", id.index());
        let seen = platform(build, index);
        build.namespace(&name, Role::Serverless);
        build.link((INTERNET, &link), (&name, PLATFORM), PLATFORM_MTU);
        if let Some(internet) = build.get(INTERNET) {
            for seen in &seen {
                internet.over_if_new(MAIN, host(*seen), &link);
            }
        }
        let through_vpc = service.mode != EgressMode::None;
        let mut inside = None;
        if through_vpc && let Some(interface) = service.interface {
            let machine = build.machine(interface);
            if machine == name {
                // Its own interface in a subnet: the link is there.
                inside = Some("eth0");
            } else {
                let mtu = network[network[network[interface].subnet].vpc].mtu;
                build.link((&machine, &link), (&name, VPC), mtu);
                inside = Some(VPC);
                connector(build, &machine, interface, (&link, &seen));
            }
        }
        let families = build.families();
        if let Some(namespace) = build.get(&name) {
            namespace.role = Role::Serverless;
            namespace.forwards = false;
            namespace.routes.retain(|route| route.to.length() != 0);
            for v6 in families {
                let inside = inside.filter(|_| speaks(network, service, *v6));
                ways(namespace, service, inside, *v6);
            }
            namespace.addresses.extend(seen.iter().map(|seen| (PLATFORM.to_owned(), *seen)));
        }
        if through_vpc && inside.is_none() && service.connector.is_some() {
            build.leave_out(format!(
                "service {}: what its connector is attached to is not described",
                endpoint.name
            ));
        }
    }
}

/// Whether a service's way through its VPC has an address of a family.
fn speaks(network: &Network, service: &Serverless, v6: bool) -> bool {
    service.interface.is_some_and(|interface| {
        network[interface].addresses.iter().any(|address| address.is_ipv6() == v6)
    })
}

/// Where a service sends a family: what its egress mode sends through the VPC goes there or nowhere.
fn ways(namespace: &mut Namespace, service: &Serverless, inside: Option<&str>, v6: bool) {
    let mut lead = |to: Prefix, way: Option<&str>| match way {
        Some(link) => namespace.over_if_new(MAIN, to, link),
        None => namespace.route(MAIN, to, Via::Blackhole),
    };
    if service.mode == EgressMode::AllTraffic {
        lead(everything(v6), inside);
        return;
    }
    lead(everything(v6), Some(PLATFORM));
    if service.mode == EgressMode::PrivateRangesOnly {
        let ranges = service.facts.private_ranges.iter();
        for range in ranges.filter(|range| range.is_v4() != v6) {
            lead(*range, inside);
        }
    }
}

/// A connector translates what its services send to its own address, and lets nothing in.
fn connector(
    build: &mut Build<'_>,
    machine: &str,
    interface: InterfaceId,
    (link, services): (&str, &[IpAddr]),
) {
    let network = build.network;
    let own = &network[interface].addresses;
    if let Some(namespace) = build.get(machine) {
        namespace.forwards = true;
        for service in services {
            namespace.over(MAIN, host(*service), link);
        }
        let own = [false, true].map(|v6| own.iter().copied().find(|a| a.is_ipv6() == v6));
        namespace.ruleset = translating_all(own);
    }
}
