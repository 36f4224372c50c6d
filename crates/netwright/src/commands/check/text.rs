//! What `check` says to people.

use netwright_model::diagnostic::{Diagnostic, Severity};
use netwright_verify::check::{Finding, catalogue};
use netwright_verify::intents::Standing;

use super::{Checked, gaps, place, words};
use crate::console::{Console, Style};
use crate::network::Input;

pub(in crate::commands) fn write(
    console: &mut Console,
    input: &Input,
    checked: &Checked,
    all: bool,
) {
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
    let hidden = told(console, input, findings, all);
    if !findings.is_empty() {
        console.line("");
    }
    missing(console, input, all);
    let count = |standing| answers.iter().filter(|answer| answer.standing == standing).count();
    let (holds, broken, unknown) =
        (count(Standing::Holds), count(Standing::Broken), count(Standing::Unknown));
    if answers.is_empty() {
        console.line("no intents: write what must and must not work under `expect`");
    } else {
        console.line(&format!("{holds} hold, {broken} broken, {unknown} unknown"));
    }
    summary(console, findings, hidden);
}

/// How many gaps are told one by one.
const GAPS: usize = 20;

/// What the input lacks and verdicts may depend on.
fn missing(console: &mut Console, input: &Input, all: bool) {
    let shown = if all { usize::MAX } else { GAPS };
    for gap in gaps(input).take(shown) {
        let word = console.styled(Style::Doubt, "missing");
        console.line(&format!("{word}  {}: {}", gap.object, gap.what));
    }
    let more = gaps(input).count().saturating_sub(shown);
    if more > 0 {
        let line = format!("  … and {more} more that are missing: `--all` shows them");
        console.line(&console.styled(Style::Dim, &line));
    }
}

/// How many findings of a kind are shown in full where there are many.
const SHOWN: usize = 3;
/// More than this is many.
const MANY: usize = 5;

/// Findings by kind, the worst first, each with its place and what to do. How many were left out.
fn told(console: &mut Console, input: &Input, findings: &[Finding], all: bool) -> usize {
    let mut hidden = 0;
    let mut kinds: Vec<((Severity, &str), Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let key = (finding.severity, finding.id);
        match kinds.iter_mut().find(|(known, _)| *known == key) {
            Some((_, list)) => list.push(finding),
            None => kinds.push((key, vec![finding])),
        }
    }
    for ((_, id), list) in kinds {
        let shown = if all || list.len() <= MANY { list.len() } else { SHOWN };
        for finding in &list[..shown] {
            let told = diagnostic(finding).render(&input.sources, console.colored());
            console.line("");
            console.write(&told);
        }
        let more = list.len() - shown;
        if more > 0 {
            let title = catalogue::find(id).map_or("", |entry| entry.title);
            let line = format!("  … and {more} more of {id} ({title})");
            console.line(&console.styled(Style::Dim, &line));
            hidden += more;
        }
    }
    hidden
}

fn diagnostic(finding: &Finding) -> Diagnostic {
    Diagnostic {
        code: finding.id.into(),
        severity: finding.severity,
        message: finding.message.clone(),
        span: finding.span,
        label: None,
        notes: finding.also.clone(),
        help: Some(finding.remedy.clone()),
    }
}

fn summary(console: &mut Console, findings: &[Finding], hidden: usize) {
    if findings.is_empty() {
        return;
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let many =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let all = many(findings.len(), "finding");
    let errors = many(count(Severity::Error), "error");
    let warnings = many(count(Severity::Warning), "warning");
    let infos = match count(Severity::Info) {
        0 => String::new(),
        count => format!(", {count} for information"),
    };
    console.line(&format!("{all}: {errors}, {warnings}{infos}; `netwright explain ID` says more"));
    if hidden > 0 {
        console.line(&format!("{} not shown: `--all` shows them", many(hidden, "finding")));
    }
}
