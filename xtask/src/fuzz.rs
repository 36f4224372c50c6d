//! `cargo xtask fuzz`: arbitrary input to every parser and to the pipeline.
//!
//! The targets are ordinary programs with libFuzzer in them: the compiler that builds Netwright builds them too, with its
//! coverage instrumentation switched on. `cargo fuzz` runs the same targets where it is installed.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread::ScopedJoinHandle;

use crate::shell::{self, Outcome, cargo, has, root, say};

/// Seconds for each target unless given.
pub(crate) const SECONDS: u32 = 60;

/// Seconds for each target in the moment that tests take.
const MOMENT: u32 = 10;
/// Where each begins then.
const SEED: u32 = 1;
/// Targets that run at a time then.
const AT_A_TIME: usize = 2;

/// Memory that a target may use, in MiB: bad input must not exhaust a machine.
const MEMORY: u32 = 2048;

/// A target: its name, and a folder of inputs to start from.
type Target = (&'static str, Option<&'static str>);

/// The targets.
const TARGETS: [Target; 8] = [
    ("scalars", None),
    ("json", None),
    ("description", Some("examples/quickstart")),
    ("import", Some("fuzz/seeds/import")),
    ("pipeline", Some("examples/quickstart")),
    ("dns", None),
    ("history", Some("examples/histories")),
    ("watch", None),
];

/// What a program said.
fn text(ran: &Output) -> String {
    [&ran.stdout, &ran.stderr].map(|said| String::from_utf8_lossy(said).into_owned()).concat()
}

/// What fuzzing needs and this machine lacks.
pub(crate) fn missing() -> Option<&'static str> {
    let compilers = ["c++", "g++", "clang++"];
    if !compilers.iter().any(|name| has(Command::new(name).arg("--version"))) {
        return Some("fuzzing needs a C++ compiler: on Debian, apt-get install g++");
    }
    None
}

/// Flags that `cargo fuzz` passes too: count the edges that an input reaches, and see what it is compared with.
fn flags(more: &str) -> String {
    let coverage = ["level=4", "inline-8bit-counters", "pc-table", "trace-compares"];
    let coverage = coverage.map(|one| format!("-Cllvm-args=-sanitizer-coverage-{one}"));
    let coverage = coverage.join(" ");
    format!("--cfg fuzzing -Cpasses=sancov-module {coverage} {more} -Cdebug-assertions")
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

/// Targets that are built.
struct Built {
    programs: PathBuf,
    /// Where inputs are kept: those that found something new, and those that found something wrong.
    kept: PathBuf,
}

/// Builds the targets: none where that fails.
fn build(profile: &str, flags: &str) -> Result<Option<Built>, String> {
    let folder = root().join("fuzz");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let target = target.join("fuzz");
    // With a target named, the flags are for the fuzz targets alone: build scripts know no libFuzzer.
    let host = host()?;
    let mut build = cargo();
    build.args(["build", "--profile", profile, "--locked", "--target", &host]);
    build.current_dir(&folder).env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", flags);
    let programs = target.join(&host).join(profile);
    let built = Built { programs, kept: folder };
    Ok((shell::run(&mut build)? == Outcome::Passed).then_some(built))
}

impl Built {
    /// What runs a target for so long; with a seed the inputs are the same each time.
    fn command(
        &self,
        (name, seeds): Target,
        seconds: u32,
        seed: Option<u32>,
    ) -> Result<Command, String> {
        let corpus = self.kept.join("corpus").join(name);
        let found = self.kept.join("artifacts").join(name);
        for needed in [&corpus, &found] {
            std::fs::create_dir_all(needed)
                .map_err(|error| format!("cannot make {}: {error}", needed.display()))?;
        }
        let mut command = Command::new(self.programs.join(name));
        command.arg(&corpus);
        command.args(seeds.map(|seeds| root().join(seeds)));
        command.arg(format!("-artifact_prefix={}/", found.display()));
        command.arg(format!("-max_total_time={seconds}"));
        command.arg(format!("-rss_limit_mb={MEMORY}"));
        command.args(seed.map(|seed| format!("-seed={seed}")));
        command.args(["-timeout=20", "-verbosity=0", "-print_funcs=0", "-print_final_stats=1"]);
        Ok(command)
    }
}

/// Runs each target for so long, one after the other, with other inputs each time.
pub(crate) fn run(seconds: u32) -> Result<Outcome, String> {
    if let Some(why) = missing() {
        return Err(why.to_owned());
    }
    let Some(built) = build("release", &flags("-Ccodegen-units=1"))? else {
        return Ok(Outcome::Failed);
    };
    let mut outcome = Outcome::Passed;
    for target in TARGETS {
        say(&format!("\n-- {}, {seconds} seconds", target.0));
        if shell::run(&mut built.command(target, seconds, None)?)? == Outcome::Failed {
            outcome = Outcome::Failed;
        }
    }
    Ok(outcome)
}

/// Runs each target for a moment, with the same inputs each time, so that a change is blamed for its own faults. They are built soon rather than fast, and
/// run a few at a time.
pub(crate) fn moment() -> Result<Outcome, String> {
    let Some(built) = build("moment", &flags(""))? else { return Ok(Outcome::Failed) };
    let one = |target: Target| {
        let mut command = built.command(target, MOMENT, Some(SEED))?;
        command.output().map_err(|error| format!("cannot run {}: {error}", target.0))
    };
    let mut outcome = Outcome::Passed;
    for some in TARGETS.chunks(AT_A_TIME) {
        let ran: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = some.iter().map(|target| scope.spawn(|| one(*target))).collect();
            all.into_iter().map(ScopedJoinHandle::join).collect()
        });
        for ((name, _), ran) in some.iter().zip(ran) {
            let ran = ran.map_err(|_| format!("{name}: nobody waited for it"))??;
            say(&format!("\n-- {name}, {MOMENT} seconds\n{}", text(&ran)));
            if !ran.status.success() {
                outcome = Outcome::Failed;
            }
        }
    }
    Ok(outcome)
}
