//! Exports that are cut off, bent or absurd: an error or a gap, never a panic, and never without bound.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::path::PathBuf;

use netwright_import::{Loaded, load};
use netwright_model::diagnostic::Diagnostic;
use netwright_model::network::resolve::resolve;
use netwright_model::source::{FileId, Sources};
use netwright_model::tree::{Kind, Limits, Node, json};

const AWS: &str = r#"{"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}],
"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "a"}],
"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "SubnetId": "subnet-1", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.1.9",
  "Groups": [{"GroupId": "sg-1"}], "Association": {"PublicIp": "198.51.100.1"}}],
"SecurityGroups": [{"GroupId": "sg-1", "GroupName": "one", "VpcId": "vpc-1",
  "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
    "PrefixListIds": [{"PrefixListId": "pl-1"}], "UserIdGroupPairs": [{"GroupId": "sg-1"}]}], "IpPermissionsEgress": []}],
"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "one", "Cidrs": ["192.0.2.0/24"]}],
"NetworkAcls": [{"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": true, "Associations": [{"NetworkAclId": "acl-1", "SubnetId": "subnet-1"}],
  "Entries": [{"RuleNumber": 100, "Protocol": "6", "RuleAction": "allow", "Egress": false, "CidrBlock": "0.0.0.0/0", "PortRange": {"From": 1, "To": 2}}]}],
