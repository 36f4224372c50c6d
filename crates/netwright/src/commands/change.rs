//! What commands that change the network of a service have in common: sending, and telling what became of it.

use std::time::Duration;

use netwright_control::change::Answer;
use netwright_control::change::report::{Flow, Hop, Intent, Report};
use netwright_control::convergence::Convergence;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Method;

use super::convergence;
use crate::arguments::{Format, Wish};
use crate::client::{Client, problem};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;

/// Parties that are named before the rest is counted.
const SHOWN: usize = 4;

/// Objects that are named before the rest is counted.
const KEPT: usize = 20;

/// What became of a wish.
pub(super) struct Sent {
    /// The code so far.
    pub(super) code: Code,
    /// What was answered.
    pub(super) answer: Answer,
    /// The same as it came.
    pub(super) value: Value,
    /// How far the hosts are, where that was waited for.
    pub(super) found: Option<Convergence>,
}

/// Sends a wish, and tells what became of it; as JSON only where nothing follows.
pub(super) fn send(
    method: &Method,
    path: &str,
    body: &mut Value,
    (wish, more): (&Wish, bool),
    console: &mut Console,
) -> Result<Sent, Failure> {
    let client = Client::new(&wish.remote)?;
    body["why"] = wish.why.clone().into();
    body["force"] = wish.force.clone().into();
    body["dry_run"] = wish.dry_run.into();
    let revision = wish.if_revision.map(|revision| format!("\"{revision}\""));
    let mut headers: Vec<(&str, &str)> = Vec::new();
    headers.extend(revision.as_deref().map(|revision| ("if-match", revision)));
    headers.extend(wish.idempotency_key.as_deref().map(|key| ("idempotency-key", key)));
    let answer = match client.exchange(method, path, &headers, Some(body))? {
        Ok(answer) => answer.body,
        Err((_, refused)) if refused.get("answer").is_some() => refused["answer"].clone(),
        Err((_, wrong)) if wrong.get("diagnostics").is_some() => return Err(mistakes(&wrong)),
        Err((status, body)) => return Err(problem(status, &body)),
    };
    let told: Answer = decode(answer.clone())?;
    match wish.format {
        Format::Json if more => {}
        Format::Json => console.json(&answer),
        Format::Text => tell(console, &told, wish.dry_run),
    }
    let mut sent = Sent { code: Code::Pass, answer: told, value: answer, found: None };
    let told = &sent.answer;
    let landed = matches!(told.outcome.as_str(), "accepted" | "unchanged");
    if let (Some(seconds), Some(revision), true) = (wish.wait, told.revision, landed) {
        console.flush();
        let within = Duration::from_secs(seconds);
        let shown = (wish.format == Format::Text).then_some(console);
        let found = convergence::wait(&client, revision, within, shown)?;
        sent.code = convergence::code(&found);
        sent.found = Some(found);
    } else if told.outcome == "would_be_refused" {
        sent.code = Code::Fail;
    }
    Ok(sent)
}

/// What a service says is wrong with a description, as it is told of a file.
fn mistakes(wrong: &Value) -> Failure {
    let all = wrong["diagnostics"].as_array();
    let texts: Vec<&str> =
        all.into_iter().flatten().filter_map(|one| one["text"].as_str()).collect();
    let detail = wrong["detail"].as_str().unwrap_or_default();
    Failure::Told { text: texts.concat(), message: detail.to_owned() }
}

/// An answer as its type.
pub(super) fn decode<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    let foreign =
        |error| Failure::unknown(format!("the server does not answer as this version: {error}"));
    serde_json::from_value(value).map_err(foreign)
}

/// A path with a query.
pub(super) fn query(path: &str, with: &[(&str, String)]) -> String {
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|octet| match octet {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    char::from(octet).to_string()
                }
                octet => format!("%{octet:02X}"),
            })
            .collect()
    };
    let parts: Vec<String> =
        with.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    if parts.is_empty() { path.to_owned() } else { format!("{path}?{}", parts.join("&")) }
}

fn tell(console: &mut Console, answer: &Answer, dry_run: bool) {
    let (base, report) = (answer.base, &answer.report);
    let revision = answer.revision.unwrap_or(base);
    let summary = &report.summary;
    let parts =
        [(summary.created, "made"), (summary.changed, "changed"), (summary.destroyed, "gone")];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let objects = parts.join(", ");
    let (word, style) = match answer.outcome.as_str() {
        "unchanged" => {
            (format!("unchanged: the network is so at revision {revision}"), Style::Good)
        }
        "accepted" if answer.forced => {
            (format!("accepted by force: revision {revision}, objects {objects}"), Style::Bad)
        }
        "accepted" => (format!("accepted: revision {revision}, objects {objects}"), Style::Good),
        "would_be_accepted" => {
            (format!("would be accepted after revision {base}: objects {objects}"), Style::Good)
        }
        _ if dry_run => {
            (format!("would be refused after revision {base}: objects {objects}"), Style::Bad)
        }
        _ => (format!("refused: the network stays at revision {base}"), Style::Bad),
    };
    console.line(&console.styled(style, &word));
    self::report(console, report);
    kept(console, report);
}

