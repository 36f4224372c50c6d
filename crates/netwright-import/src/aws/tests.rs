#![allow(clippy::print_stderr, reason = "a test says what it skips")]

use std::path::PathBuf;

use netwright_model::language::{Description, Peer, RouteTarget};
use netwright_model::network::resolve::resolve;
use netwright_model::source::{FileId, Sources, Span};
use netwright_model::tree::{Kind, Limits, Node, json};

use crate::Document;

fn data() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/networks"));
    if !path.is_dir() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

fn describe(path: &std::path::Path) -> netwright_model::network::Network {
    let mut sources = Sources::default();
    let loaded = match crate::load(path, &mut sources, &Limits::default()) {
        Ok(loaded) => loaded,
        Err(errors) => panic!(
            "{}: {}",
            path.display(),
            errors.iter().map(|e| e.render(&sources, false)).collect::<String>()
        ),
    };
    let text = crate::to_yaml(&loaded.description);
    let again = netwright_model::parse_description("again.yaml", &text, &mut sources);
    match again {
        Ok(again) => assert_eq!(again, loaded.description, "{}", path.display()),
        Err(errors) => panic!(
            "{}: {}\n{text}",
            path.display(),
            errors.iter().map(|e| e.render(&sources, false)).collect::<String>()
        ),
    }
    match resolve(loaded.description) {
        Ok(network) => network,
        Err(errors) => panic!(
            "{}: {}",
            path.display(),
            errors.iter().map(|e| e.render(&sources, false)).collect::<String>()
        ),
    }
}

#[test]
fn every_export_of_the_collections_is_read_written_and_resolved() {
    let Some(data) = data() else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(data.join("batfish-aws")).unwrap() {
        let path = entry.unwrap().path().join("aws_configs");
        if path.is_dir() {
            let network = describe(&path);
            assert!(!network.vpcs.is_empty() || !network.transits.is_empty(), "{}", path.display());
            count += 1;
        }
    }
    for entry in std::fs::read_dir(data.join("np-guard-vpc/awsvpc/input")).unwrap() {
        let network = describe(&entry.unwrap().path());
        assert!(!network.interfaces.is_empty());
        count += 1;
    }
    describe(&data.join("cloudmapper-demo/account-data"));
    assert!(count >= 10, "{count}");
}

#[test]
fn single_objects_are_read_or_refused_but_never_panic() {
    let Some(data) = data() else { return };
    for entry in std::fs::read_dir(data.join("batfish-aws")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            let _any = crate::load(&path, &mut Sources::default(), &Limits::default());
        }
    }
}

/// The objects of a folder's exports as one document.
fn whole(folder: &std::path::Path) -> Node {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut sections = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "json")) {
        let text = std::fs::read_to_string(path).unwrap();
        let Ok(root) = json::parse(&text, FileId::default(), &Limits::default()) else { continue };
        if let Kind::Mapping(entries) = root.kind {
            sections.extend(entries);
        }
    }
    Node { kind: Kind::Mapping(sections), span: Span::NONE }
}

fn nodes(node: &Node) -> usize {
    let inside = node.items().iter().chain(node.entries().iter().map(|(_, node)| node));
    1 + inside.map(nodes).sum::<usize>()
}

fn replace(node: &mut Node, left: &mut usize, with: &Node) -> bool {
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

/// Every node in turn taken out or replaced: nothing panics, and the rest still resolves.
#[test]
fn mangled_exports_still_resolve() {
    let Some(data) = data() else { return };
    for folder in
        ["batfish-aws/test-transit-gateway", "batfish-aws/test-nat-gateway", "cloudmapper-demo"]
    {
        let root = whole(&data.join(folder));
        let step = 1 + nodes(&root) / 300;
        for at in (0..nodes(&root)).step_by(step) {
            for change in [Node::default(), Node::string("unexpected"), Node::number(&70_000)] {
                let mut root = root.clone();
                replace(&mut root, &mut at.clone(), &change);
                let document = Document { path: PathBuf::new(), file: FileId::default(), root };
                let resolved = resolve(super::import(&[document]).description);
                assert!(resolved.is_ok(), "{folder} {at} {change:?}: {:#?}", resolved.err());
            }
        }
    }
}

fn imported(text: &str) -> Description {
    let root = json::parse(text, FileId::default(), &Limits::default()).unwrap();
    super::import(&[Document { path: PathBuf::new(), file: FileId::default(), root }]).description
}

#[test]
fn classic_load_balancers_domains_and_functions_stand_with_their_interfaces() {
    let Some(data) = data() else { return };
    let network = describe(&data.join("cloudmapper-demo/account-data"));
    let balancer = network.description.load_balancers.get("weblb").unwrap();
    assert_eq!(balancer.listeners.iter().next().unwrap().0.value, "tcp/8000");
    let (_, group) = balancer.backends.iter().next().unwrap();
    assert_eq!(group.targets.len(), 1);
    let gaps = &network.description.gaps;
    assert!(
        gaps.iter()
            .any(|gap| gap.what.value == "instance i-00000000000000003 is not in the export")
    );
    assert_eq!(group.health_check.as_ref().unwrap().healthy_threshold.as_ref().unwrap().value, 2);
    let function = network.description.instances.iter().find(|(_, i)| {
        i.id.as_ref().is_some_and(|id| !id.value.starts_with("i-") && !id.value.starts_with("eni-"))
    });
    assert!(!function.unwrap().1.interfaces.is_empty());
}

const HOME: &str = r#""Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}],
    "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"}]"#;

