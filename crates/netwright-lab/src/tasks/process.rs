//! One process of a task: started inside its namespace, watched by a descriptor, ended with its group.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use netwright_dataplane::kernel::within;
use netwright_dataplane::plan::What;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal as NamedSignal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use rustix::fs::{MemfdFlags, OFlags, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::lock;
use super::mark::Mark;
use crate::names;
use crate::view;

/// A running process.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Readable when it has ended.
    pub(super) handle: OwnedFd,
    pub(super) since: Instant,
    /// Where a part of this program that follows finds its settings.
    settings: Option<File>,
}

/// Where and how processes are started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Launch<'a> {
    /// The network namespace.
    pub(super) space: BorrowedFd<'a>,
    /// The namespace's name: its last part is the host's name.
    pub(super) namespace: &'a str,
    /// The words with which this program becomes a part of itself.
    pub(super) part: &'a [String],
    /// What is in the environment of all that is started.
    pub(super) mark: Option<&'a Mark>,
    /// Where a child is taken note of, so that nobody else waits for it.
    pub(super) own: &'a Mutex<BTreeSet<i32>>,
}

impl Launch<'_> {
    /// Starts what a task runs; what it writes comes out of the descriptor, which does not block.
    pub(super) fn start(&self, what: &What) -> io::Result<(Process, OwnedFd)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&read, OFlags::NONBLOCK)?;
        let mut kept = None;
        let mut command = match what {
            What::Exec { command } => shell(command),
            What::Part { part, settings, follows } => {
                let settings = text(settings)?;
                kept = follows.then(|| settings.try_clone()).transpose()?;
                let mut command = Command::new("/proc/self/exe");
                command.args(self.part).arg(part).stdin(Stdio::from(settings));
                command
            }
        };
        command.stdout(Stdio::from(write.try_clone()?)).stderr(Stdio::from(write));
        let process = self.spawn(command, asks_for_names(what))?;
        Ok((Process { settings: kept, ..process }, read))
    }

    /// Starts a command of the shell whose status alone matters.
    pub(super) fn ask(&self, command: &str) -> io::Result<Process> {
        let mut command = shell(command);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.spawn(command, true)
    }

    /// `asks`: it asks for names as its namespace does.
    fn spawn(&self, mut command: Command, asks: bool) -> io::Result<Process> {
        command.process_group(0);
        if let Some(Mark { name, value }) = self.mark {
            command.env(name, value);
        }
        let host = self.namespace.rsplit('/').next().unwrap_or(self.namespace);
        // Until it is noted, nobody may look for ended children.
        let mut own = lock(self.own);
        let child = within(self.space, || {
            // A name is a convenience: where it is refused, the command runs under the machine's.
            let _unnamed = unshare(CloneFlags::CLONE_NEWUTS)
                .map_err(io::Error::from)
                .and_then(|()| Ok(rustix::system::sethostname(host.as_bytes())?));
            if asks {
                names::enter(self.namespace)?;
            }
            view::enter(self.namespace)?;
            command.spawn()
        })??;
        let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let number = number.ok_or_else(|| io::Error::other("the process has no number"))?;
        let handle = pidfd_open(number, PidfdFlags::empty())?;
        own.insert(number.as_raw_nonzero().get());
        Ok(Process { child, handle, since: Instant::now(), settings: None })
    }
}

/// Whether what a task runs asks for names: commands of users, and services.
pub(super) fn asks_for_names(what: &What) -> bool {
    match what {
        What::Exec { .. } => true,
        What::Part { part, .. } => part == "service",
    }
}

fn shell(text: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(text).stdin(Stdio::null());
    command
}

/// A text as a file without a name, at its beginning.
fn text(text: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create("settings", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

impl Process {
    /// The number of the process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to it and to all that it started and that did not leave its group.
    pub(super) fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // Ended already.
            let _gone = kill_process_group(group, signal);
        }
    }

    /// Gives it other settings. False where it does not follow, or they cannot be given.
    pub(super) fn follow(&self, settings: &str) -> bool {
        let Some(file) = &self.settings else { return false };
        // It reads at places of its own: one that reads in the middle of this reads again when it gets the signal.
        let written = file.set_len(0).and_then(|()| file.write_all_at(settings.as_bytes(), 0));
        if written.is_ok() {
            self.signal(Signal::HUP);
        }
        written.is_ok()
    }

    /// How it ended, where it has.
    pub(super) fn ended(&mut self, own: &Mutex<BTreeSet<i32>>) -> Option<io::Result<ExitStatus>> {
        let status = self.child.try_wait().transpose()?;
        if let Ok(number) = i32::try_from(self.child.id()) {
            lock(own).remove(&number);
        }
        Some(status)
    }
}

/// How a process ended, in words.
pub(super) fn words(status: &io::Result<ExitStatus>) -> String {
    match status {
        Err(error) => format!("ended, and how is not known: {error}"),
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with status {code}"),
            (None, Some(9)) => "was killed (SIGKILL)".to_owned(),
            (None, Some(number)) => {
                let name = NamedSignal::try_from(number).map(NamedSignal::as_str);
                format!("was ended by {}", name.map_or(format!("signal {number}"), str::to_owned))
            }
            (None, None) => "ended".to_owned(),
        },
    }
}

/// Takes note of ended children that nobody waits for.
pub(super) fn reap(own: &BTreeSet<i32>) {
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    while let Ok(status) = waitid(Id::All, ended | WaitPidFlag::WNOWAIT) {
        let (WaitStatus::Exited(number, _) | WaitStatus::Signaled(number, ..)) = status else {
            return;
        };
        // One that somebody waits for hides those behind it until he has seen it: soon.
        if own.contains(&number.as_raw()) || waitid(Id::Pid(number), ended).is_err() {
            return;
        }
    }
}

/// Reads what is there. False where nothing more will come.
pub(super) fn read(from: impl AsFd, mut each: impl FnMut(&[u8])) -> bool {
    /// So often at a time, that no task keeps the others waiting.
    const ROUNDS: usize = 16;
    let mut octets = [0; 4096];
    for _ in 0..ROUNDS {
        match rustix::io::read(&from, &mut octets) {
            Ok(0) => return false,
            Ok(read) => each(&octets[..read]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return error == rustix::io::Errno::AGAIN,
        }
    }
    true
}
