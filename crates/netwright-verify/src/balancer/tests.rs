//! What stands behind a balancer: a test for each rule.

use netwright_model::language::EndpointRef;
use netwright_model::network::Network;
use netwright_model::scalar::{Scalar, Service};
use netwright_model::source::Sources;

use super::Beyond;
use crate::ask::{flows_between, packet_of, points};
use crate::intents::Standing;
use crate::prover::Prover;
use crate::trace::Verdict;

fn load(text: &str) -> Network {
    netwright_model::load("test.yaml", text, &mut Sources::default()).expect("it resolves")
}

/// What stands behind the flow from one name to another, over a service.
fn followed(text: &str, from: &str, to: &str, service: &str) -> Beyond {
    let network = load(text);
    let named = |name: &str| {
        points(&network, &EndpointRef::parse_scalar(name).expect("a reference")).expect("a name")
    };
    let packet = packet_of(Service::parse_scalar(service).expect("a service"), None);
    let mut flows = Vec::new();
    for from in named(from) {
        for to in named(to) {
            flows.extend(flows_between(&from, &to, packet));
        }
    }
    let mut prover = Prover::new(&network);
    let (_, found) = prover.best_whole(&flows).expect("a flow");
    found.expect("it arrives at a balancer")
}

fn verdict(text: &str) -> (Verdict, String) {
    let found = followed(text, "client", "load_balancer:lb", "tcp/80");
    (found.verdict, found.why.unwrap_or_default())
}

/// A client, a balancer with a node, and two backends, each with filters of its own.
fn network(head: &str, rules: &str, balancer: &str) -> String {
    format!(
        "{head}
filters:
  of-clients: {{ default_egress: allow }}
  of-nodes: {{ default_egress: allow, rules: [ {{ direction: ingress, protocol: tcp, ports: [80] }} ] }}
  of-one: {{ rules: [ {{ direction: ingress, protocol: tcp, ports: [8080], {rules} }} ] }}
  of-two: {{}}
vpcs:
  v: {{ cidrs: [10.0.0.0/16], subnets: {{ a: {{ cidrs: [10.0.1.0/24], zone: a }}, b: {{ cidrs: [10.0.2.0/24], zone: b }} }} }}
instances:
  client: {{ subnet: v/a, addresses: [10.0.1.5], filters: [of-clients] }}
  one: {{ subnet: v/a, addresses: [10.0.1.10], filters: [of-one] }}
  two: {{ subnet: v/b, addresses: [10.0.2.10], filters: [of-two] }}
load_balancers:
  lb:
    vpc: v
    nodes: {{ n: {{ subnet: v/a, addresses: [10.0.1.80], filters: [of-nodes] }} }}
    listeners: {{ web: {{ on: tcp/80, to: [g] }} }}
    {balancer}
"
    )
}

const BOTH: &str =
    "backends: { g: { port: tcp/8080, targets: [ { target: one }, { target: two } ] } }";

#[test]
fn one_backend_that_can_answer_suffices_and_all_are_counted() {
    let text = network("", "from: ['group:of-nodes']", BOTH);
    let found = followed(&text, "client", "load_balancer:lb", "tcp/80");
    assert_eq!(found.verdict, Verdict::Reachable);
    assert_eq!(found.count().sentence(), "1 of 2 backends can answer");
    let flow = found.doors[0].backends[0].flow.as_ref().expect("a flow");
    assert_eq!(flow.source_seen(), "10.0.1.80".parse().ok());
}

#[test]
fn a_proxy_connects_from_its_node_and_not_from_the_client() {
    let (verdict, why) = verdict(&network("", "from: [10.0.1.5/32]", BOTH));
    assert_eq!(verdict, Verdict::Blocked);
    assert!(why.starts_with("no backend of load balancer lb can answer: one on tcp/8080"), "{why}");
}

#[test]
fn a_pass_through_balancer_shows_the_client_unless_it_does_not_keep_its_address() {
    let kept = format!("kind: pass-through\n    {BOTH}");
    let (from_client, from_node) = ("from: [10.0.1.5/32]", "from: [10.0.1.80/32]");
    assert_eq!(verdict(&network("", from_client, &kept)).0, Verdict::Reachable);
    assert_eq!(verdict(&network("", from_node, &kept)).0, Verdict::Blocked);
    let not = kept.replace("port: tcp/8080", "preserve_client_address: false, port: tcp/8080");
    assert_eq!(verdict(&network("", from_client, &not)).0, Verdict::Blocked);
    assert_eq!(verdict(&network("", from_node, &not)).0, Verdict::Reachable);
    // The group of its nodes is known all the same.
    assert_eq!(verdict(&network("", "from: ['group:of-nodes']", &kept)).0, Verdict::Reachable);
    assert_eq!(verdict(&network("", "from: ['group:of-clients']", &kept)).0, Verdict::Blocked);
}

