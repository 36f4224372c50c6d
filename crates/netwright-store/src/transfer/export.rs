//! Out of a store.

use std::io::Write;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::line::{First, Last, Row};
use super::{FORMAT, TransferError, UNFINISHED, import};
use crate::model::{Entry, Keys, Range, Revision};
use crate::{Error, Store};

/// Octets that a page of entries should have at most: more entries are asked for only where they are small.
const PAGE: usize = 1 << 20;

/// Entries of the first page, and of the largest.
const ENTRIES: (usize, usize) = (16, 4096);

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// The revision that all entries are of.
    pub revision: Revision,
    /// How many there are.
    pub entries: u64,
    /// Octets of their keys and values.
    pub octets: u64,
    /// Entries that go with a lease, which are not among them.
    pub left_out: u64,
}

/// Writes what lies under a prefix, as of one revision. Others may write meanwhile. It takes little memory whatever the store holds.
///
/// # Errors
///
/// [`TransferError::Store`] where the store fails, also because what was at that revision is forgotten meanwhile; [`TransferError::Target`] where an
/// import into it was not finished; [`TransferError::Io`] where the file cannot be written.
pub async fn export(
    store: &impl Store,
    prefix: &str,
    out: &mut (impl Write + Send),
) -> Result<Exported, TransferError> {
    if import::is_unfinished(store, prefix).await? {
        let why = "an import into this store was not finished: what it holds is a part";
        return Err(TransferError::Target(why.to_owned()));
    }
    let revision = store.status().await?.revision;
    let mut file = Summed { out, sum: Sha256::new() };
    let first = First { format: FORMAT, prefix: prefix.to_owned(), revision: revision.0 };
    file.line(&serde_json::to_string(&first).map_err(std::io::Error::from)?)?;
    let mut done = Exported { revision, entries: 0, octets: 0, left_out: 0 };
    let all = Keys::Prefix(Bytes::copy_from_slice(prefix.as_bytes()));
    let (mut rest, mut most) = (all.clone(), ENTRIES.0);
    loop {
        let page = store.range(Range::of(rest).limit(most).at(revision)).await;
        let page = page.map_err(|error| match error {
            Error::Compacted { at } => TransferError::Target(format!(
                "what was at revision {revision} was forgotten (up to {at}) while it was written: begin anew"
            )),
            other => other.into(),
        })?;
        for entry in &page.entries {
            file.entry(entry, prefix, &mut done)?;
        }
        let Some(last) = page.entries.last().filter(|_| page.more) else { break };
        rest = all.after(&last.key);
        let octets: usize = page.entries.iter().map(|one| one.key.len() + one.value.len()).sum();
        most = if octets < PAGE / 2 { (most * 2).min(ENTRIES.1) } else { most };
        most = if octets > PAGE { (most / 2).max(1) } else { most };
    }
    let Summed { out, mut sum } = file;
    sum.update(Last::summed(done.entries, done.octets, done.left_out));
    let sha256 = hex(&sum.finalize());
    let last = Last { entries: done.entries, octets: done.octets, left_out: done.left_out, sha256 };
    writeln!(out, "{}", serde_json::to_string(&last).map_err(std::io::Error::from)?)?;
    out.flush()?;
    Ok(done)
}

/// What is written, and its sum.
struct Summed<'o, W> {
    out: &'o mut W,
    sum: Sha256,
}

impl<W: Write> Summed<'_, W> {
    fn line(&mut self, text: &str) -> Result<(), std::io::Error> {
        for part in [text.as_bytes(), b"\n"] {
            self.sum.update(part);
            self.out.write_all(part)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &Entry,
        prefix: &str,
        done: &mut Exported,
    ) -> Result<(), TransferError> {
        if entry.lease.is_some() {
            done.left_out += 1;
            return Ok(());
        }
        let key = entry.key.slice(prefix.len().min(entry.key.len())..);
        done.entries += 1;
        done.octets += (key.len() + entry.value.len()) as u64;
        let row = Row { key, value: entry.value.clone(), modified: entry.modified.0 };
        Ok(self.line(&row.text().map_err(std::io::Error::from)?)?)
    }
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Kept beside the others so that no export is of a part.
pub(super) fn unfinished(prefix: &str) -> Bytes {
    format!("{prefix}{UNFINISHED}").into()
}
