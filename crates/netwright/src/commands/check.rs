//! `netwright check`.

use netwright_model::diagnostic::Severity;
use netwright_model::language::Gap;
use netwright_model::source::{Sources, Span};
use netwright_verify::cascade::{self, Cascade};
use netwright_verify::check::{Finding, catalogue, check_with as findings};
use netwright_verify::dependencies::{self, Answer as Dependency};
use netwright_verify::intents::{Answer, Standing, ask};
use netwright_verify::prover::Prover;
use serde_json::{Value, json};

use crate::arguments::{Check, FailOn, ReportFormat};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network::{Input, open};

pub(super) fn run(arguments: &Check, console: &mut Console) -> Result<Code, Failure> {
    let input = open(&arguments.file)?;
    let mut prover = Prover::new(&input.network);
    let checked = Checked {
        answers: ask(&mut prover),
        services: Services::of(&mut prover),
        findings: findings(&mut prover, today()),
    };
    match arguments.format {
        ReportFormat::Text => text(console, &input, &checked),
        ReportFormat::Json => console.json(&document(&input, &checked)),
        ReportFormat::Sarif => console.json(&sarif(&input, &checked)),
        ReportFormat::Junit => console.write(&junit(&input, &checked)),
    }
    let any = |standing| checked.answers.iter().any(|answer| answer.standing == standing);
    let fails = |finding: &Finding| match arguments.fail_on {
        FailOn::Error => finding.severity == Severity::Error,
        FailOn::Warning => finding.severity >= Severity::Warning,
        FailOn::Info => true,
    };
    let found = checked.findings.iter().any(fails);
    Ok(if found || any(Standing::Broken) || !checked.services.cascade.failures.is_empty() {
        Code::Fail
    } else if any(Standing::Unknown) {
        Code::Unknown
    } else {
        Code::Pass
    })
}

/// Days since 1970-01-01, in UTC. None before that.
#[expect(
    clippy::disallowed_methods,
    reason = "whether a certificate has expired depends on the day"
)]
fn today() -> Option<i64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(now.as_secs() / 86_400).ok()
}

/// All that a check finds out.
struct Checked {
    answers: Vec<Answer>,
    services: Services,
    findings: Vec<Finding>,
}

/// Serverless services: what they depend on, and which do not start.
struct Services {
    dependencies: Vec<Dependency>,
    cascade: Cascade,
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

fn place(sources: &Sources, span: Span) -> String {
    sources.location(span).map_or_else(String::new, |place| place.to_string())
}

/// Gaps that verdicts may depend on.
fn gaps(input: &Input) -> impl Iterator<Item = &Gap> {
    let all = input.network.description.gaps.iter();
    all.filter(|gap| gap.affects_verdicts.as_ref().is_none_or(|affects| affects.value))
}

fn text(console: &mut Console, input: &Input, checked: &Checked) {
    let Checked { answers, services, findings } = checked;
    for answer in answers {
        let (word, style) = words(answer.standing);
        let word = console.styled(style, word);
        console.line(&format!("{word}  {}: {}", answer.name, answer.why));
        if answer.standing != Standing::Holds {
            let at = place(&input.sources, answer.span);
            console.line(&console.styled(Style::Dim, &format!("        {at}")));
        }
    }
    for dependency in services.unreached() {
        let word = console.styled(Style::Bad, dependency.verdict.word());
        let why = dependency.why.as_deref().unwrap_or("");
        let (service, target) = (&dependency.service, &dependency.target);
        console.line(&format!("{word}  {service} → {target} ({}): {why}", dependency.name));
        let at = place(&input.sources, dependency.span);
        console.line(&console.styled(Style::Dim, &format!("        {at}")));
    }
    for failure in &services.cascade.failures {
        let word = console.styled(Style::Bad, "does not start");
        let phase =
            failure.phase.as_ref().map_or_else(String::new, |phase| format!(" (phase {phase})"));
        console.line(&format!("{word}  {}{phase}: {}", failure.service, failure.why));
    }
    for lost in &services.cascade.lost {
        console.line(&format!(
            "{}  golden path {}: {}",
            console.styled(Style::Bad, "lost"),
            lost.path,
            lost.why
        ));
    }
    for finding in findings {
        let (word, style) = match finding.severity {
            Severity::Error => ("error", Style::Bad),
            Severity::Warning => ("warning", Style::Doubt),
            Severity::Info => ("info", Style::Dim),
        };
        let word = console.styled(style, &format!("{word}[{}]", finding.id));
        console.line(&format!("{word}  {}", finding.message));
        let at = place(&input.sources, finding.span);
        console.line(&console.styled(Style::Dim, &format!("        {at}")));
        console.line(&format!("        {}", finding.remedy));
    }
    for gap in gaps(input) {
        let word = console.styled(Style::Doubt, "missing");
        console.line(&format!("{word}  {}: {}", gap.object, gap.what));
    }
    let count = |standing| answers.iter().filter(|answer| answer.standing == standing).count();
    let (holds, broken, unknown) =
        (count(Standing::Holds), count(Standing::Broken), count(Standing::Unknown));
    if answers.is_empty() {
        console.line("no intents: write what must and must not work under `expect`");
    } else {
        console.line(&format!("{holds} hold, {broken} broken, {unknown} unknown"));
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if !findings.is_empty() {
        let many = |count: usize, what: &str| {
            format!("{count} {what}{}", if count == 1 { "" } else { "s" })
        };
        let (all, errors) = (many(findings.len(), "finding"), many(errors, "error"));
        let warnings = many(warnings, "warning");
        console.line(&format!("{all}: {errors}, {warnings}; `netwright explain ID` says more"));
    }
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
                "source_seen": dependency.source_seen.map(|address| address.to_string()),
                "why": dependency.why,
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
            })
        }).collect::<Vec<_>>(),
        "dependencies": dependencies,
        "failures": failures.collect::<Vec<_>>(),
        "gaps": missing,
        "notes": input.notes,
    })
}

