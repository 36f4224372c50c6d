//! `netwright what-if` and `netwright matrix`.

mod ranking;

use std::path::Path;

use netwright_import::Format;
use netwright_model::decode::Encode;
use netwright_model::diagnostic::Diagnostic;
use netwright_model::source::{Sources, Span};
use netwright_model::tree::{Limits, Node, read_file, yaml};
use netwright_verify::dependencies::Answer;
use netwright_verify::trace::{Verdict, sources_words};
use netwright_verify::what_if::rank::{Comparison, rank};
use netwright_verify::what_if::{Outcome, Setting, matrix, try_settings};
use serde_json::{Value, json};

use crate::arguments::{Format as Output, Matrix, WhatIf};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network::load;

pub(super) fn what_if(arguments: &WhatIf, console: &mut Console) -> Result<Code, Failure> {
    let (root, sources) = read(&arguments.file)?;
    let settings: Vec<Setting> = arguments
        .set
        .iter()
        .map(|(path, value)| Setting { path: path.clone(), value: value.clone() })
        .collect();
    let before = try_settings(&root, &[]);
    let now = try_settings(&root, &settings);
    let (before, now) = match (before, now) {
        (Ok(before), Ok(now)) => (before, now),
        (Err(diagnostics), _) | (_, Err(diagnostics)) => {
            return Err(Failure::Input { diagnostics, sources });
        }
    };
    let compared = Comparison::of(&before, &now);
    match arguments.format {
        Output::Text => {
            console.line(&console.styled(Style::Strong, "as it is"));
            outcome(console, &before);
            console
                .line(&console.styled(Style::Strong, &format!("\nwith {}", settings_words(&now))));
            outcome(console, &now);
            console.line(&console.styled(Style::Strong, "\ncompared with as it is"));
            ranking::comparison(console, &compared);
        }
        Output::Json => console.json(&json!({
            "version": 1, "before": document(&before), "now": document(&now),
            "comparison": ranking::document(&compared),
        })),
    }
    Ok(code(&now))
}

pub(super) fn run_matrix(arguments: &Matrix, console: &mut Console) -> Result<Code, Failure> {
    let (root, sources) = read(&arguments.file)?;
    let vary: Vec<(String, Vec<String>)> =
        arguments.vary.iter().map(|(path, values)| (path.clone(), alternatives(values))).collect();
    let (outcomes, as_it_is) = match (matrix(&root, &vary), try_settings(&root, &[])) {
        (Ok(outcomes), Ok(as_it_is)) => (outcomes, as_it_is),
        (Err(diagnostics), _) | (_, Err(diagnostics)) => {
            return Err(Failure::Input { diagnostics, sources });
        }
    };
    let ranking = rank(&as_it_is, &outcomes);
    match arguments.format {
        Output::Text => {
            for (index, one) in outcomes.iter().enumerate() {
                if index > 0 {
                    console.line("");
                }
                console.line(&console.styled(Style::Strong, &settings_words(one)));
                outcome(console, one);
            }
            let working = outcomes.iter().filter(|outcome| outcome.works()).count();
            console.line(&format!(
                "\n{working} of {} combinations work for everything",
                outcomes.len()
            ));
            ranking::text(console, &outcomes, &ranking);
        }
        Output::Json => {
            let mut all: Vec<Value> = outcomes.iter().map(document).collect();
            for (place, index) in ranking.order.iter().enumerate() {
                all[*index]["rank"] = json!(place + 1);
                all[*index]["comparison"] = ranking::document(&ranking.comparisons[*index]);
            }
            console.json(&json!({
                "version": 1, "as_it_is": document(&as_it_is), "combinations": all,
                "recommended": ranking::recommended(&outcomes, &ranking),
            }));
        }
    }
    Ok(if outcomes.iter().any(Outcome::works) { Code::Pass } else { Code::Fail })
}

