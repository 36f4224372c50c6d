//! Requests to programs of the reference system, each made on the program's own machine, so that no fault lies between.

use std::time::Duration;

use serde_json::Value;

use super::Setting;
use super::request::{Answer, Target, ask, begin, namespace, open};
use crate::reference::{OPERATOR_KEY, socket};

/// Asks the program of a machine, as an operator.
pub(super) fn asked(
    setting: &Setting<'_>,
    machine: &str,
    (method, path, body): (&str, &str, &str),
    patience: Duration,
) -> Result<Answer, String> {
    let from = namespace(setting, machine)?;
    let target = socket(&setting.plan.parties, machine).map_err(|failure| failure.message)?;
    let target = Target::from(target);
    let stream = open(setting, Some(&from), &target, patience)?;
    let mut stream = begin(stream, (machine, None), patience)?;
    let headers = [("X-API-Key".to_owned(), OPERATOR_KEY.to_owned())];
    ask(&mut stream, (method, path, machine), &headers, body.as_bytes(), patience)
}

/// Asks for JSON: what is said with 200.
pub(super) fn told(
    setting: &Setting<'_>,
    machine: &str,
    asks: (&str, &str, &str),
    patience: Duration,
) -> Result<Value, String> {
    let answer = asked(setting, machine, asks, patience)?;
    if answer.status != 200 {
        return Err(format!("it answers {}", answer.status));
    }
    serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
}
