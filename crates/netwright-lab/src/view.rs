//! The Unix sockets of databases at the paths where a service looks for them.
//!
//! A platform puts them into a folder of the root, `/cloudsql`. No folder is made on this machine: a process of such a service sees a root of its
//! own, in the lab's memory, that shows everything that the machine's shows and this folder beside it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use netwright_dataplane::plan::{HostPlan, What};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountPropagationFlags, mount_bind_recursive, mount_change};

/// Where the lab keeps what its namespaces see.
const FOLDER: &str = "/run/netwright";
/// The folder of sockets, in the root that services see and in their own folder.
const SOCKETS: &str = "cloudsql";

/// The folder of a namespace.
pub(crate) fn folder(namespace: &str) -> PathBuf {
    // A name of a namespace holds no other character that a path would take apart.
    Path::new(FOLDER).join(namespace.replace('/', "%"))
}

/// What is mounted from now on in the calling thread's namespace is seen there alone: where a machine shares its mounts, a new namespace shares them too.
pub(crate) fn keep_to_itself() -> io::Result<()> {
    let alone = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    Ok(mount_change("/", alone)?)
}

/// Makes place for the sockets that a plan's services see: in process 1.
pub(crate) fn prepare(plan: &HostPlan) -> io::Result<()> {
    for task in &plan.tasks {
        if matches!(&task.what, What::Part { part, .. } if part == "proxy") {
            fs::create_dir_all(folder(&task.namespace).join(SOCKETS))?;
        }
    }
    Ok(())
}

/// Gives the calling thread, and what it starts, the sockets of its namespace, where it has any.
pub(crate) fn enter(namespace: &str) -> io::Result<()> {
    let folder = folder(namespace);
    let sockets = folder.join(SOCKETS);
    if !sockets.is_dir() {
        return Ok(());
    }
    let here = std::env::current_dir();
    unshare(CloneFlags::CLONE_NEWNS)?;
    keep_to_itself()?;
    let root = folder.join("root");
    fs::create_dir_all(&root)?;
    for entry in fs::read_dir("/")? {
        let entry = entry?;
        if entry.file_name() == SOCKETS {
            continue;
        }
        let (from, to) = (entry.path(), root.join(entry.file_name()));
        if let Ok(target) = fs::read_link(&from) {
            // There since another process of the service was started.
            let _there_already = symlink(target, to);
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&to)?;
        } else if !to.exists() {
            fs::write(&to, "")?;
        }
        // What cannot be shown is not there for the service.
        let _unseen = mount_bind_recursive(&from, &to);
    }
    let _there_already = symlink(&sockets, root.join(SOCKETS));
    rustix::process::chroot(&root)?;
    // A folder that the lab hides leaves it at `/`.
    std::env::set_current_dir("/")?;
    let _at_the_root = here.and_then(std::env::set_current_dir);
    Ok(())
}
