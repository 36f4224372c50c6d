//! `netwright gameday status`, `stop` and `list`.

use netwright_gameday::load;
use netwright_gameday::scenarios::SCENARIOS;
use netwright_lab::faults::{self, Status};
use netwright_lab::place;
use serde_json::{Value, json};

use crate::arguments::{Format, GamedayStop};
use crate::commands::lab::told;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::table::table;

/// The labs that are meant.
fn labs(name: &str, all: bool) -> Vec<String> {
    if all { place::names() } else { vec![name.to_owned()] }
}

#[expect(clippy::cast_precision_loss, reason = "times of a run are far below 2^52 ms")]
fn words(status: &Status) -> String {
    let mut parts = vec![format!("{} elements of rules", status.elements)];
    if !status.links.is_empty() {
        parts.push(format!("links {}", status.links.join(", ")));
    }
    if !status.names.is_empty() {
        parts.push(format!("name servers in {}", status.names.join(", ")));
    }
    if status.paused > 0 {
        parts.push(format!("{} processes stand still", status.paused));
    }
    let since = status.milliseconds as f64 / 1000.0;
    format!("{} ({}), since {since:.1} s: {}", status.title, status.id, parts.join("; "))
}

pub(super) fn status(
    name: &str,
    all: bool,
    format: Format,
    console: &mut Console,
) -> Result<Code, Failure> {
    let mut rows = Vec::new();
    for lab in labs(name, all) {
        rows.push((faults::status(&lab).map_err(told)?, lab));
    }
    if format == Format::Json {
        let rows: Vec<Value> =
            rows.iter().map(|(status, lab)| json!({"lab": lab, "gameday": status})).collect();
        console.json(&json!({"version": 1, "labs": rows}));
        return Ok(Code::Pass);
    }
    if rows.is_empty() {
        console.line("no lab runs");
    }
    for (status, lab) in rows {
        match status {
            Some(status) => {
                let line = format!("{lab}: {}", words(&status));
                console.line(&console.styled(Style::Doubt, &line));
            }
            None => console.line(&format!("{lab}: no game day is under way")),
        }
    }
    Ok(Code::Pass)
}

pub(super) fn stop(arguments: &GamedayStop, console: &mut Console) -> Result<Code, Failure> {
    let mut code = Code::Pass;
    let all = labs(&arguments.lab.name, arguments.all);
    if all.is_empty() {
        console.line("no lab runs");
    }
    for lab in all {
        let (was, left) = faults::stop(&lab).map_err(told)?;
        match was {
            Some(status) => console.line(&format!("{lab}: stopped: {}", words(&status))),
            None => console.line(&format!("{lab}: no game day was under way")),
        }
        for what in &left {
            code = Code::Fail;
            console.line(&console.styled(Style::Bad, &format!("{lab}: is left: {what}")));
        }
        if left.is_empty() {
            console.line(&format!("{lab}: nothing is left of faults"));
        }
    }
    Ok(code)
}

pub(super) fn list(format: Format, console: &mut Console) -> Code {
    let mut rows = Vec::new();
    for scenario in SCENARIOS {
        let mut sources = netwright_model::source::Sources::default();
        let read =
            load::parse(std::path::Path::new(scenario.name), scenario.text, &mut sources, &|_| {
                None
            });
        let title = read.map(|read| read.title.value).unwrap_or_default();
        rows.push([scenario.name.to_owned(), title]);
    }
    match format {
        Format::Text => table(["SCENARIO", "WHAT IT SHOWS"], &rows, console, |_| None),
        Format::Json => {
            let rows: Vec<Value> =
                rows.iter().map(|[name, title]| json!({"name": name, "title": title})).collect();
            console.json(&json!({"version": 1, "scenarios": rows}));
        }
    }
    Code::Pass
}
