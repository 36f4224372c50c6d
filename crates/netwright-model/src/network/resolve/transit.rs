//! Transit hubs: tables, attachments, and the routes that attachments advertise.

use crate::language::{Action, PrefixFilter, RouteTarget, TransitAttachment};
use crate::network::{
    Attached, Attachment, AttachmentId, Origin, Route, Target, Transit, TransitId, TransitTable,
    TransitTableId,
};
use crate::scalar::Prefix;
use crate::source::Spanned;

use super::context::{Resolver, find, flag, text, values};
use super::routes::implied;

impl Resolver<'_> {
    pub(super) fn transits(&mut self) {
        for (name, transit) in self.description.transits.iter() {
            let id = TransitId::at(self.network.transits.len());
            self.transit_names.add(&name.value, transit.id.as_ref(), id);
            let mut row = Transit {
                name: name.value.clone(),
                id: text(transit.id.as_ref()),
                span: name.span,
                mtu: transit.mtu.as_ref().map(|mtu| mtu.value),
                ..Transit::default()
            };
            for (table_name, table) in transit.tables.iter() {
                row.tables.push(TransitTableId::at(self.network.transit_tables.len()));
                self.network.transit_tables.push(TransitTable {
                    name: format!("{}/{}", name.value, table_name.value),
                    id: text(table.id.as_ref()),
                    span: table_name.span,
                    transit: id,
                    routes: Vec::new(),
                });
            }
            if row.tables.is_empty() {
                row.tables.push(TransitTableId::at(self.network.transit_tables.len()));
                self.network.transit_tables.push(TransitTable {
                    name: format!("{}/default", name.value),
                    span: name.span,
                    transit: id,
                    ..TransitTable::default()
                });
            }
            self.network.transits.push(row);
        }
        for (index, (_, transit)) in self.description.transits.iter().enumerate() {
            for (name, attachment) in transit.attachments.iter() {
                self.attachment(TransitId::at(index), name, attachment);
            }
        }
    }

    fn attachment(&mut self, hub: TransitId, name: &Spanned<String>, written: &TransitAttachment) {
        let to = self.attached(name, written);
        let mut subnets = Vec::new();
        for reference in &written.subnets {
            subnets.extend(find!(self, subnet_names, reference));
        }
        let table = match &written.table {
            Some(reference) => self.hub_table(hub, reference),
            None if self.description_has_tables(hub) => None,
            None => self.network[hub].tables.first().copied(),
        };
        let id = AttachmentId::at(self.network.attachments.len());
        let full = format!("{}/{}", self.network[hub].name, name.value);
        self.attachment_names.add(&full, written.id.as_ref(), id);
        self.network.transits[hub.index()].attachments.push(id);
        self.network.attachments.push(Attachment {
            name: full,
            id: text(written.id.as_ref()),
            span: name.span,
            transit: hub,
            to,
            subnets,
            table,
        });
    }

    fn attached(&mut self, name: &Spanned<String>, written: &TransitAttachment) -> Attached {
        let vpc = written.vpc.as_ref().map(|vpc| find!(self, vpc_names, vpc).map(Attached::Vpc));
        let vpn = written.vpn.as_ref().map(|vpn| find!(self, vpn_names, vpn).map(Attached::Vpn));
        let hub = written.transit.as_ref().map(|hub| match hub.value.as_str() {
            "unknown" => Some(Attached::Elsewhere),
            _ => find!(self, transit_names, hub).map(Attached::Transit),
        });
        let given: Vec<_> = [vpc, vpn, hub].into_iter().flatten().collect();
        match given.as_slice() {
            [Some(attached)] => *attached,
            [] => Attached::Elsewhere,
            [None] => Attached::Elsewhere,
            _ => {
                let message = format!("attachment `{}` attaches more than one thing", name.value);
                self.error(name.span, message, Some("keep one of `vpc`, `vpn`, `transit`".into()));
                Attached::Elsewhere
            }
        }
    }

    fn description_has_tables(&self, hub: TransitId) -> bool {
        self.description.transits.0.get(hub.index()).is_some_and(|(_, t)| !t.tables.is_empty())
    }

    fn hub_table(&mut self, hub: TransitId, name: &Spanned<String>) -> Option<TransitTableId> {
        let full = format!("{}/{}", self.network[hub].name, name.value);
        let found = self.network[hub].tables.iter().copied().find(|table| {
            let table = &self.network[*table];
            table.name == full || table.id.as_ref() == Some(&name.value)
        });
        if found.is_none() {
            let message = format!("hub `{}` has no table `{}`", self.network[hub].name, name.value);
            self.error(name.span, message, None);
        }
        found
    }

    /// Static and propagated routes of the hubs' tables, then the routes to the hubs that are implied in VPCs.
    pub(super) fn transit_routes(&mut self) {
        for (index, (_, transit)) in self.description.transits.iter().enumerate() {
            let hub = TransitId::at(index);
            for (position, (_, table)) in transit.tables.iter().enumerate() {
                let id = self.network[hub].tables[position];
                for route in &table.routes {
                    self.hub_route(hub, id, route);
                }
            }
            for (position, (_, attachment)) in transit.attachments.iter().enumerate() {
                let id = self.network[hub].attachments[position];
                self.propagate(hub, id, attachment);
            }
            if flag(transit.implied_vpc_routes.as_ref(), false) {
                self.hub_routes(hub);
            }
        }
    }

    fn hub_route(&mut self, hub: TransitId, table: TransitTableId, route: &crate::language::Route) {
        let via = match &route.via.value {
            RouteTarget::Blackhole => Target::Blackhole,
            RouteTarget::Unknown(what) => Target::Unknown(what.clone()),
            RouteTarget::Attachment(name) => {
                let own = format!("{}/{name}", self.network[hub].name);
                let reference = match self.attachment_names.get(&own) {
                    Some(_) => Spanned::new(own, route.via.span),
                    None => Spanned::new(name.clone(), route.via.span),
                };
                match find!(self, attachment_names, &reference) {
                    Some(attachment) => Target::Attachment(attachment),
                    None => return,
                }
            }
            other => {
                self.error(
                    route.via.span,
                    format!("`{other}` is no target for a transit hub's table"),
                    Some("write `attachment:` with the attachment's name, or `blackhole`".into()),
                );
                return;
            }
        };
        let (prefixes, _) = self.destinations(&route.to);
        for to in prefixes {
            self.network.transit_tables[table.index()].routes.push(Route {
                to,
                via: via.clone(),
                priority: route.priority.as_ref().map_or(0, |priority| priority.value),
                origin: route.origin.as_ref().map_or(Origin::Static, |origin| origin.value.into()),
                tags: Vec::new(),
                span: *route.span,
                name: text(route.name.as_ref()),
            });
        }
    }

    fn propagate(&mut self, hub: TransitId, id: AttachmentId, written: &TransitAttachment) {
        let mut advertised = values(&written.advertises);
        if advertised.is_empty() {
            advertised = match self.network[id].to {
                Attached::Vpc(vpc) => self.network[vpc].cidrs.clone(),
                Attached::Vpn(vpn) => self.network[vpn].remote.clone(),
                Attached::Transit(_) | Attached::Elsewhere => Vec::new(),
            };
        }
        let default = written.prefix_default.as_ref().map_or(Action::Allow, |action| action.value);
        advertised.retain(|prefix| passes(prefix, &written.prefix_filters, default));
        let mut tables = Vec::new();
        for reference in &written.propagates_to {
            tables.extend(self.hub_table(hub, reference));
        }
        if tables.is_empty() && !self.description_has_tables(hub) {
            tables.extend(self.network[hub].tables.first().copied());
        }
        for table in tables {
            for prefix in &advertised {
                let mut route = implied(*prefix, Target::Attachment(id), Origin::Propagated);
                route.span = *written.span;
                self.network.transit_tables[table.index()].routes.push(route);
            }
        }
    }
}

/// Whether a prefix passes an ordered prefix filter: the first entry that matches decides. An entry matches its own prefix, or
/// with `ge` or `le` the longer prefixes inside it whose length lies between them.
#[must_use]
pub(crate) fn passes(prefix: &Prefix, filters: &[PrefixFilter], default: Action) -> bool {
    let matched = filters.iter().find(|filter| {
        let own = filter.prefix.value;
        if !own.contains_prefix(prefix) {
            return false;
        }
        let length = u32::from(prefix.length());
        match (&filter.ge, &filter.le) {
            (None, None) => own == *prefix,
            (ge, le) => {
                let least = ge.as_ref().map_or(u32::from(own.length()), |ge| ge.value);
                let most = le.as_ref().map_or(128, |le| le.value);
                (least..=most).contains(&length)
            }
        }
    });
    matched.map_or(default, |filter| filter.action.value) == Action::Allow
}
