//! A lab for a benchmark, and what runs in it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The lab and what runs in it, ended with this.
pub(super) struct Lab {
    name: String,
    pub(super) folder: PathBuf,
    running: Vec<Child>,
}

impl Lab {
    /// Files for a lab: the network, and others by name.
    pub(super) fn files(what: &str, files: &[(&str, &str)]) -> Self {
        let name = format!("bench-{what}-{}", std::process::id());
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        Self { name, folder, running: Vec::new() }
    }

    /// Builds it of its file `network.yaml`; why it cannot be.
    pub(super) fn up(&self) -> Result<(), String> {
        let up = self.netwright(&["up", "network.yaml"]).output().unwrap();
        if up.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&[up.stdout, up.stderr].concat()).trim().to_owned())
    }

    pub(super) fn netwright(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
        command.args(["lab", words[0], "--name", &self.name]).args(&words[1..]);
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// A command on a machine of the lab.
    pub(super) fn on(&self, machine: &str, words: &[&str]) -> Command {
        self.netwright(&[&["exec", machine, "--"], words].concat())
    }

    pub(super) fn start(&mut self, machine: &str, words: &[&str]) {
        let mut command = self.on(machine, words);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.running.push(child);
    }

    /// Runs a part of this program on a machine; the numbers that it says.
    pub(super) fn numbers(&self, machine: &str, words: &[&str]) -> Vec<f64> {
        let program = std::env::current_exe().unwrap();
        let words = [&[program.to_str().unwrap()], words].concat();
        let ran = self.on(machine, &words).stderr(Stdio::inherit()).output().unwrap();
        let told = String::from_utf8_lossy(&ran.stdout);
        told.split_whitespace().map(|number| number.parse().unwrap()).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ended = self.netwright(&["down"]).stdout(Stdio::null()).status();
        for child in &mut self.running {
            let _status = child.kill().and_then(|()| child.wait());
        }
        let _stays = std::fs::remove_dir_all(&self.folder);
    }
}

/// The middle one, and the least and the most.
pub(super) fn spread(numbers: &mut [f64]) -> (f64, f64, f64) {
    numbers.sort_by(f64::total_cmp);
    (numbers[numbers.len() / 2], numbers[0], numbers[numbers.len() - 1])
}
