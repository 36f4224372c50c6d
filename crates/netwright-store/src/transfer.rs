//! The whole state as text, out of a store and into one.
//!
//! A file of JSON lines, so that it can be looked at, compared and kept with other files:
//!
//! ```text
//! {"netwright-store":1,"prefix":"netwright/","revision":42}
//! {"key":"epoch","value":"3","modified":7}
//! {"key":"head","value":"{…}","modified":40}
//! {"entries":2,"octets":17,"left_out":1,"sha256":"…"}
//! ```
//!
//! - The first line names the format's version, the prefix that was taken away from all keys, and the revision that all entries are of.
//! - Each entry is a line, in the order of the keys: `key`, `value`, and the revision `modified` at which it was written last. What is not UTF-8 is
//!   `key64` or `value64`, in base64 (RFC 4648, with padding).
//! - The last line counts the entries and the octets of their keys and values, and has the SHA-256 of all lines before it with their line ends,
//!   and of `ENTRIES OCTETS LEFT_OUT` with one more: a file that is cut off or damaged is refused before anything is written.
//! - `left_out` counts entries that go with a lease. They say who lives now, and nobody who is kept alive by them would know of a copy.
//!
//! An import keeps the revision at which each entry was written last, since a network's revisions are those; the times when keys were made, how
//! often they were written, and what was before, are not kept.

mod base64;
mod check;
mod export;
mod import;
mod line;

use std::fmt;

pub use check::{Checked, check};
pub use export::{Exported, export};
pub use import::{ImportOptions, Imported, import, is_unfinished};

use crate::error::Error;

/// The version of the format.
pub const FORMAT: u64 = 1;

/// A key beside the others that is there while an import is not finished.
pub const UNFINISHED: &str = "importing";

/// Why an export or import did not come about.
#[derive(Debug)]
pub enum TransferError {
    /// The file is no whole export.
    File {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be read or written.
    Io(std::io::Error),
    /// The store refuses.
    Store(Error),
    /// The store is not one for this.
    Target(String),
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line, why } => write!(f, "line {line}: {why}"),
            Self::Io(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Target(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for TransferError {}

impl From<Error> for TransferError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for TransferError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
