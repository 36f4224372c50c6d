use netwright_model::source::Sources;

use super::{Standing, ask};
use crate::prover::Prover;

/// A server that answers a few outside addresses on one port, and an intent that nobody reaches it.
fn standing(from: &str, rule: &str) -> Standing {
    let text = format!(
        "
vpcs:
  net:
    main_route_table: main
    route_tables: {{ main: {{ routes: [{{ to: 0.0.0.0/0, via: 'internet_gateway:gw' }}] }} }}
    subnets: {{ s: {{ cidr: 10.0.0.0/24 }} }}
internet_gateways: {{ gw: {{ vpc: net }} }}
filters:
  f: {{ rules: [{rule}] }}
  out: {{ rules: [{{ direction: egress }}] }}
instances:
  server: {{ subnet: s, address: 10.0.0.9, public_address: 198.51.100.9, filters: f }}
  client: {{ subnet: s, addresses: [10.0.0.20, 10.0.0.40], filters: out }}
expect:
  closed: {{ from: {from}, to: server, service: tcp/22, outcome: blocked }}
"
    );
    let network = netwright_model::load("test.yaml", &text, &mut Sources::default()).unwrap();
    ask(&mut Prover::new(&network)).remove(0).standing
}

#[test]
fn one_open_range_of_the_internet_breaks_blocked() {
    let open = "{ direction: ingress, protocol: tcp, port: 22, from: 52.0.0.0/8 }";
    assert_eq!(standing("internet", open), Standing::Broken);
    assert_eq!(standing("48.0.0.0/4", open), Standing::Broken);
    assert_eq!(standing("16.0.0.0/4", open), Standing::Holds);
}

#[test]
fn every_address_of_a_source_is_asked() {
    let open = "{ direction: ingress, protocol: tcp, port: 22, from: 10.0.0.40 }";
    assert_eq!(standing("client", open), Standing::Broken);
    let other = "{ direction: ingress, protocol: tcp, port: 22, from: 10.0.0.50 }";
    assert_eq!(standing("client", other), Standing::Holds);
}

#[test]
fn every_source_port_is_asked() {
    let open = "{ direction: ingress, protocol: tcp, port: 22, source_ports: 53, from: any }";
    assert_eq!(standing("client", open), Standing::Broken);
}
