//! All pairs against one pair at a time: what `reach` says of two interfaces is, as a set, what their own paths let pass.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::net::IpAddr;

use netwright_model::generate::{Plan, Shape, generate};
use netwright_model::language::Provider;
use netwright_model::network::resolve::resolve;
use netwright_model::network::{InterfaceId, Network};
use netwright_model::source::Sources;
use netwright_verify::flow::Flows;
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::{Arrival, End, Origin};
use netwright_verify::reach::{Member, Reach, Relation};

fn load(text: &str) -> Network {
    netwright_model::load("pairs.yaml", text, &mut Sources::default()).unwrap()
}

fn points(network: &Network) -> Vec<(InterfaceId, IpAddr)> {
    let rows = network.interfaces.iter().enumerate().filter(|(_, row)| row.running);
    rows.flat_map(|(at, row)| row.addresses.iter().map(move |a| (InterfaceId::at(at), *a)))
        .collect()
}

/// What all pairs say of two interfaces.
fn by_reach(
    network: &Network,
    reach: &Reach,
    (from, src): (InterfaceId, IpAddr),
    (to, dst): (InterfaceId, IpAddr),
) -> Option<Flows> {
    let a = reach.group_of(&Member::Interface(from, src))?;
    let b = reach.group_of(&Member::Interface(to, dst))?;
    let same = network[from].subnet == network[to].subnet;
    let relation = if same { Relation::SameSubnet } else { Relation::OtherSubnet };
    let found: Vec<Flows> = reach
        .between(a, b)
        .filter(|entry| [relation, Relation::Any].contains(&entry.relation))
        .map(|entry| entry.flows)
        .collect();
    assert!(found.len() < 2, "{from:?} to {to:?} is told twice");
    Some(found.first().copied().unwrap_or(Flows::NONE))
}

/// Asserts it of every pair of different interfaces, and says how many of them something passes between.
fn every_pair_holds(network: &Network, what: &str) -> usize {
    let mut prover = Prover::new(network);
    let reach = prover.reach().unwrap();
    let points = points(network);
    let mut passing = 0;
    for (from, src) in &points {
        for (to, dst) in &points {
            if from == to || src.is_ipv4() != dst.is_ipv4() {
                continue;
            }
            let Some(said) = by_reach(network, &reach, (*from, *src), (*to, *dst)) else {
                continue;
            };
            let connection = prover.connection(Origin::Interface(*from), *src, *dst);
            // Under an address that several hold, the packet may arrive at somebody else.
            let arrives = match connection.forward.end {
                End::Delivered(place) => place == Arrival::Interface(*to),
                End::Blocked(_) | End::Unknown(_) => true,
            };
            let expected = if arrives { prover.evaluate(&connection) } else { Flows::NONE };
            let names = (&network[*from].name, &network[*to].name);
            assert_eq!(said, expected, "{what}: {names:?} {src} to {dst}");
            passing += usize::from(!said.is_nothing());
        }
    }
    passing
}

#[test]
fn every_pair_of_every_generated_network_is_what_its_own_path_says() {
    for &shape in Shape::ALL {
        for provider in [Provider::Aws, Provider::Gcp] {
            for (instances, seed) in [(12, 1), (90, 2)] {
                let plan = Plan { shape, provider, instances, seed };
                let network = resolve(generate(&plan)).unwrap();
                assert!(every_pair_holds(&network, &format!("{plan:?}")) > 0);
            }
        }
    }
}

/// VPCs that speak IPv6 with each other in every way that there is: over the Internet, over a peering, with a gateway that lets nobody in, with a
/// route that leads elsewhere, with two machines of one address, and without state.
const SIX: &str = "
provider: aws
filters:
  web: { rules: [{ direction: ingress, protocol: tcp, ports: [443] }, { direction: egress }] }
  quiet: { rules: [{ direction: ingress, protocol: tcp, ports: [443] }, { direction: egress, protocol: udp }] }
  few: { rules: [{ direction: ingress, protocol: tcp, ports: [22], from: ['2001:db8:2::/56', 'group:web'] }, { direction: egress }] }
  bare: { attach: subnet, stateful: false, ordered: true, rules: [
    { direction: ingress, priority: 1, protocol: tcp, ports: [443] },
    { direction: egress, priority: 1, protocol: tcp, ports: [1024-65535], to: ['2001:db8::/40'] } ] }
vpcs:
  one: { cidrs: [10.1.0.0/24, '2001:db8:1::/56'], subnets: { s: { cidrs: [10.1.0.0/28, '2001:db8:1:0::/64'], route_table: t } },
    route_tables: { t: { routes: [{ to: '::/0', via: 'internet_gateway:one' }] } } }
  two: { cidrs: [10.2.0.0/24, '2001:db8:2::/56'], subnets: { s: { cidrs: [10.2.0.0/28, '2001:db8:2:0::/64'], route_table: t } },
    route_tables: { t: { routes: [{ to: '::/0', via: 'internet_gateway:two' }, { to: '2001:db8:3::/56', via: 'peering:p' }] } } }
  three: { cidrs: [10.3.0.0/24, '2001:db8:3::/56'], subnets: { s: { cidrs: [10.3.0.0/28, '2001:db8:3:0::/64'], route_table: t } },
    route_tables: { t: { routes: [{ to: '::/0', via: 'internet_gateway:three' }] } } }
  four: { cidrs: [10.4.0.0/24, '2001:db8:4::/56'], subnets: { s: { cidrs: [10.4.0.0/28, '2001:db8:4:0::/64'], route_table: t, filters: [bare] } },
    route_tables: { t: { routes: [{ to: '::/0', via: 'internet_gateway:four' }, { to: '2001:db8:1::/56', via: blackhole }] } } }
  five: { cidrs: [10.5.0.0/24, '2001:db8:5::/56'], subnets: { s: { cidrs: [10.5.0.0/28, '2001:db8:5:0::/64'], route_table: t } },
    route_tables: { t: { routes: [{ to: '::/0', via: 'internet_gateway:five' }] } } }
  six: { cidrs: [10.6.0.0/24, '2001:db8:5::/56'], subnets: { s: { cidrs: [10.6.0.0/28, '2001:db8:5:0::/64'], route_table: t } },
    route_tables: { t: { routes: [{ to: '::/0', via: 'internet_gateway:six' }] } } }
  seven: { cidrs: [10.7.0.0/24, '2001:db8:7::/56'], subnets: { s: { cidrs: [10.7.0.0/28, '2001:db8:7:0::/64'], route_table: t } },
    route_tables: { t: { routes: [{ to: '2000::/3', via: 'internet_gateway:seven' }] } } }
