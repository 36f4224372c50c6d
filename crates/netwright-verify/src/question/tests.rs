use netwright_model::source::Sources;

use crate::dependencies;
use crate::intents::{Answer, Standing, ask};
use crate::prover::Prover;
use crate::trace::Verdict;

/// A client, a server with two interfaces and both families, an outside service with a range, and zones; with a filter of the server, one of
/// the client, and one intent.
fn network(server: &str, client: &str, intent: &str) -> String {
    format!(
        "
vpcs:
  net:
    cidrs: [10.0.0.0/16, '2001:db8::/48']
    main_route_table: main
    route_tables:
      main:
        routes:
          - {{ to: 0.0.0.0/0, via: 'internet_gateway:gw' }}
          - {{ to: '::/0', via: 'internet_gateway:gw' }}
    subnets:
      a: {{ cidrs: [10.0.0.0/24, '2001:db8:0:a::/64'] }}
      b: {{ cidr: 10.0.1.0/24 }}
  other: {{ cidr: 10.9.0.0/16, subnets: {{ o: {{ cidr: 10.9.0.0/24 }} }} }}
internet_gateways: {{ gw: {{ vpc: net }} }}
filters:
  server: {{ rules: [{{ direction: egress }}, {server}] }}
  open: {{ rules: [{{ direction: ingress }}, {{ direction: egress }}] }}
  client: {{ rules: [{{ direction: ingress }}, {client}] }}
instances:
  client: {{ subnet: a, addresses: [10.0.0.9, '2001:db8:0:a::9'], public_address: 198.51.100.9, filters: client }}
  server:
    interfaces:
      eth0: {{ subnet: a, addresses: [10.0.0.20, '2001:db8:0:a::20'], public_address: 198.51.100.20, filters: server }}
      eth1: {{ subnet: b, address: 10.0.1.20, filters: open }}
  stranger: {{ subnet: other/o, address: 10.9.0.9, filters: open }}
externals:
  partner: {{ addresses: 192.0.4.0/24 }}
dns_zones:
  inside.example:
    vpcs: net
    records:
      - {{ name: db, value: 10.0.1.20 }}
      - {{ name: alias, type: cname, value: db.inside.example. }}
      - {{ name: a, type: cname, value: b.inside.example. }}
      - {{ name: b, type: cname, value: a.inside.example. }}
      - {{ name: gone, type: cname, value: nothing.inside.example. }}
      - {{ name: who, value: 10.0.0.20 }}
  public:
    domain: inside.example
    records:
      - {{ name: who, value: 198.51.100.9 }}
expect:
  it: {{ {intent} }}
"
    )
}

const ALL: &str = "{ direction: ingress }";
const OUT: &str = "{ direction: egress }";

fn asked(server: &str, client: &str, intent: &str) -> Answer {
    let text = network(server, client, intent);
    let network = netwright_model::load("test.yaml", &text, &mut Sources::default())
        .unwrap_or_else(|errors| panic!("{errors:?}"));
    ask(&mut Prover::new(&network)).remove(0)
}

#[track_caller]
fn says(answer: &Answer, standing: Standing, why: &str) {
    assert_eq!(answer.standing, standing, "{}", answer.why);
    assert!(answer.why.contains(why), "`{why}` is not in: {}", answer.why);
}

#[test]
fn every_interface_and_family_of_both_ends_is_asked() {
    let intent = "from: client, to: server, service: tcp/443";
    says(&asked(ALL, OUT, intent), Standing::Holds, "3 flows asked");
}

#[test]
fn the_address_that_fails_is_named_with_its_interface() {
    let only_v4 = "{ direction: ingress, from: 10.0.0.0/16 }";
    let answer = asked(only_v4, OUT, "from: client, to: server, service: tcp/443");
    says(&answer, Standing::Broken, "server/eth0 [2001:db8:0:a::20]");
    let partly = answer.partly.expect("a part that works");
    assert!(partly.surely && partly.works.contains("server/eth1 [10.0.1.20]"), "{partly:?}");
    let closed = "{ direction: ingress, from: 10.0.0.250 }";
    let answer = asked(closed, OUT, "from: client, to: server, service: tcp/443");
    says(&answer, Standing::Broken, "only to server/eth1 [10.0.1.20], not to server/eth0");
}

#[test]
fn a_machine_with_several_interfaces_must_reach_from_those_that_it_would_send_by() {
    // It sends to its own networks by the interface there, which is open; to others by each.
    let closed = "{ direction: ingress, from: 10.0.0.250 }";
    let open = asked(closed, OUT, "from: server, to: client, service: tcp/443");
    says(&open, Standing::Holds, "2 flows asked");
}

#[test]
fn all_addresses_of_an_outside_range_are_asked() {
    let half = "{ direction: egress, to: 192.0.4.0/25 }";
    for to in ["partner", "192.0.4.0/24"] {
        let intent = format!("from: client, to: '{to}', service: tcp/443");
        says(&asked(ALL, OUT, &intent), Standing::Holds, "1 flow asked");
        let broken = asked(ALL, half, &intent);
        says(&broken, Standing::Broken, "only to 192.0.4.0/25, not to 192.0.4.128/25");
        assert_eq!(broken.verdict, Some(Verdict::Blocked));
    }
    let part = asked(ALL, half, "from: client, to: 192.0.4.0/26, service: tcp/443");
    says(&part, Standing::Holds, "1 flow asked");
}

#[test]
fn all_of_the_internet_must_reach_what_it_must_reach() {
    let intent = "from: internet, to: 198.51.100.20, service: tcp/443";
    says(&asked(ALL, OUT, intent), Standing::Holds, "asked");
    let some = "{ direction: ingress, from: 64.0.0.0/2 }";
    says(&asked(some, OUT, intent), Standing::Broken, "only from 64.0.0.0-");
}

