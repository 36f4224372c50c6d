//! What the histories of a run say, once everything was read that there is to read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use netwright_history::{History, Model, Options, check, read_text};

use crate::journal::{Event, Found, Verdict};
use crate::steps::Steps;

/// How long the reads in the end may take in all.
const READ: Duration = Duration::from_secs(120);

/// Answers that are no refusals: what was asked for was looked at, and is otherwise.
const ANSWERS: [&str; 5] = ["mismatch", "led", "fenced", "absent", "stale"];

/// How often clients were refused, by the reason that they were told; a status alone is none.
#[derive(Debug, Default)]
struct Refusals(BTreeMap<String, u64>);

impl Refusals {
    fn add(&mut self, history: &History) {
        for operation in &history.operations {
            let error = operation.extra.as_ref().and_then(|extra| extra.error.as_ref()?.name());
            let Some(error) = error.filter(|error| !ANSWERS.contains(error)) else { continue };
            // What ended without an answer, or did not begin, was told in other words.
            let is_code = error.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '-');
            if is_code || error.starts_with("status ") {
                *self.0.entry(error.to_owned()).or_default() += 1;
            }
        }
    }

    /// Whether each had a reason, and which; nothing where nobody was refused.
    fn judged(&self) -> Option<(Verdict, String)> {
        let untold = self.0.keys().any(|error| error.starts_with("status "));
        let verdict = if untold { Verdict::Fail } else { Verdict::Pass };
        let reasons = self.0.iter().map(|(error, count)| format!("{error} {count}"));
        let reasons = reasons.collect::<Vec<String>>().join(", ");
        (!self.0.is_empty()).then(|| (verdict, format!("refusals by their reasons: {reasons}")))
    }
}

/// What a checker said, as the journal has it.
struct Said {
    verdict: Verdict,
    why: String,
    operations: u64,
    figures: serde_json::Map<String, serde_json::Value>,
    findings: Vec<Found>,
}

impl Said {
    fn unknown(why: String) -> Self {
        let (figures, findings) = (serde_json::Map::new(), Vec::new());
        Self { verdict: Verdict::Unknown, why, operations: 0, figures, findings }
    }
}

/// Checks the history in a file against a model.
fn said(
    path: &std::path::Path,
    (model, options): (&str, &Options),
    refusals: &mut Refusals,
) -> Said {
    let Some(known) = Model::of(model) else {
        return Said::unknown(format!("there is no model `{model}`"));
    };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) => return Said::unknown(format!("{}: {error}", path.display())),
    };
    let history = match read_text(&text) {
        Ok(history) => history,
        Err(error) => return Said::unknown(error.to_string()),
    };
    refusals.add(&history);
    let report = match check(&history, known, options) {
        Ok(report) => report,
        Err(error) => return Said::unknown(error.to_string()),
    };
    let verdict = match report.verdict {
        netwright_history::Verdict::Valid => Verdict::Pass,
        netwright_history::Verdict::Invalid => Verdict::Fail,
        netwright_history::Verdict::Unknown => Verdict::Unknown,
    };
    let found = |finding: &netwright_history::Finding| Found {
        name: finding.name.clone(),
        weight: finding.weight.word().to_owned(),
        message: finding.message.clone(),
        operations: finding.operations.clone(),
    };
    let figures = report.figures.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Said {
        verdict,
        why: report.why,
        operations: u64::try_from(history.operations.len()).unwrap_or(u64::MAX),
        figures: figures.collect(),
        findings: report.findings.iter().map(found).collect(),
    }
}

/// Waits for the reads in the end, and checks each history that has a model.
pub(crate) fn histories<'a, S: Steps<'a> + ?Sized>(run: &mut S) {
    let (setting, jobs) = (run.setting(), run.course().jobs);
    let begun = Instant::now();
    while jobs.work() && begun.elapsed() < READ {
        // Where it was interrupted, what is there is read none the less.
        let _interrupted = run.still(Duration::from_millis(10));
    }
    let mut refusals = Refusals::default();
    let options = Options { unfinished: jobs.gave_up(), ..Options::default() };
    for job in &jobs.all {
        let Some(model) = &job.model else { continue };
        let said = said(&setting.folder.join(&job.file), (model, &options), &mut refusals);
        let evidence = format!("{}; {} operations", said.why, said.operations);
        run.put(Event::Checked {
            name: job.name.clone(),
            history: job.file.clone(),
            model: model.to_owned(),
            verdict: said.verdict,
            why: said.why,
            operations: said.operations,
            figures: said.figures,
            findings: said.findings,
        });
        run.criterion(&format!("{}: {model}", job.name), said.verdict, evidence);
    }
    let told = refusals.judged().filter(|_| setting.plan.experiment.reference.is_some());
    if let Some((verdict, evidence)) = told {
        run.criterion("who is refused is told why", verdict, evidence);
    }
}

#[cfg(test)]
mod tests {
    use super::{Refusals, Verdict, read_text};

    fn judged(errors: &[&str]) -> Option<(Verdict, String)> {
        let lines = errors.iter().enumerate().map(|(client, error)| {
            format!("{{\"type\":\"invoke\",\"process\":{client},\"f\":\"write\",\"value\":1}}\n{{\"type\":\"fail\",\"process\":{client},\"f\":\"write\",\"value\":1,\"error\":\"{error}\"}}\n")
        });
        let text = format!("{{\"netwright_history\":1}}\n{}", lines.collect::<String>());
        let mut refusals = Refusals::default();
        refusals.add(&read_text(text.as_bytes()).ok()?);
        refusals.judged()
    }

    #[test]
    fn a_status_is_no_reason_and_what_is_otherwise_than_thought_is_no_refusal() {
        assert_eq!(judged(&["mismatch", "no answer in time"]), None);
        let told = |why: &str| format!("refusals by their reasons: {why}");
        assert_eq!(
            judged(&["away", "busy", "away", "fenced"]),
            Some((Verdict::Pass, told("away 2, busy 1")))
        );
        assert_eq!(
            judged(&["away", "status 503"]),
            Some((Verdict::Fail, told("away 1, status 503 1")))
        );
    }
}
