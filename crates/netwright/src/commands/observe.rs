//! `netwright observe`, and what `apply --wait` asks of the hosts when they have a revision.

use std::time::{Duration, Instant};

use netwright_control::probes::{Probe, Row};
use netwright_dataplane::kernel::pause;
use serde_json::{Value, json};
use ureq::http::Method;

use super::change::decode;
use crate::arguments::{Format, Observe as Arguments};
use crate::client::Client;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;

/// How often a server is asked what hosts have said.
const LOOK: Duration = Duration::from_millis(200);

/// Reasons not to ask flows that are told unless all are wanted.
const REASONS: usize = 10;

const PATH: &str = "/api/v1/probes";

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> Result<Code, Failure> {
    let client = Client::new(&arguments.remote)?;
    let within = Duration::from_secs(arguments.within);
    let found = ask(&client, &arguments.intents, arguments.pairs, within)?;
    match arguments.format {
        Format::Json => {
            let value = serde_json::to_value(&found);
            console.json(&value.map_err(|error| Failure::unknown(error.to_string()))?);
        }
        Format::Text => text(&found, arguments.all, console),
    }
    Ok(match (found.refuted, found.confirmed) {
        (0, 0) => Code::Unknown,
        (0, _) => Code::Pass,
        _ => Code::Fail,
    })
}

/// Has hosts ask, and waits until all that live have said what they saw, or time is up.
pub(super) fn ask(
    client: &Client,
    intents: &[String],
    pairs: bool,
    within: Duration,
) -> Result<Probe, Failure> {
    asked(client, &json!({ "intents": intents, "pairs": pairs }), within)
}

/// The same with what is asked as the API has it.
pub(super) fn asked(client: &Client, body: &Value, within: Duration) -> Result<Probe, Failure> {
    let begun = Instant::now();
    let mut found: Probe = decode(client.ask(&Method::POST, PATH, &[], Some(body))?.body)?;
    let id = found.id.clone();
    // Where nobody lives nothing is waited for, and where nothing is asked neither.
    while !found.complete && !found.rows.is_empty() && begun.elapsed() < within {
        pause(LOOK);
        let now: Probe = decode(client.get(PATH)?.body)?;
        if now.id != id {
            return Err(Failure::unknown("somebody else had the hosts asked meanwhile"));
        }
        found = now;
    }
    Ok(found)
}

/// Why nothing was seen, where that is so.
pub(super) fn not_probed(found: &Probe) -> Option<String> {
    let why = if found.hosts.is_empty() {
        "no host with an agent is there".to_owned()
    } else if found.rows.is_empty() {
        "the network's intents ask nothing that packets can tell".to_owned()
    } else if found.confirmed + found.refuted > 0 {
        return None;
    } else if found.waiting.is_empty() {
        let why = found.rows.iter().find_map(|row| row.why.clone());
        why.unwrap_or_else(|| "no host could ask".to_owned())
    } else {
        format!("{} did not answer in time", found.waiting.join(", "))
    };
    Some(why)
}

/// What was seen, in words; each question, or only those that were seen otherwise than proved.
pub(super) fn text(found: &Probe, all: bool, console: &mut Console) {
    if let Some(why) = not_probed(found) {
        console.line(&console.styled(Style::Doubt, &format!("not probed: {why}")));
        not_asked(found, all, console);
        return;
    }
    for row in &found.rows {
        match row.agrees() {
            Some(true) if !all => {}
            Some(true) => console.line(&format!("confirmed  {}", words(row))),
            Some(false) => {
                let head = console.styled(Style::Bad, "disagrees");
                let told = |answered: bool| if answered { "answered" } else { "not answered" };
                console.line(&format!("{head}  {}", words(row)));
                console.line(&format!(
                    "      proved {}, seen {} by {}",
                    told(row.question.predicted),
                    told(row.observed.unwrap_or_default()),
                    row.host.as_deref().unwrap_or("nobody"),
                ));
            }
            None => {
                let head = console.styled(Style::Doubt, "not seen");
                let why = row.why.as_deref().unwrap_or_default();
                console.line(&format!("{head}   {}: {why}", words(row)));
            }
        }
    }
    not_asked(found, all, console);
    let Probe { confirmed, refuted, unknown, not_asked: left, .. } = found;
    let line = format!(
        "probed: {confirmed} confirmed, {refuted} seen otherwise, {unknown} not seen, {left} not asked"
    );
    let style = if *refuted > 0 { Style::Bad } else { Style::Good };
    console.line(&console.styled(style, &line));
}

/// Flows that are not asked, with the reason; all reasons, or the first.
pub(super) fn not_asked(found: &Probe, all: bool, console: &mut Console) {
    let shown = if all { usize::MAX } else { REASONS };
    for group in found.why_not.iter().take(shown) {
        let head = console.styled(Style::Dim, "not asked");
        let of = group.intent.as_ref().map_or_else(String::new, |intent| format!("{intent}: "));
        let more = match group.flows {
            1 => String::new(),
            more => format!(" and {} more", more - 1),
        };
        console.line(&format!("{head}  {of}{}{more}: {}", group.first, group.why));
    }
    let more = found.why_not.len().saturating_sub(shown);
    if more > 0 {
        console.line(&format!("not asked for {more} more reasons (--all)"));
    }
}

fn words(row: &Row) -> String {
    let question = &row.question;
    let of = question.intent.as_ref().map_or_else(String::new, |intent| format!("{intent}: "));
    format!("{of}{} → {} ({}) {}", question.from, question.to, question.target, question.what())
}
