//! Leaving the machine: a user namespace in which an ordinary user has rights over what it makes, and only over that.

use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Resource, Rlimit, getegid, geteuid, getrlimit, setrlimit};

use crate::failure::Failure;

/// Moves this process into a user namespace of its own, in which it is root; processes that it starts are in a process namespace of
/// their own. Only a process with one thread can do so.
///
/// # Errors
///
/// The machine does not allow it: what to enable.
pub fn leave() -> Result<(), Failure> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID)
        .map_err(|error| refused(&error.into()))?;
    let write = |file: &str, text: &str| {
        fs::write(format!("/proc/self/{file}"), text).map_err(Failure::during(file))
    };
    // Before the groups are mapped: a process that could drop a group could get at what the group is kept from.
    write("setgroups", "deny")?;
    write("uid_map", &format!("0 {user} 1")).map_err(|failure| failure.help(REMEDY))?;
    write("gid_map", &format!("0 {group} 1"))
}

const REMEDY: &str = "unprivileged user namespaces must be allowed: `sysctl kernel.unprivileged_userns_clone=1`, `sysctl user.max_user_namespaces=10000`; on Ubuntu also `sysctl kernel.apparmor_restrict_unprivileged_userns=0`";

fn refused(error: &io::Error) -> Failure {
    let (why, remedy) = match error.raw_os_error() {
        // ENOSPC: as many as are allowed are there, or none is allowed.
        Some(28) => {
            ("the limit of user namespaces is reached", "`sysctl user.max_user_namespaces=10000`")
        }
        // EINVAL: the kernel does not know them.
        Some(22) => {
            ("the kernel has no user namespaces", "a kernel with CONFIG_USER_NS and CONFIG_NET_NS")
        }
        _ => ("they are not allowed", REMEDY),
    };
    Failure::new(format!("no user namespace can be made here: {why} ({error})"))
        .help(format!("{remedy}; `check`, `trace`, `reach` and `diff` need none"))
}

/// Gives this process, which is process 1 of its process namespace, its own mounts and network: `/proc` of its own processes, an empty
/// `/run`, and no network but `lo`.
///
/// # Errors
///
/// What the kernel refused.
pub fn settle() -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS)
        .map_err(|error| refused(&error.into()))?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|error| Failure::during("mounts of its own")(error.into()))?;
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    mount("proc", "/proc", "proc", plain | MountFlags::NOEXEC, None)
        .map_err(|error| Failure::during("/proc")(error.into()).help("a container must allow it: `--security-opt unmask=ALL` for podman, `--privileged` for docker"))?;
    mount("tmpfs", "/run", "tmpfs", plain, Some(c"mode=0755,size=16m"))
        .map_err(|error| Failure::during("/run")(error.into()))?;
    Ok(())
}

/// Raises the number of files that this process may open to what it is allowed: each namespace is held by one.
pub fn raise_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where it is refused, a large network is told that there are too few.
    let _told_later = setrlimit(Resource::Nofile, raised);
}
