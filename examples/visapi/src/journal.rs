//! The local journal: writes that were acknowledged as queued while the database was away.
//!
//! A write is acknowledged when `fdatasync` has returned; so it survives the process's end, however it ends. One thread writes: what arrives while it
//! waits for the disk goes out together. A disk that failed once is not trusted again until the next start.

pub(crate) mod frame;

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek, SeekFrom, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::clock::Stamp;
use crate::commands::Command;
use crate::trouble::Trouble;
use frame::{Entry, Frame};

/// Writes that may wait.
const MOST: usize = 100_000;

/// Writes that were applied and are kept for replays by hand.
const KEPT: usize = 10_000;

/// The file is written anew at the start where it is larger, in octets.
const LARGE: u64 = 4 << 20;

/// What is to be written, and who waits for it.
struct Order {
    octets: Vec<u8>,
    done: oneshot::Sender<Result<(), String>>,
}

#[derive(Debug, Default)]
struct Known {
    /// What waits.
    pending: BTreeMap<u64, Entry>,
    /// What the database has, with its answer's status.
    applied: BTreeMap<u64, (Entry, u16)>,
    /// The number of each key.
    keys: HashMap<String, u64>,
    next: u64,
    octets: u64,
}

/// A journal.
#[derive(Debug)]
pub(crate) struct Journal {
    known: Mutex<Known>,
    orders: SyncSender<Order>,
    /// Octets at the end of the file that were no frame when it was opened.
    pub(crate) torn: u64,
}

impl Journal {
    /// Opens the journal of a folder, and reads what waits in it.
    pub(crate) fn open(folder: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("the journal in {}: {error}", folder.display());
        std::fs::create_dir_all(folder).map_err(told)?;
        let path = folder.join("journal");
        let mut octets = Vec::new();
        let mut file = open(&path).map_err(told)?;
        // Two processes with one journal would write over each other.
        file.try_lock()
            .map_err(|_| format!("the journal in {} is somebody else's", folder.display()))?;
        file.read_to_end(&mut octets).map_err(told)?;
        let read = frame::decode(&octets);
        let torn = octets.len() - read.good;
        if torn > 0 {
            std::fs::write(folder.join("journal.torn"), &octets[read.good..]).map_err(told)?;
            tracing::warn!(
                octets = torn,
                "the end of the journal was torn, and is kept aside as journal.torn"
            );
        }
        let mut known = Known { next: 1, ..Known::default() };
        for frame in read.frames {
            known.hear(frame);
        }
        let mut length = u64::try_from(read.good).unwrap_or(u64::MAX);
        if length > LARGE {
            let kept: Vec<u8> = known.frames().iter().filter_map(frame::encode).flatten().collect();
            let new = folder.join("journal.new");
            std::fs::write(&new, &kept).map_err(told)?;
            let written = open(&new).map_err(told)?;
            written.try_lock().map_err(|error| format!("the new journal: {error}"))?;
            written.sync_all().map_err(told)?;
            std::fs::rename(&new, &path).map_err(told)?;
            length = u64::try_from(kept.len()).unwrap_or(u64::MAX);
            file = written;
        }
        file.set_len(length).map_err(told)?;
        file.seek(SeekFrom::Start(length)).map_err(told)?;
        file.sync_all().map_err(told)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(told)?;
        known.octets = length;
        let (orders, received) = sync_channel(1024);
        let writer = std::thread::Builder::new().name("journal".to_owned());
        writer.spawn(move || write(&file, &received)).map_err(told)?;
        Ok(Self { known: Mutex::new(known), orders, torn: u64::try_from(torn).unwrap_or(u64::MAX) })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a write; when this returns it is on the disk. A key that is there already is the same write.
    pub(crate) async fn take(
        &self,
        key: &str,
        stamp: Stamp,
        command: Command,
    ) -> Result<Entry, Trouble> {
        let entry = {
            let mut known = self.known();
            if let Some(held) = known.by_key(key) {
                if held.command != command {
                    return Err(Trouble::Reused { key: key.to_owned() });
                }
                return Ok(held.clone());
            }
            if known.pending.len() >= MOST {
                return Err(Trouble::TooMany { why: format!("{MOST} writes wait in the journal") });
            }
            let entry = Entry { seq: known.next, key: key.to_owned(), stamp, command };
            known.next += 1;
            entry
        };
        let frame = Frame::Queued { entry: entry.clone() };
        self.write(&frame).await?;
        self.known().hear(frame);
        Ok(entry)
    }

    /// The database has a write.
    pub(crate) async fn applied(&self, seq: u64, status: u16) -> Result<(), Trouble> {
        let frame = Frame::Applied { seq, status };
        // Where this is lost, the write is replayed, and its key says that it was done.
        self.write(&frame).await?;
        self.known().hear(frame);
        Ok(())
    }

    async fn write(&self, frame: &Frame) -> Result<(), Trouble> {
        let large =
            || Trouble::wrong(format!("a write that waits has at most {} octets", frame::LARGEST));
        let octets = frame::encode(frame).ok_or_else(large)?;
        let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        let away = |why: String| Trouble::Away {
            what: "journal",
            why,
            retry: std::time::Duration::from_secs(5),
        };
        let (done, waiting) = oneshot::channel();
        let full = |_| Trouble::TooMany {
            why: "the journal's disk is slower than what arrives".to_owned(),
        };
        self.orders.try_send(Order { octets, done }).map_err(full)?;
        let written = waiting.await.unwrap_or_else(|_| Err("its writer ended".to_owned()));
        written.map_err(away)?;
        self.known().octets += length;
        Ok(())
    }

    /// What waits, in its order.
    pub(crate) fn pending(&self) -> Vec<Entry> {
        self.known().pending.values().cloned().collect()
    }

    /// What was applied and is remembered, in its order.
    pub(crate) fn done(&self) -> Vec<(Entry, u16)> {
        self.known().applied.values().cloned().collect()
    }

    /// How many writes wait, and how large the file is in octets.
    pub(crate) fn size(&self) -> (usize, u64) {
        let known = self.known();
        (known.pending.len(), known.octets)
    }

    /// The newest write of a record that waits.
    pub(crate) fn waiting(&self, of: impl Fn(&Command) -> bool) -> Option<Entry> {
        let known = self.known();
        known
            .pending
            .values()
            .filter(|entry| of(&entry.command))
            .max_by_key(|entry| entry.stamp.clone())
            .cloned()
    }
}

impl Known {
    fn by_key(&self, key: &str) -> Option<&Entry> {
        let seq = self.keys.get(key)?;
        self.pending.get(seq).or_else(|| self.applied.get(seq).map(|(entry, _)| entry))
    }

