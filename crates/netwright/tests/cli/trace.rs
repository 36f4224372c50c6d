//! `netwright trace`.

use crate::folder::SHOP;
use crate::run::on;

#[test]
fn a_flow_that_works_both_ways_exits_0_and_says_so_first() {
    let ran = on(SHOP, &["trace", "network.yaml", "web-1", "db-1", "--port", "tcp/5432"]).ends(0);
    assert!(ran.out.starts_with("reachable: web-1 → db-1"), "{}", ran.out);
    assert!(ran.out.contains("from-web"), "the rule that lets it in: {}", ran.out);
    assert!(ran.out.contains("network.yaml:24:9"), "the rule's place: {}", ran.out);
}

#[test]
fn a_blocked_flow_exits_1_and_marks_what_blocks_it() {
    let ran = on(SHOP, &["trace", "network.yaml", "web-1", "db-1", "--port", "tcp/22"]).ends(1);
    assert!(ran.out.starts_with("blocked: "), "{}", ran.out);
    assert!(ran.out.contains('✗'), "{}", ran.out);
}

#[test]
fn a_flow_that_cannot_be_told_exits_3_and_says_what_is_missing() {
    let text = SHOP.replace("from: group:web", "from: unknown:a list that was not exported");
    let ran = on(&text, &["trace", "network.yaml", "web-1", "db-1", "--port", "tcp/5432"]).ends(3);
    assert!(ran.out.starts_with("unknown: "), "{}", ran.out);
}

#[test]
fn json_has_verdict_hops_and_identifiers() {
    let words =
        ["trace", "network.yaml", "web-1", "db-1", "--port", "tcp/5432", "--format", "json"];
    let json = on(SHOP, &words).ends(0).json();
    assert_eq!(json["version"], 1);
    assert_eq!(json["verdict"], "reachable");
    assert_eq!(json["forward"]["hops"][0]["id"], "i-web");
    let last = json["forward"]["hops"].as_array().and_then(|hops| hops.last()).expect("hops");
    assert_eq!(last["id"], "i-db");
    assert_eq!(json["return"]["hops"][0]["name"], "db-1");
    assert_eq!(json["source_seen"], "10.0.1.10");
}

#[test]
fn endpoints_are_named_by_name_identifier_address_and_internet() {
    for (from, to) in [("web-1", "db-1"), ("i-web", "i-db"), ("10.0.1.10", "10.0.2.10")] {
        on(SHOP, &["trace", "network.yaml", from, to, "--port", "tcp/5432"]).ends(0);
        let words = ["trace", "network.yaml", "--from", from, "--to", to, "--port", "tcp/5432"];
        on(SHOP, &words).ends(0);
    }
    on(SHOP, &["trace", "network.yaml", "internet", "web-1", "--port", "tcp/443"]).ends(0);
    on(SHOP, &["trace", "network.yaml", "internet", "198.51.100.7", "--port", "tcp/443"]).ends(0);
}

#[test]
fn without_a_protocol_the_exact_set_that_passes_is_told() {
    let ran = on(SHOP, &["trace", "network.yaml", "web-1", "db-1"]).ends(0);
    assert!(ran.out.contains("tcp dst 5432"), "{}", ran.out);
}

#[test]
fn protocols_are_numbers_and_icmp_has_type_and_code() {
    on(SHOP, &["trace", "network.yaml", "web-1", "db-1", "--protocol", "50"]).ends(1);
    on(SHOP, &["trace", "network.yaml", "web-1", "db-1", "--icmp", "8/0"]).ends(1);
    on(SHOP, &["trace", "network.yaml", "web-1", "8.8.8.8", "--icmp", "8/0"]).ends(0);
    on(SHOP, &["trace", "network.yaml", "web-1", "db-1", "--protocol", "256"]).ends(2);
    on(SHOP, &["trace", "network.yaml", "web-1", "db-1", "--port", "tcp/70000"]).ends(2);
    on(SHOP, &["trace", "network.yaml", "web-1", "db-1", "--icmp", "8/999"]).ends(2);
}

#[test]
fn an_unknown_name_exits_2_with_the_nearest_name() {
    let ran = on(SHOP, &["trace", "network.yaml", "web-11", "db-1"]).ends(2);
    assert!(ran.err.contains("did you mean `web-1`"), "{}", ran.err);
}

