//! What was seen behind load balancers, for people and for programs.

use netwright_lab::probe::spread::Spread;
use serde_json::{Value, json};

use super::Question;
use crate::console::{Console, Style};
use crate::table::table;

/// Most flows that are shown to people.
const ROWS: usize = 30;

/// A question and what was seen.
pub(in crate::commands) type Pair<'a> = (&'a Question, &'a Spread);

/// What arrived where, in words.
fn observed(question: &Question, seen: &Spread) -> String {
    let places = question.expected.places.iter().zip(&seen.shares);
    let landed = places.filter(|(_, share)| share.arrived > 0).map(|(at, share)| {
        let name = at.backends.first().map_or(at.place.namespace.as_str(), |own| &own.name);
        let sources: Vec<String> = share.sources.iter().map(ToString::to_string).collect();
        let lost = share.arrived.saturating_sub(share.answered);
        let lost = if lost > 0 { format!(", {lost} not answered") } else { String::new() };
        format!("{name} × {} (seen as {}{lost})", share.arrived, sources.join(", "))
    });
    let mut parts: Vec<String> = landed.collect();
    if seen.unanswered > 0 {
        let why = seen.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        parts.push(format!("{} not answered{why}", seen.unanswered));
    }
    parts.join(", ")
}

/// Which backends answered, in few words: how often chance chose which tells nothing.
fn answered(question: &Question, seen: &Spread) -> String {
    let places = question.expected.places.iter().zip(&seen.shares);
    let landed = places.filter(|(_, share)| share.arrived > 0).map(|(at, share)| {
        let name = at.backends.first().map_or(at.place.namespace.as_str(), |own| &own.name);
        let sources: Vec<String> = share.sources.iter().map(ToString::to_string).collect();
        let lost = if share.arrived > share.answered { ", not answered" } else { "" };
        format!("{name} (seen as {}{lost})", sources.join(", "))
    });
    let mut parts: Vec<String> = landed.collect();
    if seen.unanswered > 0 {
        parts.push("some not answered".to_owned());
    }
    parts.join(", ")
}

fn asked_of(question: &Question) -> String {
    format!(
        "{} → {} {} {}, {} times",
        question.from,
        question.to,
        question.balanced.target.ip(),
        question.service,
        question.balanced.times
    )
}

/// What arrived behind balancers, as a table.
pub(in crate::commands) fn measured(console: &mut Console, pairs: &[Pair<'_>]) {
    let landed: Vec<&Pair<'_>> = pairs
        .iter()
        .filter(|(_, seen)| seen.shares.iter().any(|share| share.arrived > 0))
        .collect();
    let cells: Vec<[String; 4]> = landed
        .iter()
        .take(ROWS)
        .map(|(question, seen)| {
            [
                question.from.clone(),
                question.to.clone(),
                question.service.to_string(),
                answered(question, seen),
            ]
        })
        .collect();
    if cells.is_empty() {
        return;
    }
    let wrong = |at: usize| {
        let (question, seen) = landed[at];
        (question.agrees(seen) == Some(false)).then_some(Style::Bad)
    };
    table(["FROM", "THROUGH", "SERVICE", "BACKENDS"], &cells, console, wrong);
    if landed.len() > ROWS {
        let more = landed.len() - ROWS;
        console.line(&format!("and {more} more flows; `--format json` has all"));
    }
    console.line("");
}

/// What disagrees and what was not tried.
pub(in crate::commands) fn deviating(console: &mut Console, pairs: &[Pair<'_>]) {
    for (question, seen) in pairs {
        match (question.agrees(seen), &seen.untried) {
            (Some(true), _) => {}
            (Some(false), _) => {
                let head = console.styled(Style::Bad, "disagrees");
                console.line(&format!("{head}  {}", asked_of(question)));
                console.line(&format!("      predicted  {}", question.expected.told()));
                console.line(&format!("      observed   {}", observed(question, seen)));
            }
            (None, why) => {
                let head = console.styled(Style::Doubt, "not tried");
                let why = why.as_deref().unwrap_or("no reason is known");
                console.line(&format!("{head}  {}: {why}", asked_of(question)));
            }
        }
    }
}

/// The sum.
pub(in crate::commands) fn summary(console: &mut Console, pairs: &[Pair<'_>]) {
    let tried = pairs.iter().filter(|(_, seen)| seen.untried.is_none());
    let total = tried.clone().count();
    if total == 0 {
        return;
    }
    let agree =
        tried.clone().filter(|(question, seen)| question.agrees(seen) == Some(true)).count();
    let connections: u64 = tried.map(|(question, _)| u64::from(question.balanced.times)).sum();
    let style = if agree == total { Style::Good } else { Style::Bad };
    let head = format!("{agree} of {total} flows through load balancers went as predicted");
    let head = console.styled(style, &head);
    console.line(&format!(
        "{head}: {connections} connections, so many that chance spares a backend once in 10^9"
    ));
}

pub(in crate::commands) fn document(pairs: &[Pair<'_>]) -> Vec<Value> {
    pairs.iter().map(|(question, seen)| one(question, seen)).collect()
}

fn one(question: &Question, seen: &Spread) -> Value {
    let backends = question.expected.places.iter().zip(&seen.shares).map(|(at, share)| {
        let names: Vec<&str> = at.backends.iter().map(|own| own.name.as_str()).collect();
        let reasons: Vec<&str> = at.backends.iter().filter_map(|own| own.why.as_deref()).collect();
        json!({
            "names": names,
            "address": at.place.listens.ip().to_string(),
            "port": at.place.listens.port(),
            "reasons": reasons,
            "arrived": share.arrived,
            "answered": share.answered,
            "sources_seen": share.sources.iter().map(ToString::to_string).collect::<Vec<String>>(),
        })
    });
    json!({
        "from": question.from,
        "to": question.to,
        "source": question.flow.src.to_string(),
        "destination": question.balanced.target.ip().to_string(),
        "service": question.service.to_string(),
        "connections": question.balanced.times,
        "predicted": question.expected.told(),
        "backends": backends.collect::<Vec<Value>>(),
        "unanswered": seen.unanswered,
        "observed": observed(question, seen),
        "untried": seen.untried,
        "agrees": question.agrees(seen),
    })
}
