//! Endpoints of Private Service Connect: addresses of a network that lead to a published service or to Google's APIs.

use netwright_model::language::reference::Destination;
use netwright_model::language::{Interface, PrivateEndpoint, Route, RouteTarget};
use netwright_model::scalar::Prefix;
use netwright_model::source::Spanned;

use super::Import;
use super::export::{Object, last};
use crate::access::Access;

impl<'e> Import<'e> {
    /// A rule that leads to a published service has an address in a subnet; one that leads to Google's APIs has one that the
    /// whole network reaches.
    pub(super) fn service_connect(&mut self, rule: Object<'e>) {
        let (node, at) = (rule.node, rule.span());
        let key = self.names.key(rule);
        let named = format!("private_endpoint:{key}");
        let target = node.text("target");
        let database = self.export.all("sqlInstance").iter().find(|database| {
            let link =
                database.node.word("pscServiceAttachmentLink").and_then(super::export::path_of);
            link.is_some() && link == target.as_ref().and_then(|t| super::export::path_of(&t.value))
        });
        let service = match database {
            Some(database) => Some(Spanned::new(self.names.key(*database), database.span())),
            None => target.map(|target| target.map(|link| last(&link).to_owned())),
        };
        let Some(address) = node.address("IPAddress") else {
            self.gap(&named, "its address is not in the export", at, true);
            return;
        };
        let mut made = PrivateEndpoint {
            id: node.text("selfLink"),
            service,
            span: at.into(),
            ..PrivateEndpoint::default()
        };
        if let Some(link) = node.word("subnetwork") {
            let Some((vpc, subnet)) = self.subnet_of(link, node, &named) else { return };
            let row = Interface {
                subnet: Some(Spanned::new(format!("{vpc}/{subnet}"), at)),
                addresses: vec![address],
                span: at.into(),
                ..Interface::default()
            };
            self.hold(&vpc, &subnet, &row);
            made.vpc = Some(Spanned::new(vpc, at));
            made.interfaces.insert(Spanned::new(rule.name().to_owned(), at), row);
        } else {
            let network = node.word("network").and_then(|link| self.names.network(link));
            let Some(vpc) = network.map(str::to_owned) else {
                self.gap(&named, "its network is not in the export", at, true);
                return;
            };
            let prefix = Prefix::host(address.value);
            let route = Route {
                to: Spanned::new(Destination::Prefix(prefix), address.span),
                via: Spanned::new(RouteTarget::PrivateEndpoint(key.clone()), at),
                name: node.text("name"),
                span: at.into(),
                ..Route::default()
            };
            let tables = self.description.vpcs.get_mut(&vpc).map(|vpc| &mut vpc.route_tables.0);
            if let Some((_, table)) = tables.and_then(|tables| tables.first_mut()) {
                table.routes.push(route);
            }
            made.vpc = Some(Spanned::new(vpc, at));
            made.cidrs.push(Spanned::new(prefix, address.span));
        }
        let place = node.get("name").map_or(at, |name| name.span);
        self.description.private_endpoints.insert(Spanned::new(key, place), made);
    }
}
