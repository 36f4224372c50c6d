//! What `check` finds, as SARIF 2.1.0.

use std::path::Path;

use netwright_model::diagnostic::Severity;
use netwright_model::source::Span;
use netwright_verify::check::catalogue;
use netwright_verify::intents::Standing;
use serde_json::{Value, json};

use super::Checked;
use crate::network::Input;

/// The level of a severity in SARIF.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// SARIF 2.1.0 (OASIS).
pub(in crate::commands) fn document(input: &Input, checked: &Checked) -> Value {
    let Checked { answers, services, findings } = checked;
    let physical = |span: Span| {
        let at = input.sources.location(span)?;
        Some(json!({
            "artifactLocation": { "uri": uri(at.path) },
            "region": { "startLine": at.line, "startColumn": at.column },
        }))
    };
    let result = |rule: &str, level: &str, text: String, span: Span| {
        let mut result = json!({ "ruleId": rule, "level": level, "message": { "text": text } });
        result["ruleIndex"] = catalogue::all().position(|entry| entry.id == rule).into();
        if let Some(place) = physical(span) {
            result["locations"] = json!([{ "physicalLocation": place }]);
        }
        result
    };
    let mut results: Vec<Value> = Vec::new();
    for answer in answers {
        let text = format!("intent {}: {}", answer.name, answer.why);
        match answer.standing {
            Standing::Holds => {}
            Standing::Broken => results.push(result("NW-INTENT-001", "error", text, answer.span)),
            Standing::Unknown => {
                results.push(result("NW-INTENT-002", "warning", text, answer.span));
            }
        }
    }
    for dependency in services.unreached() {
        let why = dependency.why.as_deref().unwrap_or("");
        let text = format!("{} does not reach {}: {why}", dependency.service, dependency.target);
        results.push(result("NW-SVC-001", "error", text, dependency.span));
    }
    for finding in findings {
        let level = level(finding.severity);
        let text = format!("{}. {}", finding.message, finding.remedy);
        let mut told = result(finding.id, level, text, finding.span);
        let related: Vec<Value> = finding
            .also
            .iter()
            .filter_map(|(span, what)| {
                let place = physical(*span)?;
                Some(json!({ "physicalLocation": place, "message": { "text": what } }))
            })
            .collect();
        if !related.is_empty() {
            told["relatedLocations"] = related.into();
        }
        results.push(told);
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "netwright",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// Every rule, with why and what to do.
fn rules() -> Vec<Value> {
    catalogue::all()
        .map(|entry| {
            json!({
                "id": entry.id,
                "shortDescription": { "text": entry.title },
                "fullDescription": { "text": entry.why },
                "help": { "text": format!("{} Source: {}.", entry.remedy, entry.source) },
                "defaultConfiguration": { "level": level(entry.severity) },
            })
        })
        .collect()
}

/// A path as a URI reference (RFC 3986): what it does not allow is escaped.
fn uri(path: &Path) -> String {
    let text = path.display().to_string().replace('\\', "/");
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}