#[test]
fn a_subnet_whose_acl_is_not_in_the_export_has_an_incomplete_filter() {
    let description = imported(&format!(
        r#"{{{HOME}, "NetworkAcls": [{{"NetworkAclId": "acl-1", "VpcId": "vpc-1", "Entries": []}}]}}"#
    ));
    let subnet = description.vpcs.get("vpc-1").unwrap().subnets.get("subnet-1").unwrap();
    let filter = description.filters.get(&subnet.filters[0].value).unwrap();
    assert!(filter.incomplete.is_some());
}

#[test]
fn what_a_rule_says_that_cannot_be_read_may_be_anybody() {
    let description = imported(
        r#"{"SecurityGroups": [{"GroupId": "sg-1", "IpPermissionsEgress": [], "IpPermissions": [
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "nonsense"}]},
            {"IpProtocol": "tcp", "FromPort": 23, "ToPort": 23, "IpRanges": "nonsense"},
            {"IpProtocol": "tcp", "FromPort": 24, "ToPort": 24, "PrefixListIds": [{"PrefixListId": "pl-1"}]}]}],
            "PrefixLists": [{"PrefixListId": "pl-1"}]}"#,
    );
    let rules = &description.filters.get("sg-1").unwrap().rules;
    assert_eq!(rules.len(), 3);
    assert!(rules.iter().all(|rule| matches!(rule.from[0].value, Peer::Unknown(_))));
    assert_eq!(description.gaps.len(), 4);
}

#[test]
fn of_two_listings_of_a_prefix_list_the_one_with_prefixes_counts() {
    let description = imported(
        r#"{"PrefixLists": [{"PrefixListId": "pl-1", "State": "create-complete"},
            {"PrefixListId": "pl-1", "Cidrs": ["192.0.2.0/24"]}]}"#,
    );
    assert_eq!(description.prefix_lists.get("pl-1").unwrap().cidrs.len(), 1);
}

#[test]
fn dedicated_links_end_at_transit_hubs_of_several_regions() {
    let Some(data) = data() else { return };
    let folder = data.join("batfish-aws/test-direct-connect-gateway-multi-region/aws_configs");
    let network = describe(&folder);
    assert_eq!(network.description.vpns.len(), 2);
    assert_eq!(network.description.sites.len(), 1);
}

#[test]
fn a_subnet_whose_table_is_not_in_the_export_leads_to_the_unknown() {
    let description = imported(&format!(r#"{{{HOME}, "RouteTables": []}}"#));
    let vpc = description.vpcs.get("vpc-1").unwrap();
    let table = vpc.route_tables.get(&vpc.main_route_table.as_ref().unwrap().value).unwrap();
    assert!(table.routes.iter().all(|route| matches!(route.via.value, RouteTarget::Unknown(_))));
    assert_eq!(table.routes.len(), 2);
}

#[test]
fn details_of_what_is_not_in_the_export_are_listed() {
    let description = imported(
        r#"{"TransitGatewayStaticRoutes": [{"TransitGatewayRouteTableId": "tgw-rtb-1", "Routes": []}],
            "SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": "nonsense"}]}"#,
    );
    let whats: Vec<_> = description.gaps.iter().map(|gap| gap.what.value.as_str()).collect();
    assert_eq!(whats.len(), 3, "{whats:?}");
    assert!(whats[1].contains("tgw-rtb-1"));
    assert!(whats[2].contains("IpPermissions is not a list"));
    assert!(description.filters.get("sg-1").unwrap().incomplete.is_some());
}

