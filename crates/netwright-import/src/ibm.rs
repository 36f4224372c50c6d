//! IBM Cloud VPC: objects of its API, all of an account in one file or one list in each.
//!
//! Assumptions that an export does not spell out, each listed as a gap when it is made: workers of a managed cluster have the
//! VPC's default security group and the cluster's own; a VPC whose routing tables are not in the export has no routes
//! of the user.
//!
//! Start reading at [`import`]; the keys of all objects are chosen in `catalog`.

mod catalog;
mod endpoints;
mod filters;
mod interfaces;
mod machines;
mod read;
mod routing;
mod topology;
mod transit;

use std::net::IpAddr;

use netwright_model::language::{Attachment, Description, Filter, Gap, Provider};
use netwright_model::scalar::Prefix;
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::Node;

use crate::access::Access;
use crate::{Document, Imported};
use catalog::Catalog;
use interfaces::Attached;
use read::{Export, Object};
use routing::Tables;

/// Lists that the importer reads.
const READ: [&str; 18] = [
    "vpcs",
    "subnets",
    "network_acls",
    "security_groups",
    "floating_ips",
    "public_gateways",
    "instances",
    "bare_metal_servers",
    "virtual_nis",
    "virtual_network_interfaces",
    "endpoint_gateways",
    "load_balancers",
    "routing_tables",
    "vpc_routing_tables",
    "iks_clusters",
    "iks_worker_nodes",
    "transit_gateways",
    "transit_connections",
];

/// Lists that lead packets somewhere, with what is unknown because of them.
const LEAD_ELSEWHERE: [(&str, &str); 3] = [
    ("vpn_gateways", "site-to-site VPN gateways and what lies behind them"),
    ("vpn_servers", "client VPN servers and their clients"),
    ("direct_links", "direct links and what lies behind them"),
];

/// Whether a document is such an export.
pub(crate) fn recognises(root: &Node) -> bool {
    let ours = |item: &Node| {
        let named = item.word("id").is_some() && item.word("name").is_some();
        named && (item.word("crn").is_some() || item.word("href").is_some())
    };
    READ.iter().filter_map(|kind| root.get(kind)).filter_map(|list| list.items().first()).any(ours)
        || root
            .entries()
            .iter()
            .any(|(key, node)| &*key.text == "transit_connections" && !node.items().is_empty())
}

/// Makes a description of an account's objects.
pub(crate) fn import(documents: &[Document]) -> Imported {
    let export = Export::of(documents);
    let catalog = Catalog::of(&export);
    let mut import = Import {
        tables: Tables::of(&export, &catalog),
        attached: Attached::of(&export, &catalog),
        description: Description {
            provider: Some(Spanned::bare(Provider::Ibm)),
            ..Description::default()
        },
        notes: Vec::new(),
        export,
        catalog,
    };
    import.filters();
    import.machines();
    import.clusters();
    import.private_endpoints();
    import.load_balancers();
    import.reserved_addresses();
    import.vpcs();
    import.transits();
    import.attached();
    import.not_represented();
    Imported { description: import.description, notes: import.notes }
}

/// An import in progress.
struct Import<'e> {
    export: Export<'e>,
    catalog: Catalog,
    tables: Tables<'e>,
    attached: Attached,
    description: Description,
    notes: Vec<String>,
}

impl Import<'_> {
    /// Records what the description lacks.
    fn gap(&mut self, object: &str, what: &str, at: Span, affects: bool) {
        self.description.gaps.push(Gap {
            object: Spanned::new(object.to_owned(), at),
            what: Spanned::new(what.to_owned(), at),
            affects_verdicts: Some(Spanned::new(affects, at)),
            span: at.into(),
        });
    }

    /// A prefix of an object; a gap where it cannot be read.
    fn prefix(&mut self, of: Object<'_>, field: &str, object: &str) -> Option<Spanned<Prefix>> {
        let found = of.prefix(field);
        if found.is_none() {
            let written = of.str(field).unwrap_or("nothing");
            let what = format!("`{field}` is {written}, which is no address range");
            self.gap(object, &what, of.span(), true);
        }
        found
    }

    /// An address of an object; a gap where it cannot be read.
    fn address(&mut self, of: Object<'_>, field: &str, object: &str) -> Option<Spanned<IpAddr>> {
        let found = of.address(field);
        if found.is_none() {
            let written = of.str(field).unwrap_or("nothing");
            self.gap(
                object,
                &format!("`{field}` is {written}, which is no address"),
                of.span(),
                true,
            );
        }
        found
    }

    /// A filter that stands for one that the export does not hold, so that verdicts through it are unknown.
    fn unknown_filter(
        &mut self,
        object: &str,
        what: &str,
        at: Span,
        attach: Attachment,
    ) -> Spanned<String> {
        let name = Spanned::new(format!("unknown-filter-of-{}", object.replacen(':', "-", 1)), at);
        if self.description.filters.get(&name.value).is_none() {
            let filter = Filter {
                attach: Some(Spanned::new(attach, at)),
                incomplete: Some(Spanned::new(what.to_owned(), at)),
                span: at.into(),
                ..Filter::default()
            };
            self.description.filters.insert(name.clone(), filter);
        }
        self.gap(object, what, at, true);
        name
    }

    fn not_represented(&mut self) {
        for (table, what, at) in self.tables.ingress() {
            let what = format!("routes for packets {what} are not represented");
            self.gap(&table, &what, at, true);
        }
        for (kind, count, at) in self.export.kinds() {
            if READ.contains(&kind) {
                continue;
            }
            match LEAD_ELSEWHERE.iter().find(|(name, _)| *name == kind) {
                Some((_, what)) => {
                    self.gap(kind, &format!("{what} are not represented ({count})"), at, true);
                }
                None => self.notes.push(format!("{count} {kind} were left out")),
            }
        }
    }
}

#[cfg(test)]
mod tests;