internet_gateways:
  one: { vpc: one }
  two: { vpc: two }
  three: { vpc: three }
  four: { vpc: four }
  five: { vpc: five, egress_only: true }
  six: { vpc: six }
  seven: { vpc: seven }
peerings: { p: { vpcs: [two, three] } }
instances:
  a: { subnet: one/s, addresses: ['2001:db8:1::a'], filters: [web] }
  b: { subnet: one/s, addresses: ['2001:db8:1::b'], filters: [few] }
  c: { subnet: two/s, addresses: ['2001:db8:2::c'], filters: [web] }
  d: { subnet: two/s, addresses: ['2001:db8:2::d'], filters: [quiet] }
  e: { subnet: three/s, addresses: ['2001:db8:3::e'], filters: [web] }
  f: { subnet: four/s, addresses: ['2001:db8:4::f'], filters: [web] }
  g: { subnet: five/s, addresses: ['2001:db8:5::1'], filters: [web] }
  h: { subnet: six/s, addresses: ['2001:db8:5::1'], filters: [web] }
  i: { subnet: six/s, addresses: ['2001:db8:5::2'], filters: [few] }
  j: { subnet: seven/s, addresses: ['2001:db8:7::a'], filters: [web] }
";

#[test]
fn vpcs_reach_each_other_over_the_internet_as_each_pair_does() {
    assert!(every_pair_holds(&load(SIX), "six") > 20);
}

/// What leaves a spoke passes a NAT gateway in the VPC that inspects, and reaches another spoke from the gateway's address.
const TRANSLATED: &str = "
provider: aws
filters:
  out: { rules: [{ direction: egress }] }
  from-gateway: { rules: [{ direction: ingress, protocol: tcp, ports: [443], from: [10.0.0.20/32] }, { direction: egress }] }
  from-spoke: { rules: [{ direction: ingress, protocol: tcp, ports: [443], from: [10.1.0.0/24] }, { direction: egress }] }
vpcs:
  client: { cidrs: [10.1.0.0/24], subnets: { s: { cidrs: [10.1.0.0/28], route_table: t } },
    route_tables: { t: { routes: [{ to: 0.0.0.0/0, via: 'transit:hub' }] } } }
  inspect: { cidrs: [10.0.0.0/24],
    subnets: { door: { cidrs: [10.0.0.0/28], route_table: door }, exit: { cidrs: [10.0.0.16/28], route_table: exit } },
    route_tables: {
      door: { routes: [{ to: 0.0.0.0/0, via: 'nat:exit' }] },
      exit: { routes: [{ to: 10.0.0.0/8, via: 'transit:hub' }] } } }
  server: { cidrs: [10.2.0.0/24], subnets: { s: { cidrs: [10.2.0.0/28], route_table: t } },
    route_tables: { t: { routes: [{ to: 10.0.0.0/8, via: 'transit:hub' }] } } }
nat_gateways: { exit: { subnet: inspect/exit, private_address: 10.0.0.20, private: true } }
transits:
  hub:
    tables:
      spokes: { routes: [{ to: 0.0.0.0/0, via: 'attachment:inspect' }] }
      inspect: { routes: [] }
    attachments:
      client: { vpc: client, subnets: [client/s], table: spokes, propagates_to: [inspect] }
      inspect: { vpc: inspect, subnets: [inspect/door], table: inspect, propagates_to: [spokes] }
      server: { vpc: server, subnets: [server/s], table: spokes, propagates_to: [inspect] }
instances:
  client: { subnet: client/s, addresses: [10.1.0.5], filters: [out] }
  open: { subnet: server/s, addresses: [10.2.0.5], filters: [from-gateway] }
  shut: { subnet: server/s, addresses: [10.2.0.6], filters: [from-spoke] }
";

#[test]
fn pairs_behind_a_hub_that_a_nat_gateway_translates_are_not_left_out() {
    let network = load(TRANSLATED);
    every_pair_holds(&network, "translated");
    let mut prover = Prover::new(&network);
    let reach = prover.reach().unwrap();
    let named = |name: &str| {
        let at = network.interfaces.iter().position(|row| row.name == name).unwrap();
        (InterfaceId::at(at), network.interfaces[at].addresses[0])
    };
    let says = |to: &str| by_reach(&network, &reach, named("client"), named(to)).unwrap();
    assert!(!says("open").reachable().is_empty(), "the gateway's address is let in");
    assert!(says("shut").is_nothing(), "the client's own address does not arrive");
}
