//! `netwright silence`.

use netwright_watch::station::documents::{AlertsDocument, CoverRow};
use netwright_watch::station::{Cover, Wanted};
use serde_json::{Value, json};
use ureq::http::Method;

use super::watch::looking::Watcher;
use crate::arguments::{Format, Silence};
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::table::table;

pub(super) fn run(arguments: &Silence, console: &mut Console) -> Result<Code, Failure> {
    let watcher = Watcher::of(&arguments.looking)?;
    let text = arguments.looking.format == Format::Text;
    if let Some(id) = arguments.lift {
        let done = watcher.ask(&Method::DELETE, &format!("/v1/covers/{id}"), None)?;
        told(text, &format!("{id} is lifted"), &done, console);
        return Ok(Code::Pass);
    }
    if let Some(wanted) = wanted(arguments) {
        let body = serde_json::to_value(&wanted).unwrap_or_default();
        let done = watcher.ask(&Method::POST, "/v1/covers", Some(&body))?;
        let line = format!("{} {} begins", wanted.kind.word(), done["id"]);
        told(text, &line, &done, console);
        return Ok(Code::Pass);
    }
    let covers = match watcher.get::<AlertsDocument>("/v1/alerts")? {
        Some(alerts) => alerts.covers,
        None => watcher.last(console)?.alerts.covers,
    };
    match arguments.looking.format {
        Format::Json => console.json(&json!({ "version": 1, "covers": covers })),
        Format::Text if covers.is_empty() => console.line("nothing is silenced"),
        Format::Text => show(&covers, console),
    }
    Ok(Code::Pass)
}

fn told(text: bool, line: &str, done: &Value, console: &mut Console) {
    if text { console.line(line) } else { console.json(done) }
}

/// What is wanted, where something is.
fn wanted(arguments: &Silence) -> Option<Wanted> {
    let any = |text: &Option<String>| text.clone().unwrap_or_else(|| "*".to_owned());
    arguments.things.as_ref().or(arguments.alert.as_ref())?;
    Some(Wanted {
        kind: if arguments.maintenance { Cover::Maintenance } else { Cover::Silence },
        alerts: any(&arguments.alert),
        things: any(&arguments.things),
        seconds: arguments.lasts?.as_secs_f64(),
        begins_in: arguments.begins.unwrap_or_default().as_secs_f64(),
        who: arguments.who.clone(),
        why: arguments.why.clone()?,
    })
}

/// Lists silences and windows of maintenance.
pub(super) fn show(covers: &[CoverRow], console: &mut Console) {
    let row = |cover: &CoverRow| {
        [
            cover.id.to_string(),
            cover.kind.word().to_owned(),
            cover.things.clone(),
            cover.alerts.clone(),
            cover.from.clone(),
            cover.until.clone(),
            cover.why.clone(),
        ]
    };
    let rows: Vec<_> = covers.iter().map(row).collect();
    let head = ["NUMBER", "KIND", "THINGS", "ALERTS", "FROM", "UNTIL", "WHY"];
    table(head, &rows, console, |_| None);
}
