//! The file's tables, and transactions over them.

use std::collections::{BTreeMap, BTreeSet, hash_map};
use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition,
    WriteTransaction,
};
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::codec::{Change, next_revision, read_changes, read_entry, write_entry, write_revision};
use crate::error::Error;
use crate::leases::Leases;
use crate::model::{Entry, Found, Keys, LeaseId, Op, OpAnswer, Range, Revision, Txn, TxnAnswer};
use crate::rules;

/// Entries of now, by key.
const CURRENT: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("current");

/// The changes of each revision that is not forgotten. What is made durable together is a row, or a few; its key is the last revision in it.
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

/// Times of leases in milliseconds.
const LEASES: TableDefinition<'_, u64, u64> = TableDefinition::new("leases");

/// Numbers of the store as a whole.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

const FORMAT: &str = "format";
/// The revision when the other numbers were written last: it is that, or the last of the log. Each group would write a page more for it.
const REVISION: &str = "revision";
const COMPACTED: &str = "compacted";
const GRANTED: &str = "granted";

/// The version of this layout.
const LAYOUT: u64 = 3;

/// The one before: its revision lies beside the log after each group. What it holds can be read as it is.
const LAYOUT_BEFORE: u64 = 2;

/// Octets after which a row of the log is full.
const ROW: usize = 64 << 10;

/// Says what an engine's error means for who asked.
pub(super) fn failed(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Corrupted(what) => Error::Damaged(what),
        redb::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Error::Damaged(format!("the file is no store, or not whole: {error}"))
        }
        error @ (redb::Error::UpgradeRequired(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }) => Error::Damaged(error.to_string()),
        redb::Error::DatabaseAlreadyOpen => {
            Error::Unavailable("another process has the file open".to_owned())
        }
        error => Error::Unavailable(error.to_string()),
    }
}

/// What the writer knows of the store: numbers, and who is kept alive.
#[derive(Debug, Default)]
pub(super) struct Mind {
    pub(super) revision: u64,
    pub(super) compacted: u64,
    pub(super) granted: u64,
    pub(super) leases: Leases,
    /// Keys that go with a lease.
    held: BTreeMap<LeaseId, BTreeSet<Bytes>>,
    /// The log may hold revisions that are forgotten.
    pub(super) untrimmed: bool,
    /// The last revision that is forgotten and the last lease, as they lie in the file.
    written: (u64, u64),
}

impl Mind {
    /// What a file says. Leases begin anew: who keeps them alive could not while nobody listened.
    pub(super) fn of(database: &Database, now: Duration) -> Result<Self, Error> {
        begin(database)?;
        let txn = database.begin_read().map_err(failed)?;
        let Numbers { revision, compacted, granted } = numbers_of(&txn)?;
        let written = (compacted, granted);
        let mut mind =
            Self { revision, compacted, granted, untrimmed: true, written, ..Self::default() };
        for row in txn.open_table(LEASES).map_err(failed)?.iter().map_err(failed)? {
            let (id, ttl) = row.map_err(failed)?;
            mind.leases.grant(LeaseId(id.value()), Duration::from_millis(ttl.value()), now)?;
        }
        for row in txn.open_table(CURRENT).map_err(failed)?.iter().map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            let key = Bytes::copy_from_slice(key.value());
            if let Some(lease) = read_entry(&key, value.value())?.lease {
                mind.held.entry(lease).or_default().insert(key);
            }
        }
        Ok(mind)
    }

    fn note(&mut self, change: &Change) {
        let lease = |entry: &Option<Entry>| entry.as_ref().and_then(|entry| entry.lease);
        let (old, new) = (lease(&change.old), lease(&change.new));
        if old == new {
            return;
        }
        if let Some(held) = old.and_then(|old| self.held.get_mut(&old)) {
            held.remove(&change.key);
        }
        if let Some(new) = new {
            self.held.entry(new).or_default().insert(change.key.clone());
        }
    }
}

/// Makes the tables of a new file; refuses one of another layout.
fn begin(database: &Database) -> Result<(), Error> {
    let txn = database.begin_write().map_err(failed)?;
    {
        let mut numbers = txn.open_table(NUMBERS).map_err(failed)?;
        let layout = numbers.get(FORMAT).map_err(failed)?.map(|value| value.value());
        match layout {
            None => {
                numbers.insert(FORMAT, LAYOUT).map_err(failed)?;
                numbers.insert(REVISION, Revision::EMPTY.0).map_err(failed)?;
            }
            Some(LAYOUT) => {}
            Some(LAYOUT_BEFORE) => {
                numbers.insert(FORMAT, LAYOUT).map_err(failed)?;
            }
            Some(other) => {
                return Err(Error::Damaged(format!(
                    "the file has layout {other}; this program reads layout {LAYOUT}"
                )));
            }
        }
        txn.open_table(CURRENT).map_err(failed)?;
        txn.open_table(LOG).map_err(failed)?;
        txn.open_table(LEASES).map_err(failed)?;
    }
    txn.commit().map_err(failed)
}

