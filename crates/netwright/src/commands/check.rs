//! `netwright check`.

use netwright_model::language::Gap;
use netwright_model::source::{Sources, Span};
use netwright_verify::intents::{Answer, Standing, ask};
use netwright_verify::prover::Prover;
use serde_json::{Value, json};

use crate::arguments::{Check, ReportFormat};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network::{Input, open};

pub(super) fn run(arguments: &Check, console: &mut Console) -> Result<Code, Failure> {
    let input = open(&arguments.file)?;
    let answers = ask(&mut Prover::new(&input.network));
    match arguments.format {
        ReportFormat::Text => text(console, &input, &answers),
        ReportFormat::Json => console.json(&document(&input, &answers)),
        ReportFormat::Sarif => console.json(&sarif(&input, &answers)),
        ReportFormat::Junit => console.write(&junit(&input, &answers)),
    }
    let any = |standing| answers.iter().any(|answer| answer.standing == standing);
    Ok(if any(Standing::Broken) {
        Code::Fail
    } else if any(Standing::Unknown) {
        Code::Unknown
    } else {
        Code::Pass
    })
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

fn text(console: &mut Console, input: &Input, answers: &[Answer]) {
    for answer in answers {
        let (word, style) = words(answer.standing);
        let word = console.styled(style, word);
        console.line(&format!("{word}  {}: {}", answer.name, answer.why));
        if answer.standing != Standing::Holds {
            let at = place(&input.sources, answer.span);
            console.line(&console.styled(Style::Dim, &format!("        {at}")));
        }
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
}

fn document(input: &Input, answers: &[Answer]) -> Value {
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
    json!({ "version": 1, "intents": intents, "gaps": missing, "notes": input.notes })
}

/// SARIF 2.1.0 (OASIS): one rule for broken intents, one for those that cannot be determined.
fn sarif(input: &Input, answers: &[Answer]) -> Value {
    let results: Vec<Value> = answers
        .iter()
        .filter(|answer| answer.standing != Standing::Holds)
        .map(|answer| {
            let broken = answer.standing == Standing::Broken;
            let mut result = json!({
                "ruleId": if broken { "NW-INTENT-001" } else { "NW-INTENT-002" },
                "level": if broken { "error" } else { "warning" },
                "message": { "text": format!("intent {}: {}", answer.name, answer.why) },
            });
            if let Some(at) = input.sources.location(answer.span) {
                result["locations"] = json!([{
                    "physicalLocation": {
                        "artifactLocation": { "uri": at.path.display().to_string() },
                        "region": { "startLine": at.line, "startColumn": at.column },
                    },
                }]);
            }
            result
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "netwright",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": [
                    { "id": "NW-INTENT-001", "shortDescription": { "text": "An intent does not hold" } },
                    { "id": "NW-INTENT-002", "shortDescription": { "text": "Whether an intent holds cannot be determined" } },
                ],
            } },
            "results": results,
        }],
    })
}

fn junit(input: &Input, answers: &[Answer]) -> String {
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
