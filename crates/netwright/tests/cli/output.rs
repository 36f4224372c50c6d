//! Where output goes and what it looks like there.

use std::io::Read;
use std::process::Stdio;

use crate::folder::{Folder, SHOP};
use crate::run::{command, netwright, on};

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::new();
    let generated = netwright(&folder, &["generate", "--instances", "2000"]).ends(0);
    folder.write("big.yaml", generated.out);
    let words = ["import", "big.yaml"];
    let mut child = command(folder.path(), &words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut one = [0; 1];
    let mut out = child.stdout.take().expect("piped");
    out.read_exact(&mut one).expect("something is written");
    drop(out);
    let output = child.wait_with_output().expect("the program ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!err.contains("panicked") && !err.contains("Broken pipe"), "{err}");
    assert_eq!(output.status.code(), Some(0), "{err}");
}

#[test]
fn a_pipe_gets_no_colour_unless_it_is_asked_for() {
    let words = ["trace", "network.yaml", "web-1", "db-1"];
    assert!(!on(SHOP, &words).out.contains('\u{1b}'));
    let words = ["trace", "network.yaml", "web-1", "db-1", "--color", "always"];
    assert!(on(SHOP, &words).out.contains('\u{1b}'));
}

#[test]
fn help_and_version_go_to_standard_output() {
    let folder = Folder::new();
    let help = netwright(&folder, &["--help"]).ends(0);
    assert!(help.out.contains("Exit codes") && help.err.is_empty());
    netwright(&folder, &["--version"]).ends(0);
}

#[test]
fn every_command_has_help_with_what_it_is_for() {
    let folder = Folder::new();
    let help = netwright(&folder, &["--help"]).ends(0).out;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .collect();
    assert!(commands.len() >= 9, "{commands:?}");
    for word in commands {
        let ran = netwright(&folder, &[word, "--help"]).ends(0);
        assert!(ran.out.contains("Usage: netwright "), "{}", ran.out);
    }
}
