//! Accounts between which money moves: it is never made, never lost, and no account goes below nothing.

use rustc_hash::FxHashSet;
use serde_json::json;

use crate::history::{History, Operation, Outcome, is_read};
use crate::model::Options;
use crate::report::{CheckError, Finding, Report};
use crate::value::Value;

/// Wrong reads that are shown.
const SHOWN: usize = 3;

/// An account's name, be it a number, or a number that JSON wrote as a text.
fn account(name: &Value) -> Value {
    name.integer().map_or_else(|| name.clone(), Value::Int)
}

/// What a read has seen of the accounts; None of what is no read, or did not end well.
fn seen<'a>(
    history: &History,
    operation: &'a Operation,
) -> Result<Option<&'a [(Value, Value)]>, CheckError> {
    match history.name(operation) {
        f if is_read(f) => {}
        "transfer" => return Ok(None),
        other => {
            let message = format!("`{other}` is nothing of a bank: read, transfer");
            return Err(CheckError::shape(operation, message));
        }
    }
    if operation.outcome != Outcome::Ok || operation.value.is_nil() {
        return Ok(None);
    }
    let message = "a read of a bank is a map of accounts to balances";
    operation.value.entries().map(Some).ok_or_else(|| CheckError::shape(operation, message))
}

/// Every read has the same total. Without one given it is that of the first read.
pub(crate) fn check(
    history: &History,
    name: &str,
    options: &Options,
) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let mut total = options.total.map(i128::from);
    let mut accounts: Option<FxHashSet<Value>> = None;
    let mut reads = 0_usize;
    for (at, operation) in history.operations.iter().enumerate() {
        let Some(entries) = seen(history, operation)? else { continue };
        reads += 1;
        let mut fails = |name: &str, message: String| {
            report.findings.push(Finding::fails(name, message).with(vec![at]));
        };
        let names: FxHashSet<Value> = entries.iter().map(|(name, _)| account(name)).collect();
        let known = accounts.get_or_insert_with(|| names.clone());
        if *known != names {
            fails(
                "accounts",
                format!("a read has {} accounts, where the first had {}", names.len(), known.len()),
            );
            continue;
        }
        if let Some((name, _)) = entries.iter().find(|(_, balance)| balance.number().is_none()) {
            fails("no-balance", format!("account {name} has no balance"));
            continue;
        }
        if let Some((name, _)) = entries.iter().find(|(_, balance)| balance.whole().is_none()) {
            let message = format!("what account {name} holds is no whole number");
            return Err(CheckError::shape(operation, message));
        }
        let balances =
            || entries.iter().filter_map(|(name, balance)| Some((name, balance.whole()?)));
        let sum: i128 = balances().map(|(_, balance)| i128::from(balance)).sum();
        let wanted = *total.get_or_insert(sum);
        if sum != wanted {
            fails(
                "wrong-total",
                format!("the accounts hold {sum} together, and there is {wanted}"),
            );
        }
        if !options.negative
            && let Some((name, balance)) = balances().find(|(_, balance)| *balance < 0)
        {
            fails("negative", format!("account {name} holds {balance}"));
        }
    }
    report.figure("reads", reads);
    report.figure("wrong_reads", report.findings.len());
    if let Some(total) = total {
        // What is larger than any number of JSON is told as a text.
        report.figure(
            "total",
            i64::try_from(total).map_or_else(|_| json!(total.to_string()), |total| json!(total)),
        );
    }
    if options.total.is_none() && reads > 0 {
        report
            .unchecked
            .push("the total is that of the first read, since none was given".to_owned());
    }
    let wrong = report.findings.len();
    if wrong > SHOWN {
        report.findings.truncate(SHOWN);
        report.unchecked.push(format!("{} more wrong reads are not shown", wrong - SHOWN));
    }
    let unknown = (reads == 0).then(|| "too little: nobody read the accounts".to_owned());
    Ok(report.decide(unknown, format!("all {reads} reads have the same total")))
}
