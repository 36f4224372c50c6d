//! The sections of an export, whatever files they stand in, and the names of their objects.

use std::collections::{BTreeMap, BTreeSet};

use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use crate::Document;
use crate::access::Access;
use crate::naming::Naming;

/// Sections that are read: the key of each, its other spelling, and the key of its objects' identifier.
const SECTIONS: [(&str, &str, &str); 39] = [
    ("Vpcs", "vpcs", "VpcId"),
    ("Subnets", "subnets", "SubnetId"),
    ("RouteTables", "route_tables", "RouteTableId"),
    ("InternetGateways", "internet_gateways", "InternetGatewayId"),
    ("EgressOnlyInternetGateways", "egress_only_internet_gateways", "EgressOnlyInternetGatewayId"),
    ("NatGateways", "nat_gateways", "NatGatewayId"),
    ("NetworkAcls", "network_acls", "NetworkAclId"),
    ("SecurityGroups", "security_groups", "GroupId"),
    ("PrefixLists", "prefix_lists", "PrefixListId"),
    ("NetworkInterfaces", "network_interfaces", "NetworkInterfaceId"),
    ("Reservations", "reservations", "ReservationId"),
    ("Instances", "instances", "InstanceId"),
    ("Addresses", "addresses", "AllocationId"),
    ("VpcPeeringConnections", "vpc_peering_connections", "VpcPeeringConnectionId"),
    ("TransitGateways", "transit_gateways", "TransitGatewayId"),
    ("TransitGatewayAttachments", "transit_gateway_attachments", "TransitGatewayAttachmentId"),
    (
        "TransitGatewayVpcAttachments",
        "transit_gateway_vpc_attachments",
        "TransitGatewayAttachmentId",
    ),
    ("TransitGatewayRouteTables", "transit_gateway_route_tables", "TransitGatewayRouteTableId"),
    ("TransitGatewayPropagations", "transit_gateway_propagations", "TransitGatewayRouteTableId"),
    ("TransitGatewayStaticRoutes", "transit_gateway_static_routes", "TransitGatewayRouteTableId"),
    (
        "TransitGatewayPeeringAttachments",
        "transit_gateway_peering_attachments",
        "TransitGatewayAttachmentId",
    ),
    ("VpnConnections", "vpn_connections", "VpnConnectionId"),
    ("VpnGateways", "vpn_gateways", "VpnGatewayId"),
    ("CustomerGateways", "customer_gateways", "CustomerGatewayId"),
    ("VirtualInterfaces", "virtual_interfaces", "VirtualInterfaceId"),
    ("virtualInterfaces", "virtualInterfaces", "virtualInterfaceId"),
    ("VpcEndpoints", "vpc_endpoints", "VpcEndpointId"),
    ("LoadBalancers", "load_balancers", "LoadBalancerArn"),
    ("LoadBalancerAttributes", "load_balancer_attributes", "LoadBalancerArn"),
    ("LoadBalancerDescriptions", "load_balancer_descriptions", "LoadBalancerName"),
    ("LoadBalancerListeners", "load_balancer_listeners", "LoadBalancerArn"),
    ("Listeners", "listeners", "ListenerArn"),
    ("TargetGroups", "target_groups", "TargetGroupArn"),
    ("LoadBalancerTargetHealth", "load_balancer_target_health", "TargetGroupArn"),
    ("DBInstances", "db_instances", "DBInstanceIdentifier"),
    ("DomainStatusList", "domain_status_list", "DomainId"),
    ("Functions", "functions", "FunctionName"),
    ("DirectConnectGateways", "direct_connect_gateways", "DirectConnectGatewayId"),
    ("DirectConnectGatewayAssociations", "direct_connect_gateway_associations", "AssociationId"),
];

/// Sections that are known and say nothing about packets here.
const SILENT: [&str; 19] = [
    "AvailabilityZones",
    "ServiceDetails",
    "ServiceNames",
    "DhcpOptions",
    "GroupDetailList",
    "RoleDetailList",
    "UserDetailList",
    "FlowLogs",
    "InstanceTypes",
    "LaunchTemplates",
    "Policies",
    "Regions",
    "SecurityGroupRules",
    "Users",
    "Volumes",
    "Snapshots",
    "Images",
    "KeyPairs",
    "Tags",
];

/// All sections of all documents.
#[derive(Debug)]
pub(super) struct Export<'a> {
    sections: BTreeMap<&'static str, Vec<&'a Node>>,
    silent: BTreeMap<String, usize>,
    /// Subnets without a range that can be read.
    bare_subnets: Vec<&'a Node>,
}

