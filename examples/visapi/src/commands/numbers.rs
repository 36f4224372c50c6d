//! Sets, counters, and ids that nobody has twice.

use serde_json::json;

use super::{Answer, Terms, done};
use crate::broken::{Broken, GAP};
use crate::database::Session;
use crate::trouble::Trouble;

pub(super) async fn add_to_set(
    session: &mut Session,
    name: &str,
    element: i64,
) -> Result<Answer, Trouble> {
    let insert = "insert into set_elements (name, element) values ($1, $2) on conflict do nothing";
    let added = session.run(insert, &[&name, &element]).await? == 1;
    let what = if added { "added" } else { "present" };
    Ok(done(if added { 201 } else { 200 }, what, json!({ "name": name, "element": element })))
}

pub(super) async fn add(
    session: &mut Session,
    name: &str,
    amount: i64,
    terms: Terms<'_>,
) -> Result<Answer, Trouble> {
    let log = "insert into counter_additions (name, amount) values ($1, $2)";
    session.run(log, &[&name, &amount]).await?;
    let value: i64 = if terms.broken == Some(Broken::NonatomicCounter) {
        let row = session.maybe("select value from counters where name = $1", &[&name]).await?;
        let held: i64 = row.map_or(0, |row| row.get(0));
        tokio::time::sleep(GAP).await;
        let write = "insert into counters (name, value) values ($1, $2)
            on conflict (name) do update set value = excluded.value returning value";
        session.one(write, &[&name, &held.saturating_add(amount)]).await?.get(0)
    } else {
        let add = "insert into counters (name, value) values ($1, $2)
            on conflict (name) do update set value = counters.value + excluded.value returning value";
        session.one(add, &[&name, &amount]).await?.get(0)
    };
    Ok(done(200, "added", json!({ "name": name, "value": value })))
}

pub(super) async fn mint(session: &mut Session, terms: Terms<'_>) -> Result<Answer, Trouble> {
    let node = &terms.stamp.node;
    let id: i64 = if terms.broken == Some(Broken::DuplicateIds) {
        let next: i64 =
            session.one("select coalesce(max(id), 0) + 1 from minted_ids", &[]).await?.get(0);
        tokio::time::sleep(GAP).await;
        session.run("insert into minted_ids (id, node) values ($1, $2)", &[&next, node]).await?;
        next
    } else {
        let take = "update id_source set next = next + 1 returning next - 1";
        let next: i64 = session.one(take, &[]).await?.get(0);
        let keep = "insert into minted_ids (id, guard, node) values ($1, $1, $2)";
        session.run(keep, &[&next, node]).await?;
        next
    };
    Ok(done(201, "minted", json!({ "id": id })))
}