#[test]
fn a_name_that_stands_for_several_endpoints_exits_2_and_lists_them() {
    let text = SHOP.replace("  db-1: {", "  db-2: { subnet: data, filters: data }\n  db-1: {");
    let ran = on(&text, &["trace", "network.yaml", "web-1", "subnet:data"]).ends(2);
    assert!(ran.err.contains("db-1, db-2"), "{}", ran.err);
}

#[test]
fn one_of_several_addresses_is_asked_for() {
    let words = ["trace", "network.yaml", "web-1", "db-1", "--to-address", "10.0.2.10"];
    on(SHOP, &words).ends(0);
    let words = ["trace", "network.yaml", "web-1", "db-1", "--to-address", "10.0.2.11"];
    let ran = on(SHOP, &words).ends(2);
    assert!(ran.err.contains("it has 10.0.2.10"), "{}", ran.err);
}

#[test]
fn nothing_is_sent_from_an_address_that_nobody_holds() {
    for (source, why) in [
        ("10.0.1.99", "nothing in subnet shop/web has the source address"),
        ("10.77.0.1", "nobody sends from that source address"),
    ] {
        for target in ["8.8.8.8", "web-1"] {
            let words = ["trace", "network.yaml", source, target, "--port", "tcp/443"];
            let ran = on(SHOP, &words).ends(1);
            assert!(ran.out.contains(why), "{}", ran.out);
        }
    }
}

#[test]
fn a_list_that_holds_some_of_a_nat_gateways_addresses_makes_the_verdict_unknown() {
    let network = |listed: &str| {
        format!(
            "provider: gcp
vpcs:
  v: {{ cidr: 10.0.0.0/16, subnets: {{ s: {{ cidr: 10.0.1.0/24 }} }}, main_route_table: m,
       route_tables: {{ m: {{ routes: [{{ to: 0.0.0.0/0, via: internet_gateway:g }}] }} }} }}
internet_gateways: {{ g: {{ vpc: v }} }}
nat_gateways: {{ nat: {{ vpc: v, addresses: [198.51.100.10, 198.51.100.11] }} }}
instances: {{ a: {{ subnet: s, address: 10.0.1.9 }} }}
externals: {{ partner: {{ cidrs: [203.0.113.0/28], allow_from: [{listed}] }} }}
"
        )
    };
    let words = ["trace", "network.yaml", "a", "partner", "--port", "tcp/443"];
    on(&network("198.51.100.10/31"), &words).ends(0);
    on(&network("192.0.2.1/32"), &words).ends(1);
    let ran = on(&network("198.51.100.10/32"), &words).ends(3);
    assert!(ran.out.contains("only some connections work"), "{}", ran.out);
}

/// The shop with zones: the database by an alias, a loop, a name that leads nowhere, and a public zone beside a private one.
fn with_zones() -> String {
    let zones = "
dns_zones:
  internal:
    vpcs: [shop]
    records:
      - { name: db, value: primary }
      - { name: primary, value: 10.0.2.10 }
      - { name: a, value: b }
      - { name: b, value: a }
      - { name: old, value: gone }
  corp.example: { vpcs: [shop], forward_to: [192.0.2.53] }
";
    format!("{SHOP}{zones}")
}

#[test]
fn a_destination_may_be_a_name_of_a_zone_and_the_chain_is_shown() {
    let words = ["trace", "network.yaml", "web-1", "db.internal", "--port", "tcp/5432"];
    let ran = on(&with_zones(), &words).ends(0);
    assert!(ran.out.contains("db.internal → primary.internal in zone internal"), "{}", ran.out);
    let json: Vec<&str> = words.iter().copied().chain(["--format", "json"]).collect();
    let json = on(&with_zones(), &json).ends(0).json();
    assert_eq!(json["resolution"]["addresses"][0], "10.0.2.10");
    assert_eq!(json["resolution"]["records"][0]["says"], "primary.internal");
}

