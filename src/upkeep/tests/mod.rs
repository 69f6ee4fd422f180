//! Upkeep over a lake in memory: what must stay stays and reads, what may go goes.

mod cases;
#[path = "../../../tests/known/dated_store.rs"]
mod dated_store;
mod history;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, NestedField, PrimitiveType, Schema,
    SortOrder, Struct, Type, UnboundPartitionSpec,
};
use object_store::ObjectStore;
use tokio_util::sync::CancellationToken;

use self::dated_store::DatedStore;
use super::*;
use crate::lake::Table;
use crate::lake::commit::{Commit, FileChange, NewTable, TableChange};
use crate::lake::database::MemoryDatabase;
use crate::lake::store::{Store, normalise};
use crate::seams::{Clock, ManualClock, SeededEntropy};

const START_MS: i64 = 1_790_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

struct House {
    lake: Lake,
    clock: Arc<ManualClock>,
    bytes: Arc<DatedStore>,
    options: Options,
    files: u64,
}

impl House {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::at(START_MS));
        let database = MemoryDatabase::new(clock.clone());
        let bytes = Arc::new(DatedStore::new(clock.clone()));
        let lake = Lake {
            catalog: database.catalog(),
            control: database.control(),
            store: Store::local(bytes.clone()),
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(seed)),
            warehouse: "/wh".to_owned(),
        };
        let options = Options {
            interval: MINUTE,
            policy: Policy {
                keep_all_ms: ms(HOUR),
                keep_all_most: 500,
                keep_hourly_ms: ms(DAY),
                keep_daily_ms: ms(7 * DAY),
            },
            safety_age: DAY,
            sweep_interval: HOUR,
            dry_run: false,
            holder: "me".to_owned(),
            totals: Arc::default(),
            expired: Arc::default(),
        };
        Self {
            lake,
            clock,
            bytes,
            options,
            files: 0,
        }
    }

    fn pass_time(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// A new data file in the store, in no table yet.
    async fn data_file(&mut self, table: &str) -> DataFile {
        self.files += 1;
        let folder = table.replace('.', "/");
        let path = format!("/wh/{folder}/data/f{}.parquet", self.files);
        self.put(&path).await;
        DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(path)
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::empty())
            .record_count(1)
            .file_size_in_bytes(4)
            .sort_order_id(0)
            .partition_spec_id(0)
            .build()
            .unwrap()
    }

    async fn put(&self, path: &str) {
        let bytes = Bytes::from_static(b"rows");
        self.lake.store.write(path, bytes).await.unwrap();
    }

    async fn exists(&self, path: &str) -> bool {
        self.lake.store.exists(path).await.unwrap()
    }

    async fn table(&self, table: &str) -> Table {
        self.lake.table(&table.parse().unwrap()).await.unwrap()
    }

    async fn commit(&self, change: TableChange) -> Table {
        let commit = Commit {
            id: self.lake.entropy.uuid(),
            changes: vec![change],
            guards: Vec::new(),
        };
        let committed = self.lake.commit(&commit).await.unwrap();
        committed.tables.into_iter().next().unwrap()
    }

    async fn create(&self, table: &str) {
        let long = Type::Primitive(PrimitiveType::Long);
        let mut change = change(table, FileChange::Nothing);
        change.create = Some(NewTable {
            schema: Schema::builder()
                .with_fields([Arc::new(NestedField::optional(1, "id", long))])
                .build()
                .unwrap(),
            partition: UnboundPartitionSpec::builder().build(),
            sort_order: SortOrder::unsorted_order(),
            properties: BTreeMap::new(),
        });
        self.commit(change).await;
    }

    /// The snapshot that it made, and the file.
    async fn append(&mut self, table: &str) -> (i64, String) {
        let file = self.data_file(table).await;
        let path = file.file_path().to_owned();
        let table = self
            .commit(change(table, FileChange::Append(vec![file])))
            .await;
        (table.metadata().current_snapshot_id().unwrap(), path)
    }

    async fn overwrite_all(&mut self, table: &str) -> (i64, String) {
        let file = self.data_file(table).await;
        let path = file.file_path().to_owned();
        let change = change(table, FileChange::OverwriteAll { add: vec![file] });
        let table = self.commit(change).await;
        (table.metadata().current_snapshot_id().unwrap(), path)
    }

    async fn tag(&self, table: &str, tag: &str, snapshot: Option<i64>) {
        let mut change = change(table, FileChange::Nothing);
        change.tags.insert(tag.to_owned(), snapshot);
        self.commit(change).await;
    }

    async fn pass(&self, sweep: bool) -> Vec<TableReport> {
        let stop = CancellationToken::new();
        pass(&self.lake, &self.options, |_| sweep, &stop)
            .await
            .unwrap()
    }

    async fn pass_one(&self, sweep: bool) -> TableReport {
        let mut reports = self.pass(sweep).await;
        assert_eq!(reports.len(), 1);
        reports.remove(0)
    }

    async fn files(&self) -> BTreeSet<String> {
        let files: Vec<_> = self
            .lake
            .store
            .list("/wh")
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        files
            .into_iter()
            .map(|file| normalise(&file.location))
            .collect()
    }

    /// The data files of each snapshot, read by somebody who has nothing in memory; all of them,
    /// and everything else that the table needs, is there. Gives what is needed too.
    async fn read_all(&self, table: &str) -> (BTreeMap<i64, BTreeSet<String>>, BTreeSet<String>) {
        let bytes: Arc<dyn ObjectStore> = self.bytes.clone();
        let stranger = Lake {
            store: Store::local(bytes),
            ..self.lake.clone()
        };
        let table = stranger.table(&table.parse().unwrap()).await.unwrap();
        let (store, metadata) = (table.store(), table.metadata());
        let mut needed = BTreeSet::from([table.metadata_location().to_owned()]);
        needed.extend(
            metadata
                .metadata_log()
                .iter()
                .map(|l| l.metadata_file.clone()),
        );
        let mut snapshots = BTreeMap::new();
        for snapshot in metadata.snapshots() {
            needed.insert(snapshot.manifest_list().to_owned());
            let version = metadata.format_version();
            let list = store
                .manifests()
                .list(store, snapshot, version)
                .await
                .unwrap();
            let mut files = BTreeSet::new();
            for manifest in list.iter() {
                needed.insert(manifest.manifest_path.clone());
                let manifest = store.manifests().manifest(store, manifest).await.unwrap();
                for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
                    store.read(entry.file_path()).await.unwrap();
                    files.insert(entry.file_path().to_owned());
                }
            }
            needed.extend(files.iter().cloned());
            snapshots.insert(snapshot.snapshot_id(), files);
        }
        (snapshots, needed)
    }
}

fn change(table: &str, files: FileChange) -> TableChange {
    TableChange::new(table.parse().unwrap(), files)
}
