//! Running the program as a user does.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::folder::Folder;

/// How the program ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Runs a command.
    pub(crate) fn of(command: &mut Command) -> Self {
        ran(&command.output().expect("the program starts"))
    }

    /// The JSON that it wrote.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Ends the test unless the program ended so.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }
}

pub(crate) fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
    command.args(words).current_dir(folder).env_remove("NO_COLOR");
    command
}

fn ran(output: &Output) -> Ran {
    let code = output.status.code().unwrap_or(-1);
    let out = String::from_utf8(output.stdout.clone()).expect("output is UTF-8");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!err.contains("panicked"), "{err}");
    Ran { code, out, err }
}

/// Runs the program in a folder.
pub(crate) fn netwright(folder: &Folder, words: &[&str]) -> Ran {
    Ran::of(&mut command(folder.path(), words))
}

/// Runs the program on one description.
pub(crate) fn on(text: &str, words: &[&str]) -> Ran {
    let folder = Folder::new();
    folder.write("network.yaml", text);
    netwright(&folder, words)
}
