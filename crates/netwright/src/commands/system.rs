//! `netwright system`: how a server, its store and its hosts are, and who reaches whom.

use serde_json::Value;

use crate::arguments::{Format, System};
use crate::client::Client;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::table::table;

pub(super) fn run(arguments: &System, console: &mut Console) -> Result<Code, Failure> {
    let client = Client::new(&arguments.remote)?;
    let path = if arguments.connectivity {
        "/api/v1/system/connectivity-matrix?limit=10000"
    } else {
        "/api/v1/system/snapshot"
    };
    let answer = client.get(path)?;
    answer.note(console);
    let answer = answer.body;
    match (arguments.format, arguments.connectivity) {
        (Format::Json, _) => console.json(&answer),
        (Format::Text, true) => matrix(&answer, console),
        (Format::Text, false) => system(&answer, console),
    }
    let well = arguments.connectivity
        || ["health", "partitions"].iter().all(|part| answer[*part]["status"] == "healthy");
    Ok(if well { Code::Pass } else { Code::Fail })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("unknown")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn names(value: &Value) -> String {
    list(value).iter().map(text).collect::<Vec<_>>().join(", ")
}

fn system(answer: &Value, console: &mut Console) {
    let (health, consensus) = (&answer["health"], &answer["consensus"]);
    let status = text(&health["status"]);
    let style = if status == "healthy" { Style::Good } else { Style::Bad };
    let head = console.styled(style, status);
    let counts = &answer["counts"];
    console.line(&format!(
        "{head}  revision {} of the network, {} changes, {} allocations",
        answer["network_revision"], counts["changes"], counts["allocations"]
    ));
    match consensus["leader"]["server"].as_str() {
        Some(leader) => console.line(&format!("{leader} leads, epoch {}", consensus["epoch"])),
        None => console.line(&console.styled(Style::Bad, "nobody leads")),
    }
    match consensus["engine"].as_str() {
        Some(engine) => {
            console.line(&format!("store {engine} at revision {}", consensus["revision"]));
        }
        None => console.line(&console.styled(Style::Bad, "the store is away")),
    }
    for member in list(&consensus["members"]) {
        let address = text(&member["address"]);
        if member["answers"] == true {
            let leads = if member["leads"] == true { "leads" } else { "follows" };
            console.line(&format!("  {address} {leads}, at revision {}", member["revision"]));
        } else {
            let line = format!("  {address} does not answer: {}", text(&member["why"]));
            console.line(&console.styled(Style::Bad, &line));
        }
    }
    hosts(&answer["partitions"], console);
}

fn hosts(partitions: &Value, console: &mut Console) {
    let present = list(&partitions["present"]).len();
    console.line(&format!("{present} host{} present", if present == 1 { "" } else { "s" }));
    for away in list(&partitions["away"]) {
        let answers = list(&partitions["away_and_answering"]).contains(away);
        let why =
            if answers { "its machine answers the others" } else { "its machine answers nobody" };
        let line = format!("  {} is away; {why}", text(away));
        console.line(&console.styled(Style::Bad, &line));
    }
    for cut in list(&partitions["cut"]) {
        let line = format!("  {} does not answer {}", text(&cut["to"]), text(&cut["from"]));
        console.line(&console.styled(Style::Bad, &line));
    }
    let groups = list(&partitions["groups"]);
    if groups.len() > 1 {
        for group in groups {
            let line = format!("  reach each other: {}", names(group));
            console.line(&console.styled(Style::Bad, &line));
        }
    }
}

/// Pairs, as is proved and as was seen.
fn matrix(answer: &Value, console: &mut Console) {
    let seen = |pair: &Value| -> String {
        let one = |seen: &Value| {
            let word = if seen["answered"] == true { "answered" } else { "not answered" };
            format!("{} {word}", text(&seen["what"]))
        };
        let all: Vec<String> = list(&pair["observed"]).iter().map(one).collect();
        if all.is_empty() { "not asked".to_owned() } else { all.join(", ") }
    };
    let proved = |pair: &Value| -> String {
        let parts =
            [("reachable", ""), ("no_return", "without return: "), ("unknown", "unknown: ")];
        let told = parts
            .iter()
            .filter_map(|(name, word)| Some(format!("{word}{}", pair[*name].as_str()?)));
        let all: Vec<String> = told.collect();
        if all.is_empty() { "nothing".to_owned() } else { all.join("; ") }
    };
    let pairs = list(&answer["pairs"]);
    let rows: Vec<[String; 4]> = pairs
        .iter()
        .map(|pair| {
            [text(&pair["from"]).to_owned(), text(&pair["to"]).to_owned(), proved(pair), seen(pair)]
        })
        .collect();
    table(["FROM", "TO", "PROVED", "SEEN"], &rows, console, |at| {
        let wrong = |seen: &Value| seen["answered"] != seen["predicted"];
        list(&pairs[at]["observed"]).iter().any(wrong).then_some(Style::Bad)
    });
    if let Some(more) = answer["more"].as_u64().filter(|more| *more > 0) {
        console.line(&format!("and {more} more pairs"));
    }
}
