//! One simulated world: a broker, a lake with faults around it, and what all actors share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use frazil::declare::parse_stream;
use frazil::declare::stream::Stream;
use frazil::domain::TableName;
use frazil::lake::catalog::{Catalog, Swap, SwapOutcome};
use frazil::lake::database::MemoryDatabase;
use frazil::lake::store::Store;
use frazil::lake::{Lake, Table};
use frazil::seams::Clock;
use frazil::sink::{SinkMetrics, SinkSettings, run_stream};
use frazil::upkeep::Totals;
use iceberg::spec::Snapshot;
use object_store::ObjectStore;
use tokio_util::sync::CancellationToken;

use super::broker::Broker;
use super::bytes::DatedStore;
use super::clock::SimClock;
use super::curated;
use super::dice::Dice;
use super::faults::{FaultyCatalog, FaultyStore, Rates, Weather};
use super::history::History;
use super::mutant::Mutant;
use super::oracle::{self, Evidence};
use super::process::Trap;
use super::rows::{Row, RowCache};
use super::source::SimConnector;
use super::writers;

/// What one sink may hold of what it has read.
pub const MEMORY_BYTES: u64 = 64 << 10;

const CONTRACT: &str = r#"
topic = "shop"
table = "shop.events"
dead_letters = "shop.dead_letters"
format = "json"
start = "earliest"
group_id = "sim"
partition_by = ["bucket(2, id)"]

[commit]
interval = "2s"
bytes = "4 KiB"

[[columns]]
name = "id"
type = "long"
required = true

[[columns]]
name = "note"
type = "string"
"#;

pub fn contract() -> Stream {
    parse_stream(Path::new("catalog/shop.toml"), CONTRACT.to_owned()).expect("a valid contract")
}

/// How one world is; drawn from its seed.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub partitions: usize,
    pub sinks: usize,
    pub records: u64,
    pub eager: bool,
    /// The group's session time-out.
    pub session: Duration,
    pub transactions: bool,
    pub retention: bool,
    pub crashes: bool,
    pub foreign: bool,
    pub upkeep: bool,
    pub outages: bool,
    pub jobs: bool,
    /// Sessions that write through SQL.
    pub writers: bool,
    /// The time of day is set by hours.
    pub clock_jumps: bool,
    pub rates: Rates,
}

impl Shape {
    /// A world with no trouble of its own.
    pub fn quiet() -> Self {
        Self {
            partitions: 2,
            sinks: 1,
            records: 0,
            eager: false,
            session: Duration::from_secs(10),
            transactions: false,
            retention: false,
            crashes: false,
            foreign: false,
            upkeep: false,
            outages: false,
            jobs: false,
            writers: false,
            clock_jumps: false,
            rates: Rates::default(),
        }
    }

    /// Files younger than this are never deleted (I9). Longer than a clock may jump, as it has to
    /// be: to whoever asks the clock, all files get older by a jump.
    pub fn safety_age(&self) -> Duration {
        match self.clock_jumps {
            true => Duration::from_secs(24 * 3_600),
            false => Duration::from_secs(60),
        }
    }
}

pub struct World {
    pub seed: u64,
    pub shape: Shape,
    pub mutant: Mutant,
    pub broker: Arc<Broker>,
    pub weather: Arc<Weather>,
    pub history: Arc<History>,
    pub stream: Arc<Stream>,
    pub clock: Arc<dyn Clock>,
    /// The same, to be set.
    pub time_of_day: Arc<SimClock>,
    /// Set when faults are over and everything must come to rest.
    pub calm: CancellationToken,
    /// Of all sinks together.
    pub metrics: Arc<SinkMetrics>,
    pub upkeep: Arc<Totals>,
    database: Arc<MemoryDatabase>,
    bytes: Arc<dyn ObjectStore>,
    entropy: Arc<Dice>,
    cache: RowCache,
    /// Sequence numbers of the sources that curated tables named last.
    pub read_up_to: Mutex<BTreeMap<TableName, i64>>,
    /// What SQL writers know of their tables.
    pub written: Mutex<writers::Known>,
    /// Rows that the last judge saw.
    seen: Mutex<BTreeSet<(String, i32, i64)>>,
}

impl World {
    pub fn new(seed: u64, shape: Shape, mutant: Mutant) -> Arc<Self> {
        Self::of(contract(), seed, shape, mutant)
    }

