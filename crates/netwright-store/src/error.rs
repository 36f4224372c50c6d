//! What goes wrong, by what the caller can do about it.

use std::fmt;

use crate::model::{LeaseId, Revision};

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The store cannot be reached or cannot write. Nothing was done; later it may be.
    Unavailable(String),
    /// The answer was lost. It may have been done, and where a server was paused it may be done yet: read before trying again, and compare what was read.
    OutcomeUnknown(String),
    /// What happened at that revision is no longer known. Read everything, and watch from there.
    Compacted {
        /// Revisions up to this one are forgotten.
        at: Revision,
    },
    /// No such revision has been yet.
    Future {
        /// The revision asked for.
        asked: Revision,
        /// The newest one.
        newest: Revision,
    },
    /// A transaction writes a key twice.
    DuplicateKey(String),
    /// A list of a transaction has more operations than are allowed.
    TooManyOperations {
        /// How many it has.
        given: usize,
        /// How many are allowed.
        most: usize,
    },
    /// A key or a request is larger than is allowed, or a key is empty.
    Size {
        /// What it is.
        what: &'static str,
        /// Octets that it has.
        given: usize,
        /// Octets that are allowed.
        most: usize,
    },
    /// There is no such lease, or no longer.
    NoLease(LeaseId),
    /// A lease was asked for a time that cannot be kept.
    LeaseTime(String),
    /// The address of the store, or an option beside it, cannot be used.
    Address(String),
    /// The store refuses who asks.
    Denied(String),
    /// What was stored cannot be read: the file is damaged, or something else wrote it.
    Damaged(String),
}

impl Error {
    /// Whether the same request may be sent again without doing it twice.
    #[must_use]
    pub const fn was_not_done(&self) -> bool {
        !matches!(self, Self::OutcomeUnknown(_))
    }

    /// Whether it may work later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::OutcomeUnknown(_))
    }

    /// What is behind it, where the engine said something.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Unavailable(why) | Self::OutcomeUnknown(why) | Self::Damaged(why) => why.clone(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "the store is not available: {why}"),
            Self::OutcomeUnknown(why) => {
                write!(f, "the store's answer was lost, so that it may have been done: {why}")
            }
            Self::Compacted { at } => {
                write!(f, "what happened up to revision {at} is no longer known")
            }
            Self::Future { asked, newest } => {
                write!(f, "there is no revision {asked} yet: the newest is {newest}")
            }
            Self::DuplicateKey(key) => write!(f, "one transaction writes `{key}` twice"),
            Self::TooManyOperations { given, most } => {
                write!(f, "a transaction of {given} operations; at most {most} are allowed")
            }
            Self::Size { what, given: 0, .. } => write!(f, "{what} is empty"),
            Self::Size { what, given, most } => {
                write!(f, "{what} of {given} octets; at most {most} are allowed")
            }
            Self::NoLease(lease) => write!(f, "there is no lease {lease}, or no longer"),
            Self::LeaseTime(why) => write!(f, "no such lease is given: {why}"),
            Self::Address(why) => f.write_str(why),
            Self::Denied(why) => write!(f, "the store refuses: {why}"),
            Self::Damaged(what) => write!(f, "what was stored cannot be read: {what}"),
        }
    }
}

impl std::error::Error for Error {}
