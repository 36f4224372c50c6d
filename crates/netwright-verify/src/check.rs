//! Findings: what is wrong or probably not meant in a network, by rules with a source.
//!
//! Each family of rules stands in a file of its own; [`catalogue`] says for each rule why it matters and where it comes from.
//! Who reaches whom is not asked here: intents and dependencies do that.

mod address;
pub mod catalogue;
mod certificate;
mod filter;
mod health;
mod names;
mod nat;
mod operation;
mod probe;
mod route;
mod service;
mod tunnel;

use netwright_model::diagnostic::Severity;
use netwright_model::network::Network;
use netwright_model::source::Span;

use crate::prover::Prover;

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule, for example `NW-ADDR-001`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub span: Span,
    /// What, with names and figures.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// Other places that matter.
    pub also: Vec<(Span, String)>,
}

/// Findings being collected.
#[derive(Debug, Default)]
struct Report {
    findings: Vec<Finding>,
}

impl Report {
    fn add(
        &mut self,
        id: &'static str,
        span: Span,
        message: String,
        remedy: impl Into<String>,
    ) -> &mut Finding {
        let severity = catalogue::find(id).map_or(Severity::Warning, |entry| entry.severity);
        self.findings.push(Finding {
            id,
            severity,
            span,
            message,
            remedy: remedy.into(),
            also: Vec::new(),
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}

impl Finding {
    fn and(&mut self, span: Span, what: impl Into<String>) -> &mut Self {
        self.also.push((span, what.into()));
        self
    }
}

/// All findings of a network: errors first, then in the order of the files.
#[must_use]
pub fn check(network: &Network) -> Vec<Finding> {
    check_with(&mut Prover::new(network), None)
}

/// The same, where the network is loaded for proving already. `today` is in days since 1970-01-01; without it nothing is said about
/// certificates that expire.
pub fn check_with(prover: &mut Prover<'_>, today: Option<i64>) -> Vec<Finding> {
    let network = prover.network;
    let mut report = Report::default();
    address::check(network, &mut report);
    filter::check(prover, &mut report);
    route::check(network, &mut report);
    tunnel::check(network, &mut report);
    names::check(network, &mut report);
    nat::check(prover, &mut report);
    health::check(prover, &mut report);
    service::check(network, &mut report);
    certificate::check(network, today, &mut report);
    operation::check(network, &mut report);
    probe::check(network, &mut report);
    let mut findings = report.findings;
    findings.sort_by(|a, b| {
        (std::cmp::Reverse(a.severity), a.span, a.id, &a.message).cmp(&(
            std::cmp::Reverse(b.severity),
            b.span,
            b.id,
            &b.message,
        ))
    });
    findings.dedup();
    findings
}

#[cfg(test)]
mod kinds;
#[cfg(test)]
mod tests;
