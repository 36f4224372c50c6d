//! What is kept over a restart, in a folder of its own.
//!
//! Written beside and put in its place in one step, so that whoever dies while writing leaves what was there before. A file that cannot be
//! read is put aside and said: everything is then unknown, which it is.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Station;
use super::documents::Shown;
use super::settle::Watched;
use crate::alert::Silence;
use crate::fleet::Window;
use crate::watcher;

/// The largest file that is read, in octets: some hundred thousand things.
const LARGEST: u64 = 256 << 20;

/// What a station keeps over a restart.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    version: u32,
    /// When it was written.
    at: Duration,
    watcher: watcher::Kept,
    silences: Vec<Silence>,
    windows: Vec<(u64, Window)>,
    numbered: u64,
    #[serde(default)]
    settling: Vec<Watched>,
}

impl Station {
    /// What is kept over a restart.
    #[must_use]
    pub fn kept(&self, now: Duration) -> Kept {
        Kept {
            version: 1,
            at: now,
            watcher: self.watcher.kept(now),
            silences: self.silences.clone(),
            windows: self.windows.clone(),
            numbered: self.numbered,
            settling: self.settling.clone(),
        }
    }

    /// Takes what was kept, of what is watched now. What is too old by now is unknown.
    pub fn restore(&mut self, kept: Kept, now: Duration) {
        // A machine's clock that was put back between two runs: nobody knows how long it was, and nothing is made older than it says.
        let away = now.saturating_sub(kept.at);
        self.watcher.restore(kept.watcher, away, now);
        (self.silences, self.windows) = (kept.silences, kept.windows);
        (self.numbered, self.settling) = (kept.numbered, kept.settling);
        self.forget(now);
        self.obey();
    }
}

/// Why a folder cannot be used.
#[derive(Debug)]
pub enum NoFolder {
    /// Another process watches with it.
    Taken,
    /// It cannot be made, or read.
    Io(std::io::Error),
}

/// A folder that one process watches with.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Locked while this process lives.
    _lock: File,
}

impl Folder {
    /// Takes a folder, which is made where it is not there.
    ///
    /// # Errors
    ///
    /// Somebody else has it, or it cannot be written.
    pub fn take(path: &Path) -> Result<Self, NoFolder> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(NoFolder::Io)?;
        let lock = private().open(path.join("lock")).map_err(NoFolder::Io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(std::fs::TryLockError::WouldBlock) => Err(NoFolder::Taken),
            Err(std::fs::TryLockError::Error(error)) => Err(NoFolder::Io(error)),
        }
    }

    /// A file of it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What was kept, where anything was.
    ///
    /// # Errors
    ///
    /// It cannot be read: it is put aside, and this says why and where.
    pub fn load(&self) -> Result<Option<Kept>, String> {
        match read(&self.path) {
            Ok(kept) => Ok(kept),
            Err(why) => {
                let (from, to) = (self.file(STATES), self.file("states.json.unreadable"));
                let aside = std::fs::rename(&from, &to).map_or_else(
                    |error| format!("it could not be put aside: {error}"),
                    |()| format!("it is now {}", to.display()),
                );
                Err(format!("{}: {why}; {aside}", from.display()))
            }
        }
    }

    /// Writes what is kept.
    ///
    /// # Errors
    ///
    /// It cannot be written; what was there before is still there.
    pub fn save(&self, kept: &Kept) -> std::io::Result<()> {
        let text = serde_json::to_vec(kept).map_err(std::io::Error::other)?;
        self.put(STATES, &text)
    }

    /// Writes what is known, for who asks while nobody watches.
    ///
    /// # Errors
    ///
    /// It cannot be written; what was there before is still there.
    pub fn show(&self, shown: &Shown) -> std::io::Result<()> {
        let text = serde_json::to_vec(shown).map_err(std::io::Error::other)?;
        self.put(SHOWN, &text)
    }

    /// Says where this process answers.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn at(&self, address: SocketAddr) -> std::io::Result<()> {
        self.put(ADDRESS, address.to_string().as_bytes())
    }

    /// Writes a file in one step.
    ///
    /// # Errors
    ///
    /// It cannot be written; what was there before is still there.
    pub fn put(&self, name: &str, text: &[u8]) -> std::io::Result<()> {
        let beside = self.file(&format!("{name}.new"));
        let mut file = private().truncate(true).open(&beside)?;
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(&beside, self.file(name))?;
        File::open(&self.path)?.sync_all()
    }
}

/// The files that states are kept in, that says what was known, and that says where to ask.
const STATES: &str = "states.json";
const SHOWN: &str = "shown.json";
const ADDRESS: &str = "address";

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options
}

/// The address at which the process answers that has a folder, where one said so.
#[must_use]
pub fn address(folder: &Path) -> Option<SocketAddr> {
    let text = whole(folder, ADDRESS).ok()??;
    String::from_utf8(text).ok()?.trim().parse().ok()
}

/// What was known last by who watched with a folder.
///
/// # Errors
///
/// It cannot be read.
pub fn shown(folder: &Path) -> Result<Option<Shown>, String> {
    let Some(text) = whole(folder, SHOWN)? else { return Ok(None) };
    serde_json::from_slice(&text).map(Some).map_err(|error| error.to_string())
}

fn read(folder: &Path) -> Result<Option<Kept>, String> {
    let Some(text) = whole(folder, STATES)? else { return Ok(None) };
    let kept: Kept = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    match kept.version {
        1 => Ok(Some(kept)),
        other => Err(format!("it is of version {other}")),
    }
}

/// A file of a folder; none where it is not there.
fn whole(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, String> {
    let file = match File::open(folder.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LARGEST {
        return Err(format!("it is larger than {LARGEST} octets"));
    }
    Ok(Some(text))
}
