use netwright_model::source::Sources;

use super::{Finding, catalogue, check};

fn findings(text: &str) -> Vec<Finding> {
    let mut sources = Sources::default();
    match netwright_model::load("test.yaml", text, &mut sources) {
        Ok(network) => check(&network),
        Err(errors) => {
            panic!("{}", errors.iter().map(|e| e.render(&sources, false)).collect::<String>())
        }
    }
}

fn ids(text: &str) -> Vec<&'static str> {
    findings(text).iter().map(|finding| finding.id).collect()
}

#[test]
fn every_rule_is_in_the_catalogue_once() {
    let mut ids: Vec<&str> = catalogue::all().map(|entry| entry.id).collect();
    ids.sort_unstable();
    for pair in ids.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
    for entry in catalogue::all() {
        for text in [entry.why, entry.remedy, entry.source, entry.title] {
            assert!(!text.is_empty(), "{}", entry.id);
        }
    }
}

#[test]
fn a_range_that_holds_two_others_overlaps_both_and_the_next_free_one_is_named() {
    let all = findings(
        "vpcs: { p: { cidr: 10.0.0.0/16, subnets: { web: { cidr: 10.0.1.0/25 }, api: { cidr: 10.0.1.128/25 }, new: { cidr: 10.0.1.0/24 } } } }",
    );
    let overlaps: Vec<&Finding> = all.iter().filter(|f| f.id == "NW-ADDR-001").collect();
    assert_eq!(overlaps.len(), 2, "{all:#?}");
    assert!(overlaps.iter().any(|f| f.remedy.contains("10.0.0.0/2")), "{}", overlaps[0].remedy);
}

#[test]
fn a_subnet_is_exhausted_when_its_usable_addresses_are_taken() {
    let text = |taken: u32| {
        format!(
            "provider: gcp\nvpcs: {{ p: {{ cidr: 10.0.0.0/16, subnets: {{ s: {{ cidr: 10.0.1.0/24, allocated: {taken} }} }} }} }}"
        )
    };
    assert_eq!(ids(&text(252)), ["NW-ADDR-006"]);
    assert_eq!(ids(&text(251)), ["NW-ADDR-007"]);
    assert_eq!(ids(&text(100)), Vec::<&str>::new());
}

const SSH: &str = "
vpcs: { p: { cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.1.0/24 } } } }
instances: { a: { subnet: s, filters: f } }
filters:
  f:
    ordered: true
    rules:
      - { name: deny, direction: ingress, priority: 100, action: deny, protocol: tcp, port: 22, from: 0.0.0.0/0 }
      - { name: allow, direction: ingress, priority: 200, action: allow, protocol: tcp, port: 22, from: 10.0.0.0/8 }
";

#[test]
fn an_exception_after_the_rule_that_decides_everything_is_never_reached() {
    let all = findings(SSH);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!(all[0].id, "NW-FLT-001");
    assert!(all[0].remedy.contains("lower number than rule deny"), "{}", all[0].remedy);
}

#[test]
fn with_the_numbers_swapped_nothing_is_found() {
    let swapped = SSH.replace("priority: 200", "priority: 50");
    assert_eq!(ids(&swapped), Vec::<&str>::new());
}

#[test]
fn a_deny_is_not_open_and_rules_that_differ_in_the_source_are_two() {
    let text = "
vpcs: { p: { cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.1.0/24 } } } }
instances: { a: { subnet: s, filters: f } }
filters:
  f:
    rules:
      - { direction: ingress, action: deny, protocol: tcp, port: 22, from: 0.0.0.0/0 }
      - { direction: ingress, protocol: tcp, port: 443, from: 10.0.0.0/8 }
      - { direction: ingress, protocol: tcp, port: 443, from: 192.168.0.0/16 }
";
    assert_eq!(ids(text), Vec::<&str>::new());
}

#[test]
fn a_rule_that_nobody_can_remove_is_not_found() {
    let text = "
vpcs: { p: { cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.1.0/24, filters: acl } } } }
filters:
  acl:
    attach: subnet
    stateful: false
    ordered: true
    rules:
      - { direction: ingress, priority: 100, from: 0.0.0.0/0 }
      - { direction: ingress, priority: 32767, action: deny, from: 0.0.0.0/0, implied: true }
";
    assert_eq!(ids(text), Vec::<&str>::new());
}

#[test]
fn a_tunnel_set_to_more_than_fits_is_found_with_what_fits() {
    let text = "
vpcs: { p: { cidr: 10.0.0.0/16 } }
sites: { hq: { cidr: 192.168.0.0/16 } }
vpns: { t: { vpc: p, site: hq, suite: aes-cbc-sha1, nat_traversal: true, mtu: 1500, mss_clamp: false, icmp_too_big: false } }
";
    let all = findings(text);
    assert_eq!(all.iter().map(|f| f.id).collect::<Vec<_>>(), ["NW-MTU-002", "NW-MTU-001"]);
    assert!(all[1].message.contains("1422"), "{}", all[1].message);
}

#[test]
fn names_that_stand_for_each_other_are_told_once_with_the_chain() {
    let text = "dns_zones: { internal: { records: [ { name: service-a, value: service-b }, { name: service-b, value: service-a } ] } }";
    let all = findings(text);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert!(
        all[0].message.contains("service-a.internal → service-b.internal → service-a.internal"),
        "{}",
        all[0].message
    );
}

#[test]
fn a_connector_plan_beyond_the_platform_is_refused_with_what_is_possible() {
    let text = "
provider: gcp
vpcs: { p: { subnets: { s: { cidr: 10.0.1.0/24 } } } }
connectors: { c: { vpc: p, cidr: 10.166.0.0/28, machine_type: e2-standard-8, min_instances: 5, max_instances: 50 } }
";
    let all = ids(text);
    assert!(all.contains(&"NW-CON-001") && all.contains(&"NW-CON-002"), "{all:?}");
}

#[test]
fn a_chain_that_is_right_as_idle_limits_is_inverted_as_deadlines() {
    let chain = |kind: &str| {
        format!(
            "timeouts:\n  balancer: {{ value: 5s, kind: {kind}, infrastructure: true }}\n  health: {{ value: 15s, kind: {kind}, inside: balancer }}\n"
        )
    };
    assert_eq!(ids(&chain("deadline")), ["NW-TIME-001"]);
    let idle = "timeouts:\n  vpc: { value: 620s, kind: idle, infrastructure: true }\n  pool: { value: 600s, kind: idle, inside: vpc }\n";
    assert_eq!(ids(idle), Vec::<&str>::new());
}

#[test]
fn a_wildcard_covers_one_label() {
    use super::certificate::covers;
    assert!(covers("*.example.com", "staging.example.com"));
    assert!(!covers("*.example.com", "api.staging.example.com"));
    assert!(!covers("*.example.com", "example.com"));
}

#[test]
fn two_tags_that_nobody_has_are_two_tags() {
    let text = "
vpcs: { p: { cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.1.0/24 } }, filters: f } }
instances: { a: { subnet: s } }
filters:
  f:
    attach: vpc
    ordered: true
    rules:
      - { direction: ingress, protocol: tcp, port: 80, targets: ['tag:x'] }
      - { direction: ingress, protocol: tcp, port: 80, targets: ['tag:y'] }
";
    assert_eq!(ids(text), ["NW-FLT-004", "NW-FLT-004"]);
}
