//! The sessions of the guide about watching: what is shown there is what the commands say, with a watch that runs in a lab beside them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::harness::{Stays, text, ways};
use super::words::words;

/// How long a command may have to say something else first: a state is known after some probes.
const PATIENCE: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Commands of blocks that are marked so, each with what is shown of its output.
fn sessions(guide: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in guide.lines() {
        inside = (inside && line != "```") || line == "```console watch";
        if !inside || line.starts_with("```") {
            continue;
        }
        match line.strip_prefix("$ ") {
            Some(command) => found.push((command.to_owned(), String::new())),
            None => {
                let last = found.last_mut().unwrap();
                last.1 += line;
                last.1.push('\n');
            }
        }
    }
    found
}

/// A text as words, without what is other each time: moments, times, shares.
fn plain(text: &str) -> String {
    let word = |word: &str| {
        let moment = word.len() >= 20 && word.starts_with("20") && word.contains("Z");
        let number = word.trim_end_matches([',', ':']).parse::<f64>().is_ok();
        match (moment, number) {
            (true, _) => "MOMENT".to_owned(),
            (_, true) => "NUMBER".to_owned(),
            _ => word.to_owned(),
        }
    };
    let unit = |word: &str| {
        let unit = word.trim_end_matches([',', ':']);
        if ["µs", "ms", "s", "min", "m", "h"].contains(&unit) {
            word.replace(unit, "UNIT")
        } else {
            word.to_owned()
        }
    };
    let line = |line: &str| {
        line.split_whitespace().map(word).map(|one| unit(&one)).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_guides_sessions_of_a_watch_are_what_the_commands_say() {
    let guide = std::fs::read_to_string(root().join("docs/guides/watch.md")).unwrap();
    let sessions = sessions(&guide);
    assert!(sessions.len() >= 10, "{sessions:#?}");
    for way in ways("sessions").into_iter().take(1) {
        let state = way.folder.join("state");
        let command = |line: &str| {
            let words = words(line);
            let mut command = Command::new(&way.program);
            command.args(&words[1..]).current_dir(root());
            command.env("NETWRIGHT_STATE", &state).env("USER", "ann");
            command
        };
        let said = |ran: &Output| text(&ran.stderr) + &text(&ran.stdout);
        let mut watch: Option<Stays> = None;
        for (line, shown) in &sessions {
            if line == "kill %1" {
                assert!(watch.take().unwrap().interrupt().0.is_some());
                continue;
            }
            if let Some(line) = line.strip_suffix(" &") {
                let begun = Stays::start(command(line));
                begun.until("answering at");
                watch = Some(begun);
                continue;
            }
            // What changes something is done once; everything else is asked until it is as shown.
            let once = ["--why", "--lift", "lab up"].iter().any(|word| line.contains(word));
            let begun = Instant::now();
            loop {
                let ran = said(&command(line).output().unwrap());
                if plain(&ran) == plain(shown) {
                    break;
                }
                let patient = !once && begun.elapsed() < PATIENCE;
                assert!(patient, "$ {line}\n{}\n--- shown:\n{}", plain(&ran), plain(shown));
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        Command::new(&way.program).args(["lab", "down", "--name", "watched"]).output().unwrap();
    }
}
