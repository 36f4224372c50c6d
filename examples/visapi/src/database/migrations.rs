//! The database's tables, rules and checks. Each file is run once, in its order, by whoever comes first.

use super::Session;
use crate::trouble::Trouble;

const FILES: [(&str, &str); 3] = [
    ("0001_tables", include_str!("../../migrations/0001_tables.sql")),
    ("0002_rules", include_str!("../../migrations/0002_rules.sql")),
    ("0003_checks", include_str!("../../migrations/0003_checks.sql")),
];

/// Runs what was not run yet; says how many.
pub(crate) async fn run(session: &mut Session) -> Result<usize, Trouble> {
    let mut ran = 0;
    for (name, text) in FILES {
        session.plain("begin").await?;
        // One at a time; the lock goes with the transaction.
        session
            .plain(
                "select pg_advisory_xact_lock(3291002);
                 set local client_min_messages = warning;
                 create table if not exists migrations (name text primary key, ran_at timestamptz not null default clock_timestamp())",
            )
            .await?;
        let new = "insert into migrations (name) values ($1) on conflict do nothing";
        if session.run(new, &[&name]).await? == 1 {
            session.plain(text).await?;
            ran += 1;
        }
        session.commit().await?;
    }
    Ok(ran)
}
