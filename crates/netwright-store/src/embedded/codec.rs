//! How entries and changes are written: lengths and numbers in little-endian, 8 octets a number, 4 a length.

use bytes::{Buf, Bytes};

use crate::error::Error;
use crate::model::{Entry, Event, LeaseId, Revision};

/// A change of one key: what it was and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) key: Bytes,
    pub(super) old: Option<Entry>,
    pub(super) new: Option<Entry>,
}

impl Change {
    pub(super) fn event(&self, at: Revision) -> Event {
        match &self.new {
            Some(entry) => Event::Put(entry.clone()),
            None => Event::Deleted { key: self.key.clone(), at },
        }
    }
}

/// Octets before the value.
const HEADER: usize = 4 * size_of::<u64>();

/// An entry without its key.
pub(super) fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    let lease = entry.lease.map_or(0, |lease| lease.0);
    for number in [entry.created.0, entry.modified.0, entry.version, lease] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&entry.value);
}

pub(super) fn read_entry(key: &Bytes, mut octets: &[u8]) -> Result<Entry, Error> {
    if octets.len() < HEADER {
        let key = String::from_utf8_lossy(key);
        return Err(Error::Damaged(format!("the entry of `{key}` is cut off")));
    }
    let (created, modified) = (Revision(octets.get_u64_le()), Revision(octets.get_u64_le()));
    let (version, lease) = (octets.get_u64_le(), octets.get_u64_le());
    Ok(Entry {
        key: key.clone(),
        value: Bytes::copy_from_slice(octets),
        created,
        modified,
        version,
        lease: (lease != 0).then_some(LeaseId(lease)),
    })
}

/// Adds a revision with all its changes to a row of the log.
pub(super) fn write_revision(revision: u64, changes: &[Change], out: &mut Vec<u8>) {
    let own = |entry: &Option<Entry>| entry.as_ref().map_or(0, |entry| HEADER + entry.value.len());
    let octets = |change: &Change| 12 + change.key.len() + own(&change.new) + own(&change.old);
    let whole = changes.iter().map(octets).sum();
    let length = |out: &mut Vec<u8>, length: usize| {
        // Requests are bounded far below that.
        out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    };
    out.reserve(12 + whole);
    out.extend_from_slice(&revision.to_le_bytes());
    length(out, whole);
    for change in changes {
        length(out, change.key.len());
        out.extend_from_slice(&change.key);
        for entry in [&change.new, &change.old] {
            match entry {
                Some(entry) => {
                    length(out, HEADER + entry.value.len());
                    write_entry(entry, out);
                }
                None => length(out, 0),
            }
        }
    }
}

/// The next revision of a row of the log, and its changes' octets; none at the row's end.
pub(super) fn next_revision<'o>(octets: &mut &'o [u8]) -> Result<Option<(u64, &'o [u8])>, Error> {
    if octets.is_empty() {
        return Ok(None);
    }
    let revision = octets.try_get_u64_le().ok();
    let found = revision.and_then(|revision| Some((revision, part(octets)?)));
    found.map(Some).ok_or_else(|| Error::Damaged("a row of the log is cut off".to_owned()))
}

/// All changes of one revision.
pub(super) fn read_changes(revision: u64, mut octets: &[u8]) -> Result<Vec<Change>, Error> {
    let cut = || Error::Damaged(format!("the log of revision {revision} is cut off"));
    let mut changes = Vec::new();
    while !octets.is_empty() {
        let key = Bytes::copy_from_slice(part(&mut octets).ok_or_else(cut)?);
        let mut entry = || match part(&mut octets).ok_or_else(cut)? {
            [] => Ok(None),
            own => read_entry(&key, own).map(Some),
        };
        let (new, old) = (entry()?, entry()?);
        changes.push(Change { key, old, new });
    }
    Ok(changes)
}

/// The next part, with its length before it.
fn part<'o>(octets: &mut &'o [u8]) -> Option<&'o [u8]> {
    let length = usize::try_from(octets.try_get_u32_le().ok()?).ok()?;
    let (part, rest) = octets.split_at_checked(length)?;
    *octets = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::{
        Bytes, Change, Entry, Error, LeaseId, Revision, next_revision, read_changes, write_revision,
    };

    fn read(mut row: &[u8]) -> Result<Vec<(u64, Vec<Change>)>, Error> {
        let mut all = Vec::new();
        while let Some((revision, octets)) = next_revision(&mut row)? {
            all.push((revision, read_changes(revision, octets)?));
        }
        Ok(all)
    }

    fn entry(value: &'static str, lease: Option<u64>) -> Entry {
        Entry {
            key: Bytes::from_static(b"k"),
            value: Bytes::from_static(value.as_bytes()),
            created: Revision(3),
            modified: Revision(9),
            version: 2,
            lease: lease.map(LeaseId),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let change = |old, new| Change { key: Bytes::from_static(b"k"), old, new };
        let changes = [
            change(None, Some(entry("", None))),
            change(Some(entry("a", Some(7))), Some(entry("b", None))),
            change(Some(entry("a", None)), None),
        ];
        let mut row = Vec::new();
        write_revision(9, &changes, &mut row);
        write_revision(10, &changes[..1], &mut row);
        assert_eq!(read(&row), Ok(vec![(9, changes.to_vec()), (10, changes[..1].to_vec())]));
    }

    #[test]
    fn what_is_cut_off_is_told_and_no_panic() {
        let change = Change {
            key: Bytes::from_static(b"k"),
            old: Some(entry("x", None)),
            new: Some(entry("y", None)),
        };
        let mut whole = Vec::new();
        write_revision(9, &[change], &mut whole);
        for length in 1..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length} of {}", whole.len());
        }
    }
}
