//! `cargo xtask fuzz`: arbitrary input to every parser and to the pipeline.

use std::process::Command;

use crate::shell::{self, Outcome, has, root, say};

/// Seconds for each target unless given.
pub(crate) const SECONDS: u32 = 60;

/// Memory that a target may use, in MiB: bad input must not exhaust a machine.
const MEMORY: u32 = 2048;

/// What fuzzing needs and this machine lacks.
pub(crate) fn missing() -> Option<String> {
    if !root().join("fuzz/Cargo.toml").is_file() {
        return Some("there is no folder fuzz/".to_owned());
    }
    if !has(Command::new("cargo").args(["+nightly", "--version"])) {
        return Some(
            "fuzzing needs a nightly compiler: `rustup toolchain install nightly`".to_owned(),
        );
    }
    if !has(Command::new("cargo").args(["+nightly", "fuzz", "--version"])) {
        return Some("fuzzing needs cargo-fuzz: `cargo install cargo-fuzz`".to_owned());
    }
    None
}

pub(crate) fn run(seconds: u32) -> Result<Outcome, String> {
    if let Some(why) = missing() {
        return Err(why);
    }
    let list = Command::new("cargo")
        .args(["+nightly", "fuzz", "list"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("cannot list the fuzz targets: {error}"))?;
    let mut outcome = Outcome::Passed;
    for target in String::from_utf8_lossy(&list.stdout).split_whitespace() {
        say(&format!("\n-- {target}, {seconds} seconds"));
        let mut command = Command::new("cargo");
        command.args(["+nightly", "fuzz", "run", target, "--"]).current_dir(root());
        command.arg(format!("-max_total_time={seconds}"));
        command.arg(format!("-rss_limit_mb={MEMORY}"));
        if shell::run(&mut command)? == Outcome::Failed {
            outcome = Outcome::Failed;
        }
    }
    Ok(outcome)
}
