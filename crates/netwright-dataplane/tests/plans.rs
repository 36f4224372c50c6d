//! Plans of the examples and of generated networks.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use netwright_dataplane::plan::{HostPlan, Ready, Restart, TUNNEL, Via, What, plan};
use netwright_model::decode_description;
use netwright_model::generate::{Plan, Shape, generate};
use netwright_model::network::resolve::resolve;
use netwright_model::source::FileId;
use netwright_model::tree::{Limits, yaml};

fn example(name: &str) -> HostPlan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let root = yaml::parse(&text, FileId::default(), &Limits::default()).unwrap();
    plan(&resolve(decode_description(&root).unwrap()).unwrap())
}

const EXAMPLES: [&str; 6] = [
    "load-balancers/network.yaml",
    "quickstart/network.yaml",
    "ticket-3291/reported.yaml",
    "ticket-3291/repaired.yaml",
    "staging-egress/before.yaml",
    "staging-egress/works.yaml",
];

fn plans() -> Vec<(String, HostPlan)> {
    let examples = EXAMPLES.iter().map(|name| ((*name).to_owned(), example(name)));
    let shapes = [Shape::Flat, Shape::HubAndSpoke, Shape::ManySmallVpcs, Shape::GroupReferences];
    let generated = shapes.iter().map(|shape| {
        let order = Plan { shape: *shape, instances: 60, seed: 7, ..Plan::default() };
        (format!("{shape:?}"), plan(&resolve(generate(&order)).unwrap()))
    });
    examples.chain(generated).collect()
}

#[test]
fn the_quickstart_is_a_router_two_machines_two_gateways_and_the_internet() {
    insta::assert_snapshot!(example("quickstart/network.yaml").to_string());
}

/// The namespaces of a plan whose names begin so, and its tasks there, as text.
fn part(plan: &HostPlan, beginning: &str) -> String {
    let mut plan = plan.clone();
    plan.links.clear();
    plan.namespaces.retain(|namespace| namespace.name.starts_with(beginning));
    plan.tasks.retain(|task| task.namespace.starts_with(beginning));
    plan.to_string()
}

#[test]
fn a_balancers_node_passes_on_by_a_map_of_numbers_and_a_proxy_counts_what_its_process_opens() {
    let plan = example("load-balancers/network.yaml");
    assert_eq!(plan.left_out, Vec::<String>::new());
    insta::assert_snapshot!(part(&plan, "load_balancer/"));
}

#[test]
fn another_backend_in_service_is_a_change_of_elements_and_of_a_proxys_settings_only() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/load-balancers");
    let text = std::fs::read_to_string(folder.join("network.yaml")).unwrap();
    let plan_of = |text: &str| {
        let root = yaml::parse(text, FileId::default(), &Limits::default()).unwrap();
        plan(&resolve(decode_description(&root).unwrap()).unwrap())
    };
    let one = plan_of(&text.replace("target: web-2 }", "target: web-2, healthy: false }"));
    let other = plan_of(&text.replace(", healthy: false", ""));
    let rest = |plan: &HostPlan, name: &str| {
        let node = plan.namespaces.iter().find(|node| node.name == name).unwrap();
        let lines = node.ruleset.lines().filter(|line| !line.contains("elements = "));
        lines.map(str::to_owned).collect::<Vec<String>>()
    };
    for name in ["load_balancer/data", "load_balancer/shop", "vpc/shop"] {
        assert_eq!(rest(&one, name), rest(&other, name), "{name}");
    }
    let (old, new) = (&one.tasks[0], &other.tasks[0]);
    let settings = old.followed_by(new).unwrap();
    assert!(settings.contains("10.0.2.12"), "a running proxy takes its backends: {settings}");
    assert_ne!(old, new);
}

fn described(text: &str) -> HostPlan {
    let root = yaml::parse(text, FileId::default(), &Limits::default()).unwrap();
    plan(&resolve(decode_description(&root).unwrap()).unwrap())
}

