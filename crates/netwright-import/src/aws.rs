//! AWS: what `aws ec2 describe-…`, `elbv2`, `elb`, `rds` and `directconnect` answer, one or many files, regions and accounts.
//!
//! Assumptions that an export does not spell out, each listed as a gap when it is made: a subnet whose network ACL is not in the
//! export has the default one, which allows everything; a VPC whose route tables are not in the export sends everything
//! else to its attached internet gateway.

mod attached;
mod classic;
mod delivery;
mod direct_connect;
mod doubts;
mod export;
mod filters;
mod interfaces;
mod links;
mod managed;
mod topology;

use netwright_model::language::{Description, Gap, Provider};
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::Node;

use crate::{Document, Imported};
use export::Export;

/// Whether a document is one of these answers.
pub(crate) fn recognises(root: &Node) -> bool {
    Export::recognises(root)
}

/// Makes a description of an account's or several accounts' answers.
pub(crate) fn import(documents: &[Document]) -> Imported {
    let export = Export::of(documents);
    let mut import = Import::new(&export);
    import.prefix_lists();
    import.vpcs();
    import.filters();
    import.gateways();
    import.peerings();
    import.endpoints();
    import.links();
    import.instances();
    import.databases();
    import.managed();
    import.load_balancers();
    import.transit();
    import.routes();
    import.doubts();
    import.attached(documents);
    import.finish()
}

/// An import in progress.
struct Import<'e> {
    export: &'e Export<'e>,
    names: export::Names,
    description: Description,
    notes: Vec<String>,
    /// Interfaces that something has already taken.
    taken: std::collections::BTreeSet<String>,
}

impl<'e> Import<'e> {
    fn new(export: &'e Export<'e>) -> Self {
        let description =
            Description { provider: Some(Spanned::bare(Provider::Aws)), ..Description::default() };
        Self {
            export,
            names: export::Names::of(export),
            description,
            notes: Vec::new(),
            taken: std::collections::BTreeSet::new(),
        }
    }

    fn gap(&mut self, object: &str, what: impl Into<String>, span: Span, affects: bool) {
        self.description.gaps.push(Gap {
            object: Spanned::new(object.to_owned(), span),
            what: Spanned::bare(what.into()),
            affects_verdicts: Some(Spanned::bare(affects)),
            span: span.into(),
        });
    }

    fn finish(mut self) -> Imported {
        for (kind, count, silent) in self.export.unused() {
            if silent {
                let note = format!("{count} {kind} say nothing about packets and were left out");
                self.notes.push(note);
                continue;
            }
            let what = format!("{count} objects of a kind that is not represented");
            self.description.gaps.push(Gap {
                object: Spanned::bare(kind.to_owned()),
                what: Spanned::bare(what),
                affects_verdicts: Some(Spanned::bare(true)),
                ..Gap::default()
            });
        }
        Imported { description: self.description, notes: self.notes }
    }
}

#[cfg(test)]
mod tests;
