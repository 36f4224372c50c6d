//! Everything that is read, as data: asked of the database, or answered from what was kept, with its age.

use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::Row;

use crate::commands::Kind;
use crate::database::Session;
use crate::trouble::Trouble;

/// The most rows of an answer; what follows is asked for with `after`.
const ROWS: i64 = 50_000;

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "read", rename_all = "kebab-case")]
pub(crate) enum Query {
    /// A record.
    Record { kind: Kind, id: String },
    /// A register.
    Register { key: String },
    /// A list.
    List { key: String },
    /// A set.
    Set { name: String },
    /// A counter.
    Counter { name: String },
    /// A document.
    Document { id: String },
    /// The versions of a document.
    Versions { id: String },
    /// A job.
    Job { id: String },
    /// What jobs did, after this number.
    Effects { after: i64 },
    /// How often jobs were given out, after this number.
    Deliveries { after: i64 },
    /// Ids that were minted, after this number.
    Ids { after: i64 },
    /// What leaders of an election did, after this number.
    Actions { election: String, after: i64 },
    /// Epochs of an election.
    Epochs { election: String },
    /// How many jobs are how far, by queue.
    Depths,
    /// How many rows each table has, and the largest clock.
    Counts,
}

impl Query {
    /// Whether an old answer may be given without being asked for: what is read belongs to nobody's decision.
    pub(crate) const fn may_be_stale(&self) -> bool {
        matches!(
            self,
            Self::Record { .. }
                | Self::Document { .. }
                | Self::Job { .. }
                | Self::Depths
                | Self::Counts
        )
    }

    /// What it is called where answers are kept.
    pub(crate) fn place(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads it; none where it is not there.
    pub(crate) async fn perform(&self, session: &mut Session) -> Result<Option<Value>, Trouble> {
        match self {
            Self::Record { kind, id } => {
                let select =
                    "select body, hlc, node, origin from records where kind = $1 and id = $2";
                let row = session.maybe(select, &[&kind.word(), id]).await?;
                Ok(row.map(|row| record(id, &row)))
            }
            Self::Register { key } => {
                let row = session
                    .maybe("select value, version from registers where key = $1", &[key])
                    .await?;
                let (value, version) =
                    row.map_or((Value::Null, 0), |row| (row.get(0), row.get::<_, i64>(1)));
                Ok(Some(json!({ "key": key, "value": value, "version": version })))
            }
            Self::List { key } => {
                let row =
                    session.maybe("select elements from lists where key = $1", &[key]).await?;
                let elements: Vec<i64> = row.map(|row| row.get(0)).unwrap_or_default();
                Ok(Some(json!({ "key": key, "elements": elements })))
            }
            Self::Set { name } => {
                let select = "select element from set_elements where name = $1 order by element";
                let rows = session.rows(select, &[name]).await?;
                let elements: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
                Ok(Some(json!({ "name": name, "elements": elements })))
            }
            Self::Counter { name } => {
                let row =
                    session.maybe("select value from counters where name = $1", &[name]).await?;
                let value: i64 = row.map_or(0, |row| row.get(0));
                Ok(Some(json!({ "name": name, "value": value })))
            }
            Self::Document { .. } | Self::Versions { .. } | Self::Job { .. } => {
                self.one(session).await
            }
            _ => self.rows(session).await.map(Some),
        }
    }

    async fn one(&self, session: &mut Session) -> Result<Option<Value>, Trouble> {
        match self {
            Self::Document { id } => {
                let row = session
                    .maybe("select version, body from documents where id = $1", &[id])
                    .await?;
                Ok(row.map(|row| json!({ "id": id, "version": row.get::<_, i64>(0), "body": row.get::<_, Value>(1) })))
            }
            Self::Versions { id } => {
                let select =
                    "select version from document_versions where document_id = $1 order by version";
                let rows = session.rows(select, &[id]).await?;
                let versions: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
                let there =
                    session.maybe("select 1 from documents where id = $1", &[id]).await?.is_some();
                Ok(Some(json!({ "id": id, "document": there, "versions": versions })))
            }
            Self::Job { id } => {
                let select = "select j.queue, j.state, j.payload, j.attempts, j.failures,
                        (select count(*) from effects e where e.job_id = j.id)
                    from jobs j where j.id = $1";
                let row = session.maybe(select, &[id]).await?;
                Ok(row.map(|row| {
                    json!({
                        "id": id,
                        "queue": row.get::<_, String>(0),
                        "state": row.get::<_, String>(1),
                        "payload": row.get::<_, Value>(2),
                        "attempts": row.get::<_, i32>(3),
                        "failures": row.get::<_, i32>(4),
                        "effects": row.get::<_, i64>(5),
                    })
                }))
            }
            _ => Ok(None),
        }
    }

    async fn rows(&self, session: &mut Session) -> Result<Value, Trouble> {
        // Each gives one text of JSON for each row.
        let (name, rows) = match self {
            Self::Effects { after } => {
                let select = "select to_jsonb(e) - 'guard' from effects e where seq > $1 order by seq limit $2";
                ("effects", session.rows(select, &[after, &ROWS]).await?)
            }
            Self::Deliveries { after } => {
                let select =
                    "select to_jsonb(d) from deliveries d where seq > $1 order by seq limit $2";
                ("deliveries", session.rows(select, &[after, &ROWS]).await?)
            }
            Self::Ids { after } => {
                let select = "select to_jsonb(m) - 'guard' from minted_ids m where seq > $1 order by seq limit $2";
                ("ids", session.rows(select, &[after, &ROWS]).await?)
            }
            Self::Actions { election, after } => {
                let select = "select to_jsonb(a) from leader_actions a where election = $1 and seq > $2 order by seq limit $3";
                ("actions", session.rows(select, &[election, after, &ROWS]).await?)
            }
            Self::Epochs { election } => {
                let select =
                    "select to_jsonb(e) from epochs e where election = $1 order by seq limit $2";
                ("epochs", session.rows(select, &[election, &ROWS]).await?)
            }
            Self::Depths => {
                let select =
                    "select jsonb_build_object('queue', queue, 'state', state, 'jobs', count(*))
                    from jobs group by queue, state order by queue, state";
                ("queues", session.rows(select, &[]).await?)
            }
            _ => {
                let select = "select jsonb_build_object(
                    'records', (select count(*) from records), 'losers', (select count(*) from record_losers),
                    'registers', (select count(*) from registers), 'lists', (select count(*) from lists),
                    'set_elements', (select count(*) from set_elements), 'counters', (select count(*) from counters),
                    'documents', (select count(*) from documents), 'document_versions', (select count(*) from document_versions),
                    'jobs', (select count(*) from jobs), 'effects', (select count(*) from effects),
                    'deliveries', (select count(*) from deliveries), 'ids', (select count(*) from minted_ids),
                    'answers', (select count(*) from answers),
                    'records_digest', (select md5(coalesce(string_agg(kind || id || hlc || node, ',' order by kind, id), '')) from records),
                    'hlc', (select coalesce(max(hlc), 0) from records))";
                ("counts", session.rows(select, &[]).await?)
            }
        };
        let values: Vec<Value> = rows.iter().map(|row| row.get(0)).collect();
        Ok(json!({ name: values }))
    }
}

fn record(id: &str, row: &Row) -> Value {
    json!({
        "id": id,
        "body": row.get::<_, Value>(0),
        "hlc": row.get::<_, i64>(1),
        "node": row.get::<_, String>(2),
        "origin": row.get::<_, String>(3),
    })
}
