//! `netwright diff`.

use netwright_verify::diff::{Change, Diff as Compared, Party, diff};
use netwright_verify::intents::Answer;
use netwright_verify::reach::Relation;
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
    Ok(if !compared.broken.is_empty() || (!has_intents && compared.loses()) {
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
    if compared.changes.is_empty() && compared.broken.is_empty() && compared.fixed.is_empty() {
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
        "intents": {
            "broken": answers(&compared.broken),
            "fixed": answers(&compared.fixed),
            "unknown": answers(&compared.unsure),
        },
    })
}
