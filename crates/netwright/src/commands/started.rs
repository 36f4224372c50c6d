//! `netwright started`: a service was started anew, and how that went.

use std::collections::BTreeMap;

use netwright_watch::change::State;
use netwright_watch::station::{Ended, SettlingRow, Start};
use serde_json::Value;
use ureq::http::Method;

use super::change::decode;
use super::watch::looking::Watcher;
use crate::arguments::{Format, Started};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;

pub(super) fn run(arguments: &Started, console: &mut Console) -> Result<Code, Failure> {
    let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
    for written in &arguments.lacks {
        let (name, why) = written.split_once('=').unwrap_or((written.as_str(), "it does not work"));
        found.insert(name.trim().to_owned(), Some(why.trim().to_owned()));
    }
    found.extend(arguments.works.iter().map(|name| (name.clone(), None)));
    let start = Start {
        service: arguments.service.clone(),
        seconds_ago: arguments.ago.unwrap_or_default().as_secs_f64(),
        ended: match (arguments.failed, arguments.lacks.is_empty()) {
            (true, _) => Ended::Failed,
            (false, false) => Ended::Degraded,
            (false, true) => Ended::Ready,
        },
        found,
    };
    let body = serde_json::to_value(&start).unwrap_or_default();
    let watcher = Watcher::of(&arguments.looking)?;
    let mut told = watcher.ask(&Method::POST, "/v1/starts", Some(&body))?;
    let changes: Vec<SettlingRow> = decode(told["changes"].take())?;
    match arguments.looking.format {
        Format::Json => {
            told["changes"] = serde_json::to_value(&changes).unwrap_or(Value::Null);
            console.json(&told);
        }
        Format::Text if changes.is_empty() => console.line("no change is watched"),
        Format::Text => changes.iter().for_each(|row| show(row, console)),
    }
    let back = changes.iter().any(|row| matches!(row.state, State::GoingBack | State::Stuck));
    Ok(if back { Code::Fail } else { Code::Pass })
}

/// Shows how far a change is.
pub(super) fn show(row: &SettlingRow, console: &mut Console) {
    let (style, how) = match row.state {
        State::Settling | State::Open => (Style::Doubt, "waits for fresh starts"),
        State::Kept => (Style::Good, "stays: every dependency was used by a fresh start"),
        State::GoingBack => (Style::Bad, "is to be taken back"),
        State::Stuck => (Style::Bad, "is to be taken back, and nothing of it is known to go back"),
        State::Returned => (Style::Doubt, "was taken back"),
        State::Restored => (Style::Good, "was taken back, and what it broke works again"),
        State::NotRestored => (Style::Bad, "was taken back, and what it broke does not work"),
    };
    let line = format!("{}, at {}: it {how}", row.change, row.applied);
    console.line(&console.styled(style, &line));
    for broken in &row.broken {
        console
            .line(&format!("  broken: {}: {} [{}]", broken.dependency, broken.why, broken.domain));
    }
    for part in &row.back {
        console.line(&format!("  goes back: {}", part.what));
    }
    for part in &row.stays {
        console.line(&format!("  does not go back: {}: {}", part.what, part.why));
    }
    if matches!(row.state, State::Settling | State::Open) {
        for what in &row.waits_for {
            console.line(&format!("  not exercised: {what}"));
        }
    }
}