#[test]
fn a_listener_of_both_protocols_is_two_and_its_weighted_groups_are_all_named() {
    let description = imported(
        r#"{"LoadBalancers": [{"LoadBalancerArn": "arn:lb", "LoadBalancerName": "lb", "Type": "network"}],
            "Listeners": [{"ListenerArn": "arn:l", "LoadBalancerArn": "arn:lb", "Port": 53, "Protocol": "TCP_UDP",
              "DefaultActions": [{"Type": "forward", "TargetGroupArn": "arn:a",
                "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "arn:a"}, {"TargetGroupArn": "arn:b"}]}}]}],
            "TargetGroups": [{"TargetGroupArn": "arn:a", "TargetGroupName": "a"},
              {"TargetGroupArn": "arn:b", "TargetGroupName": "b"}]}"#,
    );
    let balancer = description.load_balancers.get("lb").unwrap();
    let names: Vec<_> = balancer.listeners.iter().map(|(name, _)| name.value.as_str()).collect();
    assert_eq!(names, ["udp/53", "tcp/53"]);
    let (_, listener) = balancer.listeners.iter().next().unwrap();
    let groups: Vec<_> = listener.to.iter().map(|name| name.value.as_str()).collect();
    assert_eq!(groups, ["a", "b"]);
    // The targets of both groups, and the attributes that are taken as by default.
    assert_eq!(description.gaps.len(), 3);
}

#[test]
fn a_hub_that_learns_from_a_link_by_bgp_may_send_anything_there() {
    let description = imported(
        r#"{"TransitGateways": [{"TransitGatewayId": "tgw-1"}],
            "TransitGatewayRouteTables": [{"TransitGatewayRouteTableId": "rtb-1", "TransitGatewayId": "tgw-1"}],
            "TransitGatewayStaticRoutes": [{"TransitGatewayRouteTableId": "rtb-1", "Routes": []}],
            "TransitGatewayPropagations": [{"TransitGatewayRouteTableId": "rtb-1",
              "TransitGatewayRouteTablePropagations": [{"TransitGatewayAttachmentId": "att-1", "State": "enabled"}]}],
            "TransitGatewayAttachments": [{"TransitGatewayAttachmentId": "att-1", "TransitGatewayId": "tgw-1",
              "ResourceType": "vpn", "ResourceId": "vpn-1", "State": "available"}],
            "VpnConnections": [{"VpnConnectionId": "vpn-1", "TransitGatewayId": "tgw-1", "State": "available"}]}"#,
    );
    let hub = description.transits.get("tgw-1").unwrap();
    let routes = &hub.tables.get("rtb-1").unwrap().routes;
    assert_eq!(routes.len(), 2);
    assert!(routes.iter().all(|route| matches!(route.via.value, RouteTarget::Unknown(_))));
    assert!(routes.iter().all(|route| route.origin.is_some()));
}

#[test]
fn a_group_and_an_acl_of_one_name_stay_two_filters() {
    let filters = imported(
        r#"{"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}],
            "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "data", "VpcId": "vpc-1"}],
            "NetworkAcls": [{"NetworkAclId": "acl-1", "VpcId": "vpc-1", "Tags": [{"Key": "Name", "Value": "data"}]}]}"#,
    )
    .filters;
    let names: Vec<&str> = filters.iter().map(|(name, _)| name.value.as_str()).collect();
    assert!(names.contains(&"data") && names.contains(&"acl-1"), "{names:?}");
}

#[test]
fn a_group_of_what_was_left_out_is_not_attached_to_nothing() {
    let text = r#"{"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}],
        "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"}],
        "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "SubnetId": "subnet-9", "PrivateIpAddress": "10.0.9.9",
            "Groups": [{"GroupId": "sg-left"}]}],
        "ClusterInfoList": [{"BrokerNodeGroupInfo": {"SecurityGroups": ["sg-broker"]}}],
        "SecurityGroups": [
            {"GroupId": "sg-left", "GroupName": "left", "VpcId": "vpc-1", "IpPermissions": [], "IpPermissionsEgress": []},
            {"GroupId": "sg-broker", "GroupName": "broker", "VpcId": "vpc-1", "IpPermissions": [], "IpPermissionsEgress": []},
            {"GroupId": "sg-idle", "GroupName": "idle", "VpcId": "vpc-1", "IpPermissions": [], "IpPermissionsEgress": []},
            {"GroupId": "sg-default", "GroupName": "default", "VpcId": "vpc-1", "IpPermissions": [], "IpPermissionsEgress": []}],
        "NetworkAcls": [{"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": true, "Entries": [],
            "Associations": [{"NetworkAclId": "acl-1", "SubnetId": "subnet-9"}]}]}"#;
    let root = json::parse(text, FileId::default(), &Limits::default()).expect("JSON");
    let document = Document { path: PathBuf::from("a.json"), file: FileId::default(), root };
    let made = super::import(&[document]).description;
    let told = |name: &str| {
        let id = |own: &netwright_model::language::Filter| {
            own.id.as_ref().is_some_and(|id| id.value == name)
        };
        let (_, filter) = made.filters.iter().find(|(_, own)| id(own)).expect("the filter");
        (filter.elsewhere.is_some(), filter.provided.is_some())
    };
    assert_eq!(told("sg-left"), (true, false));
    assert_eq!(told("sg-broker"), (true, false));
    assert_eq!(told("sg-idle"), (false, false));
    assert_eq!(told("sg-default"), (false, true));
    assert!(told("acl-1").1);
}
