//! Whether a change may land.
//!
//! It may not where an intent that held does not hold any more or is not known to, where an intent that the change brings does not hold,
//! where ranges overlap that a provider does not let overlap, and where a value is used that was allocated for something else. A reason lands it nevertheless, and is remembered.

use std::collections::{BTreeMap, BTreeSet};

use netwright_verify::intents::{Answer, Standing};
use netwright_verify::steps::Undo;

use super::judge::Judged;
use super::report::Report;
use crate::network::{Edit, Live};

/// Findings about ranges that no provider accepts: subnets of one VPC, and networks that are connected, which overlap.
const NEVER: [&str; 2] = ["NW-ADDR-001", "NW-ADDR-003"];

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
    let never = judged.diff.found.iter().filter(|found| NEVER.contains(&found.id));
    report.refused.extend(never.map(|found| format!("{}: {}", found.id, found.message)));
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