#[test]
fn a_backend_whose_health_checks_do_not_arrive_is_out_of_service() {
    let checked =
        BOTH.replace("port: tcp/8080", "health_check: { port: tcp/9090 }, port: tcp/8080");
    let (verdict_of, why) = verdict(&network("", "from: [10.0.0.0/16]", &checked));
    assert_eq!(verdict_of, Verdict::Blocked);
    assert!(why.contains("one is out of service: health checks of tcp/9090"), "{why}");
    // AWS sends to all where none is healthy.
    let aws = network("provider: aws", "from: [10.0.0.0/16]", &checked);
    let found = followed(&aws, "client", "load_balancer:lb", "tcp/80");
    assert_eq!(found.verdict, Verdict::Reachable);
    assert!(found.doors[0].fails_open);
    // One that was last seen unhealthy, although its probes arrive, may or may not be.
    let seen = BOTH
        .replace("port: tcp/8080", "health_check: {}, port: tcp/8080")
        .replace("target: one", "target: one, healthy: false");
    assert_eq!(verdict(&network("", "from: [10.0.0.0/16]", &seen)).0, Verdict::Unknown);
}

#[test]
fn what_is_not_listened_on_is_blocked_and_what_is_not_described_unknown() {
    let text = network("", "from: [10.0.0.0/16]", BOTH);
    let text = text.replace("ports: [80]", "ports: [80-90]");
    let found = followed(&text, "client", "load_balancer:lb", "tcp/81");
    assert_eq!(found.verdict, Verdict::Blocked);
    assert_eq!(found.why.as_deref(), Some("load balancer lb does not listen on tcp/81"));
    let bare = text.replace("listeners: { web: { on: tcp/80, to: [g] } }", "listeners: {}");
    assert_eq!(verdict(&bare).0, Verdict::Unknown);
    let own = text.replace("to: [g]", "answers: true");
    assert_eq!(verdict(&own).0, Verdict::Reachable);
    let partly = BOTH.replace("port: tcp/8080", "incomplete: cut off, port: tcp/8080");
    assert_eq!(verdict(&network("", "from: [10.9.0.0/16]", &partly)).0, Verdict::Unknown);
    assert_eq!(verdict(&network("", "from: [10.0.0.0/16]", &partly)).0, Verdict::Reachable);
}

#[test]
fn a_node_that_keeps_to_its_zone_uses_only_backends_there() {
    let rules = "from: [10.0.0.0/16]";
    let only_two = "backends: { g: { port: tcp/8080, targets: [ { target: two } ] } }";
    let open = |text: String| text.replace("of-two: {}", "of-two: { default_ingress: allow }");
    assert_eq!(verdict(&open(network("", rules, only_two))).0, Verdict::Reachable);
    let zonal = format!("cross_zone: false\n    {only_two}");
    let (verdict_of, why) = verdict(&open(network("", rules, &zonal)));
    assert_eq!(verdict_of, Verdict::Blocked);
    assert_eq!(why, "load balancer lb has no backend for tcp/80");
    // Names lead to the node that has one.
    let text = open(network("", rules, &zonal)).replace(
        "filters: [of-nodes] } }",
        "filters: [of-nodes] }, m: { subnet: v/b, addresses: [10.0.2.80], filters: [of-nodes] } }",
    ) + "expect: { web: { from: client, to: 'load_balancer:lb', service: tcp/80 } }\n";
    let network = load(&text);
    let answers = crate::intents::ask(&mut Prover::new(&network));
    assert_eq!(answers[0].standing, Standing::Holds, "{}", answers[0].why);
    assert_eq!(answers[0].asked, 1);
}

#[test]
fn own_connections_come_from_any_client_port() {
    let text = network("", "from: [10.0.0.0/16]", BOTH)
        .replace("zone: a }", "zone: a, filters: [acl] }")
        + "\n";
    let acl = "  acl: { attach: subnet, stateful: false, ordered: true, default_egress: allow, rules: [ { direction: ingress, protocol: tcp, ports: [80, 8080] }, { direction: ingress, protocol: tcp, ports: [32768-65535] } ] }\n";
    let text = text.replace("filters:\n  of-clients", &format!("filters:\n{acl}  of-clients"));
    // Answers to two come back to the node's subnet: only to some of its ports.
    let text = text.replace("of-two: {}", "of-two: { default_ingress: allow }");
    let text = text.replace("{ target: one }, ", "");
    let (verdict_of, why) = verdict(&text);
    assert_eq!(verdict_of, Verdict::NoReturn, "{why}");
}

/// A Google Cloud network with one machine behind a balancer.
fn google(rule: &str, balancer: &str) -> String {
    format!(
        "provider: gcp
filters:
  fw: {{ attach: vpc, vpc: v, default_egress: allow, rules: [ {{ direction: ingress, protocol: tcp, ports: [8080, 80], {rule} }} ] }}
vpcs:
  v: {{ subnets: {{ a: {{ cidrs: [10.0.1.0/24], region: r }}, p: {{ cidrs: [10.0.9.0/24], region: r, purpose: proxy-only }} }} }}
instances:
  client: {{ subnet: v/a, addresses: [10.0.1.5], tags: [client] }}
  one: {{ subnet: v/a, addresses: [10.0.1.10], tags: [web] }}
load_balancers:
  lb: {{ {balancer}, listeners: {{ web: {{ on: tcp/80, to: [g] }} }}, backends: {{ g: {{ port: tcp/8080, targets: [ {{ target: one }} ] }} }} }}
"
    )
}