#[test]
fn a_name_is_resolved_as_the_source_would_have_it_answered() {
    let open = asked(ALL, OUT, "from: client, to: alias.inside.example, service: tcp/443");
    says(&open, Standing::Holds, "1 flow asked");
    // Outside its VPC the private zone is not seen: there is no such name.
    let intent = "from: stranger, to: 'host:alias.inside.example', service: tcp/443";
    says(&asked(ALL, OUT, intent), Standing::Broken, "zone inside.example has no alias.inside");
    let closed = "{ direction: ingress, from: 10.0.0.250 }";
    let private = asked(closed, OUT, "from: client, to: who.inside.example, service: tcp/443");
    says(&private, Standing::Broken, "client → who.inside.example (server)");
}

#[test]
fn names_that_lead_nowhere_break_an_intent_with_their_chain() {
    let circle = asked(ALL, OUT, "from: client, to: a.inside.example, service: tcp/443");
    says(&circle, Standing::Broken, "a.inside.example → b.inside.example → a.inside.example");
    assert_eq!(circle.verdict, Some(Verdict::Unresolved));
    let gone = asked(ALL, OUT, "from: client, to: gone.inside.example, service: tcp/443");
    says(&gone, Standing::Broken, "gone.inside.example → nothing.inside.example; zone");
    // Nobody can be asked there, which proves nothing about what must be blocked.
    let intent = "from: client, to: gone.inside.example, outcome: blocked";
    says(&asked(ALL, OUT, intent), Standing::Unknown, "unresolved");
    let elsewhere = asked(ALL, OUT, "from: client, to: 'host:example.org', service: tcp/443");
    says(&elsewhere, Standing::Unknown, "no zone of the description");
}

#[test]
fn a_source_may_be_a_name_that_everybody_is_answered_alike() {
    // `db` exists for one VPC only, and the public zone of the same name has none.
    let differs = asked(ALL, OUT, "from: 'host:who.inside.example', to: server, service: tcp/443");
    says(&differs, Standing::Unknown, "depends on who asks");
}

#[test]
fn ends_that_share_no_family_are_not_said_to_be_reached() {
    let text = network(ALL, OUT, "from: stranger, to: ['2001:db8:0:a::9', '10.0.0.9']");
    let network = netwright_model::load("test.yaml", &text, &mut Sources::default()).unwrap();
    let answer = ask(&mut Prover::new(&network)).remove(0);
    assert_ne!(answer.standing, Standing::Holds, "{}", answer.why);
    let both = asked(ALL, OUT, "from: 10.0.0.9, to: ['2001:db8:0:a::20', '10.0.1.20']");
    says(&both, Standing::Unknown, "no address of one family");
}

/// A service in the VPC whose dependency is a name.
fn dependency(to: &str) -> dependencies::Answer {
    let mut text = network(ALL, OUT, "from: client, to: server");
    text += &format!(
        "
connectors: {{ c: {{ vpc: net, cidr: 10.0.8.0/28 }} }}
services:
  s:
    egress: {{ mode: all-traffic, connector: c }}
    dependencies: {{ it: {{ to: '{to}', port: 5432 }} }}
"
    );
    let network = netwright_model::load("test.yaml", &text, &mut Sources::default())
        .unwrap_or_else(|errors| panic!("{errors:?}"));
    dependencies::ask(&mut Prover::new(&network)).remove(0)
}

#[test]
fn a_dependency_may_be_a_name() {
    let works = dependency("alias.inside.example");
    assert_eq!(works.verdict, Verdict::Reachable, "{works:?}");
    let circle = dependency("a.inside.example");
    assert_eq!(circle.verdict, Verdict::Unresolved);
    assert!(circle.is_missing());
    let why = circle.why.expect("a reason");
    assert!(why.contains("a.inside.example → b.inside.example → a.inside.example"), "{why}");
    assert_eq!(dependency("host:example.org").verdict, Verdict::Unknown);
}

#[test]
fn who_has_the_address_of_another_where_a_packet_is_gets_it_in_its_place() {
    let answer = |intent: &str| {
        let text = format!(
            "
vpcs:
  v: {{ subnets: {{ s: {{ cidr: 10.0.0.0/24 }} }} }}
  w: {{ subnets: {{ t: {{ cidr: 10.0.0.0/24 }} }} }}
filters: {{ f: {{ rules: [{{ direction: egress }}, {{ direction: ingress }}] }} }}
instances:
  a: {{ subnet: s, address: 10.0.0.10, filters: f }}
  b: {{ subnet: s, address: 10.0.0.11, filters: f }}
  c: {{ subnet: t, address: 10.0.0.11, filters: f }}
expect: {{ it: {{ {intent} }} }}
"
        );
        let network = netwright_model::load("test.yaml", &text, &mut Sources::default()).unwrap();
        ask(&mut Prover::new(&network)).remove(0)
    };
    says(&answer("from: a, to: b, service: tcp/443"), Standing::Holds, "1 flow asked");
    let to_another = answer("from: a, to: c, service: tcp/443");
    says(&to_another, Standing::Broken, "in VPC v the address is that of b");
    assert_eq!(to_another.verdict, Some(Verdict::Blocked));
    says(&answer("from: a, to: c, outcome: blocked"), Standing::Holds, "1 flow asked");
    says(&answer("from: a, to: b, outcome: blocked"), Standing::Broken, "passes");
    // An address itself is whoever's it is where the packet is.
    says(&answer("from: a, to: 10.0.0.11, service: tcp/443"), Standing::Holds, "asked");
}
