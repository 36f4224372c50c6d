//! Exports small enough to read, and every real one of the shared data.

use std::path::PathBuf;

use netwright_model::language::{Action, Description, Direction, Peer, Provider, RouteTarget};
use netwright_model::network::resolve::resolve;
use netwright_model::source::{FileId, Sources};
use netwright_model::tree::{Limits, Node, json};

use super::{import, recognises};
use crate::{Document, Imported};

fn parse(text: &str) -> Document {
    let root = json::parse(text, FileId::default(), &Limits::default()).unwrap();
    Document { path: PathBuf::from("export.json"), file: FileId::default(), root }
}

fn imported(text: &str) -> Imported {
    import(&[parse(text)])
}

fn described(text: &str) -> Description {
    imported(text).description
}

fn real() -> Vec<(String, String)> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/networks/np-guard-vpc/ibmvpc/input"
    );
    let Ok(entries) = std::fs::read_dir(folder) else {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: {folder} is absent");
        }
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn real_one(name: &str) -> Option<Description> {
    let (_, text) = real().into_iter().find(|(own, _)| own == name)?;
    Some(described(&text))
}

/// One VPC with one subnet, and more lists.
fn with(lists: &str) -> String {
    format!(
        r#"{{"vpcs": [{{"id": "v", "crn": "crn:v", "name": "net", "region": "us-south",
             "default_security_group": {{"id": "g"}}, "address_prefixes": [{{"cidr": "10.0.0.0/16"}}]}}],
            "subnets": [{{"id": "s", "crn": "crn:s", "name": "web", "ipv4_cidr_block": "10.0.1.0/24",
             "vpc": {{"id": "v"}}, "zone": {{"name": "us-south-1"}}, "network_acl": {{"id": "a"}}}}],
            "network_acls": [{{"id": "a", "crn": "crn:a", "name": "acl", "vpc": {{"id": "v"}}, "rules": []}}],
            {lists}}}"#
    )
}

fn rules(acl: &str, group: &str) -> String {
    format!(
        r#"{{"network_acls": [{{"id": "a", "crn": "crn:a", "name": "acl", "rules": [{acl}]}}],
            "security_groups": [{{"id": "g", "crn": "crn:g", "name": "group", "rules": [{group}]}}]}}"#
    )
}

#[test]
fn every_real_export_imports_resolves_and_reads_back() {
    for (name, text) in real() {
        let document = parse(&text);
        assert!(recognises(&document.root), "{name}");
        let imported = import(&[document]);
        let yaml = crate::to_yaml(&imported.description);
        let read = netwright_model::parse_description(&name, &yaml, &mut Sources::default());
        let read = read.unwrap_or_else(|errors| panic!("{name}: {errors:#?}"));
        assert_eq!(read, imported.description, "{name}");
        let resolved = resolve(imported.description);
        assert!(resolved.is_ok(), "{name}: {:#?}", resolved.err());
    }
}

#[test]
fn a_description_names_the_provider_and_the_region() {
    let description = described(&with(r#""instances": []"#));
    assert_eq!(description.provider.map(|p| p.value), Some(Provider::Ibm));
    let (name, vpc) = &description.vpcs[0];
    assert_eq!(
        (name.value.as_str(), vpc.region.as_ref().unwrap().value.as_str()),
        ("net", "us-south")
    );
    assert!(vpc.subnets[0].1.span.is_some());
}

#[test]
fn an_acl_is_ordered_by_its_links_not_by_its_list() {
    let rule = |id: &str, before: &str, action: &str| {
        let before = if before.is_empty() {
            String::new()
        } else {
            format!(r#""before": {{"id": "{before}"}},"#)
        };
        format!(
            r#"{{"id": "{id}", "name": "{id}", {before} "action": "{action}", "direction": "inbound", "ip_version": "ipv4",
                "protocol": "all", "source": "0.0.0.0/0", "destination": "10.0.0.0/8"}}"#
        )
    };
    let listed = [
        rule("last", "", "allow"),
        rule("first", "middle", "deny"),
        rule("middle", "last", "deny"),
    ];
    let description = described(&rules(&listed.join(","), ""));
    let acl = description.filters.get("acl").unwrap();
    let order: Vec<_> =
        acl.rules.iter().map(|rule| rule.name.as_ref().unwrap().value.as_str()).collect();
    assert_eq!(order, ["first", "middle", "last"]);
    assert_eq!(acl.rules[2].action.as_ref().unwrap().value, Action::Allow);
    assert!(!acl.stateful.unwrap().value && acl.ordered.unwrap().value);
}

#[test]
fn ports_from_1_to_65535_are_all_ports() {
    let rule = |min: u16| {
        format!(
            r#"{{"id": "r", "direction": "outbound", "ip_version": "ipv4", "protocol": "tcp", "port_min": {min}, "port_max": 65535,
                "remote": {{"cidr_block": "0.0.0.0/0"}}}}"#
        )
    };
    for (min, ranges) in [(1, 0), (2, 1)] {
        let description = described(&rules("", &rule(min)));
        assert_eq!(description.filters.get("group").unwrap().rules[0].ports.len(), ranges, "{min}");
    }
}

