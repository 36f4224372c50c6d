//! Processes of a network namespace: found by what `/proc` says of them, and struck.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::faults::Strike;
use crate::tasks::mark::Mark;

/// How often is looked whether processes are as was wanted.
const LOOK: Duration = Duration::from_millis(2);

/// Which processes are meant.
#[derive(Debug, Clone, Copy)]
pub struct Meant<'a> {
    /// Only those with this mark.
    pub mark: Option<&'a Mark>,
    /// Only those whose command holds this text.
    pub holds: Option<&'a str>,
}

/// A process that was found.
#[derive(Debug)]
pub struct Found {
    number: Pid,
    command: String,
    handle: OwnedFd,
}

/// How a process is, as `/proc` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// It stands still.
    Still,
    /// It runs, or waits for something.
    Runs,
    /// It has ended.
    Gone,
}

/// The commands of all processes that are seen here, by the identity of the network namespace that each is in.
#[must_use]
pub fn all() -> BTreeMap<u64, Vec<(Pid, String)>> {
    let mut found: BTreeMap<u64, Vec<(Pid, String)>> = BTreeMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for number in numbers.filter_map(Pid::from_raw) {
        let Some(place) = place(number) else { continue };
        found.entry(place).or_default().push((number, command(number)));
    }
    found
}

fn place(number: Pid) -> Option<u64> {
    let path = format!("/proc/{}/ns/net", number.as_raw_nonzero());
    Some(fs::metadata(path).ok()?.ino())
}

/// The command of a process; nothing where it has ended.
pub(crate) fn command(number: Pid) -> String {
    let line = fs::read(format!("/proc/{}/cmdline", number.as_raw_nonzero())).unwrap_or_default();
    let command = String::from_utf8_lossy(&line).replace('\0', " ");
    // Parts of this program are started by what the kernel calls it.
    command.trim_end().replacen("/proc/self/exe ", "netwright ", 1)
}

/// The processes that are meant in network namespaces of some identities.
#[must_use]
pub fn find(places: &[u64], meant: Meant<'_>) -> Vec<Found> {
    let mut all = all();
    let own = places.iter().filter_map(|at| Some((*at, all.remove(at)?)));
    own.flat_map(|(at, own)| own.into_iter().filter_map(move |one| found(at, one, meant))).collect()
}

fn found(at: u64, (number, command): (Pid, String), meant: Meant<'_>) -> Option<Found> {
    // What has ended has no command.
    if command.is_empty() || !meant.holds.is_none_or(|holds| command.contains(holds)) {
        return None;
    }
    let handle = pidfd_open(number, PidfdFlags::empty()).ok()?;
    // The number may be another's by now: what is true from here on is true of the handle.
    let is_marked = meant.mark.is_none_or(|mark| mark.is_of(number.as_raw_nonzero().get()));
    (is_marked && place(number) == Some(at)).then_some(Found { number, command, handle })
}

impl Found {
    /// Its number.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.number.as_raw_nonzero().get()
    }

    /// Its command.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Strikes it. False where it has ended.
    #[must_use]
    pub fn strike(&self, how: Strike) -> bool {
        let signal = match how {
            Strike::Pause => Signal::STOP,
            Strike::Resume => Signal::CONT,
            Strike::Kill => Signal::KILL,
        };
        pidfd_send_signal(&self.handle, signal).is_ok()
    }

    /// How it is.
    #[must_use]
    pub fn stands(&self) -> Stands {
        let state = state(self.number);
        let mut ended = [PollFd::new(&self.handle, PollFlags::IN)];
        let gone = poll(&mut ended, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) != Ok(0);
        match state {
            // Asked after it was read: the number was its own then.
            _ if gone => Stands::Gone,
            Some('T') => Stands::Still,
            Some('Z' | 'X') | None => Stands::Gone,
            Some(_) => Stands::Runs,
        }
    }
}

/// The letter that `/proc` has for a process: what follows its name, which may hold anything.
fn state(number: Pid) -> Option<char> {
    let text = fs::read(format!("/proc/{}/stat", number.as_raw_nonzero())).ok()?;
    String::from_utf8_lossy(&text).rsplit_once(") ")?.1.chars().next()
}

/// Waits until processes stand as wanted, or have ended; how many stand so in the end.
#[must_use]
pub fn until(all: &[Found], wanted: Stands, patience: Duration) -> usize {
    let begun = Instant::now();
    loop {
        let stands: Vec<Stands> = all.iter().map(Found::stands).collect();
        let fits = |one: &&Stands| **one == wanted;
        let waits = stands.iter().any(|one| *one != wanted && *one != Stands::Gone);
        if !waits || begun.elapsed() > patience {
            return stands.iter().filter(fits).count();
        }
        pause(LOOK);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

    use std::os::unix::fs::MetadataExt;
    use std::process::Command;
    use std::time::Duration;

    use super::{Meant, Stands, find, until};
    use crate::faults::Strike;
    use crate::tasks::mark::Mark;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_process_is_found_by_its_mark_and_stands_still_until_it_goes_on() {
        let mark = Mark { name: "NETWRIGHT_TEST".to_owned(), value: "strike 7".to_owned() };
        let other = Mark { value: "strike".to_owned(), ..mark.clone() };
        let mut child =
            Command::new("sleep").arg("3600").env(&mark.name, &mark.value).spawn().unwrap();
        let here = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
        let with = |mark, holds| find(&[here], Meant { mark: Some(mark), holds });
        // Until the program is executed, it has the command of this one.
        let begun = std::time::Instant::now();
        while with(&mark, Some("sleep 3600")).is_empty() {
            assert!(begun.elapsed() < PATIENCE);
        }
        assert!(with(&other, None).is_empty() && with(&mark, Some("sleep 9")).is_empty());
        let own = with(&mark, None);
        assert_eq!(own.len(), 1);
        assert!(own[0].strike(Strike::Pause));
        assert_eq!(until(&own, Stands::Still, PATIENCE), 1);
        assert!(own[0].strike(Strike::Resume));
        assert_eq!(until(&own, Stands::Runs, PATIENCE), 1);
        assert!(own[0].strike(Strike::Kill));
        assert_eq!(until(&own, Stands::Gone, PATIENCE), 1);
        child.wait().unwrap();
        assert_eq!(own[0].stands(), Stands::Gone);
    }
}
