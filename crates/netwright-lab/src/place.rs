//! Where a lab's control socket is: a folder that only its user can enter. A socket whose lab is dead is removed by whoever looks next.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use crate::failure::Failure;

/// The name of a lab where none is given.
pub const DEFAULT: &str = "lab";
/// Longest name: a socket's path has at most 107 octets.
const NAME_LENGTH: usize = 32;
/// How long a lab that was killed may take to end.
const END_PATIENCE: Duration = Duration::from_secs(10);
/// The folder vanishes between two steps where the last lab in it ends; so often it is tried again.
const TRIES: usize = 5;

/// The folder of this user's labs, which may not be there.
fn folder() -> PathBuf {
    let user = geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| {
        path.is_absolute()
            && path.as_os_str().len() < 60
            && fs::metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == user)
    });
    match runtime {
        Some(runtime) => runtime.join("netwright"),
        None => PathBuf::from(format!("/tmp/netwright-{user}")),
    }
}

/// The folder, open and locked: nobody else makes or removes a socket meanwhile.
fn locked(folder: &Path) -> io::Result<File> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o077 != 0 {
        let path = folder.display();
        return Err(io::Error::other(format!(
            "{path} is not a folder of this user alone (mode 0700)"
        )));
    }
    let open = File::open(folder)?;
    flock(&open, FlockOperation::LockExclusive)?;
    Ok(open)
}

fn socket(name: &str) -> Result<PathBuf, Failure> {
    let fine = !name.is_empty()
        && name.len() <= NAME_LENGTH
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    if !fine {
        return Err(Failure::new(format!(
            "`{name}` is not a name of a lab: 1 to {NAME_LENGTH} letters, digits and `-`"
        )));
    }
    Ok(folder().join(format!("{name}.sock")))
}

/// Whether somebody listens at a socket.
fn alive(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

/// A lab's socket, removed when it is dropped.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        // What stays is removed by whoever looks next.
        let _stays = remove(&self.path);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let _lock = locked(folder)?;
    fs::remove_file(path)?;
    // Refused while another lab is in it.
    let _others = fs::remove_dir(folder);
    Ok(())
}

/// Takes a name for a new lab.
///
/// # Errors
///
/// A lab of that name runs, or the folder cannot be used.
pub fn take(name: &str) -> Result<(UnixListener, Place), Failure> {
    let path = socket(name)?;
    let folder = folder();
    let mut last = io::Error::other("no try");
    for _ in 0..TRIES {
        let bound = locked(&folder).and_then(|_lock| {
            if alive(&path) {
                return Ok(None);
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok(Some(listener))
        });
        match bound {
            Ok(Some(listener)) => return Ok((listener, Place { path })),
            Ok(None) => {
                return Err(Failure::new(format!("a lab named {name} runs already"))
                    .help(format!("`netwright lab down --name {name}`, or choose another name")));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => last = error,
            Err(error) => {
                last = error;
                break;
            }
        }
    }
    Err(Failure::during("the control socket")(last))
}

/// Connects to a running lab.
///
/// # Errors
///
/// No lab of that name runs. What a dead one left is removed.
pub fn connect(name: &str) -> Result<UnixStream, Failure> {
    let path = socket(name)?;
    match UnixStream::connect(&path) {
        Ok(stream) => Ok(stream),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let _gone_already = remove(&path);
            Err(Failure::new(format!("the lab {name} is dead; what it left was removed"))
                .help("`netwright lab up FILE` starts one"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let others = names();
            let help = if others.is_empty() {
                "`netwright lab up FILE` starts one".to_owned()
            } else {
                format!("running: {}", others.join(", "))
            };
            Err(Failure::new(format!("no lab named {name} runs")).help(help))
        }
        Err(error) => Err(Failure::during("the control socket")(error)),
    }
}

/// Waits until a name is free: a lab that was killed takes a moment to end. False where it is not after a while.
#[must_use]
pub fn is_freed(name: &str) -> bool {
    let begun = Instant::now();
    while names().iter().any(|own| own == name) {
        if begun.elapsed() > END_PATIENCE {
            return false;
        }
        pause(Duration::from_millis(20));
    }
    true
}

/// The names of this user's running labs, sorted.
#[must_use]
pub fn names() -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder()) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.strip_suffix(".sock")?.to_owned();
            alive(&path).then_some(name)
        })
        .collect();
    names.sort();
    names
}