/// The level of a severity in SARIF.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// SARIF 2.1.0 (OASIS).
fn sarif(input: &Input, checked: &Checked) -> Value {
    let Checked { answers, services, findings } = checked;
    let result = |rule: &str, level: &str, text: String, span: Span| {
        let mut result = json!({ "ruleId": rule, "level": level, "message": { "text": text } });
        if let Some(at) = input.sources.location(span) {
            result["locations"] = json!([{
                "physicalLocation": {
                    "artifactLocation": { "uri": at.path.display().to_string() },
                    "region": { "startLine": at.line, "startColumn": at.column },
                },
            }]);
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
        results.push(result(finding.id, level, text, finding.span));
    }
    let rules: Vec<Value> = catalogue::all()
        .map(|entry| {
            json!({
                "id": entry.id,
                "shortDescription": { "text": entry.title },
                "fullDescription": { "text": entry.why },
                "help": { "text": format!("{} Source: {}.", entry.remedy, entry.source) },
                "defaultConfiguration": { "level": level(entry.severity) },
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "netwright",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "results": results,
        }],
    })
}

fn junit(input: &Input, checked: &Checked) -> String {
    let Checked { answers, services, findings } = checked;
    let failures = answers.iter().filter(|answer| answer.standing == Standing::Broken).count();
    let errors = answers.iter().filter(|answer| answer.standing == Standing::Unknown).count();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"intents\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\">\n",
        answers.len()
    );
    for answer in answers {
        let name = escape(&answer.name);
        let why = escape(&answer.why);
        let at = escape(&place(&input.sources, answer.span));
        out += &match answer.standing {
            Standing::Holds => format!("    <testcase name=\"{name}\" classname=\"expect\"/>\n"),
            Standing::Broken => format!(
                "    <testcase name=\"{name}\" classname=\"expect\"><failure message=\"{why}\">{at}</failure></testcase>\n"
            ),
            Standing::Unknown => format!(
                "    <testcase name=\"{name}\" classname=\"expect\"><error message=\"{why}\">{at}</error></testcase>\n"
            ),
        };
    }
    out += "  </testsuite>\n";
    let missing = services.unreached().count();
    out += &format!(
        "  <testsuite name=\"dependencies\" tests=\"{}\" failures=\"{missing}\" errors=\"0\">\n",
        services.dependencies.len()
    );
    for dependency in &services.dependencies {
        let name = escape(&format!("{} → {}", dependency.service, dependency.target));
        let failure = if dependency.is_missing() {
            let why = escape(dependency.why.as_deref().unwrap_or(dependency.verdict.word()));
            format!("><failure message=\"{why}\"/></testcase>")
        } else {
            "/>".to_owned()
        };
        out += &format!("    <testcase name=\"{name}\" classname=\"services\"{failure}\n");
    }
    out += "  </testsuite>\n";
    out += &format!(
        "  <testsuite name=\"findings\" tests=\"{}\" failures=\"{}\" errors=\"0\">\n",
        findings.len(),
        findings.len()
    );
    for finding in findings {
        let name = escape(&format!("{} {}", finding.id, place(&input.sources, finding.span)));
        let message = escape(&finding.message);
        let remedy = escape(&finding.remedy);
        out += &format!(
            "    <testcase name=\"{name}\" classname=\"findings\"><failure message=\"{message}\" type=\"{}\">{remedy}</failure></testcase>\n",
            finding.severity.word()
        );
    }
    out + "  </testsuite>\n</testsuites>\n"
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no way to write these.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
