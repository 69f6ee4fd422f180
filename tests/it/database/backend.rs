//! The backends under test, each fresh and alone.

use std::sync::Arc;
use std::time::Duration;

use frazil::lake::catalog::Catalog;
use frazil::lake::control::Control;
use frazil::lake::database::{MemoryDatabase, SqlDatabase, SqlOptions};
use frazil::seams::{Clock, ManualClock, SystemClock};
use sqlx::{Connection as _, Executor as _, Row as _};

use crate::parts;

/// Some time in 2026.
pub const NOW_MS: i64 = 1_790_000_000_000;

pub struct Backend {
    pub catalog: Arc<dyn Catalog>,
    pub control: Arc<dyn Control>,
    /// The clock that leases go by, where it is ours.
    pub clock: Option<Arc<ManualClock>>,
    pub _folder: Option<tempfile::TempDir>,
}

impl Backend {
    /// Lets time pass by the clock that leases go by: at least this much.
    pub async fn pass(&self, time: Duration) {
        match &self.clock {
            Some(clock) => clock.advance(time),
            None => tokio::time::sleep(time).await,
        }
    }
}

pub fn memory() -> Backend {
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let database = MemoryDatabase::new(Arc::clone(&clock) as Arc<dyn Clock>);
    Backend {
        catalog: database.catalog(),
        control: database.control(),
        clock: Some(clock),
        _folder: None,
    }
}

pub async fn sqlite() -> Backend {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW_MS));
    // Folders that are missing are made.
    let url = format!("sqlite://{}/new/lake.db", folder.path().display());
    let database = open_with(&url, Arc::clone(&clock) as Arc<dyn Clock>).await;
    Backend {
        catalog: database.catalog(),
        control: database.control(),
        clock: Some(clock),
        _folder: Some(folder),
    }
}

pub async fn postgres() -> Backend {
    let database = open(&parts::postgres_database().await).await;
    Backend {
        catalog: database.catalog(),
        control: database.control(),
        clock: None,
        _folder: None,
    }
}

pub async fn open(url: &str) -> Arc<SqlDatabase> {
    open_with(url, Arc::new(SystemClock::default())).await
}

pub async fn open_with(url: &str, clock: Arc<dyn Clock>) -> Arc<SqlDatabase> {
    SqlDatabase::open(&url.parse().unwrap(), clock, SqlOptions::default())
        .await
        .unwrap()
}

pub fn sqlite_url(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}/lake.db", folder.path().display())
}

/// A connection beside ours: another engine, or somebody's hands.
pub enum Raw {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
}

impl Raw {
    pub async fn connect(url: &str) -> Self {
        match url.strip_prefix("sqlite://") {
            Some(path) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true);
                let connection = sqlx::SqliteConnection::connect_with(&options).await;
                Self::Sqlite(connection.unwrap())
            }
            None => Self::Postgres(sqlx::PgConnection::connect(url).await.unwrap()),
        }
    }

    /// Statements apart by semicolons.
    pub async fn script(&mut self, sql: &str) {
        match self {
            Self::Sqlite(connection) => drop(connection.execute(sql).await.unwrap()),
            Self::Postgres(connection) => drop(connection.execute(sql).await.unwrap()),
        }
    }

    /// The first column, a text.
    pub async fn rows(&mut self, sql: &str) -> Vec<String> {
        match self {
            Self::Sqlite(connection) => {
                let rows = connection.fetch_all(sql).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
            Self::Postgres(connection) => {
                let rows = connection.fetch_all(sql).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }
}

pub async fn script(url: &str, sql: &str) {
    Raw::connect(url).await.script(sql).await;
}

pub async fn rows(url: &str, sql: &str) -> Vec<String> {
    Raw::connect(url).await.rows(sql).await
}
