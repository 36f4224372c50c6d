//! `netwright gameday check`.

use std::fs::File;
use std::io::{Cursor, Read};

use netwright_history::{
    CheckError, Finding, History, LEVELS, Level, Limits, MODELS, Model, Operation, Options,
    Outcome, ReadError, Report, Verdict, Weight, check, read, recognize, timeline, value_of,
};
use serde_json::{Value, json};

use crate::arguments::{HistoryCheck, VerdictFormat};
use crate::commands::check::junit::escape;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;

/// Findings that are shown to people.
const SHOWN: usize = 8;

/// Operations of a finding that are shown to people.
const ROWS: usize = 24;

pub(super) fn run(arguments: &HistoryCheck, console: &mut Console) -> Result<Code, Failure> {
    let options = options(arguments)?;
    let name = arguments.file.display().to_string();
    let history = opened(arguments)?;
    let model = match &arguments.model {
        Some(model) => Model::of(model).ok_or_else(|| strange(model))?,
        None if history.operations.is_empty() && history.rows.is_none() => {
            return Ok(nothing(arguments, &name, &history, console));
        }
        None => recognize(&history).map_err(|error| {
            Failure::usage(
                format!("{name}: {error}"),
                Some(format!("name one with --model: {}", models())),
            )
        })?,
    };
    let report = check(&history, model, &options).map_err(|error| unfit(&name, &error))?;
    Ok(told(arguments, &name, &history, &report, console))
}

fn told(
    arguments: &HistoryCheck,
    name: &str,
    history: &History,
    report: &Report,
    console: &mut Console,
) -> Code {
    match arguments.format {
        VerdictFormat::Text => text(console, name, history, report),
        VerdictFormat::Json => console.json(&document(name, history, report)),
        VerdictFormat::Junit => console.write(&junit(name, report)),
    }
    match report.verdict {
        Verdict::Valid => Code::Pass,
        Verdict::Invalid => Code::Fail,
        Verdict::Unknown => Code::Unknown,
    }
}

/// A history without operations needs no model to be unknown.
fn nothing(arguments: &HistoryCheck, name: &str, history: &History, console: &mut Console) -> Code {
    let report = Report {
        model: "none".to_owned(),
        verdict: Verdict::Unknown,
        why: "too little: the history holds no operation".to_owned(),
        findings: Vec::new(),
        figures: Vec::new(),
        unchecked: Vec::new(),
    };
    told(arguments, name, history, &report, console)
}

fn models() -> String {
    MODELS.map(|model| model.name).join(", ")
}

fn strange(model: &str) -> Failure {
    Failure::usage(format!("no model `{model}`"), Some(format!("models are {}", models())))
}

fn unfit(name: &str, error: &CheckError) -> Failure {
    match error {
        CheckError::Shape { line, message } => Failure::usage(
            format!("{name}:{line}: {message}"),
            Some("is it a history of another model?".to_owned()),
        ),
        CheckError::Model { message } => Failure::usage(format!("{name}: {message}"), None),
    }
}

fn options(arguments: &HistoryCheck) -> Result<Options, Failure> {
    let level = Level::of(&arguments.level).ok_or_else(|| {
        let names = LEVELS.map(|level| level.name).join(", ");
        Failure::usage(
            format!("no level `{}`", arguments.level),
            Some(format!("levels are {names}")),
        )
    })?;
    let initial = arguments.initial.as_deref().map(|text| {
        value_of(text)
            .map_err(|error| Failure::usage(format!("--initial {text}: {}", error.message), None))
    });
    Ok(Options {
        budget: arguments.budget,
        initial: initial.transpose()?,
        total: arguments.total,
        negative: arguments.negative,
        level,
        unfinished: arguments.unfinished,
    })
}

fn opened(arguments: &HistoryCheck) -> Result<History, Failure> {
    let path = &arguments.file;
    let wrong = |error: ReadError| {
        let ReadError { line, column, message } = error;
        Failure::usage(format!("{}:{line}:{column}: {message}", path.display()), None)
    };
    let cannot = |error: std::io::Error| {
        Failure::usage(format!("cannot read {}: {error}", path.display()), None)
    };
    if path.as_os_str() == "-" {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text).map_err(cannot)?;
        return read(Limits::default(), || Ok(Cursor::new(&text))).map_err(wrong);
    }
    if path.is_dir() {
        return Err(Failure::usage(
            format!("{} is a folder, and a history is a file", path.display()),
            None,
        ));
    }
    drop(File::open(path).map_err(cannot)?);
    read(Limits::default(), || File::open(path)).map_err(wrong)
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Valid => Style::Good,
        Verdict::Invalid => Style::Bad,
        Verdict::Unknown => Style::Doubt,
    }
}