    fn hear(&mut self, frame: Frame) {
        match frame {
            Frame::Queued { entry } => {
                self.next = self.next.max(entry.seq + 1);
                self.keys.insert(entry.key.clone(), entry.seq);
                self.pending.insert(entry.seq, entry);
            }
            Frame::Applied { seq, status } => {
                if let Some(entry) = self.pending.remove(&seq) {
                    self.applied.insert(seq, (entry, status));
                }
                if self.applied.len() > KEPT
                    && let Some((_, (entry, _))) = self.applied.pop_first()
                {
                    self.keys.remove(&entry.key);
                }
            }
        }
    }

    /// What makes all that is known again.
    fn frames(&self) -> Vec<Frame> {
        let applied = self.applied.values().flat_map(|(entry, status)| {
            let applied = Frame::Applied { seq: entry.seq, status: *status };
            [Frame::Queued { entry: entry.clone() }, applied]
        });
        let pending = self.pending.values().map(|entry| Frame::Queued { entry: entry.clone() });
        applied.chain(pending).collect()
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Writes what arrives, for as long as somebody can send something.
fn write(mut file: &File, orders: &Receiver<Order>) {
    let mut failed: Option<String> = None;
    while let Ok(first) = orders.recv() {
        let all: Vec<Order> = std::iter::once(first).chain(orders.try_iter().take(255)).collect();
        if failed.is_none() {
            let octets: Vec<u8> =
                all.iter().flat_map(|order| order.octets.iter().copied()).collect();
            if let Err(error) = file.write_all(&octets).and_then(|()| file.sync_data()) {
                tracing::error!(%error, "the journal cannot be written, and takes nothing until the next start");
                failed = Some(error.to_string());
            }
        }
        for order in all {
            let result = failed.clone().map_or(Ok(()), Err);
            // Who does not wait any more was told nothing.
            let _gone = order.done.send(result);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Journal;
    use crate::clock::{Hlc, Stamp};
    use crate::commands::{Command, Kind};

    fn write(id: &str) -> (Stamp, Command) {
        let stamp = Stamp { hlc: Hlc(1), node: "a".to_owned() };
        (stamp, Command::PutRecord { kind: Kind::Write, id: id.to_owned(), body: json!({}) })
    }

    #[tokio::test]
    async fn what_was_taken_is_there_after_a_new_start_and_what_was_applied_waits_no_more() {
        let folder = netwright_testbed::Folder::new();
        let journal = Journal::open(folder.path()).unwrap();
        for id in ["one", "two", "three"] {
            let (stamp, command) = write(id);
            journal.take(id, stamp, command).await.unwrap();
        }
        assert!(Journal::open(folder.path()).is_err(), "it belongs to one process");
        journal.applied(2, 201).await.unwrap();
        drop(journal);
        let mut again = Journal::open(folder.path());
        for _ in 0..100 {
            if again.is_ok() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            again = Journal::open(folder.path());
        }
        let journal = again.unwrap();
        let ids: Vec<String> = journal.pending().into_iter().map(|entry| entry.key).collect();
        assert_eq!(ids, ["one", "three"]);
        assert_eq!(journal.done().len(), 1);
        let (stamp, command) = write("four");
        assert_eq!(journal.take("four", stamp, command).await.unwrap().seq, 4);
    }

    #[tokio::test]
    async fn a_key_is_one_write_and_for_another_one_it_is_refused() {
        let folder = netwright_testbed::Folder::new();
        let journal = Journal::open(folder.path()).unwrap();
        let (stamp, command) = write("one");
        let first = journal.take("key", stamp.clone(), command.clone()).await.unwrap();
        assert_eq!(journal.take("key", stamp.clone(), command).await.unwrap(), first);
        assert!(journal.take("key", stamp, write("two").1).await.is_err());
        assert_eq!(journal.size().0, 1);
    }
}
