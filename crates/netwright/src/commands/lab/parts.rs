//! Parts of this program that stand in a lab for what a cloud provides, each in a process of its own.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsFd;

use netwright_agent::guard;
use netwright_dataplane::plan::emulation::RELAY_PART;
use netwright_dns::settings::Settings;
use netwright_lab::link::relay;
use netwright_lab::stand_in;

use super::fleet;
use crate::console::{Code, Console};
use crate::failure::Failure;

/// Longest settings of a part, in octets.
const SETTINGS: u64 = 256 * 1024 * 1024;

/// Is the part until it ends. Its settings are on the standard input; what it says is kept by the lab.
pub(super) fn run(part: &str, console: &mut Console) -> Result<Code, Failure> {
    match part {
        "dns" => names(console),
        fleet::SERVE => fleet::serve(console),
        fleet::COMMAND => {
            let words = text().map_err(|why| Failure::usage(why, None))?;
            fleet::command(&words, console)
        }
        RELAY_PART => {
            let mut say = |line: &str| {
                console.error(&format!("{line}\n"));
                console.flush();
            };
            let run = relay::run(&mut || serde_json::from_str(&text().ok()?).ok(), &mut say);
            run.map(|()| Code::Pass).map_err(super::told)
        }
        guard::PART => {
            let mut say = |line: &str| {
                console.line(line);
                console.flush();
            };
            guard::run(&mut say)
                .map(|()| Code::Pass)
                .map_err(|error| Failure::usage(error.to_string(), None))
        }
        _ => match stand_in::run(part) {
            Some(Ok(())) => Ok(Code::Pass),
            Some(Err(failure)) => Err(super::told(failure)),
            None => Err(Failure::usage(format!("a lab has no part {part}"), None)),
        },
    }
}

/// The settings of a name server.
fn settings() -> Result<Settings, String> {
    serde_json::from_str(&text()?).map_err(|error| error.to_string())
}

/// A name server. It takes other settings while it runs.
fn names(console: &mut Console) -> Result<Code, Failure> {
    let settings = settings().map_err(|why| {
        Failure::usage(format!("the settings of the name server cannot be read: {why}"), None)
    })?;
    let mut say = |line: &str| {
        console.error(&format!("{line}\n"));
        console.flush();
    };
    // What cannot be read is being written: another signal comes.
    match netwright_dns::serve::serve(&settings, &mut say, &mut || self::settings().ok()) {
        Ok(()) => Ok(Code::Pass),
        Err(error) => Err(Failure::usage(format!("the name server cannot serve: {error}"), None)),
    }
}

/// What stands at the beginning of the standard input, or all that comes where that is no file.
fn text() -> Result<String, String> {
    let mut file = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .map_err(|error| error.to_string())?;
    // What is no file has no beginning: it is read as it comes.
    let _none = file.rewind();
    let mut text = String::new();
    file.take(SETTINGS).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}
