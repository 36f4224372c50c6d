//! The lines of the file.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::base64;

/// Octets of the longest line: of the largest value, each octet of which is written as six at most, with its key.
pub(super) const LONGEST: u64 = 6 * (crate::MAX_REQUEST as u64 + crate::MAX_KEY as u64) + 1024;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct First {
    #[serde(rename = "netwright-store")]
    pub(super) format: u64,
    pub(super) prefix: String,
    pub(super) revision: u64,
}

/// The version of a file whose first line holds more than this program knows.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    #[serde(rename = "netwright-store")]
    pub(super) format: u64,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Last {
    pub(super) entries: u64,
    pub(super) octets: u64,
    pub(super) left_out: u64,
    pub(super) sha256: String,
}

impl Last {
    /// What is summed after all lines, so that the numbers of the last line are not taken for others either.
    pub(super) fn summed(entries: u64, octets: u64, left_out: u64) -> String {
        format!("{entries} {octets} {left_out}\n")
    }
}

/// An entry's line.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value64: Option<String>,
    modified: u64,
}

/// An entry as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    pub(super) modified: u64,
}

/// A text where it is one, else base64.
fn split(octets: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(octets) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(base64::write(octets))),
    }
}

fn join(what: &str, text: Option<String>, other: Option<&str>) -> Result<Bytes, String> {
    match (text, other) {
        (Some(text), None) => Ok(text.into()),
        (None, Some(other)) => base64::read(other)
            .map(Bytes::from)
            .ok_or_else(|| format!("`{what}64` is no base64 with padding")),
        _ => Err(format!("either `{what}` or `{what}64` is expected")),
    }
}

impl Row {
    pub(super) fn text(&self) -> Result<String, serde_json::Error> {
        let ((key, key64), (value, value64)) = (split(&self.key), split(&self.value));
        let written = Written { key, key64, value, value64, modified: self.modified };
        serde_json::to_string(&written)
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text).map_err(|error| told(&error))?;
        let Written { key, key64, value, value64, modified } = written;
        let key = join("key", key, key64.as_deref())?;
        let value = join("value", value, value64.as_deref())?;
        Ok(Self { key, value, modified })
    }
}

/// What is wrong with a line's JSON; the place is in the line.
pub(super) fn told(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or(&said);
    format!("{said} (character {})", error.column())
}
