//! `netwright gameday report`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use netwright_gameday::journal::{self, Event};
use netwright_history::{Limits, read as read_history};
use netwright_report::{Look, Report, Summary, Verdict};

use crate::arguments::{GamedayReport, PageFormat};
use crate::console::{Code, Console};
use crate::failure::Failure;

/// The name of the report in the folder of a run.
pub(super) const NAME: &str = "report.json";
/// The name of its page there.
pub(super) const PAGE: &str = "report.html";
/// The name of the journal there.
const JOURNAL: &str = "journal.jsonl";
/// Octets of a report at most: one of a million operations has half a million.
const LARGEST: u64 = 64 << 20;

pub(super) fn run(arguments: &GamedayReport, console: &mut Console) -> Result<Code, Failure> {
    let mut reports = Vec::new();
    for file in &arguments.files {
        reports.push(read(file)?);
    }
    let format = arguments.format.unwrap_or_else(|| by_name(arguments.output.as_deref()));
    let look = match arguments.output {
        Some(_) => Look::plain(),
        None => Look::new(console.colored(), console.size().map(|(_, columns)| columns)),
    };
    let (text, verdict) = match reports.as_slice() {
        [report] => (one(report, format, look, arguments.brief), Summary::of(report).verdict),
        several => (trend(several, format, look), latest(several)),
    };
    match &arguments.output {
        Some(path) => {
            std::fs::write(path, text).map_err(|error| Failure::output(path, &error))?;
            console.line(&format!("{}: {}", verdict.word(), path.display()));
        }
        None => console.write(&text),
    }
    Ok(match verdict {
        Verdict::Passed => Code::Pass,
        Verdict::Failed => Code::Fail,
        Verdict::Unknown => Code::Unknown,
    })
}

/// How a file of that name is written.
fn by_name(output: Option<&Path>) -> PageFormat {
    let extension = output.and_then(Path::extension).and_then(|extension| extension.to_str());
    match extension {
        Some("html" | "htm") => PageFormat::Html,
        Some("json") => PageFormat::Json,
        _ => PageFormat::Text,
    }
}

fn one(report: &Report, format: PageFormat, look: Look, brief: bool) -> String {
    match format {
        PageFormat::Text if brief => netwright_report::brief(report, look),
        PageFormat::Text => netwright_report::text(report, look),
        PageFormat::Html => netwright_report::html(report),
        PageFormat::Json => pretty(&netwright_report::json(report)),
    }
}

fn trend(reports: &[Report], format: PageFormat, look: Look) -> String {
    match format {
        PageFormat::Text => netwright_report::trend_text(reports, look),
        PageFormat::Html => netwright_report::trend_html(reports),
        PageFormat::Json => pretty(&netwright_report::trend_json(reports)),
    }
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// The verdict of the run that began last.
fn latest(reports: &[Report]) -> Verdict {
    let last = reports.iter().max_by_key(|report| (&report.run.began, &report.run.id));
    last.map_or(Verdict::Unknown, |report| Summary::of(report).verdict)
}

/// Makes the report of a run's folder from what was written there, and puts it beside that.
pub(super) fn write(folder: &Path) -> Result<Report, Failure> {
    let report = of_journal(folder)?;
    let texts =
        [(NAME, pretty(&netwright_report::json(&report))), (PAGE, netwright_report::html(&report))];
    for (name, text) in texts {
        let file = folder.join(name);
        std::fs::write(&file, text).map_err(|error| Failure::output(&file, &error))?;
    }
    Ok(report)
}

/// The report of what a journal and the histories beside it say, be the run at its end or not.
fn of_journal(folder: &Path) -> Result<Report, Failure> {
    let file = folder.join(JOURNAL);
    let fail = |why: String| Failure::usage(format!("{}: {why}", file.display()), None);
    let text = std::fs::read(&file).map_err(|error| fail(error.to_string()))?;
    // A line that a crash tore may end in the middle of a letter.
    let text = String::from_utf8_lossy(&text);
    let (lines, _notices) =
        journal::read(&text).map_err(|(line, why)| fail(format!("line {line}: {why}")))?;
    let mut histories = BTreeMap::new();
    for line in &lines {
        let Event::Workload { history, .. } = &line.event else { continue };
        // A history that cannot be read is left out: its check says so.
        if let Ok(told) = read_history(Limits::default(), || File::open(folder.join(history))) {
            histories.insert(history.clone(), told);
        }
    }
    netwright_gameday::report::report(&lines, &histories)
        .ok_or_else(|| fail("it does not begin with a run".to_owned()))
}

/// Reads a report: a file, or that of a folder, which is made of its journal where it was not written; or what a journal that is named itself says.
fn read(path: &Path) -> Result<Report, Failure> {
    if path.is_dir() && !path.join(NAME).exists() && path.join(JOURNAL).exists() {
        return of_journal(path);
    }
    if path.file_name().is_some_and(|name| name == JOURNAL) {
        return of_journal(path.parent().unwrap_or(Path::new("")));
    }
    let file = if path.is_dir() { path.join(NAME) } else { path.to_owned() };
    let fail = |why: String, help: Option<&str>| {
        Failure::usage(format!("{}: {why}", file.display()), help.map(str::to_owned))
    };
    let text = contents(&file).map_err(|error| {
        let help = path.is_dir().then_some("a folder of a run holds its report as `report.json`");
        fail(error, help)
    })?;
    netwright_report::read(&text).map_err(|error| match error {
        netwright_report::ReadError::Form { .. } => {
            Failure::usage(format!("{}:{error}", file.display()), None)
        }
        netwright_report::ReadError::NoReport => {
            fail(error.to_string(), Some("`netwright gameday run` writes reports"))
        }
        other => fail(other.to_string(), None),
    })
}

fn contents(file: &PathBuf) -> Result<String, String> {
    let opened = File::open(file).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    opened.take(LARGEST + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LARGEST {
        return Err(format!("a report has at most {} MiB", LARGEST >> 20));
    }
    String::from_utf8(text)
        .map_err(|error| format!("octet {} is not UTF-8", error.utf8_error().valid_up_to() + 1))
}