/// Tables that are written to.
pub(super) struct Tables<'t> {
    /// Of which the tables are that are seldom written to.
    txn: &'t WriteTransaction,
    current: Table<'t, &'static [u8], &'static [u8]>,
    log: Table<'t, u64, &'static [u8]>,
    /// What an entry is written in before it is put, used again for each.
    octets: Vec<u8>,
    /// Revisions that are not in the log yet, as they are written there.
    row: Vec<u8>,
}

impl<'t> Tables<'t> {
    pub(super) fn of(txn: &'t WriteTransaction) -> Result<Self, Error> {
        Ok(Self {
            txn,
            current: txn.open_table(CURRENT).map_err(failed)?,
            log: txn.open_table(LOG).map_err(failed)?,
            octets: Vec::new(),
            row: Vec::new(),
        })
    }

    /// Writes what is left for the log, and the numbers that have changed.
    pub(super) fn finish(&mut self, mind: &mut Mind) -> Result<(), Error> {
        self.log_all(mind)?;
        if mind.written == (mind.compacted, mind.granted) {
            return Ok(());
        }
        let mut numbers = self.txn.open_table(NUMBERS).map_err(failed)?;
        for (name, number) in
            [(REVISION, mind.revision), (COMPACTED, mind.compacted), (GRANTED, mind.granted)]
        {
            numbers.insert(name, number).map_err(failed)?;
        }
        mind.written = (mind.compacted, mind.granted);
        Ok(())
    }

