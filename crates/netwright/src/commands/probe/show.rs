//! What probes found out, for people and for programs.

use std::time::Duration;

use netwright_watch::load::report::{Times, shown};
use netwright_watch::probe::outcome::{Outcome, Verdict};
use netwright_watch::probe::target::Spec;
use serde_json::{Value, json};

use super::lines;
use crate::arguments::{Format, Probe};
use crate::console::{Console, Style};
use crate::table::table;

/// What was seen so far.
pub(super) struct Seen {
    lines: bool,
    format: Format,
    all: Vec<(usize, Outcome)>,
}

impl Seen {
    pub(super) fn new(arguments: &Probe) -> Self {
        Self { lines: lines(arguments), format: arguments.format, all: Vec::new() }
    }

    pub(super) fn begin(&self, console: &mut Console) {
        if self.lines {
            console.line("TIME                      RESULT   TOOK      TARGET");
        }
    }

    pub(super) fn one(
        &mut self,
        (index, spec): (usize, &Spec),
        outcome: Outcome,
        console: &mut Console,
    ) {
        if self.lines {
            let (word, took) = (outcome.verdict.word(), shown(outcome.took));
            let at = format!("{:.3}", outcome.at);
            let line = format!("{at}  {word:<7}  {took:<8}  {}  {}", spec.target, told(&outcome));
            let line = console.styled(style(&outcome), line.trim_end());
            console.line(&line);
            console.flush();
        }
        self.all.push((index, outcome));
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.all.iter().map(|(_, outcome)| outcome)
    }

    pub(super) fn end(&self, specs: &[Spec], console: &mut Console) {
        let of = |index: usize| &specs[index];
        if self.format == Format::Json {
            let probes = self
                .all
                .iter()
                .map(|(place, outcome)| document(&of(*place).target.to_string(), outcome));
            console.json(&json!({"version": 1, "probes": probes.collect::<Vec<Value>>()}));
        } else if self.lines {
            self.summary(console);
        } else {
            let rows: Vec<(String, &Outcome)> = self
                .all
                .iter()
                .map(|(place, outcome)| (of(*place).target.to_string(), outcome))
                .collect();
            rows_of(&rows, console);
        }
    }

    fn summary(&self, console: &mut Console) {
        let mut times = Times::default();
        let count =
            |word: &str| self.outcomes().filter(|outcome| outcome.verdict.word() == word).count();
        for outcome in self.outcomes().filter(|outcome| outcome.passed()) {
            times.keep(outcome.took);
        }
        let (passed, failed, unknown) = (count("passed"), count("failed"), count("unknown"));
        let mut line = format!(
            "{} asked: {passed} passed, {failed} failed, {unknown} unknown",
            self.all.len()
        );
        if passed > 0 {
            let within = |share| shown(times.within(share));
            line += &format!(
                "; half within {}, 99 of 100 within {}, all within {}",
                within(0.5),
                within(0.99),
                shown(times.longest())
            );
        }
        console.line(&line);
    }
}

fn style(outcome: &Outcome) -> Style {
    match outcome.verdict {
        Verdict::Passed => Style::Good,
        Verdict::Failed(_) => Style::Bad,
        Verdict::Unknown { .. } => Style::Doubt,
    }
}

/// A table of outcomes, then the steps of paths.
pub(super) fn rows_of(rows: &[(String, &Outcome)], console: &mut Console) {
    let cells: Vec<[String; 5]> = rows
        .iter()
        .map(|(target, outcome)| {
            [
                target.clone(),
                outcome.verdict.word().to_owned(),
                shown(outcome.took),
                phases(outcome),
                told(outcome),
            ]
        })
        .collect();
    table(["TARGET", "RESULT", "TOOK", "PHASES", "SEEN"], &cells, console, |at| {
        Some(style(rows[at].1)).filter(|style| !matches!(style, Style::Good))
    });
    for (target, outcome) in rows.iter().filter(|(_, outcome)| !outcome.steps.is_empty()) {
        console.line(&format!("\nsteps of {target}"));
        for step in &outcome.steps {
            let line = match &step.outcome {
                Some(own) => format!(
                    "  {}  {}  {}  {}",
                    step.name,
                    own.verdict.word(),
                    shown(own.took),
                    told(own)
                ),
                None => format!("  {}  not gone", step.name),
            };
            console.line(line.trim_end());
        }
    }
}

fn phases(outcome: &Outcome) -> String {
    let one =
        |(name, took): (&str, Duration)| format!("{} {}", name.replace('_', " "), shown(took));
    let all = outcome.phases.iter().map(|phase| one((phase.name.name(), phase.took)));
    all.collect::<Vec<_>>().join(", ")
}

/// What went wrong, or what was seen.
fn told(outcome: &Outcome) -> String {
    match &outcome.verdict {
        Verdict::Failed(failure) => return failure.to_string(),
        Verdict::Unknown { why } => return why.clone(),
        Verdict::Passed => {}
    }
    let mut words = Vec::new();
    if let Some(http) = &outcome.seen.http {
        let health =
            http.health.as_ref().map(|health| format!(", says {health}")).unwrap_or_default();
        words.push(format!("{}{health}", http.status));
    }
    if let Some(tls) = &outcome.seen.tls {
        let until = tls
            .earliest_expiry
            .map(|end| format!(", certificates until {end:.0}"))
            .unwrap_or_default();
        words.push(format!("{}{until}", tls.version.replace('_', ".")));
    }
    if outcome.seen.names.len() > 1 {
        words.push(outcome.seen.names.join(" > "));
    }
    words.extend(outcome.seen.server.clone());
    words.extend(outcome.seen.path_mtu.map(|size| format!("packets of {size} octets pass")));
    words.extend(
        outcome
            .source
            .filter(|source| source.seen_by_peer)
            .map(|source| format!("sees {}", source.address)),
    );
    words.join(", ")
}

/// An outcome with its target.
pub(super) fn document(target: &str, outcome: &Outcome) -> Value {
    let mut value = serde_json::to_value(outcome).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.shift_insert(0, "target".to_owned(), Value::from(target));
    }
    value
}
