//! What the checks say of the data, with the operations that show it.

use std::collections::BTreeSet;

use netwright_history::{History, words};
use netwright_report::{Check, DataImpact, Loser, Moment, Witness, WitnessOperation};
use serde_json::{Map, Value};

use super::{Source, word};
use crate::journal::{Event, Found, Lost, Verdict};

/// Operations of a witness at most.
const SHOWN: usize = 12;

/// A check's name, which its criterion has too.
fn name(of: &str, model: &str) -> String {
    format!("{of}: {model}")
}

/// The names of all checks.
pub(super) fn names(source: &Source<'_>) -> BTreeSet<String> {
    let of = |event: &Event| match event {
        Event::Checked { name: of, model, .. } => Some(name(of, model)),
        _ => None,
    };
    source.events().filter_map(|(_, event)| of(event)).collect()
}

pub(super) fn checks(source: &Source<'_>) -> Vec<Check> {
    let mut all = Vec::new();
    for (_, event) in source.events() {
        let Event::Checked { name: of, history, model, verdict, why, operations, findings, .. } =
            event
        else {
            continue;
        };
        let told = source.histories.get(history);
        let gravest = findings.first().filter(|finding| finding.weight == "fails");
        all.push(Check {
            name: name(of, model),
            verdict: word(*verdict),
            why: why.clone(),
            looked_at: Some(*operations),
            evidence: findings
                .iter()
                .map(|one| format!("{} ({}): {}", one.name, one.weight, one.message))
                .collect(),
            witness: gravest.zip(told).and_then(|(finding, told)| witness(source, finding, told)),
        });
    }
    all
}

/// The operations of a finding.
fn witness(source: &Source<'_>, finding: &Found, told: &History) -> Option<Witness> {
    let one = |place: &usize| {
        let operation = told.operations.get(*place)?;
        let (begin, end) = times(source, operation)?;
        Some(WitnessOperation {
            process: told.process(operation).to_string(),
            what: words(told, operation),
            begin,
            end,
            outcome: super::workload::outcome(operation.outcome),
        })
    };
    let mut operations: Vec<WitnessOperation> =
        finding.operations.iter().take(SHOWN).filter_map(one).collect();
    operations.sort_by_key(|operation| operation.begin);
    let caption = finding.message.clone();
    (!operations.is_empty()).then_some(Witness { caption, operations })
}

/// When an operation began and ended.
pub(super) fn times(
    source: &Source<'_>,
    operation: &netwright_history::Operation,
) -> Option<(Moment, Option<Moment>)> {
    let mono = operation.extra.as_ref()?.mono;
    let at = |nanos: i64| source.moment(u64::try_from(nanos / 1000).unwrap_or_default());
    Some((at(mono[0]?), mono[1].map(at)))
}

/// How many a figure counts: a number, or a list's or map's length.
fn count(figures: &Map<String, Value>, name: &str) -> Option<u64> {
    match figures.get(name)? {
        Value::Array(all) => u64::try_from(all.len()).ok(),
        Value::Object(all) => u64::try_from(all.len()).ok(),
        other => other.as_u64(),
    }
}

fn loser(lost: &Lost) -> Loser {
    let Lost { key, kept, lost, why } = lost.clone();
    Loser { key, kept, lost, why }
}

/// What became of the data, as far as the checks counted it.
pub(super) fn impact(source: &Source<'_>) -> DataImpact {
    let mut impact = DataImpact::default();
    let add = |sum: &mut Option<u64>, more: Option<u64>| {
        if let Some(more) = more {
            *sum = Some(sum.unwrap_or_default().saturating_add(more));
        }
    };
    for (_, event) in source.events() {
        if let Event::Audit { conflicts, losers, some } = event {
            impact.conflicts = Some(*conflicts);
            impact.audited_losers = Some(*losers);
            impact.losers = some.iter().map(loser).collect();
        }
        let Event::Checked { model, figures, verdict, .. } = event else { continue };
        match model.as_str() {
            "lost-writes" | "set" | "set-full" | "total-queue" => {
                add(&mut impact.acknowledged, count(figures, "acknowledged"));
                // What did not come out of a run that was broken off may come yet: nobody knows that it is lost.
                if *verdict != Verdict::Unknown {
                    add(&mut impact.lost, count(figures, "lost"));
                }
                add(&mut impact.recovered, count(figures, "recovered"));
                add(&mut impact.stale_reads, count(figures, "stale"));
                add(&mut impact.duplicated_deliveries, count(figures, "duplicated"));
                add(&mut impact.duplicated_effects, count(figures, "duplicated_effect"));
            }
            "stale-reads" => add(&mut impact.stale_reads, count(figures, "stale")),
            _ => {}
        }
    }
    impact
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{Source, impact};
    use crate::journal::Line;

    /// What a report says is lost where a check of a queue came to a verdict.
    fn lost(verdict: &str) -> Option<u64> {
        let line = json!({
            "v": 1, "at": "2026-11-22T09:39:13.836574711Z", "mono": 1, "kind": "checked", "name": "queue", "history": "history-1.jsonl",
            "model": "total-queue", "verdict": verdict, "why": "", "operations": 74, "figures": { "acknowledged": 58, "lost": 58 }, "findings": [],
        });
        let lines: Vec<Line> = vec![serde_json::from_value(line).unwrap()];
        let source = Source { lines: &lines, begun: 0, histories: &BTreeMap::new() };
        impact(&source).lost
    }

    #[test]
    fn what_did_not_come_out_of_a_run_that_was_broken_off_is_not_called_lost() {
        assert_eq!(lost("unknown"), None);
        assert_eq!(lost("fail"), Some(58));
    }
}