#[test]
fn the_front_end_of_google_cloud_connects_from_everywhere_in_its_ranges() {
    let balancer = "kind: proxy, scheme: external, public_address: 198.51.100.7";
    let ask = |rule: &str| {
        followed(&google(rule, balancer), "internet", "load_balancer:lb", "tcp/80").verdict
    };
    assert_eq!(ask("from: [35.191.0.0/16, 130.211.0.0/22]"), Verdict::Reachable);
    assert_eq!(ask("from: [35.191.0.0/16]"), Verdict::Blocked);
    assert_eq!(ask("from: [35.191.0.0/17, 130.211.0.0/22]"), Verdict::Blocked);
    assert_eq!(ask("from: [198.51.100.7/32]"), Verdict::Blocked);
}

#[test]
fn proxies_inside_a_region_connect_from_their_subnet() {
    let balancer = "kind: proxy, vpc: v, nodes: { n: { subnet: v/a, addresses: [10.0.1.80] } }";
    assert_eq!(verdict(&google("from: [10.0.9.0/24]", balancer)).0, Verdict::Reachable);
    assert_eq!(verdict(&google("from: [10.0.1.0/24]", balancer)).0, Verdict::Blocked);
    let none = google("from: [10.0.1.0/24]", balancer).replace("proxy-only", "other");
    assert_eq!(verdict(&none).0, Verdict::Unknown);
}

#[test]
fn what_google_cloud_passes_on_keeps_source_tag_destination_and_port() {
    let balancer =
        "kind: pass-through, vpc: v, nodes: { n: { subnet: v/a, addresses: [10.0.1.80] } }";
    for rule in ["from: [10.0.1.5/32]", "from: ['tag:client']", "to: [10.0.1.80/32]"] {
        assert_eq!(verdict(&google(rule, balancer)).0, Verdict::Reachable, "{rule}");
    }
    for rule in ["from: [10.0.1.80/32]", "from: ['tag:web']", "to: [10.0.1.10/32]"] {
        assert_eq!(verdict(&google(rule, balancer)).0, Verdict::Blocked, "{rule}");
    }
    let rule = "from: [10.0.1.5/32]";
    let not_the_port = google(rule, balancer).replace("ports: [8080, 80]", "ports: [8080]");
    assert_eq!(verdict(&not_the_port).0, Verdict::Blocked);
}

#[test]
fn a_service_behind_a_balancer_is_called_by_its_platform() {
    let balancer = "kind: proxy, scheme: external, public_address: 198.51.100.7";
    let text = |ingress: &str| {
        google("from: [10.9.9.9/32]", balancer).replace("target: one", "target: 'service:s'")
            + &format!("services: {{ s: {{ ingress: {ingress} }} }}\n")
    };
    let ask = |text: &str| followed(text, "internet", "load_balancer:lb", "tcp/80").verdict;
    assert_eq!(ask(&text("all")), Verdict::Reachable);
    assert_eq!(ask(&text("internal-and-cloud-load-balancing")), Verdict::Reachable);
    assert_eq!(ask(&text("internal")), Verdict::Blocked);
}

#[test]
fn a_balancer_behind_a_balancer_is_followed_too() {
    let text = network("", "from: [10.0.1.80/32]", BOTH)
        + "  front: { kind: pass-through, subnets: [v/a], listeners: { w: { on: tcp/80, to: [f] } }, backends: { f: { targets: [ { target: 'load_balancer:lb' } ] } } }\n";
    let found = followed(&text, "client", "load_balancer:front", "tcp/80");
    assert_eq!(found.verdict, Verdict::Reachable);
    let closed = text.replace("10.0.1.80/32", "10.0.1.81/32");
    let found = followed(&closed, "client", "load_balancer:front", "tcp/80");
    assert_eq!(found.verdict, Verdict::Blocked);
    let why = found.why.unwrap_or_default();
    assert!(why.contains("no backend of load balancer lb can answer"), "{why}");
}

#[test]
fn intents_and_dependencies_speak_of_the_whole() {
    let text = network("", "from: [10.9.0.0/16]", BOTH)
        + "expect: { web: { from: client, to: 'load_balancer:lb', service: tcp/80 } }
services: { s: { egress: { mode: all-traffic, subnet: v/a }, dependencies: { web: { to: 'load_balancer:lb', port: 80 } } } }
";
    let network = load(&text);
    let mut prover = Prover::new(&network);
    let answers = crate::intents::ask(&mut prover);
    assert_eq!(answers[0].standing, Standing::Broken);
    assert!(answers[0].why.contains("no backend of load balancer lb"), "{}", answers[0].why);
    let dependencies = crate::dependencies::ask(&mut prover);
    assert_eq!(dependencies[0].verdict, Verdict::Blocked);
    let why = dependencies[0].why.as_deref().unwrap_or("");
    assert!(why.contains("no backend of load balancer lb"), "{why}");
}