impl<'a> Export<'a> {
    pub(super) fn recognises(root: &Node) -> bool {
        if SECTIONS.iter().any(|(key, ..)| {
            root.get(key)
                .is_some_and(|node| matches!(node.kind, netwright_model::tree::Kind::Sequence(_)))
        }) || SILENT.iter().any(|key| root.get(key).is_some())
        {
            return true;
        }
        // One object with lower-case sections of describe objects.
        SECTIONS
            .iter()
            .any(|(_, key, id)| root.list(key).iter().any(|object| object.get(id).is_some()))
            || SECTIONS.iter().any(|(.., id)| single(root, id))
    }

    pub(super) fn of(documents: &'a [Document]) -> Self {
        let mut sections: BTreeMap<&'static str, Vec<&'a Node>> = BTreeMap::new();
        let mut silent: BTreeMap<String, usize> = BTreeMap::new();
        for document in documents {
            let mut found = false;
            for (key, value) in document.root.entries() {
                let known = SECTIONS
                    .iter()
                    .find(|(upper, lower, _)| *key.text == **upper || *key.text == **lower);
                if let Some((section, ..)) = known {
                    found = true;
                    sections.entry(section).or_default().extend(value.items());
                } else if !value.items().is_empty() {
                    *silent.entry(key.text.to_string()).or_default() += value.items().len();
                }
            }
            // A file that holds one object by itself.
            if !found && let Some(section) = section_of(&document.root) {
                sections.entry(section).or_default().push(&document.root);
            }
        }
        // Two calls list prefix lists, and only one of them gives the prefixes: that one counts.
        if let Some(lists) = sections.get_mut("PrefixLists") {
            lists.sort_by_key(|list| list.get("Cidrs").is_none() && list.get("Entries").is_none());
        }
        for (section, _, id) in SECTIONS {
            if let Some(objects) = sections.get_mut(section) {
                let mut seen = BTreeSet::new();
                objects
                    .retain(|object| object.word(id).is_none_or(|id| seen.insert(id.to_owned())));
            }
        }
        let mut bare_subnets = Vec::new();
        if let Some(subnets) = sections.get_mut("Subnets") {
            bare_subnets = subnets.extract_if(.., |subnet| !has_range(subnet)).collect();
        }
        Self { sections, silent, bare_subnets }
    }

    /// The objects of a section.
    pub(super) fn all(&self, section: &str) -> &[&'a Node] {
        self.sections.get(section).map_or(&[], Vec::as_slice)
    }

    /// Subnets that were left out because their range cannot be read.
    pub(super) fn bare_subnets(&self) -> &[&'a Node] {
        &self.bare_subnets
    }

    /// Every object of every section.
    pub(super) fn every(&self) -> impl Iterator<Item = &'a Node> {
        self.sections.values().flatten().copied()
    }

    /// Whether the export has a section at all.
    pub(super) fn has(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// The object of a section with an identifier.
    pub(super) fn find(&self, section: &str, key: &str, id: &str) -> Option<&'a Node> {
        self.all(section).iter().copied().find(|object| object.word(key) == Some(id))
    }

    /// Instances, from reservations or by themselves.
    pub(super) fn instances(&self) -> Vec<&'a Node> {
        let reserved = self.all("Reservations").iter().flat_map(|node| node.list("Instances"));
        reserved.chain(self.all("Instances").iter().copied()).collect()
    }

    /// Sections that were not read: name, size, and whether they are known to say nothing about packets.
    pub(super) fn unused(&self) -> impl Iterator<Item = (&str, usize, bool)> {
        self.silent
            .iter()
            .map(|(kind, count)| (kind.as_str(), *count, SILENT.contains(&kind.as_str())))
    }
}

/// Whether a subnet has a range of either family.
fn has_range(subnet: &Node) -> bool {
    let v6 = subnet.list("Ipv6CidrBlockAssociationSet").iter();
    subnet.prefix("CidrBlock").is_some()
        || v6.filter_map(|entry| entry.prefix("Ipv6CidrBlock")).next().is_some()
}

/// Whether a document is itself an object of a section.
fn single(root: &Node, id: &str) -> bool {
    root.word(id).is_some() && ["Tags", "CidrBlock"].iter().any(|key| root.get(key).is_some())
}

/// The section of a document that is one object. Most objects name others too: what stands in a subnet names that and its VPC.
fn section_of(root: &Node) -> Option<&'static str> {
    const NAMED_BY_OTHERS: [&str; 7] = [
        "VpcId",
        "SubnetId",
        "InstanceId",
        "NetworkInterfaceId",
        "TransitGatewayId",
        "VpnGatewayId",
        "CustomerGatewayId",
    ];
    let weight = |id: &str| {
        let place = NAMED_BY_OTHERS.iter().position(|own| *own == id);
        place.unwrap_or(NAMED_BY_OTHERS.len())
    };
    let fitting = SECTIONS.iter().filter(|(.., id)| single(root, id));
    fitting.rev().max_by_key(|(.., id)| weight(id)).map(|(section, ..)| *section)
}