"InternetGateways": [{"InternetGatewayId": "igw-1", "Attachments": [{"VpcId": "vpc-1", "State": "available"}]}],
"NatGateways": [{"NatGatewayId": "nat-1", "SubnetId": "subnet-1", "VpcId": "vpc-1", "State": "available", "NatGatewayAddresses": [{"PublicIp": "198.51.100.2", "PrivateIp": "10.0.1.7"}]}],
"RouteTables": [{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{"Main": true}],
  "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}]}],
"TransitGateways": [{"TransitGatewayId": "tgw-1", "Options": {}}],
"TransitGatewayVpcAttachments": [{"TransitGatewayAttachmentId": "att-1", "TransitGatewayId": "tgw-1", "VpcId": "vpc-1", "SubnetIds": ["subnet-1"]}],
"VpcPeeringConnections": [{"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "active"}, "AccepterVpcInfo": {"VpcId": "vpc-1"}, "RequesterVpcInfo": {"VpcId": "vpc-1"}}],
"LoadBalancers": [{"LoadBalancerArn": "lb", "LoadBalancerName": "lb", "Type": "network", "Scheme": "internal", "VpcId": "vpc-1", "AvailabilityZones": [{"SubnetId": "subnet-1"}]}],
"DBInstances": [{"DBInstanceIdentifier": "db", "Engine": "postgres", "Endpoint": {"Port": 5432}, "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}]}]}"#;

const GCP: &str = r#"[{"kind": "compute#network", "name": "n", "selfLink": "https://www.googleapis.com/compute/v1/projects/p/global/networks/n",
  "peerings": [{"name": "self", "network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/n", "state": "ACTIVE", "importCustomRoutes": true, "exportCustomRoutes": true}]},
{"kind": "compute#subnetwork", "name": "s", "ipCidrRange": "10.0.0.0/24", "network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/n",
  "selfLink": "https://www.googleapis.com/compute/v1/projects/p/regions/r/subnetworks/s", "secondaryIpRanges": [{"rangeName": "x", "ipCidrRange": "10.8.0.0/14"}]},
{"kind": "compute#instance", "id": "1", "name": "i", "status": "RUNNING", "selfLink": "https://www.googleapis.com/compute/v1/projects/p/zones/r-a/instances/i",
  "tags": {"items": ["t"]}, "networkInterfaces": [{"name": "nic0", "networkIP": "10.0.0.9", "network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/n",
  "subnetwork": "https://www.googleapis.com/compute/v1/projects/p/regions/r/subnetworks/s", "accessConfigs": [{"natIP": "198.51.100.3"}]}]},
{"kind": "compute#firewall", "name": "f", "network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/n", "direction": "INGRESS", "priority": 1000,
  "sourceRanges": ["0.0.0.0/0"], "targetTags": ["t"], "allowed": [{"IPProtocol": "tcp", "ports": ["22", "80-90"]}], "selfLink": "https://www.googleapis.com/compute/v1/projects/p/global/firewalls/f"},
{"kind": "compute#route", "name": "r", "network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/n", "destRange": "0.0.0.0/0", "priority": 1000,
  "nextHopGateway": "https://www.googleapis.com/compute/v1/projects/p/global/gateways/default-internet-gateway", "selfLink": "https://www.googleapis.com/compute/v1/projects/p/global/routes/r"},
{"kind": "compute#router", "name": "e", "network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/n", "selfLink": "https://www.googleapis.com/compute/v1/projects/p/regions/r/routers/e",
  "interfaces": [{"name": "i0", "linkedVpnTunnel": "https://www.googleapis.com/compute/v1/projects/p/regions/r/vpnTunnels/t"}],
  "bgpPeers": [{"name": "p0", "interfaceName": "i0", "peerIpAddress": "169.254.0.2"}], "nats": [{"name": "nat", "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}]},
{"kind": "compute#vpnTunnel", "name": "t", "status": "ESTABLISHED", "peerIp": "192.0.2.1", "router": "https://www.googleapis.com/compute/v1/projects/p/regions/r/routers/e",
  "selfLink": "https://www.googleapis.com/compute/v1/projects/p/regions/r/vpnTunnels/t"},
{"kind": "networkconnectivity#policyBasedRoute", "name": "projects/p/locations/global/policyBasedRoutes/b", "network": "projects/p/global/networks/n", "filter": {"destRange": "10.0.0.0/8"}}]"#;

const IBM: &str = r#"{"vpcs": [{"href": "v", "crn": "crn:v", "id": "v", "name": "one", "default_security_group": {"id": "g", "name": "g"}, "default_network_acl": {"id": "a", "name": "a"},
  "default_routing_table": {"id": "t", "name": "t"}, "address_prefixes": [{"cidr": "10.0.0.0/16"}]}],
"subnets": [{"id": "s", "crn": "crn:s", "name": "s", "ipv4_cidr_block": "10.0.1.0/24", "vpc": {"id": "v"}, "network_acl": {"id": "a"}, "zone": {"name": "z1"}, "routing_table": {"id": "t"}}],
"instances": [{"id": "i", "crn": "crn:i", "name": "i", "vpc": {"id": "v"}, "zone": {"name": "z1"}, "network_interfaces": [{"id": "n", "name": "n", "primary_ip": {"address": "10.0.1.4"}, "subnet": {"id": "s"}, "security_groups": [{"id": "g"}]}]}],
"security_groups": [{"id": "g", "crn": "crn:g", "name": "g", "vpc": {"id": "v"}, "targets": [{"id": "n"}], "rules": [{"id": "r", "direction": "inbound", "protocol": "all", "remote": {"id": "g"}}]}],
"network_acls": [{"id": "a", "crn": "crn:a", "name": "a", "vpc": {"id": "v"}, "subnets": [{"id": "s"}], "rules": [
  {"id": "r1", "name": "r1", "href": "r1", "before": {"href": "r2", "id": "r2"}, "action": "allow", "direction": "inbound", "protocol": "tcp", "source": "0.0.0.0/0", "destination": "10.0.1.0/24", "destination_port_min": 1, "destination_port_max": 9},
  {"id": "r2", "name": "r2", "href": "r2", "action": "deny", "direction": "inbound", "protocol": "all", "source": "0.0.0.0/0", "destination": "0.0.0.0/0"}]}],
"routing_tables": [{"id": "t", "name": "t", "vpc": {"id": "v"}, "is_default": true, "subnets": [{"id": "s"}], "routes": [{"id": "x", "name": "x", "destination": "0.0.0.0/0", "action": "deliver", "next_hop": {"address": "10.0.1.4"}, "zone": {"name": "z1"}}]}],
"floating_ips": [{"id": "f", "crn": "crn:f", "name": "f", "address": "198.51.100.4", "target": {"id": "n", "resource_type": "network_interface"}}],
"public_gateways": [{"id": "pg", "crn": "crn:pg", "name": "pg", "vpc": {"id": "v"}, "floating_ip": {"address": "198.51.100.5"}, "zone": {"name": "z1"}}]}"#;

/// Loads files that are given as octets, and resolves what they are.
fn tried(name: &str, files: &[(&str, &[u8])], limits: &Limits) -> Result<Loaded, Vec<Diagnostic>> {
    let folder: PathBuf =
        std::env::temp_dir().join(format!("netwright-hostile-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (file, octets) in files {
        std::fs::write(folder.join(file), octets).unwrap();
    }
    let mut sources = Sources::default();
    let loaded = load(&folder, &mut sources, limits);
    std::fs::remove_dir_all(&folder).unwrap();
    if let Ok(loaded) = &loaded {
        drop(resolve(loaded.description.clone()));
    }
    loaded
}

fn one(name: &str, text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    tried(name, &[("a.json", text.as_bytes())], &Limits::default())
}

/// The octets of every value of a tree, from the outside inwards.
fn values(node: &Node, found: &mut Vec<(usize, usize)>) {
    let place = |at: u32| usize::try_from(at).unwrap();
    found.push((place(node.span.start), place(node.span.end)));
    match &node.kind {
        Kind::Mapping(entries) => entries.iter().for_each(|(_, value)| values(value, found)),
        Kind::Sequence(items) => items.iter().for_each(|item| values(item, found)),
        _ => {}
    }
}

#[test]
fn whole_exports_are_read() {
    for (name, text) in [("aws", AWS), ("gcp", GCP), ("ibm", IBM)] {
        let loaded = one(&format!("whole-{name}"), text);
        let loaded = loaded.unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
        assert_eq!(loaded.description.vpcs.iter().count(), 1, "{name}");
        resolve(loaded.description).unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
    }
}

#[test]
fn an_export_that_is_cut_off_is_an_error_with_a_place() {
    for (name, text) in [("aws", AWS), ("gcp", GCP), ("ibm", IBM)] {
        for end in (1..text.len()).step_by(61) {
            let errors = one(&format!("cut-{name}"), &text[..end]).unwrap_err();
            assert!(errors[0].span.is_some(), "{name} cut at {end}: {errors:?}");
        }
    }
}

#[test]
fn values_of_other_types_are_gaps_or_errors() {
    const OTHERS: [&str; 8] =
        ["null", "-1", "18446744073709551616", "\"\"", "\"x/y\"", "[]", "{}", "[[{}], 5]"];
    for (name, text) in [("aws", AWS), ("gcp", GCP), ("ibm", IBM)] {
        let root = json::parse(text, FileId::default(), &Limits::default()).unwrap();
        let mut places = Vec::new();
        values(&root, &mut places);
        for (index, (start, end)) in places.into_iter().enumerate() {
            let other = OTHERS[index % OTHERS.len()];
            for other in [other, OTHERS[(index / 3 + 1) % OTHERS.len()]] {
                let bent = format!("{}{other}{}", &text[..start], &text[end..]);
                drop(one(&format!("bent-{name}"), &bent));
            }
        }
    }
}

#[test]
fn sections_that_are_missing_are_gaps() {
    for (name, text) in [("aws", AWS), ("ibm", IBM)] {
        let root = json::parse(text, FileId::default(), &Limits::default()).unwrap();
        for (key, value) in root.entries() {
            let (start, end) = (value.span.start as usize, value.span.end as usize);
            let less = format!("{}[]{}", &text[..start], &text[end..]);
            let loaded = one(&format!("less-{name}"), &less);
            assert!(loaded.is_ok(), "{name} without {}: {loaded:?}", key.text);
        }
    }
}

#[test]
fn an_object_in_two_files_is_one() {
    for (name, text) in [("aws", AWS), ("gcp", GCP), ("ibm", IBM)] {
        let files = [("a.json", text.as_bytes()), ("b.json", text.as_bytes())];
        let loaded = tried(&format!("twice-{name}"), &files, &Limits::default()).unwrap();
        assert_eq!(loaded.description.vpcs.iter().count(), 1, "{name}");
    }
}

#[test]
fn a_key_that_is_given_twice_is_an_error_with_both_places() {
    let twice =
        AWS.replacen("\"VpcId\": \"vpc-1\",", "\"VpcId\": \"vpc-1\", \"VpcId\": \"vpc-2\",", 1);
    let errors = one("key", &twice).unwrap_err();
    assert_eq!(errors[0].code, "NW-IN-003");
}

#[test]
fn rules_before_each_other_in_a_circle_end() {
    let circle = IBM.replacen(
        "{\"id\": \"r2\", \"name\": \"r2\", \"href\": \"r2\",",
        "{\"id\": \"r2\", \"name\": \"r2\", \"href\": \"r2\", \"before\": {\"href\": \"r1\", \"id\": \"r1\"},",
        1,
    );
    assert!(one("circle", &circle).is_ok());
}

#[test]
fn bounds_are_told() {
    let small = Limits { bytes: 1024, ..Limits::default() };
    let errors = tried("large", &[("a.json", AWS.as_bytes())], &small).unwrap_err();
    assert!(errors[0].message.contains("larger than the limit"), "{errors:?}");

    let deep = format!("{{\"Vpcs\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(one("deep", &deep).is_err());

    let few = Limits { nodes: 50, ..Limits::default() };
    assert!(tried("many", &[("a.json", AWS.as_bytes())], &few).is_err());

    let errors = tried("latin", &[("a.json", b"{\"Vpcs\": [\"\xe9\"]}")], &Limits::default());
    assert!(errors.unwrap_err()[0].message.contains("not UTF-8"));
}

#[test]
fn absurd_counts_are_read_or_refused() {
    let mut text = String::from(
        "{\"Vpcs\": [{\"VpcId\": \"vpc-1\", \"CidrBlock\": \"10.0.0.0/8\"}], \"Subnets\": [",
    );
    for index in 0..20_000 {
        let (a, b) = (index / 256, index % 256);
        let comma = if index == 0 { "" } else { "," };
        write!(text, "{comma}{{\"SubnetId\": \"subnet-{index}\", \"VpcId\": \"vpc-1\", \"CidrBlock\": \"10.{a}.{b}.0/24\"}}").unwrap();
    }
    text.push_str("]}");
    let loaded = one("count", &text).unwrap();
    assert_eq!(
        loaded.description.vpcs.iter().map(|(_, vpc)| vpc.subnets.iter().count()).sum::<usize>(),
        20_000
    );
}

/// The values of a list, one a line.
fn lines(text: &str) -> String {
    let root = json::parse(text, FileId::default(), &Limits::default()).unwrap();
    let line = |item: &Node| {
        let own = &text[item.span.start as usize..item.span.end as usize];
        own.lines().collect::<String>() + "\n"
    };
    root.items().iter().map(line).collect()
}

#[test]
fn an_object_a_line_is_an_export_too() {
    let gcp = lines(GCP);
    for file in ["a.json", "a.ndjson", "a.jsonl"] {
        let loaded = tried("lines", &[(file, gcp.as_bytes())], &Limits::default()).unwrap();
        assert_eq!(loaded.description.instances.iter().count(), 1, "{file}");
    }
    let sections = ["{\"Vpcs\": [{\"VpcId\": \"vpc-1\", \"CidrBlock\": \"10.0.0.0/16\"}]}",
        "{\"Subnets\": [{\"SubnetId\": \"subnet-1\", \"VpcId\": \"vpc-1\", \"CidrBlock\": \"10.0.1.0/24\"}]}",
        "{\"SubnetId\": \"subnet-2\", \"VpcId\": \"vpc-1\", \"CidrBlock\": \"10.0.2.0/24\"}", "{\"odd\": 1}"].join("\n");
    let loaded = one("lines-aws", &sections).unwrap();
    let (_, vpc) = loaded.description.vpcs.iter().next().unwrap();
    assert_eq!(vpc.subnets.iter().count(), 2);
    assert!(loaded.notes.iter().any(|note| note.contains("1 of its lines")), "{:?}", loaded.notes);
    let ibm = format!("{}\n{{\"vpcs\": []}}\n", IBM.lines().collect::<String>());
    assert_eq!(one("lines-ibm", &ibm).unwrap().description.instances.iter().count(), 1);
    let broken = one("lines-broken", &format!("{gcp}{{\"kind\": }}\n")).unwrap_err();
    assert!(broken[0].span.is_some());
}

#[test]
fn what_was_skipped_is_told_with_the_reason() {
    let files: [(&str, &[u8]); 3] = [
        ("iam.json", b"{\"bindings\": [], \"etag\": \"x\"}"),
        ("link.json", b"../other/compute-networks.json"),
        ("empty.json", b"[]"),
    ];
    let errors = tried("skipped", &files, &Limits::default()).unwrap_err();
    let message = &errors[0].message;
    for words in [
        "an IAM policy",
        "is a link to ../other/compute-networks.json, which is not there",
        "an empty list",
    ] {
        assert!(message.contains(words), "{message}");
    }
}
