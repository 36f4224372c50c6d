//! All pairs against one pair at a time: what `reach` says of two interfaces is, as a set, what their own paths let pass.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod many;
#[path = "../equivalence/networks.rs"]
mod networks;
#[path = "../equivalence/random.rs"]
mod random;

use std::net::IpAddr;

use netwright_model::generate::{Plan, Shape, generate};
use netwright_model::language::Provider;
use netwright_model::network::resolve::resolve;
use netwright_model::network::{ExternalId, InterfaceId, Network, SiteId};
use netwright_model::source::Sources;
use netwright_verify::flow::Flows;
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::{Arrival, End, Origin};
use netwright_verify::reach::{Member, Outside, Reach, Relation};

use random::Random;

fn load(text: &str) -> Network {
    netwright_model::load("pairs.yaml", text, &mut Sources::default()).unwrap()
}

/// One end of pairs: an address of a group, and how it sends and is called.
#[derive(Debug, Clone)]
struct Point {
    name: String,
    group: usize,
    origin: Origin,
    address: IpAddr,
    /// By which the Internet calls it.
    public: Option<IpAddr>,
    interface: Option<InterfaceId>,
}

fn interfaces(network: &Network, reach: &Reach) -> Vec<Point> {
    let rows = (0..).map(InterfaceId::at).zip(&network.interfaces);
    rows.flat_map(|(id, row)| {
        let v4 = row.addresses.iter().filter(|address| address.is_ipv4()).count();
        row.addresses.iter().filter_map(move |address| {
            Some(Point {
                name: row.name.clone(),
                group: reach.group_of(&Member::Interface(id, *address))?,
                origin: Origin::Interface(id),
                address: *address,
                public: if address.is_ipv6() {
                    Some(*address)
                } else {
                    row.public.iter().find(|public| public.is_ipv4() && v4 == 1).copied()
                },
                interface: Some(id),
            })
        })
    })
    .collect()
}

/// The ends of every range of outside addresses.
fn outside(network: &Network, reach: &Reach) -> Vec<Point> {
    let mut all = Vec::new();
    for (group, row) in reach.groups.iter().enumerate() {
        for member in &row.members {
            let Member::Outside(whose, first, last) = member else { continue };
            let (name, origin) = match whose {
                Outside::Internet => ("Internet".to_owned(), Origin::Internet),
                Outside::Site(id) => {
                    let at = network.sites.iter().position(|site| site.endpoint == *id).unwrap();
                    (network[*id].name.clone(), Origin::Site(SiteId::at(at)))
                }
                Outside::External(id) => {
                    let at = network.externals.iter().position(|row| row.endpoint == *id);
                    let attached = at.filter(|at| !network.externals[*at].attached.is_empty());
                    let origin = attached
                        .map_or(Origin::Internet, |at| Origin::External(ExternalId::at(at)));
                    (network[*id].name.clone(), origin)
                }
            };
            for address in [*first, *last] {
                let name = name.clone();
                all.push(Point { name, group, origin, address, public: None, interface: None });
            }
        }
    }
    all
}

/// What all pairs say of two points.
fn by_reach(network: &Network, reach: &Reach, from: &Point, to: &Point) -> Flows {
    let subnet = |point: &Point| point.interface.map(|id| network[id].subnet);
    let same = subnet(from).is_some() && subnet(from) == subnet(to);
    let relation = if same { Relation::SameSubnet } else { Relation::OtherSubnet };
    let found: Vec<Flows> = reach
        .between(from.group, to.group)
        .filter(|entry| [relation, Relation::Any].contains(&entry.relation))
        .map(|entry| entry.flows)
        .collect();
    assert!(found.len() < 2, "{from:?} to {to:?} is told twice");
    found.first().copied().unwrap_or(Flows::NONE)
}

/// What the path of two points says; none where it is no question of all pairs.
fn by_path(prover: &mut Prover<'_>, from: &Point, to: &Point) -> Option<Flows> {
    let called = if from.origin == Origin::Internet { to.public? } else { to.address };
    let connection = prover.connection(from.origin, from.address, called);
    let network = prover.network;
    // Under an address that several hold, the packet may arrive at somebody else.
    let arrives = match connection.forward.end {
        End::Delivered(Arrival::Interface(id)) => to.interface == Some(id),
        End::Delivered(Arrival::Endpoint(id)) => {
            // A private endpoint may answer for addresses of the Internet.
            to.interface.is_none() && (network[id].name == to.name || to.name == "Internet")
        }
        End::Delivered(Arrival::Internet | Arrival::Serverless(_)) => to.name == "Internet",
        End::Blocked(_) | End::Unknown(_) => true,
    };
    Some(if arrives { prover.evaluate(&connection) } else { Flows::NONE })
}