#[test]
fn a_tunnel_is_two_ends_with_a_wire_of_its_underlays_size_between_them() {
    let text = "vpcs:
  v:
    cidr: 10.0.0.0/16
    main_route_table: main
    route_tables:
      main: { routes: [{ to: 192.168.0.0/16, via: \"vpn:black-hole\" }, { to: 172.16.0.0/16, via: \"vpn:told\" }] }
    subnets: { s: { cidr: 10.0.1.0/24 } }
sites:
  one: { cidr: 192.168.0.0/16 }
  other: { cidr: 172.16.0.0/16 }
vpns:
  black-hole: { vpc: v, site: one, suite: aes-cbc-sha256, icmp_too_big: false, mss_clamp: false }
  told: { vpc: v, site: other, kind: wireguard, underlay: ipv6, icmp_too_big: true }
";
    let plan = described(text);
    insta::assert_snapshot!(plan.to_string());
    let settings = plan.tasks.iter().filter_map(|task| match &task.what {
        What::Part { part, settings, .. } if part == TUNNEL => Some(settings.as_str()),
        _ => None,
    });
    insta::assert_snapshot!("what_the_ends_are_told", settings.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_link_that_stands_in_for_a_tunnel_is_told_with_the_reason() {
    let text = "vpcs: { v: { subnets: { s: { cidr: 10.0.1.0/24 } } } }
sites: { one: { cidr: 192.168.0.0/16 } }
vpns:
  no-suite: { vpc: v, site: one }
  no-such-suite: { vpc: v, site: one, suite: rot13 }
  no-such-link: { vpc: v, site: one, kind: wireguard, underlay: ipv6, underlay_mtu: 1200 }
  leased: { vpc: v, site: one, kind: dedicated }
";
    let plan = described(text);
    assert!(plan.tasks.iter().all(|task| !task.namespace.starts_with("tunnel/")));
    insta::assert_snapshot!(plan.left_out.join("\n"));
}

#[test]
fn the_same_network_always_gives_the_same_plan() {
    for ((name, one), (_, other)) in plans().into_iter().zip(plans()) {
        assert_eq!(one, other, "{name}");
    }
}

#[test]
fn every_route_leads_over_a_link_that_is_there_and_names_are_unique_and_short_enough() {
    for (name, plan) in plans() {
        let mut links = BTreeSet::new();
        for end in plan.links.iter().flat_map(|link| [&link.a, &link.b]) {
            assert!(end.name.len() <= 15, "{name}: {} is too long", end.name);
            let key = (end.namespace.clone(), end.name.clone());
            assert!(links.insert(key), "{name}: two links {} in {}", end.name, end.namespace);
        }
        for namespace in &plan.namespaces {
            for route in &namespace.routes {
                if let Via::Link { link, .. } = &route.via {
                    let key = (namespace.name.clone(), link.clone());
                    assert!(links.contains(&key), "{name}: {} has no link {link}", namespace.name);
                }
            }
            let mut seen = BTreeSet::new();
            for route in &namespace.routes {
                let twice = !seen.insert((route.table, route.to));
                assert!(!twice, "{name}: two routes to {} in {}", route.to, namespace.name);
            }
        }
    }
}

#[test]
fn the_kernels_program_accepts_every_ruleset() {
    if Command::new("nft").arg("--version").output().is_err() {
        eprintln!("skipped: nft is missing; on Debian, apt-get install nftables");
        return;
    }
    for (name, plan) in plans() {
        for namespace in plan.namespaces.iter().filter(|n| !n.ruleset.is_empty()) {
            let mut nft = Command::new("unshare")
                .args(["--user", "--map-root-user", "--net", "nft", "--check", "--file", "-"])
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            nft.stdin.take().unwrap().write_all(namespace.ruleset.as_bytes()).unwrap();
            assert!(
                nft.wait().unwrap().success(),
                "{name}: {}\n{}",
                namespace.name,
                namespace.ruleset
            );
        }
    }
}

#[test]
fn commands_of_an_instance_are_tasks_with_names_of_their_own() {
    let text = "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
instances:
  web:
    subnet: s
    exec:
      - python3 -m http.server 80
      - { run: /usr/bin/python3 worker.py, restart: always }
      - { name: api, run: ./api, ready: { port: tcp/8080, after: 2s } }
  off: { subnet: s, running: false, exec: sleep 9 }
";
    let root = yaml::parse(text, FileId::default(), &Limits::default()).unwrap();
    let plan = plan(&resolve(decode_description(&root).unwrap()).unwrap());
    let names: Vec<&str> = plan.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["api", "python3", "python3-2"]);
    let ready = [Ready::Runs { milliseconds: 2000 }, Ready::Listens { protocol: 6, port: 8080 }];
    assert_eq!(plan.tasks[0].ready, ready);
    assert_eq!(plan.tasks[2].restart, Restart::Always);
}

#[test]
fn what_is_added_elsewhere_leaves_links_routes_and_rulesets_of_others_as_they_are() {
    let plan_of = |more: &str| {
        let text = format!(
            "vpcs: {{ v: {{ subnets: {{ s: {{ cidr: 10.0.0.0/24 }} }} }}, w: {{ subnets: {{ t: {{ cidr: 10.1.0.0/24 }} }} }} }}
peerings: {{ p: {{ between: [v, w] }} }}
instances:
{more}  a: {{ subnet: s, address: 10.0.0.4 }}
  b: {{ subnet: s, address: 10.0.0.5 }}
  c: {{ subnet: t, address: 10.1.0.5 }}
"
        );
        let root = yaml::parse(&text, FileId::default(), &Limits::default()).unwrap();
        plan(&resolve(decode_description(&root).unwrap()).unwrap())
    };
    let (was, is) = (plan_of(""), plan_of("  zero: { subnet: s, address: 10.0.0.9 }\n"));
    for link in &was.links {
        assert!(is.links.contains(link), "{link:?}");
    }
    for name in ["instance/a", "instance/b", "instance/c", "vpc/w"] {
        let of = |plan: &HostPlan| plan.namespaces.iter().find(|n| n.name == name).cloned();
        assert_eq!(of(&was), of(&is), "{name}");
    }
}

#[test]
fn no_ruleset_names_a_link_that_is_not_there() {
    for (name, plan) in plans() {
        for namespace in &plan.namespaces {
            let links: BTreeSet<&str> = plan
                .links
                .iter()
                .flat_map(|link| [&link.a, &link.b])
                .filter(|end| end.namespace == namespace.name)
                .map(|end| end.name.as_str())
                .collect();
            let quoted: Vec<&str> = namespace.ruleset.split('"').collect();
            // Before each quoted word stands what it is.
            let names = quoted.chunks_exact(2).filter(|pair| !pair[0].ends_with("comment "));
            for quoted in names.map(|pair| pair[1]) {
                assert!(links.contains(quoted), "{name}: {} names {quoted}", namespace.name);
            }
        }
    }
}
