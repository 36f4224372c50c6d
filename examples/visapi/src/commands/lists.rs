//! Transactions over lists that are only ever appended to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Step, Terms, done};
use crate::broken::{Broken, GAP};
use crate::database::Session;
use crate::trouble::Trouble;

const READ: &str = "select elements from lists where key = $1";

pub(super) async fn transact(
    session: &mut Session,
    steps: &[Step],
    terms: Terms<'_>,
) -> Result<Answer, Trouble> {
    let answered = if terms.broken == Some(Broken::LostUpdate) {
        all_at_the_end(session, steps).await?
    } else {
        one_by_one(session, steps).await?
    };
    Ok(done(200, "committed", json!({ "operations": answered })))
}

async fn one_by_one(session: &mut Session, steps: &[Step]) -> Result<Vec<Value>, Trouble> {
    let mut answered = Vec::new();
    for (what, key, value) in steps {
        let value = if let Some(element) = appended(what, value)? {
            let append = "insert into lists (key, elements) values ($1, array[$2::bigint])
                on conflict (key) do update set elements = lists.elements || $2::bigint";
            session.run(append, &[key, &element]).await?;
            log(session, key, element).await?;
            json!(element)
        } else {
            json!(held(session, key).await?)
        };
        answered.push(json!([what, key, value]));
    }
    Ok(answered)
}

/// Broken on purpose: reads without a lock, thinks, and writes what it thinks the lists are.
async fn all_at_the_end(session: &mut Session, steps: &[Step]) -> Result<Vec<Value>, Trouble> {
    let mut lists: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for (_, key, _) in steps {
        lists.insert(key, held(session, key).await?);
    }
    tokio::time::sleep(GAP).await;
    let mut answered = Vec::new();
    for (what, key, value) in steps {
        let list = lists.entry(key).or_default();
        let value = if let Some(element) = appended(what, value)? {
            list.push(element);
            log(session, key, element).await?;
            let write = "insert into lists (key, elements) values ($1, $2)
                on conflict (key) do update set elements = excluded.elements";
            session.run(write, &[key, &*list]).await?;
            json!(element)
        } else {
            json!(list)
        };
        answered.push(json!([what, key, value]));
    }
    Ok(answered)
}

/// What a step appends; nothing where it reads.
fn appended(what: &str, value: &Value) -> Result<Option<i64>, Trouble> {
    match (what, value.as_i64()) {
        ("append", Some(element)) => Ok(Some(element)),
        ("r", _) => Ok(None),
        ("append", None) => {
            Err(Trouble::wrong(format!("{value} cannot be appended: a list holds whole numbers")))
        }
        _ => Err(Trouble::wrong(format!(
            "`{what}` is no step of a transaction: write `append` or `r`"
        ))),
    }
}

async fn held(session: &mut Session, key: &str) -> Result<Vec<i64>, Trouble> {
    let row = session.maybe(READ, &[&key]).await?;
    Ok(row.map(|row| row.get(0)).unwrap_or_default())
}

async fn log(session: &mut Session, key: &str, element: i64) -> Result<(), Trouble> {
    session
        .run("insert into list_appends (key, element) values ($1, $2)", &[&key, &element])
        .await?;
    Ok(())
}
