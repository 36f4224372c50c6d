//! Rules of the walk, each on the smallest network that shows it.

use std::net::IpAddr;

use netwright_model::network::{ExternalId, InterfaceId, Network, ServerlessId, SiteId};
use netwright_model::source::Sources;

use super::{Answer, Origin, Place, Reason, connection};
use crate::space::Packet;

fn network(text: &str) -> Network {
    netwright_model::load("test.yaml", text, &mut Sources::default())
        .unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn interface(network: &Network, name: &str) -> InterfaceId {
    let position = network.interfaces.iter().position(|interface| interface.name == name);
    InterfaceId::at(position.unwrap_or_else(|| panic!("no interface {name}")))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn tcp(src: &str, dst: &str, port: u16) -> Packet {
    Packet::tcp(ip(src), 50_000, ip(dst), port)
}

/// What the connection comes to, in one word with the reason.
fn verdict(network: &Network, origin: Origin, packet: Packet) -> String {
    match connection(network, origin, packet) {
        Answer::Reachable { .. } => "reachable".to_owned(),
        Answer::Blocked(Reason::Rule(filter, rule), _) => {
            let filter = &network[filter];
            format!("blocked: {} {}", filter.name, filter.rules[rule].name)
        }
        Answer::Blocked(reason, _) => format!("blocked: {reason:?}"),
        Answer::NoReturn(Reason::Rule(filter, rule), _) => {
            let filter = &network[filter];
            format!("no_return: {} {}", filter.name, filter.rules[rule].name)
        }
        Answer::NoReturn(reason, _) => format!("no_return: {reason:?}"),
        Answer::Unknown(_) => "unknown".to_owned(),
    }
}

/// One VPC with two machines in two subnets, `a` 10.0.1.10 and `b` 10.0.2.10, and what the test adds.
fn pair(subnet_b: &str, instance_b: &str, rest: &str) -> Network {
    network(&format!(
        "
vpcs:
  v:
    cidr: 10.0.0.0/16
    subnets:
      one: {{ cidr: 10.0.1.0/24 }}
      two: {{ cidr: 10.0.2.0/24{subnet_b} }}
instances:
  a: {{ subnet: v/one, address: 10.0.1.10 }}
  b: {{ subnet: v/two, address: 10.0.2.10{instance_b} }}
{rest}"
    ))
}

fn a_to_b(network: &Network, port: u16) -> String {
    let from = Origin::Interface(interface(network, "a"));
    verdict(network, from, tcp("10.0.1.10", "10.0.2.10", port))
}

#[test]
fn without_filters_everything_in_a_vpc_passes() {
    assert_eq!(a_to_b(&pair("", "", ""), 22), "reachable");
}

#[test]
fn lower_priority_number_first() {
    // The rule pair of the ticket: the second rule is never reached.
    let net = pair(
        "",
        ", filters: [ssh]",
        "
filters:
  ssh:
    ordered: true
    default_ingress: allow
    rules:
      - { name: deny-all, direction: ingress, action: deny, priority: 100, protocol: tcp, port: 22 }
      - { name: allow-inside, direction: ingress, priority: 200, protocol: tcp, port: 22, from: 10.0.0.0/8 }
",
    );
    assert_eq!(a_to_b(&net, 22), "blocked: ssh deny-all");
    assert_eq!(a_to_b(&net, 23), "reachable");
}

#[test]
fn deny_wins_at_equal_priority() {
    let net = pair(
        "",
        ", filters: [f]",
        "
filters:
  f:
    ordered: true
    rules:
      - { name: a-allow, direction: ingress, priority: 100, protocol: tcp }
      - { name: z-deny, direction: ingress, action: deny, priority: 100, protocol: tcp, port: 22 }
",
    );
    assert_eq!(a_to_b(&net, 22), "blocked: f z-deny");
    assert_eq!(a_to_b(&net, 80), "reachable");
}

#[test]
fn any_deny_wins_in_a_filter_without_order() {
    let net = pair(
        "",
        ", filters: [f]",
        "
filters:
  f:
    rules:
      - { name: allow, direction: ingress, priority: 1 }
      - { name: deny, direction: ingress, action: deny, priority: 2, protocol: tcp, port: 20-22 }
",
    );
    assert_eq!(a_to_b(&net, 22), "blocked: f deny");
    assert_eq!(a_to_b(&net, 23), "reachable");
}

#[test]
fn several_groups_on_an_interface_are_a_union() {
    let net = pair(
        "",
        ", filters: [web, admin]",
        "
filters:
  web: { rules: [{ direction: ingress, protocol: tcp, port: 443 }] }
  admin: { rules: [{ direction: ingress, protocol: tcp, port: 22 }] }
",
    );
    assert_eq!(a_to_b(&net, 443), "reachable");
    assert_eq!(a_to_b(&net, 22), "reachable");
    assert_eq!(a_to_b(&net, 80), "blocked: NoRule");
}

#[test]
fn goto_next_leaves_the_decision_to_the_next_tier() {
    let net = pair(
        "",
        "",
        "
filters:
  policy:
    attach: vpc
    vpc: v
    ordered: true
    tier: 1
    default_ingress: next
    default_egress: allow
    rules:
      - { name: pass-on, direction: ingress, action: next, priority: 1, protocol: tcp, port: 22 }
      - { name: deny-low, direction: ingress, action: deny, priority: 2, protocol: tcp, port: 0-1023 }
  firewall:
    attach: vpc
    vpc: v
    ordered: true
    tier: 2
    rules:
      - { name: ssh, direction: ingress, priority: 1000, protocol: tcp, port: 22 }
",
    );
    assert_eq!(a_to_b(&net, 22), "reachable");
    assert_eq!(a_to_b(&net, 80), "blocked: policy deny-low");
    assert_eq!(a_to_b(&net, 8080), "blocked: NoRule");
}

const ACL: &str = "
filters:
  acl:
    attach: subnet
    stateful: false
    ordered: true
    rules:
      - { name: in, direction: ingress, priority: 100, protocol: tcp, port: 443 }
      - { name: out, direction: egress, priority: 100, protocol: tcp, port: 32768-65535 }
";

#[test]
fn stateless_acl_must_allow_the_answer() {
    let net = pair(", filter: acl", "", ACL);
    assert_eq!(a_to_b(&net, 443), "reachable");
    assert_eq!(a_to_b(&net, 80), "blocked: NoRule");
    let from = Origin::Interface(interface(&net, "a"));
    let low = Packet::tcp(ip("10.0.1.10"), 1024, ip("10.0.2.10"), 443);
    assert_eq!(verdict(&net, from, low), "no_return: NoRule");
}

#[test]
fn stateful_filters_pass_the_answer() {
    let net = pair(", filter: acl", "", &ACL.replace("stateful: false", "stateful: true"));
    let from = Origin::Interface(interface(&net, "a"));
    let low = Packet::tcp(ip("10.0.1.10"), 1024, ip("10.0.2.10"), 443);
    assert_eq!(verdict(&net, from, low), "reachable");
}

#[test]
fn acl_is_not_applied_inside_a_subnet() {
    let text = |provider: &str| {
        format!(
            "
provider: {provider}
vpcs:
  v: {{ cidr: 10.0.0.0/16, subnets: {{ one: {{ cidr: 10.0.1.0/24, filter: closed }} }} }}
filters:
  closed: {{ attach: subnet }}
instances:
  a: {{ subnet: v/one, address: 10.0.1.10 }}
  b: {{ subnet: v/one, address: 10.0.1.11 }}
"
        )
    };
    let ask = |net: &Network| {
        verdict(net, Origin::Interface(interface(net, "a")), tcp("10.0.1.10", "10.0.1.11", 80))
    };
    assert_eq!(ask(&network(&text("aws"))), "reachable");
    assert_eq!(ask(&network(&text("azure"))), "blocked: NoRule");
}

#[test]
fn a_rule_that_names_ports_matches_no_packet_without_ports() {
    let net = pair(
        "",
        ", filters: [f]",
        "
filters:
  f: { rules: [{ direction: ingress, ports: [0-65535] }] }
",
    );
    let from = Origin::Interface(interface(&net, "a"));
    let ping = Packet::icmp(ip("10.0.1.10"), ip("10.0.2.10"), 8, 0);
    let gre = Packet::other(ip("10.0.1.10"), ip("10.0.2.10"), 47);
    assert_eq!(verdict(&net, from, ping), "blocked: NoRule");
    assert_eq!(verdict(&net, from, gre), "blocked: NoRule");
    assert_eq!(a_to_b(&net, 1), "reachable");
}

#[test]
fn uncertain_rules_make_the_answer_unknown_only_where_they_decide() {
    let net = pair(
        "",
        ", filters: [f]",
        "
filters:
  f:
    ordered: true
    rules:
      - { name: sure, direction: ingress, priority: 1, protocol: tcp, port: 443 }
      - { name: perhaps, direction: ingress, priority: 2, protocol: tcp, port: 22, from: 'unknown:region' }
      - { name: also-deny, direction: ingress, action: deny, priority: 3, protocol: tcp, port: 23, uncertain: fqdn }
      - { name: no, direction: ingress, action: deny, priority: 4 }
",
    );
    assert_eq!(a_to_b(&net, 443), "reachable");
    assert_eq!(a_to_b(&net, 22), "unknown");
    assert_eq!(a_to_b(&net, 23), "blocked: f no");
}

#[test]
fn an_incomplete_filter_decides_where_a_given_rule_does() {
    let net = pair(
        "",
        ", filters: [f]",
        "
filters:
  f: { incomplete: cut off, rules: [{ direction: ingress, protocol: tcp, port: 443 }] }
",
    );
    assert_eq!(a_to_b(&net, 443), "reachable");
    assert_eq!(a_to_b(&net, 80), "unknown");
}

#[test]
fn a_stopped_machine_neither_sends_nor_receives() {
    let net = pair("", ", running: false", "");
    assert_eq!(a_to_b(&net, 80), "blocked: NotRunning");
    let from = Origin::Interface(interface(&net, "b"));
    let packet = tcp("10.0.2.10", "10.0.1.10", 80);
    assert_eq!(verdict(&net, from, packet), "blocked: NotRunning");
}

#[test]
fn an_address_that_nobody_has_is_named_so() {
    let net = pair("", "", "");
    let from = Origin::Interface(interface(&net, "a"));
    let ask = |dst: &str| verdict(&net, from, tcp("10.0.1.10", dst, 80));
    assert_eq!(ask("10.0.2.11"), "blocked: NoSuchAddress");
    assert_eq!(ask("10.0.3.1"), "blocked: NoSuchSubnet");
    assert_eq!(ask("192.0.2.1"), "blocked: NoRoute");
}

/// Three VPCs in a row: `a` peers with `b`, `b` peers with `c`; each routes all of 10/8 to its neighbours.
const ROW: &str = "
provider: aws
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets: { s: { cidr: 10.1.0.0/24 } }
    route_tables: { main: { routes: [{ to: 10.0.0.0/8, via: 'peering:ab' }] } }
  b:
    cidr: 10.2.0.0/16
    subnets: { s: { cidr: 10.2.0.0/24 } }
    route_tables: { main: { routes: [{ to: 10.1.0.0/16, via: 'peering:ab' }, { to: 10.3.0.0/16, via: 'peering:bc' }] } }
  c:
    cidr: 10.3.0.0/16
    subnets: { s: { cidr: 10.3.0.0/24 } }
    route_tables: { main: { routes: [{ to: 10.0.0.0/8, via: 'peering:bc' }] } }
peerings:
  ab: { vpcs: [a, b] }
  bc: { vpcs: [b, c], inter_region: true }
filters:
  sender: { rules: [{ direction: egress }] }
  by-group: { rules: [{ direction: ingress, from: 'group:sender' }] }
instances:
  x: { subnet: a/s, address: 10.1.0.10, filters: [sender] }
  y: { subnet: b/s, address: 10.2.0.10, filters: [by-group] }
  z: { subnet: c/s, address: 10.3.0.10, filters: [sender] }
";

#[test]
fn peering_is_not_transitive() {
    let net = network(ROW);
    let from = Origin::Interface(interface(&net, "x"));
    assert_eq!(verdict(&net, from, tcp("10.1.0.10", "10.3.0.10", 80)), "blocked: NotTransitive");
}

#[test]
fn group_references_hold_over_a_peering_of_the_same_region() {
    let net = network(ROW);
    let near = Origin::Interface(interface(&net, "x"));
    assert_eq!(verdict(&net, near, tcp("10.1.0.10", "10.2.0.10", 80)), "reachable");
    let far = Origin::Interface(interface(&net, "z"));
    assert_eq!(verdict(&net, far, tcp("10.3.0.10", "10.2.0.10", 80)), "blocked: NoRule");
}

#[test]
fn a_peering_needs_both_sides() {
    let net = network(&ROW.replace("ab: { vpcs: [a, b] }", "ab: { vpcs: [a, b], state: pending }"));
    let from = Origin::Interface(interface(&net, "x"));
    let packet = tcp("10.1.0.10", "10.2.0.10", 80);
    assert_eq!(verdict(&net, from, packet), "blocked: PeeringNotActive");
}

#[test]
fn the_answer_needs_a_route_of_its_own() {
    let net = network(&ROW.replace("{ to: 10.1.0.0/16, via: 'peering:ab' }, ", ""));
    let from = Origin::Interface(interface(&net, "x"));
    let packet = tcp("10.1.0.10", "10.2.0.10", 80);
    assert_eq!(verdict(&net, from, packet), "no_return: NoRoute");
}

/// A private subnet behind a NAT gateway, a public subnet with a gateway, an outside service with an allow list.
const NAT: &str = "
provider: aws
vpcs:
  v:
    cidrs: [10.0.0.0/16, 2001:db8:1::/56]
    subnets:
      private: { cidrs: [10.0.1.0/24, 2001:db8:1:1::/64], route_table: private }
      public: { cidrs: [10.0.0.0/24], route_table: public }
    route_tables:
      private: { routes: [{ to: 0.0.0.0/0, via: 'nat:nat' }, { to: '::/0', via: 'internet_gateway:six' }] }
      public: { routes: [{ to: 0.0.0.0/0, via: 'internet_gateway:igw' }] }
internet_gateways:
  igw: { vpc: v }
  six: { vpc: v, egress_only: true }
nat_gateways:
  nat: { subnet: v/public, private_address: 10.0.0.5, address: 52.0.0.5 }
externals:
  partner: { addresses: [198.51.100.7/32], allow_from: [52.0.0.5/32] }
filters:
  sender: { rules: [{ direction: egress }] }
  by-group: { rules: [{ direction: ingress, from: 'group:sender' }, { direction: egress }] }
instances:
  app: { subnet: v/private, addresses: [10.0.1.10, '2001:db8:1:1::10'], filters: [sender] }
  web: { subnet: v/public, address: 10.0.0.10, public_address: 52.0.0.10, filters: [by-group] }
  bare: { subnet: v/public, address: 10.0.0.11 }
";

#[test]
fn the_far_end_sees_the_nat_gateways_address() {
    let net = network(NAT);
    let from = Origin::Interface(interface(&net, "app"));
    let packet = tcp("10.0.1.10", "198.51.100.7", 443);
    let Answer::Reachable { to, arrives, predictable } = connection(&net, from, packet) else {
        panic!("{:?}", connection(&net, from, packet));
    };
    assert_eq!(to, Place::External(ExternalId(0)));
    assert_eq!(arrives.src, ip("52.0.0.5"));
    assert!(predictable);
}

#[test]
fn an_allow_list_refuses_other_addresses() {
    let net = network(NAT);
    let from = Origin::Interface(interface(&net, "web"));
    let packet = tcp("10.0.0.10", "198.51.100.7", 443);
    assert_eq!(verdict(&net, from, packet), "blocked: NotOnAllowList");
}

#[test]
fn nat_carries_no_gre() {
    let net = network(NAT);
    let from = Origin::Interface(interface(&net, "app"));
    let gre = Packet::other(ip("10.0.1.10"), ip("203.0.113.1"), 47);
    assert_eq!(verdict(&net, from, gre), "blocked: NatProtocol");
}

#[test]
fn nat_accepts_nothing_unsolicited() {
    let net = network(NAT);
    let packet = tcp("203.0.113.1", "52.0.0.5", 80);
    assert_eq!(verdict(&net, Origin::Internet, packet), "blocked: Unsolicited");
}

#[test]
fn without_a_public_address_nothing_leaves_by_the_gateway() {
    let net = network(NAT);
    let from = Origin::Interface(interface(&net, "bare"));
    let packet = tcp("10.0.0.11", "203.0.113.1", 80);
    assert_eq!(verdict(&net, from, packet), "blocked: NoPublicAddress");
}

#[test]
fn group_reference_does_not_match_translated_source() {
    let net = network(NAT);
    let from = Origin::Interface(interface(&net, "app"));
    assert_eq!(verdict(&net, from, tcp("10.0.1.10", "10.0.0.10", 80)), "reachable");
    // The same machine by its public address: the packet comes back from the NAT gateway's.
    assert_eq!(verdict(&net, from, tcp("10.0.1.10", "52.0.0.10", 80)), "blocked: NoRule");
}

#[test]
fn an_egress_only_gateway_lets_answers_in() {
    let net = network(NAT);
    let from = Origin::Interface(interface(&net, "app"));
    let out = tcp("2001:db8:1:1::10", "2600::1", 443);
    assert_eq!(verdict(&net, from, out), "reachable");
    // igw is attached too, and lets it in; without it nothing does.
    let only_six = network(&NAT.replace("igw: { vpc: v }", "igw: {}"));
    let inward = tcp("2600::1", "2001:db8:1:1::10", 443);
    assert_eq!(verdict(&only_six, Origin::Internet, inward), "blocked: NoGateway");
}

#[test]
fn the_internet_reaches_a_public_address_and_gets_its_answer() {
    let net = network(&NAT.replace("from: 'group:sender'", "protocol: tcp"));
    let packet = tcp("203.0.113.1", "52.0.0.10", 80);
    assert_eq!(verdict(&net, Origin::Internet, packet), "reachable");
    let detached = network(&NAT.replace("igw: { vpc: v }", "igw: {}"));
    assert_eq!(verdict(&detached, Origin::Internet, packet), "blocked: NoGateway");
}

#[test]
fn longest_prefix_first_then_static_before_propagated() {
    let table = |routes: &str| {
        network(&format!(
            "
vpcs:
  v:
    cidr: 10.0.0.0/16
    subnets: {{ s: {{ cidr: 10.0.1.0/24 }} }}
    route_tables: {{ main: {{ routes: [{routes}] }} }}
internet_gateways: {{ igw: {{ vpc: v }} }}
instances: {{ a: {{ subnet: v/s, address: 10.0.1.10, public_address: 52.0.0.1 }} }}
"
        ))
    };
    let ask = |routes: &str| {
        let net = table(routes);
        let from = Origin::Interface(interface(&net, "a"));
        verdict(&net, from, tcp("10.0.1.10", "203.0.113.1", 80))
    };
    let out = "{ to: 0.0.0.0/0, via: 'internet_gateway:igw' }";
    assert_eq!(ask(out), "reachable");
    assert_eq!(
        ask(&format!("{out}, {{ to: 203.0.113.0/24, via: blackhole }}")),
        "blocked: Blackhole"
    );
    let learned = "{ to: 0.0.0.0/0, via: blackhole, origin: propagated }";
    assert_eq!(ask(&format!("{learned}, {out}")), "reachable");
    assert_eq!(ask(&format!("{out}, {{ to: 0.0.0.0/0, via: blackhole }}")), "unknown");
    let tagged = "{ to: 203.0.113.0/24, via: blackhole, tags: [special] }";
    assert_eq!(ask(&format!("{out}, {tagged}")), "reachable");
}

#[test]
fn a_forwarding_instance_loses_the_senders_identity_and_may_loop() {
    let text = "
vpcs:
  v:
    cidr: 10.0.0.0/16
    subnets:
      s: { cidr: 10.0.1.0/24, route_table: s }
      t: { cidr: 10.0.2.0/24 }
      fw: { cidr: 10.0.3.0/24, route_table: fw }
    route_tables:
      s: { routes: [{ to: 10.0.2.0/24, via: 'instance:wall' }] }
      fw: { routes: [LOOP] }
      main: {}
    main_route_table: main
filters:
  sender: { rules: [{ direction: egress }, { direction: ingress }] }
  by-group: { rules: [{ direction: ingress, from: 'group:sender' }, { direction: egress }] }
instances:
  a: { subnet: v/s, address: 10.0.1.10, filters: [sender] }
  b: { subnet: v/t, address: 10.0.2.10, filters: [GROUP] }
  wall: { subnet: v/fw, address: 10.0.3.10, forwards: true }
";
    let plain = text.replace("LOOP", "");
    let from = |net: &Network| Origin::Interface(interface(net, "a"));
    let packet = tcp("10.0.1.10", "10.0.2.10", 80);
    let net = network(&plain.replace("GROUP", "by-group"));
    assert_eq!(verdict(&net, from(&net), packet), "blocked: NoRule");
    let net = network(&plain.replace("GROUP", "sender"));
    assert_eq!(verdict(&net, from(&net), packet), "reachable");
    let net =
        network(&plain.replace("GROUP", "sender").replace("forwards: true", "forwards: false"));
    assert_eq!(verdict(&net, from(&net), packet), "blocked: NotForwarding");
    let looped = text.replace("LOOP", "{ to: 10.0.2.0/24, via: 'instance:wall' }");
    let net = network(&looped.replace("GROUP", "sender"));
    assert_eq!(verdict(&net, from(&net), packet), "blocked: Loop");
}

const SITE: &str = "
vpcs:
  v:
    cidr: 10.0.0.0/16
    subnets: { s: { cidr: 10.0.1.0/24 } }
    route_tables: { main: { routes: [{ to: 192.168.0.0/16, via: 'vpn:vpn' }] } }
sites: { office: { cidr: 192.168.0.0/16 } }
vpns: { vpn: { vpc: v, site: office } }
instances: { a: { subnet: v/s, address: 10.0.1.10 } }
";

#[test]
fn a_link_carries_packets_both_ways_while_it_is_up() {
    let net = network(SITE);
    let (out, inward) = (tcp("10.0.1.10", "192.168.1.1", 80), tcp("192.168.1.1", "10.0.1.10", 80));
    assert_eq!(verdict(&net, Origin::Interface(interface(&net, "a")), out), "reachable");
    assert_eq!(verdict(&net, Origin::Site(SiteId(0)), inward), "reachable");
    let down = network(&SITE.replace("site: office }", "site: office, up: false }"));
    assert_eq!(verdict(&down, Origin::Interface(interface(&down, "a")), out), "blocked: NoLink");
    assert_eq!(verdict(&down, Origin::Site(SiteId(0)), inward), "blocked: NoLink");
}

#[test]
fn a_site_that_knows_no_way_back_does_not_answer() {
    let net =
        network(&SITE.replace("site: office }", "site: office, local_cidrs: [10.0.9.0/24] }"));
    let out = tcp("10.0.1.10", "192.168.1.1", 80);
    assert_eq!(verdict(&net, Origin::Interface(interface(&net, "a")), out), "no_return: NoLink");
}

/// The staging regression's question: what leaves through the NAT with each egress mode.
fn serverless(mode: &str) -> Network {
    network(&format!(
        "
provider: gcp
vpcs:
  v:
    subnets: {{ s: {{ cidr: 10.0.1.0/24 }}, c: {{ cidr: 10.8.0.0/28 }} }}
    route_tables: {{ main: {{ routes: [{{ to: 0.0.0.0/0, via: 'internet_gateway:igw' }}] }} }}
internet_gateways: {{ igw: {{ vpc: v }} }}
nat_gateways: {{ nat: {{ vpc: v, address: 52.0.0.5 }} }}
connectors: {{ conn: {{ subnet: v/c }} }}
services: {{ app: {{ egress: {{ mode: {mode}, connector: conn }} }} }}
externals: {{ partner: {{ addresses: [198.51.100.7/32], allow_from: [52.0.0.5/32] }} }}
instances: {{ db: {{ subnet: v/s, address: 10.0.1.10 }} }}
"
    ))
}

#[test]
fn only_all_traffic_sends_public_destinations_through_the_nat() {
    let from = Origin::Serverless(ServerlessId(0));
    let public = tcp("10.8.0.4", "198.51.100.7", 443);
    let private = tcp("10.8.0.4", "10.0.1.10", 5432);
    let all = serverless("all-traffic");
    assert_eq!(verdict(&all, from, public), "reachable");
    assert_eq!(verdict(&all, from, private), "reachable");
    let ranges = serverless("private-ranges-only");
    assert_eq!(verdict(&ranges, from, private), "reachable");
    assert_eq!(verdict(&ranges, from, public), "blocked: SourceNotPredictable");
    let none = serverless("none");
    assert_eq!(verdict(&none, from, private), "blocked: NotRoutable");
    let anywhere = tcp("10.8.0.4", "203.0.113.1", 443);
    assert_eq!(verdict(&none, from, anywhere), "reachable");
}

#[test]
fn nothing_opens_a_connection_to_a_connector() {
    let net = serverless("all-traffic");
    let from = Origin::Interface(interface(&net, "db"));
    assert_eq!(verdict(&net, from, tcp("10.0.1.10", "10.8.0.4", 80)), "blocked: AnswersOnly");
}

#[test]
fn a_hub_looks_packets_up_in_the_table_of_the_attachment_that_they_come_from() {
    let text = "
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets: { s: { cidr: 10.1.0.0/24 } }
    route_tables: { main: { routes: [{ to: 10.0.0.0/8, via: 'transit:hub' }] } }
  b:
    cidr: 10.2.0.0/16
    subnets: { s: { cidr: 10.2.0.0/24 } }
    route_tables: { main: { routes: [{ to: 10.0.0.0/8, via: 'transit:hub' }] } }
transits:
  hub:
    tables:
      spokes: { routes: [{ to: 10.2.0.0/16, via: 'attachment:b' }] }
      others: { routes: [OTHERS] }
    attachments:
      a: { vpc: a, table: spokes }
      b: { vpc: b, table: others }
instances:
  x: { subnet: a/s, address: 10.1.0.10 }
  y: { subnet: b/s, address: 10.2.0.10 }
";
    let packet = tcp("10.1.0.10", "10.2.0.10", 80);
    let one_way = network(&text.replace("OTHERS", ""));
    let from = Origin::Interface(interface(&one_way, "x"));
    assert_eq!(verdict(&one_way, from, packet), "no_return: NoRoute");
    let both = network(&text.replace("OTHERS", "{ to: 10.1.0.0/16, via: 'attachment:a' }"));
    assert_eq!(verdict(&both, from, packet), "reachable");
}

/// Two machines of one subnet, one of another, and a route with the origin that is asked about.
fn doubtful(route: &str) -> Network {
    network(&format!(
        "
vpcs:
  v:
    cidr: 10.0.0.0/16
    main_route_table: t
    subnets:
      one: {{ cidr: 10.0.1.0/24 }}
      two: {{ cidr: 10.0.2.0/24 }}
    route_tables:
      t:
        routes:
          - {{ to: 0.0.0.0/0, via: \"internet_gateway:g\" }}
          - {route}
internet_gateways: {{ g: {{ vpc: v }} }}
instances:
  a: {{ subnet: v/one, address: 10.0.1.10, public_address: 198.51.100.1, tags: [\"yes\"] }}
  a2: {{ subnet: v/one, address: 10.0.1.11, public_address: 198.51.100.2 }}
  b: {{ subnet: v/two, address: 10.0.2.10 }}
"
    ))
}

#[test]
fn a_route_that_may_exist_makes_all_unknown_but_what_lies_in_the_vpc() {
    let net = doubtful("{ to: 8.0.0.0/8, via: \"unknown:bgp\", origin: possible }");
    let a = Origin::Interface(interface(&net, "a"));
    let to = |dst: &str| verdict(&net, a, tcp("10.0.1.10", dst, 443));
    assert_eq!(to("10.0.2.10"), "reachable");
    assert_eq!(to("8.8.8.8"), "unknown");
    assert_eq!(to("9.9.9.9"), "reachable");
}

#[test]
fn a_policy_may_apply_before_everything_to_machines_with_its_tags() {
    let net =
        doubtful("{ to: 10.0.0.0/16, via: \"unknown:policy\", origin: policy, tags: [\"yes\"] }");
    let ask = |name: &str, src: &str, dst: &str| {
        verdict(&net, Origin::Interface(interface(&net, name)), tcp(src, dst, 443))
    };
    assert_eq!(ask("a", "10.0.1.10", "10.0.1.11"), "unknown");
    assert_eq!(ask("a", "10.0.1.10", "10.0.2.10"), "unknown");
    assert_eq!(ask("a", "10.0.1.10", "9.9.9.9"), "reachable");
    assert_eq!(ask("a2", "10.0.1.11", "10.0.2.10"), "reachable");
}
