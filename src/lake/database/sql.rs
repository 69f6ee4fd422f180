//! SQLite and Postgres behind one set of statements: pools, time-outs, the clock of leases.
//! The difference between the two is here and in `connection`; nobody else may ask which it is
//! but through [`Dialect`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Executor as _};

use super::connection::{Arg, Connection, Pooled, Row, Transaction};
use super::error::SqlError;
use super::migrate;
use super::url::DatabaseUrl;
use crate::lake::catalog::sql::SqlCatalog;
use crate::lake::control::sql::SqlControl;
use crate::lake::{Error, Result};
use crate::seams::Clock;

/// Bounds of a database's use. The defaults suit a server in the same region.
#[derive(Clone, Debug)]
pub struct SqlOptions {
    /// The column `catalog_name` of the catalog's rows; Spark and pyiceberg want it as their own
    /// catalog's name.
    pub catalog_name: String,
    /// Connections for reads (SQLite) or for everything (Postgres); SQLite has one writer more.
    pub connections: u32,
    /// The longest wait for a connection, a new one included.
    pub connect_timeout: Duration,
    /// The longest wait for one statement's answer, locks included.
    pub statement_timeout: Duration,
}

impl Default for SqlOptions {
    fn default() -> Self {
        Self {
            catalog_name: "frazil".to_owned(),
            connections: 8,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(10),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

enum Pools {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

/// An opened database with the catalog's tables and ours in it.
pub struct SqlDatabase {
    pools: Pools,
    options: SqlOptions,
    clock: Arc<dyn Clock>,
    /// Its URL without the password.
    name: String,
}

impl fmt::Debug for SqlDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the pools: they hold the connect options, and those the password.
        f.debug_tuple("SqlDatabase").field(&self.name).finish()
    }
}

impl SqlDatabase {
    /// Connects, makes what is missing, migrates what is older; refuses what is newer.
    pub async fn open(
        url: &DatabaseUrl,
        clock: Arc<dyn Clock>,
        options: SqlOptions,
    ) -> Result<Arc<Self>> {
        let pools = match url {
            DatabaseUrl::Sqlite(path) => open_sqlite(path, &options).await?,
            DatabaseUrl::Postgres(connect) => open_postgres(connect, url, &options).await?,
        };
        let database = Arc::new(Self {
            pools,
            options,
            clock,
            name: url.to_string(),
        });
        migrate::migrate(&database).await?;
        Ok(database)
    }

    pub fn catalog(self: &Arc<Self>) -> Arc<SqlCatalog> {
        Arc::new(SqlCatalog::new(Arc::clone(self)))
    }

    pub fn control(self: &Arc<Self>) -> Arc<SqlControl> {
        Arc::new(SqlControl::new(Arc::clone(self)))
    }

    /// Its URL without the password, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn catalog_name(&self) -> &str {
        &self.options.catalog_name
    }

    /// Waits until all connections are closed, at most `statement_timeout`.
    pub async fn close(&self) {
        let close = async {
            match &self.pools {
                Pools::Sqlite { writer, readers } => {
                    readers.close().await;
                    writer.close().await;
                }
                Pools::Postgres(pool) => pool.close().await,
            }
        };
        let _ = tokio::time::timeout(self.options.statement_timeout, close).await;
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self.pools {
            Pools::Sqlite { .. } => Dialect::Sqlite,
            Pools::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(crate) async fn query(
        &self,
        sql: &str,
        args: &[Arg<'_>],
    ) -> std::result::Result<Vec<Row>, SqlError> {
        self.reader().await?.query(sql, args).await
    }

    /// One statement, a transaction by itself.
    pub(crate) async fn execute(
        &self,
        sql: &str,
        args: &[Arg<'_>],
    ) -> std::result::Result<u64, SqlError> {
        self.writer().await?.execute(sql, args).await
    }

    pub(crate) async fn begin(&self) -> std::result::Result<Transaction, SqlError> {
        self.writer().await?.begin().await
    }

    /// The clock that leases go by: the server's where there is one, since its clients' differ.
    pub(crate) async fn now_ms(
        &self,
        transaction: &mut Transaction,
    ) -> std::result::Result<i64, SqlError> {
        match self.dialect() {
            Dialect::Sqlite => Ok(self.clock.now_ms()),
            Dialect::Postgres => {
                let sql =
                    "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)";
                let rows = transaction.query(sql, &[]).await?;
                rows.first()
                    .ok_or(SqlError::Database(sqlx::Error::RowNotFound))?
                    .int(0)
            }
        }
    }

    /// This process's clock, for what only people read.
    pub(crate) fn local_now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    async fn reader(&self) -> std::result::Result<Connection, SqlError> {
        let pooled = match &self.pools {
            Pools::Sqlite { readers, .. } => readers.acquire().await.map(Pooled::Sqlite),
            Pools::Postgres(pool) => pool.acquire().await.map(Pooled::Postgres),
        };
        self.taken(pooled)
    }

    async fn writer(&self) -> std::result::Result<Connection, SqlError> {
        let pooled = match &self.pools {
            Pools::Sqlite { writer, .. } => writer.acquire().await.map(Pooled::Sqlite),
            Pools::Postgres(pool) => pool.acquire().await.map(Pooled::Postgres),
        };
        self.taken(pooled)
    }

    fn taken(
        &self,
        pooled: std::result::Result<Pooled, sqlx::Error>,
    ) -> std::result::Result<Connection, SqlError> {
        match pooled {
            Ok(pooled) => Ok(Connection::new(pooled, self.options.statement_timeout)),
            Err(sqlx::Error::PoolTimedOut) => {
                Err(SqlError::NoConnection(self.options.connect_timeout))
            }
            Err(error) => Err(SqlError::Database(error)),
        }
    }
}

async fn open_sqlite(path: &std::path::Path, options: &SqlOptions) -> Result<Pools> {
    if let Some(parent) = path.parent() {
        tokio::fs::create_dir_all(parent).await.map_err(|error| {
            Error::invalid(format!(
                "the folder {} can't be made: {error}",
                parent.display()
            ))
        })?;
    }
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // Below the statement's time-out, so that the reason is SQLite's own.
        .busy_timeout(options.statement_timeout.mul_f64(0.8))
        .disable_statement_logging();
    let pool = |connections: u32| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(options.connect_timeout)
            // A file has no server to lose.
            .test_before_acquire(false)
            .connect_lazy_with(connect.clone())
    };
    Ok(Pools::Sqlite {
        writer: pool(1),
        readers: pool(options.connections),
    })
}

async fn open_postgres(
    connect: &PgConnectOptions,
    url: &DatabaseUrl,
    options: &SqlOptions,
) -> Result<Pools> {
    let connect = connect.clone().disable_statement_logging();
    // Once without the pool, which would answer a refused connection with a time-out.
    let first = tokio::time::timeout(options.connect_timeout, connect.connect()).await;
    match first {
        Ok(Ok(connection)) => drop(connection),
        Ok(Err(error)) => {
            return Err(SqlError::from(error).at(&url.to_string(), "connecting"));
        }
        Err(_) => {
            let error = SqlError::TimedOut(options.connect_timeout);
            return Err(error.at(&url.to_string(), "connecting"));
        }
    }
    let settings = server_limits(options.statement_timeout);
    let pool = PgPoolOptions::new()
        .max_connections(options.connections)
        .acquire_timeout(options.connect_timeout)
        .after_connect(move |connection, _| {
            let settings = settings.clone();
            Box::pin(async move {
                connection.execute(settings.as_str()).await?;
                Ok(())
            })
        })
        .connect_lazy_with(connect);
    Ok(Pools::Postgres(pool))
}

/// The server gives up a little before we do, so that the reason is its own; and it frees the row
/// locks of a process that was stopped in the middle of a transaction.
fn server_limits(statement_timeout: Duration) -> String {
    let limit_ms = statement_timeout.mul_f64(0.8).as_millis();
    format!(
        "SET statement_timeout = {limit_ms}; SET lock_timeout = {limit_ms}; \
         SET idle_in_transaction_session_timeout = {}",
        statement_timeout.as_millis() * 3
    )
}
