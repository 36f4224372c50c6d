//! `netwright probe FILE`: what a description expects, asked in a lab that is up.
//!
//! Each place asks its own probes in a process of its own inside the lab: this program again, with `--at`. Probes without a place are asked here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use netwright_dataplane::plan::{INTERNET, endpoint, machine};
use netwright_model::network::Network;
use netwright_watch::intents::{Place, Placed, Probes, probes};
use netwright_watch::probe::outcome::Outcome;
use netwright_watch::probe::prober::with_control;
use netwright_watch::probe::schedule::{BUDGET, round};
use netwright_watch::probe::target::Spec;
use serde_json::{Value, json};

use super::{code, prober, show};
use crate::arguments::{Asking, Format, Probe};
use crate::commands::serve::runtime;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network;

/// Places that ask at a time.
const PLACES: usize = 16;

/// Probes of a place begin within this time.
const SPREAD: Duration = Duration::from_millis(200);

/// The seed of that spread: the same probes begin in the same order.
const SEED: u64 = 1;

/// How a probe without a place is written.
pub(in crate::commands) const HERE: &str = "here";

/// An outcome with what it was asked for and from where.
pub(in crate::commands) type Told = (Placed, String, Outcome);

/// How probes of a description are asked.
#[derive(Clone, Copy)]
pub(in crate::commands) struct Means<'a> {
    /// With which time-out, authorities and name server.
    pub(in crate::commands) asking: &'a Asking,
    /// In which lab.
    pub(in crate::commands) lab: &'a str,
}

pub(super) fn run(file: &Path, arguments: &Probe, console: &mut Console) -> Result<Code, Failure> {
    let input = network::open(file)?;
    let made = probes(&input.network).map_err(|errors| input.wrong_probes(errors))?;
    let means = Means { asking: &arguments.asking, lab: &arguments.lab };
    let mut places: BTreeMap<String, Vec<Placed>> = BTreeMap::new();
    for placed in made.all.iter().cloned() {
        places.entry(namespace(&input.network, placed.from)).or_default().push(placed);
    }
    if let Some(own) = &arguments.at {
        let own = places.remove(own).unwrap_or_default();
        let outcomes = asked(&own, &means)?;
        console.json(&Value::Array(outcomes.iter().map(|outcome| json!(outcome)).collect()));
        return Ok(Code::Pass);
    }
    // The lab may have another folder at hand than this process.
    let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let told = all(&whole, places, &means)?;
    let outcomes = code(told.iter().map(|(_, _, outcome)| outcome));
    show(&told, &made, arguments.format, console);
    Ok(match outcomes {
        Code::Pass if !made.left.is_empty() || told.is_empty() => Code::Unknown,
        other => other,
    })
}

/// The namespace of a place, as `lab ps` names it.
pub(in crate::commands) fn namespace(network: &Network, place: Place) -> String {
    match place {
        Place::Here => HERE.to_owned(),
        Place::Interface(id) => machine(network, id),
        Place::Endpoint(id) => endpoint(network, id),
        Place::Internet => INTERNET.to_owned(),
    }
}

/// Asks the probes of one place, from this process. What must not answer and is silent is measured by what must answer, from the same place.
fn asked(own: &[Placed], means: &Means<'_>) -> Result<Vec<Outcome>, Failure> {
    let prober = Arc::new(prober(means.asking)?);
    let specs: Vec<Arc<Spec>> = own
        .iter()
        .map(|placed| {
            let timeout = if placed.intent { means.asking.timeout } else { placed.spec.timeout };
            Arc::new(Spec { timeout, ..placed.spec.clone() })
        })
        .collect();
    let outcomes = runtime()?.block_on(round(&prober, &specs, BUDGET, SPREAD, SEED));
    let answers = |(spec, outcome): &(&Arc<Spec>, &Outcome)| !spec.must_fail && outcome.passed();
    let control = specs.iter().zip(&outcomes).find(answers).map(|(_, outcome)| outcome.clone());
    Ok(match control {
        Some(control) => {
            outcomes.into_iter().map(|outcome| with_control(outcome, &control)).collect()
        }
        None => outcomes,
    })
}

