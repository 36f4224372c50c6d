//! `netwright diff`.

mod json;
mod text;

use netwright_model::diagnostic::Severity;
use netwright_verify::cascade::{Cascade, Failure as Failed};
use netwright_verify::diff::{Diff as Compared, Party, diff};

use super::check::{Checked, Services, junit, sarif, today};
use crate::arguments::{Diff, FailOn, ReportFormat};
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network::{Input, open_both};

pub(super) fn run(arguments: &Diff, console: &mut Console) -> Result<Code, Failure> {
    let (old, new) = open_both(&arguments.old, &arguments.new)?;
    let compared = match diff(&old.network, &new.network, today()) {
        Ok(compared) => compared,
        Err(overflow) => {
            console.error(&format!("error: {overflow}\n"));
            return Ok(Code::Unknown);
        }
    };
    let code = code(&compared, &new);
    match arguments.format {
        ReportFormat::Text => text::write(console, (&old, &new), &compared, code),
        ReportFormat::Json => console.json(&json::document((&old, &new), &compared, code)),
        ReportFormat::Sarif => console.json(&sarif::document(&new, &news(compared))),
        ReportFormat::Junit => {
            console.write(&junit::document(&new, &news(compared), FailOn::Error));
        }
    }
    Ok(code)
}

/// Tells people what an edit changes.
pub(super) fn tell(console: &mut Console, old: &Input, new: &Input) {
    match diff(&old.network, &new.network, today()) {
        Ok(compared) => text::write(console, (old, new), &compared, code(&compared, new)),
        Err(overflow) => console.error(&format!("error: {overflow}\n")),
    }
}

/// What is worse than before fails; flows alone do only where nothing says what must work.
fn code(compared: &Compared, new: &Input) -> Code {
    let has_intents = !new.network.description.expect.is_empty();
    let worse = !compared.broken.is_empty()
        || failures(compared).next().is_some()
        || compared.found.iter().any(|finding| finding.severity == Severity::Error);
    if worse || (!has_intents && compared.loses()) {
        Code::Fail
    } else if !compared.unsure.is_empty() {
        Code::Unknown
    } else {
        Code::Pass
    }
}

/// Services that start before and not after.
fn failures(compared: &Compared) -> impl Iterator<Item = &Failed> {
    let before = &compared.cascade_before.failures;
    let fails = |failure: &&Failed| !before.iter().any(|old| old.service == failure.service);
    compared.cascade.failures.iter().filter(fails)
}

/// What is new and wrong, as a check of its own: for reports that other programs read.
fn news(compared: Compared) -> Checked {
    let failures = failures(&compared).cloned().collect();
    let lost = compared.cascade.lost.iter();
    let lost = lost.filter(|path| !compared.cascade_before.lost.contains(path)).cloned().collect();
    let circles = compared.cascade.circles.iter();
    let circles =
        circles.filter(|one| !compared.cascade_before.circles.contains(one)).cloned().collect();
    let Compared { broken, unsure, found, dependencies, .. } = compared;
    Checked {
        answers: broken.into_iter().chain(unsure).collect(),
        services: Services {
            dependencies: dependencies.into_iter().map(|(_, now)| now).collect(),
            cascade: Cascade { failures, lost, circles },
        },
        findings: found,
    }
}

fn party(party: &Party) -> String {
    match party {
        Party::Named { name, .. } => name.clone(),
        Party::Outside(whose, first, last) if first == last => format!("{whose} {first}"),
        Party::Outside(whose, first, last) => format!("{whose} {first}-{last}"),
    }
}
