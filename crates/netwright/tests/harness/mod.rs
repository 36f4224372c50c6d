//! Labs for tests of the command: who runs them, commands that stay, and what is left.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "each test takes what it needs, says what it skips and stops where it cannot go on"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Who runs a test: the user who runs it and, where that is root, an ordinary one too.
pub(crate) struct Way {
    pub(crate) program: PathBuf,
    pub(crate) ordinary: bool,
    /// A folder that this user may write in.
    pub(crate) folder: PathBuf,
    pub(crate) lab: String,
}

impl Way {
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = if self.ordinary {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
            command.arg(&self.program);
            command.env_remove("XDG_RUNTIME_DIR");
            command
        } else {
            Command::new(&self.program)
        };
        command.args(words).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    pub(crate) fn lab(&self, words: &[&str]) -> Output {
        let mut all = vec!["lab", words[0], "--name", self.lab.as_str()];
        all.extend(&words[1..]);
        self.command(&all).output().unwrap()
    }

    pub(crate) fn file(&self, text: &str) -> String {
        let path = self.folder.join("network.yaml");
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn ps(&self) -> serde_json::Value {
        let ran = self.lab(&["ps", "--format", "json"]);
        serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
    }

    /// The lab has ended and its name is free.
    pub(crate) fn gone(&self) {
        let start = Instant::now();
        while self.lab(&["ps"]).status.success() {
            assert!(start.elapsed() < Duration::from_secs(60), "the lab is still there");
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.lab(&["down"]);
        let _stays = std::fs::remove_dir_all(&self.folder);
    }
}

/// The ways to run a test; none, with the reason said, where this machine lacks what a lab needs.
pub(crate) fn ways(test: &str) -> Vec<Way> {
    let folder = |who: &str| {
        let name = format!("netwright-{test}-{who}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        folder
    };
    let program = PathBuf::from(env!("CARGO_BIN_EXE_netwright"));
    let own = folder("own");
    let root = std::fs::metadata(&own).unwrap().uid() == 0;
    let lab = |who: &str| format!("{test}-{who}-{}", std::process::id());
    let mut ways = vec![Way { program, ordinary: false, folder: own, lab: lab("own") }];
    if root {
        let folder = folder("other");
        // An ordinary user cannot enter the folder that this program was built in.
        let program = folder.join("netwright");
        std::fs::copy(env!("CARGO_BIN_EXE_netwright"), &program).unwrap();
        ways.push(Way { program, ordinary: true, folder, lab: lab("other") });
    }
    ways.retain(|way| {
        let file = way.file("vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }\n");
        let ran = way.lab(&["up", &file]);
        if !ran.status.success() {
            eprintln!("skipped: {}", String::from_utf8_lossy(&ran.stderr).trim());
        }
        way.lab(&["down"]);
        ran.status.success()
    });
    ways
}

pub(crate) fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// A command that stays, and the lines that it writes.
pub(crate) struct Stays {
    pub(crate) child: Child,
    lines: Receiver<String>,
}

impl Stays {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let out: Box<dyn std::io::Read + Send> = Box::new(child.stdout.take().unwrap());
        let err: Box<dyn std::io::Read + Send> = Box::new(child.stderr.take().unwrap());
        for stream in [out, err] {
            let send = send.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _nobody_listens = send.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// The lines up to one that holds a text.
    #[track_caller]
    pub(crate) fn until(&self, wanted: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => seen.push(line),
                Err(_) => panic!("`{wanted}` does not come: {seen:#?}"),
            }
            if seen.last().unwrap().contains(wanted) {
                return seen;
            }
        }
    }
}

impl Stays {
    /// Asks it to end as Ctrl-C does, and waits until it has: its status, and what it still wrote.
    pub(crate) fn interrupt(mut self) -> (Option<i32>, Vec<String>) {
        // Through `setpriv` too: it becomes the program.
        assert!(signal("INT", self.child.id()));
        let status = self.child.wait().unwrap();
        (status.code(), self.lines.iter().collect())
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Sends a signal to a process that a test started.
fn signal(name: &str, number: u32) -> bool {
    let text = format!("kill -{name} {number}");
    Command::new("sh").args(["-c", &text]).status().unwrap().success()
}

/// A mark in the environment of everything that a test starts: whatever carries it is the test's.
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new(test: &str) -> Self {
        Self(format!("NETWRIGHT_TEST_MARK={test}-{}", std::process::id()))
    }

    /// A command that carries the mark.
    pub(crate) fn put(&self, mut command: Command) -> Command {
        let (key, value) = self.0.split_once('=').unwrap();
        command.env(key, value);
        command
    }

    /// Everything that carries the mark: number and command line.
    pub(crate) fn all(&self) -> Vec<(u32, String)> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let mut variables = environment.split(|octet| *octet == 0);
            if variables.any(|variable| variable == self.0.as_bytes()) {
                let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push((number, String::from_utf8_lossy(&line).replace('\0', " ")));
            }
        }
        found
    }

    /// Waits until nothing carries the mark any more.
    #[track_caller]
    pub(crate) fn gone(&self) {
        let start = Instant::now();
        loop {
            let left = self.all();
            if left.is_empty() {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "still there: {left:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills the one whose command line holds a text, where there is one.
    pub(crate) fn kill(&self, holds: &str) -> bool {
        let all = self.all();
        let Some((number, _)) = all.iter().find(|(_, line)| line.contains(holds)) else {
            return false;
        };
        signal("KILL", *number)
    }
}
