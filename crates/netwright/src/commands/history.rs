//! `netwright history`.

use netwright_control::change::record::Listed;
use netwright_control::change::report::{Report, Summary};
use netwright_control::time::Time;
use serde_json::{Value, json};

use super::change::{decode, query, report};
use crate::arguments::{Format, History};
use crate::client::Client;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::table::table;

pub(super) fn run(arguments: &History, console: &mut Console) -> Result<Code, Failure> {
    let client = Client::new(&arguments.remote)?;
    if let Some(revision) = arguments.revision {
        let answer = client.get(&format!("/api/v1/changes/{revision}"))?;
        answer.note(console);
        let body = answer.body;
        match arguments.format {
            Format::Json => console.json(&body),
            Format::Text => one(console, &body)?,
        }
        return Ok(Code::Pass);
    }
    let mut changes: Vec<Value> = Vec::new();
    let mut from = arguments.from.unwrap_or_default();
    loop {
        let with = [("limit", "1000".to_owned()), ("from", from.to_string())];
        let answer = client.get(&query("/api/v1/changes", &with))?;
        if answer.body["next"].is_null() {
            answer.note(console);
        }
        let mut page = answer.body;
        changes.append(page["changes"].as_array_mut().unwrap_or(&mut Vec::new()));
        match page["next"].as_u64() {
            Some(next) => from = next,
            None => break,
        }
    }
    match arguments.format {
        Format::Json => console.json(&json!({ "changes": changes })),
        Format::Text => {
            let listed: Result<Vec<Listed>, Failure> = changes.into_iter().map(decode).collect();
            list(console, &listed?);
        }
    }
    Ok(Code::Pass)
}

fn list(console: &mut Console, changes: &[Listed]) {
    if changes.is_empty() {
        console.line("nothing was ever declared");
        return;
    }
    let head = ["revision", "when", "who", "what", "did", "why"];
    let rows: Vec<[String; 6]> = changes
        .iter()
        .map(|change| {
            let forced = change.forced.as_ref().map(|reason| format!("forced: {reason}"));
            let why = [forced, change.why.clone()].into_iter().flatten().collect::<Vec<_>>();
            [
                change.revision.to_string(),
                Time::of_milliseconds(change.at).to_string(),
                change.who.clone(),
                change.what.clone(),
                did(&change.summary),
                why.join("; "),
            ]
        })
        .collect();
    let forced = |row: usize| changes[row].forced.is_some().then_some(Style::Bad);
    table(head, &rows, console, forced);
}

/// What a change did, in a few words.
fn did(summary: &Summary) -> String {
    let parts = [
        (summary.created, "made"),
        (summary.changed, "changed"),
        (summary.destroyed, "gone"),
        (summary.broken, "broken"),
        (summary.fixed, "fixed"),
    ];
    let told = parts.iter().filter(|(count, _)| *count > 0);
    told.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

fn one(console: &mut Console, body: &Value) -> Result<(), Failure> {
    let about: Listed = decode(body.clone())?;
    let proved: Report = decode(body["report"].clone())?;
    let at = Time::of_milliseconds(about.at);
    let (revision, base) = (about.revision, about.base);
    console.line(&format!("revision {revision}, made of {base}: {}", about.what));
    console.line(&format!("{at} by {}", about.who));
    if let Some(why) = &about.why {
        console.line(&format!("why: {why}"));
    }
    if let Some(reason) = &about.forced {
        let line = format!("forced: {reason}");
        console.line(&console.styled(Style::Bad, &line));
    }
    console.line(&did(&about.summary));
    for edit in body["edits"].as_array().into_iter().flatten() {
        let text = |name: &str| edit.get(name).and_then(Value::as_str);
        let (part, name) = (text("part").unwrap_or_default(), text("name").unwrap_or_default());
        let slash = if name.is_empty() { "" } else { "/" };
        console.line("");
        console.line(&console.styled(Style::Strong, &format!("{part}{slash}{name}")));
        lines(console, text("old").unwrap_or_default(), text("new").unwrap_or_default());
    }
    report(console, &proved);
    Ok(())
}

/// What differs between two texts, line by line: what both begin and end with is left out.
fn lines(console: &mut Console, old: &str, new: &str) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b);
    let after = after.count();
    for line in &old[before..old.len() - after] {
        console.line(&console.styled(Style::Bad, &format!("  - {line}")));
    }
    for line in &new[before..new.len() - after] {
        console.line(&console.styled(Style::Good, &format!("  + {line}")));
    }
}