    fn leases(&self) -> Result<Table<'t, u64, u64>, Error> {
        self.txn.open_table(LEASES).map_err(failed)
    }

    /// A transaction; its changes, which make a revision where there are some.
    pub(super) fn txn(
        &mut self,
        mind: &mut Mind,
        txn: &Txn,
        now: Duration,
    ) -> Result<(TxnAnswer, Vec<Change>), Error> {
        let mut succeeded = true;
        // What is compared is often what is written.
        let mut seen: FxHashMap<&[u8], Option<Entry>> =
            FxHashMap::with_capacity_and_hasher(txn.compare.len(), FxBuildHasher);
        for compare in &txn.compare {
            let there = match seen.entry(&compare.key) {
                hash_map::Entry::Occupied(known) => known.into_mut(),
                hash_map::Entry::Vacant(new) => new.insert(entry(&self.current, &compare.key)?),
            };
            succeeded &= compare.holds(there.as_ref());
        }
        let ops = if succeeded { &txn.then } else { &txn.otherwise };
        for op in ops {
            match op {
                Op::Put { lease: Some(lease), .. } if !mind.leases.holds(*lease, now) => {
                    return Err(Error::NoLease(*lease));
                }
                Op::Get(Range { at: Some(at), .. }) => {
                    rules::readable(*at, Revision(mind.compacted), Revision(mind.revision))?;
                }
                _ => {}
            }
        }
        let next = mind.revision + 1;
        let (mut changes, mut answers) =
            (Vec::with_capacity(ops.len()), Vec::with_capacity(ops.len()));
        for op in ops {
            answers.push(match op {
                Op::Put { key, value, lease } => {
                    let new = Some((value.clone(), *lease));
                    // Once: after it is written it is something else.
                    let old = match seen.remove(key.as_ref()) {
                        Some(old) => old,
                        None => entry(&self.current, key)?,
                    };
                    changes.push(self.write(next, key, old, new)?);
                    OpAnswer::Put
                }
                Op::Delete(keys) => {
                    seen.clear();
                    let gone = self.delete(next, keys, &mut changes)?;
                    OpAnswer::Deleted(gone)
                }
                Op::Get(range) => {
                    if range.at.is_some() {
                        self.log_all(mind)?;
                    }
                    let numbers = (Revision(mind.compacted), Revision(mind.revision));
                    OpAnswer::Got(found(&self.current, &self.log, &changes, range, numbers)?)
                }
            });
        }
        self.record(mind, &changes)?;
        let revision = Revision(mind.revision);
        for answer in &mut answers {
            if let OpAnswer::Got(found) = answer {
                found.revision = revision;
            }
        }
        Ok((TxnAnswer { succeeded, revision, answers }, changes))
    }

    fn record(&mut self, mind: &mut Mind, changes: &[Change]) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        mind.revision += 1;
        write_revision(mind.revision, changes, &mut self.row);
        for change in changes {
            mind.note(change);
        }
        if self.row.len() >= ROW { self.log_all(mind) } else { Ok(()) }
    }

    /// Writes to the log what is not there yet.
    fn log_all(&mut self, mind: &Mind) -> Result<(), Error> {
        if !self.row.is_empty() {
            self.log.insert(mind.revision, self.row.as_slice()).map_err(failed)?;
            self.row.clear();
        }
        Ok(())
    }

    fn write(
        &mut self,
        revision: u64,
        key: &Bytes,
        old: Option<Entry>,
        new: Option<(Bytes, Option<LeaseId>)>,
    ) -> Result<Change, Error> {
        let new = new.map(|(value, lease)| Entry {
            key: key.clone(),
            value,
            created: old.as_ref().map_or(Revision(revision), |old| old.created),
            modified: Revision(revision),
            version: old.as_ref().map_or(1, |old| old.version.saturating_add(1)),
            lease,
        });
        match &new {
            Some(new) => {
                self.octets.clear();
                write_entry(new, &mut self.octets);
                self.current.insert(key.as_ref(), self.octets.as_slice()).map_err(failed)?;
            }
            None => {
                self.current.remove(key.as_ref()).map_err(failed)?;
            }
        }
        Ok(Change { key: key.clone(), old, new })
    }

    fn delete(
        &mut self,
        revision: u64,
        keys: &Keys,
        changes: &mut Vec<Change>,
    ) -> Result<u64, Error> {
        let mut gone = Vec::new();
        for row in self.current.range::<&[u8]>(slices(&keys.bounds())).map_err(failed)? {
            let (key, octets) = row.map_err(failed)?;
            gone.push(read_entry(&Bytes::copy_from_slice(key.value()), octets.value())?);
        }
        let count = gone.len() as u64;
        for old in gone {
            let key = old.key.clone();
            changes.push(self.write(revision, &key, Some(old), None)?);
        }
        Ok(count)
    }

    pub(super) fn grant(
        &mut self,
        mind: &mut Mind,
        ttl: Duration,
        now: Duration,
    ) -> Result<LeaseId, Error> {
        let id = LeaseId(mind.granted + 1);
        mind.leases.grant(id, ttl, now)?;
        mind.granted = id.0;
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        self.leases()?.insert(id.0, millis).map_err(failed)?;
        Ok(id)
    }

    /// Ends a lease; the changes, which are one revision.
    pub(super) fn end(&mut self, mind: &mut Mind, lease: LeaseId) -> Result<Vec<Change>, Error> {
        mind.leases.remove(lease);
        self.leases()?.remove(lease.0).map_err(failed)?;
        let next = mind.revision + 1;
        let mut changes = Vec::new();
        for key in mind.held.remove(&lease).unwrap_or_default() {
            let old = entry(&self.current, &key)?;
            changes.push(self.write(next, &key, old, None)?);
        }
        self.record(mind, &changes)?;
        Ok(changes)
    }

    /// Takes some rows with forgotten revisions out of the log; whether there may be more.
    pub(super) fn trim(&mut self, mind: &Mind, most: usize) -> Result<bool, Error> {
        self.log_all(mind)?;
        let mut old = Vec::new();
        for row in self.log.range(..=mind.compacted).map_err(failed)?.take(most) {
            old.push(row.map_err(failed)?.0.value());
        }
        for last in &old {
            self.log.remove(last).map_err(failed)?;
        }
        Ok(old.len() == most)
    }
}

type Bounds = (Bound<Bytes>, Bound<Bytes>);

fn slices((from, to): &Bounds) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (from.as_ref().map(AsRef::as_ref), to.as_ref().map(AsRef::as_ref))
}

fn entry(
    current: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &Bytes,
) -> Result<Option<Entry>, Error> {
    let Some(octets) = current.get(key.as_ref()).map_err(failed)? else { return Ok(None) };
    read_entry(key, octets.value()).map(Some)
}