/// What is proved of a change.
pub(super) fn report(console: &mut Console, report: &Report) {
    list(console, "why it may not land", Style::Bad, &report.refused);
    intents(console, "intents broken", Style::Bad, &report.broken);
    intents(console, "intents that cannot be determined", Style::Doubt, &report.unknown);
    list(console, "intents fixed", Style::Good, &report.fixed);
    list(console, "warnings", Style::Doubt, &report.warnings);
    flows(console, "flows lost", Style::Bad, report, |flow| flow.lost.as_ref());
    flows(console, "flows now unknown", Style::Doubt, report, |flow| flow.unknown.as_ref());
    flows(console, "flows gained", Style::Good, report, |flow| flow.gained.as_ref());
    for (words, findings) in
        [("new findings", &report.found), ("findings that are gone", &report.gone)]
    {
        title(console, words, findings.is_empty());
        for finding in findings {
            let at = finding.at.as_ref().map_or_else(String::new, |at| format!("  {at}"));
            let at = console.styled(Style::Dim, &at);
            console
                .line(&format!("  {}[{}] {}{at}", finding.severity, finding.id, finding.message));
        }
    }
    steps(console, report);
}

fn title(console: &mut Console, words: &str, empty: bool) {
    if !empty {
        console.line("");
        console.line(&console.styled(Style::Strong, words));
    }
}

fn list(console: &mut Console, words: &str, style: Style, lines: &[String]) {
    title(console, words, lines.is_empty());
    for line in lines {
        console.line(&format!("  {}", console.styled(style, line)));
    }
}

fn intents(console: &mut Console, words: &str, style: Style, intents: &[Intent]) {
    title(console, words, intents.is_empty());
    for intent in intents {
        let name = console.styled(style, &intent.name);
        console.line(&format!("  {name}: {}", intent.why));
        for (direction, hops) in [("forward", &intent.forward), ("return", &intent.back)] {
            if !hops.is_empty() {
                console.line(&format!("    {direction}"));
            }
            for (number, hop) in (1..).zip(hops) {
                self::hop(console, number, hop);
            }
        }
    }
}

fn hop(console: &mut Console, number: usize, hop: &Hop) {
    let what = match hop.kind.as_str() {
        "at" => format!("{} {}", hop.object.replace('_', " "), hop.name),
        "route" => format!("  route {} in {}", hop.text, hop.name),
        "end" => hop.text.clone(),
        _ => format!("  {}", hop.text),
    };
    let (mark, style) = match hop.passed {
        Some(true) => (" ", None),
        Some(false) => ("✗", Some(Style::Bad)),
        None => ("?", Some(Style::Doubt)),
    };
    let line = format!("    {number:>3} {mark} {what}");
    let line = style.map_or_else(|| line.clone(), |style| console.styled(style, &line));
    let at = hop.at.as_ref().map_or_else(String::new, |at| format!("  {at}"));
    let at = console.styled(Style::Dim, &at);
    console.line(&format!("{line}{at}"));
}

fn flows(
    console: &mut Console,
    words: &str,
    style: Style,
    report: &Report,
    what: impl Fn(&Flow) -> Option<&String>,
) {
    let told: Vec<(&Flow, &String)> =
        report.flows.iter().filter_map(|flow| Some((flow, what(flow)?))).collect();
    title(console, words, told.is_empty());
    for (flow, set) in told {
        let relation = match flow.relation.as_str() {
            "same_subnet" => " (in one subnet)",
            "other_subnet" => " (in different subnets)",
            _ => "",
        };
        let (from, to) = (names(&flow.sources), names(&flow.destinations));
        console.line(&format!("  {from} → {to}{relation}"));
        console.line(&format!("      {}", console.styled(style, set)));
        if let Some(cause) = flow.cause.as_ref().filter(|_| words == "flows lost") {
            console.line(&format!("      because {cause}"));
            if let Some(at) = &flow.at {
                console.line(&console.styled(Style::Dim, &format!("      {at}")));
            }
        }
    }
}

fn names(all: &[String]) -> String {
    let mut names: Vec<String> = all.iter().take(SHOWN).cloned().collect();
    if all.len() > SHOWN {
        names.push(format!("{} more", all.len() - SHOWN));
    }
    names.join(", ")
}

fn steps(console: &mut Console, report: &Report) {
    title(console, "steps", report.steps.is_empty());
    for step in &report.steps {
        let style = match step.undo.as_str() {
            "reversible" => Style::Good,
            "irreversible" => Style::Bad,
            _ => Style::Doubt,
        };
        let undo = console.styled(style, &step.undo);
        console.line(&format!("  {} {} {}: {undo}", step.action, step.kind, step.name));
        for field in &step.fields {
            let shown =
                |value: &Option<String>| value.clone().unwrap_or_else(|| "not given".to_owned());
            let (old, new) = (shown(&field.old), shown(&field.new));
            console.line(&format!("      {}: {old} → {new}", field.path));
        }
        if step.undo != "reversible" {
            console.line(&console.styled(Style::Dim, &format!("      {}", step.why)));
        }
    }
    let more = report.summary.steps.saturating_sub(report.steps.len());
    if more > 0 {
        console.line(&format!("  and {more} more"));
    }
}

fn kept(console: &mut Console, report: &Report) {
    let kept = &report.kept;
    title(
        console,
        "objects that the description lacks, and that stay (--prune takes them away)",
        kept.is_empty(),
    );
    for name in kept.iter().take(KEPT) {
        console.line(&format!("  {name}"));
    }
    let more = report.summary.kept.saturating_sub(kept.len().min(KEPT));
    if more > 0 {
        console.line(&format!("  and {more} more"));
    }
}
