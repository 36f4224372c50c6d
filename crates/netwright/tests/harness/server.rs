//! A server with the embedded store, and the commands that ask it.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A server with a store of its own; both go with it.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) folder: PathBuf,
    /// Where commands are run: the project's folder at first.
    pub(crate) at: PathBuf,
}

impl Server {
    pub(crate) fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name =
            format!("netwright-{}-{}-{number}", env!("CARGO_CRATE_NAME"), std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self::on(folder)
    }

    pub(crate) fn on(folder: PathBuf) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_netwright"))
            .args(["serve", "--listen", "127.0.0.1:0", "--lease", "2", "--state"])
            .arg(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening at ").unwrap().to_owned();
        let at = concat!(env!("CARGO_MANIFEST_DIR"), "/../..").into();
        let server = Self { child, url, folder, at };
        // It leads, and its allocators know the store, soon after it answers.
        for wish in [&["rollback", "1", "--dry-run"][..], &["release", "vni", "16777215"]] {
            for _ in 0..200 {
                if server.run(wish).status.code() != Some(3) {
                    break;
                }
                Command::new("sleep").arg("0.1").status().unwrap();
            }
        }
        server
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_netwright"))
            .args(words)
            .env("NETWRIGHT_SERVER", &self.url)
            .current_dir(&self.at)
            .output()
            .unwrap()
    }

    /// The exit code, and what was written to both.
    pub(crate) fn ask(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.run(words);
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    /// What is printed where it works.
    pub(crate) fn told(&self, words: &[&str]) -> String {
        let (code, out, err) = self.ask(words);
        assert_eq!(code, 0, "{words:?}: {out}{err}");
        out.trim().to_owned()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}
