//! `netwright doctor`: a live system against what its description says of it.
//!
//! What can be asked is asked (probes and intents, dependencies of services in a lab), what was measured is compared with every threshold that the
//! description declares, what is wrong on paper is told beside it, and logs are placed line by line. What a check lacks makes it unknown, and is said.

mod ask;
mod paper;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use netwright_model::suggest::nearest;
use netwright_watch::alert;
use netwright_watch::doctor::{Check, Measured, Verdict, alerts, log, overall};

use super::check::Checked;
use crate::arguments::{Doctor, DoctorFormat};
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network::open;

/// Octets of a log that are read.
const LOG: u64 = 16 << 20;

/// What is found out, check by check, and what was measured on the way.
#[derive(Default)]
struct Exam {
    checks: Vec<Check>,
    things: BTreeMap<String, Measured>,
    /// What can be focused on.
    known: BTreeSet<String>,
}

impl Exam {
    /// Takes a check where it is in focus.
    fn take(&mut self, check: Check, arguments: &Doctor) {
        self.known.insert(check.component.clone());
        if in_focus(&check, arguments) {
            self.checks.push(check);
        }
    }
}

fn in_focus(check: &Check, arguments: &Doctor) -> bool {
    arguments.focus.is_empty() || arguments.focus.iter().any(|focus| check.is_about(focus))
}

pub(super) fn run(arguments: &Doctor, console: &mut Console) -> Result<Code, Failure> {
    let input = open(&arguments.file)?;
    for note in &input.notes {
        console.error(&format!("note: {note}\n"));
    }
    let checked = Checked::of(&input);
    let mut exam = Exam::default();
    paper::findings(&input, &checked, arguments, &mut exam);
    ask::probes(&input, &checked, arguments, &mut exam)?;
    ask::dependencies(&input, arguments, &mut exam)?;
    for handed in &arguments.measured {
        let thing = exam.things.entry(handed.thing.clone()).or_default();
        thing.add(&handed.measure, handed.value);
    }
    for check in alerts(&alert::rules(&input.network.description), &exam.things) {
        exam.take(check, arguments);
    }
    for file in &arguments.log {
        exam.checks.push(log(&file.display().to_string(), &read(file)?));
    }
    if let Some(nobody) = arguments.focus.iter().find(|focus| !known(&exam, focus)) {
        return Err(unknown_focus(nobody, &exam));
    }
    match arguments.format {
        DoctorFormat::Text => show::text(&exam.checks, console),
        DoctorFormat::Json => console.json(&show::json(&exam.checks)),
        DoctorFormat::Junit => console.write(&show::junit(&exam.checks)),
    }
    Ok(match overall(&exam.checks) {
        Verdict::Pass | Verdict::Warn => Code::Pass,
        Verdict::Unknown => Code::Unknown,
        Verdict::Fail => Code::Fail,
    })
}

fn known(exam: &Exam, focus: &str) -> bool {
    exam.checks.iter().any(|check| check.is_about(focus))
}

fn unknown_focus(focus: &str, exam: &Exam) -> Failure {
    let near = nearest(focus, exam.known.iter().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let all: Vec<&str> = exam.known.iter().map(String::as_str).collect();
            format!("it has {}", all.join(", "))
        }
    };
    Failure::usage(format!("nothing of the description is about `{focus}`"), Some(help))
}

/// A log's text, whatever its encoding: what is no UTF-8 is replaced.
fn read(file: &Path) -> Result<String, Failure> {
    let mut octets = Vec::new();
    let wrong = |error: std::io::Error| {
        Failure::usage(format!("cannot read {}: {error}", file.display()), None)
    };
    if file == Path::new("-") {
        std::io::stdin().lock().take(LOG).read_to_end(&mut octets).map_err(wrong)?;
    } else {
        let opened = std::fs::File::open(file).map_err(wrong)?;
        opened.take(LOG).read_to_end(&mut octets).map_err(wrong)?;
    }
    Ok(String::from_utf8_lossy(&octets).into_owned())
}
