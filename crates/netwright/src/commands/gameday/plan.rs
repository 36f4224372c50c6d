//! `netwright gameday plan`: what would be done, and how much that is.

use std::time::Duration;

use netwright_gameday::load::name_of;
use netwright_gameday::plan::{Plan, lasts};
use serde_json::{Value, json};

use super::open;
use crate::arguments::{Format, GamedayPlan};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::table::table;

/// Pairs and turns that are shown of each fault.
const SHOWN: usize = 12;

pub(super) fn run(arguments: &GamedayPlan, console: &mut Console) -> Result<Code, Failure> {
    let opened = open(&arguments.experiment, arguments.network.as_deref(), &arguments.changes)?;
    match arguments.format {
        Format::Text => text(&opened.plan, console),
        Format::Json => console.json(&document(&opened.plan)),
    }
    Ok(Code::Pass)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// What an experiment would do, before it is done.
pub(super) fn text(plan: &Plan, console: &mut Console) {
    console.line(&console.styled(Style::Strong, &plan.experiment.title.value));
    let mut now = Duration::ZERO;
    let mut rows: Vec<[String; 3]> = Vec::new();
    for (place, step) in plan.experiment.method.iter().enumerate() {
        let what = match step.fault.as_ref().and_then(|fault| plan.fault(&fault.value)) {
            Some((_, fault)) => format!("{}: {}", fault.name, fault.what),
            None => name_of(step, place),
        };
        rows.push([seconds(now), seconds(lasts(step)), what]);
        if !step.background.as_ref().is_some_and(|background| background.value) {
            now += lasts(step);
        }
    }
    table(["AT", "FOR", "WHAT"], &rows, console, |_| None);
    for fault in &plan.faults {
        if let Some(turns) = fault.turns {
            let times = turns.within(plan.length);
            let shown = times
                .iter()
                .take(SHOWN)
                .map(|(at, on)| format!("{} {}", if *on { "on" } else { "off" }, seconds(*at)));
            console.line(&format!(
                "{}: by turns: {}",
                fault.name,
                shown.collect::<Vec<_>>().join(", ")
            ));
        }
        if !fault.pairs.is_empty() {
            let pairs: Vec<String> = fault
                .pairs
                .iter()
                .take(SHOWN)
                .map(|(a, b)| format!("{} – {}", plan.parties.name(*a), plan.parties.name(*b)))
                .collect();
            let more = fault.pairs.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            console.line(&format!("{}: pairs: {}{more}", fault.name, pairs.join(", ")));
        }
    }
    let blast = &plan.blast;
    console.line(&format!(
        "concerned at most at a time: {} of {} pairs; {} of {} endpoints: {}",
        blast.cut,
        blast.pairs,
        blast.concerned.len(),
        blast.endpoints,
        blast.concerned.join(", ")
    ));
    let safety = &plan.experiment.safety;
    let hosts = safety.protect.iter().chain(&safety.controller).map(|name| name.value.clone());
    let services = plan.protected.iter().map(ToString::to_string);
    let protected: Vec<String> = hosts.chain(services).collect();
    let protected = if protected.is_empty() { "nothing".to_owned() } else { protected.join(", ") };
    console.line(&format!("protected: {protected}"));
    console.line(&format!(
        "heals by itself {} after nobody renews it; all steps take {}",
        seconds(plan.lease),
        seconds(plan.length)
    ));
    if let Some(reference) = &plan.experiment.reference {
        let variant = netwright_gameday::reference::variant(reference);
        let variant = variant.map_or_else(String::new, |variant| format!(", {variant} on purpose"));
        console.line(&format!("the reference system is started on its machines{variant}"));
    }
    for note in &plan.notes {
        console.line(&console.styled(Style::Doubt, &format!("note: {note}")));
    }
    for what in &plan.left_out {
        console.line(&console.styled(Style::Doubt, &format!("not done: {what}")));
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn document(plan: &Plan) -> Value {
    let faults = plan.faults.iter().map(|fault| {
        let pair = |(a, b): &(usize, usize)| {
            [plan.parties.name(*a), plan.parties.name(*b)].map(str::to_owned)
        };
        let turns = fault.turns.map(|turns| {
            let all = turns.within(plan.length).into_iter();
            all.map(|(at, on)| json!({"at_ms": millis(at), "on": on})).collect::<Vec<_>>()
        });
        let concerned: Vec<&str> =
            fault.concerned.iter().map(|place| plan.parties.name(*place)).collect();
        json!({
            "name": fault.name,
            "what": fault.what,
            "endpoints": concerned,
            "pairs": fault.pairs.iter().map(pair).collect::<Vec<_>>(),
            "turns": turns,
        })
    });
    json!({
        "version": 1,
        "title": plan.experiment.title.value,
        "faults": faults.collect::<Vec<_>>(),
        "blast": plan.blast,
        "protected": plan.experiment.safety.protect.iter().map(|name| &name.value).collect::<Vec<_>>(),
        "protected_services": plan.protected.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "lease_ms": millis(plan.lease),
        "length_ms": millis(plan.length),
        "notes": plan.notes,
        "left_out": plan.left_out,
    })
}
