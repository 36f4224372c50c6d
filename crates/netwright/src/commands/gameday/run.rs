//! `netwright gameday run`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use netwright_gameday::journal::Verdict;
use netwright_gameday::run::{Outcome, Setting, new_id, reference_programs, refused, run as go};
use netwright_lab::interrupt::Interrupt;
use netwright_lab::{control, keeper, place};
use netwright_report::{Span, Summary};
use serde_json::json;

use super::live::Live;
use super::{Opened, open, plan, report};
use crate::arguments::{Format, GamedayRun, Hosts};
use crate::commands::lab;
use crate::console::{Code, Console};
use crate::failure::Failure;

pub(super) fn run(arguments: &GamedayRun, console: &mut Console) -> Result<Code, Failure> {
    let opened = open(&arguments.experiment, arguments.network.as_deref(), &arguments.changes)?;
    can("in a lab", &refused(&opened.plan))?;
    let id = new_id();
    let folder = folder(arguments, &id)?;
    let setting = Setting {
        plan: &opened.plan,
        host: &opened.host,
        lab: &arguments.lab.name,
        id: &id,
        experiment: &opened.name,
        text: &opened.text,
        home: &opened.home,
        network: &opened.network,
        folder: &folder,
        exec: &exec(&arguments.lab.name)?,
        here: &here()?,
    };
    // What is not installed is told before anything is begun.
    reference_programs(&setting)
        .map_err(|failure| Failure::usage(failure.message, failure.help))?;
    // From here on a signal takes everything back first.
    let interrupt = Interrupt::note().map_err(lab::told)?;
    let text = arguments.format == Format::Text;
    if text {
        plan::text(&opened.plan, console);
        console.line("");
        console.flush();
    }
    let held = stands(&opened, &arguments.lab.name, (text, &interrupt), console)?;
    std::fs::create_dir_all(&folder).map_err(|error| Failure::output(&folder, &error))?;
    let outcome = {
        let mut live = Live::new(&opened.plan, text, console);
        go(&setting, &|| interrupt.asked(), &mut |event| live.tell(event))
    };
    if let Some(held) = held {
        control::down(&arguments.lab.name).map_err(lab::told)?;
        held.wait().map_err(lab::told)?;
    }
    let outcome = outcome.map_err(|failure| Failure::usage(failure.message, failure.help))?;
    told(&outcome, (&id, &folder), text, console)
}

/// Whether all of an experiment can be done somewhere: nothing is begun where anything cannot.
pub(super) fn can(place: &str, not_done: &[String]) -> Result<(), Failure> {
    let Some((first, more)) = not_done.split_first() else { return Ok(()) };
    let help = more.iter().map(|why| format!("also: {why}")).collect::<Vec<_>>().join("; ");
    let help = (!help.is_empty()).then_some(help);
    Err(Failure::usage(format!("this is not done {place}: {first}"), help))
}

/// Where the journal, histories and report of a run go.
pub(super) fn folder(arguments: &GamedayRun, id: &str) -> Result<PathBuf, Failure> {
    let folder = arguments.output.clone().unwrap_or_else(|| PathBuf::from("gameday-runs").join(id));
    if folder.join("journal.jsonl").exists() {
        let message = format!("{} holds the journal of another run", folder.display());
        return Err(Failure::usage(message, Some("choose another folder".to_owned())));
    }
    Ok(std::path::absolute(&folder).unwrap_or(folder))
}

/// Writes the report of a run, and tells what came of it.
pub(super) fn told(
    outcome: &Outcome,
    (id, folder): (&str, &Path),
    text: bool,
    console: &mut Console,
) -> Result<Code, Failure> {
    let report = report::write(folder)?;
    if !text {
        console.json(&json!({
            "version": 1,
            "id": id,
            "verdict": outcome.verdict,
            "criteria": outcome.criteria,
            "journal": outcome.journal,
            "report": folder.join(report::NAME),
            "recovery_seconds": report.recovery.took().map(Span::seconds),
        }));
    } else {
        let summary = Summary::of(&report);
        if let (Some(took), Some(objective)) = (summary.recovery_time, summary.recovery_objective) {
            console.line(&format!(
                "recovery time: {took} from the first fault until all of the service was there again, of {objective} allowed"
            ));
        }
        console.line(&format!("journal: {}", shown(&outcome.journal)));
        console.line(&format!("report: {}", shown(&folder.join(report::PAGE))));
    }
    Ok(match outcome.verdict {
        Verdict::Pass => Code::Pass,
        Verdict::Fail => Code::Fail,
        Verdict::Unknown => Code::Unknown,
    })
}

/// A path as seen from here, where it lies below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// The words with which this program runs a command in a lab.
fn exec(lab: &str) -> Result<Vec<String>, Failure> {
    own(&["lab", "exec", "--name", lab])
}

/// The words with which this program becomes a command of this machine.
pub(super) fn here() -> Result<Vec<String>, Failure> {
    own(&["lab", "step"])
}

/// This program, and words for it.
fn own(words: &[&str]) -> Result<Vec<String>, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::usage(format!("this program cannot be found: {error}"), None))?;
    let program = program.to_string_lossy().into_owned();
    Ok([program.as_str()].iter().chain(words).map(|word| (*word).to_owned()).collect())
}

/// The lab of the network: the one that runs, or one that is started and ends with this program.
fn stands(
    opened: &Opened,
    name: &str,
    (text, interrupt): (bool, &Interrupt),
    console: &mut Console,
) -> Result<Option<keeper::Held>, Failure> {
    if place::names().iter().any(|own| own == name) {
        let there: BTreeSet<String> =
            control::ps(name).map_err(lab::told)?.into_iter().map(|row| row.name).collect();
        let missing = opened.host.namespaces.iter().find(|space| !there.contains(&space.name));
        return match missing {
            None => Ok(None),
            Some(missing) => {
                let message =
                    format!("the lab {name} is of another network: it has no {}", missing.name);
                let help =
                    "name another lab: `--name NAME`; one is started where none of that name runs";
                Err(Failure::usage(message, Some(help.to_owned())))
            }
        };
    }
    let hosts = Hosts { hosts: 1 };
    let mut quiet = Console::quiet();
    let console = if text { console } else { &mut quiet };
    let (code, held) =
        lab::start(&opened.network, (name, hosts, false), (true, Some(interrupt)), console)?;
    console.line("");
    console.flush();
    if code != Code::Pass {
        let message = "a command of the network does not come up, so nothing is begun";
        return Err(Failure::unknown(message));
    }
    Ok(held)
}
