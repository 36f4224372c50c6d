//! Each kind of finding with the smallest description that shows it, and the nearest one that does not.

mod service;

use std::collections::BTreeSet;

use netwright_model::source::Sources;

use super::{catalogue, check_with};
use crate::prover::Prover;
use service::{gateways, operation, services};

/// 2026-01-01, in days since 1970-01-01.
const TODAY: i64 = 20_454;

/// What is told of intents and dependencies, not by rules.
const ASKED: [&str; 3] = ["NW-INTENT-001", "NW-INTENT-002", "NW-SVC-001"];

fn ids(text: &str) -> BTreeSet<&'static str> {
    let mut sources = Sources::default();
    let network = netwright_model::load("test.yaml", text, &mut sources).unwrap_or_else(|errors| {
        let told: String = errors.iter().map(|e| e.render(&sources, false)).collect();
        panic!("{told}\n{text}")
    });
    check_with(&mut Prover::new(&network), Some(TODAY)).iter().map(|found| found.id).collect()
}

/// A network with one machine behind a filter with these rules, and more.
fn filtered(head: &str, rules: &[&str]) -> String {
    let rules: String = rules.iter().map(|rule| format!("      - {rule}\n")).collect();
    format!(
        "
vpcs: {{ p: {{ cidr: 10.0.0.0/16, subnets: {{ s: {{ cidr: 10.0.1.0/24, route_table: out }} }}, route_tables: {{ out: {{ routes: [ {{ to: 0.0.0.0/0, via: \"internet_gateway:gw\" }} ] }} }} }} }}
internet_gateways: {{ gw: {{ vpc: p }} }}
instances:
  a: {{ subnet: s, address: 10.0.1.9, public_address: 198.51.100.7, filters: f }}
  b: {{ subnet: s, address: 10.0.1.10 }}
filters:
  f:
    {head}
    rules:
{rules}"
    )
}

fn acl(rules: &[&str]) -> String {
    let rules: String = rules.iter().map(|rule| format!("      - {rule}\n")).collect();
    format!(
        "
vpcs: {{ p: {{ cidr: 10.0.0.0/16, subnets: {{ s: {{ cidr: 10.0.1.0/24, filters: f }} }} }} }}
instances: {{ a: {{ subnet: s, address: 10.0.1.9 }} }}
filters:
  f:
    attach: subnet
    ordered: true
    stateful: false
    rules:
{rules}"
    )
}

/// A subnet whose filter lets requests in and answers out to one half of the clients' ports.
fn answers(first: u16) -> String {
    let last = if first == 8080 { 8080 } else { 65_535 };
    let first = if first == 8080 { first } else { 1024 };
    let rules = [
        "{ direction: ingress, priority: 1, protocol: tcp, port: 443, from: 10.0.2.0/24 }"
            .to_owned(),
        format!(
            "{{ direction: egress, priority: 1, protocol: tcp, port: {first}-{last}, to: 10.0.2.0/24 }}"
        ),
    ];
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    acl(&rules)
        .replace("filters: f } } } }", "filters: f }, t: { cidr: 10.0.2.0/24 } } } }")
        .replace("instances: {", "instances: { client: { subnet: t, address: 10.0.2.9 },")
}

fn subnet(rest: &str) -> String {
    format!(
        "provider: aws\nvpcs: {{ p: {{ cidr: 10.0.0.0/16, subnets: {{ s: {{ cidr: 10.0.1.0/24, {rest} }} }} }} }}\n"
    )
}

fn two_vpcs(a: &str, b: &str, rest: &str) -> String {
    format!("provider: aws\nvpcs: {{ a: {{ cidr: {a} }}, b: {{ cidr: {b} }} }}\n{rest}")
}

fn peered(routes_a: &str, routes_b: &str, state: &str) -> String {
    format!(
        "
provider: aws
vpcs:
  a: {{ cidr: 10.1.0.0/16, subnets: {{ s: {{ cidr: 10.1.1.0/24 }} }}, route_tables: {{ main: {{ routes: [ {routes_a} ] }} }}, main_route_table: main }}
  b: {{ cidr: 10.2.0.0/16, subnets: {{ s: {{ cidr: 10.2.1.0/24 }} }}, route_tables: {{ main: {{ routes: [ {routes_b} ] }} }}, main_route_table: main }}
peerings: {{ ab: {{ vpcs: [a, b], state: {state} }} }}
"
    )
}

fn routed(routes: &str, rest: &str) -> String {
    format!(
        "
provider: aws
vpcs: {{ a: {{ cidr: 10.1.0.0/16, subnets: {{ s: {{ cidr: 10.1.1.0/24 }} }}, route_tables: {{ main: {{ routes: [ {routes} ] }} }}, main_route_table: main }}, b: {{ cidr: 10.2.0.0/16 }} }}
{rest}
"
    )
}

fn serverless(connector: &str, service: &str, rest: &str) -> String {
    format!(
        "
provider: gcp
vpcs: {{ p: {{ subnets: {{ s: {{ cidr: 10.0.1.0/24, region: r }}, d: {{ cidr: 10.0.2.0/26, region: r }} }}, route_tables: {{ main: {{ routes: [ {{ to: 0.0.0.0/0, via: \"internet_gateway:gw\" }} ] }} }}, main_route_table: main }} }}
internet_gateways: {{ gw: {{ vpc: p }} }}
connectors: {{ c: {{ vpc: p, region: r, cidr: 10.8.0.0/28, {connector} }} }}
services: {{ web: {{ {service} }} }}
{rest}
"
    )
}

const SENDS_ALL: &str = "egress: { mode: all-traffic, connector: c }";

fn nat(fields: &str) -> String {
    let rest = format!("nat_gateways: {{ n: {{ vpc: p, region: r, {fields} }} }}");
    serverless("", SENDS_ALL, &rest)
}

fn aws_nat(peak: u32) -> String {
    format!(
        "
provider: aws
vpcs: {{ p: {{ cidr: 10.0.0.0/16, subnets: {{ s: {{ cidr: 10.0.1.0/24 }} }} }} }}
instances: {{ a: {{ subnet: s }}, b: {{ subnet: s }} }}
nat_gateways: {{ n: {{ vpc: p, serves: [s], address: 198.51.100.1, peak_connections_per_client: {peak} }} }}
"
    )
}

fn balancer(check: &str, rules: &str) -> String {
    format!(
        "
provider: gcp
vpcs: {{ p: {{ subnets: {{ s: {{ cidr: 10.0.1.0/24 }} }} }} }}
instances: {{ web: {{ subnet: s, address: 10.0.1.9 }} }}
services: {{ run: {{ }} }}
filters: {{ f: {{ attach: vpc, vpc: p, ordered: true, default_egress: allow, rules: [ {rules} ] }} }}
load_balancers: {{ lb: {{ vpc: p, listeners: {{ l: {{ on: tcp/80, to: g }} }}, backends: {{ g: {{ port: tcp/80, targets: [ {{ target: \"instance:web\" }} ], health_check: {{ {check} }} }} }} }} }}
"
    )
}

const PROBES: &str =
    "{ direction: ingress, protocol: tcp, port: 80, from: [35.191.0.0/16, 130.211.0.0/22] }";
const CHECKED: &str = "interval: 10s, timeout: 5s, healthy_threshold: 2, unhealthy_threshold: 3";

fn timeouts(fields: &str) -> String {
    format!("timeouts: {{ {fields} }}\n")
}

/// Kind, a description that shows it, one that does not.
type Case = (&'static str, String, String);

fn ranges() -> Vec<Case> {
    let two = |a: &str, b: &str| {
        format!(
            "vpcs: {{ p: {{ cidr: 10.0.0.0/16, subnets: {{ a: {{ cidr: {a} }}, b: {{ cidr: {b} }} }} }} }}"
        )
    };
    let twice = |last: u8| {
        format!(
            "{}instances: {{ a: {{ subnet: s, address: 10.0.1.9 }}, b: {{ subnet: s, address: 10.0.1.{last} }} }}",
            subnet("")
        )
    };
    let one = |last: u8| {
        format!("{}instances: {{ a: {{ subnet: s, address: 10.0.1.{last} }} }}", subnet(""))
    };
    let site = |cidr: &str| {
        format!(
            "{}sites: {{ h: {{ cidr: {cidr} }} }}\nvpns: {{ v: {{ vpc: p, site: h }} }}",
            subnet("")
        )
    };
    let peers = |b: &str, c: &str| {
        format!(
            "vpcs: {{ a: {{ cidr: 10.1.0.0/16 }}, b: {{ cidr: {b} }}, c: {{ cidr: {c} }} }}\npeerings: {{ ab: {{ vpcs: [a, b] }}, ac: {{ vpcs: [a, c] }} }}"
        )
    };
    let hub = |b: &str| {
        two_vpcs(
            "10.1.0.0/16",
            b,
            "transits: { t: { tables: { m: { } }, attachments: { a: { vpc: a, table: m, propagates_to: m }, b: { vpc: b, table: m, propagates_to: m } } } }",
        )
    };
    let peering = "peerings: { ab: { vpcs: [a, b] } }";
    vec![
        ("NW-ADDR-001", two("10.0.1.0/24", "10.0.1.128/25"), two("10.0.1.0/25", "10.0.1.128/25")),
        ("NW-ADDR-001", two("10.0.1.128/25", "10.0.1.0/24"), two("10.0.2.0/24", "10.0.1.0/24")),
        ("NW-ADDR-001", two("10.0.1.0/24", "10.0.1.0/24"), two("10.0.0.0/24", "10.0.1.0/24")),
        ("NW-ADDR-002", two("10.0.1.0/24", "10.1.1.0/24"), two("10.0.1.0/24", "10.0.2.0/24")),
        (
            "NW-ADDR-003",
            two_vpcs("10.1.0.0/16", "10.1.2.0/24", peering),
            two_vpcs("10.1.0.0/16", "10.2.2.0/24", peering),
        ),
        ("NW-ADDR-003", site("10.0.9.0/24"), site("10.0.0.0/8")),
        ("NW-ADDR-003", hub("10.1.4.0/24"), hub("10.2.0.0/16")),
        ("NW-ADDR-004", one(3), one(4)),
        ("NW-ADDR-005", twice(9), twice(10)),
        ("NW-ADDR-006", subnet("allocated: 251"), subnet("allocated: 250")),
        (
            "NW-ADDR-006",
            "vpcs: { p: { cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.1.0/31, allocated: 2 } } } }".to_owned(),
            "vpcs: { p: { cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.1.0/31 } } } }".to_owned(),
        ),
        ("NW-ADDR-007", subnet("allocated: 201"), subnet("allocated: 200")),
        ("NW-ADDR-007", subnet("allocated: 150, reserved: [10.0.1.128/26]"), subnet("allocated: 150")),
        (
            "NW-ADDR-008",
            two_vpcs("10.1.0.0/16", "10.1.0.0/16", ""),
            two_vpcs("172.31.0.0/16", "172.31.0.0/16", ""),
        ),
        ("NW-ADDR-009", peers("10.2.0.0/16", "10.2.3.0/24"), peers("10.2.0.0/16", "10.3.0.0/16")),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn rules() -> Vec<Case> {
    let list = |rules: &[&str]| filtered("ordered: true", rules);
    let union = |rules: &[&str]| filtered("stateful: true", rules);
    let all = "{ direction: ingress, priority: 5, protocol: tcp, port: 80, from: 10.0.0.0/8 }";
    let part = "{ direction: ingress, priority: 9, protocol: tcp, port: 80, from: 10.1.0.0/16 }";
    let deny = "{ direction: ingress, priority: 9, action: deny, protocol: tcp, port: 80, from: 10.0.0.0/8 }";
    let halves = [
        "{ direction: ingress, protocol: tcp, port: 80, from: 10.0.0.0/9 }",
        "{ direction: ingress, protocol: tcp, port: 80, from: 10.128.0.0/9 }",
    ];
    let group = |name: &str| {
        union(&[&format!(
            "{{ direction: ingress, protocol: tcp, port: 80, from: \"group:{name}\" }}"
        )]) + "  g: { default_egress: allow }\n"
    };
    let open = |port: u16, from: &str| {
        union(&[&format!("{{ direction: ingress, protocol: tcp, port: {port}, from: {from} }}")])
    };
    let many = |count: usize| {
        let rules: Vec<String> = (0..count)
            .map(|port| {
                format!(
                    "{{ direction: ingress, protocol: tcp, port: {}, from: 10.0.0.0/8 }}",
                    1000 + 2 * port
                )
            })
            .collect();
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        format!("provider: aws{}", union(&rules))
    };
    let groups = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("g{n}")).collect();
        let filters: Vec<String> =
            names.iter().map(|name| format!("{name}: {{ default_egress: allow }}")).collect();
        format!(
            "{}instances: {{ a: {{ subnet: s, filters: [{}] }} }}\nfilters: {{ {} }}",
            subnet(""),
            names.join(", "),
            filters.join(", ")
        )
    };
    let table = |count: usize| {
        let routes: Vec<String> =
            (0..count).map(|n| format!("{{ to: 10.9.{n}.0/24, via: \"peering:ab\" }}")).collect();
        routed(&routes.join(", "), "peerings: { ab: { vpcs: [a, b] } }")
    };
    vec![
        (
            "NW-FLT-001",
            list(&[all, part]),
            list(&[&all.replace("priority: 5", "priority: 10"), part]),
        ),
        ("NW-FLT-001", list(&[halves[0], halves[1], part]), list(&[halves[1], part])),
        ("NW-FLT-002", union(&[all, part]), union(&[halves[0], halves[1]])),
        (
            "NW-FLT-002",
            union(&[halves[0], halves[1], all]),
            union(&[halves[0], all.replace("80", "81").as_str()]),
        ),
        ("NW-FLT-003", union(&[all, all]), union(&[all, halves[0]])),
        ("NW-FLT-004", group("g"), group("f")),
        ("NW-FLT-005", open(22, "0.0.0.0/0"), open(22, "10.0.0.0/8")),
        ("NW-FLT-005", open(22, "[0.0.0.0/1, 128.0.0.0/1]"), open(22, "128.0.0.0/1")),
        ("NW-FLT-005", open(3389, "\"::/0\""), open(443, "\"::/0\"")),
        ("NW-FLT-006", open(5432, "0.0.0.0/0"), open(5431, "0.0.0.0/0")),
        ("NW-FLT-007", union(&[all]).replace(", filters: f", ""), union(&[all])),
        ("NW-FLT-008", list(&[all, deny]), list(&[all, part])),
        (
            "NW-FLT-009",
            acl(&["{ direction: ingress, to: 10.0.2.0/24 }"]),
            acl(&["{ direction: ingress, to: 10.0.0.0/16 }"]),
        ),
        (
            "NW-FLT-010",
            acl(&["{ direction: ingress, to: 10.0.1.0/25 }"]),
            acl(&["{ direction: ingress, to: 10.0.1.0/24 }"]),
        ),
        ("NW-FLT-012", answers(8080), answers(50_000)),
        (
            "NW-FLT-013",
            union(&[
                "{ direction: ingress, protocol: tcp, from: 10.0.0.0/8, to: \"2001:db8::/32\" }",
            ]),
            union(&["{ direction: ingress, protocol: tcp, from: 10.0.0.0/8, to: 10.0.1.0/24 }"]),
        ),
        ("NW-QUOTA-001", many(61), many(60)),
        ("NW-QUOTA-002", groups(6), groups(5)),
        ("NW-QUOTA-003", table(51), table(50)),
    ]
}

fn routes() -> Vec<Case> {
    let there = "{ to: 10.2.0.0/16, via: \"peering:ab\" }";
    let back = "{ to: 10.1.0.0/16, via: \"peering:ab\" }";
    let beyond =
        |to: &str| peered(&format!("{there}, {{ to: {to}, via: \"peering:ab\" }}"), back, "active");
    let gateway = |vpc: &str| {
        routed(
            "{ to: 0.0.0.0/0, via: \"internet_gateway:gw\" }",
            &format!("internet_gateways: {{ gw: {{ vpc: {vpc} }} }}"),
        )
    };
    let two = |other: &str| {
        routed(
            &format!(
                "{{ to: 10.9.0.0/16, via: \"instance:x\" }}, {{ to: {other}, via: \"instance:y\" }}"
            ),
            "instances: { x: { subnet: s, forwards: true }, y: { subnet: s, forwards: true } }",
        )
    };
    let hole = |via: &str| {
        routed(
            &format!("{{ to: 10.9.0.0/16, via: {via} }}"),
            "instances: { x: { subnet: s, forwards: true }, y: { subnet: s } }",
        )
    };
    vec![
        ("NW-RT-001", hole("blackhole"), hole("\"instance:x\"")),
        ("NW-RT-001", hole("\"instance:y\""), hole("\"instance:x\"")),
        ("NW-RT-002", gateway("b"), gateway("a")),
        ("NW-RT-003", peered(there, back, "pending"), peered(there, back, "active")),
        ("NW-RT-004", peered(there, "", "active"), peered(there, back, "active")),
        ("NW-RT-005", beyond("10.3.0.0/16"), beyond("10.2.4.0/24")),
        ("NW-RT-005", beyond("0.0.0.0/0"), beyond("10.2.1.0/24")),
        ("NW-RT-006", two("10.9.0.0/16"), two("10.9.0.0/17")),
        ("NW-RT-007", peered("", "", "active"), peered(there, back, "active")),
    ]
}

fn tunnels() -> Vec<Case> {
    let tunnel = |fields: &str| {
        format!(
            "{}sites: {{ h: {{ cidr: 192.168.0.0/16 }} }}\nvpns: {{ v: {{ vpc: p, site: h, suite: aes-gcm-16, {fields} }} }}",
            subnet("")
        )
    };
    let zone = |value: &str| {
        format!(
            "dns_zones: {{ z: {{ records: [ {{ name: a, value: b }}, {{ name: b, value: {value} }} ] }} }}"
        )
    };
    vec![
        ("NW-MTU-001", tunnel("mtu: 1500"), tunnel("mtu: 1446")),
        (
            "NW-MTU-002",
            tunnel("mss_clamp: false, icmp_too_big: false"),
            tunnel("mss_clamp: true, icmp_too_big: false"),
        ),
        ("NW-DNS-001", zone("a"), zone("10.0.0.1")),
        ("NW-DNS-003", aliases(17), aliases(15)),
        (
            "NW-DNS-004",
            "dns_zones: { z.example: { records: [ { name: a.y.example., value: 192.0.2.1 } ] } }"
                .to_owned(),
            "dns_zones: { z.example: { records: [ { name: a.z.example., value: 192.0.2.1 } ] } }"
                .to_owned(),
        ),
        ("NW-DNS-005", hidden("b"), hidden("a")),
        ("NW-DNS-002", zone("c"), zone("10.0.0.1")),
    ]
}

/// A chain of aliases that ends at an address.
fn aliases(length: usize) -> String {
    let mut text = String::from("dns_zones:\n  z:\n    records:\n");
    for number in 0..length {
        text += &format!("      - {{ name: n{number}, value: n{} }}\n", number + 1);
    }
    text + &format!("      - {{ name: n{length}, value: 192.0.2.1 }}\n")
}

/// A public zone with one name, and a private one of the same domain with another or the same.
fn hidden(private: &str) -> String {
    format!(
        "vpcs: {{ v: {{ cidr: 10.0.0.0/16 }} }}
dns_zones:
  out: {{ domain: z.example, records: [ {{ name: a, value: 192.0.2.1 }} ] }}
  in: {{ domain: z.example, vpcs: [v], records: [ {{ name: {private}, value: 10.0.0.1 }} ] }}
"
    )
}

fn cases() -> Vec<Case> {
    [ranges(), rules(), routes(), tunnels(), gateways(), services(), operation()].concat()
}

#[test]
fn each_kind_is_found_where_it_is_and_not_where_it_is_not() {
    let mut wrong = Vec::new();
    for (id, shows, does_not) in cases() {
        let found = ids(&shows);
        if !found.contains(id) {
            wrong.push(format!("{id} is not found, but {found:?}, in\n{shows}"));
        }
        if ids(&does_not).contains(id) {
            wrong.push(format!("{id} is found in\n{does_not}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_kind_of_the_catalogue_has_a_case() {
    let shown: BTreeSet<&str> = cases().iter().map(|case| case.0).chain(ASKED).collect();
    let missing: Vec<&str> =
        catalogue::all().map(|entry| entry.id).filter(|id| !shown.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
