//! Processes that outlive who started them are known by a mark in their environment, which all that they start inherits.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// How long ended processes may take to be gone.
const GONE: Duration = Duration::from_secs(5);

/// A variable of the environment and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The variable.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Mark {
    /// Whether a process has it.
    pub(crate) fn is_of(&self, process: i32) -> bool {
        let own = format!("{}={}", self.name, self.value);
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment.split(|octet| *octet == 0).any(|variable| variable == own.as_bytes())
    }

    fn all(&self) -> io::Result<Vec<Pid>> {
        // The numbers that are seen there must be ours: what is of another process namespace is left alone.
        let own = fs::read_link("/proc/self")?;
        if own.to_str().and_then(|own| own.parse().ok()) != Some(std::process::id()) {
            return Err(io::Error::other("/proc is that of other processes"));
        }
        let numbers = fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        let marked = numbers.filter(|number| self.is_of(*number)).filter_map(Pid::from_raw);
        Ok(marked.filter(|process| *process != rustix::process::getpid()).collect())
    }
}

/// Ends all processes with a mark, at once; how many they were.
///
/// # Errors
///
/// They cannot be looked for, or do not end.
pub fn end(mark: &Mark) -> io::Result<usize> {
    let begun = Instant::now();
    let mut ended = 0;
    loop {
        let all = mark.all()?;
        if all.is_empty() {
            return Ok(ended);
        }
        if begun.elapsed() > GONE {
            return Err(io::Error::other(format!("{} processes do not end", all.len())));
        }
        ended = ended.max(all.len());
        for process in all {
            // The number may be another's by now: the descriptor is looked at once more before it is used.
            let Ok(handle) = pidfd_open(process, PidfdFlags::empty()) else { continue };
            if mark.is_of(process.as_raw_nonzero().get()) {
                let _gone_already = pidfd_send_signal(&handle, Signal::KILL);
            }
        }
        pause(Duration::from_millis(10));
    }
}
