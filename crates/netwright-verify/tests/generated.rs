//! What generated networks say about themselves is true: every intent holds, by the interpreter.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::net::IpAddr;

use netwright_model::generate::{Plan, Shape, generate};
use netwright_model::language::reference::EndpointKind;
use netwright_model::language::{EndpointRef, Intent, Outcome, Provider};
use netwright_model::network::resolve::resolve;
use netwright_model::network::{InterfaceId, Network, SiteId};
use netwright_model::scalar::Service;
use netwright_verify::interpreter::{Answer, Origin, connection};
use netwright_verify::space::Packet;

fn interfaces(network: &Network, name: &str) -> Vec<InterfaceId> {
    (0..network.interfaces.len())
        .map(InterfaceId::at)
        .filter(|&id| network[network[id].owner].name == name)
        .collect()
}

/// Origins that a reference names, with source addresses.
fn sources(network: &Network, reference: &EndpointRef) -> Vec<(Origin, IpAddr)> {
    match reference {
        EndpointRef::Internet => ["203.0.113.99", "2600:1f00::1"]
            .map(|address| (Origin::Internet, address.parse().unwrap()))
            .to_vec(),
        EndpointRef::Kind(EndpointKind::Site, _) => {
            let site = SiteId(0);
            vec![(Origin::Site(site), network[site].cidrs[0].host_at(77).unwrap())]
        }
        EndpointRef::Kind(_, name) => {
            let of = |id: InterfaceId| {
                let addresses = network[id].addresses.clone();
                addresses.into_iter().map(move |address| (Origin::Interface(id), address))
            };
            interfaces(network, name).into_iter().flat_map(of).collect()
        }
        other => panic!("no generated intent starts at {other}"),
    }
}

/// Addresses that a reference names, as they are called from a source.
fn destinations(network: &Network, reference: &EndpointRef, from: Origin) -> Vec<IpAddr> {
    let EndpointRef::Kind(_, name) = reference else { panic!("no name: {reference}") };
    let interfaces = interfaces(network, name);
    if interfaces.is_empty() {
        let endpoint = network.endpoints.iter().find(|endpoint| &endpoint.name == name).unwrap();
        return endpoint.prefixes.iter().map(|prefix| prefix.host_at(1).unwrap()).collect();
    }
    let public = from == Origin::Internet;
    let of = |id: InterfaceId| {
        let row = &network[id];
        row.addresses
            .iter()
            .filter(move |address| !public || address.is_ipv6())
            .chain(row.public.iter().filter(move |_| public))
            .copied()
    };
    interfaces.into_iter().flat_map(of).collect()
}

fn holds(network: &Network, name: &str, intent: &Intent) {
    let Service::Ports { protocol, ports } = intent.service[0].value else { panic!("{name}") };
    let wanted = intent.outcome.as_ref().map_or(Outcome::Reachable, |outcome| outcome.value);
    let mut asked = 0;
    for (origin, src) in sources(network, &intent.from[0].value) {
        for dst in destinations(network, &intent.to[0].value, origin) {
            if src.is_ipv4() != dst.is_ipv4() {
                continue;
            }
            asked += 1;
            let packet = Packet { src, dst, protocol, src_port: 50_000, dst_port: ports.first };
            let answer = connection(network, origin, packet);
            let fits = match wanted {
                Outcome::Reachable => matches!(answer, Answer::Reachable { .. }),
                Outcome::Blocked => matches!(answer, Answer::Blocked(..)),
            };
            assert!(fits, "{name}: {packet:?} is {answer:?}");
        }
    }
    // What has no public address at all cannot be called from the Internet.
    assert!(asked > 0 || wanted == Outcome::Blocked, "{name} asks nothing");
}

#[test]
fn every_intent_of_every_generated_network_holds() {
    for &shape in Shape::ALL {
        for provider in [Provider::Aws, Provider::Gcp] {
            for (instances, seed) in [(10, 1), (97, 2), (300, 3)] {
                let plan = Plan { shape, provider, instances, seed };
                let network = resolve(generate(&plan)).unwrap();
                assert!(network.description.expect.len() >= 4, "{plan:?}");
                for (name, intent) in network.description.expect.iter() {
                    holds(&network, &format!("{plan:?} {}", name.value), intent);
                }
            }
        }
    }
}
