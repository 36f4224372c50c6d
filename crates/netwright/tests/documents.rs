//! Every session shown in a document is run, and must print what the document shows.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A command of a document with what the document shows of its output.
struct Session {
    line: usize,
    command: String,
    output: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The sessions in a document: blocks marked `console`, with commands after `$ `.
fn sessions(text: &str) -> Vec<Session> {
    let mut found: Vec<Session> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match line.strip_prefix("$ ") {
                Some(command) => found.push(Session {
                    line: index + 1,
                    command: command.to_owned(),
                    output: String::new(),
                }),
                None => {
                    if let Some(session) = found.last_mut() {
                        session.output += line;
                        session.output.push('\n');
                    }
                }
            },
            (false, _) => {}
        }
    }
    found
}

/// The words of a command, quotes taken off.
fn words(command: &str) -> Vec<String> {
    command.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let all = sessions(&text);
    assert!(all.len() >= 5, "only {} sessions were found", all.len());
    for session in all {
        let words = words(&session.command);
        assert_eq!(words[0], "netwright", "line {}", session.line);
        let output = Command::new(env!("CARGO_BIN_EXE_netwright"))
            .args(&words[1..])
            .current_dir(root())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed, session.output, "README.md:{}: $ {}", session.line, session.command);
    }
}