/// Values with commas between them. Commas inside brackets, braces and quotes belong to a value.
fn alternatives(text: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut values = vec![String::new()];
    for c in text.chars() {
        match (c, quote) {
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
        match values.last_mut() {
            Some(last) if c != ',' || depth > 0 || quote.is_some() => last.push(c),
            _ => values.push(String::new()),
        }
    }
    values.iter().map(|value| value.trim().to_owned()).collect()
}

fn code(outcome: &Outcome) -> Code {
    let unknown = outcome.dependencies.iter().any(|answer| answer.verdict == Verdict::Unknown);
    match (outcome.works(), unknown) {
        (false, _) => Code::Fail,
        (true, true) => Code::Unknown,
        (true, false) => Code::Pass,
    }
}

/// The tree in which settings are changed: of one file as it was written, of a folder or an export as the description made of it.
fn read(path: &Path) -> Result<(Node, Sources), Failure> {
    let (loaded, mut sources) = load(path)?;
    let own = loaded.formats.iter().all(|format| *format == Format::Netwright);
    if path.is_dir() || !own {
        return Ok((loaded.description.encode().unwrap_or_default(), sources));
    }
    let read = read_file(path, &mut sources, &Limits::default()).and_then(|file| {
        let text = sources.text(file).map(std::sync::Arc::clone).ok_or_else(|| {
            Diagnostic::error("NW-IN-001", Span::NONE, format!("cannot read {}", path.display()))
        })?;
        yaml::parse(&text, file, &Limits::default())
    });
    match read {
        Ok(root) => Ok((root, sources)),
        Err(error) => Err(Failure::Input { diagnostics: vec![error], sources }),
    }
}

fn settings_words(outcome: &Outcome) -> String {
    let settings = outcome.settings.iter().map(|s| format!("{}={}", s.path, s.value));
    settings.collect::<Vec<_>>().join("  ")
}

fn outcome(console: &mut Console, outcome: &Outcome) {
    let names = outcome.dependencies.iter().map(|a| a.service.len() + a.target.len() + 3);
    let width = names.max().unwrap_or(0);
    for answer in &outcome.dependencies {
        let label = format!("{} → {}", answer.service, answer.target);
        let pad = " ".repeat(width.saturating_sub(label.chars().count()));
        let (word, style) = word(answer);
        let word = console.styled(style, word);
        let seen = match answer.verdict {
            Verdict::Reachable if answer.sources_seen.is_empty() => {
                "source not predictable".to_owned()
            }
            Verdict::Reachable => format!("seen as {}", sources_words(&answer.sources_seen)),
            _ => answer.why.clone().unwrap_or_default(),
        };
        console.line(&format!("  {label}{pad}  {word}  {}  ({seen})", answer.way));
    }
    for failure in &outcome.cascade.failures {
        console.line(&format!("  {} does not start", console.styled(Style::Bad, &failure.service)));
    }
    for lost in &outcome.cascade.lost {
        console.line(&format!("  golden path {} is lost", console.styled(Style::Bad, &lost.path)));
    }
    if let Some(cost) = cost_words(outcome) {
        console.line(&console.styled(Style::Dim, &format!("  NAT: {cost}")));
    }
}

/// What the NAT gateways cost; none where there are none.
fn cost_words(outcome: &Outcome) -> Option<String> {
    (outcome.cost.gateways > 0).then(|| match outcome.cost.dollars {
        Some(dollars) => format!("about ${dollars:.2} a month and $0.045 a GiB (an estimate)"),
        None => "unknown: no price model for this provider".to_owned(),
    })
}

fn word(answer: &Answer) -> (&'static str, Style) {
    match answer.verdict {
        Verdict::Reachable => ("works  ", Style::Good),
        Verdict::Unknown => ("unknown", Style::Doubt),
        Verdict::Blocked | Verdict::NoReturn | Verdict::Unresolved => ("fails  ", Style::Bad),
    }
}

fn document(outcome: &Outcome) -> Value {
    let settings: Vec<Value> =
        outcome.settings.iter().map(|s| json!({ "path": s.path, "value": s.value })).collect();
    let dependencies: Vec<Value> = outcome
        .dependencies
        .iter()
        .map(|answer| {
            json!({
                "service": answer.service,
                "dependency": answer.name,
                "target": answer.target,
                "verdict": answer.verdict.word(),
                "way": answer.way,
                "source_seen": answer.sources_seen.first(),
                "sources_seen": answer.sources_seen,
                "why": answer.why,
            })
        })
        .collect();
    let failures: Vec<&str> =
        outcome.cascade.failures.iter().map(|failure| failure.service.as_str()).collect();
    let lost: Vec<&str> = outcome.cascade.lost.iter().map(|lost| lost.path.as_str()).collect();
    json!({
        "settings": settings,
        "works": outcome.works(),
        "dependencies": dependencies,
        "services_that_do_not_start": failures,
        "golden_paths_lost": lost,
        "nat_dollars_a_month": outcome.cost.dollars,
    })
}
