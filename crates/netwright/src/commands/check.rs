//! `netwright check`.

pub(super) mod junit;
pub(super) mod sarif;
pub(super) mod text;

use netwright_model::diagnostic::Severity;
use netwright_model::language::Gap;
use netwright_model::source::{Sources, Span};
use netwright_verify::cascade::{self, Cascade};
use netwright_verify::check::{Finding, check_with as findings};
use netwright_verify::dependencies::{self, Answer as Dependency};
use netwright_verify::intents::{Answer, Standing, ask};
use netwright_verify::prover::Prover;
use netwright_verify::question::Partly;
use serde_json::{Value, json};

use crate::arguments::{Check, FailOn, ReportFormat};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network::{Input, open};

pub(super) fn run(arguments: &Check, console: &mut Console) -> Result<Code, Failure> {
    let input = open(&arguments.file)?;
    // Probes that cannot be asked are no input.
    input.watched()?;
    let checked = Checked::of(&input);
    match arguments.format {
        ReportFormat::Text => text::write(console, &input, &checked, arguments.all),
        ReportFormat::Json => console.json(&document(&input, &checked)),
        ReportFormat::Sarif => console.json(&sarif::document(&input, &checked)),
        ReportFormat::Junit => console.write(&junit::document(&input, &checked, arguments.fail_on)),
    }
    Ok(checked.code(arguments.fail_on))
}

/// Whether a finding is bad enough.
fn fails(finding: &Finding, on: FailOn) -> bool {
    match on {
        FailOn::Error => finding.severity == Severity::Error,
        FailOn::Warning => finding.severity >= Severity::Warning,
        FailOn::Info => true,
    }
}

/// Days since 1970-01-01, in UTC. None before that.
#[expect(
    clippy::disallowed_methods,
    reason = "whether a certificate has expired depends on the day"
)]
pub(super) fn today() -> Option<i64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(now.as_secs() / 86_400).ok()
}

/// All that a check finds out.
pub(super) struct Checked {
    pub(super) answers: Vec<Answer>,
    pub(super) services: Services,
    pub(super) findings: Vec<Finding>,
}

impl Checked {
    /// Asks everything that a network says of itself.
    pub(super) fn of(input: &Input) -> Self {
        let mut prover = Prover::new(&input.network);
        Self {
            answers: ask(&mut prover),
            services: Services::of(&mut prover),
            findings: findings(&mut prover, today()),
        }
    }

    pub(super) fn code(&self, fail_on: FailOn) -> Code {
        let any = |standing| self.answers.iter().any(|answer| answer.standing == standing);
        let found = self.findings.iter().any(|finding| fails(finding, fail_on));
        if found || any(Standing::Broken) || !self.services.cascade.failures.is_empty() {
            Code::Fail
        } else if any(Standing::Unknown) {
            Code::Unknown
        } else {
            Code::Pass
        }
    }
}

/// Serverless services: what they depend on, and which do not start.
pub(super) struct Services {
    pub(super) dependencies: Vec<Dependency>,
    pub(super) cascade: Cascade,
}

impl Services {
    fn of(prover: &mut Prover<'_>) -> Self {
        let dependencies = dependencies::ask(prover);
        let cascade = cascade::follow(prover.network, &dependencies);
        Self { dependencies, cascade }
    }

    fn unreached(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|dependency| dependency.is_missing())
    }
}

fn words(standing: Standing) -> (&'static str, Style) {
    match standing {
        Standing::Holds => ("holds", Style::Good),
        Standing::Broken => ("broken", Style::Bad),
        Standing::Unknown => ("unknown", Style::Doubt),
    }
}

pub(super) fn place(sources: &Sources, span: Span) -> String {
    sources.location(span).map_or_else(String::new, |place| place.to_string())
}

/// Gaps that verdicts may depend on.
fn gaps(input: &Input) -> impl Iterator<Item = &Gap> {
    let all = input.network.description.gaps.iter();
    all.filter(|gap| gap.affects_verdicts.as_ref().is_none_or(|affects| affects.value))
}

/// Which part is not as asked, where another is.
fn partly(partly: Option<&Partly>) -> Value {
    partly.map_or(
        Value::Null,
        |partly| json!({ "works": partly.works, "fails": partly.fails, "surely": partly.surely }),
    )
}

fn document(input: &Input, checked: &Checked) -> Value {
    let Checked { answers, services, findings } = checked;
    let intents: Vec<Value> = answers
        .iter()
        .map(|answer| {
            let at = input.sources.location(answer.span);
            json!({
                "name": answer.name,
                "standing": words(answer.standing).0,
                "why": answer.why,
                "partly": partly(answer.partly.as_ref()),
                "flows": answer.asked,
                "file": at.as_ref().map(|at| at.path.display().to_string()),
                "line": at.as_ref().map(|at| at.line),
            })
        })
        .collect();
    let missing: Vec<Value> = gaps(input)
        .map(|gap| json!({ "object": gap.object.value, "what": gap.what.value }))
        .collect();
    let dependencies: Vec<Value> = services
        .dependencies
        .iter()
        .map(|dependency| {
            json!({
                "service": dependency.service,
                "dependency": dependency.name,
                "target": dependency.target,
                "verdict": dependency.verdict.word(),
                "way": dependency.way,
                "source_seen": dependency.sources_seen.first(),
                "sources_seen": dependency.sources_seen,
                "why": dependency.why,
                "partly": partly(dependency.partly.as_ref()),
            })
        })
        .collect();
    let failures = services.cascade.failures.iter().map(
        |failure| json!({ "service": failure.service, "phase": failure.phase, "why": failure.why }),
    );
    json!({
        "version": 1,
        "intents": intents,
        "findings": findings.iter().map(|finding| {
            let at = input.sources.location(finding.span);
            json!({
                "id": finding.id,
                "severity": finding.severity.word(),
                "message": finding.message,
                "remedy": finding.remedy,
                "file": at.as_ref().map(|at| at.path.display().to_string()),
                "line": at.as_ref().map(|at| at.line),
                "column": at.as_ref().map(|at| at.column),
                "also": finding.also.iter().map(|(span, what)| {
                    let at = input.sources.location(*span);
                    json!({
                        "message": what,
                        "file": at.as_ref().map(|at| at.path.display().to_string()),
                        "line": at.as_ref().map(|at| at.line),
                        "column": at.as_ref().map(|at| at.column),
                    })
                }).collect::<Vec<_>>(),
            })
        }).collect::<Vec<_>>(),
        "dependencies": dependencies,
        "failures": failures.collect::<Vec<_>>(),
        "gaps": missing,
        "notes": input.notes,
    })
}
