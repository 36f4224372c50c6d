//! Rows of tables and what they refer to: children without parents, and foreign keys that do not hold.
//!
//! As a document, `{"tables": {"orders": [{"id": 1, "customer": 7}]}, "foreign_keys": [{"table": "orders", "column": "customer", "references":
//! "customers", "key": "id"}]}`; or as a history, with `rows` of a table as its key, and `foreign-key` with such a map.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::history::{History, Outcome};
use crate::report::{CheckError, Finding, Report};
use crate::value::Value;

struct Reference {
    table: String,
    column: String,
    parent: String,
    key: String,
}

fn malformed(line: u32, message: &str) -> CheckError {
    CheckError::Shape { line, message: message.to_owned() }
}

fn reference(value: &Value, line: u32) -> Result<Reference, CheckError> {
    let text = |name: &str| value.get(name).and_then(Value::name).map(str::to_owned);
    let wanted = "a foreign key has `table`, `column`, `references` and, unless it is `id`, `key`";
    Ok(Reference {
        table: text("table").ok_or_else(|| malformed(line, wanted))?,
        column: text("column").ok_or_else(|| malformed(line, wanted))?,
        parent: text("references").ok_or_else(|| malformed(line, wanted))?,
        key: text("key").unwrap_or_else(|| "id".to_owned()),
    })
}

type Tables<'a> = FxHashMap<String, Vec<&'a Value>>;

/// Tables and references, of a document or of a history.
fn gather(history: &History) -> Result<(Tables<'_>, Vec<Reference>), CheckError> {
    let mut tables = Tables::default();
    let mut references = Vec::new();
    if let Some(document) = &history.rows {
        let of = document.get("tables").and_then(Value::entries);
        for (name, rows) in of.ok_or_else(|| malformed(1, "`tables` is a map of tables to rows"))? {
            let rows = rows.items().ok_or_else(|| malformed(1, "a table is a list of rows"))?;
            tables.entry(name.name().unwrap_or_default().to_owned()).or_default().extend(rows);
        }
        for one in document.get("foreign_keys").and_then(Value::items).unwrap_or_default() {
            references.push(reference(one, 1)?);
        }
        return Ok((tables, references));
    }
    for operation in &history.operations {
        let ok = operation.outcome == Outcome::Ok;
        match history.name(operation) {
            "rows" if ok => {
                let table = operation.key.as_deref().and_then(Value::name);
                let table = table
                    .ok_or_else(|| CheckError::shape(operation, "`rows` has a table as its key"))?;
                let rows = operation.value.items();
                let rows =
                    rows.ok_or_else(|| CheckError::shape(operation, "`rows` has a list of rows"))?;
                // Read again, a table is what it is now.
                tables.insert(table.to_owned(), rows.iter().collect());
            }
            "foreign-key" if ok => references.push(reference(&operation.value, operation.line)?),
            _ => {}
        }
    }
    Ok((tables, references))
}

/// Every row's reference leads to a row.
pub(crate) fn check(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let (tables, references) = gather(history)?;
    let mut checked = 0_usize;
    for Reference { table, column, parent, key } in &references {
        let (Some(children), Some(parents)) = (tables.get(table), tables.get(parent)) else {
            let missing = if tables.contains_key(table) { parent } else { table };
            return Err(malformed(
                1,
                &format!("a foreign key names the table `{missing}`, of which there are no rows"),
            ));
        };
        let known: FxHashSet<&Value> = parents.iter().filter_map(|row| row.get(key)).collect();
        let mut orphans: Vec<Value> = Vec::new();
        for row in children {
            match row.get(column) {
                // A reference may be empty.
                None | Some(Value::Nil) => {}
                Some(value) => {
                    checked += 1;
                    if !known.contains(value) {
                        orphans.push((*row).clone());
                    }
                }
            }
        }
        if !orphans.is_empty() {
            let message = format!(
                "{} rows of {table} refer by {column} to no row of {parent}: {}",
                orphans.len(),
                Report::listed(&orphans)
            );
            report.findings.push(Finding::fails("orphan", message));
        }
        let mut once = FxHashSet::default();
        let twice =
            parents.iter().filter_map(|row| row.get(key)).find(|value| !once.insert(*value));
        if let Some(value) = twice {
            let message = format!("{parent}.{key} is not unique: {value} is there twice");
            report.findings.push(Finding::fails("ambiguous-parent", message));
        }
    }
    report.figure("tables", tables.len());
    report.figure("foreign_keys", references.len());
    report.figure("references", checked);
    let unknown = match (references.len(), checked) {
        (0, _) => Some("too little: no foreign key was given".to_owned()),
        (_, 0) => Some("too little: no row refers to another".to_owned()),
        _ => None,
    };
    Ok(report.decide(unknown, format!("all {checked} references lead to a row")))
}
