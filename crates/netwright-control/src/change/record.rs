//! What is remembered of a change.

use netwright_store::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::{Report, Summary};
use crate::network::Edit;

/// What the history says of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The change. It begins with the revision that it was made of.
    pub id: String,
    /// The revision of the network that it was made of; 0 for the first.
    pub base: u64,
    /// Who wanted it: the name of an API key.
    pub who: String,
    /// Why, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What was asked for, in a few words.
    pub what: String,
    /// The reason that was given to land it although it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
    /// What it did, counted.
    pub summary: Summary,
    /// What it did.
    pub body: Stored,
}

/// Where the rest of a record is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// Here.
    Inline(Box<Body>),
    /// In so many parts beside it.
    Parts(usize),
}

/// What a change did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Edits, in order.
    pub edits: Vec<Edit>,
    /// What was proved of it.
    pub report: Report,
}

/// A change as the history lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Listed {
    /// The revision of the network that it made.
    pub revision: u64,
    /// The revision that it was made of; 0 for the first.
    pub base: u64,
    /// Its identifier.
    pub id: String,
    /// Who wanted it.
    pub who: String,
    /// Why, where somebody said so.
    pub why: Option<String>,
    /// When it was accepted, in milliseconds since 1970.
    pub at: u64,
    /// What was asked for, in a few words.
    pub what: String,
    /// The reason that was given to land it although it was refused.
    pub forced: Option<String>,
    /// What it did, counted.
    pub summary: Summary,
}

impl Record {
    /// As the history lists it.
    #[must_use]
    pub fn listed(&self, revision: Revision) -> Listed {
        Listed {
            revision: revision.0,
            base: self.base,
            id: self.id.clone(),
            who: self.who.clone(),
            why: self.why.clone(),
            at: self.at,
            what: self.what.clone(),
            forced: self.forced.clone(),
            summary: self.summary.clone(),
        }
    }
}

/// The identifier of a change.
#[must_use]
pub fn id(base: Revision, unique: u64) -> String {
    format!("{base}-{unique:016x}")
}

/// The revision that a change of an identifier was made of.
#[must_use]
pub fn base_of(id: &str) -> Option<Revision> {
    id.split_once('-')?.0.parse().ok().map(Revision)
}