fn text(console: &mut Console, name: &str, history: &History, report: &Report) {
    let verdict = console.styled(style(report.verdict), report.verdict.word());
    console.line(&format!("{verdict}  {name} as {}", report.model));
    // What makes it invalid is told below, with what shows it.
    if report.verdict != Verdict::Invalid {
        console.line(&format!("  {}", report.why));
    }
    for finding in report.findings.iter().take(SHOWN) {
        console.line("");
        let style = match finding.weight {
            Weight::Fails => Style::Bad,
            Weight::Warns => Style::Doubt,
            Weight::Tells => Style::Dim,
        };
        let head = console.styled(style, &format!("{} ({})", finding.name, finding.weight.word()));
        console.line(&format!("{head}: {}", finding.message));
        shown(console, history, finding);
    }
    if report.findings.len() > SHOWN {
        console.line("");
        console.line(&format!(
            "and {} findings more; all with --format json",
            report.findings.len() - SHOWN
        ));
    }
    console.line("");
    console.line(&counted(history));
    let notes = report.unchecked.iter().chain(&history.notices);
    for note in notes {
        console.line(&format!("  note: {note}"));
    }
}

fn shown(console: &mut Console, history: &History, finding: &Finding) {
    let most = finding.operations.len().min(ROWS);
    if most > 0 {
        console.line("");
        console.write(&timeline(history, &finding.operations[..most]));
    }
    if most < finding.operations.len() {
        console.line(&format!("  and {} operations more", finding.operations.len() - most));
    }
    if !finding.steps.is_empty() {
        console.line("");
    }
    for step in &finding.steps {
        console.line(&format!("  {step}"));
    }
}

/// What the history holds, in a line.
fn counted(history: &History) -> String {
    let source = history.source.word();
    if history.rows.is_some() {
        return "rows of a document".to_owned();
    }
    let faults = match history.faults.len() {
        0 => String::new(),
        1 => ", 1 event of a nemesis".to_owned(),
        count => format!(", {count} events of a nemesis"),
    };
    format!(
        "{} operations ({source}): {} ok, {} fail, {} info{faults}",
        history.operations.len(),
        history.count(Outcome::Ok),
        history.count(Outcome::Fail),
        history.count(Outcome::Info),
    )
}

fn operation(history: &History, operation: &Operation) -> Value {
    let mut value = json!({
        "line": operation.line,
        "process": history.process(operation).to_json(),
        "f": history.name(operation),
        "key": operation.key.as_ref().map(|key| key.to_json()),
        "value": operation.value.to_json(),
        "outcome": operation.outcome.word(),
        "start": operation.start,
        "end": (operation.end != Operation::OPEN).then_some(operation.end),
    });
    if let Some(extra) = &operation.extra {
        value["link"] = json!(extra.link);
        value["id"] = json!(extra.id);
        value["attempt"] = json!(extra.attempt);
        value["wall"] = json!(extra.wall);
        value["mono"] = json!(extra.mono);
        value["error"] =
            extra.error.as_ref().map_or(Value::Null, netwright_history::Value::to_json);
    }
    value
}

fn document(name: &str, history: &History, report: &Report) -> Value {
    let findings = report.findings.iter().map(|finding| {
        let operations = finding.operations.iter().filter_map(|at| history.operations.get(*at));
        json!({
            "name": finding.name,
            "weight": finding.weight.word(),
            "message": finding.message,
            "operations": operations.map(|one| operation(history, one)).collect::<Vec<_>>(),
            "steps": finding.steps,
        })
    });
    let figures = report.figures.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    json!({
        "version": 1,
        "file": name,
        "source": history.source.word(),
        "model": report.model,
        "verdict": report.verdict.word(),
        "why": report.why,
        "operations": history.operations.len(),
        "ok": history.count(Outcome::Ok),
        "fail": history.count(Outcome::Fail),
        "info": history.count(Outcome::Info),
        "faults": history.faults.len(),
        "figures": Value::Object(figures.collect()),
        "findings": findings.collect::<Vec<_>>(),
        "unchecked": report.unchecked,
        "notices": history.notices,
    })
}

fn junit(name: &str, report: &Report) -> String {
    let (failures, errors) = match report.verdict {
        Verdict::Valid => (0, 0),
        Verdict::Invalid => (1, 0),
        Verdict::Unknown => (0, 1),
    };
    let case =
        format!("name=\"{} as {}\" classname=\"history\"", escape(name), escape(&report.model));
    let why = escape(&report.why);
    let body = match report.verdict {
        Verdict::Valid => format!("    <testcase {case}/>\n"),
        Verdict::Invalid => {
            let told: Vec<String> = report
                .findings
                .iter()
                .map(|one| format!("{}: {}", one.name, one.message))
                .collect();
            format!(
                "    <testcase {case}><failure message=\"{why}\">{}</failure></testcase>\n",
                escape(&told.join("\n"))
            )
        }
        Verdict::Unknown => format!("    <testcase {case}><error message=\"{why}\"/></testcase>\n"),
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"histories\" tests=\"1\" failures=\"{failures}\" errors=\"{errors}\">\n{body}  </testsuite>\n</testsuites>\n"
    )
}
