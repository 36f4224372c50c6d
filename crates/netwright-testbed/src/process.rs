//! A server's process: ended with the test, paused and let go on.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A process that ends when it is dropped, and also where that never happens: with the namespaces of the test, or with the thread that started it.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program with its arguments, in the network namespace of a name where one is given.
    pub(crate) fn start(namespace: Option<&str>, words: &[String]) -> Self {
        let mut command = match namespace {
            // It ends with the namespaces that the test is in.
            Some(name) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{name}"));
                command
            }
            None => {
                let mut command = Command::new("setpriv");
                command.args(["--pdeathsig", "KILL"]);
                command
            }
        };
        command.args(words);
        if std::env::var_os("NETWRIGHT_TESTBED_LOGS").is_none() {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        Self(command.stdin(Stdio::null()).spawn().expect("a server starts"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        let _gone = kill_process(pid.expect("a process has a number"), signal);
    }
}

/// Processor time that a process took, to a hundredth of a second: Linux counts in these.
#[must_use]
pub fn processor(process: u32) -> std::time::Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // After the name, which may hold anything, the twelfth and thirteenth are of the user's and the system's part.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|one| one.parse::<u64>().ok());
    std::time::Duration::from_millis(10 * ticks.sum::<u64>())
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _gone = self.0.wait();
    }
}
