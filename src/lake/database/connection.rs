//! One connection of either database: statements with `$1` parameters, rows, transactions, each
//! call with a time-out.
//!
//! A connection goes back to its pool only when it is known to be clean. A call that failed, timed
//! out or was dropped leaves an answer under way or a transaction open, so the connection is cut;
//! the server rolls back.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Executor as _, Postgres, Row as _, Sqlite};

use super::error::SqlError;

/// A parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg<'a> {
    Text(&'a str),
    OptText(Option<&'a str>),
    Int(i64),
    OptInt(Option<i64>),
}

/// A row, read by position.
pub(crate) enum Row {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
}

impl Row {
    pub fn text(&self, index: usize) -> Result<String, SqlError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(index)?,
            Self::Postgres(row) => row.try_get(index)?,
        })
    }

    pub fn opt_text(&self, index: usize) -> Result<Option<String>, SqlError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(index)?,
            Self::Postgres(row) => row.try_get(index)?,
        })
    }

    pub fn int(&self, index: usize) -> Result<i64, SqlError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(index)?,
            Self::Postgres(row) => row.try_get(index)?,
        })
    }

    pub fn opt_int(&self, index: usize) -> Result<Option<i64>, SqlError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(index)?,
            Self::Postgres(row) => row.try_get(index)?,
        })
    }
}

pub(crate) enum Pooled {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A connection taken from its pool.
pub(crate) struct Connection {
    pooled: Option<Pooled>,
    /// No call is under way and no transaction open.
    clean: bool,
    timeout: Duration,
}

impl Connection {
    pub fn new(pooled: Pooled, timeout: Duration) -> Self {
        Self {
            pooled: Some(pooled),
            clean: true,
            timeout,
        }
    }

    fn pooled(&mut self) -> &mut Pooled {
        self.pooled
            .as_mut()
            .expect("taken out only when it is dropped")
    }

    pub async fn query(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Vec<Row>, SqlError> {
        let was_clean = std::mem::replace(&mut self.clean, false);
        let timeout = self.timeout;
        let call = async {
            Ok(match self.pooled() {
                Pooled::Sqlite(connection) => bind_sqlite(sql, args)
                    .fetch_all(&mut **connection)
                    .await?
                    .into_iter()
                    .map(Row::Sqlite)
                    .collect(),
                Pooled::Postgres(connection) => bind_postgres(sql, args)
                    .fetch_all(&mut **connection)
                    .await?
                    .into_iter()
                    .map(Row::Postgres)
                    .collect(),
            })
        };
        let rows = within(timeout, call).await?;
        self.clean = was_clean;
        Ok(rows)
    }

    /// The number of rows that the statement changed.
    pub async fn execute(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<u64, SqlError> {
        let was_clean = std::mem::replace(&mut self.clean, false);
        let timeout = self.timeout;
        let call = async {
            Ok(match self.pooled() {
                Pooled::Sqlite(connection) => bind_sqlite(sql, args)
                    .execute(&mut **connection)
                    .await?
                    .rows_affected(),
                Pooled::Postgres(connection) => bind_postgres(sql, args)
                    .execute(&mut **connection)
                    .await?
                    .rows_affected(),
            })
        };
        let changed = within(timeout, call).await?;
        self.clean = was_clean;
        Ok(changed)
    }

    /// Statements without parameters, apart by semicolons.
    pub async fn script(&mut self, sql: &str) -> Result<(), SqlError> {
        let was_clean = std::mem::replace(&mut self.clean, false);
        let timeout = self.timeout;
        let call = async {
            match self.pooled() {
                Pooled::Sqlite(connection) => {
                    (&mut **connection).execute(sql).await?;
                }
                Pooled::Postgres(connection) => {
                    (&mut **connection).execute(sql).await?;
                }
            }
            Ok(())
        };
        within(timeout, call).await?;
        self.clean = was_clean;
        Ok(())
    }

    pub async fn begin(mut self) -> Result<Transaction, SqlError> {
        let sql = match self.pooled() {
            // Takes the write lock at once: a lock asked for later could fail after reads.
            Pooled::Sqlite(_) => "BEGIN IMMEDIATE",
            // Whatever the server's default: rows are locked and read again after a wait.
            Pooled::Postgres(_) => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        };
        self.script(sql).await?;
        self.clean = false;
        Ok(Transaction { connection: self })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.clean {
            return;
        }
        match self.pooled.take() {
            Some(Pooled::Sqlite(connection)) => drop(connection.detach()),
            Some(Pooled::Postgres(connection)) => drop(connection.detach()),
            None => {}
        }
    }
}

/// An open transaction; dropped without an end, it is rolled back by cutting its connection.
pub(crate) struct Transaction {
    connection: Connection,
}

impl Transaction {
    pub async fn query(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Vec<Row>, SqlError> {
        self.connection.query(sql, args).await
    }

    pub async fn execute(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<u64, SqlError> {
        self.connection.execute(sql, args).await
    }

    pub async fn script(&mut self, sql: &str) -> Result<(), SqlError> {
        self.connection.script(sql).await
    }

    /// After an error nobody knows whether it took place (I5).
    pub async fn commit(mut self) -> Result<(), SqlError> {
        self.connection.script("COMMIT").await?;
        self.connection.clean = true;
        Ok(())
    }

    /// Gives the connection back; when that fails it is cut, which rolls back as well.
    pub async fn rollback(mut self) {
        if self.connection.script("ROLLBACK").await.is_ok() {
            self.connection.clean = true;
        }
    }
}

async fn within<T>(
    timeout: Duration,
    call: impl Future<Output = Result<T, SqlError>>,
) -> Result<T, SqlError> {
    match tokio::time::timeout(timeout, call).await {
        Ok(result) => result,
        Err(_) => Err(SqlError::TimedOut(timeout)),
    }
}

type SqliteQuery<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments<'q>>;
type PostgresQuery<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;

fn bind_sqlite<'q>(sql: &'q str, args: &[Arg<'q>]) -> SqliteQuery<'q> {
    args.iter().fold(sqlx::query(sql), |query, arg| match *arg {
        Arg::Text(text) => query.bind(text),
        Arg::OptText(text) => query.bind(text),
        Arg::Int(number) => query.bind(number),
        Arg::OptInt(number) => query.bind(number),
    })
}

/// Postgres takes no NUL in a text, and a reason for people (a decoder's message) may hold one.
fn bind_postgres<'q>(sql: &'q str, args: &[Arg<'q>]) -> PostgresQuery<'q> {
    args.iter().fold(sqlx::query(sql), |query, arg| match *arg {
        Arg::Text(text) => query.bind(text.replace('\0', "\u{fffd}")),
        Arg::OptText(text) => query.bind(text.map(|text| text.replace('\0', "\u{fffd}"))),
        Arg::Int(number) => query.bind(number),
        Arg::OptInt(number) => query.bind(number),
    })
}
