//! Where a fault lies: in the infrastructure, in the program, in what somebody set, or nobody can tell.
//!
//! What kind of failure it was says most, and is asked first ([`of_kind`]): it does not depend on how anybody phrases a message. Text comes last
//! ([`of_text`]), for logs of services, which have nothing else: it is read as words, in any order and case, so that `Database connection validation
//! timeout exceeded (15s)` is found where the words `database timeout` do not stand together. An empty text says nothing, and is `unknown`.
//!
//! Several faults at once are told apart line by line ([`of_log`]): a program that lacks a module lacks it whatever the network does.

mod kind;
mod remedy;
mod text;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use kind::of_kind;
pub use remedy::of_kind as remedy;
pub use text::{of_log, of_text};

use crate::probe::outcome::Failure;

/// Where a fault lies, as far as can be told.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Domain {
    /// The network, a platform, a machine, what they hold: what the service cannot mend itself.
    Infrastructure,
    /// The program.
    Application,
    /// What somebody set: a name, a password, a certificate, an option, a rule.
    Configuration,
    /// The infrastructure and something else, each by itself.
    Both,
    /// Nobody can tell.
    Unknown,
}

impl Domain {
    /// Where two faults lie together. What is not known hides nothing that is.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, known) | (known, Self::Unknown) => known,
            (Self::Both, _) | (_, Self::Both) => Self::Both,
            (Self::Infrastructure, Self::Infrastructure) => Self::Infrastructure,
            (Self::Infrastructure, _) | (_, Self::Infrastructure) => Self::Both,
            // A wrong setting is looked at first: it may be why the program fails.
            (Self::Configuration, _) | (_, Self::Configuration) => Self::Configuration,
            (Self::Application, Self::Application) => Self::Application,
        }
    }

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::Application => "application",
            Self::Configuration => "configuration",
            Self::Both => "both",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where the fault of a failed probe lies: by its kind, and by its text where the kind leaves it open.
#[must_use]
pub fn of_failure(failure: &Failure) -> Domain {
    match of_kind(&failure.kind) {
        Domain::Unknown => of_text(&failure.text),
        known => known,
    }
}

#[cfg(test)]
mod tests;
