//! Network namespaces as file descriptors: made by a thread that leaves its own, entered by a thread for as long as one piece of work takes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, unshare};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Makes a network namespace; the calling thread is in it from now on.
pub(super) fn make() -> io::Result<OwnedFd> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// Moves the calling thread into a network namespace.
///
/// # Errors
///
/// The kernel's: the caller has no right over the namespace, or it is none.
pub fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?)
}

/// Does a piece of work inside a namespace, in a thread of its own: what it makes there, such as a socket, stays there.
///
/// # Errors
///
/// As [`enter`], or that the thread ended.
pub fn within<T: Send>(namespace: impl AsFd, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let namespace = namespace.as_fd();
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            enter(namespace)?;
            Ok(work())
        });
        thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread ended in the middle")))
    })
}
