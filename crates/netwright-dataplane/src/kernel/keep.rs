//! Namespaces that are kept longer than the process lives that made them: each is mounted on a file of a folder. Whoever comes later finds what
//! was done for the data plane, and packets flow meanwhile.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::fstatfs;
use rustix::mount::{UnmountFlags, mount_bind, unmount};

use super::{Kernel, Space};

/// What the kernel's filesystem of namespaces says it is (`NSFS_MAGIC` of `linux/magic.h`).
const NAMESPACES: u64 = 0x6e73_6673;

/// A folder of kept namespaces, and the host whose they are.
#[derive(Debug)]
pub(super) struct Keep {
    folder: PathBuf,
    /// The name of the host's own namespace in plans.
    host: String,
    /// The host's own namespace: what goes to other hosts leaves by it.
    own: Space,
}

/// The file of a namespace: a name holds no other character that a path would take apart.
fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(name.replace('/', "%"))
}

/// A namespace that a folder keeps; none where it does not.
///
/// # Errors
///
/// The folder cannot be read.
pub fn kept(folder: &Path, name: &str) -> io::Result<Option<File>> {
    let open = match File::open(file(folder, name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        open => open?,
    };
    // Between making the file and mounting on it, it is none.
    Ok(is_namespace(&open)?.then_some(open))
}

fn is_namespace(open: &File) -> io::Result<bool> {
    let kind = fstatfs(open)?.f_type;
    Ok(u64::try_from(kind).is_ok_and(|kind| kind == NAMESPACES))
}

impl Keep {
    /// Keeps the namespace that the calling thread is in.
    pub(super) fn hold(&self, name: &str) -> io::Result<()> {
        self.release(name);
        let path = file(&self.folder, name);
        File::create(&path)?;
        Ok(mount_bind("/proc/thread-self/ns/net", &path)?)
    }

    /// Keeps a namespace no more.
    pub(super) fn release(&self, name: &str) {
        let path = file(&self.folder, name);
        // Where it was mounted twice, both go; where it was not, the file does.
        while unmount(&path, UnmountFlags::DETACH).is_ok() {}
        let _not_there = fs::remove_file(&path);
    }

    /// The host's own namespace, where that is meant.
    pub(super) fn own(&self, name: &str) -> Option<&Space> {
        (self.host == name).then_some(&self.own)
    }

    /// The namespaces that are kept.
    pub(super) fn all(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            let open = File::open(self.folder.join(&name))?;
            let name = name.replace('%', "/");
            if is_namespace(&open)? {
                found.push((name, open.into()));
            } else {
                // The process ended between making the file and mounting on it.
                self.release(&name);
            }
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(found)
    }
}

impl Kernel {
    /// A kernel whose namespaces are kept in a folder: they live on when this process ends, until they are planned no more. `host` is the name by which
    /// plans know the host that the calling thread is on. Nothing that is kept there already is touched before [`Self::adopt`].
    ///
    /// # Errors
    ///
    /// The folder cannot be made, or the thread's own namespace not be opened.
    pub fn kept_in(folder: &Path, host: &str) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let descriptor: OwnedFd = File::open("/proc/thread-self/ns/net")?.into();
        let own = Space { descriptor, links: Default::default(), next: super::messages::LOOPBACK };
        let keep = Keep { folder: folder.to_owned(), host: host.to_owned(), own };
        Ok(Self { keep: Some(keep), ..Self::default() })
    }

    /// A namespace of ours, or that of the host.
    pub(super) fn space(&self, name: &str) -> Option<&Space> {
        self.spaces.get(name).or_else(|| self.keep.as_ref()?.own(name))
    }
}
