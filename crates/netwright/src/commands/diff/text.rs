//! What `diff` says to people: the verdict first, then what is lost and why, then the rest.

use netwright_model::diagnostic::Severity;
use netwright_model::source::{Sources, Span};
use netwright_verify::check::Finding;
use netwright_verify::dependencies::Answer as Dependency;
use netwright_verify::diff::{Change, Diff as Compared, Parties, Party};
use netwright_verify::intents::Answer;
use netwright_verify::reach::Relation;
use netwright_verify::steps::{Step, Undo};
use netwright_verify::trace::{Verdict, sources_words};

use super::{failures, party};
use crate::console::{Code, Console, Style};
use crate::network::Input;

/// Parties that are named before the rest is counted.
const SHOWN: usize = 4;

pub(super) fn write(
    console: &mut Console,
    (old, new): (&Input, &Input),
    compared: &Compared,
    code: Code,
) {
    headline(console, compared, code);
    intents(console, compared);
    services(console, compared);
    flows(console, new, compared);
    dependencies(console, compared);
    findings(console, "new findings", &compared.found, &new.sources);
    findings(console, "findings that are gone", &compared.gone, &old.sources);
    steps(console, compared);
}

fn headline(console: &mut Console, compared: &Compared, code: Code) {
    let mut parts: Vec<String> = Vec::new();
    let mut count = |number: usize, one: &str, many: &str| {
        if number > 0 {
            parts.push(format!("{number} {}", if number == 1 { one } else { many }));
        }
    };
    count(compared.broken.len(), "intent broken", "intents broken");
    count(compared.dropped.len(), "intent no longer asked", "intents no longer asked");
    count(failures(compared).count(), "service does not start", "services do not start");
    let lost = |part: fn(&Change) -> bool| compared.changes.iter().filter(|c| part(c)).count();
    count(lost(|change| change.lost.is_some()), "group of flows lost", "groups of flows lost");
    count(lost(|change| change.gained.is_some()), "gained", "gained");
    count(compared.fixed.len(), "intent fixed", "intents fixed");
    count(compared.found.len(), "new finding", "new findings");
    count(compared.gone.len(), "finding gone", "findings gone");
    let (word, style) = match code {
        Code::Pass => ("nothing breaks", Style::Good),
        Code::Unknown => ("it cannot be told what breaks", Style::Doubt),
        _ => ("this breaks something", Style::Bad),
    };
    let word = console.styled(style, word);
    if parts.is_empty() && compared.dependencies.is_empty() {
        console.line(&format!("{word}: no flow, intent or finding changes"));
    } else if parts.is_empty() {
        console.line(&word);
    } else {
        console.line(&format!("{word}: {}", parts.join(", ")));
    }
}

fn title(console: &mut Console, words: &str) {
    console.line("");
    console.line(&console.styled(Style::Strong, words));
}

fn place(console: &mut Console, sources: &Sources, span: Span) {
    if let Some(at) = sources.location(span) {
        console.line(&console.styled(Style::Dim, &format!("      {at}")));
    }
}

fn intents(console: &mut Console, compared: &Compared) {
    let intents: [(&str, Style, &Vec<Answer>); 3] = [
        ("intents broken", Style::Bad, &compared.broken),
        ("intents that cannot be determined", Style::Doubt, &compared.unsure),
        ("intents fixed", Style::Good, &compared.fixed),
    ];
    for (words, style, answers) in intents {
        if !answers.is_empty() {
            title(console, words);
        }
        for answer in answers {
            let name = console.styled(style, &answer.name);
            console.line(&format!("  {name}: {}", answer.why));
        }
    }
    if !compared.dropped.is_empty() {
        title(console, "intents that nothing asks any more");
        console.line(&format!("  {}", compared.dropped.join(", ")));
    }
}

fn services(console: &mut Console, compared: &Compared) {
    let (before, now) = (&compared.cascade_before, &compared.cascade);
    let lost: Vec<_> = now.lost.iter().filter(|lost| !before.lost.contains(lost)).collect();
    if failures(compared).next().is_some() || !lost.is_empty() {
        title(console, "services that then do not start");
    }
    for failure in failures(compared) {
        let phase =
            failure.phase.as_ref().map_or_else(String::new, |phase| format!(" in phase {phase}"));
        let name = console.styled(Style::Bad, &failure.service);
        console.line(&format!("  {name}{phase}: {}", failure.why));
    }
    for lost in lost {
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

/// A part of a change.
type Part = fn(&Change) -> &Option<String>;

fn flows(console: &mut Console, new: &Input, compared: &Compared) {
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
        title(console, &format!("flows {word}"));
        for change in changes {
            let (from, to) = (parties(&change.from), parties(&change.to));
            console.line(&format!("  {from} → {to}{}", relation(change.relation)));
            let set = what(change).as_deref().unwrap_or("");
            console.line(&format!("      {}", console.styled(style, set)));
            if let Some(cause) = change.cause.as_ref().filter(|_| word == "lost") {
                console.line(&format!("      because {}", cause.text));
                place(console, &new.sources, cause.span);
            }
        }
    }
}

fn findings(console: &mut Console, words: &str, findings: &[Finding], sources: &Sources) {
    if !findings.is_empty() {
        title(console, words);
    }
    for finding in findings {
        let style = match finding.severity {
            Severity::Error => Style::Bad,
            Severity::Warning => Style::Doubt,
            Severity::Info => Style::Dim,
        };
        let head = console.styled(style, &format!("{}[{}]", finding.severity.word(), finding.id));
        console.line(&format!("  {head} {}", finding.message));
        place(console, sources, finding.span);
    }
}

fn steps(console: &mut Console, compared: &Compared) {
    if !compared.steps.is_empty() {
        title(console, "steps");
    }
    for step in &compared.steps {
        let style = match step.undo {
            Undo::Reversible => Style::Good,
            Undo::Unknown | Undo::Replace => Style::Doubt,
            Undo::Irreversible => Style::Bad,
        };
        let undo = console.styled(style, step.undo.word());
        console.line(&format!("  {} {} {}: {undo}", step.action.word(), step.kind, step.name));
        fields(console, step);
        if step.undo != Undo::Reversible {
            console.line(&console.styled(Style::Dim, &format!("      {}", step.why)));
        }
    }
}

fn fields(console: &mut Console, step: &Step) {
    for field in &step.fields {
        let [old, new] = field.shown().map(|value| value.unwrap_or_else(|| "not given".to_owned()));
        console.line(&format!("      {}: {old} → {new}", field.path));
    }
}

fn parties(all: &Parties) -> String {
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

fn dependencies(console: &mut Console, compared: &Compared) {
    if !compared.dependencies.is_empty() {
        title(console, "dependencies that change");
    }
    for (before, now) in &compared.dependencies {
        console.line(&format!("  {} → {} ({})", now.service, now.target, now.name));
        if let Some(before) = before {
            console.line(&format!("      was  {}", dependency(console, before)));
        }
        console.line(&format!("      now  {}", dependency(console, now)));
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
    let seen = match answer.verdict {
        Verdict::Reachable if answer.sources_seen.is_empty() => {
            ", source address not predictable".to_owned()
        }
        Verdict::Reachable => format!(", seen as {}", sources_words(&answer.sources_seen)),
        _ => String::new(),
    };
    let why = answer.why.as_ref().map_or_else(String::new, |why| format!("; {why}"));
    format!("{} by {}{seen}{why}", console.styled(style, word), answer.way)
}
