//! The commit over the catalog in memory: what is acknowledged is visible, once, whatever others
//! do meanwhile and whatever gets lost on the way.

mod authored;
mod deletes;
mod faults;
mod growth;
mod halves;
mod ledgers;
mod rows;
mod server;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, ManifestContentType, NestedField,
    PrimitiveType, Schema, SortOrder, Struct, Type, UnboundPartitionSpec,
};
use uuid::Uuid;

use super::*;
use crate::lake::catalog::Catalog;
use crate::lake::database::MemoryDatabase;
use crate::lake::store::Store;
use crate::lake::{Lake, Table};
use crate::seams::{ManualClock, SeededEntropy};

const START_MS: i64 = 1_750_000_000_000;

fn lake() -> (Lake, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(START_MS));
    let database = MemoryDatabase::new(clock.clone());
    let lake = Lake {
        catalog: database.catalog(),
        control: database.control(),
        store: Store::memory(),
        clock: clock.clone(),
        entropy: Arc::new(SeededEntropy::new(1)),
        warehouse: "/wh".to_owned(),
    };
    (lake, clock)
}

fn over(lake: &Lake, catalog: Arc<dyn Catalog>) -> Lake {
    Lake {
        catalog,
        ..lake.clone()
    }
}

fn name(text: &str) -> TableName {
    text.parse().unwrap()
}

fn schema() -> Schema {
    let long = Type::Primitive(PrimitiveType::Long);
    Schema::builder()
        .with_fields(vec![Arc::new(NestedField::optional(1, "id", long))])
        .build()
        .unwrap()
}

fn new_table() -> NewTable {
    NewTable {
        schema: schema(),
        partition: UnboundPartitionSpec::builder().build(),
        sort_order: SortOrder::unsorted_order(),
        properties: BTreeMap::new(),
    }
}

fn file(path: &str) -> DataFile {
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(path.to_owned())
        .file_format(DataFileFormat::Parquet)
        .partition(Struct::empty())
        .record_count(10)
        .file_size_in_bytes(1000)
        .sort_order_id(0)
        .partition_spec_id(0)
        .build()
        .unwrap()
}

fn commit(lake: &Lake, changes: Vec<TableChange>) -> Commit {
    Commit {
        id: lake.entropy.uuid(),
        changes,
        guards: Vec::new(),
    }
}

fn change(table: &str, files: FileChange) -> TableChange {
    TableChange::new(name(table), files)
}

fn append(table: &str, paths: &[&str]) -> TableChange {
    let files = paths.iter().map(|path| file(path)).collect();
    change(table, FileChange::Append(files))
}

async fn create(lake: &Lake, table: &str) -> Table {
    let create = TableChange {
        create: Some(new_table()),
        ..change(table, FileChange::Nothing)
    };
    let committed = lake.commit(&commit(lake, vec![create])).await.unwrap();
    committed.tables.into_iter().next().unwrap()
}

async fn live(lake: &Lake, table: &str) -> Vec<String> {
    let table = lake.table(&name(table)).await.unwrap();
    let mut paths = Vec::new();
    let Some(snapshot) = table.metadata().current_snapshot() else {
        return paths;
    };
    for manifest in table.manifest_list(snapshot).await.unwrap().iter() {
        if manifest.content != ManifestContentType::Data {
            continue;
        }
        for entry in table.manifest(manifest).await.unwrap().entries() {
            if entry.is_alive() {
                paths.push(entry.file_path().to_owned());
            }
        }
    }
    paths.sort();
    paths
}

fn summary(table: &Table, key: &str) -> Option<String> {
    let snapshot = table.metadata().current_snapshot()?;
    snapshot.summary().additional_properties.get(key).cloned()
}

async fn stored_files(lake: &Lake) -> BTreeSet<String> {
    use futures::TryStreamExt;
    let files = lake.store.list("/wh").unwrap();
    let files = files.map_ok(|file| file.location);
    files.try_collect().await.unwrap()
}