/// The `Name` tag.
pub(super) fn name_tag(object: &Node) -> Option<String> {
    let tags = object.list("Tags").iter().chain(object.list("TagSet"));
    let mut named = tags.filter(|tag| tag.word("Key") == Some("Name"));
    named.find_map(|tag| tag.word("Value")).map(str::to_owned)
}

/// Sections whose objects end up in one map of the description, where no two may have one name: the first to use it keeps it.
const ONE_MAP: [&[&str]; 5] = [
    &["SecurityGroups", "NetworkAcls"],
    &["InternetGateways", "EgressOnlyInternetGateways"],
    &["Instances", "NetworkInterfaces", "DomainStatusList", "Functions"],
    &["LoadBalancers", "LoadBalancerDescriptions"],
    &["VpnConnections", "VirtualInterfaces", "virtualInterfaces"],
];

/// The objects of a section by identifier, with the names people gave them.
fn named<'a>(export: &Export<'a>, section: &str) -> Vec<(&'a str, Option<String>)> {
    let (objects, id): (Vec<&'a Node>, &str) =
        match SECTIONS.iter().find(|(own, ..)| *own == section) {
            None => return Vec::new(),
            Some((_, _, id)) if section == "Instances" => (export.instances(), id),
            Some((_, _, id)) => (export.all(section).to_vec(), id),
        };
    let own = |object: &'a Node| {
        name_tag(object).or_else(|| {
            let field = match section {
                "SecurityGroups" => {
                    return object.word("GroupName").filter(|n| *n != "default").map(str::to_owned);
                }
                "LoadBalancers" => "LoadBalancerName",
                "TargetGroups" => "TargetGroupName",
                "DomainStatusList" => "DomainName",
                "DirectConnectGateways" => "DirectConnectGatewayName",
                "VirtualInterfaces" => "VirtualInterfaceName",
                _ => return None,
            };
            object.word(field).map(str::to_owned)
        })
    };
    objects.into_iter().filter_map(|object| Some((object.word(id)?, own(object)))).collect()
}

/// Names of all objects by identifier.
#[derive(Debug)]
pub(super) struct Names {
    by_kind: BTreeMap<&'static str, Naming>,
    /// Subnets with their VPC.
    vpc_of_subnet: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn of(export: &Export<'_>) -> Self {
        let mut by_kind: BTreeMap<&'static str, Naming> = BTreeMap::new();
        for (section, ..) in SECTIONS {
            if by_kind.contains_key(section) {
                continue;
            }
            let alone = [section];
            let together = ONE_MAP.iter().find(|sections| sections.contains(&section));
            let mut taken: BTreeSet<String> = BTreeSet::new();
            for section in together.map_or(&alone[..], |sections| sections) {
                let free = |name: &String| !taken.contains(name);
                let objects: Vec<(&str, Option<String>)> = named(export, section)
                    .into_iter()
                    .map(|(id, name)| (id, name.filter(free)))
                    .collect();
                let naming = Naming::choose(objects.iter().cloned());
                taken.extend(naming.all().map(str::to_owned));
                by_kind.insert(section, naming);
            }
        }
        let pairs = export.all("Subnets").iter().filter_map(|subnet| {
            Some((subnet.word("SubnetId")?.to_owned(), subnet.word("VpcId")?.to_owned()))
        });
        Self { by_kind, vpc_of_subnet: pairs.collect() }
    }

    /// The name of an object of a section, where the export holds it.
    pub(super) fn of_section(&self, section: &str, id: &str) -> Option<&str> {
        self.by_kind.get(section)?.get(id)
    }

    /// A name, or the identifier itself where the export does not hold the object.
    pub(super) fn or_id<'n>(&'n self, section: &str, id: &'n str) -> &'n str {
        self.of_section(section, id).unwrap_or(id)
    }

    /// A subnet as `vpc/subnet`.
    pub(super) fn subnet(&self, id: &str) -> Option<String> {
        let vpc = self.of_section("Vpcs", self.vpc_of_subnet.get(id)?)?;
        Some(format!("{vpc}/{}", self.of_section("Subnets", id)?))
    }

    /// The VPC of a subnet.
    pub(super) fn vpc_of(&self, subnet: &str) -> Option<&str> {
        self.of_section("Vpcs", self.vpc_of_subnet.get(subnet)?)
    }
}

/// A name as a map's key, with the place of the object.
pub(super) fn key(name: &str, object: &Node) -> Spanned<String> {
    Spanned::new(name.to_owned(), object.span)
}
