//! Transit gateways: each connection advertises a VPC's address prefixes through an ordered filter.

use std::collections::BTreeMap;

use netwright_model::language::reference::Destination;
use netwright_model::language::{
    Action, PrefixFilter, Route, RouteTarget, Transit, TransitAttachment, TransitTable,
};
use netwright_model::scalar::Prefix;
use netwright_model::source::Spanned;

use super::Import;
use super::catalog::{ordered, unique};
use super::read::Object;

/// Name of a gateway's table, where it has to be written.
const TABLE: &str = "routes";

impl<'e> Import<'e> {
    pub(super) fn transits(&mut self) {
        let gateways = self.transit_gateways();
        let names: Vec<_> = gateways.iter().map(|(gateway, _)| (None, gateway.name())).collect();
        for ((gateway, connections), key) in gateways.into_iter().zip(unique(&names)) {
            self.transit(gateway, &connections, &key);
        }
    }

    /// Gateways with their connections: those listed, and those that only connections name.
    fn transit_gateways(&self) -> Vec<(Object<'e>, Vec<Object<'e>>)> {
        let mut gateways: Vec<(Object<'e>, Vec<Object<'e>>)> =
            self.export.all("transit_gateways").into_iter().map(|one| (one, Vec::new())).collect();
        for connection in self.export.all("transit_connections") {
            let Some(named) = connection.object("transit_gateway") else { continue };
            match gateways.iter_mut().find(|(gateway, _)| gateway.same(named)) {
                Some((_, connections)) => connections.push(connection),
                None => gateways.push((named, vec![connection])),
            }
        }
        gateways
    }

    fn transit(&mut self, gateway: Object<'e>, connections: &[Object<'e>], key: &str) {
        let at = gateway.span();
        let object = format!("transit:{key}");
        let names: Vec<_> = connections.iter().map(|one| (None, one.name())).collect();
        let mut made = Transit {
            id: gateway.identity(),
            implied_vpc_routes: Some(Spanned::new(true, at)),
            span: at.into(),
            ..Transit::default()
        };
        for (connection, name) in connections.iter().zip(unique(&names)) {
            let attachment = self.attachment(*connection, &object);
            if let Some(attachment) = attachment {
                made.attachments.insert(connection.key(&name), attachment);
            }
        }
        self.advertised_routes(&mut made, &object);
        self.description.transits.insert(gateway.key(key), made);
    }

    fn attachment(&mut self, connection: Object<'_>, object: &str) -> Option<TransitAttachment> {
        let at = connection.span();
        let status = connection.str("status").unwrap_or("attached");
        if status != "attached" {
            let what = format!("connection {} is {status}: it carries nothing", connection.name());
            self.gap(object, &what, at, false);
            return None;
        }
        let mut made = TransitAttachment {
            id: connection.identity(),
            prefix_default: connection
                .text("prefix_filters_default")
                .map(|word| word.map(|word| action(&word))),
            span: at.into(),
            ..TransitAttachment::default()
        };
        let kind = connection.str("network_type").unwrap_or("unknown");
        let network = connection.text("network_id");
        let vpc =
            network.as_ref().and_then(|id| self.catalog.vpc_by_id(&id.value)).map(str::to_owned);
        match (kind, vpc) {
            ("vpc", Some(vpc)) => {
                made.vpc = Some(Spanned::new(vpc, network.map_or(at, |network| network.span)));
            }
            ("vpc", None) => {
                // Its prefixes are not known; they cannot be those of VPCs that the export holds.
                let what = format!(
                    "connection {} leads to a VPC that is not in the export",
                    connection.name()
                );
                self.gap(object, &what, at, false);
            }
            (other, _) => {
                let what = format!(
                    "connection {} leads to a network of type `{other}`, which is not described",
                    connection.name()
                );
                self.gap(object, &what, at, true);
            }
        }
        for filter in ordered(&connection.objects("prefix_filters")) {
            made.prefix_filters.extend(self.prefix_filter(filter, object));
        }
        Some(made)
    }

    fn prefix_filter(&mut self, filter: Object<'_>, object: &str) -> Option<PrefixFilter> {
        let bound = |field: &str| {
            let number = filter.number(field).filter(|number| number.value > 0)?;
            u32::try_from(number.value).ok().map(|value| Spanned::new(value, number.span))
        };
        let at = filter.span();
        let prefix = self.prefix(filter, "prefix", object)?;
        let action = filter
            .text("action")
            .map_or_else(|| Spanned::new(Action::Deny, at), |word| word.map(|word| action(&word)));
        Some(PrefixFilter { action, prefix, ge: bound("ge"), le: bound("le"), span: at.into() })
    }

    /// Routes of the user's that VPCs advertise: what the VPC then does with the packets is decided by its ingress routing table,
    /// which cannot be represented, so that such packets' fate is unknown.
    fn advertised_routes(&mut self, made: &mut Transit, object: &str) {
        let mut routes: BTreeMap<Prefix, Route> = BTreeMap::new();
        for (_, attachment) in made.attachments.iter() {
            let Some(vpc) = &attachment.vpc else { continue };
            for to in self.tables.advertised(&vpc.value) {
                let prefix = to.value;
                let why = format!("{prefix} is advertised by a routing table of {}", vpc.value);
                routes.entry(prefix).or_insert_with(|| Route {
                    to: Spanned::new(Destination::Prefix(prefix), to.span),
                    via: Spanned::new(RouteTarget::Unknown(why), to.span),
                    span: to.span.into(),
                    ..Route::default()
                });
            }
        }
        let Some(at) = routes.values().next().map(|route| route.span) else { return };
        let what = "routes that routing tables advertise lead through ingress routing, which is not represented";
        self.gap(object, what, at.0, true);
        let table = TransitTable {
            routes: routes.into_values().collect(),
            span: at,
            ..TransitTable::default()
        };
        made.tables.insert(Spanned::new(TABLE.to_owned(), at.0), table);
        for (_, attachment) in &mut made.attachments.0 {
            attachment.table = Some(Spanned::new(TABLE.to_owned(), at.0));
            attachment.propagates_to = vec![Spanned::new(TABLE.to_owned(), at.0)];
        }
    }
}

fn action(word: &str) -> Action {
    match word {
        "permit" | "allow" => Action::Allow,
        _ => Action::Deny,
    }
}
