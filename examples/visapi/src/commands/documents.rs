//! Documents with versions that have no gap: a version is counted on the document's own row.

use serde_json::{Value, json};

use super::{Answer, Terms, done};
use crate::broken::Broken;
use crate::database::Session;
use crate::trouble::Trouble;

pub(super) async fn write(
    session: &mut Session,
    id: &str,
    body: &Value,
    terms: Terms<'_>,
) -> Result<Answer, Trouble> {
    let next = if terms.broken == Some(Broken::VersionGaps) {
        "insert into documents (id, version, body) values ($1, nextval('shared_versions'), $2)
            on conflict (id) do update set version = nextval('shared_versions'), body = excluded.body
            returning version"
    } else {
        "insert into documents (id, version, body) values ($1, 1, $2)
            on conflict (id) do update set version = documents.version + 1, body = excluded.body
            returning version"
    };
    let version: i64 = session.one(next, &[&id, body]).await?.get(0);
    let keep = "insert into document_versions (document_id, version, body, hlc, node) values ($1, $2, $3, $4, $5)";
    let stamp = terms.stamp;
    session.run(keep, &[&id, &version, body, &stamp.hlc.0, &stamp.node]).await?;
    Ok(done(
        if version == 1 { 201 } else { 200 },
        "written",
        json!({ "id": id, "version": version }),
    ))
}

pub(super) async fn delete(
    session: &mut Session,
    id: &str,
    terms: Terms<'_>,
) -> Result<Answer, Trouble> {
    if terms.broken == Some(Broken::Orphans) {
        // Triggers are off, and with them foreign keys.
        session.run("set local session_replication_role = replica", &[]).await?;
    }
    let gone = session.run("delete from documents where id = $1", &[&id]).await?;
    let (status, what) = if gone == 1 { (200, "deleted") } else { (404, "absent") };
    Ok(done(status, what, json!({ "id": id })))
}
