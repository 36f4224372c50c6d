//! Leaders and their epochs: who leads, and whether anybody acted who no longer did.
//!
//! `lead` with an epoch says that the client leads from its end on; `act` with an epoch that something was done in its name and accepted.

use rustc_hash::FxHashMap;

use crate::history::{History, Operation, Outcome};
use crate::overtaken::overtaken;
use crate::report::{CheckError, Finding, Report};
use crate::value::Value;

fn epoch(value: &Value) -> Option<i64> {
    value.get("epoch").map_or_else(|| value.integer(), Value::integer)
}

/// Who did it: the node that the operation names as its key, or else the client.
fn node<'a>(history: &'a History, operation: &'a Operation) -> &'a Value {
    operation.key.as_deref().unwrap_or_else(|| history.process(operation))
}

/// An epoch has one leader, and what was accepted under an epoch comes before anything of a later one.
pub(crate) fn check(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let mut holders: FxHashMap<i64, usize> = FxHashMap::default();
    let mut told: Vec<(i64, usize)> = Vec::new();
    let (mut grants, mut acts) = (0_usize, 0_usize);
    for (at, operation) in history.operations.iter().enumerate() {
        let counted = match history.name(operation) {
            "lead" | "elect" | "acquire" => &mut grants,
            "act" | "write" | "renew" => &mut acts,
            "resign" | "release" | "read" => continue,
            other => {
                let message = format!("`{other}` is nothing of leadership: lead, act, resign");
                return Err(CheckError::shape(operation, message));
            }
        };
        if operation.outcome != Outcome::Ok {
            continue;
        }
        *counted += 1;
        let Some(epoch) = epoch(&operation.value) else {
            let message = "an epoch is a whole number, by itself or as `epoch` of a map";
            return Err(CheckError::shape(operation, message));
        };
        let first = *holders.entry(epoch).or_insert(at);
        let (one, other) = (node(history, &history.operations[first]), node(history, operation));
        if one != other {
            let message = format!("{one} and {other} both led under epoch {epoch}");
            report.findings.push(Finding::fails("split-brain", message).with(vec![first, at]));
        }
        told.push((epoch, at));
    }
    for ((epoch, at), (higher, of)) in overtaken(history, &told) {
        let message = format!(
            "{} did `{}` under epoch {epoch} after epoch {higher} had begun",
            history.process(&history.operations[at]),
            history.name(&history.operations[at])
        );
        report.findings.push(Finding::fails("stale-leader", message).with(vec![of, at]));
    }
    report.figure("elections", grants);
    report.figure("acts", acts);
    let unknown = (grants + acts == 0).then(|| "too little: nobody ever led".to_owned());
    Ok(report.decide(unknown, format!("{grants} elections and {acts} acts, and never two leaders")))
}