/// Hands on the changes of each revision from one on, as long as more are wanted.
fn since(
    log: &impl ReadableTable<u64, &'static [u8]>,
    from: u64,
    mut each: impl FnMut(u64, Vec<Change>) -> bool,
) -> Result<(), Error> {
    for row in log.range(from..).map_err(failed)? {
        let (_, octets) = row.map_err(failed)?;
        let mut octets = octets.value();
        while let Some((revision, changes)) = next_revision(&mut octets)? {
            if revision >= from && !each(revision, read_changes(revision, changes)?) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Entries of a range, as they are or as they were. `pending` is what a transaction has changed that is not in the log yet.
fn found(
    current: &impl ReadableTable<&'static [u8], &'static [u8]>,
    log: &impl ReadableTable<u64, &'static [u8]>,
    pending: &[Change],
    range: &Range,
    (compacted, newest): (Revision, Revision),
) -> Result<Found, Error> {
    let limit = range.limit.unwrap_or(usize::MAX);
    // What has changed since: as it was before the first change.
    let mut was: BTreeMap<Bytes, Option<Entry>> = BTreeMap::new();
    if let Some(at) = range.at {
        rules::readable(at, compacted, newest)?;
        since(log, at.0 + 1, |_, changes| {
            for change in changes.into_iter().filter(|change| range.keys.contains(&change.key)) {
                was.entry(change.key).or_insert(change.old);
            }
            true
        })?;
        for change in pending.iter().filter(|change| range.keys.contains(&change.key)) {
            was.entry(change.key.clone()).or_insert_with(|| change.old.clone());
        }
    }
    let mut entries = Vec::new();
    let mut was = was.into_iter().peekable();
    for row in current.range::<&[u8]>(slices(&range.keys.bounds())).map_err(failed)? {
        if entries.len() > limit {
            break;
        }
        let (key, octets) = row.map_err(failed)?;
        let key = key.value();
        // Keys that are no longer there.
        while let Some((_, gone)) = was.next_if(|(own, _)| own.as_ref() < key) {
            entries.extend(gone);
        }
        match was.next_if(|(own, _)| own.as_ref() == key) {
            Some((_, old)) => entries.extend(old),
            None => entries.push(read_entry(&Bytes::copy_from_slice(key), octets.value())?),
        }
    }
    if entries.len() <= limit {
        entries.extend(was.filter_map(|(_, gone)| gone));
    }
    let more = entries.len() > limit;
    entries.truncate(limit);
    Ok(Found { entries, more, revision: newest })
}

/// Numbers of a store as a whole.
struct Numbers {
    revision: u64,
    compacted: u64,
    granted: u64,
}

fn numbers_of(txn: &ReadTransaction) -> Result<Numbers, Error> {
    let numbers = txn.open_table(NUMBERS).map_err(failed)?;
    let number = |name: &str| -> Result<u64, Error> {
        Ok(numbers.get(name).map_err(failed)?.map_or(0, |value| value.value()))
    };
    let log = txn.open_table(LOG).map_err(failed)?;
    let logged = log.last().map_err(failed)?.map_or(0, |(last, _)| last.value());
    let revision = number(REVISION)?.max(logged);
    Ok(Numbers { revision, compacted: number(COMPACTED)?, granted: number(GRANTED)? })
}

/// What is forgotten, and the newest revision.
fn span_of(txn: &ReadTransaction) -> Result<(Revision, Revision), Error> {
    let Numbers { revision, compacted, .. } = numbers_of(txn)?;
    Ok((Revision(compacted), Revision(revision)))
}

/// Reads a range as of the last transaction.
pub(super) fn read(database: &Database, range: &Range) -> Result<Found, Error> {
    let txn = database.begin_read().map_err(failed)?;
    let numbers = span_of(&txn)?;
    let current = txn.open_table(CURRENT).map_err(failed)?;
    let log = txn.open_table(LOG).map_err(failed)?;
    found(&current, &log, &[], range, numbers)
}

/// The changes of some revisions, and up to which revision that is everything.
type Past = (Vec<(Revision, Vec<Change>)>, Revision);

/// Changes from a revision on, of at most so many revisions.
pub(super) fn changes(database: &Database, from: Revision, most: usize) -> Result<Past, Error> {
    let txn = database.begin_read().map_err(failed)?;
    let (compacted, newest) = span_of(&txn)?;
    if from <= compacted {
        return Err(Error::Compacted { at: compacted });
    }
    let log = txn.open_table(LOG).map_err(failed)?;
    let mut found = Vec::new();
    since(&log, from.0, |revision, changes| {
        found.push((Revision(revision), changes));
        found.len() < most
    })?;
    let until = if found.len() == most { found.last().map(|(at, _)| *at) } else { None };
    Ok((found, until.unwrap_or(newest)))
}

/// The numbers of a store: what is forgotten, and its newest revision.
pub(super) fn numbers(database: &Database) -> Result<(Revision, Revision), Error> {
    span_of(&database.begin_read().map_err(failed)?)
}