    /// A world of another contract.
    pub fn of(stream: Stream, seed: u64, shape: Shape, mutant: Mutant) -> Arc<Self> {
        let time_of_day = Arc::new(SimClock::start());
        let clock: Arc<dyn Clock> = time_of_day.clone();
        let bytes: Arc<dyn ObjectStore> = Arc::new(DatedStore::new(clock.clone()));
        let raw = Store::with([("file:///", bytes.clone())], clock.clone()).expect("a store");
        Arc::new(Self {
            seed,
            shape,
            mutant,
            broker: Arc::new(Broker::new(shape.partitions, shape.eager, shape.session)),
            weather: Arc::new(Weather::new(shape.rates)),
            history: History::new(raw),
            stream: Arc::new(stream),
            database: MemoryDatabase::new(clock.clone()),
            clock,
            time_of_day,
            calm: CancellationToken::new(),
            metrics: Arc::default(),
            upkeep: Arc::default(),
            bytes,
            entropy: Arc::new(Dice::new(seed, "clear")),
            cache: RowCache::default(),
            read_up_to: Mutex::default(),
            written: Mutex::default(),
            seen: Mutex::default(),
        })
    }

    /// A process's view of the lake, with faults on its way there.
    pub fn lake(&self, process: &str, trap: Arc<Trap>) -> Lake {
        let dice = |part: &str| Dice::new(self.seed, &format!("{process}/{part}"));
        let store: Arc<dyn ObjectStore> = Arc::new(FaultyStore::new(
            self.bytes.clone(),
            dice("store"),
            self.weather.clone(),
        ));
        Lake {
            catalog: Arc::new(FaultyCatalog::new(
                self.database.catalog(),
                dice("catalog"),
                self.weather.clone(),
                self.history.clone(),
                self.mutant,
                trap,
            )),
            control: self.database.control(),
            store: Store::with([("file:///", store)], self.clock.clone()).expect("a store"),
            clock: self.clock.clone(),
            entropy: Arc::new(dice("entropy")),
            warehouse: "file:///lake".to_owned(),
        }
    }

    /// The lake without faults, for those who judge.
    pub fn clear_lake(&self) -> Lake {
        Lake {
            catalog: self.database.catalog(),
            control: self.database.control(),
            store: Store::with([("file:///", self.bytes.clone())], self.clock.clone())
                .expect("a store"),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            warehouse: "file:///lake".to_owned(),
        }
    }

    /// One sink process, until it is cancelled.
    pub async fn sink(&self, process: &str, trap: Arc<Trap>, cancel: CancellationToken) {
        let connector = Arc::new(SimConnector {
            broker: self.broker.clone(),
            weather: self.weather.clone(),
            seed: self.seed,
            name: process.to_owned(),
            mutant: self.mutant,
        });
        let settings = SinkSettings {
            holder: process.to_owned(),
            memory_bytes: usize::try_from(MEMORY_BYTES).expect("small"),
            poll_wait: Duration::from_millis(300),
            commit_timeout: Duration::from_secs(60),
            revoke_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(10),
            oldest_batch: self.shape.safety_age() / 2,
            retry_longest: Duration::from_secs(5),
            stopped_retry: Duration::from_secs(20),
            idle_advance: Duration::from_secs(15),
            ..SinkSettings::default()
        };
        run_stream(
            self.lake(process, trap),
            self.stream.clone(),
            connector,
            settings,
            self.metrics.clone(),
            cancel,
        )
        .await;
    }

    /// Both tables as of one moment: nothing runs between the two looks. None until both exist.
    pub async fn tables(&self) -> Option<(Table, Table)> {
        let lake = self.clear_lake();
        let catalog = self.database.catalog();
        let of = |name: &TableName| {
            let (catalog, name) = (catalog.clone(), name.clone());
            async move { catalog.load(&name).await.expect("no faults here") }
        };
        let (events, dead_letters) = (
            of(&self.stream.table).await?,
            of(&self.stream.dead_letters).await?,
        );
        let read = async |name: &TableName, location: &str| {
            Table::read(&lake.store, name, location)
                .await
                .expect("what is current can be read")
        };
        Some((
            read(&self.stream.table, &events.metadata_location).await,
            read(&self.stream.dead_letters, &dead_letters.metadata_location).await,
        ))
    }

