//! The SQLite file: how it is opened, its layout and version, and what its errors mean.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};

use crate::lake::{Error, ErrorKind, Result};

/// Marks the file as an embedded log (`FRZL`), so that another database is never taken for one.
const APPLICATION_ID: i64 = 0x4652_5a4c;
const VERSION: i64 = 1;
const READERS: u32 = 4;

/// `batches.records` of offsets follow `base_offset` without gaps; `partitions` holds
/// `[low, high)` so that an empty partition keeps its place.
const LAYOUT: &str = "
CREATE TABLE log (cluster_id TEXT NOT NULL);
CREATE TABLE topics (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  topic_id TEXT NOT NULL UNIQUE
);
CREATE TABLE partitions (
  topic INTEGER NOT NULL REFERENCES topics (id) ON DELETE CASCADE,
  partition INTEGER NOT NULL,
  low INTEGER NOT NULL,
  high INTEGER NOT NULL,
  PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE batches (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  topic INTEGER NOT NULL REFERENCES topics (id) ON DELETE CASCADE,
  partition INTEGER NOT NULL,
  base_offset INTEGER NOT NULL,
  records INTEGER NOT NULL,
  max_timestamp_ms INTEGER NOT NULL,
  raw_bytes INTEGER NOT NULL,
  stored_bytes INTEGER NOT NULL,
  blob BLOB NOT NULL
);
CREATE UNIQUE INDEX batches_by_offset ON batches (topic, partition, base_offset);
CREATE INDEX batches_by_age ON batches
  (topic, id, partition, base_offset, records, stored_bytes);
CREATE TABLE group_offsets (
  group_id TEXT NOT NULL,
  topic INTEGER NOT NULL REFERENCES topics (id) ON DELETE CASCADE,
  partition INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  PRIMARY KEY (group_id, topic, partition)
) WITHOUT ROWID;
";

/// One connection that writes and a few that read beside it (WAL).
#[derive(Clone, Debug)]
pub(super) struct Database {
    pub write: SqlitePool,
    pub read: SqlitePool,
}

/// `synchronous = FULL`: an acknowledged append must survive a power cut. If it didn't, its
/// offsets would be given out again, below a ledger that has passed them already, and the new
/// records there would never be read.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(16_384)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(true)
        .pragma("journal_size_limit", "67108864")
}

/// What only a writer may set is left out.
fn reader_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(10))
}

impl Database {
    /// Opens the file, or makes it with this cluster id.
    pub(super) async fn open(path: &Path, new_cluster_id: &str) -> Result<Self> {
        let place = path.display();
        let failed = |error: sqlx::Error| failure(&format!("the event log {place}"), error);
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options(path))
            .await
            .map_err(failed)?;
        if let Err(error) = prepare(&write, &place.to_string(), new_cluster_id).await {
            write.close().await;
            return Err(error);
        }
        let read = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(reader_options(path))
            .await
            .map_err(failed)?;
        Ok(Self { write, read })
    }

    pub(super) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

async fn prepare(write: &SqlitePool, place: &str, new_cluster_id: &str) -> Result<()> {
    let failed = |error: sqlx::Error| failure(&format!("the event log {place}"), error);
    // IMMEDIATE, so that two processes that open a new file at once don't both make it.
    let mut transaction = write.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let pragma = |name| sqlx::query_scalar::<_, i64>(name);
    let application: i64 = pragma("PRAGMA application_id")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    let version: i64 = pragma("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    match (application, version, tables) {
        (APPLICATION_ID, VERSION, _) => return Ok(()),
        (APPLICATION_ID, newer, _) if newer > VERSION => {
            return Err(Error::invalid(format!(
                "the event log {place} has version {newer}, this program knows up to {VERSION}: \
                 open it with the newer program that wrote it"
            )));
        }
        (0, 0, 0) => {}
        _ => {
            return Err(Error::invalid(format!(
                "{place} is a SQLite database, but not an event log: name another file"
            )));
        }
    }
    sqlx::raw_sql(LAYOUT)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    sqlx::query("INSERT INTO log (cluster_id) VALUES (?)")
        .bind(new_cluster_id)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let stamp =
        format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}");
    sqlx::raw_sql(&stamp)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// `place` begins the message: "the event log x.db".
pub(super) fn failure(place: &str, error: sqlx::Error) -> Error {
    let code = match &error {
        sqlx::Error::Database(database) => database.code().and_then(|code| code.parse().ok()),
        _ => None,
    };
    // The primary result code is the low byte: https://sqlite.org/rescode.html
    let (kind, what) = match code.map(|code: i32| code & 0xff) {
        Some(5 | 6) => (ErrorKind::Unavailable, "is locked by another process"),
        Some(13) => (ErrorKind::Unavailable, "can't grow, the disk is full"),
        Some(8) => (ErrorKind::Invalid, "can't be written, it is read-only"),
        Some(10) => (ErrorKind::Unavailable, "can't be read or written"),
        Some(14) => (ErrorKind::Invalid, "can't be opened"),
        Some(11) => (ErrorKind::Corrupt, "is damaged"),
        Some(26) => (ErrorKind::Corrupt, "is not a SQLite file"),
        _ if matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => {
            (ErrorKind::Unavailable, "can't be reached")
        }
        _ => (ErrorKind::Internal, "failed"),
    };
    Error::new(kind, format!("{place} {what}: {error}")).with_source(error)
}
