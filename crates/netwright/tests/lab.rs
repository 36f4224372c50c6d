//! Labs from the command line: commands of instances, edits that are followed, and that nothing stays.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Who runs a test: the user who runs it and, where that is root, an ordinary one too.
struct Way {
    program: PathBuf,
    ordinary: bool,
    /// A folder that this user may write in.
    folder: PathBuf,
    lab: String,
}

impl Way {
    fn command(&self, words: &[&str]) -> Command {
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

    fn lab(&self, words: &[&str]) -> Output {
        let mut all = vec!["lab", words[0], "--name", self.lab.as_str()];
        all.extend(&words[1..]);
        self.command(&all).output().unwrap()
    }

    fn file(&self, text: &str) -> String {
        let path = self.folder.join("network.yaml");
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn ps(&self) -> serde_json::Value {
        let ran = self.lab(&["ps", "--format", "json"]);
        serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
    }

    /// The lab has ended and its name is free.
    fn gone(&self) {
        let start = Instant::now();
        while self.lab(&["ps"]).status.success() {
            assert!(start.elapsed() < Duration::from_secs(5), "the lab is still there");
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
fn ways(test: &str) -> Vec<Way> {
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

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// A command that stays, and the lines that it writes.
struct Stays {
    child: Child,
    lines: Receiver<String>,
}

impl Stays {
    fn start(mut command: Command) -> Self {
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
    fn until(&self, wanted: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(20)) {
                Ok(line) => seen.push(line),
                Err(_) => panic!("`{wanted}` does not come: {seen:#?}"),
            }
            if seen.last().unwrap().contains(wanted) {
                return seen;
            }
        }
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn commands_that_die_are_told_with_what_they_wrote_and_the_others_run() {
    for way in ways("exec") {
        let file = way.file(
            "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
instances:
  web:
    subnet: s
    exec:
      - sleep 1000
      - { name: bad, run: 'echo I cannot; exit 3', restart: never }
      - { name: where, run: 'test -e network.yaml' }
",
        );
        let up = way.lab(&["up", &file]);
        let out = text(&up.stdout);
        assert_eq!(up.status.code(), Some(1), "{up:?}");
        assert!(out.contains("instance/web bad ended with status 3"), "{out}");
        assert!(out.contains("    I cannot\n"), "{out}");
        let ps = way.ps();
        let states: Vec<_> = ps["tasks"].as_array().unwrap().iter().map(|t| &t["state"]).collect();
        assert_eq!(states, ["failed", "ready", "ended"], "{ps}");
        let logs = text(&way.lab(&["logs", "web"]).stdout);
        assert!(logs.contains("instance/web bad I cannot"), "{logs}");
        let unknown = way.lab(&["logs", "nobody"]);
        assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    }
}

const WATCHED: &str = "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
filters: { f: { rules: [ { direction: ingress, protocol: tcp, port: 80, from: 10.0.0.0/24 } ] } }
instances:
  web: { subnet: s, address: 10.0.0.5, filters: f, exec: { name: stays, run: 'echo begun; exec sleep 1000' } }
";

#[test]
fn edits_are_followed_by_the_difference_and_mistakes_change_nothing() {
    for way in ways("watch") {
        let file = way.file(WATCHED);
        let up = Stays::start(way.command(&["lab", "up", "--watch", "--name", &way.lab, &file]));
        up.until("1 task is up");

        way.file(
            &WATCHED
                .replace("\ninstances:", "\ninstances:\n  new: { subnet: s, address: 10.0.0.9 }"),
        );
        let told = up.until(" applied in ");
        assert!(told.iter().any(|line| line == "  instance/new is new"), "{told:#?}");
        let web = told.iter().find(|line| line.contains("instance/web"));
        assert_eq!(web, None, "what is not concerned stays");

        way.file(&WATCHED.replace("port: 80", "port: eighty"));
        let told = up.until("the lab stays as it was");
        assert!(told.iter().any(|line| line.contains("network.yaml:2:")), "{told:#?}");
        assert_eq!(way.ps()["namespaces"].as_array().unwrap().len(), 4);

        way.file(&WATCHED.replace("port: 80", "port: 81"));
        let told = up.until(" applied in ");
        assert!(told.iter().any(|line| line == "  instance/new is removed"), "{told:#?}");
        assert!(told.iter().any(|line| line.contains("of its ruleset more")), "{told:#?}");
        let check = way.lab(&["check"]);
        assert!(check.status.success(), "{check:?}");

        let logs = text(&way.lab(&["logs"]).stdout);
        assert_eq!(logs.matches("begun").count(), 1, "a task that did not change runs on: {logs}");
        way.file(&WATCHED.replace("echo begun", "echo anew"));
        up.until("task instance/web stays is started anew");
        up.until("1 task is up");
        drop(up);
        way.gone();
    }
}

#[test]
fn a_lab_in_the_background_is_brought_to_another_network() {
    for way in ways("apply") {
        let file = way.file(WATCHED);
        assert!(way.lab(&["up", &file]).status.success());
        let same = way.lab(&["apply", &file]);
        assert_eq!(text(&same.stdout), "nothing of the lab changes\n", "{same:?}");
        way.file(&WATCHED.replace("10.0.0.5", "10.0.0.6"));
        let other = way.lab(&["apply", &file]);
        let out = text(&other.stdout);
        assert!(out.contains("instance/web: 1 address more and 1 less"), "{other:?}");
        let ran = way.lab(&["exec", "web", "cat", "/proc/net/fib_trie"]);
        assert!(text(&ran.stdout).contains("10.0.0.6"), "{ran:?}");
        assert!(way.lab(&["down"]).status.success());
        let nobody = way.lab(&["apply", &file]);
        assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
    }
}
