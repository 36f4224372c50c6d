//! The copy of the store in a file: what a server answers from that starts while its store is away.
//!
//! A file is written beside the old one, made durable and then put in its place. Its last 32 octets are the SHA-256 of all before: a file that is
//! not whole is told so and not used. It holds the hashes of API keys, and only its owner may read it.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::{Buf, Bytes};
use netwright_store::{Entry, LeaseId, Revision};
use sha2::{Digest, Sha256};

use crate::time::Time;

const MAGIC: &[u8] = b"netwright snapshot 1\n";

/// The largest file that is read: 4 GiB.
const LARGEST: u64 = 4 << 30;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// All entries, by key.
    pub entries: Vec<Entry>,
    /// The store's revision.
    pub revision: Revision,
    /// When it was written.
    pub written: Time,
}

/// A writer that knows the hash of what went through it.
struct Hashed<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Hashed<W> {
    fn put(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.hash.update(octets);
        self.to.write_all(octets)
    }

    fn number(&mut self, number: u64) -> std::io::Result<()> {
        self.put(&number.to_be_bytes())
    }

    fn text(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.number(octets.len() as u64)?;
        self.put(octets)
    }
}

/// The name of the file of a store, unlike those of other stores.
#[must_use]
pub fn name(address: &str, prefix: &str) -> String {
    let digest = crate::api::extract::digest(&[address.as_bytes(), prefix.as_bytes()]);
    format!("copy-{}.snapshot", digest.get(..12).unwrap_or(&digest))
}

/// Writes a file, all of it or nothing.
///
/// # Errors
///
/// What the file system says.
pub fn save(path: &Path, snapshot: &Snapshot) -> Result<(), String> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let failed = |error: std::io::Error| format!("{}: {error}", new.display());
    write(&new, snapshot).map_err(failed)?;
    std::fs::rename(&new, path).map_err(|error| format!("{}: {error}", path.display()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    folder.map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, snapshot: &Snapshot) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut to = Hashed { to: BufWriter::new(file), hash: Sha256::new() };
    to.put(MAGIC)?;
    to.number(snapshot.revision.0)?;
    to.number(snapshot.written.milliseconds())?;
    to.number(snapshot.entries.len() as u64)?;
    for entry in &snapshot.entries {
        to.text(&entry.key)?;
        to.text(&entry.value)?;
        to.number(entry.created.0)?;
        to.number(entry.modified.0)?;
        to.number(entry.version)?;
        to.number(entry.lease.map_or(0, |lease| lease.0))?;
    }
    let Hashed { mut to, hash } = to;
    to.write_all(&hash.finalize())?;
    to.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
}

/// Reads a file; none where there is none.
///
/// # Errors
///
/// It cannot be read, or is not whole.
pub fn load(path: &Path) -> Result<Option<Snapshot>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut octets = Vec::new();
    file.take(LARGEST).read_to_end(&mut octets).map_err(failed)?;
    let damaged = || format!("{} is not whole", path.display());
    parse(&octets.into()).map(Some).ok_or_else(damaged)
}

fn parse(octets: &Bytes) -> Option<Snapshot> {
    let (body, hash) = octets.split_at_checked(octets.len().checked_sub(32)?)?;
    if Sha256::digest(body).as_slice() != hash {
        return None;
    }
    let mut rest = octets.slice(..body.len());
    if rest.try_get_text(MAGIC.len())? != MAGIC {
        return None;
    }
    let revision = Revision(rest.try_get_u64().ok()?);
    let written = Time::of_milliseconds(rest.try_get_u64().ok()?);
    let count = rest.try_get_u64().ok()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(rest.try_get_u64().ok()?).ok()?;
        let key = rest.try_get_text(length)?;
        let length = usize::try_from(rest.try_get_u64().ok()?).ok()?;
        let value = rest.try_get_text(length)?;
        entries.push(Entry {
            key,
            value,
            created: Revision(rest.try_get_u64().ok()?),
            modified: Revision(rest.try_get_u64().ok()?),
            version: rest.try_get_u64().ok()?,
            lease: Some(rest.try_get_u64().ok()?).filter(|lease| *lease > 0).map(LeaseId),
        });
    }
    (!rest.has_remaining()).then_some(Snapshot { entries, revision, written })
}

trait Text {
    fn try_get_text(&mut self, length: usize) -> Option<Bytes>;
}

impl Text for Bytes {
    fn try_get_text(&mut self, length: usize) -> Option<Bytes> {
        (self.remaining() >= length).then(|| self.split_to(length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Bytes, Entry, LeaseId, Revision, Snapshot, Time, load, save};

    fn snapshot() -> impl Strategy<Value = Snapshot> {
        let text = || proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        let entry = (text(), text(), 1u64..9, 0u64..3).prop_map(|(key, value, at, lease)| Entry {
            key,
            value,
            created: Revision(at),
            modified: Revision(at + 1),
            version: at,
            lease: Some(lease).filter(|lease| *lease > 0).map(LeaseId),
        });
        (proptest::collection::vec(entry, 0..20), any::<u64>(), any::<u64>()).prop_map(
            |(entries, revision, written)| Snapshot {
                entries,
                revision: Revision(revision),
                written: Time::of_milliseconds(written),
            },
        )
    }

    proptest! {
        #[test]
        fn a_file_is_read_as_it_was_written_and_a_changed_one_not_at_all(
            given in snapshot(), place in any::<prop::sample::Index>(), bit in 0u32..8, cut in any::<prop::sample::Index>()
        ) {
            let folder = std::env::temp_dir().join(format!("netwright-snapshot-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let path = folder.join("snapshot");
            save(&path, &given).unwrap();
            prop_assert_eq!(load(&path).unwrap(), Some(given));
            let whole = std::fs::read(&path).unwrap();
            let mut changed = whole.clone();
            let place = place.index(changed.len());
            changed[place] ^= 1 << bit;
            std::fs::write(&path, &changed).unwrap();
            prop_assert!(load(&path).is_err());
            std::fs::write(&path, &whole[..cut.index(whole.len())]).unwrap();
            prop_assert!(load(&path).is_err());
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }
}
