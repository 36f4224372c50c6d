//! Registers: read, write, compare and set, each at one moment.

use serde_json::{Value, json};

use super::{Answer, Terms, done};
use crate::broken::{Broken, GAP};
use crate::database::Session;
use crate::trouble::Trouble;

const SET: &str = "insert into registers (key, value, version) values ($1, $2, 1)
    on conflict (key) do update set value = excluded.value, version = registers.version + 1
    returning version";

pub(super) async fn write(
    session: &mut Session,
    key: &str,
    value: &Value,
) -> Result<Answer, Trouble> {
    let version: i64 = session.one(SET, &[&key, value]).await?.get(0);
    Ok(done(200, "written", json!({ "key": key, "value": value, "version": version })))
}

pub(super) async fn compare_and_set(
    session: &mut Session,
    key: &str,
    expected: &Value,
    new: &Value,
    terms: Terms<'_>,
) -> Result<Answer, Trouble> {
    let fits = if terms.broken == Some(Broken::NonlinearRegister) {
        let row = session.maybe("select value from registers where key = $1", &[&key]).await?;
        let held = row.map_or(Value::Null, |row| row.get(0));
        tokio::time::sleep(GAP).await;
        held == *expected
    } else {
        // The row is there and locked before it is compared.
        session
            .run(
                "insert into registers (key, value, version) values ($1, 'null', 0) on conflict do nothing",
                &[&key],
            )
            .await?;
        let row =
            session.one("select value from registers where key = $1 for update", &[&key]).await?;
        row.get::<_, Value>(0) == *expected
    };
    if !fits {
        return Ok(done(409, "mismatch", json!({ "key": key, "expected": expected })));
    }
    let version: i64 = session.one(SET, &[&key, new]).await?.get(0);
    Ok(done(200, "swapped", json!({ "key": key, "value": new, "version": version })))
}
