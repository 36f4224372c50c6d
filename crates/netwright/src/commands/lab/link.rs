//! `netwright lab link`: what links do to packets on their way, and having one do something else.

use netwright_lab::control;
use netwright_lab::link::{Amendment, Change, Counted, Direction, LinkRow, Way};
use netwright_model::scalar::{Bandwidth, Delay, Percent};
use serde_json::{Value, json};

use super::told;
use crate::arguments::{Format, Link, LinkDirection};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::table::table;

pub(super) fn run(arguments: &Link, console: &mut Console) -> Result<Code, Failure> {
    let (lab, change) = (&arguments.lab.name, change(arguments));
    let rows = match &arguments.link {
        Some(name) if change.clear || change.seed.is_some() || says(&change) => {
            vec![control::link(lab, name, &change).map_err(told)?]
        }
        Some(name) => vec![one(lab, name)?],
        None => control::links(lab).map_err(told)?,
    };
    match arguments.format {
        Format::Text => text(&rows, console),
        Format::Json => {
            let rows: Vec<Value> = rows.iter().map(row).collect();
            console.json(&json!({"version": 1, "links": rows}));
        }
    }
    let troubled = rows.iter().any(|row| row.trouble.is_some());
    Ok(if troubled { Code::Fail } else { Code::Pass })
}

/// A change that changes nothing tells the link.
fn one(lab: &str, name: &str) -> Result<LinkRow, Failure> {
    control::link(lab, name, &Change::default()).map_err(told)
}

fn says(change: &Change) -> bool {
    change.amendment != Amendment::default()
}

fn change(arguments: &Link) -> Change {
    let share = |share: Option<Percent>| share.map(Percent::as_thousandths);
    Change {
        clear: arguments.clear,
        direction: match arguments.direction {
            LinkDirection::Both => Direction::Both,
            LinkDirection::There => Direction::There,
            LinkDirection::Back => Direction::Back,
        },
        amendment: Amendment {
            latency: arguments.latency.map(Delay::as_micros),
            jitter: arguments.jitter.map(Delay::as_micros),
            loss: share(arguments.loss),
            duplicate: share(arguments.duplicate),
            reorder: share(arguments.reorder),
            corrupt: share(arguments.corrupt),
            rate: arguments.rate.map(Bandwidth::as_bits),
            limit: arguments.limit,
        },
        seed: arguments.seed,
    }
}

fn text(rows: &[LinkRow], console: &mut Console) {
    if rows.is_empty() {
        console.line("the lab has no links");
        return;
    }
    let mut lines: Vec<[String; 5]> = Vec::new();
    let mut styles = Vec::new();
    for row in rows {
        let [own, other] = &row.ends;
        let ways = [("there", own, other, &row.there), ("back", other, own, &row.back)];
        for (word, from, to, way) in ways {
            let first = word == "there";
            lines.push([
                if first { row.name.clone() } else { String::new() },
                format!("{from} → {to}"),
                way.condition.to_string(),
                if way.condition.is_none() {
                    "-".to_owned()
                } else {
                    row.mechanism.word().to_owned()
                },
                counted(&way.counted),
            ]);
            styles.push((!way.condition.is_none()).then_some(Style::Doubt));
        }
    }
    table(["LINK", "WAY", "DOES", "BY", "COUNTED"], &lines, console, |at| styles[at]);
    for row in rows {
        let drawn = [&row.there, &row.back].iter().any(|way| draws(way));
        if drawn {
            console.line(&format!("{}: draws follow from seed {}", row.name, row.seed));
        }
        if row.changed {
            console.line(&format!(
                "{}: said while the lab runs; `netwright lab link {} --clear` takes it back",
                row.name, row.name
            ));
        }
        if let Some(trouble) = &row.trouble {
            let line = format!("{}: nothing passes: {trouble}", row.name);
            let line = console.styled(Style::Bad, &line);
            console.line(&line);
        }
    }
}

/// Whether chance has a part in what a way does.
fn draws(way: &Way) -> bool {
    let condition = &way.condition;
    let shares = [condition.loss, condition.duplicate, condition.reorder, condition.corrupt];
    condition.jitter > 0 || shares.iter().any(|share| (1..100_000).contains(share))
}

/// What was counted, in words; what never happened is not told.
fn counted(counted: &Counted) -> String {
    let mut parts = vec![format!("{} passed", counted.passed)];
    let rest = [
        (counted.lost, "lost"),
        (counted.duplicated, "doubled"),
        (counted.reordered, "ahead"),
        (counted.corrupted, "corrupted"),
        (counted.overflowed, "dropped: full"),
    ];
    let happened = rest.into_iter().filter_map(|(count, word)| Some((count?, word)));
    parts.extend(
        happened.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")),
    );
    parts.join(", ")
}

fn row(row: &LinkRow) -> Value {
    json!({
        "name": row.name,
        "from": row.ends[0],
        "to": row.ends[1],
        "by": row.mechanism,
        "changed": row.changed,
        "seed": row.seed,
        "there": way(&row.there),
        "back": way(&row.back),
        "trouble": row.trouble,
    })
}

fn way(way: &Way) -> Value {
    let condition = &way.condition;
    let share = |thousandths: u32| f64::from(thousandths) / 100_000.0;
    let counted = &way.counted;
    json!({
        "latency_us": condition.latency,
        "jitter_us": condition.jitter,
        "loss": share(condition.loss),
        "duplicate": share(condition.duplicate),
        "reorder": share(condition.reorder),
        "corrupt": share(condition.corrupt),
        "rate_bits": (condition.rate > 0).then_some(condition.rate),
        "limit_packets": condition.packets(),
        "counted": {
            "passed": counted.passed,
            "lost": counted.lost,
            "duplicated": counted.duplicated,
            "reordered": counted.reordered,
            "corrupted": counted.corrupted,
            "overflowed": counted.overflowed,
        },
    })
}
