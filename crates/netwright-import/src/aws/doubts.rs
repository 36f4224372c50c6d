//! What an export says that nothing else picks up: details of objects that it does not hold, and lists that are no lists.

use netwright_model::source::Span;
use netwright_model::tree::{Kind, Node};

use crate::access::Access;

use super::Import;

/// Sections that give details of another section's objects: the section, the key that names the object, and where that is.
const DETAILS: [(&str, &str, &str); 10] = [
    ("LoadBalancerListeners", "LoadBalancerArn", "LoadBalancers"),
    ("Listeners", "LoadBalancerArn", "LoadBalancers"),
    ("LoadBalancerTargetHealth", "TargetGroupArn", "TargetGroups"),
    ("TransitGatewayAttachments", "TransitGatewayId", "TransitGateways"),
    ("TransitGatewayVpcAttachments", "TransitGatewayId", "TransitGateways"),
    ("TransitGatewayRouteTables", "TransitGatewayId", "TransitGateways"),
    ("TransitGatewayPropagations", "TransitGatewayRouteTableId", "TransitGatewayRouteTables"),
    ("TransitGatewayStaticRoutes", "TransitGatewayRouteTableId", "TransitGatewayRouteTables"),
    ("DirectConnectGatewayAssociations", "DirectConnectGatewayId", "DirectConnectGateways"),
    ("NatGateways", "SubnetId", "Subnets"),
];

/// Keys whose value is a list in every answer that has them, and decides about packets.
const LISTS: [&str; 12] = [
    "IpPermissions",
    "IpPermissionsEgress",
    "Entries",
    "Associations",
    "CidrBlockAssociationSet",
    "Ipv6CidrBlockAssociationSet",
    "NetworkInterfaceIds",
    "PrivateIpAddresses",
    "NatGatewayAddresses",
    "TransitGatewayRouteTablePropagations",
    "TransitGatewayAttachments",
    "TargetHealthDescriptions",
];

impl Import<'_> {
    pub(super) fn doubts(&mut self) {
        for (section, owner_key, owners) in DETAILS {
            for node in self.export.all(section) {
                let owner = node.word(owner_key);
                if owner.is_some_and(|owner| self.names.of_section(owners, owner).is_some()) {
                    continue;
                }
                let owner = owner.unwrap_or("?").to_owned();
                let what = format!(
                    "{owner_key} {owner} is not in the export, but {section} has something about it"
                );
                self.gap(&format!("{section}:{owner}"), what, node.span, true);
            }
        }
        for gateway in self.export.all("InternetGateways") {
            let attached = gateway.list("Attachments").iter().find_map(|a| a.text("VpcId"));
            let Some(vpc) = attached else { continue };
            if self.names.of_section("Vpcs", &vpc.value).is_none() {
                let id = gateway.word("InternetGatewayId").unwrap_or("?").to_owned();
                let what = format!("its VPC {} is not in the export", vpc.value);
                self.gap(&format!("internet_gateway:{id}"), what, vpc.span, true);
            }
        }
        let mut odd = Vec::new();
        for node in self.export.every() {
            odd_lists(node, &mut odd);
        }
        for (what, span) in odd {
            self.gap("export", what, span, true);
        }
    }
}

/// Values that should be lists of objects or texts and are not.
fn odd_lists(node: &Node, found: &mut Vec<(String, Span)>) {
    for (key, value) in node.entries() {
        let known = LISTS.iter().find(|list| *key.text == ***list);
        if let Some(list) = known
            && !matches!(value.kind, Kind::Sequence(_) | Kind::Null)
        {
            found.push((format!("{list} is not a list and was left out"), value.span));
        }
        odd_lists(value, found);
    }
    for item in node.items() {
        odd_lists(item, found);
    }
}
