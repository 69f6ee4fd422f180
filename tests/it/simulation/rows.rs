//! Reads rows as any engine would: the current snapshot's manifests, then its Parquet files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use frazil::lake::Table;
use iceberg::spec::{DataFile, Snapshot};
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Rows of other writers bear this topic id.
pub const FOREIGN: &str = "foreign";

/// (topic id, partition, offset, the payload's own id if it is an event).
pub type Row = (String, i32, i64, Option<i64>);

/// Rows by file: files never change.
#[derive(Debug, Default)]
pub struct RowCache(Mutex<BTreeMap<String, Arc<Vec<Row>>>>);

impl RowCache {
    pub async fn rows(&self, table: &Table) -> Vec<Row> {
        self.of(table, live_files(table).await).await
    }

    /// As a reader sees them who travels to this snapshot.
    pub async fn rows_at(&self, table: &Table, snapshot: &Snapshot) -> Vec<Row> {
        self.of(table, files_at(table, snapshot).await).await
    }

    async fn of(&self, table: &Table, files: Vec<DataFile>) -> Vec<Row> {
        let mut all = Vec::new();
        for file in files {
            let path = file.file_path().to_owned();
            let known = self.0.lock().unwrap().get(&path).cloned();
            let rows = match known {
                Some(rows) => {
                    let (store, _, key) = table.store().resolve(&path).expect("a place");
                    store
                        .head(&key)
                        .await
                        .expect("a file of the table is there");
                    rows
                }
                None => {
                    let rows = Arc::new(rows_of(&read(table, &path).await));
                    assert_eq!(
                        rows.len() as u64,
                        file.record_count(),
                        "{path} holds as many rows as its manifest says"
                    );
                    self.0.lock().unwrap().insert(path, rows.clone());
                    rows
                }
            };
            all.extend(rows.iter().cloned());
        }
        all
    }
}

pub async fn live_files(table: &Table) -> Vec<DataFile> {
    match table.metadata().current_snapshot() {
        Some(snapshot) => files_at(table, snapshot).await,
        None => Vec::new(),
    }
}

async fn files_at(table: &Table, snapshot: &Snapshot) -> Vec<DataFile> {
    let store = table.store();
    let list = store
        .manifests()
        .list(store, snapshot, table.metadata().format_version())
        .await
        .expect("the manifest list can be read");
    let mut files = Vec::new();
    for manifest in list.iter() {
        let manifest = store
            .manifests()
            .manifest(store, manifest)
            .await
            .expect("the manifest can be read");
        let alive = manifest.entries().iter().filter(|entry| entry.is_alive());
        files.extend(alive.map(|entry| entry.data_file().clone()));
    }
    files
}

pub async fn read(table: &Table, path: &str) -> Vec<RecordBatch> {
    let bytes = table.store().read(path).await.expect("the file is there");
    ParquetRecordBatchReaderBuilder::try_new(bytes)
        .expect("a Parquet file")
        .build()
        .expect("a reader")
        .collect::<Result<_, _>>()
        .expect("rows")
}

fn rows_of(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let column = |name: &str| batch.column_by_name(name).expect(name).clone();
        let topics = column("_topic_id");
        let topics = topics.as_string::<i32>();
        let partitions = column("_partition");
        let partitions = partitions.as_primitive::<Int32Type>();
        let offsets = column("_offset");
        let offsets = offsets.as_primitive::<Int64Type>();
        let ids = batch.column_by_name("id").cloned();
        for row in 0..batch.num_rows() {
            let id = ids.as_ref().map(|ids| {
                let ids = ids.as_primitive::<Int64Type>();
                assert!(ids.is_valid(row), "id is required");
                ids.value(row)
            });
            rows.push((
                topics.value(row).to_owned(),
                partitions.value(row),
                offsets.value(row),
                id,
            ));
        }
    }
    rows
}
