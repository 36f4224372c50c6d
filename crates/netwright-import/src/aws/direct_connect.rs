//! Direct connect gateways: dedicated links that end at transit gateways, or at private gateways of other regions.

use netwright_model::language::{Route, Transit, Vpn, VpnKind};
use netwright_model::scalar::Prefix;
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use crate::access::{Access, prefix_of};

use super::Import;
use super::export::key;
use super::topology::routes_to_unknown;

impl Import<'_> {
    /// A virtual interface that ends at a direct connect gateway. Its links are made with the gateways associated there.
    pub(super) fn behind_direct_connect(&mut self, node: &Node, id: &str) {
        let gateway = node.text("DirectConnectGatewayId");
        let Some(gateway) = gateway.or_else(|| node.text("directConnectGatewayId")) else {
            let what = "a virtual interface that ends at no gateway is not represented";
            self.gap(&format!("vpn:{id}"), what, node.span, true);
            return;
        };
        let associations = self.export.all("DirectConnectGatewayAssociations").to_vec();
        let mut known = false;
        for association in associations {
            if association.word("DirectConnectGatewayId") != Some(&gateway.value) {
                continue;
            }
            known = true;
            let other = association.get("AssociatedGateway");
            let Some(own) = other.and_then(|other| other.text("Id")) else { continue };
            if own.value.starts_with("vgw-") && is_associated(association) {
                self.private_gateway(&gateway, &own, association);
            }
        }
        if !known {
            let what = format!(
                "no association of direct connect gateway {} is in the export",
                gateway.value
            );
            self.gap(&format!("vpn:{id}"), what, node.span, true);
        }
    }

    /// The link between a direct connect gateway and a virtual private gateway.
    fn private_gateway(&mut self, gateway: &Spanned<String>, own: &Spanned<String>, node: &Node) {
        let name = format!("{}-{}", self.direct_name(&gateway.value), own.value);
        if self.description.vpns.get(&name).is_some() {
            return;
        }
        let remote = self.sent_to(&own.value);
        let mut row = self.link(gateway, remote, allowed(node), node);
        row.vpc = self.vpc_of_gateway(&own.value);
        row.gateway = Some(own.clone());
        self.description.vpns.push((key(&name, node), row));
    }

    /// The link between a direct connect gateway and a transit hub, as one of the hub's attachments.
    pub(super) fn dedicated(
        &mut self,
        hub: &Transit,
        gateway: &Spanned<String>,
        attachment: &str,
        node: &Node,
    ) -> String {
        let hub_id = hub.id.as_ref().map_or("", |id| id.value.as_str());
        let name = format!("{}-{hub_id}", self.direct_name(&gateway.value));
        if self.description.vpns.get(&name).is_some() {
            return name;
        }
        let association = self.export.all("DirectConnectGatewayAssociations").iter().find(|node| {
            node.word("DirectConnectGatewayId") == Some(&gateway.value)
                && node.get("AssociatedGateway").and_then(|own| own.word("Id")) == Some(hub_id)
        });
        let local = association.map(|node| allowed(node)).unwrap_or_default();
        let associated = association.is_none_or(|node| is_associated(node));
        let mut row = self.link(gateway, self.sent_to_attachment(attachment), local, node);
        if !associated {
            row.up = Some(Spanned::bare(false));
        }
        self.description.vpns.push((key(&name, node), row));
        name
    }

    fn direct_name(&self, gateway: &str) -> String {
        self.names.or_id("DirectConnectGateways", gateway).to_owned()
    }

    /// A dedicated link to the site of a direct connect gateway.
    fn link(
        &mut self,
        gateway: &Spanned<String>,
        remote: Vec<Spanned<Prefix>>,
        local: Vec<Spanned<Prefix>>,
        node: &Node,
    ) -> Vpn {
        let name = self.direct_name(&gateway.value);
        let what = "routes that BGP learns over the link are not in the export";
        self.gap(&format!("vpn:{name}"), what, node.span, true);
        let site = format!("{name}-site");
        self.site(&site, &gateway.value, &remote, node);
        Vpn {
            id: Some(gateway.clone()),
            kind: Some(Spanned::bare(VpnKind::Dedicated)),
            site: Some(Spanned::new(site, gateway.span)),
            remote_cidrs: remote,
            local_cidrs: local,
            up: self.every_interface_is_down(&gateway.value).then(|| Spanned::bare(false)),
            span: node.span.into(),
            ..Vpn::default()
        }
    }

    /// Whether the export holds virtual interfaces of a direct connect gateway and none of them is available.
    fn every_interface_is_down(&self, gateway: &str) -> bool {
        let sections = ["VirtualInterfaces", "virtualInterfaces"];
        let interfaces = sections.iter().flat_map(|section| self.export.all(section));
        let own: Vec<&str> = interfaces
            .filter(|node| {
                let id = node.word("DirectConnectGatewayId");
                id.or_else(|| node.word("directConnectGatewayId")) == Some(gateway)
            })
            .map(|node| {
                let state = node.word("VirtualInterfaceState");
                state.or_else(|| node.word("virtualInterfaceState")).unwrap_or("available")
            })
            .collect();
        !own.is_empty() && !own.contains(&"available")
    }

    /// Prefixes that hubs' tables send to an attachment.
    fn sent_to_attachment(&self, id: &str) -> Vec<Spanned<Prefix>> {
        let sections = self.export.all("TransitGatewayStaticRoutes").iter();
        let routes = sections.flat_map(|section| section.list("Routes")).filter(|route| {
            let mut to = route.list("TransitGatewayAttachments").iter();
            to.any(|to| to.word("TransitGatewayAttachmentId") == Some(id))
        });
        let mut prefixes: Vec<_> =
            routes.filter_map(|route| route.prefix("DestinationCidrBlock")).collect();
        prefixes.sort_by_key(|prefix| prefix.value);
        prefixes.dedup_by_key(|prefix| prefix.value);
        prefixes
    }

    /// A hub's table whose routes the export does not hold: what it does not propagate is unknown.
    pub(super) fn unknown_hub_routes(&mut self, name: &str, table: &Node) -> Vec<Route> {
        let what = "its static routes are not in the export";
        self.gap(&format!("transit_table:{name}"), what, table.span, true);
        routes_to_unknown("a static route that is not in the export", table)
    }
}

fn is_associated(association: &Node) -> bool {
    association.word("AssociationState").is_none_or(|state| state == "associated")
}

/// The prefixes of this side that the link advertises.
fn allowed(association: &Node) -> Vec<Spanned<Prefix>> {
    let listed = association.list("AllowedPrefixesToDirectConnectGateway");
    listed.iter().filter_map(|entry| entry.get("Cidr").and_then(prefix_of)).collect()
}
