//! `netwright diff`.

use netwright_verify::cascade::Failure as Failed;
use netwright_verify::dependencies::Answer as Dependency;
use netwright_verify::diff::{Change, Diff as Compared, Party, diff};
use netwright_verify::intents::Answer;
use netwright_verify::reach::Relation;
use netwright_verify::trace::Verdict;
use serde_json::{Value, json};

use crate::arguments::{Diff, Format};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network::open;

/// Parties that are named before the rest is counted.
const SHOWN: usize = 4;

pub(super) fn run(arguments: &Diff, console: &mut Console) -> Result<Code, Failure> {
    let (old, new) = (open(&arguments.old)?, open(&arguments.new)?);
    let compared = match diff(&old.network, &new.network) {
        Ok(compared) => compared,
        Err(overflow) => {
            console.error(&format!("error: {overflow}\n"));
            return Ok(Code::Unknown);
        }
    };
    match arguments.format {
        Format::Text => text(console, &compared),
        Format::Json => console.json(&document(&compared)),
    }
    let has_intents = !new.network.description.expect.is_empty();
    let new_failures = compared.cascade.failures.iter().any(|failure| {
        !compared.cascade_before.failures.iter().any(|old| old.service == failure.service)
    });
    let broken = !compared.broken.is_empty() || new_failures;
    Ok(if broken || (!has_intents && compared.loses()) {
        Code::Fail
    } else if !compared.unsure.is_empty() {
        Code::Unknown
    } else {
        Code::Pass
    })
}

fn party(party: &Party) -> String {
    match party {
        Party::Named { name, .. } => name.clone(),
        Party::Outside(whose, first, last) if first == last => format!("{whose} {first}"),
        Party::Outside(whose, first, last) => format!("{whose} {first}-{last}"),
    }
}

fn parties(all: &[Party]) -> String {
    let internet = |p: &Party| matches!(p, Party::Outside(whose, ..) if whose == "internet");
    if all.len() > SHOWN && all.iter().all(internet) {
        return format!("internet ({} ranges)", all.len());
    }
    let mut names: Vec<String> = all.iter().take(SHOWN).map(party).collect();
    if all.len() > SHOWN {
        names.push(format!("{} more", all.len() - SHOWN));
    }
    names.join(", ")
}

fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::Any => "",
        Relation::SameSubnet => " (in one subnet)",
        Relation::OtherSubnet => " (in different subnets)",
    }
}

/// A part of a change.
type Part = fn(&Change) -> &Option<String>;

fn text(console: &mut Console, compared: &Compared) {
    let unchanged = compared.dependencies.is_empty() && compared.changes.is_empty();
    if unchanged && compared.broken.is_empty() && compared.fixed.is_empty() {
        console.line("nothing changes for any flow or intent");
    }
    let kinds: [(&str, Style, Part); 3] = [
        ("lost", Style::Bad, |change| &change.lost),
        ("gained", Style::Good, |change| &change.gained),
        ("now unknown", Style::Doubt, |change| &change.unsure),
    ];
    for (word, style, what) in kinds {
        let changes: Vec<&Change> =
            compared.changes.iter().filter(|change| what(change).is_some()).collect();
        if changes.is_empty() {
            continue;
        }
        console.line(&console.styled(Style::Strong, &format!("flows {word}")));
        for change in changes {
            let (from, to) = (parties(&change.from), parties(&change.to));
            console.line(&format!("  {from} → {to}{}", relation(change.relation)));
            let set = what(change).as_deref().unwrap_or("");
            console.line(&format!("      {}", console.styled(style, set)));
        }
    }
    dependencies(console, compared);
    let intents: [(&str, Style, &Vec<Answer>); 3] = [
        ("intents broken", Style::Bad, &compared.broken),
        ("intents fixed", Style::Good, &compared.fixed),
        ("intents that cannot be determined", Style::Doubt, &compared.unsure),
    ];
    for (title, style, answers) in intents {
        if answers.is_empty() {
            continue;
        }
        console.line(&console.styled(Style::Strong, title));
        for answer in answers {
            let name = console.styled(style, &answer.name);
            console.line(&format!("  {name}: {}", answer.why));
        }
    }
}

