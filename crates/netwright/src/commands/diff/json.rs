//! What `diff` says to programs.

use netwright_model::source::{Sources, Span};
use netwright_verify::check::Finding;
use netwright_verify::dependencies::Answer as Dependency;
use netwright_verify::diff::{Diff as Compared, Parties};
use netwright_verify::intents::Answer;
use netwright_verify::steps::Step;
use serde_json::{Value, json};

use super::party;
use crate::console::Code;
use crate::network::Input;

fn dependency_json(answer: &Dependency) -> Value {
    json!({
        "verdict": answer.verdict.word(),
        "way": answer.way,
        "source_seen": answer.sources_seen.first(),
        "sources_seen": answer.sources_seen,
        "why": answer.why,
    })
}

fn at(sources: &Sources, span: Span) -> Value {
    sources.location(span).map_or(Value::Null, |place| {
        json!({ "file": place.path.display().to_string(), "line": place.line, "column": place.column })
    })
}

fn finding_json(sources: &Sources, finding: &Finding) -> Value {
    json!({
        "id": finding.id,
        "severity": finding.severity.word(),
        "message": finding.message,
        "remedy": finding.remedy,
        "at": at(sources, finding.span),
    })
}

fn step_json(step: &Step) -> Value {
    json!({
        "action": step.action.word(),
        "kind": step.kind,
        "name": step.name,
        "undo": step.undo.word(),
        "why": step.why,
        "fields": step.fields.iter().map(|field| json!({
            "path": field.path, "old": field.old, "new": field.new,
        })).collect::<Vec<_>>(),
    })
}

pub(super) fn document((old, new): (&Input, &Input), compared: &Compared, code: Code) -> Value {
    let names = |all: &Parties| -> Vec<String> { all.iter().map(party).collect() };
    let changes: Vec<Value> = compared
        .changes
        .iter()
        .map(|change| {
            json!({
                "sources": names(&change.from),
                "destinations": names(&change.to),
                "relation": change.relation.word(),
                "lost": change.lost,
                "gained": change.gained,
                "unknown": change.unsure,
                "cause": change.cause.as_ref().map(|cause| json!({
                    "text": cause.text, "endpoint_gone": cause.gone, "at": at(&new.sources, cause.span),
                })),
            })
        })
        .collect();
    let answers = |all: &[Answer]| -> Vec<Value> {
        all.iter().map(|answer| json!({ "name": answer.name, "why": answer.why })).collect()
    };
    json!({
        "version": 1,
        "breaks": match code {
            Code::Pass => json!(false),
            Code::Unknown => Value::Null,
            _ => json!(true),
        },
        "flows": changes,
        "dependencies": compared.dependencies.iter().map(|(before, now)| json!({
            "service": now.service,
            "dependency": now.name,
            "target": now.target,
            "before": before.as_ref().map(dependency_json),
            "now": dependency_json(now),
        })).collect::<Vec<_>>(),
        "cascade": {
            "services": compared.cascade.failures.iter().map(|failure| json!({
                "service": failure.service, "phase": failure.phase, "why": failure.why,
            })).collect::<Vec<_>>(),
            "golden_paths": compared.cascade.lost.iter().map(|lost| json!({
                "path": lost.path, "why": lost.why,
            })).collect::<Vec<_>>(),
        },
        "intents": {
            "broken": answers(&compared.broken),
            "fixed": answers(&compared.fixed),
            "unknown": answers(&compared.unsure),
            "dropped": compared.dropped,
        },
        "findings": {
            "new": compared.found.iter().map(|one| finding_json(&new.sources, one)).collect::<Vec<_>>(),
            "gone": compared.gone.iter().map(|one| finding_json(&old.sources, one)).collect::<Vec<_>>(),
        },
        "steps": compared.steps.iter().map(step_json).collect::<Vec<_>>(),
    })
}
