//! Every session shown in a document is run, and must print what the document shows.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

#[path = "harness/words.rs"]
mod words;

use std::path::{Path, PathBuf};
use std::process::Command;

use words::words;

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

/// The documents of a folder and its folders.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn documents_show_what_the_program_prints() {
    let mut all = vec![root().join("README.md")];
    documents(&root().join("docs"), &mut all);
    documents(&root().join("examples"), &mut all);
    let mut count = 0;
    for document in all {
        let text = std::fs::read_to_string(&document).unwrap();
        for session in sessions(&text) {
            let place = format!("{}:{}", document.display(), session.line);
            let words = words(&session.command);
            assert_eq!(words[0], "netwright", "{place}");
            let output = Command::new(env!("CARGO_BIN_EXE_netwright"))
                .args(&words[1..])
                .current_dir(root())
                .output()
                .unwrap();
            // What is wrong with an input is told on standard error, and nothing else then.
            let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(printed, session.output, "{place}: $ {}", session.command);
            count += 1;
        }
    }
    assert!(count >= 10, "only {count} sessions were found");
}
