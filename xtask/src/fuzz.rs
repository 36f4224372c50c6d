//! `cargo xtask fuzz`: arbitrary input to every parser and to the pipeline.
//!
//! The targets are ordinary programs with libFuzzer in them: the compiler that builds Netwright builds them too, with its
//! coverage instrumentation switched on. `cargo fuzz` runs the same targets where it is installed.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Outcome, cargo, has, root, say};

/// Seconds for each target unless given.
pub(crate) const SECONDS: u32 = 60;

/// Memory that a target may use, in MiB: bad input must not exhaust a machine.
const MEMORY: u32 = 2048;

/// The targets, each with a folder of inputs to start from.
const TARGETS: [(&str, Option<&str>); 8] = [
    ("scalars", None),
    ("json", None),
    ("description", Some("examples/quickstart")),
    ("import", Some("fuzz/seeds/import")),
    ("pipeline", Some("examples/quickstart")),
    ("dns", None),
    ("history", Some("examples/histories")),
    ("watch", None),
];

/// What fuzzing needs and this machine lacks.
pub(crate) fn missing() -> Option<&'static str> {
    let compilers = ["c++", "g++", "clang++"];
    if !compilers.iter().any(|name| has(Command::new(name).arg("--version"))) {
        return Some("fuzzing needs a C++ compiler: on Debian, apt-get install g++");
    }
    None
}

/// Flags that `cargo fuzz` passes too: count the edges that an input reaches, and see what it is compared with.
fn flags() -> String {
    let coverage = ["level=4", "inline-8bit-counters", "pc-table", "trace-compares"];
    let coverage = coverage.map(|one| format!("-Cllvm-args=-sanitizer-coverage-{one}"));
    format!(
        "--cfg fuzzing -Cpasses=sancov-module {} -Ccodegen-units=1 -Cdebug-assertions",
        coverage.join(" ")
    )
}

/// The machine's own target triple.
fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not tell its host".to_owned())
}

/// Runs each target for so long; with a seed the inputs are the same each time.
pub(crate) fn run(seconds: u32, seed: Option<u32>) -> Result<Outcome, String> {
    if let Some(why) = missing() {
        return Err(why.to_owned());
    }
    let folder = root().join("fuzz");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let target = target.join("fuzz");
    let mut build = cargo();
    // With a target named, the flags are for the fuzz targets alone: build scripts know no libFuzzer.
    let host = host()?;
    build.args(["build", "--release", "--locked", "--target", &host]).current_dir(&folder);
    build.env("RUSTFLAGS", flags()).env("CARGO_TARGET_DIR", &target);
    if shell::run(&mut build)? == Outcome::Failed {
        return Ok(Outcome::Failed);
    }
    let mut outcome = Outcome::Passed;
    for (name, seeds) in TARGETS {
        say(&format!("\n-- {name}, {seconds} seconds"));
        let corpus = folder.join("corpus").join(name);
        let found = folder.join("artifacts").join(name);
        for needed in [&corpus, &found] {
            std::fs::create_dir_all(needed)
                .map_err(|error| format!("cannot make {}: {error}", needed.display()))?;
        }
        let mut command = Command::new(target.join(&host).join("release").join(name));
        command.arg(&corpus);
        command.args(seeds.map(|seeds| root().join(seeds)));
        command.arg(format!("-artifact_prefix={}/", found.display()));
        command.arg(format!("-max_total_time={seconds}"));
        command.arg(format!("-rss_limit_mb={MEMORY}"));
        command.args(seed.map(|seed| format!("-seed={seed}")));
        command.args(["-timeout=20", "-verbosity=0", "-print_funcs=0", "-print_final_stats=1"]);
        if shell::run(&mut command)? == Outcome::Failed {
            outcome = Outcome::Failed;
        }
    }
    Ok(outcome)
}
