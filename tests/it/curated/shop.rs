//! The shop's lakehouse: warehouse and event log in a folder of its own, the catalog in SQLite or
//! Postgres, or all tables with a REST catalog and S3; the shipped stream and the shipped models.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use frazil::declare::load_streams;
use frazil::declare::model::Model;
use frazil::declare::parse_model;
use frazil::declare::stream::Stream;
use frazil::domain::TableName;
use frazil::jobs::{Jobs, JobsOptions};
use frazil::lake::Lake;
use frazil::lake::catalog::Catalog;
use frazil::lake::catalog::rest::RestCatalog;
use frazil::lake::store::{Store, StoreOptions};
use frazil::query::{Access, Engine, EngineOptions, SessionOptions};
use frazil::seams::{Clock, OsEntropy, SystemClock};
use frazil::sink::source::embedded::{EmbeddedLog, EmbeddedSource, NewRecord};
use frazil::sink::source::{Connector, Source};
use frazil::sink::{SinkSettings, run_stream};
use tokio_util::sync::CancellationToken;

use crate::database::{self, backend::open_with};
use crate::known;
use crate::parts;

/// Long enough for a debug build on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
const TOPIC: &str = "shop-events";

pub struct Shop {
    folder: tempfile::TempDir,
    /// URL of the catalog's database, of the control store's where there is a REST catalog.
    pub catalog: String,
    rest: Option<parts::Rest>,
    log: EmbeddedLog,
    stream: Arc<Stream>,
}

impl Shop {
    pub async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = format!("sqlite://{}/catalog.db", folder.path().display());
        Self::new(folder, catalog, None).await
    }

    pub async fn on_postgres() -> Self {
        let catalog = parts::postgres_database().await;
        Self::new(tempfile::tempdir().unwrap(), catalog, None).await
    }

    /// With this REST catalog.
    pub async fn on_rest(rest: parts::Rest) -> Self {
        let control = parts::postgres_database().await;
        Self::new(tempfile::tempdir().unwrap(), control, Some(rest)).await
    }

    async fn new(folder: tempfile::TempDir, catalog: String, rest: Option<parts::Rest>) -> Self {
        let log = EmbeddedLog::open(&folder.path().join("log.db"), Arc::new(OsEntropy))
            .await
            .unwrap();
        log.create_topic(TOPIC, 1).await.unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
        let mut stream = load_streams(&shipped).unwrap().remove(0);
        assert_eq!(stream.topic, TOPIC);
        stream.commit_interval = Duration::from_millis(100);
        Self {
            folder,
            catalog,
            rest,
            log,
            stream: Arc::new(stream),
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn warehouse(&self) -> String {
        match &self.rest {
            None => format!("file://{}", self.file("warehouse").display()),
            Some(rest) => rest.warehouse.clone(),
        }
    }

    /// The lake as a process opens it: with connections of its own.
    pub async fn lake(&self) -> Lake {
        self.lake_at(Arc::new(SystemClock::default())).await
    }

    /// The same, in a process that goes by this clock.
    pub async fn lake_at(&self, clock: Arc<dyn Clock>) -> Lake {
        let database = open_with(&self.catalog, clock.clone()).await;
        let (catalog, store): (Arc<dyn Catalog>, _) = match &self.rest {
            None => (database.catalog(), Store::open(StoreOptions::default())),
            Some(rest) => {
                let options = database::rest::options(rest, &rest.url);
                let catalog = RestCatalog::open(&options, database.catalog(), clock.clone()).await;
                (Arc::new(catalog.unwrap()), database::rest::store())
            }
        };
        Lake {
            catalog,
            control: database.control(),
            store,
            clock,
            entropy: Arc::new(OsEntropy),
            warehouse: self.warehouse(),
        }
    }

    /// Appends to the log, and sinks until both tables hold all that is in it.
    pub async fn sink(&self, payloads: &[&str]) {
        let records: Vec<NewRecord<'_>> = payloads
            .iter()
            .map(|payload| NewRecord {
                partition: 0,
                timestamp_ms: 1_767_571_200_000,
                key: None,
                payload: Some(Cow::Borrowed(payload.as_bytes())),
            })
            .collect();
        let offsets = self.log.append(TOPIC, &records).await.unwrap();
        let end = offsets.last().unwrap() + 1;
        let lake = self.lake().await;
        let stop = CancellationToken::new();
        let sink = tokio::spawn(run_stream(
            lake.clone(),
            Arc::clone(&self.stream),
            Arc::new(Connection(self.log.clone())),
            SinkSettings::default(),
            Arc::default(),
            stop.clone(),
        ));
        let started = Instant::now();
        while committed(&lake, &self.stream.table).await < end {
            assert!(started.elapsed() < PATIENCE, "{end} records are not sunk");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.cancel();
        sink.await.unwrap();
    }
}

/// The next offset in the table's ledger.
async fn committed(lake: &Lake, table: &TableName) -> i64 {
    let Some(table) = lake.find(table).await.unwrap() else {
        return 0;
    };
    let ledger = table.ledger().unwrap();
    let next = ledger.entries().map(|entry| entry.position.next);
    next.max().unwrap_or(0)
}

struct Connection(EmbeddedLog);

#[async_trait]
impl Connector for Connection {
    async fn connect(&self) -> frazil::lake::Result<Box<dyn Source>> {
        let source = EmbeddedSource::open(self.0.clone(), TOPIC, "shop").await?;
        Ok(Box::new(source))
    }
}

/// An engine over a lake.
pub fn engine(lake: Lake) -> Arc<Engine> {
    let options = EngineOptions {
        memory_bytes: 256 << 20,
        threads: 2,
        ..EngineOptions::default()
    };
    Engine::new(lake, options).unwrap()
}

pub fn model(statement: &str) -> Model {
    parse_model(Path::new("sql/counts.sql"), statement).unwrap()
}

/// A runner of models in a process of this name; `change` sees its limits.
pub fn jobs(
    lake: Lake,
    models: Vec<Model>,
    holder: &str,
    change: impl FnOnce(&mut JobsOptions),
) -> Arc<Jobs> {
    let mut options = options(holder);
    change(&mut options);
    Jobs::new(engine(lake), models, options)
}

pub fn options(holder: &str) -> JobsOptions {
    JobsOptions {
        holder: holder.to_owned(),
        concurrency: 2,
        timeout: PATIENCE,
        attempts: 3,
        backoff: Duration::from_millis(20),
        lease_ttl: Duration::from_secs(30),
        keep_runs: 1_000,
    }
}

/// Rows of a query, as [`known::rows`] gives them, and the columns' names.
pub async fn query(engine: &Arc<Engine>, sql: &str) -> (Vec<String>, Vec<String>) {
    let session = engine
        .session(SessionOptions {
            user: "ann".to_owned(),
            access: Access::Read,
            application: None,
        })
        .unwrap();
    let stream = session.sql(sql).await.unwrap();
    let fields = stream.schema().fields();
    let names = fields.iter().map(|field| field.name().clone()).collect();
    (names, known::rows(&stream.collect().await.unwrap()))
}
