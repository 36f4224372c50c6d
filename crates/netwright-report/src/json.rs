//! The report as JSON: its data, and what was computed from them.

use serde_json::{Value, json};

use crate::Summary;
use crate::report::Report;

/// The report with `summary` in front. Reading it again gives the report: a summary is never read.
#[must_use]
pub fn json(report: &Report) -> Value {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    if let (Value::Object(parts), Ok(summary)) =
        (&mut value, serde_json::to_value(Summary::of(report)))
    {
        parts.shift_insert(1, "summary".to_owned(), summary);
    }
    value
}

/// Several reports as a trend: the summary of each, in order of time.
#[must_use]
pub fn trend_json(reports: &[Report]) -> Value {
    let runs: Vec<Value> = crate::trend::ordered(reports)
        .into_iter()
        .map(|report| {
            json!({
                "id": report.run.id,
                "title": report.title,
                "scenario": report.scenario.name,
                "example": report.example,
                "began": report.run.began,
                "duration": report.run.duration,
                "seed": report.run.seed,
                "summary": Summary::of(report),
            })
        })
        .collect();
    json!({ "version": crate::VERSION, "runs": runs })
}
