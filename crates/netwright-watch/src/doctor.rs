//! Validating a live system: each [`Check`] with what was measured, the threshold, the verdict, where the fault lies by which evidence, and what to do.
//!
//! The scripts of the incident had functions whose bodies were empty, and their callers saw no problem. Here a check that saw too little is
//! [`Verdict::Unknown`], and does not pass; a threshold of the description that nothing measures is a check that says so.
//!
//! [`probes`] judges outcomes, [`alerts`] the thresholds that a description declares, [`log`] the lines of a log.
//!
//! Architecture invariant: nothing here asks anybody; outcomes, measurements and lines are handed in.

mod alerts;
mod limits;
mod log;
mod probes;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::fault::Domain;

pub use alerts::{Measured, alerts};
pub use limits::{CERTIFICATE_DAYS, LIMITS, Limit, Phases};
pub use log::log;
pub use probes::{Asked, probes};

/// What a check found out, the worse the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is within its threshold.
    Pass,
    /// It is over what a warning is for.
    Warn,
    /// Too little was seen.
    Unknown,
    /// It is over its threshold, or does not work.
    Fail,
}

impl Verdict {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}

/// A check of a live system.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What is checked.
    pub name: String,
    /// Of which part of the system it is.
    pub component: String,
    /// What else it is about: words that a focus finds it by.
    #[serde(skip)]
    pub about: BTreeSet<String>,
    /// What was found out.
    pub verdict: Verdict,
    /// What was measured; none where nothing was.
    pub measured: Option<String>,
    /// What it is to be.
    pub threshold: Option<String>,
    /// Where the fault lies, where there is one.
    pub domain: Option<Domain>,
    /// By what: lines as they were said.
    pub evidence: Vec<String>,
    /// What to do.
    pub remediation: Option<String>,
}

impl Check {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>, component: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            component: component.into(),
            about: BTreeSet::new(),
            verdict: Verdict::Unknown,
            measured: None,
            threshold: None,
            domain: None,
            evidence: Vec::new(),
            remediation: None,
        }
    }

    /// Nothing could be learnt, for this reason.
    #[must_use]
    pub fn unknown(mut self, why: impl Into<String>) -> Self {
        self.verdict = Verdict::Unknown;
        self.evidence.push(why.into());
        self
    }

    /// It is about these too.
    #[must_use]
    pub fn about(mut self, words: impl IntoIterator<Item = String>) -> Self {
        self.about.extend(words);
        self
    }

    /// Whether a focus means it: its name, its component, or one of the words it is about; of `database:main` either half will do.
    #[must_use]
    pub fn is_about(&self, focus: &str) -> bool {
        let own = [&self.name, &self.component].into_iter().chain(&self.about);
        let focus = plain(focus);
        own.into_iter().any(|word| {
            let word = plain(word);
            word == focus
                || word.split_once(':').is_some_and(|(kind, name)| kind == focus || name == focus)
        })
    }
}

/// A word as a focus compares it: `VPC_Connector` is `connector`.
fn plain(word: &str) -> String {
    let word = word.to_lowercase().replace('_', "-");
    match word.as_str() {
        "vpc-connector" => "connector".to_owned(),
        "ssl" | "ssl-certificate" | "certificate" => "tls".to_owned(),
        "db" => "database".to_owned(),
        _ => word,
    }
}

/// The worst of all; unknown where nothing was checked.
#[must_use]
pub fn overall(checks: &[Check]) -> Verdict {
    checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Unknown)
}

/// Where the faults of failed checks lie together.
#[must_use]
pub fn domain(checks: &[Check]) -> Option<Domain> {
    let faults = checks.iter().filter(|check| check.verdict == Verdict::Fail);
    faults.filter_map(|check| check.domain).reduce(Domain::and)
}

#[cfg(test)]
mod tests;
