use netwright_model::source::Sources;

use super::{Answer, Standing, ask};
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

/// A client and a server with filters without state on the client's subnet, which let answers to some ports back in.
fn reachable(answers: &str, clauses: &str) -> Answer {
    let text = format!(
        "
vpcs:
  net:
    subnets:
      near: {{ cidr: 10.0.0.0/24, filters: list }}
      far: {{ cidr: 10.0.1.0/24 }}
filters:
  list:
    stateful: false
    rules:
      - {{ direction: egress }}
      - {{ direction: ingress, protocol: tcp, port: {answers} }}
  open: {{ rules: [{{ direction: ingress }}, {{ direction: egress }}] }}
instances:
  client: {{ subnet: near, address: 10.0.0.9, filters: open }}
  server: {{ subnet: far, address: 10.0.1.9, filters: open }}
expect:
  works: {{ from: client, to: server, service: tcp/443{clauses} }}
"
    );
    let network = netwright_model::load("test.yaml", &text, &mut Sources::default()).unwrap();
    ask(&mut Prover::new(&network)).remove(0)
}

#[test]
fn reachable_is_asked_from_every_client_port() {
    assert_eq!(reachable("1024-65535", "").standing, Standing::Holds);
    let some = reachable("32768-65535", "");
    assert_eq!(some.standing, Standing::Broken);
    assert!(some.why.contains("tcp src 1024-32767 dst 443"), "{}", some.why);
    assert!(some.example.is_some_and(|trace| trace.verdict == super::Verdict::NoReturn));
    // Where nothing works there is no part to tell.
    let none = reachable("80", "");
    assert_eq!(none.standing, Standing::Broken);
    assert!(!none.why.contains("for tcp"), "{}", none.why);
}

#[test]
fn every_source_address_that_is_seen_is_one_of_those_expected() {
    let text = "
vpcs:
  a:
    main_route_table: out
    route_tables: { out: { routes: [{ to: 0.0.0.0/0, via: 'internet_gateway:ga' }] } }
    subnets: { s: { cidr: 10.0.0.0/24 } }
internet_gateways: { ga: { vpc: a } }
nat_gateways: { nat: { vpc: a, serves: [a/s], addresses: [192.0.2.1, 192.0.2.2] } }
instances: { client: { subnet: a/s, address: 10.0.0.9 } }
externals: { outside: { addresses: 198.51.100.0/24 } }
expect:
  one: { from: client, to: outside, service: tcp/443, source_address: 192.0.2.1 }
  both: { from: client, to: outside, service: tcp/443, source_addresses: [192.0.2.1, 192.0.2.2] }
  other: { from: client, to: outside, service: tcp/443, source_address: 192.0.2.3 }
  any: { from: client, to: outside, service: tcp/443, predictable_source: true }
";
    let network = netwright_model::load("test.yaml", text, &mut Sources::default()).unwrap();
    let answers = ask(&mut Prover::new(&network));
    let standings: Vec<Standing> = answers.iter().map(|answer| answer.standing).collect();
    assert_eq!(standings, [Standing::Broken, Standing::Holds, Standing::Broken, Standing::Holds]);
    assert!(answers[0].why.contains("sees 192.0.2.1 or 192.0.2.2, not always 192.0.2.1"));
    assert!(answers[2].why.contains("not 192.0.2.3"), "{}", answers[2].why);
}

#[test]
fn clauses_that_are_not_asked_do_not_hold() {
    let answer = reachable("1024-65535", ", mtu: 1500, latency: 20ms, availability: 99%");
    assert_eq!(answer.standing, Standing::Unknown);
    assert!(answer.why.ends_with("not asked: latency, availability"), "{}", answer.why);
    // What is broken anyway stays so.
    assert_eq!(reachable("80", ", latency: 20ms").standing, Standing::Broken);
}
