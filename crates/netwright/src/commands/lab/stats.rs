//! `netwright lab stats`: what the data path counted.

use netwright_dataplane::kernel::{Counted, Counter};
use serde_json::{Value, json};

use crate::arguments::Format;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::table::table;

/// Writes counters: of one namespace or of all; those that are zero only where all are asked for.
pub(super) fn show(
    counters: &[Counter],
    (namespace, all): (Option<&str>, bool),
    format: Format,
    console: &mut Console,
) -> Result<Code, Failure> {
    let own =
        |counter: &&Counter| namespace.is_none_or(|wanted| is_named(&counter.namespace, wanted));
    let mine: Vec<&Counter> = counters.iter().filter(own).collect();
    if let Some(wanted) = namespace.filter(|_| mine.is_empty()) {
        let help = "`netwright lab ps` lists them".to_owned();
        return Err(Failure::usage(format!("the lab has no namespace {wanted}"), Some(help)));
    }
    let shown: Vec<&Counter> =
        mine.into_iter().filter(|counter| all || counter.packets > 0).collect();
    if format == Format::Json {
        let rows: Vec<Value> = shown.iter().map(|counter| row(counter)).collect();
        console.json(&json!({"version": 1, "counters": rows}));
        return Ok(Code::Pass);
    }
    let rows: Vec<[String; 5]> = shown
        .iter()
        .map(|counter| {
            let (kind, name) = words(&counter.counted);
            [
                counter.namespace.clone(),
                kind.to_owned(),
                name.to_owned(),
                counter.packets.to_string(),
                counter.octets.map_or_else(|| "-".to_owned(), |octets| octets.to_string()),
            ]
        })
        .collect();
    if rows.is_empty() {
        console.line("nothing was counted yet");
        return Ok(Code::Pass);
    }
    let lost = |at: usize| matches!(shown[at].counted, Counted::Lost(_)).then_some(Style::Doubt);
    table(["NAMESPACE", "WHAT", "NAME", "PACKETS", "OCTETS"], &rows, console, lost);
    Ok(Code::Pass)
}

/// Whether a namespace is meant: by its full name, or by what follows its kind.
fn is_named(namespace: &str, wanted: &str) -> bool {
    namespace == wanted || namespace.split_once('/').is_some_and(|(_, own)| own == wanted)
}

fn words(counted: &Counted) -> (&'static str, &str) {
    match counted {
        Counted::Rule(name) => ("rule", name),
        Counted::Translation(name) => ("translation", name),
        Counted::Backend(name) => ("backend", name),
        Counted::Received(name) => ("received", name),
        Counted::Sent(name) => ("sent", name),
        Counted::Lost(name) => ("lost", name),
    }
}

fn row(counter: &Counter) -> Value {
    let (kind, name) = words(&counter.counted);
    json!({
        "namespace": counter.namespace,
        "what": kind,
        "name": name,
        "packets": counter.packets,
        "octets": counter.octets,
    })
}