#[test]
fn a_group_rule_has_its_remote_on_the_far_side_and_its_local_on_the_near_one() {
    let rule = r#"{"id": "r", "direction": "inbound", "ip_version": "ipv4", "protocol": "all",
        "local": {"address": "10.0.1.4"}, "remote": {"id": "g"}}"#;
    let description = described(&rules("", rule));
    let rule = &description.filters.get("group").unwrap().rules[0];
    assert_eq!(rule.direction.value, Direction::Ingress);
    assert_eq!(rule.from[0].value, Peer::Group("group".into()));
    assert_eq!(rule.to[0].value.to_string(), "10.0.1.4/32");
}

#[test]
fn host_bits_of_a_rule_are_cut_off() {
    let rule = r#"{"id": "r", "name": "r", "action": "allow", "direction": "inbound", "protocol": "all",
        "source": "8.8.8.10/29", "destination": "0.0.0.0/0"}"#;
    let description = described(&rules(rule, ""));
    let rule = &description.filters.get("acl").unwrap().rules[0];
    assert_eq!(rule.from[0].value.to_string(), "8.8.8.8/29");
}

#[test]
fn what_a_rule_says_that_is_not_known_is_unknown() {
    let rule = r#"{"id": "r", "direction": "inbound", "ip_version": "ipv4", "protocol": "quantum", "remote": {"id": "elsewhere"}}"#;
    let description = described(&rules("", rule));
    let rule = &description.filters.get("group").unwrap().rules[0];
    assert!(rule.uncertain.as_ref().unwrap().value.contains("quantum"));
    assert!(matches!(rule.from[0].value, Peer::Unknown(_)));
}

#[test]
fn a_combined_protocol_becomes_a_rule_for_each() {
    let rule = r#"{"id": "r", "direction": "inbound", "protocol": "icmp_tcp_udp", "remote": {"cidr_block": "0.0.0.0/0"}}"#;
    let description = described(&rules("", rule));
    let rules = &description.filters.get("group").unwrap().rules;
    let words: Vec<_> = rules.iter().map(|r| r.protocol.as_ref().unwrap().to_string()).collect();
    assert_eq!(words, ["icmp", "tcp", "udp"]);
}

#[test]
fn an_interface_without_groups_is_unknown_not_open() {
    let text = with(
        r#""instances": [{"id": "i", "name": "one", "vpc": {"id": "v"}, "network_interfaces":
            [{"id": "n", "name": "eth0", "primary_ip": {"address": "10.0.1.4"}, "subnet": {"id": "s"}}]}]"#,
    );
    let description = described(&text);
    let filter = &description.instances.get("one").unwrap().filters[0].value;
    assert!(description.filters.get(filter).unwrap().incomplete.is_some());
    assert!(description.gaps.iter().any(|gap| gap.object.value == "instance:one"));
}

#[test]
fn an_address_outside_its_subnet_is_not_replaced_by_another() {
    let text = with(
        r#""instances": [{"id": "i", "name": "one", "network_interfaces":
            [{"id": "n", "name": "eth0", "primary_ip": {"address": "10.9.9.9"}, "subnet": {"id": "s"}}]}]"#,
    );
    let description = described(&text);
    assert!(description.instances.is_empty());
    assert!(description.gaps.iter().any(|gap| gap.what.value.contains("10.9.9.9")));
}

#[test]
fn an_object_that_two_files_hold_is_one() {
    let text = with(r#""instances": []"#);
    let description = import(&[parse(&text), parse(&text)]).description;
    assert_eq!((description.vpcs.len(), description.filters.len()), (1, 1));
    assert_eq!(description.vpcs[0].1.subnets.len(), 1);
}

#[test]
fn a_stopped_server_is_described_as_off() {
    let Some(description) = real_one("input_iks_workers_large.json") else { return };
    assert!(!description.instances.get("rhel9").unwrap().running.unwrap().value);
}

#[test]
fn routes_that_hold_in_one_zone_make_a_table_for_each_zone() {
    let Some(description) = real_one("input_hub_n_spoke_1.json") else { return };
    let vpc = description.vpcs.get("tvpc-transit").unwrap();
    let tables: Vec<_> = vpc.route_tables.iter().map(|(name, _)| name.value.as_str()).collect();
    assert!(tables.contains(&"egress-delegate@us-south-1"), "{tables:?}");
    let used = vpc.subnets.get("tvpc-transit-z1-fw").unwrap().route_table.as_ref().unwrap();
    assert_eq!(used.value, "egress-delegate@us-south-1");
    assert!(description.gaps.iter().any(|gap| gap.what.value.contains("transit gateways")));
}

#[test]
fn a_next_hop_is_the_machine_with_its_address_and_else_unknown() {
    let text = with(
        r#""instances": [{"id": "i", "name": "fw", "network_interfaces": [{"id": "n", "name": "eth0",
              "primary_ip": {"address": "10.0.1.4"}, "subnet": {"id": "s"}, "allow_ip_spoofing": true}]}],
            "routing_tables": [{"id": "t", "name": "own", "is_default": true, "vpc": {"id": "v"}, "subnets": [{"id": "s"}], "routes": [
              {"action": "deliver", "destination": "172.16.0.0/12", "next_hop": {"address": "10.0.1.4"}, "zone": {"name": "us-south-1"}},
              {"action": "deliver", "destination": "192.168.0.0/16", "next_hop": {"address": "10.9.9.9"}, "zone": {"name": "us-south-1"}},
              {"action": "drop", "destination": "1.2.3.4/32", "next_hop": {"address": "0.0.0.0"}, "zone": {"name": "us-south-1"}}]}]"#,
    );
    let description = described(&text);
    assert!(description.instances.get("fw").unwrap().forwards.unwrap().value);
    let table = description.vpcs[0].1.route_tables.get("own").unwrap();
    assert_eq!(table.routes[0].via.value, RouteTarget::Instance("fw".into()));
    assert!(matches!(table.routes[1].via.value, RouteTarget::Unknown(_)));
    assert_eq!(table.routes[2].via.value, RouteTarget::Blackhole);
}

