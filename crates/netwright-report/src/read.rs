//! Reading a report from JSON, with errors that say what is wrong where.

use serde::Deserialize;

use crate::report::{Report, VERSION};

/// Why a text is no report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// It is not JSON, or a part has the wrong form.
    Form {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// It is JSON, and nothing in it says that it is a report.
    NoReport,
    /// It is of a version that this program does not know.
    Version(u64),
    /// A part points at something that is not there.
    Dangling(String),
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Form { line, column, why } => write!(out, "{line}:{column}: {why}"),
            Self::NoReport => write!(
                out,
                "this is JSON, but no report of a game day: `version`, `title` and `run` are missing"
            ),
            Self::Version(version) => write!(
                out,
                "the report is of version {version}; this program reads version {VERSION}"
            ),
            Self::Dangling(what) => write!(out, "{what}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// What tells a report from other JSON.
#[derive(Deserialize)]
struct Head {
    version: Option<serde_json::Value>,
    title: Option<serde_json::Value>,
    run: Option<serde::de::IgnoredAny>,
}

fn form(error: &serde_json::Error) -> ReadError {
    let why = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let why = why.strip_suffix(&place).unwrap_or(&why).to_owned();
    ReadError::Form { line: error.line(), column: error.column(), why }
}

/// Reads a report.
///
/// # Errors
///
/// [`ReadError`]: the text is no JSON, no report, or one of another version, or points at an operation or a process that it does not name.
pub fn read(text: &str) -> Result<Report, ReadError> {
    let head: Head = match serde_json::from_str(text) {
        Ok(head) => head,
        Err(error) if error.is_data() => return Err(ReadError::NoReport),
        Err(error) => return Err(form(&error)),
    };
    match head.version.as_ref().and_then(serde_json::Value::as_u64) {
        None if head.title.is_none() || head.run.is_none() => return Err(ReadError::NoReport),
        Some(version) if version != u64::from(VERSION) => return Err(ReadError::Version(version)),
        _ => {}
    }
    let report: Report = serde_json::from_str(text).map_err(|error| form(&error))?;
    point(&report)?;
    Ok(report)
}

/// Refuses positions that nothing stands at.
fn point(report: &Report) -> Result<(), ReadError> {
    let workload = &report.workload;
    let named = |what: &str, position: usize, list: &[String]| {
        if position < list.len() {
            return Ok(());
        }
        let count = list.len();
        Err(ReadError::Dangling(format!(
            "`workload` points at {what} {position}, and names only {count}"
        )))
    };
    let rows = workload.outcomes.iter().map(|row| row.operation);
    let series = workload.series.iter().map(|series| series.operation);
    let samples = workload.samples.iter().map(|sample| sample.operation);
    for operation in rows.chain(series).chain(samples) {
        named("operation", operation, &workload.operations)?;
    }
    for sample in &workload.samples {
        named("process", sample.process, &workload.processes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ReadError, read};

    const LEAST: &str = r#"{ "version": 1, "title": "t",
        "run": { "id": "r", "began": "2026-11-21T18:00:00Z", "duration": 1, "seed": 7 } }"#;

    #[test]
    fn a_title_and_a_run_are_a_report() {
        let report = read(LEAST).unwrap();
        assert_eq!(report.run.seed, 7);
        let again = serde_json::to_string(&report).unwrap();
        assert_eq!(read(&again), Ok(report));
    }

    #[test]
    fn errors_say_what_is_wrong_where() {
        let error = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(error(""), "1:0: EOF while parsing a value");
        assert_eq!(
            error("[1]"),
            "this is JSON, but no report of a game day: `version`, `title` and `run` are missing"
        );
        assert_eq!(
            error("{\"a\": 1}"),
            "this is JSON, but no report of a game day: `version`, `title` and `run` are missing"
        );
        assert_eq!(
            error(r#"{"version": 9}"#),
            "the report is of version 9; this program reads version 1"
        );
        assert_eq!(
            error(&LEAST.replace("2026-11-21T18:00:00Z", "yesterday")),
            "2:48: \"yesterday\" is not a date and time in UTC such as 2026-11-21T18:00:00Z"
        );
        assert!(matches!(read(&LEAST[..40]), Err(ReadError::Form { .. })));
        let dangling = LEAST.replace(
            "\"title\"",
            r#""workload": { "samples": [
            { "operation": 3, "process": 0, "at": 0, "outcome": "ok" }] }, "title""#,
        );
        assert_eq!(error(&dangling), "`workload` points at operation 3, and names only 0");
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
