//! VPNs, dedicated links, transit gateways.

use std::collections::BTreeMap;

use netwright_model::language::{
    Destination, Route, RouteOrigin, RouteTarget, Site, Transit, TransitAttachment, TransitTable,
    Vpn, VpnKind,
};
use netwright_model::scalar::Prefix;
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use crate::access::Access;

use super::Import;
use super::export::key;
use super::topology::routes_to_unknown;

impl Import<'_> {
    pub(super) fn links(&mut self) {
        for node in self.export.all("VpnConnections") {
            self.vpn(node);
        }
        for section in ["VirtualInterfaces", "virtualInterfaces"] {
            for node in self.export.all(section) {
                self.virtual_interface(node);
            }
        }
    }

    /// The VPC that a virtual private gateway is attached to.
    pub(super) fn vpc_of_gateway(&self, gateway: &str) -> Option<Spanned<String>> {
        let node = self.export.find("VpnGateways", "VpnGatewayId", gateway)?;
        let attached =
            node.list("VpcAttachments").iter().find(|a| a.word("State") != Some("detached"))?;
        let id = attached.text("VpcId")?;
        Some(Spanned::new(self.names.of_section("Vpcs", &id.value)?.to_owned(), id.span))
    }

    /// Prefixes that route tables send to a gateway: what is known of what lies behind it.
    pub(super) fn sent_to(&self, gateway: &str) -> Vec<Spanned<Prefix>> {
        let routes = self.export.all("RouteTables").iter().flat_map(|table| table.list("Routes"));
        let own = routes.filter(|route| route.word("GatewayId") == Some(gateway));
        let mut prefixes: Vec<Spanned<Prefix>> = own
            .filter_map(|route| {
                route
                    .prefix("DestinationCidrBlock")
                    .or_else(|| route.prefix("DestinationIpv6CidrBlock"))
            })
            .collect();
        prefixes.sort_by_key(|prefix| prefix.value);
        prefixes.dedup();
        prefixes
    }

    fn vpn(&mut self, node: &Node) {
        let Some(id) = node.text("VpnConnectionId") else { return };
        if matches!(node.word("State"), Some("deleted" | "deleting")) {
            self.notes.push(format!("VPN {} is deleted and was left out", id.value));
            return;
        }
        let gateway = node.text("VpnGatewayId");
        let mut remote: Vec<_> = node
            .list("Routes")
            .iter()
            .filter_map(|route| route.prefix("DestinationCidrBlock"))
            .collect();
        if let Some(gateway) = &gateway {
            remote.extend(self.sent_to(&gateway.value));
        }
        let object = format!("vpn:{}", id.value);
        if node.list("Routes").is_empty() {
            self.gap(
                &object,
                "routes that BGP learns from the other side are not in the export",
                node.span,
                gateway.is_none(),
            );
        }
        // The configuration holds the pre-shared keys beside the ciphers: only the latter are looked for.
        let configuration = node.word("CustomerGatewayConfiguration").unwrap_or("");
        let site = node.word("CustomerGatewayId").unwrap_or(&id.value).to_owned();
        let site_name = self.names.or_id("CustomerGateways", &site).to_owned();
        self.site(&site_name, &site, &remote, node);
        let name = self.names.or_id("VpnConnections", &id.value).to_owned();
        let row = Vpn {
            kind: Some(Spanned::bare(VpnKind::Ipsec)),
            vpc: gateway.as_ref().and_then(|gateway| self.vpc_of_gateway(&gateway.value)),
            gateway,
            site: Some(Spanned::new(site_name, node.span)),
            remote_cidrs: remote,
            suite: suite(configuration).map(Spanned::bare),
            id: Some(id),
            span: node.span.into(),
            ..Vpn::default()
        };
        self.description.vpns.push((key(&name, node), row));
    }

    /// A virtual interface of a dedicated link, where it ends at a virtual private gateway.
    fn virtual_interface(&mut self, node: &Node) {
        let text = |upper: &str, lower: &str| node.text(upper).or_else(|| node.text(lower));
        let Some(id) = text("VirtualInterfaceId", "virtualInterfaceId") else { return };
        let Some(gateway) = text("VirtualGatewayId", "virtualGatewayId") else {
            self.behind_direct_connect(node, &id.value);
            return;
        };
        let remote = self.sent_to(&gateway.value);
        self.gap(
            &format!("vpn:{}", id.value),
            "routes that BGP learns over the link are not in the export",
            node.span,
            false,
        );
        let name =
            self.names.of_section("VirtualInterfaces", &id.value).unwrap_or(&id.value).to_owned();
        let site_name = format!("{name}-site");
        self.site(&site_name, &id.value, &remote, node);
        let state = text("VirtualInterfaceState", "virtualInterfaceState");
        let down = state.is_some_and(|state| state.value != "available");
        let row = Vpn {
            kind: Some(Spanned::bare(VpnKind::Dedicated)),
            vpc: self.vpc_of_gateway(&gateway.value),
            gateway: Some(gateway),
            site: Some(Spanned::new(site_name, node.span)),
            remote_cidrs: remote,
            up: down.then(|| Spanned::bare(false)),
            id: Some(id),
            span: node.span.into(),
            ..Vpn::default()
        };
        self.description.vpns.push((key(&name, node), row));
    }

    /// The name of a VPN that was represented.
    fn vpn_named(&self, id: &str) -> Option<String> {
        let name = self.names.of_section("VpnConnections", id)?;
        self.description.vpns.get(name).map(|_| name.to_owned())
    }

    pub(super) fn site(&mut self, name: &str, id: &str, remote: &[Spanned<Prefix>], node: &Node) {
        // A default route says nothing about where the site's own ranges lie.
        let cidrs: Vec<_> = remote.iter().filter(|prefix| prefix.length() > 0).copied().collect();
        if let Some(site) = self.description.sites.get_mut(name) {
            site.cidrs.extend(cidrs);
            return;
        }
        let row = Site {
            id: Some(Spanned::bare(id.to_owned())),
            cidrs,
            span: node.span.into(),
            ..Site::default()
        };
        self.description.sites.push((key(name, node), row));
    }

    pub(super) fn transit(&mut self) {
        for node in self.export.all("TransitGateways") {
            let Some(id) = node.text("TransitGatewayId") else { continue };
            let name = self.names.or_id("TransitGateways", &id.value).to_owned();
            if self.description.transits.get(&name).is_some() {
                continue;
            }
            let row = self.hub(node, &id);
            self.description.transits.push((key(&name, node), row));
        }
    }

    fn hub(&mut self, node: &Node, id: &Spanned<String>) -> Transit {
        let own = |other: &&Node| other.word("TransitGatewayId") == Some(&id.value);
        let mut row =
            Transit { id: Some(id.clone()), span: node.span.into(), ..Transit::default() };
        let attachments: Vec<&Node> = self
            .export
            .all("TransitGatewayAttachments")
            .iter()
            .copied()
            .filter(|n| own(n))
            .collect();
        let tables: Vec<&Node> = self
            .export
            .all("TransitGatewayRouteTables")
            .iter()
            .copied()
            .filter(|n| own(n))
            .collect();
        let mut propagates: BTreeMap<String, Vec<Spanned<String>>> = BTreeMap::new();
        for table in &tables {
            let Some(table_id) = table.text("TransitGatewayRouteTableId") else { continue };
            let name = self.names.or_id("TransitGatewayRouteTables", &table_id.value).to_owned();
            let find = |section: &str| {
                self.export.find(section, "TransitGatewayRouteTableId", &table_id.value)
            };
            if let Some(section) = find("TransitGatewayPropagations") {
                for entry in section.list("TransitGatewayRouteTablePropagations") {
                    if entry.word("State") == Some("enabled")
                        && let Some(attachment) = entry.word("TransitGatewayAttachmentId")
                    {
                        let reference = Spanned::new(name.clone(), entry.span);
                        propagates.entry(attachment.to_owned()).or_default().push(reference);
                    }
                }
            }
            let routes = match find("TransitGatewayStaticRoutes") {
                Some(section) => section.list("Routes").iter().filter_map(hub_route).collect(),
                None => self.unknown_hub_routes(&name, table),
            };
            let made = TransitTable { id: Some(table_id), routes, span: table.span.into() };
            row.tables.push((key(&name, table), made));
        }
        for attachment in attachments {
            self.attachment(&mut row, attachment, &mut propagates);
        }
        self.learned(&mut row);
        row
    }

    /// Tables that learn from a link whose routes only BGP knows: what they do not hold may lead there.
    fn learned(&self, hub: &mut Transit) {
        let mut tables = Vec::new();
        for (name, attachment) in hub.attachments.iter() {
            let vpn = attachment.vpn.as_ref().and_then(|vpn| self.description.vpns.get(&vpn.value));
            if vpn.is_some_and(|vpn| vpn.remote_cidrs.is_empty()) {
                let learning = attachment.propagates_to.iter().map(|table| table.value.clone());
                tables.extend(learning.map(|table| (table, name.clone())));
            }
        }
        for (table, attachment) in tables {
            let Some(table) = hub.tables.get_mut(&table) else { continue };
            let what = format!("what BGP tells over {}", attachment.value);
            let learned = routes_to_unknown(&what, &Node::default()).into_iter();
            // Written routes come before learned ones.
            table.routes.extend(learned.map(|route| Route {
                origin: Some(Spanned::bare(RouteOrigin::Propagated)),
                ..route
            }));
        }
    }

    /// The subnets that a hub has interfaces in.
    fn attached_subnets(&self, id: &str) -> Vec<Spanned<String>> {
        let detail =
            self.export.find("TransitGatewayVpcAttachments", "TransitGatewayAttachmentId", id);
        let mut subnets = Vec::new();
        for subnet in detail.map_or(&[][..], |detail| detail.list("SubnetIds")) {
            let name = subnet.as_str().and_then(|id| self.names.subnet(id));
            subnets.extend(name.map(|name| Spanned::new(name, subnet.span)));
        }
        subnets
    }

    /// The hub's table in which packets of an attachment are looked up.
    fn associated_table(
        &mut self,
        hub: &Transit,
        node: &Node,
        object: &str,
    ) -> Option<Spanned<String>> {
        let id = node.get("Association")?.text("TransitGatewayRouteTableId")?;
        let name = self.names.or_id("TransitGatewayRouteTables", &id.value).to_owned();
        if hub.tables.get(&name).is_none() {
            let what = format!("route table {name} is not in the export");
            self.gap(object, what, node.span, true);
            return None;
        }
        Some(Spanned::new(name, id.span))
    }

    fn attachment(
        &mut self,
        hub: &mut Transit,
        node: &Node,
        propagates: &mut BTreeMap<String, Vec<Spanned<String>>>,
    ) {
        let Some(id) = node.text("TransitGatewayAttachmentId") else { return };
        if matches!(node.word("State"), Some("deleted" | "deleting" | "rejected" | "failed")) {
            return;
        }
        let mut row = TransitAttachment {
            id: Some(id.clone()),
            span: node.span.into(),
            ..TransitAttachment::default()
        };
        let resource = node.text("ResourceId");
        let object = format!("attachment:{}", id.value);
        match (node.word("ResourceType"), resource) {
            (Some("vpc"), Some(vpc)) => match self.names.of_section("Vpcs", &vpc.value) {
                Some(name) => row.vpc = Some(Spanned::new(name.to_owned(), vpc.span)),
                None => self.gap(
                    &object,
                    format!("VPC {} is not in the export", vpc.value),
                    node.span,
                    true,
                ),
            },
            (Some("vpn"), Some(vpn)) => match self.vpn_named(&vpn.value) {
                Some(name) => row.vpn = Some(Spanned::new(name, vpn.span)),
                None => self.gap(
                    &object,
                    format!("VPN {} is not in the export", vpn.value),
                    node.span,
                    true,
                ),
            },
            (Some("direct-connect-gateway"), Some(gateway)) => {
                let name = self.dedicated(hub, &gateway, &id.value, node);
                row.vpn = Some(Spanned::new(name, gateway.span));
            }
            (Some("tgw" | "peering"), Some(other)) => {
                let known = self.names.of_section("TransitGateways", &other.value);
                let known = known.map(str::to_owned);
                if known.is_none() {
                    let what = format!("transit gateway {} is not in the export", other.value);
                    self.gap(&object, what, node.span, true);
                }
                row.transit =
                    Some(Spanned::new(known.unwrap_or_else(|| "unknown".to_owned()), other.span));
            }
            (kind, _) => {
                let kind = kind.unwrap_or("unknown");
                self.gap(
                    &object,
                    format!("an attachment of type {kind} is not represented"),
                    node.span,
                    true,
                );
            }
        }
        row.subnets = self.attached_subnets(&id.value);
        row.table = self.associated_table(hub, node, &object);
        row.propagates_to = propagates.remove(&id.value).unwrap_or_default();
        hub.attachments.push((Spanned::new(id.value.clone(), node.span), row));
    }
}