#[test]
fn prefix_filters_keep_their_order_and_bounds() {
    let Some(description) = real_one("input_tg-prefix-filters.json") else { return };
    let hub = description.transits.get("local-tg-ky").unwrap();
    let filters = &hub.attachments.get("tg_connection0").unwrap().prefix_filters;
    assert_eq!(filters.len(), 2);
    assert_eq!(filters[0].action.value, Action::Allow);
    assert_eq!((filters[1].ge.unwrap().value, filters[1].le.unwrap().value), (22, 23));
}

#[test]
fn names_that_several_vpcs_use_are_qualified() {
    let Some(description) = real_one("input_multiVpc_larger_example_dup_names.json") else {
        return;
    };
    assert!(description.instances.get("test-vpc0-ky/vsi1-ky").is_some());
    assert!(description.instances.get("test-vpc1-ky/vsi1-ky").is_some());
}

#[test]
fn workers_have_the_default_group_and_their_clusters() {
    let Some(description) = real_one("input_iks_workers_large.json") else { return };
    let worker = description.instances.get("kubenode-clusterid:1-2").unwrap();
    let groups: Vec<_> = worker.filters.iter().map(|group| group.value.as_str()).collect();
    assert_eq!(groups, ["rewind-evitable-spray-wildcard", "kube-clusterid:1"]);
}

#[test]
fn a_virtual_interface_brings_its_groups_and_addresses() {
    let Some(description) = real_one("input_vni_basic.json") else { return };
    let machine = description.instances.get("wl-b2").unwrap();
    assert_eq!(machine.public_address[0].value.to_string(), "150.240.167.94");
    assert_eq!(machine.filters.len(), 2);
}

#[test]
fn a_public_gateway_serves_its_subnets_only() {
    let Some(description) = real_one("input_acl_testing5.json") else { return };
    assert_eq!(description.nat_gateways.len(), 2);
    assert!(description.nat_gateways.iter().all(|(_, nat)| !nat.serves.is_empty()));
}

#[test]
fn a_balancer_has_its_addresses_and_members() {
    let Some(description) = real_one("input_lb_policies.json") else { return };
    let balancer = description.load_balancers.get("alb").unwrap();
    assert_eq!(balancer.nodes.len(), 2);
    let (name, listener) = &balancer.listeners[0];
    assert_eq!(name.value, "http-9080");
    assert_eq!(listener.to.len(), 3);
}

/// Every node in turn taken out or replaced: nothing panics, and the rest still resolves.
#[test]
fn mangled_exports_still_resolve() {
    for file in ["input_vni_basic.json", "input_lb_policies.json", "input_tg-prefix-filters.json"] {
        let Some((_, text)) = real().into_iter().find(|(name, _)| name == file) else { return };
        let document = parse(&text);
        let step = 1 + nodes(&document.root) / 1_000;
        for at in (0..nodes(&document.root)).step_by(step) {
            for change in [Node::default(), Node::string("unexpected"), Node::number(&70_000)] {
                let mut root = document.root.clone();
                replace(&mut root, &mut at.clone(), &change);
                let document = Document { path: PathBuf::new(), file: FileId::default(), root };
                let resolved = resolve(import(&[document]).description);
                assert!(resolved.is_ok(), "{file} {at} {change:?}: {:#?}", resolved.err());
            }
        }
    }
}

fn nodes(node: &Node) -> usize {
    let inside = node.items().iter().chain(node.entries().iter().map(|(_, node)| node));
    1 + inside.map(nodes).sum::<usize>()
}

fn replace(node: &mut Node, left: &mut usize, with: &Node) -> bool {
    use netwright_model::tree::Kind;
    if *left == 0 {
        *node = with.clone();
        return true;
    }
    *left -= 1;
    match &mut node.kind {
        Kind::Sequence(items) => items.iter_mut().any(|item| replace(item, left, with)),
        Kind::Mapping(entries) => entries.iter_mut().any(|(_, item)| replace(item, left, with)),
        _ => false,
    }
}