    /// What is wrong now with what a reader sees.
    pub async fn judge(&self) -> Vec<String> {
        // All that is known is of the same moment as the pointers: no await in between waits.
        let mut wrong = writers::judge(self).await;
        let told = self.history.told(&self.stream.table);
        let logs = self.broker.logs();
        let Some((events, dead_letters)) = self.tables().await else {
            return wrong;
        };
        let evidence = Evidence {
            events: &events,
            dead_letters: &dead_letters,
            logs: &logs,
            topic_id: &self.broker.identity().topic_id,
            told: &told,
        };
        wrong.extend(oracle::judge(&evidence, &self.cache).await);
        wrong.extend(self.gone(&events, &dead_letters).await);
        if self.shape.jobs {
            wrong.extend(curated::judge(self, &events).await);
        }
        wrong
    }

    /// A table as it is now, seen without faults.
    pub async fn table(&self, name: &TableName) -> Option<Table> {
        self.clear_lake().find(name).await.expect("no faults here")
    }

    pub async fn rows(&self, table: &Table) -> Vec<Row> {
        self.cache.rows(table).await
    }

    pub async fn rows_at(&self, table: &Table, snapshot: &Snapshot) -> Vec<Row> {
        self.cache.rows_at(table, snapshot).await
    }

    /// Rows that some reader has seen and that are there no more.
    async fn gone(&self, events: &Table, dead_letters: &Table) -> Vec<String> {
        let mut now = BTreeSet::new();
        for table in [events, dead_letters] {
            let rows = self.cache.rows(table).await;
            now.extend(
                rows.into_iter()
                    .map(|(topic, p, offset, _)| (topic, p, offset)),
            );
        }
        let before = std::mem::replace(&mut *self.seen.lock().unwrap(), now.clone());
        let gone = before.difference(&now);
        gone.map(|row| format!("{row:?} was seen and is gone"))
            .collect()
    }

    /// The dead letters lose the property that names their event table.
    pub async fn forget_event_table(&self) {
        let property = format!("frazil.event-table.{}", self.stream.table);
        let forget = |metadata: &mut serde_json::Value| {
            let properties = metadata["properties"].as_object_mut().expect("a map");
            properties.remove(&property).expect("it named the table");
        };
        self.edit(&self.stream.dead_letters, forget).await;
    }

    /// What an engine that knows nothing of us may do to the event table: other metadata under a
    /// new name, swapped in.
    pub async fn edit_metadata(&self, edit: impl FnOnce(&mut serde_json::Value)) {
        self.edit(&self.stream.table, edit).await;
    }

    async fn edit(&self, name: &TableName, edit: impl FnOnce(&mut serde_json::Value)) {
        let (catalog, lake) = (self.database.catalog(), self.clear_lake());
        let pointer = catalog.load(name).await.expect("no faults here");
        let current = pointer.expect("the table is there").metadata_location;
        let bytes = lake.store.read(&current).await.expect("what is current");
        let mut metadata = serde_json::from_slice(&bytes).expect("JSON");
        edit(&mut metadata);
        let (folder, _) = current.rsplit_once('/').expect("a path");
        let new = format!("{folder}/{}.metadata.json", lake.entropy.uuid());
        let bytes = serde_json::to_vec(&metadata).expect("JSON");
        lake.store
            .write(&new, bytes.into())
            .await
            .expect("a new file");
        let swaps = [Swap {
            table: name.clone(),
            expected: Some(current),
            new: Some(new),
            edit: None,
        }];
        let swapped = catalog.swap(&swaps, &[]).await.expect("no faults here");
        assert_eq!(swapped, SwapOutcome::Swapped);
        self.history.swapped(&swaps).await;
    }

    /// The event table is dropped.
    pub async fn drop_table(&self) {
        let catalog = self.database.catalog();
        let name = &self.stream.table;
        let pointer = catalog.load(name).await.expect("no faults here");
        let swap = Swap {
            table: name.clone(),
            expected: pointer.map(|pointer| pointer.metadata_location),
            new: None,
            edit: None,
        };
        let swapped = catalog.swap(&[swap], &[]).await.expect("no faults here");
        assert_eq!(swapped, SwapOutcome::Swapped);
    }

    /// What is readable and not committed yet.
    pub async fn behind(&self) -> Vec<String> {
        let Some((events, _)) = self.tables().await else {
            return vec!["there are no tables".to_owned()];
        };
        match events.ledger() {
            Ok(ledger) => oracle::behind(
                &ledger,
                &self.broker.identity().topic_id,
                &self.broker.logs(),
            ),
            Err(error) => vec![error.to_string()],
        }
    }
}
