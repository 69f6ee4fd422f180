//! Brings a database to the tables that this program knows: Iceberg's JDBC layout V1 and our own,
//! in order, in one transaction under a lock. A database of a newer version is refused.

use std::time::Duration;

use super::connection::{Arg, Transaction};
use super::error::SqlError;
use super::sql::{Dialect, SqlDatabase};
use crate::lake::{Error, ErrorKind, Result};

/// Our own tables, version by version. What has been released is never edited: a change is a new
/// file (the golden files of the first version hold this).
const MIGRATIONS: [&str; 2] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
];

/// Iceberg's JDBC layout V1, as its reference implementation makes it. Types and lengths are part
/// of it: other engines create and read the same tables.
const ICEBERG_TABLES: &str = "
CREATE TABLE IF NOT EXISTS iceberg_tables (
    catalog_name VARCHAR(255) NOT NULL,
    table_namespace VARCHAR(255) NOT NULL,
    table_name VARCHAR(255) NOT NULL,
    metadata_location VARCHAR(1000),
    previous_metadata_location VARCHAR(1000),
    iceberg_type VARCHAR(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
);
CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
    catalog_name VARCHAR(255) NOT NULL,
    namespace VARCHAR(255) NOT NULL,
    property_key VARCHAR(255) NOT NULL,
    property_value VARCHAR(1000),
    PRIMARY KEY (catalog_name, namespace, property_key)
)";

/// Any number, the same in all versions: whoever migrates holds it.
const ADVISORY_LOCK: i64 = 0x6672_617a_696c;

/// How often an open that met another one is tried.
const ATTEMPTS: u32 = 5;

pub(super) async fn migrate(database: &SqlDatabase) -> Result<()> {
    let mut attempt = 1;
    loop {
        match try_migrate(database).await {
            // Another engine makes the same tables, or another process switches a new file to WAL.
            Err(error)
                if attempt < ATTEMPTS
                    && matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Internal) =>
            {
                tokio::time::sleep(Duration::from_millis(100 * u64::from(attempt))).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

async fn try_migrate(database: &SqlDatabase) -> Result<()> {
    let at = |error: SqlError| error.at(database.name(), "opening the catalog");
    // A database that is up to date is opened without a lock, and may be read-only.
    let state = look(database).await.map_err(at)?;
    refuse_newer(database, state.version)?;
    if state.is_current() {
        return Ok(());
    }
    let mut transaction = database.begin().await.map_err(at)?;
    if database.dialect() == Dialect::Postgres {
        transaction
            .query(
                "SELECT CAST(pg_advisory_xact_lock($1) AS TEXT)",
                &[Arg::Int(ADVISORY_LOCK)],
            )
            .await
            .map_err(at)?;
    }
    let version = match apply(database, &mut transaction).await {
        Ok(version) => version,
        Err(error) => {
            transaction.rollback().await;
            return Err(at(error));
        }
    };
    if let Err(newer) = refuse_newer(database, version) {
        transaction.rollback().await;
        return Err(newer);
    }
    transaction.commit().await.map_err(at)
}

fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("few migrations")
}

fn refuse_newer(database: &SqlDatabase, version: i64) -> Result<()> {
    if version <= known_version() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{} was written by a newer frazil: its control store has version {version}, this program \
         knows versions up to {}. Use the newer program.",
        database.name(),
        known_version()
    )))
}

struct State {
    iceberg_is_current: bool,
    version: i64,
}

impl State {
    fn is_current(&self) -> bool {
        self.iceberg_is_current && self.version == known_version()
    }
}

async fn look(database: &SqlDatabase) -> std::result::Result<State, SqlError> {
    let count = async |sql: &str, table: &str| -> std::result::Result<i64, SqlError> {
        let rows = database.query(sql, &[Arg::Text(table)]).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    };
    let exists = table_exists(database.dialect());
    let iceberg_is_current = count(exists, "iceberg_namespace_properties").await? == 1
        && count(has_iceberg_type(database.dialect()), "iceberg_tables").await? == 1;
    let version = if count(exists, "frazil_schema_version").await? == 1 {
        let rows = database.query(VERSION, &[]).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))?
    } else {
        0
    };
    Ok(State {
        iceberg_is_current,
        version,
    })
}

const VERSION: &str = "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM frazil_schema_version";

/// How many tables of this name a statement without a schema would find.
fn table_exists(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1",
        Dialect::Postgres => "SELECT CAST(count(to_regclass($1)) AS BIGINT)",
    }
}

fn has_iceberg_type(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "SELECT count(*) FROM pragma_table_info($1) WHERE name = 'iceberg_type'",
        Dialect::Postgres => {
            "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1) \
             AND attname = 'iceberg_type' AND NOT attisdropped"
        }
    }
}

/// Inside the lock: everything is looked at again. Returns the version found, when it is newer
/// than ours with nothing changed.
async fn apply(
    database: &SqlDatabase,
    transaction: &mut Transaction,
) -> std::result::Result<i64, SqlError> {
    let dialect = database.dialect();
    let text = match dialect {
        Dialect::Sqlite => "TEXT",
        // The same order on every server, whatever its locale.
        Dialect::Postgres => "TEXT COLLATE \"C\"",
    };
    transaction
        .script(
            "CREATE TABLE IF NOT EXISTS frazil_schema_version (\
             version BIGINT NOT NULL PRIMARY KEY, applied_at_ms BIGINT NOT NULL)",
        )
        .await?;
    let rows = transaction.query(VERSION, &[]).await?;
    let found = rows.first().map_or(Ok(0), |row| row.int(0))?;
    if found > known_version() {
        return Ok(found);
    }
    transaction.script(ICEBERG_TABLES).await?;
    let rows = transaction
        .query(has_iceberg_type(dialect), &[Arg::Text("iceberg_tables")])
        .await?;
    if rows.first().map_or(Ok(0), |row| row.int(0))? == 0 {
        // Layout V0: its rows are tables, and stay with a null type, which counts as one.
        transaction
            .script("ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)")
            .await?;
    }
    for (version, ddl) in (1..).zip(MIGRATIONS) {
        if version <= found {
            continue;
        }
        transaction.script(&ddl.replace("{text}", text)).await?;
        transaction
            .execute(
                "INSERT INTO frazil_schema_version (version, applied_at_ms) VALUES ($1, $2)",
                &[Arg::Int(version), Arg::Int(database.local_now_ms())],
            )
            .await?;
    }
    Ok(known_version())
}