fn hub_route(route: &Node) -> Option<Route> {
    let to = route
        .prefix("DestinationCidrBlock")
        .or_else(|| route.prefix("DestinationIpv6CidrBlock"))?;
    let attachments = route.list("TransitGatewayAttachments");
    let via = match (route.word("State"), attachments) {
        (Some("blackhole"), _) | (_, []) => RouteTarget::Blackhole,
        (_, [only]) => match only.word("TransitGatewayAttachmentId") {
            Some(id) => RouteTarget::Attachment(id.to_owned()),
            None => RouteTarget::Unknown("an attachment without identifier".to_owned()),
        },
        _ => RouteTarget::Unknown("several attachments at equal cost".to_owned()),
    };
    Some(Route {
        to: to.map(Destination::Prefix),
        via: Spanned::new(via, route.span),
        span: route.span.into(),
        ..Route::default()
    })
}

/// The suite of an IPsec configuration, from its encryption and authentication.
fn suite(configuration: &str) -> Option<String> {
    let ipsec = configuration.split("<ipsec>").nth(1)?;
    let field = |name: &str| {
        let rest = ipsec.split(&format!("<{name}>")).nth(1)?;
        rest.split('<').next()
    };
    let (encryption, authentication) =
        (field("encryption_protocol")?, field("authentication_protocol")?);
    if encryption.contains("gcm") {
        return Some("aes-gcm-16".to_owned());
    }
    let hash = match authentication {
        a if a.contains("sha2-256") || a.contains("sha256") => "sha256",
        a if a.contains("sha2-384") || a.contains("sha384") => "sha384",
        a if a.contains("sha2-512") || a.contains("sha512") => "sha512",
        _ => "sha1",
    };
    Some(format!("aes-cbc-{hash}"))
}
