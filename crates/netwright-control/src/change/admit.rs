//! Whether a change may land.
//!
//! It may not where an intent that held does not hold any more or is not known to, where an intent that the change brings does not hold,
//! where it brings what no provider accepts, such as ranges that overlap, and where a value is used that was allocated for something else. A reason
//! lands it nevertheless, and is remembered. Other findings that it brings are told as warnings, errors among them by what they say.

use std::collections::{BTreeMap, BTreeSet};

use netwright_model::diagnostic::Severity;
use netwright_verify::check::Finding;
use netwright_verify::intents::{Answer, Standing};
use netwright_verify::steps::Undo;

use super::judge::Judged;
use super::report::Report;
use crate::network::{Edit, Live};

/// Findings about what no provider accepts: ranges that overlap or lie outside their network, addresses that somebody has already, values that
/// cannot be.
const NEVER: [&str; 12] = [
    "NW-ADDR-001",
    "NW-ADDR-002",
    "NW-ADDR-003",
    "NW-ADDR-004",
    "NW-ADDR-005",
    "NW-CON-001",
    "NW-CON-002",
    "NW-CON-003",
    "NW-LB-001",
    "NW-LB-002",
    "NW-NAT-005",
    "NW-NAT-006",
];

/// Findings that are told one by one as reasons or warnings; all of them are in the report's list.
const TOLD: usize = 20;

/// Fills in why a change may not land, and what should be known of it.
pub(crate) fn decide(report: &mut Report, judged: &Judged, edits: &[Edit], new: &Live) {
    let brought: BTreeSet<&str> =
        edits.iter().filter(|e| e.part == "expect").map(|edit| edit.name.as_str()).collect();
    let stood: BTreeMap<&str, Standing> =
        judged.stood.iter().map(|(name, standing)| (name.as_str(), *standing)).collect();
    for answer in &judged.fails {
        let before = stood.get(answer.name.as_str()).copied();
        let why = reason(answer, before, brought.contains(answer.name.as_str()));
        match why {
            Some(why) => report.refused.push(why),
            None if before != Some(answer.standing) => {
                let (name, why) = (&answer.name, &answer.why);
                report.warnings.push(format!("it is not known whether intent {name} holds: {why}"));
            }
            None => {}
        }
    }
    findings(report, &judged.diff.found);
    if judged.stood.len() + judged.fails.len() == 0 && new.network.description.expect.is_empty() {
        let nothing = "the network says nothing of what must work (`expect`): nothing is proved";
        report.warnings.push(nothing.to_owned());
    }
    if !judged.diff.dropped.is_empty() {
        let names = judged.diff.dropped.join(", ");
        report.warnings.push(format!("nothing asks these intents any more: {names}"));
    }
    for failure in &report.failures {
        report.warnings.push(format!("{} does not start: {}", failure.service, failure.why));
    }
    for lost in &report.lost_paths {
        report.warnings.push(format!("golden path {} is lost: {}", lost.path, lost.why));
    }
    if report.summary.found > 0 {
        let count = report.summary.found;
        let s = if count == 1 { "" } else { "s" };
        report.warnings.push(format!("{count} new finding{s}"));
    }
}

/// Findings that a change brings: what no provider accepts stands against it, other errors are warnings that say what they are.
fn findings(report: &mut Report, found: &[Finding]) {
    let never = |found: &&Finding| NEVER.contains(&found.id);
    let words = |found: &Finding| format!("{}: {}", found.id, found.message);
    report.refused.extend(found.iter().filter(never).take(TOLD).map(words));
    let more = found.iter().filter(never).count().saturating_sub(TOLD);
    if more > 0 {
        report.refused.push(format!("and {more} more that no provider accepts"));
    }
    let errors = found.iter().filter(|one| one.severity == Severity::Error && !never(one));
    report.warnings.extend(errors.take(TOLD).map(words));
}

/// Why an intent that does not hold stands against a change; none where it did not hold before either.
fn reason(answer: &Answer, before: Option<Standing>, brought: bool) -> Option<String> {
    let Answer { name, why, standing, .. } = answer;
    let now = match standing {
        Standing::Broken => "is broken",
        Standing::Unknown => "is not known to hold",
        Standing::Holds => return None,
    };
    match before {
        _ if brought => Some(format!("intent {name}, which this change brings, {now}: {why}")),
        None => Some(format!("intent {name}, which this change brings, {now}: {why}")),
        Some(Standing::Holds) => Some(format!("intent {name} held and {now}: {why}")),
        Some(Standing::Unknown) if *standing == Standing::Broken => {
            Some(format!("intent {name} {now}: {why}"))
        }
        Some(Standing::Unknown | Standing::Broken) => None,
    }
}

/// Says which steps of going back cannot be gone back: they stand against it.
pub(crate) fn no_way_back(report: &mut Report, judged: &Judged) {
    for step in judged.diff.steps.iter().filter(|step| step.undo == Undo::Irreversible) {
        let (action, kind, name, why) = (step.action.word(), step.kind, &step.name, &step.why);
        report.refused.push(format!("{action} of {kind} {name} loses something for good: {why}"));
    }
}