/// Asks the probes of all places; in the order in which they were written.
pub(in crate::commands) fn all(
    file: &Path,
    places: BTreeMap<String, Vec<Placed>>,
    means: &Means<'_>,
) -> Result<Vec<Told>, Failure> {
    let mut told = Vec::new();
    let mut others = Vec::new();
    for (place, own) in places {
        if place == HERE {
            let outcomes = asked(&own, means)?;
            told.extend(
                own.into_iter()
                    .zip(outcomes)
                    .map(|(placed, outcome)| (placed, HERE.to_owned(), outcome)),
            );
        } else {
            others.push((place, own));
        }
    }
    let queue = Mutex::new(others.into_iter());
    let results = Mutex::new(&mut told);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..PLACES {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some((place, own)) = next else { return };
                    match inside(file, &place, means) {
                        Ok(outcomes) if outcomes.len() == own.len() => {
                            let Ok(mut results) = results.lock() else { return };
                            results.extend(
                                own.into_iter()
                                    .zip(outcomes)
                                    .map(|(placed, outcome)| (placed, place.clone(), outcome)),
                            );
                        }
                        other => {
                            let why =
                                other.err().unwrap_or_else(|| "it asked something else".to_owned());
                            let Ok(mut failed) = failed.lock() else { return };
                            failed.get_or_insert(format!("{place}: {why}"));
                        }
                    }
                }
            });
        }
    });
    if let Ok(Some(why)) = failed.into_inner() {
        let help =
            format!("`netwright lab up {} --name {}` builds the lab", file.display(), means.lab);
        return Err(Failure::usage(why, Some(help)));
    }
    told.sort_by_key(|(placed, _, _)| placed.span);
    Ok(told)
}

/// This program again, inside an instance.
fn inside(file: &Path, place: &str, means: &Means<'_>) -> Result<Vec<Outcome>, String> {
    let timeout = format!("{}ms", means.asking.timeout.as_millis());
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("probe").arg(file).args([
        "--at",
        place,
        "--from",
        place,
        "--lab",
        means.lab,
        "--timeout",
        &timeout,
    ]);
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let text = String::from_utf8_lossy(&output.stderr);
        let first = text.lines().find(|line| !line.is_empty()).unwrap_or("it said nothing");
        first.trim_start_matches("error: ").to_owned()
    })
}

fn show(told: &[Told], made: &Probes, format: Format, console: &mut Console) {
    if format == Format::Json {
        let one = |(placed, place, outcome): &Told| {
            let mut value = show::document(&placed.spec.target.to_string(), outcome);
            if let Some(fields) = value.as_object_mut() {
                fields.shift_insert(0, "from".to_owned(), json!(place));
                fields.shift_insert(0, "name".to_owned(), json!(placed.name));
                fields.insert("must_not_answer".to_owned(), json!(placed.spec.must_fail));
            }
            value
        };
        let left = made.left.iter().map(|(name, why)| json!({"name": name, "why": why}));
        console.json(&json!({
            "version": 1,
            "probes": told.iter().map(one).collect::<Vec<_>>(),
            "left_out": left.collect::<Vec<_>>(),
        }));
        return;
    }
    let rows: Vec<(String, &Outcome)> = told
        .iter()
        .map(|(placed, _, outcome)| {
            let not = if placed.spec.must_fail { "not " } else { "" };
            (format!("{}: {} {not}{}", placed.name, placed.label, placed.spec.target), outcome)
        })
        .collect();
    if !rows.is_empty() {
        show::rows_of(&rows, console);
    }
    for (name, why) in &made.left {
        let line = console.styled(Style::Doubt, &format!("{name}: not asked: {why}"));
        console.line(&line);
    }
    let count =
        |word: &str| told.iter().filter(|(_, _, outcome)| outcome.verdict.word() == word).count();
    console.line(&format!(
        "{} asked: {} passed, {} failed, {} unknown",
        told.len(),
        count("passed"),
        count("failed"),
        count("unknown")
    ));
}
