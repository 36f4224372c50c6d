//! One connection to PostgreSQL. Whatever is asked has a time-out of its own, also where the server does not answer at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};

use super::{Counts, Times};
use crate::trouble::Trouble;

/// What statements are given.
pub(crate) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection.
#[derive(Debug)]
pub(crate) struct Session {
    client: Client,
    /// The task that moves its octets; the connection ends with it.
    driver: AbortHandle,
    statements: HashMap<&'static str, Statement>,
    statement: Duration,
    counts: Arc<Counts>,
    pub(super) generation: u64,
}

impl Session {
    pub(super) async fn connect(
        config: &tokio_postgres::Config,
        times: Times,
        generation: u64,
        counts: Arc<Counts>,
    ) -> Result<Self, Trouble> {
        let connected = timeout(times.connect, config.connect(NoTls)).await;
        let (client, connection) = connected
            .map_err(|_| Trouble::late("database", times.connect))?
            .map_err(|error| match Trouble::of_database(&error) {
                // Whatever a server says instead of letting us in, it is not there for us.
                Trouble::Fault { why } | Trouble::Busy { why } => {
                    Trouble::Away { what: "database", why, retry: Duration::from_secs(1) }
                }
                other => other,
            })?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the database ended");
            }
        });
        let driver = driver.abort_handle();
        Ok(Self {
            client,
            driver,
            statements: HashMap::new(),
            statement: times.statement,
            counts,
            generation,
        })
    }

    pub(super) fn driver(&self) -> AbortHandle {
        self.driver.clone()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Rows of a statement, which is prepared once.
    pub(crate) async fn rows(
        &mut self,
        sql: &'static str,
        values: Values<'_>,
    ) -> Result<Vec<Row>, Trouble> {
        let limit = self.statement;
        timeout(limit, self.ask(sql, values))
            .await
            .unwrap_or_else(|_| Err(Trouble::late("database", limit)))
    }

    async fn ask(&mut self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Trouble> {
        let statement = self.prepared(sql).await?;
        self.client.query(&statement, values).await.map_err(|e| Trouble::of_database(&e))
    }

    async fn prepared(&mut self, sql: &'static str) -> Result<Statement, Trouble> {
        self.counts.queries.fetch_add(1, Ordering::Relaxed);
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await.map_err(|e| Trouble::of_database(&e))?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    /// The only row.
    pub(crate) async fn one(
        &mut self,
        sql: &'static str,
        values: Values<'_>,
    ) -> Result<Row, Trouble> {
        let none = || Trouble::Fault { why: format!("no row from: {sql}") };
        self.maybe(sql, values).await?.ok_or_else(none)
    }

    /// The first row, where there is one.
    pub(crate) async fn maybe(
        &mut self,
        sql: &'static str,
        values: Values<'_>,
    ) -> Result<Option<Row>, Trouble> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// How many rows a statement changed.
    pub(crate) async fn run(
        &mut self,
        sql: &'static str,
        values: Values<'_>,
    ) -> Result<u64, Trouble> {
        let limit = self.statement;
        let run = async {
            let statement = self.prepared(sql).await?;
            self.client.execute(&statement, values).await.map_err(|e| Trouble::of_database(&e))
        };
        timeout(limit, run).await.unwrap_or_else(|_| Err(Trouble::late("database", limit)))
    }

    /// Statements without values, as `begin` and migrations are.
    pub(crate) async fn plain(&mut self, sql: &str) -> Result<(), Trouble> {
        self.counts.queries.fetch_add(1, Ordering::Relaxed);
        let limit = self.statement;
        let ran = timeout(limit, self.client.batch_execute(sql)).await;
        ran.map_err(|_| Trouble::late("database", limit))?.map_err(|e| Trouble::of_database(&e))
    }

    /// Ends a transaction for good. Where its end is not seen, nobody knows whether it was.
    pub(crate) async fn commit(&mut self) -> Result<(), Trouble> {
        match self.plain("commit").await {
            Err(Trouble::Away { why, .. }) => Err(Trouble::Unknown { why }),
            other => other,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
