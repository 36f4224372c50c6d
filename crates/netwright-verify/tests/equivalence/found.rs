//! Networks in which the two were once told apart by a seed: kept, so that they stay one.

use netwright_verify::interpreter::Origin;
use netwright_verify::prover::Prover;
use netwright_verify::space::Packet;

use super::{Named, both_say, connection, difference, load};

fn udp(src: &str, dst: &str) -> Packet {
    let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
    Packet { src, dst, protocol: 17, src_port: 1023, dst_port: 80 }
}

/// Engine, all pairs (between interfaces) and interpreter say this of a packet.
fn all_say(text: &str, from: &Named, packet: Packet, word: &str) {
    let network = load(text).unwrap();
    let origin = from.find(&network).unwrap();
    assert_eq!(connection(&network, origin, packet).word(), word);
    let mut prover = Prover::new(&network);
    assert_eq!(difference(&network, &mut prover, origin, packet), None);
    if let Origin::Interface(id) = origin {
        let reach = prover.reach().unwrap();
        if let Some((pairs, interpreter)) = both_say(&network, &mut prover, &reach, id, packet) {
            assert_eq!((pairs, interpreter), (word, word));
        }
    }
}

#[test]
fn a_route_of_a_policy_may_take_what_a_nat_gateway_sends_to_its_own_subnet() {
    let text = "
vpcs:
  a: { route_tables: { t: { routes: [{ to: '0.0.0.0/0', via: 'nat:nat' }] } } }
  b:
    subnets: { s: { cidrs: [10.0.2.0/28] } }
    route_tables: { t: { routes: [{ to: '10.0.2.0/24', via: blackhole, origin: policy }] } }
nat_gateways: { nat: { subnet: b/s } }
connectors: { con: { vpc: a, cidr: 10.8.0.0/28 } }
services: { svc: { egress: { mode: all-traffic, connector: con } } }
";
    let from = Named::Serverless("svc".to_owned());
    all_say(text, &from, udp("10.8.0.4", "10.0.2.11"), "unknown");
}

#[test]
fn whose_ipv6_address_it_is_cannot_be_told_after_the_internet() {
    let network = |reference: &str, word: &str, at: &str| {
        let text = format!(
            "
filters:
  own: {{ default_egress: allow }}
  f: {{ {at}, rules: [{{ direction: ingress, from: ['{reference}'] }}] }}
vpcs:
  a:
    subnets: {{ s: {{ cidrs: ['2001:db8:1::/64'] }} }}
    route_tables: {{ t: {{ routes: [{{ to: '::/0', via: 'internet_gateway:ga' }}] }} }}
  b:
    subnets: {{ s: {{ cidrs: ['2001:db8:2::/64'] }} }}
    route_tables: {{ t: {{ routes: [{{ to: '2001:db8:1::/64', via: 'internet_gateway:gb' }}] }} }}
instances:
  one: {{ subnet: a/s, addresses: ['2001:db8:1::6'], tags: [red], filters: [own] }}
  two: {{ subnet: b/s, addresses: ['2001:db8:2::5'] }}
internet_gateways: {{ ga: {{ vpc: a }}, gb: {{ vpc: b }} }}
"
        );
        let from = Named::Interface("one".to_owned());
        all_say(&text, &from, udp("2001:db8:1::6", "2001:db8:2::5"), word);
    };
    for reference in ["tag:red", "group:own", "instance:one"] {
        network(reference, "blocked", "attach: vpc, vpc: b");
    }
    network("2001:db8:1::/64", "reachable", "attach: vpc, vpc: b");
}

#[test]
fn a_source_that_cannot_be_predicted_is_none_of_an_attached_outside_service() {
    let text = "
filters:
  f: { rules: [{ direction: ingress, from: [203.0.113.0/28] }] }
vpcs:
  v: { subnets: { s: { cidrs: [10.0.0.16/28] } } }
instances:
  i: { subnet: v/s, public_address: 198.51.100.1, filters: [f] }
internet_gateways: { gateway: { vpc: v } }
externals: { attached: { addresses: [203.0.113.0/28], attached_vpcs: [v] } }
services: { svc: {} }
";
    let from = Named::Serverless("svc".to_owned());
    all_say(text, &from, udp("10.0.0.17", "198.51.100.1"), "blocked");
}
