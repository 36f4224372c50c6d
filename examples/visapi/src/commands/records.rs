//! Markers and test writes: the last by clock and node wins.

use serde_json::{Value, json};

use super::{Answer, Kind, Terms, done};
use crate::database::Session;
use crate::trouble::Trouble;

pub(super) async fn put(
    session: &mut Session,
    kind: Kind,
    id: &str,
    body: &Value,
    terms: Terms<'_>,
) -> Result<Answer, Trouble> {
    let stamp = terms.stamp;
    let decision =
        apply(session, (kind.word(), id, body), (stamp.hlc.0, &stamp.node), terms.origin).await?;
    let status = if decision == "inserted" { 201 } else { 200 };
    Ok(done(status, &decision, json!({ "id": id, "hlc": stamp.hlc.0, "node": stamp.node })))
}

/// Stores a write of a record by the database's own rule; the answer is `inserted`, `replaced`, `late` or `same`.
pub(crate) async fn apply(
    session: &mut Session,
    (kind, id, body): (&str, &str, &Value),
    (hlc, node): (i64, &str),
    origin: &str,
) -> Result<String, Trouble> {
    let row = session
        .one(
            "select apply_record($1, $2, $3, $4, $5, $6)",
            &[&kind, &id, body, &hlc, &node, &origin],
        )
        .await?;
    Ok(row.get(0))
}
