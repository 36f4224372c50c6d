//! What the histories of a run say, once everything was read that there is to read.

use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_history::{Model, Options, Weight, check, read_text};

use super::Run;
use super::workload::Job;
use crate::journal::{Event, Found, Verdict};

/// How long the reads in the end may take in all.
const READ: Duration = Duration::from_secs(120);

/// The model that takes for lost what never came out.
const TOTAL_QUEUE: &str = "total-queue";

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

    /// What is said of a queue that was not emptied in the end: what did not come out may be in it still.
    fn not_emptied(self) -> Self {
        let absent = |found: &Found| ["lost", "lost-effect"].contains(&found.name.as_str());
        let fails = Weight::Fails.word();
        let absent = self.findings.iter().filter(|found| found.weight == fails).all(absent);
        if self.verdict != Verdict::Fail || !absent {
            return self;
        }
        let why = format!("the run was broken off before the queue was emptied: {}", self.why);
        Self { verdict: Verdict::Unknown, why, ..self }
    }
}

/// Checks the history in a file against a model.
fn said(path: &std::path::Path, model: &str) -> Said {
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
    let report = match check(&history, known, &Options::default()) {
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

impl Run<'_> {
    /// Waits for the reads in the end, and checks each history that has a model.
    pub(super) fn histories(&mut self) {
        let begun = Instant::now();
        while self.jobs.work() && begun.elapsed() < READ {
            self.drain();
            pause(Duration::from_millis(10));
        }
        for job in &self.jobs.all {
            let Some(model) = &job.model else { continue };
            self.history(job, model);
        }
    }

    fn history(&mut self, job: &Job<'_>, model: &str) {
        let mut said = said(&self.setting.folder.join(&job.file), model);
        if self.jobs.gave_up() && model == TOTAL_QUEUE {
            said = said.not_emptied();
        }
        let evidence = format!("{}; {} operations", said.why, said.operations);
        self.record.put(Event::Checked {
            name: job.name.clone(),
            history: job.file.clone(),
            model: model.to_owned(),
            verdict: said.verdict,
            why: said.why,
            operations: said.operations,
            figures: said.figures,
            findings: said.findings,
        });
        self.criterion(&format!("{}: {model}", job.name), said.verdict, evidence);
    }
}
