//! `netwright capacity`.

use std::time::Duration;

use netwright_model::language::{Description, MachineType};
use netwright_watch::alert::lasted;
use netwright_watch::capacity::{Connector, Machine, TARGET, advice};
use netwright_watch::station::{CapacityDocument, UseRow};
use serde_json::{Value, json};

use super::watch::looking::Watcher;
use crate::arguments::{Capacity, Format};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network::open;
use crate::table::table;

/// Something that can be full, with what is known of it.
struct Row {
    thing: String,
    measure: String,
    /// None: nobody measures it.
    known: Option<UseRow>,
    advice: Option<String>,
}

pub(super) fn run(arguments: &Capacity, console: &mut Console) -> Result<Code, Failure> {
    let input = open(&arguments.file)?;
    let watcher = Watcher::of(&arguments.looking)?;
    let measured: CapacityDocument =
        watcher.get("/v1/capacity")?.ok_or_else(|| watcher.nobody())?;
    let rows = rows(&input.network.description, measured.uses);
    match arguments.looking.format {
        Format::Json => console.json(&document(&measured.at, &rows)),
        Format::Text => show(&rows, console),
    }
    let share = |row: &Row| row.known.as_ref().map(|known| known.peak);
    Ok(if rows.iter().filter_map(share).any(|peak| peak >= TARGET) {
        Code::Fail
    } else if rows.is_empty() || rows.iter().any(|row| row.known.is_none()) {
        Code::Unknown
    } else {
        Code::Pass
    })
}

/// What the description has that can be full, and what else was measured.
fn rows(description: &Description, uses: Vec<UseRow>) -> Vec<Row> {
    let mut expected: Vec<(String, &str)> = Vec::new();
    let of = |names: Vec<String>, measure: &'static str| {
        names.into_iter().map(move |name| (name, measure))
    };
    let connectors = description.connectors.iter().map(|(name, _)| name.value.clone());
    expected.extend(of(connectors.collect(), "capacity_utilisation"));
    let gateways = description.nat_gateways.iter().map(|(name, _)| name.value.clone());
    expected.extend(of(gateways.collect(), "nat_port_utilisation"));
    let databases = description.databases.iter().map(|(name, _)| name.value.clone());
    expected.extend(of(databases.collect(), "connection_utilisation"));
    let mut rows: Vec<Row> = Vec::new();
    for (thing, measure) in expected {
        if !uses.iter().any(|known| known.thing == thing && known.measure == measure) {
            rows.push(Row { thing, measure: measure.to_owned(), known: None, advice: None });
        }
    }
    rows.extend(uses.into_iter().map(|known| Row {
        thing: known.thing.clone(),
        measure: known.measure.clone(),
        advice: what_to_do(description, &known),
        known: Some(known),
    }));
    rows.sort_by(|a, b| (&a.thing, &a.measure).cmp(&(&b.thing, &b.measure)));
    rows
}

/// What to do about a connector, by its measured peak.
fn what_to_do(description: &Description, known: &UseRow) -> Option<String> {
    if known.measure != "capacity_utilisation" {
        return None;
    }
    let connector = description.connectors.get(&known.thing)?;
    let (own, (_, most)) = (connector.machine()?, connector.instances());
    let (_, carries) = connector.carries()?;
    let of = |kind: MachineType| Machine {
        name: kind.word().to_owned(),
        each: megabits(kind.carries().as_bits()),
    };
    let machines = [MachineType::F1Micro, MachineType::E2Micro, MachineType::E2Standard4].map(of);
    let peak = known.peak * megabits(carries.as_bits());
    Some(advice(&Connector { machine: of(own), most, peak }, &machines).to_string())
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52 bits a second")]
fn megabits(bits: u64) -> f64 {
    bits as f64 / 1e6
}

fn document(at: &str, rows: &[Row]) -> Value {
    let one = |row: &Row| {
        let mut value = row.known.as_ref().map_or_else(
            || json!({ "thing": row.thing, "measure": row.measure, "share": null }),
            |known| serde_json::to_value(known).unwrap_or_default(),
        );
        value["advice"] = json!(row.advice);
        value
    };
    json!({ "version": 1, "at": at, "uses": rows.iter().map(one).collect::<Vec<_>>() })
}

fn show(rows: &[Row], console: &mut Console) {
    if rows.is_empty() {
        return console.line("nothing of the description can be full, and nothing was measured");
    }
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let full = |known: &UseRow| {
        let left = known.full_in_seconds.and_then(|left| Duration::try_from_secs_f64(left).ok());
        left.map_or_else(|| "-".to_owned(), lasted)
    };
    let cells = |row: &Row| match &row.known {
        Some(known) => [
            row.thing.clone(),
            row.measure.clone(),
            percent(known.share),
            percent(known.peak),
            full(known),
            row.advice.clone().unwrap_or_default(),
        ],
        None => [
            row.thing.clone(),
            row.measure.clone(),
            "unknown".to_owned(),
            "-".to_owned(),
            "-".to_owned(),
            "nobody measures it".to_owned(),
        ],
    };
    let all: Vec<_> = rows.iter().map(cells).collect();
    table(["THING", "MEASURE", "NOW", "PEAK", "FULL IN", "WHAT TO DO"], &all, console, |at| {
        match &rows[at].known {
            None => Some(Style::Doubt),
            Some(known) if known.peak >= TARGET => Some(Style::Bad),
            Some(_) => None,
        }
    });
}
