//! Every rule: why it matters, what to do and where it comes from.

mod filter;
mod network;
mod operation;
mod service;

use netwright_model::diagnostic::Severity;

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its identifier. Never used again for something else.
    pub id: &'static str,
    /// How bad a finding is, unless what is found makes it less so.
    pub severity: Severity,
    /// In a few words.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do, in general; a finding says it with names and figures.
    pub remedy: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
}

const fn rule(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    remedy: &'static str,
    source: &'static str,
) -> Entry {
    Entry { id, severity, title, why, remedy, source }
}

/// The families, each in a file of its own.
const FAMILIES: [&[Entry]; 4] = [network::ALL, filter::ALL, service::ALL, operation::ALL];

/// All rules.
pub fn all() -> impl Iterator<Item = &'static Entry> + Clone {
    FAMILIES.into_iter().flatten()
}

/// The rule of an identifier.
#[must_use]
pub fn find(id: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.id.eq_ignore_ascii_case(id))
}