fn dependencies(console: &mut Console, compared: &Compared) {
    if !compared.dependencies.is_empty() {
        console.line(&console.styled(Style::Strong, "dependencies that change"));
    }
    for (before, now) in &compared.dependencies {
        console.line(&format!("  {} → {} ({})", now.service, now.target, now.name));
        if let Some(before) = before {
            console.line(&format!("      was  {}", dependency(console, before)));
        }
        console.line(&format!("      now  {}", dependency(console, now)));
    }
    let (before, now) = (&compared.cascade_before, &compared.cascade);
    let fails =
        |failure: &&Failed| !before.failures.iter().any(|old| old.service == failure.service);
    let failures: Vec<&Failed> = now.failures.iter().filter(fails).collect();
    if !failures.is_empty() {
        console.line(&console.styled(Style::Strong, "services that then do not start"));
    }
    for failure in failures {
        let phase =
            failure.phase.as_ref().map_or_else(String::new, |phase| format!(" in phase {phase}"));
        let name = console.styled(Style::Bad, &failure.service);
        console.line(&format!("  {name}{phase}: {}", failure.why));
    }
    for lost in now.lost.iter().filter(|lost| !before.lost.contains(lost)) {
        let name = console.styled(Style::Bad, &lost.path);
        console.line(&format!("  golden path {name} is lost: {}", lost.why));
    }
    for failure in &before.failures {
        if !now.failures.iter().any(|new| new.service == failure.service) {
            let name = console.styled(Style::Good, &failure.service);
            console.line(&format!("  {name} starts again"));
        }
    }
}

fn dependency(console: &Console, answer: &Dependency) -> String {
    let (word, style) = match answer.verdict {
        Verdict::Reachable => ("reachable", Style::Good),
        Verdict::Unknown => ("unknown", Style::Doubt),
        Verdict::Blocked | Verdict::NoReturn | Verdict::Unresolved => {
            (answer.verdict.word(), Style::Bad)
        }
    };
    let seen = match (answer.verdict, answer.source_seen) {
        (Verdict::Reachable, Some(address)) => format!(", seen as {address}"),
        (Verdict::Reachable, None) => ", source address not predictable".to_owned(),
        _ => String::new(),
    };
    let why = answer.why.as_ref().map_or_else(String::new, |why| format!("; {why}"));
    format!("{} by {}{seen}{why}", console.styled(style, word), answer.way)
}

fn dependency_json(answer: &Dependency) -> Value {
    json!({
        "verdict": answer.verdict.word(),
        "way": answer.way,
        "source_seen": answer.source_seen.map(|address| address.to_string()),
        "why": answer.why,
    })
}

fn document(compared: &Compared) -> Value {
    let names = |all: &[Party]| -> Vec<String> { all.iter().map(party).collect() };
    let changes: Vec<Value> = compared
        .changes
        .iter()
        .map(|change| {
            json!({
                "sources": names(&change.from),
                "destinations": names(&change.to),
                "relation": match change.relation {
                    Relation::Any => "any",
                    Relation::SameSubnet => "same_subnet",
                    Relation::OtherSubnet => "other_subnet",
                },
                "lost": change.lost,
                "gained": change.gained,
                "unknown": change.unsure,
            })
        })
        .collect();
    let answers = |all: &[Answer]| -> Vec<Value> {
        all.iter().map(|answer| json!({ "name": answer.name, "why": answer.why })).collect()
    };
    json!({
        "version": 1,
        "flows": changes,
        "dependencies": compared.dependencies.iter().map(|(before, now)| json!({
            "service": now.service,
            "dependency": now.name,
            "target": now.target,
            "before": before.as_ref().map(dependency_json),
            "now": dependency_json(now),
        })).collect::<Vec<_>>(),
        "cascade": {
            "services": compared.cascade.failures.iter().map(|failure| json!({
                "service": failure.service, "phase": failure.phase, "why": failure.why,
            })).collect::<Vec<_>>(),
            "golden_paths": compared.cascade.lost.iter().map(|lost| json!({
                "path": lost.path, "why": lost.why,
            })).collect::<Vec<_>>(),
        },
        "intents": {
            "broken": answers(&compared.broken),
            "fixed": answers(&compared.fixed),
            "unknown": answers(&compared.unsure),
        },
    })
}
