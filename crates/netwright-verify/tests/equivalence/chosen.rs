//! Clients behind a NAT gateway with several addresses, and servers of the same network that tell those apart: rare in the random
//! networks of the other tests.

use std::collections::BTreeMap;

use netwright_verify::interpreter::Origin;
use netwright_verify::prover::{Prover, path};
use netwright_verify::space::Packet;

use crate::random::Random;
use crate::{connection, difference, load};

const SOURCES: [&str; 7] = [
    "192.0.2.1/32",
    "192.0.2.2/32",
    "192.0.2.0/30",
    "192.0.2.4/30",
    "any",
    "internet",
    "10.0.0.0/8",
];

/// A client, a gateway that stands in a subnet or serves it, and a server whose subnet and interface have filters.
fn network(random: &mut Random) -> String {
    let count = 1 + random.below(3);
    let addresses: Vec<String> = (0..count).map(|n| format!("192.0.2.{}", 3 * n + 1)).collect();
    let addresses = addresses.join(", ");
    let (nat, route) = if random.percent(50) {
        (format!("subnet: a/edge, private_address: 10.0.0.20, addresses: [{addresses}]"), "nat:nat")
    } else {
        (format!("vpc: a, serves: [a/in], addresses: [{addresses}]"), "internet_gateway:ga")
    };
    let mut rules = |direction: &str, side: &str| {
        let mut all = format!("{{ direction: {direction}, protocol: icmp }}");
        for name in 0..1 + random.below(3) {
            let action = random.of(&["allow", "allow", "deny"]);
            let port = random.of(&["22", "any", "1024-65535"]);
            let peer = random.of(&SOURCES);
            let priority = random.below(3);
            all += &format!(
                ", {{ name: r{name}, direction: {direction}, action: {action}, priority: {priority}, \
                 protocol: tcp, port: {port}, {side}: '{peer}' }}"
            );
        }
        all
    };
    let list = format!("{}, {}", rules("ingress", "from"), rules("egress", "to"));
    let group = format!("{}, {}", rules("ingress", "from"), rules("egress", "to"));
    let (ordered, stateful) = (random.percent(50), random.percent(30));
    format!(
        "
vpcs:
  a:
    route_tables:
      out: {{ routes: [{{ to: 0.0.0.0/0, via: 'internet_gateway:ga' }}] }}
      in: {{ routes: [{{ to: 0.0.0.0/0, via: '{route}' }}] }}
    subnets:
      edge: {{ cidr: 10.0.0.0/24, route_table: out }}
      in: {{ cidr: 10.0.1.0/24, route_table: in }}
  b:
    main_route_table: out
    route_tables: {{ out: {{ routes: [{{ to: 0.0.0.0/0, via: 'internet_gateway:gb' }}] }} }}
    subnets: {{ s: {{ cidr: 10.1.0.0/24, filters: list }} }}
internet_gateways: {{ ga: {{ vpc: a }}, gb: {{ vpc: b }} }}
nat_gateways: {{ nat: {{ {nat} }} }}
filters:
  list: {{ ordered: {ordered}, stateful: {stateful}, rules: [{list}] }}
  group: {{ rules: [{group}] }}
  open: {{ rules: [{{ direction: ingress }}, {{ direction: egress }}] }}
instances:
  client: {{ subnet: a/in, address: 10.0.1.9, filters: open }}
  server: {{ subnet: b/s, address: 10.1.0.9, public_address: 198.51.100.9, filters: group }}
"
    )
}

#[test]
fn addresses_that_a_gateway_chooses_are_all_asked() {
    let mut random = Random(1);
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..400 {
        let text = network(&mut random);
        let network = load(&text).unwrap_or_else(|| panic!("it does not resolve:\n{text}"));
        let named = |id: &netwright_model::network::InterfaceId| {
            network[network[*id].owner].name == "client"
        };
        let ids = (0..network.interfaces.len()).map(netwright_model::network::InterfaceId::at);
        let client = ids.into_iter().find(named).unwrap();
        let mut prover = Prover::new(&network);
        for (src_port, dst_port) in [(50_000, 22), (1023, 22), (50_000, 443), (80, 80)] {
            let packet = Packet {
                src: "10.0.1.9".parse().unwrap(),
                dst: "198.51.100.9".parse().unwrap(),
                protocol: 6,
                src_port,
                dst_port,
            };
            let origin = Origin::Interface(client);
            let said = connection(&network, origin, packet).word();
            *words.entry(said).or_default() += 1;
            let differs = difference(&network, &mut prover, origin, packet);
            assert_eq!(differs, None, "{packet:?}\n{text}");
            // The sets say the same.
            let flows = prover.flows(path::Origin::Interface(client), packet.src, packet.dst);
            let space = &mut prover.space;
            let (lost, unknown) = (flows.no_return(space), flows.unknown(space));
            let sets =
                [("reachable", flows.reachable()), ("no_return", lost), ("unknown", unknown)];
            let found = sets.iter().find(|(_, set)| space.contains(*set, &packet));
            assert_eq!(found.map_or("blocked", |(word, _)| word), said, "{packet:?}\n{text}");
        }
    }
    for word in ["reachable", "blocked", "no_return", "unknown"] {
        assert!(words.contains_key(word), "no case is {word}: {words:?}");
    }
}
