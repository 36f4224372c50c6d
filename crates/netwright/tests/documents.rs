//! Every session shown in a document is run, and must print what the document shows. In sessions marked `console lab`, which build networks on this machine,
//! times are other each time: they are compared without them, and left out where no lab can be built.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

#[path = "harness/words.rs"]
mod words;

use std::path::{Path, PathBuf};
use std::process::Command;

use words::words;

/// A command of a document with what the document shows of its output.
struct Session {
    line: usize,
    /// It is about a lab.
    lab: bool,
    command: String,
    output: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The sessions in a document: blocks marked `console`, with commands after `$ `.
fn sessions(text: &str) -> Vec<Session> {
    let mut found: Vec<Session> = Vec::new();
    let (mut inside, mut lab) = (false, false);
    for (index, line) in text.lines().enumerate() {
        match (inside, line) {
            (false, "```console" | "```console lab") => {
                (inside, lab) = (true, line.ends_with(" lab"));
            }
            (true, "```") => inside = false,
            (true, line) => match line.strip_prefix("$ ") {
                Some(command) => found.push(Session {
                    line: index + 1,
                    lab,
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

/// A text without its times, each line as words: how wide a column is depends on them.
fn without_times(text: &str) -> String {
    let line = |line: &str| {
        let mut words: Vec<&str> = Vec::new();
        for word in line.split_whitespace() {
            let unit = ["µs", "ms", "s"].contains(&word.trim_end_matches([',', ';', ':', ']']));
            match words.last_mut() {
                Some(last) if unit && last.parse::<f64>().is_ok() => *last = "TIME",
                _ => words.push(word),
            }
        }
        words.join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Whether networks can be built here.
fn labs() -> bool {
    let name = format!("documents-{}", std::process::id());
    let file = root().join("examples/quickstart/network.yaml");
    let lab = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
        command.arg("lab").args(words).args(["--name", &name]).output().unwrap()
    };
    let up = lab(&["up", file.to_str().unwrap()]);
    if !up.status.success() {
        eprintln!("skipped: {}", String::from_utf8_lossy(&up.stderr).trim());
    }
    lab(&["down"]);
    up.status.success()
}

#[test]
fn documents_show_what_the_program_prints() {
    let mut all = vec![root().join("README.md")];
    documents(&root().join("docs"), &mut all);
    documents(&root().join("examples"), &mut all);
    let mut count = 0;
    let labs = labs();
    for document in all {
        let text = std::fs::read_to_string(&document).unwrap();
        for session in sessions(&text) {
            let place = format!("{}:{}", document.display(), session.line);
            let words = words(&session.command);
            assert_eq!(words[0], "netwright", "{place}");
            if session.lab && !labs {
                continue;
            }
            let output = Command::new(env!("CARGO_BIN_EXE_netwright"))
                .args(&words[1..])
                .current_dir(root())
                .output()
                .unwrap();
            // What is wrong with an input is told on standard error, and nothing else then.
            let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            let (printed, shown) = match session.lab {
                true => (without_times(&printed), without_times(&session.output)),
                false => (printed, session.output),
            };
            assert_eq!(printed, shown, "{place}: $ {}", session.command);
            count += 1;
        }
    }
    assert!(count >= 10, "only {count} sessions were found");
}
