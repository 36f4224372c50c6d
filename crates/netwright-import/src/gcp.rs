//! Google Cloud: what `gcloud … list --format=json` prints and what the APIs' list calls answer, of one or several projects.
//!
//! Assumptions that an export does not spell out, each listed as a gap when it is made: a network whose routes are not in the
//! export has the default route to the Internet; a network whose effective firewalls are not in the export has no firewall policies; a
//! subnet that is not in the export holds just the addresses that its instances have; an export without policy-based routes has none.
//!
//! Start reading at [`import`]; `export` finds the objects, whatever list they stand in.

mod backends;
mod balancers;
mod bgp;
mod connectors;
mod databases;
mod doubts;
mod export;
mod firewalls;
mod instances;
mod links;
mod names;
mod nat;
mod networks;
mod policies;
mod revision;
mod routes;
mod service_connect;
mod services;
mod zones;

use netwright_model::language::{Description, Gap, Provider};
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::Node;

use crate::{Document, Imported};
use export::Export;
use names::Names;

/// Whether a document is such an export.
pub(crate) fn recognises(root: &Node) -> bool {
    export::recognises(root)
}

/// Makes a description of the objects of one or several projects.
pub(crate) fn import(documents: &[Document]) -> Imported {
    let export = Export::of(documents);
    let names = Names::of(&export);
    let description =
        Description { provider: Some(Spanned::bare(Provider::Gcp)), ..Description::default() };
    let mut import = Import { export: &export, names, description, notes: Vec::new() };
    import.networks();
    import.firewalls();
    import.peerings();
    import.links();
    import.instances();
    import.nat_gateways();
    import.routes();
    import.connectors();
    import.databases();
    import.service_ranges();
    import.services();
    import.certificates();
    import.load_balancers();
    import.zones();
    import.no_policies();
    import.not_represented();
    Imported { description: import.description, notes: import.notes }
}

/// An import in progress.
struct Import<'e> {
    export: &'e Export<'e>,
    names: Names,
    description: Description,
    notes: Vec<String>,
}

impl Import<'_> {
    /// Records what the description lacks.
    fn gap(&mut self, object: &str, what: impl Into<String>, at: Span, affects: bool) {
        let gap = Gap {
            object: Spanned::new(object.to_owned(), at),
            what: Spanned::new(what.into(), at),
            affects_verdicts: Some(Spanned::new(affects, at)),
            span: at.into(),
        };
        let known = |other: &Gap| {
            other.object.value == gap.object.value && other.what.value == gap.what.value
        };
        if !self.description.gaps.iter().any(known) {
            self.description.gaps.push(gap);
        }
    }

    /// Says what was not read: objects that lead packets somewhere are gaps, the rest are notes.
    fn not_represented(&mut self) {
        for (kind, count, at) in self.export.unread() {
            match export::leads_elsewhere(&kind) {
                Some(what) => {
                    self.gap(&kind, format!("{what} are not represented ({count})"), at, true);
                }
                None => self.notes.push(format!(
                    "{count} {kind} say nothing about packets here and were left out"
                )),
            }
        }
    }
}

#[cfg(test)]
mod tests;
