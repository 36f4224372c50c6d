//! Other programs: whether they are there, running them, and telling people what happens.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a command of the project ends, once it could be done at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything is as it should be.
    Passed,
    /// Something is not.
    Failed,
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Tells people something. That nobody reads it is no reason to stop.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _nobody_reads = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A heading.
pub(crate) fn step(text: &str) {
    say(&format!("\n== {text}"));
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(name.into_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Runs a program with our output, and gives its exit code.
pub(crate) fn code(command: &mut Command) -> Result<i32, String> {
    let name = shown(command);
    let status = command.status().map_err(|error| format!("cannot run `{name}`: {error}"))?;
    Ok(status.code().unwrap_or(-1))
}

/// Runs a program with our output.
pub(crate) fn run(command: &mut Command) -> Result<Outcome, String> {
    say(&format!("$ {}", shown(command)));
    Ok(if code(command)? == 0 { Outcome::Passed } else { Outcome::Failed })
}

/// Runs a program, shows its standard output line by line and hands each line on.
pub(crate) fn watch(command: &mut Command, mut each: impl FnMut(&str)) -> Result<Outcome, String> {
    let name = shown(command);
    say(&format!("$ {name}"));
    let failed = |error| format!("cannot run `{name}`: {error}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).split(b'\n') {
            let line = line.map_err(failed)?;
            let line = String::from_utf8_lossy(&line);
            say(&line);
            each(&line);
        }
    }
    let status = child.wait().map_err(failed)?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed })
}

/// Whether a program is there: it can be asked for its version.
pub(crate) fn has(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}
