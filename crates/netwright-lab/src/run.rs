//! A command inside a namespace of a running lab: with the caller's terminal, folder and environment, and its exit status passed on.

use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, kill_process, pidfd_open};
use rustix::thread::{LinkNameSpaceType as Kind, move_into_link_name_space};

use crate::control;
use crate::failure::Failure;
use crate::interrupt::signals;
use crate::names;
use crate::view;

/// A signal's sender is the kernel: the terminal's signals reach the command by themselves.
const FROM_KERNEL: i32 = 0x80;

/// Runs a command in an instance of a lab and gives the exit status: the command's own, 128 and the signal's number where one ended it,
/// 126 or 127 where it could not be started. `step` is the arguments with which this program becomes the command ([`become_command`]).
///
/// # Errors
///
/// No such lab or instance, or no way into it. Only a process with one thread finds a way.
pub fn exec(lab: &str, instance: &str, step: &[String]) -> Result<u8, Failure> {
    let door = control::door(lab, instance)?;
    let folder = std::env::current_dir();
    let into = |descriptor: &std::os::fd::OwnedFd, kind: Kind, what: &str| {
        move_into_link_name_space(descriptor.as_fd(), Some(kind))
            .map_err(|error| Failure::during(what)(error.into()))
    };
    // First the users: the right to enter the others comes with it.
    into(&door.user, Kind::User, "entering the lab's users")?;
    into(&door.processes, Kind::ProcessID, "entering the lab's processes")?;
    into(&door.mounts, Kind::Mount, "entering the lab's mounts")?;
    into(&door.network, Kind::Network, "entering the instance's network")?;
    names::enter(&door.name).map_err(Failure::during("the instance's own names"))?;
    let host = door.name.rsplit('/').next().unwrap_or(&door.name);
    // A name is a convenience: where it is refused, the command runs under the machine's.
    let _unnamed = unshare(CloneFlags::CLONE_NEWUTS)
        .map_err(std::io::Error::from)
        .and_then(|()| Ok(rustix::system::sethostname(host.as_bytes())?));
    view::enter(&door.name).map_err(Failure::during("the sockets that the service sees"))?;
    // A folder that the lab hides leaves the command at `/`.
    let _at_the_root = folder.and_then(std::env::set_current_dir);
    started(step)
}

fn started(step: &[String]) -> Result<u8, Failure> {
    let signals = signals();
    let failed = |error: nix::Error| Failure::during("signals")(error.into());
    signals.thread_block().map_err(failed)?;
    let incoming = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(failed)?;
    // The child is in the lab's process namespace, and so is its `/proc`.
    let mut child = Command::new("/proc/self/exe")
        .args(step)
        .spawn()
        .map_err(Failure::during("starting the command"))?;
    let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let number = number.ok_or_else(|| Failure::new("the command has no number"))?;
    let handle = pidfd_open(number, PidfdFlags::empty())
        .map_err(|error| Failure::during("watching the command")(error.into()))?;
    loop {
        let mut waiting =
            [PollFd::new(&handle, PollFlags::IN), PollFd::new(&incoming, PollFlags::IN)];
        let polled = poll(&mut waiting, None);
        let ended = polled.is_ok() && !waiting[0].revents().is_empty();
        while let Ok(Some(signal)) = incoming.read_signal() {
            let sent = i32::try_from(signal.ssi_signo)
                .ok()
                .and_then(rustix::process::Signal::from_named_raw);
            if let Some(sent) = sent.filter(|_| signal.ssi_code != FROM_KERNEL) {
                let _ended_already = kill_process(number, sent);
            }
        }
        if ended {
            let status = child.wait().map_err(Failure::during("waiting for the command"))?;
            let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
            return Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255));
        }
    }
}

/// Becomes the command, in the process that [`exec`] started: it is killed with the one who waits for it. Returns only where it cannot
/// be started, with what to say and the exit status.
#[must_use]
pub fn become_command(program: &str, arguments: &[String]) -> (Failure, u8) {
    let _lives_on =
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::HUP));
    let _as_it_was = signals().thread_unblock();
    let error = Command::new(program).args(arguments).exec();
    let status = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    (Failure::new(format!("{program}: {error}")), status)
}