/// Asserts of every pair of different interfaces, and of each with the outside, that all pairs say what its own path says; and tells how many of them
/// something passes between.
fn every_pair_holds(network: &Network, what: &str) -> usize {
    let mut prover = Prover::new(network);
    let reach = prover.reach().unwrap();
    let inside = interfaces(network, &reach);
    let outside = outside(network, &reach);
    let mut passing = 0;
    let mut hold = |from: &Point, to: &Point| {
        if from.interface == to.interface || from.address.is_ipv4() != to.address.is_ipv4() {
            return;
        }
        let said = by_reach(network, &reach, from, to);
        let Some(expected) = by_path(&mut prover, from, to) else { return };
        let (a, b) = (&from.name, &to.name);
        assert_eq!(said, expected, "{a} {} to {b} {}: {what}", from.address, to.address);
        passing += usize::from(!said.is_nothing());
    };
    for from in &inside {
        inside.iter().chain(&outside).for_each(|to| hold(from, to));
    }
    for from in &outside {
        inside.iter().for_each(|to| hold(from, to));
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
    let points = interfaces(&network, &reach);
    let named = |name: &str| points.iter().find(|point| point.name == name).unwrap();
    let says = |to: &str| by_reach(&network, &reach, named("client"), named(to));
    assert!(!says("open").reachable().is_empty(), "the gateway's address is let in");
    assert!(says("shut").is_nothing(), "the client's own address does not arrive");
}

/// A service that sends from a subnet, and a machine in it and in another one, which lets nobody in.
const FROM_A_SUBNET: &str = "
filters: { shut: { attach: subnet, rules: [] } }
vpcs: { v: { cidrs: [10.0.0.0/16], subnets: { own: { cidrs: [10.0.0.0/28] }, other: { cidrs: [10.0.1.0/28], filters: [shut] } } } }
instances:
  near: { subnet: v/own, address: 10.0.0.5 }
  far: { subnet: v/other, address: 10.0.1.5 }
services: { service: { egress: { mode: all-traffic, subnet: v/own } } }
";

#[test]
fn a_service_meets_the_filters_of_subnets_that_it_does_not_send_from() {
    let network = load(FROM_A_SUBNET);
    let reach = Prover::new(&network).reach().unwrap();
    let is_service = |member: &Member| matches!(member, Member::Serverless(_));
    let service = reach.groups.iter().position(|group| group.members.iter().any(is_service));
    let points = interfaces(&network, &reach);
    let reached = |name: &str| {
        let to = points.iter().find(|point| point.name == name).unwrap();
        reach.between(service.unwrap(), to.group).any(|entry| !entry.flows.reachable().is_empty())
    };
    assert!(reached("near") && !reached("far"));
}

/// How many networks of each kind are tried: `NETWRIGHT_CASES` packets of the test of the specification stand for a hundredth as many.
fn tries() -> usize {
    let cases = std::env::var("NETWRIGHT_CASES").ok().and_then(|text| text.parse().ok());
    cases.unwrap_or(100_000) / 250
}

fn seed() -> u64 {
    std::env::var("NETWRIGHT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn try_random(network: impl Fn(&mut Random) -> String, salt: u64) -> usize {
    let mut random = Random(seed() ^ salt);
    let mut passing = 0;
    for _ in 0..tries() {
        let text = network(&mut random);
        let Ok(network) = netwright_model::load("r.yaml", &text, &mut Sources::default()) else {
            continue;
        };
        passing += every_pair_holds(&network, &text);
    }
    passing
}

#[test]
fn every_pair_of_networks_of_everything_is_what_its_own_path_says() {
    assert!(try_random(networks::network, 0xE7E) > 0);
}

#[test]
fn every_pair_of_many_vpcs_is_what_its_own_path_says() {
    assert!(try_random(many::network, 0x3A9) > tries());
}