#[test]
fn a_name_that_leads_nowhere_is_unresolved_with_the_reason() {
    for (name, why) in [
        ("a.internal", "stand for each other: a.internal → b.internal → a.internal"),
        ("old.internal", "zone internal has no gone.internal"),
        ("none.internal", "zone internal has no none.internal"),
    ] {
        let words = ["trace", "network.yaml", "web-1", name, "--port", "tcp/5432"];
        let ran = on(&with_zones(), &words).ends(1);
        assert!(ran.out.starts_with("unresolved: "), "{}", ran.out);
        assert!(ran.out.contains(why), "{}", ran.out);
        let json: Vec<&str> = words.iter().copied().chain(["--format", "json"]).collect();
        assert_eq!(on(&with_zones(), &json).ends(1).json()["verdict"], "unresolved");
    }
}

#[test]
fn a_name_that_others_answer_for_is_unknown_and_a_private_zone_is_not_seen_from_outside() {
    let words = ["trace", "network.yaml", "web-1", "x.corp.example", "--port", "tcp/443"];
    let ran = on(&with_zones(), &words).ends(3);
    assert!(ran.out.contains("are not described"), "{}", ran.out);
    let words = ["trace", "network.yaml", "internet", "host:db.internal", "--port", "tcp/443"];
    let ran = on(&with_zones(), &words).ends(3);
    assert!(ran.out.contains("no zone of the description that is seen from there"), "{}", ran.out);
}

#[test]
fn the_largest_packet_of_a_path_is_told_where_something_narrows_it() {
    let ticket =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/ticket-3291");
    let text = std::fs::read_to_string(ticket.join("reported.yaml")).expect("the example");
    let words = ["trace", "network.yaml", "site:on-premises", "shop", "--port", "tcp/443"];
    let ran = on(&text, &words).ends(0);
    let told = "requests of up to 1438 octets pass vpn tunnel; larger ones are lost in silence";
    assert!(ran.out.contains(told), "{}", ran.out);
    let json: Vec<&str> = words.iter().copied().chain(["--format", "json"]).collect();
    let json = on(&text, &json).ends(0).json();
    assert_eq!(json["mtu"]["request"]["octets"], 1438);
    assert_eq!(json["mtu"]["answer"]["larger"], "lost");
    let asked = text.replace(
        "https-from-on-premises: { from: \"site:on-premises\", to: shop, service: tcp/443 }",
        "https-from-on-premises: { from: \"site:on-premises\", to: shop, service: tcp/443, mtu: 1500 }",
    );
    let ran = on(&asked, &["check", "network.yaml"]).ends(1);
    assert!(ran.out.contains("packets of 1500 octets do not fit"), "{}", ran.out);
}

/// A client behind a NAT gateway with two addresses, and a server on the Internet that lets in one of them.
const CHOSEN: &str = r"
vpcs:
  a:
    main_route_table: out
    route_tables: { out: { routes: [{ to: 0.0.0.0/0, via: 'internet_gateway:ga' }] } }
    subnets: { s: { cidr: 10.0.0.0/24 } }
  b:
    main_route_table: out
    route_tables: { out: { routes: [{ to: 0.0.0.0/0, via: 'internet_gateway:gb' }] } }
    subnets: { s: { cidr: 10.1.0.0/24 } }
internet_gateways: { ga: { vpc: a }, gb: { vpc: b } }
nat_gateways: { nat: { vpc: a, serves: [a/s], addresses: [192.0.2.1, 192.0.2.2] } }
filters:
  one: { rules: [{ name: one, direction: ingress, from: 192.0.2.1 }] }
instances:
  client: { subnet: a/s, address: 10.0.0.9 }
  server: { subnet: b/s, address: 10.1.0.9, public_address: 198.51.100.9, filters: one }
";

#[test]
fn a_nat_gateway_takes_any_of_its_addresses() {
    let words = ["trace", "network.yaml", "client", "198.51.100.9", "--port", "tcp/443"];
    let ran = on(CHOSEN, &words).ends(3);
    assert!(ran.out.contains("NAT gateway nat takes any of its 2 addresses"), "{}", ran.out);
    let both = CHOSEN.replace("from: 192.0.2.1", "from: 192.0.2.0/29");
    let ran = on(&both, &words).ends(0);
    assert!(ran.out.contains("the destination sees 192.0.2.1 or 192.0.2.2"), "{}", ran.out);
}
